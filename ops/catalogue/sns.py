"""What is known of SNS's resource types."""

from ops.catalogue.policies import trusting, trusting_everybody
from ops.catalogue.record import NEW_EACH_TIME, Lost, Nothing, ResourceType
from ops.catalogue.rules import Opened, TurnedOff

TYPES = (
    ResourceType(
        name="aws_sns_topic",
        lost=Lost("the subscriptions that people have confirmed"),
        worse=(TurnedOff("kms_master_key_id", "the encryption by a key of your own"),),
    ),
    ResourceType(
        name="aws_sns_topic_policy",
        lost=Nothing("SNS lets the account itself publish, and nobody else"),
        worse=(
            Opened("policy", "the topic", trusting("policy")),
            Opened("policy", "the topic", trusting_everybody("policy"), new=True),
        ),
    ),
    ResourceType(
        name="aws_sns_topic_subscription",
        lost=Lost("the subscription that somebody has confirmed"),
        worse=NEW_EACH_TIME,
    ),
)
