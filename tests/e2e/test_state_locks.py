"""Two deploys at once: one goes, the other says who holds the lock, whichever lock it is.

``TAP_LOCK_ROUNDS=200`` races more often.
"""

import json
import os
import shutil
import time

import pytest

from lib.config.environment_config import StateLock
from ops.state.homes import Bucket
from ops.state.locks import Locked, Locks
from ops.state.mend import release
from tests.e2e.places import Small, certain, emulator

ROUNDS = int(os.environ.get("TAP_LOCK_ROUNDS", "20"))
SECONDS = 60


@pytest.fixture(scope="module", name="cloud")
def _cloud(tmp_path_factory):
    with emulator(tmp_path_factory.mktemp("locks")) as started:
        yield started


@pytest.fixture(name="small", params=StateLock)
def _small(request, cloud, tmp_path):
    small = Small(cloud, tmp_path, request.param)
    small.terraform.init(local=False)
    return small


def first_to_end(racers):
    """The one that ends while the gate is shut: it must not have got the lock."""
    limit = time.monotonic() + SECONDS
    while time.monotonic() < limit:
        for racer in racers:
            if racer.poll() is not None:
                return racer
        time.sleep(0.02)
    raise AssertionError("both wait at the gate: two winners")


def test_of_two_deploys_one_goes_and_the_other_says_who_holds_the_lock(small, tmp_path):
    other = tmp_path / "other machine"
    shutil.copytree(small.terraform.folder, other)
    won = []
    for number in range(ROUNDS):
        small.gate.unlink(missing_ok=True)
        names = [f"{number}-here", f"{number}-there"]
        racers = [
            small.applying(names[0], wait=True),
            small.applying(names[1], wait=True, folder=other),
        ]
        loser = first_to_end(racers)
        refused, _ = loser.communicate()
        (holder,) = Locks(small.place).held()
        small.gate.touch()
        winner = racers[1 - racers.index(loser)]
        printed, _ = winner.communicate(timeout=SECONDS)
        assert winner.returncode == 0, printed
        assert loser.returncode != 0
        assert "Error acquiring the state lock" in refused
        assert holder.id in refused and holder.who in refused
        won.append(names[1 - racers.index(loser)])
        assert (small.state().document or {})["outputs"]["n"]["value"] == won[-1]
        assert not Locks(small.place).held()
    versions = [certain(each.snapshot) for each in Bucket(small.place).versions()][::-1]
    serials = [each.serial for each in versions]
    assert serials == sorted(set(serials)), "a serial was lost or given twice"
    assert {each.lineage for each in versions} == {small.state().lineage}
    assert len(won) == ROUNDS


def test_terraform_and_ops_heed_each_other_s_lock(small):
    process = small.applying("held", wait=True)
    while not (held := Locks(small.place).held()):
        assert process.poll() is None
    with pytest.raises(Locked, match=held[0].id), Locks(small.place).hold("test"):
        pass
    small.gate.touch()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    with Locks(small.place).hold("ops state: test"):
        with small.applying("refused", wait=False) as refused:
            printed, _ = refused.communicate()
        assert refused.returncode
        assert "ops state: test" in printed
        (holder,) = Locks(small.place).held()
        assert holder.who in printed
    small.apply("free again")


def test_a_dead_deploy_s_lock_is_released_by_its_id_alone(small):
    small.apply("before")
    process = small.applying("never", wait=True)
    while not (held := Locks(small.place).held()):
        assert process.poll() is None
    os.killpg(process.pid, 9)
    process.communicate()
    told = []
    with pytest.raises(Exception, match=held[0].id):
        release(small.place, "another-id", told.append)
    (still,) = Locks(small.place).held()
    assert still.id == held[0].id
    release(small.place, still.id, told.append)
    assert still.who in told[0]
    small.apply("after")


def test_terraform_prints_nothing_that_breaks_the_outputs(small):
    printed = small.apply("7")
    outputs = json.loads(small.terraform.read("output", "-json"))
    assert outputs["n"]["value"] == "7"
    assert "Deprecated" not in printed


def test_the_account_holds_for_the_bucket_too(cloud, tmp_path):
    small = Small(cloud, tmp_path, StateLock.LOCKFILE)
    document = small.document()
    document["terraform"]["backend"]["s3"]["allowed_account_ids"] = ["999999999999"]
    small.write(document)
    with pytest.raises(Exception, match="AWS account ID not allowed: 123456789012"):
        small.terraform.init(local=False)
    document["terraform"]["backend"]["s3"]["allowed_account_ids"] = ["123456789012"]
    small.write(document)
    small.terraform.init(local=False)
