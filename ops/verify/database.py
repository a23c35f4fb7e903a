"""The database: reachable from the service, from nowhere else, and of the version and with the
parameters that the config asks for."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ops.checkup import Check, Finding, Subject, failed, warning
from ops.network import open_paths
from ops.verify.deployed import DATABASE, DEPLOY, SERVICE, Deployed, or_passed
from ops.verify.network import wrong_ways
from ops.verify.open_paths import (
    database_groups,
    differences,
    group_paths,
    live_rules,
    service_groups,
    stranger,
    strangers,
)

GONE = {"deleted", "deleting", "failed", "rejected", "expired"}
PEERINGS = ("describe_vpc_peering_connections", "VpcPeeringConnections", "VpcPeeringConnectionId")
TRANSITS = (
    *("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"),
    "TransitGatewayAttachmentId",
)
VPNS = ("describe_vpn_gateways", "VpnGateways", "VpnGatewayId")
IN_SYNC = "in-sync"
# By how RDS says that parameters aren't in use; {name} is the database's.
FIXES = {
    "pending-reboot": (
        "with a minute without the database: aws rds reboot-db-instance"
        " --db-instance-identifier {name}"
    ),
    "failed-to-apply": (
        "aws rds describe-events --source-type db-instance --source-identifier {name}"
        " --duration 1440 says why"
    ),
}
ATTACHMENTS = (  # what joins a VPC to another network, and the filter for the VPC
    (*PEERINGS, "requester-vpc-info.vpc-id"),
    (*PEERINGS, "accepter-vpc-info.vpc-id"),
    (*TRANSITS, "vpc-id"),
    (*VPNS, "attachment.vpc-id"),
)


def _place(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    yield from or_passed(_misplaced(deployed), "in the private subnets, without a public address")


def _misplaced(deployed: Deployed) -> Iterator[Finding]:
    yield from (wrong.finding for wrong in wrong_ways(deployed) if wrong.bare)
    database = deployed.database
    if database is None:
        name = deployed.argument(DATABASE, "identifier")
        yield failed(f"{name}: no such database", name, DEPLOY)
        return
    name = database["DBInstanceIdentifier"]
    if database["PubliclyAccessible"]:
        yield failed(
            f"{name} is publicly accessible",
            "not publicly accessible",
            f"aws rds modify-db-instance --db-instance-identifier {name} "
            "--no-publicly-accessible --apply-immediately",
        )
    group = database["DBSubnetGroup"]
    has = {subnet["SubnetIdentifier"] for subnet in group["Subnets"]}
    wanted = set(deployed.argument("database/subnets", "subnet_ids") or ())
    if wanted and has != wanted:
        yield failed(
            f"{name}'s subnet group {group['DBSubnetGroupName']} has {_list(has)}",
            f"the private subnets: {_list(wanted)}",
            DEPLOY,
        )


def _access(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    into = database_groups(deployed)
    paths = [
        str(path)
        for path in open_paths(live_rules(deployed, group_paths(deployed)))
        if path.target in into
    ]
    yield from or_passed(_unmeant(deployed, into), f"{'; '.join(paths)}; nothing else gets in")


def _unmeant(deployed: Deployed, into: AbstractSet[str]) -> Iterator[Finding]:
    yield from (each.finding for each in differences(deployed) if each.path.target in into)
    ids = {path: id_ for id_, path in group_paths(deployed).items()}
    for has, paths, word, name in (
        (deployed.database_groups, into, "the database", DATABASE),
        (deployed.service_groups, service_groups(deployed), "the service", SERVICE),
    ):
        wanted = {ids[path] for path in paths if path in ids}
        # One that isn't there is told of elsewhere, as is a group that isn't.
        if deployed.id(name) and len(wanted) == len(paths) and has != wanted:
            yield failed(f"{word} has {_groups(deployed, has)}", f"{_list(wanted)} alone", DEPLOY)
    for interface, group in strangers(deployed):
        if group in service_groups(deployed):
            yield stranger(interface, group)


def _groups(deployed: Deployed, ids: AbstractSet[str]) -> str:
    """The groups, and what those let in that aren't the stack's."""
    stacks, told = group_paths(deployed), []
    for id_ in sorted(ids):
        names = {**stacks, id_: stacks.get(id_, id_)}
        into = [rule for rule in live_rules(deployed, names) if rule.group == id_]
        paths = ", ".join(str(rule.path) for rule in into if not rule.egress)
        told.append(f"{id_} ({paths})" if paths else id_)
    return ", ".join(told) or "no group"


def _ways_in(subject: Subject) -> Iterator[Finding]:
    """Peerings and the like open nothing by themselves: a note, no failure."""
    deployed = Deployed(subject)
    found: dict[str, str] = {}
    for operation, key, identity, name in ATTACHMENTS:
        filters = [{"Name": name, "Values": [deployed.vpc_id]}]
        for entry in subject.ask("ec2", operation, key, Filters=filters):
            status = entry.get("Status", {}).get("Code") or entry.get("State", "")
            if status not in GONE:
                found[entry[identity]] = status
    yield from or_passed(
        (
            warning(
                f"{id_} ({status}) joins the VPC to another network",
                "no other network",
                "nothing where that is meant: routes and groups decide what it opens",
            )
            for id_, status in sorted(found.items())
        ),
        "no peering, transit gateway or VPN",
    )


def _engine(subject: Subject) -> Iterator[Finding]:
    deployed = Deployed(subject)
    if database := deployed.database:
        version = database["EngineVersion"]
        yield from or_passed(
            _other_engine(deployed, database), f"PostgreSQL {version}, its parameters in use"
        )


def _other_engine(deployed: Deployed, database: Mapping[str, Any]) -> Iterator[Finding]:
    """What RDS accepted, and hasn't done. A database that is gone is told by database.place."""
    name, runs = database["DBInstanceIdentifier"], database["EngineVersion"]
    wanted = deployed.argument(DATABASE, "engine_version")
    if not _is_version(runs, wanted):
        waiting = database.get("PendingModifiedValues", {}).get("EngineVersion")
        yield failed(
            f"{name} runs PostgreSQL {runs}" + (f", {waiting} is pending" if waiting else ""),
            f"PostgreSQL {wanted}",
            "wait for the maintenance window, or apply_immediately"
            if waiting
            else f"aws rds describe-events --source-type db-instance --source-identifier {name}"
            " --duration 1440 says why: docs/postgresql-upgrade.md",
        )
    support = deployed.argument(DATABASE, "engine_lifecycle_support")
    if (has := database.get("EngineLifecycleSupport", support)) != support:
        yield failed(
            f"{name} has {has}",
            support,
            f"aws rds modify-db-instance --db-instance-identifier {name}"
            f" --engine-lifecycle-support {support} --apply-immediately",
        )
    for group in database["DBParameterGroups"]:
        if (status := group["ParameterApplyStatus"]) != IN_SYNC:
            yield failed(
                f"{name}: parameters of {group['DBParameterGroupName']} are {status}",
                IN_SYNC,
                FIXES.get(status, "wait, and verify again").format(name=name),
            )


def _is_version(runs: str, wanted: str) -> bool:
    """Of the major version, and no older than what is wanted: AWS moves the minor version."""
    found, needed = ([*map(int, version.split("."))] for version in (runs, wanted))
    return found[0] == needed[0] and found >= needed


def _list(words: AbstractSet[str]) -> str:
    return ", ".join(sorted(words))


CHECKS = (
    Check("database.place", _place),
    Check("database.access", _access),
    Check("database.networks", _ways_in),
    Check("database.engine", _engine),
)
