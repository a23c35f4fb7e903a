"""``ops fields``: the ranges are validation's, the costs the bills', the words the code's."""

import argparse
import re
from decimal import Decimal

import pytest

import lib.config.environment_config as env
from lib.config.environment_config import ENVIRONMENTS
from lib.config.validation import RULES, validate
from lib.errors import ConfigError
from ops import fields as command
from ops.__main__ import main
from ops.cost import prices
from ops.fields import cost
from ops.fields.changes import BASE, CHANGES, ELSEWHERE, Step, base_of, has, step_of, value_at
from ops.fields.declared import REQUIRED, comments, fields, literal
from ops.fields.page import page, parts
from ops.fields.takes import takes
from ops.parity.walk import with_fields
from tests.conftest import BY_NAME, changed

FIELDS = {field.path: field for field in fields()}
NUMBERS = [path for path, field in FIELDS.items() if field.inner is int]
ENDS = re.compile(r"(?<!with )(?<![\d.])(\d+) to (\d+)$")


def refused(config, path):
    """What validation says at ``path``, whatever else is wrong."""
    return [p for p in validate([config]) if p.path.startswith(f"{config.name}.{path}")]


def trial(path, value):
    """A config that is fine but for the value: what rules hold it against is out of its way."""
    away = {
        "database.storage_gib": {"database.max_storage_gib": 10**5},
        "service.desired_count": {"service.autoscaling": None},
        "service.autoscaling.min_count": {"service.autoscaling.max_count": 10**6},
        "service.autoscaling.max_count": {"service.autoscaling.min_count": 1},
        "service.health_check.timeout_seconds": {"service.health_check.interval_seconds": 300},
        "service.health_check.interval_seconds": {"service.health_check.timeout_seconds": 2},
        "alarms.database_free_storage_gib": {
            "database.storage_gib": 65536 * 2,
        },
    }
    base = changed(base_of(path), production=False, name="trial")
    return with_fields(base, {**away.get(path, {}), path: value})


# --- what a field takes ----------------------------------------------------------------------


def test_every_rule_is_in_the_reference():
    said = {path: takes(field) for path, field in FIELDS.items()}
    for rule in RULES:
        words = f"in production {rule.takes}" if rule.production_only else rule.takes
        assert rule.takes and words in said[rule.reads[0]]


def ends():
    """Every range of numbers that the reference states: the field, and its ends."""
    for path in NUMBERS:
        for said in takes(FIELDS[path]):
            found = ENDS.fullmatch(said)
            if found:
                yield pytest.param(path, int(found[1]), int(found[2]), id=path)


@pytest.mark.parametrize(("path", "low", "high"), list(ends()))
def test_both_ends_are_taken_and_one_beyond_is_refused(path, low, high):
    assert not refused(trial(path, low), path)
    assert not refused(trial(path, high), path)
    assert refused(trial(path, low - 1), path)
    assert refused(trial(path, high + 1), path)


def choices():
    """Every choice that the reference lists."""
    for path, field in FIELDS.items():
        for said in takes(field):
            if re.fullmatch(r"(of )?[a-z\d-]+(, [a-z\d-]+)+(, none twice)?", said):
                listed = said.removeprefix("of ").removesuffix(", none twice").split(", ")
                yield pytest.param(path, listed, id=path)


@pytest.mark.parametrize(("path", "listed"), list(choices()))
def test_each_choice_is_taken_and_another_refused(path, listed):
    inner = FIELDS[path].inner
    make = {int: int, str: str}.get(inner, lambda choice: (choice,))
    for choice in listed:
        assert not refused(trial(path, make(choice)), path)
    other = max(map(int, listed)) + 1 if inner is int else "another"
    assert refused(trial(path, make(other)), path)


def test_every_number_has_its_range_or_its_choices():
    bounded = {param.values[0] for param in (*ends(), *choices())}
    by_another = {"service.memory_mib", "database.max_storage_gib"}
    assert set(NUMBERS) == (bounded & set(NUMBERS)) | by_another


