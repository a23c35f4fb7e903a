"""What a page tells, taken from the stack, its bill and its config; how it looks is render.py's."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lib.config.environment_config import EnvironmentConfig
from ops.cost import prices, usage
from ops.cost.bill import Bill, bill
from ops.cost.report import Row, notes, rows, total
from ops.diagram.picture import picture
from ops.fields.changes import CHANGES, ELSEWHERE, base_of, value_at
from ops.fields.cost import Effect
from ops.fields.declared import Declared, fields, literal
from ops.fields.page import does, parts, recorded
from ops.network import intended_paths
from ops.policy.stack import Stack as PolicyStack
from ops.stacks import Resource, Stack

REFERENCE = re.compile(r"\$\{((?:data\.)?\w+\.\w+)\.([\w.\[\]*]+)\}")
# Where a resource has its name, the most telling first.
NAMES = (
    *("name", "bucket", "identifier", "family", "alarm_name", "description"),
    *("cidr_block", "service_name", "policy_arn"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one construct of the stack made."""

    name: str
    resources: Sequence[tuple[Resource, str]]  # with the name that AWS knows it by


@dataclass(frozen=True, slots=True)
class Path:
    """A connection that may be opened; each end is a security group or addresses."""

    source: str
    target: str
    traffic: str
    from_internet: bool
    to_internet: bool


@dataclass(frozen=True, slots=True)
class Waived:
    """A check, and the resources that it is waived for, for one reason."""

    check: str
    reason: str
    cost: str
    review: date
    ended: bool
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Output:
    """A published value: where it is found, and what it is."""

    output: str
    parameter: str
    value: str


@dataclass(frozen=True, slots=True)
class Change:
    """A field, its value, and what another one would cost and do.

    ``recorded`` is what Terraform does; where another change was recorded, ``tried`` says which.
    """

    field: Declared
    here: str
    effect: Effect
    recorded: str
    tried: str


@dataclass(frozen=True, slots=True)
class Report:
    """One environment."""

    environment: str
    stack_id: str
    config: EnvironmentConfig
    sizes: Sequence[tuple[str, str, str]]  # what, how much, the fields that say so
    parts: Sequence[Part]
    total: str
    costs: Mapping[str, Sequence[Row]]  # by what they are for
    unpriced: Sequence[str]
    notes: Sequence[str]
    paths: Sequence[Path]
    waivers: Sequence[Waived]
    picture: str
    outputs: Sequence[Output]
    changes: Mapping[str, Sequence[Change]]  # by the part of the config

    @classmethod
    def of(
        cls, stack: Stack, config: EnvironmentConfig, effects: Mapping[str, Effect], day: date
    ) -> "Report":
        """From a stack and the config that made it."""
        charged = bill(stack, usage.read(None, [stack]), prices.load(stack.region), day)
        said = list(notes([charged]))
        lacking = [
            f"{missing.path} ({missing.type}): {missing.why}" for missing in charged.unpriced
        ]
        return cls(
            environment=stack.environment,
            stack_id=stack.id,
            config=config,
            sizes=list(_sizes(config)),
            parts=list(_parts(stack)),
            total=total(charged),
            costs=_costs(charged),
            unpriced=lacking,
            notes=said[: len(said) - len(lacking)],
            paths=list(_paths(stack)),
            waivers=_waivers(stack, config, day),
            picture=picture(stack),
            outputs=list(_outputs(stack)),
            changes=_changes(config, effects),
        )

    @property
    def resources(self) -> int:
        """How many there are."""
        return sum(len(part.resources) for part in self.parts)


