"""An environment in miniature, made by boto3: what TAP's stack has that something flows through."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.emulator import Emulator

REGION = "us-east-1"
SOURCE = (Path(__file__).parent / "sample_service.py").read_text(encoding="utf-8")
COMMAND = ("python", "-c", SOURCE)
GROUPS = ("load_balancer", "service", "database")
LOGS = "/tap/dev/service"
CHECK = {  # the quickest that ELB takes
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 2,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
}


def until(ready: Callable[[], Any], seconds: float = 40, what: str = "it") -> Any:
    """What it returns once that is true; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        if found := ready():
            return found
        assert time.monotonic() < deadline, f"{what} after {seconds} s"
        time.sleep(0.1)


@dataclass
class World:
    """The things by their names, and clients."""

    emulator: Emulator
    ids: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.emulator.session(REGION).client(service)
        return self.clients[service]

    def network(self) -> None:
        """A VPC with a public and a private subnet, and three groups."""
        ec2 = self.ec2
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        self.ids |= {"vpc": vpc, "gateway": gateway, "table": table}
        for number, name in enumerate(("public0", "public1", "private0", "private1")):
            subnet = ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=f"10.0.{16 * number}.0/20",
                AvailabilityZone=f"{REGION}{'ab'[number % 2]}",
            )["Subnet"]["SubnetId"]
            self.ids[name] = subnet
            if name.startswith("public"):
                ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        for name in GROUPS:
            made = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
            self.ids[name] = made["GroupId"]
            # A new group lets all out; TAP's let out what they need.
            ec2.revoke_security_group_egress(GroupId=made["GroupId"], IpPermissions=[ALL])
        self.rule("ingress", "load_balancer", 80, "0.0.0.0/0")
        self.rule("egress", "service", 443, "0.0.0.0/0")
        for source, target, port in (
            ("load_balancer", "service", 8080),
            ("service", "database", 5432),
        ):
            self.rule("egress", source, port, target)
            self.rule("ingress", target, port, source)

    def rule(self, way: str, group: str, port: int, peer: str, *, gone: bool = False) -> None:
        """Make a rule of a group, or take it away."""
        who = (
            {"IpRanges": [{"CidrIp": peer}]}
            if "/" in peer
            else {"UserIdGroupPairs": [{"GroupId": self.ids[peer]}]}
        )
        permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **who}
        verb = "revoke" if gone else "authorize"
        step = getattr(self.ec2, f"{verb}_security_group_{way}")
        step(GroupId=self.ids[group], IpPermissions=[permission])

    def database(self, **settings: Any) -> dict[str, Any]:
        """A database, once it is available."""
        self.rds.create_db_subnet_group(
            DBSubnetGroupName="db",
            DBSubnetGroupDescription="db",
            SubnetIds=[self.ids["private0"], self.ids["private1"]],
        )
        self.rds.create_db_parameter_group(
            DBParameterGroupName="pg14", DBParameterGroupFamily="postgres14", Description="pg14"
        )
        self.parameter("rds.force_ssl", "1")
        self.rds.create_db_instance(
            **{
                "DBInstanceIdentifier": "db",
                "Engine": "postgres",
                "EngineVersion": "14",
                "DBInstanceClass": "db.t3.micro",
                "AllocatedStorage": 20,
                "DBName": "app",
                "MasterUsername": "app_admin",
                "ManageMasterUserPassword": True,
                "DBSubnetGroupName": "db",
                "VpcSecurityGroupIds": [self.ids["database"]],
                "DBParameterGroupName": "pg14",
                **settings,
            }
        )
        return self.database_that("available", 120)

    def parameter(self, name: str, value: str, method: str = "immediate") -> None:
        """Set a parameter of the database's group."""
        entry = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
        self.rds.modify_db_parameter_group(DBParameterGroupName="pg14", Parameters=[entry])

    def database_that(self, status: str, seconds: float = 40) -> dict[str, Any]:
        """The database once it has this status."""

        def look() -> dict[str, Any] | None:
            (found,) = self.rds.describe_db_instances()["DBInstances"]
            return found if found["DBInstanceStatus"] == status else None

        return until(look, seconds, f"not {status}")

    def secret(self) -> dict[str, str]:
        """The master user and its password, as the secret has them."""
        (found,) = self.rds.describe_db_instances()["DBInstances"]
        arn = found["MasterUserSecret"]["SecretArn"]
        return json.loads(self.secretsmanager.get_secret_value(SecretId=arn)["SecretString"])

    def load_balancer(self, **check: Any) -> None:
        """A load balancer with a listener and a target group."""
        made = self.elbv2.create_load_balancer(
            Name="alb",
            Subnets=[self.ids["public0"], self.ids["public1"]],
            SecurityGroups=[self.ids["load_balancer"]],
        )["LoadBalancers"][0]
        group = self.elbv2.create_target_group(
            Name="tg",
            Protocol="HTTP",
            Port=8080,
            VpcId=self.ids["vpc"],
            TargetType="ip",
            **{**CHECK, **check},
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
        self.elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])
        listener = self.elbv2.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Listeners"][0]["ListenerArn"]
        self.ids |= {"alb": made["LoadBalancerArn"], "dns": made["DNSName"]}
        self.ids |= {"target_group": group, "listener": listener}

    def definition(self, *command: str, **changes: Any) -> str:
        """A task definition like TAP's; what has no value is left out."""
        (found,) = self.rds.describe_db_instances()["DBInstances"] or [None]
        environment = {"VERSION": "1", **changes.pop("environment", {})}
        secrets = []
        if found:
            arn = found["MasterUserSecret"]["SecretArn"]
            address = found["Endpoint"]["Address"]
            environment = {
                "PGHOST": address,
                "PGPORT": "5432",
                "PGDATABASE": "app",
                "PGSSLMODE": "require",
                "DB_SECRET_ARN": arn,
                **environment,
            }
            secrets = [
                {"name": name, "valueFrom": f"{arn}:{key}::"}
                for name, key in (("PGUSER", "username"), ("PGPASSWORD", "password"))
            ]
        container = {
            "name": "app",
            "image": "sample",
            "essential": True,
            "user": "65534",
            "readonlyRootFilesystem": True,
            "portMappings": [{"containerPort": 8080}],
            "command": list(command or COMMAND),
            "environment": [{"name": key, "value": value} for key, value in environment.items()],
            "secrets": secrets,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": LOGS,
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "app",
                },
            },
            **changes,
        }
        return self.ecs.register_task_definition(
            family="app",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            taskRoleArn="arn:aws:iam::123456789012:role/task",
            executionRoleArn="arn:aws:iam::123456789012:role/execution",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]

    @property
    def vpc_configuration(self) -> dict[str, Any]:
        """Where tasks run."""
        return {
            "awsvpcConfiguration": {
                "subnets": [self.ids["public0"], self.ids["public1"]],
                "securityGroups": [self.ids["service"]],
                "assignPublicIp": "ENABLED",
            }
        }

    def service(self, definition: str, count: int = 1, **settings: Any) -> None:
        """A service behind the load balancer, if there is one."""
        if "cluster" not in self.ids:
            self.cluster()
        balancers = [
            {
                "targetGroupArn": self.ids["target_group"],
                "containerName": "app",
                "containerPort": 8080,
            }
        ]
        self.ecs.create_service(
            **{
                "cluster": "cluster",
                "serviceName": "service",
                "taskDefinition": definition,
                "desiredCount": count,
                "launchType": "FARGATE",
                "networkConfiguration": self.vpc_configuration,
                "loadBalancers": balancers if "target_group" in self.ids else [],
                "healthCheckGracePeriodSeconds": 2,
                "deploymentConfiguration": {
                    "minimumHealthyPercent": 100,
                    "maximumPercent": 200,
                    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                },
                **settings,
            }
        )

    def cluster(self) -> None:
        """A cluster, and the group that its tasks log to."""
        self.ecs.create_cluster(clusterName="cluster")
        self.logs.create_log_group(logGroupName=LOGS)
        self.ids["cluster"] = "cluster"

    def described(self) -> dict[str, Any]:
        """The service."""
        return self.ecs.describe_services(cluster="cluster", services=["service"])["services"][0]

    def steady(self, seconds: float = 60) -> dict[str, Any]:
        """The service once its one deployment is through."""

        def look() -> dict[str, Any] | None:
            found = self.described()
            states = [each["rolloutState"] for each in found["deployments"]]
            through = found["runningCount"] == found["desiredCount"]
            return found if states == ["COMPLETED"] and through else None

        return until(look, seconds, "no steady state")

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The cluster's tasks."""
        arns = self.ecs.list_tasks(cluster="cluster", desiredStatus=status)["taskArns"]
        if not arns:
            return []
        return self.ecs.describe_tasks(cluster="cluster", tasks=arns)["tasks"]

    def log(self, task: str) -> list[str]:
        """What a task wrote."""
        stream = f"app/app/{task.rpartition('/')[2]}"
        found = self.logs.get_log_events(logGroupName=LOGS, logStreamName=stream)
        return [event["message"] for event in found["events"]]

    def port(self, listener: int = 80) -> int:
        """Where the load balancer answers on this machine."""
        told = self.emulator.data_plane()["load_balancers"]
        return until(lambda: told[self.ids["dns"]].get(str(listener)), 5)


ALL = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
