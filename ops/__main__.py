"""``python -m ops <command>``: exit code 0 fine, 1 a check failed, 2 bad input or usage."""

import argparse
import os
import sys

from lib.errors import TapError
from ops import (
    cost,
    deploy,
    diagram,
    fields,
    guard,
    hcl,
    parity,
    plan,
    policy,
    preflight,
    report,
    sandbox,
    verify,
)
from ops.state import commands as state


def commands_parser() -> argparse.ArgumentParser:
    """What understands every command."""
    parser = argparse.ArgumentParser(prog="ops")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (
        *(cost, deploy, diagram, fields, guard, hcl, parity),
        *(plan, policy, preflight, report, sandbox, state, verify),
    ):
        command.add_parser(commands)
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    options, rest = commands_parser().parse_known_args(arguments)
    try:
        return options.run(options, rest, os.environ)
    except TapError as error:
        for line in error.lines():
            print(f"tap: {line}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
