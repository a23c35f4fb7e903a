"""Who may open a connection to whom: what the security groups let through, and what they should.

The live rules of every group of the VPC are held against those of the synthesized stack. What is
narrower than intended is no difference; a prefix list stands for the addresses in it.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from ops.checkup import Check, Finding, Subject, failed
from ops.network import OpenPath, Rule, intended_paths, intended_rules, open_paths, rule_of
from ops.verify.deployed import DEPLOY, LOAD_BALANCER, Deployed, or_passed, tail

GROUPS = ("aws_security_group", "aws_default_security_group")


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
    rule = rule_of(
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
