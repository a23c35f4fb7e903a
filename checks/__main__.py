"""``python -m checks <command>``: exit code 0 fine, 1 a check failed, 2 bad input or usage."""

import argparse
import sys

from checks import audit, licences, sbom, secrets
from lib.errors import TapError


def commands_parser() -> argparse.ArgumentParser:
    """What understands every command."""
    parser = argparse.ArgumentParser(prog="checks")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (audit, licences, sbom, secrets):
        command.add_parser(commands)
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    options = commands_parser().parse_args(arguments)
    try:
        return options.run(options)
    except TapError as error:
        for line in error.lines():
            print(f"checks: {line}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
