"""preflight, a deploy, verify; then the environment is broken behind its back, in many ways.

Each way is made through AWS's API, named by one check and by no other, and undone; in the end all
is as at first. What has to be there for a break and no emulator has, its test makes, and says so.
"""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ops.__main__ import main
from ops.checkup import Outcome, Subject, look
from ops.checkup.command import subjects
from ops.verify import CHECKS
from ops.verify.deployed import Deployed
from tests.e2e.conftest import SUFFIX, opened

ENVIRONMENT = "prod"  # has most: autoscaling, a firewall, a NAT gateway for each zone
NOT_SHOWN = {  # in an emulator
    "service.running": "it counts tasks, and runs none",
    "service.targets": "runs no tasks",
    "load_balancer.answers": "has no load balancer that answers",
    "parts.logs": "no task runs",
    "parts.flow_logs": "delivers none",
}
ASKED = {"ENVIRONMENT": ENVIRONMENT, "ENVIRONMENT_SUFFIX": SUFFIX, "STATE_BACKEND": "local"}
ANYWHERE = "0.0.0.0/0"


@dataclass
class There:
    """The deployed environment: boto3's clients, its things by their path, and what is wrong."""

    subject: Subject
    session: Any
    clients: dict = field(default_factory=dict)

    def __getattr__(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.client(service.replace("_", "-"))
        return self.clients[service]

    def id(self, path):
        """Its id, asked for anew."""
        return Deployed(self.subject).id(path)

    def argument(self, path, name):
        """An argument as the stack has it."""
        return Deployed(self.subject).argument(path, name)

    def tags(self, path):
        """All that a resource is tagged with."""
        (resource,) = (r for r in self.subject.stack.resources.values() if r.path == path)
        (provider,) = self.subject.stack.document["provider"]["aws"]
        tags = {**provider["default_tags"][0]["tags"], **resource.get("tags", {})}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def specification(self, type_, path):
        """The tags as EC2 takes them."""
        return [{"ResourceType": type_, "Tags": self.tags(path)}]

    def findings(self, outcome):
        """What verify finds: ``[(check, what it found), ...]``."""
        return [
            (result.check, finding.found)
            for result in look(CHECKS, self.subject)
            for finding in result.findings
            if finding.outcome is outcome
        ]


@pytest.fixture(scope="module", name="sandbox")
def _sandbox():
    with opened(ENVIRONMENT) as sandbox, pytest.MonkeyPatch.context() as monkeypatch:
        site = sandbox.sites[ENVIRONMENT]
        for name, value in (sandbox.environ(site) | ASKED).items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture(scope="module", name="there")
def _there(sandbox):
    assert sandbox.cli("deploy") == 0, "\n".join(sandbox.failures())
    site = sandbox.sites[ENVIRONMENT]
    found = subjects(sandbox.environ(site) | ASKED)
    assert len(found) == 1
    return There(found[0], site.emulator.session(site.config.region))


def command(capfd, *words):
    """A command's exit code, and its results by check."""
    code = main([*words, "--json"])
    (record,) = json.loads(capfd.readouterr().out)
    return code, {check["check"]: check for check in record["checks"]}


def test_preflight_lets_it_be_deployed(sandbox, capfd):
    assert sandbox.sites
    code, checks = command(capfd, "preflight")
    refused = [check for check in checks.values() if check["outcome"] == Outcome.FAILED]
    assert (code, refused) == (0, [])


def test_verify_finds_nothing_wrong(there, capfd):
    assert there.subject
    code, checks = command(capfd, "verify", "--not-shown", "3")
    assert code == 3
    unseen = {name: check for name, check in checks.items() if check["outcome"] != Outcome.PASSED}
    assert unseen.keys() == NOT_SHOWN.keys()
    for name, reason in NOT_SHOWN.items():
        (finding,) = unseen[name]["findings"]
        assert finding["outcome"] == Outcome.NOT_SHOWN
        assert reason in finding["found"]
    assert len(checks) == len(CHECKS)


@dataclass(frozen=True)
class Break:
    """A way to break it. ``make`` breaks it, and undoes that on its way out."""

    check: str
    found: str
    make: Callable


BREAKS: dict[str, Break] = {}


def breaks(check, found):
    """The break that a function makes is named by ``check``, in words with ``found`` in them."""

    def registered(make):
        name = make.__name__.strip("_").replace("_", " ")
        BREAKS[name] = Break(check, found, contextmanager(make))
        return make

    return registered


# The network


@breaks("network.routes", "private0 routes, {network/private0_routes}: no route to 0.0.0.0/0")
def _route_removed(there):
    table, nat = there.id("network/private0_routes"), there.id("network/nat0")
    there.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    yield
    there.ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, NatGatewayId=nat)


