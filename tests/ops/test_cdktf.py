"""``ops cdktf``: what the CLI is called with, and what is seen to before."""

import json
import stat
from unittest.mock import Mock

import pytest
from moto import mock_aws

from lib.errors import TapError
from ops import cdktf_cli, deploy
from ops.__main__ import main
from ops.graceful import INTERRUPTED
from ops.state.homes import Bucket, Snapshot, keep
from ops.state.locks import Locks
from ops.state.terraform import HOME, MEMORY
from ops.terraform import Interrupted

ENVIRON = {"ENVIRONMENT": "dev,prod", "ENVIRONMENT_SUFFIX": "qa1", "STATE_BACKEND": "local"}
STATE = Snapshot(json.dumps({"serial": 1, "lineage": "one", "resources": []}).encode())


@pytest.fixture(name="calls")
def _calls(tmp_path, monkeypatch):
    """A CLI that notes its arguments and the password it is handed; returns what it noted."""
    log = tmp_path / "calls"
    cli = tmp_path / "cdktf"
    cli.write_text(
        f'#!/bin/sh\necho "$@ [$TF_VAR_db_password]" >> "{log}"\n[ "$2" != tap-broken-qa1 ]\n'
    )
    cli.chmod(cli.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(deploy, "CDKTF", cli)
    monkeypatch.setattr(deploy, "guarded", lambda *_: 0)  # tests/ops/test_plan.py has it
    monkeypatch.setattr(deploy, "OUTPUT", tmp_path / "cdktf.out")
    monkeypatch.setattr(deploy, "synthesize", Mock())
    for name in ("DB_PASSWORD", "TF_VAR_db_password", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture(name="place")
def _place(calls, tmp_path, monkeypatch):
    """dev alone, its state in the bucket; returns its place."""
    assert not calls()
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.delenv("STATE_BACKEND")
    _, (config,) = deploy.select({"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1"})
    place = deploy.place_of(config, "qa1", tmp_path / "cdktf.out")
    place.client("s3").create_bucket(Bucket=place.bucket)
    bucket = Bucket(place)
    bucket.read()
    bucket.write(STATE)
    place.folder.mkdir(parents=True)
    return place


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("synth", ["synth []"]),
        ("diff", ["diff tap-dev-qa1 --skip-synth []", "diff tap-prod-qa1 --skip-synth []"]),
        ("deploy", ["deploy tap-dev-qa1 tap-prod-qa1 --skip-synth []"]),
        ("destroy", ["destroy tap-dev-qa1 tap-prod-qa1 --skip-synth []"]),
    ],
)
def test_the_stacks_are_named(calls, verb, expected):
    assert main(["cdktf", verb]) == 0
    assert calls() == expected


def test_further_arguments_are_the_cli_s(calls):
    assert main(["cdktf", "deploy", "--auto-approve", "--skip-synth", "--parallelism", "4"]) == 0
    assert calls() == [
        "deploy tap-dev-qa1 tap-prod-qa1 --auto-approve --skip-synth --parallelism 4 []"
    ]


def test_the_stacks_are_synthesized_unless_they_are_there(calls, monkeypatch, tmp_path):
    synthesize = Mock()
    monkeypatch.setattr(deploy, "synthesize", synthesize)
    assert main(["cdktf", "diff", "--skip-synth"]) == 0
    synthesize.assert_not_called()
    assert main(["cdktf", "diff", "--output", str(tmp_path)]) == 0
    ((_, output), _) = synthesize.call_args
    assert output == tmp_path
    assert calls()[-1] == f"diff tap-prod-qa1 --output {tmp_path} --skip-synth []"


