"""The network is as config has it, and each thing that isn't is named once."""

import json

import pytest

from ops.checkup import Subject
from ops.verify import database, network, open_paths
from ops.verify.network import CHECKS
from tests.ops.deployed import environment
from tests.synthesized import Synthesized

ANYWHERE = "0.0.0.0/0"
EVERY = (*network.CHECKS, *database.CHECKS, *open_paths.CHECKS)


@pytest.fixture(name="there")
def _there(shipped):
    """Staging, deployed."""
    with environment(shipped("staging")) as there:
        yield there


def only(there, name):
    """The one thing that all checks find, by the check of this name."""
    return there.only(EVERY, name)


def test_a_deployed_environment_passes(stack):
    with environment(stack) as there:
        assert there.found(CHECKS) == []
        said = {check.name: [f.found for f in check.look(there.subject)] for check in CHECKS}
        assert said["network.vpc"] == [
            f"{there.at['network/vpc']}, {stack.config.network.cidr}, resolves names"
        ]
        assert said["network.gateways"][0].endswith(str(stack.config.network.nat_gateways))
        assert all(len(found) == 1 for found in said.values())


@pytest.mark.parametrize("attribute", ["EnableDnsSupport", "EnableDnsHostnames"])
def test_a_vpc_that_resolves_no_names(there, attribute):
    there.ec2.modify_vpc_attribute(VpcId=there.at["network/vpc"], **{attribute: {"Value": False}})
    assert f"{attribute} False" in only(there, "network.vpc").found


def test_a_vpc_with_more_addresses(there):
    there.ec2.associate_vpc_cidr_block(VpcId=there.at["network/vpc"], CidrBlock="10.77.0.0/16")
    assert "10.1.0.0/16, 10.77.0.0/16" in only(there, "network.vpc").found


def test_a_vpc_with_ipv6(there):
    there.ec2.associate_vpc_cidr_block(
        VpcId=there.at["network/vpc"], AmazonProvidedIpv6CidrBlock=True
    )
    assert "/56" in only(there, "network.vpc").found


def test_a_subnet_that_gives_out_public_addresses(there):
    subnet = there.at["network/private1"]
    there.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    assert only(there, "network.subnets").found == f"private1, {subnet}: MapPublicIpOnLaunch True"


def test_a_subnet_that_is_gone(there):
    there.ec2.delete_tags(Resources=[there.at["network/public2"]], Tags=[{"Key": "Name"}])
    assert only(there, "network.subnets").found == "public2: no such subnet"


def test_a_subnet_in_another_zone(there):
    subnets = there.synthesized.document["resource"]["aws_subnet"]
    (name,) = (name for name in subnets if "private2" in name)
    document = json.loads(json.dumps(there.synthesized.document))
    subnet = document["resource"]["aws_subnet"][name]
    subnet["availability_zone"] = subnet["availability_zone"].replace(", 2)", ", 0)")
    there.synthesized = Synthesized(there.synthesized.config, document)
    finding = only(there, "network.subnets")
    assert "AvailabilityZone us-east-1c" in finding.found
    assert finding.needed == "AvailabilityZone us-east-1a"


def test_an_internet_gateway_that_is_detached(there):
    gateway = there.at["network/internet_gateway"]
    there.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=there.at["network/vpc"])
    assert only(there, "network.gateways").found == f"{gateway} is not attached"


def test_an_internet_gateway_that_is_gone(there):
    gateway = there.at["network/internet_gateway"]
    there.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=there.at["network/vpc"])
    there.ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert only(there, "network.gateways").found == "no internet gateway"


def test_a_nat_gateway_that_is_gone(there):
    """Named once, with those whose way out it was."""
    gateway = there.at["network/nat0"]
    there.ec2.delete_nat_gateway(NatGatewayId=gateway)
    found = only(there, "network.gateways").found
    assert found.startswith("nat0: ")
    assert found.endswith("the way out of private0, private1, private2")


def test_a_nat_gateway_for_each_zone(shipped):
    with environment(shipped("prod")) as there:
        there.ec2.delete_nat_gateway(NatGatewayId=there.at["network/nat1"])
        assert only(there, "network.gateways").found.endswith("the way out of private1")


def test_a_route_that_is_gone(there):
    table = there.at["network/private1_routes"]
    there.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    found = only(there, "network.routes")
    assert found.found == f"private1 routes, {table}: no route to {ANYWHERE}"
    assert found.needed == f"{ANYWHERE} leads to {there.at['network/nat0']}"


def test_a_route_through_another_zone(shipped):
    with environment(shipped("prod")) as there:
        there.ec2.replace_route(
            RouteTableId=there.at["network/private2_routes"],
            DestinationCidrBlock=ANYWHERE,
            NatGatewayId=there.at["network/nat0"],
        )
        found = only(there, "network.routes")
        assert found.found.endswith(f"leads to {there.at['network/nat0']}")
        assert found.needed.endswith(f"leads to {there.at['network/nat2']}")


def test_a_route_more(there):
    table = there.at["network/public_routes"]
    there.ec2.create_route(
        RouteTableId=table,
        DestinationCidrBlock="192.168.0.0/16",
        NatGatewayId=there.at["network/nat0"],
    )
    found = only(there, "network.routes")
    assert "192.168.0.0/16 leads to nat-" in found.found
    assert found.fix == (
        f"aws ec2 delete-route --route-table-id {table} --destination-cidr-block 192.168.0.0/16"
    )


