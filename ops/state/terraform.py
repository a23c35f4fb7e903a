"""Terraform for one stack: in a folder of its own, told which of the two homes the state is in.

``init`` is the one way to a backend: it asks whose the bucket is first. A bucket of somebody else's
could hold a state that names providers of theirs, which ``init`` installs and runs.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lib.errors import TapError
from ops import guard
from ops.state.homes import Bucket, Snapshot
from ops.state.place import Place
from ops.terraform import process
from ops.terraform.folders import STACK, RunFolder

READ_ONLY = "-lockfile=readonly"  # the providers are those of the lock file, or none
HOME = "state_override.tf.json"  # keeps the state in the local file
MEMORY = Path(".terraform", "terraform.tfstate")  # of the backend that was used last
PLAN = "tap.tfplan"
CHANGES = 2  # Terraform's exit code for a plan that changes something


class Terraform(process.Terraform):
    """Terraform in a run's folder for the stack of ``place``; its files are those in ``source``,
    the synthesized stack's folder without. A context manager: the folder goes with the run."""

    def __init__(
        self, place: Place, environ: Mapping[str, str], *, source: Path | None = None
    ) -> None:
        self._place = place
        self._targeted = False  # the plan that was made last
        self._run = RunFolder(place.output, place.stack)
        self._run.fill(
            source or place.folder,
            kept=place.folder,
            emulated=bool(environ.get("AWS_ENDPOINT_URL")),
        )
        super().__init__(self._run.path, environ, hold=self._run.lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._run.close()

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Put a file of Terraform's JSON beside the stack, for this run."""
        (self.folder / name).write_text(json.dumps(document, indent=2))

    def init(self, *arguments: str, local: bool | None = None) -> None:
        """Initialise for one of the two homes, whatever was used last; without ``local`` for the
        one that the stack names. Moves nothing."""
        (self.folder / MEMORY).unlink(missing_ok=True)
        self._point(local=local)
        self._initialise(*arguments)
        self._run.keep_providers(self._place.folder)

    def move(self, *, local: bool) -> None:
        """Let Terraform move from the other home to this. It finds the same state in both, or it
        refuses: ``-input=false`` lets it overwrite nothing. The lock is ours."""
        self._point(local=local)
        self._initialise("-migrate-state", "-lock=false")

    def _initialise(self, *arguments: str) -> None:
        """The one ``init``: nothing of a bucket is read before it is known whose it is."""
        if not self._is_local:
            Bucket(self._place).check_ours()
        elif self._place.file.exists():
            self._place.file.chmod(0o600)
        if self._run.pinned:
            arguments = (*(word for word in arguments if word != READ_ONLY), READ_ONLY)
        self.initialise(*arguments)

    @property
    def _is_local(self) -> bool:
        """Whether the state is in the local file."""
        document = json.loads((self.folder / STACK).read_text(encoding="utf-8"))
        return (self.folder / HOME).exists() or "s3" not in document["terraform"]["backend"]

    def _point(self, *, local: bool | None) -> None:
        if local:
            path = os.path.relpath(self._place.file, self.folder)
            self.write(HOME, {"terraform": {"backend": {"local": {"path": path}}}})
        else:
            (self.folder / HOME).unlink(missing_ok=True)

    def pull(self) -> Snapshot:
        """The state as Terraform reads it."""
        return Snapshot(self.read("state", "pull").encode())

    def push(self, file: Path) -> None:
        """Save a state that could not be saved. Terraform refuses one that isn't newer."""
        self.run("state", "push", process.LOCK_TIMEOUT, str(file.resolve()))

    def plan(
        self,
        *further: str,
        targets: Iterable[str] = (),
        destroy: bool = False,
        lock: bool = True,
        shown: bool = False,
    ) -> bool:
        """Plan, for ``apply``; whether that changes something. Without ``lock`` it waits for
        nobody, and nobody waits for it."""
        targets = [f"-target={each}" for each in targets]
        self._targeted = bool(targets)
        arguments = ["-input=false", "-detailed-exitcode", f"-out={PLAN}"]
        arguments += [process.LOCK_TIMEOUT if lock else "-lock=false"]
        arguments += ["-destroy"] if destroy else []
        arguments += [*further, *_plain(), *targets]
        return self.run("plan", *arguments, shown=shown, fine=(0, CHANGES)) == CHANGES

    def planned(self) -> dict[str, Any]:
        """The plan, as Terraform tells it to machines."""
        plan = json.loads(self.read("show", "-json", PLAN))
        # A plan for targets is never complete for Terraform; it is all that was asked for.
        plan = plan | ({"complete": True} if self._targeted else {})
        return guard.parsed(json.dumps(plan), self._place.stack)

    def readable(self) -> str:
        """The plan, as Terraform tells it to people."""
        return self.read("show", "-no-color", PLAN)

    def apply(self, *further: str, shown: bool = True) -> None:
        """Apply what was planned last, and nothing else."""
        arguments = ["-input=false", process.LOCK_TIMEOUT, "-compact-warnings"]
        self.run("apply", *arguments, *further, *_plain(), PLAN, shown=shown)

    def save(self, folder: Path) -> None:
        """Leave the plan, and all that another run needs to apply it, in ``folder``."""
        self._run.copy_to(folder)
        shutil.copy(self.folder / PLAN, folder)

    def take(self, folder: Path) -> None:
        """Take the plan that another run has left."""
        shutil.copy(folder / PLAN, self.folder)

    def change(
        self,
        objection: Callable[[Mapping[str, Any]], TapError | None],
        *,
        targets: Iterable[str] = (),
        destroy: bool = False,
    ) -> None:
        """Plan, and apply that plan unless ``objection`` has one, which is raised.

        What somebody else has destroyed is no change, and yet has to leave the state.
        """
        if self.plan(targets=targets, destroy=destroy) or destroy:
            if problem := objection(self.planned()):
                raise problem
            try:
                self.apply()
            except process.Interrupted as error:
                raise process.Interrupted("destroy") if destroy else error


def _plain() -> list[str]:
    return [] if sys.stdout.isatty() else ["-no-color"]
