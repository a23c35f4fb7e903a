"""docs/policy.md: every waiver, out of the stacks themselves."""

import os.path
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ops.cdktf_cli import ROOT
from ops.policy.nag import PREFIX as OF_PLANS
from ops.policy.stack import Stack, Waiver

DOCUMENT = ROOT / "docs" / "policy.md"

HEAD = """# What policy checks object to, and why it stays

`make policy` holds every environment's synthesized stack against
[checkov](https://www.checkov.io) and against rules of our own
([ops/policy/rules.py](../ops/policy/rules.py)) for what that misses. `make e2e` holds the plan of
each deployed one against [tf-nag](https://github.com/vumdao/terraform-nag), whose checks begin
with `AwsSolutions`. A finding is mended, or waived beside its resource (`waive` in
[lib/modules](../lib/modules)) with a reason, the cost of mending it, and the day on which the
waiver ends: {review}. A finding without a waiver fails, and so do a waiver without a finding and
one that has ended. `make policy OPTIONS=--write` writes this page.

Different checks of checkov that are waived; a certificate takes away those of plain HTTP:

| | as it is | with `certificate_arn` |
|---|---|---|
{counts}

Costs are a month's, at list prices of us-east-1.
"""

TABLE = """
## {title}

| check | resource | environment | reason | cost of satisfying it |
|---|---|---|---|---|
{rows}
"""

TITLES = {
    "shipped": "As they are",
    "certificate": "And with a certificate",
    "password": "And with a given password",
}
MANY = 4  # resources in a row; more are told by what they share


class _Row(NamedTuple):
    """What the environments of a row share."""

    check: str
    paths: tuple[str, ...]
    reason: str
    cost: str

    def line(self, environments: Sequence[str]) -> str:
        """The row."""
        where = ", ".join(f"`{path}`" for path in self.paths)
        if len(self.paths) > MANY:
            where = f"`{os.path.commonpath(self.paths)}/*` ({len(self.paths)})"
        cells = (self.check, where, ", ".join(environments), self.reason, self.cost)
        return f"| {' | '.join(cells)} |"


def waived_checks(stack: Stack) -> set[str]:
    """The different checks that a stack waives, but for those of plans."""
    return {check for check, _ in stack.waivers if not check.startswith(OF_PLANS)}


def document(variants: Mapping[str, Sequence[Stack]]) -> str:
    """The whole page; ``variants`` are those of ``policy/stacks.py``."""
    shipped, certified = variants["shipped"], variants["certificate"]
    reviews = {waiver.review for stack in shipped for waiver in stack.waivers.values()}
    counts = [
        f"| {stack.environment} | {len(waived_checks(stack))} | {len(waived_checks(other))} |"
        for stack, other in zip(shipped, certified, strict=True)
    ]
    page = HEAD.format(review=", ".join(map(str, sorted(reviews))), counts="\n".join(counts))
    before: list[dict[tuple[str, str], Waiver]] = [{} for _ in shipped]
    for variant, title in TITLES.items():
        stacks = variants[variant]
        rows = _rows(stacks, before)
        page += TABLE.format(title=title, rows="\n".join(rows))
        before = [stack.waivers for stack in stacks]
    return page


def _rows(stacks: Sequence[Stack], before: Sequence[Mapping[tuple[str, str], Waiver]]) -> list[str]:
    """A row for each waiver that wasn't there before, those of one kind in one."""
    rows: dict[_Row, list[str]] = {}
    for stack, known in zip(stacks, before, strict=True):
        alike: dict[tuple[str, str, str], list[str]] = {}
        for key, waiver in stack.waivers.items():
            if key not in known:
                alike.setdefault((waiver.check, waiver.reason, waiver.cost), []).append(waiver.path)
        for (check, reason, cost), paths in alike.items():
            row = _Row(check, tuple(sorted(paths)), reason, cost)
            rows.setdefault(row, []).append(stack.environment)
    return [row.line(rows[row]) for row in sorted(rows)]
