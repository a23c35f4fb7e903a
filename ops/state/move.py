"""Moves the state from one home to the other: serial, lineage and resources come along.

Terraform's own ``init -migrate-state`` begins a new lineage at serial 1 in the bucket, and with
``-force-copy`` overwrites whatever is there. So the state is copied first, to the byte, by a write
that the home refuses when it holds one already; then Terraform moves, finds the same in both, and
has nothing to copy or to ask. The lock is held for all of it, a backup is kept, and the old copy
goes last.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lib.errors import TapError
from ops.state.homes import (
    RECOVER,
    Bucket,
    Relation,
    Snapshot,
    backup_of,
    disagreement,
    keep,
    relation,
)
from ops.state.locks import Locks
from ops.state.place import Place
from ops.state.terraform import Terraform


def move_in(place: Place, terraform: Terraform, tell: Callable[[str], None]) -> None:
    """From the local file into the bucket, which has to be there."""
    bucket = Bucket(place)
    with Locks(place).hold("ops state: move into the bucket"):
        local, remote = whole(place.file), bucket.read()
        if remote is None:
            tell(f"backup: {backup(place, local)}")
            bucket.write(local)
        elif not remote.whole or relation(local, remote) not in (Relation.SAME, Relation.OLDER):
            raise disagreement(local, remote)
        if remote is None or relation(local, remote) is Relation.SAME:
            terraform.init(local=True)
            terraform.move(local=False)
            _compare(terraform.pull(), local)
            tell(f"moved into {place.bucket}: {local}")
        else:
            tell(f"{place.file.name} is older than the bucket's: backup {backup(place, local)}")
        for old in (place.file, backup_of(place.file)):
            old.unlink(missing_ok=True)


def move_home(place: Place, terraform: Terraform, tell: Callable[[str], None]) -> None:
    """From the bucket into the local file. The bucket keeps its versions."""
    bucket = Bucket(place)
    with Locks(place).hold("ops state: move home"):
        remote, local = bucket.read(), Snapshot.read(place.file)
        if remote is None or not remote.whole:
            raise TapError(f"there is no whole state in {place.bucket}", hint=RECOVER)
        if local and (
            not local.whole or relation(local, remote) not in (Relation.SAME, Relation.OLDER)
        ):
            raise disagreement(local, remote)
        tell(f"backup: {backup(place, remote)}")
        terraform.init(local=False)
        keep(place.file, remote.content)
        terraform.move(local=True)
        _compare(terraform.pull(), remote)
        bucket.remove()
        tell(f"moved to {place.file}: {remote}")


def whole(file: Path) -> Snapshot:
    """A file's state. Raises ``TapError`` where there is none, or it is cut short."""
    snapshot = Snapshot.read(file)
    if snapshot is None or not snapshot.whole:
        raise TapError(
            f"there is no whole state in {file}", hint="its .backup, or a *.kept, may have one"
        )
    return snapshot


def backup(place: Place, snapshot: Snapshot) -> Path:
    """Keep a state beside the local file, for good; returns where."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    file = place.file.with_name(f"{place.file.name}.{now}.kept")
    keep(file, snapshot.content)
    return file


def _compare(moved: Snapshot, original: Snapshot) -> None:
    if not moved.same(original):
        raise TapError(
            f"what Terraform reads in the new home ({moved}) is not what was moved ({original})",
            hint="both copies were kept: pipenv run state status",
        )