def _sizes(config: EnvironmentConfig) -> Iterator[tuple[str, str, str]]:
    network, database, service = config.network, config.database, config.service
    yield "VPC", network.cidr, "network.cidr"
    gateways = {0: "none", 1: "1, lost with its zone"}
    count = network.nat_gateways
    yield "NAT gateways", gateways.get(count, f"{count}, one in each zone"), "network.nat"
    standby = "a standby in another zone" if database.multi_az else "in one zone"
    engine = f"PostgreSQL {database.engine_version}, {database.instance_class}, {standby}"
    yield "Database", engine, "database.instance_class"
    storage = f"{database.storage_gib} GiB, growing to {database.max_storage_gib} GiB"
    yield "Its storage", storage, "database.storage_gib"
    yield "Its backups", _days(database.backup_days), "database.backup_days"
    scaling = service.autoscaling
    count_field = "service.autoscaling" if scaling else "service.desired_count"
    tasks = f"{scaling.min_count} to {scaling.max_count}" if scaling else str(service.desired_count)
    yield "Tasks", f"{tasks}, in {service.subnets} subnets", count_field
    size = f"{service.cpu_units} CPU units, {service.memory_mib} MiB, {service.cpu_architecture}"
    yield "Each task", size, "service.cpu_units"
    yield "Its image", service.image, "service.image"
    yield "Its logs", _days(service.log_retention_days), "service.log_retention_days"


def _days(count: int) -> str:
    return f"kept for {count} day{'' if count == 1 else 's'}"


def _parts(stack: Stack) -> Iterator[Part]:
    found: dict[str, list[tuple[Resource, str]]] = {}
    for resource in sorted(stack.resources.values(), key=lambda entry: entry.path):
        name = resource.path.split("/")[0]
        found.setdefault(name, []).append((resource, _name(resource)))
    for name, resources in found.items():
        yield Part(name, resources)


def _name(resource: Resource) -> str:
    """What AWS knows it by, where the stack says so."""
    texts = (resource.get(argument) for argument in NAMES)
    plain = (text for text in texts if isinstance(text, str) and "${" not in text)
    return next(plain, "")


def _costs(charged: Bill) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows(charged):
        found.setdefault(row.part, []).append(row)
    return found


def _paths(stack: Stack) -> Iterator[Path]:
    """Those that come from outside first."""
    groups = {resource.path for resource in stack.resources.values()}
    found = [
        Path(
            path.source,
            path.target,
            path.traffic,
            path.source not in groups,
            path.target not in groups,
        )
        for path in sorted(intended_paths(stack))
    ]
    yield from sorted(found, key=lambda path: not path.from_internet)


def _waivers(stack: Stack, config: EnvironmentConfig, day: date) -> list[Waived]:
    """Those of one check, for one reason, in one."""
    alike: dict[tuple[str, str, str, date], list[str]] = {}
    excused = PolicyStack(stack.environment, config.production, stack.document).waivers
    for waiver in excused.values():
        key = (waiver.check, waiver.reason, waiver.cost, waiver.review)
        alike.setdefault(key, []).append(waiver.path)
    return [Waived(*key, key[3] <= day, sorted(paths)) for key, paths in sorted(alike.items())]


def _outputs(stack: Stack) -> Iterator[Output]:
    """Each Terraform output, with the parameter of the same value; then the parameters left."""
    parameters = {entry.path.rsplit("/", 1)[-1]: entry for entry in stack.all("aws_ssm_parameter")}
    for name, output in sorted(stack.document.get("output", {}).items()):
        parameter = parameters.pop(name, None)
        yield Output(
            name, parameter.get("name") if parameter else "", _said(stack, output["value"])
        )
    for parameter in parameters.values():
        yield Output("", parameter.get("name"), _said(stack, parameter.get("value")))


def _said(stack: Stack, value: Any) -> str:
    """A value, its references as ``database/instance address``."""

    def named(found: re.Match[str]) -> str:
        resource = stack.resources.get(found[1])
        return f"{resource.path if resource else found[1]} {found[2]}"

    return REFERENCE.sub(named, str(value))


def _changes(config: EnvironmentConfig, effects: Mapping[str, Effect]) -> dict[str, list[Change]]:
    done = recorded()
    return {
        prefix: [
            Change(
                field,
                literal(value_at(config, field.path)),
                effects[field.path],
                does(effects[field.path], done),
                _tried(field.path, effects[field.path].step.value),
            )
            for field in part
            if field.path in effects
        ]
        for prefix, part in parts(fields()).items()
        if any(field.path in effects for field in part)
    }


def _tried(path: str, value: Any) -> str:
    """The change that was recorded, where a switch goes the other way here."""
    tried = (CHANGES | ELSEWHERE)[path]
    switched = isinstance(value, bool) or (value is None) is not (tried is None)
    if not switched or value == tried:
        return ""
    return f"to {literal(tried)} in {base_of(path).name}"
