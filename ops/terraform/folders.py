"""The folders that Terraform runs in: one for each run, below ``runs`` of the output folder.

A run's folder holds what the run has put there, and nothing that another one left. It goes with the
run, unless a state that Terraform could not save is in it. One that a killed run left goes when the
next begins: by a lock on a file in it, which Terraform inherits, each knows whether Terraform still
works there. It is as deep as the synthesized stack's, since the path of a local state is relative.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.terraform.unsaved import UNSAVED

RUNS = "runs"
STACK = "cdk.tf.json"
ASSETS = "assets"  # files that a team's own resources bring along
PROVIDERS = ".terraform.lock.hcl"
OTHER_PROVIDER = "provider_override.tf.json"
IN_USE = ".in-use"
_VERSION = re.compile(r'/hashicorp/aws"\s*\{\s*version\s*=\s*"([^"]+)"')


class RunFolder:
    """A folder for one run of ``stack``, made below ``output``."""

    def __init__(self, output: Path, stack: str) -> None:
        runs = output / RUNS
        runs.mkdir(parents=True, exist_ok=True)
        with locked(runs / IN_USE):
            for left in runs.glob("*@*"):
                _remove_unused(left)
            self.path = Path(tempfile.mkdtemp(prefix=f"{stack}@", dir=runs))
            self.lock = os.open(self.path / IN_USE, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.pinned = False

    def fill(self, stack: Path, *, kept: Path, emulated: bool, project: Path = ROOT) -> None:
        """Put the synthesized ``stack`` there, with the lock of its providers: the ``project``'s
        own, which is then ``pinned``, else the last run's in ``kept``. For the embedded AWS that
        folder also has the version that it is proven with."""
        shutil.copy(stack / STACK, self.path)
        if (stack / ASSETS).is_dir():
            shutil.copytree(stack / ASSETS, self.path / ASSETS, dirs_exist_ok=True)
        if emulated and (other := other_provider(kept)):
            (self.path / OTHER_PROVIDER).write_text(json.dumps(other))
        locks = (each for each in (project, stack, kept) if (each / PROVIDERS).exists())
        lock = next((each for each in locks if self._wants(_locked_version(each))), None)
        if lock:
            shutil.copy(lock / PROVIDERS, self.path)
        self.pinned = lock == project

    def copy_to(self, folder: Path) -> None:
        """Leave what a run needs: the stack, its assets and the lock of its providers."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (STACK, PROVIDERS):
            if (self.path / name).exists():
                shutil.copy(self.path / name, folder)
        if (self.path / ASSETS).is_dir():
            shutil.copytree(self.path / ASSETS, folder / ASSETS, dirs_exist_ok=True)

    def keep_providers(self, kept: Path) -> None:
        """Let the next run know which providers this one has."""
        if (self.path / PROVIDERS).exists() and kept.is_dir():
            shutil.copy(self.path / PROVIDERS, kept)

    def close(self) -> None:
        """The run has ended: the folder goes, unless a state is in it that was not saved."""
        with locked(self.path.parent / IN_USE):
            if not (self.path / UNSAVED).exists():
                shutil.rmtree(self.path)
            os.close(self.lock)

    def _wants(self, version: str | None) -> bool:
        """Whether the stack asks for that version of the provider: a lock of another is stale."""
        files = [self.path / name for name in (STACK, OTHER_PROVIDER)]
        wanted = [
            document.get("terraform", {}).get("required_providers", {}).get("aws", {})
            for document in (json.loads(file.read_text()) for file in files if file.exists())
        ]
        return [each["version"].strip("= ") for each in wanted if each][-1:] == [version]


def other_provider(folder: Path) -> Mapping[str, object] | None:
    """The override beside a synthesized stack that asks for another version of the AWS provider.

    Raises ``TapError`` where it asks for anything else.
    """
    try:
        document = json.loads((folder / OTHER_PROVIDER).read_text(encoding="utf-8"))
        version = document["terraform"]["required_providers"]["aws"]["version"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        document, version = {}, None
    allowed = {"source": "hashicorp/aws", "version": version}
    if document != {"terraform": {"required_providers": {"aws": allowed}}}:
        raise TapError(
            f"{folder / OTHER_PROVIDER} asks for more than a version of the provider",
            hint="remove it",
        )
    return document


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Nobody else on this machine is in it at the same time."""
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_unused(folder: Path) -> None:
    """Remove what a killed run has left, if nothing is at work there or unsaved in it."""
    if (folder / UNSAVED).exists():
        return
    with suppress(FileNotFoundError):
        descriptor = os.open(folder / IN_USE, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(descriptor)
    shutil.rmtree(folder)


def _locked_version(folder: Path) -> str | None:
    found = _VERSION.search((folder / PROVIDERS).read_text(encoding="utf-8"))
    return found[1] if found else None
