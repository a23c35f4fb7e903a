"""What is known of Systems Manager's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (
    ResourceType("aws_ssm_parameter", lost=Lost("what other stacks and people look up there")),
)
