"""Settings that AWS has otherwise than the stack; or verify says which.

Each row of the table is compared end to end with what a real deploy leaves
(``tests/e2e/test_verify.py``); here, how it is compared, and what is no drift.
"""

import dataclasses
import json
from contextlib import contextmanager

import jmespath
import pytest
from moto.backends import get_backend

from lib.config.environment_config import ENVIRONMENTS
from ops.checkup import Outcome
from ops.recover.kinds import KINDS
from ops.verify import CHECKS as EVERY
from ops.verify.drift import CHECKS, compared, plain
from ops.verify.live import ANSWERS, DEFAULTS, TOLD_ELSEWHERE
from tests.conftest import BY_NAME, changed
from tests.ops.answers import Answers, answered, refusal
from tests.ops.deployed import ACCOUNT, environment
from tests.synthesized import Synthesized

FAITHFUL = (  # paths of what the tests' environment makes with all of its settings
    *("database/parameters", "load_balancer/target_group", "service/execution_policy"),
    *("service/execution_role", "service/log_group", "service/scaling_target"),
    *("service/service", "service/task_definition", "outputs/parameters/database_port"),
)


@pytest.fixture(scope="module", name="there")
def _there():
    """Production. Tests leave it as it was."""
    with environment(Synthesized.of(BY_NAME["prod"])) as there:
        yield there


WHOLE = ("network/vpc", "network/private0", "security/database")


def resource_at(there, path):
    """A resource of the stack."""
    (found,) = (each for each in there.subject.stack.resources.values() if each.path == path)
    return found


def drift_at(there, path):
    """What drifted of one resource, but for its tags: ``{name: (wanted, found)}``."""
    settings = compared(there.deployed, resource_at(there, path))
    assert settings
    return {
        setting.name: (setting.wanted, setting.found)
        for setting in settings
        if setting.different and setting.name != "tags"
    }


def told_at(there, path):
    """What the check tells of one resource."""
    found = (finding for _, finding in there.found(CHECKS))
    return [finding for finding in found if finding.found.startswith(path)]


@contextmanager
def record_of(service, kind, **changes):
    """moto's own record of the one thing of a kind, changed for a while."""
    (thing,) = getattr(get_backend(service)[ACCOUNT]["us-east-1"], kind).values()
    before = {name: getattr(thing, name) for name in changes}
    for name, value in changes.items():
        setattr(thing, name, value)
    yield
    for name, value in before.items():
        setattr(thing, name, value)


@pytest.mark.parametrize("path", FAITHFUL)
def test_what_is_as_the_stack_says_does_not_drift(there, path):
    assert drift_at(there, path) == {}


DATABASE = ("rds", "databases", "database/instance")
SERVICE = ("ecs", "services", "service/service")


@pytest.mark.parametrize(
    ("record", "changes", "drift"),
    [
        (DATABASE, {"multi_az": False}, {"multi_az": ("true", "false")}),
        (DATABASE, {"backup_retention_period": 0}, {"backup_retention_period": ("7", "0")}),
        (
            *(DATABASE, {"db_instance_class": "db.t3.large"}),
            {"instance_class": ("db.t3.medium", "db.t3.large")},
        ),
        (DATABASE, {"allocated_storage": 20}, {"allocated_storage": ("50", "20")}),
        (
            *(SERVICE, {"health_check_grace_period_seconds": 0}),
            {"health_check_grace_period_seconds": ("60", "0")},
        ),
    ],
)
def test_a_setting_that_was_changed(there, record, changes, drift):
    service, kind, path = record
    before = drift_at(there, path)
    with record_of(service, kind, **changes):
        found = drift_at(there, path)
    assert {name: found[name] for name in found if name not in before} == drift


def test_the_finding_names_what_is_found_and_what_is_wanted(there):
    group = "/tap/prod/qa1/service"
    logs = there.client("logs")
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    (finding,) = told_at(there, "service/log_group")
    logs.put_retention_policy(logGroupName=group, retentionInDays=365)
    assert finding.outcome is Outcome.FAILED
    assert "retention_in_days 1" in finding.found
    assert "retention_in_days 365" in finding.needed
    assert "kms_key_id" not in finding.found


def test_only_the_keys_that_differ_are_told(there):
    rds, group = there.client("rds"), there.at["database/parameters"]
    parameter = {"ParameterName": "log_statement", "ApplyMethod": "immediate"}
    for value, drift in (("all", True), ("none", False)):
        rds.modify_db_parameter_group(
            DBParameterGroupName=group, Parameters=[{**parameter, "ParameterValue": value}]
        )
        found = [finding.found for finding in told_at(there, "database/parameters")]
        assert any("parameter log_statement all" in each for each in found) is drift
        assert not any("force_ssl" in each for each in found)


