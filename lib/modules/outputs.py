"""What each part hands to the next: frozen records, the only way that parts know of each other.

A value is an attribute of a resource unless its comment says otherwise: Terraform knows it when
the resource exists, Python holds a token for it.
"""

from dataclasses import dataclass

from cdktf import ITerraformDependable

from lib.config.environment_config import EnvironmentConfig
from lib.modules.naming import NamingModule


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountOutputs:
    """Where the stack is deployed to."""

    account_id: str
    partition: str
    dns_suffix: str  # of the partition: amazonaws.com, but for China
    region: str  # plain text, from config
    permissions_boundary_arn: str | None  # of every role; plain text, from config


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptionOutputs:
    """The environment's own key; None where AWS's keys encrypt."""

    key_arn: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LogBucketOutputs:
    """The bucket for access logs; None where none are kept."""

    bucket_name: str | None
    writable: tuple[ITerraformDependable, ...]  # what a log needs in place before it is written


@dataclass(frozen=True, kw_only=True, slots=True)
class StateBackendOutputs:
    """The bucket and the lock table for Terraform's state."""

    bucket_name: str
    lock_table_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VpcOutputs:
    """The network. Subnets come one for each zone, in the order of the zones."""

    vpc_id: str
    cidr: str  # plain text, from config
    public_subnet_ids: tuple[str, ...]
    private_subnet_ids: tuple[str, ...]  # internet only through NAT, if there is any
    # What a task needs on its way out: routes that exist before it starts.
    internet_access: tuple[ITerraformDependable, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityGroupOutputs:
    """The three groups, and the rules that a task needs in place before it starts."""

    load_balancer_id: str
    service_id: str
    database_id: str
    service_rules: tuple[ITerraformDependable, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseOutputs:
    """The database, reachable from the service's security group on ``port``.

    ``secret_arn`` is a Secrets Manager secret with the JSON keys ``username`` and ``password``;
    ``secret_key_arn`` the key that reading it takes, None for AWS's own.
    """

    identifier: str
    address: str
    port: int  # plain number, from config
    database_name: str  # plain text, from config
    secret_arn: str
    secret_key_arn: str | None
    secret_filled: tuple[ITerraformDependable, ...]  # has to be there before the secret is read


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadBalancerOutputs:
    """The load balancer. Only once ``listener`` exists does the target group take tasks in."""

    dns_name: str
    url: str
    arn_suffix: str
    target_group_arn: str
    target_group_arn_suffix: str
    listener: ITerraformDependable


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOutputs:
    """The service, and the log group that its containers write to."""

    cluster_name: str
    service_name: str
    task_definition_arn: str
    task_role_name: str  # what the program in the container acts as
    log_group_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitoringOutputs:
    """The topic that every alarm is sent to."""

    topic_arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackOutputs:
    """All that a stack made, and what it was made from: what ``lib/extend.py`` builds on."""

    config: EnvironmentConfig
    naming: NamingModule
    account: AccountOutputs
    encryption: EncryptionOutputs
    log_bucket: LogBucketOutputs
    state: StateBackendOutputs
    network: VpcOutputs
    security: SecurityGroupOutputs
    database: DatabaseOutputs
    load_balancer: LoadBalancerOutputs
    service: ServiceOutputs
    monitoring: MonitoringOutputs | None  # None where there are no alarms
