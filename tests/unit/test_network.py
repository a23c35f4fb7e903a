"""The VPC: subnets over zones, ways out, and nothing public that isn't meant to be."""

import re

import pytest

from lib.config.environment_config import NatMode

ANYWHERE = "0.0.0.0/0"
TIERS = ("public", "private")


def test_the_vpc_is_the_config_s(stack):
    assert stack.at("network/vpc")["cidr_block"] == stack.config.network.cidr
    assert stack.at("network/vpc")["enable_dns_hostnames"] is True
    assert stack.at("network/vpc")["enable_dns_support"] is True


def zone_name(stack, subnet):
    """The subnet's zone, of those that the region has of the config's: AWS sorts them by name."""
    zones = stack.at("network/zones")
    (filtered,) = zones["filter"]
    number = re.fullmatch(
        rf"\$\{{element\({re.escape(zones.address)}\.names, (\d)\)\}}", subnet["availability_zone"]
    )
    assert number, f"{subnet['availability_zone']} doesn't ask {zones.address}"
    return sorted(filtered["values"])[int(number[1])]


def test_each_tier_has_a_subnet_in_each_zone(stack):
    network = stack.config.network
    for tier, blocks in zip(TIERS, (network.public_subnets, network.private_subnets), strict=True):
        assert len(blocks) == len(network.zones)
        for zone, block in enumerate(blocks):
            subnet = stack.at(f"network/{tier}{zone}")
            assert subnet["cidr_block"] == str(block)
            assert zone_name(stack, subnet) == stack.config.region + network.zones[zone]
            assert subnet["vpc_id"] == stack.at("network/vpc").ref("id")
    assert stack.count("aws_subnet") == len(TIERS) * len(network.zones)


@pytest.mark.parametrize(("nat", "gateways"), [(NatMode.SINGLE, 1), (NatMode.PER_AZ, 2)])
def test_two_zones_are_enough(synthesize, nat, gateways):
    """us-west-1 and cn-north-1 have no third one for everybody."""
    stack = synthesize("prod", region="us-west-1", network={"zones": ("a", "c"), "nat": nat})
    three = synthesize("prod", region="us-west-1", network={"zones": ("a", "c", "d"), "nat": nat})
    for tier in TIERS:
        for zone in range(2):
            path = f"network/{tier}{zone}"
            assert stack.at(path)["cidr_block"] == three.at(path)["cidr_block"]
    assert stack.count("aws_subnet") == 4
    assert stack.count("aws_nat_gateway") == gateways
    assert len(stack.at("load_balancer/load_balancer")["subnets"]) == 2
    assert len(stack.at("database/subnets")["subnet_ids"]) == 2
    assert len(stack.at("service/service")["network_configuration"]["subnets"]) == 2
    (check,) = stack.at("network/zones")["lifecycle"]["postcondition"]
    assert check["condition"] == "${(length(self.names) == 2)}"


def test_a_region_that_lacks_a_zone_is_refused_by_the_plan(synthesize):
    zones = synthesize("dev", region="ca-central-1", network={"zones": ("a", "b", "d")}).at(
        "network/zones"
    )
    names = ["ca-central-1a", "ca-central-1b", "ca-central-1d"]
    # Whatever state they are in: an outage must not stop a deploy, nor move a subnet.
    assert zones["filter"] == [{"name": "zone-name", "values": names}]
    assert zones.get("state") is None
    (check,) = zones["lifecycle"]["postcondition"]
    assert check["condition"] == "${(length(self.names) == 3)}"
    assert "ca-central-1d" in check["error_message"]


def test_each_subnet_stays_in_its_zone_whatever_the_order_of_the_config_s(synthesize):
    stack = synthesize("dev", network={"zones": ("c", "a", "b")})
    for tier in TIERS:
        found = [zone_name(stack, stack.at(f"network/{tier}{zone}")) for zone in range(3)]
        assert found == ["us-east-1c", "us-east-1a", "us-east-1b"]


def test_no_subnet_gives_out_public_addresses(stack):
    for subnet in stack.all("aws_subnet"):
        assert subnet["map_public_ip_on_launch"] is False


