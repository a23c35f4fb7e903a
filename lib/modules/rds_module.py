"""The PostgreSQL database: private, encrypted, TLS only, its password in Secrets Manager.

Its password is made and rotated by RDS, or given as DB_PASSWORD: an ephemeral variable that goes
into write-only arguments, so that its value is in no file, plan or state
(``docs/adr/0004-database-password.md``). Leaves out read replicas and a proxy.

Rules: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html
"""

from cdktf import Fn, ITerraformDependable, TerraformResourceLifecycle, TerraformVariable
from cdktf_cdktf_provider_aws.db_instance import DbInstance
from cdktf_cdktf_provider_aws.db_parameter_group import (
    DbParameterGroup,
    DbParameterGroupParameter,
)
from cdktf_cdktf_provider_aws.db_subnet_group import DbSubnetGroup
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.secretsmanager_secret import SecretsmanagerSecret
from cdktf_cdktf_provider_aws.secretsmanager_secret_version import SecretsmanagerSecretVersion
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import DatabaseConfig
from lib.modules.iam import service_role
from lib.modules.log_group import log_group
from lib.modules.naming import NamingModule
from lib.modules.outputs import (
    AccountOutputs,
    DatabaseOutputs,
    EncryptionOutputs,
    SecurityGroupOutputs,
    VpcOutputs,
)
from lib.modules.waivers import waive

PASSWORD_VARIABLE = "db_password"

DEFAULT_PORT = 5432

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appearance.PostgreSQL.CommonDBATasks.Parameters.html
PARAMETERS = {
    "rds.force_ssl": "1",
    # PostgreSQL's own log of statements has the passwords that CREATE and ALTER ROLE set; pgAudit
    # leaves them out:
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.Query_Logging.html
    "log_statement": "none",
    "log_min_duration_statement": "1000",  # milliseconds: the slow ones
    "log_connections": "1",
    "log_disconnections": "1",
}


