"""``ops diagram``: the pictures are the stacks', legible, and the same from the same stack."""

import re
import struct
import zlib
from copy import deepcopy
from xml.etree import ElementTree

import pytest

from lib.config.environment_config import AutoscalingConfig, NatMode, SubnetTier
from ops import diagram
from ops.__main__ import main
from ops.diagram import png
from ops.diagram.picture import WIDTH, picture
from ops.stacks import Stack

SVG = "{http://www.w3.org/2000/svg}"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
BARS = ("Application Load Balancer", "Fargate service", "PostgreSQL 14")


def drawn(synthesized):
    """The picture of a synthesized stack."""
    return picture(Stack.read(synthesized.document))


def titles(svg, kind):
    """What is said of each arrow of a kind, in place of the picture."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return {
        group.findtext(f"{SVG}title")
        for group in groups
        if group.find(f"{SVG}polygon[@class='{kind}']") is not None
    } - {"connections that are allowed", "routes"}  # the legend's


def texts(svg):
    """Each text, with where it stands."""
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return [(float(each.get("x", 0)), float(each.get("y", 0)), each.text or "") for each in found]


def inside(svg, tier):
    """The texts in a tier's frame."""
    (frame,) = ElementTree.fromstring(svg).iterfind(f".//{SVG}rect[@class='{tier}']")
    x, y, width, height = (float(frame.get(name, 0)) for name in ("x", "y", "width", "height"))
    return [text for left, top, text in texts(svg) if x < left < x + width and y < top < y + height]


def test_the_connections_are_those_of_the_security_groups(stack):
    config = stack.config
    assert titles(drawn(stack), "open") == {
        "the internet to Application Load Balancer: tcp 80 from 0.0.0.0/0",
        f"Application Load Balancer to Fargate service: tcp {config.service.container_port}",
        f"Fargate service to PostgreSQL 14: tcp {config.database.port}",
        "Fargate service to outside the VPC: tcp 443",
    }


def test_every_source_and_port_is_named(synthesize):
    allowed = ("192.0.2.0/24", "198.51.100.0/24")
    changes = {"certificate_arn": CERTIFICATE, "allowed_cidrs": allowed}
    svg = drawn(synthesize("prod", load_balancer=changes))
    words = {text for _, _, text in texts(svg)}
    assert {f"tcp {port} from {cidr}" for port in (80, 443) for cidr in allowed} <= words
    assert "listens on 443, 80; a web ACL (WAF) in front" in words


def test_a_range_of_ports_is_named(shipped):
    document = deepcopy(shipped("dev").document)
    for rule in document["resource"]["aws_vpc_security_group_egress_rule"].values():
        rule["to_port"] = 9999
    svg = picture(Stack.read(document))
    assert "Fargate service to outside the VPC: tcp 443-9999" in titles(svg, "open")


def test_a_path_past_a_part_has_a_lane_of_its_own(shipped):
    """Whoever opens the database to the internet sees it in the picture."""
    document = deepcopy(shipped("prod").document)
    rules = document["resource"]["aws_vpc_security_group_ingress_rule"]
    (rule,) = (rule for rule in rules.values() if rule["from_port"] == 5432)
    rule["cidr_ipv4"] = "0.0.0.0/0"
    del rule["referenced_security_group_id"]
    svg = picture(Stack.read(document))
    assert "the internet to PostgreSQL 14: tcp 5432 from 0.0.0.0/0" in titles(svg, "open")
    lanes = re.findall(r'points="(\d+),68 (\d+),\d+" class="open line"', svg)
    assert len({x for x, _ in lanes}) == len(lanes) == 2


@pytest.mark.parametrize(
    ("mode", "homes"), [(NatMode.NONE, ""), (NatMode.SINGLE, "aaa"), (NatMode.PER_AZ, "abc")]
)
def test_routes_lead_where_they_lead(synthesize, mode, homes):
    svg = drawn(synthesize("staging", network={"nat": mode}))
    assert titles(svg, "routes") == {"internet gateway"} | {
        f"NAT gateway: us-east-1{zone} to us-east-1{home}" for zone, home in zip("abc", homes)
    }
    assert inside(svg, "public").count("NAT gateway") == len({*homes})


def test_subnets_by_tier_and_zone(stack):
    network, svg = stack.config.network, drawn(stack)
    zones = [f"us-east-1{letter}" for letter in "abc"]
    for tier, blocks in (("public", network.public_subnets), ("private", network.private_subnets)):
        words = inside(svg, tier)
        assert [word for word in words if word in zones] == zones
        assert [word for word in words if "/" in word] == [str(block) for block in blocks]


def test_zones_may_be_written_out(shipped):
    document = deepcopy(shipped("dev").document)
    for subnet in document["resource"]["aws_subnet"].values():
        assert subnet["availability_zone"].startswith("${element(")
        number = int(subnet["availability_zone"][:-2].rpartition(" ")[2])
        subnet["availability_zone"] = f"us-east-1{'abc'[number]}"
    assert picture(Stack.read(document)) == drawn(shipped("dev"))


