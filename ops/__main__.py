"""``python -m ops <command>``. Its exit codes: ``lib/errors.py``."""

import argparse
import os
import sys

from lib.config.mistakes import reading_config
from lib.exits import ended


def commands_parser() -> argparse.ArgumentParser:
    """What understands every command."""
    # pylint: disable=import-outside-toplevel  # seconds, in which somebody may press Ctrl-C
    with reading_config():
        from ops import (
            cost,
            deploy,
            diagram,
            fields,
            guard,
            hcl,
            parity,
            pipeline,
            plan,
            policy,
            preflight,
            report,
            sandbox,
            verify,
        )
        from ops.state import commands as state

    parser = argparse.ArgumentParser(prog="ops")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (
        *(cost, deploy, diagram, fields, guard, hcl, parity),
        *(pipeline, plan, policy, preflight, report, sandbox, state, verify),
    ):
        command.add_parser(commands)
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    return ended(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    options, rest = commands_parser().parse_known_args(arguments)
    from ops import aws  # pylint: disable=import-outside-toplevel  # boto3 with it

    with aws.told(hint="check the credentials and what they may do"):
        return options.run(options, rest, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
