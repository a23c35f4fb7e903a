"""Terraform in a stack's folder, told which of the two homes the state is in."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ops import terraform
from ops.state.homes import Snapshot
from ops.state.place import Place

HOME = "state_override.tf.json"  # in the folder, it keeps the state in the local file
PLAN = "state.tfplan"
MEMORY = Path(".terraform", "terraform.tfstate")  # of the backend that was used last


class Terraform(terraform.Terraform):
    """Terraform in the folder of ``place``."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        super().__init__(place.folder, environ)
        self._place = place

    def init(self, *, local: bool) -> None:
        """Initialise for one of the two homes, whatever was used last. Moves nothing."""
        forget(self._place)
        self._point(local=local)
        self.run("init", "-input=false")

    def move(self, *, local: bool) -> None:
        """Let Terraform move from the other home to this. It finds the same state in both, or it
        refuses: ``-input=false`` lets it overwrite nothing. The lock is ours."""
        self._point(local=local)
        self.run("init", "-migrate-state", "-input=false", "-lock=false")

    def _point(self, *, local: bool) -> None:
        override = self._place.folder / HOME
        if local:
            path = os.path.relpath(self._place.file, self._place.folder)
            override.write_text(json.dumps({"terraform": {"backend": {"local": {"path": path}}}}))
        else:
            override.unlink(missing_ok=True)

    def pull(self) -> Snapshot:
        """The state as Terraform reads it."""
        return Snapshot(self.read("state", "pull").encode())

    def push(self, file: Path) -> None:
        """Save a state that could not be saved. Terraform refuses one that isn't newer."""
        self.run("state", "push", str(file.resolve()))

    def changes(self, targets: Iterable[str]) -> list[Mapping[str, Any]]:
        """What applying ``targets`` would change."""
        try:
            self.run("plan", "-input=false", f"-out={PLAN}", *_targets(targets))
            planned = json.loads(self.read("show", "-json", PLAN)).get("resource_changes", [])
        finally:
            (self._place.folder / PLAN).unlink(missing_ok=True)
        return [each for each in planned if each["change"]["actions"] not in (["no-op"], ["read"])]

    def apply(self, targets: Iterable[str] = (), *, destroy: bool = False) -> None:
        """Apply the config, or destroy what it has made; a person watches."""
        mode = ["-destroy"] if destroy else []
        plain = [] if sys.stdout.isatty() else ["-no-color"]
        approved = ["-auto-approve", "-input=false", "-compact-warnings"]
        self.run("apply", *mode, *approved, *plain, *_targets(targets), shown=True)


def forget(place: Place) -> None:
    """Let the next ``init`` take the backend of the stack, whatever was used last."""
    for file in (HOME, MEMORY):
        (place.folder / file).unlink(missing_ok=True)


def _targets(addresses: Iterable[str]) -> list[str]:
    return [f"-target={each}" for each in addresses]
