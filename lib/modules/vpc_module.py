"""The VPC: a public and a private subnet in each of its two or three zones, and the ways out.

Needs a region that has the zones which config names: the plan says so where one is missing. Each
private subnet has a route table of its own, whichever the NAT mode: changing the mode changes
routes, never subnets. Leaves out IPv6, network ACLs (the default ones let all through; security
groups decide) and interface endpoints.

Rules: https://docs.aws.amazon.com/vpc/latest/userguide/what-is-amazon-vpc.html
"""

from cdktf import (
    Fn,
    ITerraformDependable,
    Op,
    Postcondition,
    TerraformResourceLifecycle,
    TerraformSelf,
    Token,
)
from cdktf_cdktf_provider_aws.data_aws_availability_zones import (
    DataAwsAvailabilityZones,
    DataAwsAvailabilityZonesFilter,
)
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.flow_log import FlowLog
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet
from cdktf_cdktf_provider_aws.vpc import Vpc
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from lib.config.environment_config import NetworkConfig
from lib.modules.iam import allow, policy_document, service_role
from lib.modules.log_group import LOG_STREAMS, log_group
from lib.modules.naming import NamingModule
from lib.modules.outputs import AccountOutputs, EncryptionOutputs, VpcOutputs
from lib.modules.waivers import waive

ANYWHERE = "0.0.0.0/0"


