"""``ops state``: where the state is, what may be moved and mended, and what is refused."""

# pylint: disable=protected-access  # a step is looked at by itself

import dataclasses
import json
import os
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from moto.iam.access_control import IAMPolicy, PermissionResult

from lib.config.environment_config import StateBackend, StateLock
from lib.errors import TapError
from ops.__main__ import main
from ops.state import commands
from ops.state.bootstrap import document_of
from ops.state.check import check, check_deployed
from ops.state.homes import (
    Bucket,
    Homes,
    Relation,
    Snapshot,
    Version,
    backup_of,
    keep,
    newest_of,
    relation,
    rolled_back,
)
from ops.state.locks import Lock, Locked, Locks
from ops.state.mend import Mender, doing, mend_file, release
from ops.state.move import backup
from ops.state.place import place_of
from ops.state.policy import policy_of
from ops.state.status import Status
from ops.state.teardown import (
    OWN_CONSTRUCTS,
    check_alone,
    delete_made_again,
    made_again,
    unprotected,
)
from ops.terraform.process import Terraform
from tests.conftest import BY_NAME, changed
from tests.ops.played import played

REGION = "us-east-1"
ACCOUNT = "123456789012"
BUCKET = "dev-us-east-1-tfstate-qa1"
TABLE = "dev-us-east-1-tflock-qa1"
KEY = "tap-dev-qa1/terraform.tfstate"


def snapshot(serial=1, lineage="one", resources=2, **more):
    """A state."""
    listed = [
        {"mode": "managed", "type": "aws_vpc", "name": f"n{number}", "instances": [{}]}
        for number in range(resources)
    ]
    listed.append({"mode": "data", "type": "aws_partition", "name": "p", "instances": [{}]})
    document = {"version": 4, "serial": serial, "lineage": lineage, "resources": listed}
    return Snapshot(json.dumps(document | more).encode())


def result(address, *objects, status="pass"):
    """What came of a postcondition, as a state tells it."""
    return {
        "object_kind": "resource",
        "config_addr": address,
        "status": status,
        "objects": [{"object_addr": each, "status": status} for each in objects],
    }


STATE = {"version": 4, "serial": 1, "lineage": "one"}
A, B = result("a", "a"), result("b", "b")
BROKEN = Snapshot(b'{"version": 4, "serial": 1, "li')


@pytest.fixture(name="account", autouse=True)
def _account(monkeypatch):
    """An empty account, and nothing of the person's own."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "ENVIRONMENT_SUFFIX", "STATE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


@pytest.fixture(name="place")
def _place(tmp_path):
    return make_place(tmp_path)


def make_place(folder, lock=StateLock.BOTH, *, bucket=True):
    """The place of a copy of dev, its bucket and table made."""
    config = changed(BY_NAME["dev"], state={"lock": lock})
    place = place_of(config, "qa1", folder / "cdktf.out")
    place.folder.mkdir(parents=True)
    if bucket:
        place.client("s3").create_bucket(Bucket=BUCKET)
        place.client("s3").put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        place.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return place


@pytest.fixture(name="synthesized")
def _synthesized(place, shipped):
    (place.folder / "cdk.tf.json").write_text(json.dumps(shipped("dev").document))
    return place


def put(place, state):
    """Write it as whoever doesn't ask would."""
    place.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=state.content)


# where it is


def test_the_names_are_those_that_the_stack_is_made_with(place, shipped):
    backend = shipped("dev").document["terraform"]["backend"]["s3"]
    assert (place.bucket, place.key) == (backend["bucket"], backend["key"])
    assert place.table == shipped("dev").at("state/lock_table")["name"]
    assert place.lock_key == f"{KEY}.tflock"
    assert place.file.name == "terraform.tap-dev-qa1.tfstate"
    assert place.file.parent == place.folder.parents[2]


def test_another_account_s_credentials_are_refused(tmp_path):
    config = dataclasses.replace(BY_NAME["dev"], account_id="999999999999")
    with pytest.raises(TapError, match=f"account {ACCOUNT}'s, dev is in 999999999999"):
        place_of(config, "qa1", tmp_path)
    assert place_of(dataclasses.replace(config, account_id=ACCOUNT), "qa1", tmp_path)


