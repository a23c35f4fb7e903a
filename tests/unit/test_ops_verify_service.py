"""The service runs what was deployed, and its targets are healthy; or verify says what isn't so.

moto starts no task, so that none stops either: what AWS says of stopped ones (``ListTasks``,
``DescribeTasks``) and of a target's health (``DescribeTargetHealth``) is put in its mouth.
"""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import cast

import boto3
import pytest
from moto.backends import get_backend

from ops.checkup import Outcome, Subject
from ops.verify import emulated
from ops.verify.service import CHECKS
from tests.unit.answers import answered
from tests.unit.deployed import ACCOUNT, environment

TASK = "arn:aws:ecs:us-east-1:123456789012:task/staging-cluster-qa1/0123456789abcdef"


@pytest.fixture(name="there")
def _there(shipped):
    """Staging, deployed: two tasks and their targets."""
    with environment(shipped("staging")) as there:
        register(there, "10.1.48.10", "10.1.64.10")
        yield there


def register(there, *addresses):
    """What ECS does with each task that runs."""
    there.client("elbv2").register_targets(
        TargetGroupArn=there.at["load_balancer/target_group"],
        Targets=[{"Id": address, "Port": 8080} for address in addresses],
    )


def service_of(there):
    """moto's own record of the service, to be brought into a state that it never reaches."""
    (service,) = get_backend("ecs")[ACCOUNT][there.subject.config.region].services.values()
    return service


def only(there):
    """The one thing that is found."""
    ((check, finding),) = there.found(CHECKS)
    assert finding.outcome is Outcome.FAILED
    assert finding.needed and finding.fix
    return check, finding


def test_a_service_that_runs_passes(stack):
    with environment(stack) as there:
        count = stack.config.service.desired_count
        register(there, *(f"10.0.0.{number}" for number in range(count)))
        said = [f.found for check in CHECKS for f in check.look(there.subject)]
        assert said == [f"{count} of {count} tasks run", f"{count} targets are healthy"]
        assert there.found(CHECKS) == []


def test_a_service_that_is_gone(there):
    there.client("ecs").delete_service(
        cluster=there.at["service/cluster"], service="staging-service-qa1", force=True
    )
    found = [(check, finding.found) for check, finding in there.found(CHECKS)]
    assert found[0] == ("service.running", "no active service")


def test_fewer_tasks_than_wanted_and_why_they_stopped(there):
    service_of(there).running_count = 1
    service_of(there).events.insert(
        0, {"id": "1", "message": "(service x) was unable to place a task: no addresses."}
    )
    task = {
        "taskArn": TASK,
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "app", "exitCode": 3}],
    }
    ecs = there.client("ecs")
    with ExitStack() as exits:
        exits.enter_context(answered(ecs, "ListTasks", {"taskArns": [TASK]}))
        exits.enter_context(answered(ecs, "DescribeTasks", {"tasks": [task, task]}))
        found = there.found(CHECKS)
    (running, targets) = found
    assert running[1].found == "1 of 2 tasks run"
    assert "unable to place a task: no addresses" in running[1].fix
    assert "Essential container in task exited, app: exit code 3 (2 tasks)" in running[1].fix
    assert targets[1].found == "2 targets of 1 running tasks"


@pytest.mark.parametrize("state", ["IN_PROGRESS", "FAILED"])
def test_a_deployment_that_is_not_through(there, state):
    deployment = service_of(there).deployments[0]
    deployment |= {"rolloutState": state, "rolloutStateReason": "tasks failed to start."}
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found == (
        f"1 deployments, the newest {state}, 2 of 2 tasks run: tasks failed to start."
    )


def test_a_deployment_beside_an_older_one(there):
    deployments = service_of(there).deployments
    deployments.append({**deployments[0], "status": "ACTIVE"})
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found.startswith("2 deployments, the newest COMPLETED")


def test_a_deploy_that_was_rolled_back_and_why(there):
    ecs = there.client("ecs")
    (task,) = ecs.list_task_definitions()["taskDefinitionArns"]
    of = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]
    ecs.register_task_definition(
        family=of["family"],
        containerDefinitions=of["containerDefinitions"],
        cpu="512",
        memory="1024",
    )
    why = "(service x) (deployment ecs-svc/1) deployment failed: tasks failed to start."
    service_of(there).events.insert(0, {"id": "1", "message": why})
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found == "runs staging-task-qa1:1, not staging-task-qa1:2: that was rolled back"
    assert why in finding.fix


@pytest.mark.parametrize("count", [2, 10])
def test_a_count_out_of_autoscaling_s_bounds(shipped, count):
    with environment(shipped("prod")) as there:
        register(there, *(f"10.2.48.{number}" for number in range(count)))
        there.client("ecs").update_service(
            cluster=there.at["service/cluster"], service="prod-service-qa1", desiredCount=count
        )
        check, finding = only(there)
        assert (check, finding.found) == ("service.running", f"{count} tasks are wanted")
        assert finding.needed.startswith("3 to 9")


def test_a_target_that_is_not_healthy(there):
    health = {
        "Target": {"Id": "10.1.48.10", "Port": 8080},
        "TargetHealth": {"State": "unhealthy", "Description": "Request timed out"},
    }
    fine = {"Target": {"Id": "10.1.64.10"}, "TargetHealth": {"State": "healthy"}}
    leaving = {"Target": {"Id": "10.1.64.11"}, "TargetHealth": {"State": "draining"}}
    answer = {"TargetHealthDescriptions": [health, fine, leaving]}
    with answered(there.client("elbv2"), "DescribeTargetHealth", answer):
        check, finding = only(there)
    assert (check, finding.found) == (
        "service.targets",
        "10.1.48.10 is unhealthy: Request timed out",
    )


def test_fewer_targets_than_tasks(there):
    there.client("elbv2").deregister_targets(
        TargetGroupArn=there.at["load_balancer/target_group"],
        Targets=[{"Id": "10.1.48.10", "Port": 8080}],
    )
    check, finding = only(there)
    assert (check, finding.found) == ("service.targets", "1 targets of 2 running tasks")


def test_a_target_group_that_is_gone(there):
    elbv2 = there.client("elbv2")
    elbv2.delete_listener(ListenerArn=there.at["load_balancer/http"])
    elbv2.delete_target_group(TargetGroupArn=there.at["load_balancer/target_group"])
    check, finding = only(there)
    assert (check, finding.found) == ("service.targets", "no target group")


def test_what_an_emulator_says_of_tasks_is_not_shown(there, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    found = there.found(CHECKS)
    assert [finding.outcome for _, finding in found] == [Outcome.NOT_SHOWN] * 2
    assert all("emulator at https://sts" in finding.found for _, finding in found)
    service_of(there).running_count = 1
    assert [f.outcome for _, f in there.found(CHECKS)] == [Outcome.FAILED] * 2


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-east-1", None),
        ("cn-north-1", None),
        ("us-gov-west-1", None),
        ("us-east-1", "http://127.0.0.1:5000"),
        ("us-east-1", "http://amazonaws.com.example.org"),
        ("us-east-1", "https://vpce-1-abc.sts.us-east-1.vpce.amazonaws.com"),
    ],
)
def test_an_emulator_is_told_by_where_it_answers(region, endpoint):
    client = boto3.client(
        *("sts", region),
        endpoint_url=endpoint,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )
    subject = cast(Subject, SimpleNamespace(client=lambda _: client))
    on_aws = endpoint is None or endpoint.endswith(".amazonaws.com")
    assert emulated.emulator(subject) == (None if on_aws else endpoint)
