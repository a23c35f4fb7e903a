"""The Fargate service: a cluster, a task definition, its roles, and the service itself.

A deploy starts new tasks before it stops old ones, waits until they serve, and fails when ECS
rolled it back. Leaves out Spot, service discovery and remote access to containers.

Rules: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate.html
"""

import json
from collections.abc import Mapping
from typing import Any

from cdktf import Op, Postcondition, TerraformResourceLifecycle, TerraformSelf
from cdktf_cdktf_provider_aws.appautoscaling_policy import (
    AppautoscalingPolicy,
)
from cdktf_cdktf_provider_aws.appautoscaling_policy import (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfiguration as TargetTracking,
)
from cdktf_cdktf_provider_aws.appautoscaling_policy import (
    AppautoscalingPolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecification as Metric,
)
from cdktf_cdktf_provider_aws.appautoscaling_target import AppautoscalingTarget
from cdktf_cdktf_provider_aws.ecs_cluster import EcsCluster, EcsClusterSetting
from cdktf_cdktf_provider_aws.ecs_service import (
    EcsService,
    EcsServiceDeploymentCircuitBreaker,
    EcsServiceLoadBalancer,
    EcsServiceNetworkConfiguration,
)
from cdktf_cdktf_provider_aws.ecs_task_definition import (
    EcsTaskDefinition,
    EcsTaskDefinitionRuntimePlatform,
)
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import AutoscalingConfig, ServiceConfig, SubnetTier
from lib.config.images import ecr_image
from lib.modules.iam import allow, policy_document, service_role
from lib.modules.log_group import LOG_STREAMS, log_group
from lib.modules.naming import NamingModule
from lib.modules.outputs import (
    AccountOutputs,
    DatabaseOutputs,
    EncryptionOutputs,
    LoadBalancerOutputs,
    SecurityGroupOutputs,
    ServiceOutputs,
    VpcOutputs,
)
from lib.modules.waivers import waive

CONTAINER = "app"
# A program that logs more than CloudWatch takes goes on, and loses the lines beyond the buffer.
# Blocking, it would stop in the middle of a request, and fail its health check.
# https://aws.amazon.com/blogs/containers/preventing-log-loss-with-non-blocking-mode-in-the-awslogs-container-log-driver/
LOG_DELIVERY = {"mode": "non-blocking", "max-buffer-size": "25m"}


