"""The VPC as config has it: its zones, the ways out of each subnet, and nothing in between."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.checkup import Check, Finding, Subject, failed
from ops.network import zone
from ops.stacks import Resource
from ops.verify.deployed import DEPLOY, VPC, Deployed, or_passed, tail

ANYWHERE = "0.0.0.0/0"
LAST_RULE = 32767  # of each network ACL: what no rule allows is denied
TARGETS = {  # of a route, as Terraform and EC2 call them
    "gateway_id": "GatewayId",
    "nat_gateway_id": "NatGatewayId",
    "transit_gateway_id": "TransitGatewayId",
    "vpc_peering_connection_id": "VpcPeeringConnectionId",
    "network_interface_id": "NetworkInterfaceId",
    "egress_only_gateway_id": "EgressOnlyInternetGatewayId",
    "carrier_gateway_id": "CarrierGatewayId",
    "local_gateway_id": "LocalGatewayId",
    "core_network_arn": "CoreNetworkArn",
}
DESTINATIONS = {  # as EC2 calls them, and as an argument of delete-route
    "DestinationCidrBlock": "destination-cidr-block",
    "DestinationIpv6CidrBlock": "destination-ipv6-cidr-block",
    "DestinationPrefixListId": "destination-prefix-list-id",
}
LISTS = {  # of an endpoint
    "route_table_ids": "RouteTableIds",
    "subnet_ids": "SubnetIds",
    "security_group_ids": "Groups",
}


def _vpc(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    vpc, cidr = deployed.vpc_id, deployed.argument(VPC, "cidr_block")
    yield from or_passed(_vpc_differences(deployed), f"{vpc}, {cidr}, resolves names")


def _vpc_differences(deployed: Deployed) -> Iterator[Finding]:
    vpc, cidr = deployed.vpc_id, deployed.argument(VPC, "cidr_block")
    (found,) = deployed.ec2("describe_vpcs", "Vpcs")
    blocks = {
        entry["CidrBlock"]
        for entry in found["CidrBlockAssociationSet"]
        if entry["CidrBlockState"]["State"] == "associated"
    }
    blocks |= {
        entry["Ipv6CidrBlock"]
        for entry in found.get("Ipv6CidrBlockAssociationSet", ())
        if entry["Ipv6CidrBlockState"]["State"] == "associated"
    }
    if blocks != {cidr}:
        yield failed(
            f"{vpc} has {_list(blocks)}", f"{cidr} alone", "aws ec2 disassociate-vpc-cidr-block ..."
        )
    client = deployed.subject.client("ec2")
    for name, argument in (
        ("EnableDnsSupport", "enable_dns_support"),
        ("EnableDnsHostnames", "enable_dns_hostnames"),
    ):
        asked = name[0].lower() + name[1:]
        has = client.describe_vpc_attribute(VpcId=vpc, Attribute=asked)[name]["Value"]
        wanted = deployed.argument(VPC, argument)
        if has != wanted:
            yield failed(f"{vpc}: {name} {has}", f"{name} {wanted}", DEPLOY)


def _subnets(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    resources = deployed.stack.all("aws_subnet")
    zones = {zone(deployed.stack, subnet) for subnet in resources}
    yield from or_passed(
        (finding for subnet in resources for finding in _subnet(deployed, subnet)),
        f"{len(resources)} in {len(zones)} zones, none gives out public addresses by itself",
    )


def _subnet(deployed: Deployed, resource: Resource) -> Iterator[Finding]:
    word = tail(resource.path)
    found = deployed.subnets.get(deployed.id(resource.path) or "")
    if found is None:
        yield failed(f"{word}: no such subnet", f"{word}, {resource.get('cidr_block')}", DEPLOY)
        return
    for key, wanted in (
        ("CidrBlock", resource.get("cidr_block")),
        ("AvailabilityZone", zone(deployed.stack, resource)),
        ("MapPublicIpOnLaunch", resource.get("map_public_ip_on_launch")),
    ):
        if found[key] != wanted:
            yield failed(
                f"{word}, {found['SubnetId']}: {key} {found[key]}", f"{key} {wanted}", DEPLOY
            )


def _gateways(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    nats = deployed.stack.all("aws_nat_gateway")
    yield from or_passed(
        _gateway_differences(deployed), f"internet gateway attached, NAT gateways: {len(nats)}"
    )


def _gateway_differences(deployed: Deployed) -> Iterator[Finding]:
    attached = {
        entry["InternetGatewayId"]
        for entry in deployed.subject.ask(
            "ec2",
            "describe_internet_gateways",
            "InternetGateways",
            Filters=[{"Name": "attachment.vpc-id", "Values": [deployed.vpc_id]}],
        )
    }
    for resource in deployed.stack.all("aws_internet_gateway"):
        word, id_ = tail(resource.path), deployed.id(resource.path)
        if id_ not in attached:
            found = f"{id_} is not attached" if id_ else f"no {word}"
            yield failed(found, f"{word} attached to {deployed.vpc_id}", DEPLOY)
    yield from _nat_differences(deployed)


def _nat_differences(deployed: Deployed) -> Iterator[Finding]:
    if not deployed.stack.all("aws_nat_gateway"):
        return
    live = deployed.subject.ask(
        "ec2",
        "describe_nat_gateways",
        "NatGateways",
        Filter=[{"Name": "vpc-id", "Values": [deployed.vpc_id]}],
    )
    for resource in deployed.stack.all("aws_nat_gateway"):
        word, id_ = tail(resource.path), deployed.id(resource.path)
        name = resource.get("tags", {}).get("Name")
        found = [
            entry
            for entry in live
            if entry["NatGatewayId"] == id_
            or (not id_ and {"Key": "Name", "Value": name} in entry.get("Tags", ()))
        ]
        if not any(entry["State"] == "available" for entry in found):
            told = [
                f"{entry['NatGatewayId']} is {entry['State']}"
                + (f": {entry['FailureMessage']}" if entry.get("FailureMessage") else "")
                for entry in found
            ]
            yield failed(
                f"{word}: {_list(told) if told else 'no NAT gateway'}"
                f"{_leaving_through(deployed, resource)}",
                f"{word} available",
                DEPLOY,
            )


def _leaving_through(deployed: Deployed, gateway: Resource) -> str:
    """Whose way out it is."""
    subnets = [
        tail(subnet.path)
        for route in deployed.stack.all("aws_route")
        if gateway.address in route.refers("nat_gateway_id")
        for table in deployed.stack.referred(route, "route_table_id")
        for subnet in _members(deployed, table)
    ]
    return f"; the way out of {_list(subnets)}"


@dataclass(frozen=True, slots=True)
class WrongWay:
    """A route, or the lack of one. ``bare`` where it leads the database's subnets straight to or
    from the internet."""

    finding: Finding
    bare: bool


def wrong_ways(deployed: Deployed) -> Iterator[WrongWay]:
    """Whatever differs in the route tables of the stack's subnets."""
    databases = {
        subnet.address
        for group in deployed.stack.all("aws_db_subnet_group")
        for subnet in deployed.stack.referred(group, "subnet_ids")
    }
    for table in deployed.stack.all("aws_route_table"):
        word, id_ = tail(table.path), deployed.id(table.path)
        if id_ is None:
            yield WrongWay(failed(f"{word}: no such route table", word, DEPLOY), bare=False)
            continue
        members = _members(deployed, table)
        for subnet in members:
            if wrong := _association(deployed, subnet, id_):
                finding, bare = wrong
                yield WrongWay(finding, bare=bare and subnet.address in databases)
        private = any(subnet.address in databases for subnet in members)
        for finding, target in _routes_of(deployed, table, deployed.route_tables[id_]):
            yield WrongWay(finding, bare=private and target.startswith("igw-"))


