"""``ops parity``: what two environments differ in, and which line of the config makes it so.

Both are given one neutral name, and the first one's config is turned into the second's line by line
(``walk.py``): what a step changes in the synthesized JSON, its line explains. What is left is what
the code makes of the environment's name: names may differ in it, nothing else may. A difference
that no line explains is a fault: one code base and one record of sizes is what TAP promises.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.validation import validate
from lib.errors import ConfigError, TapError
from ops.parity.difference import (
    Difference,
    Leaves,
    Place,
    beyond_names,
    changed,
    differences,
    leaves,
)
from ops.parity.lines import FILE, Lines
from ops.parity.walk import Field, steps
from ops.stacks import ROOT, synthesized

NEUTRAL = ("parity", "another", "third")  # names that an environment may have, and few do
Synthesis = Callable[[EnvironmentConfig], Leaves]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Lines of config, and what they make differ."""

    fields: tuple[Field, ...]
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Report:
    """What two environments differ in. ``alike`` are the places where they are the same."""

    before: str
    after: str
    explained: Sequence[Explanation]
    unexplained: Mapping[str, Sequence[Difference]]  # by the environment whose name makes them
    alike: int


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("parity", help="what two environments differ in, and why")
    parser.add_argument("environments", nargs=2, metavar="ENVIRONMENT")
    parser.add_argument("--json", action="store_true", help="for a machine")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Print what differs; 1 when no line of the config explains it. Raises ``TapError``."""
    del environ  # the environments as they are in the config, whatever this process was told
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops parity --help")
    if problems := validate(ENVIRONMENTS):
        raise ConfigError(problems)
    known = {entry.name: entry for entry in ENVIRONMENTS}
    for name in options.environments:
        if name not in known:
            raise TapError(f"unknown environment {name}", hint=f"choose two of {', '.join(known)}")
    first, second = options.environments
    if first == second:
        raise TapError(f"{first} is {second}", hint="name two environments")
    report = compare(known[first], known[second])
    if options.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        print("\n".join(lines(report, Lines.read(FILE.read_text(encoding="utf-8")))))
    return 1 if any(report.unexplained.values()) else 0


def synthesize(config: EnvironmentConfig) -> Leaves:
    """What ``tap.py`` writes of a config."""
    return leaves(synthesized(config).document)


def compare(
    before: EnvironmentConfig, after: EnvironmentConfig, synthesis: Synthesis = synthesize
) -> Report:
    """Walks from one environment to the other."""
    neutral = next(name for name in NEUTRAL if name not in {before.name, after.name})
    start, end = (dataclasses.replace(config, name=neutral) for config in (before, after))
    first = here = synthesis(start)
    touched: list[tuple[tuple[Field, ...], set[Place]]] = []
    for step in steps(start, end):
        there = synthesis(step.config)
        touched.append((step.fields, changed(here, there)))
        here = there
    differing = changed(first, here)
    explained = [
        Explanation(fields, differences(first, here, places & differing))
        for fields, places in touched
    ]
    unexplained = {}
    for config, leaf in ((before, first), (after, here)):
        own = synthesis(config)
        places = beyond_names(own, leaf, config.name, neutral)
        unexplained[config.name] = differences(leaf, own, places)
    return Report(before.name, after.name, explained, unexplained, len(here.keys() - differing))


def lines(report: Report, where: Lines | None) -> list[str]:
    """For a person; without ``where``, not in which lines of the config it stands."""
    file = FILE.relative_to(ROOT)
    count = sum(len(entry.differences) for entry in report.explained)
    fields = sum(len(entry.fields) for entry in report.explained)
    said = [
        f"{report.before} → {report.after}: {fields} lines of config differ and make "
        f"{count} differences; {report.alike} arguments are alike"
    ]
    for entry in report.explained:
        said.append("")
        for field in entry.fields:
            said.append(f"{field.path}: {_value(field.before)} → {_value(field.after)}")
            if where:
                places = [
                    f"{file}:{line}" if (line := where.of(name, field.path)) else str(file)
                    for name in (report.before, report.after)
                ]
                said.append(f"    {' → '.join(dict.fromkeys(places))}")
        said += [f"    {difference}" for difference in entry.differences] or [
            "    nothing in the JSON"
        ]
    for name, found in report.unexplained.items():
        if found:
            said += ["", f"NO LINE OF CONFIG EXPLAINS what the name {name} makes:"]
            said += [f"    {difference}" for difference in found]
    return said


def _value(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return type(value).__name__
    return str(value)


def as_json(report: Report) -> dict[str, Any]:
    """For a machine."""
    return {
        "before": report.before,
        "after": report.after,
        "alike": report.alike,
        "explained": [
            {
                "config": [
                    {
                        "field": field.path,
                        "before": _value(field.before),
                        "after": _value(field.after),
                    }
                    for field in entry.fields
                ],
                "differences": [dataclasses.asdict(found) for found in entry.differences],
            }
            for entry in report.explained
        ],
        "unexplained": {
            name: [dataclasses.asdict(entry) for entry in found]
            for name, found in report.unexplained.items()
        },
    }
