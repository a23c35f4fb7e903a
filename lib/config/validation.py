"""Every rule about the environments, and all problems found at once.

First each value's type is held against its annotation; then the rules run whose values are
well-typed, so that no rule has to guard itself and nothing raises, whatever stands in a field.
A rule (``rules.py``) is a row in a table: the fields it reads and a small function of their
values.

Left out: what only AWS knows (quotas of an account, classes on sale in a region, whether an ARN
exists). ``ops preflight`` asks for those. Limits and their sources: ``aws_limits.py``.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from itertools import combinations
from typing import Any

from lib.config import arns, aws_limits
from lib.config.environment_config import (
    ZONES_MAX,
    AutoscalingConfig,
    EnvironmentConfig,
    NatMode,
    SubnetTier,
)
from lib.config.images import IMAGE_RULES
from lib.config.mistakes import CONFIG_FILE
from lib.config.rules import (
    Rule,
    between,
    each_of,
    log_retention,
    matches,
    one_of,
    percent,
    port,
    production_wants,
    repeated,
)
from lib.config.type_check import Finding, shown, type_findings
from lib.config.windows import WINDOW_RULES
from lib.errors import Problem, did_you_mean

ENVIRONMENT_NAME_PATTERN = r"[a-z][a-z0-9]{1,9}"
_NAME = "2-10 of a-z and 0-9, a letter first"
# A name that says production to everybody is held to its rules: one that isn't gets another name.
PRODUCTION_NAME_PATTERN = r"(?:prod|prd)[a-z0-9]*|live[0-9]*"
PRODUCTION_BACKUP_DAYS_MIN = 7
PRODUCTION_TASKS_MIN = 2  # one can be lost, or replaced, without an outage

_SUBNETS = 2 * ZONES_MAX
_SMALLEST_VPC_PREFIX = aws_limits.ALB_SUBNET_PREFIX_MAX - (_SUBNETS - 1).bit_length()


def validate(environments: Sequence[EnvironmentConfig]) -> list[Problem]:
    """All problems of all environments, in the order of the config; never raises.

    A path begins with the environment's name, or with its place (``environments[2]``) where
    the name is wrong or taken.
    """
    if not isinstance(environments, tuple | list):
        message = f"{shown(environments)} is {type(environments).__name__}, not a tuple of them"
        hint = "write ENVIRONMENTS = (EnvironmentConfig(...),): its last comma makes it a tuple"
        return [Problem("environments", message, hint)]
    if not environments:
        return [Problem("environments", "there are none", f"add an entry in {CONFIG_FILE}")]
    entries: list[_Entry] = []
    problems: list[Problem] = []
    for index, environment in enumerate(environments):
        entry = _entry(index, environment, taken={entry.label for entry in entries})
        entries.append(entry)
        problems += entry.problems()
    problems += _across(entries)
    return problems


# --- running the rules -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One environment, and what is known to be wrong with its types."""

    label: str
    environment: EnvironmentConfig
    ill_typed: tuple[tuple[str, Finding], ...]

    def problems(self) -> Iterator[Problem]:
        """Wrong types, then broken rules."""
        for path, finding in self.ill_typed:
            yield self.problem(path, finding)
        for rule in RULES:
            if rule.production_only and not self.is_production:
                continue
            if self.readable(*rule.reads):
                for finding in rule.check(*map(self.value, rule.reads)):
                    yield self.problem(rule.reads[0], finding)

    def problem(self, path: str, finding: Finding) -> Problem:
        """``finding`` at ``path`` of this environment."""
        place = f"{self.label}.{path}" if path else self.label
        return Problem(place + finding.at, finding.message, finding.hint)

    @property
    def is_production(self) -> bool:
        """Whether the rules of production hold for it."""
        return self.readable("production") and self.environment.production

    def readable(self, *paths: str) -> bool:
        """Whether there is a value of the right type, all through, at each of ``paths``."""
        return all(
            not any(_touch(path, ill) for ill, _ in self.ill_typed)
            and (not (parent := path.rpartition(".")[0]) or self.value(parent) is not None)
            for path in paths
        )

    def value(self, path: str) -> Any:
        """What stands at ``path``; None below a None."""
        value: Any = self.environment
        for name in path.split("."):
            value = getattr(value, name, None)
        return value


def _touch(path: str, other: str) -> bool:
    """Whether one of two paths is the other or lies below it."""
    short, long = sorted((path, other), key=len)
    return long == short or short == "" or (long.startswith(short) and long[len(short)] in ".[")


