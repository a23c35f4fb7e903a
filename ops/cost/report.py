"""Bills, and what two of them differ in, for a person, a pull request or a machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from ops.cost.bill import PARTS, Bill, Item, Unpriced

WIDTH = 118  # characters, where there is no terminal
SMALL = Decimal("0.005")  # dollars: what would be shown as $0.00
NOTES = (
    "List prices: no free tier, no discount, no tax, no support plan. What depends on traffic is "
    "assumed: ops/cost/usage.toml."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a bill: what several resources are charged for alike is one."""

    part: str
    what: str
    size: str
    where: str
    amount: Decimal
    unit: str
    usd: Decimal
    monthly: Decimal


def money(value: Decimal) -> str:
    """``$1,234.50``."""
    cents = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"-${-cents:,}" if cents < 0 else f"${cents:,}"


def total(bill: Bill) -> str:
    """``$1,234.50``; where something has no price, the least: ``≥ $354.99 + database``."""
    if not bill.lacking:
        return money(bill.total)
    return " + ".join((f"≥ {money(bill.total)}", *bill.lacking))


def change(value: Decimal) -> str:
    """``+$32.85``."""
    return money(value) if round(value, 2) < 0 else f"+{money(value)}"


def number(value: Decimal) -> str:
    """``1,460`` or ``0.25``, without needless zeros."""
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def rows(bill: Bill) -> list[Row]:
    """The lines of a bill, part by part and dearest first, but for what there is nothing of."""

    def alike(item: Item) -> tuple[str, ...]:
        return item.charge.part, item.charge.key, item.charge.what, item.charge.size

    items = [item for item in bill.items if item.charge.amount]
    found = []
    for _, grouped in groupby(sorted(items, key=alike), alike):
        group = list(grouped)
        charge, price = group[0].charge, group[0].price
        found.append(
            Row(
                charge.part,
                charge.what,
                charge.size,
                group[0].path if len(group) == 1 else f"{len(group)} resources",
                sum((item.charge.amount for item in group), Decimal(0)),
                price.unit,
                price.usd,
                sum((item.monthly for item in group), Decimal(0)),
            )
        )
    return sorted(found, key=lambda row: (PARTS.index(row.part), -row.monthly))