@pytest.mark.parametrize("subnets", [SubnetTier.PUBLIC, SubnetTier.PRIVATE])
def test_parts_stand_in_their_subnets(synthesize, subnets):
    svg = drawn(synthesize("staging", service={"subnets": subnets}))
    parts = {tier: [word for word in inside(svg, tier) if word in BARS] for tier in SubnetTier}
    service = ["Fargate service"]
    public = subnets is SubnetTier.PUBLIC
    assert parts[SubnetTier.PUBLIC] == ["Application Load Balancer", *(service if public else [])]
    assert parts[SubnetTier.PRIVATE] == [*([] if public else service), "PostgreSQL 14"]
    assert ("and a public address" in svg) == public


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"database": {"multi_az": True}}, "standby in another zone"),
        ({"database": {"instance_class": "db.t3.large"}}, "db.t3.large, 20 GiB"),
        ({"database": {"engine_version": "17"}}, "PostgreSQL 17"),
        ({"service": {"cpu_units": 1024, "memory_mib": 2048}}, "1024 CPU units, 2048 MiB"),
        ({"service": {"autoscaling": AutoscalingConfig(min_count=2, max_count=4)}}, "2 to 4"),
        ({"alarms": None}, None),
    ],
)
def test_a_change_of_the_stack_is_seen(synthesize, shipped, changes, words):
    before, after = drawn(shipped("staging")), drawn(synthesize("staging", **changes))
    assert before != after
    assert (words or "VPC") in after and (words or "alarm") not in (before if words else after)


def test_what_is_outside_is_counted(stack):
    words = [text for _, _, text in texts(drawn(stack))]
    assert f"{stack.count('aws_ssm_parameter')} SSM parameters" in words
    assert f"{stack.count('aws_cloudwatch_log_group')} log groups" in words
    assert "1 secret" in words and "s3 by gateway endpoint" in words


def test_the_same_stack_makes_the_same_bytes(shipped):
    stack = Stack.read(shipped("prod").document)
    assert picture(stack) == picture(stack)
    assert png(picture(stack)) == png(picture(stack))


def test_a_picture_is_as_wide_as_a_readme_and_its_letters_are_legible(stack):
    svg = drawn(stack)
    assert ElementTree.fromstring(svg).get("width") == str(WIDTH) == "830"
    assert min(map(int, re.findall(r"(\d+)px", svg))) >= 12


def inked(svg, style):
    """The pixels that are drawn with a style in place of the picture's own."""
    svg = re.sub("<style>.*?</style>", f"<style>{style}</style>", svg, flags=re.DOTALL)
    data, rest = b"", png(svg, zoom=1)[8:]
    while rest:
        length, kind = struct.unpack(">I4s", rest[:8])
        data += rest[8 : 8 + length] if kind == b"IDAT" else b""
        rest = rest[12 + length :]
    data, above, found = zlib.decompress(data), bytes(WIDTH), set()
    for y, start in enumerate(range(0, len(data), WIDTH * 4 + 1)):
        opacity = data[start + 4 : start + WIDTH * 4 + 1 : 4]
        above = _unfiltered(data[start], bytearray(opacity), above)
        found |= {(x, y) for x, value in enumerate(above) if value > 64}
    return found


def _unfiltered(kind, line, above):
    """A row of one channel: https://www.w3.org/TR/png-3/#9Filters"""
    left = corner = 0
    for place, up in enumerate(above):
        near = (left, up, corner)
        paeth = near[min(range(3), key=[abs(sum(near[:2]) - corner - n) for n in near].__getitem__)]
        line[place] = (line[place] + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
        left, corner = line[place], up
    return bytes(line)


LETTERS = "text { font: 13px Arimo; fill: black } rect, polyline, polygon { display: none }"
LINES = (
    "text, polygon { display: none } rect { fill: none; stroke: black; stroke-width: 2 } "
    "polyline { fill: none; stroke: black; stroke-width: 2 } .page { stroke: none }"
)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dev", {}),
        ("prod", {"load_balancer": {"certificate_arn": CERTIFICATE}}),
        ("staging", {"service": {"subnets": SubnetTier.PUBLIC}}),
    ],
)
def test_no_text_stands_on_a_line(synthesize, name, changes):
    svg = drawn(synthesize(name, **changes))
    letters = inked(svg, LETTERS)
    assert letters and not letters & inked(svg, LINES)


def test_the_command_writes_both_forms(tmp_path, monkeypatch, shipped, capsys):
    stacks = [Stack.read(shipped("dev").document)]
    monkeypatch.setattr(diagram, "synthesize", lambda _: stacks)
    assert main(["diagram", "--output", str(tmp_path / "new")]) == 0
    assert {file.name for file in (tmp_path / "new").iterdir()} == {"dev.svg", "dev.png"}
    assert (tmp_path / "new" / "dev.png").read_bytes().startswith(b"\x89PNG")
    assert "dev.svg and .png" in capsys.readouterr().out
    assert main(["diagram", "--loud"]) == 2
