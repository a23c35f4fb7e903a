"""The firewall: what it asks, what it does, and what of it is logged."""

import pytest

from lib.config.environment_config import WafConfig

ACL = "load_balancer/waf/acl"


@pytest.fixture(name="prod")
def _prod(shipped):
    """Production has one."""
    return shipped("prod")


def groups(stack):
    """AWS's rules by the name of their group."""
    found = {}
    for rule in stack.at(ACL)["rule"]:
        managed = rule["statement"].get("managed_rule_group_statement")
        if managed:
            assert managed["vendor_name"] == "AWS"
            found[managed["name"]] = (rule, managed)
    return found


def test_there_is_one_where_the_config_asks_for_one(stack):
    assert stack.has(ACL) is (stack.config.load_balancer.waf is not None)


def test_production_has_one(prod):
    association = prod.at("load_balancer/waf/association")
    assert association["resource_arn"] == prod.at("load_balancer/load_balancer").ref("arn")
    assert association["web_acl_arn"] == prod.at(ACL).ref("arn")
    assert prod.at(ACL)["scope"] == "REGIONAL"
    assert prod.at(ACL)["default_action"] == {"allow": {}}


def test_aws_s_rules_block(prod):
    assert set(groups(prod)) == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesAnonymousIpList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    }
    for rule, _ in groups(prod).values():
        assert rule["override_action"] == {"none": {}}
    priorities = [rule["priority"] for rule in prod.at(ACL)["rule"]]
    assert len(set(priorities)) == len(priorities)


@pytest.mark.parametrize(
    ("group", "rule"),
    [
        ("AWSManagedRulesCommonRuleSet", "SizeRestrictions_BODY"),
        ("AWSManagedRulesAnonymousIpList", "HostingProviderIPList"),
    ],
)
def test_what_would_hit_the_innocent_only_counts(prod, group, rule):
    _, managed = groups(prod)[group]
    assert managed["rule_action_override"] == [{"name": rule, "action_to_use": {"count": {}}}]


def test_log4j_is_blocked(prod):
    _, managed = groups(prod)["AWSManagedRulesKnownBadInputsRuleSet"]
    assert "rule_action_override" not in managed


@pytest.mark.parametrize(("block", "action"), [(True, "block"), (False, "count")])
def test_one_address_may_ask_so_often(synthesize, block, action):
    waf = WafConfig(block=block, requests_per_address=777)
    stack = synthesize("staging", load_balancer={"waf": waf})
    (rule,) = (r for r in stack.at(ACL)["rule"] if "rate_based_statement" in r["statement"])
    assert rule["statement"]["rate_based_statement"] == {"aggregate_key_type": "IP", "limit": 777}
    assert rule["action"] == {action: {}}


def test_it_can_be_made_to_count_alone(synthesize):
    stack = synthesize("staging", load_balancer={"waf": WafConfig(block=False)})
    for rule, _ in groups(stack).values():
        assert rule["override_action"] == {"count": {}}


def test_what_was_not_let_through_is_logged_without_secrets(prod):
    logging, logs = prod.at("load_balancer/waf/logging"), prod.at("load_balancer/waf/log_group")
    assert logging["resource_arn"] == prod.at(ACL).ref("arn")
    assert logging["log_destination_configs"] == [logs.ref("arn")]
    assert logs["name"] == "aws-waf-logs-prod-waf-qa1", "WAF takes no other prefix"
    assert logs["retention_in_days"] == prod.config.load_balancer.waf.log_retention_days
    assert logging["logging_filter"]["default_behavior"] == "DROP"
    (kept,) = logging["logging_filter"]["filter"]
    assert (kept["behavior"], kept["requirement"]) == ("KEEP", "MEETS_ANY")
    actions = {condition["action_condition"]["action"] for condition in kept["condition"]}
    assert actions == {"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"}
    redacted = {field["single_header"]["name"] for field in logging["redacted_fields"]}
    assert redacted == {"authorization", "cookie"}
