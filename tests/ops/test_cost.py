"""``ops cost``: everything is priced or named, and the sums are those of the config."""

import dataclasses
import io
import json
import re
import shutil
import subprocess
from copy import deepcopy
from datetime import date
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from lib.config.environment_config import NatMode, SubnetTier
from lib.errors import ConfigError, TapError
from ops import cost
from ops.__main__ import main
from ops.cost import prices, report, usage
from ops.cost.bill import CHARGED, FREE, HOURS, PARTS, bill
from ops.cost.refresh import QUERIES, refresh
from ops.stacks import ROOT, Stack
from tests.conftest import BY_NAME

DAY = date(2026, 11, 23)
PRICES = prices.load("us-east-1")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
MONTHLY_NAT = Decimal("32.85")
MONTHLY_ADDRESS = Decimal("3.65")
UNLISTED, UNKNOWN_CLASS = "mx-central-1", "db.x9.large"


def billed(synthesized, *, day=DAY, own=None, price_list=None):
    """The bill of a synthesized stack."""
    stack = Stack.read(synthesized.document)
    shipped = usage.read(None, [stack])
    quantities = usage.Usage([*shipped.files, own]) if own else shipped
    return bill(stack, quantities, PRICES if price_list is None else price_list, day)


def monthly(found, key, path=None):
    """What all charges of a kind of price come to."""
    return sum(
        item.monthly
        for item in found.items
        if item.charge.key.split("/")[0] == key and path in (None, item.path)
    )


def altered(synthesized, path, **arguments):
    """The stack with arguments of one resource changed in its JSON; None takes one away."""
    document = deepcopy(synthesized.document)
    for entries in document["resource"].values():
        for values in entries.values():
            if values["//"]["metadata"]["path"].split("/", 1)[1] == path:
                values.update(arguments)
                for name in [name for name, value in arguments.items() if value is None]:
                    del values[name]
                return type(synthesized)(synthesized.config, document)
    raise AssertionError(path)


@pytest.fixture(name="region", params=sorted(file.stem for file in prices.FOLDER.iterdir()))
def _region(request):
    """Each region that there is a list of."""
    return request.param


# --- everything is priced, or named ----------------------------------------------------------


def test_every_environment_is_priced_whole(stack):
    found = billed(stack)
    assert not found.unpriced
    assert found.total == sum(item.monthly for item in found.items) > 0


@pytest.mark.parametrize(
    ("name", "changes", "password"),
    [
        ("dev", {}, True),
        ("prod", {"load_balancer": {"certificate_arn": CERTIFICATE}}, False),
        ("staging", {"network": {"nat": NatMode.PER_AZ}}, False),
    ],
)
def test_every_variant_is_priced_whole(synthesize, name, changes, password):
    assert not billed(synthesize(name, password_given=password, **changes)).unpriced


def test_a_type_is_charged_for_or_free_with_its_source():
    assert not CHARGED.keys() & FREE.keys()
    assert all(source.startswith("https://aws.amazon.com/") for source in FREE.values())


def test_every_price_has_unit_source_and_date(region):
    for key, price in prices.load(region).items():
        assert price.usd > 0 and price.source.startswith("https://"), key
        assert price.date <= date.today()
        if key.startswith("rds-instance/"):
            assert price.vcpus and price.unit == "hour", key
        else:
            assert not price.vcpus and price.unit == QUERIES[key].unit, key


def test_a_price_of_another_region_is_near_that_of_the_first(region):
    """A slip of the point, or a price by the thousand."""
    for key, price in prices.load(region).items():
        if key in PRICES:
            assert Decimal("0.7") < price.usd / PRICES[key].usd < Decimal("1.7"), key


def test_a_bigger_class_costs_more(region):
    found = prices.load(region)
    sizes = {}
    for key in (key for key in found if key.startswith("rds-instance/")):
        _, class_, deployment = key.split("/")
        sizes.setdefault((class_.split(".")[1], deployment), []).append(found[key].usd)
    assert all(costs == sorted(set(costs)) for costs in sizes.values())


