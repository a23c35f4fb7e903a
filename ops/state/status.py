"""Where a stack's state is, what is in it, who holds its lock, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ops.state.homes import Homes, Snapshot
from ops.state.locks import Lock, Locks
from ops.state.place import Place


@dataclass(frozen=True, slots=True)
class Status:
    """One stack's."""

    place: Place
    homes: Homes
    locks: tuple[Lock, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, place: Place) -> "Status":
        """Look; changes nothing."""
        homes = Homes.of(place)
        locks = tuple(Locks(place).held()) if homes.bucket_exists else ()
        return cls(place, homes, locks, tuple(_problems(place, homes)))

    def lines(self) -> Iterator[str]:
        """For a person."""
        homes, place = self.homes, self.place
        yield place.stack
        if homes.remote:
            yield f"  state    in the bucket, s3://{place.bucket}/{place.key}: {homes.remote}"
        if homes.local:
            yield f"  state    local, {place.file}: {homes.local}"
        if not homes.remote and not homes.local:
            gone = "none in the bucket" if homes.bucket_exists else "none: the bucket isn't there"
            yield f"  state    {gone}"
        for lock in self.locks:
            yield f"  lock     {lock}"
        if not self.locks:
            yield "  lock     nobody"
        for problem in self.problems:
            yield f"  problem  {problem}"

    def record(self) -> dict[str, Any]:
        """For a machine."""
        place, homes = self.place, self.homes
        return {
            "stack": place.stack,
            "bucket": place.bucket if homes.bucket_exists else None,
            "key": place.key,
            "file": str(place.file),
            "remote": _record(homes.remote),
            "local": _record(homes.local),
            "locks": [asdict(lock) for lock in self.locks],
            "problems": list(self.problems),
        }


def _record(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    if not snapshot.whole:
        return {"whole": False}
    return {
        "whole": True,
        "serial": snapshot.serial,
        "lineage": snapshot.lineage,
        "resources": snapshot.resources,
    }


def _problems(place: Place, homes: Homes) -> Iterator[str]:
    for problem in homes.problems(place):
        yield from problem.lines()
