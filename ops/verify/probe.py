"""``--probe``: a one-off Fargate task asks the database, and one from outside must not get through.

The first runs as the service's tasks do: the same subnets, groups, role, secret and log group, but
with an image that has ``psql``, from a task definition of its own. The second has a security group
that nothing knows. Definition, group and tasks are gone afterwards, also after an interrupt.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/standalone-tasks.html
https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-EXIT-STATUS
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lib.config import aws_limits
from ops import graceful
from ops.aws import code_of
from ops.checkup import Check, Finding, Subject, failed, not_shown, passed
from ops.verify.deployed import CLUSTER, Deployed
from ops.verify.emulated import ON_AWS, emulator, without_tasks

CONTAINER = "probe"
IMAGE = "public.ecr.aws/docker/library/postgres:{version}-alpine"
# Of its own connection: whether TLS protects it, and which.
QUERY = "SELECT 1, ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
ANSWER = "1|t|"
COMMAND = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", QUERY]
CONNECT_SECONDS = 10
CPU_UNITS, MEMORY_MIB = "256", "512"  # the smallest: a cent would do for an hour
POLL_SECONDS = 5
START_SECONDS = 600
END_SECONDS = 180  # a task's network interface holds on to its group
TIMED_OUT = ("timeout expired", "Operation timed out", "Connection timed out")
NEEDED = "SELECT 1 over TLS, asked by a task"


@dataclass(slots=True)
class _Probe:
    """What was made for it, and how it is unmade."""

    deployed: Deployed
    service: Mapping[str, Any]
    database: Mapping[str, Any]
    undo: ExitStack
    left: list[Finding] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        return self.deployed.subject.client(service)

    def finally_(self, what: str, fix: str, step: Callable[[], object]) -> None:
        """Do this last, whatever happens; say what is left where AWS refuses."""

        def end() -> None:
            try:
                step()
            except ClientError as error:
                # Also told at once: after an interrupt, no table is shown.
                graceful.say(f"{what} is left: {error}: {fix}")
                self.left.append(failed(f"{what} is left: {error}", "nothing left", fix))

        self.undo.callback(end)


def _look(subject: Subject) -> Iterator[Finding]:
    if url := without_tasks(subject):
        yield not_shown(f"the emulator at {url} runs no tasks", NEEDED, ON_AWS)
        return
    deployed = Deployed(subject)
    service, database = deployed.service, deployed.database
    if not service or not database:
        yield not_shown(
            "the service or the database is not there", NEEDED, "see what is wrong with those"
        )
        return
    graceful.say("two Fargate tasks ask the database, in a minute or two")
    with ExitStack() as undo:
        probe = _Probe(deployed, service, database, undo)
        try:
            found = list(_probed(probe))
        except KeyboardInterrupt:
            graceful.say("interrupted: what the probe made goes first, in up to three minutes")
            raise
    yield from found
    yield from probe.left


def _probed(probe: _Probe) -> Iterator[Finding]:
    definition = _definition(probe)
    network = probe.service["networkConfiguration"]["awsvpcConfiguration"]
    foreign = {**network, "securityGroups": [_foreign_group(probe)]}
    try:
        tasks = [_run(probe, definition, each) for each in (network, foreign)]
    except _NotRun as error:
        yield failed(str(error), NEEDED, "see what ECS says")
        return
    ours, theirs = (_ended(probe, task) for task in tasks)
    if ours.code is None and emulator(probe.deployed.subject):
        # It has no image of psql, and this machine may have no psql either.
        yield not_shown(ours.reason, NEEDED, f"install psql, or {ON_AWS}")
        return
    yield _asked(ours)
    yield _kept_out(theirs)


class _NotRun(Exception):
    """ECS takes no task."""


def _definition(probe: _Probe) -> str:
    """A task definition like the service's, but for image and command."""
    ecs = probe.client("ecs")
    theirs = ecs.describe_task_definition(taskDefinition=probe.service["taskDefinition"])[
        "taskDefinition"
    ]
    container = theirs["containerDefinitions"][0]
    environment = {
        entry["name"]: entry["value"] for entry in container["environment"] if _libpq(entry)
    } | {"PGSSLMODE": "require", "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)}
    log = container["logConfiguration"]
    version = probe.database["EngineVersion"].split(".")[0]
    ours = {
        "name": CONTAINER,
        "image": IMAGE.format(version=version),
        "essential": True,
        # Not the image's own, which would start a server.
        "entryPoint": COMMAND[:1],
        "command": COMMAND[1:],
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "secrets": [entry for entry in container["secrets"] if _libpq(entry)],
        "readonlyRootFilesystem": True,
        "logConfiguration": {
            **log,
            "options": {**log["options"], "awslogs-stream-prefix": CONTAINER},
        },
        **({"user": container["user"]} if "user" in container else {}),
    }
    made = ecs.register_task_definition(
        family=_name(probe, aws_limits.ECS_TASK_FAMILY_MAX),
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu=CPU_UNITS,
        memory=MEMORY_MIB,
        executionRoleArn=theirs["executionRoleArn"],
        runtimePlatform=theirs["runtimePlatform"],
        containerDefinitions=[ours],
    )["taskDefinition"]["taskDefinitionArn"]

    def gone() -> None:
        ecs.deregister_task_definition(taskDefinition=made)
        ecs.delete_task_definitions(taskDefinitions=[made])

    probe.finally_(made, f"aws ecs deregister-task-definition --task-definition {made}", gone)
    return made


def _libpq(entry: Mapping[str, str]) -> bool:
    """Whether psql reads it: https://www.postgresql.org/docs/current/libpq-envars.html"""
    return entry["name"].startswith("PG")


def _foreign_group(probe: _Probe) -> str:
    """A group that lets everything out, as each new one does, and that nobody knows."""
    ec2, name = probe.client("ec2"), _name(probe, aws_limits.SECURITY_GROUP_NAME_MAX)
    # What an earlier probe left when it was killed.
    there = [id_ for id_, group in probe.deployed.groups.items() if group["GroupName"] == name]
    group = (
        there[0]
        if there
        else ec2.create_security_group(
            GroupName=name,
            VpcId=probe.deployed.vpc_id,
            Description="Temporary: what has it must not reach the database",
        )["GroupId"]
    )

    def gone() -> None:
        deadline = time.monotonic() + END_SECONDS
        while True:
            try:
                ec2.delete_security_group(GroupId=group)
                return
            except ClientError as error:
                in_use = code_of(error) == "DependencyViolation"
                if not in_use or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    probe.finally_(group, f"aws ec2 delete-security-group --group-id {group}", gone)
    return group


def _name(probe: _Probe, limit: int) -> str:
    return probe.deployed.subject.naming.generate_simple_name(CONTAINER, limit=limit)


def _run(probe: _Probe, definition: str, network: Mapping[str, Any]) -> str:
    """Start a task; returns its ARN. Raises ``_NotRun``."""
    ecs, cluster = probe.client("ecs"), probe.deployed.id(CLUSTER)
    answer = ecs.run_task(
        cluster=cluster,
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        startedBy="tap verify",
    )
    if not answer["tasks"]:
        told = ", ".join(entry.get("reason", "no reason given") for entry in answer["failures"])
        raise _NotRun(f"ECS runs no task: {told}")
    (task,) = (entry["taskArn"] for entry in answer["tasks"])
    # One that has ended already can be stopped as well.
    probe.finally_(
        task,
        f"aws ecs stop-task --cluster {cluster} --task {task}",
        lambda: ecs.stop_task(cluster=cluster, task=task, reason="the probe is over"),
    )
    return task


@dataclass(frozen=True, slots=True)
class _End:
    """How a task ended: ``code`` is None where its container never did."""

    status: str
    code: int | None
    reason: str
    log: str

    @property
    def last(self) -> str:
        """The last line that it wrote, or why there is none."""
        lines = self.log.strip().splitlines()
        return lines[-1] if lines else self.reason or "without a word"


def _ended(probe: _Probe, task: str) -> _End:
    """Wait for a task's end."""
    ecs, cluster = probe.client("ecs"), probe.deployed.id(CLUSTER)
    deadline = time.monotonic() + START_SECONDS
    while True:
        (found,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
        if found["lastStatus"] == "STOPPED" or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    (container,) = found["containers"]
    reasons = [container.get("reason"), found.get("stoppedReason")]
    return _End(
        found["lastStatus"],
        container.get("exitCode"),
        next(filter(None, reasons), ""),
        _log(probe, task) if "exitCode" in container else "",
    )


def _log(probe: _Probe, task: str) -> str:
    """What a task wrote. CloudWatch has it within seconds of its end."""
    group = probe.deployed.argument("service/log_group", "name")
    stream = f"{CONTAINER}/{CONTAINER}/{task.rpartition('/')[2]}"
    for _ in range(3):
        try:
            events = probe.client("logs").get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True
            )["events"]
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            events = []
        if events:
            return "\n".join(event["message"] for event in events)
        time.sleep(POLL_SECONDS)
    return ""


def _asked(end: _End) -> Finding:
    """What the service's own way to the database is worth."""
    if end.code is None:
        found = end.reason or f"still {end.status} after {START_SECONDS // 60} minutes"
        return failed(
            f"the task did not start: {found}", NEEDED, "mend what it names; the service needs it"
        )
    if end.code == 0 and ANSWER in end.log:
        return passed(f"SELECT 1 over {end.last.rpartition('|')[2]}, as the service")
    if end.code == 0 and end.log:
        return failed(f"the database answers {end.last}", "a connection over TLS", "rds.force_ssl")
    if end.code == 0:
        return not_shown("the task ended well, and wrote nothing", NEEDED, "run it again")
    fix = "see the network and database checks"
    if "password authentication failed" in end.log:
        fix = "give the service the database's secret: npm run cdktf:deploy; or deploy it anew"
    elif "SSL" in end.log:
        fix = "let the database take TLS: its parameter group, and rds.force_ssl"
    return failed(f"psql exits {end.code}: {end.last}", NEEDED, fix)


def _kept_out(end: _End) -> Finding:
    """What the database is to a task with a foreign security group."""
    needed = "no answer to a foreign security group"
    if end.code is None:
        found = end.reason or f"still {end.status} after {START_SECONDS // 60} minutes"
        return not_shown(f"the foreign task did not start: {found}", needed, "see what ECS says")
    if end.code and any(words in end.log for words in TIMED_OUT):
        return passed("a foreign security group gets no answer")
    if end.code == 0 or "FATAL" in end.log or "SSL" in end.log:
        return failed(
            f"a foreign security group gets an answer: {end.last}",
            needed,
            "see the database and open paths checks",
        )
    return not_shown(f"the foreign task: psql exits {end.code}: {end.last}", needed, "run it again")


CHECKS = (Check("parts.probe", _look),)
