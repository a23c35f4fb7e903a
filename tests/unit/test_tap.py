"""``tap.py`` as a person meets it: a process with an environment, an exit code, and files."""

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

import tap
from lib.config.environment_config import NatMode, SubnetTier
from tests import project
from tests.conftest import BY_NAME, changed

GOOD = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1"}
SECRET = "hunter2 hunter2"  # pragma: allowlist secret
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
LONG_BEFORE = date(2026, 1, 1)  # no version is near its end of support


def run(folder, *, prefix=(), **environ):
    """tap.py, writing to ``folder``, with these variables on top of the bare environment (and
    coverage's own)."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME") or name.startswith("COVERAGE_")
    }
    return subprocess.run(
        [*prefix, sys.executable, project.folder() / "tap.py"],
        cwd=folder,
        env={**keep, "CDKTF_OUTDIR": str(folder / "cdktf.out"), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def files(folder):
    """Every file below a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(name="earlier")
def _earlier(tmp_path):
    """A folder with the output of an earlier run."""
    (tmp_path / "cdktf.out").mkdir()
    (tmp_path / "cdktf.out" / "manifest.json").write_text("of an earlier run")
    return tmp_path


BAD = {
    "nothing set": ({}, ["ENVIRONMENT: is not set", "ENVIRONMENT_SUFFIX: is not set"]),
    "unknown environment": ({**GOOD, "ENVIRONMENT": "prd"}, ["ENVIRONMENT: unknown"]),
    "environment twice": ({**GOOD, "ENVIRONMENT": "dev,dev"}, ["ENVIRONMENT: 'dev'"]),
    "all and one": ({**GOOD, "ENVIRONMENT": "all,dev"}, ["ENVIRONMENT: all"]),
    "empty name": ({**GOOD, "ENVIRONMENT": "dev,"}, ["ENVIRONMENT: 'dev,'"]),
    "no suffix": ({"ENVIRONMENT": "dev"}, ["ENVIRONMENT_SUFFIX: is not set"]),
    "upper case suffix": ({**GOOD, "ENVIRONMENT_SUFFIX": "QA"}, ["ENVIRONMENT_SUFFIX: 'QA'"]),
    "long suffix": ({**GOOD, "ENVIRONMENT_SUFFIX": "a" * 17}, ["ENVIRONMENT_SUFFIX: 'a"]),
    "outer hyphen": ({**GOOD, "ENVIRONMENT_SUFFIX": "-a"}, ["ENVIRONMENT_SUFFIX: '-a'"]),
    "region": ({**GOOD, "AWS_REGION": "mars-1"}, ["AWS_REGION: 'mars-1'"]),
    "backend": ({**GOOD, "STATE_BACKEND": "gcs"}, ["STATE_BACKEND: 'gcs'"]),
    "image": ({**GOOD, "CONTAINER_IMAGE": "a b"}, ["CONTAINER_IMAGE: 'a b'"]),
    "latest in production": (
        {**GOOD, "ENVIRONMENT": "prod", "CONTAINER_IMAGE": "shop:latest"},
        ["prod.service.image: "],
    ),
    "password": ({**GOOD, "DB_PASSWORD": SECRET}, ["DB_PASSWORD: "]),
    "everything": (
        {
            "ENVIRONMENT": "prd",
            "ENVIRONMENT_SUFFIX": "Q",
            "AWS_REGION": "x",
            "DB_PASSWORD": SECRET,
            "STATE_BACKEND": "x",
            "CONTAINER_IMAGE": "a b",
        },
        [
            "ENVIRONMENT: ",
            "ENVIRONMENT_SUFFIX: ",
            "AWS_REGION: ",
            "DB_PASSWORD: ",
            "STATE_BACKEND: ",
            "CONTAINER_IMAGE: ",
        ],
    ),
}


