"""The environments, side by side, and the types they are made of.

This is the module that people edit. ``ENVIRONMENTS`` at its end holds one entry an environment; a
fourth environment is a fourth entry, and nothing else. A field without a default has to be decided
for each environment; a default is the safe choice. Every rule about the values stands in
``validation.py`` and every limit of AWS in ``aws_limits.py``: this module only gives them types and
units.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from itertools import islice
from types import MappingProxyType

from lib.config import aws_limits

PROJECT = "tap"
DEFAULT_IMAGE = "public.ecr.aws/docker/library/python:3.13-slim"
ZONES_MAX = 3  # availability zones that an environment's range is cut for


class NatMode(StrEnum):
    """How private subnets reach the internet. A gateway costs about $33 a month plus traffic."""

    NONE = "none"  # not at all: tasks run in public subnets
    SINGLE = "single"  # through one gateway, lost with its zone
    PER_AZ = "per_az"  # through one in each zone


class SubnetTier(StrEnum):
    """Where tasks run."""

    PUBLIC = "public"  # with a public IP; only the load balancer is let in
    PRIVATE = "private"  # without one; needs NAT


class StateBackend(StrEnum):
    """Where Terraform keeps the stack's state."""

    S3 = "s3"  # in the bucket that the stack owns
    LOCAL = "local"  # beside this project, in terraform.<stack>.tfstate


class StateLock(StrEnum):
    """What keeps two deploys apart when the state is in S3."""

    LOCKFILE = "lockfile"  # a conditional write in the bucket (Terraform 1.10 and later)
    DYNAMODB = "dynamodb"  # the lock table
    BOTH = "both"