def test_the_password_is_handed_to_terraform(calls, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    assert main(["cdktf", "deploy"]) == 0
    assert calls() == ["deploy tap-dev-qa1 tap-prod-qa1 --skip-synth [correct-horse-battery]"]


def test_bad_input_is_named_before_the_cli_runs(calls, monkeypatch, capsys):
    monkeypatch.setenv("ENVIRONMENT", "prd")
    assert main(["cdktf", "deploy"]) == 2
    assert capsys.readouterr().err.startswith("tap: ENVIRONMENT: unknown environment 'prd'")
    assert not calls()


def test_the_first_failure_ends_it(calls, monkeypatch):
    monkeypatch.setattr(
        deploy, "cli_arguments", lambda *_: [["diff", "tap-broken-qa1"], ["diff", "tap-dev-qa1"]]
    )
    assert main(["cdktf", "diff"]) == 1
    assert calls() == ["diff tap-broken-qa1 --skip-synth []"]


def test_a_missing_cli_is_told_with_the_fix(monkeypatch, tmp_path, calls, capsys):
    monkeypatch.setattr(deploy, "CDKTF", tmp_path / "none")
    assert main(["cdktf", "synth"]) == 2
    assert "npm ci" in capsys.readouterr().err
    assert not calls()


def test_with_its_state_in_the_bucket_a_stack_goes_straight_to_the_cli(calls, place):
    (place.folder / MEMORY).parent.mkdir()
    for left in (MEMORY, HOME):
        (place.folder / left).write_text("{}")
    assert main(["cdktf", "deploy"]) == 0
    assert calls() == ["deploy tap-dev-qa1 --skip-synth []"]
    assert not (place.folder / MEMORY).exists(), "another backend would be in the way"
    assert not (place.folder / HOME).exists()


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_a_local_state_beside_the_bucket_s_is_not_begun(calls, place, monkeypatch, capsys, verb):
    assert place
    monkeypatch.setenv("STATE_BACKEND", "local")
    assert main(["cdktf", verb]) == 2
    assert "STATE_BACKEND says local" in capsys.readouterr().err
    assert not calls()


@pytest.mark.parametrize("verb", ["diff", "deploy", "destroy"])
def test_nothing_goes_on_without_the_newest_state(calls, place, capsys, verb):
    keep(place.file, STATE.content.replace(b"one", b"two"))
    assert main(["cdktf", verb, "--auto-approve"]) == 2
    assert "two states" in capsys.readouterr().err
    assert not calls()


@pytest.mark.parametrize("verb", ["synth", "diff", "deploy"])
def test_a_state_that_was_not_saved_comes_first(calls, place, capsys, verb):
    place.errored.write_bytes(STATE.content)
    assert main(["cdktf", verb]) == 2
    assert "state recover" in capsys.readouterr().err
    assert not calls()
    assert place.errored.exists()


def test_a_local_one_that_was_not_saved_too(calls, place, monkeypatch, capsys):
    Bucket(place).remove()
    Bucket(place).empty()
    keep(place.file, STATE.content)
    place.errored.write_bytes(STATE.content)
    monkeypatch.setenv("STATE_BACKEND", "local")
    assert main(["cdktf", "deploy"]) == 2
    assert "could not save the state" in capsys.readouterr().err
    assert not calls()
    place.errored.unlink()
    assert main(["cdktf", "deploy"]) == 0


@pytest.fixture(name="first")
def _first(calls, monkeypatch):
    """A first deploy; returns what makes the bucket."""
    assert not calls()
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.delenv("STATE_BACKEND")
    bootstrap = Mock()
    monkeypatch.setattr(deploy, "bootstrap", bootstrap)
    return bootstrap


def test_the_first_deploy_makes_the_bucket_first(calls, first):
    first.side_effect = lambda *_: None if not calls() else pytest.fail("the CLI came first")
    assert main(["cdktf", "deploy", "--auto-approve"]) == 0
    assert first.call_args[0][0].stack == "tap-dev-qa1"
    assert calls() == ["deploy tap-dev-qa1 --auto-approve --skip-synth []"]


@pytest.mark.parametrize(("typed", "goes"), [("yes", True), ("no", False), (None, False)])
def test_a_person_is_asked_for_it(calls, first, monkeypatch, typed, goes):
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: typed is not None))
    monkeypatch.setattr("builtins.input", lambda _prompt: typed)
    assert main(["cdktf", "deploy"]) == (0 if goes else 2)
    assert first.called == goes and bool(calls()) == goes


def test_without_a_person_the_option_is_named(first, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: False))
    assert main(["cdktf", "deploy"]) == 2
    assert "--auto-approve" in capsys.readouterr().err
    assert not first.called


def test_a_diff_before_it_says_how(calls, first, capsys):
    assert main(["cdktf", "diff"]) == 2
    assert "STATE_BACKEND=local npm run cdktf:diff" in capsys.readouterr().err
    assert not calls() and not first.called


def test_an_interrupt_of_it_is_one_of_the_deploy(calls, first, capsys):
    first.side_effect = Interrupted()
    assert main(["cdktf", "deploy", "--auto-approve"]) == INTERRUPTED
    assert "it goes on from there" in capsys.readouterr().err
    assert not calls()


def test_a_destroy_is_the_teardown(calls, place, monkeypatch):
    teardown = Mock()
    monkeypatch.setattr(deploy, "teardown", teardown)
    assert main(["cdktf", "destroy", "--auto-approve"]) == 0
    assert teardown.call_args[0][0].bucket == place.bucket
    assert not calls(), "the CLI would remove the bucket from under its state"


def test_production_is_destroyed_by_its_name_alone(calls, first, monkeypatch, capsys, tmp_path):
    assert not first.called
    teardown = Mock()
    monkeypatch.setattr(deploy, "teardown", teardown)
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: False))
    assert main(["cdktf", "destroy", "--auto-approve", "--output", str(tmp_path)]) == 2
    assert "--yes-destroy tap-prod-qa1" in capsys.readouterr().err
    assert not teardown.called and not calls()


def test_after_a_failure_whoever_holds_the_lock_is_named(calls, place, monkeypatch, capsys):
    monkeypatch.setattr(deploy, "cli_arguments", lambda *_: [["deploy", "tap-broken-qa1"]])
    with Locks(place).hold("a test"):
        (held,) = Locks(place).held()
        assert main(["cdktf", "deploy"]) == 1
    assert calls()
    told = capsys.readouterr().err
    assert held.who in told and f"unlock {held.id}" in told


def test_aws_in_the_way_is_told(calls, place, monkeypatch, capsys):
    monkeypatch.setattr(deploy, "check", Mock(side_effect=TapError("AWS: no", hint="ask")))
    assert place
    assert main(["cdktf", "deploy"]) == 2
    assert "AWS: no (ask)" in capsys.readouterr().err
    assert not calls()


def test_the_stacks_are_synthesized_with_this_config(tmp_path, monkeypatch):
    script = "import os, sys\nprint(os.environ['ENVIRONMENT'], file=sys.stderr)\n"
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(os.environ['CDKTF_OUTDIR'] == 'x')")
    monkeypatch.setattr(cdktf_cli, "ROOT", tmp_path)
    cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(2)")
    with pytest.raises(TapError, match="synthesis failed:\ndev"):
        cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