def _entry(index: int, environment: EnvironmentConfig, taken: Collection[str]) -> _Entry:
    place = f"environments[{index}]"
    name = getattr(environment, "name", None)
    if not isinstance(name, str) or name in taken or any(environment_name_findings(name)):
        name = place
    return _Entry(name, environment, tuple(type_findings(environment, EnvironmentConfig)))


# --- the environment itself ------------------------------------------------------------------


def environment_name_findings(name: str) -> Iterator[Finding]:
    """What is wrong with an environment's name; nothing when it is fine."""
    if not re.fullmatch(ENVIRONMENT_NAME_PATTERN, name):
        yield Finding(f"{shown(name)} is not an environment's name", f"write {_NAME}")
    elif name in aws_limits.RESERVED_FIRST_WORDS:
        refusing = aws_limits.RESERVED_FIRST_WORDS[name]
        yield Finding(f"AWS refuses {refusing} whose name begins with {name}-", "choose another")
    elif name == "all":
        yield Finding("ENVIRONMENT=all means every environment", "choose another")


def region_findings(region: str) -> Iterator[Finding]:
    """What is wrong with a region; nothing when AWS has it."""
    if region not in aws_limits.PARTITION_BY_REGION:
        nearest = did_you_mean(region, aws_limits.PARTITION_BY_REGION)
        yield Finding(f"{shown(region)} is not a region of AWS", f"{nearest}{_REGION}")


_REGION = "write one like us-east-1"


def _named_like_production(production: bool, name: str) -> Iterator[Finding]:
    if re.fullmatch(PRODUCTION_NAME_PATTERN, name) and not production:
        yield Finding(
            f"{name} is called production and not held to its rules",
            "write production=True, or choose another name",
        )


_ENVIRONMENT_RULES = (
    Rule(
        ("name",),
        environment_name_findings,
        f"{_NAME}; not all, {', '.join(aws_limits.RESERVED_FIRST_WORDS)}",
    ),
    Rule(
        ("production", "name"),
        _named_like_production,
        "True where the name begins with prod or prd, or is live",
    ),
    Rule(("region",), region_findings, "one that AWS has, such as us-east-1"),
    matches(
        "owner",
        aws_limits.TAG_VALUE_PATTERN,
        "the value of a tag",
        "1-256 letters, digits, spaces and _ . : / = + - @",
    ),
    matches("account_id", aws_limits.ACCOUNT_ID_PATTERN, "an account id", "its 12 digits as text"),
    Rule(
        ("deploy_role_arn", "region", "account_id"),
        arns.role_arn,
        f"{arns.ROLE}, of the region's partition and of account_id",
    ),
    Rule(
        ("permissions_boundary_arn", "region", "account_id"),
        arns.boundary_arn,
        f"{arns.POLICY}, of the region's partition and of account_id, or AWS's own",
    ),
)


# --- network ---------------------------------------------------------------------------------


def _network(cidr: str) -> IPv4Network | None:
    """None where ``_cidr`` has something to say."""
    return None if any(_cidr(cidr)) else IPv4Network(cidr)


RANGE_EXAMPLE = "one like 10.0.0.0/16"
_PREFIXES = f"a prefix of /{aws_limits.VPC_PREFIX_MIN} to /{_SMALLEST_VPC_PREFIX}"


def _cidr(cidr: str) -> Iterator[Finding]:
    try:
        interface = IPv4Interface(cidr)
    except ValueError:
        yield Finding(f"{shown(cidr)} is not an IPv4 range", f"write {RANGE_EXAMPLE}")
        return
    canonical = str(interface.network)
    if interface.ip != interface.network.network_address:
        yield Finding(f"{shown(cidr)} has host bits set", f"write {canonical}")
    elif cidr != canonical:
        yield Finding(f"{shown(cidr)} is not written as address/prefix", f"write {canonical}")


def _vpc_size(cidr: str) -> Iterator[Finding]:
    vpc = _network(cidr)
    if vpc is None:
        return
    for refused in aws_limits.VPC_REFUSED_RANGES:
        if vpc.overlaps(IPv4Network(refused)):
            yield Finding(
                f"{cidr} lies in {refused}, where no VPC can be", f"write {RANGE_EXAMPLE}"
            )
            return
    largest, smallest = aws_limits.VPC_PREFIX_MIN, aws_limits.VPC_PREFIX_MAX
    hint = f"use {_PREFIXES}"
    if not largest <= vpc.prefixlen <= smallest:
        yield Finding(f"/{vpc.prefixlen} is outside the /{largest} to /{smallest} of a VPC", hint)
    elif vpc.prefixlen > _SMALLEST_VPC_PREFIX:
        yield Finding(
            f"/{vpc.prefixlen} is too small for {_SUBNETS} subnets that a load balancer accepts",
            hint,
        )


