"""What is known of Elastic Load Balancing's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_lb", lost=Lost("the address that people use")),
    ResourceType("aws_lb_listener", lost=Lost("the port that people use")),
    ResourceType("aws_lb_listener_rule", lost=Nothing("the code makes it anew")),
    ResourceType("aws_lb_target_group", lost=Nothing("the code makes it anew")),
)
