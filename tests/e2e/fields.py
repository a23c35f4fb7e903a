"""What changing each field of the config does to a running environment: docs/fields.md.

One change for each field, made to staging as it is deployed: Terraform's plan says the rest.
"""

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lib.config.environment_config import (
    AccessLogsConfig,
    AlarmsConfig,
    AutoscalingConfig,
    CpuArchitecture,
    EnvironmentConfig,
    NatMode,
    StateBackend,
    StateLock,
    SubnetTier,
    WafConfig,
)
from lib.config.validation import validate
from ops.sandbox import Sandbox, Site
from tests.conftest import BY_NAME
from tests.e2e.conftest import SUFFIX
from tests.synthesized import Synthesized

BASE = BY_NAME["staging"]

CHANGES: dict[str, Any] = {
    "name": "stage",
    "region": "eu-west-1",
    "owner": "another-team",
    "account_id": "123456789012",
    "deploy_role_arn": "arn:aws:iam::123456789012:role/deploy",
    "production": True,
    "network.cidr": "10.9.0.0/16",
    "network.nat": NatMode.PER_AZ,
    "network.zones": ("a", "b", "d"),
    "network.flow_logs": False,
    "network.flow_log_retention_days": 90,
    "database.engine_version": "15",
    "database.instance_class": "db.t3.medium",
    "database.multi_az": True,
    "database.backup_days": 5,
    "database.storage_gib": 40,
    "database.max_storage_gib": 200,
    "database.database_name": "other",
    "database.username": "other_admin",
    "database.port": 5433,
    "database.backup_window": "02:00-03:00",
    "database.maintenance_window": "mon:04:30-mon:05:30",
    "database.monitoring_interval_seconds": 30,
    "database.performance_insights": False,
    "database.audited_statements": ("ddl", "role", "write"),
    "database.log_exports": ("postgresql",),
    "database.log_retention_days": 90,
    "database.deletion_protection": True,
    "database.final_snapshot": True,
    "database.extended_support": True,
    "database.password_version": 2,
    "database.apply_immediately": True,
    "service.cpu_units": 1024,
    "service.memory_mib": 2048,
    "service.desired_count": 4,
    "service.subnets": SubnetTier.PUBLIC,
    "service.image": "public.ecr.aws/docker/library/python:3.14-slim",
    "service.command": ("python", "-m", "http.server", "8080"),
    "service.container_port": 9090,
    "service.user": "1000",
    "service.read_only_root": False,
    "service.cpu_architecture": CpuArchitecture.ARM64,
    "service.environment": {"GREETING": "hello"},
    "service.health_check.path": "/up",
    "service.health_check.interval_seconds": 30,
    "service.health_check.timeout_seconds": 6,
    "service.health_check.healthy_threshold": 3,
    "service.health_check.unhealthy_threshold": 4,
    "service.health_check.matcher": "200-299",
    "service.health_check_grace_seconds": 120,
    "service.autoscaling": AutoscalingConfig(min_count=2, max_count=4),
    "service.container_insights": False,
    "service.log_retention_days": 90,
    "load_balancer.certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/8f2a",
    "load_balancer.tls_policy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "load_balancer.allow_plain_http": True,
    "load_balancer.allowed_cidrs": ("192.0.2.0/24",),
    "load_balancer.waf": WafConfig(),
    "load_balancer.idle_timeout_seconds": 90,
    "load_balancer.deregistration_delay_seconds": 60,
    "load_balancer.deletion_protection": True,
    "state.backend": StateBackend.LOCAL,
    "state.lock": StateLock.BOTH,
    "state.noncurrent_version_days": 30,
    "state.deletable": False,
    "encryption.customer_key": False,
    "encryption.deletion_days": 30,
    "access_logs": None,
    "access_logs.retention_days": 90,
    "access_logs.deletable": False,
    "alarms": None,
    "alarms.emails": ("team@example.com",),
    "alarms.http_5xx_count": 20,
    "alarms.service_cpu_percent": 70,
    "alarms.service_memory_percent": 70,
    "alarms.database_cpu_percent": 70,
    "alarms.database_free_storage_gib": 6,
    "alarms.database_connections": 90,
}
OPTIONAL = (AccessLogsConfig, AlarmsConfig)  # may be None
# Where another field decides first whether there is anything to change.
ALONGSIDE = {"load_balancer.tls_policy": {"load_balancer.certificate_arn"}}


def all_fields(config: Any = BASE, prefix: str = "") -> Iterator[str]:
    """The path of every field; of what may be None both the whole and its parts."""
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), f"{prefix}{field.name}"
        if not dataclasses.is_dataclass(value) or isinstance(value, OPTIONAL):
            yield path
        if dataclasses.is_dataclass(value):
            yield from all_fields(value, f"{path}.")


def with_change(config: Any, path: str, value: Any) -> Any:
    """``config`` with the field at ``path`` changed."""
    name, _, below = path.partition(".")
    if below:
        value = with_change(getattr(config, name), below, value)
    return dataclasses.replace(config, **{name: value})