def test_the_deploy_role_is_taken(tmp_path):
    role = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    place = place_of(dataclasses.replace(BY_NAME["dev"], deploy_role_arn=role), "qa1", tmp_path)
    caller = place.client("sts").get_caller_identity()["Arn"]
    assert caller.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (snapshot(), snapshot(), Relation.SAME),
        (snapshot(1), snapshot(2), Relation.OLDER),
        (snapshot(3), snapshot(2), Relation.NEWER),
        (snapshot(1), snapshot(2, lineage="two"), Relation.STRANGE),
        (snapshot(2), snapshot(2, resources=1), Relation.STRANGE),
        (snapshot(), snapshot(check_results=None), Relation.SAME),
        (snapshot(check_results=[A, B]), snapshot(check_results=[B, A]), Relation.SAME),
        (
            snapshot(check_results=[result("c", "c[0]", "c[1]")]),
            snapshot(check_results=[result("c", "c[1]", "c[0]")]),
            Relation.SAME,
        ),
        (
            snapshot(check_results=[A]),
            snapshot(check_results=[result("a", "a", status="fail")]),
            Relation.STRANGE,
        ),
    ],
)
def test_how_two_states_are_related(one, other, expected):
    assert relation(one, other) is expected


def test_terraform_writes_the_same_state_in_many_orders(tmp_path):
    """What it reads is the same to us; it orders the results anew each time."""
    checks = [result(f"aws_vpc.n{number}", f"aws_vpc.n{number}") for number in range(50)]
    document = {"version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": "one"}
    document |= {"outputs": {}, "resources": [], "check_results": checks}
    (tmp_path / "terraform.tfstate").write_text(json.dumps(document))
    terraform = Terraform(tmp_path, os.environ)
    pulled = [Snapshot(terraform.read("state", "pull").encode()) for _ in range(2)]
    assert pulled[0].content != pulled[1].content
    assert pulled[0].same(pulled[1])


@pytest.mark.parametrize("content", [b"{", b"[]", b'"text"', b"{}", b"null", b"\xff\xfe"])
def test_what_is_no_state_is_not_whole(content):
    assert not Snapshot(content).whole
    assert "no Terraform state" in str(Snapshot(content))


@given(st.integers(1, len(snapshot().content) - 1))
def test_a_state_cut_anywhere_is_not_whole(length):
    assert not Snapshot(snapshot().content[:length]).whole


def test_a_state_tells_what_it_is():
    assert str(snapshot(7)) == "serial 7, lineage one, 2 resources"


@pytest.mark.parametrize(
    ("remote", "local", "kept", "problem"),
    [
        (None, None, None, None),
        (snapshot(), None, None, None),
        (None, snapshot(), None, None),
        (snapshot(), snapshot(), None, None),
        (snapshot(2), snapshot(1), None, None),
        (None, snapshot(3), snapshot(2), None),
        (None, snapshot(2), snapshot(2), None),
        (BROKEN, None, None, "cut short"),
        (None, BROKEN, None, "cut short"),
        (None, None, snapshot(), "was deleted"),
        (snapshot(1), snapshot(2), None, "two states"),
        (snapshot(), snapshot(lineage="two"), None, "two states"),
        (None, snapshot(1), snapshot(2), "two states"),
        (None, snapshot(lineage="two"), snapshot(), "two states"),
    ],
)
def test_what_stands_in_the_way(place, remote, local, kept, problem):
    for state in filter(None, (kept, remote)):
        put(place, state)
    if kept:
        place.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    if local:
        keep(place.file, local.content)
    found = list(map(str, Homes.of(place).problems(place)))
    assert len(found) == bool(problem) and (not problem or problem in found[0])


def test_an_empty_file_is_no_state(place):
    place.file.touch()
    assert Homes.of(place).local is None


def test_somebody_else_s_bucket_is_named(place):
    s3 = Mock()
    s3.head_bucket.side_effect = ClientError({"Error": {"Code": "403"}}, "HeadBucket")
    bucket = Bucket(place)
    bucket._s3 = s3
    with pytest.raises(TapError, match=f"is not account {ACCOUNT}'s") as raised:
        bucket.exists()
    assert "account_id" in raised.value.hint


def test_what_aws_refuses_is_told(place):
    s3 = Mock()
    bucket = Bucket(place)
    bucket._s3 = s3
    s3.get_object.side_effect = ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"
    )
    with pytest.raises(TapError, match="AccessDenied") as raised:
        bucket.read()
    assert "state policy" in raised.value.hint
    s3.get_object.side_effect = EndpointConnectionError(endpoint_url="https://s3")
    with pytest.raises(TapError, match="Could not connect"):
        bucket.read()