def _members(deployed: Deployed, table: Resource) -> list[Resource]:
    """The subnets that the stack gives a route table."""
    return [
        subnet
        for link in deployed.stack.all("aws_route_table_association")
        if table.address in link.refers("route_table_id")
        for subnet in deployed.stack.referred(link, "subnet_id")
    ]


def _association(deployed: Deployed, subnet: Resource, wanted: str) -> tuple[Finding, bool] | None:
    """What is wrong with a subnet's route table, and whether that leads to the internet."""
    word, id_ = tail(subnet.path), deployed.id(subnet.path)
    if id_ is None:
        return None  # the subnets' to say
    table = route_table_of(deployed, id_)
    if table["RouteTableId"] == wanted:
        return None
    bare = any(_target(route).startswith("igw-") for route in table["Routes"])
    return failed(f"{word} uses {table['RouteTableId']}", f"{word} uses {wanted}", DEPLOY), bare


def route_table_of(deployed: Deployed, subnet: str) -> Mapping[str, Any]:
    """The route table that a subnet uses: its own, else the VPC's main one."""
    main: Mapping[str, Any] = {}
    for table in deployed.route_tables.values():
        for link in table["Associations"]:
            if link.get("SubnetId") == subnet:
                return table
            if link.get("Main"):
                main = table
    return main


def _routes_of(
    deployed: Deployed, table: Resource, live: Mapping[str, Any]
) -> Iterator[tuple[Finding, str]]:
    """What differs in a route table, and where the route leads to."""
    word, id_ = tail(table.path), live["RouteTableId"]
    wanted = {}
    for route in deployed.stack.all("aws_route"):
        if table.address in route.refers("route_table_id"):
            (argument,) = (name for name in TARGETS if route.get(name))
            target = deployed.argument(route.path, argument)
            wanted[route.get("destination_cidr_block")] = target
    for route in live["Routes"]:
        (kind,) = (name for name in DESTINATIONS if name in route)
        destination, target = route[kind], _target(route)
        if target == "local" or (kind == "DestinationPrefixListId" and target[:5] == "vpce-"):
            continue  # the endpoints' own
        blackhole = route.get("State") == "blackhole"
        shown = f"{word}, {id_}: {destination} leads to {target}"
        shown += ", which is gone (blackhole)" if blackhole else ""
        if destination not in wanted:
            remove = f"aws ec2 delete-route --route-table-id {id_} --{DESTINATIONS[kind]}"
            yield failed(shown, "no such route", f"{remove} {destination}"), target
            continue
        needed = wanted.pop(destination)
        # Where the gateway itself is gone, the gateways' check says so.
        if needed not in (None, target):
            yield failed(shown, f"{destination} leads to {needed}", DEPLOY), target
    for destination, target in wanted.items():
        if target:
            yield (
                failed(
                    f"{word}, {id_}: no route to {destination}",
                    f"{destination} leads to {target}",
                    DEPLOY,
                ),
                "",
            )


