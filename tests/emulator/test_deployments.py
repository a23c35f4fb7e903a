"""What provider 6.25 asks of ECS while it waits for a steady state, asked with boto3.

Its calls, in their order, from ``internal/service/ecs/service.go`` of v6.25.0:

1. CreateService, or UpdateService; the moment before it is the operation's time
   (``resourceServiceCreate``, ``resourceServiceUpdate``).
2. DescribeServices, again and again, by cluster and ARN, without tags
   (``statusServiceWaitForStable``). The PRIMARY deployment of the first answer counts, where it is
   younger than the operation; else the service is steady once its only deployment has all tasks.
3. Once: ListServiceDeployments of those made after the operation; the one whose target revision
   has the number in the deployment's id is it (``findPrimaryDeploymentARN``). None: from 2 again.
4. DescribeServiceDeployments of it, after each DescribeServices (``findDeploymentStatus``).
   SUCCESSFUL is steady; STOPPED, ROLLBACK_SUCCESSFUL and ROLLBACK_FAILED fail, in the words of
   ``statusReason``; all else waits.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.ecs.models import Service, ecs_backends

from ops.emulator import deployments, patches

NAMES = {"cluster": "cluster", "service": "service"}
REASON = "ECS deployment circuit breaker: tasks failed to start."
PENDING = "pending"
FAILED = {"STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}


class Waiting:
    """What the provider does after an operation; ``calls`` are those it made."""

    def __init__(self, ecs: Any, operation: datetime) -> None:
        self._ecs = ecs
        self._operation = operation
        self._primary: dict[str, Any] | None = None
        self._arn: str | None = None
        self.calls: list[str] = []
        ecs.meta.events.register("before-call.ecs", self._note)

    def _note(self, model: Any, **_: Any) -> None:
        self.calls.append(model.name)

    def ask(self) -> str:
        """One look: PENDING, or ``steady``. Raises ``RuntimeError`` in the words of ECS."""
        cluster, [arn] = "cluster", self._ecs.list_services(cluster="cluster")["serviceArns"]
        self.calls.remove("ListServices")  # the provider knows it from CreateService
        answer = self._ecs.describe_services(cluster=cluster, services=[arn])
        assert not answer["failures"]
        [service] = answer["services"]
        if not self._primary:
            [self._primary] = [x for x in service["deployments"] if x["status"] == "PRIMARY"]
        assert self._primary
        assert service["deploymentController"]["type"] == "ECS"
        if self._primary["createdAt"] <= self._operation:
            whole = service["desiredCount"] == service["runningCount"]
            return "steady" if whole and len(service["deployments"]) == 1 else PENDING
        if not self._arn:
            self._arn = self._deployment(arn.rpartition("/")[2])
            if not self._arn:
                return PENDING
        answer = self._ecs.describe_service_deployments(serviceDeploymentArns=[self._arn])
        [found] = answer["serviceDeployments"]
        if found["status"] in FAILED:
            raise RuntimeError(found["statusReason"])
        return "steady" if found["status"] == "SUCCESSFUL" else PENDING

    def _deployment(self, name: str) -> str | None:
        assert self._primary
        number = self._primary["id"].split("/")[1]
        listed = self._ecs.list_service_deployments(
            cluster="cluster", service=name, createdAt={"after": self._operation}
        )["serviceDeployments"]
        arns = [
            each["serviceDeploymentArn"]
            for each in listed
            if number in each["targetServiceRevisionArn"]
        ]
        return arns[0] if arns else None


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def replace(where: Any, name: str, value: Any) -> None:
        monkeypatch.setattr(where, name, value, raising=False)

    with mock_aws():
        patches.apply_all(replace)
        yield


@pytest.fixture(name="tasks_wait")
def _tasks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks start when the test says so: what ``tasks_run`` completes stays in progress."""
    monkeypatch.setattr(deployments, "complete", lambda service: None)


all_run = deployments.complete


