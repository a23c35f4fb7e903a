"""What of a stack is there: by the parameters that it publishes, by its tags and names, and in EC2.

Each defect is told once. What is missing or different is told by the check it belongs to:

    network      VPC, subnets, gateways, routes, endpoints, network ACLs
    database     who reaches it: its subnets, its groups, its public address, paths to it
    open paths   every other rule of a security group
    parts        parameters, secrets, logs
    service, load balancer, drift: the rest

A check that needs what is missing leaves it to the other to say so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from lib.errors import TapError
from ops.checkup import Check, Finding, Subject, failed, passed
from ops.recover import stack as recover
from ops.recover.kinds import Kind

DEPLOY = "npm run cdktf:deploy"
VPC, DATABASE = "network/vpc", "database/instance"
LOAD_BALANCER = "load_balancer/load_balancer"
SERVICE, CLUSTER = "service/service", "service/cluster"


class Deployed:
    """A stack's things in AWS. They are asked for when they are needed, and once."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.stack = subject.stack
        self._live = _Live(subject)
        self._addresses = {entry.path: entry.address for entry in self.stack.resources.values()}

    def find(self, name: str) -> recover.Thing | None:
        """The one of this construct path or address, such as ``network/vpc``; None without.

        Raises ``TapError`` where there are two.
        """
        address = self._addresses.get(name, name)
        found = self._live.find(address)
        if len(found) > 1:
            ids = " and ".join(thing.id for thing in found)
            raise TapError(f"{ids} could both be {name}", hint="delete the one that isn't used")
        return found[0] if found else None

    def id(self, name: str) -> str | None:
        """Its id, as Terraform imports it; None where it isn't there."""
        thing = self.find(name)
        return thing.id if thing else None

    def argument(self, name: str, argument: str) -> Any:
        """An argument as the stack has it, references replaced by what AWS has; None where it
        isn't set, or refers to what isn't there."""
        return self._live.resolved(self._addresses.get(name, name), argument)

    def filled(self, value: Any) -> Any:
        """``value`` with references replaced by what AWS has. Raises ``LookupError`` where
        something that it refers to isn't there."""
        return self._live.filled(value)

    def answers(self, kind: Kind, argument: Callable[[str], Any]) -> Iterator[Any]:
        """What ``kind.found`` finds in each page of AWS's answer about a resource."""
        return self._live.answers(kind, argument)

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Every SSM parameter below ``/tap/{env}/{suffix}/``, by its name."""
        (top, *_) = self.subject.naming.ssm_path("x", "y").rsplit("/", 2)
        found = self.subject.ask(
            "ssm", "get_parameters_by_path", "Parameters", Path=top, Recursive=True
        )
        return {entry["Name"]: entry["Value"] for entry in found}

    @property
    def vpc_id(self) -> str:
        """The VPC's. Raises ``TapError`` where there is none."""
        found = self.id(VPC)
        if found is None:
            raise TapError(f"{self.stack.id} has no VPC", hint=DEPLOY)
        return found

    def ec2(self, operation: str, key: str) -> list[Mapping[str, Any]]:
        """What EC2 has in the VPC: ``ec2("describe_subnets", "Subnets")``."""
        filters = [{"Name": "vpc-id", "Values": [self.vpc_id]}]
        return self.subject.ask("ec2", operation, key, Filters=filters)

    @cached_property
    def subnets(self) -> Mapping[str, Mapping[str, Any]]:
        """Every subnet of the VPC, by its id."""
        found = self.ec2("describe_subnets", "Subnets")
        return {entry["SubnetId"]: entry for entry in found}

    @cached_property
    def route_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Every route table of the VPC, by its id."""
        found = self.ec2("describe_route_tables", "RouteTables")
        return {entry["RouteTableId"]: entry for entry in found}

    @cached_property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """Every security group of the VPC, by its id."""
        found = self.ec2("describe_security_groups", "SecurityGroups")
        return {entry["GroupId"]: entry for entry in found}

    @cached_property
    def interfaces(self) -> list[Mapping[str, Any]]:
        """Every network interface of the VPC."""
        return self.ec2("describe_network_interfaces", "NetworkInterfaces")

    @cached_property
    def database(self) -> Mapping[str, Any] | None:
        """The instance, as RDS tells of it; None where it isn't there."""
        filters = [{"Name": "db-instance-id", "Values": [self.argument(DATABASE, "identifier")]}]
        found = self.subject.ask("rds", "describe_db_instances", "DBInstances", Filters=filters)
        return found[0] if found else None

    @cached_property
    def load_balancer(self) -> Mapping[str, Any] | None:
        """The load balancer; None where it isn't there."""
        if not (arn := self.id(LOAD_BALANCER)):
            return None
        (found,) = self.subject.ask(
            "elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=[arn]
        )
        return found

    @cached_property
    def service(self) -> Mapping[str, Any] | None:
        """The ECS service; None where it isn't there."""
        if not self.id(SERVICE):
            return None
        (found,) = self.subject.client("ecs").describe_services(
            cluster=self.id(CLUSTER), services=[self.argument(SERVICE, "name")]
        )["services"]
        return found

    @property
    def database_groups(self) -> set[str]:
        """The ids of the security groups that the database has."""
        entries = (self.database or {}).get("VpcSecurityGroups", ())
        return {entry["VpcSecurityGroupId"] for entry in entries}

    @property
    def service_groups(self) -> set[str]:
        """The ids of the security groups that the service's tasks get."""
        network = (self.service or {}).get("networkConfiguration", {})
        return set(network.get("awsvpcConfiguration", {}).get("securityGroups", ()))


class _Live(recover.Stack):
    """Asks through the subject, which counts."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.stack.document, {}, subject.session)
        self._subject = subject

    def client(self, service: str) -> Any:
        """The subject's client of a service."""
        return self._subject.client(service)

    def resolved(self, address: str, name: str) -> Any:
        """``argument``, also in a list; None where something that it refers to isn't there."""
        try:
            return self.argument(address, name)
        except LookupError:
            return None


def tail(path: str) -> str:
    """What a person calls the thing of a construct path: ``security/load_balancer``'s is the load
    balancer."""
    return path.rpartition("/")[2].replace("_", " ")


def or_passed(findings: Iterable[Finding], found: str) -> Iterator[Finding]:
    """The findings; passed, with what was found, where there are none."""
    none = True
    for finding in findings:
        none = False
        yield finding
    if none:
        yield passed(found)


def _there(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    tags = subject.stack.tags
    if vpc := deployed.id(VPC):
        yield passed(f"{subject.stack.id} is there: {vpc}")
    else:
        wanted = ", ".join(f"{key}={tags[key]}" for key in recover.OWNER_TAGS)
        yield failed(f"no VPC with the tags {wanted}", "a deployed environment", DEPLOY)


CHECKS = (Check("deployed", _there, essential=True),)
