"""Where moto decides by itself what the data plane decides here.

Patches as in ``ops.emulator.patches``, applied in the place of ``tasks_run``: what that pretends
happens. Each leaves the facts to the reconciler, which writes them into moto's own objects.
"""

# pylint: disable=protected-access  # moto's classes have no other way to what patches need

import json
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ecs.models import EC2ContainerServiceBackend, Service, Task
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup
from moto.moto_api._internal import mock_random
from moto.rds.exceptions import InvalidDBInstanceStateError
from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend

from ops.emulator.dataplane.account import Account
from ops.emulator.dataplane.balancer import Balancing

Replace = Callable[[Any, str, Any], None]
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints
PASSWORD_LENGTH = 28


def apply_all(
    replace: Replace, balancing: Balancing, account: Account, pending: Callable[[str], bool]
) -> None:
    """Apply every patch. ``pending`` says whether a database, by its resource id, waits for a
    reboot."""
    tasks(replace, account)
    services(replace)
    target_health(replace, balancing)
    databases(replace)
    parameters(replace, pending)


def tasks(replace: Replace, account: Account) -> None:
    """A task starts as PROVISIONING, has an address of its subnet, and changes when something
    happens to it; moto's runs at once, and is further on its way each time that one asks.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
    """
    make = Task.__init__
    stop = EC2ContainerServiceBackend.stop_task
    find = EC2ContainerServiceBackend.list_tasks

    def init(self: Task, *args: Any, **options: Any) -> None:
        network = options.get("networking_configuration")
        if network:
            inner = network["awsvpcConfiguration"]
            subnets = inner["subnets"]
            chosen = subnets[mock_random.randint(0, len(subnets) - 1)]
            options["networking_configuration"] = {
                "awsvpcConfiguration": {
                    **inner,
                    "subnets": [chosen, *(each for each in subnets if each != chosen)],
                    "securityGroups": inner.get("securityGroups") or [],
                }
            }
        vars(self)["tap_status"] = "PROVISIONING"
        make(self, *args, **options)
        now = utcnow()
        settings = {
            "created_at": now,
            "connectivity": "CONNECTED",
            "connectivity_at": now,
            "health_status": "UNKNOWN",
            "cpu": _definition(self).cpu,
            "memory": _definition(self).memory,
            "version": 1,
            "stopped_reason": None,
            "stop_code": None,
        }
        for name, value in settings.items():
            setattr(self, name, value)
        containers: list[Any] = self.containers
        for container in containers:
            container.exitCode, container.health_status = None, "UNKNOWN"
            container.task_arn = self.task_arn
        for attachment in self.attachments:
            _place(self, attachment, account)

    def get_status(self: Task) -> str:
        return vars(self)["tap_status"]

    def set_status(self: Task, value: str) -> None:
        vars(self)["tap_status"] = value

    def stop_task(
        self: EC2ContainerServiceBackend, cluster_str: str, task_str: str, reason: str
    ) -> Task:
        before = self.describe_tasks(cluster_str, [task_str])
        status = before[0].last_status if before else ""
        task = stop(self, cluster_str, task_str, reason)
        task.last_status = status
        if status != "STOPPED":
            vars(task).setdefault("tap_stop", ("UserInitiated", reason or "Task stopped by user"))
        return task

    def list_tasks(self: EC2ContainerServiceBackend, *args: Any, **options: Any) -> list[Task]:
        found = find(self, *args, **options)
        service = args[4] if len(args) > 4 else options.get("service_name")
        wanted = args[5] if len(args) > 5 else options.get("desiredStatus")
        if service:
            group = f"service:{service.rpartition('/')[2]}"
            found = [task for task in found if task.group == group]
        return found if wanted else [task for task in found if task.desired_status == "RUNNING"]

    def requirements(_task_definition: Any) -> dict[str, Any]:
        return {"CPU": 0, "MEMORY": 0, "PORTS": [], "PORTS_UDP": []}

    replace(Task, "__init__", init)
    replace(Task, "last_status", property(get_status, set_status))
    replace(Task, "advance", lambda self: None)
    replace(EC2ContainerServiceBackend, "stop_task", stop_task)
    replace(EC2ContainerServiceBackend, "list_tasks", list_tasks)
    replace(
        EC2ContainerServiceBackend,
        "_calculate_task_resource_requirements",
        staticmethod(requirements),
    )


def _definition(task: Task) -> Any:
    return task._backend.describe_task_definition(task.task_definition_arn)


