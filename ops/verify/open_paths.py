"""Who may open a connection to whom: what the security groups let through, and what they should.

A rule is half a path: what leaves one group has to be let into the other. Both halves are read from
the live rules, for every group of the VPC, and held against those of the synthesized stack. What is
narrower than intended is no difference; a prefix list stands for the addresses in it.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from ops.checkup import Check, Finding, Subject, failed
from ops.stacks import Stack
from ops.verify.deployed import DEPLOY, LOAD_BALANCER, Deployed, or_passed, tail

ALL = "all traffic"
PROTOCOLS = {"-1": ALL, "6": "tcp", "17": "udp", "1": "icmp"}
PORT_MAX = 65_535
GROUPS = ("aws_security_group", "aws_default_security_group")
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


def _rule(
    group: str, egress: bool, peer: str, protocol: str, ports: tuple[int | None, int | None]
) -> Rule:
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
    return name if _networks(name) else tail(name)


def intended_rules(stack: Stack) -> list[Rule]:
    """The rules that the synthesized stack has."""
    rules = []
    for type_, egress in RULES.items():
        for resource in stack.all(type_):
            (group,) = stack.referred(resource, "security_group_id")
            (peer,) = (name for name in PEERS if resource.get(name))
            referred = stack.referred(resource, peer)
            rules.append(
                _rule(
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


def group_paths(deployed: Deployed) -> dict[str, str]:
    """The construct paths of the stack's groups, by their id."""
    return {
        id_: group.path
        for type_ in GROUPS
        for group in deployed.stack.all(type_)
        if (id_ := deployed.id(group.path))
    }


def live_rules(deployed: Deployed, names: Mapping[str, str]) -> list[Rule]:
    """The rules of these groups, ``names`` by id, as AWS has them."""
    found = deployed.subject.ask(
        "ec2",
        "describe_security_group_rules",
        "SecurityGroupRules",
        Filters=[{"Name": "group-id", "Values": sorted(names)}],
    )
    rules = (_live_rule(deployed, names, entry) for entry in found)
    return [rule for rule in rules if rule]


