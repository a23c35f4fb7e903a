"""``ops plan`` and ``ops apply``, with a Terraform that notes its calls."""

import json
from pathlib import Path

import pytest
from moto import mock_aws

from ops import cdktf_cli, guard, plan
from ops.__main__ import main
from ops.plan import READABLE, READABLE_MAX, as_markdown, running_image
from ops.state.homes import keep
from ops.state.terraform import READ_ONLY
from ops.terraform.folders import RunFolder
from tests.ops.played import IMAGE, STATE, played, recorded, synthesize
from tests.ops.test_state import snapshot

# What the plan of another database name loses.
ALLOWED = (
    "aws_db_instance.database_instance_D7FC2283 "
    "aws_ssm_parameter.outputs_parameters_database_name_A54461BB.value"
)

really = plan.synthesize


@pytest.fixture(name="log")
def _log(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "synthesize", synthesize)
    monkeypatch.setattr(plan, "OUTPUT", tmp_path / "cdktf.out")
    log = played(tmp_path, monkeypatch)
    with mock_aws():
        yield log


def folder_of(stack):
    """What ``ops plan`` leaves of a stack."""
    return plan.OUTPUT / "plans" / stack


PLANNED = [
    "tap-dev-qa1 init",
    "tap-dev-qa1 plan -out=tap.tfplan -lock-timeout=5m",
    "tap-dev-qa1 show -json tap.tfplan",
    "tap-dev-qa1 show tap.tfplan",
]
LOOKED = [each.replace("-lock-timeout=5m", "-lock=false") for each in PLANNED]


def image_of(stack):
    """The image in a synthesized stack."""
    text = (folder_of(stack) / "cdk.tf.json").read_text(encoding="utf-8")
    (task,) = json.loads(text)["resource"]["aws_ecs_task_definition"].values()
    return json.loads(task["container_definitions"])[0]["image"]


@pytest.mark.parametrize("changed", ["0", "2"])
def test_a_plan_is_left_with_all_that_apply_needs(log, capfd, changed):
    log.answers(changed=changed)
    assert main(["plan"]) == 0
    assert log.calls() == PLANNED
    folder = folder_of("tap-dev-qa1")
    assert {file.name for file in folder.iterdir()} == {"cdk.tf.json", "tap.tfplan", READABLE}
    assert "### tap-dev-qa1\n\nPlan: 1 to add" in (folder / READABLE).read_text(encoding="utf-8")
    assert "guard: tap-dev-qa1: fine" in capfd.readouterr().out


def test_what_is_planned_is_what_tap_py_writes(log, monkeypatch):
    monkeypatch.setattr(plan, "synthesize", really)
    monkeypatch.setenv("CONTAINER_IMAGE", IMAGE)
    assert main(["plan"]) == 0
    assert len(log.calls()) == len(PLANNED)
    assert image_of("tap-dev-qa1") == IMAGE


def test_a_stack_that_cannot_be_synthesized_is_not_planned(log, monkeypatch, capfd):
    monkeypatch.setattr(plan, "synthesize", really)
    monkeypatch.setattr(cdktf_cli, "ROOT", Path(__file__).parent)
    assert main(["plan"]) == 2
    assert "tap: synthesis failed" in capfd.readouterr().err
    assert not log.calls()


def test_an_earlier_plan_is_gone(log):
    old = folder_of("tap-dev-qa1") / "tap.tfplan"
    old.parent.mkdir(parents=True)
    old.touch()
    log.fails("init")
    assert main(["plan"]) == 3
    assert not old.exists()


def test_several_environments_are_planned_and_one_refused_is_enough(log, monkeypatch, capfd):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    log.answers(plan=recorded("database_name"))
    assert main(["plan"]) == 1
    assert [call for call in log.calls() if " plan -" in call] == [
        f"tap-{name}-qa1 plan -out=tap.tfplan -lock-timeout=5m" for name in ("dev", "staging")
    ]
    assert capfd.readouterr().out.count("refused, 2 of 8 changes") == 2


def test_what_is_allowed_is_planned(log):
    log.answers(plan=recorded("database_name"))
    assert main(["plan", "--allow", ALLOWED]) == 0