def test_an_unknown_type_is_named_and_not_in_the_sum(shipped):
    document = deepcopy(shipped("dev").document)
    metadata = {"//": {"metadata": {"path": "tap-dev-qa1/queue/queue"}}}
    document["resource"]["aws_sqs_queue"] = {"queue_1": metadata}
    known = billed(shipped("dev"))
    found = billed(type(shipped("dev"))(shipped("dev").config, document))
    (missing,) = found.unpriced
    assert (missing.path, missing.type) == ("queue/queue", "aws_sqs_queue")
    assert found.total == known.total


def test_a_price_that_the_list_lacks_is_named(shipped):
    without = {key: price for key, price in PRICES.items() if key != "nat-hour"}
    found = billed(shipped("staging"), price_list=without)
    (missing,) = found.unpriced
    assert missing.path == "network/nat0" and "nat-hour" in missing.why
    assert billed(shipped("staging")).total - found.total == MONTHLY_NAT


@pytest.mark.parametrize(
    ("path", "arguments", "why"),
    [
        ("database/instance", {"instance_class": "db.x9.huge"}, "db.x9.huge"),
        ("database/instance", {"storage_type": "io2"}, "rds-storage-io2"),
        ("database/instance", {"engine": "mysql"}, "PostgreSQL"),
        ("database/instance", {"iops": 12000}, "IOPS"),
        (
            "database/instance",
            {"performance_insights_enabled": True, "performance_insights_retention_period": 31},
            "31 days",
        ),
        (
            "database/instance",
            {"engine_version": "9.6", "engine_lifecycle_support": None},
            "PostgreSQL 9",
        ),
        ("service/service", {"launch_type": "EC2"}, "Fargate"),
        ("service/task_definition", {"ephemeral_storage": {"size_in_gib": 50}}, "ephemeral"),
        (
            "service/cluster",
            {"setting": [{"name": "containerInsights", "value": "enhanced"}]},
            "en",
        ),
        ("load_balancer/load_balancer", {"load_balancer_type": "network"}, "application"),
        ("service/log_group", {"retention_in_days": None}, "forever"),
        ("monitoring/database_cpu", {"metric_query": [{"id": "a"}]}, "several"),
        ("state/lock_table", {"billing_mode": "PROVISIONED"}, "on demand"),
        ("outputs/parameters/service_url", {"tier": "Advanced"}, "standard"),
    ],
)
def test_what_is_not_understood_is_named(shipped, path, arguments, why):
    found = billed(altered(shipped("staging"), path, **arguments))
    assert [why in missing.why for missing in found.unpriced]
    assert all(why in missing.why for missing in found.unpriced)


# --- the sums are those of the config --------------------------------------------------------


def test_the_instance_is_charged_by_its_class_and_deployment(stack):
    config = stack.config.database
    deployment = "Multi-AZ" if config.multi_az else "Single-AZ"
    price = PRICES[f"rds-instance/{config.instance_class}/{deployment}"].usd
    assert monthly(billed(stack), "rds-instance") == HOURS * price


def test_multi_az_doubles_instance_and_storage(synthesize):
    single, double = (
        billed(synthesize("staging", database={"multi_az": multi_az})) for multi_az in (False, True)
    )
    for key in ("rds-instance", "rds-storage-gp3"):
        assert monthly(double, key) == 2 * monthly(single, key) > 0


def test_nat_gateways_by_the_hour(stack):
    assert monthly(billed(stack), "nat-hour") == stack.config.network.nat_gateways * MONTHLY_NAT


def test_public_addresses_of_balancer_gateways_and_public_tasks(stack):
    service = stack.config.service
    public_tasks = service.minimum_count if service.subnets is SubnetTier.PUBLIC else 0
    count = len(stack.config.network.zones) + stack.config.network.nat_gateways + public_tasks
    assert monthly(billed(stack), "public-ipv4") == count * MONTHLY_ADDRESS


def test_tasks_by_size_and_least_number(stack):
    config = stack.config.service
    vcpus = Decimal(config.cpu_units * config.minimum_count) / 1024
    gigabytes = Decimal(config.memory_mib * config.minimum_count) / 1024
    found = billed(stack)
    assert monthly(found, "fargate-vcpu") == vcpus * HOURS * Decimal("0.04048")
    assert monthly(found, "fargate-gb") == gigabytes * HOURS * Decimal("0.004445")


