"""What is known of Application Auto Scaling's resource types."""

from ops.catalogue.record import Nothing, ResourceType

TYPES = (
    ResourceType("aws_appautoscaling_policy", lost=Nothing("the code makes it anew")),
    ResourceType("aws_appautoscaling_target", lost=Nothing("the code makes it anew")),
)