def _target(route: Mapping[str, Any]) -> str:
    """Where a route leads to."""
    return next((route[key] for key in TARGETS.values() if route.get(key)), "nowhere")


def _routes(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    nats = {
        target
        for route in deployed.stack.all("aws_route")
        for target in route.refers("nat_gateway_id")
    }
    private = f"private ones through {len(nats)} NAT gateways" if nats else "private ones stay in"
    yield from or_passed(
        (wrong.finding for wrong in wrong_ways(deployed) if not wrong.bare),
        f"public subnets lead to the internet gateway, {private}",
    )


def _endpoints(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    resources = deployed.stack.all("aws_vpc_endpoint")
    services = [str(entry.get("service_name")).rsplit(".", maxsplit=1)[-1] for entry in resources]
    yield from or_passed(_endpoint_differences(deployed, resources), f"{_list(services)} available")


def _endpoint_differences(deployed: Deployed, resources: Iterable[Resource]) -> Iterator[Finding]:
    live = {
        entry["VpcEndpointId"]: entry
        for entry in deployed.ec2("describe_vpc_endpoints", "VpcEndpoints")
    }
    for resource in resources:
        word = tail(resource.path)
        found = live.get(deployed.id(resource.path) or "")
        if found is None:
            yield failed(f"{word}: no such endpoint", word, DEPLOY)
            continue
        shown = f"{word}, {found['VpcEndpointId']}"
        if found["State"].lower() != "available":
            yield failed(f"{shown} is {found['State']}", "available", "see what AWS says of it")
        for argument, key in LISTS.items():
            if resource.get(argument) is None:
                continue
            wanted = deployed.argument(resource.path, argument)
            entries = found.get(key, ())
            has = {each if isinstance(each, str) else each["GroupId"] for each in entries}
            # None where one of them isn't there, which its own check tells.
            if wanted is not None and has != set(wanted):
                lacks, more = _list(set(wanted) - has), _list(has - set(wanted))
                told = [lacks and f"lacks {lacks}", more and f"has {more}"]
                yield failed(
                    f"{shown}: {key} {_list(filter(None, told))}",
                    f"{key} {_list(wanted)}",
                    DEPLOY,
                )


def _acls(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    yield from or_passed(_acl_differences(deployed), "let everything through: groups decide")


def _acl_differences(deployed: Deployed) -> Iterator[Finding]:
    names = {
        id_: tail(subnet.path)
        for subnet in deployed.stack.all("aws_subnet")
        if (id_ := deployed.id(subnet.path))
    }
    for acl in deployed.ec2("describe_network_acls", "NetworkAcls"):
        members = [
            names[entry["SubnetId"]] for entry in acl["Associations"] if entry["SubnetId"] in names
        ]
        stops = [stop for egress in (False, True) for stop in _stops(acl["Entries"], egress)]
        if members and stops:
            yield failed(
                f"{acl['NetworkAclId']} of {_list(members)}: {'; '.join(stops)}",
                "an ACL that lets everything through: security groups decide",
                "delete its rules that deny, allow all traffic, or give the subnets the VPC's own "
                "ACL: aws ec2 replace-network-acl-association",
            )


def _stops(entries: Iterable[Mapping[str, Any]], egress: bool) -> Iterator[str]:
    """What an ACL keeps from passing, rule by rule in their order, until one allows the rest."""
    way = "out" if egress else "in"
    for entry in sorted(entries, key=lambda entry: entry["RuleNumber"]):
        if entry["Egress"] is not egress or "CidrBlock" not in entry:
            continue
        if entry["RuleNumber"] == LAST_RULE:
            continue
        if entry["RuleAction"] == "deny":
            ports = entry.get("PortRange", {})
            shown = f" {ports['From']}-{ports['To']}" if ports else ""
            yield (
                f"rule {entry['RuleNumber']} lets no {_protocol(entry)}{shown} {way} "
                f"({entry['CidrBlock']})"
            )
        elif entry["Protocol"] == "-1" and entry["CidrBlock"] == ANYWHERE:
            return
    yield f"nothing more is let {way}"


def _protocol(entry: Mapping[str, Any]) -> str:
    return {"-1": "traffic", "6": "tcp", "17": "udp", "1": "icmp"}.get(
        entry["Protocol"], f"protocol {entry['Protocol']}"
    )


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


CHECKS = (
    Check("network.vpc", _vpc),
    Check("network.subnets", _subnets),
    Check("network.gateways", _gateways),
    Check("network.routes", _routes),
    Check("network.endpoints", _endpoints),
    Check("network.acls", _acls),
)
