"""What is known of EC2's and the VPC's resource types."""

from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from ops.catalogue.policies import trusting, trusting_everybody
from ops.catalogue.record import NEW_EACH_TIME, Lost, Nothing, ResourceType
from ops.catalogue.rules import (
    Changed,
    Interrupts,
    Left,
    Opened,
    Removed,
    Rule,
    TurnedOff,
    TurnedOn,
)
from ops.catalogue.values import Change, Tree, Unknown

_AGAIN = Nothing("the code makes it anew")
_ROUTES = "https://docs.aws.amazon.com/vpc/latest/userguide/WorkWithRouteTables.html"
_PORTS = 65_535
WEB = {80, 443}
# A network of this many bits or fewer is as good as the internet.
_INTERNET_BITS = {4: 8, 6: 16}


@dataclass(frozen=True, slots=True)
class Path:
    """What a rule of a security group lets through: a network and its ports."""

    network: IPv4Network | IPv6Network
    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        ports = f"port {self.first}" if self.first == self.last else "every port"
        if self.first != self.last and (self.first, self.last) != (0, _PORTS):
            ports = f"ports {self.first}-{self.last}"
        return f"{ports} and {self.network}"

    @property
    def internet(self) -> bool:
        """Whether the network is the internet, or a good part of it."""
        wide = self.network.prefixlen <= _INTERNET_BITS[self.network.version]
        return wide and not (self.network.is_private and self.network.prefixlen)

    @property
    def web(self) -> bool:
        """Whether it is a port that is there for everybody."""
        return self.first == self.last and self.first in WEB

    def within(self, other: "Path") -> bool:
        """Whether the other lets all of this through."""
        return (
            self.network.version == other.network.version
            and self.network.subnet_of(other.network)  # type: ignore[arg-type]
            and other.protocol in ("-1", self.protocol)
            and other.first <= self.first
            and self.last <= other.last
        )


_CIDRS = ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks")


def paths(values: Tree, arguments: Iterable[str] = _CIDRS) -> Iterator[Path]:
    """What a rule lets through to or from the networks in these arguments."""
    protocol = str(values.get("ip_protocol") or values.get("protocol") or "tcp")
    first, last = values.get("from_port"), values.get("to_port")
    if protocol == "-1" or not isinstance(first, int) or first < 0:
        start, end = 0, _PORTS
    else:
        start, end = first, last if isinstance(last, int) else first
    for name in arguments:
        found = values.get(name)
        for network in found if isinstance(found, list) else [found]:
            if isinstance(network, str) and "$" not in network:
                yield Path(ip_network(network, strict=False), protocol, start, end)


def _inline(attribute: str, values: Tree) -> Iterator[Path]:
    for rule in values.get(attribute) or ():
        if isinstance(rule, dict):
            yield from paths(rule)


@dataclass(frozen=True, slots=True)
class WiderNetwork(Rule):
    """A rule lets through more than it did; a new one opens a port to the internet.

    Fine is a new rule for port 80 or 443 where the group itself is new, or lets the internet in
    already. ``within`` is the argument that holds the rules, where it is no rule's own resource.
    """

    _: KW_ONLY
    outward: bool = False
    within: str = ""
    exposes: bool = True
    new: bool = True

    def worse(self, change: Change) -> str:
        after = change.after or {}
        if isinstance(after.get(self.attribute), Unknown):
            return "" if self.top in change.derived else "changes to what nobody knows yet"
        before = list(self._paths(change.before or {}))
        found = [
            path
            for path in self._paths(after)
            if not any(path.within(known) for known in before)
            and self._counts(path, before, change)
        ]
        return f"opens {', '.join(map(str, dict.fromkeys(found)))}" if found else ""

    def _paths(self, values: Tree) -> Iterable[Path]:
        return _inline(self.within, values) if self.within else paths(values, [self.attribute])

    def _counts(self, path: Path, before: list[Path], change: Change) -> bool:
        """Whether what wasn't let through until now is more than a rule for one more network."""
        if any(known.within(path) for known in before):
            return True
        if not path.internet:
            return False
        if "security_group_id" in change.fresh or (change.creates and self.within):
            return not (self.outward or path.web)
        if not path.web:
            return True
        group = (change.after or {}).get("security_group_id")
        return not any(
            known.web and known.internet
            for sibling in change.siblings
            if group is not None and sibling.get("security_group_id") == group
            for known in paths(sibling)
        )


