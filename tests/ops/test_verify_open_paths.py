"""The live rules open what the stack's rules open: no more, no less, each difference told once."""

from ipaddress import ip_network

import pytest

from ops.network import ALL, OpenPath, Rule, intended_paths, intended_rules
from ops.network import open_paths as effective
from ops.stacks import Stack
from ops.verify import database, network, open_paths
from ops.verify.open_paths import CHECKS, live_rules
from tests.ops.deployed import environment

ANYWHERE = "0.0.0.0/0"
EVERY = (*network.CHECKS, *database.CHECKS, *open_paths.CHECKS)
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"


@pytest.fixture(name="there")
def _there(shipped):
    """Staging, deployed."""
    with environment(shipped("staging")) as there:
        yield there


def allow(there, group, permission, *, egress=False):
    """Open something; returns the rule's id."""
    call = "authorize_security_group_egress" if egress else "authorize_security_group_ingress"
    answer = getattr(there.ec2, call)(GroupId=there.at[group], IpPermissions=[permission])
    return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]


def rules_of(there, group):
    """What a group has."""
    return there.ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [there.at[group]]}]
    )["SecurityGroupRules"]


def test_the_intended_paths_come_from_the_json(synthesize):
    config = {"certificate_arn": CERTIFICATE, "allowed_cidrs": ("192.0.2.0/24",)}
    stack = synthesize("prod", load_balancer=config, service={"container_port": 9000})
    balancer, service, store = (
        f"security/{name}" for name in ("load_balancer", "service", "database")
    )
    assert intended_paths(Stack.read(stack.document)) == [
        OpenPath("192.0.2.0/24", balancer, "tcp", 80, 80),
        OpenPath("192.0.2.0/24", balancer, "tcp", 443, 443),
        OpenPath(balancer, service, "tcp", 9000, 9000),
        OpenPath(service, ANYWHERE, "tcp", 443, 443),
        OpenPath(service, store, "tcp", 5432, 5432),
    ]


def test_a_path_reads_well():
    path = OpenPath("security/load_balancer", ANYWHERE, "tcp", 80, 90)
    assert str(path) == f"load balancer → {ANYWHERE} tcp 80-90"
    assert str(OpenPath("::/0", "security/database", ALL, 0, 65535)) == (
        "::/0 → database all traffic"
    )


def test_half_a_path_is_none(shipped):
    """What leaves one group has to be let into the other."""
    rules = intended_rules(Stack.read(shipped("dev").document))
    halves = [
        rule
        for rule in rules
        if (rule.group, rule.peer) != ("security/service", "security/database")
    ]
    assert len(halves) == len(rules) - 1
    assert "security/database" not in {path.target for path in effective(halves)}


def test_a_way_out_to_another_is_none_here():
    rules = [Rule("a", True, "c", "tcp", 22, 22), Rule("b", False, "a", "tcp", 22, 22)]
    assert not effective(rules)
    narrow = (ip_network("192.0.2.0/24"),)
    rules[0] = Rule("a", True, "192.0.2.0/24", "tcp", 22, 22, narrow)
    assert effective(rules) == [OpenPath("a", "192.0.2.0/24", "tcp", 22, 22)]


def test_a_way_out_to_everywhere_is_one_into_each_group():
    rules = [
        Rule("a", True, ANYWHERE, ALL, 0, 65535, (ip_network(ANYWHERE),)),
        Rule("b", False, "a", "tcp", 5000, 6000),
    ]
    assert OpenPath("a", "b", "tcp", 5000, 6000) in effective(rules)


def test_a_deployed_environment_passes(stack):
    with environment(stack) as there:
        assert there.found(CHECKS) == []
        (finding,) = CHECKS[0].look(there.subject)
        intended = intended_paths(Stack.read(stack.document))
        *others, into_database = map(str, intended)
        assert finding.found == "; ".join(others)
        assert into_database == "service → database tcp 5432"


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ({"IpRanges": [{"CidrIp": ANYWHERE}]}, ANYWHERE),
        ({"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}, "::/0"),
    ],
)
def test_a_rule_more(there, peer, shown):
    rule = allow(there, "security/service", {**SSH, **peer})
    found = there.only(EVERY, "open paths")
    assert found.found == f"{shown} → service tcp 22 is open ({rule})"
    assert found.needed == "only load balancer → service tcp 8080"


def test_all_protocols(there):
    allow(there, "security/load_balancer", {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANYWHERE}]})
    assert f"{ANYWHERE} → load balancer all traffic" in there.only(EVERY, "open paths").found


def test_a_way_out_more(there):
    rule = allow(
        there, "security/database", {**SSH, "IpRanges": [{"CidrIp": ANYWHERE}]}, egress=True
    )
    found = there.only(EVERY, "open paths")
    assert found.found == f"database → {ANYWHERE} tcp 22 is open ({rule})"
    assert found.needed == "shut" or "only service" in found.needed
    assert "revoke-security-group-egress" in found.fix


def test_the_default_group_stays_empty(there):
    group = "network/default_security_group"
    allow(
        there,
        group,
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": there.at[group]}]},
    )
    found = there.only(EVERY, "open paths").found
    assert found.startswith("default security group → default security group all traffic")


