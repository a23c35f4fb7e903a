"""Tears a stack down: the state comes home, then all but the bucket goes, the bucket last.

Production's config keeps its protections, and nothing may be deployed without them. For its
teardown an override takes them off, in the run's folder alone, so that no deploy can take it along;
in AWS too, and only where the state is at home already. It concerns what TAP's own modules made.
What a team has added goes only where the guard would let it go, and its buckets only when they are
empty. Every step looks first at what is there: after a crash it goes on.

https://developer.hashicorp.com/terraform/language/files/override
"""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from lib.errors import TapError
from ops import guard
from ops.state.bootstrap import document_of, own_addresses
from ops.state.check import check
from ops.state.homes import Bucket, Snapshot, backup_of
from ops.state.locks import Locks
from ops.state.mend import doing, mend_file
from ops.state.move import backup, move_home
from ops.state.place import Place, told
from ops.state.terraform import Terraform

OVERRIDE = "teardown_override.tf.json"
# The arguments that keep a resource, as they are when they don't.
UNPROTECTED = {
    "deletion_protection": False,
    "deletion_protection_enabled": False,
    "enable_deletion_protection": False,
    "force_destroy": True,
}
# TAP's constructs, by their ids in lib/tap_stack.py. What stands elsewhere is a team's own.
OWN_CONSTRUCTS = frozenset(
    {
        "access_logs",
        "database",
        "encryption",
        "load_balancer",
        "monitoring",
        "network",
        "outputs",
        "provider",
        "security",
        "service",
        "state",
    }
)
TERRAFORMS_OWN = {"lifecycle": {"prevent_destroy": False}}  # nothing that AWS knows of
# Ignored when it changes, so a database that was adopted, or is to leave one only since it was
# made, has no name for its last snapshot, and is not deleted without:
# https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/rds/instance.go
LAST_SNAPSHOT = "final_snapshot_identifier"


def teardown(
    place: Place,
    environ: Mapping[str, str],
    tell: Callable[[str], None],
    allow: Sequence[str] = (),
) -> None:
    """Remove the stack and its state. The stack has to be synthesized; ``allow`` has the addresses
    of what a team has added and means to lose.

    Raises ``TapError``, and may then be run again.
    """
    before = Snapshot.read(backup_of(place.file))
    if before and before.whole:
        mend_file(place, doing(tell))  # killed while it destroyed: Terraform notes what is gone
    homes = check(place)
    state = homes.remote or homes.local
    if not state:
        tell(f"{place.stack}: nothing to tear down")
        return
    if homes.bucket_exists:
        Locks(place).check_free()
        check_alone(place)
    own = set(own_addresses(place))
    override = unprotected(document_of(place), own)
    groups = made_again(state)
    with Terraform(place, environ) as terraform:
        terraform.write(OVERRIDE, override)
        if others := theirs(state, document_of(place)):
            terraform.init(local=not homes.remote)
            _check_theirs(place, terraform, others, allow)
        if homes.remote:
            move_home(place, terraform, tell)
        terraform.init(local=True)
        _take_off_protections(place, terraform, override, tell)
        rest = [each for each in _managed(place) if each not in own]
        if rest:
            tell(f"{place.stack}: destroying {len(rest)} resources; the bucket stays till last")
            terraform.change(_no_objection, targets=rest, destroy=True)
        bucket = Bucket(place)
        if bucket.exists():
            check_alone(place)
            for key in bucket.kept_of_others():
                tell(f"{place.stack}: {place.bucket} keeps older versions of {key}: they go too")
            tell(f"{place.stack}: {bucket.empty()} versions deleted from {place.bucket}")
        tell(f"{place.stack}: destroying {place.bucket} and the lock table")
        terraform.change(_no_objection, destroy=True)
    _forget(place, tell)
    for group in delete_made_again(place, groups):
        tell(f"{place.stack}: {group}, which AWS had made again, is deleted")


