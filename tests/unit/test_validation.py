"""Each rule by a change to a valid environment, each allowed bound, and garbage in every field."""

import dataclasses
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.config import aws_limits, validation
from lib.config.environment_config import (
    ENVIRONMENTS,
    AlarmsConfig,
    AutoscalingConfig,
    EnvironmentConfig,
    NatMode,
    StateBackend,
    SubnetTier,
    WafConfig,
)
from lib.config.validation import validate
from lib.config.warnings import support_warnings, warnings
from lib.errors import Problem

Changes = dict[str, Any]
_SHIPPED = {environment.name: environment for environment in ENVIRONMENTS}
BY_NAME = {name: _SHIPPED[name] for name in ("dev", "staging", "prod")}

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a1b-2c"
DOMAIN = {"load_balancer.domain_name": "app.example.com"}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
DIGEST = "sha256:" + "0a" * 32


def change(record: Any, path: str, value: object) -> Any:
    """A copy of ``record`` with ``value`` at the dotted ``path``."""
    name, _, rest = path.partition(".")
    if rest:
        value = change(getattr(record, name), rest, value)
    return dataclasses.replace(record, **{name: value})


def changed(name: str, changes: Changes) -> EnvironmentConfig:
    """The shipped environment ``name`` with ``changes``, a path to a value."""
    environment = BY_NAME[name]
    for path, value in changes.items():
        environment = change(environment, path, value)
    return environment


def problems_of(name: str, changes: Changes) -> list[Problem]:
    """The problems of all shipped environments when one is changed."""
    environments = {**BY_NAME, name: changed(name, changes)}
    return validate([*environments.values()])


# environment, changes, path below the environment, a piece of the message
BAD: list[tuple[str, Changes, str, str]] = []


def bad(name: str, path: str, value: object, piece: str, also: Changes | None = None) -> None:
    """One more case: ``value`` at ``path`` (up to a ``[``) is the only problem."""
    BAD.append((name, {**(also or {}), path.partition("[")[0]: value}, path, piece))


bad("dev", "region", "us-esat-1", "not a region")
bad("dev", "region", "us-east-9", "not a region")
bad("dev", "region", "mars-north-1", "not a region")
bad("dev", "region", "us-east-1\n", "not a region")
bad("dev", "owner", "", "value of a tag")
bad("dev", "owner", "a;b", "value of a tag")
bad("dev", "owner", "a" * 257, "value of a tag")
bad("prod", "account_id", "12345678901", "not an account id")
bad("prod", "account_id", "١" * 12, "not an account id")
bad("dev", "deploy_role_arn", "arn:aws:iam::123456789012:user/deploy", "not the ARN of an IAM role")
bad("dev", "deploy_role_arn", f"arn:aws:iam::{ACCOUNT}:role/", "not the ARN of an IAM role")
bad("dev", "deploy_role_arn", f"arn:aws-cn:iam::{ACCOUNT}:role/a", "in partition aws-cn")
bad("prod", "deploy_role_arn", ROLE, "in account 123456789012", {"account_id": "0" * 12})
bad("dev", "permissions_boundary_arn", ROLE, "not the ARN of an IAM policy")
bad("dev", "permissions_boundary_arn", f"{BOUNDARY}/", "not the ARN of an IAM policy")
bad(
    *("dev", "permissions_boundary_arn", BOUNDARY.replace("aws:", "aws-cn:", 1)),
    "in partition aws-cn",
)
bad(
    *("prod", "permissions_boundary_arn", BOUNDARY, "the policy is in account 123456789012"),
    {"account_id": "0" * 12},
)
bad("prod", "production", False, "called production")
for _name in ("production", "prod2", "prodeu", "prd", "prd1", "live", "live2"):
    bad("dev", "production", False, "called production", {"name": _name})

# network
bad("dev", "network.cidr", "ten", "not an IPv4 range")
bad("dev", "network.cidr", "fd00::/56", "not an IPv4 range")
bad("dev", "network.cidr", "10.0.0.1/16", "host bits")
bad("dev", "network.cidr", "10.0.0.0/255.255.0.0", "not written as address/prefix")
for _cidr, _range in {
    "0.1.0.0/16": "0.0.0.0/8",
    "127.0.0.0/16": "127.0.0.0/8",
    "169.254.0.0/16": "169.254.0.0/16",
    "169.254.8.0/24": "169.254.0.0/16",
    "224.0.0.0/16": "224.0.0.0/4",
    "239.255.0.0/16": "224.0.0.0/4",
    "240.0.0.0/16": "240.0.0.0/4",
    "255.255.0.0/16": "240.0.0.0/4",
}.items():
    bad("dev", "network.cidr", _cidr, f"{_cidr} lies in {_range}, where no VPC can be")
bad("dev", "network.cidr", "11.0.0.0/15", "/15 is outside the /16 to /28")
bad("dev", "network.cidr", "10.9.0.0/29", "/29 is outside the /16 to /28")
bad("dev", "network.cidr", "10.9.0.0", "not written as address/prefix")
bad("dev", "network.cidr", "10.9.0.0/25", "too small for 6 subnets")
bad("dev", "network.cidr", "10.9.0.0/28", "too small for 6 subnets")
bad("dev", "network.flow_log_retention_days", 31, "no retention")

bad("dev", "network.zones", (), "0 zones, not 2 or 3")
bad("dev", "network.zones", ("a",), "1 zones, not 2 or 3")
bad("dev", "network.zones", ("a", "b", "c", "d"), "4 zones, not 2 or 3")
bad("dev", "network.zones[2]", ("a", "b", "us-east-1c"), "not a zone's letter")
bad("dev", "network.zones[0]", ("", "b", "c"), "not a zone's letter")
bad("dev", "network.zones[2]", ("a", "b", "a"), "stands there twice")

# database
for _version in ("12", "12.4", "99", "9.6", "14.", "14.9.1", "14.09", "14.100", "v14", "", "١٤"):
    bad("dev", "database.engine_version", _version, "not a version of PostgreSQL")
for _version in ("13", "13.22"):
    bad("dev", "database.engine_version", _version, "no instance of PostgreSQL 13 without")
