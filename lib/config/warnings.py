"""What AWS takes, and what should not stay as it is: told with each synthesis, refused never."""

import calendar
import re
from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Network

from lib.config import aws_limits
from lib.config.environment_config import EnvironmentConfig, StateLock
from lib.config.mistakes import CONFIG_FILE
from lib.config.type_check import Finding, shown
from lib.config.validation import NEWEST_MAJOR, RANGE_EXAMPLE, has_root, old_tls
from lib.errors import Problem

SUPPORT_WARNING_MONTHS = 6


def warnings(environment: EnvironmentConfig, today: date) -> list[str]:
    """What is allowed in a valid ``environment``, and should not stay as it is."""
    return [
        *support_warnings(environment, today),
        *(
            str(Problem(f"{environment.name}.{path}", finding.message, finding.hint))
            for path, finding in _unwise(environment)
        ),
    ]


def _unwise(environment: EnvironmentConfig) -> Iterator[tuple[str, Finding]]:
    """Pairs of a path below the environment and what should not stay there."""
    network, database, service = environment.network, environment.database, environment.service
    balancer = environment.load_balancer
    if environment.production and balancer.certificate_arn is None:
        yield (
            "load_balancer.certificate_arn",
            Finding(
                "production serves plain HTTP",
                "name an ACM certificate, and drop allow_plain_http",
            ),
        )
    elif balancer.certificate_arn and not re.fullmatch(
        aws_limits.TLS_1_2_POLICY_PATTERN, balancer.tls_policy
    ):
        yield "load_balancer.tls_policy", old_tls(balancer.tls_policy)
    if environment.production and not (environment.alarms and environment.alarms.emails):
        yield "alarms.emails", Finding("production's alarms reach nobody", "name an address")
    if environment.state.lock is not StateLock.LOCKFILE:
        yield (
            "state.lock",
            Finding(
                "newer Terraform calls the lock table deprecated in the middle of its JSON, which "
                "the cdktf CLI then cannot read",
                "StateLock.LOCKFILE, or stay with Terraform 1.11; docs/adr/0006-state-locking.md",
            ),
        )
    yield from (("network.cidr", finding) for finding in _unwise_range(network.cidr))
    if not database.minor_upgrades:
        yield (
            "database.engine_version",
            Finding(
                f"RDS stays at {database.engine_version}: it installs no newer minor version by "
                "itself",
                f'write "{database.engine_major}" after the upgrade, or name newer ones in time; '
                "docs/postgresql-upgrade.md",
            ),
        )
    if service.container_port < aws_limits.UNPRIVILEGED_PORT_MIN and not has_root(service.user):
        yield (
            "service.container_port",
            Finding(
                f"below {aws_limits.UNPRIVILEGED_PORT_MIN} Linux may let root alone listen, and "
                f"the user is {shown(service.user)}",
                "have the program listen on another port, such as 8080",
            ),
        )
    if len(service.environment) > aws_limits.ENVIRONMENT_VARIABLES_MAX:
        yield (
            "service.environment",
            Finding(
                f"{len(service.environment)} variables: ECS has been seen to drop all of them above"
                f" {aws_limits.ENVIRONMENT_VARIABLES_MAX}, without a word",
                "put what belongs together into one, as JSON, or into a parameter of SSM's",
            ),
        )


def _unwise_range(cidr: str) -> Iterator[Finding]:
    """A VPC that EC2 makes and that gets in the way later."""
    vpc = IPv4Network(cidr)
    if vpc.overlaps(IPv4Network(aws_limits.DOCKER_BRIDGE)):
        yield Finding(
            f"Docker's own network is {aws_limits.DOCKER_BRIDGE}: some AWS services cannot be "
            "reached from there",
            f"choose another range, {RANGE_EXAMPLE}",
        )
    if not any(vpc.subnet_of(IPv4Network(good)) for good in aws_limits.VPC_RECOMMENDED_RANGES):
        yield Finding(
            f"{cidr} is a range of the internet: what is there can't be reached from the VPC",
            f"choose a private range, {RANGE_EXAMPLE}",
        )


def support_warnings(environment: EnvironmentConfig, today: date) -> list[str]:
    """Warns from six months before RDS standard support of the major version ends, and after.

    ``environment`` is a valid one.
    """
    major = environment.database.engine_major
    end = aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT[major]
    if today < _months_before(end, SUPPORT_WARNING_MONTHS):
        return []
    verb = "leaves" if today <= end else "left"
    after = (
        "extended support is charged for from then on"
        if environment.database.extended_support
        else "from then on AWS upgrades the instance by itself, a deploy that still asks for"
        f" {major} is a downgrade, which RDS refuses, and no instance of {major} can be made"
    )
    problem = Problem(
        f"{environment.name}.database.engine_version",
        f"PostgreSQL {major} {verb} RDS standard support on {end}: {after}",
        f'set engine_version="{NEWEST_MAJOR}" for {environment.name} in {CONFIG_FILE}; '
        "docs/postgresql-upgrade.md has the steps",
    )
    return [str(problem)]


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))