@pytest.mark.parametrize("cpu", [256, 512, 1024, 2048, 4096, 8192, 16384])
def test_the_memory_listed_is_what_goes_with_the_cpu(cpu):
    (said,) = takes(FIELDS["service.memory_mib"])
    found = re.search(rf"with {cpu} CPU units ([^;]*)", said)
    assert found
    if " to " in found[1]:
        low, high, step = map(int, re.findall(r"\d+", found[1]))
        listed = list(range(low, high + 1, step))
    else:
        listed = [int(size) for size in found[1].split(", ")]
    taken = []
    for size in range(256, 130_000, 256):
        config = with_fields(BASE, {"service.cpu_units": cpu, "service.memory_mib": size})
        if not validate([config]):
            taken.append(size)
    assert taken == listed


def test_the_most_storage_is_above_the_allocated_by_what_is_said():
    (said,) = takes(FIELDS["database.max_storage_gib"])
    percent, high = map(int, re.findall(r"\d+", said))
    least = BASE.database.storage_gib * (100 + percent) // 100
    for value, fine in ((least, True), (least - 1, False), (high, True), (high + 1, False)):
        assert (not refused(trial("database.max_storage_gib", value), "database")) is fine


@pytest.mark.parametrize(
    ("path", "value", "fine"),
    [
        ("name", "all", False),
        ("name", "sg", False),
        ("name", "ab", True),
        ("network.cidr", "10.0.0.0/16", True),
        ("network.cidr", "10.0.0.0/24", True),
        ("network.cidr", "10.0.0.0/15", False),
        ("network.cidr", "10.0.0.0/25", False),
        ("database.backup_window", "06:00-06:30", True),
        ("database.backup_window", "06:00-06:29", False),
        ("service.health_check.matcher", "200-499", True),
        ("service.health_check.matcher", "199", False),
        ("service.health_check.matcher", "500", False),
        ("database.username", "a" * 63, True),
        ("database.username", "a" * 64, False),
        ("database.database_name", "a" * 63, True),
        ("database.database_name", "a" * 64, False),
        ("owner", "a" * 256, True),
        ("owner", "a" * 257, False),
    ],
)
def test_the_ends_that_are_told_in_words(path, value, fine):
    said = " ".join(takes(FIELDS[path]))
    end = re.search(r"\d+$", value) or re.search(r"$", value)
    assert end and (not fine or path == "database.backup_window" or not end[0] or end[0] in said)
    config = with_fields(BASE, {path: value})
    assert any(p.path for p in validate([config])) is not fine


def test_what_production_alone_asks_is_told_as_such():
    assert takes(FIELDS["database.backup_days"]) == ["0 to 35", "in production 7 to 35"]
    prod = BY_NAME["prod"]
    assert refused(with_fields(prod, {"database.backup_days": 6}), "database.backup_days")
    assert not refused(with_fields(prod, {"database.backup_days": 7}), "database.backup_days")


def test_what_an_enum_s_choices_mean_is_what_stands_beside_them():
    (said,) = takes(FIELDS["network.nat"])
    for mode in env.NatMode:
        assert f"{mode.name} ({comments()['NatMode'][mode.name]})" in said


# --- what is declared ------------------------------------------------------------------------


@pytest.mark.parametrize("config", ENVIRONMENTS, ids=lambda config: config.name)
def test_a_value_reads_as_it_is_written(config):
    for field in FIELDS.values():
        for value in (field.of(config), field.default):
            if value is not REQUIRED:
                assert eval(literal(value), dict(vars(env))) == value  # pylint: disable=eval-used
    awkward = {"A": 'say "hi"', "B": "it's"}
    assert eval(literal(awkward)) == awkward  # pylint: disable=eval-used


def test_units_and_defaults_are_the_code_s():
    grace = FIELDS["service.health_check_grace_seconds"]
    assert (grace.unit, grace.default, grace.type_name) == ("seconds", 60, "int")
    assert FIELDS["network.cidr"].default is REQUIRED
    assert FIELDS["service.health_check.healthy_threshold"].comment == "answers in a row"
    assert FIELDS["service.autoscaling"].type_name == "AutoscalingConfig | None"
    assert FIELDS["service.environment"].type_name == "Mapping[str, str]"
    assert FIELDS["service.autoscaling.max_count"].of(BY_NAME["dev"]) is REQUIRED


