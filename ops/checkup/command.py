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

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lib.config.selection import select
from lib.modules.naming import NamingModule
from ops.cdktf_cli import ROOT, run_app
from ops.checkup import Check, Outcome, Result, Subject, look, worst
from ops.stacks import Stack

WIDTH = 118  # characters, where there is no terminal
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
        type=int,
        default=0,
        metavar="CODE",
        help="exit code when nothing failed, but something could not be shown (default: 0)",
    )


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
    """For a person."""
    terminal = output.isatty()
    console = Console(file=output, width=None if terminal else WIDTH, highlight=False)
    table = Table(
        "", "check", "found", "needed", "fix", title=subject.stack.id, box=box.SIMPLE_HEAD
    )
    for result in results:
        for finding in result.findings:
            outcome = Text(finding.outcome, STYLES[finding.outcome])
            name, *texts = result.check, finding.found, finding.needed, finding.fix
            table.add_row(outcome, name, *map(Text, texts))
    console.print(table)
    for result in results:
        calls = ", ".join(f"{call} {n}" for call, n in sorted(result.calls.items())) or "none"
        console.print(Text(f"{result.seconds:6.2f} s  {result.check}: {calls}"))
    counted = Counter(finding.outcome for result in results for finding in result.findings)
    said = ", ".join(f"{counted[outcome]} {outcome}" for outcome in Outcome)
    console.print(Text(f"\n{subject.stack.id}: {said}"))
