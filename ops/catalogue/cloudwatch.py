"""What is known of CloudWatch's resource types."""

from ops.catalogue.record import Nothing, ResourceType

TYPES = (ResourceType("aws_cloudwatch_metric_alarm", lost=Nothing("the code makes it anew")),)
