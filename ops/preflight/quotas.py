"""What the account's quotas leave, against what the stacks add.

What they add is what their JSON has and AWS has not yet, found as ``recover`` finds it: by name or
by tags. Environments that are asked for together, in one account and region, add together. A quota
is the account's own by Service Quotas, or AWS's default.

https://docs.aws.amazon.com/servicequotas/latest/userguide/intro.html
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import ClientError

from ops import network
from ops.aws import code_of
from ops.checkup import (
    Check,
    Finding,
    Subject,
    failed,
    not_shown,
    passed,
    refused,
    unanswered,
    warning,
)
from ops.preflight.identity import first_region
from ops.recover.stack import Stack as Live
from ops.stacks import Resource, Stack

VPC = "https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"
RDS = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html"
BALANCING = (
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"
)
GENERAL = "https://docs.aws.amazon.com/general/latest/gr"

CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
CPU_UNITS = 1024  # of a vCPU
RULES = {
    "inbound": "aws_vpc_security_group_ingress_rule",
    "outbound": "aws_vpc_security_group_egress_rule",
}
TASKS_TOLD = 100  # by one DescribeTasks


@dataclass(frozen=True, slots=True)
class Demand:
    """What is there, what a deploy adds, and what is taken ``later`` at the most, beyond that.

    ``where`` tells apart what has the quota each for itself.
    """

    used: float
    added: float
    where: str = ""
    later: float = 0

    @property
    def wanted(self) -> float:
        """What a deploy needs."""
        return self.used + self.added

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        later = f", {self.later:g} more at full scale" if self.later else ""
        return f"{where}{self.used:g} used, {self.added:g} added{later}"


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota: its code, AWS's default with its source, and how to count what it is for.

    ``everywhere`` marks one for all regions together, which the partition's first tells.
    """

    name: str
    what: str
    service: str
    code: str
    default: float
    source: str
    demands: Callable[[Subject], Iterator[Demand]]
    everywhere: bool = False

    def asked_for(self, subject: Subject) -> str:
        """How more is asked for."""
        region = first_region(subject.config.region) if self.everywhere else subject.config.region
        console = CONSOLES.get(subject.partition, "console.aws.amazon.com")
        page = f"servicequotas/home/services/{self.service}/quotas/{self.code}"
        return f"{self.code} in {region}: https://{console}/{page}"


def _look(quota: Quota, subject: Subject) -> Iterator[Finding]:
    demands = list(quota.demands(subject))
    adding = [demand for demand in demands if demand.added > 0]
    if not adding:
        used = sum(demand.used for demand in demands)
        yield passed(f"{quota.what}: {used:g} used, none added")
        return
    names = [each.config.name for each in subject.together(everywhere=quota.everywhere)]
    what = f"{quota.what} ({' and '.join(names)} together)" if names[1:] else quota.what
    try:
        allowed, whose = _allowed(quota, subject)
    except ClientError as error:
        if not unanswered(error):
            raise
        why = refused(error, subject).found
        for demand in adding:
            yield not_shown(
                f"{what}: {demand}; {why}",
                f"a quota of {demand.wanted + demand.later:g}; AWS's default is {quota.default:g}",
                f"look it up, {quota.asked_for(subject)}",
            )
        return
    for demand in adding:
        found = f"{what}: {demand}, of {allowed:g}{whose}"
        fix = f"remove what is unused, or ask for more, {quota.asked_for(subject)}"
        if demand.wanted > allowed:
            yield failed(found, f"a quota of {demand.wanted:g}", fix)
        elif demand.wanted + demand.later > allowed:
            yield warning(found, f"a quota of {demand.wanted + demand.later:g}", fix)
        else:
            yield passed(found)


def _allowed(quota: Quota, subject: Subject) -> tuple[float, str]:
    """The account's quota, and whose word it is if not the account's."""
    region = first_region(subject.config.region) if quota.everywhere else None
    client = subject.client("service-quotas", region)
    asks = ((client.get_service_quota, ""), (client.get_aws_default_service_quota, " by default"))
    for ask, whose in asks:
        try:
            answer = ask(ServiceCode=quota.service, QuotaCode=quota.code)
        except ClientError as error:
            if code_of(error) != "NoSuchResourceException":
                raise
        else:
            return answer["Quota"]["Value"], whose
    return quota.default, f" by AWS's documentation, {quota.source}"


# --- what the stacks add ---------------------------------------------------------------------


def _stacks(subject: Subject, *, everywhere: bool = False) -> list[tuple[Subject, Live]]:
    """Those that are deployed together, each beside what AWS has of it."""
    return [
        (each, Live(each.stack.document, {}, subject.session))
        for each in subject.together(everywhere=everywhere)
    ]


def _missing(stack: Stack, live: Live, type_: str) -> list[Resource]:
    return [resource for resource in stack.all(type_) if not live.find(resource.address)]


def _added(subject: Subject, type_: str, *, everywhere: bool = False) -> int:
    return sum(
        len(_missing(each.stack, live, type_))
        for each, live in _stacks(subject, everywhere=everywhere)
    )


