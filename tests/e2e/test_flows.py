"""What flows through a deployed environment, with a service that writes and reads a row.

Six tests, and the breaks that turn each red: what one asks, it asks again of an environment that
lacks something, and has to see that. Then releases, a good one and a bad one, by Terraform.
"""

import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ops.checkup import Outcome, look
from ops.checkup.command import subjects
from ops.emulator.dataplane.pods import no_namespaces
from ops.sandbox import Sandbox, Site
from ops.verify import CHECKS
from ops.verify.deployed import Deployed
from tests.e2e.conftest import SUFFIX, opened

pytestmark = pytest.mark.skipif(bool(no_namespaces()), reason=str(no_namespaces()))
ENVIRONMENT = "dev"
ASKED = {"ENVIRONMENT": ENVIRONMENT, "ENVIRONMENT_SUFFIX": SUFFIX, "STATE_BACKEND": "local"}
ANYWHERE = "0.0.0.0/0"
HANGS = 3  # seconds after which no answer is expected any more
CHANGE_SECONDS = 45  # for health checks and tasks to follow


@dataclass
class Flows:
    """The deployed environment, and what its parts answer."""

    sandbox: Sandbox
    site: Site
    deployed: Deployed
    session: Any

    def client(self, service: str) -> Any:
        """boto3's."""
        return self.session.client(service)

    def id(self, path: str) -> Any:
        """The id of a construct's resource."""
        return self.deployed.id(path)

    def get(self, path: str = "/", timeout: float = 20.0) -> tuple[int, str]:
        """The answer through the load balancer: 0 where none came."""
        try:
            with urllib.request.urlopen(f"{self.site.address()}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def service(self) -> dict[str, Any]:
        """As ECS describes it."""
        where = {"cluster": self.id("service/cluster")}
        name = self.deployed.argument("service/service", "name")
        return self.client("ecs").describe_services(**where, services=[name])["services"][0]

    def healths(self) -> list[str]:
        """The states of the targets."""
        group = self.id("load_balancer/target_group")
        found = self.client("elbv2").describe_target_health(TargetGroupArn=group)
        return [each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"]]

    def database(self) -> dict[str, Any]:
        """As RDS describes it."""
        return self.client("rds").describe_db_instances()["DBInstances"][0]

    def task(self, *command: str) -> dict[str, Any]:
        """A one-off task like the service's, once it has stopped; its log under ``log``."""
        ecs, service = self.client("ecs"), self.service
        overrides = {"containerOverrides": [{"name": "app", "command": [*command]}]}
        arn = ecs.run_task(
            cluster=service["clusterArn"],
            taskDefinition=service["taskDefinition"],
            launchType="FARGATE",
            networkConfiguration=service["networkConfiguration"],
            overrides=overrides,
        )["tasks"][0]["taskArn"]

        def stopped() -> dict[str, Any] | None:
            (found,) = ecs.describe_tasks(cluster=service["clusterArn"], tasks=[arn])["tasks"]
            return found if found["lastStatus"] == "STOPPED" else None

        found = until(stopped)
        logs, stream = self.client("logs"), f"app/app/{arn.rpartition('/')[2]}"
        group = self.deployed.argument("service/log_group", "name")
        try:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        except logs.exceptions.ResourceNotFoundException:
            events = []  # it never started
        return {**found, "log": "\n".join(event["message"] for event in events)}


def until(ready: Callable[[], Any], seconds: float = CHANGE_SECONDS) -> Any:
    """What it returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"not in {seconds} s"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module", name="flows")
def _flows() -> Iterator[Flows]:
    with opened(ENVIRONMENT, data_plane=True) as sandbox, pytest.MonkeyPatch.context() as patch:
        site = sandbox.sites[ENVIRONMENT]
        for name, value in (sandbox.environ(site) | ASKED).items():
            patch.setenv(name, value)
        assert deploy(sandbox, site, "1") == 0, "\n".join(sandbox.failures())
        sandbox.wait_for_answers()
        subject, *_ = subjects(sandbox.environ(site) | ASKED)
        session = site.emulator.session(site.config.region)
        yield Flows(sandbox, site, Deployed(subject), session)


def deploy(sandbox: Sandbox, site: Site, *arguments: str) -> int:
    """Deploy the sample service, of a version and on a port; the CLI's exit code."""
    sandbox.synth(site, app=" ".join([sys.executable, "tests/e2e/sampled.py", *arguments]))
    return sandbox.cli("deploy")


@contextmanager
def without_rule(flows: Flows, group: str, path: str) -> Iterator[None]:
    """A rule of a security group that lets nothing through for a while; it keeps its id, by which
    Terraform knows it."""
    ec2 = flows.client("ec2")
    owner, rule = flows.id(f"security/{group}"), flows.id(f"security/{path}")
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
    peer = found.get("ReferencedGroupInfo", {}).get("GroupId")

    def lets(port: int) -> None:
        changed = {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "Description": found["Description"],
            **({"ReferencedGroupId": peer} if peer else {"CidrIpv4": found["CidrIpv4"]}),
        }
        entry = {"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}
        ec2.modify_security_group_rules(GroupId=owner, SecurityGroupRules=[entry])

    lets(1)
    try:
        yield
    finally:
        lets(found["FromPort"])


# VPC connectivity


def test_vpc_connectivity(flows):
    """From the internet through the gateway to the load balancer, and from a task out to AWS."""
    assert flows.get() == (200, "1")
    asks = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    assert flows.task("python", "-c", asks)["containers"][0]["exitCode"] == 0
    where = {
        "RouteTableId": flows.id("network/public_routes"),
        "DestinationCidrBlock": ANYWHERE,
    }
    gateway = flows.id("network/internet_gateway")
    flows.client("ec2").delete_route(**where)
    try:
        assert flows.get(timeout=HANGS)[0] == 0
        assert flows.task("true")["stopCode"] == "TaskFailedToStart"
    finally:
        flows.client("ec2").create_route(**where, GatewayId=gateway)
    assert flows.get() == (200, "1")


# RDS from the VPC


def sql(*changes: str, tls: str = "require") -> tuple[str, ...]:
    """A command for a task that asks the database, with some of its environment changed."""
    setting = "; ".join(f"os.environ[{name!r}] = {value!r}" for name, value in map(_pair, changes))
    return (
        *("python", "-c"),
        "import os, pg8000.native, ssl\n"
        f"{setting}\n"
        "context = ssl._create_unverified_context()\n"
        "e = os.environ\n"
        "c = pg8000.native.Connection(e['PGUSER'], host=e['PGHOST'], port=int(e['PGPORT']),\n"
        "    database=e['PGDATABASE'], password=e['PGPASSWORD'], timeout=3,\n"
        f"    ssl_context={'context' if tls == 'require' else 'False'})\n"
        "print(*c.run('SELECT ssl, current_setting(\\'server_version_num\\')::int / 10000 FROM '\n"
        "    'pg_stat_ssl WHERE pid = pg_backend_pid()')[0])",
    )


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def test_rds_from_the_vpc(flows):
    """A task reads from PostgreSQL 14 over TLS; a wrong port, password or no TLS gets nothing."""
    assert flows.task(*sql())["log"] == "True 14"
    for command, words in (
        (sql("PGPORT=5433"), "Connection refused"),
        (sql("PGPASSWORD=wrong"), "password authentication failed"),
        (sql(tls="disable"), "no encryption"),
    ):
        ended = flows.task(*command)
        assert ended["containers"][0]["exitCode"] == 1
        assert words in ended["log"], ended["log"]
    with without_rule(flows, "database", "service_to_database_in"):
        ended = flows.task(*sql())
        assert ended["containers"][0]["exitCode"] == 1
        assert "timed out" in ended["log"], ended["log"]
    name = flows.database()["DBInstanceIdentifier"]
    flows.client("rds").stop_db_instance(DBInstanceIdentifier=name)
    until(lambda: flows.database()["DBInstanceStatus"] == "stopped")
    ended = flows.task(*sql())
    flows.client("rds").start_db_instance(DBInstanceIdentifier=name)
    assert ended["containers"][0]["exitCode"] == 1
    until(lambda: flows.database()["DBInstanceStatus"] == "available")
    assert flows.task(*sql())["log"] == "True 14"


# ECS health


def test_ecs_health(flows):
    """As many tasks run and are healthy as are wanted; a wrong health path ends that."""
    service = flows.service
    assert service["runningCount"] == service["desiredCount"] == 1
    assert flows.healths() == ["healthy"]
    group, elbv2 = flows.id("load_balancer/target_group"), flows.client("elbv2")
    elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/broken")
    try:
        until(lambda: "unhealthy" in flows.healths())
        told = "is unhealthy in"
        until(lambda: any(told in each["message"] for each in flows.service["events"]))
    finally:
        elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/")
    until(lambda: flows.healths() == ["healthy"] and flows.service["runningCount"] == 1)


# ALB


def test_alb(flows):
    """The listener answers from a healthy target; without a way to one it doesn't."""
    assert flows.get() == (200, "1")
    with without_rule(flows, "load_balancer", "load_balancer_80_from_0"):
        assert flows.get(timeout=HANGS)[0] == 0
    assert flows.get() == (200, "1")
    with without_rule(flows, "service", "load_balancer_to_service_8080_in"):
        assert flows.get(timeout=HANGS)[0] == 0
        until(lambda: "healthy" not in flows.healths())
    until(lambda: flows.healths() == ["healthy"])
    until(lambda: flows.get() == (200, "1"))


# Cross-resource communication


def test_cross_resource_communication(flows):
    """A request goes through the load balancer to a task, which writes a row and reads it back."""
    first, second = (int(flows.get("/visits")[1].removeprefix("visits=")) for _ in range(2))
    assert second == first + 1
    with without_rule(flows, "service", "service_to_database_out"):
        assert flows.get("/visits", HANGS - 1)[0] == 0
    assert flows.get("/visits") == (200, f"visits={second + 1}")
    # The row is in the database that the API shows, with the secret that it names.
    psql = flows.site.psql()
    assert psql
    if subprocess.run(["sh", "-c", "command -v psql"], capture_output=True, check=False).returncode:
        return
    command = f"{psql} -Atc 'SELECT count(*) FROM visits'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (str(second + 1), "")


# Security-group effectiveness


def test_security_group_effectiveness(flows):
    """Whoever lacks a group's rule gets nothing: a foreign task, and each link without its rule."""
    ec2, service = flows.client("ec2"), flows.service
    foreign = ec2.create_security_group(
        GroupName="foreign", Description="foreign", VpcId=flows.deployed.vpc_id
    )["GroupId"]
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    service["networkConfiguration"]["awsvpcConfiguration"] = network | {"securityGroups": [foreign]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flows, "service", property(lambda _: service))
        ended = flows.task(*sql())
    assert ended["containers"][0]["exitCode"] == 1
    assert "timed out" in ended["log"], ended["log"]
    ec2.delete_security_group(GroupId=foreign)
    for group, path in (
        ("service", "service_to_database_out"),
        ("database", "service_to_database_in"),
    ):
        with without_rule(flows, group, path):
            assert "timed out" in flows.task(*sql())["log"]
    assert flows.task(*sql())["log"] == "True 14"


# verify


def test_verify_passes_what_runs(flows):
    """What was "not shown" before there was a data plane."""
    names = {"service.running", "service.targets", "load_balancer.answers", "parts.logs"}
    found = {
        result.check: {finding.outcome for finding in result.findings}
        for result in look(CHECKS, flows.deployed.subject)
    }
    assert {name: found[name] for name in names} == dict.fromkeys(names, {Outcome.PASSED})


# Releases


@contextmanager
def asked_throughout(flows: Flows) -> Iterator[list[tuple[int, str]]]:
    """All answers while it is open."""
    answers, over = [], threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            answers.append(flows.get())

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def test_a_good_release_fails_no_request(flows):
    with asked_throughout(flows) as answers:
        assert deploy(flows.sandbox, flows.site, "2") == 0, "\n".join(flows.sandbox.failures())
    assert set(answers) == {(200, "1"), (200, "2")}
    assert flows.get() == (200, "2")


def test_a_bad_release_is_rolled_back_and_fails_the_deploy(flows):
    before = flows.service["taskDefinition"]
    with asked_throughout(flows) as answers:
        # It listens where nobody looks.
        assert deploy(flows.sandbox, flows.site, "3", "8081") != 0
    assert {status for status, _ in answers} == {200}
    assert flows.service["taskDefinition"] == before
    told = "\n".join(flows.sandbox.failures())
    assert "Resource postcondition failed" in told
    assert "rolling back to (deployment" in told
    assert "is unhealthy in (target-group" in told
    assert flows.service["deployments"][0]["rolloutState"] == "COMPLETED"
