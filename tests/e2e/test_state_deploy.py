"""dev's state from the first deploy to the teardown, by the commands that a person types."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lib.config.environment_config import StateLock
from ops.cdktf_cli import CDKTF, ROOT
from ops.emulator.inventory import inventory
from ops.graceful import INTERRUPTED
from ops.sandbox import QUIET
from ops.state.homes import Bucket
from ops.state.locks import Locks
from ops.state.place import Place
from tests.e2e.conftest import opened
from tests.e2e.places import certain

SECONDS = 600


class Started(subprocess.Popen):
    """A process, and the file that takes what it prints."""

    log: Path


class Dev:
    """A copy of dev whose state belongs into its bucket; nothing is deployed."""

    def __init__(self, sandbox):
        (self.site,) = sandbox.sites.values()
        self.environ = sandbox.environ(self.site) | {"ENVIRONMENT": "dev"}
        del self.environ["STATE_BACKEND"]
        self.output = self.site.folder / "cdktf.out"
        session = self.site.emulator.session(self.site.config.region)
        self.client = session.client
        self.place = Place(
            stack=self.site.stack_id,
            folder=self.site.stack_folder,
            file=self.site.state,
            bucket="dev-us-east-1-tfstate-e2e",
            key=f"{self.site.stack_id}/terraform.tfstate",
            table="dev-us-east-1-tflock-e2e",
            lock=StateLock.LOCKFILE,
            session=session,
        )
        self.before = set(inventory(self.client))

    def started(self, *command):
        """A command that has been started, in a process group of its own."""
        # Not a pipe: nobody reads it before the end, and a full one would hold the command up.
        log = self.site.folder / f"{time.monotonic_ns()}.log"
        with log.open("w") as output:
            process = Started(
                command,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.log = log
        return process

    def deploying(self):
        """``npm run cdktf:deploy``, asking nobody."""
        return self.started("npm", "run", "cdktf:deploy", "--", *self.options)

    @property
    def options(self):
        """Of a deploy that asks nobody."""
        return ["--auto-approve", "--skip-provider-lock", "--output", str(self.output)]

    def state(self, *arguments, code=0):
        """What ``pipenv run state`` prints."""
        words = [sys.executable, "-m", "ops", "state", *arguments, "--output", str(self.output)]
        return end(self.started(*words), code)

    def wait_for(self, process, reached):
        """Until something is so."""
        limit = time.monotonic() + SECONDS
        while not (result := reached()):
            assert process.poll() is None, process.log.read_text()[-4000:]
            assert time.monotonic() < limit
            time.sleep(0.1)
        return result


def end(process, code=0):
    """Wait for the end; what was printed."""
    got, printed = process.wait(SECONDS), process.log.read_text()
    assert got == code, printed[-4000:]
    return printed


@pytest.fixture(scope="module", name="dev")
def _dev():
    with opened("dev") as sandbox:
        yield Dev(sandbox)


@pytest.fixture(scope="module", name="first")
def _first(dev):
    """The first deploy: killed when its bucket is there, begun anew, and disturbed by another."""
    killed = dev.deploying()
    dev.wait_for(killed, Bucket(dev.place).exists)
    kill_all(killed)
    deploy = dev.deploying()
    (lock,) = dev.wait_for(deploy, lambda: apply_lock(dev.place))
    status = dev.state("status")
    second = dev.started(sys.executable, "-m", "ops", "cdktf", "deploy", *dev.options)
    dev.wait_for(second, lambda: "waiting for its end" in second.log.read_text())
    second.terminate()
    second = end(second, code=INTERRUPTED)
    return SimpleNamespace(lock=lock, status=status, second=second, printed=end(deploy))


def kill_all(process):
    """``kill -9`` a process and all below it."""
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.wait()


def apply_lock(place):
    """The lock of the CLI's own apply."""
    bucket = Bucket(place)
    if bucket.exists() and bucket.read():
        return [lock for lock in Locks(place).held() if lock.operation == "OperationTypeApply"]
    return []


def test_the_first_deploy_works_first_time(dev, first):
    assert "moved into dev-us-east-1-tfstate-e2e" in first.printed
    status = json.loads(dev.state("status", "--json"))
    assert status["remote"]["resources"] == dev.site.progress.total
    assert status["local"] is None
    assert not status["locks"] and not status["problems"]


def test_a_second_deploy_at_once_says_who_holds_the_lock(first):
    assert first.lock.id in first.status and first.lock.who in first.status
    assert f"is locked by {first.lock.who}" in first.second
    assert "nothing was changed" in first.second
    assert f"pipenv run state unlock {first.lock.id}" in first.second


def test_a_second_run_changes_nothing(dev, first):
    assert first
    before, items = certain(Bucket(dev.place).read()), set(inventory(dev.client))
    printed = end(dev.deploying())
    assert not re.search("Creat|Modif|Destr|moved into", printed)
    after = certain(Bucket(dev.place).read())
    assert (after.lineage, after.resources) == (before.lineage, before.resources)
    assert set(inventory(dev.client)) == items


def test_the_outputs_can_be_read(dev, first):
    assert first
    file = dev.site.folder / "outputs.json"
    options = [*QUIET, "--output", str(dev.output), "--outputs-file", str(file)]
    end(dev.started(str(CDKTF), "output", dev.site.stack_id, *options))
    outputs = json.loads(file.read_text())[dev.site.stack_id]
    assert outputs["state_bucket"] == dev.place.bucket


def test_a_local_deploy_beside_it_is_refused(dev, first):
    assert first
    dev.environ["STATE_BACKEND"] = "local"
    try:
        assert "is in dev-us-east-1-tfstate-e2e" in end(dev.deploying(), code=2)
    finally:
        del dev.environ["STATE_BACKEND"]


def test_teardown_refuses_until_it_is_meant_and_alone(dev, first):
    assert first
    items = set(inventory(dev.client))
    assert "--yes-destroy tap-dev-e2e" in dev.state("teardown", code=2)
    s3 = dev.client("s3")
    s3.put_object(Bucket=dev.place.bucket, Key="tap-dev-other/terraform.tfstate", Body=b"{}")
    told = dev.state("teardown", "--yes-destroy", "tap-dev-e2e", code=2)
    assert "also holds tap-dev-other/terraform.tfstate" in told
    assert set(inventory(dev.client)) == items
    s3.delete_object(Bucket=dev.place.bucket, Key="tap-dev-other/terraform.tfstate")


def test_teardown_leaves_nothing(dev, first):
    """Killed on its way once, with the state at home: the next one goes on."""
    assert first
    words = ["teardown", "--yes-destroy", "tap-dev-e2e", "--output", str(dev.output)]
    killed = dev.started(sys.executable, "-m", "ops", "state", *words)
    balancers = dev.client("elbv2")
    dev.wait_for(killed, lambda: not balancers.describe_load_balancers()["LoadBalancers"])
    kill_all(killed)
    printed = dev.state("teardown", "--yes-destroy", "tap-dev-e2e")
    # The bucket went last, its versions just before it.
    order = [
        "resources; the bucket stays till last",
        "versions deleted from",
        "tap-dev-e2e is gone",
    ]
    assert [printed.index(each) for each in order] == sorted(map(printed.index, order))
    assert not Bucket(dev.place).exists()
    left = [item for item in set(inventory(dev.client)) - dev.before if not item.by_aws]
    assert not [item for item in left if not item.family], "task definitions alone may stay"
    assert not dev.site.state.exists()
    assert "nothing to tear down" in dev.state("teardown", "--yes-destroy", "tap-dev-e2e")
