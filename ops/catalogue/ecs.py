"""What is known of ECS's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_ecs_cluster", lost=Lost("the service that runs in it")),
    ResourceType(
        "aws_ecs_service", lost=Lost("the running tasks: nothing answers until new ones do")
    ),
    ResourceType("aws_ecs_task_definition", lost=Nothing("the code makes it anew")),
)