def test_an_answer_of_several_pages(there):
    rds = there.client("rds")
    told = rds.describe_db_parameters(DBParameterGroupName=there.at["database/parameters"])
    parameters = told["Parameters"]
    first = {"Parameters": parameters[:2], "Marker": "more"}
    pages = Answers({"DescribeDBParameters": [first, {"Parameters": parameters[2:]}]})
    with pages.on(rds):
        assert drift_at(there, "database/parameters") == {}
    assert len(pages.of("DescribeDBParameters")) == 2


def container_of(there, **changes):
    """ECS's answer about the task definition, its container changed."""
    ecs = there.client("ecs")
    told = ecs.describe_task_definition(taskDefinition="prod-task-qa1")["taskDefinition"]
    (container,) = told["containerDefinitions"]
    task = {**told, "containerDefinitions": [{**container, **changes}]}
    return answered(ecs, "DescribeTaskDefinition", {"taskDefinition": task})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"image": "example.com/other:1"}, "container.image"),
        ({"command": ["sh"]}, "container.command"),
        ({"user": "0"}, "container.user"),
        ({"readonlyRootFilesystem": False}, "container.readonlyRootFilesystem"),
        ({"portMappings": [{"containerPort": 80}]}, "container.portMappings[].containerPort"),
        ({"logConfiguration": {"logDriver": "splunk"}}, "container.logConfiguration"),
        (
            {"environment": [{"name": "PGSSLMODE", "value": "disable"}]},
            "container.environment[].{Key: name, Value: value}",
        ),
    ],
)
def test_a_container_that_is_another(there, changes, name):
    with container_of(there, **changes):
        assert list(drift_at(there, "service/task_definition")) == [name]


def test_what_the_container_is_told_of_the_database_is_the_parts_to_tell(there):
    environment_ = [
        *({"name": name, "value": "other"} for name in ("PGHOST", "PGPORT", "DB_SECRET_ARN")),
        {"name": "PGSSLMODE", "value": "require"},
    ]
    with container_of(there, environment=environment_):
        assert drift_at(there, "service/task_definition") == {}


def test_nothing_passes_where_something_drifted(there):
    # The tests' environment leaves much out.
    drifted = list(CHECKS[0].look(there.subject))
    assert drifted
    assert {finding.outcome for finding in drifted} == {Outcome.FAILED}
    subject = there.subject
    whole = {address: r for address, r in subject.stack.resources.items() if r.path in WHOLE}
    subject.stack = dataclasses.replace(subject.stack, resources=whole)
    (finding,) = CHECKS[0].look(subject)
    assert (finding.outcome, finding.found) == (Outcome.PASSED, "3 settings compared")


# What is no drift


def test_what_aws_moves_by_itself(there):
    with record_of("rds", "databases", allocated_storage=80):
        assert "allocated_storage" not in drift_at(there, "database/instance")


def test_storage_grows_only_where_it_may(there):
    resource = resource_at(there, "database/instance")
    fixed = {**resource.values, "max_allocated_storage": 0}
    with record_of("rds", "databases", allocated_storage=80):
        settings = compared(there.deployed, dataclasses.replace(resource, values=fixed))
    assert "allocated_storage" in {each.name for each in settings or () if each.different}


def test_a_count_that_autoscaling_moves(there):
    with record_of("ecs", "services", desired_count=7):
        assert drift_at(there, "service/service") == {}
        resource = resource_at(there, "service/service")
        fixed = {**resource.values, "lifecycle": {}}
        settings = compared(there.deployed, dataclasses.replace(resource, values=fixed))
    assert [each.name for each in settings or () if each.different and each.name != "tags"] == [
        "desired_count"
    ]


def test_tags_that_others_add(there):
    resource = resource_at(there, "network/vpc")
    vpc = there.at["network/vpc"]
    for key, value, drift in (("CostCenter", "42", []), ("Owner", "me", [{"Owner": "me"}])):
        there.ec2.create_tags(Resources=[vpc], Tags=[{"Key": key, "Value": value}])
        (tags,) = (s for s in compared(there.deployed, resource) or () if s.name == "tags")
        differs = {
            key: tags.found[key] for key in tags.found if tags.found[key] != tags.wanted[key]
        }
        assert [differs][: len(drift)] == drift
        assert tags.different is bool(drift)
    there.ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Owner", "Value": "platform"}])
    there.ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "CostCenter"}])


