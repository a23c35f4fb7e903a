"""The parts talk to each other; or verify says which was told what isn't so.

moto runs no task: which run (``ListTasks``) is put in its mouth.
"""

import time
from contextlib import ExitStack

import pytest
from moto.backends import get_backend

from lib.modules.ssm_outputs import Published
from ops.checkup import Outcome
from ops.verify import emulated, parts
from tests.conftest import BY_NAME, changed
from tests.ops.answers import answered
from tests.ops.deployed import ACCOUNT, environment
from tests.synthesized import Synthesized

LOOK = {check.name.removeprefix("parts."): check.look for check in parts.CHECKS}
TASKS = [f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/prod-cluster-qa1/{number}" for number in "12"]
DELIVERED = {"FlowLogStatus": "ACTIVE", "DeliverLogsStatus": "SUCCESS"}  # moto says FAILED
GROUP = "/tap/prod/qa1/service"


def wire(there):
    """What the environment's makers leave out: to whom alarms speak."""
    topic = there.at.get("monitoring/topic")
    for alarm in get_backend("cloudwatch")[ACCOUNT]["us-east-1"].alarms.values():
        alarm.alarm_actions, alarm.ok_actions = [topic], [topic]


@pytest.fixture(scope="module", name="there")
def _there():
    """Production, with somebody who reads its alarms. Tests leave it as it was."""
    config = changed(BY_NAME["prod"], alarms={"emails": ("oncall@example.com",)})
    with environment(Synthesized.of(config)) as there:
        wire(there)
        yield there


def outcomes(findings):
    """What each finding says."""
    return [finding.outcome for finding in findings]


def only(there, check):
    """The one thing that a check finds, which failed."""
    (finding,) = LOOK[check](there.subject)
    assert finding.outcome is Outcome.FAILED
    assert finding.needed and finding.fix
    return finding


def test_a_deployed_environment_passes(stack):
    with environment(stack) as there, flow_log_of(there, **DELIVERED):
        wire(there)
        for name, look in LOOK.items():
            passes = outcomes(look(there.subject))
            assert passes == [Outcome.NOT_SHOWN if name == "logs" else Outcome.PASSED], name


def test_a_password_that_was_given(synthesize):
    with environment(synthesize("dev", password_given=True)) as there:
        assert outcomes(LOOK["secret"](there.subject)) == [Outcome.PASSED]
        assert outcomes(LOOK["parameters"](there.subject)) == [Outcome.PASSED]


# The database's address and secret


@pytest.fixture(name="task")
def _task(there):
    """moto's own record of the task definition's container."""
    families = get_backend("ecs")[ACCOUNT]["us-east-1"].task_definitions.values()
    ((revision,),) = (family.values() for family in families)
    (container,) = revision.container_definitions
    before = {name: [*map(dict, container[name])] for name in ("environment", "secrets")}
    assert there.at
    yield container
    container |= before


@pytest.mark.parametrize(
    ("list_", "key", "name"),
    [
        ("environment", "value", "PGHOST"),
        ("environment", "value", "PGPORT"),
        ("environment", "value", "PGDATABASE"),
        ("environment", "value", "DB_SECRET_ARN"),
        ("secrets", "valueFrom", "PGUSER"),
        ("secrets", "valueFrom", "PGPASSWORD"),
    ],
)
def test_a_service_that_was_told_of_another_database(there, task, list_, key, name):
    (entry,) = (entry for entry in task[list_] if entry["name"] == name)
    before = entry[key]
    entry[key] = "other"
    finding = only(there, "secret")
    assert finding.found == f"prod-task-qa1:1 has {name} other"
    assert finding.needed == f"{name} {before}"


def test_a_service_that_was_not_told(there, task):
    task["secrets"].clear()
    finding = only(there, "secret")
    assert finding.found == "prod-task-qa1:1 has PGUSER unset, PGPASSWORD unset"


def test_a_database_that_has_another_secret(there):
    rds = there.client("rds")
    told = rds.describe_db_instances()["DBInstances"][0]
    secret = {**told["MasterUserSecret"], "SecretArn": "arn:aws:other"}
    answer = {"DBInstances": [{**told, "MasterUserSecret": secret}]}
    with answered(rds, "DescribeDBInstances", answer):
        finding = only(there, "secret")
        parameter = only(there, "parameters")
    assert "PGPASSWORD arn:aws:other:password::" in finding.needed
    assert parameter.needed == "arn:aws:other"


def test_without_a_database_or_a_service_nothing_is_shown(there):
    none = {"DBInstances": []}
    with answered(there.client("rds"), "DescribeDBInstances", none):
        assert outcomes(LOOK["secret"](there.subject)) == [Outcome.NOT_SHOWN]


# Parameters


@pytest.mark.parametrize("published", Published)
def test_a_parameter_that_misleads(there, published):
    ssm, name = there.client("ssm"), f"/tap/prod/qa1/{published}"
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value="other", Overwrite=True)
    finding = only(there, "parameters")
    assert (finding.found, finding.needed) == (f"{name} is other", before)
    ssm.delete_parameter(Name=name)
    assert only(there, "parameters").found == f"{name} is gone"
    ssm.put_parameter(Name=name, Value=before, Type="String")