bad("dev", "database.instance_class", "t3.micro", "not an instance class")
bad("dev", "database.instance_class", "db.t3", "not an instance class")
bad("prod", "database.multi_az", False, "production needs True")
bad("dev", "database.backup_days", -1, "below the minimum of 0 days")
bad("dev", "database.backup_days", 36, "above the maximum of 35 days")
bad("prod", "database.backup_days", 6, "production needs 7 days")
bad("dev", "database.storage_gib", 19, "below the minimum of 20 GiB")
bad("dev", "database.storage_gib", 65537, "above the maximum of 65536 GiB")
bad("dev", "database.max_storage_gib", 21, "below 22 GiB")
bad("dev", "database.max_storage_gib", 20, "below 22 GiB")
bad("dev", "database.max_storage_gib", 65537, "above the maximum of 65536 GiB")
bad("dev", "database.max_storage_gib", 65536, "below 72090 GiB", {"database.storage_gib": 65536})
bad("dev", "database.database_name", "my-app", "not a database's name")
bad("dev", "database.database_name", "", "not a database's name")
bad("dev", "database.database_name", "a" * 64, "not a database's name")
bad("dev", "database.database_name", "Database", "is reserved")
bad("dev", "database.database_name", "select", "is reserved")
bad("dev", "database.username", "1app", "not a user name")
bad("dev", "database.username", "a" * 64, "not a user name")
bad("dev", "database.username", "admin", "is reserved")
bad("dev", "database.username", "rdsadmin", "is reserved")
bad("dev", "database.username", "User", "is reserved")
bad("dev", "database.username", "pg_me", "is reserved")
for _name in ("public", "none", "Public", "rds_superuser", "rdsrepladmin", "rds_iam"):
    bad("dev", "database.username", _name, "is reserved")
bad("dev", "database.port", 1149, "below the minimum of 1150")
bad("dev", "database.port", 65536, "above the maximum of 65535")
bad("dev", "database.backup_window", "3:00-4:00", "not a window")
bad("dev", "database.backup_window", "03:00-24:00", "not a window")
bad("dev", "database.backup_window", "03:00-03:29", "29 minutes long")
bad("dev", "database.backup_window", "03:00-03:00", "0 minutes long")
bad("dev", "database.maintenance_window", "Sun:04:30-sun:05:30", "not a window")
bad("dev", "database.maintenance_window", "sun:23:50-mon:00:19", "29 minutes long")
bad("dev", "database.maintenance_window", "sun:04:30-mon:04:31", "1441 minutes long")
bad("dev", "database.maintenance_window", "sun:04:00-mon:04:00", "overlaps the backup_window")
bad("dev", "database.maintenance_window", "sun:03:59-sun:04:29", "overlaps the backup_window")
bad("dev", "database.maintenance_window", "tue:02:31-tue:03:01", "overlaps the backup_window")
bad(
    *("dev", "database.maintenance_window", "sun:23:50-mon:00:20", "overlaps the backup_window"),
    {"database.backup_window": "00:10-00:40"},
)
bad(
    *("dev", "database.maintenance_window", "mon:00:10-mon:00:40", "overlaps the backup_window"),
    {"database.backup_window": "23:50-00:20"},
)
bad("dev", "database.monitoring_interval_seconds", 2, "no interval")
bad("dev", "database.log_exports[1]", ("upgrade", "error"), "no log of PostgreSQL")
bad("dev", "database.log_exports[1]", ("upgrade", "upgrade"), "stands there twice")
bad("dev", "database.audited_statements[1]", ("ddl", "select"), "no class of statements")
bad("dev", "database.audited_statements[1]", ("ddl", "ddl"), "stands there twice")
bad("dev", "database.log_retention_days", 0, "no retention")
bad("prod", "database.deletion_protection", False, "production needs True")
bad("prod", "database.final_snapshot", False, "production needs True")
bad("dev", "database.password_version", 0, "below the minimum of 1")

# service
bad("dev", "service.cpu_units", 300, "no size of Fargate's CPU")
bad("dev", "service.memory_mib", 3072, "Fargate has no 3072 MiB with 256 CPU units")
bad("dev", "service.memory_mib", 0, "Fargate has no 0 MiB")
bad("staging", "service.memory_mib", 5120, "Fargate has no 5120 MiB with 512 CPU units")
bad("dev", "service.memory_mib", 17 * 1024, "with 8192 CPU units", {"service.cpu_units": 8192})
bad("dev", "service.desired_count", -1, "below the minimum of 0 tasks")
bad("dev", "service.desired_count", 5001, "above the maximum of 5000 tasks")
bad("prod", "service.desired_count", 1, "production needs 2 tasks", {"service.autoscaling": None})
bad("prod", "service.desired_count", 2, "outside autoscaling's 3 to 9")
bad("prod", "service.desired_count", 10, "outside autoscaling's 3 to 9")
bad(
    *("staging", "service.desired_count", 2, "outside autoscaling's 3 to 3"),
    {"service.autoscaling": AutoscalingConfig(min_count=3, max_count=3)},
)
bad("dev", "service.subnets", SubnetTier.PRIVATE, "network.nat is none")
bad("prod", "service.subnets", SubnetTier.PUBLIC, "no task with a public IP")
bad("dev", "service.image", "", "not an image reference")
bad("dev", "service.image", "https://ghcr.io/app:1", "not an image reference")
bad("dev", "service.image", "App:1", "not an image reference")
bad("dev", "service.image", "app:", "not an image reference")
bad("dev", "service.image", "app@sha256:0a", "not an image reference")
bad("dev", "service.image", "a" * 254 + ":1", "not an image reference")
bad("dev", "service.image", "Ghcr/app:1", "not an image reference")
for _port in ("80", "5000", "99999", "0443"):
    bad("dev", "service.image", f"ghcr.io:{_port}/team/app:1", f"on port {_port}, and tasks reach")
for _host in ("localhost", "localhost:5000", "localhost:443"):
    bad("dev", "service.image", f"{_host}/app:1", "on localhost")
ECR = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
for _host, _piece in {
    "123.dkr.ecr.us-east-1.amazonaws.com": "no registry of account '123'",
    f"{ACCOUNT}.dkr.ecr.us-esat-1.amazonaws.com": "no registry in 'us-esat-1'",
    f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com.cn": "no registry '",
    f"{ACCOUNT}.dkr.ecr.us-east-1.on.aws": "no registry '",
    f"{ACCOUNT}.dkr-ecr.us-east-1.amazonaws.com": "no registry '",
    f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com": "no registry '",
    f"{ACCOUNT}.dkr.ecr.us-east-1.example.com": "no registry '",
}.items():
    bad("dev", "service.image", f"{_host}/app:1", f"ECR has {_piece}")
