"""Rules for ARNs: their form, and that they are of the region's partition and the account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

import re
from collections.abc import Iterator

from lib.config import aws_limits
from lib.config.type_check import Finding, shown

ROLE = "one like arn:aws:iam::123456789012:role/deploy"
POLICY = "one like arn:aws:iam::123456789012:policy/boundary"
CERTIFICATE = "one like arn:aws:acm:us-east-1:123456789012:certificate/<id>"


def role_arn(arn: str | None, region: str, account_id: str | None) -> Iterator[Finding]:
    """What is wrong with the ARN of an IAM role."""
    if arn is None:
        return
    match = re.fullmatch(aws_limits.IAM_ROLE_ARN_PATTERN, arn)
    if not match:
        yield Finding(
            f"{shown(arn)} is not the ARN of an IAM role",
            f"write {ROLE}",
        )
        return
    yield from _foreign(match, "role", region, account_id)


def _foreign(
    arn: re.Match[str], what: str, region: str, account_id: str | None
) -> Iterator[Finding]:
    """An ARN of another partition or account than the environment's."""
    partition = aws_limits.PARTITION_BY_REGION.get(region)
    if partition and arn["partition"] != partition:
        yield Finding(
            f"the {what} is in partition {arn['partition']}, {shown(region)} in {partition}",
            f"use a {what} in {partition}",
        )
    if account_id is not None and arn["account"] != account_id:
        yield Finding(
            f"the {what} is in account {arn['account']}, the environment in {shown(account_id)}",
            f"use a {what} in the environment's account, or mend account_id",
        )


def boundary_arn(arn: str | None, region: str, account_id: str | None) -> Iterator[Finding]:
    """What is wrong with the ARN of an IAM policy, which may be AWS's own."""
    if arn is None:
        return
    match = re.fullmatch(aws_limits.IAM_POLICY_ARN_PATTERN, arn)
    if not match:
        yield Finding(f"{shown(arn)} is not the ARN of an IAM policy", f"write {POLICY}")
        return
    of_aws = match["account"] == "aws"
    yield from _foreign(match, "policy", region, None if of_aws else account_id)


def certificate_arn(arn: str | None, region: str, account_id: str | None) -> Iterator[Finding]:
    """What is wrong with the ARN of an ACM certificate."""
    if arn is None:
        return
    match = re.fullmatch(aws_limits.ACM_CERTIFICATE_ARN_PATTERN, arn)
    if not match:
        yield Finding(
            f"{shown(arn)} is not the ARN of an ACM certificate",
            f"write {CERTIFICATE}",
        )
        return
    if match["region"] != region:
        yield Finding(
            f"the certificate is in {match['region']}, the environment in {shown(region)}",
            "a load balancer takes certificates of its own region only",
        )
    yield from _foreign(match, "certificate", region, account_id)
