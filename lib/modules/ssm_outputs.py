"""What an environment tells others: SSM parameters, and the same values as Terraform outputs.

The one place that publishes. Nothing here is secret: of a secret, the ARN is published.

Rules: https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
"""

from enum import StrEnum

from cdktf import TerraformOutput
from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from constructs import Construct

from lib.modules.naming import NamingModule
from lib.modules.outputs import (
    DatabaseOutputs,
    LoadBalancerOutputs,
    ServiceOutputs,
    StateBackendOutputs,
    VpcOutputs,
)
from lib.modules.waivers import waive


class Published(StrEnum):
    """Every published value, as ``component/key`` of ``/tap/{env}/{suffix}/{component}/{key}``."""

    VPC_ID = "network/vpc_id"
    PUBLIC_SUBNET_IDS = "network/public_subnet_ids"  # separated by commas
    PRIVATE_SUBNET_IDS = "network/private_subnet_ids"  # separated by commas
    DATABASE_ADDRESS = "database/address"
    DATABASE_PORT = "database/port"
    DATABASE_NAME = "database/name"
    DATABASE_SECRET_ARN = "database/secret_arn"
    SERVICE_URL = "service/url"
    LOAD_BALANCER_DNS_NAME = "service/load_balancer_dns_name"
    CLUSTER_NAME = "service/cluster_name"
    SERVICE_NAME = "service/service_name"
    LOG_GROUP_NAME = "service/log_group_name"
    STATE_BUCKET = "state/bucket"
    LOCK_TABLE = "state/lock_table"


class SsmOutputs(Construct):
    """Publishes each value of ``Published``."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        naming: NamingModule,
        state: StateBackendOutputs,
        network: VpcOutputs,
        database: DatabaseOutputs,
        load_balancer: LoadBalancerOutputs,
        service: ServiceOutputs,
    ) -> None:
        super().__init__(scope, id_)
        values = {
            Published.VPC_ID: network.vpc_id,
            Published.PUBLIC_SUBNET_IDS: ",".join(network.public_subnet_ids),
            Published.PRIVATE_SUBNET_IDS: ",".join(network.private_subnet_ids),
            Published.DATABASE_ADDRESS: database.address,
            Published.DATABASE_PORT: str(database.port),
            Published.DATABASE_NAME: database.database_name,
            Published.DATABASE_SECRET_ARN: database.secret_arn,
            Published.SERVICE_URL: load_balancer.url,
            Published.LOAD_BALANCER_DNS_NAME: load_balancer.dns_name,
            Published.CLUSTER_NAME: service.cluster_name,
            Published.SERVICE_NAME: service.service_name,
            Published.LOG_GROUP_NAME: service.log_group_name,
            Published.STATE_BUCKET: state.bucket_name,
            Published.LOCK_TABLE: state.lock_table_name,
        }
        parameters = Construct(self, "parameters")
        for published in Published:
            component, key = published.split("/")
            name = f"{component}_{key}"
            parameter = SsmParameter(
                parameters,
                name,
                name=naming.ssm_path(component, key),
                type="String",
                value=values[published],
            )
            waive(
                parameter,
                "CKV2_AWS_34",
                reason="a name or an address, no secret: whoever may read it needs no key",
                cost="$0.03 for 10,000 reads",
            )
            TerraformOutput(self, name, value=values[published]).override_logical_id(name)
