"""What is known of DynamoDB's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (ResourceType("aws_dynamodb_table", lost=Lost("the table and what is in it")),)
