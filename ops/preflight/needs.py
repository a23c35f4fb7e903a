"""What deploying a stack needs of AWS: each action, on each resource, under each condition.

``actions.toml`` says which actions a type of resource takes, ``authorization.json`` which kinds of
resource each action works on, ``arns.toml`` what those of the stack are called.
"""

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
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
LOG_TAGS = {"logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"}


@dataclass(frozen=True, slots=True, order=True)
class Arn:
    """``pattern`` is for a policy; ``example`` is a resource that it covers."""

    pattern: str
    example: str


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One action on one resource, or one kind of them; ``context`` are keys of conditions."""

    action: str
    on: Arn
    context: tuple[tuple[str, str], ...] = ()


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
    """The kinds that each action works on."""
    return json.loads((FOLDER / "authorization.json").read_text(encoding="utf-8"))


def needs_of(
    stack: Stack, config: EnvironmentConfig, naming: NamingModule, account: str
) -> list[Need]:
    """All that Terraform needs to deploy, change and destroy the stack, its state included."""
    return sorted(
        {*Needs(stack, config, account).resources(), *state_needs(config, naming, account)}
    )


def state_needs(config: EnvironmentConfig, naming: NamingModule, account: str) -> Iterator[Need]:
    """What the state's backend needs."""
    if config.state.backend is not StateBackend.S3:
        return
    session = boto3.Session(region_name=config.region)
    place = place_of(config, naming.environment_suffix, Path(), session=session)
    for statement in policy_of(dataclasses.replace(place, account_id=account))["Statement"]:
        for action in statement["Action"]:
            yield Need(action, Arn(statement["Resource"], statement["Resource"]))


@dataclass(frozen=True, slots=True)
class Needs:
    """What the resources of a stack need, in an account."""

    stack: Stack
    config: EnvironmentConfig
    account: str

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
            if not argument or resource.get(argument):
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
                    yield Need(action, self._role(role), (("iam:PolicyARN", policy),))
        else:
            found = [
                arn
                for kind in _kinds(action)
                for arn in arns()[f"{service}/{kind}"]
                if self._present(arn["of"])
            ]
            for arn in found:
                for resource in self._of(arn["of"]):
                    yield Need(action, self._named(arn, resource))
            if not found:
                yield Need(action, Arn(ANY, ANY))

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


def _kinds(action: str) -> list[str]:
    if action in WHOLE:
        return []
    named = [kind.rstrip("*") for kind in kinds()[action]]
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
