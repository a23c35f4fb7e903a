"""How a program is started so that it doesn't outlive this process."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

NOBODY = 65534
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def started_as(at_our_end: signal.Signals = signal.SIGKILL) -> dict[str, Any]:
    """Arguments for ``subprocess``: as nobody where this process is root, and Linux sends the
    program a signal when the thread that started it ends, however it ends. Elsewhere the sandbox's
    watchdog does."""
    arguments: dict[str, Any] = {}
    if not os.geteuid():
        arguments |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    if sys.platform == "linux":
        arguments["preexec_fn"] = _dies_with_us(at_our_end)
    return arguments


def noted(folder: Path, pid: int) -> Path:
    """A file by which the sandbox's watchdog finds a process group; to be removed with it."""
    file = folder / f"{pid}.pid"
    file.write_text(f"{pid} {psutil.Process(pid).create_time()}", encoding="ascii")
    return file


def _dies_with_us(number: signal.Signals) -> Callable[[], None]:
    def ask() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return ask