@pytest.mark.parametrize(("environ", "problems"), BAD.values(), ids=list(BAD))
def test_bad_input_is_named_and_nothing_is_written(earlier, environ, problems):
    before = files(earlier)
    done = run(earlier, **environ)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert len(lines) == len(problems), done.stderr
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(f"tap: {problem}")
        assert line.endswith(")"), "a problem comes with its fix"
    assert SECRET not in done.stderr + done.stdout
    assert files(earlier) == before


BAD_CONFIG = {
    "dev.network.cidr": {"network": {"cidr": "10.0.0.1/16"}},
    "dev.network.nat": {"network": {"nat": "none"}},
    "dev.service.subnets": {"service": {"subnets": SubnetTier.PRIVATE}},
    "dev.service.memory_mib": {"service": {"memory_mib": 1536 * 4}},
    "dev.database.storage_gib": {"database": {"storage_gib": 5}},
    "dev.database.username": {"database": {"username": "admin"}},
}


@pytest.mark.parametrize(("path", "change"), BAD_CONFIG.items(), ids=list(BAD_CONFIG))
def test_bad_config_is_named_too(tmp_path, capsys, path, change):
    environments = [changed(BY_NAME["dev"], **change), BY_NAME["prod"]]
    # prod is asked for: what is wrong with dev is told all the same.
    environ = {**GOOD, "ENVIRONMENT": "prod", "CDKTF_OUTDIR": str(tmp_path)}
    assert tap.main(environ, LONG_BEFORE, environments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tap: {path}")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module", name="written")
