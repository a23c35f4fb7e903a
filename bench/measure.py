"""One run of a command: how long, how much CPU, how much memory, over all its processes."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.errors import BenchError

SAMPLE_SECONDS = 0.05
GROWTH = 1.02  # of RSS, from which PSS is read anew


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run took. Times in seconds, memory in bytes."""

    wall: float
    cpu: float  # user and system, of the process and all that it waited for
    memory: int  # the highest sum over the processes that was seen


def run(command: Sequence[str | Path], environ: Mapping[str, str], cwd: Path) -> Usage:
    """Run it to its end. Raises ``BenchError`` with what it printed if it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # pylint: disable=consider-using-with  # wait4 ends it
            command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        sampler = _MemorySampler(process.pid)
        sampler.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            wall = time.perf_counter() - started
            sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-3000:]
            words = " ".join(map(str, command))
            raise BenchError(f"{words} ended with exit code {process.returncode}:\n{tail}")
    return Usage(wall, used.ru_utime + used.ru_stime, sampler.peak)


class _MemorySampler(threading.Thread):
    """Watches a process and its descendants until it is stopped.

    PSS, which splits what processes share between them, takes milliseconds to read: it is read when
    RSS, which does not, has grown to a new height.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = pid
        self._stopped = threading.Event()

    def run(self) -> None:
        height = 0.0
        while not self._stopped.wait(SAMPLE_SECONDS):
            try:
                root = psutil.Process(self._root)
                processes = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            rss = sum(_memory(process, shared=False) for process in processes)
            if rss > height * GROWTH:
                height = rss
                self.peak = max(self.peak, sum(_memory(entry, shared=True) for entry in processes))

    def stop(self) -> None:
        """Take no further samples."""
        self._stopped.set()
        self.join()


def _memory(process: psutil.Process, *, shared: bool) -> int:
    """RSS, or with shared memory counted in parts: PSS, or USS where only that is known."""
    try:
        if not shared:
            return process.memory_info().rss
        info = process.memory_full_info()
        return getattr(info, "pss", info.uss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0  # it has just ended
