"""Every open path between the groups and the internet, as a set: no more, no fewer."""

import pytest

ANYWHERE = "0.0.0.0/0"
GROUPS = ("load_balancer", "service", "database")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"


def open_paths(stack):
    """Triples of from, to and port; the end that opens it is marked by its direction."""
    names = {stack.at(f"security/{group}").ref("id"): group for group in GROUPS}
    paths = set()
    for direction in ("ingress", "egress"):
        for rule in stack.all(f"aws_vpc_security_group_{direction}_rule"):
            assert rule["ip_protocol"] == "tcp"
            assert rule["from_port"] == rule["to_port"]
            group = names[rule["security_group_id"]]
            other = rule.get("cidr_ipv4") or names[rule["referenced_security_group_id"]]
            paths.add((direction, group, other, rule["from_port"]))
    return paths


def intended(config, web_ports):
    """What the picture in lib/modules/security_groups.py shows."""
    container, database = config.service.container_port, config.database.port
    return {
        *(("ingress", "load_balancer", ANYWHERE, port) for port in web_ports),
        ("egress", "load_balancer", "service", container),
        ("ingress", "service", "load_balancer", container),
        ("egress", "service", "database", database),
        ("ingress", "database", "service", database),
        ("egress", "service", ANYWHERE, 443),
    }


def test_the_open_paths_are_the_intended_ones(stack):
    assert open_paths(stack) == intended(stack.config, [80])


def test_a_certificate_opens_https(synthesize):
    stack = synthesize("prod", load_balancer={"certificate_arn": CERTIFICATE})
    assert open_paths(stack) == intended(stack.config, [80, 443])


def test_the_ports_are_the_config_s(synthesize):
    stack = synthesize("dev", service={"container_port": 9000}, database={"port": 5544})
    assert open_paths(stack) == intended(stack.config, [80])


def test_another_port_of_the_container_opens_before_the_old_one_shuts(shipped, synthesize):
    """Each port has rules of its own: Terraform deletes those that create_before_destroy once the
    service, which depends on them, is through with its deploy."""
    before, after = shipped("dev"), synthesize("dev", service={"container_port": 9000})
    for stack, port in ((before, 8080), (after, 9000)):
        for end in ("in", "out"):
            rule = stack.at(f"security/load_balancer_to_service_{port}_{end}")
            assert rule["lifecycle"]["create_before_destroy"] is True
            assert rule.address in stack.at("service/service")["depends_on"]
    shared = {each.address for each in before.resources} & {
        each.address for each in after.resources
    }
    assert not [address for address in shared if "load_balancer_to_service" in address]


def test_a_deployed_copy_keeps_its_rules_into_the_service(stack):
    moved = {each["from"]: each["to"] for each in stack.document["moved"]}
    port = stack.config.service.container_port
    assert set(moved.values()) == {
        stack.at(f"security/load_balancer_to_service_{port}_{end}").address for end in ("in", "out")
    }
    for former, address in moved.items():
        assert former.split(".")[0] == address.split(".")[0]


def test_visitors_can_be_limited_to_networks(synthesize):
    stack = synthesize("dev", load_balancer={"allowed_cidrs": ("192.0.2.0/24", "10.9.0.0/16")})
    into_balancer = {path[2] for path in open_paths(stack) if path[:2] == ("ingress", GROUPS[0])}
    assert into_balancer == {"192.0.2.0/24", "10.9.0.0/16"}


@pytest.mark.parametrize("attribute", ["ingress", "egress"])
def test_no_group_has_inline_rules(stack, attribute):
    for group in stack.all("aws_security_group"):
        assert group.get(attribute) is None


def test_every_group_is_of_this_vpc(stack):
    for group in stack.all("aws_security_group"):
        assert group["vpc_id"] == stack.at("network/vpc").ref("id")
    assert stack.count("aws_security_group") == len(GROUPS)
