"""Real plans of a deployed environment, for the guard: ``make plans`` writes tests/ops/plans."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.environment_config import (
    ENVIRONMENTS,
    AutoscalingConfig,
    EnvironmentConfig,
    NatMode,
    StateBackend,
    SubnetTier,
    WafConfig,
)
from ops.sandbox import Sandbox, Site
from ops.terraform_provider import write_override
from tests.e2e import fields
from tests.e2e.conftest import SUFFIX
from tests.synthesized import Synthesized

FOLDER = Path(__file__).parents[1] / "ops" / "plans"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """Fields to change, what is then done to the document, and Terraform's further arguments."""

    changes: dict[str, Any]
    edit: Callable[[Document], object] = lambda _: None
    arguments: Callable[[Document], Iterable[str]] = lambda _: ()


def address(document: Document, type_: str, part: str = "") -> str:
    """The address of the one resource of a type whose logical id begins with ``part``."""
    (found,) = (name for name in document["resource"][type_] if name.startswith(part))
    return f"{type_}.{found}"


def rename(document: Document) -> str:
    """Give the database another logical id, as another construct id would; returns the old one."""
    (old,) = document["resource"]["aws_db_instance"]
    text = re.sub(rf"\b{old}\b", "database_renamed", json.dumps(document))
    document.clear()
    document.update(json.loads(text))
    return old


def move(document: Document) -> None:
    """Rename, with the ``moved`` block that belongs to it."""
    blocks = {
        "from": f"aws_db_instance.{rename(document)}",
        "to": "aws_db_instance.database_renamed",
    }
    document["moved"] = [blocks]


def forget(document: Document) -> None:
    """Let Terraform forget the log group of the flow logs, and leave it where it is."""
    deployed = Synthesized.of(local(), suffix=SUFFIX).document
    group = address(deployed, "aws_cloudwatch_log_group", "network")
    document["removed"] = [{"from": group, "lifecycle": {"destroy": False}}]


def the_load_balancer(document: Document) -> list[str]:
    """Terraform's argument that replaces it."""
    return [f"-replace={address(document, 'aws_lb')}"]


NO_NAT = {"network.nat": NatMode.NONE, "service.subnets": SubnetTier.PUBLIC}
IMAGE = "public.ecr.aws/docker/library/python:3.14-slim"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
BETTER = {
    "database.backup_days": 14,
    "database.deletion_protection": True,
    "database.log_retention_days": 365,
    "database.multi_az": True,
    "database.storage_gib": 40,
    "load_balancer.deletion_protection": True,
    "load_balancer.idle_timeout_seconds": 90,
    "load_balancer.waf": WafConfig(),
    "owner": "another-team",
    "service.autoscaling": AutoscalingConfig(min_count=2, max_count=4),
    "service.desired_count": 4,
    "state.deletable": False,
}
WORSE = {
    "access_logs": None,
    "database.audited_statements": (),
    "database.backup_days": 0,
    "database.log_exports": (),
    "database.log_retention_days": 1,
    "database.monitoring_interval_seconds": 0,
    "database.performance_insights": False,
    "encryption.deletion_days": 7,
    "load_balancer.waf": None,
    "service.container_insights": False,
    "service.desired_count": 0,
    "service.log_retention_days": 1,
    "state.noncurrent_version_days": 1,
}
CASES = {
    "nothing": Case({}),
    "size": Case({"database.instance_class": "db.t3.medium"}),
    "task": Case({"service.cpu_units": 1024, "service.memory_mib": 2048}),
    "network": Case({"network.cidr": "10.9.0.0/16"}),
    "database_name": Case({"database.database_name": "other"}),
    "account": Case({"account_id": "123456789012"}),
    "no_nat": Case(NO_NAT),
    "no_flow_logs": Case({"network.flow_logs": False}),
    "no_alarms": Case({"alarms": None}),
    "renamed": Case({}, rename),
    "moved": Case({}, move),
    "moved_and_replaced": Case({"database.database_name": "other"}, move),
    "forgotten": Case({"network.flow_logs": False}, forget),
    "asked_for": Case({}, arguments=the_load_balancer),
    "image": Case({"service.image": IMAGE}),
    "certificate": Case({"load_balancer.certificate_arn": CERTIFICATE}),
    "port": Case({"database.port": 5433}),
    "upgrade": Case({"database.engine_version": "15"}),
    "upgrade_at_once": Case({"database.engine_version": "15", "database.apply_immediately": True}),
    "better": Case(BETTER),
    "worse": Case(WORSE),
    "container_port": Case({"service.container_port": 9090}),
    "destroy": Case({}, arguments=lambda _: ["-destroy"]),
}

