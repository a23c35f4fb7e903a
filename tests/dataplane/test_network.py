"""What comes through: routes, and both ends' groups."""

from dataclasses import dataclass, field

import pytest

from ops.emulator.dataplane.network import End, Route, Rule, refused, refused_in, refused_out

TASK = End("10.0.0.5", "public", frozenset({"service"}), public=True)
HIDDEN = End("10.0.1.5", "private", frozenset({"service"}))
DATABASE = End("10.0.1.9", "private", frozenset({"database"}))
BALANCER = End("10.0.0.9", "public", frozenset({"balancer"}), public=True)
LOCAL = Route("10.0.0.0/16", "local")
INTERNET = Route("0.0.0.0/0", "internet")


def tcp(way, port, peer, last=None):
    """A rule."""
    return Rule(way == "out", "tcp", port, last or port, peer)


@dataclass
class Vpc:
    """A VPC like TAP's, in which both kinds of subnets are."""

    groups: dict = field(
        default_factory=lambda: {
            "balancer": [tcp("in", 80, "0.0.0.0/0"), tcp("out", 8080, "service")],
            "service": [
                tcp("in", 8080, "balancer"),
                tcp("out", 5432, "database"),
                tcp("out", 443, "0.0.0.0/0"),
            ],
            "database": [tcp("in", 5432, "service")],
        }
    )
    tables: dict = field(
        default_factory=lambda: {
            "public": [LOCAL, INTERNET],
            "private": [LOCAL, Route("0.0.0.0/0", "nat", "public")],
        }
    )

    def rules(self, group):
        """Those of a group."""
        return self.groups.get(group, [])

    def routes(self, subnet):
        """Those of a subnet."""
        return self.tables[subnet]


@pytest.fixture(name="vpc")
def _vpc():
    return Vpc()


def test_what_the_groups_allow_comes_through(vpc):
    assert refused(vpc, TASK, DATABASE, 5432) is None
    assert refused(vpc, BALANCER, TASK, 8080) is None
    assert refused_in(vpc, BALANCER, 80) is None
    assert refused_out(vpc, TASK) is None
    assert refused_out(vpc, HIDDEN) is None  # by NAT


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (BALANCER, DATABASE, 5432),
        (TASK, DATABASE, 5433),
        (DATABASE, TASK, 8080),
        (TASK, BALANCER, 80),
    ],
)
def test_nothing_else_does(vpc, source, target, port):
    assert "no rule of" in (refused(vpc, source, target, port) or "")


def test_both_ends_have_to_allow_it(vpc):
    vpc.groups["service"].remove(tcp("out", 5432, "database"))
    assert refused(vpc, TASK, DATABASE, 5432) == (
        "no rule of service lets port 5432 out to 10.0.1.9 (database)"
    )
    vpc.groups["service"].append(tcp("out", 5432, "10.0.1.0/24"))
    assert refused(vpc, TASK, DATABASE, 5432) is None
    vpc.groups["database"].clear()
    assert refused(vpc, TASK, DATABASE, 5432) == (
        "no rule of database lets port 5432 in from 10.0.0.5 (service)"
    )


@pytest.mark.parametrize(
    ("rule", "comes"),
    [
        (tcp("in", 5000, "service", 6000), True),
        (tcp("in", 5433, "service", 6000), False),
        (Rule(False, "udp", 5432, 5432, "service"), False),
        (Rule(False, "-1", 0, 0, "10.0.0.0/24"), True),
        (Rule(False, "-1", 0, 0, "10.0.1.0/24"), False),
        (tcp("in", 5432, "sg-of-nobody"), False),
    ],
)
def test_a_rule_is_read_as_aws_reads_it(vpc, rule, comes):
    vpc.groups["database"] = [rule]
    assert (refused(vpc, TASK, DATABASE, 5432) is None) is comes


def test_a_route_is_needed_there_and_back(vpc):
    vpc.tables["private"] = []
    assert refused(vpc, TASK, DATABASE, 5432) == "private has no route to 10.0.0.5"
    vpc.tables = {"private": [LOCAL], "public": []}
    assert refused(vpc, TASK, DATABASE, 5432) == "public has no route to 10.0.1.9"


def test_the_longest_prefix_counts(vpc):
    vpc.tables["public"].append(Route("10.0.1.0/24", None))
    assert refused(vpc, TASK, DATABASE, 5432) == "public has no route to 10.0.1.9"


def test_the_way_out_takes_a_rule_a_route_and_an_address(vpc):
    unseen = End("10.0.0.5", "public", frozenset({"service"}))
    assert refused_out(vpc, unseen) == "10.0.0.5 has no public address"
    assert "no rule of database lets port 443 out" in (refused_out(vpc, DATABASE) or "")
    vpc.tables["public"] = [LOCAL]
    assert refused_out(vpc, TASK) == "public has no route to the internet"
    assert refused_out(vpc, HIDDEN) == "private has no route to the internet"  # nor the gateway


def test_the_way_in_takes_a_rule_and_a_route(vpc):
    vpc.groups["balancer"][0] = tcp("in", 80, "203.0.113.0/24")
    assert refused_in(vpc, BALANCER, 80) is None  # who asks stands for one of those
    assert "lets port 443 in" in (refused_in(vpc, BALANCER, 443) or "")
    vpc.tables["public"] = [LOCAL, Route("0.0.0.0/0", "nat", "public")]
    assert refused_in(vpc, BALANCER, 80) == "public has no route to the internet"
