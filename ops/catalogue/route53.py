"""What is known of Route 53's resource types."""

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Changed, TurnedOn

_ELSEWHERE = "the place that people reach by that name"

TYPES = (
    ResourceType(
        name="aws_route53_record",
        lost=Lost("the name that people use"),
        worse=(
            Changed("records", _ELSEWHERE),
            Changed("alias.name", _ELSEWHERE),
        ),
    ),
    ResourceType(
        name="aws_route53_zone",
        lost=Lost("the names that people use"),
        worse=(TurnedOn("force_destroy", "the protection of names against the zone's deletion"),),
    ),
)
