"""Who may take which of the pipeline's roles, and what each may do."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

from lib.config.environment_config import ENVIRONMENTS
from ops.pipeline import roles
from ops.pipeline.github import MAX_SESSION, Repository
from ops.pipeline.roles import ISSUER, READING, SECRET, Kind, roles_of
from ops.preflight.policy import MANAGED_POLICY_MAX, length
from tests.checkups import subject_of

ACCOUNT = "123456789012"
REPOSITORY = Repository.named("acme/shop", "main")
NAMES = [entry.name for entry in ENVIRONMENTS]
PAGE = (Path(__file__).parents[3] / "docs" / "preflight.md").read_text(encoding="utf-8")
# That a role takes: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICIES_MAX = 10


@pytest.fixture(name="made", params=NAMES)
def _made(request, shipped):
    """The three roles of each environment."""
    return {
        role.kind: role
        for role in roles_of(subject_of(shipped(request.param)), REPOSITORY, ACCOUNT)
    }


def allowed(role):
    """Each action that a role may take, with what on."""
    for document in role.policies:
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            on = statement["Resource"]
            for action in statement["Action"]:
                for resource in [on] if isinstance(on, str) else on:
                    yield action, resource


def test_each_environment_has_three_and_names_say_which(made):
    assert list(made) == list(Kind)
    assert len({role.name for role in made.values()}) == 3
    for role in made.values():
        assert role.arn == f"arn:aws:iam::{ACCOUNT}:role/{role.name}"
        assert len(role.policies) <= POLICIES_MAX
        assert all(length(document) <= MANAGED_POLICY_MAX for document in role.policies)


def test_github_s_environment_is_the_subject_and_nothing_broader(made):
    for kind, role in made.items():
        environment = role.environment if kind is Kind.DEPLOY else f"{role.environment}-{kind}"
        assert role.github_environment == environment
        assert role.conditions[f"{ISSUER}:aud"] == "sts.amazonaws.com"
        assert role.conditions[f"{ISSUER}:sub"] == f"repo:acme/shop:environment:{environment}"
        assert not [value for value in role.conditions.values() if set(value) & set("*?")]


def test_what_deploys_is_the_main_branch_s_workflow_and_no_other(made):
    claim = f"{ISSUER}:job_workflow_ref"
    workflow = "acme/shop/.github/workflows/deploy-environment.yml@refs/heads/main"
    assert made[Kind.PLAN].conditions[claim] == made[Kind.DEPLOY].conditions[claim] == workflow
    assert claim not in made[Kind.LOOK].conditions  # any branch's pull request
    assert (Path(__file__).parents[3] / roles.DEPLOY_WORKFLOW).is_file()


def test_only_what_applies_has_credentials_for_longer_than_an_hour(made):
    hours = {kind: role.session.total_seconds() / 3600 for kind, role in made.items()}
    assert hours == {Kind.LOOK: 1, Kind.PLAN: 1, Kind.DEPLOY: MAX_SESSION.total_seconds() / 3600}


def test_what_any_branch_takes_changes_nothing_and_knows_no_secret(made):
    for action, resource in allowed(made[Kind.LOOK]):
        assert action.split(":")[1].startswith(READING), action
        assert action not in (SECRET, "logs:GetLogEvents")
        if action == "s3:GetObject":
            assert "tfstate" in resource


def test_the_plan_s_changes_the_lock_alone(made):
    def writes(role):
        return {pair for pair in allowed(role) if not pair[0].split(":")[1].startswith(READING)}

    more = {*allowed(made[Kind.PLAN])} - {*allowed(made[Kind.LOOK])}
    for action, resource in writes(made[Kind.PLAN]):
        assert "tflock" in resource or resource == made[Kind.DEPLOY].arn, (action, resource)
    assert ("iam:SimulatePrincipalPolicy", made[Kind.DEPLOY].arn) in more
    assert {action for action, _ in writes(made[Kind.PLAN])} >= {"s3:PutObject", "s3:DeleteObject"}


def test_a_given_password_is_read_by_the_plan_s_alone(synthesize):
    subject = subject_of(synthesize("prod", password_given=True))
    found = {role.kind: role for role in roles_of(subject, REPOSITORY, ACCOUNT)}
    readers = {kind for kind, role in found.items() if SECRET in dict(allowed(role))}
    assert readers == {Kind.PLAN, Kind.DEPLOY}


def test_what_preflight_asks_every_role_that_runs_it_may(made):
    (block,) = re.findall(r"```json\n(\{\n  \"Version\".*?\n)```", PAGE, re.DOTALL)
    (statement,) = json.loads(block)["Statement"]
    given = {action for action, _ in allowed(made[Kind.PLAN])}
    for action in statement["Action"]:
        assert any(fnmatch.fnmatchcase(action, pattern) for pattern in given), action
