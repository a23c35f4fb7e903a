"""Terraform in a folder: to the end of each command, or to its own end after an interrupt."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lib.errors import FailedError, TapError
from ops import graceful
from ops.graceful import Command
from ops.terraform.environ import for_terraform
from ops.terraform.folders import locked

COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # Terraform heeds no NO_COLOR
LOCK_TIMEOUT = "-lock-timeout=5m"  # as long as it waits for somebody else's end
UMASK = 0o077  # a state and a plan hold what is nobody else's business
CACHE = Path(".terraform.d", "plugin-cache")  # below the home, where the CLI has it too


# What an interrupt of a command leaves, and what to do before the next run.
INTERRUPTS = {
    "apply": (
        "a part of the plan is applied, and the state has it",
        "adopt what AWS was still making: pipenv run state recover. "
        "The rest of this plan can't be applied: plan anew",
    ),
    "destroy": ("a part is destroyed, and the state knows which", "run it again"),
    "init": ("nothing was changed", "run it again"),
    "plan": ("nothing was changed", "run it again"),
}


class Interrupted(TapError):
    """A signal came. Terraform has saved the state and let go of the lock."""

    def __init__(self, command: str) -> None:
        left, hint = INTERRUPTS.get(command, ("nothing is lost", "run it again"))
        super().__init__(f"interrupted: {left}", hint=hint)


def interruptible(work: Callable[[], int], *, again: str) -> int:
    """Do it; where a signal ends it, ``INTERRUPTED``, and a person reads what to do next: in the
    end the command ``again``, which plans anew."""
    try:
        with graceful.ended_by_signals():
            return work()
    except Interrupted as error:
        graceful.say("\n".join([*error.lines(), f"tap: then: {again}"]))
    except KeyboardInterrupt:
        graceful.say(f"interrupted: nothing is lost. Run it again: {again}")
    return graceful.INTERRUPTED


class _Showing:
    """Shows what a file gains, if it is to be shown. A terminal that was closed is no error."""

    def __init__(self, descriptor: int, *, shown: bool) -> None:
        self._descriptor = descriptor
        self._shown = shown
        self._offset = 0

    def whole_lines(self) -> None:
        """Show the lines that are finished."""
        gained = self._gained()
        self._show(gained[: gained.rfind(b"\n") + 1])

    def rest(self) -> None:
        """Show what is left."""
        self._show(self._gained())

    def _gained(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, self._offset)

    def _show(self, printed: bytes) -> None:
        self._offset += len(printed)
        if self._shown:
            with suppress(OSError):
                sys.stdout.write(printed.decode(errors="replace"))
                sys.stdout.flush()


class Terraform:
    """Terraform in ``folder``. ``hold`` is a file descriptor that it holds as long as it runs."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, hold: int | None = None
    ) -> None:
        self.folder = folder
        ours = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        self._environ = for_terraform(environ, graceful.say) | ours
        self._hold = () if hold is None else (hold,)

    def read(self, *arguments: str) -> str:
        """What a command prints that changes nothing and takes no time."""
        binary = self._environ.get("TERRAFORM_BINARY_NAME") or "terraform"
        done = subprocess.run(
            [binary, f"-chdir={self.folder}", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failure(arguments[0], done.stderr)
        return done.stdout

    def run(self, *arguments: str, shown: bool = False, fine: Collection[int] = (0,)) -> int:
        """Run a command; returns its exit code, one of those that are ``fine``.

        An interrupt ends it when it has saved its work. ``shown`` shows what it prints as it does;
        what it fails of is in the error anyway. Call it in the main thread. Raises ``TapError`` and
        ``Interrupted``.
        """
        sys.stdout.flush()
        words = [graceful.WRAPPER, f"-chdir={self.folder}", *arguments]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            command = Command(
                words,
                self._environ,
                output,
                subprocess.DEVNULL,
                # The provider is everybody's who shares the cache.
                umask=-1 if arguments[0] == "init" else UMASK,
                pass_fds=self._hold,
            )
            showing = _Showing(output.fileno(), shown=shown)
            (code,) = graceful.run(command, tick=showing.whole_lines)
            showing.rest()
            output.seek(0)
            printed = output.read()
        if code == graceful.INTERRUPTED:
            raise Interrupted(arguments[0])
        if code not in fine:
            raise self._failure(arguments[0], printed, shown=shown)
        return code

    def initialise(self, *arguments: str) -> None:
        """``terraform init``, one at a time where the cache of providers is shared: it isn't made
        for more (https://developer.hashicorp.com/terraform/cli/config/config-file).

        Without a lock file or a cache, Terraform gets the provider anew each time.
        """
        with self._cache() as cache:
            before = self._environ
            self._environ = before | cache
            try:
                self.run("init", "-input=false", *arguments)
            finally:
                self._environ = before

    @contextmanager
    def _cache(self) -> Iterator[dict[str, str]]:
        """What makes Terraform use the cache; nothing where there can't be one."""
        named, home = self._environ.get("TF_PLUGIN_CACHE_DIR"), self._environ.get("HOME")
        if not named and (self._environ.get("CDKTF_DISABLE_PLUGIN_CACHE_ENV") or not home):
            yield {}
            return
        folder = Path(named) if named else Path(home or "", CACHE)
        cache = {}
        with ExitStack() as alone:
            with suppress(OSError):  # a home that can't be written to: no cache
                folder.mkdir(parents=True, exist_ok=True)
                alone.enter_context(locked(folder / ".tap-init"))
                cache = {"TF_PLUGIN_CACHE_DIR": str(folder)}
            yield cache

    def _failure(self, command: str, printed: str, *, shown: bool = False) -> TapError:
        """The error that Terraform printed, without its frames, unless it is ``shown`` above."""
        lines = [line.strip(" │╷╵") for line in COLOUR.sub("", printed).splitlines()]
        if any("Error acquiring the state lock" in line for line in lines):
            lock = dict(
                re.findall(r"^(ID|Who|Created|Operation): +(.+)$", "\n".join(lines), re.MULTILINE)
            )
            return FailedError(
                f"the state is locked by {lock.get('Who', 'somebody')} since "
                f"{lock.get('Created', 'some time')} ({lock.get('Operation', 'unknown')})",
                hint="wait for its end; if it is dead for certain: "
                f"pipenv run state unlock {lock.get('ID', '<ID>')}",
            )
        start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
        told = [] if shown else filter(None, lines[start:])
        message = "\n".join([f"terraform {command} failed", *told])
        stale = any("Saved plan is stale" in line for line in lines)
        return FailedError(
            message,
            hint="somebody changed the state after the plan: plan again" if stale else "see above",
        )
