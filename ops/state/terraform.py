"""Terraform in a stack's folder, told which of the two homes the state is in."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops import graceful
from ops.graceful import Command
from ops.state.homes import Snapshot
from ops.state.place import Place

HOME = "state_override.tf.json"  # in the folder, it keeps the state in the local file
PLAN = "state.tfplan"
MEMORY = Path(".terraform", "terraform.tfstate")  # of the backend that was used last


class Interrupted(TapError):
    """A signal came. Terraform has saved the state and let go of the lock."""

    def __init__(self) -> None:
        super().__init__("interrupted", hint="nothing is lost: run it again, it goes on from here")


class Terraform:
    """Terraform in the folder of ``place``; the environment is that of ``cli_environ``."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        self._place = place
        self._environ = {**environ, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}

    def init(self, *, local: bool) -> None:
        """Initialise for one of the two homes, whatever was used last. Moves nothing."""
        forget(self._place)
        self._point(local=local)
        self._change("init", "-input=false", "-no-color")

    def move(self, *, local: bool) -> None:
        """Let Terraform move from the other home to this. It finds the same state in both, or it
        refuses: ``-input=false`` lets it overwrite nothing. The lock is ours."""
        self._point(local=local)
        self._change("init", "-migrate-state", "-input=false", "-lock=false", "-no-color")

    def _point(self, *, local: bool) -> None:
        override = self._place.folder / HOME
        if local:
            path = os.path.relpath(self._place.file, self._place.folder)
            override.write_text(json.dumps({"terraform": {"backend": {"local": {"path": path}}}}))
        else:
            override.unlink(missing_ok=True)

    def pull(self) -> Snapshot:
        """The state as Terraform reads it."""
        return Snapshot(self._read("state", "pull").encode())

    def push(self, file: Path) -> None:
        """Save a state that could not be saved. Terraform refuses one that isn't newer."""
        self._change("state", "push", str(file.resolve()))

    def changes(self, targets: Iterable[str]) -> list[Mapping[str, Any]]:
        """What applying ``targets`` would change."""
        try:
            self._change("plan", "-input=false", "-no-color", f"-out={PLAN}", *_targets(targets))
            planned = json.loads(self._read("show", "-json", PLAN)).get("resource_changes", [])
        finally:
            (self._place.folder / PLAN).unlink(missing_ok=True)
        return [each for each in planned if each["change"]["actions"] not in (["no-op"], ["read"])]

    def apply(self, targets: Iterable[str] = (), *, destroy: bool = False) -> None:
        """Apply the config, or destroy what it has made; a person watches."""
        mode = ["-destroy"] if destroy else []
        plain = [] if sys.stdout.isatty() else ["-no-color"]
        approved = ["-auto-approve", "-input=false", "-compact-warnings"]
        self._change("apply", *mode, *approved, *plain, *_targets(targets), shown=True)

    def _read(self, *arguments: str) -> str:
        """What a command that changes nothing prints."""
        binary = self._environ.get("TERRAFORM_BINARY_NAME") or "terraform"
        done = subprocess.run(
            [binary, f"-chdir={self._place.folder}", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise _failure(arguments[0], done.stderr)
        return done.stdout

    def _change(self, *arguments: str, shown: bool = False) -> None:
        """Run a command to its end; an interrupt ends it when it has saved its work."""
        sys.stdout.flush()
        words = [graceful.WRAPPER, f"-chdir={self._place.folder}", *arguments]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            command = Command(words, self._environ, None if shown else output, subprocess.DEVNULL)
            (code,) = graceful.run(command)
            output.seek(0)
            printed = output.read()
        if code == graceful.INTERRUPTED:
            raise Interrupted
        if code:
            raise _failure(arguments[0], printed)


def forget(place: Place) -> None:
    """Let the next ``init`` take the backend of the stack, whatever was used last."""
    for file in (HOME, MEMORY):
        (place.folder / file).unlink(missing_ok=True)


def _targets(addresses: Iterable[str]) -> list[str]:
    return [f"-target={each}" for each in addresses]


def _failure(command: str, printed: str) -> TapError:
    """The error that Terraform printed, without its frames."""
    lines = [line.strip(" │╷╵") for line in printed.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
    message = "\n".join([f"terraform {command} failed", *filter(None, lines[start:])])
    return TapError(message, hint="see above; when it is mended, run this again")
