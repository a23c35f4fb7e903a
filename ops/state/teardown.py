"""Tears a stack down: the state comes home, then all but the bucket goes, the bucket last.

Production's config keeps its protections, and nothing may be deployed without them. For its
teardown an override beside the synthesized stack takes them off, in AWS too, and only where the
state is at home already. Every step looks first at what is there: after a crash it goes on.

https://developer.hashicorp.com/terraform/language/files/override
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from lib.errors import TapError
from ops.state.bootstrap import check, document_of, own_addresses
from ops.state.homes import Bucket, Snapshot, backup_of
from ops.state.locks import Locks
from ops.state.mend import doing, mend_file
from ops.state.move import backup, move_home
from ops.state.place import Place
from ops.state.terraform import Terraform

OVERRIDE = "teardown_override.tf.json"
# The arguments that keep a resource, as they are when they don't.
UNPROTECTED = {
    "deletion_protection": False,
    "deletion_protection_enabled": False,
    "enable_deletion_protection": False,
    "force_destroy": True,
}
TERRAFORMS_OWN = {"lifecycle": {"prevent_destroy": False}}  # nothing that AWS knows of
# Ignored when it changes, so a database that was adopted, or is to leave one only since it was
# made, has no name for its last snapshot, and is not deleted without:
# https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/rds/instance.go
LAST_SNAPSHOT = "final_snapshot_identifier"


def teardown(place: Place, environ: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Remove the stack and its state. The stack has to be synthesized.

    Raises ``TapError``, and may then be run again.
    """
    mend_file(place, doing(tell))  # killed while it destroyed: Terraform notes what is gone
    homes = check(place)
    if not homes.remote and not homes.local:
        tell(f"{place.stack}: nothing to tear down")
        return
    if homes.bucket_exists:
        Locks(place).check_free()
        check_alone(place)
    terraform = Terraform(place, environ)
    if homes.remote:
        move_home(place, terraform, tell)
    own = set(own_addresses(place))
    override = unprotected(document_of(place), own)
    (place.folder / OVERRIDE).write_text(json.dumps(override))
    try:
        terraform.init(local=True)
        _take_off_protections(place, terraform, override, tell)
        others = [each for each in _managed(place) if each not in own]
        if others:
            tell(f"{place.stack}: destroying {len(others)} resources; the bucket stays till last")
            terraform.apply(others, destroy=True)
        bucket = Bucket(place)
        if bucket.exists():
            check_alone(place)
            tell(f"{place.stack}: {bucket.empty()} versions deleted from {place.bucket}")
        tell(f"{place.stack}: destroying {place.bucket} and the lock table")
        terraform.apply(destroy=True)
    finally:
        (place.folder / OVERRIDE).unlink(missing_ok=True)
    _forget(place, tell)


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

    ``own`` are the state's: its bucket is for ``teardown`` to empty, which looks whose states are
    in it.
    """
    resources: dict[str, dict[str, Any]] = {}
    for type_, entries in document["resource"].items():
        for name, arguments in entries.items():
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
    if addresses and (changes := terraform.changes(addresses)):
        others = [each["address"] for each in changes if each["address"] not in addresses]
        if others:
            raise TapError(
                f"taking the protections off would also change {', '.join(others)}",
                hint="deploy the config as it is first, or tear down with the one deployed last",
            )
        tell(f"{place.stack}: taking the protections off {', '.join(addresses)}")
        terraform.apply(addresses)


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
