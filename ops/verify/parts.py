"""Whether the parts talk to each other: what each was told of the others is what AWS has."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ops.checkup import Check, Finding, Subject, failed, not_shown, passed, warning
from ops.verify.deployed import CLUSTER, DEPLOY, VPC, Deployed, or_passed
from ops.verify.emulated import ON_AWS, emulator, without_tasks
from ops.verify.service import TARGET_GROUP

SERVICE_LOGS, FLOW_LOGS = "service/log_group", "network/flow_log_group"
TOPIC, ALARM = "monitoring/topic", "aws_cloudwatch_metric_alarm"
QUIET_SECONDS = 60 * 60  # the load balancer asks each task four times a minute
DATABASE_VARIABLES = ("PGHOST", "PGPORT", "PGDATABASE", "DB_SECRET_ARN")  # set by lib


def _secret(subject: Subject) -> Iterator[Finding]:
    yield from or_passed(
        _told_otherwise(Deployed(subject)), "the service has the database's address and secret"
    )


def _told_otherwise(deployed: Deployed) -> Iterator[Finding]:
    """What the running tasks are told of the database that isn't so."""
    database, service = deployed.database, deployed.service
    if not database or not service:
        yield not_shown("there is no database, or no service", "both", DEPLOY)
        return
    made = _container(deployed.subject)
    wanted = {entry["name"]: entry["value"] for entry in made["environment"]}
    wanted = {name: wanted[name] for name in DATABASE_VARIABLES}
    wanted |= {entry["name"]: entry["valueFrom"] for entry in made["secrets"]}
    wanted = deployed.filled(wanted) | {
        "PGHOST": database["Endpoint"]["Address"],
        "PGPORT": str(database["Endpoint"]["Port"]),
        "PGDATABASE": database["DBName"],
    }
    arn = service["taskDefinition"]
    runs = deployed.subject.client("ecs").describe_task_definition(taskDefinition=arn)
    container = runs["taskDefinition"]["containerDefinitions"][0]
    told = {entry["name"]: entry["value"] for entry in container.get("environment", ())}
    told |= {entry["name"]: entry["valueFrom"] for entry in container.get("secrets", ())}
    wrong = [name for name in wanted if told.get(name) != wanted[name]]
    if wrong:
        revision = arn.rpartition("/")[2]
        said = ", ".join(f"{name} {told.get(name, 'unset')}" for name in wrong)
        needed = ", ".join(f"{name} {wanted[name]}" for name in wrong)
        yield failed(f"{revision} has {said}", needed, DEPLOY)


def _container(subject: Subject) -> Mapping[str, Any]:
    """The container, as the stack has it."""
    (task,) = subject.stack.all("aws_ecs_task_definition")
    (container,) = json.loads(task.values["container_definitions"])
    return container