@breaks("database.place", "0.0.0.0/0 leads to {network/internet_gateway}")
def _private_subnet_led_to_the_internet_gateway(there):
    where = {
        "RouteTableId": there.id("network/private1_routes"),
        "DestinationCidrBlock": ANYWHERE,
    }
    there.ec2.replace_route(**where, GatewayId=there.id("network/internet_gateway"))
    yield
    there.ec2.replace_route(**where, NatGatewayId=there.id("network/nat1"))


@breaks("network.gateways", "nat2")
def _nat_gateway_deleted(there):
    gateway, address = there.id("network/nat2"), there.id("network/nat2_address")
    there.ec2.delete_nat_gateway(NatGatewayId=gateway)
    yield
    # AWS takes the address off with the gateway; the emulator leaves it.
    (found,) = there.ec2.describe_addresses(AllocationIds=[address])["Addresses"]
    there.ec2.disassociate_address(AssociationId=found["AssociationId"])
    made = there.ec2.create_nat_gateway(
        SubnetId=there.id("network/public2"),
        AllocationId=address,
        TagSpecifications=there.specification("natgateway", "network/nat2"),
    )["NatGateway"]["NatGatewayId"]
    there.ec2.replace_route(
        RouteTableId=there.id("network/private2_routes"),
        DestinationCidrBlock=ANYWHERE,
        NatGatewayId=made,
    )


@breaks("network.subnets", "MapPublicIpOnLaunch True")
def _subnet_gives_out_public_addresses(there):
    subnet = there.id("network/private0")
    there.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    yield
    there.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})


@breaks("network.endpoints", "lacks {network/private0_routes}")
def _endpoint_taken_from_a_route_table(there):
    endpoint, table = there.id("network/s3_endpoint"), there.id("network/private0_routes")
    there.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    yield
    there.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])


@breaks("parts.flow_logs", "no flow log")
def _flow_log_deleted(there):
    there.ec2.delete_flow_logs(FlowLogIds=[there.id("network/flow_log")])
    yield
    there.ec2.create_flow_logs(
        ResourceIds=[there.id("network/vpc")],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestination=there.argument("network/flow_log", "log_destination"),
        DeliverLogsPermissionArn=there.argument("network/flow_log", "iam_role_arn"),
        TagSpecifications=there.specification("vpc-flow-log", "network/flow_log"),
    )


# Who gets in, and out


def _opened(there, operation, group, port, **peer):
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}
    client, id_ = there.ec2, there.id(group)
    (rule,) = getattr(client, f"authorize_security_group_{operation}")(
        GroupId=id_, IpPermissions=[permission]
    )["SecurityGroupRules"]
    yield
    getattr(client, f"revoke_security_group_{operation}")(
        GroupId=id_, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
    )


@breaks("open paths", "0.0.0.0/0 → load balancer tcp 22 is open")
def _load_balancer_opened(there):
    ranges = [{"CidrIp": ANYWHERE}]
    yield from _opened(there, "ingress", "security/load_balancer", 22, IpRanges=ranges)


@breaks("database.access", "0.0.0.0/0 → database tcp 5432 is open")
def _database_opened(there):
    ranges = [{"CidrIp": ANYWHERE}]
    yield from _opened(there, "ingress", "security/database", 5432, IpRanges=ranges)


@breaks("database.access", "load balancer → database tcp 5432 is open")
def _database_opened_to_the_load_balancer(there):
    pairs = [{"GroupId": there.id("security/load_balancer")}]
    yield from _opened(there, "ingress", "security/database", 5432, UserIdGroupPairs=pairs)


@breaks("open paths", "service → 0.0.0.0/0 tcp 25 is open")
def _way_out_widened(there):
    ranges = [{"CidrIp": ANYWHERE}]
    yield from _opened(there, "egress", "security/service", 25, IpRanges=ranges)


