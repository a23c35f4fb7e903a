"""What is known of DynamoDB's resource types."""

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Lowered, TurnedOff, TurnedOn

TYPES = (
    ResourceType(
        name="aws_dynamodb_table",
        lost=Lost("the table and what is in it"),
        worse=(
            TurnedOff("deletion_protection_enabled", "the protection against its deletion"),
            TurnedOff("point_in_time_recovery.enabled", "the backups of the last days"),
            Lowered(
                "point_in_time_recovery.recovery_period_in_days",
                "the backups of the days beyond",
                missing=35,
            ),
            TurnedOff("server_side_encryption.enabled", "the encryption by a key of your own"),
            TurnedOff("stream_enabled", "the changes that others follow"),
            TurnedOn("ttl.enabled", "each item whose time is over"),
        ),
    ),
)
