"""``ops parity``: every difference has its line of config, and one that has none is a fault."""

import dataclasses
import json
from functools import cache
from inspect import getsource
from itertools import combinations, permutations

import pytest

from lib.config.environment_config import ENVIRONMENTS
from lib.config.validation import validate
from lib.errors import TapError
from lib.modules import ecs_module
from ops import parity
from ops.__main__ import main
from ops.parity import compare, lines, synthesize
from ops.parity.difference import Difference, beyond_names, changed, differences, leaves
from ops.parity.lines import FILE, Lines
from ops.parity.walk import Field, differing, steps, with_fields
from tests import environments
from tests.conftest import BY_NAME
from tests.conftest import changed as with_change

PAIRS = list(combinations(BY_NAME, 2))
# The config as it would read with the tests' environments in it.
SOURCE = FILE.read_text(encoding="utf-8").partition("\nENVIRONMENTS")[0] + getsource(environments)


@cache
def _report(before, after):
    return compare(BY_NAME[before], BY_NAME[after])


# --- what it finds ---------------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_config_explains_all_that_differs(pair):
    report = _report(*pair)
    assert not any(report.unexplained.values())
    told = {(d.where, d.argument) for entry in report.explained for d in entry.differences}
    before, after = (synthesize(with_change(BY_NAME[name], name="parity")) for name in pair)
    whole = {where for where, argument in told if not argument}
    for where, argument in changed(before, after):
        assert where in whole or (where, argument) in told
    assert report.alike > 100


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_field_that_differs_is_told(pair):
    fields = [field.path for entry in _report(*pair).explained for field in entry.fields]
    before, after = (with_change(BY_NAME[name], name="parity") for name in pair)
    assert sorted(fields) == sorted(field.path for field in differing(before, after))


def test_a_line_is_told_with_what_it_makes():
    by_field = {
        entry.fields[0].path: {(d.where, d.argument): d for d in entry.differences}
        for entry in _report("dev", "staging").explained
    }
    found = by_field["database.instance_class"]["database/instance", "instance_class"]
    assert (found.before, found.after) == ("db.t3.micro", "db.t3.small")
    assert {("network/nat0", ""), ("network/nat0_address", "")} <= by_field["network.nat"].keys()
    assert ("monitoring/topic", "") in by_field["alarms"]


def test_what_the_code_makes_of_a_name_is_a_fault(monkeypatch):
    """Were tasks made bigger wherever the environment is called prod, no line would say so."""
    built = ecs_module.EcsModule.__init__

    def bigger_in_prod(self, scope, id_, *, config, naming, **others):
        if naming.environment == "prod":
            config = dataclasses.replace(config, cpu_units=2048)
        built(self, scope, id_, config=config, naming=naming, **others)

    monkeypatch.setattr(ecs_module.EcsModule, "__init__", bigger_in_prod)
    report = compare(BY_NAME["staging"], BY_NAME["prod"])
    (found,) = report.unexplained["prod"]
    assert found == Difference("service/task_definition", "cpu", "1024", "2048")
    assert not report.unexplained["staging"]
    said = lines(report, Lines.read(SOURCE))
    assert said[-2] == "NO LINE OF CONFIG EXPLAINS what the name prod makes:"


def test_a_neutral_name_is_nobody_s():
    seen = []

    def synthesis(config):
        seen.append(config.name)
        return {}

    one, two = (with_change(BY_NAME["dev"], name=name) for name in parity.NEUTRAL[:2])
    compare(one, two, synthesis)
    assert set(seen) == set(parity.NEUTRAL)


def test_a_synthesis_that_fails_is_told():
    with pytest.raises(TapError, match="memory_mib"):
        synthesize(with_change(BY_NAME["dev"], service={"memory_mib": 1}))


# --- the way from one config to another ------------------------------------------------------


@pytest.mark.parametrize("pair", list(permutations(BY_NAME, 2)), ids="-".join)
def test_each_step_is_valid_and_the_last_is_there(pair):
    before, after = (dataclasses.replace(BY_NAME[name], name="parity") for name in pair)
    way = list(steps(before, after))
    assert all(not validate([step.config]) for step in way)
    assert way[-1].config == after


