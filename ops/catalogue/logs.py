"""What is known of CloudWatch Logs' resource types."""

from math import inf

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Lowered, TurnedOff

TYPES = (
    ResourceType(
        name="aws_cloudwatch_log_group",
        lost=Lost("the log lines in it"),
        worse=(
            Lowered("retention_in_days", "the log lines that are older", missing=inf, endless=0),
            TurnedOff("kms_key_id", "the encryption by a key of your own"),
        ),
    ),
)
