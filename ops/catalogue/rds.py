"""What is known of RDS's resource types."""

from typing import Any

from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import (
    Changed,
    Interrupts,
    Lowered,
    Raised,
    Refused,
    Removed,
    Rule,
    TurnedOff,
    TurnedOn,
    number,
)

_GUIDE = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide"
# Which setting interrupts, and when RDS changes it.
_SETTINGS = f"{_GUIDE}/USER_ModifyInstance.Settings.html"
_STORAGE = f"{_GUIDE}/USER_PIOPS.ModifyingExisting.html"
_RESTARTS = "the database restarts and is away for 1 to 2 minutes, longer after much writing"


def _major(version: Any) -> float:
    """14 of ``14`` and ``14.9``."""
    return number(str(version).partition(".")[0])


def _deferred(rule: Rule, page: str = _SETTINGS) -> Interrupts:
    """Made at once or in the maintenance window, as ``apply_immediately`` says."""
    return Interrupts(rule, page, at_once="apply_immediately", later="maintenance_window")


_INSTANCE = ResourceType(
    name="aws_db_instance",
    lost=Lost("the database, but for its snapshots"),
    worse=(
        Lowered("backup_retention_period", "the automated backups that are older"),
        TurnedOff("deletion_protection", "the protection against its deletion"),
        TurnedOn("skip_final_snapshot", "the last snapshot, once it is deleted"),
        TurnedOn("delete_automated_backups", "its backups, once it is deleted"),
        TurnedOn("publicly_accessible", "the database to the internet", exposes=True, new=True),
        TurnedOff("storage_encrypted", "what is stored to whoever has its copy", exposes=True),
        TurnedOff("multi_az", "the standby in another zone"),
        Changed("identifier", "the address that programs connect to"),
        Raised("engine_version", "the way back, but for a restore", of=_major),
        TurnedOff("auto_minor_version_upgrade", "the security fixes of minor versions"),
        TurnedOff("iam_database_authentication_enabled", "the login with a role of IAM"),
        TurnedOff("max_allocated_storage", "the room to grow: a full disk stops it"),
        TurnedOff("performance_insights_enabled", "the statements that it was busy with"),
        Lowered("performance_insights_retention_period", "the older statements", missing=7),
        TurnedOff("monitoring_interval", "the measurements of its operating system"),
        Removed("enabled_cloudwatch_logs_exports", "the log outside the instance"),
    ),
    interrupts=(
        _deferred(
            Changed(
                "engine_version",
                "the database is away, with Multi-AZ too: for minutes where the major version "
                "changes (AWS gives no figure, a rehearsal on a copy does), for 1 to 2 where not",
            ),
            f"{_GUIDE}/USER_UpgradeDBInstance.PostgreSQL.html",
        ),
        _deferred(
            Changed(
                "instance_class",
                "the database is away for 1 to 2 minutes with Multi-AZ, and without for as many as "
                "moving and recovering it takes",
            ),
            "https://repost.aws/knowledge-center/rds-performance-impact",
        ),
        _deferred(TurnedOff("backup_retention_period", _RESTARTS)),
        _deferred(TurnedOn("backup_retention_period", _RESTARTS)),
        _deferred(Changed("db_subnet_group_name", _RESTARTS)),
        _deferred(Changed("identifier", f"{_RESTARTS}, and has another address from then on")),
        Interrupts(
            Changed("port", f"{_RESTARTS}, and answers on another port from then on"), _SETTINGS
        ),
        _deferred(
            Changed(
                "multi_az",
                "the database stays up; making a standby slows it for minutes to hours",
            ),
            f"{_GUIDE}/Concepts.MultiAZSingleStandby.html",
        ),
        Interrupts(
            Changed(
                "allocated_storage",
                "the database stays up, may be slower for hours, and takes no other change of "
                "storage for six hours",
            ),
            _STORAGE,
        ),
        _deferred(
            Changed("storage_type", "the database stays up, and may be slower for hours"), _STORAGE
        ),
    ),
    refused=(
        Refused(
            Lowered("allocated_storage", "RDS doesn't make storage smaller"),
            _STORAGE,
        ),
        Refused(
            Lowered("engine_version", "RDS has no way back to an older version"),
            f"{_GUIDE}/USER_UpgradeDBInstance.Upgrading.html",
        ),
        Refused(
            Raised(
                "engine_version",
                "RDS would keep the old parameter group until the maintenance window, and "
                "Terraform fails to delete that: set apply_immediately=True "
                "(docs/postgresql-upgrade.md)",
                of=_major,
            ),
            f"{_GUIDE}/USER_UpgradeDBInstance.PostgreSQL.html",
            unless="apply_immediately",
        ),
        Refused(
            Changed(
                "performance_insights_kms_key_id",
                "RDS doesn't change the key of Performance Insights: keep the one that it has",
                unset=False,
            ),
            f"{_GUIDE}/USER_PerfInsights.Enabling.html",
        ),
    ),
)

TYPES = (
    _INSTANCE,
    ResourceType(
        name="aws_db_event_subscription",
        lost=Lost("the messages about a failover, a full disk and maintenance"),
        worse=(
            TurnedOff("enabled", "the messages about the database"),
            Removed("event_categories", "the messages of that kind"),
            Removed("source_ids", "the messages about that database"),
        ),
    ),
    ResourceType(
        name="aws_db_parameter_group",
        lost=Nothing("RDS keeps one that is in use, and the code makes it anew"),
        worse=(
            TurnedOff(
                "parameter{rds.force_ssl}.value",
                "the database to connections without TLS",
                exposes=True,
            ),
            TurnedOff("parameter{pgaudit.log}.value", "the record of who changed what"),
            TurnedOff("parameter{log_connections}.value", "the record of who connected"),
            TurnedOff("parameter{log_disconnections}.value", "the record of who connected"),
            TurnedOff("parameter{shared_preload_libraries}.value", "the extensions that it loads"),
        ),
    ),
    ResourceType(
        name="aws_db_snapshot",
        lost=Lost("the snapshot"),
        worse=(Removed("shared_accounts", "the snapshot for the accounts that restore it"),),
    ),
    ResourceType(
        name="aws_db_subnet_group",
        lost=Nothing("RDS keeps one that is in use, and the code makes it anew"),
        worse=(Removed("subnet_ids", "a zone that the database can move to"),),
    ),
    ResourceType(
        name="aws_rds_cluster",
        lost=Lost("the database, but for its snapshots"),
        worse=(
            Lowered("backup_retention_period", "the automated backups that are older", missing=1),
            TurnedOff("deletion_protection", "the protection against its deletion"),
            TurnedOn("skip_final_snapshot", "the last snapshot, once it is deleted"),
            TurnedOff("storage_encrypted", "what is stored to whoever has its copy", exposes=True),
            Changed("cluster_identifier", "the address that programs connect to"),
            Raised("engine_version", "the way back, but for a restore", of=_major),
        ),
        interrupts=(
            _deferred(
                Changed("engine_version", "the database is away for minutes"),
                "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide"
                "/USER_UpgradeDBInstance.PostgreSQL.html",
            ),
        ),
    ),
)
