"""``python -m checks <command>``: exit code 0 fine, 1 a check failed, 2 bad input or usage."""

import argparse
import sys

from checks import audit, licences, sbom, secrets
from lib.errors import TapError


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="checks")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (audit, licences, sbom, secrets):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except TapError as error:
        for line in error.lines():
            print(f"checks: {line}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
