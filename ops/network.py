"""The network of a synthesized stack: its tiers and routes, and who may open a connection to whom.

A security group's rule is half a path: what leaves one group has to be let into the other.
Pictures, pages and ``verify`` ask here.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from ops.stacks import Resource, Stack

ALL = "all traffic"
PROTOCOLS = {"-1": ALL, "6": "tcp", "17": "udp", "1": "icmp"}
PORT_MAX = 65_535
RULES = {
    "aws_vpc_security_group_ingress_rule": False,
    "aws_vpc_security_group_egress_rule": True,
}
PEERS = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id")


@dataclass(frozen=True, order=True, slots=True)
class OpenPath:
    """A connection that may be opened. Each end is a security group, by its construct path, or
    addresses."""

    source: str
    target: str
    protocol: str
    first: int  # ports
    last: int

    def __str__(self) -> str:
        return f"{_end(self.source)} → {_end(self.target)} {self.traffic}"

    @property
    def traffic(self) -> str:
        """``tcp 443``."""
        if (self.first, self.last) == (0, PORT_MAX):
            return self.protocol
        ports = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {ports}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a group; ``networks`` are the addresses that its peer stands for, if any."""

    group: str
    egress: bool
    peer: str
    protocol: str
    first: int
    last: int
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    id: str = ""

    @property
    def path(self) -> OpenPath:
        """The path that it is half of, or all of where the peer is no group."""
        source, target = (self.group, self.peer) if self.egress else (self.peer, self.group)
        return OpenPath(source, target, self.protocol, self.first, self.last)

    def covers(self, other: "Rule") -> bool:
        """Whether it lets through all that the other does."""
        return (
            (self.group, self.egress) == (other.group, other.egress)
            and self.protocol in (ALL, other.protocol)
            and self.first <= other.first
            and self.last >= other.last
            and self._reaches(other)
        )

    def _reaches(self, other: "Rule") -> bool:
        if self.peer == other.peer:
            return True
        return bool(other.networks) and all(
            any(_within(network, own) for own in self.networks) for network in other.networks
        )


def _within(network: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)


def rule_of(
    group: str, egress: bool, peer: str, protocol: str, ports: tuple[int | None, int | None]
) -> Rule:
    """A rule; ports are None or -1 where it means all."""
    protocol = PROTOCOLS.get(str(protocol), str(protocol))
    first, last = (port if port not in (None, -1) else None for port in ports)
    if protocol == ALL or first is None or last is None:
        first, last = 0, PORT_MAX
    return Rule(group, egress, peer, protocol, first, last, _networks(peer))


def _networks(peer: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return (ip_network(peer, strict=False),)
    except ValueError:
        return ()  # a group


def _end(name: str) -> str:
    return name if _networks(name) else name.rpartition("/")[2].replace("_", " ")


def intended_rules(stack: Stack) -> list[Rule]:
    """The rules that the synthesized stack has."""
    rules = []
    for type_, egress in RULES.items():
        for resource in stack.all(type_):
            (group,) = stack.referred(resource, "security_group_id")
            (peer,) = (name for name in PEERS if resource.get(name))
            referred = stack.referred(resource, peer)
            rules.append(
                rule_of(
                    group.path,
                    egress,
                    referred[0].path if referred else resource.get(peer),
                    resource.get("ip_protocol"),
                    (resource.get("from_port"), resource.get("to_port")),
                )
            )
    return rules


def open_paths(rules: Iterable[Rule]) -> list[OpenPath]:
    """What can be opened under these rules."""
    rules = list(rules)
    paths = set()
    for rule in rules:
        if rule.networks:
            paths.add(rule.path)
            continue
        for other in rules:
            if rule.egress or not other.egress or other.group != rule.peer:
                continue
            if other.peer == rule.group or _everywhere(other):
                first, last = max(rule.first, other.first), min(rule.last, other.last)
                protocol, *more = {rule.protocol, other.protocol} - {ALL} or {ALL}
                if first <= last and not more:
                    paths.add(OpenPath(rule.peer, rule.group, protocol, first, last))
    return sorted(paths)


def _everywhere(rule: Rule) -> bool:
    return any(network.prefixlen == 0 and network.version == 4 for network in rule.networks)


def intended_paths(stack: Stack) -> list[OpenPath]:
    """Every path that the synthesized stack opens, from its JSON alone."""
    return open_paths(intended_rules(stack))


# What runs in the VPC, by the argument that names its security groups.
PARTS = {
    "aws_lb": "security_groups",
    "aws_ecs_service": "network_configuration",
    "aws_db_instance": "vpc_security_group_ids",
}
_ELEMENT = re.compile(r"\$\{element\(data\.aws_availability_zones\.(\w+)\.names, (\d+)\)\}")


def tiers(stack: Stack) -> dict[str, list[Resource]]:
    """Subnets in the order of their zones; ``public`` ones have a route to an internet gateway."""
    found: dict[str, list[Resource]] = {"public": [], "private": []}
    gateways = {gateway.address for gateway in stack.all("aws_internet_gateway")}
    for subnet in sorted(stack.all("aws_subnet"), key=lambda subnet: subnet.path):
        found["public" if ways_out(stack, subnet) & gateways else "private"].append(subnet)
    return found


def ways_out(stack: Stack, subnet: Resource) -> set[str]:
    """The addresses of the gateways that the routes of a subnet's table lead to."""
    links = stack.all("aws_route_table_association")
    tables = {
        table
        for link in links
        if subnet.address in link.refers("subnet_id")
        for table in link.refers("route_table_id")
    }
    return {
        target
        for route in stack.all("aws_route")
        if tables & set(route.refers("route_table_id"))
        for argument in ("gateway_id", "nat_gateway_id")
        for target in route.refers(argument)
    }


def zone(stack: Stack, subnet: Resource) -> str:
    """``us-east-1a``: written out, or an element of the data source of the config's zones."""
    name = str(subnet.get("availability_zone"))
    if found := _ELEMENT.fullmatch(name):
        (names,) = stack.document["data"]["aws_availability_zones"][found[1]]["filter"]
        return sorted(names["values"])[int(found[2])]
    return name


def subnets_of(stack: Stack, part: Resource) -> set[str]:
    """The addresses of the subnets that a load balancer, a service or a database may run in."""
    if part.type == "aws_db_instance":
        (group,) = stack.referred(part, "db_subnet_group_name")
        return set(group.refers("subnet_ids"))
    argument = "subnets" if part.type == "aws_lb" else "network_configuration"
    return {each.address for each in stack.referred(part, argument) if each.type == "aws_subnet"}


def parts_by_group(stack: Stack) -> dict[str, list[Resource]]:
    """What runs in the VPC, by the construct path of the security group that it has."""
    found: dict[str, list[Resource]] = {}
    for type_, argument in PARTS.items():
        for part in stack.all(type_):
            for group in stack.referred(part, argument):
                if group.type == "aws_security_group":
                    found.setdefault(group.path, []).append(part)
    return found