class CpuArchitecture(StrEnum):
    """What the image is built for, in ECS's words."""

    X86_64 = "X86_64"
    ARM64 = "ARM64"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """The VPC.

    ``cidr`` (IPv4, as text: a slip in it is then a named problem, not a traceback at import) is
    cut into equal subnets, public ones first. ``zones`` are the letters of its zones: named, so
    that no subnet moves when AWS opens or closes one. Name two where a region has no third for you
    (us-west-1, cn-north-1). ``flow_logs`` records accepted and rejected traffic in CloudWatch Logs
    ($0.50 a GB) and keeps it for ``flow_log_retention_days`` ($0.03 a GB and month).
    """

    cidr: str
    nat: NatMode
    zones: tuple[str, ...] = ("a", "b", "c")
    flow_logs: bool = True
    flow_log_retention_days: int = 365

    @property
    def public_subnets(self) -> tuple[IPv4Network, ...]:
        """One for each zone."""
        return self._subnets(0)

    @property
    def private_subnets(self) -> tuple[IPv4Network, ...]:
        """One for each zone."""
        return self._subnets(ZONES_MAX)

    @property
    def nat_gateways(self) -> int:
        """How many NAT gateways the mode asks for."""
        return {NatMode.NONE: 0, NatMode.SINGLE: 1, NatMode.PER_AZ: len(self.zones)}[self.nat]

    def _subnets(self, first: int) -> tuple[IPv4Network, ...]:
        """From the ``first`` sixteenth of the VPC on, one for each zone.

        A tier has room for three zones, whether it uses it or not: a third zone moves no subnet.
        Ten sixteenths stay free for tiers to come. In a small VPC the subnets are as small as a
        load balancer accepts.
        """
        vpc = IPv4Network(self.cidr)
        prefix = min(vpc.prefixlen + 4, aws_limits.ALB_SUBNET_PREFIX_MAX)
        return tuple(islice(vpc.subnets(new_prefix=prefix), first, first + len(self.zones)))


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseConfig:
    """The RDS for PostgreSQL instance.

    ``engine_version`` is a major version, such as 17: AWS chooses and patches the minor one. Or it
    names the minor one too, such as 17.9, where an upgrade has to go to that one: it then stays
    until another is named here.
    ``multi_az`` keeps a standby in another zone, and doubles the cost of instance and storage.
    ``monitoring_interval_seconds`` 0 turns enhanced monitoring off; 60 cost $0.10 a month.
    ``performance_insights`` are free for the seven days that they are kept. ``audited_statements``
    are the classes of statements that pgAudit logs ($0.50 a GB), without passwords in them; none
    turns it off, and all of it is logged once the database has ``CREATE EXTENSION pgaudit``.
    ``password_version`` counts up when a given ``DB_PASSWORD`` changes: Terraform cannot see a
    write-only value change. ``extended_support`` is chosen when the instance is made: Terraform
    does not change it afterwards, ``verify`` names the command. ``apply_immediately`` has a deploy
    make what interrupts the database, such as another instance class; without, RDS makes it in the
    maintenance window. An upgrade to another major version needs it
    (``docs/postgresql-upgrade.md``).
    Windows are UTC, as RDS writes them: ``hh:mm-hh:mm`` and ``ddd:hh:mm-ddd:hh:mm``.
    """

    engine_version: str
    instance_class: str
    multi_az: bool
    backup_days: int
    storage_gib: int = 20
    max_storage_gib: int = 100
    database_name: str = "app"
    username: str = "app_admin"
    port: int = 5432
    backup_window: str = "03:00-04:00"
    maintenance_window: str = "sun:04:30-sun:05:30"
    monitoring_interval_seconds: int = 60
    performance_insights: bool = True
    audited_statements: tuple[str, ...] = ("ddl", "role")
    log_exports: tuple[str, ...] = ("postgresql", "upgrade")
    log_retention_days: int = 365
    deletion_protection: bool = True
    final_snapshot: bool = True
    extended_support: bool = False
    password_version: int = 1
    apply_immediately: bool = False

    @property
    def engine_major(self) -> str:
        """The major version."""
        return self.engine_version.partition(".")[0]

    @property
    def minor_upgrades(self) -> bool:
        """Whether RDS installs minor versions by itself: not where one is named."""
        return self.engine_version == self.engine_major


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthCheckConfig:
    """How the load balancer decides that a task works."""

    path: str = "/"
    interval_seconds: int = 15
    timeout_seconds: int = 5
    healthy_threshold: int = 2  # answers in a row
    unhealthy_threshold: int = 3  # failures in a row
    matcher: str = "200"  # HTTP codes: 200, 200,202 or 200-299


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalingConfig:
    """Target tracking on the service's mean CPU and memory use."""

    min_count: int  # tasks
    max_count: int  # tasks
    cpu_target_percent: int = 60
    memory_target_percent: int = 75


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceConfig:
    """The Fargate service and its container.

    The default image answers on any path below its empty document root: it shows that the
    environment works, until a team puts its own image in. ``command`` None keeps the image's own,
    but for the default image, which gets a small web server on ``container_port``.
    ``pull_through_cache`` says that ``image`` lies in a private ECR registry which fetches it from
    another one: ECS may then have ECR do so. ``user`` is who runs the program: a number says it for
    every image. ``environment`` is for what isn't secret; the database's address and secret are
    added to it.
    ``container_insights`` cost some $11 a month, in metrics of the cluster, the service and tasks.
    ``database_ca_file`` is where the image has AWS's certificate bundle for RDS (an absolute path):
    with it libpq checks who answers (``verify-full``). An image has the file only where its build
    puts it there, and the default one hasn't: without it the connection is encrypted, and the
    server isn't checked.
    """

    cpu_units: int
    memory_mib: int
    desired_count: int  # tasks
    subnets: SubnetTier
    image: str = DEFAULT_IMAGE
    pull_through_cache: bool = False
    command: tuple[str, ...] | None = None
    container_port: int = 8080
    user: str = "65534"  # the uid of nobody
    read_only_root: bool = True
    cpu_architecture: CpuArchitecture = CpuArchitecture.X86_64
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    health_check: HealthCheckConfig = HealthCheckConfig()
    health_check_grace_seconds: int = 60
    autoscaling: AutoscalingConfig | None = None
    container_insights: bool = False
    log_retention_days: int = 365
    database_ca_file: str | None = None

    @property
    def container_command(self) -> tuple[str, ...] | None:
        """What the container is started with; None for the image's own command."""
        if self.command is None and self.image == DEFAULT_IMAGE:
            port = str(self.container_port)
            return ("python", "-m", "http.server", port, "--directory", "/mnt")
        return self.command

    @property
    def minimum_count(self) -> int:
        """How many tasks run at the least."""
        return self.autoscaling.min_count if self.autoscaling else self.desired_count


