"""The state in its two homes: the bucket, with every version that it keeps, and the local file."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from lib.errors import TapError
from ops.aws import code_of
from ops.state.place import Place, told

RECOVER = "pipenv run state recover"
BOOTSTRAP = "npm run cdktf:deploy makes it; pipenv run state bootstrap makes it alone"
STACK_TAGS = ("Project", "Environment", "Suffix")  # together they are the stack's id
VERSIONS_READ = 25  # the newest; a deploy writes two or three
GONE = ("404", "NoSuchBucket", "NoSuchKey", "ResourceNotFoundException")


@dataclass(frozen=True)
class Snapshot:
    """One state, to the byte."""

    content: bytes

    @cached_property
    def document(self) -> Mapping[str, Any] | None:
        """What it says; None where it is cut short or no state at all.

        Terraform writes the results of checks in the random order of a Go map, another each time:
        https://github.com/hashicorp/terraform/blob/v1.11.4/internal/states/statefile/version4.go
        They have an order here.
        """
        try:
            document = json.loads(self.content)
        except ValueError:
            return None
        whole = isinstance(document, dict) and {"lineage", "serial", "resources"} <= set(document)
        if not whole:
            return None
        checks = [
            {**each, "objects": sorted(each.get("objects") or (), key=json.dumps)}
            for each in document.get("check_results") or ()
        ]
        return document | {"check_results": sorted(checks, key=json.dumps)}

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """A file's; None where there is none.

        Terraform takes an empty one for none, and empties it before it writes: beside a backup
        it is one that was cut short.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        return cls(content) if content.strip() or backup_of(file).exists() else None

    @property
    def whole(self) -> bool:
        """Whether Terraform can read it."""
        return self.document is not None

    @property
    def serial(self) -> int:
        """Counts the changes."""
        return (self.document or {})["serial"]

    @property
    def lineage(self) -> str:
        """The same in all states that came from one another."""
        return (self.document or {})["lineage"]

    @property
    def resources(self) -> int:
        """How many resources it knows."""
        listed = (self.document or {})["resources"]
        return sum(len(each["instances"]) for each in listed if each["mode"] == "managed")

    @property
    def stacks(self) -> set[str]:
        """The stacks whose tags its resources bear."""
        tags = (
            (instance.get("attributes") or {}).get("tags_all") or {}
            for each in (self.document or {})["resources"]
            for instance in each["instances"]
            if each["mode"] == "managed"
        )
        return {
            "-".join(each[name] for name in STACK_TAGS)
            for each in tags
            if all(each.get(name) for name in STACK_TAGS)
        }

    @property
    def digest(self) -> str:
        """As Terraform keeps it in the lock table."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()

    def same(self, other: "Snapshot") -> bool:
        """Whether both say the same: serial, lineage, resources and all else."""
        return self.whole and self.document == other.document

    def __str__(self) -> str:
        if not self.whole:
            return f"{len(self.content)} bytes that are no Terraform state"
        return f"serial {self.serial}, lineage {self.lineage}, {self.resources} resources"


def backup_of(file: Path) -> Path:
    """Where Terraform keeps what a local state was before it changed it."""
    return file.with_name(f"{file.name}.backup")


class Relation(StrEnum):
    """How a state is related to another."""

    SAME = "the same as"
    OLDER = "older than"
    NEWER = "newer than"
    STRANGE = "not comparable with"  # another lineage, or a serial that was given twice


def relation(one: Snapshot, other: Snapshot) -> Relation:
    """How ``one`` is related to ``other``; both are whole."""
    if one.same(other):
        return Relation.SAME
    if one.lineage != other.lineage or one.serial == other.serial:
        return Relation.STRANGE
    return Relation.OLDER if one.serial < other.serial else Relation.NEWER


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of the state in the bucket. Without ``snapshot`` it marks a deletion."""

    id: str
    written: datetime
    snapshot: Snapshot | None


def newest_of(versions: Sequence[Version]) -> Snapshot | None:
    """The newest state among the versions: of the lineage that was written last, the one with the
    highest serial."""
    whole = [each.snapshot for each in versions if each.snapshot and each.snapshot.whole]
    if not whole:
        return None
    return max(
        (each for each in whole if each.lineage == whole[0].lineage), key=lambda each: each.serial
    )


def rolled_back(current: Snapshot, newest: Snapshot, versions: Sequence[Version]) -> bool:
    """Whether the current state is an earlier one once more. One that has gone on from there knows
    what no other does, and stays."""
    before = [each.snapshot for each in versions[1:] if each.snapshot]
    return current.serial < newest.serial and any(current.same(each) for each in before)


