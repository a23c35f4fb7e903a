"""What deploying needs of IAM: whole, no more than that, asked of the simulator, and as a policy.

moto has no policy simulator: botocore's Stubber answers in its place, and holds each question.
"""

import copy
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from lib.config.environment_config import StateBackend, StateLock
from lib.modules.naming import NamingModule
from ops.__main__ import main
from ops.cdktf_cli import ROOT
from ops.checkup import Check, Outcome, Subject, command
from ops.checkup import look as look_at
from ops.preflight import needs, permissions, policy
from ops.stacks import Stack
from tests import project
from tests.conftest import BY_NAME, changed
from tests.synthesized import SUFFIX, Synthesized

ACCOUNT = "123456789012"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/3f7b5l"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployers/deploy"
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/tap"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
VARIANTS = [  # what makes types and arguments come and go
    *((name, {}, False) for name in BY_NAME),
    ("prod", {}, True),
    ("dev", {"encryption": {"customer_key": True}}, True),
    ("prod", {"load_balancer": {"certificate_arn": CERTIFICATE}}, False),
    ("prod", {"alarms": {"emails": ("ops@example.com",)}}, False),
    ("dev", {"network": {"flow_logs": False}, "access_logs": None}, False),
    ("dev", {"database": {"monitoring_interval_seconds": 0}}, False),
]


def needs_of(config, document, account=ACCOUNT):
    """What a synthesized stack needs."""
    naming = NamingModule(config.name, config.region, SUFFIX, config.account_id)
    return needs.needs_of(Stack.read(document), config, naming, account)


def bounded(stack):
    """The same stack, its roles with a permissions boundary."""
    document = copy.deepcopy(stack.document)
    for role in document["resource"]["aws_iam_role"].values():
        role["permissions_boundary"] = BOUNDARY
    return Synthesized(stack.config, document)


@pytest.fixture(scope="module", name="variants")
def _variants():
    """The synthesized stacks, and what each needs."""
    made = [
        Synthesized.of(changed(BY_NAME[name], **changes), password_given=given)
        for name, changes, given in VARIANTS
    ]
    return [(stack, needs_of(stack.config, stack.document)) for stack in (*made, bounded(made[2]))]


def test_each_type_that_an_environment_has_is_in_the_table_and_no_other(variants):
    types = {
        resource.address.rpartition(".")[0] for stack, _ in variants for resource in stack.resources
    }
    assert types == {row for row in needs.actions() if row.startswith("data.")} | {
        row.partition(".")[0] for row in needs.actions() if not row.startswith("data.")
    }


def test_each_argument_in_the_tables_is_one_that_an_environment_sets(variants):
    rows = {*needs.actions(), *(arn["of"] for arns in needs.arns().values() for arn in arns)}
    for row in rows:
        type_, _, argument = row.partition(".")
        if not row.startswith("data."):
            found = [r for stack, _ in variants for r in stack.resources if r.type == type_]
            assert any(not argument or r.get(argument) for r in found), row


def test_every_action_of_the_table_is_asked_for_by_some_environment(variants):
    asked = {need.action for _, found in variants for need in found}
    assert set().union(*needs.actions().values()) <= asked


def test_each_row_has_its_sources():
    text = (needs.FOLDER / "actions.toml").read_text(encoding="utf-8")
    for source in re.findall(r'^  "(.*)",$|^source = \["(.*)"\]$', text, re.MULTILINE):
        assert re.fullmatch(
            r"https://docs\.aws\.amazon\.com/\S+|[a-z0-9]+/\w+\.go", "".join(source)
        )
    assert text.count("\nsource = ") == len(needs.actions())