@breaks("open paths", "load balancer → service tcp 8080 is shut")
def _service_shut(there):
    group, before = there.id("security/service"), there.id("security/load_balancer")
    filters = [{"Name": "group-id", "Values": [group]}]
    found = there.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    (rule,) = (rule for rule in found if not rule["IsEgress"])
    there.ec2.revoke_security_group_ingress(
        GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
    )
    yield
    permission = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort")}
    pair = {"GroupId": before, "Description": rule["Description"]}
    there.ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**permission, "UserIdGroupPairs": [pair]}]
    )


# The database


def _modified(there, changed, back):
    database = there.id("database/instance")
    there.rds.modify_db_instance(DBInstanceIdentifier=database, ApplyImmediately=True, **changed)
    yield
    there.rds.modify_db_instance(DBInstanceIdentifier=database, ApplyImmediately=True, **back)


@breaks("database.place", "is publicly accessible")
def _database_made_public(there):
    yield from _modified(there, {"PubliclyAccessible": True}, {"PubliclyAccessible": False})


@breaks("drift", "database/instance: deletion_protection false")
def _deletion_protection_taken_off(there):
    yield from _modified(there, {"DeletionProtection": False}, {"DeletionProtection": True})


@breaks("drift", "database/instance: backup_retention_period 1")
def _backups_shortened(there):
    yield from _modified(there, {"BackupRetentionPeriod": 1}, {"BackupRetentionPeriod": 7})


@breaks("drift", "database/instance: tags Owner none")
def _tag_removed(there):
    (found,) = there.rds.describe_db_instances()["DBInstances"]
    arn = found["DBInstanceArn"]
    there.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["Owner"])
    yield
    there.rds.add_tags_to_resource(ResourceName=arn, Tags=there.tags("database/instance"))


@breaks("drift", "database/parameters: parameter rds.force_ssl 0")
def _tls_made_a_choice(there):
    group = there.id("database/parameters")

    def set_to(value):
        parameter = {"ParameterName": "rds.force_ssl", "ParameterValue": value}
        there.rds.modify_db_parameter_group(
            DBParameterGroupName=group, Parameters=[{**parameter, "ApplyMethod": "immediate"}]
        )

    set_to("0")
    yield
    set_to("1")


# The service


def _revised(there, change):
    """Another revision of the task definition, which the service runs."""
    ecs, before = there.ecs, there.id("service/task_definition")
    where = {"cluster": there.id("service/cluster"), "service": there.id("service/service")}
    revision = _registered(there, change)
    ecs.update_service(**where, taskDefinition=revision)
    yield
    ecs.update_service(**where, taskDefinition=before)
    ecs.deregister_task_definition(taskDefinition=revision)


def _registered(there, change):
    found = there.ecs.describe_task_definition(
        taskDefinition=there.id("service/task_definition"), include=["TAGS"]
    )
    task = found["taskDefinition"]
    change(task["containerDefinitions"][0])
    kept = (
        *("family", "containerDefinitions", "cpu", "memory", "networkMode", "runtimePlatform"),
        *("executionRoleArn", "taskRoleArn", "requiresCompatibilities"),
    )
    made = there.ecs.register_task_definition(
        **{name: task[name] for name in kept}, tags=found["tags"]
    )
    return made["taskDefinition"]["taskDefinitionArn"]


@breaks("parts.secret", "PGPASSWORD arn:aws:secretsmanager:us-east-1:123456789012:secret:other")
def _secret_swapped(there):
    other = "arn:aws:secretsmanager:us-east-1:123456789012:secret:other"

    def swap(container):
        for secret in container["secrets"]:
            if secret["name"] == "PGPASSWORD":
                secret["valueFrom"] = f"{other}:password::"

    yield from _revised(there, swap)


@breaks("parts.secret", "PGHOST elsewhere.example.com")
def _service_sent_to_another_database(there):
    def send(container):
        for variable in container["environment"]:
            if variable["name"] == "PGHOST":
                variable["value"] = "elsewhere.example.com"

    yield from _revised(there, send)


@breaks("drift", "service/task_definition: container.image example.com/other:1")
def _image_changed(there):
    yield from _revised(there, lambda container: container.update(image="example.com/other:1"))


@breaks("service.running", "runs prod-task-e2e:1, not prod-task-e2e:")
def _deploy_rolled_back(there):
    """ECS then runs the revision before: made here as it leaves things, since nothing fails."""
    revision = _registered(there, lambda container: None)
    yield
    there.ecs.deregister_task_definition(taskDefinition=revision)


