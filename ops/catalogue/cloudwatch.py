"""What is known of CloudWatch's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Left, Removed, TurnedOff

TYPES = (
    ResourceType(
        name="aws_cloudwatch_metric_alarm",
        lost=Lost("the alarm: nobody hears of what it watched"),
        replaced=Nothing("the code makes it anew"),
        worse=(
            TurnedOff("actions_enabled", "the alarm's voice: it goes off, and nobody hears it"),
            Removed("alarm_actions", "those who are told when it goes off"),
            Left(
                "treat_missing_data",
                "the alarm for what says nothing any more",
                "breaching",
            ),
        ),
    ),
)
