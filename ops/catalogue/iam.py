"""What is known of IAM's resource types."""

from ops.catalogue.record import Nothing, ResourceType

TYPES = (
    ResourceType("aws_iam_policy", lost=Nothing("the code makes it anew")),
    ResourceType("aws_iam_role", lost=Nothing("the code makes it anew")),
    ResourceType("aws_iam_role_policy", lost=Nothing("the code makes it anew")),
    ResourceType("aws_iam_role_policy_attachment", lost=Nothing("the code makes it anew")),
)