def test_a_blackhole(there, monkeypatch):
    """A route whose target went: EC2 calls it so, moto does not."""
    table = there.at["network/public_routes"]
    there.ec2.create_route(
        RouteTableId=table,
        DestinationCidrBlock="192.168.0.0/16",
        NatGatewayId=there.at["network/nat0"],
    )
    ask = Subject.ask

    def asked(self, service, operation, key, **arguments):
        answer = ask(self, service, operation, key, **arguments)
        for entry in answer if key == "RouteTables" else ():
            for route in entry["Routes"]:
                if route.get("DestinationCidrBlock") == "192.168.0.0/16":
                    route["State"] = "blackhole"
        return answer

    monkeypatch.setattr(Subject, "ask", asked)
    assert only(there, "network.routes").found.endswith("which is gone (blackhole)")


def test_a_subnet_with_another_route_table(there):
    wanted, other = (there.at[f"network/private{zone}_routes"] for zone in (1, 0))
    associate(there, "network/private1", wanted, other)
    found = only(there, "network.routes")
    assert (found.found, found.needed) == (f"private1 uses {other}", f"private1 uses {wanted}")


def associate(there, subnet, old, new):
    """Give a subnet another route table, or none."""
    (table,) = there.ec2.describe_route_tables(RouteTableIds=[old])["RouteTables"]
    (link,) = (
        entry["RouteTableAssociationId"]
        for entry in table["Associations"]
        if entry.get("SubnetId") == there.at[subnet]
    )
    if new:
        there.ec2.replace_route_table_association(AssociationId=link, RouteTableId=new)
    else:
        there.ec2.disassociate_route_table(AssociationId=link)


def test_a_subnet_without_a_route_table_uses_the_main_one(there):
    associate(there, "network/private0", there.at["network/private0_routes"], None)
    tables = there.ec2.describe_route_tables(
        Filters=[{"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"]
    (main,) = (table for table in tables if table["VpcId"] == there.at["network/vpc"])
    assert only(there, "network.routes").found == f"private0 uses {main['RouteTableId']}"


def test_a_route_table_that_is_gone(there):
    table = there.at["network/private0_routes"]
    there.ec2.delete_tags(Resources=[table], Tags=[{"Key": "Suffix"}])
    assert only(there, "network.routes").found == "private0 routes: no such route table"


def test_an_endpoint_that_is_gone(there):
    there.ec2.delete_vpc_endpoints(VpcEndpointIds=[there.at["network/s3_endpoint"]])
    assert only(there, "network.endpoints").found == "s3 endpoint: no such endpoint"


def test_an_endpoint_that_serves_other_route_tables(there):
    table, endpoint = there.at["network/private0_routes"], there.at["network/s3_endpoint"]
    there.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    found = only(there, "network.endpoints")
    assert found.found == f"s3 endpoint, {endpoint}: RouteTableIds lacks {table}"


def acl_of_its_own(there, subnet):
    """Give a subnet an ACL, which denies everything until it gets rules."""
    acl = there.ec2.create_network_acl(VpcId=there.at["network/vpc"])["NetworkAcl"]
    acls = there.ec2.describe_network_acls()["NetworkAcls"]
    (link,) = (
        entry["NetworkAclAssociationId"]
        for each in acls
        for entry in each["Associations"]
        if entry["SubnetId"] == there.at[subnet]
    )
    there.ec2.replace_network_acl_association(AssociationId=link, NetworkAclId=acl["NetworkAclId"])
    return acl["NetworkAclId"]


def acl_rule(there, acl, number, action, *, egress=False, **rest):
    """Add a rule to an ACL."""
    there.ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=number,
        RuleAction=action,
        Egress=egress,
        **{"Protocol": "-1", "CidrBlock": ANYWHERE, **rest},
    )


def test_an_acl_that_lets_nothing_through(there):
    acl = acl_of_its_own(there, "network/private0")
    found = only(there, "network.acls").found
    assert found == f"{acl} of private0: nothing more is let in; nothing more is let out"


def test_an_acl_that_lets_something_through(there):
    """Which is not everything: by its protocol, or by its addresses."""
    acl = acl_of_its_own(there, "network/private0")
    acl_rule(there, acl, 100, "allow", Protocol="6", PortRange={"From": 443, "To": 443})
    acl_rule(there, acl, 100, "allow", egress=True, CidrBlock="10.0.0.0/8")
    found = there.only(CHECKS, "network.acls").found
    assert found == f"{acl} of private0: nothing more is let in; nothing more is let out"


def test_an_acl_that_denies_something(there):
    acl = acl_of_its_own(there, "network/private0")
    for egress in (False, True):
        acl_rule(there, acl, 100, "allow", egress=egress)
    assert there.found(EVERY) == []
    acl_rule(there, acl, 101, "deny")  # too late to matter
    assert there.found(EVERY) == []
    acl_rule(there, acl, 50, "deny", Protocol="6", PortRange={"From": 5432, "To": 5432})
    found = only(there, "network.acls").found
    assert found == f"{acl} of private0: rule 50 lets no tcp 5432-5432 in ({ANYWHERE})"


def test_an_acl_of_nobody_is_nobodys_problem(there):
    there.ec2.create_network_acl(VpcId=there.at["network/vpc"])
    assert there.found(EVERY) == []
