"""``ops cdktf``: the cdktf CLI, told the stacks that ENVIRONMENT stands for.

The CLI alone wants stacks by name as soon as there are several, compares one at a time, and does
not know that Terraform's ``db_password`` is our ``DB_PASSWORD``.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from lib.config.environment_config import EnvironmentConfig
from lib.config.selection import select
from lib.config.settings import Settings
from lib.errors import TapError
from lib.modules.naming import NamingModule
from ops import graceful, guard, terraform
from ops.graceful import Command

ROOT = Path(__file__).parents[1]
CDKTF = ROOT / "node_modules" / ".bin" / "cdktf"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("cdktf", help="run the cdktf CLI for the stacks of ENVIRONMENT")
    parser.add_argument("verb", choices=["synth", "diff", "deploy", "destroy"])
    guard.add_allow(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run the CLI, with ``rest`` as its further arguments; returns its exit code.

    Raises ``TapError`` for bad input, before the CLI runs, and where the CLI isn't installed.
    """
    settings, selected = select(environ)
    if not CDKTF.exists():
        raise TapError("the cdktf CLI is not installed", hint="run npm ci")
    if options.verb == "deploy":
        if code := terraform.guarded(selected, cli_environ(environ), options.allow):
            return code
    for arguments in cli_arguments(options.verb, stack_ids(settings, selected)):
        (code,) = graceful.run(Command([CDKTF, *arguments, *rest], cli_environ(environ)))
        if code == graceful.INTERRUPTED:
            graceful.say("adopt what AWS was still making: .venv/bin/python -m ops recover")
        if code:
            return code
    return 0


def stack_ids(settings: Settings, selected: list[EnvironmentConfig]) -> list[str]:
    """The ids of the stacks that tap.py makes of these environments."""
    return [
        NamingModule(entry.name, entry.region, settings.environment_suffix).stack_id
        for entry in selected
    ]


def cli_arguments(verb: str, stacks: list[str]) -> list[list[str]]:
    """The CLI's arguments, one list for each run of it."""
    if verb == "synth":
        return [[verb]]
    if verb == "diff":
        return [[verb, stack] for stack in stacks]
    return [[verb, *stacks]]


def cli_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ``, with the password under the name that Terraform looks for."""
    password = environ.get("DB_PASSWORD")
    # CHECKPOINT_DISABLE: the CLI and Terraform otherwise ask a server for newer versions.
    return {
        "CHECKPOINT_DISABLE": "1",
        **environ,
        **({"TF_VAR_db_password": password} if password else {}),
    }
