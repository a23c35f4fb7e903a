"""Runs the cdktf CLI so that an interrupted deploy loses nothing.

Left alone, the CLI answers Ctrl-C, TERM or a closed terminal by hanging up on Terraform, which dies
with what it was making missing from the state, and the lock left. Here the CLI gets a session of
its own, out of the terminal's reach, and Terraform runs through ``scripts/terraform``, which no
hang-up ends and which leaves its process id. An interrupt goes to Terraform itself: it finishes
what it is making, saves the state and lets go of the lock.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

import psutil

WRAPPER = Path(__file__).parents[1] / "scripts" / "terraform"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 128 + signal.SIGINT  # the exit code, as a shell has it
POLL_SECONDS = 0.2
REPORT_SECONDS = 10

WINDING_DOWN = (
    "interrupted: Terraform finishes what it is making and saves it. "
    "Some resources of AWS take minutes."
)
WARNING = (
    "still winding down. One more Ctrl-C stops Terraform at once: what it is making then would be "
    "missing from the state, and the lock left."
)


@dataclass(frozen=True, slots=True)
class Command:
    """One run of the CLI. ``output`` takes all that it prints; None is where ours goes."""

    arguments: Sequence[str | Path]
    environ: Mapping[str, str]
    output: IO[Any] | None = None
    stdin: IO[Any] | int | None = None


def say(text: str) -> None:
    """Tell the person, who may have closed the terminal."""
    with suppress(OSError):
        print(f"\ntap: {text}", file=sys.stderr, flush=True)


def run(
    *commands: Command,
    tell: Callable[[str], None] = say,
    tick: Callable[[], None] = lambda: None,
) -> list[int]:
    """Run the commands side by side to their end, and any Terraform that outlives its CLI.

    Returns their exit codes; ``INTERRUPTED`` for each when there was an interrupt. Call it in the
    main thread. ``tick`` is called about five times a second.
    """
    with tempfile.TemporaryDirectory(prefix="tap-") as pids:
        guard = _Guard(Path(pids), tell, tick)
        handlers = {number: signal.signal(number, guard.interrupted) for number in SIGNALS}
        try:
            return guard.run(commands)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def terraform_environ(environ: Mapping[str, str], pids: Path) -> dict[str, str]:
    """``environ`` in which the CLI runs Terraform through the wrapper, which notes its pid."""
    theirs = environ.get("TERRAFORM_BINARY_NAME")
    ours = {
        **environ,
        "TERRAFORM_BINARY_NAME": str(WRAPPER),
        "TAP_TERRAFORM_PIDS": str(pids),
    }
    if theirs and theirs != str(WRAPPER):
        ours["TAP_TERRAFORM"] = theirs
    return ours


class _Guard:
    """The running CLIs, and the Terraform processes below them."""

    def __init__(self, pids: Path, tell: Callable[[str], None], tick: Callable[[], None]) -> None:
        self._pids = pids
        self._tell = tell
        self._tick = tick
        self._clis: list[subprocess.Popen[bytes]] = []
        self._interrupts = 0
        self._signalled: set[int] = set()  # the Terraforms that were told

    def run(self, commands: Sequence[Command]) -> list[int]:
        """Start the CLIs and see them, and all Terraforms, to their end."""
        self._clis = [
            subprocess.Popen(  # pylint: disable=consider-using-with  # ended by run()
                command.arguments,
                env=terraform_environ(command.environ, self._pids),
                stdin=command.stdin,
                stdout=command.output,
                stderr=subprocess.STDOUT if command.output else None,
                start_new_session=True,
            )
            for command in commands
        ]
        started = reported = time.monotonic()
        while (working := self._working()) or self._terraforms():
            if not working and not self._interrupts:
                # The CLI was killed, or took Ctrl-C from the terminal as a key.
                self.interrupted(signal.SIGTERM, None)
            if self._interrupts:
                self._wind_down(working)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    self._tell(f"Terraform is still at it, {reported - started:.0f} s in all")
            self._tick()
            time.sleep(POLL_SECONDS)
        if self._interrupts:
            return [INTERRUPTED for _ in self._clis]
        return [cli.returncode for cli in self._clis]

    def interrupted(self, number: int, _frame: FrameType | None) -> None:
        """The first signal winds down, a second Ctrl-C warns, and only a third forces."""
        self._interrupts += 1
        if self._interrupts == 1:
            self._tell(WINDING_DOWN)
        elif number == signal.SIGINT and self._interrupts == 2:
            self._tell(WARNING)
        elif number == signal.SIGINT:
            self._interrupt(self._terraforms())

    def _wind_down(self, working: list[subprocess.Popen[bytes]]) -> None:
        """Interrupt each Terraform once, also one that a CLI starts after the signal.

        A CLI without any is between two of them, or asks for approval: it may go.
        """
        running = self._terraforms()
        self._interrupt(running - self._signalled)
        if not running and not self._signalled:
            for cli in working:
                cli.terminate()

    def _working(self) -> list[subprocess.Popen[bytes]]:
        return [cli for cli in self._clis if cli.poll() is None]

    def _terraforms(self) -> set[int]:
        return {pid for pid in map(int, os.listdir(self._pids)) if _runs(pid)}

    def _interrupt(self, pids: set[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        self._signalled |= pids


def _runs(pid: int) -> bool:
    """Whether the process is there, and not a dead one whose parent has yet to notice."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
