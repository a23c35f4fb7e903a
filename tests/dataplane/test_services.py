"""ECS's tasks and services that run, behind a load balancer that answers.

One environment for all tests; each leaves a service of two tasks as it found it.
"""

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

from ops.emulator.dataplane.pods import no_namespaces
from tests.dataplane.world import COMMAND, LOGS, until

pytestmark = pytest.mark.skipif(bool(no_namespaces()), reason=str(no_namespaces()))
TASK_ENVIRONMENT = "import os, json; print(json.dumps({**os.environ, 'uid': os.getuid()}))"
HANGS = 2  # seconds after which an answer isn't expected any more


@pytest.fixture(scope="module", name="service")
def _service(world):
    """A world with a service of two tasks that ask a database."""
    world.network()
    world.load_balancer()
    found = world.database()
    assert not world.emulator.data_plane()["not_shown"], found
    world.service(world.definition(), 2)
    world.steady()
    return world


def get(world, path="/", timeout=20.0):
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{world.port()}{path}", timeout=timeout
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def hangs(world, path="/"):
    """Whether nobody answers."""
    try:
        get(world, path, HANGS)
    except TimeoutError:
        return True
    return False


@contextmanager
def asked_throughout(world):
    """All different answers while it is open, and how many there were."""
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                answers.append(get(world))
            except OSError as error:
                answers.append((0, repr(error)))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def release(world, definition):
    """Deploy a task definition, and wait for what comes of it."""
    before = world.described()["deployments"][0]["id"]
    world.ecs.update_service(cluster="cluster", service="service", taskDefinition=definition)
    new = world.described()["deployments"][0]["id"]
    assert new != before
    return world.steady(120)


