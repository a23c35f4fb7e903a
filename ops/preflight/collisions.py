"""Names that are taken, and networks that overlap.

A name is free, or this stack's: what has it bears the stack's tags Project, Environment and Suffix,
as Terraform gives them to all that it makes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import code_of
from ops.checkup import Check, Finding, Subject, failed, passed, warning
from ops.recover.stack import OWNER_TAGS

Tags = Mapping[str, str]
RECOVER = (
    "if a killed deploy left it: pipenv run state recover; else choose another ENVIRONMENT_SUFFIX"
)
GONE = {"404", "DBInstanceNotFound", "NoSuchEntity", "ResourceNotFoundException"}


def _tags(listed: Iterable[Mapping[str, str]] | None) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in listed or ()}


def _ours(subject: Subject, tags: Tags) -> bool:
    ours = subject.stack.tags
    return all(tags.get(key) == ours[key] for key in OWNER_TAGS)


# --- who has a name: its tags, or None where nobody has it -----------------------------------


def _database(subject: Subject, name: str) -> Tags:
    (found,) = subject.ask("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=name)
    return _tags(found.get("TagList"))


def _load_balancer(subject: Subject, name: str) -> Tags:
    (found,) = subject.ask("elbv2", "describe_load_balancers", "LoadBalancers", Names=[name])
    return _balancing(subject, found["LoadBalancerArn"])


def _target_group(subject: Subject, name: str) -> Tags:
    (found,) = subject.ask("elbv2", "describe_target_groups", "TargetGroups", Names=[name])
    return _balancing(subject, found["TargetGroupArn"])


def _balancing(subject: Subject, arn: str) -> Tags:
    (told,) = subject.ask("elbv2", "describe_tags", "TagDescriptions", ResourceArns=[arn])
    return _tags(told["Tags"])


def _log_group(subject: Subject, name: str) -> Tags | None:
    groups = subject.ask("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    for group in groups:
        if group["logGroupName"] == name:
            arn = group["arn"].removesuffix(":*")
            return subject.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    return None


def _role(subject: Subject, name: str) -> Tags:
    return _tags(subject.client("iam").get_role(RoleName=name)["Role"].get("Tags"))


def _table(subject: Subject, name: str) -> Tags:
    arn = subject.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    return _tags(subject.ask("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=arn))


def _bucket(subject: Subject, name: str) -> Tags:
    s3 = subject.client("s3")
    s3.head_bucket(Bucket=name, ExpectedBucketOwner=subject.account_id)
    try:
        return _tags(s3.get_bucket_tagging(Bucket=name)["TagSet"])
    except ClientError as error:
        if code_of(error) != "NoSuchTagSet":
            raise
        return {}


@dataclass(frozen=True, slots=True)
class Names:
    """Names that AWS gives once: ``attribute`` of a resource ``type`` has it."""

    type: str
    attribute: str
    tags: Callable[[Subject, str], Tags | None]


NAMES = {
    "buckets": (Names("aws_s3_bucket", "bucket", _bucket),),
    "lock_table": (Names("aws_dynamodb_table", "name", _table),),
    "database": (Names("aws_db_instance", "identifier", _database),),
    "load_balancer": (
        Names("aws_lb", "name", _load_balancer),
        Names("aws_lb_target_group", "name", _target_group),
    ),
    "log_groups": (Names("aws_cloudwatch_log_group", "name", _log_group),),
    "roles": (Names("aws_iam_role", "name", _role),),
}


def _named(kinds: tuple[Names, ...], subject: Subject) -> Iterator[Finding]:
    free, ours = [], []
    for kind in kinds:
        for name in sorted(each.get(kind.attribute) for each in subject.stack.all(kind.type)):
            try:
                tags = kind.tags(subject, name)
            except ClientError as error:
                if code_of(error) == "403" and _elsewhere(subject, name):
                    yield _foreign_bucket(name)
                    continue
                if code_of(error) not in GONE and not code_of(error).endswith("NotFound"):
                    raise
                tags = None
            if tags is None:
                free.append(name)
            elif _ours(subject, tags):
                ours.append(name)
            else:
                yield _taken(name, tags)
    yield from _fine(free, ours)


def _fine(free: list[str], ours: list[str]) -> Iterator[Finding]:
    said = [
        f"{state}: {', '.join(names) if len(names) <= 2 else f'{len(names)} names'}"
        for state, names in (("free", free), ("this stack's", ours))
        if names
    ]
    if said:
        yield passed("; ".join(said))


def _taken(name: str, tags: Tags) -> Finding:
    shown = {key: tags[key] for key in OWNER_TAGS if key in tags}
    whose = f"tagged {json.dumps(shown)}" if shown else "without the stack's tags"
    return failed(f"{name} is there, {whose}", "a name that is free or this stack's", RECOVER)


def _elsewhere(subject: Subject, bucket: str) -> bool:
    """Whether a bucket that may not be looked at is another account's."""
    return all(each["Name"] != bucket for each in subject.ask("s3", "list_buckets", "Buckets"))


