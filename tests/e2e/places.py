"""Small stacks whose state can be anywhere: how state moves does not depend on what it holds."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.config.environment_config import StateLock
from ops.emulator import Emulator
from ops.state.homes import Bucket, Snapshot
from ops.state.place import Place
from ops.state.terraform import Terraform

REGION = "us-east-1"
STACK = "tap-dev-small"


@contextmanager
def emulator(folder: Path, **environ: str) -> Iterator[Emulator]:
    """An emulated account."""
    with Emulator(folder / "emulator.log", {**os.environ, **environ}) as started:
        yield started


def forked(function: Callable[[], object]) -> int:
    """Call a function in a process of its own, in a process group of its own; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        function()
        code = 0
    except BaseException:  # pylint: disable=broad-exception-caught
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def certain(snapshot: Snapshot | None) -> Snapshot:
    """A state that has to be there, and whole."""
    assert snapshot and snapshot.whole
    return snapshot


class Small:
    """A stack without any AWS resource, in a bucket that is there already.

    It has one thing, ``n``. An apply that is to hold the lock waits until ``gate`` is there; two at
    once at the gate is what a lock keeps from happening, and fails.
    """

    def __init__(self, cloud: Emulator, folder: Path, lock: StateLock) -> None:
        self.cloud = cloud
        self.gate = folder / "gate"
        name = f"small-{lock}-{abs(hash(folder)) % 10**8}"
        self.place = Place(
            stack=STACK,
            folder=folder / "cdktf.out" / "stacks" / STACK,
            file=folder / f"terraform.{STACK}.tfstate",
            bucket=name,
            key=f"{STACK}/terraform.tfstate",
            table=name,
            lock=lock,
            session=cloud.session(REGION),
        )
        self.place.folder.mkdir(parents=True)
        self.terraform: Terraform
        self.write(self.document())
        self.s3 = self.place.client("s3")
        self.database = self.place.client("dynamodb")
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self.database.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    @property
    def environ(self) -> dict[str, str]:
        """What Terraform needs."""
        return self.cloud.environ(REGION) | {"CHECKPOINT_DISABLE": "1"}

    def document(self) -> dict[str, Any]:
        """The stack."""
        place = self.place
        backend: dict[str, Any] = {
            "bucket": place.bucket,
            "key": place.key,
            "region": REGION,
            "encrypt": True,
        }
        if place.uses_lock_file:
            backend["use_lockfile"] = True
        if place.uses_lock_table:
            backend["dynamodb_table"] = place.table
        inside = f"{self.gate}.inside"
        # Checks, whose results Terraform writes in another order each time.
        condition = {"condition": '${var.n != ""}', "error_message": "no number"}
        checked = {
            f"checked{each}": {"value": each, "precondition": condition} for each in range(9)
        }
        wait = f"mkdir {inside} && until [ -e {self.gate} ]; do sleep 0.05; done; rmdir {inside}"
        return {
            "terraform": {"backend": {"s3": backend}},
            "variable": {"n": {"default": "0"}, "wait": {"default": "true"}},
            "resource": {
                "terraform_data": {
                    "n": {
                        "input": "${var.n}",
                        "triggers_replace": "${var.n}",
                        "provisioner": [
                            {"local-exec": {"command": f"if ${{var.wait}}; then {wait}; fi"}}
                        ],
                    }
                }
            },
            "output": {"n": {"value": "${terraform_data.n.output}"}} | checked,
        }

    def write(self, document: Mapping[str, Any]) -> None:
        """Put this in the stack's place."""
        (self.place.folder / "cdk.tf.json").write_text(json.dumps(document))
        self.terraform = Terraform(self.place, self.environ)

    def applying(self, n: str, *, wait: bool, folder: Path | None = None) -> subprocess.Popen[str]:
        """An apply that has been started."""
        variables = [f"-var=n={n}", f"-var=wait={str(wait).lower()}"]
        return subprocess.Popen(
            ["terraform", "apply", "-auto-approve", "-no-color", *variables],
            cwd=folder or self.terraform.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def apply(self, n: str) -> str:
        """An apply to its end, which has to be good; returns what it printed."""
        with self.applying(n, wait=False) as process:
            printed, _ = process.communicate()
        assert process.returncode == 0, printed
        return printed

    def state(self) -> Snapshot:
        """What is in the bucket."""
        return certain(Bucket(self.place).read())
