"""The command around the checks: for each environment a table for people, or JSON for machines."""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lib.config.selection import select
from lib.modules.naming import NamingModule
from ops.cdktf_cli import ROOT, run_app
from ops.checkup import Check, Finding, Outcome, Result, Subject, look, worst
from ops.stacks import Stack

WIDTH = 118  # characters, where there is no terminal
CHECK_WIDTH = 28
EXIT_CODE_MAX = 255
STYLES = {
    Outcome.PASSED: "green",
    Outcome.WARNING: "yellow",
    Outcome.NOT_SHOWN: "cyan",
    Outcome.FAILED: "bold red",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what preflight and verify have in common to their parser."""
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument(
        "--not-shown",
        type=_exit_code,
        default=0,
        metavar="CODE",
        help="exit code when nothing failed, but something could not be shown (default: 0)",
    )


def _exit_code(text: str) -> int:
    """An exit code, as argparse wants it checked."""
    if not text.isdecimal() or int(text) > EXIT_CODE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not an exit code: write 0 to {EXIT_CODE_MAX}")
    return int(text)


def run(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    checks: Callable[[Subject], Sequence[Check]],
) -> int:
    """Look at each environment; 1 when a check failed.

    Raises ``TapError`` for bad input, before AWS is asked anything.
    """
    outcomes, records = [], []
    for subject in subjects(environ):
        results = list(look(checks(subject), subject))
        outcomes += [result.outcome for result in results]
        records.append(record(subject, results))
        if not options.json:
            show(subject, results, sys.stdout)
    if options.json:
        print(json.dumps(records, indent=2))
    return {Outcome.FAILED: 1, Outcome.NOT_SHOWN: options.not_shown}.get(worst(outcomes), 0)


def subjects(environ: Mapping[str, str]) -> list[Subject]:
    """The environments that are asked for, as they synthesize today. Raises ``TapError``."""
    settings, selected = select(environ)
    found = []
    with tempfile.TemporaryDirectory() as outdir:
        sys.stderr.write(run_app(environ, Path(outdir), ROOT))
        for config in selected:
            suffix = settings.environment_suffix
            naming = NamingModule(config.name, config.region, suffix, config.account_id)
            file = Path(outdir, "stacks", naming.stack_id, "cdk.tf.json")
            stack = Stack.read(json.loads(file.read_text(encoding="utf-8")))
            found.append(Subject(config, naming, stack, environ))
    for subject in found:
        subject.neighbours = tuple(each for each in found if each is not subject)
    return found


def record(subject: Subject, results: Iterable[Result]) -> dict[str, Any]:
    """For a machine."""
    return {
        "stack": subject.stack.id,
        "environment": subject.config.name,
        "region": subject.config.region,
        "checks": [
            {
                "check": result.check,
                "outcome": result.outcome,
                "findings": [asdict(finding) for finding in result.findings],
                "seconds": round(result.seconds, 3),
                "calls": dict(sorted(result.calls.items())),
            }
            for result in results
        ],
    }


def show(subject: Subject, results: Sequence[Result], output: TextIO) -> None:
    """For a person: what was asked, then what was found, the worst last. What several checks found
    alike stands there once."""
    console = Console(file=output, width=None if output.isatty() else WIDTH, highlight=False)
    console.print(Text(f"{subject.stack.id}: what was asked", "bold"))
    asked = _grid(no_wrap=2)
    for result in results:
        calls = ", ".join(f"{call} {n}" for call, n in sorted(result.calls.items()))
        if result.seconds:  # else it was left out
            asked.add_row(f"{result.seconds:6.2f} s", result.check, Text(calls or "nothing"))
    console.print(asked)
    console.print(Text(f"\n{subject.stack.id}: what was found", "bold"))
    alike: dict[Finding, dict[str, None]] = {}
    for result in results:
        for finding in result.findings:
            alike.setdefault(finding, {})[result.check] = None
    found = _grid(no_wrap=1)
    order = list(Outcome)
    for finding in sorted(alike, key=lambda each: order.index(each.outcome)):
        outcome = Text(finding.outcome, STYLES[finding.outcome])
        found.add_row(outcome, _row(finding, ", ".join(alike[finding])))
    console.print(found)
    counted = Counter(finding.outcome for result in results for finding in result.findings)
    said = ", ".join(f"{counted[outcome]} {outcome}" for outcome in Outcome)
    seconds = sum(result.seconds for result in results)
    console.print(Text(f"\n{subject.stack.id}: {said}; {len(results)} checks, {seconds:.1f} s"))


def _row(finding: Finding, checks: str) -> RenderableType:
    if finding.outcome is Outcome.PASSED:
        line = _grid(no_wrap=0)
        line.columns[0].width = CHECK_WIDTH
        line.add_row(checks.replace(", ", "\n"), Text(finding.found))
        return line
    said = _grid(no_wrap=1)
    for field in ("found", "needed", "fix"):
        said.add_row(Text(field, "dim"), Text(getattr(finding, field)))
    return Group(Text(checks, "bold"), said)


def _grid(*, no_wrap: int) -> Table:
    """Columns side by side, the first ones never broken; one more for the rest of the line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(no_wrap or 1):
        grid.add_column(no_wrap=bool(no_wrap), overflow="fold")
    grid.add_column(overflow="fold")
    return grid
