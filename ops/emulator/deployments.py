"""The deployments of an ECS service, and the service deployments that AWS keeps of them.

A service lists the deployments that have tasks (``Service.deployments``, a PRIMARY first); a
service deployment is the record of each that CreateService or UpdateService began. One that is
rolled back has no other record: what follows it is a deployment that no call began. So whatever
runs the tasks, or pretends to, only has to ``complete`` or ``fail`` a service's PRIMARY.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core.utils import utcnow
from moto.ecs.models import Service
from moto.moto_api._internal import mock_random

Deployment = dict[str, Any]

# What begins a deployment where UpdateService changes it; all else leaves the tasks as they are:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
TRIGGERS = (
    "load_balancers",
    "network_configuration",
    "platform_version",
    "service_connect_configuration",
    "service_registries",
    "task_definition",
    "volume_configurations",
)
PAGE = 20
ID_LENGTH = 21  # of a service deployment


@dataclass(slots=True)
class Rollout:
    """A deployment that a call began, the one it replaced, and the one that rolled it back."""

    id: str
    deployment: Deployment
    source: Deployment | None
    rollback: Deployment | None = None


def primary(service: Service) -> Deployment:
    """The deployment that the service is to have."""
    return next(each for each in service.deployments if each["status"] == "PRIMARY")


def rollouts(service: Service) -> list[Rollout]:
    """Those of a service, the newest first."""
    return vars(service).setdefault("rollouts", [])


def begin(service: Service) -> None:
    """Start a deployment of what the service is now; the others make room for it."""
    before, now = primary(service), utcnow()
    before["status"] = "ACTIVE"
    id_ = f"ecs-svc/{mock_random.randint(10**18, 10**19)}"
    began = {
        "id": id_,
        "status": "PRIMARY",
        "taskDefinition": service.task_definition,
        "networkConfiguration": service.network_configuration,
        "platformVersion": service.platform_version,
        "desiredCount": service.desired_count,
        "runningCount": 0,
        "pendingCount": service.desired_count,
        "failedTasks": 0,
        "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": f"ECS deployment {id_} in progress.",
        "createdAt": now,
        "updatedAt": now,
    }
    service.deployments.insert(0, before | began)


def complete(service: Service) -> None:
    """All of the PRIMARY's tasks run, and no others."""
    count, deployment = service.desired_count, primary(service)
    service.running_count, service.pending_count = count, 0
    deployment |= {
        "desiredCount": count,
        "runningCount": count,
        "pendingCount": 0,
        "rolloutState": "COMPLETED",
        "rolloutStateReason": f"ECS deployment {deployment['id']} completed.",
        "updatedAt": utcnow(),
    }
    service.deployments[:] = [deployment]


def fail(service: Service, reason: str) -> None:
    """The PRIMARY is given up; where the service is so configured, the one before is deployed."""
    deployment = primary(service)
    deployment |= {
        "rolloutState": "FAILED",
        "rolloutStateReason": reason,
        "updatedAt": utcnow(),
    }
    remember(service)
    newest = rollouts(service)[0]
    if newest.deployment is deployment and newest.source and rolls_back(service):
        service.task_definition = newest.source["taskDefinition"]
        begin(service)


def rolls_back(service: Service) -> bool:
    """Whether it has a failed deployment replaced by the one before."""
    configured: Mapping[str, Any] = vars(service).get("deployment_configuration") or {}
    means = (configured.get("deploymentCircuitBreaker"), configured.get("alarms"))
    return any(each and each["enable"] and each["rollback"] for each in means)


def remember(service: Service, *, began: bool = False) -> None:
    """Keep record of the PRIMARY: ``began`` by a call, or else a rollback of the newest."""
    if not service.deployments:
        return
    deployment, known = primary(service), rollouts(service)
    if any(deployment["id"] in (each.deployment["id"], _id(each.rollback)) for each in known):
        return
    newest = known[0] if known else None
    if began or newest is None:
        source = (newest.rollback or newest.deployment) if newest else None
        known.insert(0, Rollout(mock_random.get_random_string(ID_LENGTH), deployment, source))
    else:
        newest.rollback = deployment


def _id(deployment: Deployment | None) -> str | None:
    return deployment["id"] if deployment else None


def status(service: Service, rollout: Rollout) -> str:
    """A ServiceDeploymentStatus."""
    state = rollout.deployment["rolloutState"]
    if state != "FAILED":
        return {"COMPLETED": "SUCCESSFUL"}.get(state, "IN_PROGRESS")
    if not rollout.source or not rolls_back(service):
        return "STOPPED"
    state = rollout.rollback["rolloutState"] if rollout.rollback else "IN_PROGRESS"
    ends = {"COMPLETED": "ROLLBACK_SUCCESSFUL", "FAILED": "ROLLBACK_FAILED"}
    return ends.get(state, "ROLLBACK_IN_PROGRESS")


def described(service: Service, rollout: Rollout) -> dict[str, Any]:
    """What DescribeServiceDeployments says of one."""
    deployment, rollback = rollout.deployment, rollout.rollback
    now = status(service, rollout)
    found = {
        **_common(service, rollout, now),
        "updatedAt": (rollback or deployment)["updatedAt"],
        "sourceServiceRevisions": [_revision(service, rollout.source)] if rollout.source else [],
        "targetServiceRevision": _revision(service, deployment),
        "deploymentConfiguration": vars(service).get("deployment_configuration") or {},
    }
    if rollback:
        found["rollback"] = {
            "reason": deployment["rolloutStateReason"],
            "startedAt": rollback["createdAt"],
            "serviceRevisionArn": _revision(service, rollback)["arn"],
        }
    return found


def listed(service: Service, rollout: Rollout) -> dict[str, Any]:
    """What ListServiceDeployments says of one."""
    target = _revision(service, rollout.deployment)["arn"]
    return {
        **_common(service, rollout, status(service, rollout)),
        "targetServiceRevisionArn": target,
    }


def chosen(
    service: Service, *, statuses: Iterable[str], after: datetime | None, before: datetime | None
) -> list[Rollout]:
    """The newest first: of these statuses, or any, and made between these moments."""
    wanted = set(statuses)
    return [
        each
        for each in rollouts(service)
        if (not wanted or status(service, each) in wanted)
        and (after is None or each.deployment["createdAt"] > _naive(after))
        and (before is None or each.deployment["createdAt"] < _naive(before))
    ]


def arn(service: Service, rollout: Rollout) -> str:
    """The service deployment's."""
    return f"{service.arn.replace(':service/', ':service-deployment/')}/{rollout.id}"


def _common(service: Service, rollout: Rollout, now: str) -> dict[str, Any]:
    deployment, last = rollout.deployment, rollout.rollback or rollout.deployment
    ended = {} if now.endswith("IN_PROGRESS") else {"finishedAt": last["updatedAt"]}
    return {
        "serviceDeploymentArn": arn(service, rollout),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "createdAt": deployment["createdAt"],
        "startedAt": deployment["createdAt"],
        **ended,
        "status": now,
        "statusReason": deployment["rolloutStateReason"],
    }


def _revision(service: Service, deployment: Deployment) -> dict[str, Any]:
    number = deployment["id"].rpartition("/")[2]
    return {
        "arn": f"{service.arn.replace(':service/', ':service-revision/')}/{number}",
        "requestedTaskCount": deployment["desiredCount"],
        "runningTaskCount": deployment["runningCount"],
        "pendingTaskCount": deployment["pendingCount"],
    }


def _naive(moment: datetime) -> datetime:
    """As moto has it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
