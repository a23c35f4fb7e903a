"""What is known of KMS's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_kms_alias", lost=Nothing("the code makes it anew")),
    ResourceType("aws_kms_key", lost=Lost("whatever it encrypts")),
    ResourceType("aws_kms_key_policy", lost=Nothing("the code makes it anew")),
)
