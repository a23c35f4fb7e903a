"""The state moves from one home to the other, and is killed at every step of it."""

import json
import os
import signal
from contextlib import ExitStack
from unittest import mock

import pytest

from lib.config.environment_config import StateLock
from lib.errors import TapError
from ops.state.homes import Bucket, Homes, Relation, Snapshot, keep, relation
from ops.state.locks import Locks
from ops.state.mend import release
from ops.state.move import move_home, move_in
from ops.state.terraform import Terraform
from tests.e2e.places import Small, certain, emulator, forked

STEPS_MAX = 60
WAYS = {"into the bucket": move_in, "home": move_home}


@pytest.fixture(scope="module", name="cloud")
def _cloud(tmp_path_factory):
    with emulator(tmp_path_factory.mktemp("moves")) as started:
        yield started


@pytest.fixture(name="small")
def _small(cloud, tmp_path):
    """A stack with a state in the bucket."""
    small = Small(cloud, tmp_path, StateLock.BOTH)
    small.terraform.init(local=False)
    small.apply("1")
    small.apply("2")
    return small


def moved(small, move):
    """Move it; what was told."""
    told = []
    move(small.place, small.terraform, told.append)
    return "\n".join(told)


def plan(small, *, local):
    """Whether Terraform finds all as it was made."""
    small.terraform.init(local=local)
    printed = small.terraform.read("plan", "-no-color", "-var=n=2")
    return "No changes" in printed


def test_serial_lineage_and_resources_come_along_both_ways(small):
    before = small.state()
    assert str(before) in moved(small, move_home)
    assert certain(Snapshot.read(small.place.file)).content == before.content
    assert Bucket(small.place).read() is None
    assert plan(small, local=True)
    assert str(before) in moved(small, move_in)
    assert small.state().content == before.content
    assert not small.place.file.exists()
    assert plan(small, local=False)
    small.apply("3")
    assert relation(small.state(), before) is Relation.NEWER


def test_a_backup_is_kept_that_others_cannot_read(small):
    before = small.state()
    moved(small, move_home)
    (kept,) = small.place.file.parent.glob("*.kept")
    assert kept.read_bytes() == before.content
    assert kept.stat().st_mode & 0o077 == 0


def test_another_state_is_never_overwritten(small):
    before = small.state()
    small.place.file.write_text(json.dumps({**(before.document or {}), "lineage": "another"}))
    for move in (move_in, move_home):
        with pytest.raises(TapError, match="there are two states"):
            moved(small, move)
    assert small.state().content == before.content
    assert certain(Snapshot.read(small.place.file)).lineage == "another"
    assert not Locks(small.place).held()


def test_nothing_moves_while_somebody_deploys(small):
    process = small.applying("3", wait=True)
    while not (held := Locks(small.place).held()):
        assert process.poll() is None
    with pytest.raises(TapError, match=held[0].id):
        moved(small, move_home)
    small.gate.touch()
    process.communicate()
    assert process.returncode == 0
    assert not small.place.file.exists()


def test_what_somebody_else_wrote_in_between_stays(small):
    bucket = Bucket(small.place)
    seen = certain(bucket.read())
    small.apply("3")
    with pytest.raises(TapError, match="somebody else has just written"):
        bucket.write(seen)
    assert relation(small.state(), seen) is Relation.NEWER


class Killer:
    """Kills its process before one of the steps of a move."""

    def __init__(self, point):
        self.left = point

    def step(self, function):
        """The same function, which may not come to be called."""

        def stepped(*args, **options):
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1
            return function(*args, **options)

        return stepped


STEPS = (
    (Terraform, ("run", "read")),
    (Bucket, ("write", "note_digest", "remove")),
    (Locks, ("_take_file", "_take_item", "release")),
)


def killed_at(point, small, move):
    """Move in a process of its own that is killed before that step; whether it was."""

    def move_until_killed():
        killer = Killer(point)
        with ExitStack() as exits:
            for owner, names in (*STEPS, (type(small.place.file), ("replace", "unlink"))):
                for name in names:
                    step = killer.step(getattr(owner, name))
                    exits.enter_context(mock.patch.object(owner, name, step))
            moved(small, move)

    _, status = os.waitpid(forked(move_until_killed), 0)
    assert status in (0, signal.SIGKILL), "it failed otherwise"
    return status == signal.SIGKILL


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_any_step_it_goes_on_and_nothing_is_lost(small, way):
    move = WAYS[way]
    before = small.state()
    if move is move_in:
        moved(small, move_home)
    point = 0
    while killed_at(point, small, move):
        point += 1
        assert point < STEPS_MAX
        for lock in Locks(small.place).held():
            release(small.place, lock.id, print)
        homes = Homes.of(small.place)
        source = homes.local if move is move_in else homes.remote
        if source is not None:
            assert not list(homes.problems(small.place))
            moved(small, move)
        homes = Homes.of(small.place)
        found, other = (homes.remote, homes.local)[:: 1 if move is move_in else -1]
        assert found and found.content == before.content
        assert other is None
        put_back(small, before, local=move is move_in)
    assert point > 10


def put_back(small, snapshot, *, local):
    """Let the state be in one home, as it was before."""
    bucket = Bucket(small.place)
    if local:
        bucket.remove()
        keep(small.place.file, snapshot.content)
    else:
        small.place.file.unlink()
        assert bucket.read() is None
        bucket.write(snapshot)