def test_each_subnet_has_the_route_table_of_its_tier(stack):
    tables = {
        association["subnet_id"]: association["route_table_id"]
        for association in stack.all("aws_route_table_association")
    }
    public = stack.at("network/public_routes").ref("id")
    assert tables == {
        stack.at(f"network/{tier}{zone}").ref("id"): (
            public if tier == "public" else stack.at(f"network/private{zone}_routes").ref("id")
        )
        for tier in TIERS
        for zone in range(len(stack.config.network.zones))
    }


def test_only_the_public_table_leads_to_the_internet_gateway(stack):
    gateway = stack.at("network/internet_gateway").ref("id")
    through_gateway = [route for route in stack.all("aws_route") if route.get("gateway_id")]
    assert [
        (route["route_table_id"], route["destination_cidr_block"], route["gateway_id"])
        for route in through_gateway
    ] == [(stack.at("network/public_routes").ref("id"), ANYWHERE, gateway)]


def test_private_subnets_leave_through_nat_as_the_mode_says(stack):
    count = {NatMode.NONE: 0, NatMode.SINGLE: 1, NatMode.PER_AZ: len(stack.config.network.zones)}[
        stack.config.network.nat
    ]
    assert stack.count("aws_nat_gateway") == stack.count("aws_eip") == count
    through_nat = {
        route["route_table_id"]: route["nat_gateway_id"]
        for route in stack.all("aws_route")
        if route.get("nat_gateway_id")
    }
    expected = {
        stack.at(f"network/private{zone}_routes").ref("id"): (
            stack.at(f"network/nat{zone % count}").ref("id")
        )
        for zone in range(len(stack.config.network.zones) if count else 0)
    }
    assert through_nat == expected
    assert stack.count("aws_route") == 1 + len(expected)


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_nat_gateways_stand_in_public_subnets_with_an_address_of_their_own(shipped, name):
    stack = shipped(name)
    for gateway in stack.all("aws_nat_gateway"):
        zone = gateway.path[-1]
        assert gateway["subnet_id"] == stack.at(f"network/public{zone}").ref("id")
        assert gateway["allocation_id"] == stack.at(f"network/nat{zone}_address").ref("id")
        assert gateway["depends_on"] == [stack.at("network/internet_gateway").address]


def test_the_mode_changes_routes_and_never_subnets(shipped, synthesize):
    single = shipped("staging")
    per_zone = synthesize("staging", network={"nat": NatMode.PER_AZ})
    kept = {resource.address for resource in single.resources}
    assert kept < {resource.address for resource in per_zone.resources}


def test_s3_is_reached_without_nat_from_every_subnet(stack):
    endpoint = stack.at("network/s3_endpoint")
    assert endpoint["vpc_endpoint_type"] == "Gateway"
    assert set(endpoint["route_table_ids"]) == {
        table.ref("id") for table in stack.all("aws_route_table")
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1"])
def test_the_gateway_to_s3_has_one_name_in_every_partition(synthesize, region):
    endpoint = synthesize("dev", region=region).at("network/s3_endpoint")
    assert endpoint["service_name"] == f"com.amazonaws.{region}.s3"


def test_the_default_security_group_lets_nothing_through(stack):
    group = stack.at("network/default_security_group")
    assert group["vpc_id"] == stack.at("network/vpc").ref("id")
    assert group["ingress"] == group["egress"] == []


def test_flow_logs_are_kept_as_the_config_says(stack):
    log = stack.at("network/flow_log")
    group = stack.at("network/flow_log_group")
    assert log["traffic_type"] == "ALL"
    assert log["log_destination"] == group.ref("arn")
    assert log["iam_role_arn"] == stack.at("network/flow_log_role").ref("arn")
    assert group["retention_in_days"] == stack.config.network.flow_log_retention_days
    (statement,) = stack.at("network/flow_log_policy").policy()
    assert statement["Resource"] == [group.ref("arn"), f"{group.ref('arn')}:*"]


def test_without_flow_logs_there_is_nothing_of_them(synthesize):
    stack = synthesize("dev", network={"flow_logs": False})
    assert [each.path for each in stack.resources if "flow_log" in each.path] == []
