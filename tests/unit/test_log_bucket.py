"""The bucket for access logs: who writes to it, and what becomes of what is written."""

import pytest


def test_the_bucket_is_versioned_encrypted_and_private(stack):
    bucket = stack.at("access_logs/bucket")
    parts = ("versioning", "encryption", "ownership", "public_access", "policy", "lifecycle")
    for path in (*parts, "events"):
        assert stack.at(f"access_logs/{path}")["bucket"] == bucket.ref("id")
    assert stack.at("access_logs/versioning")["versioning_configuration"] == {"status": "Enabled"}
    assert stack.at("access_logs/ownership")["rule"] == {"object_ownership": "BucketOwnerEnforced"}
    for switch in (
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    ):
        assert stack.at("access_logs/public_access")[switch] is True


def test_it_is_encrypted_by_s3_the_only_way_that_load_balancers_write_to(stack):
    assert stack.at("access_logs/encryption")["rule"] == [
        {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    ]


def test_two_services_write_and_nobody_else_is_let_in(stack):
    bucket = stack.at("access_logs/bucket").ref("arn")
    account = stack.at("provider/caller").ref("account_id")
    balancers, buckets, tls = stack.at("access_logs/policy").policy()
    assert balancers["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert balancers["Resource"] == f"{bucket}/alb/AWSLogs/{account}/*"
    assert buckets["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert buckets["Resource"] == f"{bucket}/state/*"
    assert buckets["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
    assert balancers["Action"] == buckets["Action"] == "s3:PutObject"
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert tls["Resource"] == [bucket, f"{bucket}/*"]
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_logs_are_kept_as_long_as_the_config_says(stack):
    (rule,) = stack.at("access_logs/lifecycle")["rule"]
    assert rule["expiration"] == [{"days": stack.config.access_logs.retention_days}]
    assert rule["noncurrent_version_expiration"] == [{"noncurrent_days": 1}]
    assert (
        stack.at("access_logs/versioning").address
        in (stack.at("access_logs/lifecycle")["depends_on"])
    )


def test_it_goes_with_the_environment_only_where_config_says_so(stack):
    bucket, deletable = stack.at("access_logs/bucket"), stack.config.access_logs.deletable
    assert bucket["force_destroy"] is deletable
    assert bucket.get("lifecycle") == (None if deletable else {"prevent_destroy": True})
    assert not (deletable and stack.config.production)


def test_the_load_balancer_writes_to_it_once_it_may(stack):
    balancer = stack.at("load_balancer/load_balancer")
    assert balancer["access_logs"] == {
        "bucket": stack.at("access_logs/bucket").ref("bucket"),
        "enabled": True,
        "prefix": "alb",
    }
    assert stack.at("access_logs/policy").address in balancer["depends_on"]


def test_the_state_s_bucket_writes_to_it_once_it_may(stack):
    logging = stack.at("state/access_logs")
    assert logging["bucket"] == stack.at("state/bucket").ref("id")
    assert logging["target_bucket"] == stack.at("access_logs/bucket").ref("bucket")
    assert logging["target_prefix"] == "state/"
    assert stack.at("access_logs/policy").address in logging["depends_on"]


def test_each_bucket_tells_eventbridge_what_happens(stack):
    for path in ("access_logs", "state"):
        events = stack.at(f"{path}/events")
        assert events["bucket"] == stack.at(f"{path}/bucket").ref("id")
        assert events["eventbridge"] is True


def test_without_access_logs_there_is_no_bucket(synthesize):
    stack = synthesize("dev", access_logs=None)
    assert not [r.path for r in stack.resources if r.path.startswith("access_logs/")]
    assert not stack.has("state/access_logs")
    assert stack.at("load_balancer/load_balancer").get("access_logs") is None


@pytest.mark.parametrize("account_id", [None, "123456789012"])
def test_its_name_is_its_own(synthesize, account_id):
    stack = synthesize("prod", account_id=account_id)
    name = stack.at("access_logs/bucket")["bucket"]
    assert name == "prod-us-east-1-accesslogs-qa1" + (f"-{account_id}" if account_id else "")
