"""What is known of WAF's resource types."""

from collections.abc import Iterator

from ops.catalogue.record import NEW_EACH_TIME, Lost, Nothing, ResourceType
from ops.catalogue.rules import Opened, Raised, Removed, is_on
from ops.catalogue.values import Tree

_AGAIN = Nothing("the code makes it anew")
_PART = ("web_acl_arn", "aws_wafv2_web_acl")


def _let_through(values: Tree) -> Iterator[str]:
    """The rules that count what they would block, and what no rule knows where that passes."""
    for rule in values.get("rule") or ():
        for name in ("action", "override_action"):
            for action in _blocks(rule.get(name)):
                if is_on(action.get("count")) or "count" in _named(action):
                    yield f"the way past {rule.get('name')}"


def _blocks(value: object) -> list[Tree]:
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def _named(action: Tree) -> set[str]:
    """The blocks that are there, empty ones too; a plan has an empty list for one that isn't."""
    return {name for name, block in action.items() if block is not None and block != []}


TYPES = (
    ResourceType(
        name="aws_wafv2_web_acl",
        lost=Lost("the filter in front of the load balancer"),
        replaced=_AGAIN,
        worse=(
            Removed("rule.priority", "the service to what these rules blocked", exposes=True),
            Raised(
                "rule.statement.rate_based_statement.limit",
                "the service to more requests of one address",
                exposes=True,
            ),
            Opened("rule", "the service to what these rules blocked", _let_through),
        ),
        interrupts=Nothing("WAF changes over without a gap"),
    ),
    ResourceType(
        name="aws_wafv2_web_acl_association",
        lost=Lost("the filter in front of the load balancer"),
        replaced=_AGAIN,
        part_of=_PART,
        worse=NEW_EACH_TIME,
    ),
    ResourceType(
        name="aws_wafv2_web_acl_logging_configuration",
        lost=Lost("the record of what the filter blocks"),
        replaced=_AGAIN,
        part_of=("resource_arn", "aws_wafv2_web_acl"),
        worse=(Removed("log_destination_configs", "the record of what the filter blocks"),),
    ),
)
