"""What AWS tells of each type of resource: the table behind ``drift.py``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ops.recover.kinds import KINDS, Kind

Settings = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that tells of a resource. ``kind.found`` is the part of its answer that does, in which
    ``settings`` finds arguments: JMESPath expressions over that, by those over the resource's
    arguments. In the call and in ``found``, ``$id`` and ``$arn`` are the live thing's.
    """

    kind: Kind
    settings: Settings


def _same(*names: str) -> Settings:
    """Arguments that AWS calls the same, but in its own way of writing: ``multi_az`` MultiAz."""
    return {name: "".join(map(str.capitalize, name.split("_"))) for name in names}


def _found(type_: str, found: str, settings: Settings, **arguments: Any) -> Answer:
    """What the call by which recover finds a resource tells of it."""
    kind = KINDS[type_]
    return Answer(replace(kind, found=found, arguments={**kind.arguments, **arguments}), settings)


def _asked(
    service: str, operation: str, arguments: Mapping[str, Any], found: str, settings: Settings
) -> Answer:
    """What a further call tells."""
    return Answer(Kind(service, operation, arguments, found), settings)


def _tags(service: str, operation: str, argument: str, of: str, found: str) -> Answer:
    """A call for nothing but tags."""
    return _asked(service, operation, {argument: of}, found, {"tags": "@"})


def _ec2(type_: str, key: str, id_: str, settings: Settings | None = None) -> tuple[Answer]:
    """What EC2 tells of a thing, in the answer by which recover finds it."""
    found = f"{key}[?{id_} == $id] | [0]"
    return (_found(type_, found, {"tags": "Tags", **(settings or {})}),)


def _bucket(operation: str, found: str, settings: Settings) -> tuple[Answer]:
    """What a bucket has one of."""
    return (_asked("s3", operation, {"Bucket": "$bucket"}, found, settings),)


def _balancing(found: str, argument: str, names: Settings) -> Answer:
    """Attributes, a list of keys and values, of a load balancer or target group."""
    return _asked(
        *("elbv2", f"describe_{found}_attributes", {argument: "$id"}, "Attributes"),
        {name: f"[?Key == '{key}'].Value | [0]" for name, key in names.items()},
    )


_ELB_TAGS = _asked(
    *("elbv2", "describe_tags", {"ResourceArns": ["$id"]}, "TagDescriptions[0]"), {"tags": "Tags"}
)
_RDS_TAGS = _tags("rds", "list_tags_for_resource", "ResourceName", "$arn", "TagList")
_WAF_TAGS = _tags(
    *("wafv2", "list_tags_for_resource", "ResourceARN", "$arn", "TagInfoForResource.TagList")
)