def _place(task: Task, attachment: dict[str, Any], account: Account) -> None:
    """Give a task's interface an address of its subnet, and the description that ECS gives it."""
    details = {entry["name"]: entry["value"] for entry in attachment["details"]}
    ec2 = ec2_backends[task._account_id][task.region_name]
    interface = ec2.enis[details["networkInterfaceId"]]
    address = account.free_address(details["subnetId"])
    interface.private_ip_address = address
    for entry in interface.private_ip_addresses:
        entry["PrivateIpAddress"] = address
    interface.description = (
        f"arn:aws:ecs:{task.region_name}:{task._account_id}:attachment/{attachment['id']}"
    )
    details["privateIPv4Address"] = address
    details["privateDnsName"] = f"ip-{address.replace('.', '-')}.ec2.internal"
    attachment["details"] = [{"name": key, "value": value} for key, value in details.items()]


def services(replace: Replace) -> None:
    """UpdateService changes what is wanted, and starts nothing by itself; a deleted service drains.
    moto has as many tasks as are wanted at once, and none of a deleted service.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
    """
    update = EC2ContainerServiceBackend.update_service
    delete = EC2ContainerServiceBackend.delete_service

    def update_service(self: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Service:
        service = self._get_service(properties.get("cluster", "default"), properties["service"])
        counts = service.running_count, service.pending_count
        if named := properties.get("task_definition"):
            properties["task_definition"] = self.describe_task_definition(named).arn
        update(self, properties)
        service.running_count, service.pending_count = counts
        return service

    def delete_service(self: EC2ContainerServiceBackend, *args: Any, **options: Any) -> Service:
        service = delete(self, *args, **options)
        service.status, service.desired_count = "DRAINING", 0
        return service

    replace(EC2ContainerServiceBackend, "update_service", update_service)
    replace(EC2ContainerServiceBackend, "delete_service", delete_service)


def target_health(replace: Replace, balancing: Balancing) -> None:
    """A target is as healthy as its answers to health checks; moto's all are, at once.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
    """
    health_for = FakeTargetGroup.health_for

    def asked(self: FakeTargetGroup, target: dict[str, Any], ec2: Any) -> Any:
        for each in balancing.targets(self.arn):
            if each.address == target["Id"]:
                return FakeHealthStatus(
                    each.address,
                    str(each.port),
                    str(each.port),
                    each.state,
                    each.reason or None,
                    each.description or None,
                )
        return health_for(self, target, ec2)

    replace(FakeTargetGroup, "health_for", asked)


def databases(replace: Replace) -> None:
    """RDS makes a password for the master user, and another when it rotates it; moto's is the same
    for all, for a user of another name. A database is there when it is, and a reboot ends.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
    """
    reboot = RDSBackend.reboot_db_instance
    start = RDSBackend.start_db_instance
    stop = RDSBackend.stop_db_instance

    def secret_string(self: MasterUserSecret) -> str:
        user = self.resource.master_username
        password = mock_random.get_random_string(length=PASSWORD_LENGTH)
        return json.dumps({"username": user, "password": password})

    def rotate_secret(self: MasterUserSecret) -> None:
        self._status = "rotating"
        self.secretsmanager.put_secret_value(
            secret_id=self.secret.arn,
            secret_string=secret_string(self),
            secret_binary="",  # nosec B106  # none
            client_request_token=str(mock_random.uuid4()),
            version_stages=["AWSCURRENT"],
        )

    def reboot_db_instance(self: RDSBackend, db_instance_identifier: str) -> Any:
        database = reboot(self, db_instance_identifier)
        if database.status != "available":
            raise InvalidDBInstanceStateError(db_instance_identifier, "reboot")
        database.status = "rebooting"
        return database

    def stop_db_instance(self: RDSBackend, *args: Any, **options: Any) -> Any:
        database = stop(self, *args, **options)
        database.status = "stopping"
        return database

    def start_db_instance(self: RDSBackend, *args: Any, **options: Any) -> Any:
        database = start(self, *args, **options)
        database.status = "starting"
        return database

    replace(MasterUserSecret, "_generate_secret_string", secret_string)
    replace(MasterUserSecret, "rotate_secret", rotate_secret)
    replace(RDSBackend, "reboot_db_instance", reboot_db_instance)
    replace(RDSBackend, "stop_db_instance", stop_db_instance)
    replace(RDSBackend, "start_db_instance", start_db_instance)


def parameters(replace: Replace, pending: Callable[[str], bool]) -> None:
    """A parameter that PostgreSQL reads when it starts waits for a reboot; moto's never wait.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithParamGroups.html
    """

    def status_list(self: DBInstance) -> list[Any]:
        groups = self.db_parameter_groups()
        for group in groups:
            status = "pending-reboot" if pending(self.dbi_resource_id) else "in-sync"
            setattr(group, "ParameterApplyStatus", status)
        return groups

    replace(DBInstance, "db_parameter_group_status_list", property(status_list))
