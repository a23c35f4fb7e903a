"""What the probe's tasks say is told, and nothing of it stays."""

import argparse
import itertools

import pytest

from lib.errors import ExitCode
from ops import verify
from ops.__main__ import main
from ops.checkup import Outcome
from ops.verify import probe
from ops.verify.probe import CHECKS, IMAGE
from tests.conftest import BY_NAME
from tests.ops.answers import Answers, refusal
from tests.ops.deployed import environment
from tests.synthesized import Synthesized

OK = "1|t|TLSv1.3"
TIMEOUT = 'psql: error: connection to server at "x" (10.1.3.4), port 5432 failed: timeout expired'
GROUP = "staging-probe-qa1"


@pytest.fixture(name="there", scope="module")
def _there():
    """Staging, deployed: one for all, since nothing stays."""
    with environment(Synthesized.of(BY_NAME["staging"])) as there:
        yield there


@pytest.fixture(name="quick", autouse=True)
def _quick(monkeypatch):
    """Nothing is waited for."""
    ticks = itertools.count(step=30)
    monkeypatch.setattr(probe.time, "sleep", lambda _: None)
    monkeypatch.setattr(probe.time, "monotonic", lambda: next(ticks))


def ended(code=None, reason="", stopped=""):
    """A task as ECS describes it at its end."""
    container = {"name": "probe", "lastStatus": "STOPPED"}
    container |= {} if code is None else {"exitCode": code}
    container |= {"reason": reason} if reason else {}
    task = {"lastStatus": "STOPPED", "containers": [container]}
    return {**task, "stoppedReason": stopped} if stopped else task


class Tasks:
    """ECS, with two tasks: how each ends, and what it writes."""

    def __init__(self, ours, theirs, logs=("", ""), **answers):
        ends = {"task/c/0": ours, "task/c/1": theirs}
        texts = dict(zip(("probe/probe/0", "probe/probe/1"), logs, strict=True))
        runs = itertools.count()
        self.answers = Answers(
            {
                "RunTask": lambda _: {
                    "tasks": [{"taskArn": f"task/c/{next(runs)}"}],
                    "failures": [],
                },
                "DescribeTasks": lambda asked: {"tasks": [ends[asked["tasks"][0]]]},
                "StopTask": {},
                "DeleteTaskDefinitions": {},
                "GetLogEvents": lambda asked: {
                    "events": [
                        {"message": line} for line in texts[asked["logStreamName"]].splitlines()
                    ]
                },
                **answers,
            }
        )

    def look(self, there):
        """What the probe finds, ours and theirs."""
        clients = [there.client(name) for name in ("ecs", "logs")]
        with self.answers.on(*clients):
            return list(CHECKS[0].look(there.subject))


def left(there):
    """What the probe made and has not taken away."""
    groups = there.ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [GROUP]}]
    )["SecurityGroups"]
    definitions = there.client("ecs").list_task_definitions(familyPrefix=GROUP, status="ACTIVE")
    return [*groups, *definitions["taskDefinitionArns"]]


def test_all_is_well(there):
    tasks = Tasks(ended(0), ended(2), (OK, TIMEOUT))
    ours, theirs = tasks.look(there)
    assert ours.outcome is theirs.outcome is Outcome.PASSED
    assert "TLSv1.3" in ours.found
    assert left(there) == []
    assert len(tasks.answers.of("StopTask")) == 2


