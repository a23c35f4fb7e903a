"""``ops preflight``: everything that would make a deploy fail, before Terraform touches anything.

It only reads. ``docs/preflight.md`` lists the checks and what they ask.
"""

import argparse
import re
import sys
from collections.abc import Mapping

from lib.config.aws_limits import IAM_ROLE_ARN_PATTERN
from lib.errors import TapError
from ops.checkup import Check, command
from ops.preflight import collisions, identity, permissions, policy, quotas, state, versions


def checks(deploy_role: str | None = None) -> tuple[Check, ...]:
    """In their order. ``deploy_role`` is the role that deploys, where it isn't whoever asks."""
    return (
        *identity.CHECKS,
        *state.CHECKS,
        *collisions.CHECKS,
        *versions.CHECKS,
        *quotas.CHECKS,
        *permissions.checks(deploy_role),
    )


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("preflight", help="what would make the deploy of ENVIRONMENT fail")
    command.add_options(parser)
    parser.add_argument(
        "--deploy-role",
        metavar="ARN",
        help="the role that deploys, where it isn't the one that asks",
    )
    parser.add_argument(
        "--policy",
        nargs="?",
        type=policy.Purpose,
        const=policy.Purpose.DEPLOY,
        choices=list(policy.Purpose),
        help="only write the IAM policy that this takes: to deploy, where nothing is said",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run the checks; 1 when one failed. Raises ``TapError`` for bad input."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops preflight --help")
    if options.policy:
        return policy.show(command.subjects(environ), options.policy, sys.stdout, sys.stderr)
    role = options.deploy_role
    if role is not None and not re.fullmatch(IAM_ROLE_ARN_PATTERN, role):
        raise TapError(
            f"{role!r} is no role", hint="write --deploy-role arn:aws:iam::123456789012:role/deploy"
        )
    return command.run(options, environ, lambda subject: checks(role))
