"""What is known of EFS's resource types."""

from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Changed, TurnedOff

TYPES = (
    ResourceType(
        name="aws_efs_file_system",
        lost=Lost("the files in it"),
        worse=(
            TurnedOff("protection.replication_overwrite", "the protection against overwriting"),
            Changed("throughput_mode", "the throughput that it had"),
        ),
    ),
)