def test_autoscaling_is_charged_from_its_least(synthesize):
    scaling = BY_NAME["prod"].service.autoscaling
    assert scaling is not None
    found = billed(synthesize("prod", service={"desired_count": 7}))
    (vcpu,) = [item for item in found.items if item.charge.what == "vCPU"]
    assert vcpu.charge.size == f"{scaling.min_count} × 1"


def test_arm_has_a_price_of_its_own(synthesize):
    found = billed(synthesize("dev", service={"cpu_architecture": "ARM64"}))
    assert monthly(found, "fargate-vcpu") == Decimal("0.25") * HOURS * Decimal("0.03238")


def test_alarms_ten_cents_each(stack):
    found = billed(stack)
    assert monthly(found, "alarm") == stack.count("aws_cloudwatch_metric_alarm") * Decimal("0.1")


def test_the_database_s_secret_is_charged_whoever_makes_it(synthesize):
    for given in (False, True):
        found = billed(synthesize("dev", password_given=given))
        assert monthly(found, "secret") == Decimal("0.4")


def test_logs_are_charged_when_written_and_while_kept(shipped):
    found = billed(
        shipped("staging"),
        own={"all": {"service/log_group": {"ingested_gb": 73, "compressed_to": 0.5}}},
    )
    assert monthly(found, "log-ingested", "service/log_group") == Decimal("36.5")
    days = BY_NAME["staging"].service.log_retention_days
    kept = 73 * Decimal("0.5") * days / (HOURS / 24)
    assert monthly(found, "log-stored", "service/log_group") == kept * Decimal("0.03")


def test_gateway_endpoints_are_free_of_charge(stack):
    assert stack.has("network/s3_endpoint")
    assert not [item for item in billed(stack).items if item.path == "network/s3_endpoint"]


def test_flow_logs_are_vended(shipped):
    keys = {
        item.charge.key
        for item in billed(shipped("staging")).items
        if item.path == "network/flow_log_group"
    }
    assert keys == {"log-vended", "log-stored"}


def test_insights_only_where_they_are_on(stack):
    on = stack.config.service.container_insights
    assert bool(monthly(billed(stack), "metric")) == on


def test_keys_and_firewalls(shipped):
    """Types that no environment has yet."""
    document = deepcopy(shipped("dev").document)
    extra = {
        "aws_kms_key": {},
        "aws_wafv2_web_acl": {"rule": [{"name": "a"}, {"name": "b"}]},
        "aws_vpc_endpoint": {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]},
    }
    for type_, arguments in extra.items():
        values = {**arguments, "//": {"metadata": {"path": f"tap-dev-qa1/more/{type_}"}}}
        document["resource"].setdefault(type_, {})["more_1"] = values
    synthesized = type(shipped("dev"))(shipped("dev").config, document)
    found = billed(synthesized, own={"all": {"aws_kms_key": {"rotations": 5}}})
    assert not found.unpriced
    assert monthly(found, "kms-key") == 3
    assert monthly(found, "waf-acl") + monthly(found, "waf-rule") == 7
    assert monthly(found, "vpc-endpoint-hour") == 2 * HOURS * Decimal("0.01")
    dearer = [{"statement": {"name": "AWSManagedRulesBotControlRuleSet"}}]
    found = billed(altered(synthesized, "more/aws_wafv2_web_acl", rule=dearer))
    assert [missing.type for missing in found.unpriced] == ["aws_wafv2_web_acl"]


@pytest.mark.parametrize(
    ("day", "database", "vcpu_hours", "price"),
    [
        (date(2027, 2, 28), {"extended_support": True}, 0, 0),
        (date(2027, 3, 1), {}, 0, 0),
        (date(2027, 3, 1), {"extended_support": True}, 2 * 730, "0.10"),
        (date(2029, 2, 28), {"extended_support": True, "multi_az": True}, 4 * 730, "0.10"),
        (date(2029, 3, 1), {"extended_support": True}, 2 * 730, "0.20"),
    ],
)
def test_extended_support(synthesize, day, database, vcpu_hours, price):
    """PostgreSQL 14 leaves standard support on 2027-02-28."""
    found = billed(synthesize("staging", database=database), day=day)
    assert monthly(found, "rds-extended-support") == vcpu_hours * Decimal(price)


