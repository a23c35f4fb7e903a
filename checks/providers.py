"""``checks providers``: ``.terraform.lock.hcl``, with the AWS provider's hashes on each platform.

Terraform asks the registry that the provider comes from for them, never a mirror, and refuses where
one of the hashes in the file is another today.
https://developer.hashicorp.com/terraform/cli/commands/providers/lock
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.lock_files import ROOT
from lib.errors import FailedError

LOCK = ROOT / ".terraform.lock.hcl"
PLATFORMS = ("darwin_arm64", "linux_amd64", "linux_arm64")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("providers", help="lock the AWS provider by its hashes")
    parser.set_defaults(run=lambda options: run(LOCK, required_providers()))


def run(lock: Path, wanted: Mapping[str, Any], terraform: str = "terraform") -> int:
    """Write the lock file; 0. Raises ``FailedError`` where the registry doesn't answer."""
    with tempfile.TemporaryDirectory(prefix="tap-providers-") as folder:
        document = {"terraform": {"required_providers": wanted}}
        Path(folder, "providers.tf.json").write_text(json.dumps(document), encoding="utf-8")
        if lock.exists():
            shutil.copy(lock, folder)
        platforms = [f"-platform={platform}" for platform in PLATFORMS]
        done = subprocess.run(
            [terraform, f"-chdir={folder}", "providers", "lock", *platforms],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise FailedError(
                f"the provider's hashes are not to be had:\n{done.stderr.strip()}",
                hint="run it where registry.terraform.io answers",
            )
        shutil.copy(Path(folder, lock.name), lock)
    print(f"providers: {lock.name}: {', '.join(PLATFORMS)}")
    return 0


def required_providers() -> Mapping[str, Any]:
    """What the stacks ask for."""
    with tempfile.TemporaryDirectory(prefix="tap-providers-") as folder:
        asked = {"ENVIRONMENT": "all", "ENVIRONMENT_SUFFIX": "x1", "CDKTF_OUTDIR": folder}
        command = [sys.executable, ROOT / "tap.py"]
        subprocess.run(command, env={**os.environ, **asked}, check=True, stderr=subprocess.DEVNULL)
        file = min(Path(folder, "stacks").glob("*/cdk.tf.json"))
        return json.loads(file.read_text(encoding="utf-8"))["terraform"]["required_providers"]
