"""What ``ops state policy`` writes is what Terraform and ``ops`` call for, no more and no less.

The emulator has no policy simulator: the calls that are really made are held against the policy.
"""

import json
from urllib.parse import urlsplit

import pytest

from lib.config.environment_config import StateLock
from ops.state.homes import Bucket, Homes
from ops.state.mend import Mender
from ops.state.move import move_home, move_in
from ops.state.policy import policy_of
from tests.e2e.places import REGION, Small, emulator

S3_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "HeadObject": "GetObject",
}
VERBS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


@pytest.fixture(scope="module", name="cloud")
def _cloud(tmp_path_factory):
    with emulator(tmp_path_factory.mktemp("policy")) as started:
        yield started


@pytest.fixture(name="small", params=StateLock)
def _small(request, cloud, tmp_path):
    return Small(cloud, tmp_path, request.param)


def granted(small, **options):
    """The pairs of action and resource that the policy allows."""
    return {
        (action, each["Resource"])
        for each in policy_of(small.place, **options)["Statement"]
        for action in each["Action"]
    }


def resources(small):
    """ARNs by what a call names."""
    place = small.place
    bucket = f"arn:aws:s3:::{place.bucket}"
    return {
        f"/{place.bucket}": bucket,
        f"/{place.bucket}/{place.key}": f"{bucket}/{place.key}",
        f"/{place.bucket}/{place.lock_key}": f"{bucket}/{place.lock_key}",
        "dynamodb": f"arn:aws:dynamodb:{REGION}:*:table/{place.table}",
    }


def by_terraform(small):
    """What init, apply and output call."""
    arns, log = resources(small), small.cloud.log
    before = len(log.read_text().splitlines())
    small.terraform.init(local=False)
    small.apply("1")
    small.apply("2")
    called = set()
    for line in log.read_text().splitlines()[before:]:
        call = json.loads(line)
        if call["service"] == "dynamodb":
            called.add((f"dynamodb:{call['action']}", arns["dynamodb"]))
        elif call["service"] == "s3":
            verb, path = call["action"].split(" ")
            action = "ListBucket" if path.count("/") == 1 else VERBS[verb]
            called.add((f"s3:{action}", arns[path]))
    return called


def by_ops(small, function):
    """What a function of ``ops state`` calls in the places that the config names."""
    arns, called = resources(small), set()

    def note(model, params, **_):
        if model.service_model.service_name == "dynamodb":
            if small.place.uses_lock_table:
                called.add((f"dynamodb:{model.name}", arns["dynamodb"]))
            return
        action = str(S3_ACTIONS.get(model.name, model.name))
        action += "Version" * ("versionId" in params["query_string"])
        path = urlsplit(params["url"]).path
        if small.place.uses_lock_file or path != f"/{small.place.bucket}/{small.place.lock_key}":
            called.add((f"s3:{action}", arns[path]))

    for client in (small.s3, small.database):
        client.meta.events.register("before-call", note)
    try:
        function()
    finally:
        for client in (small.s3, small.database):
            client.meta.events.unregister("before-call", note)
    return called


def test_deploying_calls_for_it_to_the_word(small):
    """Terraform, and ``ops cdktf deploy`` before it: also where it finds the state deleted."""
    called = by_terraform(small)
    moved_home = by_ops(small, lambda: move_home(small.place, small.terraform, print))
    assert (
        "s3:DeleteObject",
        resources(small)[f"/{small.place.bucket}/{small.place.key}"],
    ) in moved_home
    called |= by_ops(small, lambda: Homes.of(small.place))
    called |= by_ops(small, lambda: move_in(small.place, small.terraform, print))
    assert called == granted(small)


def test_operating_calls_for_one_thing_more(small):
    called = by_terraform(small)
    called |= by_ops(small, lambda: move_home(small.place, small.terraform, print))
    called |= by_ops(small, lambda: move_in(small.place, small.terraform, print))
    Bucket(small.place).remove()
    mender = Mender(small.place, small.environ, print, dry_run=False)
    called |= by_ops(small, mender._mend_object)  # pylint: disable=protected-access
    assert called == granted(small, operate=True)
