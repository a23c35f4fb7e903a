"""What is known of ECR's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (ResourceType("aws_ecr_repository", lost=Lost("the images in it")),)
