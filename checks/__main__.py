"""``python -m checks <command>``: exit code 0 fine, 1 a check failed, 2 bad input or usage."""

import argparse
import sys

from checks import audit, licences, sbom, secrets
from lib.exits import ended


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
    return ended(lambda: options.run(options), program="checks")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