def tables(bills: Sequence[Bill], file: TextIO) -> None:
    """The bills, for a person."""
    console = Console(file=file, width=None if file.isatty() else WIDTH, highlight=False)
    for bill in bills:
        console.print(f"{bill.environment}, {bill.region}: {total(bill)} a month", soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for column in ("", "what", "where"):
            table.add_column(column, overflow="fold")
        for column in ("amount", "unit", "price", "a month"):
            table.add_column(column, justify="left" if column == "unit" else "right", no_wrap=True)
        shown, small = "", []
        for row in rows(bill):
            if row.monthly < SMALL:
                small.append(row)
                continue
            table.add_row(
                "" if row.part == shown else row.part,
                f"{row.what} ({row.size})" if row.size else row.what,
                row.where,
                number(row.amount),
                row.unit,
                f"${row.usd.normalize():f}",
                money(row.monthly),
            )
            shown = row.part
        if small:
            cost = money(sum((row.monthly for row in small), Decimal(0)))
            table.add_row(f"{len(small)} below a cent", "", "", "", "", "", cost)
        console.print(table)
        console.print()
    for note in notes(bills):
        console.print(note, soft_wrap=True)


def markdown(bills: Sequence[Bill]) -> Iterator[str]:
    """The bills side by side, for a document or a comment."""
    yield f"| dollars a month | {' | '.join(bill.environment for bill in bills)} |"
    yield f"|---|{'---:|' * len(bills)}"
    by_what = [_by_what(bill) for bill in bills]
    for part in PARTS:
        names = dict.fromkeys(what for bill in by_what for p, what in bill if p == part)
        for what in names:
            amounts = [bill.get((part, what)) for bill in by_what]
            if any(amount and amount >= SMALL for amount in amounts):
                cells = ["" if amount is None else money(amount) for amount in amounts]
                yield f"| {part}: {what} | {' | '.join(cells)} |"
    totals = " | ".join(f"**{total(bill)}**" for bill in bills)
    yield f"| **in all** | {totals} |"


def _by_what(bill: Bill) -> Mapping[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for row in rows(bill):
        key = (row.part, row.what)
        found[key] = found.get(key, Decimal(0)) + row.monthly
    return found


def notes(bills: Sequence[Bill]) -> Iterator[str]:
    """What the figures are made from, and what they lack."""
    yield NOTES
    prices = {item.charge.key: item.price for bill in bills for item in bill.items}
    if prices:
        days = [price.date for price in prices.values()]
        yield f"Prices of {_span(min(days), max(days))}."
    doubtful = sorted(key for key, price in prices.items() if not price.confirmed_by)
    if doubtful:
        yield f"Not confirmed by the price list itself: {', '.join(doubtful)}."
    for bill in bills:
        for missing in bill.unpriced:
            yield (
                f"NO PRICE, not in the sum: {bill.environment} {missing.path} ({missing.type}): "
                f"{missing.why}"
            )


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def as_json(bills: Sequence[Bill]) -> list[dict[str, Any]]:
    """The bills, for a machine."""
    return [
        {
            "environment": bill.environment,
            "region": bill.region,
            "monthly_usd": None if bill.unpriced else _plain(bill.total),
            "at_least_usd": _plain(bill.total),
            "items": [
                {
                    "path": item.path,
                    "part": item.charge.part,
                    "what": item.charge.what,
                    "size": item.charge.size,
                    "amount": _plain(item.charge.amount),
                    "unit": item.price.unit,
                    "price": item.charge.key,
                    "usd": _plain(item.price.usd),
                    "price_date": item.price.date.isoformat(),
                    "source": item.price.source,
                    "confirmed_by": item.price.confirmed_by,
                    "monthly_usd": _plain(item.monthly),
                }
                for item in bill.items
            ],
            "unpriced": [
                {"path": missing.path, "type": missing.type, "why": missing.why}
                for missing in bill.unpriced
            ],
            "free_types": list(bill.free),
        }
        for bill in bills
    ]


def _plain(value: Decimal) -> float:
    return float(round(value, 9))


def _known(bill: Bill | None) -> float | None:
    """The sum, where there is one."""
    return _plain(bill.total) if bill and not bill.unpriced else None


@dataclass(frozen=True, slots=True)
class Change:
    """What one resource is charged for, before and after."""

    path: str
    before: Item | None
    after: Item | None

    @property
    def monthly(self) -> Decimal:
        """By how much it changes."""
        after = self.after.monthly if self.after else Decimal(0)
        return after - (self.before.monthly if self.before else Decimal(0))

    @property
    def what(self) -> str:
        """``instance (db.t3.micro, Single-AZ → db.t3.small, Single-AZ)``."""
        charges = [item.charge for item in (self.before, self.after) if item]
        sizes = " → ".join(dict.fromkeys(charge.size for charge in charges if charge.size))
        return f"{charges[-1].what} ({sizes})" if sizes else charges[-1].what


@dataclass(frozen=True, slots=True)
class Difference:
    """What two bills differ in; None stands for an environment that isn't there."""

    name: str
    before: Bill | None
    after: Bill | None

    @property
    def unpriced(self) -> list[Unpriced]:
        """What has no price on a side, and is not the same on both."""
        before, after = (bill.unpriced if bill else () for bill in (self.before, self.after))
        if self.before and self.after and self.before.region != self.after.region:
            return [*before, *after]
        gone = [missing for missing in before if missing not in after]
        return gone + [missing for missing in after if missing not in before]

    @property
    def lacking(self) -> list[str]:
        """The parts of those: with any, nobody knows what the difference is."""
        return [*dict.fromkeys(missing.name for missing in self.unpriced)]

    @property
    def monthly(self) -> Decimal | None:
        """By how much the sum changes; None where that isn't known."""
        if self.unpriced:
            return None
        after = self.after.total if self.after else Decimal(0)
        return after - (self.before.total if self.before else Decimal(0))

    @property
    def said(self) -> str:
        """``+$32.85 a month``."""
        if self.monthly is None:
            return f"not known, without a price of {', '.join(self.lacking)}"
        return f"{change(self.monthly)} a month"

    @property
    def changes(self) -> list[Change]:
        """The lines that differ, dearest first; of what has a price on both sides."""
        unknown = {missing.path for missing in self.unpriced}
        if "everything" in unknown:
            return []
        before, after = _by_charge(self.before), _by_charge(self.after)
        found = [
            Change(key[0], before.get(key), after.get(key))
            for key in dict.fromkeys((*before, *after))
            if key[0] not in unknown
        ]
        differing = [entry for entry in found if entry.monthly]
        return sorted(differing, key=lambda entry: (-abs(entry.monthly), entry.path))

    def lines(self) -> Iterator[str]:
        """For a person or a pull request."""
        for entry in self.changes:
            yield f"  {change(entry.monthly):>12}  {entry.path}: {entry.what}"
        for path in dict.fromkeys(missing.path for missing in self.unpriced):
            yield f"  {'no price':>12}  {path}"

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "name": self.name,
            "monthly_usd": None if self.monthly is None else _plain(self.monthly),
            "before_usd": _known(self.before),
            "after_usd": _known(self.after),
            "unpriced": self.lacking,
            "changes": [
                {"path": entry.path, "what": entry.what, "monthly_usd": _plain(entry.monthly)}
                for entry in self.changes
            ],
        }


def _by_charge(bill: Bill | None) -> Mapping[tuple[str, str], Item]:
    """By path and kind of price: a bigger instance has another price, and is the same line."""
    items = bill.items if bill else ()
    return {(item.path, item.charge.key.split("/")[0]): item for item in items}


def compare(before: Sequence[Bill], after: Sequence[Bill]) -> list[Difference]:
    """Environment by environment."""
    old, new = ({bill.environment: bill for bill in bills} for bills in (before, after))
    return [Difference(name, old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old))]


def headline(differences: Sequence[Difference]) -> str:
    """``this change: +$32.85 a month in staging, nothing in dev, prod``."""
    changed = [entry for entry in differences if entry.monthly is None or round(entry.monthly, 2)]
    same = [entry.name for entry in differences if entry not in changed]
    said = [f"{entry.said} in {entry.name}" for entry in changed]
    if same:
        said.append(f"nothing in {', '.join(same)}")
    return f"this change: {', '.join(said)}"
