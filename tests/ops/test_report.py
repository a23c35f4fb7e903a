"""``ops report``: what the stacks say is on the page, all of it, and nothing else runs or loads."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from types import MappingProxyType

import pytest

from lib.config.environment_config import AlarmsConfig, NatMode
from lib.modules.ssm_outputs import Published
from ops import report as command
from ops.__main__ import main
from ops.cost.report import money
from ops.fields.changes import has
from ops.fields.declared import fields
from ops.network import intended_paths
from ops.policy.stack import Stack as PolicyStack
from ops.report.render import page
from ops.stacks import ASKED, Stack, synthesized
from tests.conftest import BY_NAME, changed
from tests.report import DAY, effects, reported
from tests.synthesized import Synthesized

VOID = {"meta", "link", "wbr", "path", "polygon", "ellipse", "polyline"}
INLINE = {"a", "code", "small", "span", "strong", "wbr"}
LOADING = {"src", "srcset", "data", "poster", "action", "background", "xlink:href", "style"}


class Read(HTMLParser):
    """A page taken apart: its text by section, its elements; every element ends where it may."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.ids, self.scope = [], None
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"{tag} says something twice"
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "section":
            self.scope = attributes["id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.handle_data(" ")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open and self.open.pop() == tag, f"{tag} ends what it did not begin"
        if tag == "section":
            self.scope = None

    def handle_data(self, data):
        self.texts[self.scope] = self.texts.get(self.scope, "") + data

    def text(self, section):
        """All that is read in a section."""
        return " ".join(self.texts[section].split())

    def of(self, tag):
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def made(synthesized_stack, day=DAY, **changes):
    """The page of a stack, taken apart."""
    return Read(page(replace(reported(synthesized_stack, day), **changes), list(BY_NAME)))


# --- what is on it ---------------------------------------------------------------------------


def test_every_resource_is_on_it_once(stack):
    read, found = made(stack), Stack.read(stack.document)
    rows = re.findall(r"(\S+/\S+) (aws_\w+)", read.text("resources"))
    listed = [path for path, _ in rows]
    assert sorted(rows) == sorted((entry.path, entry.type) for entry in found.resources.values())
    assert len(set(listed)) == len(listed)
    assert f"Resources {len(found.resources)} " in read.text("summary")


def test_every_waiver_is_on_it_with_its_reason_cost_and_day(stack):
    read = made(stack)
    waivers = PolicyStack(stack.config.name, False, stack.document).waivers.values()
    assert waivers
    text = read.text("waivers")
    for waiver in waivers:
        row = re.search(
            rf"{waiver.check} [^§]*?{re.escape(waiver.path)}[^§]*?{re.escape(waiver.reason)} ?"
            rf"{re.escape(waiver.cost)} ?{waiver.review}",
            text,
        )
        assert row, waiver
    kinds = {(waiver.check, waiver.reason, waiver.cost, waiver.review) for waiver in waivers}
    assert f"Waivers {len(kinds)}" in read.text("summary")


def test_a_waiver_that_has_ended_stands_out(shipped):
    before, after = (made(shipped("prod"), day) for day in (date(2027, 11, 29), date(2027, 11, 30)))
    assert "ended" not in before.text("waivers") + before.text("summary")
    assert "2027-11-30, ended" in after.text("waivers")
    assert re.search(r"Waivers \d+ \d+ ended", after.text("summary"))


def test_every_output_and_parameter_is_on_it(stack):
    text = made(stack).text("outputs")
    for published in Published:
        component, key = published.split("/")
        path = f"/tap/{stack.config.name}/qa1/{component}/{key}"
        assert re.search(rf"\b{component}_{key} {re.escape(path)} \S", text), published
    assert len(re.findall(r"/tap/", text)) == len(Published)
    assert set(stack.document["output"]) <= set(text.split())
    assert "database/instance address" in text and "${" not in text


def test_a_parameter_without_an_output_is_told_too(shipped):
    stack = shipped("dev")
    less = {k: v for k, v in stack.document["output"].items() if k != "database_port"}
    document = {**stack.document, "output": less}
    text = made(Synthesized(stack.config, document)).text("outputs")
    assert "/tap/dev/qa1/database/port 5432" in text and "database_port" not in text


def test_every_open_path_is_on_it_and_the_internet_s_are_counted(stack):
    read = made(stack)
    paths = intended_paths(Stack.read(stack.document))
    for path in paths:
        assert re.search(
            rf"{path.source}( internet)? {path.target}( internet)? {path.traffic}",
            read.text("paths"),
        )
    outside = [path for path in paths if path.source[0].isdigit()]
    said = f"Open paths {len(paths)} {len(outside)} from the internet"
    assert outside and said in read.text("summary")


def test_the_bill_is_on_it_to_the_cent(stack):
    report, read = reported(stack), made(stack)
    text = read.text("cost")
    assert f"In all {report.total}" in text
    assert f"A month {report.total}" in read.text("summary")
    for part, rows in report.costs.items():
        assert (
            f"{part[:1].upper()}{part[1:]} {money(sum((row.monthly for row in rows), Decimal(0)))}"
            in text
        )
        for row in rows:
            assert row.what in text and money(row.monthly) in text
    listed = sum((row.monthly for rows in report.costs.values() for row in rows), Decimal(0))
    assert money(listed) == report.total
    assert "Prices of 20" in text


def test_what_has_no_price_is_said_at_the_top(shipped, synthesize):
    read = made(synthesize("dev", database={"instance_class": "db.m7g.large"}))
    assert "not in the sum: database/instance" in read.text("summary")
    assert "no rds-instance/db.m7g.large/Single-AZ" in read.text("summary")
    assert "NO PRICE" not in read.text("cost")
    assert "No price" not in made(shipped("dev")).text("summary")


def test_every_field_that_the_environment_has_is_on_it(stack):
    text = made(stack).text("changes")
    costs = effects(stack.config)
    for field in fields():
        if has(stack.config, field.path):
            row = rf"\b{field.name} [^§]*?{re.escape(str(costs[field.path]))} "
            assert re.search(row, text), field.path
    scaling = bool(stack.config.service.autoscaling)
    assert ("Fields of service.autoscaling" in text) is scaling


def test_what_terraform_did_the_other_way_is_said(shipped):
    dev, prod = (made(shipped(name)).text("changes") for name in ("dev", "prod"))
    assert re.search(
        r"alarms None AlarmsConfig\(\) \S+ to None in staging: removes aws_cloudwatch", dev
    )
    assert re.search(r"alarms AlarmsConfig\(\S+\) None \S+ removes aws_cloudwatch", prod)


@pytest.mark.parametrize(
    ("changes", "section", "before", "after"),
    [
        ({"network": {"nat": NatMode.PER_AZ}}, "sizes", "1, lost with", "3, one in each zone"),
        ({"database": {"multi_az": True}}, "sizes", "in one zone", "a standby in another"),
        ({"database": {"backup_days": 1}}, "sizes", "for 3 days", "for 1 day "),
        ({"service": {"desired_count": 5}}, "sizes", "2, in private", "5, in private"),
        ({"service": {"desired_count": 5}}, "cost", "2 × 0.5", "5 × 0.5"),
        (
            {"load_balancer": {"allowed_cidrs": ("192.0.2.0/24",)}},
            "paths",
            "0.0.0.0/0 internet sec",
            "192.0.2.0/24",
        ),
        ({"alarms": None}, "resources", "monitoring/topic", ""),
        ({"owner": "somebody"}, None, "owned by platform", "owned by somebody"),
        (
            {"database": {"database_name": "shop"}},
            "outputs",
            "database/name app",
            "database/name shop",
        ),
        (
            {"service": {"cpu_units": 1024, "memory_mib": 2048}},
            "picture",
            "512 CPU units",
            "1024 CPU units",
        ),
        (
            {"alarms": AlarmsConfig(emails=("a@example.com",))},
            "changes",
            "emails ()",
            'emails ("a@example.com",)',
        ),
    ],
)
def test_a_change_of_the_config_is_a_change_of_the_page(
    synthesize, changes, section, before, after
):
    old, new = made(synthesize("staging")), made(synthesize("staging", **changes))
    assert before in old.text(section) and before not in new.text(section)
    assert after in new.text(section) and (not after or after not in old.text(section))


def test_the_picture_is_in_it(stack):
    read = made(stack)
    assert len(read.of("svg")) == 1
    for word in ("Application Load Balancer", "public subnets", stack.config.network.cidr):
        assert word in read.text("picture")


# --- how it is made --------------------------------------------------------------------------


def test_nothing_is_loaded_and_nothing_runs(stack):
    read = made(stack)
    assert not read.of("script") and not read.of("iframe") and not read.of("img")
    for tag, attributes in read.elements:
        assert not LOADING & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert {link["href"] for link in read.of("link")} == {"data:,"}
    links = {link["href"] for link in read.of("a")}
    assert {link for link in links if not link.startswith("#")} == {f"{n}.html" for n in BY_NAME}
    styles = re.findall(r"<style>(.*?)</style>", page(reported(stack), ["x"]), re.DOTALL)
    assert len(styles) == 2  # the page's and the picture's
    assert not [style for style in styles if "url(" in style or "@import" in style]
    policy = [meta["content"] for meta in read.of("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_every_link_within_leads_to_one_place(stack):
    read = made(stack)
    assert len(read.ids) == len(set(read.ids))
    targets = {link["href"][1:] for link in read.of("a") if link["href"].startswith("#")}
    labels = {e["aria-labelledby"] for _, e in read.elements if "aria-labelledby" in e}
    assert targets | labels <= set(read.ids)


def test_headings_and_tables_are_for_everybody(stack):
    read = made(stack)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    assert len(read.of("caption")) == len(read.of("table")) > 8
    assert all(head.get("scope") for head in read.of("th"))
    assert read.of("html") == [{"lang": "en"}] and len(read.of("main")) == 1
    regions = [e for e in read.of("div") if "scroll" in e.get("class", "")]
    assert all(e["role"] == "region" and e["tabindex"] == "0" for e in regions)


def test_what_is_in_the_config_is_text(synthesize):
    evil = '<script>alert("&")</script>'
    stack = synthesize("dev", service={"environment": MappingProxyType({"GREETING": evil})})
    text = page(reported(stack), ["dev", '"><b>'])
    assert "<script" not in text and "<b>" not in text
    assert evil in Read(text).text("changes")
    assert not Read(text).of("script")


def test_one_environment_links_to_no_other(shipped):
    read = Read(page(reported(shipped("dev")), ["dev"]))
    assert all(link["href"].startswith("#") for link in read.of("a"))


def test_the_same_stack_makes_the_same_bytes(shipped):
    texts = {page(reported(shipped("prod"), day), ["prod"]) for day in (DAY, date(2026, 12, 24))}
    assert len(texts) == 1


# --- the command -----------------------------------------------------------------------------


@pytest.fixture(name="quick")
def _quick(monkeypatch):
    """Dev alone, in this process, and nothing measured."""
    monkeypatch.setattr(command, "synthesize", lambda _: [synthesized(BY_NAME["dev"])])
    monkeypatch.setattr(command, "measured", effects)
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "x1")


@pytest.mark.usefixtures("quick")
def test_the_command_writes_a_page_of_each(tmp_path, capsys):
    folder = tmp_path / "new" / "one"
    assert main(["report", "--output", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'dev.html'}\n"
    text = (folder / "dev.html").read_text(encoding="utf-8")
    assert Read(text).text("summary").startswith("Summary A month $")


@pytest.mark.usefixtures("quick")
def test_what_the_process_is_told_is_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTAINER_IMAGE", "registry.example/app:7")
    assert main(["report", "--output", str(tmp_path)]) == 0
    read = Read((tmp_path / "dev.html").read_text(encoding="utf-8"))
    assert "registry.example/app:7" in read.text("sizes")


@pytest.mark.usefixtures("quick")
def test_bad_input_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "report"
    assert main(["report", "--output", str(folder), "--loud"]) == 2
    monkeypatch.setenv("ENVIRONMENT", "prd")
    assert main(["report", "--output", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "unknown argument --loud" in said and "prd" in said and "Traceback" not in said
    assert not folder.exists()


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["report", "--output", str(tmp_path / "file")]) == 2
    assert "file: File exists (name a folder that can be written" in capsys.readouterr().err


def test_a_region_without_prices_has_its_page(monkeypatch, tmp_path):
    elsewhere = changed(BY_NAME["dev"], region="mx-central-1")
    monkeypatch.setattr(command, "synthesize", lambda _: [synthesized(elsewhere)])
    for name, value in (ASKED | {"ENVIRONMENT": "dev", "AWS_REGION": "mx-central-1"}).items():
        monkeypatch.setenv(name, value)
    assert main(["report", "--output", str(tmp_path)]) == 0
    text = (tmp_path / "dev.html").read_text(encoding="utf-8")
    assert text.count("≥ $0.00 + everything") == 2
    assert "there is no price list of mx-central-1" in text


def test_costs_are_measured_in_the_environment_itself(monkeypatch):
    picked = [field for field in fields() if field.name in {"multi_az", "min_count", "storage_gib"}]
    monkeypatch.setattr(command, "fields", lambda: picked)
    found = command.measured(BY_NAME["dev"])
    assert set(found) == {"database.multi_az", "database.storage_gib"}
    assert str(found["database.storage_gib"]) == "+$2.30"
    assert str(found["database.multi_az"]) == "+$15.44"
