"""A bucket that another account owns, with a state planted in it: no command goes near it."""

# pylint: disable=protected-access

import json
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lib.errors import TapError
from ops.__main__ import main
from ops.emulator import patches
from ops.state.homes import Bucket, Homes
from ops.state.locks import Locks
from tests.ops.test_state import ACCOUNT, BUCKET, KEY, REGION, make_place, snapshot


@pytest.fixture(name="account", autouse=True)
def _account(monkeypatch):
    """An empty account, and nothing of the person's own."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "ENVIRONMENT_SUFFIX", "STATE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


@pytest.fixture(name="theirs")
def _theirs(monkeypatch, tmp_path):
    """dev's place where somebody else has made the bucket, with a state in it."""
    patches.bucket_owner(
        lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
    )
    place = make_place(tmp_path, bucket=False)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    other = boto3.Session("other", "other", region_name=REGION).client("s3")
    other.create_bucket(Bucket=BUCKET)
    other.put_object(Bucket=BUCKET, Key=KEY, Body=snapshot(9).content)
    other.put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=b"{}")
    monkeypatch.delenv("MOTO_ACCOUNT_ID")
    return place


CALLS = (
    Homes.of,
    lambda place: Bucket(place).read(),
    lambda place: list(Bucket(place).versions()),
    lambda place: Bucket(place).write(snapshot()),
    lambda place: Bucket(place).remove(),
    lambda place: Bucket(place).others(),
    lambda place: Bucket(place).kept_of_others(),
    lambda place: Bucket(place).empty(),
    lambda place: Locks(place)._file(),
    lambda place: Locks(place)._take_file("{}"),
    lambda place: Locks(place)._remove_file(),
)


@pytest.mark.parametrize("call", CALLS)
def test_a_bucket_of_another_account_is_not_touched(theirs, call):
    with pytest.raises((TapError, ClientError), match="is not account|AccessDenied|403"):
        call(theirs)


@pytest.mark.parametrize(
    "command",
    [
        *(["cdktf", verb, "--auto-approve", "--skip-synth"] for verb in ("diff", "deploy")),
        ["cdktf", "destroy", "--auto-approve", "--skip-synth"],
        *(["state", verb, "--skip-synth"] for verb in ("bootstrap", "recover")),
        ["recover", "--skip-synth"],
        ["state", "migrate", "--to", "local", "--skip-synth"],
        ["state", "teardown", "--yes-destroy", "tap-dev-qa1", "--skip-synth"],
        ["state", "status"],
    ],
    ids=" ".join,
)
def test_no_command_reads_a_state_that_another_account_has_planted(
    theirs, shipped, monkeypatch, capsys, command
):
    (theirs.folder / "cdk.tf.json").write_text(json.dumps(shipped("dev").document))
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "qa1")
    monkeypatch.setattr("ops.graceful.run", Mock(side_effect=AssertionError("Terraform ran")))
    assert main([*command, "--output", str(theirs.output)]) == 2
    told = capsys.readouterr().err
    assert f"the bucket {BUCKET} is not account {ACCOUNT}'s" in told


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_no_plan_is_made_or_applied_by_a_state_that_another_account_has_planted(
    theirs, monkeypatch, capsys, command
):
    plans = theirs.output / "plans" / theirs.stack
    plans.mkdir(parents=True)
    for name in ("tap.tfplan", "cdk.tf.json"):
        (plans / name).write_text("{}")
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "qa1")
    monkeypatch.setattr("ops.plan.OUTPUT", theirs.output)
    assert main([command]) == 2
    assert f"the bucket {BUCKET} is not account {ACCOUNT}'s" in capsys.readouterr().err