@pytest.fixture(name="ecs")
def _ecs() -> Any:
    ecs = boto3.client(
        "ecs",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    ecs.create_cluster(clusterName="cluster")
    for _ in range(2):
        ecs.register_task_definition(
            family="task", containerDefinitions=[{"name": "app", "image": "app", "memory": 512}]
        )
    return ecs


def _create(ecs: Any, *, rollback: bool = True) -> Waiting:
    waiting = Waiting(ecs, datetime.now(UTC))
    breaker = {"enable": True, "rollback": rollback}
    ecs.create_service(
        cluster="cluster",
        serviceName="service",
        taskDefinition="task:1",
        desiredCount=2,
        launchType="FARGATE",
        deploymentConfiguration={"deploymentCircuitBreaker": breaker},
    )
    return waiting


def _update(ecs: Any, **changes: Any) -> Waiting:
    waiting = Waiting(ecs, datetime.now(UTC))
    ecs.update_service(**NAMES, **changes)
    return waiting


def _model() -> Service:
    return ecs_backends["123456789012"]["us-east-1"].services["cluster:service"]


@pytest.mark.usefixtures("tasks_wait")
def test_a_deploy_that_succeeds_is_waited_for_to_its_end(ecs: Any) -> None:
    waiting = _create(ecs)
    assert waiting.ask() == PENDING
    all_run(_model())
    assert waiting.ask() == "steady"
    assert waiting.calls == [
        "CreateService",
        "DescribeServices",
        "ListServiceDeployments",
        "DescribeServiceDeployments",
        "DescribeServices",
        "DescribeServiceDeployments",
    ]


@pytest.mark.usefixtures("tasks_wait")
def test_a_change_of_the_tasks_is_a_deployment_of_its_own(ecs: Any) -> None:
    _create(ecs)
    all_run(_model())
    waiting = _update(ecs, taskDefinition="task:2")
    assert waiting.ask() == PENDING
    [service] = ecs.describe_services(cluster="cluster", services=["service"])["services"]
    assert [(each["status"], each["taskDefinition"][-6:]) for each in service["deployments"]] == [
        ("PRIMARY", "task:2"),
        ("ACTIVE", "task:1"),
    ]
    all_run(_model())
    assert waiting.ask() == "steady"


@pytest.mark.usefixtures("tasks_wait")
def test_a_deploy_that_is_rolled_back_fails_with_its_reason(ecs: Any) -> None:
    _create(ecs)
    all_run(_model())
    waiting = _update(ecs, taskDefinition="task:2")
    assert waiting.ask() == PENDING
    deployments.fail(_model(), REASON)
    assert waiting.ask() == PENDING
    listed = ecs.list_service_deployments(**NAMES)["serviceDeployments"]
    assert [each["status"] for each in listed] == ["ROLLBACK_IN_PROGRESS", "SUCCESSFUL"]
    all_run(_model())
    with pytest.raises(RuntimeError, match=REASON):
        waiting.ask()
    [service] = ecs.describe_services(cluster="cluster", services=["service"])["services"]
    assert service["taskDefinition"].endswith("task:1")
    listed = ecs.list_service_deployments(**NAMES)["serviceDeployments"]
    assert [each["status"] for each in listed] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    newest = ecs.describe_service_deployments(
        serviceDeploymentArns=[listed[0]["serviceDeploymentArn"]]
    )["serviceDeployments"][0]
    assert newest["rollback"]["reason"] == REASON
    assert newest["rollback"]["serviceRevisionArn"] != newest["targetServiceRevision"]["arn"]
    assert newest["finishedAt"] >= newest["rollback"]["startedAt"] >= newest["createdAt"]


@pytest.mark.usefixtures("tasks_wait")
@pytest.mark.parametrize("rollback", [False, True])
def test_a_first_deploy_that_fails_has_nothing_to_go_back_to(ecs: Any, rollback: bool) -> None:
    waiting = _create(ecs, rollback=rollback)
    deployments.fail(_model(), REASON)
    with pytest.raises(RuntimeError, match=REASON):
        waiting.ask()
    [listed] = ecs.list_service_deployments(**NAMES)["serviceDeployments"]
    assert listed["status"] == "STOPPED"


@pytest.mark.usefixtures("tasks_wait")
def test_a_deploy_after_a_rollback_starts_from_what_was_rolled_back_to(ecs: Any) -> None:
    _create(ecs)
    all_run(_model())
    _update(ecs, taskDefinition="task:2")
    deployments.fail(_model(), REASON)
    deployments.fail(_model(), REASON)
    [failed, _] = ecs.list_service_deployments(**NAMES)["serviceDeployments"]
    assert failed["status"] == "ROLLBACK_FAILED"
    _update(ecs, forceNewDeployment=True)
    all_run(_model())
    listed = ecs.list_service_deployments(**NAMES)["serviceDeployments"]
    states = [each["status"] for each in listed]
    assert states == ["SUCCESSFUL", "ROLLBACK_FAILED", "SUCCESSFUL"]


@pytest.mark.parametrize("change", [{"desiredCount": 5}, {"enableExecuteCommand": True}])
def test_what_leaves_the_tasks_as_they_are_is_no_deployment(ecs: Any, change: Any) -> None:
    _create(ecs)
    waiting = _update(ecs, **change)
    assert waiting.ask() == "steady"
    assert waiting.calls == ["UpdateService", "DescribeServices"]
    assert len(ecs.list_service_deployments(**NAMES)["serviceDeployments"]) == 1


def test_they_are_listed_by_status_time_and_page(ecs: Any) -> None:
    _create(ecs)
    _update(ecs, taskDefinition="task:2")
    now = datetime.now(UTC)

    def listed(**wanted: Any) -> int:
        return len(ecs.list_service_deployments(**NAMES, **wanted)["serviceDeployments"])

    assert listed(status=["SUCCESSFUL"]) == listed(createdAt={"before": now}) == 2
    assert listed(status=["IN_PROGRESS"]) == listed(createdAt={"after": now}) == 0
    assert listed(createdAt={"before": now - timedelta(minutes=1)}) == 0
    first = ecs.list_service_deployments(**NAMES, maxResults=1)
    second = ecs.list_service_deployments(**NAMES, maxResults=1, nextToken=first["nextToken"])
    assert "nextToken" not in second
    [newer], [older] = first["serviceDeployments"], second["serviceDeployments"]
    assert newer["createdAt"] > older["createdAt"]
    described = ecs.describe_service_deployments(
        serviceDeploymentArns=[newer["serviceDeploymentArn"], "arn:aws:ecs:other"]
    )
    [revision] = described["serviceDeployments"][0]["sourceServiceRevisions"]
    assert revision["arn"] == older["targetServiceRevisionArn"]
    assert described["failures"] == [{"arn": "arn:aws:ecs:other", "reason": "MISSING"}]


def test_of_a_service_that_is_not_there_nothing_is_listed(ecs: Any) -> None:
    with pytest.raises(ClientError, match="ServiceNotFoundException"):
        ecs.list_service_deployments(**NAMES)