ANSWERS: Mapping[str, tuple[Answer, ...]] = {
    "aws_appautoscaling_policy": (
        _found(
            "aws_appautoscaling_policy",
            "ScalingPolicies[?PolicyName == $name] | [0].TargetTrackingScalingPolicyConfiguration",
            {
                "target_tracking_scaling_policy_configuration.target_value": "TargetValue",
                (
                    "target_tracking_scaling_policy_configuration"
                    ".predefined_metric_specification.predefined_metric_type"
                ): "PredefinedMetricSpecification.PredefinedMetricType",
            },
        ),
    ),
    "aws_appautoscaling_target": (
        _found(
            "aws_appautoscaling_target",
            "ScalableTargets[?ScalableDimension == $scalable_dimension] | [0]",
            _same("min_capacity", "max_capacity"),
        ),
        _tags("application-autoscaling", "list_tags_for_resource", "ResourceARN", "$arn", "Tags"),
    ),
    "aws_cloudwatch_log_group": (
        _found(
            "aws_cloudwatch_log_group",
            "logGroups[?logGroupName == $name] | [0]",
            {"retention_in_days": "retentionInDays", "kms_key_id": "kmsKeyId"},
        ),
        _tags("logs", "list_tags_for_resource", "resourceArn", "$arn", "tags"),
    ),
    "aws_cloudwatch_metric_alarm": (
        _found(
            "aws_cloudwatch_metric_alarm",
            "MetricAlarms[0]",
            {
                **_same("comparison_operator", "evaluation_periods", "metric_name", "namespace"),
                **_same("period", "statistic", "threshold", "treat_missing_data"),
                "dimensions": "Dimensions[].{Key: Name, Value: Value}",
            },
        ),
        _tags("cloudwatch", "list_tags_for_resource", "ResourceARN", "$arn", "Tags"),
    ),
    "aws_db_event_subscription": (
        _found(
            "aws_db_event_subscription",
            "EventSubscriptionsList[0]",
            {
                **_same("enabled", "source_type"),
                "event_categories": "EventCategoriesList",
                "sns_topic": "SnsTopicArn",
                "source_ids": "SourceIdsList",
            },
        ),
        _RDS_TAGS,
    ),
    "aws_db_instance": (
        _found(
            "aws_db_instance",
            "DBInstances[0]",
            {
                **_same("allocated_storage", "auto_minor_version_upgrade", "copy_tags_to_snapshot"),
                **_same("backup_retention_period", "deletion_protection", "engine"),
                **_same("max_allocated_storage", "monitoring_interval"),
                **_same("monitoring_role_arn", "performance_insights_enabled"),
                **_same("performance_insights_retention_period", "storage_encrypted"),
                **_same("storage_type"),
                "backup_window": "PreferredBackupWindow",
                "enabled_cloudwatch_logs_exports": "EnabledCloudwatchLogsExports",
                "iam_database_authentication_enabled": "IAMDatabaseAuthenticationEnabled",
                "instance_class": "DBInstanceClass",
                "maintenance_window": "PreferredMaintenanceWindow",
                "manage_master_user_password": "MasterUserSecret != null",
                "multi_az": "MultiAZ",
                "parameter_group_name": "DBParameterGroups[].DBParameterGroupName | [0]",
                "performance_insights_kms_key_id": "PerformanceInsightsKMSKeyId",
                "tags": "TagList",
                "username": "MasterUsername",
            },
        ),
    ),
    "aws_db_parameter_group": (
        _asked(
            *("rds", "describe_db_parameters", {"DBParameterGroupName": "$name"}),
            "Parameters[?Source == 'user'].{Key: ParameterName, Value: ParameterValue}",
            {"parameter[].{Key: name, Value: value}": "@"},
        ),
        _RDS_TAGS,
    ),
    "aws_db_subnet_group": (_RDS_TAGS,),
    "aws_default_security_group": _ec2("aws_default_security_group", "SecurityGroups", "GroupId"),
    "aws_dynamodb_table": (
        _found(
            "aws_dynamodb_table",
            "Table",
            {
                **_same("deletion_protection_enabled"),
                "billing_mode": "BillingModeSummary.BillingMode",
                "server_side_encryption.kms_key_arn": "SSEDescription.KMSMasterKeyArn",
            },
        ),
        _asked(
            *("dynamodb", "describe_continuous_backups", {"TableName": "$name"}),
            "ContinuousBackupsDescription.PointInTimeRecoveryDescription",
            {"point_in_time_recovery.enabled": "PointInTimeRecoveryStatus == 'ENABLED'"},
        ),
        _tags("dynamodb", "list_tags_of_resource", "ResourceArn", "$arn", "Tags"),
    ),
    "aws_ecs_cluster": (
        _found(
            "aws_ecs_cluster",
            "clusters[0]",
            {"setting[].{Key: name, Value: value}": "settings[].{Key: name, Value: value}"}
            | {"tags": "tags"},
            include=["SETTINGS", "TAGS"],
        ),
    ),
    "aws_ecs_service": (
        _found(
            "aws_ecs_service",
            "services[0]",
            {
                "deployment_circuit_breaker.enable": (
                    "deploymentConfiguration.deploymentCircuitBreaker.enable"
                ),
                "deployment_circuit_breaker.rollback": (
                    "deploymentConfiguration.deploymentCircuitBreaker.rollback"
                ),
                "deployment_maximum_percent": "deploymentConfiguration.maximumPercent",
                "deployment_minimum_healthy_percent": (
                    "deploymentConfiguration.minimumHealthyPercent"
                ),
                "desired_count": "desiredCount",
                "enable_execute_command": "enableExecuteCommand || `false`",
                "health_check_grace_period_seconds": "healthCheckGracePeriodSeconds",
                "launch_type": "launchType",
                "network_configuration.assign_public_ip": (
                    "networkConfiguration.awsvpcConfiguration.assignPublicIp == 'ENABLED'"
                ),
                "network_configuration.subnets": (
                    "networkConfiguration.awsvpcConfiguration.subnets"
                ),
                "propagate_tags": "propagateTags",
                "tags": "tags",
            },
            include=["TAGS"],
        ),
    ),
    "aws_ecs_task_definition": (
        _asked(
            *("ecs", "describe_task_definition", {"taskDefinition": "$id", "include": ["TAGS"]}),
            "{task: taskDefinition, of: taskDefinition.containerDefinitions[0], tags: tags}",
            {
                "cpu": "task.cpu",
                "memory": "task.memory",
                "network_mode": "task.networkMode",
                "execution_role_arn": "task.executionRoleArn",
                "task_role_arn": "task.taskRoleArn",
                "runtime_platform.cpu_architecture": "task.runtimePlatform.cpuArchitecture",
                "container.image": "of.image",
                "container.command": "of.command",
                "container.user": "of.user",
                "container.readonlyRootFilesystem": "of.readonlyRootFilesystem",
                "container.portMappings[].containerPort": "of.portMappings[].containerPort",
                "container.logConfiguration": "of.logConfiguration",
                "container.environment[].{Key: name, Value: value}": (
                    "of.environment[].{Key: name, Value: value}"
                ),
                "tags": "tags",
            },
        ),
    ),
    "aws_eip": _ec2("aws_eip", "Addresses", "AllocationId"),
    "aws_flow_log": _ec2("aws_flow_log", "FlowLogs", "FlowLogId", _same("traffic_type")),
    "aws_iam_role": (
        _found(
            "aws_iam_role",
            "Role",
            {
                "assume_role_policy": "AssumeRolePolicyDocument",
                "permissions_boundary": "PermissionsBoundary.PermissionsBoundaryArn",
                "tags": "Tags",
            },
        ),
    ),
    "aws_iam_role_policy": (_found("aws_iam_role_policy", "@", {"policy": "PolicyDocument"}),),
    "aws_iam_role_policy_attachment": (),
    "aws_internet_gateway": _ec2("aws_internet_gateway", "InternetGateways", "InternetGatewayId"),
    "aws_kms_alias": (
        _found(
            "aws_kms_alias",
            "Aliases[?AliasName == $name] | [0]",
            {"target_key_id": "TargetKeyId"},
        ),
    ),
    "aws_kms_key": (
        _asked("kms", "describe_key", {"KeyId": "$id"}, "KeyMetadata", {"is_enabled": "Enabled"}),
        _asked(
            *("kms", "get_key_rotation_status", {"KeyId": "$id"}, "@"),
            {"enable_key_rotation": "KeyRotationEnabled"},
        ),
        _asked(
            *("kms", "get_key_policy", {"KeyId": "$id", "PolicyName": "default"}, "@"),
            {"policy": "Policy"},
        ),
        _tags("kms", "list_resource_tags", "KeyId", "$id", "Tags"),
    ),
    "aws_lb": (
        _found(
            "aws_lb",
            "LoadBalancers[0]",
            {
                "internal": "Scheme == 'internal'",
                "subnets": "AvailabilityZones[].SubnetId",
            },
        ),
        _balancing(
            "load_balancer",
            "LoadBalancerArn",
            {
                "idle_timeout": "idle_timeout.timeout_seconds",
                "drop_invalid_header_fields": "routing.http.drop_invalid_header_fields.enabled",
                "enable_deletion_protection": "deletion_protection.enabled",
                "access_logs.enabled": "access_logs.s3.enabled",
                "access_logs.bucket": "access_logs.s3.bucket",
                "access_logs.prefix": "access_logs.s3.prefix",
            },
        ),
        _ELB_TAGS,
    ),
    "aws_lb_listener": (_ELB_TAGS,),
    "aws_lb_target_group": (
        _found(
            "aws_lb_target_group",
            "TargetGroups[0]",
            {
                **_same("port", "protocol", "target_type", "vpc_id"),
                "health_check.healthy_threshold": "HealthyThresholdCount",
                "health_check.interval": "HealthCheckIntervalSeconds",
                "health_check.matcher": "Matcher.HttpCode",
                "health_check.path": "HealthCheckPath",
                "health_check.timeout": "HealthCheckTimeoutSeconds",
                "health_check.unhealthy_threshold": "UnhealthyThresholdCount",
            },
        ),
        _balancing(
            "target_group",
            "TargetGroupArn",
            {"deregistration_delay": "deregistration_delay.timeout_seconds"},
        ),
        _ELB_TAGS,
    ),
    "aws_nat_gateway": _ec2("aws_nat_gateway", "NatGateways", "NatGatewayId"),
    "aws_route_table": _ec2("aws_route_table", "RouteTables", "RouteTableId"),
    "aws_s3_bucket": _bucket("get_bucket_tagging", "@", {"tags": "TagSet"}),
    "aws_s3_bucket_lifecycle_configuration": _bucket(
        "get_bucket_lifecycle_configuration",
        "Rules",
        {
            "rule[].status": "[].Status",
            "rule[].expiration[].days": "[].Expiration.Days",
            "rule[].noncurrent_version_expiration[].noncurrent_days": (
                "[].NoncurrentVersionExpiration.NoncurrentDays"
            ),
            "rule[].abort_incomplete_multipart_upload[].days_after_initiation": (
                "[].AbortIncompleteMultipartUpload.DaysAfterInitiation"
            ),
        },
    ),
    "aws_s3_bucket_logging": _bucket(
        "get_bucket_logging", "LoggingEnabled", _same("target_bucket", "target_prefix")
    ),
    "aws_s3_bucket_notification": (),
    "aws_s3_bucket_ownership_controls": _bucket(
        "get_bucket_ownership_controls",
        "OwnershipControls.Rules[0]",
        {"rule.object_ownership": "ObjectOwnership"},
    ),
    "aws_s3_bucket_policy": _bucket("get_bucket_policy", "@", {"policy": "Policy"}),
    "aws_s3_bucket_public_access_block": _bucket(
        "get_public_access_block",
        "PublicAccessBlockConfiguration",
        _same(
            *("block_public_acls", "block_public_policy"),
            *("ignore_public_acls", "restrict_public_buckets"),
        ),
    ),
    "aws_s3_bucket_server_side_encryption_configuration": _bucket(
        "get_bucket_encryption",
        "ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault",
        {"rule[0].apply_server_side_encryption_by_default.sse_algorithm": "SSEAlgorithm"},
    ),
    "aws_s3_bucket_versioning": _bucket(
        "get_bucket_versioning", "@", {"versioning_configuration.status": "Status"}
    ),
    "aws_secretsmanager_secret": (
        _asked(
            *("secretsmanager", "describe_secret", {"SecretId": "$id"}, "@"),
            {"kms_key_id": "KmsKeyId", "tags": "Tags"},
        ),
    ),
    "aws_security_group": _ec2("aws_security_group", "SecurityGroups", "GroupId"),
    "aws_sns_topic": (
        _asked(
            *("sns", "get_topic_attributes", {"TopicArn": "$id"}, "Attributes"),
            {"kms_master_key_id": "KmsMasterKeyId"},
        ),
        _tags("sns", "list_tags_for_resource", "ResourceArn", "$id", "Tags"),
    ),
    "aws_sns_topic_policy": (_found("aws_sns_topic_policy", "Attributes", {"policy": "Policy"}),),
    "aws_ssm_parameter": (
        _found("aws_ssm_parameter", "Parameters[0]", {"type": "Type"}),
        _asked(
            *("ssm", "list_tags_for_resource"),
            {"ResourceType": "Parameter", "ResourceId": "$name"},
            *("TagList", {"tags": "@"}),
        ),
    ),
    "aws_subnet": _ec2("aws_subnet", "Subnets", "SubnetId"),
    "aws_vpc": _ec2("aws_vpc", "Vpcs", "VpcId"),
    "aws_vpc_endpoint": _ec2("aws_vpc_endpoint", "VpcEndpoints", "VpcEndpointId"),
    "aws_wafv2_web_acl": (
        _asked(
            *(
                "wafv2",
                "get_web_acl",
                {"Name": "$name", "Scope": "$scope", "Id": "$web_acl_id"},
                "WebACL",
            ),
            {
                "default_action.allow != null": "DefaultAction.Allow != null",
                "rule[].[priority, name]": "Rules[].[Priority, Name]",
                "rule[?action.block != null].name": "Rules[?Action.Block != null].Name",
                "rule[?override_action.none != null].name": (
                    "Rules[?OverrideAction.None != null].Name"
                ),
                "rule[].statement.rate_based_statement.limit": (
                    "Rules[].Statement.RateBasedStatement.Limit"
                ),
                "rule[].statement.managed_rule_group_statement.rule_action_override[].name": (
                    "Rules[].Statement.ManagedRuleGroupStatement.RuleActionOverrides[].Name"
                ),
            },
        ),
        _WAF_TAGS,
    ),
    "aws_wafv2_web_acl_association": (
        _found("aws_wafv2_web_acl_association", "WebACL", {"web_acl_arn": "ARN"}),
    ),
    "aws_wafv2_web_acl_logging_configuration": (
        _found(
            "aws_wafv2_web_acl_logging_configuration",
            "LoggingConfigurations[?ResourceArn == $resource_arn] | [0]",
            {"log_destination_configs": "LogDestinationConfigs"},
        ),
    ),
}