_ZONES = f"{aws_limits.ALB_ZONES_MIN} or {ZONES_MAX}"


def _zones(zones: tuple[str, ...]) -> Iterator[Finding]:
    if not aws_limits.ALB_ZONES_MIN <= len(zones) <= ZONES_MAX:
        yield Finding(f"{len(zones)} zones, not {_ZONES}", f"name {_ZONES}, such as a, b and c")
    for index, letter in enumerate(zones):
        if not re.fullmatch(aws_limits.ZONE_LETTER_PATTERN, letter):
            yield Finding(
                f"{shown(letter)} is not a zone's letter", "write a for us-east-1a", f"[{index}]"
            )
    yield from repeated(zones)


_NETWORK_RULES = (
    Rule(("network.cidr",), _cidr, f"{RANGE_EXAMPLE}, no other environment's"),
    Rule(("network.cidr",), _vpc_size, _PREFIXES),
    Rule(("network.zones",), _zones, f"{_ZONES} letters, none twice"),
    log_retention("network.flow_log_retention_days"),
)


# --- database --------------------------------------------------------------------------------


_MAJORS = ", ".join(aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT)
NEWEST_MAJOR = max(aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT, key=int)
_VERSIONS = f"{_MAJORS}, or one of their minor versions, such as {NEWEST_MAJOR}.1"


def _major_version(version: str) -> str | None:
    """None where ``_engine_version`` has something to say."""
    match = re.fullmatch(aws_limits.POSTGRES_VERSION_PATTERN, version)
    known = match and match["major"] in aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT
    return match["major"] if match and known else None


def _engine_version(version: str) -> Iterator[Finding]:
    if not _major_version(version):
        yield Finding(
            f"{shown(version)} is not a version of PostgreSQL that TAP knows", f"choose {_VERSIONS}"
        )


def _still_sold(version: str, extended_support: bool) -> Iterator[Finding]:
    major = _major_version(version)
    if major in aws_limits.POSTGRES_EXTENDED_SUPPORT_ONLY and not extended_support:
        yield Finding(
            f"RDS makes no instance of PostgreSQL {major} without extended support",
            "choose a newer one, or write extended_support=True, which costs",
        )