@dataclass(frozen=True, kw_only=True, slots=True)
class WafConfig:
    """A web application firewall: AWS's managed rules, and a limit to what one address may ask for.

    $10 a month ($5, and $1 for each of five rules), $0.60 for a million requests, $0.50 for a GB
    of logs, which have what it blocked or counted. ``block=False`` only counts: a way to see what
    would be blocked before it is.
    """

    block: bool = True
    requests_per_address: int = 2000  # requests in five minutes
    log_retention_days: int = 365


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadBalancerConfig:
    """The Application Load Balancer.

    With ``certificate_arn`` it serves HTTPS and redirects HTTP to it; without, plain HTTP, which
    production refuses unless ``allow_plain_http`` says so. A certificate of ACM's costs nothing.
    ``domain_name`` is the address that is published: the certificate has to be for it, and its DNS
    record, which TAP doesn't make, has to lead to the load balancer. Without a domain the load
    balancer's own name is published, which no certificate is for.
    """

    certificate_arn: str | None = None
    tls_policy: str = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    allow_plain_http: bool = False
    allowed_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    waf: WafConfig | None = WafConfig()
    idle_timeout_seconds: int = 60
    deregistration_delay_seconds: int = 30
    deletion_protection: bool = True
    domain_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StateConfig:
    """The bucket and the lock table, and whether this stack's own state lives there.

    ``deletable`` lets Terraform empty and delete the bucket with the environment.
    """

    backend: StateBackend = StateBackend.S3
    lock: StateLock = StateLock.LOCKFILE
    noncurrent_version_days: int = 90
    deletable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptionConfig:
    """Whose keys encrypt what is stored.

    ``customer_key`` makes a KMS key of the environment's own, for its logs, its alarms' topic, its
    lock table, Performance Insights and a given password: $1 a month, another $1 after each of its
    first two yearly rotations, and $0.03 for 10,000 uses. Without, AWS's own keys do it for free,
    but for the topic, which they cannot. Decide before the first deploy: a key that goes takes
    along what it encrypted, ``deletion_days`` later, and Performance Insights of an instance keep
    the key that they began with. What has to outlive the environment (the
    state, the database's last snapshot) is never encrypted with it.
    """

    customer_key: bool = True
    deletion_days: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessLogsConfig:
    """A bucket with a line for each request to the load balancer, and to the state's bucket.

    $0.023 a GB and month, kept for ``retention_days``. ``deletable`` lets Terraform empty and
    delete it with the environment.
    """

    retention_days: int = 365
    deletable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmsConfig:
    """CloudWatch alarms, sent to an SNS topic. Each costs $0.10 a month.

    ``emails`` are subscribed to the topic; each has to confirm by a link that AWS sends.
    """

    emails: tuple[str, ...] = ()
    http_5xx_count: int = 10  # answers in five minutes, the load balancer's and the targets'
    service_cpu_percent: int = 85
    service_memory_percent: int = 85
    database_cpu_percent: int = 80
    database_free_storage_gib: int = 5
    database_connections: int = 80  # open at once


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentConfig:
    """One environment. ``production`` turns on the rules that production has to meet.

    ``account_id`` is the AWS account that Terraform may touch, and no other. It is part of the
    state bucket's name: set it before the first deploy, since later it replaces the bucket.
    ``deploy_role_arn`` is the role that the provider assumes there. ``permissions_boundary_arn`` is
    an IAM policy: no role of the stack may do what it doesn't allow.
    """

    name: str
    region: str
    network: NetworkConfig
    database: DatabaseConfig
    service: ServiceConfig
    load_balancer: LoadBalancerConfig
    state: StateConfig
    alarms: AlarmsConfig | None
    encryption: EncryptionConfig = EncryptionConfig()
    access_logs: AccessLogsConfig | None = AccessLogsConfig()
    production: bool = False
    owner: str = "platform"
    account_id: str | None = None
    deploy_role_arn: str | None = None
    permissions_boundary_arn: str | None = None

    def overridden(
        self, *, region: str | None, backend: StateBackend | None, image: str | None
    ) -> "EnvironmentConfig":
        """This environment with what the process was told in place of its own; None keeps it."""
        return dataclasses.replace(
            self,
            region=region or self.region,
            state=dataclasses.replace(self.state, backend=backend or self.state.backend),
            service=dataclasses.replace(self.service, image=image or self.service.image),
        )