def test_what_an_environment_lacks_it_needs_nothing_for(variants):
    dev = {need.action for need in variants[0][1]}
    assert not {action for action in dev if action.startswith(("wafv2", "sns"))}
    assert not {"kms:CreateGrant", "ec2:AllocateAddress", "rds:CreateDBSnapshot"} & dev
    assert {"s3:DeleteObjectVersion", "kms:DescribeKey"} <= dev
    prod = {need.action for need in variants[2][1]}
    assert {"wafv2:CreateWebACL", "rds:CreateDBSnapshot", "sns:CreateTopic"} <= prod
    assert "s3:DeleteObjectVersion" not in prod, "its buckets stay"


def test_a_role_is_passed_to_the_service_that_trusts_it_and_to_no_other(variants):
    for stack, found in variants:
        passed = {(n.on.pattern.split("-")[-2], n.context) for n in found if "PassRole" in n.action}
        trusted = {
            role["name"].split("-")[-2]: json.loads(role["assume_role_policy"])["Statement"]
            for role in stack.all("aws_iam_role")
        }
        assert passed == {
            (word, (("iam:PassedToService", statement["Principal"]["Service"]),))
            for word, (statement,) in trusted.items()
        }


def test_the_one_policy_of_aws_is_the_only_one_that_may_be_attached(variants):
    for _, found in variants:
        for need in found:
            if need.action == "iam:AttachRolePolicy":
                key, arn = need.context[-1]
                assert key == "iam:PolicyARN" and arn.endswith("/AmazonRDSEnhancedMonitoringRole")
                assert arn.startswith("arn:aws:iam::aws:policy/")


@pytest.mark.parametrize("lock", StateLock)
def test_the_state_is_among_it_where_it_is_in_the_bucket(shipped, lock):
    stack = shipped("dev")
    config = changed(stack.config, state={"lock": lock})
    found = {(n.action, n.on.pattern) for n in needs_of(config, stack.document)}
    key = f"arn:aws:s3:::dev-us-east-1-tfstate-{SUFFIX}/tap-dev-{SUFFIX}/terraform.tfstate"
    assert ("s3:PutObject", key) in found
    assert (("s3:PutObject", f"{key}.tflock") in found) is (lock is not StateLock.DYNAMODB)
    items = {action for action, _ in found if action == "dynamodb:PutItem"}
    assert bool(items) is (lock is not StateLock.LOCKFILE)
    local = changed(stack.config, state={"backend": StateBackend.LOCAL})
    assert not {n.on.pattern for n in needs_of(local, stack.document)} & {key, f"{key}.tflock"}


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arns_are_of_the_partition(shipped, region, partition):
    stack = shipped("prod")
    config = dataclasses.replace(stack.config, region=region)
    for need in needs_of(config, stack.document):
        assert need.on.pattern == "*" or need.on.pattern.startswith(f"arn:{partition}:")
        assert all("aws_partition" not in value for _, value in need.context)


# --- the policy ------------------------------------------------------------------------------


