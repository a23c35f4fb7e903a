"""The state's lock, as Terraform holds it: a file in the bucket, an item in the table, or both.

What Terraform writes there is read, and written in the same words, so that each heeds the other's.

https://developer.hashicorp.com/terraform/language/backend/s3#state-locking
"""

import getpass
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from lib.errors import TapError
from ops.aws import code_of
from ops.state.homes import GONE
from ops.state.place import Place, told

FILE, TABLE = "lock file", "lock table"
DENIED = ("403", "AccessDenied", "AccessDeniedException")


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the state, since when and what for."""

    id: str
    who: str
    created: str
    operation: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.who} since {self.created} ({self.operation}, {' and '.join(self.where)}, "
            f"id {self.id})"
        )


class Locked(TapError):
    """Somebody else holds the lock."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(
            f"the state is locked by {lock}",
            hint=f"wait for its end; if it is dead for certain: pipenv run state unlock {lock.id}",
        )
        self.lock = lock


class Locks:
    """The locks of one state. Both places are looked at, whichever the config names: the lock that
    is in the way may be from before a change of config."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._s3 = place.client("s3")
        self._database = place.client("dynamodb")
        self._etag = ""  # of the lock file as it was read

    def held(self) -> list[Lock]:
        """Who holds it: nobody, one, or two where a lock in the file and one in the table meet."""
        found: dict[str, Lock] = {}
        for where, info in ((FILE, self._file()), (TABLE, self._item())):
            if info is not None:
                lock = _lock(info, where)
                if lock.id in found:
                    lock = Lock(**{**asdict(lock), "where": (FILE, TABLE)})
                found[lock.id] = lock
        return sorted(found.values(), key=lambda lock: lock.created)

    def check_free(self) -> None:
        """Raise ``Locked`` where somebody holds it."""
        for lock in self.held():
            raise Locked(lock)

    @contextmanager
    def hold(self, operation: str) -> Iterator[None]:
        """Hold it, in the places that the config names. Raises ``Locked``."""
        self.check_free()
        now = datetime.now(UTC)
        id_ = str(uuid.uuid4())
        info = json.dumps(
            {
                "ID": id_,
                "Operation": operation,
                "Info": "",
                "Who": f"{_user()}@{socket.gethostname()}",
                "Version": "ops state",
                "Created": now.isoformat().replace("+00:00", "Z"),
                "Path": self._place.lock_id,
            }
        )
        try:
            # In Terraform's order: of two who want both, one gets both.
            if self._place.uses_lock_file:
                self._take_file(info)
            if self._place.uses_lock_table:
                self._take_item(info)
            yield
        finally:
            self.release(id_)

    def release(self, id_: str) -> list[str]:
        """Release the lock with that id and no other; returns where it was.

        AWS compares once more what it deletes: in between, another can have got the lock.
        """
        released = []
        with told():
            for where, info in ((FILE, self._file()), (TABLE, self._item())):
                if info is None or _lock(info, where).id != id_:
                    continue
                if where == FILE:
                    self._remove_file()
                else:
                    self._database.delete_item(
                        TableName=self._place.table,
                        Key={"LockID": {"S": self._place.lock_id}},
                        ConditionExpression="Info = :info",
                        ExpressionAttributeValues={":info": {"S": info}},
                    )
                released.append(where)
        return released

    def _file(self) -> str | None:
        with told():
            try:
                answer = self._s3.get_object(**self._place.in_bucket, Key=self._place.lock_key)
            except ClientError as error:
                if self._nothing(error, used=self._place.uses_lock_file):
                    return None
                raise
            self._etag = answer["ETag"]
            return answer["Body"].read().decode(errors="replace")

    def _remove_file(self) -> None:
        self._s3.delete_object(
            **self._place.in_bucket, Key=self._place.lock_key, IfMatch=self._etag
        )

    def _item(self) -> str | None:
        with told():
            try:
                item = self._database.get_item(
                    TableName=self._place.table,
                    Key={"LockID": {"S": self._place.lock_id}},
                    ConsistentRead=True,
                ).get("Item", {})
            except ClientError as error:
                if self._nothing(error, used=self._place.uses_lock_table):
                    return None
                raise
        return item["Info"]["S"] if "Info" in item else None

    @staticmethod
    def _nothing(error: ClientError, *, used: bool) -> bool:
        """Whether AWS says that there is none, or keeps from us what isn't ours to use."""
        return code_of(error) in GONE or (not used and code_of(error) in DENIED)

    def _take_file(self, info: str) -> None:
        try:
            with told():
                self._s3.put_object(
                    **self._place.in_bucket,
                    Key=self._place.lock_key,
                    Body=info.encode(),
                    ContentType="application/json",
                    ServerSideEncryption="AES256",
                    IfNoneMatch="*",
                )
        except TapError:
            self.check_free()
            raise

    def _take_item(self, info: str) -> None:
        try:
            with told():
                self._database.put_item(
                    TableName=self._place.table,
                    Item={"LockID": {"S": self._place.lock_id}, "Info": {"S": info}},
                    ConditionExpression="attribute_not_exists(LockID)",
                )
        except TapError:
            self.check_free()
            raise


def _user() -> str:
    """The person's name; in a container there may be none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and from then on
        return f"uid {os.getuid()}"


def _lock(info: str, where: str) -> Lock:
    """A lock by what Terraform wrote; a broken one can still be named, and released."""
    try:
        read: dict[str, Any] = json.loads(info)
    except ValueError:
        read = {}
    return Lock(
        id=str(read.get("ID", "unreadable")),
        who=str(read.get("Who", "somebody")),
        created=str(read.get("Created", "some time")),
        operation=str(read.get("Operation", "unknown")),
        where=(where,),
    )
