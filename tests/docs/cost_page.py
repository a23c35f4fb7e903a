"""What docs/cost.md has from the bills themselves."""

from collections.abc import Sequence
from datetime import date

from ops.cost import prices, usage
from ops.cost.bill import bill
from ops.cost.report import markdown, notes
from ops.stacks import Stack

DAY = date(2026, 11, 23)


def blocks(stacks: Sequence[Stack]) -> dict[str, str]:
    """The generated blocks, by name."""
    quantities = usage.read(None, stacks)
    bills = [bill(stack, quantities, prices.load(stack.region), DAY) for stack in stacks]
    return {"cost": "\n".join((*markdown(bills), "", *notes(bills)))}
