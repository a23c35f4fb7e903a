"""What a stack costs in a month, item by item.

Each type that costs something has a function below, which says what it is charged for; each that
doesn't stands in ``FREE`` with its source. A type that is in neither, and a price that the list
lacks, are named, never counted as nothing: the sum is then the least that it can be.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lib.config.aws_limits import POSTGRES_END_OF_STANDARD_SUPPORT
from ops.cost.prices import REFRESH, Price
from ops.cost.usage import Usage
from ops.stacks import Resource, Stack

HOURS = Decimal(730)  # in a month, as AWS's calculator has it
DAYS = HOURS / 24
GIB = Decimal(1024)  # MiB
CPU_UNITS = Decimal(1024)  # of a vCPU
FREE_INSIGHTS_DAYS = 7
HIGH_RESOLUTION_SECONDS = 60  # an alarm on a shorter period
DEARER_RULES = ("BotControl", "ATP", "ACFP", "AntiDDoS")  # groups of AWS's with fees of their own
# Logs that AWS writes itself, which have a price of their own.
VENDED = {
    "aws_flow_log": "log_destination",
    "aws_wafv2_web_acl_logging_configuration": "log_destination_configs",
}

DATABASE, TASKS, BALANCER = "database", "tasks", "load balancer"
NETWORK, ADDRESSES = "NAT and endpoints", "public IPv4"
LOGS, SECURITY, STATE = "logs and alarms", "keys, secrets, WAF", "buckets and tables"


@dataclass(frozen=True, slots=True)
class Charge:
    """What a resource is charged for: so many units of the price ``key`` in a month.

    ``size`` is what the amount comes from, where that is of interest.
    """

    part: str
    what: str
    amount: Decimal
    key: str
    size: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A charge with its price."""

    path: str
    charge: Charge
    price: Price

    @property
    def monthly(self) -> Decimal:
        """Dollars."""
        return self.charge.amount * self.price.usd


