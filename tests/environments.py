"""The environments that TAP's own tests run on: those that TAP ships, whatever a team has.

``tests/project.py`` puts them in the place of ``lib/config/environment_config.py``'s. What runs
over a team's config is in ``tests/rules`` and ``tests/snapshots``, and ``make policy``.
"""

# pylint: disable=duplicate-code  # as shipped, they are the same: tests/template

from lib.config.environment_config import (
    AccessLogsConfig,
    AlarmsConfig,
    AutoscalingConfig,
    DatabaseConfig,
    EncryptionConfig,
    EnvironmentConfig,
    LoadBalancerConfig,
    NatMode,
    NetworkConfig,
    ServiceConfig,
    StateConfig,
    SubnetTier,
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
        load_balancer=LoadBalancerConfig(allow_plain_http=True),
        state=StateConfig(),
        alarms=AlarmsConfig(database_connections=300),
    ),
)