def theirs(state: Snapshot, document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a team has added to the stack: the resources of the state that none of TAP's own
    constructs has, by address, each with its attributes."""
    paths = {
        f"{type_}.{name}": arguments["//"]["metadata"]["path"].split("/")
        for type_, entries in document["resource"].items()
        for name, arguments in entries.items()
    }
    return {
        address: each["instances"][0].get("attributes") or {}
        for each in (state.document or {})["resources"]
        if each["mode"] == "managed" and each["instances"]
        if (path := paths.get(address := f"{each['type']}.{each['name']}")) is None
        or path[1] not in OWN_CONSTRUCTS
    }


def _check_theirs(
    place: Place,
    terraform: Terraform,
    others: Mapping[str, Mapping[str, Any]],
    allow: Sequence[str],
) -> None:
    """Raise ``TapError`` where something of a team's own would be lost, before anything is."""
    terraform.plan(destroy=True)
    plan = terraform.planned()
    changes = [each for each in plan.get("resource_changes", ()) if each["address"] in others]
    refused = guard.judged({**plan, "resource_changes": changes}, allow).refused
    if refused:
        meant = " ".join(danger.address for danger in refused)
        raise TapError(
            "these are not TAP's own, and nothing was destroyed:\n"
            + "\n".join(f"  {danger}" for danger in refused),
            hint=f"save what is in them; if they are to go: --allow {shlex.quote(meant)}",
        )
    full = [
        f"{address} ({attributes['bucket']})"
        for address, attributes in others.items()
        if address.startswith("aws_s3_bucket.") and _holds_objects(place, attributes["bucket"])
    ]
    if full:
        raise TapError(
            f"not TAP's own, and objects are in it: {', '.join(full)}; nothing was destroyed",
            hint="save the objects and empty it, older versions too; then run this again",
        )


def _holds_objects(place: Place, bucket: str) -> bool:
    with told():
        page = place.client("s3").list_object_versions(
            Bucket=bucket, ExpectedBucketOwner=place.owner, MaxKeys=1
        )
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def _no_objection(_plan: Mapping[str, Any]) -> None:
    """A person has named the stack that goes."""


def made_again(state: Snapshot) -> list[str]:
    """The log groups that AWS makes again when Terraform has deleted them, or makes by itself."""
    found = []
    for each in (state.document or {})["resources"]:
        for instance in each["instances"] if each["mode"] == "managed" else ():
            attributes = instance.get("attributes") or {}
            if each["type"] == "aws_ecs_cluster":
                found.append(f"/aws/ecs/containerinsights/{attributes['name']}/performance")
            elif each["type"] == "aws_db_instance":
                found.append(f"/aws/rds/instance/{attributes['identifier']}/postgresql")
                found.append(f"/aws/rds/instance/{attributes['identifier']}/upgrade")
    return found


def delete_made_again(place: Place, groups: Sequence[str]) -> Iterator[str]:
    """Delete those that are there; each is told. RDSOSMetrics stays: it is the whole account's.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-container-insights.html
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Procedural.UploadtoCloudWatch.html
    """
    logs = place.client("logs")
    for group in groups:
        with told():
            try:
                logs.delete_log_group(logGroupName=group)
            except logs.exceptions.ResourceNotFoundException:
                continue
        yield group


def check_alone(place: Place) -> None:
    """Raise ``TapError`` while somebody else's objects lie in the bucket."""
    if others := Bucket(place).others():
        shown = ", ".join(others[:5])
        raise TapError(
            f"{place.bucket} also holds {shown}{' and more' if len(others) > 5 else ''}",
            hint="another stack's state goes first: move it or tear that stack down",
        )


def unprotected(document: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """An override of the stack without what keeps its resources, and with a last snapshot's name.

    Of TAP's own constructs: what a team has added keeps what keeps it. ``own`` are the state's: its
    bucket is for ``teardown`` to empty, which looks whose states are in it.
    """
    resources: dict[str, dict[str, Any]] = {}
    for type_, entries in document["resource"].items():
        for name, arguments in entries.items():
            if arguments["//"]["metadata"]["path"].split("/")[1] not in OWN_CONSTRUCTS:
                continue
            changes = dict(_changes(arguments))
            if f"{type_}.{name}" in own:
                changes.pop("force_destroy", None)
            if changes:
                resources.setdefault(type_, {})[name] = changes
    return {"resource": resources} if resources else {}


def _changes(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in UNPROTECTED.items():
        if name in arguments and arguments[name] is not value:
            yield name, value
    declared = arguments.get("lifecycle", {})
    lifecycle: dict[str, Any] = {}
    if declared.get("prevent_destroy"):
        lifecycle["prevent_destroy"] = False
    if LAST_SNAPSHOT in (ignored := declared.get("ignore_changes", ())):
        lifecycle["ignore_changes"] = [name for name in ignored if name != LAST_SNAPSHOT]
    if lifecycle:
        yield "lifecycle", lifecycle


def _take_off_protections(
    place: Place,
    terraform: Terraform,
    override: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Apply what the override changes in AWS, and no more."""
    known = set(_managed(place))
    addresses = [
        address
        for type_, entries in override.get("resource", {}).items()
        for name, changes in entries.items()
        if (address := f"{type_}.{name}") in known and changes != TERRAFORMS_OWN
    ]

    def objection(plan: Mapping[str, Any]) -> TapError | None:
        others = [
            each["address"]
            for each in plan.get("resource_changes", ())
            if each["change"]["actions"] not in (["no-op"], ["read"])
            and each["address"] not in addresses
        ]
        if not others:
            tell(f"{place.stack}: taking the protections off {', '.join(addresses)}")
            return None
        return TapError(
            f"taking the protections off would also change {', '.join(others)}",
            hint="deploy the config as it is first, or tear down with the one deployed last",
        )

    if addresses:
        terraform.change(objection, targets=addresses)


def _managed(place: Place) -> list[str]:
    """The addresses that the local state knows."""
    state = Snapshot.read(place.file)
    listed = (state and state.document or {}).get("resources", ())
    return [f"{each['type']}.{each['name']}" for each in listed if each["mode"] == "managed"]


def _forget(place: Place, tell: Callable[[str], None]) -> None:
    """Leave no state of nothing."""
    state = Snapshot.read(place.file)
    if Bucket(place).exists():
        raise TapError(f"{place.bucket} is still there", hint="run this again")
    if state and state.whole and not state.resources:
        tell(f"{place.stack} is gone; its last state: {backup(place, state)}")
        for file in (place.file, backup_of(place.file)):
            file.unlink(missing_ok=True)
