"""What changing a field costs a month: the difference between two bills, of ``ops/cost``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from lib.config.environment_config import EnvironmentConfig
from lib.config.validation import validate
from ops.catalogue import TYPES
from ops.catalogue.values import Change
from ops.cost import prices, usage
from ops.cost.bill import Bill, bill
from ops.cost.prices import Price
from ops.cost.report import SMALL, Difference, change
from ops.cost.usage import CONFIGURED, Usage
from ops.fields.changes import Step
from ops.stacks import DAY, Stack, synthesized

ANOTHER_STACK = ("name", "region")
# What a field has a hand in and no bill shows, since it depends on what is stored or runs: the
# price, and of what.
BY_USE = {
    "database.backup_days": ("rds-backup", "of backups beyond the storage"),
    "database.final_snapshot": ("rds-backup", "of the snapshot that stays"),
    "database.max_storage_gib": ("rds-storage-gp3/Single-AZ", "that the storage grows by"),
    "database.audited_statements": ("log-ingested", "of statements logged"),
    "database.extended_support": ("rds-extended-support/years-1-2", "after standard support"),
    "service.autoscaling": ("fargate-vcpu/X86_64", "of tasks beyond the least, and their memory"),
    "service.autoscaling.max_count": (
        "fargate-vcpu/X86_64",
        "of tasks beyond the least, and their memory",
    ),
    "state.noncurrent_version_days": ("s3-stored", "of old versions"),
    "access_logs": ("s3-stored", "of logs"),
    "access_logs.retention_days": ("s3-stored", "of logs"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step changes: ``fixed`` whatever the traffic, ``by_usage`` with the assumed.

    ``refused`` is what validation says to it, ``note`` what no bill shows, ``in_place`` what AWS
    interrupts for it, or refuses.
    """

    step: Step
    fixed: Decimal = Decimal(0)
    by_usage: Decimal = Decimal(0)
    note: str = ""
    refused: str = ""
    unpriced: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``+$65.70 and, by usage, +$1.20``."""
        if self.refused:
            return f"refused: {self.refused}"
        if self.step.path in ANOTHER_STACK:
            return "another environment's bill"
        if self.unpriced:
            return f"not known, without a price of {', '.join(self.unpriced)}"
        said = []
        if abs(self.fixed) >= SMALL:
            said.append(change(self.fixed))
        if abs(self.by_usage) >= SMALL:
            said.append(f"by usage {change(self.by_usage)}")
        if self.note:
            said.append(self.note)
        return "; ".join(said) or "nothing"


def effects(config: EnvironmentConfig, steps: Iterable[Step]) -> dict[str, Effect]:
    """What each of ``steps`` from ``config`` costs, by the field's path."""
    steps = list(steps)
    if not steps:
        return {}
    listed = prices.load(config.region)
    start = synthesized(config)
    both = usage.read(None, [start]), _nothing(usage.read(None, [start]))
    before = _bills(start, listed, both)
    found = {}
    for step in steps:
        changed = step.made(config)
        if problems := validate([changed]):
            found[step.path] = Effect(step, refused=problems[0].message)
        elif step.path in ANOTHER_STACK:
            found[step.path] = Effect(step)
        else:
            stack = synthesized(changed)
            after = _bills(stack, listed, both)
            effect = _effect(step, before, after, _note(step.path, listed))
            found[step.path] = replace(effect, in_place=tuple(in_place(start, stack)))
    return found


def _effect(step: Step, before: Sequence[Bill], after: Sequence[Bill], note: str) -> Effect:
    """From the bills with the assumed usage, and with none."""
    whole, fixed = (Difference("", old, new) for old, new in zip(before, after, strict=True))
    if whole.monthly is None or fixed.monthly is None:
        return Effect(step, unpriced=tuple(whole.lacking))
    return Effect(step, fixed.monthly, whole.monthly - fixed.monthly, note)


def in_place(before: Stack, after: Stack) -> Iterator[str]:
    """What AWS interrupts, or refuses, where one stack becomes the other: the catalogue's words."""
    for address, resource in before.resources.items():
        record = TYPES.get(resource.type)
        if record and address in after.resources:
            step = Change(resource.values, after.resources[address].values)
            for interrupts in record.interruptions:
                if said := interrupts.told(step):
                    yield f"meanwhile {said}"
            for refused in record.refusals:
                if said := refused.told(step):
                    yield f"**refused** before anything is touched: {said}"


def _bills(stack: Stack, listed: Mapping[str, Price], both: tuple[Usage, Usage]) -> list[Bill]:
    """With the assumed usage, and with none, in the month of the youngest price."""
    day = max((price.date for price in listed.values()), default=DAY)
    return [bill(stack, quantities, listed, day) for quantities in both]


def _nothing(assumed: Usage) -> Usage:
    """The same quantities, each 0 but for those that the stack says."""
    return Usage(
        [
            {
                environment: {
                    key: {
                        name: value if value == CONFIGURED else 0 for name, value in names.items()
                    }
                    for key, names in sections.items()
                }
                for environment, sections in file.items()
            }
            for file in assumed.files
        ]
    )


def _note(path: str, listed: Mapping[str, Price]) -> str:
    key, what = BY_USE.get(path, ("", ""))
    if key not in listed:
        return ""
    price = listed[key]
    unit = {"GB-month": "GB"}.get(price.unit, price.unit)
    cents = price.usd == round(price.usd, 2)
    dollars = f"{price.usd:.2f}" if cents else f"{price.usd.normalize():f}"
    return f"${dollars} a {unit} {what}"
