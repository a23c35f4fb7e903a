"""The environment's own key: who may use it, and what it encrypts."""

import pytest

from lib.config.environment_config import AlarmsConfig

KEY = "${aws_kms_key."
USERS = (  # types, and the attribute that names the key
    ("aws_cloudwatch_log_group", "kms_key_id"),
    ("aws_sns_topic", "kms_master_key_id"),
    ("aws_secretsmanager_secret", "kms_key_id"),
    ("aws_db_instance", "performance_insights_kms_key_id"),
)
ROLES = ("service/execution_policy", "service/task_policy")


def test_there_is_one_where_the_config_asks_for_one(stack):
    assert stack.has("encryption/key") is stack.config.encryption.customer_key
    assert stack.has("encryption/alias") is stack.config.encryption.customer_key


def test_it_is_turned_every_year_and_can_be_saved_for_days(synthesize):
    stack = synthesize("prod", encryption={"deletion_days": 12})
    key = stack.at("encryption/key")
    assert key["enable_key_rotation"] is True
    assert key["deletion_window_in_days"] == 12
    assert stack.at("encryption/alias")["target_key_id"] == key.ref("key_id")
    assert stack.at("encryption/alias")["name"] == "alias/prod-key-qa1"


def test_it_is_the_account_s_and_a_few_services_use_it_for_this_account_alone(shipped):
    stack = shipped("prod")
    account = stack.at("provider/caller").ref("account_id")
    own, logs, alarms = stack.at("encryption/key").policy()
    assert own["Principal"] == {
        "AWS": f"arn:{stack.at('provider/partition').ref('partition')}:iam::{account}:root"
    }
    suffix = stack.at("provider/partition").ref("dns_suffix")
    assert logs["Principal"] == {"Service": f"logs.us-east-1.{suffix}"}
    (arn,) = logs["Condition"]["ArnLike"].values()
    assert arn.endswith(f":logs:us-east-1:{account}:log-group:*")
    assert alarms["Principal"] == {
        "Service": ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"]
    }
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
    for statement in (logs, alarms):
        assert not {"kms:*", "kms:PutKeyPolicy"} & set(statement["Action"])


@pytest.mark.parametrize("wanted", [True, False])
def test_it_encrypts_what_goes_with_the_environment(synthesize, wanted):
    stack = synthesize(
        "prod",
        password_given=True,
        encryption={"customer_key": wanted},
        alarms=AlarmsConfig(),
    )
    key = stack.at("encryption/key").ref("arn") if wanted else None
    for type_, attribute in USERS:
        for resource in stack.all(type_):
            assert resource.get(attribute) == key, resource.path
    table = stack.at("state/lock_table")["server_side_encryption"]
    assert (table["enabled"], table.get("kms_key_arn")) == (True, key)


def test_what_outlives_the_environment_is_not_encrypted_with_it(shipped):
    """Its last snapshot and the state would be lost with the key."""
    stack = shipped("prod")
    assert stack.at("database/instance").get("kms_key_id") is None
    for bucket in stack.all("aws_s3_bucket_server_side_encryption_configuration"):
        (rule,) = bucket["rule"]
        default = rule["apply_server_side_encryption_by_default"]
        assert default == {"sse_algorithm": "AES256"}, bucket.path


@pytest.mark.parametrize("path", ROLES)
@pytest.mark.parametrize(("given", "wanted"), [(True, True), (True, False), (False, True)])
def test_tasks_may_decrypt_the_secret_where_that_takes_the_key(synthesize, path, given, wanted):
    stack = synthesize("prod", password_given=given, encryption={"customer_key": wanted})
    allowed = [
        statement["Resource"]
        for statement in stack.at(path).policy()
        if "kms:Decrypt" in statement["Action"]
    ]
    key = [stack.at("encryption/key").ref("arn")] if given and wanted else []
    assert allowed == key
