"""``python -m ops.watchdog FOLDER``: nothing of a sandbox is left, however it ended.

It waits in a session of its own until its standard input closes, which the system sees to even when
the sandbox is killed. Then it ends what still runs of it, whoever has become its parent, and
removes the folder. A program belongs to the sandbox when its environment has ``MARK`` with the
folder, or when it is in a process group that the folder's ``*.pid`` files name.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import psutil

MARK = "TAP_SANDBOX"
GRACE_SECONDS = 20  # for an emulator, which ends its tasks by itself
POLL_SECONDS = 0.1
ROOT = Path(__file__).parents[1]


class Watched:
    """A temporary folder with a watchdog; a context manager whose value is the folder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tap-sandbox-"))
        self.folder.chmod(0o711)  # the database's user has to come through to its own
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, "-m", "ops.watchdog", self.folder],
            cwd=ROOT,
            env={name: value for name, value in environ.items() if name != MARK},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    @property
    def environ(self) -> dict[str, str]:
        """What marks the programs of the sandbox."""
        return {MARK: str(self.folder)}

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin  # nosec B101  # a pipe
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Wait, and clear up."""
    folder = Path(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1024):
        pass
    deadline = time.monotonic() + GRACE_SECONDS
    # Terraform first: an emulator that goes before it leaves it trying again for minutes.
    others = [each for each in _marked(folder) if "ops.emulator" not in " ".join(_command(each))]
    for process in others:
        _kill(process)
    _wait(others)
    while any(True for _ in _marked(folder)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    left = [*_marked(folder), *_grouped(folder)]
    for process in left:
        _kill(process)
    _wait(left)
    deadline = time.monotonic() + GRACE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(POLL_SECONDS)


def _marked(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder):
                yield process


def _grouped(folder: Path) -> Iterator[psutil.Process]:
    """Those in the process groups of tasks and servers: whoever started them was killed."""
    groups = set()
    for file in folder.glob("**/*.pid"):
        with contextlib.suppress(ValueError, OSError):
            group, started = file.read_text(encoding="ascii").split()
            with contextlib.suppress(psutil.Error):
                if psutil.Process(int(group)).create_time() == float(started):
                    groups.add(int(group))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) in groups:
                yield process


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _wait(processes: Iterable[psutil.Process]) -> None:
    """Until all have ended. One whose parent has yet to notice has: the parent may wait for us."""
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()


if __name__ == "__main__":
    main()
