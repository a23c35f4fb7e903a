"""Who asks, whether that is who the config means, and whether the region is there for them."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from lib.config import aws_limits
from ops import aws
from ops.aws import code_of
from ops.checkup import Check, Finding, Subject, failed, passed

# Where each partition began: a region that nobody has to turn on.
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
FIRST_REGIONS = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
# What a region says to the credentials of an account that has not turned it on.
TURNED_OFF = {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"}


def first_region(region: str) -> str:
    """The first region of a region's partition; what is global answers there."""
    return FIRST_REGIONS.get(aws_limits.partition_of(region), "us-east-1")


def _anywhere(subject: Subject, service: str, ask: Callable[[Any], Any]) -> Any:
    """The region's answer; where it has none for this account, its partition's first region's."""
    region = subject.config.region

    def client(asked: str) -> Any:
        return subject.caller.client(  # type: ignore[call-overload]
            service, region_name=asked, config=aws.PATIENCE
        )

    try:
        return ask(client(region))
    except (ClientError, EndpointConnectionError) as error:
        if region == first_region(region) or not _turned_off(error):
            raise
    return ask(client(first_region(region)))


def _turned_off(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return code_of(error) in TURNED_OFF
    return isinstance(error, EndpointConnectionError)


def _credentials(subject: Subject) -> Iterator[Finding]:
    yield passed(_anywhere(subject, "sts", lambda sts: sts.get_caller_identity())["Arn"])


def _region(subject: Subject) -> Iterator[Finding]:
    # ec2:DescribeRegions, which every reader may ask and which answers in the region itself:
    # account:GetRegionOptStatus is one more permission, and answers in us-east-1 alone.
    region = subject.config.region

    def ask(ec2: Any) -> list[dict[str, Any]]:
        try:
            return ec2.describe_regions(AllRegions=True, RegionNames=[region])["Regions"]
        except ClientError as error:
            if code_of(error) != "InvalidParameterValue":
                raise
            return []

    regions = _anywhere(subject, "ec2", ask)
    if not regions:
        yield failed(f"there is no region {region}", "a region", "see AWS_REGION, or the config")
    elif regions[0]["OptInStatus"] == "not-opted-in":
        yield _disabled(region, "this account")
    else:
        yield passed(f"{region} is enabled: {regions[0]['OptInStatus']}")


def _disabled(region: str, account: str) -> Finding:
    return failed(
        f"{region} is not enabled for {account}",
        "an enabled region",
        f"aws account enable-region --region-name {region}, and wait until it is enabled",
    )


def _role(subject: Subject) -> Iterator[Finding]:
    role = subject.config.deploy_role_arn
    if not role:
        yield passed("the config names no role to assume")
        return
    try:
        identity = subject.client("sts").get_caller_identity()
    except ClientError as error:
        if not _turned_off(error):
            raise
        yield _disabled(subject.config.region, f"the account of {role}")
    except aws.Refused as error:
        caller = subject.caller.client("sts", config=aws.PATIENCE).get_caller_identity()["Arn"]
        yield failed(
            f"{role} cannot be assumed: {error.message}",
            f"sts:AssumeRole for {caller}",
            f"allow {caller} to assume {role}, in its own policy and in the role's trust policy; "
            "or change deploy_role_arn",
        )
    else:
        yield passed(f"{role} assumed: {identity['Arn']}")


def _account(subject: Subject) -> Iterator[Finding]:
    account, wanted = subject.account_id, subject.config.account_id
    if wanted is None:
        yield passed(f"{account}; the config names none")
    elif wanted == account:
        yield passed(account)
    else:
        yield failed(
            f"account {account}",
            f"account {wanted}",
            "use that account's credentials, or change account_id",
        )


CHECKS = (
    Check("identity.credentials", _credentials, essential=True),
    Check("identity.region", _region, essential=True),
    Check("identity.role", _role, essential=True),
    Check("identity.account", _account, essential=True),
)
