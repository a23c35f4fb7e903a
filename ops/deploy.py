"""``ops cdktf``: the cdktf CLI, told the stacks that ENVIRONMENT stands for."""

import argparse
from collections.abc import Mapping

from lib.config.selection import select
from lib.errors import TapError
from ops import graceful, guard
from ops.cdktf_cli import CDKTF, cli_arguments, cli_environ, stack_ids
from ops.graceful import Command
from ops.planned import guarded


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
        if code := guarded(selected, environ, options.allow):
            return code
    for arguments in cli_arguments(options.verb, stack_ids(settings, selected)):
        (code,) = graceful.run(Command([CDKTF, *arguments, *rest], cli_environ(environ)))
        if code == graceful.INTERRUPTED:
            graceful.say("adopt what AWS was still making: .venv/bin/python -m ops recover")
        if code:
            return code
    return 0
