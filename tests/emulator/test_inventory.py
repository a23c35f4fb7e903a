"""The inventory finds what a stack makes, and tells apart what AWS makes along with it."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws

from lib.config.environment_config import ENVIRONMENTS
from ops.emulator import patches
from ops.emulator.inventory import KINDS, Client, Item, inventory, orphans
from tests.synthesized import Synthesized

REGION = "us-east-1"

# Every resource type of the stacks: a thing of its own in an account, or a part of one (None).
TYPES: dict[str, tuple[str, str] | None] = {
    "aws_appautoscaling_policy": ("application-autoscaling", "scaling policy"),
    "aws_appautoscaling_target": ("application-autoscaling", "scalable target"),
    "aws_cloudwatch_log_group": ("logs", "log group"),
    "aws_cloudwatch_metric_alarm": ("cloudwatch", "alarm"),
    "aws_db_event_subscription": ("rds", "event subscription"),
    "aws_db_instance": ("rds", "database"),
    "aws_db_parameter_group": ("rds", "parameter group"),
    "aws_db_subnet_group": ("rds", "subnet group"),
    "aws_default_security_group": ("ec2", "security group"),
    "aws_dynamodb_table": ("dynamodb", "table"),
    "aws_ecs_cluster": ("ecs", "cluster"),
    "aws_ecs_service": ("ecs", "service"),
    "aws_ecs_task_definition": ("ecs", "task definition"),
    "aws_eip": ("ec2", "address"),
    "aws_flow_log": ("ec2", "flow log"),
    "aws_iam_role": ("iam", "role"),
    "aws_iam_role_policy": None,
    "aws_iam_role_policy_attachment": None,
    "aws_internet_gateway": ("ec2", "internet gateway"),
    "aws_kms_alias": ("kms", "alias"),
    "aws_kms_key": ("kms", "key"),
    "aws_lb": ("elbv2", "load balancer"),
    "aws_lb_listener": ("elbv2", "listener"),
    "aws_lb_target_group": ("elbv2", "target group"),
    "aws_nat_gateway": ("ec2", "nat gateway"),
    "aws_route": None,
    "aws_route_table": ("ec2", "route table"),
    "aws_route_table_association": ("ec2", "route table association"),
    "aws_s3_bucket": ("s3", "bucket"),
    "aws_s3_bucket_lifecycle_configuration": None,
    "aws_s3_bucket_logging": None,
    "aws_s3_bucket_notification": None,
    "aws_s3_bucket_ownership_controls": None,
    "aws_s3_bucket_policy": None,
    "aws_s3_bucket_public_access_block": None,
    "aws_s3_bucket_server_side_encryption_configuration": None,
    "aws_s3_bucket_versioning": None,
    "aws_secretsmanager_secret": ("secretsmanager", "secret"),
    "aws_secretsmanager_secret_version": None,
    "aws_security_group": ("ec2", "security group"),
    "aws_sns_topic": ("sns", "topic"),
    "aws_sns_topic_policy": None,
    "aws_sns_topic_subscription": ("sns", "subscription"),
    "aws_ssm_parameter": ("ssm", "parameter"),
    "aws_subnet": ("ec2", "subnet"),
    "aws_vpc": ("ec2", "vpc"),
    "aws_vpc_endpoint": ("ec2", "vpc endpoint"),
    "aws_vpc_security_group_egress_rule": ("ec2", "security group rule"),
    "aws_vpc_security_group_ingress_rule": ("ec2", "security group rule"),
    "aws_wafv2_web_acl": ("wafv2", "web acl"),
    "aws_wafv2_web_acl_association": None,
    "aws_wafv2_web_acl_logging_configuration": None,
}


@pytest.fixture(scope="module", name="client")
def _client() -> Iterator[Client]:
    """Clients of an account in which there is one of each kind."""
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        patches.apply_all(
            lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
        )
        session = boto3.Session("id", "secret", region_name=REGION)
        _fill(session.client)  # type: ignore[arg-type]
        yield session.client  # type: ignore[misc]


@pytest.fixture(scope="module", name="items")
def _items(client: Client) -> list[Item]:
    """What is in that account."""
    return inventory(client)


def test_every_resource_type_of_the_stacks_is_covered(
    synthesize: Callable[..., Synthesized],
) -> None:
    found: set[str] = set()
    for environment in ENVIRONMENTS:
        mailed = {"alarms": {"emails": ("a@example.com",)}} if environment.alarms else {}
        for given in (False, True):
            stack = synthesize(environment.name, password_given=given, **mailed)
            found |= stack.document["resource"].keys()
    assert found <= TYPES.keys(), "say what these are, and teach the inventory about them"
    listed = {(kind.service, kind.type) for kind in KINDS}
    assert {kind for kind in TYPES.values() if kind} <= listed


def test_each_kind_is_found(items: list[Item]) -> None:
    assert all(isinstance(item.id, str) and item.id for item in items)
    found = {(item.service, item.type) for item in items}
    missed = {(kind.service, kind.type) for kind in KINDS} - found
    assert missed == {("ecs", "task")}, "moto runs none on Fargate"


def test_it_is_sorted_and_says_each_thing_once(items: list[Item]) -> None:
    assert items == sorted(set(items))


def test_what_aws_makes_is_told_apart(items: list[Item]) -> None:
    by_aws = {(item.service, item.type) for item in items if item.by_aws}
    assert by_aws == {
        ("cloudwatch", "alarm"),
        ("ec2", "network acl"),
        ("ec2", "network interface"),
        ("ec2", "route table"),
        ("ec2", "route table association"),
        ("ec2", "security group"),
        ("kms", "alias"),
        ("kms", "key"),
        ("rds", "parameter group"),
        ("rds", "snapshot"),
        ("secretsmanager", "secret"),
    }
    own = {(item.service, item.type) for item in items if not item.by_aws}
    assert {*by_aws} - own == {("ec2", "network acl"), ("rds", "snapshot")}


def test_what_goes_is_gone(client: Client, items: list[Item]) -> None:
    ssm = client("ssm")
    ssm.put_parameter(Name="/more", Value="value", Type="String")
    more = Item("ssm", "parameter", "/more")
    assert set(inventory(client)) - set(items) == {more}
    ssm.delete_parameter(Name="/more")
    assert inventory(client) == items
    assert str(more) == "ssm parameter /more"
    assert str(Item("kms", "key", "id", by_aws=True)) == "kms key id (by AWS)"


def test_a_key_that_waits_for_its_deletion_is_as_good_as_gone(client: Client) -> None:
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert Item("kms", "key", key) in inventory(client)
    kms.schedule_key_deletion(KeyId=key)
    assert Item("kms", "key", key) not in inventory(client)


def test_orphans_are_what_the_state_does_not_know() -> None:
    state = {
        "resources": [
            {"mode": "managed", "instances": [{"attributes": {"id": "vpc-1"}}]},
            {"mode": "managed", "instances": [{"attributes": {"id": "x", "arn": "arn:db"}}]},
            {"mode": "managed", "instances": [{"attributes": {"id": "/log", "vpc_id": "vpc-2"}}]},
            {"mode": "managed", "instances": [{"attributes": {"id": "db-X", "identifier": "db"}}]},
            {"mode": "managed", "instances": [{"attributes": {"id": "app", "family": "app"}}]},
            {"mode": "data", "instances": [{"attributes": {"id": "vpc-3"}}]},
        ]
    }
    known = [Item("ec2", "vpc", "vpc-1"), Item("rds", "database", "arn:db")]
    known.append(Item("rds", "database", "arn:aws:rds:us-east-1:1:db:db"))  # tainted: no ARN yet
    revision = "arn:aws:ecs:us-east-1:1:task-definition/{}:1"
    known.append(Item("ecs", "task definition", revision.format("app")))  # an older one
    # A subnet group may have the database's name.
    state["resources"].append({"mode": "managed", "instances": [{"attributes": {"name": "db2"}}]})
    unmade = Item("rds", "database", "arn:aws:rds:us-east-1:1:db:db2")
    assert orphans([unmade], state) == [unmade]
    unknown = [Item("ec2", "vpc", "vpc-2"), Item("ec2", "vpc", "vpc-3")]
    unknown.append(Item("ecs", "task definition", revision.format("other")))
    automatic = Item("kms", "key", "key", by_aws=True)
    assert orphans([*known, *unknown, automatic], state) == unknown


def _fill(client: Client) -> None:
    """One of each kind, in as few calls as moto lets it."""
    ec2, elb, ecs, rds = (client(name) for name in ("ec2", "elbv2", "ecs", "rds"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=REGION + zone)[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=routes, SubnetId=subnets[0])
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)
    ec2.create_network_interface(SubnetId=subnets[0])
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3")
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="flow",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow",
    )

    balancer = elb.create_load_balancer(Name="alb", Subnets=subnets)["LoadBalancers"][0]
    target_group = elb.create_target_group(
        Name="tg", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
    )

    ecs.create_cluster(clusterName="cluster")
    ecs.register_task_definition(
        family="task", containerDefinitions=[{"name": "app", "image": "app", "memory": 512}]
    )
    ecs.create_service(
        cluster="cluster", serviceName="service", taskDefinition="task", desiredCount=1
    )
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/cluster/service",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling = client("application-autoscaling")
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    scaling.put_scaling_policy(
        **target,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60,
            "PredefinedMetricSpecification": metric,
        },
    )

    rds.create_db_subnet_group(
        DBSubnetGroupName="db", DBSubnetGroupDescription="db", SubnetIds=subnets
    )
    rds.create_db_parameter_group(
        DBParameterGroupName="db", DBParameterGroupFamily="postgres14", Description="db"
    )
    rds.create_db_instance(
        DBInstanceIdentifier="db",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        MasterUsername="app_admin",
        ManageMasterUserPassword=True,
    )
    client("secretsmanager").create_secret(Name="own", SecretString="{}")
    client("ssm").put_parameter(Name="/own", Value="value", Type="String")
    iam = client("iam")
    document = '{"Version": "2012-10-17", "Statement": []}'
    iam.create_role(RoleName="own", AssumeRolePolicyDocument=document)
    allow = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
    )
    iam.create_policy(PolicyName="own", PolicyDocument=allow)
    iam.create_instance_profile(InstanceProfileName="own")
    client("logs").create_log_group(logGroupName="own")
    client("s3").create_bucket(Bucket="own")
    client("dynamodb").create_table(
        TableName="own",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client("cloudwatch").put_metric_alarm(
        AlarmName="own",
        Namespace="own",
        MetricName="own",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    topic = client("sns").create_topic(Name="own")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    client("rds").create_event_subscription(SubscriptionName="own", SnsTopicArn=topic)
    client("acm").request_certificate(DomainName="example.com")
    client("kms").create_alias(
        AliasName="alias/own", TargetKeyId=client("kms").create_key()["KeyMetadata"]["KeyId"]
    )
    client("wafv2").create_web_acl(
        Name="own",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig={
            "SampledRequestsEnabled": True,
            "CloudWatchMetricsEnabled": True,
            "MetricName": "own",
        },
    )
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.0.0.0/8"
    )