def test_lines_that_need_each_other_are_one_step():
    before = with_change(BY_NAME["dev"], service={"cpu_units": 256, "memory_mib": 512})
    after = with_change(BY_NAME["dev"], service={"cpu_units": 4096, "memory_mib": 8192})
    (step,) = steps(before, after)
    assert {field.path for field in step.fields} == {"service.cpu_units", "service.memory_mib"}


def test_lines_that_no_few_of_them_may_change_are_one_step():
    before = BY_NAME["dev"]
    after = with_change(
        before, owner="x", database={"port": 5433, "backup_days": 2, "username": "u"}
    )
    (step,) = steps(before, after, lambda _: False)
    assert len(step.fields) == 4 and step.config == after


def test_no_difference_no_step():
    assert not list(steps(BY_NAME["dev"], BY_NAME["dev"]))


def test_a_slice_that_one_side_lacks_is_one_field():
    alarms = BY_NAME["prod"].alarms
    found = list(differing(BY_NAME["dev"], with_change(BY_NAME["dev"], alarms=alarms)))
    assert found == [Field("alarms", None, alarms)]


def test_fields_are_changed_by_path():
    config = with_fields(BY_NAME["dev"], {"service.health_check.path": "/up", "owner": "x"})
    assert (config.service.health_check.path, config.owner) == ("/up", "x")


# --- the lines of the config -----------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_line_named_is_the_field_s(pair):
    where, text = Lines.read(SOURCE), SOURCE.splitlines()
    before, after = (BY_NAME[name] for name in pair)
    for field in differing(before, after):
        for name in pair:
            line = where.of(name, field.path)
            assert line, field.path
            assert field.path.rsplit(".", maxsplit=1)[-1] in text[line - 1]


def test_a_default_within_a_default_is_found():
    line = Lines.read(SOURCE).of("dev", "service.health_check.path")
    assert line and 'path: str = "/"' in SOURCE.splitlines()[line - 1]


@pytest.mark.parametrize(
    "source",
    [
        "ENVIRONMENTS = ()",
        "ENVIRONMENTS = (EnvironmentConfig(name='dev', database=small()),)",
        "ENVIRONMENTS = (replace(DEV, name='dev'),)",
    ],
)
def test_a_config_that_is_made_some_other_way_has_no_line(source):
    assert Lines.read(source).of("dev", "database.port") is None


# --- documents held against each other -------------------------------------------------------


def _document(**arguments):
    metadata = {"//": {"metadata": {"path": "stack/part/thing"}}}
    return {
        "//": {"metadata": {"version": "1"}},
        "terraform": {"required_version": "1"},
        "data": {"aws_partition": {"part_4": {"//": {"metadata": {"path": "stack/part/four"}}}}},
        "resource": {"aws_thing": {"thing_1": {**arguments, **metadata}}},
    }


def test_everything_has_its_place():
    policy = json.dumps({"Statement": [{"Action": "a"}, {"Action": "b"}]})
    found = leaves(_document(policy=policy, names=["x", "y"], empty={}, odd="{no json"))
    assert found == {
        ("terraform", "required_version"): "1",
        ("part/four", "type"): "data aws_partition",
        ("part/four", ""): {},
        ("part/thing", "type"): "resource aws_thing",
        ("part/thing", "policy.Statement.0.Action"): "a",
        ("part/thing", "policy.Statement.1.Action"): "b",
        ("part/thing", "names"): ["x", "y"],
        ("part/thing", "empty"): {},
        ("part/thing", "odd"): "{no json",
    }