def _written(tmp_path_factory):
    """The files of a run for all environments, in a folder with an awkward name."""
    folder = tmp_path_factory.mktemp('a folder\'s "name" $HOME')
    done = run(folder, ENVIRONMENT="all", ENVIRONMENT_SUFFIX="qa1", PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    return files(folder)


def test_all_writes_a_stack_for_each_environment(written):
    assert sorted(path for path in written if path.endswith("cdk.tf.json")) == [
        f"cdktf.out/stacks/tap-{name}-qa1/cdk.tf.json" for name in sorted(BY_NAME)
    ]


def test_the_same_bytes_in_another_folder_with_another_hash_seed(written, tmp_path):
    done = run(
        tmp_path,
        ENVIRONMENT=" ,  ".join(reversed(BY_NAME)),
        ENVIRONMENT_SUFFIX="qa1",
        PYTHONHASHSEED="2",
        AWS_REGION="",
        DB_PASSWORD="",
        STATE_BACKEND="",
        CONTAINER_IMAGE="",
    )
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == written


def test_no_path_of_the_machine_is_in_the_output(written):
    for path, content in written.items():
        assert str(project.folder()).encode() not in content, path
        assert b"a folder's" not in content, path


def test_overrides_arrive(tmp_path):
    done = run(
        tmp_path,
        **GOOD,
        AWS_REGION="eu-central-1",
        STATE_BACKEND="local",
        CONTAINER_IMAGE="shop@sha256:" + "0" * 64,
        DB_PASSWORD="correct-horse-battery",  # pragma: allowlist secret
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "cdktf.out/stacks/tap-dev-qa1/cdk.tf.json").read_text()
    for expected in ('"region": "eu-central-1"', "shop@sha256:000", '"local"', "db_password"):
        assert expected in text
    assert "correct-horse" not in text + done.stdout + done.stderr


def test_a_fourth_environment_is_one_entry(tmp_path, capsys):
    fourth = dataclasses.replace(
        changed(BY_NAME["staging"], network={"cidr": "10.204.0.0/16", "nat": NatMode.PER_AZ}),
        name="fourth",
    )
    environ = {**GOOD, "ENVIRONMENT": "fourth", "CDKTF_OUTDIR": str(tmp_path)}
    assert tap.main(environ, LONG_BEFORE, [*BY_NAME.values(), fourth]) == 0
    assert capsys.readouterr().err == ""
    text = (tmp_path / "stacks/tap-fourth-qa1/cdk.tf.json").read_text()
    assert '"cidr_block": "10.204.0.0/16"' in text
    assert "fourth-us-east-1-tfstate-qa1" in text


@pytest.mark.parametrize(
    ("today", "warned"),
    [(date(2026, 8, 27), False), (date(2026, 8, 28), True), (date(2027, 3, 1), True)],
)
def test_the_end_of_support_is_told_six_months_ahead(tmp_path, capsys, today, warned):
    assert tap.main({**GOOD, "CDKTF_OUTDIR": str(tmp_path)}, today) == 0
    error = capsys.readouterr().err
    assert error.startswith("tap: warning: dev.database.engine_version: ") is warned
    assert ("2027-02-28" in error) is warned


def test_what_production_should_not_stay_with_is_told(tmp_path, capsys):
    environ = {**GOOD, "ENVIRONMENT": "all", "CDKTF_OUTDIR": str(tmp_path)}
    assert tap.main(environ, LONG_BEFORE) == 0
    told = [line.split(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["prod.load_balancer.certificate_arn", "prod.alarms.emails"]

    mended = changed(
        BY_NAME["prod"],
        load_balancer={
            "certificate_arn": CERTIFICATE,
            "domain_name": "app.example.com",
            "allow_plain_http": False,
        },
        alarms={"emails": ("team@example.com",)},
    )
    environ = {**GOOD, "ENVIRONMENT": "prod", "CDKTF_OUTDIR": str(tmp_path)}
    assert tap.main(environ, LONG_BEFORE, [mended]) == 0
    assert capsys.readouterr().err == ""


def test_without_a_folder_given_it_writes_to_the_project_s_whatever_folder_it_is_run_in():
    assert tap.OUTPUT == project.ROOT / "cdktf.out"


def test_it_finds_its_modules_where_python_leaves_its_folder_out(tmp_path):
    done = run(tmp_path, PYTHONSAFEPATH="1", **GOOD)
    assert done.returncode == 0, done.stderr


def test_two_at_once_do_not_get_in_each_other_s_way(tmp_path):
    with ThreadPoolExecutor() as pool:
        with tap.alone_in(tmp_path / "cdktf.out"):
            second = pool.submit(run, tmp_path, **GOOD)
            with pytest.raises(TimeoutError):
                second.result(timeout=5)
            assert not list((tmp_path / "cdktf.out").iterdir())
        assert second.result().returncode == 0


@pytest.mark.parametrize(
    ("home", "off"),
    [("{folder}", False), ("{folder}/not/there", False), ("/proc/1", True), ("~", True)],
)
def test_jsii_s_cache_is_off_where_it_could_not_be_written(tmp_path, monkeypatch, home, off):
    monkeypatch.setattr(tap, "JSII_CACHE", f"{home.format(folder=tmp_path)}/cache")
    if home == "~":  # a user whose home folder nobody knows
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("JSII_RUNTIME_PACKAGE_CACHE", raising=False)
    tap.turn_off_unusable_cache()
    assert os.environ.get("JSII_RUNTIME_PACKAGE_CACHE") == ("disabled" if off else None)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(
    not all(each.stat().st_mode & 0o001 for each in (project.ROOT, *project.ROOT.parents)),
    reason="the project is in a folder that nobody else gets into",
)
def test_a_user_without_an_entry_and_without_a_home_can_synthesize(tmp_path):
    somebody = ["setpriv", "--reuid=45678", "--regid=45678", "--clear-groups"]
    output = tmp_path / "cdktf.out"
    output.mkdir()
    os.chown(output, 45678, 45678)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o111)
    done = run(project.folder(), prefix=somebody, HOME="/", CDKTF_OUTDIR=str(output), **GOOD)
    assert done.returncode == 0, done.stderr
    assert (output / "stacks/tap-dev-qa1/cdk.tf.json").exists()
