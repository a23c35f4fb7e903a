"""What is known of SNS's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_sns_topic", lost=Lost("the subscriptions that people have confirmed")),
    ResourceType("aws_sns_topic_policy", lost=Nothing("the code makes it anew")),
    ResourceType(
        "aws_sns_topic_subscription", lost=Lost("the subscription that somebody has confirmed")
    ),
)
