"""``ops diagram``: the pictures are the stacks', and the same from the same stack."""

import re
from copy import deepcopy

import pytest

from lib.config.environment_config import AutoscalingConfig, NatMode, SubnetTier
from lib.errors import TapError
from ops import diagram
from ops.__main__ import main
from ops.diagram import OUTPUT, png, svg
from ops.diagram.graph import dot
from ops.stacks import Stack
from tests.conftest import BY_NAME

NAMES = {"aws_lb": "balancer", "aws_ecs_service": "service", "aws_db_instance": "database"}


def drawn(synthesized):
    """The picture of a synthesized stack, in Graphviz's language."""
    return dot(Stack.read(synthesized.document))


def paths(text):
    """Who may reach whom, and how: what is drawn as a connection."""
    found = re.findall(r"^(\w+) -> (\w+) \[penwidth.*label=\"\s*(.*?)\"\]", text, re.MULTILINE)
    return {
        (NAMES.get(source, source), NAMES.get(target, target), how) for source, target, how in found
    }


def routes(text):
    """From where a route leads to which NAT gateway's subnet."""
    return set(re.findall(r"^(\w+:z\d):s -> (\w+:z\d):n \[dir=back", text, re.MULTILINE))


def tier(text, name):
    """What is drawn in the public or the private subnets."""
    found = re.search(rf"subgraph cluster_{name} \{{(.*?)\n\}}", text, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_the_pictures_in_the_docs_are_today_s(shipped, name):
    picture = svg(Stack.read(shipped(name).document))
    file = OUTPUT / f"{name}.svg"
    assert file.read_text(encoding="utf-8") == picture, "make diagram draws them anew"
    assert file.with_suffix(".png").read_bytes() == png(picture), "make diagram draws them anew"


def test_no_picture_is_left_of_an_environment_that_is_gone():
    assert {file.stem for file in OUTPUT.iterdir()} == {*BY_NAME}


def test_the_connections_are_those_of_the_security_groups(stack):
    config = stack.config
    assert paths(drawn(stack)) == {
        ("internet", "balancer", "tcp 80 from 0.0.0.0/0"),
        ("balancer", "service", f"tcp {config.service.container_port}"),
        ("service", "database", f"tcp {config.database.port}"),
        ("service", "outside", "tcp 443 to 0.0.0.0/0"),
    }


def test_every_source_and_port_has_its_arrow(synthesize):
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
    allowed = ("192.0.2.0/24", "198.51.100.0/24")
    changes = {"certificate_arn": certificate, "allowed_cidrs": allowed}
    text = drawn(synthesize("prod", load_balancer=changes))
    from_outside = {how for source, _, how in paths(text) if source == "internet"}
    assert from_outside == {f"tcp {port} from {cidr}" for port in (80, 443) for cidr in allowed}
    assert "listens on 443, 80" in text


def test_a_range_of_ports_is_told(shipped):
    document = deepcopy(shipped("dev").document)
    for rule in document["resource"]["aws_vpc_security_group_egress_rule"].values():
        rule["to_port"] = 9999
    assert ("service", "outside", "tcp 443-9999 to 0.0.0.0/0") in paths(dot(Stack.read(document)))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (NatMode.NONE, set()),
        (NatMode.SINGLE, {("public:z0", f"private:z{zone}") for zone in range(3)}),
        (NatMode.PER_AZ, {(f"public:z{zone}", f"private:z{zone}") for zone in range(3)}),
    ],
)
def test_routes_lead_where_they_lead(synthesize, mode, expected):
    text = drawn(synthesize("staging", network={"nat": mode}))
    assert routes(text) == expected
    assert text.count("NAT gateway") == len({source for source, _ in expected})


def test_subnets_by_tier_and_zone(stack):
    network, text = stack.config.network, drawn(stack)
    for name, blocks in (("public", network.public_subnets), ("private", network.private_subnets)):
        cells = re.findall(r"zone (\d)</font><br/>([\d./]+)", tier(text, name))
        assert cells == [(str(number), str(block)) for number, block in enumerate(blocks, 1)]


@pytest.mark.parametrize("subnets", [SubnetTier.PUBLIC, SubnetTier.PRIVATE])
def test_parts_stand_in_their_subnets(synthesize, subnets):
    text = drawn(synthesize("staging", service={"subnets": subnets}))
    public, private = tier(text, "public"), tier(text, "private")
    assert "aws_lb [" in public and "aws_db_instance [" in private
    assert ("aws_ecs_service [" in public) == (subnets is SubnetTier.PUBLIC)
    assert ("aws_ecs_service [" in private) == (subnets is SubnetTier.PRIVATE)
    assert ("with public IPs" in text) == (subnets is SubnetTier.PUBLIC)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"database": {"multi_az": True}}, "standby in another zone"),
        ({"database": {"instance_class": "db.t3.large"}}, "db.t3.large, 20 GiB"),
        ({"database": {"engine_version": "17"}}, "PostgreSQL 17"),
        ({"service": {"cpu_units": 1024, "memory_mib": 2048}}, "1024 CPU units, 2048 MiB"),
        ({"service": {"autoscaling": AutoscalingConfig(min_count=2, max_count=4)}}, "2 to 4"),
        ({"alarms": None}, None),
    ],
)
def test_a_change_of_the_stack_is_seen(synthesize, shipped, changes, told):
    before, after = drawn(shipped("staging")), drawn(synthesize("staging", **changes))
    assert before != after
    assert (told or "VPC") in after and (told or "alarm") not in (before if told else after)


def test_what_is_outside_is_counted(stack):
    text = drawn(stack)
    for type_, word in (
        ("aws_ssm_parameter", "SSM parameters"),
        ("aws_cloudwatch_log_group", "log"),
    ):
        assert f"{stack.count(type_)} {word}" in text
    assert "1 secret<" in text and "s3 by gateway endpoint" in text


def test_the_same_stack_makes_the_same_bytes(shipped):
    stack = Stack.read(shipped("prod").document)
    assert svg(stack) == svg(stack)
    assert png(svg(stack)) == png(svg(stack))


def test_a_picture_is_legible_at_the_width_of_a_readme(stack):
    """Some 830 pixels, where a text of 12 points is to be 9 pixels high at the least."""
    found = re.search(r'<svg width="(\d+)pt"', svg(Stack.read(stack.document)))
    assert found and 830 / int(found[1]) * 12 >= 9


def test_what_graphviz_refuses_is_told(shipped, monkeypatch):
    monkeypatch.setattr(diagram, "dot", lambda _: "digraph {")
    with pytest.raises(TapError, match="Graphviz: .*syntax error"):
        svg(Stack.read(shipped("dev").document))


def test_without_the_package_the_hint_says_so(shipped, monkeypatch, tmp_path):
    monkeypatch.setattr(diagram, "LAYOUT", tmp_path / "viz")
    with pytest.raises(TapError, match="viz is not installed"):
        svg(Stack.read(shipped("dev").document))


def test_the_command_writes_both_forms(tmp_path, monkeypatch, shipped, capsys):
    stacks = [Stack.read(shipped("dev").document)]
    monkeypatch.setattr(diagram, "synthesize", lambda _: stacks)
    assert main(["diagram", "--output", str(tmp_path / "new")]) == 0
    assert {file.name for file in (tmp_path / "new").iterdir()} == {"dev.svg", "dev.png"}
    assert (tmp_path / "new" / "dev.png").read_bytes().startswith(b"\x89PNG")
    assert "dev.svg and .png" in capsys.readouterr().out
    assert main(["diagram", "--loud"]) == 2
