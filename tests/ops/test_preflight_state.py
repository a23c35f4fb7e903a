"""``ops preflight``: where the state is, and who holds its lock."""

import json

import pytest

from lib.config.environment_config import StateBackend, StateLock
from ops.checkup import Outcome
from ops.preflight import state
from ops.preflight.state import CHECKS
from tests.checkups import DENIED, account, client, result_of, subject_of

BUCKET = "dev-us-east-1-tfstate-qa1"
TABLE = "dev-us-east-1-tflock-qa1"
KEY = "tap-dev-qa1/terraform.tfstate"
STATE = {"version": 4, "serial": 3, "lineage": "one", "resources": []}
LOCK = {"ID": "46e4306b", "Who": "ann@ci-7", "Created": "2026-11-23", "Operation": "Apply"}


@pytest.fixture(name="aws", autouse=True)
def _aws(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "OUTPUT", tmp_path / "cdktf.out")
    with account(monkeypatch) as answers:
        yield answers


@pytest.fixture(name="s3")
def _s3():
    """The bucket and its table are there, and a state in it."""
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(STATE).encode())
    client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return s3


def findings(shipped, **changes):
    """What the check finds of dev."""
    return result_of(CHECKS, "state", subject_of(shipped("dev"), **changes)).findings


def test_a_whole_state_that_nobody_holds_passes(shipped, s3):
    assert s3
    first, second = findings(shipped)
    assert {first.outcome, second.outcome} == {Outcome.PASSED}
    assert f"s3://{BUCKET}/{KEY}" in first.found and "serial 3" in first.found
    assert second.found == "nobody holds the lock"


def test_without_a_bucket_the_command_that_makes_it_is_said(shipped):
    bootstrap, lock = findings(shipped)
    assert bootstrap.outcome is Outcome.WARNING and BUCKET in bootstrap.found
    assert "npm run cdktf:deploy" in bootstrap.fix and "state bootstrap" in bootstrap.fix
    assert lock.outcome is Outcome.PASSED


def test_a_local_state_wants_no_bucket(shipped):
    first, _ = findings(shipped, state={"backend": StateBackend.LOCAL})
    assert first.outcome is Outcome.PASSED and "terraform.tap-dev-qa1.tfstate" in first.found


def test_a_local_state_is_found(shipped, tmp_path):
    (tmp_path / "terraform.tap-dev-qa1.tfstate").write_text(json.dumps(STATE))
    first, _ = findings(shipped, state={"backend": StateBackend.LOCAL})
    assert first.outcome is Outcome.PASSED and "serial 3" in first.found


def test_an_empty_bucket_is_fine(shipped, s3):
    for version in s3.list_object_versions(Bucket=BUCKET)["Versions"]:
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version["VersionId"])
    first, _ = findings(shipped)
    assert first.outcome is Outcome.PASSED and f"none yet in {BUCKET}" in first.found


@pytest.mark.parametrize(
    ("lock", "outcome"),
    [(StateLock.BOTH, Outcome.FAILED), (StateLock.LOCKFILE, Outcome.WARNING)],
)
def test_a_lock_table_that_is_gone_is_named(shipped, s3, lock, outcome):
    assert s3
    client("dynamodb").delete_table(TableName=TABLE)
    (missing,) = [each for each in findings(shipped, state={"lock": lock}) if TABLE in each.found]
    assert missing.outcome is outcome and "state bootstrap" in missing.fix


def test_who_holds_the_lock_is_said(shipped, s3):
    s3.put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=json.dumps(LOCK).encode())
    (held,) = [each for each in findings(shipped) if each.outcome is Outcome.FAILED]
    assert "ann@ci-7 since 2026-11-23" in held.found
    assert "state unlock 46e4306b" in held.fix


def test_a_state_that_was_cut_short_fails(shipped, s3):
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b'{"version": 4, "ser')
    (broken,) = [each for each in findings(shipped) if each.outcome is Outcome.FAILED]
    assert "cut short" in broken.found and "runbook" in broken.fix


def test_a_denied_look_is_named(shipped, s3, aws):
    assert s3
    aws.give("s3:GetObject", DENIED)
    (finding,) = findings(shipped)
    assert finding.outcome is Outcome.FAILED and "s3:GetObject is denied" in finding.found
