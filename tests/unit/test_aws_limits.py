"""The limits against botocore's service models, which are read from disk: no network.

Each public name of ``aws_limits`` stands in one place here: a bound of a shape, a sentence of
the models' documentation, a test of its own, or the list of what the models do not state.
"""

import re
from datetime import date, timedelta
from functools import cache
from ipaddress import IPv4Network
from itertools import pairwise
from typing import Any

import pytest
from botocore.loaders import Loader
from moto.elbv2.ssl_policies import SSL_POLICIES

from lib.config import aws_limits as limits
from lib.config.images import ECR_DOMAINS


@cache
def shapes(service: str) -> dict[str, Any]:
    """The shapes of a service's newest model."""
    return Loader().load_service_model(service, "service-2")["shapes"]


def said(service: str, shape: str, member: str | None = None) -> str:
    """The documentation of a shape or of its member, as plain words."""
    found = shapes(service)[shape]
    text = (found["members"][member] if member else found)["documentation"]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


# name -> service, shape, bound
BOUNDS = {
    "HEALTH_CHECK_INTERVAL_MIN": ("elbv2", "HealthCheckIntervalSeconds", "min"),
    "HEALTH_CHECK_INTERVAL_MAX": ("elbv2", "HealthCheckIntervalSeconds", "max"),
    "HEALTH_CHECK_TIMEOUT_MIN": ("elbv2", "HealthCheckTimeoutSeconds", "min"),
    "HEALTH_CHECK_TIMEOUT_MAX": ("elbv2", "HealthCheckTimeoutSeconds", "max"),
    "HEALTH_CHECK_THRESHOLD_MIN": ("elbv2", "HealthCheckThresholdCount", "min"),
    "HEALTH_CHECK_THRESHOLD_MAX": ("elbv2", "HealthCheckThresholdCount", "max"),
    "HEALTH_CHECK_PATH_MAX": ("elbv2", "Path", "max"),
    "PORT_MIN": ("elbv2", "Port", "min"),
    "PORT_MAX": ("elbv2", "Port", "max"),
    "LOG_GROUP_NAME_MAX": ("logs", "LogGroupName", "max"),
    "IAM_ROLE_NAME_MAX": ("iam", "roleNameType", "max"),
    "IAM_POLICY_NAME_MAX": ("iam", "policyNameType", "max"),
    "DYNAMODB_TABLE_NAME_MAX": ("dynamodb", "TableName", "max"),
    "CLOUDWATCH_ALARM_NAME_MAX": ("cloudwatch", "AlarmName", "max"),
    "SCALING_POLICY_NAME_MAX": ("application-autoscaling", "PolicyName", "max"),
    "WAF_RATE_LIMIT_MIN": ("wafv2", "RateLimit", "min"),
    "WAF_RATE_LIMIT_MAX": ("wafv2", "RateLimit", "max"),
    "WEB_ACL_NAME_MAX": ("wafv2", "EntityName", "max"),
    "KMS_ALIAS_MAX": ("kms", "AliasNameType", "max"),
}

_DB = ("rds", "CreateDBInstanceMessage")
_POSTGRES_STORAGE = (
    "RDS for PostgreSQL Constraints to the amount of storage for each storage type are the "
    "following: General Purpose (SSD) storage (gp2, gp3): "
)

