"""``ops report``: one self-contained HTML page for each environment, from its synthesized stack.

What it is made of and costs, who may reach whom, what is waived and why, what it publishes, and
what changing each field of its config would do. No script, no request, nothing from the clock: one
stack and one price list always give the same bytes.
"""

import argparse
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.selection import select
from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.fields.changes import has, step_of
from ops.fields.cost import Effect, effects
from ops.fields.declared import fields
from ops.report.content import Report
from ops.report.render import page
from ops.stacks import ASKED, Stack, synthesize

OUTPUT = ROOT / "report"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("report", help="write a page of each of ENVIRONMENT (all)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="report by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Write the pages. Raises ``TapError`` for bad input."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops report --help")
    asked = ASKED | {name: value for name, value in environ.items() if value}
    _, selected = select(asked, ENVIRONMENTS)
    configs = {config.name: config for config in selected}
    for stack in synthesize(asked):
        found = report(stack, configs[stack.environment], date.today())
        print(write(found, list(configs), options.output))
    return 0


def report(stack: Stack, config: EnvironmentConfig, day: date) -> Report:
    """All that a page tells, in the month of ``day``. Raises ``TapError`` without a price list."""
    return Report.of(stack, config, measured(config), day)


def measured(config: EnvironmentConfig) -> dict[str, Effect]:
    """What a change of each field that the environment has costs, by the field's path."""
    paths = [field.path for field in fields() if has(config, field.path)]
    return effects(config, [step_of(config, path) for path in paths])


def write(found: Report, environments: Sequence[str], folder: Path) -> Path:
    """The page's file; it links to those of the other ``environments``.

    Raises ``TapError`` where there is no folder to be had.
    """
    file = folder / f"{found.environment}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(page(found, environments), encoding="utf-8")
    except OSError as error:
        hint = "name a folder that can be written: --output"
        raise TapError(f"{folder}: {error.strerror}", hint=hint) from error
    return file
