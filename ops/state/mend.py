"""``ops recover``: the state that was lost, and then what it doesn't know.

In this order: the lock that a dead deploy left; the local state, cut short, rolled back or gone,
from its backup; the state in the bucket, deleted, cut short or rolled back, from the newest version
of it; the states that Terraform could not save; and what is in AWS and in no state, by
``ops.recover``. What is replaced stays: in the bucket as a version, beside the project as a file.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lib.config.environment_config import StateBackend
from lib.errors import TapError
from ops.recover import Report, recover
from ops.state.check import check
from ops.state.homes import (
    Bucket,
    Homes,
    Relation,
    Snapshot,
    backup_of,
    keep,
    newer_backup,
    newest_of,
    relation,
    rolled_back,
)
from ops.state.locks import Locks
from ops.state.move import backup
from ops.state.place import Place
from ops.state.terraform import Terraform

Tell = Callable[[str], None]
Do = Callable[..., None]


def release(place: Place, id_: str, tell: Tell) -> None:
    """Release the lock with that id. Raises ``TapError`` where another holds the state."""
    held = {lock.id: lock for lock in Locks(place).held()}
    if id_ not in held:
        others = " and ".join(map(str, held.values()))
        raise TapError(
            f"no lock has the id {id_}: "
            + (f"the state is locked by {others}" if others else "nobody holds the state"),
            hint="pipenv run state status shows it",
        )
    if Locks(place).release(id_):
        tell(f"released the lock of {held[id_]}")


def mend_file(place: Place, do: Do) -> None:
    """Put the backup in the place of a local state that was cut short."""
    file = place.file
    local = Snapshot.read(file)
    if local is None or local.whole:
        return
    before = Snapshot.read(backup_of(file))
    broken = file.with_name(f"{file.name}.broken-{time.time_ns()}")
    do(f"{file.name} was cut short: it is {broken.name} now", file.rename, broken)
    if before and before.whole:
        do(f"its backup took its place: {before}", keep, file, before.content)


def doing(tell: Tell) -> Do:
    """Do it, then tell what was done."""

    def do(what: str, action: Callable[..., Any], *arguments: Any) -> None:
        action(*arguments)
        tell(what)

    return do


class Mender:
    """Mends one stack's state. A dry run says what it would do, and stops where it would do it."""

    def __init__(
        self, place: Place, environ: Mapping[str, str], tell: Tell, *, dry_run: bool
    ) -> None:
        self._place = place
        self._environ = environ
        self._tell = tell
        self._dry_run = dry_run
        self._would = False  # change something, in a dry run

    def mend(self) -> Report | None:
        """Bring the state back and adopt what it lacks; None where a dry run cannot look further.

        Raises ``Locked`` as long as somebody holds the lock.
        """
        place = self._place
        if Bucket(place).exists() and not self._dry_run:
            Locks(place).check_free()
        mend_file(place, self._do)
        homes = Homes.of(place)
        if newer := newer_backup(place, homes):
            self._mend_local(newer)
        elif homes.bucket_exists and not homes.local and place.backend is StateBackend.S3:
            self._mend_object()
        with Terraform(place, self._environ) as terraform:
            for file in place.unsaved:
                self._save(file, terraform)
            if self._would:
                self._tell("then it would look for what the state doesn't know")
                return None
            if not self._dry_run:
                check(place)  # what cannot be mended, such as another stack's state
            terraform.init(local=self._is_local(homes))
            return recover(terraform, place.session, dry_run=self._dry_run, tell=self._tell)

    def _is_local(self, homes: Homes) -> bool:
        place = self._place
        return (
            place.backend is StateBackend.LOCAL
            or not homes.bucket_exists
            or Snapshot.read(place.file) is not None
        )

    def _do(self, what: str, action: Callable[..., Any], *arguments: Any) -> None:
        if self._dry_run:
            self._would = True
            self._tell(f"would be done: {what}")
        else:
            doing(self._tell)(what, action, *arguments)

    def _mend_local(self, newer: Snapshot) -> None:
        """Put the backup in the place of a local state that was rolled back, or is gone."""
        file = self._place.file
        if local := Snapshot.read(file):
            aside = file.with_name(f"{file.name}.broken-{time.time_ns()}")
            self._do(f"{file.name} was rolled back to {local}", file.rename, aside)
        self._do(f"its backup took its place: {newer}", keep, file, newer.content)

    def _mend_object(self) -> None:
        bucket, where = Bucket(self._place), self._place.bucket
        current, versions = bucket.read(), list(bucket.versions())
        newest = newest_of(versions)
        if current is None and newest:
            self._do(f"the state in {where} was deleted: {newest} is back", self._put, newest)
        elif current and not current.whole and newest:
            self._do(f"the state in {where} was cut short: {newest} is back", self._put, newest)
        elif current and not current.whole:
            self._do(f"the state in {where} has no whole version: removed", bucket.remove)
        elif current and newest and rolled_back(current, newest, versions):
            self._do(f"the state in {where} was {current}: {newest} is back", self._put, newest)
        elif current and bucket.digest() not in (None, current.digest):
            what = f"the lock table expected another state than {current}: no more"
            self._do(what, bucket.note_digest, current)

    def _put(self, snapshot: Snapshot) -> None:
        with Locks(self._place).hold("ops state recover"):
            bucket = Bucket(self._place)
            bucket.read()
            bucket.write(snapshot)

    def _save(self, file: Path, terraform: Terraform) -> None:
        """Save what Terraform couldn't, if nothing newer was saved since; a copy is kept."""
        place, name = self._place, file.relative_to(self._place.output)
        unsaved = Snapshot(file.read_bytes())
        if not unsaved.whole:
            self._do(f"{name} is cut short: set aside", self._set_aside, file)
            return
        local, bucket = Snapshot.read(place.file), Bucket(place)
        is_local = local is not None or place.backend is StateBackend.LOCAL or not bucket.exists()
        saved = local if is_local else bucket.read()
        done = f"saved what Terraform could not: {unsaved}"
        if saved is None and is_local:
            self._do(done, keep, place.file, unsaved.content)
        elif saved is None:
            self._do(done, self._put, unsaved)
        elif relation(unsaved, saved) is Relation.NEWER:
            self._do(done, self._push, terraform, file, is_local)
        else:
            stands = relation(unsaved, saved)
            self._tell(f"{name} ({unsaved}) is {stands} the state ({saved})")
        self._do(f"{name} is set aside", self._set_aside, file)

    def _push(self, terraform: Terraform, file: Path, local: bool) -> None:
        terraform.init(local=local)
        terraform.push(file)

    def _set_aside(self, file: Path) -> None:
        backup(self._place, Snapshot(file.read_bytes()))
        file.unlink()