# name -> service, shape, member, sentence made of the value
SENTENCES = {
    "ALB_NAME_MAX": ("elbv2", "CreateLoadBalancerInput", "Name", "a maximum of {} characters"),
    "TARGET_GROUP_NAME_MAX": (
        *("elbv2", "CreateTargetGroupInput", "Name", "a maximum of {} characters"),
    ),
    "MATCHER_CODE_MIN": ("elbv2", "Matcher", "HttpCode", "values between {} and 499"),
    "MATCHER_CODE_MAX": ("elbv2", "Matcher", "HttpCode", "values between 200 and {}"),
    "ALB_IDLE_TIMEOUT_MIN": ("elbv2", "LoadBalancerAttribute", "Key", "valid range is {}-4000"),
    "ALB_IDLE_TIMEOUT_MAX": ("elbv2", "LoadBalancerAttribute", "Key", "valid range is 1-{} sec"),
    "DEREGISTRATION_DELAY_MIN": ("elbv2", "TargetGroupAttribute", "Key", "The range is {}-3600"),
    "DEREGISTRATION_DELAY_MAX": ("elbv2", "TargetGroupAttribute", "Key", "The range is 0-{} sec"),
    "IMAGE_REFERENCE_MAX": ("ecs", "ContainerDefinition", "image", "up to {} characters total"),
    "ECS_CLUSTER_NAME_MAX": ("ecs", "CreateClusterRequest", "clusterName", "Up to {} letters"),
    "ECS_SERVICE_NAME_MAX": ("ecs", "CreateServiceRequest", "serviceName", "Up to {} letters"),
    "ECS_TASK_FAMILY_MAX": (
        *("ecs", "RegisterTaskDefinitionRequest", "family", "Up to {} letters"),
    ),
    "RDS_STORAGE_MIN_GIB": (
        *(*_DB, "AllocatedStorage"),
        _POSTGRES_STORAGE + "Must be an integer from {} to 65536.",
    ),
    "RDS_STORAGE_MAX_GIB": (
        *(*_DB, "AllocatedStorage"),
        _POSTGRES_STORAGE + "Must be an integer from 20 to {}.",
    ),
    "RDS_BACKUP_DAYS_MIN": (*_DB, "BackupRetentionPeriod", "Must be a value from {} to 35."),
    "RDS_BACKUP_DAYS_MAX": (*_DB, "BackupRetentionPeriod", "Must be a value from 0 to {}."),
    "RDS_PORT_MIN": (*_DB, "Port", "Valid Values: {}-65535"),
    "RDS_PORT_MAX": (*_DB, "Port", "Valid Values: 1150-{} "),
    "RDS_WINDOW_MIN_MINUTES": (*_DB, "PreferredBackupWindow", "Must be at least {} minutes."),
    "RDS_PASSWORD_MIN": (*_DB, "MasterUserPassword", "PostgreSQL - Must contain from {} to 128"),
    "RDS_PASSWORD_MAX": (*_DB, "MasterUserPassword", "PostgreSQL - Must contain from 8 to {} "),
    "RDS_IDENTIFIER_MAX": (*_DB, "DBInstanceIdentifier", "from 1 to {} letters, numbers, or hyp"),
    "DB_SUBNET_GROUP_NAME_MAX": (
        *("rds", "CreateDBSubnetGroupMessage", "DBSubnetGroupName", "no more than {} letters"),
    ),
    "DB_PARAMETER_GROUP_NAME_MAX": (
        *("rds", "CreateDBParameterGroupMessage", "DBParameterGroupName", "1 to {} letters"),
    ),
    "DB_SNAPSHOT_IDENTIFIER_MAX": (
        *("rds", "CreateDBSnapshotMessage", "DBSnapshotIdentifier", "from 1 to {} letters"),
    ),
    "SECURITY_GROUP_NAME_MAX": (
        *("ec2", "CreateSecurityGroupRequest", "GroupName", "Up to {} characters in length."),
    ),
    "SNS_TOPIC_NAME_MAX": ("sns", "CreateTopicInput", "Name", "between 1 and {} characters"),
    "KMS_DELETION_DAYS_MIN": (
        *("kms", "ScheduleKeyDeletionRequest", "PendingWindowInDays"),
        "must be between {} and 30, inclusive",
    ),
    "KMS_DELETION_DAYS_MAX": (
        *("kms", "ScheduleKeyDeletionRequest", "PendingWindowInDays"),
        "must be between 7 and {}, inclusive",
    ),
    "SSM_PARAMETER_ARN_MAX": (
        *("ssm", "PutParameterRequest", "Name"),
        "This count of {} characters includes the characters in the ARN that precede the name",
    ),
}

READ = date(2026, 11, 28)  # when RDS's calendar was last read

# What follows is tested by name further down.
BY_HAND = {
    *("REGIONS_BY_PARTITION", "PARTITION_BY_REGION", "ALB_ZONES_MIN"),
    *("TLS_POLICY_PATTERN", "TLS_1_2_POLICY_PATTERN", "POSTGRES_VERSION_PATTERN"),
    "POSTGRES_EXTENDED_SUPPORT_ONLY",
    *("ACCOUNT_ID_PATTERN", "ACM_CERTIFICATE_ARN_PATTERN", "IAM_ROLE_ARN_PATTERN"),
    *("TAG_VALUE_PATTERN", "MATCHER_PATTERN", "FARGATE_MEMORY_MIB", "LOG_RETENTION_DAYS"),
    *("RDS_MONITORING_INTERVALS", "RDS_POSTGRES_LOG_EXPORTS", "RDS_PASSWORD_FORBIDDEN"),
    *("RDS_USERNAME_PATTERN", "RDS_DATABASE_NAME_PATTERN", "RESERVED_FIRST_WORDS"),
    *("ALB_SUBNET_FREE_ADDRESSES", "SUBNET_RESERVED_ADDRESSES", "SHORTEST_NAME_MAX"),
    *("INTEGER_MAX", "IAM_POLICY_ARN_PATTERN", "DOMAIN_NAME_PATTERN"),
}