def test_a_reference_names_the_construct_path():
    found = leaves(
        _document(a="${aws_thing.thing_1.id}", b=["data.aws_partition.part_4", "aws_x.y"])
    )
    assert found["part/thing", "a"] == "${part/thing.id}"
    assert found["part/thing", "b"] == ["part/four", "aws_x.y"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 2}, ["part/thing  a: 1 → 2"]),
        ({}, {"a": "x"}, ['part/thing  a: (not set) → "x"']),
        ({"a": ["x", "y"]}, {"a": ["y", "z"]}, ['part/thing  a: - "x", + "z"']),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, ['part/thing  a: ["x", "y"] → ["y", "x"]']),
        ({"a": 1}, {"a": 1}, []),
        ({"a": True}, {"a": "true"}, ['part/thing  a: true → "true"']),
    ],
)
def test_what_differs_is_told(before, after, told):
    one, two = (leaves(_document(id=1, **arguments)) for arguments in (before, after))
    assert [str(found) for found in differences(one, two, changed(one, two))] == told


def test_a_resource_that_only_one_has_is_told_whole():
    less = _document(a=1)
    del less["resource"]
    one, two = leaves(less), leaves(_document(a=1))
    assert [str(found) for found in differences(one, two, changed(one, two))] == ["+ part/thing"]
    assert [str(found) for found in differences(two, one, changed(one, two))] == ["- part/thing"]


@pytest.mark.parametrize(
    ("text", "other", "is_the_name"),
    [
        ("prod-db-x1", "parity-db-x1", True),
        ("/tap/prod/x1", "/tap/parity/x1", True),
        ("prod", "parity", True),
        ("production", "production", True),
        ("production", "parityuction", False),
        ("nonprod", "nonparity", False),
        ("/prod/prod", "/prod/parity", True),
        ("prod-db", "parity-database", False),
        ("a", "b", False),
        (1, 2, False),
        (None, "x", False),
        (["prod-a", "b"], ["parity-a", "b"], True),
        (["prod-a", "b"], ["parity-a", "c"], False),
        (["prod"], ["parity", "parity"], False),
    ],
)
def test_a_name_may_differ_and_nothing_else(text, other, is_the_name):
    place = ("a", "b")
    found = beyond_names({place: text}, {place: other}, "prod", "parity")
    assert found == (set() if is_the_name else {place})


def test_what_is_there_for_one_name_alone_is_more_than_a_name():
    assert beyond_names({("a", "b"): "x"}, {}, "prod", "parity") == {("a", "b")}


# --- the command -----------------------------------------------------------------------------


def test_the_command_tells_and_ends_with_0(capsys):
    assert main(["parity", "dev", "staging"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("dev → staging: ")
    assert "\ndatabase.instance_class: db.t3.micro → db.t3.small\n" in said.out
    assert "\n    lib/config/environment_config.py" in said.out
    assert said.err == ""


def test_an_unexplained_difference_ends_with_1(monkeypatch, capsys):
    odd = Difference("a/b", "c", 1, 2)
    report = parity.Report("dev", "prod", [], {"dev": [], "prod": [odd]}, 5)
    monkeypatch.setattr(parity, "compare", lambda *_: report)
    assert main(["parity", "dev", "prod", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["unexplained"] == {"dev": [], "prod": [dataclasses.asdict(odd)]}


def test_json_has_the_lines_and_what_they_make(capsys, monkeypatch):
    monkeypatch.setattr(parity, "compare", lambda *_: _report("dev", "staging"))
    assert main(["parity", "dev", "staging", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_field = {entry["config"][0]["field"]: entry for entry in found["explained"]}
    assert by_field["alarms"]["config"][0]["after"] == "AlarmsConfig"
    assert by_field["service.desired_count"]["differences"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dev", "prd"], "unknown environment prd (choose two of dev, staging, prod)"),
        (["dev", "dev"], "dev is dev"),
        (["dev", "prod", "--loud"], "unknown argument --loud"),
    ],
)
def test_bad_input_is_named(capsys, arguments, said):
    assert main(["parity", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_config_with_problems_is_named(monkeypatch, capsys):
    broken = with_change(BY_NAME["dev"], database={"storage_gib": 5})
    monkeypatch.setattr(parity, "ENVIRONMENTS", (broken, *ENVIRONMENTS[1:]))
    assert main(["parity", "dev", "prod"]) == 2
    assert "dev.database.storage_gib" in capsys.readouterr().err
