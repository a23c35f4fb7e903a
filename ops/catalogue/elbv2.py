"""What is known of Elastic Load Balancing's resource types."""

import re
from typing import Any

from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Changed, Interrupts, Left, Lowered, Removed, TurnedOff, TurnedOn

_GUIDE = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application"
_LISTENERS = f"{_GUIDE}/load-balancer-listeners.html"
_TARGETS = f"{_GUIDE}/load-balancer-target-groups.html"
_OLDEST = re.compile(r"(?:TLS13|TLS|FS)-1-(\d)")
_EMPTY = (
    "the listener goes to a target group without targets: 503 for 1 to 5 minutes, until new tasks "
    "are healthy in it"
)


def _tls(policy: Any) -> float:
    """The oldest version of TLS that a security policy takes: 2 for 1.2."""
    found = _OLDEST.search(str(policy))
    return float(found[1]) if found else 0


TYPES = (
    ResourceType(
        name="aws_lb",
        lost=Lost("the address that people use"),
        worse=(
            TurnedOff("enable_deletion_protection", "the protection against its deletion"),
            TurnedOff("access_logs.enabled", "the record of each request"),
            TurnedOff(
                "drop_invalid_header_fields",
                "the service to requests with forged headers",
                exposes=True,
            ),
            TurnedOn(
                "enable_waf_fail_open", "the service to requests that WAF hasn't seen", exposes=True
            ),
            Removed("subnets", "a zone that it answers from"),
            Removed("security_groups", "who may reach it"),
        ),
        interrupts=Nothing("it changes over without a gap"),
    ),
    ResourceType(
        name="aws_lb_listener",
        lost=Lost("the port that people use"),
        worse=(
            Changed("port", "the port that people use"),
            Changed("protocol", "the protocol that people use"),
            Lowered("ssl_policy", "connections to TLS that is out of date", of=_tls, exposes=True),
            Left(  # pylint: disable=redundant-keyword-arg  # after KW_ONLY
                "default_action.type",
                "the service to plain HTTP, which was sent on to HTTPS",
                "redirect",
                exposes=True,
            ),
        ),
        interrupts=(
            Interrupts(Changed("port", "the old port answers no longer"), _LISTENERS),
            Interrupts(Changed("protocol", "the old protocol gets no answer"), _LISTENERS),
        ),
    ),
    ResourceType(
        name="aws_lb_listener_rule",
        lost=Lost("the paths or hosts that it serves"),
        replaced=Nothing("the code makes it anew"),
        worse=(Changed("condition", "the paths or hosts that it served"),),
    ),
    ResourceType(
        name="aws_lb_target_group",
        lost=Nothing("the code makes it anew, with the tasks in it"),
        worse=(TurnedOff("health_check.enabled", "the check that keeps bad tasks out"),),
        interrupts=(
            Interrupts(Changed("port", _EMPTY), _TARGETS),
            Interrupts(Changed("protocol", _EMPTY), _TARGETS),
        ),
    ),
)
