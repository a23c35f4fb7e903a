"""How a command ends: what a person is shown, and the exit code. Every command goes through it.

A traceback is for whoever mends TAP: ``TAP_TRACEBACK=1`` shows it.
"""

import errno
import io
import os
import re
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from lib.errors import ExitCode, FailedError, TapError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TRACEBACK_VARIABLE = "TAP_TRACEBACK"
ROOT = Path(__file__).parents[1]

MAKE_ROOM = "make room and run it again"
ANOTHER_USER = "run it as a user who may"
# What a person can do about it.
FIXES = {
    errno.EACCES: ANOTHER_USER,
    errno.EDQUOT: MAKE_ROOM,
    errno.EIO: "look at the disk or the terminal that it writes to",
    errno.EMFILE: "raise the limit: ulimit -n 4096",
    errno.ENOMEM: MAKE_ROOM,
    errno.ENOSPC: MAKE_ROOM,
    errno.EPERM: ANOTHER_USER,
    errno.EROFS: "run it in a checkout that can be written to",
}
TEMPORARY = "No usable temporary directory"  # Python's words, under the number of a missing file
# How Node says what the system refuses: "EROFS: read-only file system, mkdir '/x'".
OF_NODE = re.compile(r"\b(E[A-Z]{3,}): [\w -]+, \w+ '([^']+)'")


def ended(command: Callable[[], int], *, program: str = "tap") -> int:
    """Run a command to its end; returns its exit code.

    What it raises becomes a line on standard error. A reader that has seen enough (``| head``) is
    no error. argparse's ``SystemExit`` passes.
    """
    for stream in _outputs():
        if isinstance(stream, io.TextIOWrapper):  # what ASCII lacks is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        with interruptible():
            try:
                code = command()
            except SystemExit:  # argparse has shown its help, or what it doesn't know
                _flush()
                raise
            _flush()
            return code
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich ends the program by itself, with 1
            return ExitCode.READER_GONE
        raise
    except BaseException as error:  # pylint: disable=broad-exception-caught  # nobody else catches
        return _told(error, program)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it a signal is a ``KeyboardInterrupt``, once: no other disturbs what it unwinds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Under nohup a closed terminal is no reason to end.
    numbers = [n for n in SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _told(error: BaseException, program: str) -> int:
    """Show an error; returns the exit code."""
    lines, code = _lines(error)
    with suppress(OSError):
        if os.environ.get(TRACEBACK_VARIABLE) == "1":
            traceback.print_exception(error)
        for line in lines:
            print(f"{program}: {line}", file=sys.stderr, flush=True)
    for stream in _outputs():
        try:
            stream.flush()
        except OSError:
            _discard(stream)
    return code


def _outputs() -> list[TextIO]:
    """Where a command prints. There is none after ``>&-``."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream]


def _lines(error: BaseException) -> tuple[list[str], int]:
    """What a person is shown of an error, and the exit code."""
    match error:
        case TapError():
            return error.lines(), error.exit_code
        case KeyboardInterrupt():
            return ["interrupted"], ExitCode.INTERRUPTED
        case BrokenPipeError() if any(map(_reader_gone, _outputs())):
            return [], ExitCode.READER_GONE
        case ModuleNotFoundError() if not _ours(error):
            return _lines(TapError(f"{error.name} is not installed", hint="run make setup"))
    if refused := _refused_by_the_system(error):
        return _lines(refused)
    return [_crash(error)], ExitCode.FAILED


def _refused_by_the_system(error: BaseException) -> FailedError | None:
    """A disk that is full, a folder that is not ours: no fault of TAP's, whoever met it."""
    if met := OF_NODE.search(str(error)):
        number, place = getattr(errno, met[1], 0), met[2]
    elif isinstance(error, OSError):
        number, place = error.errno or 0, error.filename
    else:
        return None
    if TEMPORARY in str(error):
        return FailedError(TEMPORARY, hint="make room, or name a folder with room in TMPDIR")
    if number not in FIXES:
        return None
    what = f"{place}: {os.strerror(number)}" if place else os.strerror(number)
    return FailedError(what, hint=FIXES[number])


def _crash(error: BaseException) -> str:
    """A fault of TAP's: what, and where in TAP."""
    frames = [
        f" in {Path(frame.filename).relative_to(ROOT)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(ROOT) and ".venv" not in frame.filename
    ]
    what = " ".join(f"{type(error).__name__}: {error}".split())
    hint = f"a fault of TAP: {TRACEBACK_VARIABLE}=1 shows all of it"
    return f"{what}{''.join(frames[-1:])} ({hint})"


def _ours(error: ModuleNotFoundError) -> bool:
    """Whether the missing module is the project's own, which no set-up installs."""
    name = str(error.name).partition(".")[0]
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


def _reader_gone(stream: TextIO) -> bool:
    """Whether nobody reads it any more. A pipe to a program of ours can break too."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # no file
        return False
    return bool(poll.poll(0))


def _flush() -> None:
    """What is still to be written shows now whether it can be."""
    for stream in _outputs():
        stream.flush()


def _discard(stream: TextIO) -> None:
    """Python would try to write what is left once more when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
