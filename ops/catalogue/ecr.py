"""What is known of ECR's resource types."""

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Left, TurnedOff, TurnedOn

TYPES = (
    ResourceType(
        name="aws_ecr_repository",
        lost=Lost("the images in it"),
        worse=(
            Left(
                "image_tag_mutability",
                "the promise that a tag stays the same image",
                "IMMUTABLE",
            ),
            TurnedOff("image_scanning_configuration.scan_on_push", "the scan of each image"),
            TurnedOn("force_delete", "the protection of images against the repository's deletion"),
        ),
    ),
)
