"""A sandbox's watchdog: whatever ends the sandbox, nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.watchdog import MARK, ROOT, Watched

SANDBOX = """\
import os, subprocess, sys
from ops.emulator.dataplane.children import noted
from ops.watchdog import Watched
with Watched(os.environ) as watched:
    marked = {**os.environ, **watched.environ}
    first = subprocess.Popen(["sleep", "600"], env=marked, start_new_session=True)
    unmarked = subprocess.Popen(["sleep", "600"], start_new_session=True)
    noted(watched.folder, unmarked.pid)
    foreign = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(watched.folder, first.pid, unmarked.pid, foreign.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", [None, signal.SIGKILL])
def test_what_belongs_to_it_goes_and_nothing_else(end):
    with subprocess.Popen(
        [sys.executable, "-c", SANDBOX],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sandbox:
        assert sandbox.stdout
        assert sandbox.stdin
        folder, *pids = sandbox.stdout.readline().split()
        marked, noted, foreign = (psutil.Process(int(pid)) for pid in pids)
        if end:
            sandbox.send_signal(end)
        sandbox.stdin.close()
        sandbox.wait()
    try:
        deadline = time.monotonic() + 60
        while Path(folder).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert not _runs(marked)
        assert not _runs(noted)
        assert _runs(foreign)
    finally:
        foreign.kill()


def _runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_its_folder_lets_others_through_and_shows_them_nothing():
    with Watched(os.environ) as watched:
        assert watched.folder.stat().st_mode & 0o777 == 0o711
        assert watched.environ == {MARK: str(watched.folder)}
    assert not watched.folder.exists()
