"""What is known of Application Auto Scaling's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Lowered, TurnedOn

_SCALING = Lost("the scaling: the number of tasks stays as it is, whatever the load")
_AGAIN = Nothing("the code makes it anew, and scaling goes on")

TYPES = (
    ResourceType(
        name="aws_appautoscaling_policy",
        lost=_SCALING,
        replaced=_AGAIN,
        part_of=("resource_id", "aws_appautoscaling_target"),
        worse=Nothing("another target value is a matter of size"),
    ),
    ResourceType(
        name="aws_appautoscaling_target",
        lost=_SCALING,
        replaced=_AGAIN,
        worse=(
            Lowered("min_capacity", "the last task, when nothing is asked for", below=1),
            Lowered("max_capacity", "every task", below=1),
            TurnedOn("suspended_state.dynamic_scaling_in_suspended", "scaling in"),
            TurnedOn("suspended_state.dynamic_scaling_out_suspended", "more tasks for more load"),
        ),
    ),
)
