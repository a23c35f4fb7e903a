"""What is known of Route 53's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (
    ResourceType("aws_route53_record", lost=Lost("the name that people use")),
    ResourceType("aws_route53_zone", lost=Lost("the names that people use")),
)