class Bucket:
    """The state in its bucket."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._s3 = place.client("s3")
        self._etag: str | None = None  # of the state as it was read

    def exists(self) -> bool:
        """Whether there is such a bucket, and it is ours."""
        with told():
            try:
                self._s3.head_bucket(**self._place.in_bucket)
            except ClientError as error:
                if code_of(error) in GONE:
                    return False
                if code_of(error) in ("403", "301", "AccessDenied"):
                    raise TapError(
                        f"the bucket {self._place.bucket} is not account {self._place.owner}'s, "
                        "or s3:ListBucket is denied",
                        hint="bucket names are global: name the account in config (account_id) "
                        "to make it one's own, or choose another ENVIRONMENT_SUFFIX",
                    ) from error
                raise
        return True

    def check_ours(self) -> None:
        """Raise ``TapError`` unless the bucket is there, in the account that it has to be in."""
        if not self.exists():
            raise TapError(f"there is no bucket {self._place.bucket}", hint=BOOTSTRAP)

    def read(self) -> Snapshot | None:
        """The state; None where there is none."""
        with told():
            try:
                answer = self._s3.get_object(**self._place.in_bucket, Key=self._place.key)
            except ClientError as error:
                if code_of(error) in GONE:
                    self._etag = None
                    return None
                raise
            self._etag = answer["ETag"]
            return Snapshot(answer["Body"].read())

    def versions(self) -> Iterator[Version]:
        """The newest versions, the current one first."""
        place = self._place
        with told():
            pages = self._s3.get_paginator("list_object_versions").paginate(
                **place.in_bucket, Prefix=place.key
            )
            listed = [
                (each["LastModified"], each["IsLatest"], each["VersionId"], kind)
                for page in pages
                for kind in ("Versions", "DeleteMarkers")
                for each in page.get(kind, ())
                if each["Key"] == place.key
            ]
            # S3 lists the newest first; with markers apart, that order has to be made again.
            listed.sort(key=lambda each: (each[1], each[0]), reverse=True)
            for written, _, id_, kind in listed[:VERSIONS_READ]:
                snapshot = None
                if kind == "Versions":
                    answer = self._s3.get_object(**place.in_bucket, Key=place.key, VersionId=id_)
                    snapshot = Snapshot(answer["Body"].read())
                yield Version(id=id_, written=written, snapshot=snapshot)

    def write(self, snapshot: Snapshot) -> None:
        """Put a state in the place of the one that was read, or of none.

        S3 refuses when another was written in between.
        """
        unchanged = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        with told():
            try:
                self._s3.put_object(
                    **self._place.in_bucket,
                    Key=self._place.key,
                    Body=snapshot.content,
                    ContentType="application/json",
                    ServerSideEncryption="AES256",
                    **unchanged,
                )
            except ClientError as error:
                if code_of(error) == "PreconditionFailed":
                    raise TapError(
                        "somebody else has just written the state in the bucket",
                        hint="look at it with `pipenv run state status`, then run this again",
                    ) from error
                raise
        self.note_digest(snapshot)

    def remove(self) -> None:
        """Remove the state; the bucket keeps its versions."""
        with told():
            self._s3.delete_object(**self._place.in_bucket, Key=self._place.key)
        self.note_digest(None)

    def others(self) -> list[str]:
        """What lies in the bucket that isn't this stack's."""
        ours = {self._place.key, self._place.lock_key}
        with told():
            pages = self._s3.get_paginator("list_objects_v2").paginate(**self._place.in_bucket)
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key for key in keys if key not in ours]

    def kept_of_others(self) -> list[str]:
        """What isn't this stack's, and the bucket keeps versions of."""
        ours = {self._place.key, self._place.lock_key}
        return sorted({each["Key"] for page in self._listed() for each in page} - ours)

    def empty(self) -> int:
        """Delete every version of everything; returns how many there were."""
        deleted = 0
        with told():
            for listed in self._listed():
                answer = self._s3.delete_objects(
                    **self._place.in_bucket, Delete={"Objects": listed, "Quiet": True}
                )
                for error in answer.get("Errors", ()):
                    raise TapError(
                        f"S3 keeps {error['Key']}: {error['Message']}",
                        hint="when it is mended, run this again",
                    )
                deleted += len(listed)
        return deleted

    def _listed(self) -> Iterator[list[dict[str, str]]]:
        """Every version and every mark of a deletion, by pages that aren't empty."""
        with told():
            pages = self._s3.get_paginator("list_object_versions").paginate(**self._place.in_bucket)
            for page in pages:
                listed = [
                    {"Key": each["Key"], "VersionId": each["VersionId"]}
                    for kind in ("Versions", "DeleteMarkers")
                    for each in page.get(kind, ())
                ]
                if listed:
                    yield listed

    def digest(self) -> str | None:
        """The digest that Terraform holds the state against; None where it keeps none."""
        item = self._item()
        return item["Digest"]["S"] if item and "Digest" in item else None

    def note_digest(self, snapshot: Snapshot | None) -> None:
        """Make the lock table, where it is used, expect this state."""
        if not self._place.uses_lock_table:
            return
        table, id_ = self._place.table, {"S": f"{self._place.lock_id}-md5"}
        database = self._place.client("dynamodb")
        with told():
            if snapshot:
                item = {"LockID": id_, "Digest": {"S": snapshot.digest}}
                database.put_item(TableName=table, Item=item)
            else:
                database.delete_item(TableName=table, Key={"LockID": id_})

    def _item(self) -> Mapping[str, Any] | None:
        if not self._place.uses_lock_table:
            return None
        with told():
            try:
                return (
                    self._place.client("dynamodb")
                    .get_item(
                        TableName=self._place.table,
                        Key={"LockID": {"S": f"{self._place.lock_id}-md5"}},
                        ConsistentRead=True,
                    )
                    .get("Item")
                )
            except ClientError as error:
                if code_of(error) in GONE:
                    return None
                raise


