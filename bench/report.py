"""From runs to ratios, targets and tables."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import linear_regression, median

from bench.contenders import AWS_CDK, CDKTN, CONTENDERS, LAZY, STOCK
from bench.errors import BenchError
from bench.measure import Usage

TITLES = {contender.name: contender.title for contender in CONTENDERS}
FURTHER_SECONDS = 0.20
MARKERS = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a contender is asked for. ``environment`` as in ``ENVIRONMENT``."""

    name: str
    title: str
    environment: str
    cold: bool = False  # with jsii's package cache empty, as on a new machine


ONE = Scenario("one", "One environment", "dev")
THREE = Scenario("three", "Three environments", "all")
ONE_COLD = Scenario("one-cold", "One environment, cold", "dev", cold=True)
THREE_COLD = Scenario("three-cold", "Three environments, cold", "all", cold=True)
SCENARIOS = (ONE, THREE, ONE_COLD, THREE_COLD)


@dataclass(frozen=True, slots=True)
class Target:
    """A promise: ``met`` is None where nothing was measured for it."""

    promise: str
    measured: str
    met: bool | None


class Results:
    """All runs: of the scenarios by contender, and of the copies, each list a round's by index."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, int]] = {}
        self.runs: dict[Scenario, dict[str, list[Usage]]] = {}
        self.copies: dict[int, list[float]] = {}  # wall time by number of copies

    def ratio(
        self, scenario: Scenario, one: str, other: str, value: Callable[[Usage], float]
    ) -> float | None:
        """How often ``other`` goes into ``one``: the median of the rounds' ratios."""
        runs = self.runs.get(scenario, {})
        if one not in runs or other not in runs:
            return None
        pairs = zip(runs[one], runs[other], strict=True)
        return median(value(first) / value(second) for first, second in pairs)

    def slopes(self) -> list[float]:
        """Each round's cost of one more copy, in seconds: a line fitted to its runs."""
        return [
            linear_regression(list(self.copies), walls).slope
            for walls in zip(*self.copies.values(), strict=True)
        ]


def targets(results: Results) -> list[Target]:
    """What lazy bindings promise, and what came of it."""
    slopes = results.slopes()
    cost = median(slopes) if slopes else None
    compared = {STOCK, LAZY} <= results.resources.keys()  # had they differed, the run had ended
    return [
        *(
            _less(results, scenario, STOCK, "wall", factor)
            for scenario, factor in ((ONE, 12), (THREE, 9), (ONE_COLD, 2), (THREE_COLD, 2))
        ),
        *(_less(results, scenario, STOCK, "memory", 4) for scenario in (ONE, THREE)),
        *(
            _less(results, scenario, peer, "wall", 1)
            for peer in (AWS_CDK, CDKTN)
            for scenario in (ONE, THREE)
        ),
        Target(
            f"Each further environment: at most {FURTHER_SECONDS:.2f} s",
            f"{cost:.3f} s" if cost else "–",
            cost <= FURTHER_SECONDS if cost else None,
        ),
        Target("The same bytes as stock", "the same" if compared else "–", compared or None),
    ]


def _less(results: Results, scenario: Scenario, than: str, what: str, factor: float) -> Target:
    """Promises at most a part of what another contender takes."""
    words = {"wall": "wall time", "memory": "memory"}[what]
    promise = (
        f"{scenario.title}: less {words} than {than}"
        if factor == 1
        else f"{scenario.title}: at most 1/{factor} of the {words} of {than}"
    )
    ratio = results.ratio(scenario, than, LAZY, attrgetter(what))
    if ratio is None:
        return Target(promise, "–", None)
    return Target(promise, f"1/{ratio:.2f}", ratio >= factor)


def tables(results: Results) -> str:
    """Everything measured, as Markdown that also reads well as it is."""
    blocks = [_table(_scenario_rows(results, scenario)) for scenario in results.runs]
    if results.resources:
        blocks.append(_table(_resource_rows(results.resources)))
    if results.copies:
        counts = [str(count) for count in results.copies]
        walls = [f"{median(walls):.2f}" for walls in results.copies.values()]
        blocks.append(
            _table([["Copies of prod, lazy bindings", *counts], ["wall s", *walls]])
            + f"\nEach further one: {_spread(results.slopes(), '.3f')} s.\n"
        )
    return "\n".join(blocks)


def _scenario_rows(results: Results, scenario: Scenario) -> list[list[str]]:
    head = ["wall s", "CPU s", "memory MB", "wall, stock ÷ this", "memory, stock ÷ this"]
    rows = [[scenario.title, *head]]
    for name, usages in results.runs[scenario].items():
        ratios = (
            results.ratio(scenario, STOCK, name, attrgetter(what)) for what in ("wall", "memory")
        )
        rows.append(
            [
                TITLES[name],
                _spread([usage.wall for usage in usages], ".2f"),
                _spread([usage.cpu for usage in usages], ".2f"),
                _spread([usage.memory / 1e6 for usage in usages], ".0f"),
                *("–" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
            ]
        )
    return rows


def _resource_rows(resources: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    environments = list(next(iter(resources.values())))
    return [
        ["Resources", *environments],
        *(
            [TITLES[name], *(str(counts[environment]) for environment in environments)]
            for name, counts in resources.items()
        ),
    ]


def target_table(found: Sequence[Target]) -> str:
    """The targets, each met or not."""
    words = {True: "met", False: "**not met**", None: "not measured"}
    rows = [[target.promise, target.measured, words[target.met]] for target in found]
    return _table([["Target for lazy bindings", "measured", ""], *rows])


def _spread(values: Sequence[float], form: str) -> str:
    low, middle, high = (
        format(value, form) for value in (min(values), median(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def write(page: Path, block: str) -> None:
    """Put the block between the page's markers. Raises ``BenchError`` if it has none."""
    text = page.read_text()
    if not MARKERS.search(text):
        raise BenchError(f"{page.name} has no lines <!-- bench --> and <!-- /bench -->")
    page.write_text(MARKERS.sub(lambda _: f"\n{block}\n", text, count=1))
