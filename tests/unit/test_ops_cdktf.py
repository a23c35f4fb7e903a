"""``ops cdktf``: what the CLI is called with."""

import stat

import pytest

from lib.errors import TapError
from ops import cdktf_cli, deploy
from ops.__main__ import main

ENVIRON = {"ENVIRONMENT": "dev,prod", "ENVIRONMENT_SUFFIX": "qa1"}


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
    monkeypatch.setattr(deploy, "guarded", lambda *_: 0)  # tests/unit/test_ops_plan.py has it
    for name in ("ENVIRONMENT", "ENVIRONMENT_SUFFIX", "DB_PASSWORD", "TF_VAR_db_password"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("synth", ["synth []"]),
        ("diff", ["diff tap-dev-qa1 []", "diff tap-prod-qa1 []"]),
        ("deploy", ["deploy tap-dev-qa1 tap-prod-qa1 []"]),
        ("destroy", ["destroy tap-dev-qa1 tap-prod-qa1 []"]),
    ],
)
def test_the_stacks_are_named(calls, verb, expected):
    assert main(["cdktf", verb]) == 0
    assert calls() == expected


def test_further_arguments_are_the_cli_s(calls):
    assert main(["cdktf", "deploy", "--auto-approve", "--parallelism", "4"]) == 0
    assert calls() == ["deploy tap-dev-qa1 tap-prod-qa1 --auto-approve --parallelism 4 []"]


def test_the_password_is_handed_to_terraform(calls, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    assert main(["cdktf", "deploy"]) == 0
    assert calls() == ["deploy tap-dev-qa1 tap-prod-qa1 [correct-horse-battery]"]


def test_bad_input_is_named_before_the_cli_runs(calls, monkeypatch, capsys):
    monkeypatch.setenv("ENVIRONMENT", "prd")
    assert main(["cdktf", "deploy"]) == 2
    assert capsys.readouterr().err.startswith("tap: ENVIRONMENT: unknown environment 'prd'")
    assert not calls()


def test_the_first_failure_ends_it(calls, monkeypatch):
    monkeypatch.setattr(deploy, "stack_ids", lambda *_: ["tap-broken-qa1", "tap-dev-qa1"])
    assert main(["cdktf", "diff"]) == 1
    assert calls() == ["diff tap-broken-qa1 []"]


def test_a_missing_cli_is_told_with_the_fix(monkeypatch, tmp_path, calls, capsys):
    monkeypatch.setattr(deploy, "CDKTF", tmp_path / "none")
    assert main(["cdktf", "synth"]) == 2
    assert "npm ci" in capsys.readouterr().err
    assert not calls()


def test_the_stacks_are_synthesized_with_this_config(tmp_path, monkeypatch):
    script = "import os, sys\nprint(os.environ['ENVIRONMENT'], file=sys.stderr)\n"
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(os.environ['CDKTF_OUTDIR'] == 'x')")
    monkeypatch.setattr(cdktf_cli, "ROOT", tmp_path)
    cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(2)")
    with pytest.raises(TapError, match="synthesis failed:\ndev"):
        cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