def test_a_parameter_of_what_is_gone_is_left_to_others(there):
    with answered(there.client("elbv2"), "DescribeLoadBalancers", {"LoadBalancers": []}):
        assert outcomes(LOOK["parameters"](there.subject)) == [Outcome.PASSED]


# Logs


@pytest.fixture(name="running")
def _running(there):
    """Two tasks run; ``write`` makes one's log, with a line of so many seconds ago."""
    logs = there.client("logs")

    def write(task, ago=None):
        name = f"app/app/{task}"
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
        if ago is not None:
            event = {"timestamp": int((time.time() - ago) * 1000), "message": "GET / 200"}
            logs.put_log_events(logGroupName=GROUP, logStreamName=name, logEvents=[event])

    with answered(there.client("ecs"), "ListTasks", {"taskArns": TASKS}):
        yield write
    for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]:
        logs.delete_log_stream(logGroupName=GROUP, logStreamName=stream["logStreamName"])


def test_tasks_that_log(there, running):
    running(1, ago=3_000)
    running(2, ago=20)
    (finding,) = LOOK["logs"](there.subject)
    assert finding.outcome is Outcome.PASSED
    assert finding.found.startswith("2 tasks log, the last 2")


def test_a_task_that_cannot_log(there, running):
    running(1, ago=20)
    assert only(there, "logs").found == f"{GROUP} has no app/app/2"


@pytest.mark.parametrize("ago", [None, 3_700])
def test_tasks_that_have_nothing_to_say(there, running, ago):
    running(1)
    running(2, ago=ago)
    (finding,) = LOOK["logs"](there.subject)
    assert finding.outcome is Outcome.WARNING
    assert finding.found == f"nothing in {GROUP} for 60 minutes"


def test_without_tasks_no_log_is_shown(there, monkeypatch):
    (finding,) = LOOK["logs"](there.subject)
    assert (finding.outcome, finding.fix) == (Outcome.NOT_SHOWN, "see service.running")
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    (finding,) = LOOK["logs"](there.subject)
    assert (finding.outcome, finding.fix) == (Outcome.NOT_SHOWN, emulated.ON_AWS)


# Flow logs


def flow_log_of(there, **changes):
    """EC2's answer about the flow log, with changes; without, there is none."""
    ec2 = there.client("ec2")
    (told,) = ec2.describe_flow_logs()["FlowLogs"]
    told.pop("DeliverLogsErrorMessage", None)
    return answered(ec2, "DescribeFlowLogs", {"FlowLogs": [told | changes] if changes else []})


def test_a_vpc_without_its_flow_log(there):
    with flow_log_of(there):
        found = only(there, "flow_logs").found
    assert found == f"no flow log from {there.at['network/vpc']} to /tap/prod/qa1/flowlogs"


def test_a_flow_log_that_leads_elsewhere(there):
    with flow_log_of(there, LogDestination="arn:aws:s3:::elsewhere"):
        assert only(there, "flow_logs").found.startswith("no flow log from ")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"DeliverLogsStatus": "FAILED", "DeliverLogsErrorMessage": "Access error"},
            "Access error",
        ),
        ({"FlowLogStatus": "FAILED"}, "not active"),
    ],
)
def test_a_flow_log_that_is_not_delivered(there, changes, found):
    with flow_log_of(there, **DELIVERED):
        assert outcomes(LOOK["flow_logs"](there.subject)) == [Outcome.PASSED]
    with flow_log_of(there, **{**DELIVERED, **changes}):
        assert only(there, "flow_logs").found.endswith(f": {found}")


