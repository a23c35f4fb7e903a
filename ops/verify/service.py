"""Whether the service runs what was deployed, and its targets are healthy."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ops.checkup import Check, Finding, Subject, failed, not_shown, passed
from ops.verify.deployed import CLUSTER, DEPLOY, Deployed
from ops.verify.emulated import ON_AWS, only_where_tasks_run, without_tasks

SCALING_TARGET = "service/scaling_target"
TASK_DEFINITION = "service/task_definition"
TARGET_GROUP = "load_balancer/target_group"
SHOWN = 3  # reasons of each kind: the newest
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
TROUBLE = re.compile(r"unable|fail|unhealthy|rolling back|error", re.IGNORECASE)


def _running(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    if not (service := deployed.service):
        yield failed("no active service", "the service", DEPLOY)
        return
    problems = list(_problems(deployed, service))
    reasons = _reasons(deployed, service) if problems else ""
    findings = [failed(found, needed, reasons or fix) for found, needed, fix in problems] or [
        passed(f"{service['runningCount']} of {service['desiredCount']} tasks run")
    ]
    yield from only_where_tasks_run(subject, findings, "it counts tasks, and runs none")


def _problems(deployed: Deployed, service: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is wrong, what is needed, and the fix where ECS gives no reasons."""
    running, desired = service["runningCount"], service["desiredCount"]
    deployment, *older = sorted(
        service["deployments"], key=lambda each: each["status"] != "PRIMARY"
    )
    state = deployment["rolloutState"]
    if state != "COMPLETED" or older:
        said = deployment.get("rolloutStateReason", "")
        count = f"{1 + len(older)} deployments, the newest {state}"
        found = f"{count}, {running} of {desired} tasks run: {said}"
        yield found, "one deployment, COMPLETED", "wait for it, and see the service's events"
    elif running != desired:
        yield f"{running} of {desired} tasks run", f"{desired}", "see the service's events"
    made = deployed.id(TASK_DEFINITION)
    if made and service["taskDefinition"] != made:
        runs, newest = (arn.rpartition("/")[2] for arn in (service["taskDefinition"], made))
        found = f"runs {runs}, not {newest}: that was rolled back"
        yield found, f"{newest} to run", f"mend what failed, and {DEPLOY}"
    low, high = (
        deployed.argument(SCALING_TARGET, bound) for bound in ("min_capacity", "max_capacity")
    )
    if low is not None and not low <= desired <= high:
        yield (
            f"desired count {desired}",
            f"{low} to {high}, autoscaling's bounds",
            f"aws ecs update-service --cluster {deployed.id(CLUSTER)}"
            f" --service {service['serviceName']} --desired-count {low}",
        )


def _reasons(deployed: Deployed, service: Mapping[str, Any]) -> str:
    """What ECS says of it: its newest events of trouble, and why tasks stopped."""
    events = [each["message"] for each in service["events"] if TROUBLE.search(each["message"])]
    ecs, cluster = deployed.subject.client("ecs"), deployed.id(CLUSTER)
    arns = deployed.subject.ask(
        *("ecs", "list_tasks", "taskArns"),
        cluster=cluster,
        serviceName=service["serviceName"],
        desiredStatus="STOPPED",
    )
    # AWS keeps what has stopped for an hour.
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"] if arns else []
    stopped = Counter(filter(None, map(_stopped, tasks)))
    reasons = [f"{reason} ({count} tasks)" for reason, count in stopped.most_common(SHOWN)]
    return "; ".join([*events[:SHOWN], *reasons])


def _stopped(task: Mapping[str, Any]) -> str:
    """Why a task stopped, and how its containers ended."""
    ends = [
        f"{container['name']}: {container.get('reason') or 'exit code'}"
        f" {container.get('exitCode', '')}".rstrip()
        for container in task.get("containers", ())
        if container.get("reason") or container.get("exitCode")
    ]
    return ", ".join(filter(None, [task.get("stoppedReason"), *ends]))


def _targets(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    group, service = deployed.id(TARGET_GROUP), deployed.service
    if not group:
        yield failed("no target group", "the target group", DEPLOY)
        return
    health = subject.client("elbv2").describe_target_health(TargetGroupArn=group)
    targets = health["TargetHealthDescriptions"]
    running = service["runningCount"] if service else 0
    if not targets and (url := without_tasks(subject)):
        reason = f"the emulator at {url} runs no tasks"
        yield not_shown(reason, "a healthy target for each task", ON_AWS)
        return
    findings = [
        failed(
            f"{target['Target']['Id']} is {target['TargetHealth']['State']}:"
            f" {target['TargetHealth'].get('Description', '')}",
            "healthy",
            "see the service's log, and its health check",
        )
        for target in targets
        if target["TargetHealth"]["State"] not in ("healthy", "draining")
    ]
    staying = [each for each in targets if each["TargetHealth"]["State"] != "draining"]
    if len(staying) != running:
        findings.append(
            failed(
                f"{len(staying)} targets of {running} running tasks",
                f"{running} targets",
                "aws ecs update-service --force-new-deployment registers them anew",
            )
        )
    findings = findings or [passed(f"{len(staying)} targets are healthy")]
    yield from only_where_tasks_run(subject, findings, "it asks no target")


CHECKS = (Check("service.running", _running), Check("service.targets", _targets))
