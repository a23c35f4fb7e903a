"""What is known of CloudWatch Logs's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (ResourceType("aws_cloudwatch_log_group", lost=Lost("the log lines in it")),)
