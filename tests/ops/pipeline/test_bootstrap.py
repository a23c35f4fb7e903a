"""``ops pipeline bootstrap``: what is refused, and what is made.

``tests/e2e/test_pipeline.py`` deploys it.
"""

import json
from unittest.mock import Mock

import boto3
import pytest
from moto import mock_aws

from lib.errors import TapError
from ops import pipeline
from ops.__main__ import main
from ops.pipeline.github import Repository
from ops.pipeline.roles import AUDIENCE, ISSUER, Kind, roles_of
from tests.checkups import subject_of

ACCOUNT = "123456789012"
REPOSITORY = Repository.named("acme/shop", "main")
STACK = f"tap-pipeline-qa1-{ACCOUNT}"


@pytest.fixture(name="session")
def _session(monkeypatch):
    """An account with nothing in it."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.Session(region_name="us-east-1")


@pytest.fixture(name="bootstrap")
def _bootstrap(session, monkeypatch, tmp_path):
    """Runs the command, without Terraform; returns its exit code."""
    assert session
    monkeypatch.setattr(pipeline, "OUTPUT", tmp_path)
    monkeypatch.setattr(pipeline, "apply", Mock())
    monkeypatch.setenv("ENVIRONMENT", "all")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "qa1")
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    return lambda *words: main(["pipeline", "bootstrap", *words])


def test_every_environment_of_the_config_gets_its_roles_and_github_s_side(
    bootstrap, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")  # pragma: allowlist secret
    assert bootstrap("--repository", "acme/shop", "--reviewer", "ann") == 0
    folder = tmp_path / "pipeline" / STACK
    document = json.loads((folder / "cdk.tf.json").read_text())
    made = {entry["name"]: entry for entry in document["resource"]["aws_iam_role"].values()}
    script = (folder / "github.sh").read_text()
    output = capsys.readouterr().out
    assert len(made) == len(Kind) * len(pipeline.select(ENVIRON)[1])
    for entry in pipeline.select(ENVIRON)[1]:
        for kind in Kind:
            name = f"{entry.name}-{entry.region}-{kind}-qa1"
            assert name in made
            assert f"arn:aws:iam::{ACCOUNT}:role/{name}" in script
        assert f"environment {entry.name}-look" in output
        assert f'secret set DB_PASSWORD --repo "$repository" --env {entry.name} ' in script
    assert "correct-horse" not in script + output + json.dumps(document)


ENVIRON = {"ENVIRONMENT": "all", "ENVIRONMENT_SUFFIX": "qa1"}


def test_the_stack_makes_the_provider_and_trusts_it_alone(session, shipped, tmp_path):
    made = roles_of(subject_of(shipped("prod")), REPOSITORY, ACCOUNT)
    pipeline.write(tmp_path / STACK, session, ACCOUNT, made)
    document = json.loads((tmp_path / STACK / "cdk.tf.json").read_text())
    (provider,) = document["resource"]["aws_iam_openid_connect_provider"].values()
    assert (provider["url"], provider["client_id_list"]) == (f"https://{ISSUER}", [AUDIENCE])
    roles = {entry["name"]: entry for entry in document["resource"]["aws_iam_role"].values()}
    for role in made:
        entry = roles[role.name]
        (trust,) = json.loads(entry["assume_role_policy"])["Statement"]
        assert trust["Principal"] == {"Federated": "${aws_iam_openid_connect_provider.github.arn}"}
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Condition"] == {"StringEquals": role.conditions}
        assert entry["max_session_duration"] == role.session.total_seconds()
    attached = document["resource"]["aws_iam_role_policy_attachment"]
    assert len(attached) == sum(len(role.policies) for role in made)
    assert (
        document["terraform"]["backend"]["local"]["path"] == f"../../../terraform.{STACK}.tfstate"
    )
    assert document["provider"]["aws"][0]["allowed_account_ids"] == [ACCOUNT]


@pytest.mark.parametrize(
    ("clients", "tags", "used"),
    [([AUDIENCE], [], True), ([AUDIENCE], [{"Key": "Stack", "Value": STACK}], False)],
)
def test_a_provider_that_somebody_else_has_made_is_used(session, clients, tags, used):
    iam = session.client("iam")
    iam.create_open_id_connect_provider(Url="https://example.com", ClientIDList=["x"])
    made = iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=clients, Tags=tags
    )["OpenIDConnectProviderArn"]
    assert pipeline.existing_provider(iam, STACK) == (made if used else None)


def test_a_provider_that_is_not_for_aws_is_named(session):
    iam = session.client("iam")
    iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sigstore"])
    with pytest.raises(TapError, match="is not for sts.amazonaws.com"):
        pipeline.existing_provider(iam, STACK)


def test_another_account_s_environment_is_refused(session, shipped):
    subject = subject_of(shipped("prod"), account_id="999999999999")
    with pytest.raises(TapError, match="prod is in 999999999999") as refused:
        pipeline.account_of(session, [subject])
    assert "ENVIRONMENT=prod" in refused.value.hint


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--repository", "acme/shop"], "nobody approves what goes to production"),
        (["--repository", "shop", "--reviewer", "ann"], "'shop' is no repository"),
        (["--repository", "acme/shop", "--reviewer", "ann", "x"], "unknown argument x"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(bootstrap, capsys, words, line):
    assert bootstrap(*words) == 2
    assert capsys.readouterr().err.startswith(f"tap: {line}")


class Planned:
    """A Terraform whose plan changes something, or nothing."""

    def __init__(self, folder, code):
        self.folder, self.code, self.ran = folder, code, []

    def run(self, command, *arguments, **_):
        """Note it; a plan leaves its file."""
        self.ran.append((command, arguments[-1] if command == "apply" else ""))
        (self.folder / pipeline.PLAN).touch()
        return self.code if command == "plan" else 0


@pytest.fixture(name="planned")
def _planned(tmp_path, monkeypatch):
    """What ran of Terraform, where the plan ended with ``code`` and a person gave that answer; None
    where nobody could be asked."""

    def planned(code, answer, *, approved=False):
        terraform = Planned(tmp_path, code)
        monkeypatch.setattr(pipeline, "Terraform", lambda *_: terraform)
        monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: answer is not None))
        monkeypatch.setattr("builtins.input", lambda _: answer)
        try:
            pipeline.apply(tmp_path, {}, approved=approved)
        except TapError as error:
            assert error.message.startswith("not approved")
        assert all(plan in ("", pipeline.PLAN) for _, plan in terraform.ran)
        return [command for command, _ in terraform.ran]

    return planned


def test_the_plan_that_was_shown_is_applied_once_it_is_approved(planned):
    assert planned(2, None, approved=True) == ["init", "plan", "apply"]
    assert planned(2, "yes") == ["init", "plan", "apply"]
    assert planned(0, None) == ["init", "plan"]


@pytest.mark.parametrize("answer", [None, "no", ""])
def test_nothing_is_made_without_a_yes(planned, answer):
    assert planned(2, answer) == ["init", "plan"]
