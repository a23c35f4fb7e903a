"""What is known of S3's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_s3_bucket", lost=Lost("the objects in it, and its name")),
    ResourceType("aws_s3_bucket_lifecycle_configuration", lost=Nothing("the code makes it anew")),
    ResourceType("aws_s3_bucket_logging", lost=Nothing("the code makes it anew")),
    ResourceType("aws_s3_bucket_notification", lost=Nothing("the code makes it anew")),
    ResourceType("aws_s3_bucket_ownership_controls", lost=Nothing("the code makes it anew")),
    ResourceType("aws_s3_bucket_policy", lost=Nothing("the code makes it anew")),
    ResourceType("aws_s3_bucket_public_access_block", lost=Nothing("the code makes it anew")),
    ResourceType(
        "aws_s3_bucket_server_side_encryption_configuration", lost=Nothing("the code makes it anew")
    ),
    ResourceType(
        "aws_s3_bucket_versioning",
        lost=Lost("the older versions of objects that are written from then on"),
    ),
)