# What is gone


def test_what_is_gone_is_told_once_and_what_refers_to_it_is_not_compared(there):
    before = {finding.found for _, finding in there.found(CHECKS)}
    with answered(there.client("sns"), "ListTopics", {"Topics": []}):
        # parts.alarms tells of the topic; its policy and the alarms refer to it.
        assert {finding.found for _, finding in there.found(CHECKS)} <= before
    with answered(there.client("kms"), "ListKeys", {"Keys": []}):
        more = {finding.found for _, finding in there.found(CHECKS)} - before
    assert "encryption/key is gone" in more
    assert not [found for found in more if "kms_key" in found]


def test_a_call_that_is_refused_is_told_and_the_rest_compared(there):
    refused = Answers({"GetBucketPolicy": refusal("GetBucketPolicy", "AccessDenied", "no")})
    before = [finding.found for _, finding in there.found(CHECKS)]
    with refused.on(there.client("s3")):
        found = [finding.found for _, finding in there.found(CHECKS)]
    assert [each for each in found if "denied" in each] == ["GetBucketPolicy is denied: no"] * 2
    assert {each for each in found if "denied" not in each} <= set(before)


def test_a_thing_that_is_there_twice_is_told(there):
    address = resource_at(there, "network/nat0_address").address
    extra = there.ec2.allocate_address(Domain="vpc", **there.specification("elastic-ip", address))[
        "AllocationId"
    ]
    found = [finding.found for _, finding in there.found(CHECKS)]
    there.ec2.release_address(AllocationId=extra)
    assert any(f"{extra}" in each and "could both be" in each for each in found)


# How values are compared


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (60, "60"),
        (60, 60.0),
        (True, "true"),
        (["b", "a"], ["a", "b"]),
        ("a", ["a"]),
        ([], None),
        ({"logDriver": "awslogs", "secretOptions": []}, {"logDriver": "awslogs"}),
        ("{no JSON", "{no JSON"),
        ({"Owner": "me"}, [{"Key": "Owner", "Value": "me"}]),
        ([{"TagKey": "Owner", "TagValue": "me"}], [{"key": "Owner", "value": "me"}]),
        (
            json.dumps({"Statement": [{"Action": ["b", "a"]}, {"Action": "c"}]}),
            {"Statement": [{"Action": "c"}, {"Action": ["a", "b"]}]},
        ),
    ],
)
def test_values_that_are_the_same(one, other):
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (60, 61),
        (0.5, 0),
        (True, False),
        (["a", "b"], ["a"]),
        (None, "a"),
        (5_368_709_120, 5_368_709_121),
        ({"Owner": "me"}, [{"Key": "Owner", "Value": "you"}]),
        ({"Action": ["a", "b"]}, {"Action": "a"}),
    ],
)
def test_values_that_are_not(one, other):
    assert plain(one) != plain(other)


# The table


@pytest.fixture(scope="module", name="variants")
def _variants():
    """Stacks that together have every type of resource, and every argument of the table."""
    extra = {
        "load_balancer": {"certificate_arn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1"},
        "alarms": {"emails": ("a@example.com",)},
        "permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    }
    production = changed(BY_NAME["prod"], **extra)
    return [
        *map(Synthesized.of, ENVIRONMENTS),
        Synthesized.of(production, password_given=True),
    ]


def test_every_type_is_compared_or_told_of_elsewhere(variants):
    types = {
        type_ for variant in variants for type_, entries in variant.document["resource"].items()
    }
    assert types <= ANSWERS.keys() | TOLD_ELSEWHERE.keys()
    assert ANSWERS.keys() <= types
    assert TOLD_ELSEWHERE.keys() <= types
    assert ANSWERS.keys() <= KINDS.keys()


def test_who_tells_elsewhere_is_a_check():
    assert set(TOLD_ELSEWHERE.values()) <= {check.name for check in EVERY}


def test_no_row_of_the_table_is_idle(variants):
    """Each argument is set in some environment: a slip in its name would compare nothing."""
    for type_, rows in ANSWERS.items():
        resources = [
            dict(each.values)
            for variant in variants
            for each in variant.resources
            if each.type == type_
        ]
        for values in resources:
            if "container_definitions" in values:
                (values["container"],) = json.loads(values["container_definitions"])
        for name in (name for row in rows for name in row.settings):
            if name not in DEFAULTS.get(type_, ()) and name != "tags":
                assert any(jmespath.search(name, values) is not None for values in resources), (
                    f"{type_}.{name}"
                )