@breaks("service.running", "desired count 1")
def _desired_count_lowered(there):
    where = {"cluster": there.id("service/cluster"), "service": there.id("service/service")}
    there.ecs.update_service(**where, desiredCount=1)
    yield
    there.ecs.update_service(**where, desiredCount=3)


@breaks("service.targets", "2 targets of 3 running tasks")
def _target_deregistered(there):
    """The emulator runs no tasks, which ECS would register: the test does, and takes one off."""
    group = there.id("load_balancer/target_group")
    targets = [{"Id": f"10.2.{48 + 16 * zone}.10", "Port": 8080} for zone in range(3)]
    there.elbv2.register_targets(TargetGroupArn=group, Targets=targets)
    assert not there.findings(Outcome.FAILED)
    there.elbv2.deregister_targets(TargetGroupArn=group, Targets=targets[:1])
    yield
    there.elbv2.deregister_targets(TargetGroupArn=group, Targets=targets[1:])


@breaks("drift", "service/scaling_target: max_capacity 100")
def _autoscaling_unbound(there):
    of = {
        name: there.argument("service/scaling_target", argument)
        for name, argument in (
            ("ServiceNamespace", "service_namespace"),
            ("ResourceId", "resource_id"),
            ("ScalableDimension", "scalable_dimension"),
        )
    }
    there.application_autoscaling.register_scalable_target(**of, MinCapacity=3, MaxCapacity=100)
    yield
    there.application_autoscaling.register_scalable_target(**of, MinCapacity=3, MaxCapacity=9)


@breaks("drift", "service/execution_policy: policy")
def _role_widened(there):
    of = {
        "RoleName": there.argument("service/execution_policy", "role"),
        "PolicyName": there.argument("service/execution_policy", "name"),
    }
    before = there.iam.get_role_policy(**of)["PolicyDocument"]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    wide = {**before, "Statement": [*before["Statement"], everything]}
    there.iam.put_role_policy(**of, PolicyDocument=json.dumps(wide))
    yield
    there.iam.put_role_policy(**of, PolicyDocument=json.dumps(before))


# The load balancer


def _listener_of(there):
    balancer = there.id("load_balancer/load_balancer")
    return there.elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]


@breaks("load_balancer.listeners", "nothing listens on 80")
def _listener_deleted(there):
    listener = _listener_of(there)
    there.elbv2.delete_listener(ListenerArn=listener["ListenerArn"])
    yield
    there.elbv2.create_listener(
        **{name: listener[name] for name in ("LoadBalancerArn", "Port", "Protocol")},
        DefaultActions=listener["DefaultActions"],
        Tags=there.tags("load_balancer/http"),
    )


@breaks("load_balancer.listeners", "port 80: action fixed-response")
def _listener_made_to_answer_itself(there):
    listener = _listener_of(there)
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    there.elbv2.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[answer])
    yield
    there.elbv2.modify_listener(
        ListenerArn=listener["ListenerArn"], DefaultActions=listener["DefaultActions"]
    )


@breaks("drift", "load_balancer/target_group: health_check.path /elsewhere")
def _health_check_changed(there):
    group = there.id("load_balancer/target_group")
    there.elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/elsewhere")
    yield
    there.elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/")


@breaks("drift", "load_balancer/load_balancer: access_logs.enabled false")
def _access_logs_turned_off(there):
    balancer, name = there.id("load_balancer/load_balancer"), "access_logs.s3.enabled"

    def set_to(value):
        there.elbv2.modify_load_balancer_attributes(
            LoadBalancerArn=balancer, Attributes=[{"Key": name, "Value": value}]
        )

    set_to("false")
    yield
    set_to("true")


@breaks("drift", "load_balancer/waf/association is gone")
def _firewall_taken_away(there):
    balancer = there.id("load_balancer/load_balancer")
    acl = there.argument("load_balancer/waf/association", "web_acl_arn")
    there.wafv2.disassociate_web_acl(ResourceArn=balancer)
    yield
    there.wafv2.associate_web_acl(WebACLArn=acl, ResourceArn=balancer)


# What is published, kept and watched


@breaks("parts.parameters", "/tap/prod/e2e/database/address is elsewhere.example.com")
def _parameter_edited(there):
    name = there.id("outputs/parameters/database_address")
    before = there.ssm.get_parameter(Name=name)["Parameter"]["Value"]
    there.ssm.put_parameter(Name=name, Value="elsewhere.example.com", Overwrite=True)
    yield
    there.ssm.put_parameter(Name=name, Value=before, Overwrite=True)