def _listed(
    type_: str, service: str, operation: str, key: str, *, everywhere: bool = False
) -> Callable[[Subject], Iterator[Demand]]:
    """One of the quota for each resource of a type, and for each thing that AWS lists."""

    def demands(subject: Subject) -> Iterator[Demand]:
        used = len(subject.ask(service, operation, key))
        yield Demand(used, _added(subject, type_, everywhere=everywhere))

    return demands


def _nat_gateways(subject: Subject) -> Iterator[Demand]:
    """By zone. One counts until it is deleted."""
    zones = {
        subnet["SubnetId"]: subnet["AvailabilityZone"]
        for subnet in subject.ask("ec2", "describe_subnets", "Subnets")
    }
    used = Counter(
        zones.get(gateway["SubnetId"], "")
        for gateway in subject.ask("ec2", "describe_nat_gateways", "NatGateways")
        if gateway["State"] in {"pending", "available", "deleting"}
    )
    added = Counter(
        network.zone(each.stack, subnet)
        for each, live in _stacks(subject)
        for gateway in _missing(each.stack, live, "aws_nat_gateway")
        for subnet in each.stack.referred(gateway, "subnet_id")
    )
    for zone in sorted(set(used) | set(added)):
        yield Demand(used[zone], added[zone], zone)


def _gateway_endpoints(subject: Subject) -> Iterator[Demand]:
    endpoints = subject.ask("ec2", "describe_vpc_endpoints", "VpcEndpoints")
    used = sum(endpoint.get("VpcEndpointType", "Gateway") == "Gateway" for endpoint in endpoints)
    yield Demand(used, _added(subject, "aws_vpc_endpoint"))


def _rules(subject: Subject) -> Iterator[Demand]:
    """The fullest group and direction, over IPv4: the stacks have no other rules."""
    demands = []
    for each, live in _stacks(subject):
        for group in each.stack.all("aws_security_group"):
            rules = [
                rule
                for thing in live.find(group.address)
                for rule in subject.ask(
                    "ec2",
                    "describe_security_group_rules",
                    "SecurityGroupRules",
                    Filters=[{"Name": "group-id", "Values": [thing.id]}],
                )
                if not rule.get("CidrIpv6")
            ]
            for direction, type_ in RULES.items():
                used = sum(rule["IsEgress"] == (direction == "outbound") for rule in rules)
                added = sum(
                    group in each.stack.referred(rule, "security_group_id")
                    for rule in _missing(each.stack, live, type_)
                )
                demands.append(Demand(used, added, f"{group.get('name')}, {direction}"))
    yield max(demands, key=lambda demand: (demand.added > 0, demand.wanted))


def _load_balancers(subject: Subject) -> Iterator[Demand]:
    balancers = subject.ask("elbv2", "describe_load_balancers", "LoadBalancers")
    used = sum(balancer["Type"] == "application" for balancer in balancers)
    yield Demand(used, _added(subject, "aws_lb"))


def _fargate(subject: Subject) -> Iterator[Demand]:
    """vCPU. A deploy runs new tasks beside the old ones; autoscaling may start more of both."""
    running = _running(subject)
    now = later = 0.0
    for each in subject.together():
        for service in each.stack.all("aws_ecs_service"):
            (cluster,) = each.stack.referred(service, "cluster")
            (task,) = each.stack.referred(service, "task_definition")
            has = running[str(cluster.get("name")), f"service:{service.get('name')}"]
            size = int(task.get("cpu"))
            beside = service.get("deployment_maximum_percent", 200) / 100
            wanted = max(service.get("desired_count", 0), math.ceil(has / size))
            most = max([wanted, *_scaled(each.stack, service)])
            now += max(size * math.ceil(wanted * beside) - has, 0)
            later += size * (math.ceil(most * beside) - math.ceil(wanted * beside))
    yield Demand(sum(running.values()) / CPU_UNITS, now / CPU_UNITS, later=later / CPU_UNITS)


def _running(subject: Subject) -> Counter[tuple[str, str]]:
    """The CPU units that run on Fargate, by cluster and task group; Spot has a quota of its own."""
    running: Counter[tuple[str, str]] = Counter()
    for cluster in subject.ask("ecs", "list_clusters", "clusterArns"):
        tasks = subject.ask("ecs", "list_tasks", "taskArns", cluster=cluster, launchType="FARGATE")
        for start in range(0, len(tasks), TASKS_TOLD):
            told = subject.client("ecs").describe_tasks(
                cluster=cluster, tasks=tasks[start : start + TASKS_TOLD]
            )
            for task in told["tasks"]:
                if task.get("capacityProviderName") != "FARGATE_SPOT":
                    running[cluster.rpartition("/")[2], task.get("group", "")] += int(task["cpu"])
    return running


def _scaled(stack: Stack, service: Resource) -> list[int]:
    """How many tasks autoscaling may start."""
    return [
        target.get("max_capacity")
        for target in stack.all("aws_appautoscaling_target")
        if service.address in target.refers("resource_id")
    ]


