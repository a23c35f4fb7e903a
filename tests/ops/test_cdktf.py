"""``ops cdktf``: what is changed is what was looked at, planned, judged, shown and approved."""

import json
import signal
from unittest.mock import Mock

import pytest
from moto import mock_aws

from lib.errors import TapError
from ops import cdktf_cli, deploy
from ops.__main__ import main
from ops.graceful import INTERRUPTED
from ops.state.homes import Bucket, backup_of, keep
from ops.state.locks import Locks
from ops.state.terraform import Terraform
from ops.terraform.process import Interrupted
from tests.ops.played import played, recorded, synthesize
from tests.ops.test_state import snapshot

UNSAVED = {
    "unsaved in a run": "runs/tap-dev-qa1@1",
    "unsaved by the CLI": "stacks/tap-dev-qa1",
    "unsaved by an earlier apply": "plans/tap-dev-qa1",
}
# What the plan of another database name loses.
ALLOWED = (
    "aws_db_instance.database_instance_D7FC2283 "
    "aws_ssm_parameter.outputs_parameters_database_name_A54461BB.value"
)


@pytest.fixture(name="log")
def _log(tmp_path, monkeypatch):
    """dev with a local state, and a Terraform that notes its calls."""
    log = played(tmp_path, monkeypatch)
    monkeypatch.setattr(deploy, "synthesize", synthesize)
    with mock_aws():
        yield log


@pytest.fixture(name="ops")
def _ops(tmp_path, capfd):
    """Runs ``ops cdktf``; returns its exit code and what was printed."""

    def ops(*arguments):
        code = main(["cdktf", *arguments, "--output", str(tmp_path / "cdktf.out")])
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return ops


def place_of(tmp_path):
    """dev's place."""
    _, (config,) = deploy.select({"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1"})
    return deploy.place_of(config, "qa1", tmp_path / "cdktf.out")


@pytest.fixture(name="place")
def _place(log, tmp_path, monkeypatch):
    """dev, its state in the bucket; returns its place."""
    assert not log.calls()
    monkeypatch.delenv("STATE_BACKEND")
    place = place_of(tmp_path)
    place.client("s3").create_bucket(Bucket=place.bucket)
    bucket = Bucket(place)
    bucket.read()
    bucket.write(snapshot(1))
    return place


def test_what_was_planned_judged_and_approved_is_applied(log, ops):
    code, printed = ops("deploy", "--auto-approve")
    assert code == 0
    assert log.calls() == [
        "tap-dev-qa1 init",
        "tap-dev-qa1 plan -out=tap.tfplan -lock-timeout=5m",
        "tap-dev-qa1 show -json tap.tfplan",
        "tap-dev-qa1 apply -lock-timeout=5m tap.tfplan",
    ]
    assert log.applied == json.loads(recorded("nothing"))
    assert "guard: tap-dev-qa1: fine" in printed


def test_what_lies_in_the_synthesized_stack_s_folder_is_not_taken_along(log, ops, tmp_path):
    """A killed teardown left its override there once, and the next deploy took the protections off
    production: docs/adr/0013-one-way-to-change.md"""
    stack = tmp_path / "cdktf.out" / "stacks" / "tap-dev-qa1"
    stack.mkdir(parents=True)
    for name in ("teardown_override.tf.json", "recover.tf.json", "x.tf", "x.auto.tfvars"):
        (stack / name).write_text("{}")
    (stack / ".terraform").mkdir()
    assert ops("deploy", "--auto-approve")[0] == 0
    for verb in ("init", "plan", "apply"):
        assert not log.files(verb) - {".in-use", "cdk.tf.json", "tap.tfplan"}


def test_what_the_guard_refuses_is_not_applied(log, ops, monkeypatch):
    """In any environment, and with several in none of them."""
    monkeypatch.setenv("ENVIRONMENT", "dev,prod")
    log.answers(plan=recorded("database_name"))
    code, printed = ops("deploy", "--auto-approve")
    assert code == 1
    assert "database.database_name in the config" in printed
    assert {verb for _, verb in log.verbs()} == {"init", "plan", "show"}
    assert ops("deploy", "--auto-approve", "--allow", ALLOWED)[0] == 0
    assert log.verbs()[-2:] == [("tap-dev-qa1", "apply"), ("tap-prod-qa1", "apply")]


def test_nothing_is_applied_before_all_are_planned(log, ops, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert ops("deploy", "--auto-approve")[0] == 0
    verbs = [verb for _, verb in log.verbs()]
    assert verbs == [*["init", "plan"] * 2, "show", "show", "apply", "apply"]


def test_where_nothing_changes_nothing_is_applied(log, ops):
    log.answers(changed="0")
    assert ops("deploy", "--auto-approve")[0] == 0
    assert [verb for _, verb in log.verbs()] == ["init", "plan"]


@pytest.mark.parametrize(("typed", "goes"), [("yes", True), ("no", False), (None, False)])
def test_a_person_is_asked(log, ops, monkeypatch, typed, goes):
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: typed is not None))
    asked = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(log.verbs()[-1]) or typed)
    code, printed = ops("deploy")
    assert code == (0 if goes else 2)
    assert (("tap-dev-qa1", "apply") in log.verbs()) == goes
    assert goes or "--auto-approve" in printed
    assert typed is None or asked == [("tap-dev-qa1", "show")], "after the plan and the guard"


