"""What is known of Secrets Manager's resource types."""

from ops.catalogue.policies import trusting, trusting_everybody
from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Lowered, Opened, TurnedOff

TYPES = (
    ResourceType(
        name="aws_secretsmanager_secret",
        lost=Lost("the secret"),
        worse=(
            Lowered(
                "recovery_window_in_days", "days in which a deletion can be taken back", missing=30
            ),
            TurnedOff("kms_key_id", "the encryption by a key of your own"),
            Opened("policy", "the secret", trusting("policy")),
            Opened("policy", "the secret", trusting_everybody("policy"), new=True),
        ),
    ),
    ResourceType(
        name="aws_secretsmanager_secret_version",
        lost=Lost("the secret's value"),
        # The secret keeps its ARN, and the value from before as AWSPREVIOUS.
        remade_by=frozenset({"secret_string", "secret_string_wo", "secret_string_wo_version"}),
        worse=Nothing("another value is another version"),
    ),
)