def healthy(world):
    """How many targets are; 0 when another is there too."""
    found = world.elbv2.describe_target_health(TargetGroupArn=world.ids["target_group"])
    states = [each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"]]
    return len(states) if set(states) == {"healthy"} else 0


def messages(world):
    """The service's events, the newest first."""
    return [event["message"] for event in world.described()["events"]]


def test_the_listener_answers_from_the_tasks_and_those_from_the_database(service):
    assert get(service) == (200, "1")
    first, second = (get(service, "/visits")[1] for _ in range(2))
    assert int(second.removeprefix("visits=")) == int(first.removeprefix("visits=")) + 1
    assert healthy(service) == 2


def test_a_task_has_an_address_of_its_subnet_and_a_log(service):
    for task in service.tasks():
        details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
        (interface,) = service.ec2.describe_network_interfaces(
            NetworkInterfaceIds=[details["networkInterfaceId"]]
        )["NetworkInterfaces"]
        assert interface["PrivateIpAddress"] == details["privateIPv4Address"]
        assert interface["PrivateIpAddress"].startswith(("10.0.0.", "10.0.16."))
        assert ":ecs:" in interface["Description"]
        assert "version 1 as 65534" in service.log(task["taskArn"])


def test_nothing_listens_on_anything_but_loopback(service):
    pids = {each["pid"] for each in service.emulator.data_plane()["tasks"].values()}
    pids |= {each["pid"] for each in service.emulator.data_plane()["databases"].values()}
    pids.add(service.emulator.pid)
    ours = [psutil.Process(pid) for pid in pids]
    ours += [child for each in ours for child in each.children(recursive=True)]
    listening = {
        (each.pid, connection.laddr.ip)
        for each in ours
        for connection in each.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    # Of a task's own network, this one sees nothing.
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_a_good_release_fails_no_request(service):
    with asked_throughout(service) as answers:
        found = release(service, service.definition(environment={"VERSION": "2"}))
        time.sleep(0.5)
    assert set(answers) == {(200, "1"), (200, "2")}
    assert answers[-1] == (200, "2")
    assert found["events"][0]["message"] == "(service service) has reached a steady state."
    reasons = {task["stoppedReason"] for task in service.tasks("STOPPED")}
    assert reasons == {
        f"Scaling activity initiated by (deployment {found['deployments'][0]['id']})"
    }
    assert {task["containers"][0]["exitCode"] for task in service.tasks("STOPPED")} == {143}


def test_a_release_whose_tasks_exit_is_rolled_back(service):
    before = service.described()["taskDefinition"]
    running = {task["taskArn"] for task in service.tasks()}
    bad = service.definition("sh", "-c", "echo no good; exit 3")
    with asked_throughout(service) as answers:
        found = release(service, bad)
    assert set(answers) == {(200, "2")}
    assert found["taskDefinition"] == before
    assert {task["taskArn"] for task in service.tasks()} == running
    told = [text for text in messages(service) if "deployment failed" in text or "roll" in text]
    assert "rolling back to (deployment" in told[0]
    assert "deployment failed: tasks failed to start." in told[1]
    stopped = [task for task in service.tasks("STOPPED") if task["taskDefinitionArn"] == bad]
    assert len(stopped) >= 3
    for task in stopped:
        assert task["stopCode"] == "EssentialContainerExited"
        assert task["containers"][0]["exitCode"] == 3
        assert service.log(task["taskArn"]) == ["no good"]


def test_so_is_one_that_fails_its_health_check(service):
    before = service.described()["taskDefinition"]
    with asked_throughout(service) as answers:
        found = release(service, service.definition(*COMMAND, "8081"))
    assert set(answers) == {(200, "2")}
    assert found["taskDefinition"] == before
    reasons = [task["stoppedReason"] for task in service.tasks("STOPPED")]
    group = service.ids["target_group"]
    assert f"Task failed ELB health checks in (target-group {group})" in reasons
    assert any("is unhealthy in (target-group" in text for text in messages(service))


def test_a_wrong_health_path_is_told_by_its_code(service):
    group = service.ids["target_group"]
    service.elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/broken")

    def codes():
        found = service.elbv2.describe_target_health(TargetGroupArn=group)
        health = [each["TargetHealth"] for each in found["TargetHealthDescriptions"]]
        told = "Health checks failed with these codes: [404]"
        return any(each.get("Description") == told for each in health)

    until(codes, 40, "no target is unhealthy")
    service.elbv2.modify_target_group(TargetGroupArn=group, HealthCheckPath="/")
    until(lambda: healthy(service) == 2)
    service.steady()


def test_a_killed_task_is_replaced(service):
    pids = service.emulator.data_plane()["tasks"]
    victim = next(iter(pids))
    os.kill(pids[victim]["pid"], signal.SIGKILL)

    def replaced():
        arns = [task["taskArn"] for task in service.tasks()]
        return len(arns) == 2 and victim not in arns

    until(replaced)
    service.steady()
    (task,) = service.ecs.describe_tasks(cluster="cluster", tasks=[victim])["tasks"]
    assert task["lastStatus"] == "STOPPED"
    assert task["stoppedReason"] == "Essential container in task exited"


def test_scaling_starts_and_stops_tasks(service):
    for count in (3, 1, 2):
        service.ecs.update_service(cluster="cluster", service="service", desiredCount=count)
        until(partial(runs, service, count))
    service.steady()


def runs(world, count):
    """Whether so many tasks run, by the API and in fact."""
    there = len(world.emulator.data_plane()["tasks"])
    return world.described()["runningCount"] == there == count


@contextmanager
def without(world, way, group, port, peer):
    """A rule taken away for a while."""
    world.rule(way, group, port, peer, gone=True)
    try:
        yield
    finally:
        world.rule(way, group, port, peer)


@pytest.mark.parametrize(
    "rule",
    [
        ("egress", "service", 5432, "database"),
        ("ingress", "database", 5432, "service"),
    ],
)
def test_without_a_rule_the_database_hangs(service, rule):
    with without(service, *rule):
        assert hangs(service, "/visits")
        assert get(service) == (200, "2")
    assert get(service, "/visits")[0] == 200


def test_without_a_rule_or_a_route_the_load_balancer_hangs(service):
    with without(service, "ingress", "load_balancer", 80, "0.0.0.0/0"):
        assert hangs(service)
    where = {"RouteTableId": service.ids["table"], "DestinationCidrBlock": "0.0.0.0/0"}
    service.ec2.delete_route(**where)
    assert hangs(service)
    service.ec2.create_route(**where, GatewayId=service.ids["gateway"])
    assert get(service)[0] == 200


def run(world, *command, **options):
    """A one-off task, once it has stopped."""
    (task,) = world.ecs.run_task(
        **{
            "cluster": "cluster",
            "taskDefinition": world.definition(*command),
            "launchType": "FARGATE",
            "networkConfiguration": world.vpc_configuration,
            **options,
        }
    )["tasks"]
    return ended(world, task["taskArn"])


def ended(world, arn):
    """A task that has stopped."""

    def look():
        (found,) = world.ecs.describe_tasks(cluster="cluster", tasks=[arn])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else None

    return until(look)


def test_a_one_off_task_ends_with_its_exit_code_and_its_log(service):
    command = ["sh", "-c", 'echo "hello $WHOM"; exit 7']
    environment = [{"name": "WHOM", "value": "you"}]
    overrides = {"name": "app", "command": command, "environment": environment}
    task = run(service, "true", overrides={"containerOverrides": [overrides]})
    assert task["containers"][0]["exitCode"] == 7
    assert (task["stopCode"], task["desiredStatus"]) == ("EssentialContainerExited", "STOPPED")
    assert service.log(task["taskArn"]) == ["hello you"]
    assert service.tasks("STOPPED")


def test_it_has_its_own_environment_credentials_and_user_and_nobody_else_s(service):
    task = run(service, "python", "-c", TASK_ENVIRONMENT)
    (line,) = service.log(task["taskArn"])
    found = json.loads(line)
    secret = service.secret()
    assert (found["PGUSER"], found["PGPASSWORD"]) == (secret["username"], secret["password"])
    assert found["uid"] == 65534
    assert "AWS_ACCESS_KEY_ID" not in found
    assert not {name for name in found if name in os.environ} - {
        *("PATH", "HOME", "LC_CTYPE", "AWS_REGION", "AWS_DEFAULT_REGION", "PYTHONUNBUFFERED"),
        *("HOSTNAME", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED"),
    }
    asks = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    task = run(service, "python", "-c", asks)
    assert ":assumed-role/task/" in service.log(task["taskArn"])[-1]


def test_it_sees_neither_the_person_s_files_nor_the_internet(service):
    home = os.path.expanduser("~")
    task = run(service, "sh", "-c", f"ls -A {home}/.terraform.d; touch /tmp/x; echo $?")
    assert service.log(task["taskArn"])[-1] != "0"
    asks = "import socket; socket.create_connection(('192.0.2.1', 443), 1)"
    task = run(service, "python", "-c", asks)
    assert "timed out" in service.log(task["taskArn"])[-1]


def test_a_task_that_cannot_start_says_why(service):
    with without(service, "egress", "service", 443, "0.0.0.0/0"):
        task = run(service, "true")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")
    task = run(service, "no-such-program")
    assert "there is no no-such-program on this machine" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]
    service.logs.delete_log_group(logGroupName=LOGS)
    task = run(service, "true")
    service.logs.create_log_group(logGroupName=LOGS)
    assert "the specified log group does not exist" in task["stoppedReason"]


def test_a_stopped_task_says_who_stopped_it(service):
    (task,) = service.ecs.run_task(
        cluster="cluster",
        taskDefinition=service.definition("sleep", "60"),
        launchType="FARGATE",
        networkConfiguration=service.vpc_configuration,
    )["tasks"]
    arn = task["taskArn"]
    until(lambda: arn in service.emulator.data_plane()["tasks"])
    time.sleep(0.5)
    service.ecs.stop_task(cluster="cluster", task=arn, reason="enough")
    found = ended(service, arn)
    assert (found["stopCode"], found["stoppedReason"]) == ("UserInitiated", "enough")
    assert found["containers"][0]["exitCode"] == 143


def test_a_rotated_password_is_the_secret_s_and_the_database_s(service):
    before = service.secret()["password"]
    service.rds.modify_db_instance(
        DBInstanceIdentifier="db", RotateMasterUserPassword=True, ApplyImmediately=True
    )
    assert service.secret()["password"] != before
    until(lambda: get(service, "/visits")[0] == 500)  # those that run have the old one
    service.ecs.update_service(cluster="cluster", service="service", forceNewDeployment=True)
    service.steady()
    assert get(service, "/visits")[0] == 200


def test_a_stopped_database_answers_nobody_until_it_is_started(service):
    before = get(service, "/visits")[1]
    service.rds.stop_db_instance(DBInstanceIdentifier="db")
    service.database_that("stopped")
    assert get(service, "/visits")[0] == 500
    service.rds.start_db_instance(DBInstanceIdentifier="db")
    service.database_that("available")
    after = get(service, "/visits")[1]
    assert int(after.removeprefix("visits=")) == int(before.removeprefix("visits=")) + 1


def test_a_static_parameter_waits_for_the_reboot(service):
    def status():
        (found,) = service.rds.describe_db_instances()["DBInstances"]
        return found["DBParameterGroups"][0]["ParameterApplyStatus"]

    assert status() == "in-sync"
    service.parameter("max_connections", "50", "pending-reboot")
    until(lambda: status() == "pending-reboot")
    service.rds.reboot_db_instance(DBInstanceIdentifier="db")
    service.database_that("available")
    until(lambda: status() == "in-sync")
    assert get(service, "/visits")[0] == 200


def test_a_deleted_service_takes_its_tasks_and_their_interfaces_along(service):
    service.ecs.update_service(cluster="cluster", service="service", desiredCount=0)
    service.ecs.delete_service(cluster="cluster", service="service")
    until(lambda: service.described()["status"] == "INACTIVE")
    found = service.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [each for each in found if ":ecs:" in each["Description"]] == []
    assert service.emulator.data_plane()["tasks"] == {}
    assert get(service)[0] == 503
