"""Each patch closes a gap that moto still has.

A check below is the smallest program that shows the gap: it passes on AWS, and it runs twice, on
moto as it is, where it has to fail, and with all patches, where it has to pass.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ops.emulator import patches
from ops.emulator.patches import PATCHES, Patch

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/cluster/service",
    "ScalableDimension": "ecs:service:DesiredCount",
}

Check = Callable[[], None]


@pytest.fixture(autouse=True)
def account() -> Iterator[None]:
    """An emulated account, in this process."""
    with mock_aws():
        yield


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.__name__)
def test_moto_still_has_the_gap(patch: Patch) -> None:
    try:
        _check(patch)()
    except Exception:  # pylint: disable=broad-exception-caught  # whatever moto gets wrong
        return
    pytest.fail(f"moto no longer needs {patch.__name__}: remove the patch and its check")


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.__name__)
def test_the_patches_close_it(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    patches.apply_all(
        lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
    )
    _check(patch)()


def _check(patch: Patch) -> Check:
    return globals()[f"_{patch.__name__}"]


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION, **CREDENTIALS)  # type: ignore[call-overload]


def _service(**settings: Any) -> Any:
    """A client of ECS, with a cluster and a service in it."""
    ecs = _client("ecs")
    ecs.create_cluster(clusterName="cluster")
    for _ in range(2):
        ecs.register_task_definition(
            family="task", containerDefinitions=[{"name": "app", "image": "app", "memory": 512}]
        )
    ecs.create_service(
        cluster="cluster",
        serviceName="service",
        taskDefinition="task:1",
        desiredCount=2,
        launchType="FARGATE",
        **settings,
    )
    return ecs


def _described(ecs: Any) -> dict[str, Any]:
    return ecs.describe_services(cluster="cluster", services=["service"])["services"][0]


def _database(identifier: str = "db", **settings: Any) -> dict[str, Any]:
    rds = _client("rds")
    return rds.create_db_instance(
        DBInstanceIdentifier=identifier,
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        MasterUsername="app_admin",
        ManageMasterUserPassword=True,
        **settings,
    )["DBInstance"]


def _scaling_tags() -> None:
    _service()
    scaling = _client("application-autoscaling")
    arn = scaling.register_scalable_target(
        **TARGET, MinCapacity=1, MaxCapacity=2, Tags={"a": "1", "b": "2"}
    )["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"b": "3", "c": "4"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "3", "c": "4"}


def _scaling_policy_names() -> None:
    _service()
    scaling = _client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=2)
    for name, metric in (("cpu", "CPU"), ("memory", "Memory")):
        scaling.put_scaling_policy(
            **TARGET,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 60,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": f"ECSServiceAverage{metric}Utilization"
                },
            },
        )
    found = scaling.describe_scaling_policies(ServiceNamespace="ecs", PolicyNames=["memory"])
    assert [policy["PolicyName"] for policy in found["ScalingPolicies"]] == ["memory"]


def _tls_only_buckets() -> None:
    s3 = _client("s3")
    s3.create_bucket(Bucket="bucket")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
    s3.put_bucket_policy(Bucket="bucket", Policy=json.dumps(policy))
    s3.put_object(Bucket="bucket", Key="key", Body=b"body")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"body"
    assert json.loads(s3.get_bucket_policy(Bucket="bucket")["Policy"]) == policy


def _bucket_owner() -> None:
    s3 = _client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=b"body", ExpectedBucketOwner="123456789012")
    calls: tuple[tuple[Any, dict[str, Any]], ...] = (
        (s3.head_bucket, {}),
        (s3.list_objects_v2, {}),
        (s3.get_object, {"Key": "key"}),
        (s3.put_object, {"Key": "key", "Body": b""}),
        (s3.delete_object, {"Key": "key"}),
    )
    for call, arguments in calls:
        try:
            call(Bucket="bucket", ExpectedBucketOwner="999999999999", **arguments)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        else:
            raise AssertionError("another account's bucket")
    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"body"


def _bucket_events() -> None:
    s3 = _client("s3")
    s3.create_bucket(Bucket="bucket")
    topic = _client("sns").create_topic(Name="topic")["TopicArn"]
    told = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    for rest in ({}, {"TopicConfigurations": [told]}):
        wanted = {"EventBridgeConfiguration": {}, **rest}
        s3.put_bucket_notification_configuration(
            Bucket="bucket", NotificationConfiguration=wanted, SkipDestinationValidation=True
        )
        found = s3.get_bucket_notification_configuration(Bucket="bucket")
        assert found["EventBridgeConfiguration"] == {}
        assert len(found.get("TopicConfigurations", [])) == len(rest)
    s3.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration={})
    found = s3.get_bucket_notification_configuration(Bucket="bucket")
    assert "EventBridgeConfiguration" not in found


def _service_settings() -> None:
    settings = {
        "enableExecuteCommand": True,
        "healthCheckGracePeriodSeconds": 60,
        "enableECSManagedTags": True,
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
        },
    }
    described = _described(_service(**settings))
    assert {name: described.get(name) for name in settings} == settings


def _tasks_run() -> None:
    ecs = _service()
    described = _described(ecs)
    assert (described["runningCount"], described["pendingCount"]) == (2, 0)
    ecs.update_service(
        cluster="cluster", service="service", taskDefinition="task:2", desiredCount=3
    )
    described = _described(ecs)
    [deployment] = described["deployments"]
    for shown in (described, deployment):
        assert (shown["desiredCount"], shown["runningCount"], shown["pendingCount"]) == (3, 3, 0)
        assert shown["taskDefinition"].endswith("task:2")
    assert deployment["rolloutState"] == "COMPLETED"
    assert described["events"][0]["message"].endswith("has reached a steady state.")
    ecs.update_service(cluster="cluster", service="service", enableExecuteCommand=True)
    [cluster] = ecs.describe_clusters(clusters=["cluster"])["clusters"]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (3, 0)
    ecs.delete_service(cluster="cluster", service="service", force=True)
    [cluster] = ecs.describe_clusters(clusters=["cluster"])["clusters"]
    assert (cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (0, 0)


def _updates_deploy() -> None:
    ecs = _service()
    first = _described(ecs)["deployments"][0]["id"]
    ecs.update_service(cluster="cluster", service="service", desiredCount=3)
    assert _described(ecs)["deployments"][0]["id"] == first
    ecs.update_service(cluster="cluster", service="service", taskDefinition="task:2")
    assert _described(ecs)["deployments"][0]["id"] != first


def _service_deployments() -> None:
    ecs = _service()
    names = {"cluster": "cluster", "service": "service"}
    [listed] = ecs.list_service_deployments(**names)["serviceDeployments"]
    described = ecs.describe_service_deployments(
        serviceDeploymentArns=[listed["serviceDeploymentArn"]]
    )
    assert described["serviceDeployments"][0]["status"] == listed["status"] == "SUCCESSFUL"


def _deleted_is_not_listed() -> None:
    ecs = _service()
    assert ecs.list_services(cluster="cluster")["serviceArns"]
    ecs.delete_service(cluster="cluster", service="service", force=True)
    assert not ecs.list_services(cluster="cluster")["serviceArns"]
    assert _described(ecs)["status"] == "INACTIVE"
    assert ecs.list_clusters()["clusterArns"]
    ecs.delete_cluster(cluster="cluster")
    assert not ecs.list_clusters()["clusterArns"]
    assert ecs.describe_clusters(clusters=["cluster"])["clusters"][0]["status"] == "INACTIVE"


def _load_balancer_names() -> None:
    ec2, elb = _client("ec2"), _client("elbv2")
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:3]]

    def arn(number: int) -> str:
        (made,) = elb.create_load_balancer(Name="balancer", Subnets=subnets[:number])[
            "LoadBalancers"
        ]
        return made["LoadBalancerArn"]

    assert arn(3) == arn(3)
    with pytest.raises(elb.exceptions.DuplicateLoadBalancerNameException):
        arn(2)
    assert len(elb.describe_load_balancers()["LoadBalancers"]) == 1


def _nat_interfaces() -> None:
    ec2 = _client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    [interface] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert (interface["InterfaceType"], interface["RequesterManaged"]) == ("nat_gateway", True)
    ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    assert not ec2.describe_network_interfaces()["NetworkInterfaces"]


def _network_acls_go() -> None:
    ec2 = _client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    its = [{"Name": "vpc-id", "Values": [vpc]}]
    assert ec2.describe_network_acls(Filters=its)["NetworkAcls"]
    ec2.delete_vpc(VpcId=vpc)
    assert not ec2.describe_network_acls(Filters=its)["NetworkAcls"]


def _rule_descriptions() -> None:
    ec2 = _client("ec2")
    group = ec2.create_security_group(GroupName="group", Description="group")["GroupId"]
    peer = {"GroupId": group, "Description": "from itself"}
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [peer]}
        ],
    )
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    assert "from itself" in [rule.get("Description") for rule in rules["SecurityGroupRules"]]


def _keys_of_aws() -> None:
    _database()
    kms = _client("kms")
    [key] = kms.list_keys()["Keys"]
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyManager"] == "AWS"


def _database_ids() -> None:
    assert _database("one")["DbiResourceId"] != _database("two")["DbiResourceId"]


def _database_settings() -> None:
    made = _database(
        EngineLifecycleSupport="open-source-rds-extended-support-disabled",
        EnablePerformanceInsights=True,
        PerformanceInsightsRetentionPeriod=7,
    )
    assert made["EngineLifecycleSupport"] == "open-source-rds-extended-support-disabled"
    assert made["PerformanceInsightsEnabled"] is True
    assert made["PerformanceInsightsRetentionPeriod"] == 7
    changed = _client("rds").modify_db_instance(
        DBInstanceIdentifier="db", EnablePerformanceInsights=False
    )
    assert changed["DBInstance"]["PerformanceInsightsEnabled"] is False


def _database_secret_stays() -> None:
    secret = _database()["MasterUserSecret"]["SecretArn"]
    changed = _client("rds").modify_db_instance(
        DBInstanceIdentifier="db", ManageMasterUserPassword=True
    )
    assert changed["DBInstance"]["MasterUserSecret"]["SecretArn"] == secret


def _parameter_sources() -> None:
    rds = _client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="group", DBParameterGroupFamily="postgres14", Description="group"
    )
    parameter = {
        "ParameterName": "rds.force_ssl",
        "ParameterValue": "1",
        "ApplyMethod": "immediate",
    }
    rds.modify_db_parameter_group(DBParameterGroupName="group", Parameters=[parameter])
    [found] = rds.describe_db_parameters(DBParameterGroupName="group")["Parameters"]
    assert found == {**parameter, "Source": "user"}


def _event_subscriptions() -> None:
    rds, name = _client("rds"), {"SubscriptionName": "events"}
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    rds.create_event_subscription(**name, SnsTopicArn=topic, SourceIds=["one"], Enabled=True)
    rds.modify_event_subscription(**name, Enabled=False, EventCategories=["failure"])
    rds.add_source_identifier_to_subscription(**name, SourceIdentifier="two")
    rds.remove_source_identifier_from_subscription(**name, SourceIdentifier="one")
    [found] = rds.describe_event_subscriptions()["EventSubscriptionsList"]
    assert (found["Enabled"], found["SnsTopicArn"]) == (False, topic)
    assert (found["EventCategoriesList"], found["SourceIdsList"]) == (["failure"], ["two"])


def _bucket_tags() -> None:
    s3 = _client("s3")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == tags
    control = _client("s3control")
    names = {"AccountId": "123456789012", "ResourceArn": "arn:aws:s3:::bucket"}
    control.tag_resource(**names, Tags=[{"Key": "a", "Value": "2"}])
    control.untag_resource(**names, TagKeys=["b"])
    assert control.list_tags_for_resource(**names)["Tags"] == [{"Key": "a", "Value": "2"}]
    assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == [{"Key": "a", "Value": "2"}]
    s3.create_bucket(Bucket="plain")
    assert control.list_tags_for_resource(**names | {"ResourceArn": "arn:aws:s3:::plain"})


def _log_group_keys() -> None:
    logs = _client("logs")
    logs.create_log_group(logGroupName="group", kmsKeyId="arn:first")
    for change, key in (
        (lambda: logs.associate_kms_key(logGroupName="group", kmsKeyId="arn:other"), "arn:other"),
        (lambda: logs.disassociate_kms_key(logGroupName="group"), None),
    ):
        change()
        [group] = logs.describe_log_groups()["logGroups"]
        assert group.get("kmsKeyId") == key
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.disassociate_kms_key(logGroupName="other")


def _firewall_resources() -> None:
    waf = _client("wafv2")
    visibility = {
        "SampledRequestsEnabled": False,
        "CloudWatchMetricsEnabled": False,
        "MetricName": "acl",
    }
    arn = waf.create_web_acl(
        Name="acl", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility
    )["Summary"]["ARN"]
    balancer = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/1"
    waf.associate_web_acl(WebACLArn=arn, ResourceArn=balancer)
    assert waf.list_resources_for_web_acl(WebACLArn=arn)["ResourceArns"] == [balancer]
    gateways = waf.list_resources_for_web_acl(WebACLArn=arn, ResourceType="API_GATEWAY")
    assert gateways["ResourceArns"] == []
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.list_resources_for_web_acl(WebACLArn=f"{arn}-other")


def _nat_availability() -> None:
    ec2 = _client("ec2")
    [subnet, *_] = ec2.describe_subnets()["Subnets"]
    ec2.create_nat_gateway(SubnetId=subnet["SubnetId"], ConnectivityType="private")
    [gateway] = ec2.describe_nat_gateways()["NatGateways"]
    assert gateway["AvailabilityMode"] == "zonal"


def _parameters_reset() -> None:
    rds, group = _client("rds"), {"DBParameterGroupName": "group"}
    rds.create_db_parameter_group(
        **group, DBParameterGroupFamily="postgres14", Description="parameters"
    )
    values = [
        {"ParameterName": name, "ParameterValue": "1", "ApplyMethod": "immediate"}
        for name in ("a", "b", "c")
    ]
    rds.modify_db_parameter_group(**group, Parameters=values)

    def names() -> list[str]:
        return [each["ParameterName"] for each in rds.describe_db_parameters(**group)["Parameters"]]

    rds.reset_db_parameter_group(**group, Parameters=values[:1])
    assert names() == ["b", "c"]
    rds.reset_db_parameter_group(**group, ResetAllParameters=True)
    assert names() == []
    with pytest.raises(rds.exceptions.DBParameterGroupNotFoundFault):
        rds.reset_db_parameter_group(DBParameterGroupName="other", ResetAllParameters=True)


def _database_certificate() -> None:
    made, rds = _database(), _client("rds")
    assert made["CertificateDetails"]["CAIdentifier"] == made["CACertificateIdentifier"]
    assert made["CertificateDetails"]["ValidTill"] > datetime.now(UTC)
    [authority] = rds.describe_certificates(CertificateIdentifier=made["CACertificateIdentifier"])[
        "Certificates"
    ]
    assert authority["ValidFrom"] < datetime.now(UTC) < authority["ValidTill"]
    with pytest.raises(rds.exceptions.CertificateNotFoundFault):
        rds.describe_certificates(CertificateIdentifier="rds-ca-2015")


def _database_monitoring() -> None:
    role = "arn:aws:iam::123456789012:role/monitoring"
    made = _database("watched", MonitoringInterval=60, MonitoringRoleArn=role)
    assert made["EnhancedMonitoringResourceArn"].endswith(f"log-stream:{made['DbiResourceId']}")
    assert ":log-group:RDSOSMetrics:" in made["EnhancedMonitoringResourceArn"]
    assert "EnhancedMonitoringResourceArn" not in _database("unwatched")


def _database_interface() -> None:
    ec2, rds = _client("ec2"), _client("rds")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]]
    groups = [
        ec2.create_security_group(GroupName=name, Description=name)["GroupId"]
        for name in ("first", "second")
    ]
    rds.create_db_subnet_group(
        DBSubnetGroupName="subnets", DBSubnetGroupDescription="subnets", SubnetIds=subnets
    )
    _database(DBSubnetGroupName="subnets", VpcSecurityGroupIds=groups[:1])

    def interfaces() -> list[dict[str, Any]]:
        return ec2.describe_network_interfaces()["NetworkInterfaces"]

    [interface] = interfaces()
    assert interface["RequesterManaged"] is True
    assert interface["SubnetId"] in subnets
    assert [each["GroupId"] for each in interface["Groups"]] == groups[:1]
    rds.modify_db_instance(DBInstanceIdentifier="db", VpcSecurityGroupIds=groups[1:])
    [interface] = interfaces()
    assert [each["GroupId"] for each in interface["Groups"]] == groups[1:]
    rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
    assert interfaces() == []


def _database_secret_rotates() -> None:
    arn = _database()["MasterUserSecret"]["SecretArn"]
    secret = _client("secretsmanager").describe_secret(SecretId=arn)
    assert secret["RotationEnabled"] is True
    assert secret["RotationRules"] == {"AutomaticallyAfterDays": 7}
    assert secret["OwningService"] == "rds"
    assert secret["NextRotationDate"] > datetime.now(UTC)