def test_a_diff_shows_the_plan_and_holds_up_nobody(log, ops, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev,prod")
    log.answers(plan=recorded("database_name"))
    code, printed = ops("diff")
    assert code == 0 and "guard: tap-prod-qa1: refused" in printed
    assert [verb for _, verb in log.verbs()] == [*["init", "plan"] * 2, "show", "show"]
    assert log.calls()[1] == "tap-dev-qa1 plan -out=tap.tfplan -lock=false"


def test_the_stacks_are_synthesized_unless_they_are_there(log, ops, monkeypatch, tmp_path):
    code, printed = ops("synth")
    assert code == 0 and printed.endswith("stacks/tap-dev-qa1/cdk.tf.json\n")
    assert not log.calls()
    anew = Mock()
    monkeypatch.setattr(deploy, "synthesize", anew)
    assert ops("diff", "--skip-synth")[0] == 0
    anew.assert_not_called()
    assert ops("diff")[0] == 0
    assert anew.call_args[0][1] == tmp_path / "cdktf.out"


def test_further_arguments_reach_terraform_or_are_refused(log, ops):
    assert ops("deploy", "--auto-approve", "--parallelism", "4")[0] == 0
    assert len([call for call in log.calls() if "-parallelism=4" in call]) == 2
    code, printed = ops("deploy", "--refresh-only")
    assert code == 2 and "unknown argument --refresh-only" in printed


def test_the_password_is_handed_to_terraform(log, ops, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    assert ops("deploy", "--auto-approve")[0] == 0
    assert all(call.endswith("[correct-horse-battery]") for call in log.calls())


def test_bad_input_is_named_before_anything_runs(log, ops, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "prd")
    code, printed = ops("deploy")
    assert code == 2 and printed.startswith("tap: ENVIRONMENT: unknown environment 'prd'")
    assert not log.calls()


@pytest.mark.parametrize("verb", ["init", "plan", "apply"])
def test_the_first_failure_ends_it(log, ops, monkeypatch, verb):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    log.fails(verb)
    code, printed = ops("deploy", "--auto-approve")
    assert code == 3 and "Error: no such thing" in printed
    assert log.verbs()[-1] == ("tap-dev-qa1", verb)


def test_a_stale_plan_says_what_to_do(log, ops):
    log.fails("apply", "Error: Saved plan is stale\n\nThe given plan file\n")
    _, printed = ops("deploy", "--auto-approve")
    assert "plan again" in printed


def test_a_lock_that_is_held_too_long_names_its_holder_and_the_way_out(log, ops):
    """Terraform shows it as it works, and TAP says what can be typed."""
    text = "Error: Error acquiring the state lock\n\n  ID:        1a2b\n  Who:       ann@ci\n"
    log.fails("plan", text)
    code, printed = ops("deploy", "--auto-approve")
    assert code == 3
    assert "the state is locked by ann@ci" in printed
    assert "pipenv run state unlock 1a2b" in printed


def test_with_its_state_in_the_bucket_a_stack_is_deployed(log, ops, place):
    assert place
    assert ops("deploy", "--auto-approve")[0] == 0
    assert log.verbs()[-1] == ("tap-dev-qa1", "apply")


@pytest.mark.parametrize("verb", ["diff", "deploy", "destroy"])
def test_a_local_state_beside_the_bucket_s_is_not_begun(log, ops, place, monkeypatch, verb):
    assert place
    monkeypatch.setenv("STATE_BACKEND", "local")
    code, printed = ops(verb, "--auto-approve")
    assert code == 2 and "STATE_BACKEND says local" in printed
    assert not log.calls()


@pytest.mark.parametrize("verb", ["diff", "deploy", "destroy"])
@pytest.mark.parametrize(
    ("case", "local"),
    [
        ("two", False),
        ("cut short", True),
        *((case, local) for case in ("rolled back", *UNSAVED) for local in (False, True)),
    ],
)
def test_nothing_goes_on_without_the_newest_state(  # pylint: disable=too-many-positional-arguments
    log, ops, place, monkeypatch, verb, local, case
):
    """Each is found for each command, wherever the state is."""
    file, says, unsaved = place.file, "pipenv run state recover", None
    if local:
        Bucket(place).empty()
        monkeypatch.setenv("STATE_BACKEND", "local")
        keep(file, snapshot(2).content)
    if case == "two":
        keep(file, snapshot(2, "two").content)
        says = "two states"
    elif case == "rolled back":
        if local:
            keep(backup_of(file), snapshot(3).content)
        else:
            place.client("s3").put_bucket_versioning(
                Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"}
            )
            for serial in (2, 1):
                place.client("s3").put_object(
                    Bucket=place.bucket, Key=place.key, Body=snapshot(serial).content
                )
    elif case == "cut short":
        file.write_text("{")
    else:
        unsaved = place.output / UNSAVED[case] / "errored.tfstate"
        unsaved.parent.mkdir(parents=True)
        unsaved.write_bytes(snapshot(1).content)
    code, printed = ops(verb, "--auto-approve")
    assert code == 2 and says in printed
    assert not log.calls()
    assert unsaved is None or unsaved.exists()


@pytest.fixture(name="first")
def _first(log, monkeypatch, tmp_path):
    """A first deploy; returns what makes the bucket, and leaves a state there."""
    assert not log.calls()
    monkeypatch.delenv("STATE_BACKEND")

    def make(place, *_):
        assert not log.calls(), "the plan came first"
        place.client("s3").create_bucket(Bucket=place.bucket)
        place.client("s3").put_object(Bucket=place.bucket, Key=place.key, Body=snapshot(1).content)

    bootstrap = Mock(side_effect=make)
    monkeypatch.setattr(deploy, "bootstrap", bootstrap)
    assert not Bucket(place_of(tmp_path)).exists()
    return bootstrap


def test_the_first_deploy_makes_the_bucket_first(log, ops, first):
    assert ops("deploy", "--auto-approve")[0] == 0
    assert first.call_args[0][0].stack == "tap-dev-qa1"
    assert log.verbs()[-1] == ("tap-dev-qa1", "apply")


@pytest.mark.parametrize(("typed", "goes"), [("yes", True), ("no", False), (None, False)])
def test_a_person_is_asked_for_it(  # pylint: disable=too-many-positional-arguments
    log, ops, first, monkeypatch, typed, goes
):
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: typed is not None))
    monkeypatch.setattr("builtins.input", lambda _prompt: typed)
    code, printed = ops("deploy")
    assert code == (0 if goes else 2)
    assert first.called == goes and bool(log.calls()) == goes
    assert goes or "--auto-approve" in printed


