"""The Application Load Balancer: HTTPS with a certificate, plain HTTP without.

Leaves out DNS records, WAF and access logs.

Rules: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
"""

import hashlib

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.lb import Lb
from cdktf_cdktf_provider_aws.lb_listener import (
    LbListener,
    LbListenerDefaultAction,
    LbListenerDefaultActionRedirect,
)
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import LoadBalancerConfig, ServiceConfig
from lib.modules.naming import NamingModule
from lib.modules.outputs import LoadBalancerOutputs, SecurityGroupOutputs, VpcOutputs
from lib.modules.security_groups import HTTP, HTTPS


class AlbModule(Construct):
    """The load balancer, its listeners and the target group that the service joins."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: LoadBalancerConfig,
        service: ServiceConfig,
        naming: NamingModule,
        network: VpcOutputs,
        security: SecurityGroupOutputs,
    ) -> None:
        super().__init__(scope, id_)
        name = naming.generate_simple_name("alb", limit=aws_limits.ALB_NAME_MAX)
        balancer = Lb(
            self,
            "load_balancer",
            name=name,
            load_balancer_type="application",
            internal=False,
            subnets=list(network.public_subnet_ids),
            security_groups=[security.load_balancer_id],
            idle_timeout=config.idle_timeout_seconds,
            drop_invalid_header_fields=True,
            enable_deletion_protection=config.deletion_protection,
            tags={"Name": name},
            # Reachable as soon as it exists.
            depends_on=list(network.internet_access),
        )
        target_group = self._target_group(config, service, naming, network)
        forward = LbListenerDefaultAction(type="forward", target_group_arn=target_group.arn)
        if config.certificate_arn:
            LbListener(
                self,
                "http",
                load_balancer_arn=balancer.arn,
                port=HTTP,
                protocol="HTTP",
                default_action=[
                    LbListenerDefaultAction(
                        type="redirect",
                        redirect=LbListenerDefaultActionRedirect(
                            protocol="HTTPS", port=str(HTTPS), status_code="HTTP_301"
                        ),
                    )
                ],
            )
            listener = LbListener(
                self,
                "https",
                load_balancer_arn=balancer.arn,
                port=HTTPS,
                protocol="HTTPS",
                certificate_arn=config.certificate_arn,
                ssl_policy=config.tls_policy,
                default_action=[forward],
            )
        else:
            listener = LbListener(
                self,
                "http",
                load_balancer_arn=balancer.arn,
                port=HTTP,
                protocol="HTTP",
                default_action=[forward],
            )
        scheme = "https" if config.certificate_arn else "http"
        self.outputs = LoadBalancerOutputs(
            dns_name=balancer.dns_name,
            url=f"{scheme}://{balancer.dns_name}",
            arn_suffix=balancer.arn_suffix,
            target_group_arn=target_group.arn,
            target_group_arn_suffix=target_group.arn_suffix,
            listener=listener,
        )

    def _target_group(
        self,
        config: LoadBalancerConfig,
        service: ServiceConfig,
        naming: NamingModule,
        network: VpcOutputs,
    ) -> LbTargetGroup:
        """Named by what it cannot change: a change makes a new one before the old one goes.

        A listener holds on to its target group, so the old one could not be deleted first, and two
        of one name cannot exist at a time.
        """
        protocol = "HTTP"
        fixed = f"{protocol}:{service.container_port}:ip:{network.cidr}"
        digest = hashlib.sha256(fixed.encode()).hexdigest()[:6]
        name = naming.generate_simple_name(f"tg{digest}", limit=aws_limits.TARGET_GROUP_NAME_MAX)
        check = service.health_check
        return LbTargetGroup(
            self,
            "target_group",
            name=name,
            target_type="ip",
            protocol=protocol,
            port=service.container_port,
            vpc_id=network.vpc_id,
            deregistration_delay=str(config.deregistration_delay_seconds),
            health_check=LbTargetGroupHealthCheck(
                path=check.path,
                interval=check.interval_seconds,
                timeout=check.timeout_seconds,
                healthy_threshold=check.healthy_threshold,
                unhealthy_threshold=check.unhealthy_threshold,
                matcher=check.matcher,
            ),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
            tags={"Name": name},
        )