def tagged(stack, serial=1):
    """A state whose resources are a stack's."""
    project, environment, suffix = stack.split("-")
    tags = {"Project": project, "Environment": environment, "Suffix": suffix}
    instances = [{"attributes": {"tags_all": tags}}]
    listed = [{"mode": "managed", "type": "aws_vpc", "name": "v", "instances": instances}]
    document = json.loads(snapshot(serial).content) | {"resources": listed}
    return Snapshot(json.dumps(document).encode())


@pytest.mark.parametrize("local", [False, True])
def test_another_stack_s_state_is_refused_by_its_name(place, local):
    """Addresses are the same in all environments: Terraform would change staging into dev."""
    for stack, refused in (("tap-dev-qa1", False), ("tap-staging-qa1", True)):
        if local:
            keep(place.file, tagged(stack).content)
        else:
            put(place, tagged(stack))
        problems = list(map(str, Homes.of(place).problems(place)))
        assert len(problems) == refused
    assert "is not tap-dev-qa1's: its resources are tap-staging-qa1's" in problems[0]
    with pytest.raises(TapError, match="tap-staging-qa1's"):
        check(place)


def test_a_resource_tagged_otherwise_makes_no_state_another_s(place):
    document = json.loads(tagged("tap-dev-qa1").content)
    document["resources"] += json.loads(tagged("tap-shared-qa1").content)["resources"]
    put(place, Snapshot(json.dumps(document).encode()))
    assert not list(Homes.of(place).problems(place))


@pytest.mark.parametrize(
    ("local", "before", "says"),
    [
        (snapshot(2), snapshot(1), None),
        (snapshot(1), snapshot(2), "is serial 1"),
        (snapshot(1, "two"), snapshot(2), None),  # a first deploy after a teardown
        (None, snapshot(2), "is gone"),
        (None, snapshot(2, resources=0), None),
        (None, BROKEN, None),
    ],
)
def test_a_local_state_that_was_rolled_back_is_noticed_and_mended(place, local, before, says):
    place = dataclasses.replace(place, backend=StateBackend.LOCAL)
    if local:
        keep(place.file, local.content)
    keep(backup_of(place.file), before.content)
    problems = list(map(str, Homes.of(place).problems(place)))
    assert len(problems) == bool(says)
    if says:
        assert says in problems[0] and str(before) in problems[0]
        mender(place)[0]._mend_local(before)
        assert Snapshot.read(place.file) == before
        assert not list(Homes.of(place).problems(place))
        assert len(list(place.file.parent.glob("*.broken-*"))) == bool(local)


def test_a_deploy_beside_the_state_is_refused(place):
    put(place, snapshot())
    with pytest.raises(TapError, match="STATE_BACKEND says local"):
        check_deployed(dataclasses.replace(place, backend=StateBackend.LOCAL))
    assert check_deployed(place).settled
    Bucket(place).empty()
    with pytest.raises(TapError, match="no state in its bucket yet"):
        check_deployed(place)


# writing


def test_a_write_takes_the_place_of_what_was_read_alone(place):
    bucket, late = Bucket(place), Bucket(place)
    assert bucket.read() is None and late.read() is None
    bucket.write(snapshot(1))
    with pytest.raises(TapError, match="somebody else has just written"):
        late.write(snapshot(5))
    assert bucket.read() == snapshot(1)
    bucket.write(snapshot(2))
    assert bucket.read() == snapshot(2)


def test_the_digest_goes_with_the_state(place):
    bucket = Bucket(place)
    bucket.read()
    bucket.write(snapshot(1))
    assert bucket.digest() == snapshot(1).digest
    bucket.remove()
    assert bucket.digest() is None


def test_without_the_table_no_digest_is_kept(tmp_path):
    bucket = Bucket(make_place(tmp_path, StateLock.LOCKFILE))
    bucket.read()
    bucket.write(snapshot(1))
    assert bucket.digest() is None


def test_kept_files_are_private_and_whole(tmp_path):
    file = tmp_path / "state"
    keep(file, b"one")
    keep(file, b"two")
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_emptied_a_bucket_has_no_version_left(place):
    for serial in range(3):
        put(place, snapshot(serial))
    s3 = place.client("s3")
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert Bucket(place).empty() == 4
    s3.delete_bucket(Bucket=BUCKET)
    assert not Bucket(place).exists()


# the versions


