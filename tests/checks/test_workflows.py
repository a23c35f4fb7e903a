"""The workflows run nothing that a laptop doesn't; the hooks look at what is committed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from checks.lock_files import ROOT, TOOLS
from lib.config.environment_config import ENVIRONMENTS
from lib.config.settings import Settings
from ops.__main__ import main
from ops.pipeline.github import MAX_SESSION
from tests.project import TEAM

FILES = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml")])
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES[1:]}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# What only GitHub's own machines have: the summary of a run, and a comment on a pull request.
THEIRS = {
    'cat cdktf.out/plans/*/plan.md >> "$GITHUB_STEP_SUMMARY"',
    "find plans -name plan.md -type f -print0 | sort -z | xargs -0 cat -- > comment.md",
    'make environments >> "$GITHUB_OUTPUT"',
    'gh pr comment "$PULL_REQUEST" --edit-last --create-if-none --body-file comment.md',
}


def jobs(workflow):
    """The jobs of a workflow, or the one of an action."""
    return workflow["jobs"] if "jobs" in workflow else {"runs": workflow["runs"]}


def steps():
    """Each step, with the file that it is in."""
    for path in FILES:
        for job in jobs(yaml.safe_load(path.read_text(encoding="utf-8"))).values():
            for step in job.get("steps", ()):
                yield path, step


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it():
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    used = re.findall(r"uses: (.*)$", text, re.MULTILINE)
    assert len(used) > 20
    for reference in used:
        assert re.fullmatch(
            r"\$/\.github/\S+|[a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", reference
        ), reference
    pins = {}
    for action, pin in re.findall(r"uses: (\S+)@(.*)$", text, re.MULTILINE):
        assert pins.setdefault(action, pin) == pin, f"{action} in two versions"


def test_every_own_action_and_workflow_is_there():
    for reference in re.findall(
        r"uses: \$/(\S+)", "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    ):
        assert (ROOT / reference).is_file() or (ROOT / reference / "action.yml").is_file()


@pytest.mark.parametrize(("path", "step"), [*steps()], ids=lambda value: getattr(value, "stem", ""))
def test_what_runs_is_a_make_target_or_a_command_of_ops(path, step, capsys):
    if "run" not in step:
        return
    line = step["run"]
    if made := re.fullmatch(r"make ([a-z-]+)( OPTIONS=--[a-z]+)?", line):
        assert re.search(rf"^{made[1]}:", MAKEFILE, re.MULTILINE), line
    elif command := re.fullmatch(
        r"exec (?:timeout --signal=INT 2h )?\.venv/bin/python -m ops "  # a signal has to arrive
        r'([a-z]+)( --[a-z-]+( "\$[A-Z_]+"| \d)?)*',
        line,
    ):
        with pytest.raises(SystemExit) as ended:
            main([command[1], "--help"])
        assert ended.value.code == 0, line
        assert set(re.findall(r" (--[a-z-]+)", line.partition(" -m ops ")[2])) <= set(
            re.findall(r"--[a-z-]+", capsys.readouterr().out)
        ), line
    else:
        assert line in THEIRS, path


def test_no_expression_stands_in_a_script():
    for _, step in steps():
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("name", list(WORKFLOWS))
def test_each_job_has_the_least_that_it_needs(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    for job_name, job in workflow["jobs"].items():
        allowed = {("contents", "read"), ("id-token", "write")}
        if job_name == "comment":
            allowed = {("pull-requests", "write")}
        assert set(job["permissions"].items()) <= allowed, job_name
        writes = "id-token" in job["permissions"]
        assert writes == ("environment" in job or "uses" in job), job_name
        assert "uses" in job or job["timeout-minutes"] <= 150


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if name != "deploy-environment"])
def test_no_two_runs_get_in_each_other_s_way(name):
    concurrency = WORKFLOWS[name]["concurrency"]
    if name != "ci":
        assert concurrency["cancel-in-progress"] is False


def test_no_long_lived_key_is_anywhere():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"secrets\.(\w+)", text)) <= {"DB_PASSWORD"}, path
        assert "access-key" not in text and "pull_request_target" not in text


NAMES = "fromJSON(needs.environments.outputs.names)"


def test_a_deploy_goes_through_the_environments_in_their_order():
    first, *others = WORKFLOWS["deploy"]["jobs"]
    assert first == "environments"
    assert len(others) >= len(TEAM), "add a job to deploy.yml"
    for number, (before, name) in enumerate(zip([None, *others], others, strict=False)):
        job = WORKFLOWS["deploy"]["jobs"][name]
        assert job["needs"] == ["environments", before] if before else "environments"
        assert job.get("if") == (f"{NAMES}[{number}]" if number else None)
        assert job["with"] == {
            "environment": f"${{{{ {NAMES}[{number}] }}}}",
            "image": "${{ inputs.image }}",
            "allow": f"${{{{ fromJSON(inputs.allow)[{NAMES}[{number}]] }}}}",
        }


@pytest.mark.parametrize(("workflow", "job"), [("ci", "plan"), ("drift", "drift")])
def test_what_looks_at_each_environment_has_them_from_the_config(workflow, job):
    found = WORKFLOWS[workflow]["jobs"]
    assert found[job]["strategy"]["matrix"] == {"environment": f"${{{{ {NAMES} }}}}"}
    assert "environments" in found[job]["needs"]
    assert found["environments"]["outputs"] == {"names": "${{ steps.config.outputs.environments }}"}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for entry in ENVIRONMENTS:
            assert not re.search(rf"\b{entry.name}\b", text.partition("jobs:")[2]), path


def test_the_environments_are_told_without_a_set_up():
    command = ["python3", "-S", "scripts/environments"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == f"environments={json.dumps([*TEAM])}\n"


def test_what_any_branch_may_run_knows_no_secret_and_takes_no_lock():
    for workflow, name in (("ci", "plan"), ("drift", "drift")):
        job = WORKFLOWS[workflow]["jobs"][name]
        assert job["environment"] == "${{ matrix.environment }}-look"
        assert _role(job) == "${{ vars.LOOK_ROLE_ARN }}"
        assert "secrets." not in str(job)
        (command,) = _commands(job)
        assert command in ("plan --running-image", "plan --drift")


def test_the_password_is_in_the_environment_that_asks_for_approval_alone():
    holders = [
        (path.stem, name)
        for path in FILES
        for name, job in jobs(yaml.safe_load(path.read_text(encoding="utf-8"))).items()
        if "secrets." in str(job)
    ]
    assert holders == [("deploy-environment", "apply")]
    placeholder = "${{ vars.DB_PASSWORD_GIVEN && 'known-to-the-apply-alone' || '' }}"
    given = [step["env"]["DB_PASSWORD"] for _, step in steps() if "DB_PASSWORD" in str(step)]
    assert sorted(given) == ["${{ secrets.DB_PASSWORD }}", *[placeholder] * 5]
    password = re.search("'(.*?)'", placeholder)
    assert (
        password
        and Settings.from_env(
            {"ENVIRONMENT": "a", "ENVIRONMENT_SUFFIX": "a", "DB_PASSWORD": password[1]}, ["a"]
        ).db_password_given
    )


def test_credentials_outlive_the_job_and_the_job_outlives_terraform():
    apply = WORKFLOWS["deploy-environment"]["jobs"]["apply"]
    (seconds,) = (
        step["with"]["role-duration-seconds"]
        for step in apply["steps"]
        if "role-duration-seconds" in step.get("with", {})
    )
    hours = next(int(h) for h in re.findall(r"timeout --signal=INT (\d+)h", str(apply)))
    assert hours * 3600 < apply["timeout-minutes"] * 60 < seconds == MAX_SESSION.total_seconds()


def test_a_state_that_could_not_be_saved_is_kept():
    *_, last = WORKFLOWS["deploy-environment"]["jobs"]["apply"]["steps"]
    assert last["if"] == "${{ failure() || cancelled() }}"
    assert last["uses"].startswith("actions/upload-artifact@")
    assert last["with"]["path"] == "cdktf.out/**/errored.tfstate"


def test_a_name_with_spaces_in_an_artifact_brings_no_other_file_into_the_comment(tmp_path):
    (line,) = (step["run"] for _, step in steps() if step.get("run", "").startswith("find plans "))
    (tmp_path / "secret").write_text("SECRET")
    for folder in ("plans/a", "plans/b secret c"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "plan.md").write_text(f"{folder}\n")
    (tmp_path / "plans/link").mkdir()
    (tmp_path / "plans/link/plan.md").symlink_to(tmp_path / "secret")
    subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True)
    assert (tmp_path / "comment.md").read_text() == "plans/a\nplans/b secret c\n"


def test_what_is_applied_is_what_was_planned_guarded_and_approved():
    found = WORKFLOWS["deploy-environment"]["jobs"]
    planning, applying = (str(found[name]["steps"]) for name in ("plan", "apply"))
    assert found["apply"]["needs"] == "plan"
    assert found["plan"]["environment"] == "${{ inputs.environment }}-plan"
    assert found["apply"]["environment"] == "${{ inputs.environment }}"
    assert "ops plan --digest" in planning and "ops plan" not in applying
    assert "ops apply" in applying and "ops apply" not in planning
    assert _role(found["plan"]) == "${{ vars.PLAN_ROLE_ARN }}"
    assert _role(found["apply"]) == "${{ vars.DEPLOY_ROLE_ARN }}"
    assert "name': 'plan-${{ inputs.environment }}" in planning
    assert "name': 'plan-${{ inputs.environment }}" in applying


def _role(job):
    """The role that a job works as."""
    (role,) = (
        step["with"]["role-to-assume"] for step in job["steps"] if "role-to-assume" in str(step)
    )
    return role


def _commands(job):
    """What a job has ops do, in order."""
    return [
        step["run"].partition(" -m ops ")[2]
        for step in job["steps"]
        if " -m ops " in step.get("run", "")
    ]


def test_before_a_plan_is_approved_it_is_known_whether_the_role_that_applies_it_can():
    plan = WORKFLOWS["deploy-environment"]["jobs"]["plan"]
    preflight, planning = _commands(plan)
    assert preflight == 'preflight --not-shown 0 --deploy-role "$DEPLOY_ROLE_ARN"'
    assert planning.startswith("plan ")
    (env,) = (step["env"] for step in plan["steps"] if " preflight " in step.get("run", ""))
    assert env["DEPLOY_ROLE_ARN"] == "${{ vars.DEPLOY_ROLE_ARN }}"
    assert not any("continue-on-error" in step for step in plan["steps"])


def test_what_was_applied_is_verified_by_a_role_that_reads_before_the_next_environment():
    jobs_ = WORKFLOWS["deploy-environment"]["jobs"]
    verify = jobs_["verify"]
    assert verify["needs"] == "apply" and list(jobs_)[-1] == "verify"
    assert _commands(verify) == ["verify --not-shown 1"]
    assert verify["environment"] == "${{ inputs.environment }}-plan"
    assert _role(verify) == "${{ vars.PLAN_ROLE_ARN }}"


def test_the_region_of_the_credentials_does_not_override_the_config_s():
    for _, step in steps():
        if " -m ops " in step.get("run", ""):
            assert step["env"]["AWS_REGION"] == ""


def test_what_deploys_takes_nothing_from_a_cache():
    for path, step in steps():
        if path.stem.startswith(("deploy", "drift")):
            assert step.get("with", {}).get("cache") is None


def test_the_versions_are_the_makefile_s():
    action = yaml.safe_load(
        Path(ROOT, ".github/actions/setup/action.yml").read_text(encoding="utf-8")
    )
    for tool in ("python", "node"):
        wanted = re.search(rf"^{tool.upper()}_WANTED := (.*)$", MAKEFILE, re.MULTILINE)
        assert wanted and action["inputs"][tool]["default"] == wanted[1]
    terraform = re.search(r"^TERRAFORM_WANTED := (.*)$", MAKEFILE, re.MULTILINE)
    (step,) = (step for step in action["runs"]["steps"] if "terraform" in step.get("uses", ""))
    assert terraform and step["with"]["terraform_version"].startswith(f"{terraform[1]}.")


@pytest.fixture(name="committed")
def _committed(tmp_path):
    """Commits a file, through the hooks, to a copy of the project; what git has said."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in (".pre-commit-config.yaml", ".secrets.baseline", "pyproject.toml", ".pylintrc"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (".venv", ".tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".gitignore").write_text(".venv\n.tools\n", encoding="utf-8")

    def git(*words):
        git_ = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com"]
        return subprocess.run([*git_, *words], capture_output=True, text=True, check=False)

    hook = [TOOLS / "pre-commit", "install"]
    subprocess.run(hook, cwd=tmp_path, check=True, capture_output=True)

    def commit(text):
        (tmp_path / "new.py").write_text(text, encoding="utf-8")
        git("add", ".")
        return git("commit", "-m", "a change")

    return commit


@pytest.mark.parametrize(
    ("text", "hook"),
    [
        ('"""A module."""\n\nNAME = "a"\n', None),
        ('"""A module."""\n\nNAME = "a"   \n', "format"),
        ('"""A module."""\n\nprint(NAME)\n', "errors"),
        (f'"""A module."""\n\nNAME = "AKIA{"Z7Q3M5K2P8L1N4R6"}"\n', "secrets"),
    ],
)
def test_the_hooks_let_through_what_is_fine_and_nothing_else(committed, text, hook):
    done = committed(text)
    assert (done.returncode == 0) is (hook is None), done.stderr
    assert set(re.findall(r"hook id: (\w+)", done.stderr)) == ({hook} if hook else set())