def _parameters(subject: Subject) -> Iterator[Demand]:
    """What is listed has the names: none is asked for by itself."""
    listed = {
        parameter["Name"]: parameter.get("Tier")
        for parameter in subject.ask("ssm", "describe_parameters", "Parameters")
    }
    added = sum(
        parameter.get("name") not in listed
        for each in subject.together()
        for parameter in each.stack.all("aws_ssm_parameter")
    )
    yield Demand(sum(tier != "Advanced" for tier in listed.values()), added)


def _roles(subject: Subject) -> Iterator[Demand]:
    used = subject.client("iam").get_account_summary()["SummaryMap"]["Roles"]
    yield Demand(used, _added(subject, "aws_iam_role", everywhere=True))


QUOTAS: tuple[Quota, ...] = (
    Quota(
        "vpcs",
        "VPCs",
        "vpc",
        "L-F678F1CE",
        5,
        VPC,
        _listed("aws_vpc", "ec2", "describe_vpcs", "Vpcs"),
    ),
    Quota(
        "internet_gateways",
        "internet gateways",
        "vpc",
        "L-A4707A72",
        5,
        VPC,
        _listed("aws_internet_gateway", "ec2", "describe_internet_gateways", "InternetGateways"),
    ),
    Quota("nat_gateways", "NAT gateways in a zone", "vpc", "L-FE5A380F", 5, VPC, _nat_gateways),
    Quota(
        "elastic_ips",
        "elastic IPs",
        "ec2",
        "L-0263D0A3",
        5,
        VPC,
        _listed("aws_eip", "ec2", "describe_addresses", "Addresses"),
    ),
    Quota(
        "gateway_endpoints",
        "gateway VPC endpoints",
        "vpc",
        "L-1B52E74A",
        20,
        "https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html",
        _gateway_endpoints,
    ),
    # AWS counts them by region: it has dropped the quota for each VPC.
    Quota(
        "security_groups",
        "security groups",
        "vpc",
        "L-E79EC296",
        2500,
        VPC,
        _listed("aws_security_group", "ec2", "describe_security_groups", "SecurityGroups"),
    ),
    Quota("rules", "rules in a security group", "vpc", "L-0EA8095F", 60, VPC, _rules),
    Quota(
        "load_balancers",
        "Application Load Balancers",
        "elasticloadbalancing",
        "L-53DA6B97",
        50,
        BALANCING,
        _load_balancers,
    ),
    Quota(
        "target_groups",
        "target groups",
        "elasticloadbalancing",
        "L-B22855CB",
        3000,
        BALANCING,
        _listed("aws_lb_target_group", "elbv2", "describe_target_groups", "TargetGroups"),
    ),
    Quota(
        "fargate_vcpu",
        "Fargate vCPU",
        "fargate",
        "L-3032A538",
        6,
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html",
        _fargate,
    ),
    Quota(
        "db_instances",
        "RDS instances",
        "rds",
        "L-7B6409FD",
        40,
        RDS,
        _listed("aws_db_instance", "rds", "describe_db_instances", "DBInstances"),
    ),
    Quota(
        "db_subnet_groups",
        "RDS subnet groups",
        "rds",
        "L-48C6BF61",
        50,
        RDS,
        _listed("aws_db_subnet_group", "rds", "describe_db_subnet_groups", "DBSubnetGroups"),
    ),
    Quota(
        "db_parameter_groups",
        "RDS parameter groups",
        "rds",
        "L-DE55804A",
        50,
        RDS,
        _listed(
            "aws_db_parameter_group",
            "rds",
            "describe_db_parameter_groups",
            "DBParameterGroups",
        ),
    ),
    Quota(
        "event_subscriptions",
        "RDS event subscriptions",
        "rds",
        "L-A59F4C87",
        20,
        RDS,
        _listed(
            "aws_db_event_subscription",
            "rds",
            "describe_event_subscriptions",
            "EventSubscriptionsList",
        ),
    ),
    Quota(
        "dynamodb_tables",
        "DynamoDB tables",
        "dynamodb",
        "L-F98FE922",
        2500,
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html",
        _listed("aws_dynamodb_table", "dynamodb", "list_tables", "TableNames"),
    ),
    Quota(
        "buckets",
        "S3 buckets in the account",
        "s3",
        "L-DC2B2D3D",
        10_000,
        f"{GENERAL}/s3.html",
        _listed("aws_s3_bucket", "s3", "list_buckets", "Buckets", everywhere=True),
        everywhere=True,
    ),
    Quota(
        "parameters",
        "standard SSM parameters",
        "ssm",
        "L-C3B871CB",
        10_000,
        f"{GENERAL}/ssm.html",
        _parameters,
    ),
    Quota(
        "roles",
        "IAM roles in the account",
        "iam",
        "L-FE177D64",
        1000,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
        _roles,
        everywhere=True,
    ),
)

CHECKS = tuple(Check(f"quotas.{quota.name}", partial(_look, quota)) for quota in QUOTAS)