class VpcModule(Construct):
    """The network of one environment, as ``config`` sizes it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: NetworkConfig,
        naming: NamingModule,
        account: AccountOutputs,
        encryption: EncryptionOutputs,
    ) -> None:
        super().__init__(scope, id_)
        self._naming = naming
        self._vpc = Vpc(
            self,
            "vpc",
            cidr_block=config.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._name_tag("vpc"),
        )
        # Every new VPC has a group that lets its members talk: taken over here, and emptied.
        DefaultSecurityGroup(
            self,
            "default_security_group",
            vpc_id=self._vpc.id,
            ingress=[],
            egress=[],
            tags=self._name_tag("unused"),
        )
        self._zones = self._zones_of(config, account)
        public = self._subnets("public", [str(block) for block in config.public_subnets])
        private = self._subnets("private", [str(block) for block in config.private_subnets])

        gateway = InternetGateway(
            self, "internet_gateway", vpc_id=self._vpc.id, tags=self._name_tag("igw")
        )
        public_routes = self._route_table("public", public)
        ways_out: list[ITerraformDependable] = [
            Route(
                self,
                "public_internet",
                route_table_id=public_routes.id,
                destination_cidr_block=ANYWHERE,
                gateway_id=gateway.id,
            )
        ]
        private_routes = [
            self._route_table(f"private{zone}", [subnet]) for zone, subnet in enumerate(private)
        ]
        nats = [self._nat(zone, public[zone], gateway) for zone in range(config.nat_gateways)]
        if nats:
            for zone, table in enumerate(private_routes):
                nat = nats[zone % len(nats)]
                ways_out.append(
                    Route(
                        self,
                        f"private{zone}_internet",
                        route_table_id=table.id,
                        destination_cidr_block=ANYWHERE,
                        nat_gateway_id=nat.id,
                    )
                )
        # Free, and keeps image layers (which ECR serves from S3) off the NAT gateways' bill.
        # It has one name, in China too: https://github.com/aws/aws-cdk/issues/16139.
        # Its policy is open: tasks reach any host over HTTPS anyway, so that another one would keep
        # nothing in, and would shut out the images of registries that have their layers in S3.
        VpcEndpoint(
            self,
            "s3_endpoint",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{account.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in (public_routes, *private_routes)],
            tags=self._name_tag("s3"),
        )
        if config.flow_logs:
            self._flow_logs(config.flow_log_retention_days, account, encryption)
        waive(
            self._vpc,
            "AwsSolutions-VPC7",
            reason="a fault of tf-nag's, which looks for the VPC's address in the flow log's vpc_id"
            if config.flow_logs
            else "nobody would look at them",
            cost="nothing" if config.flow_logs else "$0.50 a GB",
        )
        waive(
            self._vpc,
            "CKV2_AWS_11",
            reason="nobody would look at them",
            cost="$0.50 a GB",
            when=not config.flow_logs,
        )

        self.outputs = VpcOutputs(
            vpc_id=self._vpc.id,
            cidr=config.cidr,
            public_subnet_ids=tuple(subnet.id for subnet in public),
            private_subnet_ids=tuple(subnet.id for subnet in private),
            internet_access=tuple(ways_out),
        )

    def _name_tag(self, word: str) -> dict[str, str]:
        return {"Name": self._naming.generate_simple_name(word)}

    def _zones_of(self, config: NetworkConfig, account: AccountOutputs) -> list[str]:
        """The names of the zones, in the config's order, as the region has them.

        Asked for by name, and whatever state they are in: a zone's outage must not move its
        subnets. The region's answer is sorted by name, whatever the config's order is. Where it
        lacks one, the plan says so before it plans a subnet.
        """
        names = [f"{account.region}{letter}" for letter in config.zones]
        zones = DataAwsAvailabilityZones(
            self,
            "zones",
            filter=[DataAwsAvailabilityZonesFilter(name="zone-name", values=names)],
            lifecycle=TerraformResourceLifecycle(
                postcondition=[
                    Postcondition(
                        condition=Op.eq(Fn.length_of(TerraformSelf.get_any("names")), len(names)),
                        error_message=f"The region lacks one of {', '.join(names)}: name the "
                        "letters of zones that it has in network.zones.",
                    )
                ]
            ),
        )
        return [
            Token.as_string(Fn.element(zones.names, sorted(names).index(name))) for name in names
        ]

    def _subnets(self, tier: str, blocks: list[str]) -> list[Subnet]:
        return [
            Subnet(
                self,
                f"{tier}{zone}",
                vpc_id=self._vpc.id,
                cidr_block=block,
                availability_zone=self._zones[zone],
                map_public_ip_on_launch=False,
                tags=self._name_tag(f"{tier}{zone}"),
            )
            for zone, block in enumerate(blocks)
        ]

    def _route_table(self, word: str, subnets: list[Subnet]) -> RouteTable:
        table = RouteTable(self, f"{word}_routes", vpc_id=self._vpc.id, tags=self._name_tag(word))
        for number, subnet in enumerate(subnets):
            RouteTableAssociation(
                self,
                f"{word}_routes_{number}",
                subnet_id=subnet.id,
                route_table_id=table.id,
            )
        return table

    def _nat(self, zone: int, subnet: Subnet, gateway: InternetGateway) -> NatGateway:
        address = Eip(
            self,
            f"nat{zone}_address",
            domain="vpc",
            tags=self._name_tag(f"nat{zone}"),
            depends_on=[gateway],
        )
        return NatGateway(
            self,
            f"nat{zone}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=self._name_tag(f"nat{zone}"),
            # It can only be made in a subnet that reaches the internet.
            depends_on=[gateway],
        )

    def _flow_logs(
        self, retention_days: int, account: AccountOutputs, encryption: EncryptionOutputs
    ) -> None:
        logs = log_group(
            self,
            "flow_log_group",
            name=self._naming.log_group("flowlogs"),
            retention_days=retention_days,
            encryption=encryption,
        )
        role = service_role(
            self,
            "flow_log_role",
            word="flowlogs",
            service="vpc-flow-logs.amazonaws.com",
            naming=self._naming,
            account=account,
        )
        policy = IamRolePolicy(
            self,
            "flow_log_policy",
            name="write-flow-logs",
            role=role.id,
            policy=policy_document(
                allow(
                    *("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
                    on=[logs.arn, f"{logs.arn}:*"],
                )
            ),
        )
        for resource in (role, policy):
            waive(resource, "AwsSolutions-IAM5", reason=LOG_STREAMS, cost="cannot be had")
        FlowLog(
            self,
            "flow_log",
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            tags=self._name_tag("flowlogs"),
            depends_on=[policy],
        )
