"""The first deploy: the bucket and the lock table, their state in the local file, which moves in.

Read from what is there: after a crash at any step it goes on, and once done it does nothing.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from lib.errors import TapError
from ops import guard
from ops.aws import code_of
from ops.recover import recover
from ops.state.check import check
from ops.state.homes import GONE
from ops.state.mend import doing, mend_file
from ops.state.move import move_in
from ops.state.place import Place, told
from ops.state.terraform import Terraform

SLOW = "aws_s3_bucket_lifecycle_configuration."


def bootstrap(place: Place, environ: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Make the bucket and the table, and move the state in.

    The stack has to be synthesized. Raises ``TapError``, and may then be run again.
    """
    mend_file(place, doing(tell))
    homes = check(place)
    with Terraform(place, environ) as terraform:
        if homes.remote is None:
            tell(f"{place.stack}: first the bucket {place.bucket} and the lock table {place.table}")
            terraform.init(local=True)
            if homes.bucket_exists or _table_exists(place):
                # Killed in the middle of this, maybe before Terraform could note what it had made.
                for line in recover(terraform, place.session, tell=tell).lines():
                    tell(line)
            # The provider watches a lifecycle for a minute: that can be done beside the rest.
            own = [each for each in own_addresses(place) if not each.startswith(SLOW)]
            terraform.change(_objection, targets=own)
        if homes.remote is None or homes.local:
            move_in(place, terraform, tell)


def _objection(plan: Mapping[str, Any]) -> TapError | None:
    """Nothing goes when the bucket is made."""
    refused = guard.judged(plan).refused
    if not refused:
        return None
    return TapError("\n".join(map(str, refused)), hint="deploy the config that was deployed last")


def _table_exists(place: Place) -> bool:
    with told():
        try:
            place.client("dynamodb").describe_table(TableName=place.table)
        except ClientError as error:
            if code_of(error) in GONE:
                return False
            raise
    return True


def document_of(place: Place) -> Mapping[str, Any]:
    """The synthesized stack."""
    return json.loads((place.folder / "cdk.tf.json").read_text(encoding="utf-8"))


def own_addresses(place: Place) -> list[str]:
    """The bucket, the lock table and what belongs to them: the construct ``state`` of the stack."""
    return [
        f"{type_}.{name}"
        for type_, entries in document_of(place)["resource"].items()
        for name, arguments in entries.items()
        if arguments["//"]["metadata"]["path"].startswith(f"{place.stack}/state/")
    ]
