"""CloudWatch alarms on the service, its load balancer and its database, and RDS's own notices of
the database, such as a failover: all sent to one SNS topic.

Each alarm also says when it is over. Without a key of the environment's own the topic isn't
encrypted: alarms cannot be sent to one that is with a key of AWS's
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html).

Metrics and events:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/aws-services-cloudwatch-metrics.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from cdktf_cdktf_provider_aws.db_event_subscription import DbEventSubscription
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import AlarmsConfig
from lib.modules.encryption import NOTIFIERS
from lib.modules.iam import policy_document
from lib.modules.naming import NamingModule
from lib.modules.outputs import (
    AccountOutputs,
    DatabaseOutputs,
    EncryptionOutputs,
    LoadBalancerOutputs,
    MonitoringOutputs,
    ServiceOutputs,
)
from lib.modules.waivers import waive

GIB = 2**30  # bytes
DATABASE_EVENTS = ("configuration change", "failover", "failure", "low storage", "maintenance")


@dataclass(frozen=True, slots=True)
class _Alarm:
    """Goes off when ``metric`` (namespace/name) is past ``threshold`` ``in_a_row`` times."""

    id_: str
    metric: str
    dimensions: Mapping[str, str]
    _: KW_ONLY
    threshold: int
    below: bool = False
    statistic: str = "Average"
    minutes: int = 1
    in_a_row: int = 5
    missing_data: str = "notBreaching"


class MonitoringModule(Construct):
    """The topic, its subscriptions and the alarms, with thresholds from ``config``.

    ``running_count`` is how many tasks have to run: fewer is an alarm, where any have to.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: AlarmsConfig,
        running_count: int,
        naming: NamingModule,
        account: AccountOutputs,
        encryption: EncryptionOutputs,
        database: DatabaseOutputs,
        load_balancer: LoadBalancerOutputs,
        service: ServiceOutputs,
    ) -> None:
        super().__init__(scope, id_)
        self._naming = naming
        self._topic = SnsTopic(
            self,
            "topic",
            name=naming.generate_simple_name("alarms", limit=aws_limits.SNS_TOPIC_NAME_MAX),
            kms_master_key_id=encryption.key_arn,
        )
        waive(
            self._topic,
            "CKV_AWS_26",
            reason="alarms reach no topic under AWS's key, and there is none of its own",
            cost="$1 for the environment's key",
            when=encryption.key_arn is None,
        )
        policy = SnsTopicPolicy(
            self,
            "topic_policy",
            arn=self._topic.arn,
            policy=policy_document(
                {
                    "Sid": "AlarmsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": list(NOTIFIERS)},
                    "Action": "sns:Publish",
                    "Resource": self._topic.arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": account.account_id}},
                }
            ),
        )
        for number, email in enumerate(config.emails):
            SnsTopicSubscription(
                self, f"email{number}", topic_arn=self._topic.arn, protocol="email", endpoint=email
            )

        balancer = {"LoadBalancer": load_balancer.arn_suffix}
        targets = {**balancer, "TargetGroup": load_balancer.target_group_arn_suffix}
        tasks = {"ClusterName": service.cluster_name, "ServiceName": service.service_name}
        instance = {"DBInstanceIdentifier": database.identifier}
        for alarm in (
            *(
                _Alarm(
                    f"http_5xx_{origin}",
                    f"AWS/ApplicationELB/{metric}",
                    balancer,
                    threshold=config.http_5xx_count,
                    statistic="Sum",
                    minutes=5,
                    in_a_row=1,
                )
                for origin, metric in (
                    ("balancer", "HTTPCode_ELB_5XX_Count"),
                    ("targets", "HTTPCode_Target_5XX_Count"),
                )
            ),
            _Alarm(
                "unhealthy_hosts",
                "AWS/ApplicationELB/UnHealthyHostCount",
                targets,
                threshold=0,
                statistic="Maximum",
            ),
            _Alarm(
                "service_cpu",
                "AWS/ECS/CPUUtilization",
                tasks,
                threshold=config.service_cpu_percent,
            ),
            _Alarm(
                "service_memory",
                "AWS/ECS/MemoryUtilization",
                tasks,
                threshold=config.service_memory_percent,
            ),
            _Alarm(
                "database_cpu",
                "AWS/RDS/CPUUtilization",
                instance,
                threshold=config.database_cpu_percent,
            ),
            _Alarm(
                "database_connections",
                "AWS/RDS/DatabaseConnections",
                instance,
                threshold=config.database_connections,
            ),
            _Alarm(
                "database_storage",
                "AWS/RDS/FreeStorageSpace",
                instance,
                threshold=config.database_free_storage_gib * GIB,
                below=True,
                statistic="Minimum",
            ),
        ):
            self._alarm(alarm)
        if running_count:
            # Each running task reports once a minute; with none of them, nothing does:
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html
            self._alarm(
                _Alarm(
                    "running_tasks",
                    "AWS/ECS/CPUUtilization",
                    tasks,
                    threshold=running_count,
                    below=True,
                    statistic="SampleCount",
                    missing_data="breaching",
                )
            )
        DbEventSubscription(
            self,
            "database_events",
            name=naming.generate_simple_name("dbevents"),
            sns_topic=self._topic.arn,
            source_type="db-instance",
            source_ids=[database.identifier],
            event_categories=list(DATABASE_EVENTS),
            # RDS refuses a topic that it may not publish to.
            depends_on=[policy],
        )
        self.outputs = MonitoringOutputs(topic_arn=self._topic.arn)

    def _alarm(self, alarm: _Alarm) -> None:
        namespace, metric = alarm.metric.rsplit("/", 1)
        CloudwatchMetricAlarm(
            self,
            alarm.id_,
            alarm_name=self._naming.generate_simple_name(
                alarm.id_.replace("_", ""), limit=aws_limits.CLOUDWATCH_ALARM_NAME_MAX
            ),
            namespace=namespace,
            metric_name=metric,
            dimensions=alarm.dimensions,
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            threshold=alarm.threshold,
            statistic=alarm.statistic,
            period=alarm.minutes * 60,
            evaluation_periods=alarm.in_a_row,
            treat_missing_data=alarm.missing_data,
            alarm_actions=[self._topic.arn],
            ok_actions=[self._topic.arn],
        )