def versions(*states):
    """The newest first; None marks a deletion."""
    now = datetime.now(UTC)
    return [
        Version(id=str(age), written=now - timedelta(hours=age), snapshot=state)
        for age, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("kept", "newest"),
    [
        ([], None),
        ([None], None),
        ([BROKEN], None),
        ([None, snapshot(3), snapshot(2)], 3),
        ([BROKEN, snapshot(3), snapshot(2)], 3),
        ([snapshot(1), snapshot(3), snapshot(2), snapshot(1)], 3),
        ([snapshot(4, "two"), snapshot(9, "one")], 4),
    ],
)
def test_the_newest_version_is_of_the_last_lineage_the_highest_serial(kept, newest):
    found = newest_of(versions(*kept))
    assert (found and found.serial) == newest


def test_a_state_that_has_gone_on_from_an_older_one_is_not_rolled_back():
    rolled = versions(snapshot(1), snapshot(3), snapshot(2), snapshot(1))
    gone_on = versions(snapshot(2, resources=9), snapshot(1), snapshot(3), snapshot(2), snapshot(1))
    assert rolled_back(snapshot(1), snapshot(3), rolled)
    assert not rolled_back(snapshot(2, resources=9), snapshot(3), gone_on)
    assert not rolled_back(snapshot(3), snapshot(3), versions(snapshot(3), snapshot(2)))


def test_versions_come_newest_first_with_deletions(place):
    for serial in (1, 2):
        put(place, snapshot(serial))
    place.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    place.client("s3").put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=b"{}")
    found = [each.snapshot and each.snapshot.serial for each in Bucket(place).versions()]
    assert found == [None, 2, 1]


# the lock


@pytest.mark.parametrize("lock", StateLock)
def test_one_holds_it_at_a_time(tmp_path, lock):
    place = make_place(tmp_path, lock)
    with Locks(place).hold("first"):
        (held,) = Locks(place).held()
        assert held.operation == "first"
        assert len(held.where) == (2 if lock is StateLock.BOTH else 1)
        with pytest.raises(Locked, match=held.id) as raised, Locks(place).hold("second"):
            pass
        assert f"unlock {held.id}" in raised.value.hint
    assert not Locks(place).held()


@pytest.mark.parametrize("lock", StateLock)
def test_of_two_who_saw_it_free_one_gets_it(tmp_path, lock, monkeypatch):
    """The second asks when both have looked: AWS has to refuse it, and nothing of it is left."""
    place = make_place(tmp_path, lock)
    late = Locks(place)
    looked = []

    def look_once():
        if looked:
            Locks.check_free(late)
        looked.append(True)

    monkeypatch.setattr(late, "check_free", look_once)
    with Locks(place).hold("first"):
        with pytest.raises(Locked, match="first"), late.hold("second"):
            pass
        (held,) = Locks(place).held()
        assert held.operation == "first"


def test_it_is_let_go_of_when_what_it_was_for_fails(place):
    with pytest.raises(ZeroDivisionError), Locks(place).hold("test"):
        raise ZeroDivisionError
    assert not Locks(place).held()


def test_a_lock_is_released_by_its_own_id(place):
    with Locks(place).hold("test"):
        (held,) = Locks(place).held()
        assert not Locks(place).release("another")
        with pytest.raises(TapError, match=f"no lock has the id another.*{held.id}"):
            release(place, "another", print)
        told = []
        release(place, held.id, told.append)
        assert held.who in told[0]
        assert not Locks(place).held()
    with pytest.raises(TapError, match="nobody holds the state"):
        release(place, held.id, print)


def test_a_lock_that_somebody_else_has_taken_meanwhile_stays(place):
    """Released by another, and taken by a third, between our look and our deletion."""
    locks, s3 = Locks(place), place.client("s3")
    s3.put_object(Bucket=BUCKET, Key=place.lock_key, Body=b'{"ID": "dead"}')
    look = locks._item

    def look_late():
        s3.put_object(Bucket=BUCKET, Key=place.lock_key, Body=b'{"ID": "alive"}')
        return look()

    locks._item = look_late
    with pytest.raises(TapError, match="PreconditionFailed"):
        locks.release("dead")
    assert [lock.id for lock in Locks(place).held()] == ["alive"]


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no such user")])
def test_without_a_name_the_user_s_number_holds_it(place, monkeypatch, error):
    monkeypatch.setattr("getpass.getuser", Mock(side_effect=error))
    with Locks(place).hold("test"):
        assert Locks(place).held()[0].who.startswith(f"uid {os.getuid()}@")