# What the provider sets where the stack says nothing.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "aws_db_event_subscription": {"enabled": True},
    "aws_kms_key": {"is_enabled": True},
}

# Which check tells where one is gone; and for what ANSWERS lacks, of all there is to it.
TOLD_ELSEWHERE: Mapping[str, str] = {
    "aws_db_instance": "database.place",
    "aws_db_subnet_group": "database.place",
    "aws_default_security_group": "open paths",
    "aws_ecs_service": "service.running",
    "aws_flow_log": "parts.flow_logs",
    "aws_internet_gateway": "network.gateways",
    "aws_lb": "load_balancer.listeners",
    "aws_lb_listener": "load_balancer.listeners",
    "aws_lb_target_group": "service.targets",
    "aws_nat_gateway": "network.gateways",
    "aws_route": "network.routes",
    "aws_route_table": "network.routes",
    "aws_route_table_association": "network.routes",
    "aws_secretsmanager_secret_version": "parts.secret",
    "aws_security_group": "open paths",
    "aws_sns_topic": "parts.alarms",
    "aws_sns_topic_subscription": "parts.alarms",
    "aws_ssm_parameter": "parts.parameters",
    "aws_subnet": "network.subnets",
    "aws_vpc": "deployed",
    "aws_vpc_endpoint": "network.endpoints",
    "aws_vpc_security_group_egress_rule": "open paths",
    "aws_vpc_security_group_ingress_rule": "open paths",
}