def test_the_task_is_like_the_services(there, monkeypatch):
    """But for image and command: same role, secret, log group and network."""
    made = {}
    client = there.client("ecs")
    register = client.register_task_definition

    def registered(**asked):
        made.update(asked)
        return register(**asked)

    monkeypatch.setattr(client, "register_task_definition", registered)
    tasks = Tasks(ended(0), ended(2), (OK, TIMEOUT))
    tasks.look(there)
    service = there.client("ecs").describe_task_definition(
        taskDefinition=there.deployed.service["taskDefinition"]
    )["taskDefinition"]
    (theirs,), (ours,) = service["containerDefinitions"], made["containerDefinitions"]
    assert made["executionRoleArn"] == service["executionRoleArn"]
    assert ours["image"] == IMAGE.format(version=14)
    assert ours["entryPoint"] == ["psql"]
    assert ours["secrets"] == theirs["secrets"]
    variables = {each["name"]: each["value"] for each in ours["environment"]}
    host = {each["name"]: each["value"] for each in theirs["environment"]}["PGHOST"]
    assert (variables["PGHOST"], variables["PGSSLMODE"]) == (host, "require")
    assert "DB_SECRET_ARN" not in variables
    group = theirs["logConfiguration"]["options"]["awslogs-group"]
    assert ours["logConfiguration"]["options"]["awslogs-group"] == group
    network = there.deployed.service["networkConfiguration"]["awsvpcConfiguration"]
    first, second = (
        asked["networkConfiguration"]["awsvpcConfiguration"]
        for asked in tasks.answers.of("RunTask")
    )
    assert first == network
    assert second["subnets"] == network["subnets"]
    assert not set(second["securityGroups"]) & set(network["securityGroups"])


@pytest.mark.parametrize(
    ("end", "log", "outcome", "told"),
    [
        (
            ended(2),
            'psql: error: FATAL:  password authentication failed for user "app_admin"',
            Outcome.FAILED,
            "password authentication failed",
        ),
        (
            ended(2),
            "psql: error: server does not support SSL, but SSL was required",
            Outcome.FAILED,
            "does not support SSL",
        ),
        (ended(2), TIMEOUT, Outcome.FAILED, "timeout expired"),
        (ended(0), "1|f|", Outcome.FAILED, "1|f|"),
        (ended(0), "", Outcome.NOT_SHOWN, "wrote nothing"),
        (
            ended(stopped="CannotPullContainerError: not found"),
            "",
            Outcome.FAILED,
            "did not start: CannotPullContainerError",
        ),
        (
            ended(reason="OutOfMemoryError", stopped="Essential container exited"),
            "",
            Outcome.FAILED,
            "did not start: OutOfMemoryError",
        ),
        (
            {"lastStatus": "PENDING", "containers": [{"name": "probe"}]},
            "",
            Outcome.FAILED,
            "still PENDING after 10 minutes",
        ),
    ],
)
def test_what_goes_wrong_with_the_services_way(there, end, log, outcome, told):
    ours, theirs = Tasks(end, ended(2), (log, TIMEOUT)).look(there)
    assert ours.outcome is outcome
    assert told in ours.found
    assert ours.needed and ours.fix
    assert theirs.outcome is Outcome.PASSED
    assert left(there) == []


@pytest.mark.parametrize(
    ("log", "fix"),
    [
        ("password authentication failed", "secret"),
        ("server does not support SSL", "rds.force_ssl"),
        (TIMEOUT, "network"),
    ],
)
def test_each_fix_is_for_its_fault(there, log, fix):
    ours, _ = Tasks(ended(2), ended(2), (log, TIMEOUT)).look(there)
    assert fix in ours.fix


@pytest.mark.parametrize(
    ("end", "log", "outcome"),
    [
        (ended(0), OK, Outcome.FAILED),
        (ended(2), "psql: error: FATAL:  password authentication failed", Outcome.FAILED),
        (ended(2), "psql: error: server does not support SSL", Outcome.FAILED),
        (ended(2), "psql: error: could not translate host name", Outcome.NOT_SHOWN),
        (ended(stopped="no capacity"), "", Outcome.NOT_SHOWN),
    ],
)
def test_a_foreign_task_that_is_not_just_kept_out(there, end, log, outcome):
    ours, theirs = Tasks(ended(0), end, (OK, log)).look(there)
    assert ours.outcome is Outcome.PASSED
    assert theirs.outcome is outcome
    assert left(there) == []


def test_ecs_takes_no_task(there):
    refused = {"tasks": [], "failures": [{"reason": "RESOURCE:CPU"}]}
    (found,) = Tasks(ended(0), ended(2), RunTask=refused).look(there)
    assert (found.outcome, found.found) == (Outcome.FAILED, "ECS runs no task: RESOURCE:CPU")
    assert left(there) == []


