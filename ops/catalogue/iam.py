"""What is known of IAM's resource types."""

from ops.catalogue.policies import (
    broad_policies,
    granting,
    trusting,
    trusting_everybody,
    unconditional_services,
)
from ops.catalogue.record import NEW_EACH_TIME, Nothing, ResourceType
from ops.catalogue.rules import Opened, TurnedOff

_AGAIN = Nothing("the code makes it anew, with nothing in it")
_GRANTS = Opened(
    "policy", "more than single actions on single resources", granting("policy"), new=True
)

TYPES = (
    ResourceType(name="aws_iam_policy", lost=_AGAIN, worse=(_GRANTS,)),
    ResourceType(
        name="aws_iam_role",
        lost=_AGAIN,
        worse=(
            Opened(
                "assume_role_policy",
                "the role to more than may use it now",
                trusting("assume_role_policy"),
            ),
            Opened(
                "assume_role_policy",
                "the role to everybody",
                trusting_everybody("assume_role_policy"),
                new=True,
            ),
            Opened(
                "assume_role_policy",
                "the role to the service on behalf of any account",
                unconditional_services("assume_role_policy"),
            ),
            TurnedOff(
                "permissions_boundary", "the role to what the boundary forbids", exposes=True
            ),
        ),
    ),
    ResourceType(name="aws_iam_role_policy", lost=_AGAIN, worse=(_GRANTS,)),
    ResourceType(
        name="aws_iam_role_policy_attachment",
        lost=_AGAIN,
        worse=(
            Opened(
                "policy_arn",
                "more than single actions on single resources",
                broad_policies,
                new=True,
            ),
        ),
        interrupts=NEW_EACH_TIME,
    ),
)
