"""Who asks, and whether that is who the config means."""

from collections.abc import Iterator

import boto3

from ops import aws
from ops.checkup import Check, Finding, Subject, failed, passed


def _credentials(subject: Subject) -> Iterator[Finding]:
    client = boto3.Session(region_name=subject.config.region).client("sts", config=aws.PATIENCE)
    subject.count(client)
    identity = client.get_caller_identity()
    yield passed(identity["Arn"])


def _role(subject: Subject) -> Iterator[Finding]:
    if role := subject.config.deploy_role_arn:
        identity = subject.client("sts").get_caller_identity()
        yield passed(f"{role} assumed: {identity['Arn']}")
    else:
        yield passed("no role to assume")


def _account(subject: Subject) -> Iterator[Finding]:
    account, wanted = subject.account_id, subject.config.account_id
    if wanted in (None, account):
        yield passed(account)
    else:
        yield failed(
            f"account {account}",
            f"account {wanted}",
            "use that account's credentials, or change account_id",
        )


CHECKS = (
    Check("identity.credentials", _credentials, essential=True),
    Check("identity.role", _role, essential=True),
    Check("identity.account", _account, essential=True),
)
