"""What is known of Systems Manager's resource types."""

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Changed, Left

_PUBLISHED = "what other stacks and people look up there"

TYPES = (
    ResourceType(
        name="aws_ssm_parameter",
        lost=Lost(_PUBLISHED),
        worse=(
            Changed("value", _PUBLISHED),
            Left("type", "the encryption of its value", "SecureString"),
        ),
    ),
)
