"""What moto holds, in the data plane's own words: the network, certificates, logs, secrets.

Call it with the emulator's lock held.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.acm.models import acm_backends
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends

from lib.errors import TapError
from ops.emulator.dataplane.network import End, Route, Rule


class Account:
    """One account; each method takes what it needs to find the region."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id

    def backends(self, service: BackendDict[Any]) -> list[Any]:
        """A service's, one for each region that was ever asked."""
        return list(service[self.account_id].values())

    def rules(self, group: str) -> list[Rule]:
        """Those of a security group; none where it is gone."""
        return [
            Rule(
                rule.is_egress,
                rule.ip_protocol or "-1",
                int(rule.from_port or 0),
                int(rule.to_port or 0),
                rule.ip_range.get("CidrIp") or rule.source_group.get("GroupId") or "",
            )
            for ec2 in self.backends(ec2_backends)
            for found in [ec2.get_security_group_from_id(group)]
            if found
            for rule in [*found.ingress_rules, *found.egress_rules]
        ]

    def routes(self, subnet: str) -> list[Route]:
        """Those of the subnet's route table, or of the VPC's main one."""
        for ec2 in self.backends(ec2_backends):
            if not (found := _subnet(ec2, subnet)):
                continue
            tables = [each for each in ec2.route_tables.values() if each.vpc_id == found.vpc_id]
            ours = [
                each
                for each in tables
                if any(entry.get("SubnetId") == subnet for entry in each.associations)
            ] or [each for each in tables if each.main_association_id]
            return [_route(ec2, route) for table in ours for route in table.routes]
        return []

    def vpc_of(self, subnet: str) -> str:
        """The VPC of a subnet; empty where it is gone."""
        for ec2 in self.backends(ec2_backends):
            if found := _subnet(ec2, subnet):
                return found.vpc_id
        return ""

    def free_address(self, subnet: str, taken: Iterator[str] | Sequence[str] = ()) -> str:
        """An address of a subnet that nothing has."""
        for ec2 in self.backends(ec2_backends):
            if found := _subnet(ec2, subnet):
                used = {eni.private_ip_address for eni in ec2.enis.values()} | {*taken}
                hosts = list(found.cidr.hosts())[3:]  # the first ones are AWS's
                return next(str(host) for host in hosts if str(host) not in used)
        raise TapError(f"there is no subnet {subnet}", hint="see the network")

    def secret(self, reference: str) -> str:
        """What a container's ``valueFrom`` stands for. Raises ``TapError``.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html
        """
        region = reference.split(":")[3] if reference.startswith("arn:") else ""
        if ":secretsmanager:" in reference:
            arn, (key, stage, version) = _parts(reference)
            try:
                text = secretsmanager_backends[self.account_id][region].get_secret_value(
                    secret_id=arn, version_id=version, version_stage=stage or "AWSCURRENT"
                )["SecretString"]
                return str(json.loads(text)[key]) if key else text
            except Exception as error:
                raise TapError(
                    f"unable to retrieve secret {reference}: {error}", hint=""
                ) from error
        name = reference.partition(":parameter")[2] or reference
        for backend in self.backends(ssm_backends):
            if found := backend.get_parameter(name):
                return found.value
        raise TapError(f"unable to retrieve parameter {name}", hint="")

    def log_group(self, name: str, region: str) -> bool:
        """Whether there is one."""
        return name in logs_backends[self.account_id][region].groups

    def write_log(
        self, group: str, region: str, stream: str, lines: Sequence[tuple[int, str]]
    ) -> None:
        """Add lines, each with its time, to a log stream; to none where the group is gone."""
        backend = logs_backends[self.account_id][region]
        if not (found := backend.groups.get(group)):
            return
        if stream not in found.streams:
            backend.create_log_stream(group, stream)
        if lines:
            backend.put_log_events(
                group, stream, [{"timestamp": at, "message": text} for at, text in lines]
            )

    def credentials(self, role: str, session: str, region: str) -> Mapping[str, Any]:
        """What the endpoint for a task's credentials answers."""
        sts = sts_backends[self.account_id]["aws"]
        given = sts.assume_role(region, session, role, "", 3600, "")
        return {
            "RoleArn": role,
            "AccessKeyId": given.access_key_id,
            "SecretAccessKey": given.secret_access_key,
            "Token": given.session_token,
            "Expiration": given.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def certificate(self, arn: str) -> tuple[bytes, bytes] | None:
        """A certificate with its chain, and its key, in PEM."""
        for backend in self.backends(acm_backends):
            for held, bundle in backend._certificates.items():  # pylint: disable=protected-access
                if held == arn:
                    return bundle.cert, bundle.key
        return None


def end_of(details: Mapping[str, str], groups: Sequence[str], *, public: bool) -> End:
    """A task's end, by the details of its attachment."""
    return End(details["privateIPv4Address"], details["subnetId"], frozenset(groups), public=public)


def _subnet(ec2: Any, subnet: str) -> Any:
    return next(
        (zone[subnet] for zone in ec2.subnets.values() if subnet in zone),
        None,
    )


def _route(ec2: Any, route: Any) -> Route:
    cidr = route.destination_cidr_block or "::/0"
    if route.local:
        return Route(cidr, "local")
    if route.nat_gateway:
        nat = ec2.nat_gateways.get(route.nat_gateway.id)
        if nat is None or nat.state != "available":
            return Route(cidr, None)
        return Route(cidr, "nat", nat.subnet_id)
    if route.gateway and route.gateway.id.startswith("igw-"):
        gateway = ec2.internet_gateways.get(route.gateway.id)
        attached = gateway is not None and gateway.vpc is not None
        return Route(cidr, "internet" if attached else None)
    return Route(cidr, None)


def _parts(reference: str) -> tuple[str, tuple[str, str, str]]:
    """An ARN, and what may follow it: key, version stage and version id."""
    words = reference.split(":")
    key, stage, version = (words[7:] + ["", "", ""])[:3]
    return ":".join(words[:7]), (key, stage, version)