@dataclass(frozen=True, slots=True)
class Homes:
    """What is in the two homes. ``kept`` is what the bucket keeps of a state that isn't there."""

    bucket_exists: bool
    remote: Snapshot | None
    kept: Snapshot | None
    local: Snapshot | None

    @classmethod
    def of(cls, place: Place) -> Self:
        """Look."""
        bucket = Bucket(place)
        exists = bucket.exists()
        remote = bucket.read() if exists else None
        kept = None
        if exists and remote is None:
            kept = next((each.snapshot for each in bucket.versions() if each.snapshot), None)
        return cls(exists, remote, kept, Snapshot.read(place.file))

    @property
    def settled(self) -> bool:
        """Whether the state is in the bucket and nowhere else."""
        return self.remote is not None and self.local is None

    def problems(self, place: Place) -> Iterator[TapError]:
        """What a person, or ``recover``, has to see to before anything is planned or changed: a
        state that is missing, cut short, an older one once more, or another stack's."""
        for file in place.unsaved:
            yield TapError(f"Terraform could not save the state: it is in {file}", hint=RECOVER)
        if problem := self._lost(place) or self._disagreement():
            yield problem
            return
        for snapshot, where in ((self.remote, place.bucket), (self.local, place.file)):
            if snapshot and snapshot.stacks and place.stack not in snapshot.stacks:
                yield TapError(
                    f"the state in {where} is not {place.stack}'s: its resources are "
                    f"{' and '.join(sorted(snapshot.stacks))}'s",
                    hint="put the right one in its place: docs/runbook.md",
                )
        if self.remote:
            yield from _of_versions(place, self.remote)

    def _lost(self, place: Place) -> TapError | None:
        if self.remote and not self.remote.whole:
            return TapError(f"the state in {place.bucket} is cut short", hint=RECOVER)
        if self.local and not self.local.whole:
            return TapError(f"the state in {place.file} is cut short", hint=RECOVER)
        if self.kept and not self.local:
            return TapError(
                f"the state in {place.bucket} was deleted, or moved to another machine",
                hint=f"if it was deleted: {RECOVER}",
            )
        if newer := newer_backup(place, self):
            now = f"is {self.local}" if self.local else "is gone"
            return TapError(
                f"the state in {place.file} {now}, and its backup is newer: {newer}", hint=RECOVER
            )
        return None

    def _disagreement(self) -> TapError | None:
        other = self.remote or self.kept
        if other and other.whole and self.local:
            stands = relation(self.local, other)
            # A local state that came from the bucket goes on; one beside the bucket's doesn't.
            fine = {Relation.SAME, Relation.OLDER if self.remote else Relation.NEWER}
            if stands not in fine:
                return disagreement(self.local, other)
        return None


def newer_backup(place: Place, homes: Homes) -> Snapshot | None:
    """The backup of the local state, where that was rolled back or is gone: Terraform writes the
    backup first, so it is never the newer one of two."""
    backup = Snapshot.read(backup_of(place.file)) if not homes.remote else None
    if backup is None or not backup.whole:
        return None
    if homes.local is None:
        return backup if backup.resources and not homes.kept else None
    older = homes.local.whole and relation(homes.local, backup) is Relation.OLDER
    return backup if older else None


def _of_versions(place: Place, remote: Snapshot) -> Iterator[TapError]:
    """Whether the bucket had a newer state, or the lock table expects another."""
    bucket = Bucket(place)
    versions = list(bucket.versions())
    newest = newest_of(versions)
    if newest and rolled_back(remote, newest, versions):
        yield TapError(
            f"the state in {place.bucket} was rolled back: the bucket had {newest}", hint=RECOVER
        )
    elif bucket.digest() not in (None, remote.digest):
        yield TapError(
            "the lock table expects another state: Terraform will refuse this one", hint=RECOVER
        )


def disagreement(local: Snapshot, remote: Snapshot) -> TapError:
    """The two homes hold states of which neither may be overwritten."""
    return TapError(
        f"there are two states: the local file's ({local}) and the bucket's ({remote})",
        hint="move the wrong one away; pipenv run state status names both",
    )


def keep(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(content)
        output.flush()
        os.fsync(descriptor)
    part.replace(file)
