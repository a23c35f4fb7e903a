"""Runs the tasks that ECS's API says: one-off ones, and those of services with their deployments.

What ECS's scheduler does on Fargate: rolling deployments between the minimum and the maximum
healthy percent, the circuit breaker with its rollback, the replacement of what stops or fails its
load balancer's checks. Leaves out container health checks, sidecars' dependencies, task sets, the
throttling of tasks that never start, and more than one essential container in a task.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
"""

import json
import math
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ecs.models import EC2ContainerServiceBackend, Service, Task, ecs_backends
from moto.elbv2.models import elbv2_backends
from moto.moto_api._internal import mock_random

from lib.errors import TapError
from ops.emulator import deployments
from ops.emulator.dataplane import network
from ops.emulator.dataplane.account import Account, end_of
from ops.emulator.dataplane.balancer import (
    HEALTHY,
    UNHEALTHY,
    Balancing,
    HealthCheck,
    Target,
)
from ops.emulator.dataplane.network import End
from ops.emulator.dataplane.pods import Program, no_namespaces
from ops.emulator.dataplane.rds import Database
from ops.emulator.dataplane.relay import hang
from ops.emulator.dataplane.running import Running, Way, Work

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
BREAKER_MIN, BREAKER_MAX, BREAKER_SHARE = 3, 200, 0.5
EVENTS_KEPT = 100
AGAIN_SECONDS = 2  # after a task that failed
GROUP_UNHEALTHY = "Task failed ELB health checks in (target-group {})"