def allows(documents, action, arn, context):
    """Whether IAM would allow it: of the elements and operators that we use."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if action in statement["Action"]
        and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        and all(
            (key not in context) if operator == "Null" else context.get(key) == value
            for operator, conditions in statement.get("Condition", {}).items()
            for key, value in conditions.items()
        )
    }
    return effects == {"Allow"}


def known(need):
    """The keys that a request has."""
    return {key: value for key, value in need.context if value != needs.ABSENT}


def test_the_policy_allows_all_that_is_needed_and_nothing_else(variants):
    for _, found in variants:
        documents = policy.documents(found)
        for need in found:
            assert allows(documents, need.action, need.on.example, known(need)), need
        needed = {(need.action, need.on.pattern, frozenset(need.context)) for need in found}
        for document in documents:
            for statement in document["Statement"]:
                context = frozenset(
                    (key, needs.ABSENT if operator == "Null" else value)
                    for operator, conditions in statement.get("Condition", {}).items()
                    for key, value in conditions.items()
                )
                for action in statement["Action"]:
                    for pattern in statement["Resource"]:
                        assert (action, pattern, context) in needed


def tags(kind, environment):
    """Those that tell an environment's things, as a condition's keys."""
    return {f"aws:{kind}/Environment": environment, f"aws:{kind}/Suffix": SUFFIX}


def test_what_aws_names_is_out_of_another_environment_s_reach(variants):
    """In the same account: dev's role, and each thing of production's that it would change."""
    dev, prod = variants[4][1], variants[2][1]
    documents = policy.documents(dev)
    reached = set()
    for need in prod:
        changes = not need.action.split(":")[1].startswith(needs.READS)
        if changes and need.on.pattern.endswith("/*") and ":ec2:" in need.on.pattern:
            mine = tags("ResourceTag", "prod") | tags("RequestTag", "dev")
            if allows(documents, need.action, need.on.example, mine):
                reached.add((need.action, need.on.pattern.split(":")[5]))
    # Only what does not exist before the call: it has no tags yet but those of the request.
    assert reached and all(
        action.startswith(("ec2:Allocate", "ec2:Authorize", "ec2:Create")) for action, _ in reached
    )
    assert not {action for action, _ in reached} & {"ec2:CreateRoute", "ec2:CreateTags"}
    for action in ("ec2:CreateSubnet", "ec2:CreateSecurityGroup", "ec2:CreateRouteTable"):
        arn = f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/vpc-0123456789abcdef0"
        assert allows(documents, action, arn, tags("ResourceTag", "dev"))
        assert not allows(documents, action, arn, tags("ResourceTag", "prod"))
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/3f7b5l"
    for action in ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:TagResource"):
        assert allows(documents, action, key, tags("ResourceTag", "dev"))
        foreign = tags("ResourceTag", "prod") | tags("RequestTag", "dev")
        assert not allows(documents, action, key, foreign)


def test_with_a_boundary_no_role_is_given_a_right_without_it(variants):
    stack, found = variants[-1]
    naming = NamingModule(stack.config.name, stack.config.region, SUFFIX)
    subject = Subject(stack.config, naming, Stack.read(stack.document), {})
    documents = policy.policies(subject, policy.Purpose.DEPLOY, ACCOUNT)
    assert needs.BOUNDED <= {need.action for need in found}
    for need in found:
        if need.action in needs.BOUNDED:
            context = known(need)
            assert context.pop("iam:PermissionsBoundary") == BOUNDARY
            assert not allows(documents, need.action, need.on.example, context)
            other = {**context, "iam:PermissionsBoundary": f"{BOUNDARY}-other"}
            assert not allows(documents, need.action, need.on.example, other)
        assert allows(documents, need.action, need.on.example, known(need))
    everything = {"Effect": "Allow", "Resource": ["*"]}
    for action, arn in (
        ("iam:DeleteRolePermissionsBoundary", f"arn:aws:iam::{ACCOUNT}:role/any"),
        ("iam:CreatePolicyVersion", BOUNDARY),
        ("iam:DeletePolicy", BOUNDARY),
    ):
        also = {"Statement": [everything | {"Action": [action]}]}
        assert allows([also], action, arn, {})
        assert not allows([*documents, also], action, arn, {})


def test_without_a_boundary_nothing_is_denied(variants):
    for stack, _ in variants[:-1]:
        bounds = needs.boundaries(Stack.read(stack.document))
        assert bounds == [] == policy.denials(bounds, ACCOUNT)


def test_a_teardown_may_empty_what_a_deploy_may_not(shipped):
    stack = shipped("prod")
    naming = NamingModule("prod", stack.config.region, SUFFIX, None)
    made = needs.needs_of(Stack.read(stack.document), stack.config, naming, ACCOUNT, teardown=True)
    more = {(n.action, n.on.pattern) for n in {*made} - {*needs_of(stack.config, stack.document)}}
    state = f"arn:aws:s3:::prod-us-east-1-tfstate-{SUFFIX}"
    assert ("s3:DeleteObject", f"{state}/tap-prod-{SUFFIX}/terraform.tfstate") in more
    buckets = {resource["bucket"] for resource in stack.all("aws_s3_bucket")}
    for bucket in buckets:
        assert {
            ("s3:DeleteObject", f"arn:aws:s3:::{bucket}/*"),
            ("s3:DeleteObjectVersion", f"arn:aws:s3:::{bucket}/*"),
        } <= more
    assert {action.split(":")[0] for action, _ in more} == {"s3"}


def test_the_reading_policy_changes_nothing_and_reads_the_state_and_a_given_password(variants):
    for stack, found in variants:
        read = needs.reading(found, "us-east-1")
        writes = {n for n in read if not n.action.split(":")[1].startswith(needs.READS)}
        given = any("aws_secretsmanager_secret_version" in r.address for r in stack.resources)
        assert {n.action for n in writes} == ({"kms:Decrypt"} if given else set())
        assert all(dict(n.context).keys() == {"kms:ViaService"} for n in writes)
        actions = {need.action for need in read}
        assert ("secretsmanager:GetSecretValue" in actions) is given
        assert {"s3:GetObject", "ec2:DescribeVpcs", "iam:GetRole", "s3:ListBucket"} <= actions
        assert not {"s3:PutObject", "dynamodb:PutItem"} & actions


@pytest.mark.parametrize("purpose", policy.Purpose)
def test_the_command_prints_each_policy(monkeypatch, capsys, purpose):
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", SUFFIX)
    assert main(["preflight", "--policy", purpose]) == 0
    printed = json.loads(capsys.readouterr().out)
    words = {
        action
        for document in printed.values()
        for s in document["Statement"]
        for action in s["Action"]
    }
    assert ("s3:DeleteObjectVersion" in words) is (purpose == "teardown")
    assert ("rds:CreateDBInstance" in words) is (purpose != "read")


def test_what_changes_anything_is_on_named_resources(variants):
    everywhere = {
        *("ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition", "kms:CreateKey"),
        *("elasticloadbalancing:SetWebAcl", "sns:Unsubscribe"),
        *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:PutResourcePolicy"),
    }  # AWS knows no resource for them: tests/policy/test_authorization.py
    for _, found in variants:
        for need in found:
            name = need.action.split(":")[1]
            if need.on.pattern == "*" and not name.startswith(("Describe", "Get", "List")):
                assert need.action in everywhere


def test_each_document_fits_and_iam_takes_it(variants):
    with mock_aws():
        iam = boto3.client("iam", region_name="us-east-1")
        for number, (_, found) in enumerate(variants):
            for part, document in enumerate(policy.documents(found)):
                text = json.dumps(document, separators=(",", ":"))
                assert len(text) <= 6144
                iam.create_policy(PolicyName=f"p{number}-{part}", PolicyDocument=text)


def test_documents_are_as_few_as_the_limit_lets_and_the_same_each_time(variants):
    found = variants[0][1]
    (whole,) = policy.documents(found, limit=10**6)
    parts = policy.documents(reversed(found), limit=1500)
    assert all(policy.length(part) <= 1500 for part in parts)

    def pairs(documents):
        return {
            (action, tuple(statement["Resource"]), json.dumps(statement.get("Condition")))
            for document in documents
            for statement in document["Statement"]
            for action in statement["Action"]
        }

    assert pairs(parts) == pairs([whole])
    assert policy.documents([*reversed(found)], limit=1500) == parts


def test_the_command_prints_it_and_asks_aws_nothing(monkeypatch, capsys):
    monkeypatch.setenv("ENVIRONMENT", "dev,prod")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", SUFFIX)
    monkeypatch.setattr(Subject, "client", lambda *_: pytest.fail("it asks AWS"))
    assert main(["preflight", "--policy"]) == 0
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert {name.rpartition("-")[0] for name in printed} == {
        f"tap-{name}-{SUFFIX}" for name in ("dev", "prod")
    }
    # The config names no account.
    stack = Synthesized.of(BY_NAME["dev"])
    assert [document for name, document in printed.items() if "-dev-" in name] == policy.documents(
        needs_of(stack.config, stack.document, "*")
    )
    assert "3 policies, to be attached together" in said.err
    assert f"tap-dev-{SUFFIX}: for any account" in said.err


def test_the_same_bytes_in_another_process():
    asked = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "x1"}

    def printed(seed):
        return subprocess.run(
            [sys.executable, "-m", "ops", "preflight", "--policy"],
            cwd=project.folder(),
            env={**os.environ, **asked, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout

    assert printed("1") == printed("2") != b""


# --- the check -------------------------------------------------------------------------------


class Simulator:
    """IAM as the check asks it: allows all but what a test has it answer otherwise."""

    def __init__(self, subject, caller):
        self.subject = subject
        self.found = needs.needs_of(subject.stack, subject.config, subject.naming, ACCOUNT)
        sts = self._stub("sts")
        sts.add_response(
            "get_caller_identity", {"Arn": caller, "Account": ACCOUNT, "UserId": "AIDA"}
        )
        self.iam = self._stub("iam")

    def _stub(self, service):
        client = self.subject.client(service)
        stubber = Stubber(client)
        stubber.activate()
        return stubber

    def has_role(self, arn):
        """The role that was assumed."""
        role = {"Path": "/", "RoleName": arn.split("/")[-1], "RoleId": "A" * 16, "Arn": arn}
        role["CreateDate"] = "2026-01-01T00:00:00Z"
        self.iam.add_response("get_role", {"Role": role}, {"RoleName": role["RoleName"]})

    def answers(self, principal, answer=lambda action, resource: {}, *, pages=False):
        """To each question; ``answer`` gives what differs from a yes, or None for no answer."""
        for question in permissions.questions(self.found):
            asked = permissions.arguments(self.subject, principal, question)
            results = [
                {
                    "EvalActionName": action,
                    "EvalDecision": "allowed",
                    "EvalResourceName": resource,
                    **said,
                }
                for action in question.actions
                for resource in question.resources
                if (said := answer(action, resource)) is not None
            ]
            if pages:
                first = {"EvaluationResults": results[:1], "IsTruncated": True, "Marker": "m"}
                self.iam.add_response("simulate_principal_policy", first, asked)
                asked, results = {**asked, "Marker": "m"}, results[1:]
            response = {"EvaluationResults": results, "IsTruncated": False}
            self.iam.add_response("simulate_principal_policy", response, asked)

    def look(self, deploy_role=None):
        """What the check finds."""
        (check,) = permissions.checks(deploy_role)
        (result,) = look_at([check], self.subject)
        return result.findings


@pytest.fixture(name="subject")
def _subject(shipped, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    stack = shipped("dev")
    naming = NamingModule("dev", stack.config.region, SUFFIX)
    return Subject(stack.config, naming, Stack.read(stack.document), {})


def only(findings, outcome):
    """The one finding there is."""
    (finding,) = findings
    assert finding.outcome is outcome, finding
    return finding


@pytest.mark.parametrize("pages", [False, True])
def test_a_role_that_may_do_all_passes_by_its_arn_with_the_path(subject, pages):
    iam = Simulator(subject, ASSUMED)
    iam.has_role(ROLE)
    iam.answers(ROLE, pages=pages)
    finding = only(iam.look(), Outcome.PASSED)
    actions = {need.action for need in iam.found}
    assert finding.found.startswith(f"{ROLE}: {len(actions)} actions on ")
    iam.iam.assert_no_pending_responses()


def test_a_user_is_asked_about_as_it_is(subject):
    user = f"arn:aws:iam::{ACCOUNT}:user/people/jo"
    iam = Simulator(subject, user)
    iam.answers(user)
    assert user in only(iam.look(), Outcome.PASSED).found


def test_the_deploy_role_is_asked_about_where_it_is_named(subject):
    iam = Simulator(subject, ASSUMED)
    iam.answers(ROLE)
    assert ROLE in only(iam.look(ROLE), Outcome.PASSED).found


def test_the_config_s_deploy_role_is_asked_about(subject):
    iam = Simulator(subject, ASSUMED)
    subject.config = dataclasses.replace(subject.config, deploy_role_arn=ROLE)
    iam.answers(ROLE)
    assert ROLE in only(iam.look(), Outcome.PASSED).found


def denying(**detail):
    """An answer that denies creating the database, on the database itself."""

    def answer(action, resource):
        if action == "rds:CreateDBInstance" and ":db:" in resource:
            return {"EvalDecision": "implicitDeny", **detail}
        return {}

    return answer


STATEMENT = {"SourcePolicyId": "no-databases", "SourcePolicyType": "IAM Policy"}


@pytest.mark.parametrize(
    ("detail", "why", "fix"),
    [
        ({}, "no policy allows it", "attach what ops preflight --policy prints"),
        ({"EvalDecision": "explicitDeny"}, "a statement denies it", "change that statement"),
        (
            {"EvalDecision": "explicitDeny", "MatchedStatements": [STATEMENT]},
            "a statement denies it (no-databases)",
            "change that statement",
        ),
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "the permissions boundary does not allow it",
            "add it to the boundary",
        ),
        (
            {
                "EvalDecision": "explicitDeny",
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
            },
            "the organization's policies do not allow it",
            "ask whoever runs the organization",
        ),
        (
            {
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": True},
                "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": True},
            },
            "no policy allows it",
            "attach what ops preflight --policy prints",
        ),
    ],
)
def test_what_is_denied_is_named_with_what_denies_it(subject, detail, why, fix):
    iam = Simulator(subject, ROLE)
    iam.answers(ROLE, denying(**detail))
    finding = only(iam.look(), Outcome.FAILED)
    database = f"arn:aws:rds:us-east-1:{ACCOUNT}:db:dev-db-{SUFFIX}"
    assert finding.found == f"rds:CreateDBInstance on {database}: {why}"
    assert finding.fix.startswith(fix)


def test_results_for_each_resource_count_before_the_one_for_all(subject):
    database = f"arn:aws:rds:us-east-1:{ACCOUNT}:db:dev-db-{SUFFIX}"

    def answer(action, resource):
        decision = (
            "implicitDeny" if (action, resource) == ("rds:CreateDBInstance", database) else ""
        )
        each = {"EvalResourceName": resource, "EvalResourceDecision": decision or "allowed"}
        return {"EvalDecision": "implicitDeny", "ResourceSpecificResults": [each]}

    iam = Simulator(subject, ROLE)
    iam.answers(ROLE, answer)
    assert database in only(iam.look(), Outcome.FAILED).found


def test_denials_of_one_kind_are_one_finding(subject):
    iam = Simulator(subject, ROLE)
    iam.answers(
        ROLE, lambda a, _: {"EvalDecision": "implicitDeny"} if a.startswith("dynamodb:") else {}
    )
    finding = only(iam.look(), Outcome.FAILED)
    assert "dynamodb:CreateTable, dynamodb:DeleteTable" in finding.found
    assert finding.found.count("arn:") == 1


def test_a_denial_that_hangs_on_an_unknown_condition_is_not_shown(subject):
    iam = Simulator(subject, ROLE)
    iam.answers(ROLE, denying(MissingContextValues=["aws:MultiFactorAuthPresent"]))
    finding = only(iam.look(), Outcome.NOT_SHOWN)
    assert "rds:CreateDBInstance" in finding.found
    assert "aws:MultiFactorAuthPresent" in finding.found


def test_what_an_unknown_condition_may_deny_is_not_passed_without_a_word(subject):
    iam = Simulator(subject, ROLE)
    iam.answers(ROLE, lambda *_: {"MissingContextValues": ["aws:PrincipalOrgID"]})
    outcomes = {finding.outcome: finding for finding in iam.look()}
    assert "aws:PrincipalOrgID" in outcomes[Outcome.NOT_SHOWN].found
    assert Outcome.FAILED not in outcomes


def test_what_iam_says_nothing_about_is_not_shown(subject):
    iam = Simulator(subject, ROLE)
    iam.answers(ROLE, lambda action, _: None if action == "ssm:PutParameter" else {})
    assert "ssm:PutParameter" in only(iam.look(), Outcome.NOT_SHOWN).found


def test_root_may_do_all_and_should_not(subject):
    iam = Simulator(subject, f"arn:aws:iam::{ACCOUNT}:root")
    assert "nothing limits it" in only(iam.look(), Outcome.WARNING).found


def test_a_federated_user_is_not_shown(subject):
    iam = Simulator(subject, f"arn:aws:sts::{ACCOUNT}:federated-user/jo")
    assert "federated" in only(iam.look(), Outcome.NOT_SHOWN).found


def test_that_asking_is_denied_is_a_finding_with_its_fix(subject):
    iam = Simulator(subject, ROLE)
    iam.iam.add_client_error("simulate_principal_policy", "AccessDenied", "not authorized")
    finding = only(iam.look(), Outcome.FAILED)
    assert finding.found == "iam:SimulatePrincipalPolicy is denied: not authorized"
    assert finding.fix == f"allow iam:SimulatePrincipalPolicy and iam:GetRole on {ROLE}"


def test_without_its_path_a_role_is_tried_at_the_root_of_paths(subject):
    iam = Simulator(subject, ASSUMED)
    iam.iam.add_client_error("get_role", "AccessDenied")
    iam.answers(f"arn:aws:iam::{ACCOUNT}:role/deploy")
    assert only(iam.look(), Outcome.PASSED)


def test_a_path_that_cannot_be_known_is_not_shown(subject):
    iam = Simulator(subject, ASSUMED)
    iam.iam.add_client_error("get_role", "AccessDenied")
    iam.iam.add_client_error("simulate_principal_policy", "NoSuchEntity")
    finding = only(iam.look(), Outcome.NOT_SHOWN)
    assert "the path of the role deploy is not known" in finding.found
    assert "iam:GetRole" in finding.needed


def test_a_role_of_single_sign_on_has_its_path(subject):
    name = "AWSReservedSSO_Admin_0123456789abcdef"
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/{name}"
    iam = Simulator(subject, f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/jo@example.com")
    iam.has_role(role)
    iam.answers(role)
    assert role in only(iam.look(), Outcome.PASSED).found


def test_a_role_of_single_sign_on_is_never_at_the_root_of_paths(subject):
    name = "AWSReservedSSO_Admin_0123456789abcdef"
    iam = Simulator(subject, f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/jo@example.com")
    iam.iam.add_client_error("get_role", "AccessDenied")
    assert name in only(iam.look(), Outcome.NOT_SHOWN).found
    iam.iam.assert_no_pending_responses()


def test_a_role_that_is_not_there_is_named(subject):
    iam = Simulator(subject, ASSUMED)
    iam.iam.add_client_error("simulate_principal_policy", "NoSuchEntity")
    assert f"there is no {ROLE}" in only(iam.look(ROLE), Outcome.FAILED).found


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [("InternalError", 501, Outcome.NOT_SHOWN), ("InvalidInput", 400, Outcome.FAILED)],
)
def test_what_else_iam_says_is_a_finding_too(subject, code, status, outcome):
    iam = Simulator(subject, ROLE)
    iam.iam.add_client_error("simulate_principal_policy", code, http_status_code=status)
    only(iam.look(), outcome)


def test_an_error_about_the_role_is_a_finding(subject):
    iam = Simulator(subject, ASSUMED)
    iam.iam.add_client_error("get_role", "NoSuchEntity")
    assert "GetRole" in only(iam.look(), Outcome.FAILED).needed


def test_the_docs_show_what_a_person_is_shown(shipped, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    stack = Synthesized.of(shipped("dev").config, suffix="qa3f7b5l")
    naming = NamingModule("dev", stack.config.region, "qa3f7b5l")
    iam = Simulator(Subject(stack.config, naming, Stack.read(stack.document), {}), ASSUMED)

    def answer(action, resource):
        if action.startswith("dynamodb:") and "Continuous" in action:
            return {"EvalDecision": "implicitDeny"}
        if action == "iam:PassRole" and "execution" in resource:
            detail = {"AllowedByOrganizations": False}
            return {"EvalDecision": "explicitDeny", "OrganizationsDecisionDetail": detail}
        return {}

    iam.answers(ROLE, answer)
    shown = io.StringIO()
    command.show(iam.subject, [*look_at(permissions.checks(ROLE), iam.subject)], shown)
    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    found = "\n".join(lines[first : lines.index("", first)])
    assert f"```\n{found}\n```" in (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")


def test_each_call_is_within_its_size_and_all_is_asked_once(variants):
    for _, found in variants:
        asked = [
            (action, resource, question.context)
            for question in permissions.questions(found)
            for action in question.actions
            for resource in question.resources
        ]
        assert sorted(asked) == sorted({(n.action, n.on.example, n.context) for n in found})
    assert len(permissions.questions(variants[2][1])) < 80, "each is a call"
    actions, arns = range(30), [needs.Arn(f"arn:{n}", f"arn:{n}") for n in range(20)]
    many = [needs.Need(f"ec2:Describe{action}", arn) for action in actions for arn in arns]
    sizes = [len(q.actions) * len(q.resources) for q in permissions.questions(many)]
    assert sum(sizes) == len(many) and max(sizes) <= permissions.PAIRS


def test_iam_is_asked_in_its_own_region_and_with_the_tags_that_things_get(subject):
    def entries(action):
        question = permissions.Question(("*",), (action,), (("iam:PassedToService", "x"),))
        return {
            entry["ContextKeyName"]: entry["ContextKeyValues"]
            for entry in permissions.arguments(subject, ROLE, question)["ContextEntries"]
        }

    subject.config = dataclasses.replace(subject.config, region="eu-west-1")
    assert entries("rds:CreateDBInstance")["aws:RequestedRegion"] == ["eu-west-1"]
    found = entries("iam:PassRole")
    assert found["aws:RequestedRegion"] == ["us-east-1"]
    assert found["iam:PassedToService"] == ["x"]
    assert found["aws:RequestTag/Suffix"] == found["aws:ResourceTag/Suffix"] == [SUFFIX]
    assert "Environment" in found["aws:TagKeys"]
    subject.config = dataclasses.replace(subject.config, region="cn-north-1")
    assert "aws:RequestedRegion" not in entries("iam:PassRole")


def test_preflight_asks_about_permissions_and_of_the_role_that_is_named(monkeypatch, subject):
    seen = []

    def run(_options, _environ, checks):
        seen.extend(checks(subject))
        return 0

    monkeypatch.setattr("ops.preflight.command.run", run)
    told = []
    monkeypatch.setattr(permissions, "look", lambda _subject, role: told.append(role) or ())
    assert main(["preflight", "--deploy-role", ROLE]) == 0
    assert isinstance(seen[-1], Check) and seen[-1].name == "permissions"
    seen[-1].look(subject)
    assert told == [ROLE]


@pytest.mark.parametrize("role", ["", "deploy", f"arn:aws:iam::{ACCOUNT}:user/jo"])
def test_what_is_no_role_is_refused_before_anything(role, capsys, monkeypatch):
    monkeypatch.setattr("ops.preflight.command.run", lambda *_: pytest.fail("it looks"))
    assert main(["preflight", "--deploy-role", role]) == 2
    assert "is no role" in capsys.readouterr().err
