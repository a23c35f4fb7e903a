"""The service runs what was deployed, and its targets are healthy; or verify says what isn't so.

moto starts no task, so that none stops either: what AWS says of stopped ones (``ListTasks``,
``DescribeTasks``) and of a target's health (``DescribeTargetHealth``) is put in its mouth.
"""

from types import SimpleNamespace
from typing import cast

import boto3
import pytest
from moto.backends import get_backend

from ops.checkup import Outcome, Subject
from ops.verify import emulated
from ops.verify.service import CHECKS
from tests.conftest import BY_NAME
from tests.ops.answers import answered
from tests.ops.deployed import ACCOUNT, environment
from tests.synthesized import Synthesized

TASK = "arn:aws:ecs:us-east-1:123456789012:task/prod-cluster-qa1/0123456789abcdef"


def register(there, *addresses):
    """What ECS does with each task that runs."""
    there.client("elbv2").register_targets(
        TargetGroupArn=there.at["load_balancer/target_group"],
        Targets=[{"Id": address, "Port": 8080} for address in addresses],
    )


def test_a_service_that_runs_passes(stack):
    with environment(stack) as there:
        count = stack.config.service.desired_count
        register(there, *(f"10.0.0.{number}" for number in range(count)))
        said = [f.found for check in CHECKS for f in check.look(there.subject)]
        assert said == [f"{count} of {count} tasks run", f"{count} targets are healthy"]
        assert there.found(CHECKS) == []


def test_a_service_that_is_gone(shipped):
    with environment(shipped("dev")) as there:
        there.client("ecs").delete_service(
            cluster=there.at["service/cluster"], service="dev-service-qa1", force=True
        )
        ((check, finding),) = there.found(CHECKS)
        assert (check, finding.found) == ("service.running", "no active service")


@pytest.fixture(scope="module", name="deployed")
def _deployed():
    """Production, deployed: three tasks and their targets."""
    with environment(Synthesized.of(BY_NAME["prod"])) as there:
        register(there, "10.2.48.10", "10.2.64.10", "10.2.80.10")
        yield there


@pytest.fixture(name="there")
def _there(deployed):
    """The same, its service as it was before."""
    (service,) = get_backend("ecs")[ACCOUNT][deployed.subject.config.region].services.values()
    before = {**vars(service), "deployments": [*map(dict, service.deployments)]}
    before["events"] = [*service.events]
    yield deployed
    vars(service).update(before)


@pytest.fixture(name="service")
def _service(there):
    """moto's own record of the service, to be brought into a state that it never reaches."""
    (service,) = get_backend("ecs")[ACCOUNT][there.subject.config.region].services.values()
    return service


def only(there):
    """The one thing that is found."""
    ((check, finding),) = there.found(CHECKS)
    assert finding.outcome is Outcome.FAILED
    assert finding.needed and finding.fix
    return check, finding


def test_fewer_tasks_than_wanted_and_why_they_stopped(there, service):
    service.running_count = 1
    service.events.insert(
        0, {"id": "1", "message": "(service x) was unable to place a task: no addresses."}
    )
    task = {
        "taskArn": TASK,
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "app", "exitCode": 3}],
    }
    ecs = there.client("ecs")
    with (
        answered(ecs, "ListTasks", {"taskArns": [TASK]}),
        answered(ecs, "DescribeTasks", {"tasks": [task, task]}),
    ):
        (running, targets) = there.found(CHECKS)
    assert running[1].found == "1 of 3 tasks run"
    assert "unable to place a task: no addresses" in running[1].fix
    assert "Essential container in task exited, app: exit code 3 (2 tasks)" in running[1].fix
    assert targets[1].found == "3 targets of 1 running tasks"


@pytest.mark.parametrize("state", ["IN_PROGRESS", "FAILED"])
def test_a_deployment_that_is_not_through(there, service, state):
    service.deployments[0] |= {"rolloutState": state, "rolloutStateReason": "tasks failed."}
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found == f"1 deployments, the newest {state}, 3 of 3 tasks run: tasks failed."


