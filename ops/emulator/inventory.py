"""Everything that an emulated account holds: what a deploy made, and what a destroy left behind.

Covers each kind of thing that this project's stacks make, and what AWS makes along with it. Asks
with boto3, so that it works on whatever stands behind the endpoint.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jmespath

from ops.aws import pages

Client = Callable[[str], Any]  # ``session.client``


@dataclass(frozen=True, order=True, slots=True)
class Item:
    """One thing in an account. ``id`` is the one by which Terraform's state knows it.

    ``by_aws`` marks what AWS made by itself, with something else or for all accounts: it is in no
    state, and nobody can delete it alone.
    """

    service: str
    type: str
    id: str
    by_aws: bool = field(default=False, compare=False)

    @property
    def family(self) -> str:
        """Of a task definition; empty for anything else."""
        return self.id.partition(":task-definition/")[2].rpartition(":")[0]

    def __str__(self) -> str:
        return f"{self.service} {self.type} {self.id}{' (by AWS)' if self.by_aws else ''}"


@dataclass(frozen=True, slots=True)
class Kind:
    """How to list one kind of thing. ``ids`` and ``by_aws`` are JMESPath expressions, the latter
    for those of the ids that AWS made; ``arguments`` are the call's own."""

    service: str
    type: str
    operation: str
    ids: str
    by_aws: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    of_each: "tuple[Kind, str] | None" = None  # asked for each of these, as this argument

    def items(self, client: Client) -> Iterator[Item]:
        """The things of this kind."""
        if self.of_each is None:
            calls = [self.arguments]
        else:
            kind, name = self.of_each
            calls = [{**self.arguments, name: item.id} for item in kind.items(client)]
        for arguments in calls:
            for page in pages(client(self.service), self.operation, **arguments):
                by_aws = set(_search(self.by_aws, page)) if self.by_aws else set()
                for id_ in _search(self.ids, page):
                    yield Item(self.service, self.type, id_, id_ in by_aws)


_BALANCERS = Kind(
    "elbv2", "load balancer", "describe_load_balancers", "LoadBalancers[].LoadBalancerArn"
)
_CLUSTERS = Kind("ecs", "cluster", "list_clusters", "clusterArns[]")
_KEYS = Kind("kms", "key", "list_keys", "Keys[].KeyId")