bad(
    *("dev", "service.image", f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn/app:1"),
    "in partition aws-cn, us-east-1 in aws",
)
bad(
    *("dev", "service.image", f"{ECR}/app:1", "in partition aws, us-gov-west-1 in aws-us-gov"),
    {"region": "us-gov-west-1"},
)
bad("dev", "service.pull_through_cache", True, "in no private registry of ECR")
bad("prod", "service.image", "ghcr.io:443/team/app", "another image tomorrow")
bad("prod", "service.image", "app:latest", "another image tomorrow")
for file in ("rds.pem", "/", "/a b", "/${x}", "/a//b"):
    bad("dev", "service.database_ca_file", file, "not an absolute path")
bad("dev", "service.command", (), "command is empty")
bad("dev", "service.command[1]", ("a", "b\x00"), "has a NUL")
bad("dev", "service.container_port", 0, "below the minimum of 1")
bad("dev", "service.container_port", 65536, "above the maximum of 65535")
bad("dev", "service.user", "", "not a user")
bad("dev", "service.user", "a b", "not a user")
bad("dev", "service.user", "1:2:3", "not a user")
for _user in (
    *("root", "0", "00", "000000000000000000000000", "0:0", "00:1000", "0:1000", "root:root"),
    *("1000:0", "1000:00", "1000:root"),
):
    bad("prod", "service.user", _user, "no container as root")
for _user in ("2147483648", "4294967296", "1000:2147483648", "0" + "9" * 5000):
    bad("dev", "service.user", _user, "above the highest id")
bad("dev", "service.environment['A-B']", {"A-B": ""}, "not the name")
bad("dev", "service.environment['1']", {"OK": "", "1": ""}, "not the name")
for _name in (
    *("PASSWORD", "db_password", "DBPASSWORD", "DB_PASSWORD_2", "API_TOKENS", "dbPassword"),
    *("SECRET_KEY_BASE", "KEY", "API_KEY", "APIKEY", "PRIVATE_KEY", "AWS_CREDENTIALS"),
):
    bad("dev", f"service.environment['{_name}']", {_name: "x"}, "looks like a secret")
for _name in sorted(validation.TASK_VARIABLES):
    bad("dev", f"service.environment['{_name}']", {_name: "x"}, "sets this one itself")
for _value in (
    "postgres://app:hunter2@db/app",
    f"id=AKIA{'A' * 16}",
    "-----BEGIN PRIVATE KEY-----",
):
    bad("dev", "service.environment['A']", {"A": _value}, "looks like a secret")
bad("dev", "service.environment['A']", {"A": "b\x00"}, "has a NUL")
bad("dev", "service.environment", {"A": "b" * 74_910}, "bytes of the task definition")
bad("dev", "service.environment", {"A": "é" * 31_000}, "bytes of the task definition")
bad(
    "dev", "service.environment", {"A": "b" * 31_000}, "bytes", {"service.command": ("c" * 31_000,)}
)
bad("dev", "service.health_check.path", "health", "not a path")
bad("dev", "service.health_check.path", "/a b", "not a path")
bad("dev", "service.health_check.path", "/${a}", "not a path")
bad("dev", "service.health_check.path", "/" + "a" * 1024, "not a path")
bad(
    *("dev", "service.health_check.interval_seconds", 4, "below the minimum of 5 seconds"),
    {"service.health_check.timeout_seconds": 2},
)
bad("dev", "service.health_check.interval_seconds", 301, "above the maximum of 300 seconds")
bad("dev", "service.health_check.timeout_seconds", 1, "below the minimum of 2 seconds")
bad(
    *("dev", "service.health_check.timeout_seconds", 121, "above the maximum of 120 seconds"),
    {"service.health_check.interval_seconds": 300},
)
bad("dev", "service.health_check.timeout_seconds", 15, "not below interval_seconds 15")
bad("dev", "service.health_check.healthy_threshold", 1, "below the minimum of 2")
bad("dev", "service.health_check.healthy_threshold", 11, "above the maximum of 10")
bad("dev", "service.health_check.unhealthy_threshold", 1, "below the minimum of 2")
bad("dev", "service.health_check.unhealthy_threshold", 11, "above the maximum of 10")
for _value in ("", "OK", "20", "199", "200,500", "200-500", "299-200", "200-250-299", "200,"):
    bad("dev", "service.health_check.matcher", _value, "not a matcher")
bad("dev", "service.health_check_grace_seconds", -1, "below the minimum of 0 seconds")
bad("dev", "service.log_retention_days", 8, "no retention")
bad(
    *("staging", "service.autoscaling.min_count", 0, "below the minimum of 1 tasks"),
    {"service.autoscaling": AutoscalingConfig(min_count=1, max_count=9)},
)
bad("prod", "service.autoscaling.min_count", 1, "production needs 2 tasks")
bad("prod", "service.autoscaling.min_count", 10, "above max_count 9")
bad("prod", "service.autoscaling.max_count", 5001, "above the maximum of 5000 tasks")
bad("prod", "service.autoscaling.cpu_target_percent", 0, "below the minimum of 1 percent")
bad("prod", "service.autoscaling.cpu_target_percent", 101, "above the maximum of 100 percent")
bad("prod", "service.autoscaling.memory_target_percent", 0, "below the minimum of 1 percent")
bad("prod", "service.autoscaling.memory_target_percent", 101, "above the maximum of 100 percent")

# load balancer
for arn in ("certificate", ROLE):
    wrong = "not the ARN of an ACM certificate"
    bad("dev", "load_balancer.certificate_arn", arn, wrong, DOMAIN)
bad(
    *("dev", "load_balancer.certificate_arn"),
    *(CERTIFICATE.replace("us-east-1", "us-west-2"), "the certificate is in us-west-2"),
    DOMAIN,
)
bad(
    *("dev", "load_balancer.certificate_arn"),
    *(CERTIFICATE.replace("aws:", "aws-cn:"), "in partition aws-cn"),
    DOMAIN,
)
bad(
    *("prod", "load_balancer.certificate_arn", CERTIFICATE, "in account 123456789012"),
    {"account_id": "0" * 12, **DOMAIN},
)
bad(
    *("prod", "load_balancer.domain_name", None, "no certificate is for the load balancer's own"),
    {"load_balancer.certificate_arn": CERTIFICATE},
)
for _domain in (
    "app",
    "App.example.com",
    "https://app.example.com",
    "*.example.com",
    "a.b.",
    "10.0.0.1",
):
    bad("dev", "load_balancer.domain_name", _domain, "not a domain name")
bad("dev", "load_balancer.domain_name", f"{'a.' * 126}com", "not a domain name")
bad("dev", "load_balancer.tls_policy", "TLS13", "not a TLS policy")
for _policy in ("2016-08", "TLS-1-1-2017-01", "TLS13-1-0-2021-06", "FS-1-1-2019-08"):
    bad("prod", "load_balancer.tls_policy", f"ELBSecurityPolicy-{_policy}", "TLS older than 1.2")
bad(
    *("prod", "load_balancer.certificate_arn", None, "plain HTTP"),
    {"load_balancer.allow_plain_http": False},
)
bad("dev", "load_balancer.allowed_cidrs", (), "nobody may reach")
bad("dev", "load_balancer.allowed_cidrs[1]", ("0.0.0.0/0", "10.0.0.1/8"), "host bits")
bad("dev", "load_balancer.allowed_cidrs[0]", ("203.0.113.7",), "not written as address/prefix")
bad("dev", "load_balancer.allowed_cidrs[0]", ("::/0",), "not an IPv4 range")
bad("dev", "load_balancer.allowed_cidrs[1]", ("0.0.0.0/0", "0.0.0.0/0"), "stands there twice")
RANGES = tuple(f"198.51.100.{number}/32" for number in range(61))
bad("dev", "load_balancer.allowed_cidrs", RANGES, "61 ranges, of 60 that a security group takes")
bad(
    *("dev", "load_balancer.allowed_cidrs", RANGES[:31], "31 ranges, of 30"),
    {"load_balancer.certificate_arn": CERTIFICATE, **DOMAIN},
)
bad("dev", "load_balancer.idle_timeout_seconds", 0, "below the minimum of 1 seconds")
bad("dev", "load_balancer.idle_timeout_seconds", 4001, "above the maximum of 4000 seconds")
bad("dev", "load_balancer.deregistration_delay_seconds", -1, "below the minimum of 0 seconds")
bad("dev", "load_balancer.deregistration_delay_seconds", 3601, "above the maximum of 3600")
bad("prod", "load_balancer.deletion_protection", False, "production needs True")

bad("prod", "load_balancer.waf.requests_per_address", 9, "below the minimum of 10 requests")
bad("prod", "load_balancer.waf.requests_per_address", 2_000_000_001, "above the maximum")
bad("prod", "load_balancer.waf.log_retention_days", 31, "no retention")

# state, encryption, access logs and alarms
bad("dev", "encryption.deletion_days", 6, "below the minimum of 7 days")
bad("dev", "encryption.deletion_days", 31, "above the maximum of 30 days")
bad("dev", "access_logs.retention_days", 0, "below the minimum of 1 days")
bad("prod", "access_logs.deletable", True, "production needs False")
bad("dev", "state.noncurrent_version_days", 0, "below the minimum of 1 days")
bad("prod", "state.deletable", True, "production needs False")
bad("prod", "alarms.emails[0]", ("ops",), "not an email address")
bad("prod", "alarms.emails[0]", ("${ops}@b.io",), "not an email address")
bad("prod", "alarms.emails[1]", ("a@b.io", "a b@b.io"), "not an email address")
bad("prod", "alarms.emails[1]", ("a@b.io", "a@b.io"), "stands there twice")
bad("prod", "alarms.http_5xx_count", 0, "below the minimum of 1")
for _name in ("service_cpu", "service_memory", "database_cpu"):
    bad("prod", f"alarms.{_name}_percent", 0, "below the minimum of 1 percent")
    bad("prod", f"alarms.{_name}_percent", 101, "above the maximum of 100 percent")
bad("prod", "alarms.database_free_storage_gib", 0, "below the minimum of 1 GiB")
bad("prod", "alarms.database_free_storage_gib", 50, "the alarm would never end")
bad("prod", "alarms.database_connections", 0, "below the minimum of 1")


@pytest.mark.parametrize(
    ("name", "changes", "path", "piece"), BAD, ids=[f"{case[2]}: {case[3]}" for case in BAD]
)
def test_a_broken_rule_is_the_one_problem(
    name: str, changes: Changes, path: str, piece: str
) -> None:
    (problem,) = problems_of(name, changes)
    assert problem.path == f"{changes.get('name', name)}.{path}"
    assert piece in problem.message
    assert problem.hint


@pytest.mark.parametrize("index", range(len(validation.RULES)))
def test_every_rule_has_a_case_of_its_own(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule, a case that found its one problem finds none."""
    rules = validation.RULES
    path = rules[index].reads[0]
    own = [case for case in (*BAD, *BAD_NAMES) if case[2].partition("[")[0] == path]
    monkeypatch.setattr(validation, "RULES", (*rules[:index], *rules[index + 1 :]))
    assert any(not problems_of(name, changes) for name, changes, _, _ in own), path


# A wrong name has no place of its own to stand in a path.
BAD_NAMES: list[tuple[str, Changes, str, str]] = [
    ("dev", {"name": name}, "name", piece)
    for name, piece in {
        "": "not an environment's name",
        "d": "not an environment's name",
        "Dev": "not an environment's name",
        "1dev": "not an environment's name",
        "my-dev": "not an environment's name",
        "dev\n": "not an environment's name",
        "abcdefghijk": "not an environment's name",
        "internal": "refuses load balancers",
        "sg": "refuses security groups",
        "sthree": "refuses S3 buckets",
        "all": "means every environment",
    }.items()
]


@pytest.mark.parametrize(("name", "changes", "path", "piece"), BAD_NAMES)
def test_a_wrong_name_stands_at_its_place(
    name: str, changes: Changes, path: str, piece: str
) -> None:
    (problem,) = problems_of(name, changes)
    assert problem.path == f"environments[0].{path}"
    assert piece in problem.message


GOOD: list[tuple[str, Changes]] = [
    *(
        ("dev", {"name": name})
        for name in ("qa", "abcdefghij", "d3v", "preprod", "alive", "lively")
    ),
    ("prod", {"name": "live"}),
    *(("dev", {"region": region}) for region in ("ap-southeast-2", "us-gov-west-1", "cn-north-1")),
    *(("dev", {"owner": owner}) for owner in ("a", "a" * 256, "Zoë's team".replace("'", "-"))),
    ("prod", {"account_id": ACCOUNT, "deploy_role_arn": ROLE}),
    ("dev", {"deploy_role_arn": f"arn:aws:iam::{ACCOUNT}:role/ci/{'x' * 64}"}),
    (
        "dev",
        {"region": "cn-north-1", "deploy_role_arn": f"arn:aws-cn:iam::{ACCOUNT}:role/a"},
    ),
    *(("dev", {"network.cidr": cidr}) for cidr in ("10.9.0.0/16", "10.9.0.0/24")),
    *(("dev", {"network.cidr": cidr}) for cidr in ("172.17.0.0/16", "9.0.0.0/16", "223.0.0.0/16")),
    *(
        ("dev", {"network.zones": zones})
        for zones in (("a", "c", "d"), ("z", "y", "x"), ("a", "c"), ("c", "b"))
    ),
    *(("dev", {"network.flow_log_retention_days": d}) for d in aws_limits.LOG_RETENTION_DAYS),
    *(("dev", {"database.log_retention_days": d}) for d in aws_limits.LOG_RETENTION_DAYS),
    *(("dev", {"service.log_retention_days": d}) for d in aws_limits.LOG_RETENTION_DAYS),
    *(
        ("dev", {"database.engine_version": version, "database.extended_support": extended})
        for major in aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT
        for version in (major, f"{major}.0", f"{major}.9", f"{major}.13")
        for extended in (major in aws_limits.POSTGRES_EXTENDED_SUPPORT_ONLY, True)
    ),
    *(
        ("dev", {"database.instance_class": name})
        for name in ("db.t4g.large", "db.m6gd.xlarge", "db.x2iedn.32xlarge")
    ),
    *(("dev", {"database.backup_days": days}) for days in (0, 35)),
    *(("prod", {"database.backup_days": days}) for days in (7, 35)),
    ("dev", {"database.storage_gib": 20, "database.max_storage_gib": 22}),
    ("dev", {"database.storage_gib": 59578, "database.max_storage_gib": 65536}),
    *(("dev", {"database.database_name": name}) for name in ("a", "A" * 63, "postgres", "a_1")),
    *(("dev", {"database.username": name}) for name in ("a", "a" * 63, "postgres", "users")),
    ("dev", {"database.username": "application_db_admin_user"}),
    *(("dev", {"database.port": port}) for port in (1150, 65535)),
    ("dev", {"database.backup_window": "04:00-04:30"}),
    ("dev", {"database.backup_window": "23:45-00:15"}),
    ("dev", {"database.backup_window": "05:30-04:30"}),
    ("dev", {"database.maintenance_window": "sun:04:00-sun:04:30"}),
    ("dev", {"database.maintenance_window": "sun:04:00-mon:03:00"}),
    ("dev", {"database.maintenance_window": "mon:02:30-mon:03:00"}),
    *(
        ("dev", {"database.monitoring_interval_seconds": seconds})
        for seconds in aws_limits.RDS_MONITORING_INTERVALS
    ),
    *(
        ("dev", {"database.log_exports": exports})
        for exports in ((), aws_limits.RDS_POSTGRES_LOG_EXPORTS)
    ),
    *(
        ("dev", {"database.audited_statements": classes})
        for classes in ((), aws_limits.PGAUDIT_CLASSES)
    ),
    ("dev", {"database.password_version": aws_limits.INTEGER_MAX}),
    *(
        ("dev", {"service.cpu_units": cpu, "service.memory_mib": memory})
        for cpu, memories in aws_limits.FARGATE_MEMORY_MIB.items()
        for memory in memories
    ),
    *(("dev", {"service.desired_count": count}) for count in (0, 5000)),
    ("prod", {"service.desired_count": 2, "service.autoscaling": None}),
    *(("prod", {"service.desired_count": count}) for count in (3, 9)),
    (
        "prod",
        {
            "service.desired_count": 2,
            "service.autoscaling": AutoscalingConfig(
                min_count=2, max_count=2, cpu_target_percent=1, memory_target_percent=100
            ),
        },
    ),
    ("prod", {"service.autoscaling.max_count": 5000}),
    ("dev", {"service.autoscaling": AutoscalingConfig(min_count=1, max_count=1)}),
    ("staging", {"service.subnets": SubnetTier.PUBLIC, "network.nat": NatMode.NONE}),
    *(
        (name, {"service.image": image})
        for name in ("dev", "prod")
        for image in (
            f"app@{DIGEST}",
            f"app:latest@{DIGEST}",
            "registry.example:443/a/b__c/d.e-f--g:v1.2_3-4",
            "a" * 253 + ":1",
            f"{ECR}/app:{'t' * 128}",
            f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com/app:1",
            f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws/app:1",
            f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app:1",
        )
    ),
    ("dev", {"service.image": f"{ECR}/hub/library/nginx:1", "service.pull_through_cache": True}),
    (
        "dev",
        {
            "region": "cn-north-1",
            "service.image": f"{ACCOUNT}.dkr.ecr.cn-northwest-1.amazonaws.com.cn/app:1",
        },
    ),
    *(("dev", {"service.image": image}) for image in ("app", "app:latest")),
    *(("dev", {"service.command": command}) for command in (None, ("",), ("a", "b"))),
    *(("dev", {"service.container_port": port}) for port in (1, 65535)),
    *(("dev", {"service.user": user}) for user in ("0", "app", "1000:1000", "app:www-data")),
    *(
        ("prod", {"service.user": u})
        for u in ("app", "01", "1000:1000", "0x0", "roots", "0b", "2147483647")
    ),
    ("dev", {"service.environment": {"A": "b" * 60_000}}),
    (
        "dev",
        {
            "service.environment": MappingProxyType(
                {
                    "_": "",
                    "a1": "\n",
                    "CACHE_KEY_PREFIX": "",
                    "HOME_URL": "http://a:1/@b",
                    "JWT_PUBLIC_KEY": "",
                    "MONKEY": "",
                    "MY_SECRET_ARN": "",
                    "PASSWORD_LENGTH": "12",
                    "TOKENIZER": "",
                    "TOKEN_TTL_SECONDS": "60",
                    "TOKEN_URL": "https://a.io",
                }
            )
        },
    ),
    *(
        ("dev", {"service.health_check.path": path})
        for path in ("/", "/" + "a" * 1023, "/-_.~/:@!$&'()*+,;=?b=%20")
    ),
    *(
        (
            "dev",
            {
                "service.health_check.interval_seconds": interval,
                "service.health_check.timeout_seconds": timeout,
            },
        )
        for interval, timeout in ((5, 4), (5, 2), (300, 120), (121, 120))
    ),
    *(
        ("dev", {f"service.health_check.{which}_threshold": count})
        for which in ("healthy", "unhealthy")
        for count in (2, 10)
    ),
    *(
        ("dev", {"service.health_check.matcher": matcher})
        for matcher in ("200", "499", "404,200", "200-499", "200-200")
    ),
    *(
        ("dev", {"service.health_check_grace_seconds": seconds})
        for seconds in (0, aws_limits.INTEGER_MAX)
    ),
    ("prod", {"load_balancer.certificate_arn": CERTIFICATE, "account_id": ACCOUNT, **DOMAIN}),
    (
        "prod",
        {
            "load_balancer.certificate_arn": CERTIFICATE,
            "load_balancer.allow_plain_http": False,
            **DOMAIN,
        },
    ),
    ("dev", {"load_balancer.domain_name": f"{'a.' * 125}com"}),
    ("dev", {"service.database_ca_file": "/etc/ssl/rds/global-bundle.pem"}),
    ("prod", {"permissions_boundary_arn": BOUNDARY, "account_id": ACCOUNT}),
    (
        "prod",
        {
            "permissions_boundary_arn": "arn:aws:iam::aws:policy/PowerUserAccess",
            "account_id": ACCOUNT,
        },
    ),
    ("dev", {"load_balancer.allow_plain_http": False}),
    ("dev", {"load_balancer.tls_policy": "ELBSecurityPolicy-2016-08"}),
    *(
        ("prod", {"load_balancer.tls_policy": f"ELBSecurityPolicy-{policy}"})
        for policy in ("TLS13-1-3-2021-06", "TLS13-1-2-Res-PQ-2025-09", "FS-1-2-Res-2020-10")
    ),
    ("dev", {"load_balancer.allowed_cidrs": RANGES[:60]}),
    (
        "dev",
        {
            "load_balancer.allowed_cidrs": RANGES[:30],
            **DOMAIN,
            "load_balancer.certificate_arn": CERTIFICATE,
        },
    ),
    ("prod", {"load_balancer.waf": None}),
    *(
        ("prod", {"load_balancer.waf": WafConfig(requests_per_address=limit)})
        for limit in (10, 2_000_000_000)
    ),
    *(("dev", {"load_balancer.waf": WafConfig(log_retention_days=d)}) for d in (1, 3653)),
    *(("dev", {"encryption.deletion_days": days}) for days in (7, 30)),
    *(("dev", {"access_logs.retention_days": days}) for days in (1, aws_limits.INTEGER_MAX)),
    ("prod", {"access_logs": None}),
    ("dev", {"load_balancer.allowed_cidrs": ("203.0.113.7/32", "198.51.100.0/24")}),
    *(("dev", {"load_balancer.idle_timeout_seconds": seconds}) for seconds in (1, 4000)),
    *(("dev", {"load_balancer.deregistration_delay_seconds": s}) for s in (0, 3600)),
    *(("dev", {"state.noncurrent_version_days": days}) for days in (1, aws_limits.INTEGER_MAX)),
    ("prod", {"state.backend": StateBackend.LOCAL}),
    ("prod", {"alarms": None}),
    *(
        (
            "prod",
            {
                "alarms": AlarmsConfig(
                    emails=("a@b.io", "first.last+tag'#%@sub.example.com"),
                    http_5xx_count=count,
                    service_cpu_percent=percent,
                    service_memory_percent=percent,
                    database_cpu_percent=percent,
                    database_free_storage_gib=gib,
                    database_connections=count,
                )
            },
        )
        for count, percent, gib in ((1, 1, 1), (aws_limits.INTEGER_MAX, 100, 49))
    ),
]


@pytest.mark.parametrize(("name", "changes"), GOOD)
def test_what_aws_allows_is_allowed(name: str, changes: Changes) -> None:
    assert not problems_of(name, changes)


def test_the_shipped_environments_are_valid() -> None:
    assert not validate(ENVIRONMENTS)


def test_a_fourth_environment_is_one_more_entry() -> None:
    fourth = changed("staging", {"name": "fourth", "network.cidr": "10.204.0.0/16"})
    assert not validate([*ENVIRONMENTS, fourth])


def test_no_environment_at_all() -> None:
    assert [problem.path for problem in validate([])] == ["environments"]


@pytest.mark.parametrize("environments", [BY_NAME["dev"], None, {"dev": BY_NAME["dev"]}])
def test_what_is_no_tuple_of_environments(environments: Any) -> None:
    """``(EnvironmentConfig(...))`` without its comma."""
    (problem,) = validate(environments)
    assert problem.path == "environments"
    assert "not a tuple" in problem.message and "its last comma" in problem.hint


def test_all_problems_at_once_in_order() -> None:
    many = {"database.storage_gib": "20", "region": "moon", "service.container_port": 0}
    assert [str(problem) for problem in problems_of("dev", many)] == [
        "dev.database.storage_gib: '20' is a str, not an int (write a whole number without quotes)",
        "dev.region: 'moon' is not a region of AWS (write one like us-east-1)",
        "dev.service.container_port: 0 is below the minimum of 1 for a port (write 1 to 65535)",
    ]


def test_hints_say_the_fix() -> None:
    fixes = {
        "10.0.0.1/16": "write 10.0.0.0/16",
        "10.0.0.0": "write 10.0.0.0/32",
        "10.0.0.0/8": "use a prefix of /16 to /24",
    }
    for cidr, hint in fixes.items():
        assert problems_of("dev", {"network.cidr": cidr})[0].hint == hint
    (problem,) = problems_of("dev", {"database.engine_version": "9"})
    assert problem.hint == (
        "choose 13, 14, 15, 16, 17, 18, or one of their minor versions, such as 18.1"
    )
    for region, near in {
        "us-east-9": "us-east-1",
        "us-esat-1": "us-east-1",
        "mars-north-1": "eu-north-1",
        "eu-west1": "eu-west-1",
        "us-east": "us-east-1",
        "US-WEST-2": "us-west-2",
    }.items():
        (problem,) = problems_of("dev", {"region": region})
        assert problem.hint == f"did you mean {near}? write one like us-east-1"
    for host, written in {
        "dkr.ecr.cn-north-1.amazonaws.com": "dkr.ecr.cn-north-1.amazonaws.com.cn",
        "dkr-ecr.us-east-1.amazonaws.com": "dkr-ecr.us-east-1.on.aws",
    }.items():
        (problem,) = problems_of("dev", {"service.image": f"{ACCOUNT}.{host}/app:1"})
        assert problem.hint == f"write {ACCOUNT}.{written}"
    for cpu, memory, hint in (
        (256, 1, "choose 512, 1024, 2048"),
        (512, 1, "choose 1024, 2048, 3072, 4096"),
        (8192, 1, "choose 16384 to 61440 in steps of 4096"),
    ):
        sizes = {"service.cpu_units": cpu, "service.memory_mib": memory}
        assert problems_of("dev", sizes)[0].hint == hint
    for storage, hint in {
        20: "write 22 to 65536",
        65000: "lower storage_gib to 59578 at most",
    }.items():
        sizes = {"database.storage_gib": storage, "database.max_storage_gib": 1}
        assert problems_of("dev", sizes)[0].hint == hint


# --- across environments ---------------------------------------------------------------------


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.128.0/20"])
def test_ranges_that_overlap(cidr: str) -> None:
    (problem,) = problems_of("prod", {"network.cidr": cidr})
    assert problem.path == "prod.network.cidr"
    assert f"{cidr} overlaps dev's 10.0.0.0/16" in problem.message


def test_every_pair_that_overlaps() -> None:
    copies = [changed("dev", {"name": name}) for name in ("aa", "bb", "cc")]
    found = [(problem.path, problem.message.split("'s")[0]) for problem in validate(copies)]
    assert found == [
        ("bb.network.cidr", "10.0.0.0/16 overlaps aa"),
        ("cc.network.cidr", "10.0.0.0/16 overlaps aa"),
        ("cc.network.cidr", "10.0.0.0/16 overlaps bb"),
    ]


def test_two_environments_of_one_name() -> None:
    (problem,) = problems_of("staging", {"name": "dev"})
    assert problem.path == "environments[1].name"
    assert "another environment is called 'dev'" in problem.message


def test_production_names_its_account_once_any_does() -> None:
    (problem,) = problems_of("dev", {"account_id": ACCOUNT})
    assert problem.path == "prod.account_id"
    assert "dev names its account" in problem.message
    both = [changed(name, {"account_id": ACCOUNT}) for name in ("dev", "prod")]
    assert not validate(both)


# --- types -----------------------------------------------------------------------------------

ILL_TYPED: list[tuple[str, object, str, str]] = [
    ("database.storage_gib", "20", "'20' is a str, not an int", "without quotes"),
    ("database.storage_gib", True, "True is a bool, not an int", "without quotes"),
    ("database.storage_gib", 20.0, "20.0 is a float, not an int", "without quotes"),
    ("database.multi_az", 1, "1 is an int, not a bool", "True or False"),
    ("account_id", 123456789012, "is an int, not a str", "quotes"),
    ("network.nat", "none", "'none' is a str, not a NatMode", "NatMode.NONE or NatMode.SINGLE"),
    ("network", {"cidr": ""}, "is a dict, not a NetworkConfig", "write NetworkConfig(...)"),
    ("network", None, "None is a NoneType, not a NetworkConfig", "write NetworkConfig(...)"),
    ("database.log_exports", "upgrade", "'upgrade' is a str, not a tuple", "(a,) for one"),
    ("database.log_exports[1]", ("upgrade", None), "None is a NoneType, not a str", "quotes"),
    ("service.command", ["a"], "['a'] is a list, not a tuple", "(a, b)"),
    ("service.autoscaling", 3, "3 is an int, not an AutoscalingConfig", "AutoscalingConfig(...)"),
    ("service.environment", ("a",), "a tuple is not a mapping", "dict"),
    ("service.environment['PASSWORD']", {"PASSWORD": 12}, "the value is an int", "quotes"),
    ("service.environment[1]", {1: "a"}, "the name is an int, not a str", "quotes"),
    ("alarms", (), "() is a tuple, not an AlarmsConfig", "AlarmsConfig(...)"),
    ("load_balancer.idle_timeout_seconds", "x" * 999, "is a str, not an int", "without quotes"),
    ("load_balancer.certificate_arn", 10**9999, "a huge int is an int, not a str", "quotes"),
]


@pytest.mark.parametrize(
    ("path", "value", "message", "hint"), ILL_TYPED, ids=[case[0] for case in ILL_TYPED]
)
def test_a_wrong_type_is_the_one_problem(path: str, value: object, message: str, hint: str) -> None:
    (problem,) = problems_of("staging", {path.partition("[")[0]: value})
    assert problem.path == f"staging.{path}"
    assert message in problem.message
    assert hint in problem.hint
    assert len(str(problem)) < 300


def test_a_wrong_type_hides_only_the_rules_that_read_it() -> None:
    changes = {"database.storage_gib": "20", "database.port": 0, "production": "yes"}
    paths = [problem.path for problem in problems_of("dev", changes)]
    assert paths == ["dev.database.storage_gib", "dev.production", "dev.database.port"]


def test_an_entry_that_is_no_environment() -> None:
    (problem,) = validate([*BY_NAME.values(), "qa"])  # pyright: ignore[reportArgumentType]
    assert str(problem).startswith("environments[3]: 'qa' is a str, not an EnvironmentConfig")


def paths_of(record: object, prefix: str = "") -> list[str]:
    """Each field of ``record``, slices and what is in them."""
    if not dataclasses.is_dataclass(record):
        return []
    return [
        path
        for field in dataclasses.fields(record)
        for path in (
            prefix + field.name,
            *paths_of(getattr(record, field.name), f"{prefix}{field.name}."),
        )
    ]


FULL = changed(
    "prod", {"load_balancer.certificate_arn": CERTIFICATE, "deploy_role_arn": ROLE, **DOMAIN}
)
PATHS = paths_of(FULL)
TEXT = st.text(max_size=40) | st.sampled_from(
    (ROLE, CERTIFICATE, "10.0.0.0/8", "03:00-04:00", "app:1", "prod", "dev", "\ud800", "a\nb: c")
)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((10**9999, -(10**9999), 2**64))
    | st.floats()
    | st.binary(max_size=9)
    | TEXT
    | st.sampled_from((*NatMode, *SubnetTier, *StateBackend, object(), int, type("", (), {})()))
)
GARBAGE = (
    SCALAR
    | st.lists(SCALAR, max_size=3)
    | st.lists(TEXT, max_size=3).map(tuple)
    | st.lists(SCALAR, max_size=3).map(tuple)
    | st.dictionaries(TEXT, TEXT, max_size=3)
    | st.dictionaries(TEXT | st.integers(), SCALAR, max_size=3)
)


# The first draw loads tables of Unicode, which a busy machine may take a second for.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(st.dictionaries(st.sampled_from(PATHS), GARBAGE, max_size=12), st.booleans())
def test_garbage_is_a_line_each_and_never_raises(garbage: Changes, production: bool) -> None:
    environment = change(FULL, "production", production)
    for path in sorted(garbage, key=lambda path: -path.count(".")):  # inner ones first
        environment = change(environment, path, garbage[path])
    for problem in validate([BY_NAME["dev"], BY_NAME["staging"], environment]):
        assert len(str(problem).splitlines()) == 1
        assert problem.hint


@PATIENT
@given(st.lists(GARBAGE, max_size=3))
def test_garbage_for_environments_never_raises(environments: list[Any]) -> None:
    assert len(validate(environments)) >= len(environments)


# --- secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["hunter2", 4711])
def test_a_secret_looking_value_is_never_shown(value: object) -> None:
    (problem,) = problems_of("dev", {"service.environment": {"DB_PASSWORD": value}})
    assert str(value) not in str(problem)


# --- the end of standard support -------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "verb"),
    [
        (date(2026, 8, 27), None),
        (date(2026, 8, 28), "leaves"),
        (date(2027, 2, 28), "leaves"),
        (date(2027, 3, 1), "left"),
        (date(2040, 1, 1), "left"),
    ],
)
def test_support_warnings_from_six_months_ahead(today: date, verb: str | None) -> None:
    found = support_warnings(BY_NAME["prod"], today)
    assert len(found) == (verb is not None)
    for warning in found:
        assert f"PostgreSQL 14 {verb} RDS standard support on 2027-02-28" in warning
        assert warning.startswith("prod.database.engine_version: ")
        assert 'engine_version="18" for prod in lib/config/environment_config.py' in warning
        assert "AWS upgrades the instance by itself" in warning
        assert "a downgrade, which RDS refuses" in warning
        assert "docs/postgresql-upgrade.md" in warning


def test_support_is_that_of_the_major_version() -> None:
    minor = changed("prod", {"database.engine_version": "14.9"})
    today = date(2027, 3, 1)
    assert support_warnings(minor, today) == support_warnings(BY_NAME["prod"], today)


def test_support_warnings_know_extended_support() -> None:
    environment = changed("prod", {"database.extended_support": True})
    (warning,) = support_warnings(environment, date(2027, 3, 1))
    assert "extended support is charged for" in warning


@pytest.mark.parametrize(
    ("end", "first"),
    [
        (date(2028, 2, 29), date(2027, 8, 29)),
        (date(2027, 8, 31), date(2027, 2, 28)),
        (date(2027, 12, 31), date(2027, 6, 30)),
        (date(2027, 6, 30), date(2026, 12, 30)),
    ],
)
def test_six_months_before_any_day(end: date, first: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_limits, "POSTGRES_END_OF_STANDARD_SUPPORT", {"14": end})
    assert support_warnings(BY_NAME["dev"], first)
    assert not support_warnings(BY_NAME["dev"], date.fromordinal(first.toordinal() - 1))


# --- what AWS takes and is unwise ------------------------------------------------------------

LONG_BEFORE = date(2025, 1, 1)
VARIABLES = {f"A{number}": "b" for number in range(101)}
UNWISE: list[tuple[Changes, str, str]] = [
    ({"network.cidr": "172.17.0.0/16"}, "network.cidr", "Docker's own network"),
    ({"network.cidr": "172.17.4.0/22"}, "network.cidr", "Docker's own network"),
    ({"network.cidr": "11.0.0.0/16"}, "network.cidr", "a range of the internet"),
    ({"network.cidr": "172.32.0.0/16"}, "network.cidr", "a range of the internet"),
    ({"database.engine_version": "14.9"}, "database.engine_version", "RDS stays at 14.9"),
    ({"service.container_port": 80}, "service.container_port", "below 1024 Linux may let root"),
    ({"service.container_port": 1023}, "service.container_port", "below 1024 Linux may let root"),
    ({"service.environment": VARIABLES}, "service.environment", "101 variables"),
    (
        {
            "load_balancer.certificate_arn": CERTIFICATE,
            "load_balancer.tls_policy": "ELBSecurityPolicy-2016-08",
            **DOMAIN,
        },
        "load_balancer.tls_policy",
        "TLS older than 1.2",
    ),
]


@pytest.mark.parametrize(("changes", "path", "piece"), UNWISE)
def test_the_unwise_is_warned_of_and_allowed(changes: Changes, path: str, piece: str) -> None:
    assert not problems_of("dev", changes)
    (warning,) = warnings(changed("dev", changes), LONG_BEFORE)
    assert warning.startswith(f"dev.{path}: ") and piece in warning and warning.endswith(")")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *({"network.cidr": cidr} for cidr in ("172.16.0.0/16", "172.31.0.0/16", "100.64.0.0/16")),
        {"service.container_port": 80, "service.user": "0"},
        {"service.container_port": 1024},
        {"service.environment": {name: "b" for name in [*VARIABLES][:100]}},
        {"load_balancer.tls_policy": "ELBSecurityPolicy-2016-08"},  # without a certificate, unused
        {"load_balancer.certificate_arn": CERTIFICATE},
    ],
)
def test_the_rest_is_not_warned_of(changes: Changes) -> None:
    assert not warnings(changed("dev", changes), LONG_BEFORE)
