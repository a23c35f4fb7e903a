"""A web application firewall in front of the load balancer.

AWS's managed rules and a limit to what one address may ask for. Two of the managed rules only
count: they take every body over 8 KB, and every client in another cloud, for an attack. What is
blocked or counted is logged, without the headers that hold secrets.

Rules: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
"""

from typing import Any, NamedTuple

from cdktf_cdktf_provider_aws.wafv2_web_acl import (
    Wafv2WebAcl,
    Wafv2WebAclDefaultAction,
    Wafv2WebAclDefaultActionAllow,
    Wafv2WebAclRule,
    Wafv2WebAclRuleAction,
    Wafv2WebAclRuleActionBlock,
    Wafv2WebAclRuleActionCount,
    Wafv2WebAclRuleOverrideAction,
    Wafv2WebAclRuleOverrideActionCount,
    Wafv2WebAclRuleOverrideActionNone,
    Wafv2WebAclRuleVisibilityConfig,
    Wafv2WebAclVisibilityConfig,
)
from cdktf_cdktf_provider_aws.wafv2_web_acl_association import Wafv2WebAclAssociation
from cdktf_cdktf_provider_aws.wafv2_web_acl_logging_configuration import (
    Wafv2WebAclLoggingConfiguration,
    Wafv2WebAclLoggingConfigurationLoggingFilter,
    Wafv2WebAclLoggingConfigurationLoggingFilterFilter,
    Wafv2WebAclLoggingConfigurationLoggingFilterFilterCondition,
    Wafv2WebAclLoggingConfigurationLoggingFilterFilterConditionActionCondition,
    Wafv2WebAclLoggingConfigurationRedactedFields,
    Wafv2WebAclLoggingConfigurationRedactedFieldsSingleHeader,
)
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import WafConfig
from lib.modules.log_group import log_group
from lib.modules.naming import NamingModule
from lib.modules.outputs import EncryptionOutputs

SECRET_HEADERS = ("authorization", "cookie")


class _Managed(NamedTuple):
    """A group of AWS's rules, but for those that only count."""

    group: str
    counting: tuple[str, ...] = ()


# In the order in which they are asked, cheapest first.
MANAGED = (
    _Managed("AWSManagedRulesAmazonIpReputationList"),
    _Managed("AWSManagedRulesAnonymousIpList", ("HostingProviderIPList",)),
    _Managed("AWSManagedRulesKnownBadInputsRuleSet"),
    _Managed("AWSManagedRulesCommonRuleSet", ("SizeRestrictions_BODY",)),
)


class WafModule(Construct):
    """The web ACL of one load balancer, and its log."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: WafConfig,
        load_balancer_arn: str,
        naming: NamingModule,
        encryption: EncryptionOutputs,
    ) -> None:
        super().__init__(scope, id_)
        name = naming.generate_simple_name("waf", limit=aws_limits.WEB_ACL_NAME_MAX)
        acl = Wafv2WebAcl(
            self,
            "acl",
            name=name,
            scope="REGIONAL",
            default_action=Wafv2WebAclDefaultAction(allow=Wafv2WebAclDefaultActionAllow()),
            rule=[_rate_limit(config), *_managed_rules(config)],
            visibility_config=Wafv2WebAclVisibilityConfig(
                cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
            ),
            tags={"Name": name},
        )
        Wafv2WebAclAssociation(
            self, "association", resource_arn=load_balancer_arn, web_acl_arn=acl.arn
        )
        logs = log_group(
            self,
            "log_group",
            name=f"{aws_limits.WAF_LOG_GROUP_PREFIX}{name}",
            retention_days=config.log_retention_days,
            encryption=encryption,
        )
        Wafv2WebAclLoggingConfiguration(
            self,
            "logging",
            resource_arn=acl.arn,
            log_destination_configs=[logs.arn],
            logging_filter=Wafv2WebAclLoggingConfigurationLoggingFilter(
                default_behavior="DROP",
                filter=[
                    Wafv2WebAclLoggingConfigurationLoggingFilterFilter(
                        behavior="KEEP",
                        requirement="MEETS_ANY",
                        condition=[
                            _action("BLOCK"),
                            _action("COUNT"),
                            _action("EXCLUDED_AS_COUNT"),
                        ],
                    )
                ],
            ),
            redacted_fields=[
                Wafv2WebAclLoggingConfigurationRedactedFields(
                    single_header=Wafv2WebAclLoggingConfigurationRedactedFieldsSingleHeader(
                        name=header
                    )
                )
                for header in SECRET_HEADERS
            ],
        )


def _rate_limit(config: WafConfig) -> Wafv2WebAclRule:
    action = (
        Wafv2WebAclRuleAction(block=Wafv2WebAclRuleActionBlock())
        if config.block
        else Wafv2WebAclRuleAction(count=Wafv2WebAclRuleActionCount())
    )
    return Wafv2WebAclRule(
        name="RequestsPerAddress",
        priority=0,
        action=action,
        statement={
            "rate_based_statement": {
                "aggregate_key_type": "IP",
                "limit": config.requests_per_address,
            }
        },
        visibility_config=_visibility("RequestsPerAddress"),
    )


def _managed_rules(config: WafConfig) -> list[Wafv2WebAclRule]:
    action = (
        Wafv2WebAclRuleOverrideAction(none=Wafv2WebAclRuleOverrideActionNone())
        if config.block
        else Wafv2WebAclRuleOverrideAction(count=Wafv2WebAclRuleOverrideActionCount())
    )
    return [
        Wafv2WebAclRule(
            name=managed.group,
            priority=priority,
            override_action=action,
            statement=_statement(managed),
            visibility_config=_visibility(managed.group),
        )
        for priority, managed in enumerate(MANAGED, start=1)
    ]


def _statement(managed: _Managed) -> dict[str, Any]:
    """In Terraform's words: the bindings have no types for statements, and pass them on as is."""
    statement: dict[str, Any] = {"name": managed.group, "vendor_name": "AWS"}
    if managed.counting:
        statement["rule_action_override"] = [
            {"name": rule, "action_to_use": {"count": {}}} for rule in managed.counting
        ]
    return {"managed_rule_group_statement": statement}


def _visibility(name: str) -> Wafv2WebAclRuleVisibilityConfig:
    return Wafv2WebAclRuleVisibilityConfig(
        cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


def _action(word: str) -> Wafv2WebAclLoggingConfigurationLoggingFilterFilterCondition:
    condition = Wafv2WebAclLoggingConfigurationLoggingFilterFilterConditionActionCondition
    return Wafv2WebAclLoggingConfigurationLoggingFilterFilterCondition(
        action_condition=condition(action=word)
    )