@dataclass(frozen=True, slots=True)
class Unpriced:
    """What could not be priced, and why. ``of`` is what its charge would depend on: the charge that
    has no price, or else the resource's arguments."""

    path: str
    type: str
    why: str
    of: Charge | Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The part of the stack: ``database``."""
        return self.path.split("/")[0]


@dataclass(frozen=True, slots=True)
class Bill:
    """One environment's month."""

    environment: str
    region: str
    items: tuple[Item, ...]
    unpriced: tuple[Unpriced, ...]
    free: tuple[str, ...]  # types

    @property
    def total(self) -> Decimal:
        """Dollars, without what is unpriced: with ``lacking`` it is the least, not the sum."""
        return sum((item.monthly for item in self.items), Decimal(0))

    @property
    def lacking(self) -> tuple[str, ...]:
        """The parts that something in has no price."""
        return tuple(dict.fromkeys(missing.name for missing in self.unpriced))


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource to be charged for, and what its charges depend on."""

    resource: Resource
    stack: Stack
    usage: Usage
    day: date
    prices: Mapping[str, Price]

    def get(self, attribute: str, default: Any = None) -> Any:
        """An argument of the resource."""
        return self.resource.get(attribute, default)

    def used(self, quantity: str) -> Decimal:
        """How much there is of what depends on usage."""
        return self.usage.quantity(self.stack, self.resource, quantity) or Decimal(0)


class _Unpriceable(Exception):
    """The stack says something that no function here knows how to charge for."""


def bill(stack: Stack, usage: Usage, prices: Mapping[str, Price], day: date) -> Bill:
    """The bill of a stack in the month of ``day``; without ``prices`` everything lacks one."""
    if not prices:
        why = f"there is no price list of {stack.region}: {REFRESH}"
        missing = Unpriced("everything", "every type", why, dict(stack.document))
        return Bill(stack.environment, stack.region, (), (missing,), ())
    items: list[Item] = []
    unpriced: list[Unpriced] = []
    for resource in stack.resources.values():
        subject = Subject(resource, stack, usage, day, prices)
        rule = CHARGED.get(resource.type)
        if rule is None:
            if resource.type not in FREE:
                why = "this type has no price"
                unpriced.append(Unpriced(resource.path, resource.type, why, resource.values))
            continue
        try:
            for charge in rule(subject):
                if charge.key in prices:
                    items.append(Item(resource.path, charge, prices[charge.key]))
                elif charge.amount:
                    why = f"the price list of {stack.region} has no {charge.key}: {REFRESH}"
                    unpriced.append(Unpriced(resource.path, resource.type, why, charge))
        except _Unpriceable as error:
            unpriced.append(Unpriced(resource.path, resource.type, str(error), resource.values))
    items.sort(key=lambda item: (PARTS.index(item.charge.part), item.path))
    types = {resource.type for resource in stack.resources.values()}
    return Bill(
        stack.environment,
        stack.region,
        tuple(items),
        tuple(unpriced),
        tuple(sorted(types & {*FREE})),
    )


def _database(subject: Subject) -> Iterator[Charge]:
    deployment = "Multi-AZ" if subject.get("multi_az") else "Single-AZ"
    class_, storage = subject.get("instance_class"), subject.get("storage_type")
    if subject.get("engine") != "postgres" or subject.get("iops"):
        raise _Unpriceable("only PostgreSQL without provisioned IOPS is priced")
    key = f"rds-instance/{class_}/{deployment}"
    yield Charge(DATABASE, "instance", HOURS, key, f"{class_}, {deployment}")
    gigabytes = Decimal(subject.get("allocated_storage")) + subject.used("growth_gb")
    key_storage = f"rds-storage-{storage}/{deployment}"
    yield Charge(DATABASE, "storage", gigabytes, key_storage, f"{storage}, {deployment}")
    yield Charge(DATABASE, "backups beyond storage", subject.used("backup_gb"), "rds-backup")
    if support := _extended_support(subject):
        vcpus = subject.prices[key].vcpus if key in subject.prices else None
        if vcpus is None:
            raise _Unpriceable(f"extended support: the vCPUs of {class_} are not known")
        instances = 2 if deployment == "Multi-AZ" else 1
        yield Charge(DATABASE, "extended support", HOURS * instances * vcpus, support)
    if subject.get("performance_insights_enabled"):
        days = subject.get("performance_insights_retention_period", FREE_INSIGHTS_DAYS)
        if days > FREE_INSIGHTS_DAYS:
            raise _Unpriceable(
                f"Performance Insights for {days} days; {FREE_INSIGHTS_DAYS} are free"
            )
    if subject.get("monitoring_interval"):
        records = subject.used("monitoring_gb") * 60 / Decimal(subject.get("monitoring_interval"))
        yield Charge(LOGS, "enhanced monitoring", records, "log-ingested")
    if subject.get("manage_master_user_password"):
        yield Charge(SECURITY, "secret", Decimal(1), "secret", "of the password")


def _extended_support(subject: Subject) -> str | None:
    """The price's key, once the version has left standard support and the instance may stay on it.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/extended-support-charges.html
    """
    if subject.get("engine_lifecycle_support", "").endswith("-disabled"):
        return None
    major = str(subject.get("engine_version")).split(".", maxsplit=1)[0]
    ends = POSTGRES_END_OF_STANDARD_SUPPORT.get(major)
    if ends is None:
        if major.isdigit() and int(major) > max(map(int, POSTGRES_END_OF_STANDARD_SUPPORT)):
            return None
        raise _Unpriceable(f"the end of PostgreSQL {major}'s standard support is not known")
    if subject.day <= ends:
        return None
    third_year = date(ends.year + 2, ends.month + 1, 1)
    return f"rds-extended-support/{'year-3' if subject.day >= third_year else 'years-1-2'}"


def _service(subject: Subject) -> Iterator[Charge]:
    definitions = subject.stack.referred(subject.resource, "task_definition")
    if subject.get("launch_type") != "FARGATE" or len(definitions) != 1:
        raise _Unpriceable("only Fargate on demand is priced")
    (definition,) = definitions
    if definition.get("ephemeral_storage"):
        raise _Unpriceable("ephemeral storage beyond 20 GiB is not priced")
    tasks = subject.usage.quantity(subject.stack, subject.resource, "tasks")
    if tasks is None:
        tasks = Decimal(_least_tasks(subject))
    platform = definition.get("runtime_platform", {})
    architecture = platform.get("cpu_architecture", "X86_64")
    vcpus = Decimal(definition.get("cpu")) / CPU_UNITS
    gigabytes = Decimal(definition.get("memory")) / GIB
    for what, each, key in (
        ("vCPU", vcpus, "fargate-vcpu"),
        ("memory, GB", gigabytes, "fargate-gb"),
    ):
        amount = tasks * each * HOURS
        yield Charge(TASKS, what, amount, f"{key}/{architecture}", f"{tasks} × {each}")
    # Each gigabyte is charged on both sides.
    crossing = 2 * subject.used("cross_zone_gb")
    yield Charge(TASKS, "traffic between zones", crossing, "cross-zone")
    if subject.get("network_configuration", {}).get("assign_public_ip"):
        yield Charge(ADDRESSES, "tasks", tasks * HOURS, "public-ipv4", str(tasks))


def _least_tasks(subject: Subject) -> int:
    """What autoscaling goes down to, or else what is desired."""
    for target in subject.stack.all("aws_appautoscaling_target"):
        if subject.resource.address in target.refers("resource_id"):
            return target.get("min_capacity")
    return subject.get("desired_count", 0)


def _cluster(subject: Subject) -> Iterator[Charge]:
    for setting in subject.get("setting", []):
        if setting["name"] == "containerInsights" and setting["value"] != "disabled":
            if setting["value"] != "enabled":
                raise _Unpriceable(f"Container Insights {setting['value']} is not priced")
            metrics, events = subject.used("insights_metrics"), subject.used("insights_gb")
            yield Charge(LOGS, "Container Insights, metrics", metrics, "metric")
            yield Charge(LOGS, "Container Insights, events", events, "log-ingested")


def _load_balancer(subject: Subject) -> Iterator[Charge]:
    if subject.get("load_balancer_type", "application") != "application":
        raise _Unpriceable("only application load balancers are priced")
    yield Charge(BALANCER, "load balancer", HOURS, "alb-hour")
    yield Charge(BALANCER, "capacity units", subject.used("lcu") * HOURS, "alb-lcu")
    if not subject.get("internal"):
        zones = len(subject.get("subnets", []))
        yield Charge(ADDRESSES, "load balancer", zones * HOURS, "public-ipv4", str(zones))
        yield Charge(
            BALANCER, "answers to the internet", subject.used("internet_out_gb"), "internet-out"
        )


def _nat(subject: Subject) -> Iterator[Charge]:
    yield Charge(NETWORK, "NAT gateway", HOURS, "nat-hour")
    yield Charge(NETWORK, "through NAT", subject.used("processed_gb"), "nat-gb")
    yield Charge(
        NETWORK, "from NAT to the internet", subject.used("internet_out_gb"), "internet-out"
    )


def _address(_: Subject) -> Iterator[Charge]:
    yield Charge(ADDRESSES, "NAT gateway", HOURS, "public-ipv4")


def _endpoint(subject: Subject) -> Iterator[Charge]:
    # Gateway endpoints, for S3 and DynamoDB, are free of charge.
    if subject.get("vpc_endpoint_type", "Gateway") != "Gateway":
        zones = len(subject.get("subnet_ids", []))
        yield Charge(NETWORK, "endpoint", zones * HOURS, "vpc-endpoint-hour", f"{zones} zones")
        yield Charge(
            NETWORK, "through the endpoint", subject.used("processed_gb"), "vpc-endpoint-gb"
        )


def _log_group(subject: Subject) -> Iterator[Charge]:
    ingested = subject.used("ingested_gb")
    vended = any(
        subject.resource.address in source.refers(attribute)
        for type_, attribute in VENDED.items()
        for source in subject.stack.all(type_)
    )
    yield Charge(LOGS, "logs written", ingested, "log-vended" if vended else "log-ingested")
    days = subject.get("retention_in_days", 0)
    if not days:
        raise _Unpriceable("logs that are kept forever have no monthly price")
    kept = ingested * subject.used("compressed_to") * Decimal(days) / DAYS
    yield Charge(LOGS, "logs kept", kept, "log-stored", f"{days} days")


def _alarm(subject: Subject) -> Iterator[Charge]:
    if subject.get("metric_query"):
        raise _Unpriceable("alarms on several metrics are not priced")
    short = subject.get("period", HIGH_RESOLUTION_SECONDS) < HIGH_RESOLUTION_SECONDS
    key = "alarm-high-resolution" if short else "alarm"
    yield Charge(LOGS, "alarm", Decimal(1), key)


def _key(subject: Subject) -> Iterator[Charge]:
    # The first and the second rotation add a dollar each.
    versions = 1 + min(subject.used("rotations"), Decimal(2))
    yield Charge(SECURITY, "customer-managed key", versions, "kms-key")
    yield Charge(SECURITY, "uses of the key", subject.used("requests"), "kms-request")


def _secret(subject: Subject) -> Iterator[Charge]:
    yield Charge(SECURITY, "secret", Decimal(1), "secret")
    yield Charge(SECURITY, "reads of the secret", subject.used("requests"), "secret-request")


def _firewall(subject: Subject) -> Iterator[Charge]:
    rules = len(subject.get("rule", []))
    if re.search(f"AWSManagedRules({'|'.join(DEARER_RULES)})", json.dumps(subject.get("rule"))):
        raise _Unpriceable("rules with a fee of their own are not priced")
    yield Charge(SECURITY, "web ACL", Decimal(1), "waf-acl")
    yield Charge(SECURITY, "rules of the web ACL", Decimal(rules), "waf-rule")
    yield Charge(SECURITY, "requests looked at", subject.used("requests"), "waf-request")


def _bucket(subject: Subject) -> Iterator[Charge]:
    yield Charge(STATE, "bucket, stored", subject.used("stored_gb"), "s3-stored")
    yield Charge(STATE, "bucket, writes", subject.used("put_requests"), "s3-put")
    yield Charge(STATE, "bucket, reads", subject.used("get_requests"), "s3-get")


def _table(subject: Subject) -> Iterator[Charge]:
    if subject.get("billing_mode") != "PAY_PER_REQUEST":
        raise _Unpriceable("only tables on demand are priced")
    stored = subject.used("stored_gb")
    yield Charge(STATE, "table, writes", subject.used("write_requests"), "dynamodb-write")
    yield Charge(STATE, "table, reads", subject.used("read_requests"), "dynamodb-read")
    yield Charge(STATE, "table, stored", stored, "dynamodb-stored")
    if subject.get("point_in_time_recovery", {}).get("enabled"):
        yield Charge(STATE, "table, recovery", stored, "dynamodb-recovery")


def _topic(subject: Subject) -> Iterator[Charge]:
    yield Charge(LOGS, "e-mails", subject.used("emails"), "sns-email")


def _parameter(subject: Subject) -> Iterator[Charge]:
    if subject.get("tier", "Standard") != "Standard":
        raise _Unpriceable("only standard parameters, which are free, are known")
    yield from ()


CHARGED: Mapping[str, Callable[[Subject], Iterator[Charge]]] = {
    "aws_db_instance": _database,
    "aws_ecs_service": _service,
    "aws_ecs_cluster": _cluster,
    "aws_lb": _load_balancer,
    "aws_nat_gateway": _nat,
    "aws_eip": _address,
    "aws_vpc_endpoint": _endpoint,
    "aws_cloudwatch_log_group": _log_group,
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_kms_key": _key,
    "aws_secretsmanager_secret": _secret,
    "aws_wafv2_web_acl": _firewall,
    "aws_s3_bucket": _bucket,
    "aws_dynamodb_table": _table,
    "aws_sns_topic": _topic,
    "aws_ssm_parameter": _parameter,
}
PARTS = (DATABASE, TASKS, BALANCER, NETWORK, ADDRESSES, LOGS, SECURITY, STATE)

# Types that cost nothing themselves; where they bring a cost, another type above has it.
_VPC = "https://aws.amazon.com/vpc/pricing/"
_IAM = "https://aws.amazon.com/iam/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_SCALING = "https://aws.amazon.com/autoscaling/pricing/"
_BALANCING = "https://aws.amazon.com/elasticloadbalancing/pricing/"
_RDS = "https://aws.amazon.com/rds/postgresql/pricing/"
_WAF = "https://aws.amazon.com/waf/pricing/"
_KMS = "https://aws.amazon.com/kms/pricing/"
_SNS = "https://aws.amazon.com/sns/pricing/"
FREE: Mapping[str, str] = {
    "aws_appautoscaling_policy": _SCALING,
    "aws_appautoscaling_target": _SCALING,
    "aws_cloudwatch_log_resource_policy": "https://aws.amazon.com/cloudwatch/pricing/",
    "aws_db_event_subscription": _RDS,
    "aws_db_parameter_group": _RDS,
    "aws_db_subnet_group": _RDS,
    "aws_default_security_group": _VPC,
    "aws_ecs_task_definition": "https://aws.amazon.com/ecs/pricing/",
    "aws_flow_log": _VPC,  # its log group is charged for
    "aws_iam_policy": _IAM,
    "aws_iam_role": _IAM,
    "aws_iam_role_policy": _IAM,
    "aws_iam_role_policy_attachment": _IAM,
    "aws_internet_gateway": _VPC,
    "aws_kms_alias": _KMS,
    "aws_kms_key_policy": _KMS,
    "aws_lb_listener": _BALANCING,
    "aws_lb_listener_rule": _BALANCING,
    "aws_lb_target_group": _BALANCING,
    "aws_route": _VPC,
    "aws_route_table": _VPC,
    "aws_route_table_association": _VPC,
    "aws_s3_bucket_acl": _S3,
    "aws_s3_bucket_lifecycle_configuration": _S3,
    "aws_s3_bucket_logging": _S3,
    "aws_s3_bucket_notification": _S3,
    "aws_s3_bucket_ownership_controls": _S3,
    "aws_s3_bucket_policy": _S3,
    "aws_s3_bucket_public_access_block": _S3,
    "aws_s3_bucket_server_side_encryption_configuration": _S3,
    "aws_s3_bucket_versioning": _S3,
    "aws_secretsmanager_secret_version": "https://aws.amazon.com/secrets-manager/pricing/",
    "aws_security_group": _VPC,
    "aws_sns_topic_policy": _SNS,
    "aws_sns_topic_subscription": _SNS,
    "aws_subnet": _VPC,
    "aws_vpc": _VPC,
    "aws_vpc_security_group_egress_rule": _VPC,
    "aws_vpc_security_group_ingress_rule": _VPC,
    "aws_wafv2_web_acl_association": _WAF,
    "aws_wafv2_web_acl_logging_configuration": _WAF,  # its log group is charged for
}
