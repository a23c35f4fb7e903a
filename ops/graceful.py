"""Runs the cdktf CLI so that an interrupted deploy loses nothing.

Left alone, the CLI answers Ctrl-C, TERM or a closed terminal by hanging up on Terraform, which dies
with what it was making missing from the state, and the lock left. Here the CLI gets a session of
its own, out of the terminal's reach, and Terraform runs through ``scripts/terraform``, which no
hang-up ends and which leaves its process id. An interrupt goes to Terraform itself: it waits no
longer for what AWS is making, saves the state and lets go of the lock. ``docs/faults.md``
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
CLOCK_SECONDS = 2  # how exactly the system says when a process began
IDLE_SECONDS = 3  # how long a CLI may be between two Terraforms

WINDING_DOWN = (
    "interrupted: Terraform notes what it has made and what AWS is still making, saves the state "
    "and lets go of the lock."
)
WARNING = (
    "still winding down. One more Ctrl-C stops Terraform at once: what is being made would be "
    "missing from the state, and the lock left."
)


@dataclass(frozen=True, slots=True)
class Command:
    """One run of the CLI. ``output`` takes all that it prints; None is where ours goes."""

    arguments: Sequence[str | Path]
    environ: Mapping[str, str]
    output: IO[Any] | None = None
    stdin: IO[Any] | int | None = None
    umask: int = -1  # of the files that it writes; ours without
    pass_fds: Sequence[int] = ()


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
    main thread. ``tick`` is called about five times a second; what it raises is an interrupt too,
    and is raised again when all have ended.
    """
    with tempfile.TemporaryDirectory(prefix="tap-") as pids:
        guard = _Guard(Path(pids), tell, tick)
        handlers = {number: signal.signal(number, guard.interrupted) for number in SIGNALS}
        try:
            return guard.run(commands)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within it a signal is a ``KeyboardInterrupt``, once: no other disturbs what it unwinds."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
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
        self._received: list[int] = []  # signals to be heeded
        self._interrupts = 0
        self._signalled: set[int] = set()  # the Terraforms that were told
        self._seen = 0.0  # when a Terraform last ran
        self._noted: dict[int, psutil.Process | None] = {}  # the Terraforms, by process id

    def run(self, commands: Sequence[Command]) -> list[int]:
        """Start the CLIs and see them, and all Terraforms, to their end."""
        try:
            for command in commands:
                self._start(command)
            self._watch()
        except BaseException:
            self._tick = lambda: None
            self.interrupted(signal.SIGTERM, None)
            self._watch()
            raise
        if self._interrupts:
            return [INTERRUPTED for _ in self._clis]
        return [cli.returncode for cli in self._clis]

    def interrupted(self, number: int, _frame: FrameType | None) -> None:
        """Note a signal, no more: it may come in the middle of anything, such as a print."""
        self._received.append(number)

    def _start(self, command: Command) -> None:
        self._clis.append(
            subprocess.Popen(  # pylint: disable=consider-using-with  # ended by run()
                command.arguments,
                env=terraform_environ(command.environ, self._pids),
                stdin=command.stdin,
                stdout=command.output,
                stderr=subprocess.STDOUT if command.output else None,
                start_new_session=True,
                umask=command.umask,
                pass_fds=command.pass_fds,
            )
        )

    def _watch(self) -> None:
        started = reported = time.monotonic()
        while (working := self._working()) or self._terraforms():
            if not working and not self._interrupts:
                # The CLI was killed, or took Ctrl-C from the terminal as a key.
                self.interrupted(signal.SIGTERM, None)
            while self._received:
                self._heed(self._received.pop(0))
            if self._interrupts:
                self._wind_down(working)
                if time.monotonic() - reported > REPORT_SECONDS:
                    reported = time.monotonic()
                    self._tell(f"Terraform is still at it, {reported - started:.0f} s in all")
            self._tick()
            time.sleep(POLL_SECONDS)

    def _heed(self, number: int) -> None:
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

        A CLI that has none, and isn't between two, waits for an approval, say: it may go.
        """
        running = self._terraforms()
        self._interrupt(running - self._signalled)
        if running:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > IDLE_SECONDS:
            for cli in working:
                cli.terminate()

    def _working(self) -> list[subprocess.Popen[bytes]]:
        return [cli for cli in self._clis if cli.poll() is None]

    def _terraforms(self) -> set[int]:
        return {pid for pid in map(int, os.listdir(self._pids)) if self._runs(pid)}

    def _runs(self, pid: int) -> bool:
        """Whether the Terraform that noted this id still runs.

        The system gives an id to another process once the first has ended: what counts is when the
        process began. A dead one whose parent has yet to notice has ended.
        """
        if pid not in self._noted:
            self._noted[pid] = _process(pid, (self._pids / str(pid)).stat().st_mtime)
        process = self._noted[pid]
        try:
            return bool(
                process and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def _interrupt(self, pids: set[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        self._signalled |= pids


def _process(pid: int, noted: float) -> psutil.Process | None:
    """The process that noted its id then; None where that one has ended."""
    try:
        process = psutil.Process(pid)
        return process if process.create_time() < noted + CLOCK_SECONDS else None
    except psutil.NoSuchProcess:
        return None