class EcsModule(Construct):
    """The service of one environment, as ``config`` sizes it."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: ServiceConfig,
        naming: NamingModule,
        account: AccountOutputs,
        encryption: EncryptionOutputs,
        network: VpcOutputs,
        security: SecurityGroupOutputs,
        database: DatabaseOutputs,
        load_balancer: LoadBalancerOutputs,
    ) -> None:
        super().__init__(scope, id_)
        self._config = config
        self._naming = naming
        self._account = account
        self._database = database
        self._logs = log_group(
            self,
            "log_group",
            name=naming.log_group("service"),
            retention_days=config.log_retention_days,
            encryption=encryption,
        )
        cluster = self._cluster()
        secret = [allow("secretsmanager:GetSecretValue", on=database.secret_arn)]
        if database.secret_key_arn:
            secret.append(allow("kms:Decrypt", on=database.secret_key_arn))
        write_logs = allow("logs:CreateLogStream", "logs:PutLogEvents", on=f"{self._logs.arn}:*")
        # What ECS may do to start a task, and what the program in it may do.
        execution, may_start = self._role("execution", write_logs, *secret, *self._image_pull())
        program, may_run = self._role("task", *secret)
        for resource in (execution, may_start):
            waive(resource, "AwsSolutions-IAM5", reason=LOG_STREAMS, cost="cannot be had")
        task = self._task_definition(execution, program)
        waive(
            task,
            "AwsSolutions-ECS2",
            reason="names and addresses, no secret: those are handed over by their ARN",
            cost="nothing",
        )
        name = naming.generate_simple_name("service", limit=aws_limits.ECS_SERVICE_NAME_MAX)
        service = EcsService(
            self,
            "service",
            name=name,
            cluster=cluster.arn,
            task_definition=task.arn,
            launch_type="FARGATE",
            platform_version="LATEST",
            desired_count=config.desired_count,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=EcsServiceDeploymentCircuitBreaker(
                enable=True, rollback=True
            ),
            wait_for_steady_state=True,
            health_check_grace_period_seconds=config.health_check_grace_seconds,
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            network_configuration=self._network(network, security),
            load_balancer=[
                EcsServiceLoadBalancer(
                    target_group_arn=load_balancer.target_group_arn,
                    container_name=CONTAINER,
                    container_port=config.container_port,
                )
            ],
            lifecycle=TerraformResourceLifecycle(
                # Autoscaling's to decide, where there is any.
                ignore_changes=["desired_count"] if config.autoscaling else None,
                # A rolled-back deploy reaches a steady state too:
                # https://github.com/hashicorp/terraform-provider-aws/issues/19519
                postcondition=[
                    Postcondition(
                        condition=Op.eq(TerraformSelf.get_string("task_definition"), task.arn),
                        error_message="ECS rolled the deploy back: the service runs an older task "
                        "definition. The service's events say why.",
                    )
                ],
            ),
            tags={"Name": name},
            # ECS refuses a target group that no listener uses; tasks need their rights, their
            # password and a way to their image before they start.
            depends_on=[
                load_balancer.listener,
                may_start,
                may_run,
                *database.secret_filled,
                *network.internet_access,
                *security.service_rules,
            ],
        )
        if config.autoscaling:
            self._autoscaling(config.autoscaling, cluster, service)
        waive(
            service,
            "CKV_AWS_333",
            reason="its way to the image without NAT; only the load balancer is let in",
            cost="$33 for a NAT gateway",
            when=config.subnets is SubnetTier.PUBLIC,
        )
        self.outputs = ServiceOutputs(
            cluster_name=cluster.name,
            service_name=service.name,
            task_definition_arn=task.arn,
            task_role_name=program.name,
            log_group_name=self._logs.name,
        )

    def _cluster(self) -> EcsCluster:
        insights = "enabled" if self._config.container_insights else "disabled"
        name = self._naming.generate_simple_name("cluster", limit=aws_limits.ECS_CLUSTER_NAME_MAX)
        cluster = EcsCluster(
            self,
            "cluster",
            name=name,
            setting=[EcsClusterSetting(name="containerInsights", value=insights)],
            tags={"Name": name},
        )
        waive(
            cluster,
            "CKV_AWS_65",
            "AwsSolutions-ECS4",
            reason="its service's metrics and logs say enough",
            cost="$11",
            when=not self._config.container_insights,
        )
        return cluster

    def _network(
        self, network: VpcOutputs, security: SecurityGroupOutputs
    ) -> EcsServiceNetworkConfiguration:
        public = self._config.subnets is SubnetTier.PUBLIC
        return EcsServiceNetworkConfiguration(
            subnets=list(network.public_subnet_ids if public else network.private_subnet_ids),
            security_groups=[security.service_id],
            # Without NAT, a public address is a task's only way to its image.
            assign_public_ip=public,
        )

    def _role(self, word: str, *statements: Mapping[str, Any]) -> tuple[IamRole, IamRolePolicy]:
        role = service_role(
            self,
            f"{word}_role",
            word=word,
            service="ecs-tasks.amazonaws.com",
            naming=self._naming,
            account=self._account,
        )
        policy = IamRolePolicy(
            self,
            f"{word}_policy",
            name=word,
            role=role.id,
            policy=policy_document(*statements),
        )
        return role, policy

    def _image_pull(self) -> list[Mapping[str, Any]]:
        """What pulling the image takes: nothing, unless it lies in a private ECR repository."""
        image = ecr_image(self._config.image)
        if not image:
            return []
        actions = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ]
        if self._config.pull_through_cache:
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html
            actions += ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]
        return [
            allow(
                *actions,
                on=f"arn:{self._account.partition}:ecr:{image.region}:{image.account}"
                f":repository/{image.repository}",
            ),
            # This action knows no resource:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
            allow("ecr:GetAuthorizationToken", on="*"),
        ]

    def _task_definition(self, execution: IamRole, task: IamRole) -> EcsTaskDefinition:
        config = self._config
        return EcsTaskDefinition(
            self,
            "task_definition",
            family=self._naming.generate_simple_name("task", limit=aws_limits.ECS_TASK_FAMILY_MAX),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(config.cpu_units),
            memory=str(config.memory_mib),
            execution_role_arn=execution.arn,
            task_role_arn=task.arn,
            runtime_platform=EcsTaskDefinitionRuntimePlatform(
                cpu_architecture=config.cpu_architecture, operating_system_family="LINUX"
            ),
            container_definitions=json.dumps([self._container()]),
            # Terraform deregisters no revision: a service that was rolled back runs an older one.
            skip_destroy=True,
            # One that was deployed without skip_destroy stays until the new one runs.
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )

    def _container(self) -> dict[str, Any]:
        """The container, in the words of the ECS API.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
        """
        config, database = self._config, self._database
        environment = {
            **{name: literal(value) for name, value in config.environment.items()},
            # libpq reads these: https://www.postgresql.org/docs/current/libpq-envars.html
            "PGHOST": database.address,
            "PGPORT": str(database.port),
            "PGDATABASE": database.database_name,
            **self._tls(),
            # A rotated password reaches a running task only when it asks for it.
            "DB_SECRET_ARN": database.secret_arn,
        }
        secrets = {"PGUSER": "username", "PGPASSWORD": "password"}
        container: dict[str, Any] = {
            "name": CONTAINER,
            "image": config.image,
            "essential": True,
            "user": config.user,
            "readonlyRootFilesystem": config.read_only_root,
            # An init process passes on the signal to stop, and reaps what the program leaves.
            "linuxParameters": {"initProcessEnabled": True},
            "portMappings": [{"containerPort": config.container_port, "protocol": "tcp"}],
            "environment": [
                {"name": name, "value": value} for name, value in sorted(environment.items())
            ],
            "secrets": [
                {"name": name, "valueFrom": f"{database.secret_arn}:{key}::"}
                for name, key in secrets.items()
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    **LOG_DELIVERY,
                    "awslogs-group": self._logs.name,
                    "awslogs-region": self._account.region,
                    "awslogs-stream-prefix": CONTAINER,
                },
            },
        }
        if config.container_command:
            container["command"] = [literal(word) for word in config.container_command]
        return container

    def _tls(self) -> dict[str, str]:
        """How libpq connects. RDS's certificates are of AWS's own authority, which no system
        trusts by itself: who answers can be checked with AWS's bundle alone.

        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
        """
        file = self._config.database_ca_file
        if file is None:
            return {"PGSSLMODE": "require"}
        return {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": file}

    def _autoscaling(
        self, config: AutoscalingConfig, cluster: EcsCluster, service: EcsService
    ) -> None:
        target = AppautoscalingTarget(
            self,
            "scaling_target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{cluster.name}/{service.name}",
            min_capacity=config.min_count,
            max_capacity=config.max_count,
        )
        for word, metric, percent in (
            ("cpu", "ECSServiceAverageCPUUtilization", config.cpu_target_percent),
            ("memory", "ECSServiceAverageMemoryUtilization", config.memory_target_percent),
        ):
            AppautoscalingPolicy(
                self,
                f"scale_on_{word}",
                name=self._naming.generate_simple_name(
                    word, limit=aws_limits.SCALING_POLICY_NAME_MAX
                ),
                policy_type="TargetTrackingScaling",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                target_tracking_scaling_policy_configuration=TargetTracking(
                    target_value=percent,
                    predefined_metric_specification=Metric(predefined_metric_type=metric),
                ),
            )


def literal(text: str) -> str:
    """Text as Terraform has to read it to mean just this text, not a template."""
    return text.replace("${", "$${").replace("%{", "%%{")
