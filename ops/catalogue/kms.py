"""What is known of KMS's resource types."""

from ops.catalogue.policies import trusting, trusting_everybody
from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Changed, Lowered, Opened, TurnedOff, TurnedOn

_OPEN = (
    Opened("policy", "what the key encrypts", trusting("policy")),
    Opened("policy", "what the key encrypts", trusting_everybody("policy"), new=True),
)

TYPES = (
    ResourceType(
        name="aws_kms_alias",
        lost=Lost("the name that people and programs use for the key"),
        worse=(Changed("target_key_id", "the key that people mean by the name"),),
    ),
    ResourceType(
        name="aws_kms_key",
        lost=Lost("whatever it encrypts"),
        worse=(
            TurnedOff("is_enabled", "all that it encrypts, until it is enabled again"),
            TurnedOff("enable_key_rotation", "the yearly rotation"),
            Lowered(
                "deletion_window_in_days", "days in which a deletion can be taken back", missing=30
            ),
            TurnedOn("bypass_policy_lockout_safety_check", "the check against locking oneself out"),
            *_OPEN,
        ),
    ),
    ResourceType(
        name="aws_kms_key_policy", lost=Nothing("KMS puts its own in its place"), worse=_OPEN
    ),
)