def _rules(name: str, *, outward: bool = False) -> ResourceType:
    return ResourceType(
        name=name,
        lost=Nothing("it closes what was open, and the code makes it anew"),
        worse=tuple(
            WiderNetwork(attribute, what, outward=outward)
            for attribute in ("cidr_ipv4", "cidr_ipv6")
            for what in ("what the group lets out" if outward else "what the group lets in",)
        ),
    )


def _group(name: str) -> ResourceType:
    return ResourceType(
        name=name,
        lost=Nothing("AWS keeps one that is in use, and the code makes it anew"),
        worse=(
            WiderNetwork("ingress", "what the group lets in", within="ingress"),
            WiderNetwork("egress", "what the group lets out", within="egress", outward=True),
        ),
    )


TYPES = (
    _group("aws_default_security_group"),
    _group("aws_security_group"),
    ResourceType(
        name="aws_eip",
        lost=Lost("the address that others see and may have allowed"),
        worse=NEW_EACH_TIME,
    ),
    ResourceType(
        name="aws_flow_log",
        lost=Lost("the record of who talks to whom"),
        replaced=_AGAIN,
        part_of=("vpc_id", "aws_vpc"),
        worse=(Left("traffic_type", "the record of part of the traffic", "ALL"),),
    ),
    ResourceType(
        name="aws_internet_gateway",
        lost=Lost("the way in and out of the VPC"),
        worse=(Changed("vpc_id", "the way in and out of the VPC"),),
    ),
    ResourceType(
        name="aws_nat_gateway",
        lost=Lost("the way out of the private subnets, and the connections through it"),
        worse=NEW_EACH_TIME,
    ),
    ResourceType(
        name="aws_route",
        lost=Lost("the way there, for all that runs in its subnets"),
        replaced=_AGAIN,
        part_of=("nat_gateway_id", "aws_nat_gateway"),
        worse=(
            TurnedOff("nat_gateway_id", "the way out by an address of your own"),
            TurnedOn("gateway_id", "the subnets, by a way to the internet", exposes=True),
        ),
        interrupts=(
            Interrupts(
                Changed(
                    "nat_gateway_id", "connections through the old gateway break and start anew"
                ),
                _ROUTES,
            ),
        ),
    ),
    ResourceType(
        name="aws_route_table",
        lost=Nothing("AWS keeps one that is in use, and the code makes it anew"),
        worse=Nothing("its routes are resources of their own"),
    ),
    ResourceType(
        name="aws_route_table_association",
        lost=Lost("the subnet's routes: it falls back to the main table"),
        replaced=_AGAIN,
        part_of=("subnet_id", "aws_subnet"),
        worse=(Changed("route_table_id", "the routes that the subnet had"),),
    ),
    ResourceType(
        name="aws_subnet",
        lost=Lost("everything that runs in it, and its addresses"),
        worse=(
            TurnedOn(
                "map_public_ip_on_launch",
                "what starts in it under an address of the internet's",
                exposes=True,
            ),
        ),
    ),
    ResourceType(
        name="aws_vpc",
        lost=Lost("the network and everything in it"),
        worse=(
            TurnedOff("enable_dns_support", "every name: the database's too"),
            TurnedOff("enable_dns_hostnames", "the names of what has a public address"),
        ),
    ),
    ResourceType(
        name="aws_vpc_endpoint",
        lost=Lost("the private way to the service"),
        replaced=_AGAIN,
        part_of=("vpc_id", "aws_vpc"),
        worse=(
            Removed("route_table_ids", "the private way of these subnets"),
            Removed("subnet_ids", "a zone that it answers in"),
            TurnedOff("private_dns_enabled", "the private way for the service's usual name"),
            Opened("policy", "the service through it", trusting("policy")),
            Opened("policy", "the service through it", trusting_everybody("policy")),
        ),
    ),
    _rules("aws_vpc_security_group_egress_rule", outward=True),
    _rules("aws_vpc_security_group_ingress_rule"),
)
