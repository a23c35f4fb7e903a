"""What is known of EFS's resource types."""

from ops.catalogue.record import Lost, ResourceType

TYPES = (ResourceType("aws_efs_file_system", lost=Lost("the files in it")),)