def test_two_backups_in_one_second_are_two(place):
    kept = {backup(place, snapshot(serial)) for serial in (1, 2)}
    assert {file.read_bytes() for file in kept} == {snapshot(1).content, snapshot(2).content}


def test_what_terraform_wrote_is_read(place):
    info = {"ID": "8f2a", "Who": "ann@ci", "Operation": "OperationTypeApply", "Created": "today"}
    place.client("s3").put_object(Bucket=BUCKET, Key=place.lock_key, Body=json.dumps(info).encode())
    assert Locks(place).held() == [
        Lock("8f2a", "ann@ci", "today", "OperationTypeApply", ("lock file",))
    ]


def test_a_lock_that_cannot_be_read_is_a_lock(place):
    place.client("s3").put_object(Bucket=BUCKET, Key=place.lock_key, Body=b"?")
    (held,) = Locks(place).held()
    release(place, held.id, print)
    assert not Locks(place).held()


def test_a_table_that_one_may_not_read_is_no_lock_where_it_is_not_used(tmp_path):
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetItem")
    for lock, fine in ((StateLock.LOCKFILE, True), (StateLock.BOTH, False)):
        locks = Locks(make_place(tmp_path / lock, lock, bucket=lock is StateLock.LOCKFILE))
        locks._database = Mock()
        locks._database.get_item.side_effect = denied
        if fine:
            assert not locks.held()
        else:
            with pytest.raises(TapError, match="AccessDenied"):
                locks.held()


# the policy


@pytest.mark.parametrize("lock", StateLock)
@pytest.mark.parametrize("operate", [False, True])
def test_the_policy_allows_that_and_no_more(tmp_path, lock, operate):
    place = make_place(tmp_path, lock, bucket=False)
    bucket = f"arn:aws:s3:::{BUCKET}"
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
    place = dataclasses.replace(place, account_id=ACCOUNT)
    allowed = {
        ("s3:ListBucket", bucket),
        ("s3:ListBucketVersions", bucket),
        *((f"s3:{verb}", f"{bucket}/{KEY}") for verb in ("GetObject", "PutObject")),
        ("s3:GetObjectVersion", f"{bucket}/{KEY}"),
    }
    if operate:
        allowed.add(("s3:DeleteObject", f"{bucket}/{KEY}"))
    if lock is not StateLock.DYNAMODB:
        verbs = ("GetObject", "PutObject", "DeleteObject")
        allowed |= {(f"s3:{verb}", f"{bucket}/{KEY}.tflock") for verb in verbs}
    if lock is not StateLock.LOCKFILE:
        allowed |= {(f"dynamodb:{verb}Item", table) for verb in ("Get", "Put", "Delete")}
    policy = IAMPolicy({"policy_document": json.dumps(policy_of(place, operate=operate))})
    verbs = {action for action, _ in allowed} | {
        *("s3:DeleteObjectVersion", "s3:DeleteBucket", "s3:PutBucketPolicy", "s3:DeleteObject"),
        *("dynamodb:DeleteTable", "dynamodb:Scan", "dynamodb:PutItem"),
    }
    others = (f"{bucket}/tap-prod-qa1/terraform.tfstate", "arn:aws:s3:::other", f"{table}2")
    for action in verbs:
        for resource in (bucket, f"{bucket}/{KEY}", f"{bucket}/{KEY}.tflock", table, *others):
            permitted = policy.is_action_permitted(action, resource) is PermissionResult.PERMITTED
            assert permitted == ((action, resource) in allowed), (action, resource)


# teardown


def test_production_loses_each_of_its_protections(shipped):
    stack = shipped("prod")
    state_bucket = next(r.address for r in stack.resources if r.path == "state/bucket")
    override = unprotected(stack.document, [state_bucket])["resource"]
    kept = {
        resource.address
        for resource in stack.resources
        if any("protection" in name and value is True for name, value in resource.values.items())
        or (resource.get("lifecycle") or {}).get("prevent_destroy")
        or resource.get("force_destroy") is False
    }
    assert len(kept) >= 5
    assert {f"{type_}.{name}" for type_, entries in override.items() for name in entries} == kept
    for entries in override.values():
        for changes in entries.values():
            assert not changes.pop("lifecycle", {}).get("prevent_destroy")
            assert changes == {name: name == "force_destroy" for name in changes}
    assert not unprotected(shipped("dev").document, [])


