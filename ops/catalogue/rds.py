"""What is known of RDS's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_db_instance", lost=Lost("the database, but for its snapshots")),
    ResourceType("aws_db_parameter_group", lost=Nothing("the code makes it anew")),
    ResourceType("aws_db_snapshot", lost=Lost("the snapshot")),
    ResourceType("aws_db_subnet_group", lost=Nothing("the code makes it anew")),
    ResourceType("aws_rds_cluster", lost=Lost("the database, but for its snapshots")),
)
