"""The load balancer: listeners, redirect, and a target group that can be replaced."""

import pytest

from lib.config.environment_config import HealthCheckConfig

DOMAIN = "app.example.com"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"


def test_it_faces_the_internet_from_the_public_subnets(stack):
    balancer = stack.at("load_balancer/load_balancer")
    assert balancer["internal"] is False
    assert balancer["load_balancer_type"] == "application"
    assert balancer["security_groups"] == [stack.at("security/load_balancer").ref("id")]
    assert balancer["subnets"] == [stack.at(f"network/public{zone}").ref("id") for zone in range(3)]
    assert stack.at("network/public_internet").address in balancer["depends_on"]


def test_it_is_hardened_and_kept_as_the_config_says(stack):
    balancer = stack.at("load_balancer/load_balancer")
    config = stack.config.load_balancer
    assert balancer["drop_invalid_header_fields"] is True
    assert balancer["enable_deletion_protection"] is config.deletion_protection
    assert balancer["idle_timeout"] == config.idle_timeout_seconds


def test_without_a_certificate_it_forwards_http(stack):
    (listener,) = stack.all("aws_lb_listener")
    assert (listener["port"], listener["protocol"]) == (80, "HTTP")
    assert listener["default_action"] == [
        {"type": "forward", "target_group_arn": stack.at("load_balancer/target_group").ref("arn")}
    ]


class TestCertificate:
    """HTTPS, as soon as config names a certificate."""

    @pytest.fixture
    def secured(self, synthesize):
        """Production with a certificate."""
        return synthesize(
            "prod", load_balancer={"certificate_arn": CERTIFICATE, "domain_name": DOMAIN}
        )

    def test_http_is_redirected(self, secured):
        listener = secured.at("load_balancer/http")
        assert listener["default_action"] == [
            {
                "type": "redirect",
                "redirect": {"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"},
            }
        ]

    def test_https_forwards_with_tls_1_3(self, secured):
        listener = secured.at("load_balancer/https")
        assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
        assert listener["certificate_arn"] == CERTIFICATE
        assert "TLS13" in listener["ssl_policy"]
        assert listener["default_action"] == [
            {
                "type": "forward",
                "target_group_arn": secured.at("load_balancer/target_group").ref("arn"),
            }
        ]

    def test_the_service_waits_for_the_listener_that_forwards(self, secured):
        needed = secured.at("service/service")["depends_on"]
        assert secured.at("load_balancer/https").address in needed

    def test_the_published_address_is_the_one_that_the_certificate_is_for(self, secured):
        assert secured.at("outputs/parameters/service_url")["value"] == f"https://{DOMAIN}"
        balancer = secured.at("load_balancer/load_balancer").ref("dns_name")
        published = secured.at("outputs/parameters/service_load_balancer_dns_name")["value"]
        assert published == balancer, "whoever makes the DNS record needs it"

    def test_the_http_listener_is_changed_and_not_replaced(self, secured, shipped):
        before, after = (s.at("load_balancer/http").address for s in (shipped("prod"), secured))
        assert before == after


def test_a_domain_without_a_certificate_is_published_too(synthesize):
    stack = synthesize("dev", load_balancer={"domain_name": DOMAIN})
    assert stack.at("outputs/parameters/service_url")["value"] == f"http://{DOMAIN}"


def test_the_target_group_checks_health_as_the_config_says(synthesize):
    check = HealthCheckConfig(
        path="/up",
        interval_seconds=20,
        timeout_seconds=7,
        healthy_threshold=3,
        unhealthy_threshold=4,
        matcher="200-204",
    )
    stack = synthesize(
        "dev",
        service={"health_check": check},
        load_balancer={"deregistration_delay_seconds": 12},
    )
    group = stack.at("load_balancer/target_group")
    assert group["health_check"] == {
        "path": "/up",
        "interval": 20,
        "timeout": 7,
        "healthy_threshold": 3,
        "unhealthy_threshold": 4,
        "matcher": "200-204",
    }
    assert group["deregistration_delay"] == "12"


def test_the_target_group_takes_task_addresses(stack):
    group = stack.at("load_balancer/target_group")
    assert (group["target_type"], group["protocol"]) == ("ip", "HTTP")
    assert group["vpc_id"] == stack.at("network/vpc").ref("id")


def test_what_replaces_the_target_group_renames_it(shipped, synthesize):
    before = shipped("dev").at("load_balancer/target_group")
    after = synthesize("dev", network={"cidr": "10.77.0.0/16"}).at("load_balancer/target_group")
    assert before["name"] != after["name"]
    assert after["lifecycle"]["create_before_destroy"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"load_balancer": {"deregistration_delay_seconds": 99}},
        # ECS registers each task with its own port: both serve until the deploy is through.
        {"service": {"container_port": 9000}},
    ],
)
def test_what_changes_in_place_keeps_the_target_group(shipped, synthesize, change):
    before = shipped("dev").at("load_balancer/target_group")
    after = synthesize("dev", **change).at("load_balancer/target_group")
    for fixed in ("name", "port", "protocol", "target_type"):
        assert after[fixed] == before[fixed]