def test_production_s_logs_go_with_it_and_its_state_when_it_is_alone(shipped):
    stack = shipped("prod")
    state, logs = stack.at("state/bucket"), stack.at("access_logs/bucket")
    buckets = unprotected(stack.document, [state.address])["resource"]["aws_s3_bucket"]
    forced = {f"aws_s3_bucket.{name}": "force_destroy" in each for name, each in buckets.items()}
    assert forced == {state.address: False, logs.address: True}


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_last_snapshot_gets_its_name_when_it_is_made(synthesize, name):
    """An adopted database has none, and the provider deletes no database without."""
    stack = synthesize(name, database={"final_snapshot": True})
    (override,) = unprotected(stack.document, [])["resource"]["aws_db_instance"].values()
    ignored = stack.at("database/instance")["lifecycle"]["ignore_changes"]
    rest = [name for name in ignored if name != "final_snapshot_identifier"]
    assert rest != ignored
    assert override["lifecycle"]["ignore_changes"] == rest


def test_tap_s_own_constructs_are_all_that_the_stacks_have(shipped):
    """What stands elsewhere is a team's own, and a teardown takes no protection off it."""
    made = {r.path.split("/")[0] for name in BY_NAME for r in shipped(name).resources}
    assert made == OWN_CONSTRUCTS


UPLOADS = "aws_s3_bucket.uploads_0A1B"
GOES = {"actions": ["delete"], "before": {"bucket": "uploads"}, "after": None}


@pytest.fixture(name="uploads")
def _uploads(synthesized, shipped, tmp_path, monkeypatch, state):
    """dev with a bucket that the team has added; returns what runs its teardown, and Terraform's
    log."""
    log = played(tmp_path, monkeypatch)
    place, document = synthesized, json.loads(json.dumps(shipped("dev").document))
    own = {"//": {"metadata": {"path": "tap-dev-qa1/uploads/bucket"}}, "force_destroy": False}
    document["resource"]["aws_s3_bucket"]["uploads_0A1B"] = own | {"bucket": "uploads"}
    (place.folder / "cdk.tf.json").write_text(json.dumps(document))
    type_, name = UPLOADS.split(".")
    instances = [{"attributes": {"bucket": "uploads"}}]
    listed = [{"mode": "managed", "type": type_, "name": name, "instances": instances}]
    keep(place.file, Snapshot(json.dumps(STATE | {"resources": listed}).encode()).content)
    entry = {"address": UPLOADS, "type": type_, "mode": "managed", "change": GOES}
    plan = {"format_version": "1.2", "planned_values": {}, "resource_changes": [entry]}
    log.answers(plan=json.dumps(plan))
    place.client("s3").delete_bucket(Bucket=BUCKET)
    place.client("s3").create_bucket(Bucket="uploads")
    named = ["--skip-synth", "--yes-destroy", "tap-dev-qa1"]
    return lambda *more: state("teardown", *named, *more), log, place


def test_what_a_team_has_added_stops_a_teardown_by_its_name(uploads):
    teardown, log, place = uploads
    code, _, told = teardown()
    assert code == 2
    assert f"{UPLOADS} would be deleted" in told and f"--allow {UPLOADS}" in told
    place.client("s3").put_object(Bucket="uploads", Key="photo", Body=b"")
    code, _, told = teardown("--allow", UPLOADS)
    assert code == 2 and f"objects are in it: {UPLOADS} (uploads)" in told
    assert "apply" not in [verb for _, verb in log.verbs()]
    assert "uploads_0A1B" not in str(unprotected(document_of(place), []))


def test_what_is_named_and_empty_goes(uploads):
    teardown, log, place = uploads
    assert teardown("--allow", UPLOADS)[0] == 0
    assert [verb for _, verb in log.verbs()].count("apply") == 2
    assert {"teardown_override.tf.json", "state_override.tf.json"} <= log.files("apply")
    left = {file.name for file in place.folder.iterdir()}
    assert left == {"cdk.tf.json"}, "a deploy takes nothing of a teardown along"


def test_log_groups_that_aws_makes_again_are_deleted(place):
    logs = place.client("logs")
    listed = [
        {"type": "aws_ecs_cluster", "instances": [{"attributes": {"name": "dev-qa1"}}]},
        {"type": "aws_db_instance", "instances": [{"attributes": {"identifier": "dev-db"}}]},
    ]
    document = STATE | {"resources": [{"mode": "managed", "name": "x", **each} for each in listed]}
    again = [
        "/aws/ecs/containerinsights/dev-qa1/performance",
        "/aws/rds/instance/dev-db/postgresql",
    ]
    for group in (*again, "RDSOSMetrics", "/aws/ecs/containerinsights/dev-qa10/performance"):
        logs.create_log_group(logGroupName=group)
    found = made_again(Snapshot(json.dumps(document).encode()))
    assert list(delete_made_again(place, found)) == again
    left = {each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]}
    assert left == {"RDSOSMetrics", "/aws/ecs/containerinsights/dev-qa10/performance"}


