"""Who may talk to whom: three groups, and every open path between them, in one place.

    internet ──80, 443──► load balancer ──container port──► service ──database port──► database
                                                            service ──443──► internet

The database starts no connection. Rules are resources of their own, never inline: CDKTF writes
nulls into inline rules, which hides them from policy checks, and two kinds of rules on one group
undo each other. DNS needs no rule: the VPC's resolver is not subject to security groups.

Rules: https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.security_group import SecurityGroup
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import EnvironmentConfig
from lib.modules.naming import NamingModule
from lib.modules.outputs import SecurityGroupOutputs, VpcOutputs
from lib.modules.vpc_module import ANYWHERE
from lib.modules.waivers import waive

HTTP = 80
HTTPS = 443
# Of the rules into the service, before each port had its own.
FORMER_ADDRESSES = (
    "aws_vpc_security_group_egress_rule.security_load_balancer_to_service_out_561AD284",
    "aws_vpc_security_group_ingress_rule.security_load_balancer_to_service_in_F69BDFE2",
)


class SecurityGroupsModule(Construct):
    """The groups of the load balancer, the service and the database.

    Takes the whole environment's config: its ports and sources come from three slices.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: EnvironmentConfig,
        naming: NamingModule,
        network: VpcOutputs,
    ) -> None:
        super().__init__(scope, id_)
        self._naming = naming
        self._vpc_id = network.vpc_id
        balancer = self._group("load_balancer", "alb", "Load balancer: HTTP and HTTPS from outside")
        service = self._group("service", "service", "Service: its port from the load balancer")
        database = self._group("database", "database", "Database: PostgreSQL from the service")

        waive(
            balancer,
            "AwsSolutions-EC23",
            reason="open to those whom config lets in, as a public load balancer is",
            cost="nothing",
            when=ANYWHERE in config.load_balancer.allowed_cidrs,
        )
        ports = [HTTP, HTTPS] if config.load_balancer.certificate_arn else [HTTP]
        for port in ports:
            for number, cidr in enumerate(config.load_balancer.allowed_cidrs):
                rule = VpcSecurityGroupIngressRule(
                    self,
                    f"load_balancer_{port}_from_{number}",
                    security_group_id=balancer.id,
                    description=f"Port {port} from {cidr}",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    cidr_ipv4=cidr,
                )
                waive(
                    rule,
                    "CKV_AWS_260",
                    reason="where browsers knock first; a certificate sends them to HTTPS",
                    cost="nothing",
                    when=port == HTTP and cidr == ANYWHERE,
                )
                waive(
                    rule,
                    "AwsSolutions-EC23",
                    reason="open to those whom config lets in, as a public load balancer is",
                    cost="nothing",
                    when=cidr == ANYWHERE,
                )
        port = config.service.container_port
        into_service = self._allow(balancer, service, port, f"load_balancer_to_service_{port}")
        for rule, former in zip(into_service, FORMER_ADDRESSES, strict=True):
            rule.move_from_id(former)
        service_rules = [
            *into_service,
            *self._allow(service, database, config.database.port, "service_to_database"),
        ]
        to_internet = VpcSecurityGroupEgressRule(
            self,
            "service_to_internet",
            security_group_id=service.id,
            description="HTTPS: images, secrets, logs and whatever the service calls",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_ipv4=ANYWHERE,
        )
        self.outputs = SecurityGroupOutputs(
            load_balancer_id=balancer.id,
            service_id=service.id,
            database_id=database.id,
            service_rules=(*service_rules, to_internet),
        )

    def _group(self, id_: str, word: str, description: str) -> SecurityGroup:
        name = self._naming.generate_simple_name(word, limit=aws_limits.SECURITY_GROUP_NAME_MAX)
        return SecurityGroup(
            self,
            id_,
            name=name,
            # Changing it would replace the group.
            description=description,
            vpc_id=self._vpc_id,
            tags={"Name": name},
        )

    def _allow(
        self, source: SecurityGroup, target: SecurityGroup, port: int, id_: str
    ) -> tuple[VpcSecurityGroupEgressRule, VpcSecurityGroupIngressRule]:
        """Opens one port from one group to another: both ends have to.

        Where another port has other rules (its number is in ``id_``), those of the old one stay
        until the service no longer needs them.
        """
        lifecycle = TerraformResourceLifecycle(create_before_destroy=True)
        out = VpcSecurityGroupEgressRule(
            self,
            f"{id_}_out",
            security_group_id=source.id,
            description=f"Port {port} to the next tier",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            referenced_security_group_id=target.id,
            lifecycle=lifecycle,
        )
        into = VpcSecurityGroupIngressRule(
            self,
            f"{id_}_in",
            security_group_id=target.id,
            description=f"Port {port} from the tier before",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            referenced_security_group_id=source.id,
            lifecycle=lifecycle,
        )
        return out, into