def test_a_version_newer_than_those_known_has_no_extended_support(shipped):
    newer = {"engine_version": "99", "engine_lifecycle_support": None}
    found = billed(altered(shipped("dev"), "database/instance", **newer), day=date(2099, 1, 1))
    assert not monthly(found, "rds-extended-support") and not found.unpriced


def test_extended_support_of_an_unknown_class_is_named(synthesize):
    stack = synthesize(
        "staging", database={"extended_support": True, "instance_class": "db.x9.large"}
    )
    found = billed(stack, day=date(2028, 1, 1))
    assert any("vCPUs of db.x9.large" in missing.why for missing in found.unpriced)


# --- usage -----------------------------------------------------------------------------------


def test_the_nearest_section_counts(shipped):
    stack = Stack.read(shipped("staging").document)
    (gateway,) = stack.all("aws_nat_gateway")
    own = {
        "all": {"aws_nat_gateway": {"processed_gb": 1}},
        "staging": {"aws_nat_gateway": {"processed_gb": 2}},
    }
    for environment, key, amount in (
        ("all", "aws_nat_gateway", 1),
        ("all", "network/nat0", 2),
        ("staging", "aws_nat_gateway", 3),
        ("staging", "network/nat0", 4),
    ):
        own.setdefault(environment, {})[key] = {"processed_gb": amount}
        assert usage.Usage([own]).quantity(stack, gateway, "processed_gb") == (
            amount if environment == "staging" else 2
        )


def test_tasks_may_be_counted(shipped):
    found = billed(shipped("prod"), own={"prod": {"aws_ecs_service": {"tasks": 4.5}}})
    assert monthly(found, "fargate-vcpu") == Decimal("4.5") * HOURS * Decimal("0.04048")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stagging.aws_lb]\nlcu = 1", "stagging: is no environment"),
        ("[all.aws_lbs]\nlcu = 1", "aws_lb"),
        ("[all.aws_vpc]\nlcu = 1", "nothing of it depends on usage"),
        ('[dev."network/nat0"]\nprocessed_gb = 1', "dev.network/nat0"),
        ("[all.aws_lb]\nlcus = 1", "all.aws_lb.lcus: is no quantity (the nearest: lcu"),
        ("[all.aws_lb]\nlcu = -1", "all.aws_lb.lcu: -1 is no amount"),
        ("[all.aws_lb]\nlcu = nan", "nan is no amount"),
        ("[all.aws_lb]\nlcu = inf", "inf is no amount"),
        ("[all.aws_lb]\nlcu = true", "True is no amount"),
        ('[all.aws_lb]\nlcu = "configured"', "is no amount"),
        ("all = 1", "all."),
        ("[all]\naws_lb = 1", "all.aws_lb."),
    ],
)
def test_what_nothing_would_come_of_is_named(tmp_path, shipped, text, said):
    file = tmp_path / "usage.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        usage.read(file, [Stack.read(shipped("dev").document)])
    assert said in str(raised.value)


