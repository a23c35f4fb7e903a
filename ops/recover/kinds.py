"""How AWS is asked for each type of resource that the stacks have."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """How AWS is asked for one type of resource.

    ``found`` is a JMESPath expression over a page of the answer. It gives an object for each thing:
    its ``id``; its ``status`` where it takes a while to be made; its ``tags`` where nothing
    else tells whose it is, those of others being left out; whatever attribute others refer to.
    In it and in ``arguments``, ``$name`` is the resource's argument of that name. ``import_id``
    makes the import's id where it isn't the thing's. ``told`` are further calls about each
    thing, by its id as the argument that each names, and what they add to the object: a thing
    that is ``gone`` is none. ``delete`` is the command that deletes one, for what can exist
    twice. ``if_same``: adopted only where Terraform would make just the same.
    """

    service: str
    operation: str
    arguments: Mapping[str, Any]
    found: str
    _: KW_ONLY
    import_id: Callable[[Callable[[str], str]], str] | None = None
    told: tuple[tuple[str, str, str], ...] = ()  # operation, argument, JMESPath expression
    delete: str = ""
    if_same: bool = False


def _bucket_part(operation: str, found: str) -> Kind:
    """What a bucket has one of. Its id is the bucket's."""
    return Kind("s3", operation, {"Bucket": "$bucket"}, f"{found} && [{{id: $bucket}}]")


def _rule(direction: str) -> Kind:
    """A rule of a security group, told by all that it says but its description."""
    same = (
        f"{direction} && IpProtocol == $ip_protocol && FromPort == $from_port"
        " && ToPort == $to_port && CidrIpv4 == $cidr_ipv4"
        " && ReferencedGroupInfo.GroupId == $referenced_security_group_id"
    )
    return Kind(
        "ec2",
        "describe_security_group_rules",
        {"Filters": [{"Name": "group-id", "Values": ["$security_group_id"]}]},
        f"SecurityGroupRules[?{same}].{{id: SecurityGroupRuleId}}",
    )