def _parameters(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    parameters = subject.stack.all("aws_ssm_parameter")
    yield from or_passed(
        _misleading(deployed), f"{len(parameters)} parameters have their resources' values"
    )


def _misleading(deployed: Deployed) -> Iterator[Finding]:
    for parameter in deployed.stack.all("aws_ssm_parameter"):
        name = parameter.values["name"]
        try:
            wanted = deployed.filled(parameter.values["value"])
        except LookupError:
            continue  # what it names is gone: that is told of itself
        found = deployed.parameters.get(name)
        if found is None:
            yield failed(f"{name} is gone", wanted, DEPLOY)
        elif found != wanted:
            yield failed(f"{name} is {found}", wanted, DEPLOY)


def _logs(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    needed = f"a line in {QUIET_SECONDS // 60} minutes"
    group, service = deployed.id(SERVICE_LOGS), deployed.service
    if not group or not service:
        yield not_shown("there is no log group, or no service", "both", DEPLOY)
        return
    arns = subject.ask(
        *("ecs", "list_tasks", "taskArns"),
        cluster=deployed.id(CLUSTER),
        serviceName=service["serviceName"],
    )
    url = without_tasks(subject)
    if not arns or url:
        where = f"the emulator at {url} runs none" if url else "see service.running"
        yield not_shown("no task runs", needed, ON_AWS if url else where)
        return
    written: dict[str, float | None] = {}  # when each task last wrote, by its stream
    logs, prefix = subject.client("logs"), _stream_prefix(subject)
    for arn in arns:
        stream = prefix + arn.rpartition("/")[2]
        try:
            events = logs.get_log_events(
                logGroupName=group, logStreamName=stream, limit=1, startFromHead=False
            )["events"]
        except logs.exceptions.ResourceNotFoundException:
            written[stream] = None  # the container's start makes it
        else:
            written[stream] = max((each["timestamp"] / 1000 for each in events), default=0)
    yield from _heard(group, written)


def _stream_prefix(subject: Subject) -> str:
    """What comes before a task's id in the name of its log stream."""
    container = _container(subject)
    return (
        f"{container['logConfiguration']['options']['awslogs-stream-prefix']}/{container['name']}/"
    )


def _heard(group: str, written: Mapping[str, float | None]) -> Iterator[Finding]:
    silent = [stream for stream, when in written.items() if when is None]
    ago = time.time() - max(when or 0 for when in written.values())
    if silent:
        said = f"{group} has no {', '.join(silent)}"
        yield failed(said, "a log of each task", "see the way to CloudWatch, and the role")
    elif ago > QUIET_SECONDS:
        said = f"nothing in {group} for {QUIET_SECONDS // 60} minutes"
        yield warning(said, "a line for each health check", "see the container")
    else:
        yield passed(f"{len(written)} tasks log, the last {ago:.0f} s ago")


def _flow_logs(subject: Subject) -> Iterator[Finding]:
    if not subject.stack.all("aws_flow_log"):
        yield passed("none, as configured")
        return
    yield from or_passed(_unrecorded(Deployed(subject)), "traffic is recorded")


def _unrecorded(deployed: Deployed) -> Iterator[Finding]:
    (written,) = deployed.stack.all("aws_flow_log")
    vpc, group = deployed.id(VPC), deployed.id(FLOW_LOGS)
    if not vpc or not group:
        yield not_shown("there is no VPC, or no log group", "both", DEPLOY)
        return
    found = deployed.subject.ask(
        *("ec2", "describe_flow_logs", "FlowLogs"),
        Filters=[{"Name": "resource-id", "Values": [vpc]}],
    )
    wanted = deployed.filled(written.values["log_destination"])
    ours = [each for each in found if each.get("LogDestination") == wanted]
    if not ours:
        yield failed(f"no flow log from {vpc} to {group}", f"one, to {group}", DEPLOY)
    for each in ours:
        if url := emulator(deployed.subject):
            yield not_shown(f"the emulator at {url} delivers none", "delivered", ON_AWS)
        elif each["FlowLogStatus"] != "ACTIVE" or each.get("DeliverLogsStatus") == "FAILED":
            said = f"{each['FlowLogId']}: {each.get('DeliverLogsErrorMessage', 'not active')}"
            yield failed(said, "delivered", "see its role")


def _alarms(subject: Subject) -> Iterator[Finding]:
    alarms = subject.stack.all(ALARM)
    if not alarms:
        yield passed("none, as configured")
        return
    yield from or_passed(_unheard(Deployed(subject)), f"{len(alarms)} alarms reach the topic")


def _unheard(deployed: Deployed) -> Iterator[Finding]:
    """What keeps an alarm from its readers. One that is gone is drift."""
    topic = deployed.id(TOPIC)
    if not topic:
        yield failed("no topic", "the alarms' topic", DEPLOY)
        return
    names = [alarm.values["alarm_name"] for alarm in deployed.stack.all(ALARM)]
    for alarm in deployed.subject.ask(
        *("cloudwatch", "describe_alarms", "MetricAlarms"), AlarmNames=names
    ):
        name = alarm["AlarmName"]
        if not alarm["ActionsEnabled"]:
            yield failed(f"{name} is muted", "its actions enabled", DEPLOY)
        for when, wire in (("alarm", "AlarmActions"), ("end", "OKActions")):
            if topic not in alarm[wire]:
                yield failed(f"{name} tells no topic of its {when}", topic, DEPLOY)
    for events in deployed.subject.ask(
        "rds", "describe_event_subscriptions", "EventSubscriptionsList"
    ):
        # One that is gone, or muted, is drift.
        if events["SnsTopicArn"] == topic and events["Status"] != "active":
            said = f"RDS's events {events['CustSubscriptionId']} are {events['Status']}"
            yield failed(said, "active", DEPLOY)
    subscribed = {
        each["Endpoint"]: each["SubscriptionArn"]
        for each in deployed.subject.ask(
            *("sns", "list_subscriptions_by_topic", "Subscriptions"), TopicArn=topic
        )
    }
    for subscription in deployed.stack.all("aws_sns_topic_subscription"):
        endpoint = subscription.values["endpoint"]
        if not subscribed.get(endpoint, "").startswith("arn:"):
            verb = "has not confirmed" if endpoint in subscribed else "is not subscribed"
            yield failed(
                f"{endpoint} {verb}", "a confirmed subscription", "see its mail, or deploy"
            )


def _target_group(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    group, balancer, service = deployed.id(TARGET_GROUP), deployed.load_balancer, deployed.service
    if not group or not balancer or not service:
        yield not_shown("no target group, load balancer or service", "all three", DEPLOY)
        return
    listeners = subject.ask(
        *("elbv2", "describe_listeners", "Listeners"),
        LoadBalancerArn=balancer["LoadBalancerArn"],
    )
    # A listener that is gone, or does something else, is told by load_balancer.listeners.
    forwards = {
        action.get("TargetGroupArn")
        for listener in listeners
        for action in listener["DefaultActions"]
        if action["Type"] == "forward"
    }
    joined = {each["targetGroupArn"] for each in service["loadBalancers"]}
    findings = [
        failed(f"the {who} leads to {', '.join(sorted(map(str, groups))) or 'none'}", group, DEPLOY)
        for who, groups in (("listener", forwards or {group}), ("service", joined))
        if groups != {group}
    ]
    yield from or_passed(findings, "the listener and the service share the target group")


CHECKS = (
    Check("parts.secret", _secret),
    Check("parts.parameters", _parameters),
    Check("parts.target_group", _target_group),
    Check("parts.logs", _logs),
    Check("parts.flow_logs", _flow_logs),
    Check("parts.alarms", _alarms),
)