FIRST = [f"first_{config.name}" for config in ENVIRONMENTS]


def local(**changes: Any) -> EnvironmentConfig:
    """The environment as it is deployed, with changes."""
    config = fields.with_change(fields.BASE, "state.backend", StateBackend.LOCAL)
    for path, value in changes.items():
        config = fields.with_change(config, path, value)
    return config


def made(sandbox: Sandbox, site: Site, names: Iterable[str]) -> dict[str, Document]:
    """The plans of these cases, asked of the deployed ``site``."""
    environ = sandbox.environ(site)
    folders = {}
    for name in names:
        case = CASES[name]
        document = Synthesized.of(local(**case.changes), suffix=SUFFIX).document
        case.edit(document)
        folder = fields.folder_beside(site, f"plan_{name}", document)
        folders[name] = (folder, list(case.arguments(document)))

    with ThreadPoolExecutor(2) as pool:
        plans = pool.map(lambda work: planned(work[0], work[1], environ), folders.values())
        return dict(zip(folders, plans, strict=True))


def first(sandbox: Sandbox) -> dict[str, Document]:
    """The plans of the first deploys: the stacks as they are, where no state is."""
    found = {}
    for name, site in sandbox.sites.items():
        config = fields.with_change(site.config, "state.backend", StateBackend.LOCAL)
        document = Synthesized.of(config, suffix=SUFFIX).document
        del document["terraform"]["backend"]
        folder = site.stack_folder.with_name("first")
        folder.mkdir()
        (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
        write_override(folder, sandbox.provider.version)
        environ = sandbox.environ(site)
        terraform(folder, environ, "init", "-input=false")
        found[f"first_{name}"] = planned(folder, [], environ)
    return found


def planned(folder: Path, arguments: Iterable[str], environ: Mapping[str, str]) -> Document:
    """The plan of the stack in a folder, as Terraform tells it to machines."""
    words = ("-refresh=false", "-lock=false", "-input=false", "-out=p", *arguments)
    terraform(folder, environ, "plan", *words)
    return json.loads(terraform(folder, environ, "show", "-json", "p"))


def terraform(folder: Path, environ: Mapping[str, str], *words: str) -> str:
    """What Terraform prints."""
    done = subprocess.run(
        ["terraform", *words], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _beside(entry: Document) -> bool:
    """Whether a resource that stays says something of one that comes."""
    return entry["type"] == "aws_vpc_security_group_ingress_rule"


def trimmed(plan: Document) -> Document:
    """A plan with what changes: kilobytes in place of a megabyte."""
    changes = []
    for entry in plan["resource_changes"]:
        change = entry["change"]
        kept = dict(change)
        for side in ("before", "after", "after_unknown"):
            values = change.get(side) or {}
            kept[side] = {
                name: value
                for name, value in values.items()
                if value is not None and name != "tags_all"
            }
        kept = {name: value for name, value in kept.items() if value}
        if change["actions"] != ["no-op"] or "previous_address" in entry or _beside(entry):
            changes.append(entry | {"change": kept})
    changing = {entry["address"] for entry in changes}
    resources = [
        {
            "address": entry["address"],
            "expressions": {
                name: expression
                for name, expression in entry["expressions"].items()
                if "references" in (text := json.dumps(expression)) or "${" in text
            },
        }
        for entry in plan["configuration"]["root_module"].get("resources", ())
        if entry["address"] in changing
    ]
    kept = {name: plan[name] for name in ("format_version", "terraform_version", "errored")}
    return kept | {
        "planned_values": {},
        "configuration": {"root_module": {"resources": resources}},
        "resource_changes": changes,
    }


def write(plans: dict[str, Document]) -> None:
    """Write the plans to where the guard's tests read them, a line for each resource."""
    for name, plan in plans.items():
        text = json.dumps(trimmed(plan), separators=(",", ":"))
        text = text.replace('{"address":', '\n{"address":') + "\n"
        FOLDER.joinpath(f"{name}.json").write_text(text, encoding="utf-8")