KINDS: Mapping[str, Kind] = {
    "aws_appautoscaling_policy": Kind(
        "application-autoscaling",
        "describe_scaling_policies",
        {"ServiceNamespace": "$service_namespace", "ResourceId": "$resource_id"},
        "ScalingPolicies[?PolicyName == $name].{id: PolicyName}",
        import_id=lambda of: "/".join(
            map(of, ("service_namespace", "resource_id", "scalable_dimension", "name"))
        ),
    ),
    "aws_appautoscaling_target": Kind(
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "$service_namespace", "ResourceIds": ["$resource_id"]},
        (
            "ScalableTargets[?ScalableDimension == $scalable_dimension]"
            ".{id: ResourceId, arn: ScalableTargetARN}"
        ),
        import_id=lambda of: "/".join(
            map(of, ("service_namespace", "resource_id", "scalable_dimension"))
        ),
    ),
    "aws_cloudwatch_log_group": Kind(
        "logs",
        "describe_log_groups",
        {"logGroupNamePrefix": "$name"},
        "logGroups[?logGroupName == $name].{id: logGroupName, arn: logGroupArn}",
    ),
    "aws_cloudwatch_metric_alarm": Kind(
        "cloudwatch",
        "describe_alarms",
        {"AlarmNames": ["$alarm_name"]},
        "MetricAlarms[].{id: AlarmName, arn: AlarmArn}",
    ),
    "aws_db_event_subscription": Kind(
        "rds",
        "describe_event_subscriptions",
        {"SubscriptionName": "$name"},
        "EventSubscriptionsList[].{id: CustSubscriptionId, arn: EventSubscriptionArn}",
    ),
    "aws_db_instance": Kind(
        "rds",
        "describe_db_instances",
        {"DBInstanceIdentifier": "$identifier"},
        (
            "DBInstances[].{id: DBInstanceIdentifier, status: DBInstanceStatus,"
            " address: Endpoint.Address,"
            ' "master_user_secret[0].secret_arn": MasterUserSecret.SecretArn}'
        ),
    ),
    "aws_db_parameter_group": Kind(
        "rds",
        "describe_db_parameter_groups",
        {"DBParameterGroupName": "$name"},
        "DBParameterGroups[].{id: DBParameterGroupName, arn: DBParameterGroupArn}",
        delete="aws rds delete-db-parameter-group --db-parameter-group-name",
    ),
    "aws_db_subnet_group": Kind(
        "rds",
        "describe_db_subnet_groups",
        {"DBSubnetGroupName": "$name"},
        "DBSubnetGroups[].{id: DBSubnetGroupName, arn: DBSubnetGroupArn}",
    ),
    "aws_default_security_group": Kind(
        "ec2",
        "describe_security_groups",
        {
            "Filters": [
                {"Name": "vpc-id", "Values": ["$vpc_id"]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        },
        "SecurityGroups[].{id: GroupId}",
    ),
    "aws_dynamodb_table": Kind(
        "dynamodb",
        "describe_table",
        {"TableName": "$name"},
        "[Table.{id: TableName, arn: TableArn, status: TableStatus}]",
    ),
    "aws_ecs_cluster": Kind(
        "ecs",
        "describe_clusters",
        {"clusters": ["$name"]},
        "clusters[?status == 'ACTIVE'].{id: clusterName, arn: clusterArn}",
    ),
    "aws_ecs_service": Kind(
        "ecs",
        "describe_services",
        {"cluster": "$cluster", "services": ["$name"]},
        # Its first deployment has to be through: Terraform waits for one only as it makes it.
        (
            "services[?status == 'ACTIVE'].{id: serviceName,"
            " status: deployments[?status == 'PRIMARY'].rolloutState | [0]}"
        ),
        import_id=lambda of: f"{of('cluster').rpartition('/')[2]}/{of('name')}",
    ),
    "aws_ecs_task_definition": Kind(
        "ecs",
        "list_task_definitions",
        {"familyPrefix": "$family", "status": "ACTIVE"},
        "taskDefinitionArns[].{id: @, arn: @} | [-1:]",  # the newest
        delete="aws ecs deregister-task-definition --task-definition",
        if_same=True,
    ),
    "aws_eip": Kind(
        "ec2",
        "describe_addresses",
        {},
        "Addresses[].{id: AllocationId, tags: Tags}",
        delete="aws ec2 release-address --allocation-id",
    ),
    "aws_flow_log": Kind(
        "ec2",
        "describe_flow_logs",
        {},
        "FlowLogs[].{id: FlowLogId, tags: Tags}",
        delete="aws ec2 delete-flow-logs --flow-log-ids",
    ),
    "aws_iam_role": Kind(
        "iam", "get_role", {"RoleName": "$name"}, "[Role.{id: RoleName, arn: Arn}]"
    ),
    "aws_iam_role_policy": Kind(
        "iam",
        "get_role_policy",
        {"RoleName": "$role", "PolicyName": "$name"},
        "[{id: PolicyName}]",
        import_id=lambda of: f"{of('role')}:{of('name')}",
    ),
    "aws_iam_role_policy_attachment": Kind(
        "iam",
        "list_attached_role_policies",
        {"RoleName": "$role"},
        "AttachedPolicies[?PolicyArn == $policy_arn].{id: PolicyArn}",
        import_id=lambda of: f"{of('role')}/{of('policy_arn')}",
    ),
    "aws_internet_gateway": Kind(
        "ec2",
        "describe_internet_gateways",
        {},
        "InternetGateways[].{id: InternetGatewayId, tags: Tags}",
        delete="aws ec2 delete-internet-gateway --internet-gateway-id",
    ),
    "aws_kms_alias": Kind(
        "kms", "list_aliases", {}, "Aliases[?AliasName == $name].{id: AliasName}"
    ),
    "aws_kms_key": Kind(
        "kms",
        "list_keys",
        {},
        "Keys[].{id: KeyId, key_id: KeyId, arn: KeyArn}",
        told=(
            # Deleted ones are there for days yet; AWS's own have no tags to be read.
            (
                "describe_key",
                "KeyId",
                "KeyMetadata.{gone: KeyState == 'PendingDeletion' || KeyManager == 'AWS'}",
            ),
            ("list_resource_tags", "KeyId", "{tags: Tags[].{Key: TagKey, Value: TagValue}}"),
        ),
        delete="aws kms schedule-key-deletion --key-id",
    ),
    "aws_lb": Kind(
        "elbv2",
        "describe_load_balancers",
        {"Names": ["$name"]},
        (
            "LoadBalancers[].{id: LoadBalancerArn, arn: LoadBalancerArn, status: State.Code,"
            " dns_name: DNSName}"
        ),
        delete="aws elbv2 delete-load-balancer --load-balancer-arn",
    ),
    "aws_lb_listener": Kind(
        "elbv2",
        "describe_listeners",
        {"LoadBalancerArn": "$load_balancer_arn"},
        "Listeners[?Port == $port].{id: ListenerArn, arn: ListenerArn}",
    ),
    "aws_lb_target_group": Kind(
        "elbv2",
        "describe_target_groups",
        {"Names": ["$name"]},
        "TargetGroups[].{id: TargetGroupArn, arn: TargetGroupArn}",
        delete="aws elbv2 delete-target-group --target-group-arn",
    ),
    "aws_nat_gateway": Kind(
        "ec2",
        "describe_nat_gateways",
        {},
        # AWS shows deleted and failed ones for an hour.
        (
            "NatGateways[?contains(['pending', 'available'], State)]"
            ".{id: NatGatewayId, status: State, tags: Tags}"
        ),
        delete="aws ec2 delete-nat-gateway --nat-gateway-id",
    ),
    "aws_route": Kind(
        "ec2",
        "describe_route_tables",
        {"RouteTableIds": ["$route_table_id"]},
        (
            "RouteTables[].Routes[?DestinationCidrBlock == $destination_cidr_block]"
            "[].{id: DestinationCidrBlock}"
        ),
        import_id=lambda of: f"{of('route_table_id')}_{of('destination_cidr_block')}",
    ),
    "aws_route_table": Kind(
        "ec2",
        "describe_route_tables",
        {},
        "RouteTables[].{id: RouteTableId, tags: Tags}",
        delete="aws ec2 delete-route-table --route-table-id",
    ),
    "aws_route_table_association": Kind(
        "ec2",
        "describe_route_tables",
        {"RouteTableIds": ["$route_table_id"]},
        "RouteTables[].Associations[?SubnetId == $subnet_id][].{id: SubnetId}",
        import_id=lambda of: f"{of('subnet_id')}/{of('route_table_id')}",
    ),
    "aws_s3_bucket": Kind(
        "s3",
        "list_buckets",
        {},  # one's own: the name may be somebody else's
        (
            "Buckets[?Name == $bucket].{id: Name,"
            " arn: join('', ['arn:${data.aws_partition.its.partition}:s3:::', Name])}"
        ),
    ),
    "aws_s3_bucket_lifecycle_configuration": _bucket_part(
        "get_bucket_lifecycle_configuration", "Rules"
    ),
    "aws_s3_bucket_logging": _bucket_part("get_bucket_logging", "LoggingEnabled"),
    "aws_s3_bucket_notification": _bucket_part(
        # Empty where it is on.
        "get_bucket_notification_configuration",
        "contains(keys(@), 'EventBridgeConfiguration')",
    ),
    "aws_s3_bucket_ownership_controls": _bucket_part(
        "get_bucket_ownership_controls", "OwnershipControls"
    ),
    "aws_s3_bucket_policy": _bucket_part("get_bucket_policy", "Policy"),
    "aws_s3_bucket_public_access_block": _bucket_part(
        "get_public_access_block", "PublicAccessBlockConfiguration"
    ),
    "aws_s3_bucket_server_side_encryption_configuration": _bucket_part(
        "get_bucket_encryption", "ServerSideEncryptionConfiguration"
    ),
    "aws_s3_bucket_versioning": _bucket_part("get_bucket_versioning", "Status"),
    "aws_secretsmanager_secret": Kind(
        "secretsmanager",
        "list_secrets",
        {"Filters": [{"Key": "name", "Values": ["$name_prefix"]}]},
        "SecretList[].{id: ARN, arn: ARN, tags: Tags}",
        delete="aws secretsmanager delete-secret --secret-id",
    ),
    "aws_security_group": Kind(
        "ec2",
        "describe_security_groups",
        {
            "Filters": [
                {"Name": "vpc-id", "Values": ["$vpc_id"]},
                {"Name": "group-name", "Values": ["$name"]},
            ]
        },
        "SecurityGroups[].{id: GroupId}",
    ),
    "aws_sns_topic": Kind(
        "sns",
        "list_topics",
        {},
        "Topics[?ends_with(TopicArn, join(':', ['', $name]))].{id: TopicArn, arn: TopicArn}",
    ),
    "aws_sns_topic_policy": Kind(
        "sns", "get_topic_attributes", {"TopicArn": "$arn"}, "[Attributes.{id: TopicArn}]"
    ),
    "aws_sns_topic_subscription": Kind(
        "sns",
        "list_subscriptions_by_topic",
        {"TopicArn": "$topic_arn"},
        # One that nobody has confirmed has no ARN yet. SNS takes an address once: to subscribe it
        # again makes no second one.
        (
            "Subscriptions[?Protocol == $protocol && Endpoint == $endpoint"
            " && starts_with(SubscriptionArn, 'arn:')].{id: SubscriptionArn}"
        ),
    ),
    "aws_ssm_parameter": Kind(
        "ssm", "get_parameters", {"Names": ["$name"]}, "Parameters[].{id: Name}"
    ),
    "aws_subnet": Kind(
        "ec2",
        "describe_subnets",
        {},
        "Subnets[].{id: SubnetId, tags: Tags}",
        delete="aws ec2 delete-subnet --subnet-id",
    ),
    "aws_vpc": Kind(
        "ec2",
        "describe_vpcs",
        {},
        "Vpcs[].{id: VpcId, tags: Tags}",
        delete="aws ec2 delete-vpc --vpc-id",
    ),
    "aws_vpc_endpoint": Kind(
        "ec2",
        "describe_vpc_endpoints",
        {},
        # AWS writes these states now with a capital, now without.
        (
            "VpcEndpoints[?contains(['pending', 'available', 'Pending', 'Available'], State)]"
            ".{id: VpcEndpointId, status: State, tags: Tags}"
        ),
        delete="aws ec2 delete-vpc-endpoints --vpc-endpoint-ids",
    ),
    "aws_vpc_security_group_egress_rule": _rule("IsEgress"),
    "aws_vpc_security_group_ingress_rule": _rule("!IsEgress"),
    "aws_wafv2_web_acl": Kind(
        "wafv2",
        "list_web_acls",
        {"Scope": "$scope"},
        ("WebACLs[?Name == $name].{id: join('/', [Id, $name, $scope]), arn: ARN, web_acl_id: Id}"),
    ),
    "aws_wafv2_web_acl_association": Kind(
        "wafv2",
        "get_web_acl_for_resource",
        {"ResourceArn": "$resource_arn"},
        "WebACL && [{id: join(',', [WebACL.ARN, $resource_arn])}]",
    ),
    "aws_wafv2_web_acl_logging_configuration": Kind(
        "wafv2",
        "list_logging_configurations",
        {"Scope": "REGIONAL"},
        "LoggingConfigurations[?ResourceArn == $resource_arn].{id: ResourceArn}",
    ),
}

# Types that are made again instead, and why no harm comes of it.
REMADE: Mapping[str, str] = {
    "aws_secretsmanager_secret_version": "the same value once more in the same secret: the version "
    "before stays as AWSPREVIOUS, and whether it holds the password is nothing Terraform may read",
}