class RdsModule(Construct):
    """The database of one environment, as ``config`` sizes it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: DatabaseConfig,
        naming: NamingModule,
        account: AccountOutputs,
        encryption: EncryptionOutputs,
        network: VpcOutputs,
        security: SecurityGroupOutputs,
        password_given: bool,
    ) -> None:
        super().__init__(scope, id_)
        self._naming = naming
        self._key_arn = encryption.key_arn
        identifier = naming.generate_simple_name("db", limit=aws_limits.RDS_IDENTIFIER_MAX)
        subnets = DbSubnetGroup(
            self,
            "subnets",
            name=naming.generate_simple_name("db", limit=aws_limits.DB_SUBNET_GROUP_NAME_MAX),
            description="The private subnets",
            subnet_ids=list(network.private_subnet_ids),
            tags={"Name": identifier},
        )
        # RDS makes these itself otherwise, and keeps what is in them forever.
        log_groups = [
            log_group(
                self,
                f"{export}_log_group".replace("-", "_"),
                name=f"/aws/rds/instance/{identifier}/{export}",
                retention_days=config.log_retention_days,
                encryption=encryption,
            )
            for export in config.log_exports
        ]
        needed: list[ITerraformDependable] = [*log_groups]
        monitoring_role_arn = None
        if config.monitoring_interval_seconds:
            monitoring_role_arn, may_monitor = self._monitoring_role(account)
            needed.append(may_monitor)
        password = self._given_password() if password_given else None
        database = DbInstance(
            self,
            "instance",
            identifier=identifier,
            engine="postgres",
            engine_version=config.engine_version,
            engine_lifecycle_support=(
                "open-source-rds-extended-support"
                if config.extended_support
                else "open-source-rds-extended-support-disabled"
            ),
            # The major version is a line of config: changing it is asking for it.
            allow_major_version_upgrade=True,
            apply_immediately=config.apply_immediately or None,
            # After one that RDS installs, a named older one would be a downgrade, which it refuses.
            auto_minor_version_upgrade=config.minor_upgrades,
            instance_class=config.instance_class,
            multi_az=config.multi_az,
            storage_type="gp3",
            storage_encrypted=True,
            allocated_storage=config.storage_gib,
            max_allocated_storage=config.max_storage_gib,
            db_name=config.database_name,
            username=config.username,
            manage_master_user_password=None if password else True,
            password_wo=password,
            password_wo_version=config.password_version if password else None,
            iam_database_authentication_enabled=True,
            port=config.port,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[security.database_id],
            parameter_group_name=self._parameters(config),
            enabled_cloudwatch_logs_exports=list(config.log_exports),
            monitoring_interval=config.monitoring_interval_seconds,
            monitoring_role_arn=monitoring_role_arn,
            performance_insights_enabled=config.performance_insights,
            # Seven days are free of charge.
            performance_insights_retention_period=7 if config.performance_insights else None,
            performance_insights_kms_key_id=self._key_arn if config.performance_insights else None,
            backup_retention_period=config.backup_days,
            backup_window=config.backup_window,
            maintenance_window=config.maintenance_window,
            copy_tags_to_snapshot=True,
            deletion_protection=config.deletion_protection,
            skip_final_snapshot=not config.final_snapshot,
            # The time at which the database was made tells its final snapshot from that of the next
            # one of this name. Terraform sets it once and keeps it: see ignore_changes.
            final_snapshot_identifier=(
                f'{identifier}-final-${{formatdate("YYYYMMDDhhmmss", timestamp())}}'
                if config.final_snapshot
                else None
            ),
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=[
                    # The provider sends it only when it makes an instance, and plans it again and
                    # again: https://github.com/hashicorp/terraform-provider-aws/issues/40870
                    "engine_lifecycle_support",
                    # RDS refuses another key, half-way through the deploy:
                    # https://github.com/hashicorp/terraform-provider-aws/issues/44046
                    "performance_insights_kms_key_id",
                    *(["final_snapshot_identifier"] if config.final_snapshot else []),
                ],
                # RDS would refuse as well, half-way through: here the plan does.
                prevent_destroy=config.deletion_protection,
            ),
            depends_on=needed,
            tags={"Name": identifier},
        )
        secret = self._secret(config) if password else None
        self.outputs = DatabaseOutputs(
            identifier=database.identifier,
            address=database.address,
            port=config.port,
            database_name=config.database_name,
            secret_arn=(secret.arn if secret else database.master_user_secret.get(0).secret_arn),
            secret_key_arn=self._key_arn if secret else None,
            secret_filled=(
                (self._password_in(secret, config, password),) if secret and password else ()
            ),
        )
        self._waivers(config, database)

    def _waivers(self, config: DatabaseConfig, database: DbInstance) -> None:
        waive(
            database,
            "CKV_AWS_157",
            "AwsSolutions-RDS3",
            reason="may be down for the minutes of a restore: a standby is for production",
            cost="instance and storage once more: $15 for db.t3.micro, $29 for db.t3.small",
            when=not config.multi_az,
        )
        waive(
            database,
            "CKV_AWS_293",
            "AwsSolutions-RDS10",
            reason="goes with its environment, which is made to be thrown away",
            cost="nothing",
            when=not config.deletion_protection,
        )
        waive(
            database,
            "CKV_AWS_226",
            reason="the config names a minor version, which RDS must not leave behind",
            cost="nothing",
            when=not config.minor_upgrades,
        )
        waive(
            database,
            "AwsSolutions-RDS11",
            reason="a port is no secret; the service's security group alone gets in",
            cost="nothing",
            when=config.port == DEFAULT_PORT,
        )
        waive(
            database,
            "CKV_AWS_118",
            reason="CloudWatch's metrics say enough",
            cost="$0.10",
            when=not config.monitoring_interval_seconds,
        )
        waive(
            database,
            "CKV_AWS_353",
            reason="nobody tunes queries here",
            cost="nothing",
            when=not config.performance_insights,
        )
        waive(
            database,
            "CKV_AWS_354",
            reason="encrypted with AWS's key; its own is for environments with real data",
            cost="$1 for the environment's key",
            when=config.performance_insights and self._key_arn is None,
        )

    def _parameters(self, config: DatabaseConfig) -> str:
        """The parameter group, one for each major version: an upgrade needs the new one first."""
        parameters = [
            DbParameterGroupParameter(name=name, value=value) for name, value in PARAMETERS.items()
        ]
        if config.audited_statements:
            parameters += (
                DbParameterGroupParameter(
                    name="shared_preload_libraries",
                    value="pg_stat_statements,pgaudit",
                    # Read when the database starts; for a new one, that is before it is used.
                    apply_method="pending-reboot",
                ),
                DbParameterGroupParameter(
                    name="pgaudit.log", value=",".join(config.audited_statements)
                ),
            )
        return DbParameterGroup(
            self,
            "parameters",
            name=self._naming.generate_simple_name(
                f"pg{config.engine_major}", limit=aws_limits.DB_PARAMETER_GROUP_NAME_MAX
            ),
            family=f"postgres{config.engine_major}",
            description="TLS only, slow statements logged",
            parameter=parameters,
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        ).name

    def _monitoring_role(self, account: AccountOutputs) -> tuple[str, IamRolePolicyAttachment]:
        """The role's ARN, and what has to be there before RDS uses it."""
        role = service_role(
            self,
            "monitoring_role",
            word="rdsmonitoring",
            service="monitoring.rds.amazonaws.com",
            naming=self._naming,
            account=account,
        )
        attachment = IamRolePolicyAttachment(
            self,
            "monitoring_policy",
            role=role.name,
            policy_arn=(
                f"arn:{account.partition}:iam::aws:policy/service-role/"
                "AmazonRDSEnhancedMonitoringRole"
            ),
        )
        for resource in (role, attachment):
            waive(
                resource,
                "AwsSolutions-IAM4",
                reason="RDS says that this policy is what it needs, and AWS keeps it so",
                cost="nothing",
            )
        return role.arn, attachment

    def _given_password(self) -> str:
        variable = TerraformVariable(
            self,
            PASSWORD_VARIABLE,
            type="string",
            description="Master password of the database; handed over as TF_VAR_db_password",
            sensitive=True,
            nullable=False,
        )
        variable.override_logical_id(PASSWORD_VARIABLE)
        # Ephemeral values are Terraform's way to keep a value out of plan and state (1.10 and up);
        # this version of CDKTF has no argument for it.
        variable.add_override("ephemeral", True)
        return variable.string_value

    def _secret(self, config: DatabaseConfig) -> SecretsmanagerSecret:
        """A secret for the given password, of the same kind as the one that RDS would make.

        A deleted secret keeps its name until its recovery window ends, hence the prefix: the next
        environment of this name is not kept waiting.
        """
        secret = SecretsmanagerSecret(
            self,
            "secret",
            name_prefix=self._naming.generate_simple_name("db") + "-",
            description="Master user of the database",
            recovery_window_in_days=30 if config.deletion_protection else 0,
            kms_key_id=self._key_arn,
        )
        waive(
            secret,
            "CKV2_AWS_57",
            reason="who gives a password rotates it; without one, RDS does",
            cost="nothing",
        )
        waive(
            secret,
            "CKV_AWS_149",
            reason="encrypted with AWS's key; its own is for environments with real data",
            cost="$1 for the environment's key",
            when=self._key_arn is None,
        )
        return secret

    def _password_in(
        self, secret: SecretsmanagerSecret, config: DatabaseConfig, password: str
    ) -> SecretsmanagerSecretVersion:
        """The given password in its secret. Another ``password_version`` makes another version of
        it: the secret keeps its ARN, and has a value all the time."""
        return SecretsmanagerSecretVersion(
            self,
            "secret_version",
            secret_id=secret.id,
            secret_string_wo=Fn.jsonencode({"username": config.username, "password": password}),
            secret_string_wo_version=config.password_version,
        )