def test_a_number_says_what_it_counts():
    plain = {"database.port", "service.container_port", "database.password_version"}
    for path in set(NUMBERS) - plain:
        assert FIELDS[path].unit or FIELDS[path].comment, path


# --- what a change costs ---------------------------------------------------------------------


def effect(path, config=BASE):
    """What changing a field of an environment costs."""
    return cost.effects(config, [step_of(config, path)])[path]


def test_a_bigger_instance_costs_what_the_price_list_says():
    listed = prices.load(BASE.region)
    small, medium = (
        listed[f"rds-instance/db.t3.{size}/Single-AZ"].usd for size in ("small", "medium")
    )
    found = effect("database.instance_class")
    assert (found.fixed, found.by_usage) == (730 * (medium - small), 0)
    assert str(found) == "+$26.28"


def test_what_depends_on_traffic_is_told_apart():
    found = effect("network.nat")
    listed = prices.load(BASE.region)
    hours = 2 * 730 * (listed["nat-hour"].usd + listed["public-ipv4"].usd)
    assert found.fixed == hours and found.by_usage > 0
    assert str(found).startswith("+$73.00; by usage +$")
    assert effect("network.flow_logs").fixed == 0 > effect("network.flow_logs").by_usage


def test_what_no_bill_shows_has_its_price():
    assert str(effect("database.backup_days")) == "$0.095 a GB of backups beyond the storage"
    listed = prices.load(BASE.region)
    assert all(key in listed for key, _ in cost.BY_USE.values())
    assert set(cost.BY_USE) <= set(FIELDS)


def test_what_is_refused_has_no_cost():
    assert "a zone's loss" in str(effect("database.multi_az", BY_NAME["prod"]))
    assert str(effect("name")) == "another environment's bill"
    assert str(effect("owner")) == "nothing"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("database.engine_version", "away, with Multi-AZ too"),
        ("database.instance_class", "1 to 2 minutes with Multi-AZ"),
        ("database.multi_az", "stays up"),
        ("database.storage_gib", "six hours"),
        ("database.port", "another port"),
    ],
)
def test_what_a_change_interrupts_is_told_as_the_guard_tells_it(path, word):
    (meanwhile,) = [line for line in effect(path).in_place if line.startswith("meanwhile ")]
    assert word in meanwhile and "https://" in meanwhile
    assert ("in the maintenance window sun:04:30-sun:05:30" in meanwhile) is (
        path in ("database.engine_version", "database.instance_class", "database.multi_az")
    )


def test_another_port_of_the_container_interrupts_nothing():
    """Tasks of the old port serve beside those of the new one."""
    assert effect("service.container_port").in_place == ()


def test_what_a_deploy_would_refuse_is_told():
    (said,) = [line for line in effect("database.engine_version").in_place if "refused" in line]
    assert "apply_immediately=True" in said
    at_once = with_fields(BASE, {"database.apply_immediately": True})
    told = effect("database.engine_version", at_once).in_place
    assert not any("refused" in line for line in told) and "at once" in told[0]
    assert not effect("database.performance_insights").in_place
    assert not effect("owner").in_place


def test_what_has_no_price_is_named():
    unknown = Step("database.instance_class", "db.x9.large", {})
    found = cost.effects(BASE, [unknown])["database.instance_class"]
    assert str(found) == "not known, without a price of database"
    unlisted = changed(BASE, region="mx-central-1")
    found = cost.effects(unlisted, [step_of(BASE, "network.nat")])["network.nat"]
    assert str(found) == "not known, without a price of everything"
    assert not cost.effects(BASE, [])


def test_small_change_is_no_change():
    step = step_of(BASE, "owner")
    assert str(cost.Effect(step, Decimal("0.004"), Decimal("-0.004"))) == "nothing"