def _foreign_bucket(name: str) -> Finding:
    return failed(
        f"{name} is another account's bucket",
        "a name that is free or this stack's: bucket names are global",
        "name the account in config (account_id) to make it one's own, or choose another "
        "ENVIRONMENT_SUFFIX",
    )


def _parameters(subject: Subject) -> Iterator[Finding]:
    names = {each.get("name") for each in subject.stack.all("aws_ssm_parameter")}
    path = subject.naming.ssm_path("x", "x").removesuffix("/x/x")
    below = {"Key": "Path", "Option": "Recursive", "Values": [path]}
    tags = subject.stack.tags
    tagged = [{"Key": f"tag:{key}", "Values": [tags[key]]} for key in OWNER_TAGS]

    def listed(*filters: Any) -> set[str]:
        found = subject.ask("ssm", "describe_parameters", "Parameters", ParameterFilters=filters)
        return {each["Name"] for each in found}

    there = listed(below) & names
    ours = there & listed(below, *tagged) if there else set()
    for name in sorted(there - ours):
        yield _taken(name, {})
    yield from _fine(sorted(names - there), sorted(ours))


# --- networks --------------------------------------------------------------------------------


def _cidr(subject: Subject) -> Iterator[Finding]:
    """AWS allows it: what overlaps can never be connected, by peering or a transit gateway."""
    mine = IPv4Network(subject.config.network.cidr)
    vpcs = subject.ask("ec2", "describe_vpcs", "Vpcs")
    own = {vpc["VpcId"] for vpc in vpcs if _ours(subject, _tags(vpc.get("Tags")))}
    overlaps = False
    for vpc in vpcs:
        if vpc["VpcId"] in own:
            continue
        for cidr in _cidrs(vpc.get("CidrBlockAssociationSet", ())):
            if cidr.overlaps(mine):
                overlaps = True
                name = _tags(vpc.get("Tags")).get("Name")
                which = f"{vpc['VpcId']} ({name})" if name else vpc["VpcId"]
                yield _overlap(mine, cidr, which)
    for peering in subject.ask("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections"):
        if peering["Status"]["Code"] not in {"active", "pending-acceptance", "provisioning"}:
            continue
        for side in (peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]):
            known = {vpc["VpcId"] for vpc in vpcs}
            blocks = side.get("CidrBlockSet") or ()
            for cidr in () if side["VpcId"] in known else map(_network, blocks):
                if cidr.overlaps(mine):
                    overlaps = True
                    which = f"{side['VpcId']}, peered by {peering['VpcPeeringConnectionId']}"
                    yield _overlap(mine, cidr, which)
    if not overlaps:
        yield passed(f"{mine} overlaps none of {len(vpcs) - len(own)} other VPCs or their peers")


def _cidrs(associations: Iterable[Mapping[str, Any]]) -> Iterator[IPv4Network]:
    for each in associations:
        if each["CidrBlockState"]["State"] in {"associating", "associated"}:
            yield _network(each)


def _network(block: Mapping[str, Any]) -> IPv4Network:
    return IPv4Network(block["CidrBlock"])


def _overlap(mine: IPv4Network, other: IPv4Network, which: str) -> Finding:
    return warning(
        f"{mine} overlaps {other} of {which}",
        "networks that can be connected one day",
        "none for a copy that stays by itself; else another network.cidr, before the first deploy",
    )


CHECKS = (
    *(Check(f"collisions.{name}", partial(_named, kinds)) for name, kinds in NAMES.items()),
    Check("collisions.parameters", _parameters),
    Check("collisions.cidr", _cidr),
)