def _max_storage(maximum: int, allocated: int) -> Iterator[Finding]:
    low, high = aws_limits.RDS_STORAGE_MIN_GIB, aws_limits.RDS_STORAGE_MAX_GIB
    of_allocated = 100 + aws_limits.RDS_AUTOSCALING_HEADROOM_PERCENT
    least = -(-allocated * of_allocated // 100)
    if maximum > high:
        yield Finding(
            f"{shown(maximum)} is above the maximum of {high} GiB", f"write {high} at most"
        )
    elif maximum < least and low <= allocated <= high:
        yield Finding(
            f"{shown(maximum)} is below {least} GiB, the least that RDS takes with"
            f" storage_gib {allocated}",
            f"write {least} to {high}"
            if least <= high
            else f"lower storage_gib to {high * 100 // of_allocated} at most",
        )


_USERNAME = "1-63 letters, digits and _, a letter first"
_DATABASE_NAME = "1-63 letters, digits and _, a letter first"
_UNRESERVED = "no word that PostgreSQL or RDS keeps for itself"


def _username(name: str) -> Iterator[Finding]:
    lower = name.lower()
    if not re.fullmatch(aws_limits.RDS_USERNAME_PATTERN, name):
        yield Finding(f"{shown(name)} is not a user name", f"write {_USERNAME}")
    elif (
        lower in aws_limits.RDS_RESERVED_USERNAMES | aws_limits.POSTGRES_RESERVED_WORDS
        or lower.startswith(aws_limits.POSTGRES_RESERVED_ROLE_PREFIX)
    ):
        yield Finding(f"{shown(name)} is reserved", "choose another, such as app_admin")


def _database_name(name: str) -> Iterator[Finding]:
    if not re.fullmatch(aws_limits.RDS_DATABASE_NAME_PATTERN, name):
        yield Finding(
            f"{shown(name)} is not a database's name",
            f"write {_DATABASE_NAME}",
        )
    elif (
        name.lower() in aws_limits.RDS_RESERVED_DATABASE_NAMES | aws_limits.POSTGRES_RESERVED_WORDS
    ):
        yield Finding(f"{shown(name)} is reserved", "choose another, such as app")


_PRODUCTION_BACKUPS = f"{PRODUCTION_BACKUP_DAYS_MIN} to {aws_limits.RDS_BACKUP_DAYS_MAX}"


def _production_backups(days: int) -> Iterator[Finding]:
    if days < PRODUCTION_BACKUP_DAYS_MIN:
        yield Finding(
            f"production needs {PRODUCTION_BACKUP_DAYS_MIN} days of backups, not {shown(days)}",
            f"write {_PRODUCTION_BACKUPS}",
        )


# Performance Insights has no rule: with PostgreSQL every class takes it.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
_DATABASE_RULES = (
    Rule(("database.engine_version",), _engine_version, _VERSIONS),
    Rule(
        ("database.engine_version", "database.extended_support"),
        _still_sold,
        f"{', '.join(sorted(aws_limits.POSTGRES_EXTENDED_SUPPORT_ONLY))} with extended_support",
    ),
    matches(
        "database.instance_class",
        aws_limits.RDS_INSTANCE_CLASS_PATTERN,
        "an instance class",
        "db.<family>.<size>, such as db.t3.micro",
    ),
    production_wants("database.multi_az", True, "a zone's loss must not stop the database"),
    between(
        "database.backup_days",
        aws_limits.RDS_BACKUP_DAYS_MIN,
        aws_limits.RDS_BACKUP_DAYS_MAX,
        "days",
    ),
    Rule(("database.backup_days",), _production_backups, _PRODUCTION_BACKUPS, production_only=True),
    between(
        "database.storage_gib",
        aws_limits.RDS_STORAGE_MIN_GIB,
        aws_limits.RDS_STORAGE_MAX_GIB,
        "GiB",
    ),
    Rule(
        ("database.max_storage_gib", "database.storage_gib"),
        _max_storage,
        f"{aws_limits.RDS_AUTOSCALING_HEADROOM_PERCENT} percent above storage_gib"
        f" to {aws_limits.RDS_STORAGE_MAX_GIB}",
    ),
    Rule(("database.database_name",), _database_name, f"{_DATABASE_NAME}; {_UNRESERVED}"),
    Rule(("database.username",), _username, f"{_USERNAME}; {_UNRESERVED}"),
    port("database.port", aws_limits.RDS_PORT_MIN, aws_limits.RDS_PORT_MAX),
    *WINDOW_RULES,
    one_of(
        "database.monitoring_interval_seconds",
        aws_limits.RDS_MONITORING_INTERVALS,
        "interval of enhanced monitoring, in seconds",
    ),
    each_of("database.log_exports", aws_limits.RDS_POSTGRES_LOG_EXPORTS, "log of PostgreSQL"),
    each_of(
        "database.audited_statements", aws_limits.PGAUDIT_CLASSES, "class of statements of pgAudit"
    ),
    log_retention("database.log_retention_days"),
    production_wants(
        "database.deletion_protection", True, "one wrong plan must not delete the data"
    ),
    production_wants("database.final_snapshot", True, "the data must outlive the instance"),
    between("database.password_version", 1, aws_limits.INTEGER_MAX, "for a version"),
)


# --- service ---------------------------------------------------------------------------------


def _fargate_memory(memory: int, cpu: int) -> Iterator[Finding]:
    allowed = aws_limits.FARGATE_MEMORY_MIB.get(cpu)
    if allowed is not None and memory not in allowed:
        yield Finding(
            f"Fargate has no {shown(memory)} MiB with {cpu} CPU units", f"choose {_sizes(allowed)}"
        )


def _sizes(allowed: Sequence[int]) -> str:
    if len(allowed) > 4:
        return f"{allowed[0]} to {allowed[-1]} in steps of {allowed[-1] - allowed[-2]}"
    return ", ".join(map(str, allowed))


def _private_tasks_reach_out(subnets: SubnetTier, nat: NatMode) -> Iterator[Finding]:
    if subnets is SubnetTier.PRIVATE and nat is NatMode.NONE:
        yield Finding(
            "private tasks cannot reach the internet, their image's registry included: "
            "network.nat is none",
            "choose NatMode.SINGLE or NatMode.PER_AZ, or SubnetTier.PUBLIC",
        )


def _production_tasks_private(subnets: SubnetTier) -> Iterator[Finding]:
    if subnets is SubnetTier.PUBLIC:
        yield Finding("production runs no task with a public IP", "write SubnetTier.PRIVATE")


_PRODUCTION_TASKS = f"{PRODUCTION_TASKS_MIN} or more"


def _production_desired(desired: int, autoscaling: AutoscalingConfig | None) -> Iterator[Finding]:
    if autoscaling is None:
        yield from _production_tasks(desired)


def _production_tasks(count: int) -> Iterator[Finding]:
    if count < PRODUCTION_TASKS_MIN:
        yield Finding(
            f"production needs {PRODUCTION_TASKS_MIN} tasks, not {shown(count)}",
            f"write {_PRODUCTION_TASKS}",
        )


def _autoscaling_order(minimum: int, maximum: int) -> Iterator[Finding]:
    if minimum > maximum:
        yield Finding(f"{shown(minimum)} is above max_count {shown(maximum)}", "swap them")


def _desired_within(desired: int, minimum: int, maximum: int) -> Iterator[Finding]:
    # Where the two are in the wrong order, no count is right: _autoscaling_order says so.
    if minimum <= maximum and not minimum <= desired <= maximum:
        yield Finding(
            f"{shown(desired)} is outside autoscaling's {shown(minimum)} to {shown(maximum)}",
            f"write {shown(minimum)} to {shown(maximum)}",
        )


def _command(command: tuple[str, ...] | None) -> Iterator[Finding]:
    if command == ():
        yield Finding("the command is empty", "write None to keep the image's own")

    for index, word in enumerate(command or ()):
        if "\x00" in word:
            yield Finding(_NUL, "drop it", f"[{index}]")


_NUL = "has a NUL, with which no program can be started"


def _number(word: str) -> int | None:
    """The number that a word is, whatever zeros it begins with."""
    if not (word.isascii() and word.isdecimal()):
        return None
    return int(word.lstrip("0")[: len(str(aws_limits.USER_ID_MAX)) + 1] or "0")


def _user_ids(user: str) -> Iterator[Finding]:
    for word in user.split(":"):
        if (_number(word) or 0) > aws_limits.USER_ID_MAX:
            yield Finding(
                f"{shown(word)} is above the highest id, {aws_limits.USER_ID_MAX}",
                "write a uid, such as 65534",
            )


def has_root(user: str) -> bool:
    """Whether a user, or its group, is root, however it is written."""
    return any(word == "root" or _number(word) == 0 for word in user.split(":"))


def _production_user(user: str) -> Iterator[Finding]:
    if has_root(user):
        yield Finding(
            f"{shown(user)} is root: production runs no container as root or in its group",
            "write a uid, such as 65534",
        )


_SECRET_WORDS = ("APIKEY", "CREDENTIAL", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN")
# Last words of a name that only says something about a secret.
_HARMLESS_WORDS = frozenset(
    {"ARN", "COUNT", "FILE", "ID", "LENGTH", "NAME", "PATH", "PREFIX", "SECOND", "TTL", "TYPE"}
    | {"URI", "URL"}
)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|\bAKIA[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


TASK_DEFINITION_REST_BYTES = 4096  # bytes: what a task definition has beside variables and command


# What the task is told of its database. ECS refuses a name that is a variable and a secret too.
TASK_VARIABLES = frozenset(
    {"DB_SECRET_ARN", "PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE"}
    | {"PGSSLROOTCERT", "PGUSER"}
)


def _names_a_secret(name: str) -> bool:
    words = [word.removesuffix("S") for word in name.upper().split("_")]
    if words[-1] in _HARMLESS_WORDS:
        return False
    key = words[-1] == "KEY" and "PUBLIC" not in words
    return key or any(word.endswith(_SECRET_WORDS) for word in words)


def holds_a_secret(name: str, value: str) -> bool:
    """Whether an environment variable looks like one that holds a secret."""
    return _names_a_secret(name) or _SECRET_VALUE.search(value) is not None


def _environment_variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in environment.items():
        at = f"[{shown(name)}]"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Finding(
                "is not the name of an environment variable",
                "write letters, digits and _, no digit first",
                at,
            )
        elif name in TASK_VARIABLES:
            yield Finding("TAP sets this one itself, from the database", "drop it", at)
        elif "\x00" in value:
            yield Finding(_NUL, "drop it", at)
        elif holds_a_secret(name, value):
            # The value is not shown: it may be the secret.
            yield Finding(
                "looks like a secret, and would be readable in the state and the console",
                "keep it in Secrets Manager and hand the task its ARN",
                at,
            )


def _task_definition_size(
    environment: Mapping[str, str], command: tuple[str, ...] | None
) -> Iterator[Finding]:
    pairs = [{"name": name, "value": value} for name, value in environment.items()]
    text = json.dumps([pairs, command], ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode(errors="surrogatepass"))
    most = aws_limits.TASK_DEFINITION_MAX_BYTES - TASK_DEFINITION_REST_BYTES
    if size > most:
        yield Finding(
            f"with the command, {size} bytes of the task definition, of {most} that there are",
            "keep the long ones in S3 or SSM, and name them here",
        )


_CODES = (
    "200, 200,202 or 200-299, within "
    f"{aws_limits.MATCHER_CODE_MIN} and {aws_limits.MATCHER_CODE_MAX}"
)


def _matcher(matcher: str) -> Iterator[Finding]:
    low, high = aws_limits.MATCHER_CODE_MIN, aws_limits.MATCHER_CODE_MAX
    codes: list[int] = []
    if re.fullmatch(aws_limits.MATCHER_PATTERN, matcher):
        codes = [int(code) for code in re.split("[,-]", matcher)]
    falling = "-" in matcher and codes != sorted(codes)
    if not codes or falling or not low <= min(codes) <= max(codes) <= high:
        yield Finding(
            f"{shown(matcher)} is not a matcher of HTTP codes",
            f"write {_CODES}",
        )


def _timeout_below_interval(timeout: int, interval: int) -> Iterator[Finding]:
    if timeout >= interval:
        yield Finding(
            f"{shown(timeout)} is not below interval_seconds {shown(interval)}",
            "lower it, or raise interval_seconds",
        )


def _thresholds(name: str) -> Rule:
    return between(
        f"service.health_check.{name}",
        aws_limits.HEALTH_CHECK_THRESHOLD_MIN,
        aws_limits.HEALTH_CHECK_THRESHOLD_MAX,
        "answers",
    )


def _tasks(path: str, low: int) -> Rule:
    return between(path, low, aws_limits.TASKS_PER_SERVICE_MAX, "tasks")


_SERVICE_RULES = (
    one_of("service.cpu_units", tuple(aws_limits.FARGATE_MEMORY_MIB), "size of Fargate's CPU"),
    Rule(
        ("service.memory_mib", "service.cpu_units"),
        _fargate_memory,
        "; ".join(
            f"with {cpu} CPU units {_sizes(allowed)}"
            for cpu, allowed in aws_limits.FARGATE_MEMORY_MIB.items()
        ),
    ),
    _tasks("service.desired_count", 0),
    Rule(
        ("service.desired_count", "service.autoscaling"),
        _production_desired,
        f"{_PRODUCTION_TASKS}, without autoscaling",
        production_only=True,
    ),
    Rule(
        (
            "service.desired_count",
            "service.autoscaling.min_count",
            "service.autoscaling.max_count",
        ),
        _desired_within,
        "within autoscaling's least and most, where it is on",
    ),
    Rule(
        ("service.subnets", "network.nat"),
        _private_tasks_reach_out,
        "PRIVATE with network.nat only",
    ),
    Rule(("service.subnets",), _production_tasks_private, "PRIVATE", production_only=True),
    *IMAGE_RULES,
    Rule(("service.command",), _command, "None, or one word or more"),
    port("service.container_port", aws_limits.PORT_MIN, aws_limits.PORT_MAX),
    matches(
        "service.user",
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?",
        "a user",
        "user, uid, user:group or uid:gid",
    ),
    Rule(("service.user",), _user_ids, f"ids up to {aws_limits.USER_ID_MAX}"),
    Rule(("service.user",), _production_user, "neither user nor group root", production_only=True),
    Rule(
        ("service.environment",),
        _environment_variables,
        "names of letters, digits and _, no digit first; no secret, and none of"
        f" {', '.join(sorted(TASK_VARIABLES))}",
    ),
    Rule(
        ("service.environment", "service.command"),
        _task_definition_size,
        f"{aws_limits.TASK_DEFINITION_MAX_BYTES // 1024} KiB with the rest of the task definition",
    ),
    matches(
        "service.health_check.path",
        # RFC 3986 has no braces: no Terraform template hides in here, nor in an address below.
        rf"/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]{{0,{aws_limits.HEALTH_CHECK_PATH_MAX - 1}}}",
        "a path",
        "one like /health",
    ),
    between(
        "service.health_check.interval_seconds",
        aws_limits.HEALTH_CHECK_INTERVAL_MIN,
        aws_limits.HEALTH_CHECK_INTERVAL_MAX,
        "seconds",
    ),
    between(
        "service.health_check.timeout_seconds",
        aws_limits.HEALTH_CHECK_TIMEOUT_MIN,
        aws_limits.HEALTH_CHECK_TIMEOUT_MAX,
        "seconds",
    ),
    Rule(
        ("service.health_check.timeout_seconds", "service.health_check.interval_seconds"),
        _timeout_below_interval,
        "below interval_seconds",
    ),
    _thresholds("healthy_threshold"),
    _thresholds("unhealthy_threshold"),
    Rule(("service.health_check.matcher",), _matcher, _CODES),
    between("service.health_check_grace_seconds", 0, aws_limits.INTEGER_MAX, "seconds"),
    # From nothing, there is no use to track: the service would stay at nothing.
    _tasks("service.autoscaling.min_count", 1),
    Rule(
        ("service.autoscaling.min_count",),
        _production_tasks,
        _PRODUCTION_TASKS,
        production_only=True,
    ),
    _tasks("service.autoscaling.max_count", 1),
    Rule(
        ("service.autoscaling.min_count", "service.autoscaling.max_count"),
        _autoscaling_order,
        "at most max_count",
    ),
    percent("service.autoscaling.cpu_target_percent"),
    percent("service.autoscaling.memory_target_percent"),
    log_retention("service.log_retention_days"),
    matches(
        "service.database_ca_file",
        r"(?:/[A-Za-z0-9._+@-]+)+",
        "an absolute path",
        "one in the image, like /etc/ssl/rds/global-bundle.pem",
    ),
)


# --- load balancer ---------------------------------------------------------------------------


def _production_https(certificate_arn: str | None, allow_plain_http: bool) -> Iterator[Finding]:
    if certificate_arn is None and not allow_plain_http:
        yield Finding(
            "production would serve plain HTTP",
            "name an ACM certificate, or write allow_plain_http=True",
        )


def _domain_of_certificate(domain: str | None, certificate_arn: str | None) -> Iterator[Finding]:
    if domain is None and certificate_arn is not None:
        yield Finding(
            "no certificate is for the load balancer's own name",
            "write the domain that the certificate is for, such as app.example.com",
        )


def _allowed_cidrs(cidrs: tuple[str, ...]) -> Iterator[Finding]:
    if not cidrs:
        yield Finding("nobody may reach the load balancer", "write ('0.0.0.0/0',) for everybody")
    for index, cidr in enumerate(cidrs):
        for finding in _cidr(cidr):
            yield finding._replace(at=f"[{index}]")
    yield from repeated(cidrs)


def _rules_within_group(cidrs: tuple[str, ...], certificate_arn: str | None) -> Iterator[Finding]:
    most = aws_limits.SECURITY_GROUP_RULES_MAX // (2 if certificate_arn else 1)
    if len(cidrs) > most:
        yield Finding(
            f"{len(cidrs)} ranges, of {most} that a security group takes"
            + (" with two ports for each" if certificate_arn else ""),
            "name fewer, larger ranges",
        )


def old_tls(policy: str) -> Finding:
    """What is wrong with a policy that takes clients of yesterday."""
    return Finding(
        f"{shown(policy)} takes TLS older than 1.2",
        "write ELBSecurityPolicy-TLS13-1-2-2021-06",
    )


def _production_tls(policy: str) -> Iterator[Finding]:
    known = re.fullmatch(aws_limits.TLS_POLICY_PATTERN, policy)
    if known and not re.fullmatch(aws_limits.TLS_1_2_POLICY_PATTERN, policy):
        yield old_tls(policy)


_LOAD_BALANCER_RULES = (
    Rule(
        ("load_balancer.certificate_arn", "region", "account_id"),
        arns.certificate_arn,
        f"{arns.CERTIFICATE}, of the environment's region and account",
    ),
    matches(
        "load_balancer.tls_policy",
        aws_limits.TLS_POLICY_PATTERN,
        "a TLS policy",
        "one like ELBSecurityPolicy-TLS13-1-2-2021-06",
    ),
    Rule(
        ("load_balancer.certificate_arn", "load_balancer.allow_plain_http"),
        _production_https,
        "one, unless allow_plain_http",
        production_only=True,
    ),
    Rule(
        ("load_balancer.tls_policy",),
        _production_tls,
        "one for TLS 1.2 and newer",
        production_only=True,
    ),
    Rule(("load_balancer.allowed_cidrs",), _allowed_cidrs, f"each {RANGE_EXAMPLE}; one at least"),
    Rule(
        ("load_balancer.allowed_cidrs", "load_balancer.certificate_arn"),
        _rules_within_group,
        f"{aws_limits.SECURITY_GROUP_RULES_MAX} at most, half of it with certificate_arn",
    ),
    between(
        "load_balancer.waf.requests_per_address",
        aws_limits.WAF_RATE_LIMIT_MIN,
        aws_limits.WAF_RATE_LIMIT_MAX,
        "requests",
    ),
    log_retention("load_balancer.waf.log_retention_days"),
    between(
        "load_balancer.idle_timeout_seconds",
        aws_limits.ALB_IDLE_TIMEOUT_MIN,
        aws_limits.ALB_IDLE_TIMEOUT_MAX,
        "seconds",
    ),
    between(
        "load_balancer.deregistration_delay_seconds",
        aws_limits.DEREGISTRATION_DELAY_MIN,
        aws_limits.DEREGISTRATION_DELAY_MAX,
        "seconds",
    ),
    production_wants(
        "load_balancer.deletion_protection", True, "its address must survive a wrong plan"
    ),
    matches(
        "load_balancer.domain_name",
        aws_limits.DOMAIN_NAME_PATTERN,
        "a domain name",
        "one like app.example.com, in small letters",
    ),
    Rule(
        ("load_balancer.domain_name", "load_balancer.certificate_arn"),
        _domain_of_certificate,
        "one that the certificate is for, where there is a certificate",
    ),
)


# --- state, encryption, access logs and alarms -----------------------------------------------

_STATE_RULES = (
    between("state.noncurrent_version_days", 1, aws_limits.INTEGER_MAX, "days"),
    production_wants("state.deletable", False, "without its state nothing can be changed"),
)


_ENCRYPTION_RULES = (
    between(
        "encryption.deletion_days",
        aws_limits.KMS_DELETION_DAYS_MIN,
        aws_limits.KMS_DELETION_DAYS_MAX,
        "days",
    ),
)

_ACCESS_LOG_RULES = (
    between("access_logs.retention_days", 1, aws_limits.INTEGER_MAX, "days"),
    production_wants(
        "access_logs.deletable", False, "who asked for what is looked at after an incident"
    ),
)


def _emails(emails: tuple[str, ...]) -> Iterator[Finding]:
    for index, email in enumerate(emails):
        if not re.fullmatch(
            r"[A-Za-z0-9.!#%&'*+/=?^_|~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", email
        ):
            yield Finding(
                f"{shown(email)} is not an email address", "write name@domain", f"[{index}]"
            )
    yield from repeated(emails)


def _free_storage_alarm(free: int, storage: int) -> Iterator[Finding]:
    if free >= storage:
        yield Finding(
            f"{shown(free)} GiB free never are of database.storage_gib {shown(storage)}: "
            "the alarm would never end",
            "lower it below storage_gib",
        )


_ALARM_RULES = (
    Rule(("alarms.emails",), _emails, "each name@domain, none twice"),
    between("alarms.http_5xx_count", 1, aws_limits.INTEGER_MAX, "answers"),
    percent("alarms.service_cpu_percent"),
    percent("alarms.service_memory_percent"),
    percent("alarms.database_cpu_percent"),
    between("alarms.database_free_storage_gib", 1, aws_limits.RDS_STORAGE_MAX_GIB, "GiB"),
    Rule(
        ("alarms.database_free_storage_gib", "database.storage_gib"),
        _free_storage_alarm,
        "below database.storage_gib",
    ),
    between("alarms.database_connections", 1, aws_limits.INTEGER_MAX, "connections"),
)


RULES: tuple[Rule, ...] = (
    *_ENVIRONMENT_RULES,
    *_NETWORK_RULES,
    *_DATABASE_RULES,
    *_SERVICE_RULES,
    *_LOAD_BALANCER_RULES,
    *_STATE_RULES,
    *_ENCRYPTION_RULES,
    *_ACCESS_LOG_RULES,
    *_ALARM_RULES,
)


# --- rules across environments ---------------------------------------------------------------


def _across(entries: Sequence[_Entry]) -> Iterator[Problem]:
    for rule in (_names_differ, _ranges_differ, _production_names_its_account):
        yield from rule(entries)


def _names_differ(entries: Sequence[_Entry]) -> Iterator[Problem]:
    named = [entry for entry in entries if entry.readable("name")]
    for index, entry in enumerate(named):
        name = entry.environment.name
        if name in (other.environment.name for other in named[:index]):
            finding = Finding(f"another environment is called {shown(name)}", "rename one")
            yield entry.problem("name", finding)


def _ranges_differ(entries: Sequence[_Entry]) -> Iterator[Problem]:
    networks = [
        (entry, network)
        for entry in entries
        if entry.readable("network.cidr")
        and (network := _network(entry.environment.network.cidr)) is not None
    ]
    for (first, network), (second, other) in combinations(networks, 2):
        if network.overlaps(other):
            finding = Finding(
                f"{other} overlaps {first.label}'s {network}: the two could never be peered",
                "choose a range of its own",
            )
            yield second.problem("network.cidr", finding)


def _production_names_its_account(entries: Sequence[_Entry]) -> Iterator[Problem]:
    known = [entry for entry in entries if entry.readable("account_id")]
    naming = [entry.label for entry in known if entry.environment.account_id is not None]
    for entry in known:
        if naming and entry.is_production and entry.environment.account_id is None:
            finding = Finding(
                f"{naming[0]} names its account and production does not",
                "name the one account that Terraform may touch",
            )
            yield entry.problem("account_id", finding)
