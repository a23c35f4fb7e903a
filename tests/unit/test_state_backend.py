"""The state: its bucket and table, and the backend that each environment uses."""

from datetime import date

import pytest

from lib.config.environment_config import StateBackend, StateLock
from lib.config.warnings import warnings
from tests.conftest import BY_NAME, changed
from tests.synthesized import SUFFIX

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy/tap"


def test_the_bucket_is_versioned_encrypted_and_private(stack):
    bucket = stack.at("state/bucket")
    for path in ("versioning", "encryption", "ownership", "public_access", "policy", "lifecycle"):
        assert stack.at(f"state/{path}")["bucket"] == bucket.ref("id")
    assert stack.at("state/versioning")["versioning_configuration"] == {"status": "Enabled"}
    assert stack.at("state/encryption")["rule"] == [
        {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    ]
    assert stack.at("state/ownership")["rule"] == {"object_ownership": "BucketOwnerEnforced"}
    for switch in (
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    ):
        assert stack.at("state/public_access")[switch] is True


def test_the_bucket_is_reached_through_tls_alone(stack):
    bucket = stack.at("state/bucket").ref("arn")
    (statement,) = stack.at("state/policy").policy()
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == "*"
    assert statement["Action"] == "s3:*"
    assert statement["Resource"] == [bucket, f"{bucket}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_old_versions_of_the_state_expire(stack):
    (rule,) = stack.at("state/lifecycle")["rule"]
    days = stack.config.state.noncurrent_version_days
    assert rule["status"] == "Enabled"
    assert rule["filter"] == [{"prefix": ""}]
    assert rule["noncurrent_version_expiration"] == [{"noncurrent_days": days}]
    assert "expiration" not in rule, "the state itself must never expire"


def test_the_lock_table_is_what_terraform_expects(stack):
    table = stack.at("state/lock_table")
    assert table["hash_key"] == "LockID"
    assert table["attribute"] == [{"name": "LockID", "type": "S"}]
    assert table["billing_mode"] == "PAY_PER_REQUEST"
    assert table["point_in_time_recovery"] == {"enabled": True}
    assert table["server_side_encryption"]["enabled"] is True


def test_both_go_with_the_environment_only_where_config_says_so(stack):
    deletable = stack.config.state.deletable
    bucket, table = stack.at("state/bucket"), stack.at("state/lock_table")
    assert bucket["force_destroy"] is deletable
    assert table["deletion_protection_enabled"] is not deletable
    for resource in (bucket, table):
        assert resource.get("lifecycle") == (None if deletable else {"prevent_destroy": True})
    assert not (deletable and stack.config.production)


def test_the_stack_keeps_its_state_in_its_own_bucket(stack):
    (backend,) = stack.document["terraform"]["backend"].items()
    env = stack.config.name
    assert backend == (
        "s3",
        {
            "bucket": stack.at("state/bucket")["bucket"],
            "key": f"tap-{env}-{SUFFIX}/terraform.tfstate",
            "region": stack.config.region,
            "encrypt": True,
            "use_lockfile": True,
        },
    )
    assert backend[1]["bucket"] == f"{env}-{stack.config.region}-tfstate-{SUFFIX}"


@pytest.mark.parametrize(
    ("lock", "table", "lockfile"),
    [
        (StateLock.LOCKFILE, False, True),
        (StateLock.DYNAMODB, True, False),
        (StateLock.BOTH, True, True),
    ],
)
def test_the_lock_is_the_config_s(synthesize, lock, table, lockfile):
    stack = synthesize("prod", state={"lock": lock})
    backend = stack.document["terraform"]["backend"]["s3"]
    name = stack.at("state/lock_table")["name"]
    assert backend.get("dynamodb_table") == (name if table else None)
    assert backend.get("use_lockfile") == (True if lockfile else None)


@pytest.mark.parametrize("lock", StateLock)
def test_a_lock_that_newer_terraform_deprecates_is_warned_of(lock):
    config = changed(BY_NAME["dev"], state={"lock": lock})
    told = [each for each in warnings(config, date(2026, 1, 1)) if "dev.state.lock" in each]
    assert len(told) == (lock is not StateLock.LOCKFILE)


def test_the_account_and_the_role_hold_for_the_state_too(synthesize):
    stack = synthesize("prod", account_id=ACCOUNT, deploy_role_arn=ROLE)
    backend = stack.document["terraform"]["backend"]["s3"]
    assert backend["allowed_account_ids"] == [ACCOUNT]
    assert backend["assume_role"] == {"role_arn": ROLE}
    assert backend["bucket"] == f"prod-us-east-1-tfstate-{SUFFIX}-{ACCOUNT}"


def test_terraform_has_to_be_new_enough(stack):
    assert stack.document["terraform"]["required_version"] == ">= 1.11"


def test_local_state_stands_beside_the_project(synthesize):
    stack = synthesize("dev", state={"backend": StateBackend.LOCAL})
    assert stack.document["terraform"]["backend"] == {
        "local": {"path": f"../../../terraform.tap-dev-{SUFFIX}.tfstate"}
    }
    assert stack.has("state/bucket"), "the bucket is made whichever backend is used"
