"""Inputs: a shipped set of environments with some fields changed, and environment variables.

A field gets a value that its rule takes or nearly takes, one of its type, or anything at all. Most
inputs change few fields, so that about half of them are good.
"""

import dataclasses
import operator
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from lib.config import aws_limits
from lib.config.environment_config import (
    ENVIRONMENTS,
    AutoscalingConfig,
    EnvironmentConfig,
    NatMode,
    SubnetTier,
)
from lib.config.settings import SUFFIX_PATTERN
from lib.config.validation import ENVIRONMENT_NAME_PATTERN
from tests.e2e import fields

Strategy = st.SearchStrategy[Any]


class Input(NamedTuple):
    """What a process is told."""

    environ: dict[str, str]
    environments: tuple[EnvironmentConfig, ...]

    def __repr__(self) -> str:
        """What repeats it by hand: the variables, and what differs from what is shipped."""
        changes = []
        for index, entry in enumerate(self.environments):
            base = ENVIRONMENTS[min(index, len(ENVIRONMENTS) - 1)]
            for path in HINTS:
                read = operator.attrgetter(path)
                try:
                    value, shipped = read(entry), read(base)
                except AttributeError:  # below a None
                    continue
                whole = not dataclasses.is_dataclass(value) or not isinstance(shipped, type(value))
                if value != shipped and whole:
                    changes.append(f"{base.name}.{path} = {value!r}")
        return "\n".join([f"{self.environ}", *changes])


def _matching(pattern: str) -> Strategy:
    return st.from_regex(pattern, fullmatch=True)


# What Terraform, JSON, a shell or a log could take for something else than text.
_AWKWARD = st.sampled_from(
    [
        *("", " ", "${aws_vpc.x.id}", "%{ if true }", "$${x}", "${", '"', "'", "\\", "\n", "\x00"),
        *("a" * 300, "é", "日本", "\U0001f600", "\ud800", "../x", "$(x)", "`x`", "null", "{}"),
    ]
)
_TEXT = st.one_of(_AWKWARD, st.text(max_size=20), st.tuples(st.text(), _AWKWARD).map("".join))
_INTEGERS = st.one_of(
    st.integers(-2, 70),
    st.integers(-(2**31), 2**33),
    st.sampled_from([80, 443, 1149, 1150, 5432, 65_535, 65_536, aws_limits.INTEGER_MAX, 10**400]),
)
_ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    _INTEGERS,
    st.floats(),
    _TEXT,
    st.lists(_TEXT, max_size=2),
    st.dictionaries(_TEXT, _TEXT, max_size=2),
    st.tuples(),
    st.builds(AutoscalingConfig, min_count=_INTEGERS, max_count=_INTEGERS),
)


def _windows(*parts: Strategy) -> Strategy:
    return st.tuples(*parts).map("-".join)