def test_older_versions_of_somebody_else_s_are_told_before_they_go(place):
    s3 = place.client("s3")
    s3.put_object(Bucket=BUCKET, Key="tap-dev-two/terraform.tfstate", Body=b"{}")
    s3.delete_object(Bucket=BUCKET, Key="tap-dev-two/terraform.tfstate")
    put(place, snapshot())
    assert Bucket(place).others() == []
    assert Bucket(place).kept_of_others() == ["tap-dev-two/terraform.tfstate"]


def test_another_stack_s_state_is_named(place):
    put(place, snapshot())
    check_alone(place)
    place.client("s3").put_object(Bucket=BUCKET, Key="tap-dev-two/terraform.tfstate", Body=b"{}")
    with pytest.raises(TapError, match="also holds tap-dev-two/terraform.tfstate"):
        check_alone(place)


@pytest.mark.parametrize(
    ("named", "typed", "goes"),
    [
        (["tap-dev-qa1"], None, True),
        (["tap-prod-qa1"], None, False),
        ([], None, False),
        ([], "tap-dev-qa1", True),
        ([], "yes", False),
        ([], "", False),
    ],
)
def test_a_stack_goes_only_when_it_is_named(synthesized, monkeypatch, named, typed, goes):
    place = synthesized
    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: typed is not None))
    monkeypatch.setattr("builtins.input", lambda _prompt: typed)
    if goes:
        commands.confirm_teardown(place, named)
    else:
        with pytest.raises(TapError, match="nothing was destroyed"):
            commands.confirm_teardown(place, named)


# recovery: what Terraform has no part in


UNSAVED = "errored.tfstate"


def left_by(place, state, where="runs/tap-dev-qa1@1"):
    """A state that Terraform could not save."""
    file = place.output / where / UNSAVED
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(state.content)
    return file


def mender(place, *, dry_run=False):
    """A mender, and what it tells."""
    told = []
    return Mender(place, {}, told.append, dry_run=dry_run), told


def test_a_dry_run_says_what_it_would_do_and_does_nothing(synthesized):
    place = synthesized
    put(place, snapshot(3))
    place.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    unsaved = left_by(place, snapshot(4))
    mend, told = mender(place, dry_run=True)
    assert mend.mend() is None
    assert told[0].startswith("would be done: the state in")
    assert "serial 3" in told[0] and "was deleted" in told[0]
    assert Bucket(place).read() is None
    assert unsaved.exists()


@pytest.mark.parametrize("content", [BROKEN.content, b""])
def test_a_local_state_that_was_cut_short_gets_its_backup(place, content):
    """Terraform empties the file before it writes: killed in between, it leaves an empty one."""
    place.file.write_bytes(content)
    keep(place.file.with_name(f"{place.file.name}.backup"), snapshot(2).content)
    told = []
    mend_file(place, doing(told.append))
    assert Snapshot.read(place.file) == snapshot(2)
    (broken,) = place.file.parent.glob("*.broken-*")
    assert broken.read_bytes() == content
    assert broken.name in told[0]


@pytest.mark.parametrize(
    ("unsaved", "saved", "pushed"),
    [
        (snapshot(3), snapshot(2), True),
        (snapshot(2), snapshot(3), False),
        (snapshot(3, "two"), snapshot(2), False),
        (snapshot(2), snapshot(2), False),
        (BROKEN, snapshot(2), False),
    ],
)
def test_what_was_not_saved_is_pushed_only_when_it_is_the_newest(place, unsaved, saved, pushed):
    put(place, saved)
    file = left_by(place, unsaved)
    terraform = Mock()
    mender(place)[0]._save(file, terraform)
    assert terraform.push.called == pushed
    assert not file.exists()
    (kept,) = place.file.parent.glob("*.kept")
    assert kept.read_bytes() == unsaved.content


def test_what_was_not_saved_is_the_state_where_there_is_none(place):
    file = left_by(place, snapshot(1))
    mender(place)[0]._save(file, Mock())
    assert Bucket(place).read() == snapshot(1)
    assert not file.exists()