@breaks("parts.parameters", "/tap/prod/e2e/network/vpc_id is gone")
def _parameter_deleted(there):
    path = "outputs/parameters/network_vpc_id"
    name, value = there.id(path), there.id("network/vpc")
    there.ssm.delete_parameter(Name=name)
    yield
    there.ssm.put_parameter(Name=name, Value=value, Type="String", Tags=there.tags(path))


@breaks("drift", "service/log_group: retention_in_days 1")
def _logs_kept_for_a_day(there):
    group = there.id("service/log_group")
    there.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    yield
    there.logs.put_retention_policy(logGroupName=group, retentionInDays=365)


@breaks("drift", "state/public_access is gone")
def _bucket_may_be_made_public(there):
    bucket = there.id("state/bucket")
    before = there.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    there.s3.delete_public_access_block(Bucket=bucket)
    yield
    there.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)


@breaks("drift", "state/versioning: versioning_configuration.status Suspended")
def _bucket_keeps_no_versions(there):
    bucket = there.id("state/bucket")

    def set_to(status):
        there.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    set_to("Suspended")
    yield
    set_to("Enabled")


@breaks("drift", "state/policy is gone")
def _bucket_answers_without_tls(there):
    bucket = there.id("state/bucket")
    before = there.s3.get_bucket_policy(Bucket=bucket)["Policy"]
    there.s3.delete_bucket_policy(Bucket=bucket)
    yield
    there.s3.put_bucket_policy(Bucket=bucket, Policy=before)


@breaks("drift", "state/lock_table: point_in_time_recovery.enabled false")
def _table_cannot_be_restored(there):
    table = there.id("state/lock_table")

    def set_to(enabled):
        there.dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
        )

    set_to(False)
    yield
    set_to(True)


@breaks("drift", "encryption/key: enable_key_rotation false")
def _key_stays_the_same(there):
    key = there.id("encryption/key")
    there.kms.disable_key_rotation(KeyId=key)
    yield
    there.kms.enable_key_rotation(KeyId=key)


def _alarm_of(there):
    name = there.id("monitoring/service_cpu")
    return there.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


ALARM = (
    *("AlarmName", "AlarmActions", "OKActions", "MetricName", "Namespace", "Statistic"),
    *("Dimensions", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator"),
    "TreatMissingData",
)


@breaks("drift", "monitoring/service_cpu is gone")
def _alarm_deleted(there):
    alarm = _alarm_of(there)
    there.cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"]])
    yield
    there.cloudwatch.put_metric_alarm(
        **{name: alarm[name] for name in ALARM}, Tags=there.tags("monitoring/service_cpu")
    )


@breaks("drift", "monitoring/service_cpu: threshold 100")
def _alarm_made_deaf(there):
    alarm = {name: value for name, value in _alarm_of(there).items() if name in ALARM}
    tags = there.tags("monitoring/service_cpu")
    there.cloudwatch.put_metric_alarm(**{**alarm, "Threshold": 100}, Tags=tags)
    yield
    there.cloudwatch.put_metric_alarm(**alarm, Tags=tags)


@breaks("parts.alarms", "prod-servicecpu-e2e tells no topic of its alarm")
def _alarm_tells_nobody(there):
    alarm = {name: value for name, value in _alarm_of(there).items() if name in ALARM}
    tags = there.tags("monitoring/service_cpu")
    there.cloudwatch.put_metric_alarm(**{**alarm, "AlarmActions": []}, Tags=tags)
    yield
    there.cloudwatch.put_metric_alarm(**alarm, Tags=tags)


@pytest.mark.parametrize("broken", BREAKS.values(), ids=list(BREAKS))
def test_verify_names_each_break_and_nothing_else(there, broken):
    words = {path: there.id(path) for path in _paths(broken.found)}
    expected = broken.found
    for path, id_ in words.items():
        expected = expected.replace(f"{{{path}}}", id_)
    with broken.make(there):
        found = there.findings(Outcome.FAILED)
    assert [check for check, _ in found] == [broken.check], found
    assert expected in found[0][1]


def _paths(text):
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def test_verify_is_as_at_first_when_all_is_undone(there):
    assert there.findings(Outcome.FAILED) == []
    assert {check for check, _ in there.findings(Outcome.NOT_SHOWN)} == NOT_SHOWN.keys()
