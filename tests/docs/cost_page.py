"""What docs/cost.md has from the bills themselves."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import date
from decimal import Decimal

from ops.cost import prices, usage
from ops.cost.bill import Bill, bill
from ops.cost.report import markdown, money, notes
from ops.stacks import Stack

DAY = date(2026, 11, 23)
QUOTED = {"dev": 43, "staging": 100, "prod": 210}  # dollars
COUNTED = {"rds-instance", "rds-storage-gp3", "fargate-vcpu", "fargate-gb", "alb-hour"}
LEFT_OUT = {"NAT gateways": {"nat-hour"}, "public IPv4 addresses": {"public-ipv4"}}


def blocks(stacks: Sequence[Stack]) -> dict[str, str]:
    """The generated blocks, by name."""
    bills = _bills(stacks)
    return {
        "cost": "\n".join((*markdown(bills), "", *notes(bills))),
        "quoted": "\n".join(_quoted(bills, _bills([_one_zone(stack) for stack in stacks]))),
    }


def _bills(stacks: Sequence[Stack]) -> list[Bill]:
    quantities = usage.read(None, stacks)
    return [bill(stack, quantities, prices.load(stack.region), DAY) for stack in stacks]


def _one_zone(stack: Stack) -> Stack:
    """The stack with its database in one zone."""
    document = deepcopy(stack.document)
    for database in document["resource"]["aws_db_instance"].values():
        database["multi_az"] = False
    return Stack.read(document)


def _sum(found: Bill, keys: set[str]) -> Decimal:
    charged = (item for item in found.items if item.charge.key.split("/")[0] in keys)
    return sum((item.monthly for item in charged), Decimal(0))


def _quoted(bills: list[Bill], one_zone: list[Bill]) -> Iterator[str]:
    pairs = list(zip(bills, one_zone, strict=True))
    yield f"| | {' | '.join(found.environment for found in bills)} |"
    yield f"|---|{'---:|' * len(bills)}"
    quoted = [QUOTED.get(found.environment) for found in bills]
    yield _row("widely quoted", ["" if dollars is None else f"${dollars}" for dollars in quoted])
    yield _row(
        "one zone, storage once, tasks, load balancer",
        [money(_sum(single, COUNTED)) for _, single in pairs],
    )
    for what, key in (("standby instance", "rds-instance"), ("its storage", "rds-storage-gp3")):
        more = [_sum(found, {key}) - _sum(single, {key}) for found, single in pairs]
        yield _row(f"+ Multi-AZ: {what}", map(money, more))
    for what, keys in LEFT_OUT.items():
        yield _row(f"+ {what}", [money(_sum(found, keys)) for found in bills])
    named = COUNTED.union(*LEFT_OUT.values())
    rest = [found.total - _sum(found, named) for found in bills]
    yield _row("+ traffic, logs, alarms, secrets, keys, metrics", map(money, rest))
    yield _row("**in all**", [f"**{money(found.total)}**" for found in bills])


def _row(head: str, cells: "Iterator[str] | list[str] | map[str]") -> str:
    return f"| {head} | {' | '.join(cells)} |"
