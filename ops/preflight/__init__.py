"""``ops preflight``: everything that would make a deploy fail, before Terraform touches anything.

It only reads. ``docs/preflight.md`` lists the checks and what they ask.
"""

import argparse
from collections.abc import Mapping

from lib.errors import TapError
from ops.checkup import Check, command
from ops.preflight import collisions, identity, quotas, state, versions

CHECKS: tuple[Check, ...] = (
    *identity.CHECKS,
    *state.CHECKS,
    *collisions.CHECKS,
    *versions.CHECKS,
    *quotas.CHECKS,
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("preflight", help="what would make the deploy of ENVIRONMENT fail")
    command.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run the checks; 1 when one failed. Raises ``TapError`` for bad input."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops preflight --help")
    return command.run(options, environ, lambda subject: CHECKS)
