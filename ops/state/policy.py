"""The least that a role needs for the state: to deploy, or to do all that ``ops state`` does.

What it needs to make the stack's resources, the bucket and the table among them, is another matter.

https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
"""

from collections.abc import Iterator
from typing import Any

from lib.config.aws_limits import partition_of
from ops.state.place import Place


def policy_of(place: Place, *, operate: bool = False) -> dict[str, Any]:
    """An IAM policy document; with ``operate`` also for moving the state out of the bucket."""
    region = str(place.session.region_name)
    partition = partition_of(region)
    bucket = f"arn:{partition}:s3:::{place.bucket}"
    table = f"arn:{partition}:dynamodb:{region}:{place.account_id or '*'}:table/{place.table}"
    return {
        "Version": "2012-10-17",
        "Statement": list(_statements(place, bucket, table, operate=operate)),
    }


def _statements(
    place: Place, bucket: str, table: str, *, operate: bool
) -> Iterator[dict[str, Any]]:
    # Versions: to tell a state that was deleted from one that was never there.
    yield _allow("Bucket", ["s3:ListBucket", "s3:ListBucketVersions"], bucket)
    state = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    yield _allow(
        "State", [*state, *(["s3:DeleteObject"] if operate else [])], _at(bucket, place.key)
    )
    if place.uses_lock_file:
        lock = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        yield _allow("LockFile", lock, _at(bucket, place.lock_key))
    if place.uses_lock_table:
        items = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
        yield _allow("LockTable", items, table)


def _at(bucket: str, key: str) -> str:
    return f"{bucket}/{key}"


def _allow(sid: str, actions: list[str], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resource}