@pytest.mark.parametrize("content", [b"[all", b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "usage.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TapError, match=re.escape(str(file))):
        usage.read(file, [])


# --- the command -----------------------------------------------------------------------------


@pytest.fixture(name="stacks")
def _stacks(shipped, monkeypatch):
    """The shipped stacks, without a synthesis of their own; a test may exchange one."""
    stacks = {name: Stack.read(shipped(name).document) for name in BY_NAME}

    def synthesize(environ, *_):
        asked = environ.get("ENVIRONMENT") or ",".join(BY_NAME)
        return [stacks[name] for name in stacks if name in asked.split(",")]

    monkeypatch.setattr(cost, "synthesize", synthesize)
    for name in ("ENVIRONMENT", "ENVIRONMENT_SUFFIX", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return stacks


def test_the_table_shows_every_environment_and_what_it_is_made_from(stacks, capsys):
    assert main(["cost"]) == 0
    out = capsys.readouterr().out
    for stack in stacks.values():
        assert f"{stack.environment}, us-east-1: $" in out
    assert "ops/cost/usage.toml" in out and "Prices of 20" in out
    assert "Not confirmed by the price list itself: rds-instance/" in out


def test_the_lines_of_the_table_add_up(shipped):
    found = billed(shipped("prod"))
    rows = report.rows(found)
    assert sum(row.monthly for row in rows) == found.total
    assert [row.part for row in rows] == sorted((r.part for r in rows), key=PARTS.index)
    out = io.StringIO()
    report.tables([found], out)
    shown = [Decimal(text) for text in re.findall(r"\$([\d.]+)\s*$", out.getvalue(), re.M)]
    assert abs(sum(shown) - found.total) < Decimal("0.20")  # rounding, line by line


def test_json_has_everything(stacks, capsys):
    assert main(["cost", "--json"]) == 0
    bills = json.loads(capsys.readouterr().out)
    assert [entry["environment"] for entry in bills] == list(stacks)
    for entry in bills:
        total = sum(item["monthly_usd"] for item in entry["items"])
        assert total == pytest.approx(entry["monthly_usd"])
        for item in entry["items"]:
            assert item["monthly_usd"] == pytest.approx(item["amount"] * item["usd"])
            assert item["source"].startswith("https://") and item["price_date"] and item["unit"]
        assert entry["free_types"] and entry["unpriced"] == []


def test_markdown_is_a_table_and_its_notes(stacks, capsys):
    assert main(["cost", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| dollars a month | {' | '.join(stacks)} |"
    found = [line for line in lines if line.startswith("| NAT and endpoints: NAT gateway |")]
    assert len(found) == 1 and "|  | $32.85 | $98.55 |" in found[0]


def test_a_stack_without_prices_for_all_ends_with_1(stacks, shipped, capsys):
    changed = altered(shipped("dev"), "database/instance", engine="mysql")
    stacks["dev"] = Stack.read(changed.document)
    assert main(["cost"]) == 1
    assert "NO PRICE, not in the sum: dev database/instance" in capsys.readouterr().out


def test_usage_and_day_are_told(stacks, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev")
    file = tmp_path / "usage.toml"
    file.write_text("[dev.aws_lb]\nlcu = 10\n")
    assert stacks and main(["cost", "--json", "--usage", str(file), "--on", "2029-01-01"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    (units,) = [item for item in found["items"] if item["what"] == "capacity units"]
    assert units["amount"] == 7300


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frobnicate"], "unknown argument --frobnicate"),
        (["--between", "dev", "dev"], "one environment"),
        (["--since", "a", "b", "c"], "--since takes one commit, or two"),
        (["--since", "no-such-commit"], "git: "),
        (["--since", "--output=/tmp/x"], None),
    ],
)
def test_bad_input_is_named(stacks, capsys, arguments, said):
    if said is None:
        with pytest.raises(SystemExit) as raised:
            main(["cost", *arguments])
        assert raised.value.code == 2
    else:
        assert stacks and main(["cost", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_a_region_without_prices_stops_no_other(stacks, synthesize, capsys):
    stacks["dev"] = Stack.read(synthesize("dev", region=UNLISTED).document)
    assert main(["cost"]) == 1
    out = capsys.readouterr().out
    assert f"dev, {UNLISTED}: ≥ $0.00 + everything a month" in out
    assert "staging, us-east-1: $" in out and "prod, us-east-1: $" in out
    (note,) = [line for line in out.splitlines() if line.startswith("NO PRICE")]
    assert f"there is no price list of {UNLISTED}: python -m ops cost --refresh" in note
    assert main(["cost", "--between", "dev", "prod"]) == 1
    assert "prod instead of dev: not known, without a price of everything\n" in (
        capsys.readouterr().out
    )


def test_without_a_price_the_sum_is_a_floor(synthesize, capsys, stacks):
    before, after = (
        billed(synthesize("prod", database={"instance_class": class_}))
        for class_ in ("db.t3.medium", UNKNOWN_CLASS)
    )
    instance = sum(item.monthly for item in before.items if item.charge.what == "instance")
    assert report.total(before) == report.money(before.total)
    assert report.total(after) == f"≥ {report.money(before.total - instance)} + database"
    assert f"**{report.total(after)}**" in "\n".join(report.markdown([after]))
    (entry,) = report.as_json([after])
    assert entry["monthly_usd"] is None
    assert entry["at_least_usd"] == pytest.approx(float(before.total - instance))
    stacks["dev"] = Stack.read(
        synthesize("dev", database={"instance_class": UNKNOWN_CLASS}).document
    )
    assert main(["cost"]) == 1
    assert " + database a month" in capsys.readouterr().out


@pytest.mark.parametrize("back", [False, True])
def test_without_a_price_no_difference_is_told(synthesize, back):
    """A bigger database, and back: it is no saving, and no figure, either way."""
    before, after = (
        billed(synthesize("prod", database={"instance_class": class_, "multi_az": True}))
        for class_ in ("db.t3.medium", UNKNOWN_CLASS)
    )
    difference = report.Difference("prod", *((after, before) if back else (before, after)))
    assert difference.monthly is None
    assert report.headline([difference]) == (
        "this change: not known, without a price of database in prod"
    )
    assert [line.strip() for line in difference.lines()] == ["no price  database/instance"]
    said = difference.as_json()
    assert said["monthly_usd"] is None and said["unpriced"] == ["database"]
    assert (said["before_usd"] is None) is back and (said["after_usd"] is None) is not back


def test_what_lacks_a_price_on_both_sides_is_no_difference(synthesize):
    """The database is the same: what a NAT gateway more costs is known."""
    one, three, whole, whole_three = (
        billed(synthesize("prod", database={"instance_class": class_}, network={"nat": nat}))
        for class_ in (UNKNOWN_CLASS, "db.t3.medium")
        for nat in (NatMode.SINGLE, NatMode.PER_AZ)
    )
    found = report.Difference("prod", one, three)
    assert found.monthly == whole_three.total - whole.total > 2 * MONTHLY_NAT
    elsewhere = dataclasses.replace(three, region="eu-west-1")
    assert report.Difference("prod", one, elsewhere).monthly is None


def test_between_two_environments(stacks, capsys):
    assert stacks and main(["cost", "--between", "staging", "prod", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["monthly_usd"] == pytest.approx(found["after_usd"] - found["before_usd"])
    assert sum(c["monthly_usd"] for c in found["changes"]) == pytest.approx(found["monthly_usd"])
    assert main(["cost", "--between", "staging", "prod"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("prod instead of staging: +$")
    assert "+$32.85  network/nat1: NAT gateway\n" in out


def test_a_difference_the_other_way_is_negative(shipped):
    before, after = billed(shipped("prod")), billed(shipped("dev"))
    difference = report.Difference("x", before, after)
    assert difference.monthly is not None and difference.monthly < 0
    assert any("-$98.55" in line or "-$32.85" in line for line in difference.lines())
    assert report.headline([difference]).startswith("this change: -$")


def test_an_environment_that_comes_or_goes(shipped):
    dev, prod = billed(shipped("dev")), billed(shipped("prod"))
    came, went = report.compare([prod], [dev])
    assert (came.name, came.monthly) == ("dev", dev.total)
    assert (went.name, went.monthly) == ("prod", -prod.total)


def test_a_bigger_instance_is_one_line(synthesize, shipped):
    before = billed(shipped("dev"))
    after = billed(synthesize("dev", database={"instance_class": "db.t3.small"}))
    (line,) = report.Difference("dev", before, after).lines()
    assert line.strip() == (
        "+$13.14  database/instance: instance (db.t3.micro, Single-AZ → db.t3.small, Single-AZ)"
    )


@pytest.fixture(name="repository")
def _repository(tmp_path, monkeypatch):
    """A repository of two commits: the second gives staging a NAT gateway in each zone."""
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tap.py", folder)
    config = folder / "lib" / "config" / "environment_config.py"

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    text = config.read_text()
    changed = text.replace("nat=NatMode.SINGLE", "nat=NatMode.PER_AZ")
    assert changed != text
    config.write_text(changed)
    git("commit", "--quiet", "--all", "--message", "two")
    config.write_text("broken(")
    git("commit", "--quiet", "--all", "--message", "three")
    monkeypatch.setattr(cost, "ROOT", folder)
    for name in ("ENVIRONMENT", "ENVIRONMENT_SUFFIX", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_what_a_change_costs(repository, capsys):
    assert repository and main(["cost", "--since", "HEAD~2", "HEAD~1", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("**this change: +$")
    assert "a month in staging, nothing in dev, prod" in out
    assert out.count("+$32.85  network/nat") == 2


def test_a_commit_that_does_not_synthesize_is_named(repository, capsys):
    assert repository and main(["cost", "--since", "HEAD"]) == 2
    assert "tap: HEAD: synthesis failed" in capsys.readouterr().err


# --- refresh ---------------------------------------------------------------------------------


def product(query, usd, *, prefix="", unit=None, usagetype=None, **attributes):
    """A product as the Price List API gives it, in the shape of its recorded answers."""
    units = {
        "hour": "Hrs",
        "vCPU-hour": "hours",
        "GB-hour": "hours",
        "LCU-hour": "LCU-Hrs",
        "GB-month": "GB-Mo",
        "month": "Month",
        "request": "Requests",
        "notification": "Notifications",
    }
    usage_ = usagetype or query.usage.replace("\\d+", "14").replace("\\", "")
    tiers = {
        "SKU.JRTCKXETXF.FREE": ("0", "10", "0.0000000000"),
        "SKU.JRTCKXETXF.6YS6EN2CT7": ("10", "Inf", str(usd)),
    }
    return json.dumps(
        {
            "product": {
                "productFamily": "x",
                "attributes": {"usagetype": prefix + usage_, "vcpu": "2", **attributes},
                "sku": "SKU",
            },
            "serviceCode": query.service,
            "terms": {
                "OnDemand": {
                    "SKU.JRTCKXETXF": {
                        "priceDimensions": {
                            code: {
                                "unit": unit or units.get(query.unit, query.unit),
                                "beginRange": begin,
                                "endRange": end,
                                "description": "",
                                "appliesTo": [],
                                "rateCode": code,
                                "pricePerUnit": {"USD": dollars},
                            }
                            for code, (begin, end, dollars) in tiers.items()
                        },
                        "sku": "SKU",
                        "effectiveDate": "2026-03-01T00:00:00Z",
                        "offerTermCode": "JRTCKXETXF",
                        "termAttributes": {},
                    }
                },
                "Reserved": {},
            },
            "version": "20260318225923",
            "publicationDate": "2026-03-18T22:59:23Z",
        }
    )


class Api:
    """The Price List API, answering ``refresh`` in the order of its questions."""

    def __init__(self):
        self.client = boto3.client(
            "pricing",
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # nosec
        )
        self.stubber = Stubber(self.client)

    def answer(self, service, fields, *pages):
        """To one question, in pages."""
        filters = [
            {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()
        ]
        for number, page in enumerate(pages):
            asked = {"ServiceCode": service, "Filters": filters, "FormatVersion": "aws_v1"}
            if number:
                asked["NextToken"] = f"page{number}"
            answered = {"FormatVersion": "aws_v1", "PriceList": page}
            if number + 1 < len(pages):
                answered["NextToken"] = f"page{number + 1}"
            self.stubber.add_response("get_products", answered, asked)

    def refresh(self, region, stacks, folder):
        """Runs it."""
        with self.stubber:
            file = refresh(region, stacks, client=self.client, folder=folder, today=DAY)
        self.stubber.assert_no_pending_responses()
        return file


def answer_all(api, region, *, classes=(), instead=None):
    """Every question answered with one price; ``instead`` has pages for some."""
    for class_ in classes:
        for deployment, word in (("Single-AZ", "InstanceUsage"), ("Multi-AZ", "Multi-AZUsage")):
            fields = {
                "regionCode": region,
                "databaseEngine": "PostgreSQL",
                "instanceType": class_,
                "deploymentOption": deployment,
            }
            text = product(QUERIES["alb-hour"], "0.5", usagetype=f"{word}:{class_}", prefix="EU-")
            api.answer("AmazonRDS", fields, [text])
    for key, query in QUERIES.items():
        fields = {query.region_attribute: region, **query.attributes}
        pages = (instead or {}).get(key) or [[product(query, "0.25", prefix="EU-")]]
        api.answer(query.service, fields, *pages)


def test_a_refreshed_list_has_every_price(tmp_path, synthesize):
    api = Api()
    stacks = [Stack.read(synthesize("dev", region="eu-west-1").document)]
    answer_all(api, "eu-west-1", classes=["db.t3.micro"])
    file = api.refresh("eu-west-1", stacks, tmp_path)
    assert file == tmp_path / "eu-west-1.json"
    found = prices.load("eu-west-1", tmp_path)
    assert {*found} == {
        *QUERIES,
        "rds-instance/db.t3.micro/Single-AZ",
        "rds-instance/db.t3.micro/Multi-AZ",
    }
    instance = found["rds-instance/db.t3.micro/Multi-AZ"]
    assert (instance.usd, instance.unit, instance.vcpus) == (Decimal("0.5"), "hour", 2)
    secret = found["secret"]
    assert (secret.usd, secret.unit, secret.date) == (Decimal("0.25"), "month", DAY)
    assert secret.confirmed_by == "AWS Price List API, publication 2026-03-18"


def test_the_shipped_list_has_what_a_refresh_asks_for():
    assert {key for key in PRICES if not key.startswith("rds-instance/")} == {*QUERIES}
    assert all(PRICES[key].unit == query.unit for key, query in QUERIES.items())
    assert all(PRICES[key].source == query.page for key, query in QUERIES.items())


def test_what_shares_a_usage_type_s_end_is_no_answer(tmp_path):
    """As in the recorded list: regional NAT gateways, reserved capacity, other regions' names."""
    query, api = QUERIES["nat-hour"], Api()
    others = [
        product(query, "9", usagetype="EUW2-RegionalNatGateway-Hours"),
        product(query, "9", usagetype="EUW2-NatGateway-Hours-Reserved"),
    ]
    pages = [others, [product(query, "0.05", prefix="EUW2-")]]
    answer_all(api, "eu-west-2", instead={"nat-hour": pages})
    api.refresh("eu-west-2", [], tmp_path)
    assert prices.load("eu-west-2", tmp_path)["nat-hour"].usd == Decimal("0.05")


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ([[]], "AWS's list has nothing"),
        ([[product(QUERIES["nat-gb"], "1"), product(QUERIES["nat-gb"], "2")]], "has 1, 2"),
        ([[product(QUERIES["nat-gb"], "1", unit="TB")]], "nat-gb by TB, not by GB"),
    ],
)
def test_a_price_that_is_not_one_leaves_the_list_as_it_was(tmp_path, pages, said):
    shutil.copy(prices.FOLDER / "us-east-1.json", tmp_path)
    before = (tmp_path / "us-east-1.json").read_bytes()
    api = Api()
    classes = sorted({key.split("/")[1] for key in PRICES if key.startswith("rds-instance/")})
    answer_all(api, "us-east-1", classes=classes, instead={"nat-gb": pages})
    with pytest.raises(TapError, match=said):
        api.refresh("us-east-1", [], tmp_path)
    assert (tmp_path / "us-east-1.json").read_bytes() == before


def test_what_aws_refuses_is_told(tmp_path):
    api = Api()
    api.stubber.add_client_error("get_products", "AccessDeniedException", "no")
    with pytest.raises(TapError, match="AccessDenied") as raised:
        api.refresh("us-west-2", [], tmp_path)
    assert "pricing:GetProducts" in raised.value.hint
    assert not list(tmp_path.iterdir())


def test_without_credentials_the_hint_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(TapError) as raised:
        refresh("us-west-2", [], folder=tmp_path)
    assert "credentials" in raised.value.hint


def test_a_list_is_read_as_it_was_written(tmp_path):
    file = prices.save("us-east-1", PRICES, tmp_path)
    assert prices.load("us-east-1", tmp_path) == PRICES
    assert file.read_text() == (prices.FOLDER / "us-east-1.json").read_text()


def test_refresh_is_a_part_of_the_command(stacks, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(cost, "refresh", lambda *arguments: asked.append(arguments) or Path("x"))
    assert main(["cost", "--refresh"]) == 0
    assert asked == [("us-east-1", list(stacks.values()))]
    assert "wrote x" in capsys.readouterr().out
