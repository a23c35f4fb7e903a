"""What is known of Secrets Manager's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (
    ResourceType("aws_secretsmanager_secret", lost=Lost("the secret")),
    ResourceType("aws_secretsmanager_secret_version", lost=Lost("the secret's value")),
)
