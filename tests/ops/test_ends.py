"""Whatever ends a command of ops, a person sees one line, and the exit code says which."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lib.errors import ExitCode
from ops import __main__ as ops

ROOT = Path(__file__).parents[2]
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")
SETTINGS = "AWS's settings: "


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
        (DENIED, ExitCode.FAILED, "AWS: An error occurred (AccessDenied)"),
        (
            EndpointConnectionError(endpoint_url="http://x"),
            ExitCode.FAILED,
            "AWS: Could not connect",
        ),
        (
            ProfileNotFound(profile="missing"),
            ExitCode.USAGE,
            f"{SETTINGS}The config profile (missing)",
        ),
        (ConfigParseError(path="x"), ExitCode.USAGE, f"{SETTINGS}Unable to parse config file: x"),
        (NoCredentialsError(), ExitCode.USAGE, f"{SETTINGS}Unable to locate credentials"),
        (
            PartialCredentialsError(provider="env", cred_var="x"),
            ExitCode.USAGE,
            f"{SETTINGS}Partial credentials found in env",
        ),
        (
            ValueError("Invalid endpoint: localhost:4566"),
            ExitCode.USAGE,
            f"{SETTINGS}Invalid endpoint: localhost:4566 (write a whole address",
        ),
        (ValueError("of ours"), ExitCode.FAILED, "ValueError: of ours"),
    ],
)
def test_what_no_command_has_thought_of_is_one_line_too(monkeypatch, capsys, error, code, line):
    def end(*_):
        raise error

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=end)
    monkeypatch.setattr(ops, "commands_parser", lambda: parser)
    monkeypatch.delenv("TAP_TRACEBACK", raising=False)
    assert ops.main([]) == code
    (shown,) = capsys.readouterr().err.splitlines()
    assert shown.startswith(f"tap: {line}")


def run(*words, shell="{}", folder=ROOT, **environ):
    """A command, as it is typed in a shell; none of the person's settings for AWS."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    asked = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1", "PYTHONUNBUFFERED": ""}
    command = " ".join([sys.executable, "-m", "ops", *words])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell.format(command)}"],
        cwd=folder,
        env={**keep, **asked, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def without_warnings(text):
    """What a command says of itself: warnings are the config's."""
    return [line for line in text.splitlines() if not line.startswith("tap: warning: ")]


@pytest.mark.parametrize("words", [["cost"], ["guard", "tests/ops/plans/destroy.json"]])
def test_a_reader_that_has_seen_enough_ends_no_command_with_an_error(words):
    done = run(*words, shell="{} | true")
    assert done.returncode == ExitCode.READER_GONE
    assert not without_warnings(done.stderr)


def test_a_full_disk_is_named():
    done = run("cost", shell="{} > /dev/full")
    assert done.returncode == ExitCode.FAILED
    assert without_warnings(done.stderr) == [
        "tap: No space left on device (make room and run it again)"
    ]


@pytest.mark.parametrize("words", [["cost"], ["parity", "dev", "prod"]])
def test_a_terminal_that_knows_ascii_alone_shows_all_of_it(words):
    done = run(*words, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert not without_warnings(done.stderr)


@pytest.mark.parametrize("words", [["preflight"], ["verify"], ["state", "status"]])
@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_PROFILE": "missing"},
        {"AWS_CONFIG_FILE": "{file}"},
        {"AWS_ENDPOINT_URL": "localhost:1"},
    ],
    ids=["profile", "file", "endpoint"],
)
def test_settings_of_aws_that_boto3_rejects_are_bad_input(tmp_path, words, environ):
    (tmp_path / "config").write_text("[[profile")
    given = {name: value.format(file=tmp_path / "config") for name, value in environ.items()}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = run(*words, **keys, **given)
    assert done.returncode == ExitCode.USAGE
    (line,) = without_warnings(done.stderr)
    assert line.startswith(f"tap: {SETTINGS}")


def test_commands_work_from_any_folder_of_the_project():
    done = run("preflight", "--policy", folder=ROOT / "docs" / "adr", PYTHONSAFEPATH="1")
    assert done.returncode == 0, done.stderr


def test_make_setup_is_named_where_it_is_missing():
    done = run("cost", shell=f"{sys.executable} -S -m ops cost")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "tap: boto3 is not installed (run make setup)\n"