def test_a_diff_before_it_says_how(log, ops, first):
    code, printed = ops("diff")
    assert code == 2 and "STATE_BACKEND=local npm run cdktf:diff" in printed
    assert not log.calls() and not first.called


def test_a_destroy_is_the_teardown(log, ops, place, monkeypatch):
    teardown = Mock()
    monkeypatch.setattr(deploy, "teardown", teardown)
    assert ops("destroy", "--auto-approve", "--allow", "aws_x.y")[0] == 0
    assert teardown.call_args[0][0].bucket == place.bucket
    assert teardown.call_args[0][3] == ["aws_x.y"]
    assert not log.calls()


def test_production_is_destroyed_by_its_name_alone(log, ops, monkeypatch):
    teardown = Mock()
    monkeypatch.setattr(deploy, "teardown", teardown)
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: False))
    code, printed = ops("destroy", "--auto-approve")
    assert code == 2 and "--yes-destroy tap-prod-qa1" in printed
    assert not teardown.called and not log.calls()


def test_whoever_is_waited_for_is_named(log, ops, place):
    with Locks(place).hold("a test"):
        (held,) = Locks(place).held()
        _, printed = ops("deploy", "--auto-approve")
    assert held.who in printed and f"pipenv run state unlock {held.id}" in printed
    assert "5m at most" in printed
    assert log.calls()


@pytest.mark.parametrize(
    ("interrupted", "says"),
    [
        ("plan", "nothing was changed (run it again)"),
        ("apply", "a part of the plan is applied"),
        (None, "nothing is lost"),
    ],
)
def test_an_interrupt_says_what_to_do(log, ops, monkeypatch, interrupted, says):
    """At a Terraform command, or between two of them."""
    if interrupted:
        error = Interrupted(interrupted)
        monkeypatch.setattr(Terraform, interrupted, Mock(side_effect=error))
    else:
        monkeypatch.setattr(Terraform, "plan", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    code, printed = ops("deploy", "--auto-approve")
    assert code == INTERRUPTED
    assert says in printed and "npm run cdktf:deploy" in printed
    assert "apply" not in [verb for _, verb in log.verbs()]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_aws_in_the_way_is_told(log, ops, monkeypatch):
    monkeypatch.setattr(deploy, "check_deployed", Mock(side_effect=TapError("AWS: no", hint="ask")))
    code, printed = ops("deploy")
    assert code == 2 and "AWS: no (ask)" in printed
    assert not log.calls()


def test_the_stacks_are_synthesized_with_this_config(tmp_path, monkeypatch):
    script = "import os, sys\nprint(os.environ['ENVIRONMENT'], file=sys.stderr)\n"
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(os.environ['CDKTF_OUTDIR'] == 'x')")
    monkeypatch.setattr(cdktf_cli, "ROOT", tmp_path)
    cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(2)")
    with pytest.raises(TapError, match="synthesis failed:\ndev"):
        cdktf_cli.synthesize({"ENVIRONMENT": "dev"})
