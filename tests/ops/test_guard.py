"""The guard, on plans that Terraform made of a deployed staging (``make plans``), and on others."""

import copy
import json
import re

import pytest

from ops import guard
from ops.__main__ import main
from ops.catalogue import TYPES
from ops.catalogue.record import Nothing
from tests.e2e import plans

DATABASE = "aws_db_instance.database_instance"
MOVED = "aws_db_instance.database_renamed"
ALARMS = (r"aws_cloudwatch_metric_alarm\.", r"the config has it no longer: alarms")
NAME = r"database\.database_name in the config"
PUBLISHED = (r"aws_ssm_parameter\.", r"value changes")
# For each real plan: of what is refused, a regular expression of its address, and of one cause.
EXPECTED = {
    "nothing": [],
    "first_dev": [],
    "first_staging": [],
    "first_prod": [],
    "size": [],
    "task": [],
    "image": [],
    "better": [],
    "container_port": [],
    "moved": [],
    "forgotten": [(r"aws_flow_log\.", r"the config has it no longer: network\.flow_logs")],
    "network": [
        (r"aws_vpc\.", r"cidr_block changes from .*: network\.cidr in the config"),
        *[(r"aws_subnet\.", r"vpc_id changes with aws_vpc\.")] * 6,
        (r"aws_nat_gateway\.", r"subnet_id changes with aws_subnet\."),
    ],
    "database_name": [
        (DATABASE, rf'db_name changes from "app" to "other": {NAME}'),
        PUBLISHED,
    ],
    "account": [
        *[(r"aws_s3_bucket\.", r"bucket changes from .*: account_id in the config")] * 2,
        *[(r"aws_s3_bucket_versioning\.", r"bucket changes with aws_s3_bucket\.")] * 2,
        (r"aws_s3_bucket_logging\.", r"target_bucket changes from .*"),
        PUBLISHED,
    ],
    "no_nat": [
        (r"aws_eip\.", r"the config has it no longer: network\.nat"),
        (r"aws_nat_gateway\.", r"the config has it no longer: network\.nat"),
        (r"aws_ecs_service\.", r"assign_public_ip changes to true: service\.subnets"),
    ],
    "no_flow_logs": [
        (r"aws_cloudwatch_log_group\.", r"the config has it no longer: network\.flow_logs"),
        (r"aws_flow_log\.", r"the config has it no longer: network\.flow_logs"),
    ],
    "no_alarms": [
        *[ALARMS] * 9,
        (r"aws_db_event_subscription\.", r"the config has it no longer: alarms"),
        (r"aws_sns_topic\.", r"the config has it no longer: alarms"),
    ],
    "renamed": [
        (DATABASE, rf"the code calls it {MOVED} now: a moved block"),
        *[PUBLISHED] * 2,
    ],
    "moved_and_replaced": [(MOVED, NAME), PUBLISHED],
    "asked_for": [
        (r"aws_lb\.", "asked for by -replace"),
        (r"aws_lb_listener\.", r"load_balancer_arn changes with aws_lb\."),
    ],
    "certificate": [PUBLISHED],
    "port": [PUBLISHED],
    "upgrade": [(DATABASE, "engine_version changes")] * 2,
    "upgrade_at_once": [(DATABASE, r"database\.engine_version in the config")],
    "worse": [
        *[(r"aws_cloudwatch_log_group\.", r"in the config|it no longer")] * 3,
        (r"aws_cloudwatch_metric_alarm\.", r"the config has it no longer"),
        *[(r"aws_db_instance\.", r": database\.")] * 4,
        *[(r"aws_db_parameter_group\.", r"database\.audited_statements in the config")] * 2,
        (r"aws_ecs_cluster\.", r"service\.container_insights in the config"),
        (r"aws_ecs_service\.", r"service\.desired_count in the config"),
        (r"aws_lb\.", r"access_logs in the config"),
        (r"aws_s3_bucket\.", r"the config has it no longer: access_logs"),
        (r"aws_s3_bucket_lifecycle_configuration\.", r"state\.noncurrent_version_days"),
        (r"aws_s3_bucket_logging\.", r"the config has it no longer: access_logs"),
    ],
}
FILES = {name: plans.FOLDER / f"{name}.json" for name in [*plans.CASES, *plans.FIRST]}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_real_plan_is_refused_for_what_goes_and_told_why(name):
    verdict = guard.judged(guard.read(FILES[name]))
    assert len(verdict.refused) == len(EXPECTED[name])
    for address, cause in EXPECTED[name]:
        dangers = [danger for danger in verdict.refused if re.match(address, danger.address)]
        assert dangers and all(
            any(re.search(cause, told) for told in danger.causes) for danger in dangers
        ), verdict.refused