# botocore says nothing of these; the user guides named beside them do.
NOT_STATED = {
    *("VPC_PREFIX_MIN", "VPC_PREFIX_MAX", "ALB_SUBNET_PREFIX_MAX", "VPC_REFUSED_RANGES"),
    *("VPC_RECOMMENDED_RANGES", "DOCKER_BRIDGE", "SECURITY_GROUP_RULES_MAX"),
    *("TASK_DEFINITION_MAX_BYTES", "ENVIRONMENT_VARIABLES_MAX", "UNPRIVILEGED_PORT_MIN"),
    "USER_ID_MAX",
    *("TASKS_PER_SERVICE_MAX", "RDS_AUTOSCALING_HEADROOM_PERCENT"),
    *("RDS_MAINTENANCE_WINDOW_MAX_MINUTES", "RDS_INSTANCE_CLASS_PATTERN"),
    *("POSTGRES_RESERVED_WORDS", "RDS_RESERVED_USERNAMES", "POSTGRES_RESERVED_ROLE_PREFIX"),
    *("RDS_RESERVED_DATABASE_NAMES", "POSTGRES_END_OF_STANDARD_SUPPORT"),
    *("BUCKET_NAME_MAX", "BUCKET_RESERVED_LAST_WORDS"),
    *("ZONE_LETTER_PATTERN", "PGAUDIT_CLASSES", "WAF_LOG_GROUP_PREFIX"),
}


def test_every_limit_is_compared_or_listed_once() -> None:
    listed = [*BOUNDS, *SENTENCES, *BY_HAND, *NOT_STATED]
    assert sorted(listed) == sorted(
        name for name in vars(limits) if name.isupper() and name[0] != "_"
    )


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_of_the_models(name: str) -> None:
    service, shape, bound = BOUNDS[name]
    assert getattr(limits, name) == shapes(service)[shape][bound]


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences_of_the_models(name: str) -> None:
    service, shape, member, sentence = SENTENCES[name]
    assert sentence.format(getattr(limits, name)) in said(service, shape, member)


def test_both_rds_windows_have_the_same_least() -> None:
    sentence = f"Must be at least {limits.RDS_WINDOW_MIN_MINUTES} minutes."
    assert sentence in said(*_DB, "PreferredMaintenanceWindow")


def test_log_retention() -> None:
    *most, last = map(str, limits.LOG_RETENTION_DAYS)
    assert f"Possible values are: {', '.join(most)}, and {last}." in said("logs", "Days")


def test_fargate_sizes() -> None:
    words = said("ecs", "RegisterTaskDefinitionRequest", "memory").replace(" ", "")
    for cpu, memories in limits.FARGATE_MEMORY_MIB.items():
        gib = [f"{memory}({memory / 1024:g}GB)" for memory in memories]
        step = (memories[-1] - memories[-2]) // 1024
        low, high = memories[0] // 1024, memories[-1] // 1024
        stated = (
            ",".join(gib),
            f"Between{gib[0]}and{gib[-1]}inincrementsof{step * 1024}({step}GB)",
            f"Between{low}GBand{high}GBin{step}GBincrements",
        )
        assert any(f"{form}-Availablecpuvalues:{cpu}(" in words for form in stated), cpu
        assert all(later - earlier in (step * 1024, 512) for earlier, later in pairwise(memories))


def test_rds_choices() -> None:
    intervals = " | ".join(map(str, limits.RDS_MONITORING_INTERVALS))
    assert f"Valid Values: {intervals} Default" in said(*_DB, "MonitoringInterval")
    exports = " | ".join(limits.RDS_POSTGRES_LOG_EXPORTS)
    assert f"RDS for PostgreSQL - {exports}" in said(*_DB, "EnableCloudwatchLogsExports")


