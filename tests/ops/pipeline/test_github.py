"""GitHub's side: the script is run, with a ``gh`` that notes what it is asked."""

import json
import subprocess

import pytest

from lib.errors import TapError
from ops.pipeline import github
from ops.pipeline.github import Environment, Repository

REPOSITORY = Repository.named("acme/shop", "main")
LOOK = Environment("prod-look", {"LOOK_ROLE_ARN": "arn:look"}, branch=None)
PROD = Environment(
    "prod", {"DEPLOY_ROLE_ARN": "arn:deploy"}, branch="main", asks=True, password=True
)
REVIEWERS = ["ann", "acme/platform"]
# Answers with an id, and with no branch policy yet.
GH = """#!/bin/sh
printf '%s\\n' "$*" >> "$ASKED"
case "$*" in
  *--input*) cat >> "$ASKED" ;;
  *users/ann*) echo 7 ;;
  *teams/platform*) echo 8 ;;
  *".branch_policies[].name"*) cat "$POLICIES" ;;
esac
"""


@pytest.fixture(name="run")
def _run(tmp_path):
    """Runs the script; returns what gh was asked."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    asked, policies = tmp_path / "asked", tmp_path / "policies"

    def run(*environments, policies_there=""):
        policies.write_text(policies_there)
        text = github.script(REPOSITORY, environments, "qa1", REVIEWERS)
        environ = {
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "ASKED": str(asked),
            "POLICIES": str(policies),
        }
        subprocess.run(["bash", "-c", text], check=True, env=environ, capture_output=True)
        return asked.read_text().splitlines()

    return run


def test_any_branch_may_look(run):
    assert run(LOOK) == [
        "api --method PUT repos/acme/shop/environments/prod-look --silent --input -",
        "{}",
        "variable set LOOK_ROLE_ARN --repo acme/shop --env prod-look --body arn:look",
        "variable set ENVIRONMENT_SUFFIX --repo acme/shop --body qa1",
    ]


def test_production_is_for_main_and_for_others_than_who_started_it(run):
    asked = run(PROD)
    body = json.loads(next(line for line in asked if line.startswith("{")))
    assert body == {
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
        "prevent_self_review": True,
        "reviewers": [{"type": "User", "id": 7}, {"type": "Team", "id": 8}],
    }
    policies = "repos/acme/shop/environments/prod/deployment-branch-policies"
    assert f"api --method POST {policies} --silent --raw-field name=main" in asked
    assert "secret set DB_PASSWORD --repo acme/shop --env prod" in asked


def test_the_pipeline_is_turned_on_last(run):
    assert run(LOOK, PROD)[-1] == "variable set ENVIRONMENT_SUFFIX --repo acme/shop --body qa1"


def test_a_branch_that_is_there_is_not_added_again(run):
    assert not [line for line in run(PROD, policies_there="main\n") if "POST" in line]


def test_a_value_is_no_code(run, tmp_path):
    bad = Environment("dev", {"A": f"$(touch {tmp_path}/bad)"}, branch="x'; touch bad; '")
    assert f"variable set A --repo acme/shop --env dev --body $(touch {tmp_path}/bad)" in run(bad)
    assert not (tmp_path / "bad").exists()


def test_the_list_says_the_same():
    lines = github.listed([LOOK, PROD], "qa1", REVIEWERS)
    assert lines == [
        "environment prod-look",
        "  deployment branches: no restriction",
        "  variable LOOK_ROLE_ARN: arn:look",
        "environment prod",
        "  deployment branches: main alone",
        "  required reviewers: ann, acme/platform; prevent self-review",
        "  variable DEPLOY_ROLE_ARN: arn:deploy",
        "  secret DB_PASSWORD",
        "repository variable ENVIRONMENT_SUFFIX: qa1 (last: it turns the rest on)",
    ]


@pytest.mark.parametrize("text", ["shop", "acme/", "acme/shop/x", "acme/sh op", "-/x", ""])
def test_what_is_no_repository_is_refused(text):
    with pytest.raises(TapError, match="is no repository"):
        Repository.named(text, "main")