def test_an_emulator_delivers_no_flow_logs(there, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    assert outcomes(LOOK["flow_logs"](there.subject)) == [Outcome.NOT_SHOWN]


# Alarms


@pytest.fixture(name="alarm")
def _alarm(there):
    """moto's own record of one alarm."""
    alarms = get_backend("cloudwatch")[ACCOUNT]["us-east-1"].alarms
    alarm = alarms["prod-servicecpu-qa1"]
    before = dict(vars(alarm))
    assert there.at
    yield alarm
    vars(alarm).update(before)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"alarm_actions": []}, "prod-servicecpu-qa1 tells no topic of its alarm"),
        ({"ok_actions": ["arn:other"]}, "prod-servicecpu-qa1 tells no topic of its end"),
        ({"actions_enabled": False}, "prod-servicecpu-qa1 is muted"),
    ],
)
def test_an_alarm_that_nobody_hears(there, alarm, changes, found):
    assert outcomes(LOOK["alarms"](there.subject)) == [Outcome.PASSED]
    vars(alarm).update(changes)
    assert only(there, "alarms").found == found


@pytest.mark.parametrize(
    ("subscriptions", "found"),
    [
        ([], "oncall@example.com is not subscribed"),
        (
            [{"Endpoint": "oncall@example.com", "SubscriptionArn": "PendingConfirmation"}],
            "oncall@example.com has not confirmed",
        ),
    ],
)
def test_a_reader_who_gets_no_mail(there, alarm, subscriptions, found):
    assert alarm
    answer = {"Subscriptions": subscriptions}
    with answered(there.client("sns"), "ListSubscriptionsByTopic", answer):
        assert only(there, "alarms").found == found


def test_events_of_the_database_that_rds_cannot_send(there, alarm):
    assert alarm
    rds = there.client("rds")
    (told,) = rds.describe_event_subscriptions()["EventSubscriptionsList"]
    answer = {"EventSubscriptionsList": [told | {"Status": "no-permission"}]}
    with answered(rds, "DescribeEventSubscriptions", answer):
        assert only(there, "alarms").found == "RDS's events prod-dbevents-qa1 are no-permission"


def test_a_topic_that_is_gone(there):
    with answered(there.client("sns"), "ListTopics", {"Topics": []}):
        assert only(there, "alarms").found == "no topic"


# The target group


def test_a_listener_that_leads_to_another_group(there):
    elbv2 = there.client("elbv2")
    arn = there.at["load_balancer/load_balancer"]
    (told,) = elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    action = {"Type": "forward", "TargetGroupArn": "arn:other"}
    answer = {"Listeners": [{**told, "DefaultActions": [action]}]}
    with answered(elbv2, "DescribeListeners", answer):
        finding = only(there, "target_group")
    assert finding.found == "the listener leads to arn:other"
    assert finding.needed == there.at["load_balancer/target_group"]


@pytest.mark.parametrize(("groups", "found"), [(["arn:other"], "arn:other"), ([], "none")])
def test_a_service_that_joined_another_group(there, groups, found):
    ecs = there.client("ecs")
    (told,) = ecs.describe_services(
        cluster=there.at["service/cluster"], services=["prod-service-qa1"]
    )["services"]
    balancers = [{"targetGroupArn": group} for group in groups]
    with answered(ecs, "DescribeServices", {"services": [{**told, "loadBalancers": balancers}]}):
        finding = only(there, "target_group")
    assert finding.found == f"the service leads to {found}"


def test_what_is_gone_shows_nothing(there):
    with ExitStack() as exits:
        for service, operation, answer in (
            ("elbv2", "DescribeTargetGroups", {"TargetGroups": []}),
            ("logs", "DescribeLogGroups", {"logGroups": []}),
        ):
            exits.enter_context(answered(there.client(service), operation, answer))
        for name in ("target_group", "logs", "flow_logs"):
            assert outcomes(LOOK[name](there.subject)) == [Outcome.NOT_SHOWN], name