ENVIRONMENTS: tuple[EnvironmentConfig, ...] = (
    EnvironmentConfig(
        name="dev",
        region="us-east-1",
        network=NetworkConfig(cidr="10.0.0.0/16", nat=NatMode.NONE, flow_log_retention_days=7),
        database=DatabaseConfig(
            engine_version="14",
            instance_class="db.t3.micro",
            multi_az=False,
            backup_days=1,
            deletion_protection=False,
            final_snapshot=False,
            log_retention_days=7,
        ),
        service=ServiceConfig(
            cpu_units=256,
            memory_mib=512,
            desired_count=1,
            subnets=SubnetTier.PUBLIC,
            log_retention_days=7,
        ),
        load_balancer=LoadBalancerConfig(waf=None, deletion_protection=False),
        state=StateConfig(deletable=True),
        alarms=None,
        encryption=EncryptionConfig(customer_key=False),
        access_logs=AccessLogsConfig(retention_days=7, deletable=True),
    ),
    EnvironmentConfig(
        name="staging",
        region="us-east-1",
        network=NetworkConfig(cidr="10.1.0.0/16", nat=NatMode.SINGLE),
        database=DatabaseConfig(
            engine_version="14",
            instance_class="db.t3.small",
            multi_az=False,
            backup_days=3,
            deletion_protection=False,
            final_snapshot=False,
        ),
        service=ServiceConfig(
            cpu_units=512,
            memory_mib=1024,
            desired_count=2,
            subnets=SubnetTier.PRIVATE,
            container_insights=True,
        ),
        load_balancer=LoadBalancerConfig(waf=None, deletion_protection=False),
        state=StateConfig(deletable=True),
        alarms=AlarmsConfig(),
        encryption=EncryptionConfig(deletion_days=7),
        access_logs=AccessLogsConfig(deletable=True),
    ),
    EnvironmentConfig(
        name="prod",
        region="us-east-1",
        production=True,
        network=NetworkConfig(cidr="10.2.0.0/16", nat=NatMode.PER_AZ),
        database=DatabaseConfig(
            engine_version="14",
            instance_class="db.t3.medium",
            multi_az=True,
            backup_days=7,
            storage_gib=50,
            max_storage_gib=500,
        ),
        service=ServiceConfig(
            cpu_units=1024,
            memory_mib=2048,
            desired_count=3,
            subnets=SubnetTier.PRIVATE,
            autoscaling=AutoscalingConfig(min_count=3, max_count=9),
            container_insights=True,
        ),
        # Plain HTTP until the team has a certificate: then its ARN and domain_name instead.
        load_balancer=LoadBalancerConfig(allow_plain_http=True),
        state=StateConfig(),
        alarms=AlarmsConfig(database_connections=300),
    ),
)
