"""One environment as a Terraform stack: the parts, and what each hands to the next."""

from cdktf import TerraformStack
from constructs import Construct

from lib import extend
from lib.config.environment_config import EnvironmentConfig
from lib.modules.alb_module import AlbModule
from lib.modules.ecs_module import EcsModule
from lib.modules.encryption import EncryptionModule
from lib.modules.log_bucket import LogBucketModule
from lib.modules.monitoring import MonitoringModule
from lib.modules.naming import NamingModule
from lib.modules.outputs import StackOutputs
from lib.modules.provider import ProviderModule
from lib.modules.rds_module import RdsModule
from lib.modules.security_groups import SecurityGroupsModule
from lib.modules.ssm_outputs import SsmOutputs
from lib.modules.state_backend import StateBackendModule, configure_backend
from lib.modules.vpc_module import VpcModule


class TapStack(TerraformStack):
    """The stack ``naming.stack_id``. It only composes: resources are in parts, or the team's."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: EnvironmentConfig,
        environment_suffix: str,
        password_given: bool = False,
    ) -> None:
        naming = NamingModule(
            config.name, config.region, environment_suffix, account_id=config.account_id
        )
        super().__init__(scope, naming.stack_id)
        configure_backend(self, config=config, naming=naming)
        account = ProviderModule(
            self, "provider", config=config, environment_suffix=environment_suffix
        ).outputs
        encryption = EncryptionModule(
            self, "encryption", config=config.encryption, naming=naming, account=account
        ).outputs
        log_bucket = LogBucketModule(
            self, "access_logs", config=config.access_logs, naming=naming, account=account
        ).outputs
        state = StateBackendModule(
            self,
            "state",
            config=config.state,
            naming=naming,
            encryption=encryption,
            log_bucket=log_bucket,
        ).outputs
        network = VpcModule(
            self,
            "network",
            config=config.network,
            naming=naming,
            account=account,
            encryption=encryption,
        ).outputs
        security = SecurityGroupsModule(
            self, "security", config=config, naming=naming, network=network
        ).outputs
        database = RdsModule(
            self,
            "database",
            config=config.database,
            naming=naming,
            account=account,
            encryption=encryption,
            network=network,
            security=security,
            password_given=password_given,
        ).outputs
        load_balancer = AlbModule(
            self,
            "load_balancer",
            config=config.load_balancer,
            service=config.service,
            naming=naming,
            encryption=encryption,
            log_bucket=log_bucket,
            network=network,
            security=security,
        ).outputs
        service = EcsModule(
            self,
            "service",
            config=config.service,
            naming=naming,
            account=account,
            encryption=encryption,
            network=network,
            security=security,
            database=database,
            load_balancer=load_balancer,
        ).outputs
        monitoring = None
        if config.alarms:
            monitoring = MonitoringModule(
                self,
                "monitoring",
                config=config.alarms,
                running_count=config.service.minimum_count,
                naming=naming,
                account=account,
                encryption=encryption,
                database=database,
                load_balancer=load_balancer,
                service=service,
            ).outputs
        SsmOutputs(
            self,
            "outputs",
            naming=naming,
            state=state,
            network=network,
            database=database,
            load_balancer=load_balancer,
            service=service,
        )
        extend.extend(
            self,
            StackOutputs(
                config=config,
                naming=naming,
                account=account,
                encryption=encryption,
                log_bucket=log_bucket,
                state=state,
                network=network,
                security=security,
                database=database,
                load_balancer=load_balancer,
                service=service,
                monitoring=monitoring,
            ),
        )
