"""The database: private, encrypted, sized by config, and its password nowhere."""

import json

import pytest

from tests.conftest import BY_NAME

SIZES = {
    "engine_version": "engine_version",
    "instance_class": "instance_class",
    "multi_az": "multi_az",
    "backup_retention_period": "backup_days",
    "allocated_storage": "storage_gib",
    "max_allocated_storage": "max_storage_gib",
    "db_name": "database_name",
    "username": "username",
    "port": "port",
    "backup_window": "backup_window",
    "maintenance_window": "maintenance_window",
    "monitoring_interval": "monitoring_interval_seconds",
    "performance_insights_enabled": "performance_insights",
    "deletion_protection": "deletion_protection",
}


@pytest.mark.parametrize(("attribute", "field"), SIZES.items())
def test_sizes_are_the_config_s(stack, attribute, field):
    assert stack.at("database/instance")[attribute] == getattr(stack.config.database, field)


def test_it_is_kept_as_the_config_says(stack):
    database, config = stack.at("database/instance"), stack.config.database
    assert database["engine"] == "postgres"
    assert database["skip_final_snapshot"] is not config.final_snapshot
    assert database["lifecycle"].get("prevent_destroy") is config.deletion_protection


def test_it_is_out_of_the_internet_s_reach(stack):
    database = stack.at("database/instance")
    assert database["publicly_accessible"] is False
    assert database["vpc_security_group_ids"] == [stack.at("security/database").ref("id")]
    assert database["db_subnet_group_name"] == stack.at("database/subnets").ref("name")
    assert stack.at("database/subnets")["subnet_ids"] == [
        stack.at(f"network/private{zone}").ref("id") for zone in range(3)
    ]


def test_storage_is_encrypted_gp3(stack):
    database = stack.at("database/instance")
    assert (database["storage_encrypted"], database["storage_type"]) == (True, "gp3")


def test_connections_have_to_use_tls(stack):
    group = stack.at("database/parameters")
    assert group["family"] == f"postgres{stack.config.database.engine_major}"
    assert {"name": "rds.force_ssl", "value": "1"} in group["parameter"]
    assert stack.at("database/instance")["parameter_group_name"] == group.ref("name")


def parameters(stack):
    """The database's parameters by name."""
    return {each["name"]: each for each in stack.at("database/parameters")["parameter"]}


def test_statements_are_logged_and_passwords_are_not(stack):
    """ALTER ROLE ... PASSWORD is DDL: PostgreSQL's own log of statements would have it whole."""
    found = parameters(stack)
    assert found["log_statement"]["value"] == "none"
    assert int(found["log_min_duration_statement"]["value"]) > 0
    assert found["log_connections"]["value"] == found["log_disconnections"]["value"] == "1"


def test_pgaudit_logs_what_the_config_says(stack):
    found = parameters(stack)
    classes = ",".join(stack.config.database.audited_statements)
    assert found["pgaudit.log"]["value"] == classes == "ddl,role"
    preloaded = found["shared_preload_libraries"]
    assert preloaded["value"] == "pg_stat_statements,pgaudit"
    assert preloaded["apply_method"] == "pending-reboot", "RDS refuses it at once"


def test_without_classes_there_is_no_pgaudit(synthesize):
    found = parameters(synthesize("dev", database={"audited_statements": ()}))
    assert not {"pgaudit.log", "shared_preload_libraries"} & found.keys()


def test_a_new_major_version_gets_its_parameter_group_before_the_old_one_goes(shipped, synthesize):
    before = shipped("prod").at("database/parameters")
    after = synthesize("prod", database={"engine_version": "15"}).at("database/parameters")
    assert before.address == after.address
    assert before["name"] != after["name"]
    assert after["lifecycle"]["create_before_destroy"] is True


def test_a_named_minor_version_stays_and_has_its_major_one_s_parameters(synthesize):
    major = synthesize("prod", database={"engine_version": "17"})
    minor = synthesize("prod", database={"engine_version": "17.9"})
    assert minor.at("database/instance")["engine_version"] == "17.9"
    assert minor.at("database/parameters")["family"] == "postgres17"
    assert minor.at("database/parameters")["name"] == major.at("database/parameters")["name"]
    # After a newer one that RDS installs, a deploy would ask for a downgrade.
    assert minor.at("database/instance")["auto_minor_version_upgrade"] is False
    assert major.at("database/instance")["auto_minor_version_upgrade"] is True


def test_logs_go_to_groups_that_forget(stack):
    database = stack.at("database/instance")
    groups = {
        group["name"]: group
        for group in stack.all("aws_cloudwatch_log_group")
        if group.path.startswith("database/")
    }
    exports = stack.config.database.log_exports
    assert database["enabled_cloudwatch_logs_exports"] == list(exports)
    assert set(groups) == {
        f"/aws/rds/instance/{database['identifier']}/{export}" for export in exports
    }
    for group in groups.values():
        assert group["retention_in_days"] == stack.config.database.log_retention_days
        assert group.address in database["depends_on"], "RDS would make the group first"


def test_without_enhanced_monitoring_there_is_no_role_for_it(synthesize):
    stack = synthesize("dev", database={"monitoring_interval_seconds": 0})
    assert not stack.has("database/monitoring_role")
    assert stack.at("database/instance").get("monitoring_role_arn") is None