def _live_rule(
    deployed: Deployed, names: Mapping[str, str], entry: Mapping[str, Any]
) -> Rule | None:
    """A rule; None where its prefix list is empty: that opens nothing."""
    networks, peer = None, entry.get("CidrIpv4") or entry.get("CidrIpv6")
    if listed := entry.get("PrefixListId"):
        peer = listed
        found = deployed.subject.ask(
            "ec2", "get_managed_prefix_list_entries", "Entries", PrefixListId=listed
        )
        networks = tuple(ip_network(each["Cidr"]) for each in found)
        if not networks:
            return None
    if peer is None:
        group = entry["ReferencedGroupInfo"]["GroupId"]
        peer = names.get(group, group)
    rule = _rule(
        names[entry["GroupId"]],
        entry["IsEgress"],
        peer,
        entry["IpProtocol"],
        (entry.get("FromPort"), entry.get("ToPort")),
    )
    return Rule(
        *(rule.group, rule.egress, rule.peer, rule.protocol, rule.first, rule.last),
        networks or rule.networks,
        entry["SecurityGroupRuleId"],
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is open and should not be, or the other way round."""

    path: OpenPath
    finding: Finding


def differences(deployed: Deployed) -> list[Difference]:
    """What the live rules of the stack's groups open too much or too little."""
    names = group_paths(deployed)
    ids = {path: id_ for id_, path in names.items()}
    live = live_rules(deployed, names)
    intended = [
        rule
        for rule in intended_rules(deployed.stack)
        if rule.group in ids and (rule.peer in ids or rule.networks)
    ]
    opened, shut = defaultdict(list), defaultdict(list)
    for rule in live:
        if not any(other.covers(rule) for other in intended):
            opened[rule.path].append(rule)
    for rule in intended:
        if not any(other.covers(rule) for other in live):
            shut[rule.path].append(rule)
    effective = open_paths(live)
    found = [
        Difference(path, _too_open(deployed, path, rules, ids, path in effective))
        for path, rules in opened.items()
    ]
    for path, rules in shut.items():
        lacks = [
            f"{ids[rule.group]} lets nothing {'out to' if rule.egress else 'in from'} "
            f"{ids.get(rule.peer, rule.peer)} on {path.traffic}"
            for rule in rules
        ]
        finding = failed(f"{path} is shut: {'; '.join(lacks)}", f"{path} open", DEPLOY)
        found.append(Difference(path, finding))
    return found


def _too_open(
    deployed: Deployed,
    path: OpenPath,
    rules: Iterable[Rule],
    ids: Mapping[str, str],
    effective: bool,
) -> Finding:
    told = ", ".join(rule.id for rule in rules)
    half = "" if effective else " at one end"
    meant = [str(each) for each in intended_paths(deployed.stack) if each.target == path.target]
    fixes = (
        f"aws ec2 revoke-security-group-{'egress' if rule.egress else 'ingress'} "
        f"--group-id {ids[rule.group]} --security-group-rule-ids {rule.id}"
        for rule in rules
    )
    return failed(
        f"{path} is open{half} ({told})",
        f"only {', '.join(meant)}" if meant else "shut",
        "; ".join(fixes),
    )


def database_groups(deployed: Deployed) -> set[str]:
    """The construct paths of the database's groups."""
    (database,) = deployed.stack.all("aws_db_instance")
    return {group.path for group in deployed.stack.referred(database, "vpc_security_group_ids")}


def service_groups(deployed: Deployed) -> set[str]:
    """The construct paths of the service's groups."""
    (service,) = deployed.stack.all("aws_ecs_service")
    referred = deployed.stack.referred(service, "network_configuration")
    return {entry.path for entry in referred if entry.type == "aws_security_group"}


def strangers(deployed: Deployed) -> Iterator[tuple[str, str]]:
    """Network interfaces, by their id, with a group of the stack that isn't theirs, by its path.

    A load balancer's and a database's are made by AWS, a task's is described by its attachment.
    """
    names = group_paths(deployed)
    for entry in deployed.interfaces:
        if entry.get("RequesterManaged") or ":ecs:" in entry.get("Description", ""):
            continue
        for group in entry.get("Groups", ()):
            if group["GroupId"] in names:
                yield entry["NetworkInterfaceId"], names[group["GroupId"]]


def _look(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    theirs = database_groups(deployed)
    found = [
        *_groups(deployed),
        *(each.finding for each in differences(deployed) if each.path.target not in theirs),
    ]
    paths = open_paths(live_rules(deployed, group_paths(deployed)))
    # The database's check tells of those into it.
    shown = [str(path) for path in paths if path.target not in theirs]
    yield from or_passed(found, "; ".join(shown))


def _groups(deployed: Deployed) -> Iterator[Finding]:
    """The groups themselves: missing, others in use, the stack's in use by others."""
    names = group_paths(deployed)
    for type_ in GROUPS:
        for group in deployed.stack.all(type_):
            if group.path not in names.values():
                word = tail(group.path)
                yield failed(f"{word}: no such security group", f"the group {word}", DEPLOY)
    # The database's check tells of these.
    told = deployed.database_groups | deployed.service_groups
    if deployed.load_balancer:
        has = set(deployed.load_balancer["SecurityGroups"])
        wanted = set(deployed.argument(LOAD_BALANCER, "security_groups") or ())
        if has != wanted:
            yield failed(
                f"the load balancer has {', '.join(sorted(has)) or 'no group'}",
                ", ".join(sorted(wanted)),
                DEPLOY,
            )
        told |= has
    yield from _foreign(deployed, names.keys() | told)
    for interface, group in strangers(deployed):
        if group not in service_groups(deployed):
            yield stranger(interface, group)


def stranger(interface: str, group: str) -> Finding:
    """The finding about an interface with a group that isn't its own."""
    word = tail(group)
    return failed(
        f"{interface} has the group of the {word}, and is not the {word}'s",
        "a group of its own",
        f"aws ec2 modify-network-interface-attribute --network-interface-id {interface} --groups",
    )


def _foreign(deployed: Deployed, ours: Iterable[str]) -> Iterator[Finding]:
    """Groups that the stack doesn't have, on an interface in its VPC."""
    used = defaultdict(list)
    for entry in deployed.interfaces:
        for group in entry.get("Groups", ()):
            if group["GroupId"] not in set(ours):
                used[group["GroupId"]].append(entry["NetworkInterfaceId"])
    for id_, interfaces in used.items():
        names = {**group_paths(deployed), id_: id_}
        rules = [rule for rule in live_rules(deployed, names) if rule.group == id_]
        if rules:
            paths = ", ".join(sorted(str(rule.path) for rule in rules))
            yield failed(
                f"{id_} on {', '.join(interfaces)}: {paths}",
                "no groups in use but the stack's",
                f"take it off: aws ec2 modify-network-interface-attribute "
                f"--network-interface-id {interfaces[0]} --groups ...",
            )


CHECKS = (Check("open paths", _look),)