def test_to_destroy_everything_is_refused_for_everything_that_counts():
    types = {
        danger.address.split(".")[0]
        for danger in guard.judged(guard.read(FILES["destroy"])).refused
    }
    assert {
        *("aws_cloudwatch_log_group", "aws_db_instance", "aws_dynamodb_table", "aws_eip"),
        *("aws_lb", "aws_s3_bucket", "aws_sns_topic", "aws_ssm_parameter"),
        *("aws_subnet", "aws_vpc"),
    } <= types


@pytest.mark.parametrize("name", list(FILES))
def test_the_exit_code_says_whether_it_is_refused(name, capsys):
    expected = 1 if EXPECTED.get(name, True) else 0
    assert main(["guard", str(FILES[name])]) == expected
    assert (": refused, " in capsys.readouterr().out) is bool(expected)


def test_one_refused_plan_of_several_is_enough(capsys):
    assert main(["guard", str(FILES["no_nat"]), str(FILES["nothing"])]) == 1
    assert "nothing.json: fine, 0 changes" in capsys.readouterr().out


def test_every_resource_type_of_every_environment_is_known(stack):
    assert set(stack.document["resource"]) <= TYPES.keys(), "ops/catalogue wants a record of it"


def addresses(name):
    """What goes in a recorded plan."""
    return [danger.name for danger in guard.judged(guard.read(FILES[name])).refused]


def test_what_is_allowed_may_go_and_nothing_else(capsys):
    service, address, gateway = addresses("no_nat")
    file = str(FILES["no_nat"])
    assert main(["guard", file, "--allow", f"{address} {service}"]) == 1
    told = capsys.readouterr().out
    assert f"if that is meant: --allow {gateway}\n" in told
    assert f"allowed: {address} would be deleted" in told
    assert main(["guard", file, "--allow", address, "--allow", gateway, "--allow", service]) == 0
    assert main(["guard", "--allow", f"{address}\n {gateway} {service} ", file]) == 0
    assert "fine, 6 changes: nothing else that the guard looks at" in capsys.readouterr().out
    assert main(["guard", file, "--allow", ""]) == 1


def test_what_is_offered_to_be_pasted_allows_it_all(capsys):
    main(["guard", str(FILES["network"])])
    offered = re.search(r"--allow '(.*)'$", capsys.readouterr().out, re.MULTILINE)
    assert offered
    assert main(["guard", str(FILES["network"]), "--allow", offered[1]]) == 0


def test_a_type_or_a_part_of_an_address_allows_nothing():
    database, _ = addresses("database_name")
    for part in ("aws_db_instance", database[:-1], f"{database}.id", "*", database.upper()):
        assert guard.judged(guard.read(FILES["database_name"]), [part]).refused


def test_an_allow_that_nothing_needs_is_told_with_what_may_have_been_meant():
    database, _ = addresses("database_name")
    verdict = guard.judged(guard.read(FILES["database_name"]), [database[:-1]])
    assert verdict.notes == (f"--allow {database[:-1]} is not needed (did you mean {database}?)",)
    assert guard.judged(guard.read(FILES["nothing"]), [database]).notes == (
        f"--allow {database} is not needed",
    )


def test_moved_and_forgotten_are_told():
    (note,) = guard.judged(guard.read(FILES["moved"])).notes
    assert re.fullmatch(rf"moved: {DATABASE}_\w+ to {MOVED}", note)
    (note,) = guard.judged(guard.read(FILES["forgotten"])).notes
    assert note.startswith("forgotten, and left where it is: aws_cloudwatch_log_group.network")


# --- what a deployed staging doesn't show -----------------------------------------------------


def planned(**entry):
    """A plan of one change; ``change`` holds what isn't a plain deletion."""
    change = {"actions": ["delete"], "before": {}, "after": None} | entry.pop("change", {})
    base = {"address": f"{entry['type']}.x", "mode": "managed", "change": change}
    plan = {"format_version": "1.2", "planned_values": {}, "resource_changes": [base | entry]}
    return guard.parsed(json.dumps(plan), "the plan")


def only(plan):
    """The one thing that is refused."""
    (danger,) = guard.judged(plan).refused
    return danger


@pytest.mark.parametrize(
    "type_", ["aws_kms_key", "aws_secretsmanager_secret", "aws_dynamodb_table"]
)
def test_keys_secrets_and_tables_are_held(type_):
    assert only(planned(type=type_)).verb == "deleted"
    replaced = planned(type=type_, change={"actions": ["create", "delete"]})
    assert only(replaced).verb == "replaced"


def test_a_type_that_nobody_has_thought_of_is_refused():
    assert only(planned(type="aws_neptune_cluster")).loss == guard.UNKNOWN


