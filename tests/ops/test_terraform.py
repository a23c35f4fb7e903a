"""Terraform's folders, its environment, and the states that it could not save."""

import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib.errors import TapError
from ops.terraform import unsaved
from ops.terraform.environ import LEFT_OUT, for_terraform
from ops.terraform.folders import IN_USE, OTHER_PROVIDER, PROVIDERS, STACK, RunFolder
from ops.terraform.process import UMASK, Interrupted, Terraform
from tests.ops.played import played

ROOT = Path(__file__).parents[2]

# --- the environment ----------------------------------------------------------------------------

LEFT = (
    *("TF_WORKSPACE", "TF_DATA_DIR", "TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_CLI_ARGS_apply"),
    *("TF_REATTACH_PROVIDERS", "TF_STATE_PERSIST_INTERVAL", "TF_FORCE_LOCAL_BACKEND"),
    *("AWS_S3_ENDPOINT", "AWS_DYNAMODB_ENDPOINT", "AWS_IAM_ENDPOINT", "AWS_STS_ENDPOINT"),
    *("AWS_SSE_CUSTOMER_KEY", "TF_AWS_DEFAULT_TAGS_Owner", "TF_VAR_db_password"),
    "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE",
)
KEPT = (
    *("TF_LOG", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_VAR_uploads", "TF_TOKEN_x"),
    *(
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "PATH",
        "HTTPS_PROXY",
    ),
)


@pytest.mark.parametrize("name", LEFT)
def test_what_would_make_terraform_look_elsewhere_is_left_out_and_told(name):
    told = []
    assert name not in for_terraform({name: "x"}, told.append)
    assert len(told) == 1 and told[0].startswith(f"{name} is left out: it changes ")
    assert for_terraform({name: ""}, told.append).get(name) is None and len(told) == 1


@pytest.mark.parametrize("name", KEPT)
def test_everything_else_goes_through(name):
    told = []
    assert for_terraform({name: "x"}, told.append)[name] == "x"
    assert not told


def test_each_that_is_left_out_is_tried():
    patterns = {each.rstrip("*") for group in LEFT_OUT.values() for each in group}
    assert all(any(name.startswith(each) for name in LEFT) for each in patterns)


def test_the_password_has_terraform_s_name():
    environ = for_terraform({"DB_PASSWORD": "ours", "TF_VAR_db_password": "theirs"})
    assert environ["TF_VAR_db_password"] == "ours"


def test_none_of_them_reaches_terraform(tmp_path, monkeypatch, capfd):
    log = played(tmp_path, monkeypatch)
    environ = os.environ | {name: "x" for name in (*LEFT, *KEPT[:2])} | {"TF_LOG": ""}
    Terraform(tmp_path, environ).run("plan", fine=(0, 2))
    reached = log.environ("plan")
    assert not set(LEFT) & set(reached)
    assert reached["TF_CLI_CONFIG_FILE"] == "x"
    assert "TF_WORKSPACE is left out" in capfd.readouterr().err


# --- the folders --------------------------------------------------------------------------------

DOCUMENT = {
    "terraform": {
        "backend": {"s3": {}},
        "required_providers": {"aws": {"source": "aws", "version": "6.25.0"}},
    }
}
OTHER = {
    "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "5.100.0"}}}
}


def lock_of(version):
    """A lock file of Terraform's."""
    name = "registry.terraform.io/hashicorp/aws"
    return f'provider "{name}" {{\n  version     = "{version}"\n  hashes = []\n}}\n'


@pytest.fixture(name="stack")
def _stack(tmp_path):
    """A synthesized stack's folder, with what others have left there."""
    stack = tmp_path / "cdktf.out" / "stacks" / "tap-dev-qa1"
    stack.mkdir(parents=True)
    (stack / STACK).write_text(json.dumps(DOCUMENT))
    for name in ("teardown_override.tf.json", "x.tf", "terraform.tfstate", "tap.tfplan"):
        (stack / name).write_text("left")
    return stack


def filled(stack, *, emulated=False):
    """A run's folder of it."""
    folder = RunFolder(stack.parents[1], stack.name)
    folder.fill(stack, kept=stack, emulated=emulated)
    return folder


def names(folder):
    """What is in it."""
    return {file.name for file in folder.path.iterdir()}


def test_a_run_has_known_files_alone(stack):
    (stack / "assets" / "lambda").mkdir(parents=True)
    (stack / "assets" / "lambda" / "code.zip").write_text("code")
    folder = filled(stack)
    assert names(folder) == {IN_USE, STACK, "assets"}
    assert folder.path.parents[2] == stack.parents[2], "as deep: a local state's path is relative"
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.copy_to(stack.parents[1] / "plans" / stack.name)
    assert (stack.parents[1] / "plans" / stack.name / "assets" / "lambda" / "code.zip").exists()
    folder.close()
    assert not folder.path.exists()


@pytest.mark.parametrize(("version", "taken"), [("6.25.0", True), ("6.24.0", False)])
def test_the_lock_of_the_provider_comes_along_as_long_as_it_fits(stack, version, taken):
    (stack / PROVIDERS).write_text(lock_of(version))
    assert (PROVIDERS in names(filled(stack))) == taken


@pytest.mark.parametrize(("version", "taken"), [("6.25.0", True), ("6.24.0", False)])
def test_the_lock_that_the_project_has_committed_comes_first(stack, tmp_path, version, taken):
    project = tmp_path / "project"
    project.mkdir()
    (project / PROVIDERS).write_text(lock_of(version) + "# committed\n")
    (stack / PROVIDERS).write_text(lock_of("6.25.0"))
    folder = RunFolder(stack.parents[1], stack.name)
    folder.fill(stack, kept=stack, emulated=False, project=project)
    assert ("# committed" in (folder.path / PROVIDERS).read_text()) == taken == folder.pinned


def test_the_lock_is_known_to_the_next_run(stack):
    folder = filled(stack)
    folder.keep_providers(stack)
    assert not (stack / PROVIDERS).exists()
    (folder.path / PROVIDERS).write_text(lock_of("6.25.0"))
    folder.keep_providers(stack)
    assert PROVIDERS in names(filled(stack))


def test_another_version_of_the_provider_is_for_the_embedded_aws_alone(stack):
    (stack / OTHER_PROVIDER).write_text(json.dumps(OTHER))
    (stack / PROVIDERS).write_text(lock_of("5.100.0"))
    assert names(filled(stack)) == {IN_USE, STACK}
    assert names(filled(stack, emulated=True)) == {IN_USE, STACK, OTHER_PROVIDER, PROVIDERS}


@pytest.mark.parametrize(
    "document", ["{", "[]", "{}", json.dumps(OTHER | {"resource": {}}), json.dumps(DOCUMENT)]
)
def test_an_override_that_asks_for_more_is_refused(stack, document):
    (stack / OTHER_PROVIDER).write_text(document)
    with pytest.raises(TapError, match="asks for more than a version"):
        filled(stack, emulated=True)


def test_two_runs_have_two_folders(stack):
    one, two = filled(stack), filled(stack)
    assert one.path != two.path
    assert one.path.exists(), "the second removes nothing that is in use"
    one.close()
    assert two.path.exists()


HOLD = """
import sys, time
from pathlib import Path
from ops.terraform.folders import RunFolder
import subprocess
folder = RunFolder(Path(sys.argv[1]), "tap-dev-qa1")
works = subprocess.Popen(["sleep", "60"], pass_fds=[folder.lock], start_new_session=True)
print(folder.path, works.pid, flush=True)
time.sleep(60)
"""


def test_what_a_killed_run_left_goes_once_terraform_has_ended(stack):
    """TAP is killed, and Terraform works on: it has inherited the lock."""
    output = stack.parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as tap:
        assert tap.stdout
        path, pid = tap.stdout.readline().split()
        tap.kill()
    filled(stack).close()
    assert Path(path).exists(), "Terraform is still at work there"
    os.kill(int(pid), 9)
    with (Path(path) / IN_USE).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it has ended
    filled(stack).close()
    assert not Path(path).exists()


def test_a_state_that_was_not_saved_stays(stack):
    folder = filled(stack)
    (folder.path / unsaved.UNSAVED).write_text("{}")
    folder.close()
    filled(stack).close()
    assert unsaved.unsaved(stack.parents[1], stack.name) == [folder.path / unsaved.UNSAVED]


# --- the states that were not saved -------------------------------------------------------------


def test_make_clean_removes_no_state_that_was_not_saved(tmp_path):
    for name in ("Makefile", "ops/terraform/unsaved.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    left = tmp_path / "cdktf.out" / "runs" / "tap-dev-qa1@1" / unsaved.UNSAVED
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    done = subprocess.run(
        ["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and str(left.relative_to(tmp_path)) in done.stderr
    assert left.exists()
    left.unlink()
    subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, check=True)
    assert not (tmp_path / "cdktf.out").exists()


# --- running it ---------------------------------------------------------------------------------


def test_a_state_and_a_plan_are_their_owner_s_alone(tmp_path, monkeypatch):
    played(tmp_path, monkeypatch)
    terraform = Terraform(tmp_path, os.environ)
    terraform.run("plan", fine=(0, 2))
    assert (tmp_path / "tap.tfplan").stat().st_mode & UMASK == 0


CACHED = """#!/bin/sh
echo "${TF_PLUGIN_CACHE_DIR:-none}" >> "$LOG/caches"
mkdir "$LOG/alone" || { echo "Error: two at once"; exit 1; }
sleep 0.2
rmdir "$LOG/alone"
"""


@pytest.fixture(name="cached")
def _cached(tmp_path, monkeypatch):
    """A Terraform whose init wants to be alone; returns its environment."""
    played(tmp_path, monkeypatch)
    (tmp_path / "terraform").write_text(CACHED)
    monkeypatch.delenv("CDKTF_DISABLE_PLUGIN_CACHE_ENV")
    monkeypatch.setenv("HOME", str(tmp_path))
    return lambda **more: {**os.environ, **more}


INIT = """
import os, sys
from pathlib import Path
from ops.terraform.process import Terraform
Terraform(Path(sys.argv[1]), os.environ).initialise()
"""


@pytest.mark.parametrize("named", [False, True])
def test_one_init_at_a_time_uses_the_shared_cache(tmp_path, cached, named):
    cache = tmp_path / ("theirs" if named else ".terraform.d/plugin-cache")
    environ = cached(**({"TF_PLUGIN_CACHE_DIR": str(cache)} if named else {}))

    def init(_):
        return subprocess.run(
            [sys.executable, "-c", INIT, str(tmp_path)], env=environ, cwd=ROOT, check=False
        ).returncode

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(init, range(3))) == [0, 0, 0]
    assert (tmp_path / "caches").read_text().splitlines() == [str(cache)] * 3


@pytest.mark.parametrize(
    "environ",
    [{"HOME": ""}, {"HOME": "/proc"}, {"CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1"}],
    ids=str,
)
def test_where_there_can_be_no_cache_it_does_without(tmp_path, cached, environ):
    Terraform(tmp_path, cached(**environ)).initialise()
    assert (tmp_path / "caches").read_text() == "none\n"


def test_an_interrupted_apply_isn_t_to_be_run_again():
    assert all("run it again" in Interrupted(each).hint for each in ("plan", "destroy", "untaint"))
    assert "plan anew" in Interrupted("apply").hint and "recover" in Interrupted("apply").hint