# --- changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ENVIRONMENTS, ids=lambda config: config.name)
def test_every_step_changes_its_field_in_every_environment(config):
    for path in FIELDS:
        if has(config, path):
            step = step_of(config, path)
            assert value_at(step.made(config), path) != value_at(config, path), path
        else:
            with pytest.raises(LookupError):
                value_at(config, path)


@pytest.mark.parametrize("config", ENVIRONMENTS, ids=lambda config: config.name)
def test_steps_are_valid_but_for_what_production_refuses(config):
    refusals = {
        path: problems[0].message
        for path in FIELDS
        if has(config, path)
        and (problems := validate([step_of(config, path).made(config)]))
        and path not in ("name", "production")
    }
    if not config.production:
        private_needs_nat = {"service.subnets"} if config.network.nat is env.NatMode.NONE else set()
        assert set(refusals) == private_needs_nat
    assert all("production" in message for message in refusals.values()) or not config.production


def test_bigger_sizes_go_up_from_where_they_are():
    prod, dev = BY_NAME["prod"], BY_NAME["dev"]
    assert step_of(dev, "database.instance_class").value == "db.t3.small"
    assert step_of(prod, "database.instance_class").value == "db.t3.large"
    assert step_of(prod, "service.cpu_units").alongside == {"service.memory_mib": 4096}
    large = with_fields(prod, {"database.instance_class": "db.r6g.large"})
    assert step_of(large, "database.instance_class").value == "db.t3.large"


def test_every_change_is_one():
    for path in CHANGES:
        assert base_of(path) is BASE
    for path, value in ELSEWHERE.items():
        assert not has(BASE, path) and value_at(base_of(path), path) != value


# --- the page and the command ----------------------------------------------------------------


def test_the_page_has_every_field_twice_and_every_part_once():
    costs = {path: cost.Effect(step_of(base_of(path), path)) for path in FIELDS}
    text = page(list(FIELDS.values()), ENVIRONMENTS, costs)
    for prefix, part in parts(FIELDS.values()).items():
        section = text.split(f"## `{prefix}`\n" if prefix else "## The environment\n")[1]
        section = section.split("\n## ")[0]
        for field in part:
            assert len(re.findall(rf"^\| `{field.name}`", section, re.MULTILINE)) == 2
    assert "\\<size>" in text and "<size>" not in text.replace("\\<size>", "")


def test_one_field_is_told(capsys):
    assert main(["fields", "service.autoscaling.min_count"]) == 0
    told = capsys.readouterr().out
    for line in ("int, tasks", "none: decide", "prod 3", "to 2 in prod", "-$36.04"):
        assert line in told


def test_a_part_is_told_with_all_that_it_has(capsys, monkeypatch):
    monkeypatch.setattr(command, "measured", lambda asked: _unmeasured())
    assert main(["fields", "load_balancer.waf"]) == 0
    told = capsys.readouterr().out
    assert told.count("  takes ") == 2 and told.count("load_balancer.waf") == 4


def _unmeasured():
    return {path: cost.Effect(step_of(base_of(path), path)) for path in FIELDS}


def test_the_page_is_printed_or_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "measured", lambda asked: _unmeasured())
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "DOCUMENT", tmp_path / "fields.md")
    assert main(["fields"]) == 0
    printed = capsys.readouterr().out
    assert main(["fields", "--write"]) == 0
    assert (tmp_path / "fields.md").read_text(encoding="utf-8") == printed
    assert capsys.readouterr().out == "wrote fields.md\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["databse"], "there is no field databse"),
        (["--loud"], "unknown argument --loud"),
        (["--write", "database"], "the page has every field"),
    ],
)
def test_bad_input_is_refused(capsys, arguments, told):
    assert main(["fields", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_bad_config_is_refused(monkeypatch):
    broken = with_fields(BASE, {"database.port": 1})
    monkeypatch.setattr(command, "ENVIRONMENTS", (broken,))
    assert main(["fields"]) == 2
    with pytest.raises(ConfigError, match="port"):
        command.run(_options(), [], {})


def _options():
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["fields"])