def test_with_a_local_state_it_is_the_local_one(place):
    local = dataclasses.replace(place, backend=StateBackend.LOCAL)
    mender(local)[0]._save(left_by(place, snapshot(1)), Mock())
    assert Snapshot.read(place.file) == snapshot(1)
    assert Bucket(place).read() is None


def test_without_a_whole_version_it_is_begun_anew(place):
    put(place, BROKEN)
    mender(place)[0]._mend_object()
    assert Bucket(place).read() is None
    assert Bucket(place).digest() is None


# the commands


@pytest.fixture(name="state")
def _state(tmp_path, monkeypatch, capsys):
    """Runs ``ops state`` for a copy of dev; returns its exit code, output and errors."""
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "qa1")

    def run(*arguments):
        code = main(["state", *arguments, "--output", str(tmp_path / "cdktf.out")])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_status_of_nothing(state):
    code, printed, _ = state("status")
    assert code == 0
    assert "the bucket isn't there" in printed and "lock     nobody" in printed


def test_status_tells_where_and_what_and_who(place, state):
    put(place, snapshot(7))
    with Locks(place).hold("a test"):
        (held,) = Locks(place).held()
        code, printed, _ = state("status")
    assert code == 0
    assert f"s3://{BUCKET}/{KEY}: serial 7, lineage one, 2 resources" in printed
    assert held.id in printed and held.who in printed and "a test" in printed


def test_status_for_machines(place, state):
    put(place, snapshot(7))
    keep(place.file, snapshot(8).content)
    code, printed, _ = state("status", "--json")
    record = json.loads(printed)
    assert code == 1
    assert record["remote"] == {"whole": True, "serial": 7, "lineage": "one", "resources": 2}
    assert record["local"]["serial"] == 8
    assert "two states" in record["problems"][0]


def test_status_tells_of_a_roll_back_and_of_what_was_not_saved(place):
    for serial in (1, 2, 1):
        put(place, snapshot(serial))
    files = [left_by(place, snapshot(3), f"{each}/tap-dev-qa1") for each in ("stacks", "plans")]
    files.append(left_by(place, snapshot(3)))
    left_by(place, snapshot(3), "runs/tap-dev-qa10@1")  # another stack's
    *unsaved, rolled = Status.of(place).problems
    assert "rolled back: the bucket had serial 2" in rolled
    assert all(str(file) in told for file, told in zip(files, unsaved, strict=True))


def test_status_tells_of_a_digest_that_terraform_will_refuse(place):
    put(place, snapshot(1))
    Bucket(place).note_digest(snapshot(2))
    (problem,) = Status.of(place).problems
    assert "expects another state" in problem


def test_unlock_without_an_id_shows_the_owner_and_does_nothing(place, state):
    with Locks(place).hold("a test"):
        (held,) = Locks(place).held()
        code, printed, _ = state("unlock")
        assert code == 1
        assert held.id in printed and held.who in printed
        assert Locks(place).held() == [held]
        assert state("unlock", held.id)[0] == 0
        assert not Locks(place).held()


def test_a_lock_is_one_stack_s(state, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    code, _, told = state("unlock", "8f2a")
    assert code == 2 and "name one ENVIRONMENT" in told


def test_the_policy_is_json(state):
    code, printed, _ = state("policy")
    assert code == 0
    assert json.loads(printed)["Statement"]


@pytest.mark.parametrize(
    "case",
    [
        (snapshot(7), None, "s3", 0, "there already: serial 7"),
        (None, snapshot(7), "local", 0, "there already: serial 7"),
        (None, None, "s3", 2, "no state to move"),
        (snapshot(1), snapshot(2), "s3", 2, "two states"),
        (BROKEN, None, "local", 2, "cut short"),
    ],
)
def test_what_needs_no_move_or_cannot_be_moved(synthesized, state, case):
    remote, local, to, code, says = case
    place = synthesized
    if remote:
        put(place, remote)
    if local:
        keep(place.file, local.content)
    got, printed, told = state("migrate", "--to", to, "--skip-synth")
    assert got == code and says in printed + told
    assert Bucket(place).read() == remote
    assert Snapshot.read(place.file) == local


@pytest.mark.parametrize("verb", ["bootstrap", "recover", "teardown"])
def test_without_a_synthesized_stack_nothing_is_begun(state, verb):
    code, _, told = state(verb, "--skip-synth")
    assert code == 2 and "is not synthesized" in told


def test_an_unknown_argument_is_named(state):
    code, _, told = state("status", "--jsn")
    assert code == 2 and "--jsn" in told
