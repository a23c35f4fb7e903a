"""``ops verify``: whether a deployed environment is and does what its config says.

It only reads, but for ``--reachability`` and ``--probe``, which make something and take it away
again. ``docs/verify.md`` lists the checks and what they ask.
"""

import argparse
from collections.abc import Mapping

from lib.errors import TapError
from ops.checkup import Check, command
from ops.preflight import identity
from ops.verify import (
    database,
    deployed,
    drift,
    load_balancer,
    network,
    open_paths,
    parts,
    probe,
    reachability,
    service,
)

CHECKS: tuple[Check, ...] = (
    *identity.CHECKS,
    *deployed.CHECKS,
    *network.CHECKS,
    *database.CHECKS,
    *service.CHECKS,
    *load_balancer.CHECKS,
    *parts.CHECKS,
    *open_paths.CHECKS,
    *drift.CHECKS,
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser(
        "verify", help="whether deployed ENVIRONMENT is what its config says"
    )
    command.add_options(parser)
    parser.add_argument(
        "--reachability",
        action="store_true",
        help="also ask VPC Reachability Analyzer: five questions, $0.10 each",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="also have a Fargate task ask the database, and a foreign one be kept out",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run the checks; 1 when one failed. Raises ``TapError`` for bad input."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops verify --help")
    checks = (
        *CHECKS,
        *(reachability.CHECKS if options.reachability else ()),
        *(probe.CHECKS if options.probe else ()),
    )
    return command.run(options, environ, lambda subject: checks)