KINDS = (
    Kind("ec2", "vpc", "describe_vpcs", "Vpcs[].VpcId"),
    Kind("ec2", "subnet", "describe_subnets", "Subnets[].SubnetId"),
    Kind(
        "ec2",
        "route table",
        "describe_route_tables",
        "RouteTables[].RouteTableId",
        "RouteTables[?Associations[?Main]].RouteTableId",
    ),
    Kind(
        "ec2",
        "route table association",
        "describe_route_tables",
        "RouteTables[].Associations[].RouteTableAssociationId",
        "RouteTables[].Associations[?Main].RouteTableAssociationId[]",
    ),
    Kind(
        "ec2",
        "network acl",
        "describe_network_acls",
        "NetworkAcls[].NetworkAclId",
        "NetworkAcls[?IsDefault].NetworkAclId",
    ),
    Kind(
        "ec2",
        "security group",
        "describe_security_groups",
        "SecurityGroups[].GroupId",
        "SecurityGroups[?GroupName=='default'].GroupId",
    ),
    Kind(
        "ec2",
        "security group rule",
        "describe_security_group_rules",
        "SecurityGroupRules[].SecurityGroupRuleId",
    ),
    Kind(
        "ec2",
        "internet gateway",
        "describe_internet_gateways",
        "InternetGateways[].InternetGatewayId",
    ),
    Kind(
        "ec2",
        "nat gateway",
        "describe_nat_gateways",
        # A deleted one is shown for an hour, an endpoint for some minutes.
        "NatGateways[?State!='deleted'].NatGatewayId",
    ),
    Kind("ec2", "address", "describe_addresses", "Addresses[].AllocationId"),
    Kind(
        "ec2",
        "network interface",
        "describe_network_interfaces",
        "NetworkInterfaces[].NetworkInterfaceId",
        "NetworkInterfaces[?RequesterManaged].NetworkInterfaceId",
    ),
    Kind(
        "ec2",
        "vpc endpoint",
        "describe_vpc_endpoints",
        "VpcEndpoints[?State!='deleted'].VpcEndpointId",
    ),
    Kind("ec2", "flow log", "describe_flow_logs", "FlowLogs[].FlowLogId"),
    _BALANCERS,
    Kind(
        "elbv2",
        "listener",
        "describe_listeners",
        "Listeners[].ListenerArn",
        of_each=(_BALANCERS, "LoadBalancerArn"),
    ),
    Kind("elbv2", "target group", "describe_target_groups", "TargetGroups[].TargetGroupArn"),
    _CLUSTERS,
    Kind("ecs", "service", "list_services", "serviceArns[]", of_each=(_CLUSTERS, "cluster")),
    Kind("ecs", "task", "list_tasks", "taskArns[]", of_each=(_CLUSTERS, "cluster")),
    # Inactive ones, which AWS keeps for good, are not listed.
    Kind("ecs", "task definition", "list_task_definitions", "taskDefinitionArns[]"),
    Kind(
        "application-autoscaling",
        "scalable target",
        "describe_scalable_targets",
        "ScalableTargets[].ScalableTargetARN",
        arguments={"ServiceNamespace": "ecs"},
    ),
    Kind(
        "application-autoscaling",
        "scaling policy",
        "describe_scaling_policies",
        "ScalingPolicies[].PolicyARN",
        arguments={"ServiceNamespace": "ecs"},
    ),
    Kind("rds", "database", "describe_db_instances", "DBInstances[].DBInstanceArn"),
    Kind(
        "rds",
        "snapshot",
        "describe_db_snapshots",
        "DBSnapshots[].DBSnapshotArn",
        "DBSnapshots[?SnapshotType=='automated'].DBSnapshotArn",
    ),
    Kind(
        "rds",
        "event subscription",
        "describe_event_subscriptions",
        "EventSubscriptionsList[].CustSubscriptionId",
    ),
    Kind("rds", "subnet group", "describe_db_subnet_groups", "DBSubnetGroups[].DBSubnetGroupArn"),
    Kind(
        "rds",
        "parameter group",
        "describe_db_parameter_groups",
        "DBParameterGroups[].DBParameterGroupArn",
        "DBParameterGroups[?starts_with(DBParameterGroupName, 'default.')].DBParameterGroupArn",
    ),
    Kind(
        "secretsmanager",
        "secret",
        "list_secrets",
        "SecretList[].ARN",
        "SecretList[?OwningService].ARN",
    ),
    Kind("ssm", "parameter", "describe_parameters", "Parameters[].Name"),
    Kind(
        "iam",
        "role",
        "list_roles",
        "Roles[].Arn",
        "Roles[?starts_with(Path, '/aws-service-role/')].Arn",
    ),
    Kind("iam", "policy", "list_policies", "Policies[].Arn", arguments={"Scope": "Local"}),
    Kind("iam", "instance profile", "list_instance_profiles", "InstanceProfiles[].Arn"),
    Kind("logs", "log group", "describe_log_groups", "logGroups[].logGroupName"),
    Kind("s3", "bucket", "list_buckets", "Buckets[].Name"),
    Kind("dynamodb", "table", "list_tables", "TableNames[]"),
    Kind(
        "cloudwatch",
        "alarm",
        "describe_alarms",
        "MetricAlarms[].AlarmName",
        # Target tracking makes its own.
        "MetricAlarms[?starts_with(AlarmName, 'TargetTracking-')].AlarmName",
    ),
    Kind("sns", "topic", "list_topics", "Topics[].TopicArn"),
    Kind("sns", "subscription", "list_subscriptions", "Subscriptions[].SubscriptionArn"),
    Kind("acm", "certificate", "list_certificates", "CertificateSummaryList[].CertificateArn"),
    Kind(
        "wafv2",
        "web acl",
        "list_web_acls",
        "WebACLs[].ARN",
        arguments={"Scope": "REGIONAL"},
    ),
    Kind(
        "kms",
        "alias",
        "list_aliases",
        "Aliases[].AliasName",
        "Aliases[?starts_with(AliasName, 'alias/aws/')].AliasName",
    ),
    Kind(
        "kms",
        "key",
        "describe_key",
        # One that waits for its deletion, as it has to for a week at least, is as good as gone.
        "KeyMetadata.[KeyState!='PendingDeletion' && KeyId][]",
        "KeyMetadata.[KeyManager=='AWS' && KeyId][]",
        of_each=(_KEYS, "KeyId"),
    ),
)


def inventory(client: Client) -> list[Item]:
    """All that the account of this ``client`` holds in its region, sorted."""
    once = cache(client)  # to make a client takes longer than to ask it
    return sorted({item for kind in KINDS for item in kind.items(once)})


def orphans(items: Iterable[Item], state: Mapping[str, Any]) -> list[Item]:
    """Those ``items`` that a Terraform state (as JSON) does not know and AWS did not make."""
    known = [
        instance["attributes"]
        for resource in state["resources"]
        if resource["mode"] == "managed"
        for instance in resource["instances"]
    ]
    ids = {attributes.get(name) for attributes in known for name in ("id", "arn", "name")}
    # A database that Terraform stopped waiting for has no ARN in the state yet.
    databases = {attributes["identifier"] for attributes in known if "identifier" in attributes}
    # Older revisions of a task definition stay: Terraform deregisters none.
    families = {attributes["family"] for attributes in known if "family" in attributes}
    return [
        item
        for item in items
        if not item.by_aws
        and item.id not in ids
        and item.id.rpartition(":db:")[2] not in databases
        and item.family not in families
    ]


def _search(expression: str, page: Mapping[str, Any]) -> list[str]:
    return [found for found in jmespath.search(expression, page) or [] if found]
