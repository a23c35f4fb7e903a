"""Where the state is, whether anybody holds its lock, and what is wrong with it."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from lib.config.environment_config import StateBackend
from ops.aws import code_of
from ops.cdktf_cli import OUTPUT
from ops.checkup import Check, Finding, Subject, failed, passed, warning
from ops.state.place import Place, place_of
from ops.state.status import Status


def _state(subject: Subject) -> Iterator[Finding]:
    place = place_of(
        subject.config, subject.naming.environment_suffix, OUTPUT, session=subject.session
    )
    status = Status.of(place)
    homes = status.homes
    if homes.remote:
        yield passed(f"in s3://{place.bucket}/{place.key}: {homes.remote}")
    if homes.local:
        yield passed(f"in {place.file.name}: {homes.local}")
    if subject.config.state.backend is StateBackend.LOCAL:
        if not homes.local and not homes.remote:
            yield passed(f"none yet; the first deploy makes {place.file.name}")
    elif not homes.bucket_exists:
        yield warning(
            f"there is no bucket {place.bucket}",
            "the state's bucket and lock table",
            "npm run cdktf:deploy makes them first; pipenv run state bootstrap makes them alone",
        )
    elif not homes.remote and not homes.local:
        yield passed(f"none yet in {place.bucket}")
    if homes.bucket_exists:
        yield from _table(subject, place)
    yield from _lock(status)
    for problem in status.problems:
        yield failed(problem, "one whole state", "docs/runbook.md")


def _table(subject: Subject, place: Place) -> Iterator[Finding]:
    try:
        subject.client("dynamodb").describe_table(TableName=place.table)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        found = f"there is no table {place.table}"
        fix = "pipenv run state bootstrap makes it"
        if place.uses_lock_table and subject.config.state.backend is StateBackend.S3:
            yield failed(found, "the state's lock table", fix)
        else:
            yield warning(found, "the state's lock table, which the stack has", fix)


def _lock(status: Status) -> Iterator[Finding]:
    for lock in status.locks:
        yield failed(
            f"locked by {lock}",
            "nobody at work on it",
            f"wait for its end; if it is dead for certain: pipenv run state unlock {lock.id}",
        )
    if not status.locks:
        yield passed("nobody holds the lock")


CHECKS = (Check("state", _state),)