@pytest.mark.parametrize(
    "type_", [name for name, record in TYPES.items() if isinstance(record.lost, Nothing)]
)
def test_what_the_code_makes_anew_may_go(type_):
    assert not guard.judged(planned(type=type_)).refused


def test_reading_creating_and_updating_lose_nothing():
    for action in ("read", "create", "update", "no-op"):
        assert not guard.judged(planned(type="aws_vpc", change={"actions": [action]})).refused
    assert not guard.judged(planned(type="aws_vpc", mode="data")).refused


def test_a_resource_of_a_module_is_held():
    plan = planned(type="aws_vpc", address="module.net[0].aws_vpc.main")
    assert only(plan).address == "module.net[0].aws_vpc.main"
    assert not guard.judged(plan, ["module.net[0].aws_vpc.main"]).refused


def test_an_old_one_that_a_replacement_left_is_held():
    assert only(planned(type="aws_lb", deposed="ab12")).causes == (
        "an earlier apply has replaced it and left the old one (ab12)",
    )


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("replace_because_tainted", "it is marked as tainted, since creating it failed"),
        ("replace_by_triggers", "a resource that it names in replace_triggered_by changes"),
    ],
)
def test_other_reasons_of_a_replacement_are_told(reason, cause):
    plan = planned(type="aws_lb", action_reason=reason, change={"actions": ["delete", "create"]})
    assert only(plan).causes == (cause,)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("delete_because_no_resource_config", "the code has it no longer"),
        ("delete_because_count_index", "delete because count index"),
        ("", "the plan destroys"),
    ],
)
def test_other_reasons_of_a_deletion_are_told(reason, cause):
    assert only(planned(type="aws_lb", action_reason=reason)).causes == (cause,)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("marks", [True, {"password": True}, {"password": {"old": True}}])
def test_what_terraform_hides_is_not_shown(side, marks):
    path = ["password", "old"] if marks == {"password": {"old": True}} else ["password"]
    value = {"password": {"old": "correct"}} if len(path) == 2 else {"password": "correct"}
    other = {"password": {"old": "horse"}} if len(path) == 2 else {"password": "horse"}
    change = {"actions": ["delete", "create"], "before": value, "after": other}
    change |= {"replace_paths": [path], f"{side}_sensitive": marks}
    (cause,) = only(planned(type="aws_db_instance", change=change)).causes
    assert cause == f"{'.'.join(path)} changes"


def test_a_value_within_a_list_is_told_with_its_place():
    change = {
        "actions": ["delete", "create"],
        "before": {"attribute": [{"name": "a"}]},
        "after": {"attribute": [{"name": "b"}]},
        "replace_paths": [["attribute", 0, "name"], ["other", 1]],
    }
    assert only(planned(type="aws_dynamodb_table", change=change)).causes == (
        'attribute.0.name changes from "a" to "b"',
        "other.1 changes",
    )


REAL = json.loads(FILES["nothing"].read_text(encoding="utf-8"))


def without(name):
    """A real plan that lacks one thing."""
    return {key: value for key, value in REAL.items() if key != name}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("PK\x03\x04", "is not JSON"),
        ("[]", "is not a plan"),
        ("{}", "is not a plan"),
        (json.dumps(without("planned_values") | {"values": {}}), "is not a plan"),
        (json.dumps(without("format_version")), "has format None, not 1"),
        (json.dumps(REAL | {"format_version": "2.0"}), "has format 2.0, not 1"),
        (json.dumps(REAL | {"errored": True}), "is half a plan"),
        (json.dumps(REAL | {"complete": False}), "is half a plan"),
    ],
)
def test_what_is_no_whole_plan_is_bad_input(tmp_path, capsys, text, message):
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    assert main(["guard", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"tap: {file} {message}")


def test_a_file_that_is_missing_or_binary_is_bad_input(tmp_path, capsys):
    assert main(["guard", str(tmp_path / "none.json")]) == 2
    assert "No such file or directory (write it with: terraform show" in capsys.readouterr().err
    (tmp_path / "plan").write_bytes(b"PK\x03\x04\xff\xfe")
    assert main(["guard", str(tmp_path / "plan")]) == 2
    assert "it may be the plan itself" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_plan_is_read_however_a_shell_has_written_it(tmp_path, encoding):
    """PowerShell's > writes UTF-16."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(REAL), encoding=encoding)
    assert guard.read(file) == REAL


def test_an_unknown_argument_is_bad_input(capsys):
    assert main(["guard", str(FILES["nothing"]), "--alow", "x"]) == 2
    assert "unknown argument --alow" in capsys.readouterr().err


def test_recorded_plans_are_whole_and_trimmed():
    """What is kept of a plan is what the guard reads: it says the same of it trimmed again."""
    for file in FILES.values():
        plan = guard.read(file)
        assert plans.trimmed(copy.deepcopy(plan)) == plan
