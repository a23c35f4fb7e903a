"""A deployed environment in this process: a stack's resources made in moto, from its JSON.

What verify reads is made as Terraform makes it; of the rest, that it is there.
"""

import json
import os
import re
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from moto import mock_aws
from moto.acm.models import CertBundle
from moto.backends import get_backend

from lib.modules.naming import NamingModule
from ops.checkup import Outcome, Subject
from ops.emulator import patches
from ops.network import zone
from ops.stacks import Stack
from ops.verify.deployed import Deployed
from tests.ops.recover.account import MAKERS, REGION, Account, Session
from tests.synthesized import SUFFIX

REFERENCE = re.compile(r"\$\{((?:data\.)?\w+\.\w+)\.([\w.\[\]]+)\}")
ACCOUNT = "123456789012"
DATA = {
    "aws_partition": {
        "partition": "aws",
        "dns_suffix": "amazonaws.com",
    },
    "aws_caller_identity": {"account_id": ACCOUNT},
}
SESSION = Session()


class Environment(Account):
    """A stack of which everything is there. ``at`` is an id by construct path."""

    def __init__(self, synthesized):
        super().__init__(SESSION, synthesized.document)
        self.synthesized = synthesized
        self.attributes = {}
        self.at = {}
        makers = {**MAKERS, **FAITHFUL}
        for type_ in sorted(makers, key=lambda type_: type_ == "aws_iam_role_policy"):
            for address in self.of_type(type_):  # what a policy names is there by then
                self._make(makers[type_], address)

    def _make(self, maker, address):
        made = maker(self, lambda name: self.value(address, name), address)
        if isinstance(made, str):
            made = {"id": made}
        self.attributes[address] = {**self.stack.addresses[address], **made}
        path = self.stack.addresses[address]["//"]["metadata"]["path"].split("/", 1)[1]
        self.at[path] = made["id"]

    def value(self, address, name):
        """An argument, its references replaced."""
        return self._filled(self.stack.addresses[address].get(name))

    def _filled(self, value):
        if isinstance(value, dict):
            return {key: self._filled(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._filled(entry) for entry in value]
        if isinstance(value, str):
            return REFERENCE.sub(lambda match: self._attribute(*match.groups()), value)
        return value

    def _attribute(self, address, name):
        if address.startswith("data."):
            return DATA[address.split(".")[1]][name]
        if name in self.attributes.get(address, ()):
            return self._filled(self.attributes[address][name])
        # As recover finds it in AWS.
        type_, own = address.split(".")
        return self.stack._attribute(type_, own, name)  # pylint: disable=protected-access

    @property
    def subject(self):
        """What a check is given."""
        config = self.synthesized.config
        naming = NamingModule(config.name, config.region, SUFFIX, config.account_id)
        stack = Stack.read(self.synthesized.document)
        subject = Subject(config, naming, stack, {})
        subject._session = SESSION  # pylint: disable=protected-access  # whoever runs the tests
        return subject

    @property
    def deployed(self):
        """Its things, asked for anew."""
        return Deployed(self.subject)

    def only(self, checks, name):
        """The one thing that these checks find, by the check of this name."""
        found = self.found(checks)
        assert len(found) == 1, found
        ((check, finding),) = found
        assert (check, finding.outcome) == (name, Outcome.FAILED)
        assert finding.needed and finding.fix
        return finding

    def found(self, checks):
        """What these checks find that isn't passed: ``[(check, finding), ...]``."""
        return [
            (check.name, finding)
            for check in checks
            for finding in check.look(self.subject)
            if finding.outcome is not Outcome.PASSED
        ]

    @property
    def ec2(self):
        """What most things are changed with."""
        return self.client("ec2")


@contextmanager
def environment(synthesized):
    """The environment, for as long as it is used."""
    variables = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # a fifth of the time that it takes
    }
    with mock_aws(), pytest.MonkeyPatch.context() as monkey, patch.dict(os.environ, variables):
        patches.apply_all(
            lambda where, name, value: monkey.setattr(where, name, value, raising=False)
        )
        yield Environment(synthesized)