_CLOCK = st.times().map(lambda time: f"{time:%H:%M}")
_DAY_CLOCK = st.tuples(st.sampled_from(["mon", "wed", "sat", "sun"]), _CLOCK).map(":".join)
_CIDR = st.builds(
    lambda number, prefix: f"{_address(number, prefix)}/{prefix}",
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


def _address(number: int, prefix: int) -> str:
    """The network's address, as the rules want it."""
    number &= (2**32 - 1) << (32 - prefix)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


_REGION = st.one_of(
    st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"]),
    st.sampled_from([*aws_limits.PARTITION_BY_REGION]),
)
_ACCOUNT = st.one_of(st.just("123456789012"), _matching(aws_limits.ACCOUNT_ID_PATTERN))
_RETENTION = st.sampled_from([*aws_limits.LOG_RETENTION_DAYS, 2])
_PERCENT = st.integers(0, 101)
_PORT = st.integers(aws_limits.PORT_MIN, aws_limits.PORT_MAX)
_COUNT = st.integers(0, 12)
_IMAGE = st.one_of(
    st.just("registry.example/team/app@sha256:" + "0" * 64),
    _matching(r"[a-z0-9.-]{1,20}/[a-z0-9_./-]{1,20}(:[A-Za-z0-9_.-]{1,20})?"),
)
_AUTOSCALING = st.builds(
    AutoscalingConfig,
    min_count=st.integers(1, 4),
    max_count=st.integers(2, 9),
    cpu_target_percent=_PERCENT,
    memory_target_percent=_PERCENT,
)
# What a rule takes, or takes but for its edges.
_PLAUSIBLE: dict[str, Strategy] = {
    "name": _matching(ENVIRONMENT_NAME_PATTERN),
    "region": _REGION,
    "owner": _matching(aws_limits.TAG_VALUE_PATTERN),
    "account_id": st.one_of(st.none(), _ACCOUNT),
    "deploy_role_arn": st.one_of(
        st.just("arn:aws:iam::123456789012:role/deploy"), _matching(aws_limits.IAM_ROLE_ARN_PATTERN)
    ),
    "permissions_boundary_arn": st.one_of(
        st.just("arn:aws:iam::123456789012:policy/boundary"),
        _matching(aws_limits.IAM_POLICY_ARN_PATTERN),
    ),
    "network.cidr": _CIDR,
    "network.flow_log_retention_days": _RETENTION,
    "network.zones": st.permutations("abcdef").map(lambda letters: tuple(letters[:3])),
    "database.engine_version": st.one_of(
        st.sampled_from([*aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT]),
        _matching(aws_limits.POSTGRES_VERSION_PATTERN),
    ),
    "database.instance_class": _matching(aws_limits.RDS_INSTANCE_CLASS_PATTERN),
    "database.backup_days": st.integers(0, 36),
    "database.storage_gib": st.integers(19, 100),
    "database.max_storage_gib": st.integers(20, 65_537),
    "database.database_name": _matching(aws_limits.RDS_DATABASE_NAME_PATTERN),
    "database.username": _matching(aws_limits.RDS_USERNAME_PATTERN),
    "database.port": st.integers(aws_limits.RDS_PORT_MIN - 1, aws_limits.RDS_PORT_MAX),
    "database.backup_window": _windows(_CLOCK, _CLOCK),
    "database.maintenance_window": _windows(_DAY_CLOCK, _DAY_CLOCK),
    "database.monitoring_interval_seconds": st.sampled_from(aws_limits.RDS_MONITORING_INTERVALS),
    "database.log_exports": st.lists(
        st.sampled_from(aws_limits.RDS_POSTGRES_LOG_EXPORTS), unique=True
    ).map(tuple),
    "database.audited_statements": st.lists(
        st.sampled_from(aws_limits.PGAUDIT_CLASSES), unique=True
    ).map(tuple),
    "database.log_retention_days": _RETENTION,
    "database.password_version": st.integers(0, aws_limits.INTEGER_MAX),
    "service.cpu_units": st.sampled_from([*aws_limits.FARGATE_MEMORY_MIB]),
    "service.memory_mib": st.sampled_from([512, 1024, 2048, 4096, 8192]),
    "service.desired_count": _COUNT,
    "service.image": _IMAGE,
    "service.command": st.one_of(st.none(), st.lists(_TEXT, max_size=3).map(tuple)),
    "service.container_port": _PORT,
    "service.database_ca_file": st.one_of(st.none(), _matching(r"(?:/[a-z.]{1,9}){1,4}")),
    "service.user": _matching(r"[A-Za-z0-9_.-]{1,10}(:[A-Za-z0-9_.-]{1,10})?"),
    "service.environment": st.dictionaries(
        _matching(r"[A-Za-z_][A-Za-z0-9_]{0,9}"), _TEXT, max_size=3
    ),
    "service.health_check.path": _matching(r"/[!-z|~]{0,20}"),
    "service.health_check.interval_seconds": st.integers(5, 301),
    "service.health_check.timeout_seconds": st.integers(1, 15),
    "service.health_check.healthy_threshold": st.integers(1, 11),
    "service.health_check.unhealthy_threshold": st.integers(1, 11),
    "service.health_check.matcher": _matching(aws_limits.MATCHER_PATTERN),
    "service.health_check_grace_seconds": st.integers(0, aws_limits.INTEGER_MAX),
    "service.autoscaling": st.one_of(st.none(), _AUTOSCALING),
    "service.log_retention_days": _RETENTION,
    "load_balancer.certificate_arn": _matching(
        r"arn:aws:acm:us-east-1:[0-9]{12}:certificate/[A-Za-z0-9/-]{1,40}"
    ),
    "load_balancer.tls_policy": _matching(aws_limits.TLS_POLICY_PATTERN),
    "load_balancer.domain_name": st.one_of(
        st.none(), st.just("app.example.com"), _matching(r"[A-Za-z0-9.-]{1,20}")
    ),
    "load_balancer.waf.requests_per_address": st.integers(
        aws_limits.WAF_RATE_LIMIT_MIN - 1, aws_limits.WAF_RATE_LIMIT_MAX + 1
    ),
    "load_balancer.waf.log_retention_days": _RETENTION,
    "encryption.deletion_days": st.integers(6, 31),
    "access_logs.retention_days": st.integers(0, aws_limits.INTEGER_MAX),
    "load_balancer.allowed_cidrs": st.lists(_CIDR, min_size=1, max_size=4).map(tuple),
    "load_balancer.idle_timeout_seconds": st.integers(0, aws_limits.ALB_IDLE_TIMEOUT_MAX + 1),
    "load_balancer.deregistration_delay_seconds": st.integers(
        -1, aws_limits.DEREGISTRATION_DELAY_MAX + 1
    ),
    "state.noncurrent_version_days": st.integers(0, aws_limits.INTEGER_MAX),
    "alarms.emails": st.lists(
        _matching(r"[!-?A-~]{1,9}@[a-z0-9-]{1,9}\.[a-z]{2}"), unique=True
    ).map(tuple),
    "alarms.database_free_storage_gib": st.integers(0, 60),
    **{
        f"alarms.{name}": _PERCENT
        for name in ("service_cpu_percent", "service_memory_percent", "database_cpu_percent")
    },
}
_BY_TYPE: Mapping[Any, Strategy] = {bool: st.booleans(), int: _INTEGERS, str: _TEXT}


def _value(path: str) -> Strategy:
    """Values for the field at ``path``: for the most part such as its rule takes."""
    typed = _typed(HINTS[path])
    return _mostly(_PLAUSIBLE.get(path, typed), _mostly(typed, _ANYTHING))


def _default(kind: Any) -> Any:
    """A part of the config, as production has it or, where it has none, as it comes."""
    for path, hint in HINTS.items():
        if hint is kind:
            return operator.attrgetter(path)(ENVIRONMENTS[-1])
    return kind()


def _typed(hint: Any) -> Strategy:
    """Values of an annotation's type."""
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return st.lists(_typed(arguments[0]), max_size=4).map(tuple)
    if get_origin(hint) is Mapping:
        return st.dictionaries(_TEXT, _TEXT, max_size=2)
    if arguments:  # X | None
        return st.one_of(st.none(), _typed(arguments[0]))
    if dataclasses.is_dataclass(hint):
        return _AUTOSCALING if hint is AutoscalingConfig else st.just(_default(hint))
    return st.sampled_from(hint) if issubclass(hint, Enum) else _BY_TYPE[hint]


def _mostly(good: Strategy, bad: Strategy) -> Strategy:
    """``bad`` once in ten times: Hypothesis likes small numbers best."""
    return st.integers(0, 9).flatmap(lambda number: bad if number == 7 else good)


def annotations(kind: Any = EnvironmentConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The path of every field, and of every part of the config, with its annotation."""
    for name, hint in get_type_hints(kind).items():
        yield f"{prefix}{name}", hint
        for part in (hint, *get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from annotations(part, f"{prefix}{name}.")


HINTS = dict(annotations())


Change = dict[str, Any]  # values by path
_ALONE = st.sampled_from(sorted(HINTS)).flatmap(
    lambda path: st.fixed_dictionaries({path: _value(path)})
)
# Fields that have to fit each other.
_TOGETHER = st.one_of(
    st.sampled_from(sorted(aws_limits.FARGATE_MEMORY_MIB)).flatmap(
        lambda cpu: st.fixed_dictionaries(
            {
                "service.cpu_units": st.just(cpu),
                "service.memory_mib": st.sampled_from(aws_limits.FARGATE_MEMORY_MIB[cpu]),
            }
        )
    ),
    st.fixed_dictionaries({"service.autoscaling": st.none(), "service.desired_count": _COUNT}),
    st.fixed_dictionaries(
        {
            "network.nat": st.sampled_from(NatMode),
            "service.subnets": st.just(SubnetTier.PUBLIC),
            "production": st.just(False),
            "name": st.just("open"),
        }
    ),
    st.fixed_dictionaries(
        {
            "load_balancer.certificate_arn": _PLAUSIBLE["load_balancer.certificate_arn"],
            "load_balancer.tls_policy": _PLAUSIBLE["load_balancer.tls_policy"],
            "load_balancer.domain_name": st.just("app.example.com"),
        }
    ),
    st.fixed_dictionaries(
        {
            "account_id": st.just("123456789012"),
            "deploy_role_arn": st.just("arn:aws:iam::123456789012:role/deploy"),
        }
    ),
)
_CHANGES = st.lists(st.one_of(_ALONE, _TOGETHER), min_size=1, max_size=3)


def _changed(config: EnvironmentConfig, changes: list[Change]) -> EnvironmentConfig:
    """``config`` with the changes that still have a place in it."""
    for path, value in (item for change in changes for item in change.items()):
        parent: Any = config
        for name in path.split(".")[:-1]:
            parent = getattr(parent, name, None)
        if dataclasses.is_dataclass(parent):
            config = fields.with_change(config, path, value)
    return config


@st.composite
def _environments(draw: st.DrawFn) -> tuple[EnvironmentConfig, ...]:
    entries = list(ENVIRONMENTS)
    index = draw(st.integers(0, len(entries) - 1))
    entries[index] = _changed(entries[index], draw(_CHANGES))
    if draw(st.integers(0, 9)) == 7:
        fourth: Change = {"name": "fourth", "network.cidr": "10.99.0.0/16"}
        entries.append(_changed(ENVIRONMENTS[index], [fourth, *draw(_CHANGES)]))
    return tuple(entries)


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    """Anything that a person could have written."""
    environments = draw(_environments())
    names = [entry.name for entry in environments if isinstance(entry.name, str)]
    new = [entry.name for entry in environments if entry not in ENVIRONMENTS]
    asked = st.one_of(
        st.sampled_from([name for name in new if name in names] or names),
        st.just("all"),
        st.lists(st.sampled_from(names), min_size=1, unique=True).map(",".join),
    )
    suffix = _mostly(st.just("qa1"), st.one_of(_matching(SUFFIX_PATTERN).map(_short), _TEXT))
    environ = {
        "ENVIRONMENT": draw(_mostly(asked, _TEXT)),
        "ENVIRONMENT_SUFFIX": draw(suffix),
    }
    optional: Mapping[str, Strategy] = {
        "AWS_REGION": _REGION,
        "DB_PASSWORD": st.text("abcXYZ019!#$%&{}", min_size=4, max_size=123).map("Pw!_;".__add__),
        "STATE_BACKEND": st.sampled_from(["s3", "local"]),
        "CONTAINER_IMAGE": _IMAGE,
    }
    for name, good in optional.items():
        if draw(st.integers(0, 4)) == 3:
            environ[name] = draw(_mostly(good, _TEXT))
    return Input(environ, environments)


def _short(suffix: str) -> str:
    return suffix[:16].strip("-")