@pytest.mark.parametrize("verb", ["init", "plan"])
def test_what_terraform_fails_of_is_shown(log, capfd, verb):
    log.fails(verb)
    assert main(["plan"]) == 3
    assert log.calls()[-1].startswith(f"tap-dev-qa1 {verb}")
    shown = capfd.readouterr()
    assert "Error: no such thing" in shown.out + shown.err
    assert f"tap: terraform {verb} failed" in shown.err


def test_a_plan_that_cannot_be_read_is_told(log, capfd):
    log.fails("show")
    assert main(["plan"]) == 3
    assert "tap: terraform show failed" in capfd.readouterr().err


def test_the_password_reaches_terraform_at_plan_and_at_apply(log, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    assert main(["plan"]) == main(["apply"]) == 0
    assert all(call.endswith("[correct-horse-battery]") for call in log.calls())
    assert [call.split()[1] for call in log.calls()].count("apply") == 1


@pytest.mark.parametrize(("image", "code"), [(IMAGE, 0), ("registry.example/app:1.2", 2), ("", 2)])
def test_an_image_is_told_by_its_digest(log, monkeypatch, capsys, image, code):
    monkeypatch.setenv("CONTAINER_IMAGE", image)
    assert main(["plan", "--digest"]) == code
    if code:
        assert "CONTAINER_IMAGE names no digest" in capsys.readouterr().err
        assert not log.calls()
    else:
        assert image_of("tap-dev-qa1") == IMAGE


@pytest.mark.parametrize(("changed", "code"), [("0", 0), ("2", 1)])
def test_drift_is_told_with_the_image_that_runs(log, capfd, changed, code):
    log.answers(changed=changed, plan=recorded("database_name"))
    assert main(["plan", "--drift"]) == code
    assert image_of("tap-dev-qa1") == IMAGE
    assert log.calls() == [LOOKED[0], "tap-dev-qa1 show -json", *LOOKED[1:]]
    told = "none" if changed == "0" else "AWS is not as planned"
    assert f"drift: tap-dev-qa1: {told}\n" in capfd.readouterr().out


def test_a_plan_with_the_image_that_runs_is_guarded_as_any(log):
    log.answers(plan=recorded("database_name"))
    assert main(["plan", "--running-image"]) == 1
    assert LOOKED[1] in log.calls(), "nobody waits for it"
    assert image_of("tap-dev-qa1") == IMAGE
    log.answers(plan=recorded("nothing"))
    assert main(["plan"]) == 0
    assert image_of("tap-dev-qa1") is None


def test_drift_of_one_of_several_is_enough(log, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert main(["plan", "--drift"]) == 1
    assert len([call for call in log.calls() if " plan -" in call]) == 2


def test_a_stack_that_was_never_deployed_has_no_image():
    assert running_image({"format_version": "1.0"}) is None
    assert running_image({"values": {"root_module": {}}}) is None
    assert running_image(STATE) == IMAGE


def test_what_was_planned_is_applied(log):
    assert main(["plan"]) == 0
    before = len(log.calls())
    assert main(["apply"]) == 0
    assert log.calls()[before:] == [
        "tap-dev-qa1 init -lockfile=readonly",
        "tap-dev-qa1 show -json tap.tfplan",
        "tap-dev-qa1 apply -lock-timeout=5m tap.tfplan",
    ]
    assert log.applied == json.loads(recorded("nothing"))


def test_nothing_is_applied_until_the_guard_has_seen_everything(log, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert main(["plan"]) == 0
    (folder_of("tap-staging-qa1") / "tap.tfplan").write_text(recorded("database_name"))
    assert main(["apply"]) == 1
    assert not [call for call in log.calls() if " apply " in call]
    assert main(["apply", "--allow", ALLOWED]) == 0
    assert len([call for call in log.calls() if " apply " in call]) == 2


def test_an_apply_runs_beside_nothing_that_another_run_has_left(log):
    assert main(["plan"]) == 0
    for folder in ("plans", "stacks"):
        left = plan.OUTPUT / folder / "tap-dev-qa1" / "teardown_override.tf.json"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("{}")
    assert main(["apply"]) == 0
    assert log.files("apply") == {".in-use", "cdk.tf.json", "tap.tfplan"}
    assert not list(plan.OUTPUT.glob("runs/*@*")), "the run's folder goes with it"


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("lost", ["unsaved", "rolled back"])
def test_neither_goes_on_without_the_newest_state(log, capfd, command, lost):
    assert main(["plan"]) == 0
    before = log.calls()
    state = plan.OUTPUT.parent / "terraform.tap-dev-qa1.tfstate"
    if lost == "unsaved":
        (folder_of("tap-dev-qa1") / "errored.tfstate").write_text("{}")
    else:
        keep(state, snapshot(1).content)
        keep(state.with_name(f"{state.name}.backup"), snapshot(2).content)
    assert main([command]) == 2
    assert "pipenv run state recover" in capfd.readouterr().err
    assert log.calls() == before
    assert (folder_of("tap-dev-qa1") / "errored.tfstate").exists() == (lost == "unsaved")


@pytest.mark.parametrize("verb", ["init", "apply"])
def test_the_first_failure_ends_an_apply(log, monkeypatch, capfd, verb):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert main(["plan"]) == 0
    log.fails(verb)
    before = len(log.calls())
    assert main(["apply"]) == 3
    assert len([call for call in log.calls()[before:] if f" {verb} " in call]) == 1
    captured = capfd.readouterr()
    assert "Error: no such thing" in captured.out + captured.err


def test_only_the_plans_that_are_asked_for_are_applied(log, monkeypatch, capsys):
    assert main(["plan"]) == 0
    monkeypatch.setenv("ENVIRONMENT", "dev,prod")
    before = len(log.calls())
    assert main(["apply"]) == 2
    assert "there is no plan of tap-prod-qa1" in capsys.readouterr().err
    assert len(log.calls()) == before


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_bad_input_is_named_before_anything_runs(log, monkeypatch, capsys, command):
    assert main([command, "--detroy"]) == 2
    monkeypatch.setenv("ENVIRONMENT", "prd")
    assert main([command]) == 2
    err = capsys.readouterr().err
    assert "unknown argument --detroy" in err and "unknown environment 'prd'" in err
    assert not log.calls()


def test_a_plan_is_a_section_of_a_comment():
    text = "a ``` fence\n\nPlan: 1 to add, 0 to change.\n\nNote\n"
    section = as_markdown("tap-dev-qa1", "guard: fine", ["created: aws_vpc.x"], text)
    assert section.startswith("### tap-dev-qa1\n\nPlan: 1 to add, 0 to change.\n\n")
    assert len(section.split("`" * 8)) == 5
    assert "\nguard: fine\n\ncreated: aws_vpc.x\n" in section and "\na ``` fence\n" in section
    long = as_markdown("tap-dev-qa1", "y", ["z"], "x" * 3 * READABLE_MAX)
    assert 3 * len(long) < 65_536 and long.count("[cut:") == 1


def test_only_details_are_cut_of_a_comment():
    """What is opened comes first, then each address with its action, however many there are."""
    verdict = guard.judged(json.loads(recorded("worse")))
    many = [f"created: aws_subnet.number{number}" for number in range(1000)]
    section = as_markdown("tap-dev-qa1", str(verdict), [*verdict.actions, *many], "x" * 9999)
    assert verdict.actions and all(f"\n{line}\n" in section for line in [*verdict.actions, *many])
    assert str(verdict) in section and "x" not in section.rpartition("Plan</summary>")[2][:20]


def test_what_goes_comes_before_what_changes_and_that_before_what_is_made():
    actions = guard.judged(json.loads(recorded("worse"))).actions
    order = [action.split(":")[0] for action in actions]
    assert order == sorted(order, key=["deleted", "replaced", "changed", "created"].index)
    assert len(set(order)) > 1


def test_a_lock_of_the_provider_that_was_committed_is_not_changed(log, monkeypatch):
    fill = RunFolder.fill

    def pinned(folder, *arguments, **options):
        fill(folder, *arguments, **options)
        folder.pinned = True

    assert main(["plan"]) == 0
    assert not [call for call in log.calls() if READ_ONLY in call]
    monkeypatch.setattr(RunFolder, "fill", pinned)
    assert main(["plan"]) == 0
    assert [call for call in log.calls() if " init " in call and READ_ONLY in call]