def test_rds_names_and_password() -> None:
    # Of the engine with the least: PostgreSQL takes 63, which the user guide says.
    assert "Must be 1 to 16 letters, numbers, or underscores." in said(*_DB, "MasterUsername")
    postgres = said(*_DB, "DBName").partition("RDS for PostgreSQL ")[2]
    assert "Must contain 1 to 63 letters, numbers, or underscores. Must begin with a" in postgres
    for pattern, most in (
        (limits.RDS_USERNAME_PATTERN, 63),
        (limits.RDS_DATABASE_NAME_PATTERN, 63),
    ):
        assert re.fullmatch(pattern, "a" + "_9" * ((most - 1) // 2) + "Z" * ((most - 1) % 2))
        assert not re.fullmatch(pattern, "a" * (most + 1))
        assert not any(re.fullmatch(pattern, name) for name in ("", "1a", "_a", "a-b", "é"))
    *marks, space = limits.RDS_PASSWORD_FORBIDDEN
    quoted = [f'"{mark}"' for mark in marks]
    sentence = f"any printable ASCII character except {', '.join(quoted[:-1])}, or {quoted[-1]}."
    assert sentence in said(*_DB, "MasterUserPassword")
    assert space == " "  # refused in fact, though the model does not say so


def partitions() -> list[dict[str, Any]]:
    """Every partition that botocore knows."""
    return Loader().load_data("partitions")["partitions"]


def test_the_regions_are_those_that_botocore_knows() -> None:
    known = {
        partition["id"]: tuple(
            sorted(region for region in partition["regions"] if not region.endswith("-global"))
        )
        for partition in partitions()
    }
    assert dict(limits.REGIONS_BY_PARTITION) == known
    assert len(limits.PARTITION_BY_REGION) > 40
    for partition, regions in known.items():
        assert {limits.partition_of(region) for region in regions} == {partition}


def test_ecr_s_domains_are_those_of_the_partitions() -> None:
    assert dict(ECR_DOMAINS) == {
        partition["id"]: (
            partition["outputs"]["dnsSuffix"],
            # Registries over IPv6 are below "on", where APIs are below "api".
            partition["outputs"]["dualStackDnsSuffix"].replace("api.", "on.", 1),
        )
        for partition in partitions()
    }


def test_tls_policies_for_1_2_and_newer() -> None:
    for policy in SSL_POLICIES.values():
        assert re.fullmatch(limits.TLS_POLICY_PATTERN, policy["name"])
        old = {"TLSv1", "TLSv1.1"} & set(policy["ssl_protocols"])
        assert bool(re.fullmatch(limits.TLS_1_2_POLICY_PATTERN, policy["name"])) is not bool(old)


def test_a_load_balancer_s_zones() -> None:
    assert limits.ALB_ZONES_MIN == 2
    words = said("elbv2", "CreateLoadBalancerInput", "Subnets")
    assert "You must specify subnets from at least two Availability Zones" in words


def test_account_ids() -> None:
    assert shapes("iam")["accountIdType"]["pattern"] == r"\d{12}"
    assert re.fullmatch(limits.ACCOUNT_ID_PATTERN, "012345678901")
    assert not re.fullmatch(limits.ACCOUNT_ID_PATTERN, "١" * 12)


def test_certificate_arns() -> None:
    model = shapes("acm")["Arn"]["pattern"]
    for arn in (
        "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/a",
    ):
        assert re.fullmatch(model, arn)
        assert re.fullmatch(limits.ACM_CERTIFICATE_ARN_PATTERN, arn)
    for wrong in (
        "arn:aws:acm:us-east-1:123456789012:certificate/",
        "arn:aws:iam::123456789012:server-certificate/a",
        "arn:azure:acm:us-east-1:123456789012:certificate/a",
    ):
        assert not re.fullmatch(limits.ACM_CERTIFICATE_ARN_PATTERN, wrong)


def test_role_arns() -> None:
    path = shapes("iam")["pathType"]["pattern"]
    name = shapes("iam")["roleNameType"]
    for arn_path, arn_name in (("/", "deploy"), ("/ci/prod/", "a+=,.@-_"), ("/a.b/", "x" * 64)):
        assert re.fullmatch(path, arn_path) and re.fullmatch(name["pattern"], arn_name)
        arn = f"arn:aws:iam::123456789012:role{arn_path}{arn_name}"
        assert re.fullmatch(limits.IAM_ROLE_ARN_PATTERN, arn)
    for wrong in (
        "arn:aws:iam::123456789012:role/" + "x" * (name["max"] + 1),
        "arn:aws:iam::123456789012:role//",
        "arn:aws:iam::123456789012:user/deploy",
        "arn:aws:sts::123456789012:assumed-role/deploy/session",
        "arn:aws:iam::123456789012:role/${x}/deploy",  # IAM's, but a template to Terraform
        "deploy",
    ):
        assert not re.fullmatch(limits.IAM_ROLE_ARN_PATTERN, wrong)


def test_policy_arns() -> None:
    name = shapes("iam")["policyNameType"]
    for owner in ("123456789012", "aws"):
        arn = f"arn:aws:iam::{owner}:policy/ci/{'x' * name['max']}"
        assert re.fullmatch(limits.IAM_POLICY_ARN_PATTERN, arn)
        assert not re.fullmatch(limits.IAM_POLICY_ARN_PATTERN, arn + "x")
    assert not re.fullmatch(limits.IAM_POLICY_ARN_PATTERN, "arn:aws:iam::123456789012:role/x")


def test_domain_names() -> None:
    model = shapes("acm")["DomainNameString"]
    for name in ("a.io", "app.example.com", "xn--mller-kva.example", "1.example.com"):
        assert re.fullmatch(model["pattern"], name)
        assert re.fullmatch(limits.DOMAIN_NAME_PATTERN, name)
    for wrong in (
        "example",
        "-a.example",
        "a-.example",
        "a..example",
        "10.0.0.1",
        "a" * 64 + ".io",
    ):
        assert not re.fullmatch(limits.DOMAIN_NAME_PATTERN, wrong), wrong


def test_tag_values() -> None:
    model = shapes("iam")["tagValueType"]
    assert model["pattern"] == r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"
    assert re.fullmatch(limits.TAG_VALUE_PATTERN, "a" * model["max"])
    assert not re.fullmatch(limits.TAG_VALUE_PATTERN, "a" * (model["max"] + 1))
    assert re.fullmatch(limits.TAG_VALUE_PATTERN, "Zoë 9_.:/=+-@")


def test_matchers() -> None:
    words = said("elbv2", "Matcher", "HttpCode")
    for example in ("200,202", "200-299"):
        assert f'"{example}"' in words
        assert re.fullmatch(limits.MATCHER_PATTERN, example)


def test_reserved_first_words() -> None:
    assert 'must not begin with "internal-"' in said("elbv2", "CreateLoadBalancerInput", "Name")
    assert "Can't start with sg- ." in said("ec2", "CreateSecurityGroupRequest", "GroupName")
    assert set(limits.RESERVED_FIRST_WORDS) == {"internal", "sg", "sthree"}  # S3's: not stated


def test_the_smallest_subnet_leaves_a_load_balancer_its_addresses() -> None:
    subnet = IPv4Network(f"10.0.0.0/{limits.ALB_SUBNET_PREFIX_MAX}")
    free = subnet.num_addresses - limits.SUBNET_RESERVED_ADDRESSES
    assert free == 27
    assert free >= limits.ALB_SUBNET_FREE_ADDRESSES == 8


def test_integers_have_32_bits() -> None:
    assert limits.INTEGER_MAX == 2**31 - 1


def test_the_shortest_name_is_the_shortest() -> None:
    names = [name for name in vars(limits) if re.search("(NAME|IDENTIFIER|FAMILY)_MAX$", name)]
    assert limits.SHORTEST_NAME_MAX == min(getattr(limits, name) for name in names)


def test_standard_support_ends_with_a_february() -> None:
    """As AWS has scheduled each of them; a date off this pattern deserves a second look."""
    ends = limits.POSTGRES_END_OF_STANDARD_SUPPORT
    assert list(ends) == sorted(ends, key=int)
    for major, end in ends.items():
        assert end + timedelta(days=1) == date(2013 + int(major), 3, 1)


def test_what_needs_extended_support_are_the_oldest() -> None:
    majors = [*limits.POSTGRES_END_OF_STANDARD_SUPPORT]
    oldest = len(limits.POSTGRES_EXTENDED_SUPPORT_ONLY)
    assert set(majors[:oldest]) == limits.POSTGRES_EXTENDED_SUPPORT_ONLY
    last = limits.POSTGRES_END_OF_STANDARD_SUPPORT[majors[oldest - 1]]
    assert last < READ <= limits.POSTGRES_END_OF_STANDARD_SUPPORT[majors[oldest]]


def test_versions_of_postgresql() -> None:
    for version in ("14", "14.0", "14.9", "14.22"):
        assert re.fullmatch(limits.POSTGRES_VERSION_PATTERN, version)
    for wrong in ("14.", ".9", "14.09", "14.100", "14.9.1", "14-9", "v14"):
        assert not re.fullmatch(limits.POSTGRES_VERSION_PATTERN, wrong)