def test_a_log_that_is_late(there):
    late = refusal("GetLogEvents", "ResourceNotFoundException")
    answers = [late, {"events": []}, {"events": [{"message": OK}]}, {"events": []}]
    ours, _ = Tasks(ended(0), ended(2), GetLogEvents=answers).look(there)
    assert ours.outcome is Outcome.PASSED


@pytest.mark.parametrize("operation", ["RunTask", "DescribeTasks", "GetLogEvents"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), None])
def test_whatever_happens_nothing_is_left(there, operation, error):
    error = error or refusal(operation, "AccessDeniedException")
    tasks = Tasks(ended(0), ended(2), (OK, TIMEOUT), **{operation: error})
    with pytest.raises(type(error)):
        tasks.look(there)
    assert left(there) == []
    started = len(tasks.answers.of("RunTask")) if operation != "RunTask" else 0
    assert len(tasks.answers.of("StopTask")) == started


def test_what_cannot_be_taken_away_is_named(there, capsys):
    denied = refusal("StopTask", "AccessDeniedException")
    _, _, *named = Tasks(ended(0), ended(2), (OK, TIMEOUT), StopTask=denied).look(there)
    assert [finding.outcome for finding in named] == [Outcome.FAILED] * 2
    assert "task/c/1 is left" in named[0].found
    assert "aws ecs stop-task" in named[0].fix
    assert "task/c/1 is left" in capsys.readouterr().err
    assert left(there) == []


def test_a_group_is_deleted_once_its_interface_is_gone(there, monkeypatch):
    client, delete = there.ec2, there.ec2.delete_security_group
    refusals = [refusal("DeleteSecurityGroup", "DependencyViolation")] * 3

    def deleted(**asked):
        if refusals:
            raise refusals.pop()
        return delete(**asked)

    monkeypatch.setattr(client, "delete_security_group", deleted)
    found = Tasks(ended(0), ended(2), (OK, TIMEOUT)).look(there)
    assert [finding.outcome for finding in found] == [Outcome.PASSED] * 2
    assert left(there) == [] and not refusals


def test_a_group_that_stays_in_use_is_named(there, monkeypatch):
    def deleted(**_):
        raise refusal("DeleteSecurityGroup", "DependencyViolation")

    with monkeypatch.context() as patch:
        patch.setattr(there.ec2, "delete_security_group", deleted)
        _, _, named = Tasks(ended(0), ended(2), (OK, TIMEOUT)).look(there)
    assert named.found.startswith("sg-")
    assert "aws ec2 delete-security-group" in named.fix
    # The next probe takes it over.
    found = Tasks(ended(0), ended(2), (OK, TIMEOUT)).look(there)
    assert [finding.outcome for finding in found] == [Outcome.PASSED] * 2
    assert left(there) == []


def test_without_a_service_there_is_no_one_to_ask_as(there, monkeypatch):
    monkeypatch.setattr(probe.Deployed, "service", None)
    (found,) = CHECKS[0].look(there.subject)
    assert found.outcome is Outcome.NOT_SHOWN


def test_an_emulator_shows_nothing_and_is_asked_nothing(there, monkeypatch):
    monkeypatch.setattr(probe, "without_tasks", lambda _: "http://127.0.0.1:5000")
    subject = there.subject
    (found,) = CHECKS[0].look(subject)
    assert found.outcome is Outcome.NOT_SHOWN
    assert not subject.calls


def options(**values):
    """What a person asks for."""
    return argparse.Namespace(**{"reachability": False, "probe": False, **values})


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, []),
        ({"probe": True}, ["parts.probe"]),
        ({"reachability": True}, ["network.reachability"]),
    ],
)
def test_it_is_asked_for(monkeypatch, asked, more):
    names = []

    def run(_options, _environ, checks):
        names.extend(check.name for check in checks(None))
        return 0

    monkeypatch.setattr(verify.command, "run", run)
    assert verify.run(options(**asked), [], {}) == 0
    assert [name for name in names if name in {"parts.probe", "network.reachability"}] == more


def test_an_interrupt_has_its_exit_code(monkeypatch):
    def run(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(verify.command, "run", run)
    assert main(["verify"]) == ExitCode.INTERRUPTED
