"""One change for each field of the config: what it does and costs is asked of that one.

Made to the last environment that isn't production where it has the field, else to the first one
that does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lib.config import aws_limits
from lib.config.environment_config import (
    ENVIRONMENTS,
    AutoscalingConfig,
    CpuArchitecture,
    EnvironmentConfig,
    NatMode,
    StateBackend,
    StateLock,
    SubnetTier,
    WafConfig,
)
from lib.config.images import ECR_DOMAINS
from lib.config.validation import validate
from lib.errors import ConfigError
from ops.parity.walk import with_fields

if _problems := validate(ENVIRONMENTS):
    raise ConfigError(_problems)
BASE = next((entry for entry in reversed(ENVIRONMENTS) if not entry.production), ENVIRONMENTS[0])

CHANGES: dict[str, Any] = {
    "name": "stage",
    "region": "eu-west-1",
    "owner": "another-team",
    "account_id": "123456789012",
    "deploy_role_arn": "arn:aws:iam::123456789012:role/deploy",
    "permissions_boundary_arn": "arn:aws:iam::aws:policy/PowerUserAccess",
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
    "service.pull_through_cache": True,
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
    "service.database_ca_file": "/etc/ssl/rds/global-bundle.pem",
    "load_balancer.certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/8f2a",
    "load_balancer.tls_policy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "load_balancer.allow_plain_http": True,
    "load_balancer.allowed_cidrs": ("192.0.2.0/24",),
    "load_balancer.waf": WafConfig(),
    "load_balancer.idle_timeout_seconds": 90,
    "load_balancer.deregistration_delay_seconds": 60,
    "load_balancer.deletion_protection": True,
    "load_balancer.domain_name": "app.example.com",
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
# Of parts that the shipped environment is without.
ELSEWHERE: dict[str, Any] = {
    "service.autoscaling.min_count": 2,
    "service.autoscaling.max_count": 12,
    "service.autoscaling.cpu_target_percent": 50,
    "service.autoscaling.memory_target_percent": 60,
    "load_balancer.waf.block": False,
    "load_balancer.waf.requests_per_address": 1000,
    "load_balancer.waf.log_retention_days": 90,
}
_CLASSES = ("db.t3.micro", "db.t3.small", "db.t3.medium", "db.t3.large")


@dataclass(frozen=True, slots=True)
class Step:
    """A field, the value that it is changed to, and what has to change with it."""

    path: str
    value: Any
    alongside: Mapping[str, Any]

    def made(self, config: EnvironmentConfig) -> EnvironmentConfig:
        """``config`` with it."""
        return with_fields(config, {self.path: self.value, **self.alongside})


def value_at(config: Any, path: str) -> Any:
    """What stands at ``path``; raises ``LookupError`` below a None."""
    for name in path.split("."):
        if config is None:
            raise LookupError(path)
        config = getattr(config, name)
    return config


def has(config: EnvironmentConfig, path: str) -> bool:
    """Whether the environment has the field: one below a None it has not."""
    try:
        value_at(config, path)
    except LookupError:
        return False
    return True


def somewhere(path: str) -> bool:
    """Whether an environment has the field: none may have the part that it is of."""
    return any(has(config, path) for config in ENVIRONMENTS)


def base_of(path: str) -> EnvironmentConfig:
    """The environment that a field is changed in, which one of them has."""
    return next(config for config in (BASE, *ENVIRONMENTS) if has(config, path))


def step_of(config: EnvironmentConfig, path: str) -> Step:
    """A change of the field in an environment that has it: the tried one, where it is one."""
    here = value_at(config, path)
    value = (CHANGES | ELSEWHERE)[path]
    if config is not BASE and path in _NEXT:
        value = _NEXT[path](config)
    if value == here:
        value = value_at(BASE, path)
    alongside = {other: make(config, value) for other, make in _ALONGSIDE.get(path, {}).items()}
    return Step(path, value, {o: v for o, v in alongside.items() if v != value_at(config, o)})


def _next_memory(config: EnvironmentConfig) -> int:
    sizes = aws_limits.FARGATE_MEMORY_MIB[config.service.cpu_units]
    return next((size for size in sizes if size > config.service.memory_mib), sizes[-2])


def _next_class(config: EnvironmentConfig) -> str:
    here = config.database.instance_class
    return _CLASSES[_CLASSES.index(here) + 1] if here in _CLASSES[:-1] else _CLASSES[-1]


def _next_cpu(config: EnvironmentConfig) -> int:
    sizes = [*aws_limits.FARGATE_MEMORY_MIB]
    return next((size for size in sizes if size > config.service.cpu_units), sizes[-2])


def _autoscaling(config: EnvironmentConfig) -> AutoscalingConfig | None:
    """On from what runs now, or off."""
    if config.service.autoscaling:
        return None
    count = max(config.service.desired_count, 1)
    return AutoscalingConfig(min_count=count, max_count=2 * count)


# Sizes that differ between the environments go up from where they are.
_NEXT: Mapping[str, Callable[[EnvironmentConfig], Any]] = {
    "database.instance_class": _next_class,
    "database.storage_gib": lambda config: config.database.storage_gib * 2,
    "database.max_storage_gib": lambda config: config.database.max_storage_gib * 2,
    "service.cpu_units": _next_cpu,
    "service.memory_mib": _next_memory,
    "service.autoscaling": _autoscaling,
    "service.desired_count": lambda config: config.service.desired_count + 1,
}


def _memory_for(config: EnvironmentConfig, cpu: int) -> int:
    """The least that goes with the CPU and is no less than now."""
    sizes = aws_limits.FARGATE_MEMORY_MIB[cpu]
    return next((size for size in sizes if size >= config.service.memory_mib), sizes[-1])


def _tried_domain(config: EnvironmentConfig, _value: Any) -> str:
    return config.load_balancer.domain_name or CHANGES["load_balancer.domain_name"]


def _cached(config: EnvironmentConfig) -> str:
    """An image in a private registry of ECR: the only ones that can be such a cache's."""
    domain = ECR_DOMAINS[aws_limits.partition_of(config.region)][0]
    return f"123456789012.dkr.ecr.{config.region}.{domain}/hub/library/python:3.13-slim"


# What a value is only valid with, or does nothing without.
_ALONGSIDE: Mapping[str, Mapping[str, Callable[[EnvironmentConfig, Any], Any]]] = {
    "service.cpu_units": {"service.memory_mib": _memory_for},
    "load_balancer.certificate_arn": {"load_balancer.domain_name": _tried_domain},
    "service.pull_through_cache": {"service.image": lambda config, _: _cached(config)},
    "load_balancer.tls_policy": {
        "load_balancer.certificate_arn": lambda *_: CHANGES["load_balancer.certificate_arn"],
        "load_balancer.domain_name": _tried_domain,
    },
}