class Tasks:
    """All of an account's. ``reconcile`` is called with the emulator's lock held."""

    def __init__(
        self,
        account: Account,
        folder: Path,
        work: Work,
        balancing: Balancing,
        *,
        locked: Callable[[], Any],
        databases: Callable[[], Sequence[Database]],
        endpoint: str,
    ) -> None:
        self._account = account
        self._folder = folder
        self._work = work
        self._balancing = balancing
        self._locked = locked
        self._databases = databases
        self._endpoint = endpoint
        self.running: dict[str, Running] = {}
        self.not_shown: set[str] = set()
        self._again: dict[str, float] = {}  # when a deployment may start its next task

    def reconcile(self) -> None:
        """Bring each task a step on, then each service."""
        for ecs in self._account.backends(ecs_backends):
            for tasks in ecs.tasks.values():
                for task in tasks.values():
                    if task.last_status != "STOPPED":
                        self._step(ecs, task)
            for service in list(ecs.services.values()):
                if service.status != "INACTIVE":
                    self._serve(ecs, service)
            for cluster in ecs.clusters.values():
                there = list(ecs.tasks.get(cluster.name, {}).values())
                running = [each for each in there if each.last_status == "RUNNING"]
                cluster.running_tasks_count = len(running)
                cluster.pending_tasks_count = len(
                    [each for each in there if each.last_status in ("PROVISIONING", "PENDING")]
                )

    def stop(self) -> None:
        """End all that runs, at once."""
        for running in self.running.values():
            running.kill()

    # A task

    def _step(self, ecs: EC2ContainerServiceBackend, task: Task) -> None:
        running = self.running.get(task.task_arn)
        if running is None:
            if task.desired_status == "STOPPED":
                self._stopped(ecs, task)
                return
            running = self.running[task.task_arn] = Running(_end(task))
            self._begin(ecs, task, running)
        if running.starting and not running.starting.done():
            return
        if task.last_status == "PENDING":
            self._started(ecs, task, running)
        elif task.last_status == "RUNNING":
            self._log(ecs, task, running)
            self._watch(ecs, task, running)
        elif running.stopping and running.stopping.done():
            self._stopped(ecs, task)
        elif task.last_status == "DEACTIVATING":
            self._drain(task, running)

    def _begin(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        task.last_status = "PENDING"
        definition = ecs.describe_task_definition(task.task_definition_arn)
        container = _overridden(definition.container_definitions[0], task)
        running.stop_seconds = float(container.get("stopTimeout") or running.stop_seconds)
        try:
            if reason := network.refused_out(self._account, running.end):
                raise TapError(
                    "unable to pull secrets or registry auth: the task cannot reach AWS's "
                    f"endpoints: {reason}",
                    hint="see the network",
                )
            logs = (container.get("logConfiguration") or {}).get("options") or {}
            if logs and not self._account.log_group(logs["awslogs-group"], logs["awslogs-region"]):
                raise TapError(
                    f"failed to validate logger args: {logs['awslogs-group']}: the specified log "
                    "group does not exist",
                    hint="see the log group",
                )
            environment, credentials = self._environment(ecs, task, definition, container)
        except TapError as error:
            self._fail(ecs, task, f"ResourceInitializationError: {error}", code="TaskFailedToStart")
            return
        program = Program(
            [*(container.get("entryPoint") or ()), *(container.get("command") or ())],
            environment,
            container.get("user") or "",
            bool(container.get("readonlyRootFilesystem")),
            [running.end.address],
            self._hosts(task),
        )
        reason = _not_runnable(program, str(container["image"]))
        if reason and not _service_of(ecs, task):
            self._fail(ecs, task, f"CannotPullContainerError: {reason}", code="TaskFailedToStart")
            return
        if reason:
            self.not_shown.add(reason)
            running.pretended = reason
            return
        ways = list(self._ways(running))
        running.starting = self._work.do(running.start, program, ways, credentials)

    def _environment(
        self,
        ecs: EC2ContainerServiceBackend,
        task: Task,
        definition: Any,
        container: Mapping[str, Any],
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """What the program finds, and what the endpoint for its credentials answers."""
        id_ = task.id
        path = f"/v2/credentials/{id_}"
        role = getattr(definition, "task_role_arn", None)
        credentials = {}
        given = {
            # As in an image: the program, and what it is run with.
            "PATH": os.pathsep.join([str(Path(sys.prefix, "bin")), *_path()]),
            "PYTHONUNBUFFERED": "1",
            "HOME": "/",
            "HOSTNAME": f"ip-{_end(task).address.replace('.', '-')}.ec2.internal",
            "AWS_REGION": ecs.region_name,
            "AWS_DEFAULT_REGION": ecs.region_name,
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if role:
            credentials[path] = self._account.credentials(role, id_[:32], ecs.region_name)
            given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = path
        for entry in container.get("environment") or ():
            given[entry["name"]] = entry["value"]
        for entry in container.get("secrets") or ():
            given[entry["name"]] = self._account.secret(entry["valueFrom"])
        return given, credentials

    def _hosts(self, task: Task) -> Path:
        """Names as the VPC's resolver has them."""
        lines = ["127.0.0.1 localhost"] + [
            f"{each.end.address} {each.instance.address}" for each in self._databases()
        ]
        file = self._folder / f"{task.id}.hosts"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def _ways(self, running: Running) -> Iterator[Way]:
        """Where a task can turn to: the databases of its VPC, and AWS's endpoints."""
        vpc = self._account.vpc_of(running.end.subnet)
        for database in self._databases():
            if self._account.vpc_of(database.end.subnet) == vpc:
                yield self._to_database(running, database)
        host, port = _address(self._endpoint)

        def refused() -> str | None:
            with self._locked():
                return network.refused_out(self._account, running.end)

        yield Way(host, port, refused, lambda: socket.create_connection((host, port), 10))

    def _to_database(self, running: Running, database: Database) -> Way:
        port = int(database.instance.port or 0)

        def refused() -> str | None:
            with self._locked():
                return network.refused(self._account, running.end, database.end, port)

        return Way(database.end.address, port, refused, database.connect)

    def _started(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        if running.starting and (error := running.starting.exception()):
            said = str(error) if isinstance(error, (TapError, OSError)) else repr(error)
            self._fail(ecs, task, f"CannotStartContainerError: {said}", code="TaskFailedToStart")
            return
        if task.desired_status == "STOPPED":
            self._deactivate(ecs, task, running)
            return
        now = utcnow()
        task.last_status, task.started_at = "RUNNING", now  # type: ignore[attr-defined]
        task.pull_started_at = task.pull_stopped_at = now  # type: ignore[attr-defined]
        containers: list[Any] = task.containers
        for container in containers:
            container.last_status = "RUNNING"
            container.runtime_id = f"{task.id.replace('-', '')}-1"
        if service := _service_of(ecs, task):
            for entry in service.load_balancers:
                self._register(service, running, entry)

    def _register(self, service: Service, running: Running, entry: Mapping[str, Any]) -> None:
        arn, port = entry["targetGroupArn"], int(entry["containerPort"])
        group = _target_group(self._account, arn)
        if group is None:
            return

        def connect(port: int) -> socket.socket:
            return self._connect(running, arn, port)

        target = Target(arn, running.end.address, port, connect)
        running.targets.append(target)
        if running.pretended:
            target.state, target.reason, target.description = HEALTHY, "", ""
            target.due = math.inf
        self._balancing.add(target)
        group.targets[target.address] = {"Id": target.address, "Port": port}
        _say(service, f"registered 1 targets in (target-group {arn})")

    def _connect(self, running: Running, group: str, port: int) -> socket.socket:
        """A connection from the load balancer to a task; hangs where the network refuses it."""
        with self._locked():
            ends = load_balancer_ends(self._account, group)
            refusals = [network.refused(self._account, end, running.end, port) for end in ends]
        if not refusals or all(refusals):
            ours, theirs = socket.socketpair()
            self._work.aside(hang, theirs)
            return ours
        if not running.pod:
            raise ConnectionRefusedError(running.pretended)
        return running.pod.connect(port)

    def _watch(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        """Look after a task that runs: its program, its targets, and whether it is wanted."""
        if running.pod and running.pod.exit_code() is not None:
            self._ended(ecs, task, running)
            return
        if task.desired_status == "STOPPED":
            self._deactivate(ecs, task, running)
            return
        for target in running.targets:
            self._check(target)
        running.was_healthy = running.was_healthy or _healthy(running)
        service = _service_of(ecs, task)
        if not service or not running.targets:
            return
        grace = getattr(service, "health_check_grace_period_seconds", None) or 0
        for target in running.targets:
            over = time.monotonic() - target.registered > float(grace)
            if target.state == UNHEALTHY and over:
                reason = f"(reason {target.description})"
                _say(
                    service,
                    f"(port {target.port}) is unhealthy in (target-group {target.group}) due to "
                    f"{reason}",
                )
                self._want_stopped(
                    task, "ServiceSchedulerInitiated", GROUP_UNHEALTHY.format(target.group)
                )
                self._count_failure(service, task, running)
                return

    def _check(self, target: Target) -> None:
        group = _target_group(self._account, target.group)
        if group is None or target.checking or time.monotonic() < target.due:
            return
        wanted = _health_check(group, target.port)
        target.checking = True

        def check() -> None:
            try:
                target.check(wanted)
            finally:
                target.checking = False

        self._work.aside(check)

    def _ended(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        """Its program ended by itself."""
        if task.desired_status != "STOPPED":
            self._want_stopped(
                task, "EssentialContainerExited", "Essential container in task exited"
            )
            if service := _service_of(ecs, task):
                self._count_failure(service, task, running)
        self._drop(running)
        running.close()
        self._stopped(ecs, task)

    def _count_failure(self, service: Service, task: Task, running: Running) -> None:
        deployment = _deployment_of(service, task)
        if deployment and deployment["rolloutState"] == "IN_PROGRESS":
            deployment["failedTasks"] = deployment.get("failedTasks", 0) + 1
        if deployment and not running.was_healthy:
            self._again[deployment["id"]] = time.monotonic() + AGAIN_SECONDS

    @staticmethod
    def _want_stopped(task: Task, code: str, reason: str) -> None:
        task.desired_status = "STOPPED"
        vars(task).setdefault("tap_stop", (code, reason))

    def _deactivate(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        """Send it nothing new; what it was sent before is answered first."""
        task.last_status = "DEACTIVATING"
        task.stopping_at = utcnow()  # type: ignore[attr-defined]
        service = _service_of(ecs, task)
        for target in running.targets:
            self._balancing.drain(target)
            if service:
                _say(service, f"deregistered 1 targets in (target-group {target.group})")
        if service and running.targets:
            _say(service, "has begun draining connections on 1 tasks.")
        self._drain(task, running)

    def _drain(self, task: Task, running: Running) -> None:
        now = time.monotonic()
        for target in running.targets:
            group = _target_group(self._account, target.group)
            delay = group.attributes["deregistration_delay.timeout_seconds"] if group else 0
            if target.in_flight and now - target.draining_since < float(delay):
                return
        task.last_status = "STOPPING"
        running.stopping = self._work.do(running.stop)

    def _drop(self, running: Running) -> None:
        for target in running.targets:
            self._balancing.remove(target)
            if group := _target_group(self._account, target.group):
                group.targets.pop(target.address, None)
        running.targets.clear()

    def _fail(self, ecs: EC2ContainerServiceBackend, task: Task, reason: str, *, code: str) -> None:
        """It never ran."""
        self._want_stopped(task, code, reason)
        running = self.running[task.task_arn]
        if service := _service_of(ecs, task):
            self._count_failure(service, task, running)
            _say(service, f"was unable to start a task: {reason}")
        self._stopped(ecs, task)

    def _stopped(self, ecs: EC2ContainerServiceBackend, task: Task) -> None:
        running = self.running.pop(task.task_arn, None)
        if running:
            self._drop(running)
            self._log(ecs, task, running)
        now = utcnow()
        task.last_status, task.desired_status = "STOPPED", "STOPPED"
        task.stopped_at = task.execution_stopped_at = now  # type: ignore[attr-defined]
        code, reason = vars(task).get("tap_stop", ("UserInitiated", "Task stopped by user"))
        task.stop_code, task.stopped_reason = code, reason  # type: ignore[attr-defined]
        containers: list[Any] = task.containers
        for container in containers:
            container.last_status = "STOPPED"
            if code == "TaskFailedToStart":
                container.reason = reason
            elif running and running.pod:
                container.exitCode = running.pod.exit_code()
        _release(self._account, task)
        (self._folder / f"{task.id}.hosts").unlink(missing_ok=True)
        service = _service_of(ecs, task)
        if service and code != "TaskFailedToStart":
            _say(service, f"has stopped 1 running tasks: (task {task.id}).")

    def _log(self, ecs: EC2ContainerServiceBackend, task: Task, running: Running) -> None:
        """Move what its program wrote to its log group."""
        if not running.pod or not running.pod.lines:
            return
        definition = ecs.describe_task_definition(task.task_definition_arn)
        container = definition.container_definitions[0]
        options = (container.get("logConfiguration") or {}).get("options")
        lines = [running.pod.lines.popleft() for _ in range(len(running.pod.lines))]
        if options:
            prefix = options.get("awslogs-stream-prefix", "ecs")
            stream = f"{prefix}/{container['name']}/{task.id}"
            group, region = options["awslogs-group"], options["awslogs-region"]
            self._account.write_log(group, region, stream, lines)

    # A service

    def _serve(self, ecs: EC2ContainerServiceBackend, service: Service) -> None:
        """Bring a service a step nearer to what is wanted of it."""
        tasks = [
            task
            for task in ecs.tasks.get(service.cluster_name, {}).values()
            if _service_of(ecs, task) is service and task.last_status != "STOPPED"
        ]
        if service.status == "DRAINING" and not tasks:
            service.status = "INACTIVE"
        primary = service.deployments[0]
        desired = primary["desiredCount"] = service.desired_count
        for older in service.deployments[1:]:
            older["desiredCount"] = min(older["desiredCount"], desired)
        self._count(service, tasks)
        if self._broken(service, primary):
            return
        wanted = [task for task in tasks if task.desired_status == "RUNNING"]
        ours = [task for task in wanted if task.started_by == primary["id"]]
        others = [task for task in wanted if task.started_by != primary["id"]]
        self._start_some(ecs, service, primary, desired - len(ours), len(wanted))
        self._stop_some(service, desired, ours, others)
        self._complete(service, primary, tasks)

    def _count(self, service: Service, tasks: Sequence[Task]) -> None:
        for deployment in service.deployments:
            ours = [task for task in tasks if task.started_by == deployment["id"]]
            running = [task for task in ours if task.last_status == "RUNNING"]
            pending = [task for task in ours if task.last_status in ("PROVISIONING", "PENDING")]
            deployment["runningCount"], deployment["pendingCount"] = len(running), len(pending)
        service.running_count = sum(each["runningCount"] for each in service.deployments)
        service.pending_count = sum(each["pendingCount"] for each in service.deployments)

    def _start_some(
        self,
        ecs: EC2ContainerServiceBackend,
        service: Service,
        primary: dict[str, Any],
        missing: int,
        there: int,
    ) -> None:
        """Start what is missing, within the maximum percent."""
        most = math.floor(service.desired_count * _percent(service, "maximumPercent", 200) / 100)
        if primary["rolloutState"] == "FAILED" or service.status != "ACTIVE":
            return
        if time.monotonic() < self._again.get(primary["id"], 0):
            return
        definition = ecs.describe_task_definition(primary["taskDefinition"])
        cluster = ecs.clusters[service.cluster_name]
        started = []
        for _ in range(max(0, min(missing, most - there))):
            task: Any = Task(
                cluster=cluster,
                task_definition=definition,
                container_instance_arn=None,
                resource_requirements={},
                backend=ecs,
                group=f"service:{service.name}",
                launch_type=service.launch_type or "FARGATE",
                started_by=primary["id"],
                tags=list(service.tags) if service.propagate_tags == "SERVICE" else [],
                networking_configuration=service.network_configuration,
                platform_version="1.4.0",
            )
            ecs.tasks.setdefault(cluster.name, {})[task.task_arn] = task
            started.append(f"(task {task.id})")
        if started:
            _say(service, f"has started {len(started)} tasks: {' '.join(started)}.")

    def _stop_some(
        self, service: Service, desired: int, ours: Sequence[Task], others: Sequence[Task]
    ) -> None:
        """Stop what is too much, within the minimum healthy percent, the unhealthy first."""
        least = math.ceil(desired * _percent(service, "minimumHealthyPercent", 100) / 100)
        ours = sorted(ours, key=self._is_healthy)
        for task in ours[: max(0, len(ours) - desired)]:
            self._scale_in(service, task)
        kept = ours[max(0, len(ours) - desired) :]
        healthy = sum(map(self._is_healthy, [*kept, *others]))
        for task in sorted(others, key=self._is_healthy):
            if self._is_healthy(task):
                if healthy <= least:
                    break
                healthy -= 1
            self._scale_in(service, task)

    def _scale_in(self, service: Service, task: Task) -> None:
        reason = f"Scaling activity initiated by (deployment {service.deployments[0]['id']})"
        self._want_stopped(task, "ServiceSchedulerInitiated", reason)

    def _is_healthy(self, task: Task) -> bool:
        running = self.running.get(task.task_arn)
        return task.last_status == "RUNNING" and running is not None and _healthy(running)

    def _complete(self, service: Service, primary: dict[str, Any], tasks: Sequence[Task]) -> None:
        """The deployment is through when all its tasks are healthy and no older one is left."""
        ours = [task for task in tasks if task.started_by == primary["id"]]
        through = len(tasks) == len(ours) == service.desired_count
        if not through or not all(map(self._is_healthy, ours)):
            return
        if primary["rolloutState"] != "COMPLETED":
            primary["rolloutState"] = "COMPLETED"
            primary["rolloutStateReason"] = f"ECS deployment {primary['id']} completed."
            primary["updatedAt"] = utcnow()
            vars(service)["tap_last_good"] = primary["taskDefinition"], primary["id"]
            _say(service, f"(deployment {primary['id']}) deployment completed.")
            _say(service, "has reached a steady state.")
        service.deployments[1:] = []

    def _broken(self, service: Service, primary: dict[str, Any]) -> bool:
        """Whether the circuit breaker trips now: then the next step begins with its rollback."""
        breaker = _configuration(service).get("deploymentCircuitBreaker") or {}
        threshold = min(
            BREAKER_MAX, max(BREAKER_MIN, math.ceil(service.desired_count * BREAKER_SHARE))
        )
        if primary["rolloutState"] != "IN_PROGRESS" or not breaker.get("enable"):
            return False
        if primary.get("failedTasks", 0) < threshold:
            return False
        primary["rolloutState"] = "FAILED"
        primary["rolloutStateReason"] = "ECS deployment circuit breaker: tasks failed to start."
        _say(service, f"(deployment {primary['id']}) deployment failed: tasks failed to start.")
        good = vars(service).get("tap_last_good")
        if breaker.get("rollback") and good:
            self._roll_back(service, *good)
        return True

    @staticmethod
    def _roll_back(service: Service, definition: str, id_: str) -> None:
        """The deployment that was through last is the primary one again, with what runs of it."""
        service.task_definition = definition
        found = [each for each in service.deployments if each["id"] == id_]
        if not found:
            deployments.begin(service)
        primary = found[0] if found else deployments.primary(service)
        service.deployments.sort(key=lambda each: each is not primary)
        for each in service.deployments:
            each["status"] = "PRIMARY" if each is primary else "ACTIVE"
        primary["rolloutState"], primary["failedTasks"] = "IN_PROGRESS", 0
        primary["rolloutStateReason"] = (
            f"ECS deployment circuit breaker: rolling back to deploymentId {id_}."
        )
        if known := deployments.rollouts(service):
            known[0].rollback = primary
        _say(service, f"rolling back to (deployment {id_}).")


def load_balancer_ends(account: Account, group: str) -> list[End]:
    """The nodes of the load balancers that a target group belongs to: one in each subnet.

    Their addresses are the last ones of the subnets.
    """
    return [
        End(str(list(subnet.cidr.hosts())[-1]), subnet.id, frozenset(balancer.security_groups))
        for backend in account.backends(elbv2_backends)
        for balancer in backend.load_balancers.values()
        if group in _groups_of(balancer)
        for subnet in balancer.subnets
    ]


def _groups_of(balancer: Any) -> set[str]:
    text = json.dumps(
        [each.data for li in balancer.listeners.values() for each in li.default_actions]
    )
    return {word for word in text.split('"') if ":targetgroup/" in word}


def _target_group(account: Account, arn: str) -> Any:
    for backend in account.backends(elbv2_backends):
        if arn in backend.target_groups:
            return backend.target_groups[arn]
    return None


def _health_check(group: Any, port: int) -> HealthCheck:
    own = str(group.health_check_port)
    return HealthCheck(
        path=group.health_check_path or "/",
        port=int(own) if own.isdecimal() else port,
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy=int(group.healthy_threshold_count),
        unhealthy=int(group.unhealthy_threshold_count),
        matcher=str((group.matcher or {}).get("HttpCode") or "200"),
    )


def _end(task: Task) -> End:
    """A task's network interface."""
    for attachment in task.attachments:
        details = {entry["name"]: entry["value"] for entry in attachment["details"]}
        network_ = task.network_configuration["awsvpcConfiguration"]
        public = network_.get("assignPublicIp") == "ENABLED"
        return end_of(details, network_.get("securityGroups") or (), public=public)
    return End("127.0.0.1", "", frozenset())


def _release(account: Account, task: Task) -> None:
    """Its interface goes with it."""
    for attachment in task.attachments:
        attachment["status"] = "DELETED"
        for entry in attachment["details"]:
            if entry["name"] == "networkInterfaceId":
                for ec2 in account.backends(ec2_backends):
                    ec2.enis.pop(entry["value"], None)


def _healthy(running: Running) -> bool:
    return all(target.state == HEALTHY for target in running.targets)


def _service_of(ecs: EC2ContainerServiceBackend, task: Task) -> Service | None:
    name = (task.group or "").removeprefix("service:")
    found = ecs.services.get(f"{task.cluster_name}:{name}")
    return found if found and task.group == f"service:{name}" else None


def _deployment_of(service: Service, task: Task) -> dict[str, Any] | None:
    ids = {each["id"]: each for each in service.deployments}
    return ids.get(task.started_by)


def _configuration(service: Service) -> Mapping[str, Any]:
    return getattr(service, "deployment_configuration", None) or {}


def _percent(service: Service, name: str, default: int) -> float:
    value = _configuration(service).get(name)
    return float(default if value is None else value)


def _say(service: Service, words: str) -> None:
    """An event, as ECS words it.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    message = f"(service {service.name}) {words}"
    service.events.insert(
        0, {"id": str(mock_random.uuid4()), "createdAt": utcnow(), "message": message}
    )
    del service.events[EVENTS_KEPT:]


def _overridden(container: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """A container with what ``run_task`` says in place of its own."""
    merged = dict(container)
    for override in (task.overrides or {}).get("containerOverrides", ()):
        if override.get("name") == container["name"]:
            if override.get("command"):
                merged["command"] = override["command"]
            added = {entry["name"]: entry for entry in override.get("environment") or ()}
            kept = [each for each in merged.get("environment") or () if each["name"] not in added]
            merged["environment"] = [*kept, *added.values()]
    return merged


def _not_runnable(program: Program, image: str) -> str | None:
    """Why this machine cannot run it; None where it can."""
    if not program.command:
        return f"{image}: the task has no command, and what the image's own is nobody here knows"
    if not shutil.which(program.command[0], path=program.environment["PATH"]):
        return f"{image}: there is no {program.command[0]} on this machine, and no container engine"
    return no_namespaces()


def _path() -> list[str]:
    """Where programs of this machine are; folders of the person's own are not there in a task."""
    folders = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    home = os.path.expanduser("~")
    return [each for each in folders if not each.startswith(f"{home}{os.sep}")]


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