def test_a_deployment_beside_an_older_one(there, service):
    service.deployments.append({**service.deployments[0], "status": "ACTIVE"})
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found.startswith("2 deployments, the newest COMPLETED")


def test_a_deploy_that_was_rolled_back_and_why(there, service):
    service.task_definition = service.task_definition.replace("task-qa1:1", "task-qa1:0")
    why = "(service x) (deployment ecs-svc/1) deployment failed: tasks failed to start."
    service.events.insert(0, {"id": "1", "message": why})
    check, finding = only(there)
    assert check == "service.running"
    assert finding.found == "runs prod-task-qa1:0, not prod-task-qa1:1: that was rolled back"
    assert why in finding.fix


@pytest.mark.parametrize(("count", "outside"), [(2, True), (3, False), (9, False), (10, True)])
def test_a_count_out_of_autoscaling_s_bounds(there, service, count, outside):
    service.desired_count = service.running_count = count
    found = [finding for check, finding in there.found(CHECKS) if check == "service.running"]
    assert [finding.found for finding in found] == [f"desired count {count}"] * outside
    assert all(finding.needed.startswith("3 to 9") for finding in found)
    assert all(finding.fix.endswith("--desired-count 3") for finding in found)


def test_a_target_that_is_not_healthy(there):
    health = {
        "Target": {"Id": "10.2.48.10", "Port": 8080},
        "TargetHealth": {"State": "unhealthy", "Description": "Request timed out"},
    }
    fine = {"Target": {"Id": "10.2.64.10"}, "TargetHealth": {"State": "healthy"}}
    leaving = {"Target": {"Id": "10.2.64.11"}, "TargetHealth": {"State": "draining"}}
    answer = {"TargetHealthDescriptions": [health, fine, fine, leaving]}
    with answered(there.client("elbv2"), "DescribeTargetHealth", answer):
        check, finding = only(there)
    assert check == "service.targets"
    assert finding.found == "10.2.48.10 is unhealthy: Request timed out"


def test_fewer_targets_than_tasks(there):
    fine = {"Target": {"Id": "10.2.64.10"}, "TargetHealth": {"State": "healthy"}}
    leaving = {"Target": {"Id": "10.2.64.11"}, "TargetHealth": {"State": "draining"}}
    answer = {"TargetHealthDescriptions": [fine, fine, leaving]}
    with answered(there.client("elbv2"), "DescribeTargetHealth", answer):
        check, finding = only(there)
    assert (check, finding.found) == ("service.targets", "2 targets of 3 running tasks")


def test_a_target_group_that_is_gone(there):
    with answered(there.client("elbv2"), "DescribeTargetGroups", {"TargetGroups": []}):
        check, finding = only(there)
    assert (check, finding.found) == ("service.targets", "no target group")


def test_what_an_emulator_says_of_tasks_is_not_shown(there, service, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    found = there.found(CHECKS)
    assert [finding.outcome for _, finding in found] == [Outcome.NOT_SHOWN] * 2
    assert all("emulator at https://sts" in finding.found for _, finding in found)
    service.running_count = 1
    assert [f.outcome for _, f in there.found(CHECKS)] == [Outcome.FAILED] * 2
    with answered(there.client("elbv2"), "DescribeTargetHealth", {"TargetHealthDescriptions": []}):
        _, (_, finding) = there.found(CHECKS)
    assert finding.outcome is Outcome.NOT_SHOWN
    assert "runs no tasks" in finding.found


def test_what_an_emulator_runs_passes(there, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    monkeypatch.setattr(emulated, "data_plane", lambda url: {"runs_tasks": True})
    assert there.found(CHECKS) == []
    monkeypatch.setattr(emulated, "data_plane", lambda url: {"runs_tasks": False})
    assert [finding.outcome for _, finding in there.found(CHECKS)] == [Outcome.NOT_SHOWN] * 2


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