def _vpc(account, of, address):
    client = account.client("ec2")
    made = client.create_vpc(CidrBlock=of("cidr_block"), **account.specification("vpc", address))
    vpc = made["Vpc"]["VpcId"]
    for name, argument in (
        ("EnableDnsSupport", "enable_dns_support"),
        ("EnableDnsHostnames", "enable_dns_hostnames"),
    ):
        client.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": of(argument)}})
    return vpc


def _default_group(account, of, _):
    filters = [
        {"Name": "vpc-id", "Values": [of("vpc_id")]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    client = account.client("ec2")
    (group,) = client.describe_security_groups(Filters=filters)["SecurityGroups"]
    _close(client, group)
    return group["GroupId"]


def _close(client, group):
    for key, operation in (
        ("IpPermissions", client.revoke_security_group_ingress),
        ("IpPermissionsEgress", client.revoke_security_group_egress),
    ):
        if group[key]:
            operation(GroupId=group["GroupId"], IpPermissions=group[key])


def _subnet(account, of, address):
    stack = Stack.read(account.synthesized.document)
    made = account.client("ec2").create_subnet(
        VpcId=of("vpc_id"),
        CidrBlock=of("cidr_block"),
        AvailabilityZone=zone(stack, stack.resources[address]),
        **account.specification("subnet", address),
    )
    return made["Subnet"]["SubnetId"]


def _internet_gateway(account, of, address):
    made = account.client("ec2").create_internet_gateway(
        **account.specification("internet-gateway", address)
    )
    gateway = made["InternetGateway"]["InternetGatewayId"]
    account.client("ec2").attach_internet_gateway(InternetGatewayId=gateway, VpcId=of("vpc_id"))
    return gateway


def _endpoint(account, of, address):
    made = account.client("ec2").create_vpc_endpoint(
        VpcId=of("vpc_id"),
        ServiceName=of("service_name"),
        VpcEndpointType=of("vpc_endpoint_type"),
        RouteTableIds=of("route_table_ids"),
        **account.specification("vpc-endpoint", address),
    )
    return made["VpcEndpoint"]["VpcEndpointId"]


def _flow_log(account, of, address):
    made = account.client("ec2").create_flow_logs(
        ResourceIds=[of("vpc_id")],
        ResourceType="VPC",
        TrafficType=of("traffic_type"),
        LogDestination=of("log_destination"),
        DeliverLogsPermissionArn=of("iam_role_arn"),
        **account.specification("vpc-flow-log", address),
    )
    return made["FlowLogIds"][0]


def _group(account, of, address):
    client = account.client("ec2")
    group = client.create_security_group(
        GroupName=of("name"),
        VpcId=of("vpc_id"),
        Description=of("description"),
        **account.specification("security-group", address),
    )["GroupId"]
    _close(client, client.describe_security_groups(GroupIds=[group])["SecurityGroups"][0])
    return group


def _log_group(account, of, _):
    client = account.client("logs")
    key = {"kmsKeyId": of("kms_key_id")} if of("kms_key_id") else {}
    client.create_log_group(logGroupName=of("name"), **key)
    client.put_retention_policy(logGroupName=of("name"), retentionInDays=of("retention_in_days"))
    return {"id": of("name"), "arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{of('name')}"}


def _subnet_group(account, of, _):
    account.client("rds").create_db_subnet_group(
        DBSubnetGroupName=of("name"),
        DBSubnetGroupDescription=of("description"),
        SubnetIds=of("subnet_ids"),
    )
    return of("name")


def _parameter_group(account, of, _):
    client = account.client("rds")
    client.create_db_parameter_group(
        DBParameterGroupName=of("name"),
        DBParameterGroupFamily=of("family"),
        Description=of("description"),
    )
    parameters = [
        {
            "ParameterName": entry["name"],
            "ParameterValue": entry["value"],
            "ApplyMethod": entry.get("apply_method", "immediate"),
        }
        for entry in of("parameter")
    ]
    client.modify_db_parameter_group(DBParameterGroupName=of("name"), Parameters=parameters)
    return of("name")


DATABASE = {
    "DBInstanceIdentifier": "identifier",
    "DBName": "db_name",
    "DBInstanceClass": "instance_class",
    "Engine": "engine",
    "EngineVersion": "engine_version",
    "EngineLifecycleSupport": "engine_lifecycle_support",
    "MasterUsername": "username",
    "ManageMasterUserPassword": "manage_master_user_password",
    "AllocatedStorage": "allocated_storage",
    "MaxAllocatedStorage": "max_allocated_storage",
    "StorageType": "storage_type",
    "StorageEncrypted": "storage_encrypted",
    "MultiAZ": "multi_az",
    "Port": "port",
    "PubliclyAccessible": "publicly_accessible",
    "DBSubnetGroupName": "db_subnet_group_name",
    "VpcSecurityGroupIds": "vpc_security_group_ids",
    "DBParameterGroupName": "parameter_group_name",
    "EnableCloudwatchLogsExports": "enabled_cloudwatch_logs_exports",
    "MonitoringInterval": "monitoring_interval",
    "MonitoringRoleArn": "monitoring_role_arn",
    "EnablePerformanceInsights": "performance_insights_enabled",
    "BackupRetentionPeriod": "backup_retention_period",
    "PreferredBackupWindow": "backup_window",
    "PreferredMaintenanceWindow": "maintenance_window",
    "CopyTagsToSnapshot": "copy_tags_to_snapshot",
    "DeletionProtection": "deletion_protection",
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "EnableIAMDatabaseAuthentication": "iam_database_authentication_enabled",
}


def _database(account, of, _):
    asked = {name: of(argument) for name, argument in DATABASE.items()}
    made = account.client("rds").create_db_instance(
        **{name: value for name, value in asked.items() if value is not None}
    )["DBInstance"]
    return {
        "id": made["DBInstanceIdentifier"],
        "address": made["Endpoint"]["Address"],
        "master_user_secret[0].secret_arn": made.get("MasterUserSecret", {}).get("SecretArn"),
    }


def _balancer(account, of, _):
    client = account.client("elbv2")
    (made,) = client.create_load_balancer(
        Name=of("name"),
        Subnets=of("subnets"),
        SecurityGroups=of("security_groups"),
        Scheme="internal" if of("internal") else "internet-facing",
    )["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    return {"id": arn, "arn": arn, "dns_name": made["DNSName"], "arn_suffix": arn.split("/", 1)[1]}


def _target_group(account, of, _):
    check = of("health_check")
    client = account.client("elbv2")
    (made,) = client.create_target_group(
        Name=of("name"),
        Protocol=of("protocol"),
        Port=of("port"),
        VpcId=of("vpc_id"),
        TargetType=of("target_type"),
        HealthCheckPath=check["path"],
        HealthCheckIntervalSeconds=check["interval"],
        HealthCheckTimeoutSeconds=check["timeout"],
        HealthyThresholdCount=check["healthy_threshold"],
        UnhealthyThresholdCount=check["unhealthy_threshold"],
        Matcher={"HttpCode": check["matcher"]},
    )["TargetGroups"]
    arn = made["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": of("deregistration_delay")}
    client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    return {"id": arn, "arn": arn, "arn_suffix": arn.rsplit(":", 1)[1]}


def _listener(account, of, _):
    def action(entry):
        if entry["type"] == "forward":
            return {"Type": "forward", "TargetGroupArn": entry["target_group_arn"]}
        to = entry["redirect"]
        return {
            "Type": "redirect",
            "RedirectConfig": {
                "Protocol": to["protocol"],
                "Port": to["port"],
                "StatusCode": to["status_code"],
            },
        }

    tls = {}
    if arn := of("certificate_arn"):
        certificate = CertBundle.generate_cert("app.example.com", ACCOUNT, REGION)
        certificate.arn, certificate.status = arn, "ISSUED"
        held = get_backend("acm")[ACCOUNT][REGION]
        held._certificates[arn] = certificate  # pylint: disable=protected-access
        tls = {"Certificates": [{"CertificateArn": arn}], "SslPolicy": of("ssl_policy")}
    (made,) = account.client("elbv2").create_listener(
        LoadBalancerArn=of("load_balancer_arn"),
        Protocol=of("protocol"),
        Port=of("port"),
        DefaultActions=[action(entry) for entry in of("default_action")],
        **tls,
    )["Listeners"]
    return made["ListenerArn"]


def _cluster(account, of, _):
    made = account.client("ecs").create_cluster(clusterName=of("name"), settings=of("setting"))[
        "cluster"
    ]
    return {"id": made["clusterArn"], "arn": made["clusterArn"]}


def _task_definition(account, of, _):
    platform = of("runtime_platform")
    made = account.client("ecs").register_task_definition(
        family=of("family"),
        requiresCompatibilities=of("requires_compatibilities"),
        networkMode=of("network_mode"),
        cpu=of("cpu"),
        memory=of("memory"),
        executionRoleArn=of("execution_role_arn"),
        taskRoleArn=of("task_role_arn"),
        runtimePlatform={
            "cpuArchitecture": platform["cpu_architecture"],
            "operatingSystemFamily": platform["operating_system_family"],
        },
        containerDefinitions=json.loads(of("container_definitions")),
    )["taskDefinition"]
    return {"id": made["taskDefinitionArn"], "arn": made["taskDefinitionArn"]}


def _service(account, of, _):
    network, (target,) = of("network_configuration"), of("load_balancer")
    breaker = of("deployment_circuit_breaker")
    made = account.client("ecs").create_service(
        cluster=of("cluster"),
        serviceName=of("name"),
        taskDefinition=of("task_definition"),
        desiredCount=of("desired_count"),
        launchType=of("launch_type"),
        platformVersion=of("platform_version"),
        healthCheckGracePeriodSeconds=of("health_check_grace_period_seconds"),
        enableExecuteCommand=of("enable_execute_command"),
        enableECSManagedTags=of("enable_ecs_managed_tags"),
        propagateTags=of("propagate_tags"),
        deploymentConfiguration={
            "deploymentCircuitBreaker": breaker,
            "minimumHealthyPercent": of("deployment_minimum_healthy_percent"),
            "maximumPercent": of("deployment_maximum_percent"),
        },
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": network["subnets"],
                "securityGroups": network["security_groups"],
                "assignPublicIp": "ENABLED" if network["assign_public_ip"] else "DISABLED",
            }
        },
        loadBalancers=[
            {
                "targetGroupArn": target["target_group_arn"],
                "containerName": target["container_name"],
                "containerPort": target["container_port"],
            }
        ],
    )["service"]
    return {"id": made["serviceArn"], "name": made["serviceName"]}


def _role(account, of, _):
    made = account.client("iam").create_role(
        RoleName=of("name"), AssumeRolePolicyDocument=of("assume_role_policy")
    )["Role"]
    return {"id": made["RoleName"], "arn": made["Arn"]}


def _role_policy(account, of, _):
    account.client("iam").put_role_policy(
        RoleName=of("role"), PolicyName=of("name"), PolicyDocument=of("policy")
    )
    return f"{of('role')}:{of('name')}"


def _scaling_target(account, of, _):
    account.client("application-autoscaling").register_scalable_target(
        ServiceNamespace=of("service_namespace"),
        ResourceId=of("resource_id"),
        ScalableDimension=of("scalable_dimension"),
        MinCapacity=of("min_capacity"),
        MaxCapacity=of("max_capacity"),
    )
    return of("resource_id")


def _parameter(account, of, _):
    account.client("ssm").put_parameter(Name=of("name"), Value=of("value"), Type=of("type"))
    return of("name")


FAITHFUL = {
    "aws_vpc": _vpc,
    "aws_default_security_group": _default_group,
    "aws_subnet": _subnet,
    "aws_internet_gateway": _internet_gateway,
    "aws_vpc_endpoint": _endpoint,
    "aws_flow_log": _flow_log,
    "aws_security_group": _group,
    "aws_cloudwatch_log_group": _log_group,
    "aws_db_subnet_group": _subnet_group,
    "aws_db_parameter_group": _parameter_group,
    "aws_db_instance": _database,
    "aws_lb": _balancer,
    "aws_lb_target_group": _target_group,
    "aws_lb_listener": _listener,
    "aws_ecs_cluster": _cluster,
    "aws_ecs_task_definition": _task_definition,
    "aws_ecs_service": _service,
    "aws_iam_role": _role,
    "aws_iam_role_policy": _role_policy,
    "aws_appautoscaling_target": _scaling_target,
    "aws_ssm_parameter": _parameter,
}
