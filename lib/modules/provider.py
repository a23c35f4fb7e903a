"""The AWS provider: where it works, as whom, and the tags that everything gets.

Assumes that credentials come from the usual places (environment, profile, OIDC): none are
configured here. https://registry.terraform.io/providers/hashicorp/aws/latest/docs
"""

from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.provider import (
    AwsProvider,
    AwsProviderAssumeRole,
    AwsProviderDefaultTags,
)
from constructs import Construct

from lib.config.environment_config import PROJECT, EnvironmentConfig
from lib.modules.outputs import AccountOutputs


class ProviderModule(Construct):
    """Configures the provider for one environment and names the account it works in."""

    def __init__(
        self, scope: Construct, id_: str, *, config: EnvironmentConfig, environment_suffix: str
    ) -> None:
        super().__init__(scope, id_)
        role = config.deploy_role_arn
        AwsProvider(
            self,
            "aws",
            region=config.region,
            allowed_account_ids=[config.account_id] if config.account_id else None,
            assume_role=[AwsProviderAssumeRole(role_arn=role)] if role else None,
            default_tags=[
                AwsProviderDefaultTags(
                    tags={
                        "Project": PROJECT,
                        "Environment": config.name,
                        "Suffix": environment_suffix,
                        "ManagedBy": "cdktf",
                        "Owner": config.owner,
                    }
                )
            ],
        )
        partition = DataAwsPartition(self, "partition")
        self.outputs = AccountOutputs(
            account_id=DataAwsCallerIdentity(self, "caller").account_id,
            partition=partition.partition,
            dns_suffix=partition.dns_suffix,
            region=config.region,
            permissions_boundary_arn=config.permissions_boundary_arn,
        )
