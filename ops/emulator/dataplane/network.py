"""Whether a connection comes through: by routes and by both ends' security groups, as they are now.

Decides per connection, and of the answer's way back nothing: security groups are stateful. Leaves
out network ACLs, peerings and IPv6.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

HTTPS = 443


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: a network interface in a VPC."""

    address: str
    subnet: str
    groups: frozenset[str]
    public: bool = False  # has an address on the internet

    def __str__(self) -> str:
        return f"{self.address} ({', '.join(sorted(self.groups))})"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a security group: ``peer`` is a CIDR or another group."""

    egress: bool
    protocol: str
    from_port: int
    to_port: int
    peer: str

    def allows(self, port: int, address: str, groups: Iterable[str]) -> bool:
        """Whether it lets TCP through to or from this port, with this peer."""
        if self.protocol not in ("tcp", "-1"):
            return False
        if self.protocol == "tcp" and not self.from_port <= port <= self.to_port:
            return False
        return self.peer in groups or _within(address, self.peer)


@dataclass(frozen=True, slots=True)
class Route:
    """A route: ``target`` is ``local``, ``internet``, ``nat`` or None for anything else.

    ``through`` is the NAT gateway's subnet.
    """

    cidr: str
    target: str | None
    through: str = ""


class Vpc(Protocol):
    """What is asked of the emulator."""

    def rules(self, group: str) -> list[Rule]:
        """Those of a security group."""
        ...

    def routes(self, subnet: str) -> list[Route]:
        """Those that hold in a subnet."""
        ...


def refused(vpc: Vpc, source: End, target: End, port: int) -> str | None:
    """Why nothing comes through between two ends in the VPC; None where it does."""
    for here, there in ((source, target), (target, source)):
        route = _route(vpc, here.subnet, there.address)
        if not route or route.target != "local":
            return f"{here.subnet} has no route to {there.address}"
    if not _allowed(vpc, source, True, port, target):
        return f"no rule of {', '.join(sorted(source.groups))} lets port {port} out to {target}"
    if not _allowed(vpc, target, False, port, source):
        return f"no rule of {', '.join(sorted(target.groups))} lets port {port} in from {source}"
    return None


def refused_out(vpc: Vpc, source: End, port: int = HTTPS) -> str | None:
    """Why an end doesn't get out to the internet, where AWS's own endpoints are."""
    anywhere = End("192.0.2.1", "", frozenset())  # an address that is nobody's
    if not _allowed(vpc, source, True, port, anywhere):
        return f"no rule of {', '.join(sorted(source.groups))} lets port {port} out"
    route = _route(vpc, source.subnet, anywhere.address)
    if route and route.target == "nat":
        route, through = _route(vpc, route.through, anywhere.address), True
    else:
        through = source.public
    if not route or route.target != "internet":
        return f"{source.subnet} has no route to the internet"
    return None if through else f"{source.address} has no public address"


def refused_in(vpc: Vpc, target: End, port: int) -> str | None:
    """Why nobody on the internet gets in to this end.

    Whoever asks stands for an address that the group lets in, if it lets in any.
    """
    rules = [rule for group in target.groups for rule in vpc.rules(group) if not rule.egress]
    if not any("/" in rule.peer and rule.allows(port, _any_of(rule.peer), ()) for rule in rules):
        return f"no rule of {', '.join(sorted(target.groups))} lets port {port} in from an address"
    route = _route(vpc, target.subnet, "192.0.2.1")
    if not route or route.target != "internet":
        return f"{target.subnet} has no route to the internet"
    return None


def _allowed(vpc: Vpc, end: End, egress: bool, port: int, peer: End) -> bool:
    return any(
        rule.egress is egress and rule.allows(port, peer.address, peer.groups)
        for group in end.groups
        for rule in vpc.rules(group)
    )


def _route(vpc: Vpc, subnet: str, address: str) -> Route | None:
    """The one that counts: that with the longest prefix."""
    fitting = [route for route in vpc.routes(subnet) if _within(address, route.cidr)]
    return max(fitting, key=lambda route: ip_network(route.cidr).prefixlen, default=None)


def _within(address: str, cidr: str) -> bool:
    return "/" in cidr and ip_address(address) in ip_network(cidr, strict=False)


def _any_of(cidr: str) -> str:
    return str(ip_network(cidr, strict=False).network_address)