@pytest.mark.parametrize(("first", "last"), [(1, 80), (80, 1024)])
def test_a_wider_range_of_ports_is_told_once(there, first, last):
    """As too open: what was intended is open still."""
    (rule,) = (r for r in rules_of(there, "security/load_balancer") if not r["IsEgress"])
    there.ec2.revoke_security_group_ingress(
        GroupId=there.at["security/load_balancer"],
        SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]],
    )
    wide = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last}
    allow(there, "security/load_balancer", {**wide, "IpRanges": [{"CidrIp": ANYWHERE}]})
    assert f"tcp {first}-{last} is open" in there.only(EVERY, "open paths").found


def test_a_narrower_source_is_told_once(there):
    """As shut: it is part of what is intended."""
    (rule,) = (r for r in rules_of(there, "security/load_balancer") if not r["IsEgress"])
    there.ec2.revoke_security_group_ingress(
        GroupId=there.at["security/load_balancer"],
        SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]],
    )
    http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    allow(there, "security/load_balancer", {**http, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]})
    found = there.only(EVERY, "open paths")
    assert found.found.startswith(f"{ANYWHERE} → load balancer tcp 80 is shut")
    assert found.needed == f"{ANYWHERE} → load balancer tcp 80 open"


def test_a_prefix_list_stands_for_its_addresses(there):
    def listed(name, *cidrs, family="IPv4"):
        made = there.ec2.create_managed_prefix_list(
            PrefixListName=name,
            AddressFamily=family,
            MaxEntries=5,
            Entries=[{"Cidr": cidr} for cidr in cidrs],
        )
        return {"PrefixListIds": [{"PrefixListId": made["PrefixList"]["PrefixListId"]}]}

    http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    allow(there, "security/load_balancer", {**http, **listed("some", "192.0.2.0/24")})
    allow(there, "security/load_balancer", {**SSH, **listed("none")})
    assert there.found(EVERY) == []
    allow(there, "security/load_balancer", {**SSH, **listed("ssh", "192.0.2.0/24")})
    assert "→ load balancer tcp 22 is open" in there.only(EVERY, "open paths").found


def test_a_group_that_is_gone(there):
    """Known by its name: one that is called otherwise isn't it."""
    document = there.synthesized.document
    (name,) = (n for n in document["resource"]["aws_security_group"] if "load_balancer" in n)
    group = document["resource"]["aws_security_group"][name]
    renamed = {**group, "name": "other"}
    resources = {**document["resource"]}
    resources["aws_security_group"] = {**resources["aws_security_group"], name: renamed}
    there.synthesized = type(there.synthesized)(
        there.synthesized.config, {**document, "resource": resources}
    )
    found = [finding.found for _, finding in there.found(CHECKS)]
    assert "load balancer: no such security group" in found


def test_a_load_balancer_with_another_group(there):
    group = there.at["network/default_security_group"]
    there.client("elbv2").set_security_groups(
        LoadBalancerArn=there.at["load_balancer/load_balancer"], SecurityGroups=[group]
    )
    found = there.only(EVERY, "open paths")
    assert found.found == f"the load balancer has {group}"
    assert found.needed == there.at["security/load_balancer"]


def test_a_foreign_group_in_use(there):
    """It opens nothing until something has it."""
    group = there.ec2.create_security_group(
        GroupName="other", Description="d", VpcId=there.at["network/vpc"]
    )["GroupId"]
    there.at["other"] = group
    allow(there, "other", {**SSH, "IpRanges": [{"CidrIp": ANYWHERE}]})
    assert there.found(EVERY) == []
    interface = there.ec2.create_network_interface(
        SubnetId=there.at["network/public0"], Groups=[group]
    )["NetworkInterface"]["NetworkInterfaceId"]
    found = there.only(EVERY, "open paths").found
    assert found.startswith(f"{group} on {interface}: {ANYWHERE} → {group} tcp 22")


def test_an_interface_in_the_load_balancers_group(there):
    interface = there.ec2.create_network_interface(
        SubnetId=there.at["network/public0"], Groups=[there.at["security/load_balancer"]]
    )["NetworkInterface"]["NetworkInterfaceId"]
    found = there.only(EVERY, "open paths").found
    assert found.startswith(f"{interface} has the group of the load balancer")


def test_a_rule_for_a_group_that_the_stack_does_not_have(there):
    other = there.ec2.create_security_group(
        GroupName="other", Description="d", VpcId=there.at["network/vpc"]
    )["GroupId"]
    allow(there, "security/service", {**SSH, "UserIdGroupPairs": [{"GroupId": other}]})
    found = there.only(EVERY, "open paths").found
    assert found.startswith(f"{other} → service tcp 22 is open at one end")


def test_every_group_is_asked_about(there):
    names = open_paths.group_paths(there.deployed)
    assert set(names.values()) == {
        *(f"security/{name}" for name in ("load_balancer", "service", "database")),
        "network/default_security_group",
    }
    assert len(live_rules(there.deployed, names)) == 6
