"""Each way in which a state is lost, and the way back that docs/runbook.md gives for it.

On the parts of prod that take seconds: its bucket, its lock table and its VPC.
"""

import json
import os
import subprocess
import time

import psutil
import pytest

from lib.config.environment_config import StateLock
from lib.errors import TapError
from ops.cdktf_cli import synthesize
from ops.state.bootstrap import SLOW, bootstrap, document_of
from ops.state.homes import Bucket, Homes, Snapshot
from ops.state.locks import Locked, Locks
from ops.state.mend import Mender, release
from ops.state.place import Place
from ops.state.status import Status
from ops.state.teardown import teardown
from ops.state.terraform import Terraform
from tests.chaos.proxy import Fault, FaultProxy
from tests.e2e.conftest import SUFFIX, opened
from tests.e2e.places import certain, forked

KEPT = ("/state/", "/encryption/", "/access_logs/", "/network/vpc", "/outputs/parameters/state_")
SECONDS = 120


class Part:
    """A part of prod, on an emulated account."""

    def __init__(self, sandbox):
        (self.site,) = sandbox.sites.values()
        self.environ = sandbox.environ(self.site) | {"ENVIRONMENT": "prod", "STATE_BACKEND": "s3"}
        self.session = self.site.emulator.session(self.site.config.region)
        synthesize(self.environ, self.site.folder / "cdktf.out")
        self.place = Place(
            stack=self.site.stack_id,
            folder=self.site.stack_folder,
            file=self.site.state,
            bucket=f"prod-us-east-1-tfstate-{SUFFIX}",
            key=f"{self.site.stack_id}/terraform.tfstate",
            table=f"prod-us-east-1-tflock-{SUFFIX}",
            lock=StateLock.BOTH,
            session=self.session,
            production=True,
        )
        self.told = []
        self.write(self._part())

    def _part(self):
        document = dict(document_of(self.place))
        document["resource"] = {
            type_: kept
            for type_, entries in document["resource"].items()
            if not type_.startswith(SLOW[:-1])
            and (
                kept := {
                    name: each
                    for name, each in entries.items()
                    if any(part in each["//"]["metadata"]["path"] for part in KEPT)
                }
            )
        }
        del document["output"]
        document["terraform"]["backend"]["s3"]["dynamodb_table"] = self.place.table
        return document

    def write(self, document):
        """Put this in the stack's place."""
        (self.place.folder / "cdk.tf.json").write_text(json.dumps(document, indent=2))

    def tell(self, text):
        """What a person is told."""
        self.told.append(text)

    def terraform(self):
        """Terraform in a run's folder, which stays, as a killed run's does."""
        terraform = Terraform(self.place, self.environ)
        terraform.init()
        return terraform

    def command(self, *arguments, **environ):
        """Terraform, started, in a process group of its own."""
        return subprocess.Popen(
            ["terraform", *arguments, "-no-color", "-input=false"],
            cwd=self.terraform().folder,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def recover(self, **options):
        """``ops state recover``."""
        return Mender(self.place, self.environ, self.tell, dry_run=False, **options).mend()

    def state(self):
        """What is in the bucket."""
        return certain(Bucket(self.place).read())

    def assert_whole(self):
        """Nothing is locked, nothing is wrong, and a deploy would change nothing."""
        status = Status.of(self.place)
        assert not status.problems and not status.locks and status.homes.settled
        with self.command("plan", "-detailed-exitcode") as process:
            printed, _ = process.communicate()
        assert process.returncode == 0, printed

    def vpcs(self):
        """The stack's."""
        tags = [{"Name": "tag:Suffix", "Values": [SUFFIX]}]
        return self.session.client("ec2").describe_vpcs(Filters=tags)["Vpcs"]


@pytest.fixture(scope="module", name="part")
def _part():
    with opened("prod") as sandbox:
        yield Part(sandbox)


def test_killed_in_the_first_deploy_bootstrap_goes_on(part):
    """Killed when the bucket is there; then when its state is about to move in."""
    child = forked(lambda: bootstrap(part.place, part.environ, print))
    bucket, limit = Bucket(part.place), time.monotonic() + SECONDS
    while not bucket.exists():
        assert time.monotonic() < limit
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(0.02)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    for pid in terraforms(part):
        os.kill(pid, 9)
    bootstrap(part.place, part.environ, part.tell)
    assert "moved into" in part.told[-1]
    assert Homes.of(part.place).settled
    before = part.state()
    bootstrap(part.place, part.environ, part.tell)
    assert part.state().content == before.content, "a second run changes nothing"


def terraforms(part):
    """The processes that work in the folders of runs."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(f"{part.place.output}/runs/"):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_killed_with_the_lock_held(part):
    """The VPC is made, in no state, and nobody may deploy."""
    apply = part.command("apply", "-auto-approve")
    while not part.vpcs():
        assert apply.poll() is None
        time.sleep(0.05)
    os.killpg(apply.pid, 9)
    apply.communicate()
    (lock,) = Locks(part.place).held()
    with pytest.raises(Locked, match=lock.id):
        part.recover()
    release(part.place, lock.id, part.tell)
    report = part.recover()
    assert not report.problems
    assert any(address.startswith("aws_vpc.") for address in report.adopted)
    with part.command("apply", "-auto-approve") as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert len(part.vpcs()) == 1
    part.assert_whole()


def deleted(part, _older):
    """The state is deleted."""
    part.session.client("s3").delete_object(Bucket=part.place.bucket, Key=part.place.key)


def truncated(part, _older):
    """It is cut short."""
    put(part, part.state().content[:500])


def rolled_back(part, older):
    """It is an older one."""
    put(part, older)


def put(part, content):
    """Write it past everything that guards it."""
    part.session.client("s3").put_object(Bucket=part.place.bucket, Key=part.place.key, Body=content)


@pytest.mark.parametrize("lose", [deleted, truncated, rolled_back])
def test_a_lost_state_is_brought_back_and_nothing_is_deployed_before(part, lose):
    newest = part.state()
    older = next(
        each.snapshot.content
        for each in Bucket(part.place).versions()
        if each.snapshot and each.snapshot.whole and each.snapshot.serial < newest.serial
    )
    lose(part, older)
    assert Status.of(part.place).problems
    if lose is not rolled_back:
        with pytest.raises(TapError, match=r"was deleted|cut short"):
            bootstrap(part.place, part.environ, part.tell)
    said = part.recover()
    assert part.state().content == newest.content
    assert not said.adopted and not said.to_make and not said.problems
    part.assert_whole()


def test_a_digest_from_before_a_change_of_lock_is_put_right(part):
    terraform, database = part.terraform(), part.session.client("dynamodb")
    item = {"LockID": {"S": f"{part.place.lock_id}-md5"}, "Digest": {"S": "0" * 32}}
    database.put_item(TableName=part.place.table, Item=item)
    with pytest.raises(TapError, match="does not have the expected content"):
        terraform.pull()
    assert any("expects another state" in each for each in Status.of(part.place).problems)
    part.recover()
    assert terraform.pull().same(part.state())


class Outage(FaultProxy):
    """A way to AWS on which S3 can be lost."""

    begun = False

    def fate(self, call):
        """Nothing of S3 works from when it has begun."""
        return Fault.FAILED if self.begun and call.startswith("s3 ") else None


def test_the_bucket_out_of_reach_at_the_end_of_an_apply(part):
    """Terraform leaves errored.tfstate, and the lock."""
    document = dict(document_of(part.place))
    document["resource"]["aws_vpc"]["another"] = {
        "//": {"metadata": {"path": f"{part.place.stack}/network/another"}},
        "cidr_block": "10.9.0.0/16",
        "tags": {"Name": "made in the outage"},
    }
    part.write(document)
    with Outage(part.site.emulator.endpoint_url, seed=0, rates={}) as proxy:
        apply = part.command("apply", "-auto-approve", AWS_ENDPOINT_URL=proxy.url)
        while not any(vpc["CidrBlock"] == "10.9.0.0/16" for vpc in part.vpcs()):
            assert apply.poll() is None, apply.communicate()[0]
            time.sleep(0.1)
        proxy.begun = True
        printed, _ = apply.communicate()
    assert apply.returncode == 1
    assert "errored.tfstate" in printed
    (file,) = part.place.unsaved
    unsaved = certain(Snapshot.read(file))
    with pytest.raises(TapError, match="could not save the state"):
        bootstrap(part.place, part.environ, part.tell)
    (lock,) = Locks(part.place).held()
    release(part.place, lock.id, part.tell)
    assert not part.recover().adopted
    assert part.state().resources == unsaved.resources
    assert not part.place.unsaved
    part.assert_whole()


def test_production_is_torn_down_with_its_protections_taken_off(part):
    logs = f"prod-us-east-1-accesslogs-{SUFFIX}"
    part.session.client("s3").put_object(Bucket=logs, Key="log", Body=b"GET /")
    teardown(part.place, part.environ, part.tell)
    assert not Bucket(part.place).exists()
    assert part.vpcs() == []
    assert part.session.client("s3").list_buckets()["Buckets"] == []
    tables = part.session.client("dynamodb").list_tables()["TableNames"]
    assert part.place.table not in tables
    assert not part.place.file.exists()