def effects(sandbox: Sandbox, site: Site) -> dict[str, str]:
    """What Terraform would do for each change, asked of the deployed ``site``."""
    local = with_change(BASE, "state.backend", StateBackend.LOCAL)
    plans = {}
    for number, (path, value) in enumerate(CHANGES.items()):
        if path in NOT_PLANNED:
            continue
        config: EnvironmentConfig = with_change(local, path, value)
        for other in ALONGSIDE.get(path, ()):
            config = with_change(config, other, CHANGES[other])
        document = Synthesized.of(config, suffix=SUFFIX).document
        plans[path] = folder_beside(site, f"change{number}", document)
    environ = sandbox.environ(site)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = pool.map(lambda folder: _plan(folder, environ), plans.values())
        return dict(zip(plans, lines, strict=True)) | NOT_PLANNED


# Where the plan of the same stack is not what happens.
NOT_PLANNED = {
    "network.cidr": "AWS refuses it half-way, since what is in use cannot change its VPC: deploy a "
    "copy with a suffix of its own, move the data, destroy this",
    "encryption.customer_key": "removes `aws_kms_key`, and with it what it encrypted: logs until "
    "then, the lock table, Performance Insights. Decide before the first deploy",
    "network.zones": "AWS refuses it half-way, since a subnet in use cannot move: deploy a copy "
    "with a suffix of its own, move the data, destroy this",
    "name": "another stack: deploy it, move the data, destroy the old one",
    "region": "another region: deploy a copy with a suffix of its own, move the data, destroy this",
    "state.backend": "nothing in AWS; the state has to be moved (docs/state.md)",
    "deploy_role_arn": "nothing in AWS; Terraform works as this role from then on",
}


def folder_beside(site: Site, name: str, document: dict[str, Any]) -> Path:
    """A folder beside the deployed one that Terraform takes for it, with another stack in it."""
    folder = site.stack_folder.with_name(name)
    folder.mkdir()
    (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
    for file in (".terraform", ".terraform.lock.hcl", "provider_override.tf.json"):
        if (site.stack_folder / file).exists():
            (folder / file).symlink_to(site.stack_folder / file)
    return folder


def _plan(folder: Path, environ: dict[str, str]) -> str:
    """Plan, and tell the changes in a line."""
    done = subprocess.run(
        ["terraform", "plan", "-refresh=false", "-lock=false", "-input=false", "-json"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [message["@message"] for message in messages if message["@level"] == "error"]
    if errors:
        return f"refused: {errors[0]}"
    return told(
        (message["change"]["resource"]["resource_type"], message["change"]["action"])
        for message in messages
        if message["type"] == "planned_change"
    )


VERBS = {
    "update": "changes {} in place",
    "create": "adds {}",
    "delete": "removes {}",
    "replace": "**replaces** {}",
}
# The new one is made first, as what depends on it is (docs/recover.md).
REFUSED = (
    "RDS refuses to make the new database beside the old one of the same name, which stays as it is"
)
MANY = 5  # types; more are told by their number


def told(changes: Iterable[tuple[str, str]]) -> str:
    """Pairs of type and action in a line: ``changes `aws_db_instance` in place``."""
    by_action: dict[str, set[str]] = {}
    for type_, action in changes:
        by_action.setdefault(action, set()).add(type_)
    if "aws_db_instance" in by_action.get("replace", ()):
        return REFUSED
    parts = []
    for action, words in VERBS.items():
        if types := sorted(by_action.pop(action, ())):
            what = ", ".join(f"`{name}`" for name in types[:MANY])
            more = f" and {len(types) - MANY} more types" if len(types) > MANY else ""
            parts.append(words.format(what + more))
    assert not by_action, f"unknown actions {by_action}"
    return "; ".join(parts) or "nothing"


def refused_in_production(path: str) -> str:
    """What production's rules say to this value, or to the other one of two."""
    if path in ("name", "production"):
        return ""
    others = [entry for entry in BY_NAME.values() if entry.name != "prod"]
    value = CHANGES[path]
    for tried in (True, False) if isinstance(value, bool) else (value,):
        changed = with_change(BY_NAME["prod"], path, tried)
        for problem in validate([*others, changed]):
            if problem.path.startswith("prod."):
                return f"{shown(tried)}: {problem.message}"
    return ""


def shown(value: Any) -> str:
    """A value as the table has it."""
    if dataclasses.is_dataclass(value):
        return type(value).__name__
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def table(found: dict[str, str]) -> str:
    """docs/fields.md."""
    rows = [
        f"| `{path}` | {shown(value)} | {found[path]} | {refused_in_production(path)} |"
        for path, value in CHANGES.items()
    ]
    return "\n".join([HEAD, *rows, ""])


HEAD = """# What changing a field does

To staging as it is deployed, by Terraform's own plan; the last column is what production's rules say
to the same value. Written by `make fields`, and held against the plans by `make e2e`.

What **replaces** a load balancer changes its address. Nothing replaces a database: a plan that says so
fails before it has touched it.

| field | changed to | Terraform | production refuses |
|---|---|---|---|"""