def test_enhanced_monitoring_has_a_role_only_where_it_is_on(stack):
    database = stack.at("database/instance")
    on = stack.config.database.monitoring_interval_seconds > 0
    assert stack.has("database/monitoring_role") is on
    role = stack.at("database/monitoring_role").ref("arn") if on else None
    assert database.get("monitoring_role_arn") == role
    if on:
        policy = stack.at("database/monitoring_policy")
        assert policy["policy_arn"].endswith(
            ":iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
        )
        assert policy.address in database["depends_on"], "RDS would use the role without it"


def test_performance_insights_keep_the_key_that_they_began_with(stack):
    """RDS refuses another one, when the deploy is half through."""
    ignored = stack.at("database/instance")["lifecycle"]["ignore_changes"]
    assert "performance_insights_kms_key_id" in ignored


def test_the_final_snapshot_can_be_taken_of_the_next_database_too(stack):
    database = stack.at("database/instance")
    wanted = stack.config.database.final_snapshot
    assert database["skip_final_snapshot"] is not wanted
    if wanted:
        assert database["final_snapshot_identifier"] == (
            f'{database["identifier"]}-final-${{formatdate("YYYYMMDDhhmmss", timestamp())}}'
        )
        assert "final_snapshot_identifier" in database["lifecycle"]["ignore_changes"]
    else:
        assert database.get("final_snapshot_identifier") is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (False, "open-source-rds-extended-support-disabled"),
        (True, "open-source-rds-extended-support"),
    ],
)
def test_extended_support_is_off_unless_asked_for(synthesize, asked, expected):
    database = synthesize("dev", database={"extended_support": asked}).at("database/instance")
    assert database["engine_lifecycle_support"] == expected
    assert BY_NAME["dev"].database.extended_support is False
    # Chosen once: the provider would plan it for good, and never change it.
    assert "engine_lifecycle_support" in database["lifecycle"]["ignore_changes"]


def test_what_interrupts_waits_for_the_window_unless_asked_for(synthesize, stack):
    assert stack.at("database/instance").get("apply_immediately") is None
    asked = synthesize("dev", database={"apply_immediately": True}).at("database/instance")
    assert asked["apply_immediately"] is True


def test_rds_makes_the_password_by_default(stack):
    database = stack.at("database/instance")
    assert database["manage_master_user_password"] is True
    assert database.get("password_wo") is None
    assert "variable" not in stack.document
    assert stack.count("aws_secretsmanager_secret") == 0


def test_no_attribute_anywhere_holds_a_password(stack):
    for resource in stack.resources:
        assert resource.get("password") is None
        assert resource.get("secret_string") is None


@pytest.mark.parametrize("name", list(BY_NAME))
class TestGivenPassword:
    """DB_PASSWORD is set: only its variable is in the JSON."""

    def test_it_is_an_ephemeral_variable_for_a_write_only_argument(self, synthesize, name):
        stack = synthesize(name, password_given=True)
        database = stack.at("database/instance")
        variable = stack.document["variable"]["db_password"]
        assert (variable["ephemeral"], variable["sensitive"]) == (True, True)
        assert "default" not in variable
        assert database["password_wo"] == "${var.db_password}"
        assert database["password_wo_version"] == stack.config.database.password_version
        assert database.get("manage_master_user_password") is None
        test_no_attribute_anywhere_holds_a_password(stack)

    def test_the_service_gets_it_from_a_secret_of_the_usual_shape(self, synthesize, name):
        stack = synthesize(name, password_given=True)
        version = stack.at("database/secret_version")
        assert version["secret_string_wo"] == (
            '${jsonencode({"username" = "app_admin", "password" = var.db_password})}'
        )
        secret = stack.at("database/secret")
        assert version["secret_id"] == secret.ref("id")
        assert stack.container_environment()["DB_SECRET_ARN"] == secret.ref("arn")
        assert version.address in stack.at("service/service")["depends_on"]

    def test_another_version_changes_no_address_that_others_hold(self, synthesize, name):
        """A version is made anew for each password; the secret and its ARN stay."""
        stack = synthesize(name, password_given=True)
        version = stack.at("database/secret_version").address
        users = [r.path for r in stack.resources if f"{{{version}." in json.dumps(r.values)]
        assert users == []

    def test_nothing_else_refers_to_the_variable(self, synthesize, name):
        stack = synthesize(name, password_given=True)
        users = [r.path for r in stack.resources if "var.db_password" in json.dumps(r.values)]
        assert sorted(users) == ["database/instance", "database/secret_version"]

    def test_a_deleted_secret_lies_in_no_one_s_way(self, synthesize, name):
        stack = synthesize(name, password_given=True)
        secret = stack.at("database/secret")
        kept = stack.config.database.deletion_protection
        assert secret["recovery_window_in_days"] == (30 if kept else 0)
        assert secret["name_prefix"] == f"{name}-db-qa1-"


def test_a_counted_up_version_changes_the_password(synthesize):
    stack = synthesize("dev", password_given=True, database={"password_version": 7})
    assert stack.at("database/instance")["password_wo_version"] == 7
    assert stack.at("database/secret_version")["secret_string_wo_version"] == 7
