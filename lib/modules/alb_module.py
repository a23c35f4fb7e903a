"""The Application Load Balancer: HTTPS with a certificate, plain HTTP without.

Leaves out DNS records.

Rules: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
"""

import hashlib

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.lb import Lb, LbAccessLogs
from cdktf_cdktf_provider_aws.lb_listener import (
    LbListener,
    LbListenerDefaultAction,
    LbListenerDefaultActionRedirect,
)
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import LoadBalancerConfig, ServiceConfig
from lib.modules.log_bucket import LOAD_BALANCER_PREFIX
from lib.modules.naming import NamingModule
from lib.modules.outputs import (
    EncryptionOutputs,
    LoadBalancerOutputs,
    LogBucketOutputs,
    SecurityGroupOutputs,
    VpcOutputs,
)
from lib.modules.security_groups import HTTP, HTTPS
from lib.modules.waf import WafModule
from lib.modules.waivers import waive

# Of targets that are registered without a port. ECS registers each task with its container's, so
# that tasks of the old port and of the new one serve side by side while a deploy changes it.
TARGET_PORT = 8080
NO_CERTIFICATE = "there is no certificate yet: name one in load_balancer.certificate_arn"


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
        encryption: EncryptionOutputs,
        log_bucket: LogBucketOutputs,
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
            access_logs=(
                LbAccessLogs(
                    enabled=True, bucket=log_bucket.bucket_name, prefix=LOAD_BALANCER_PREFIX
                )
                if log_bucket.bucket_name
                else None
            ),
            tags={"Name": name},
            # Reachable as soon as it exists; it tries to write to its bucket at once.
            depends_on=[*network.internet_access, *log_bucket.writable],
        )
        if config.waf:
            WafModule(
                self,
                "waf",
                config=config.waf,
                load_balancer_arn=balancer.arn,
                naming=naming,
                encryption=encryption,
            )
        self._waivers(config, balancer, log_bucket)
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
            waive(listener, "CKV_AWS_2", "CKV_AWS_103", reason=NO_CERTIFICATE, cost="nothing")
        scheme = "https" if config.certificate_arn else "http"
        self.outputs = LoadBalancerOutputs(
            dns_name=balancer.dns_name,
            url=f"{scheme}://{config.domain_name or balancer.dns_name}",
            arn_suffix=balancer.arn_suffix,
            target_group_arn=target_group.arn,
            target_group_arn_suffix=target_group.arn_suffix,
            listener=listener,
        )

    def _waivers(
        self, config: LoadBalancerConfig, balancer: Lb, log_bucket: LogBucketOutputs
    ) -> None:
        waive(
            balancer,
            "CKV2_AWS_20",
            reason=NO_CERTIFICATE,
            cost="nothing",
            when=config.certificate_arn is None,
        )
        waive(
            balancer,
            "CKV2_AWS_28",
            reason="holds no data of customers; the firewall is for production",
            cost="$10, and $0.60 for a million requests",
            when=config.waf is None,
        )
        waive(
            balancer,
            "CKV_AWS_91",
            "AwsSolutions-ELB2",
            reason="nobody would look at them",
            cost="$0.023 a GB",
            when=log_bucket.bucket_name is None,
        )
        waive(
            balancer,
            "CKV_AWS_150",
            reason="goes with its environment, which is made to be thrown away",
            cost="nothing",
            when=not config.deletion_protection,
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
        fixed = f"{protocol}:{TARGET_PORT}:ip:{network.cidr}"
        digest = hashlib.sha256(fixed.encode()).hexdigest()[:6]
        name = naming.generate_simple_name(f"tg{digest}", limit=aws_limits.TARGET_GROUP_NAME_MAX)
        check = service.health_check
        group = LbTargetGroup(
            self,
            "target_group",
            name=name,
            target_type="ip",
            protocol=protocol,
            port=TARGET_PORT,
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
        waive(
            group,
            "CKV_AWS_378",
            reason=NO_CERTIFICATE,
            cost="nothing",
            when=config.certificate_arn is None,
        )
        return group
