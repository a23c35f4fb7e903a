"""What is known of ECS's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Lowered, Removed, TurnedOff, TurnedOn

TYPES = (
    ResourceType(
        name="aws_ecs_cluster",
        lost=Lost("the service that runs in it"),
        worse=(
            TurnedOff("setting{containerInsights}.value", "the measurements of each task"),
            TurnedOff(
                "configuration.execute_command_configuration.logging",
                "the record of what is typed in running tasks",
            ),
        ),
    ),
    ResourceType(
        name="aws_ecs_service",
        lost=Lost("the running tasks: nothing answers until new ones do"),
        tainted="a first deploy that ECS rolled back leaves it so: "
        "pipenv run state recover, and deploy again (docs/failed-deploy.md)",
        worse=(
            Lowered("desired_count", "the last task: nothing answers", below=1),
            Lowered(
                "deployment_minimum_healthy_percent",
                "the tasks that serve while a release starts",
                missing=100,
            ),
            TurnedOff("deployment_circuit_breaker.enable", "the end of a release that fails"),
            TurnedOff("deployment_circuit_breaker.rollback", "the way back from a bad release"),
            TurnedOff("alarms.enable", "the alarms that end a bad release"),
            TurnedOff("alarms.rollback", "the way back from a release that sets off an alarm"),
            TurnedOff("wait_for_steady_state", "the word of a release that doesn't start"),
            Removed("load_balancer.container_port", "the way from the load balancer to the tasks"),
            TurnedOn(
                "enable_execute_command",
                "a shell in each running task to who may start one",
                exposes=True,
            ),
            TurnedOn(
                "network_configuration.assign_public_ip",
                "an address of the internet's to each task",
                exposes=True,
            ),
        ),
        interrupts=Nothing("ECS starts the new tasks before it stops the old ones"),
    ),
    ResourceType(
        name="aws_ecs_task_definition",
        lost=Nothing("running tasks keep theirs, and each release makes a new one"),
        worse=Nothing("each release is another one, and what it runs is the release's affair"),
    ),
)
