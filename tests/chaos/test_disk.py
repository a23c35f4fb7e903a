"""A disk that is full and a state file that was cut short: clear words, and nothing lost."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.chaos.deploys import copy

STATE_DISK_KIB = 64  # a third of what the state of dev takes


@contextmanager
def tiny_disk(folder):
    """A disk of that size on ``folder``; skipped where none can be mounted."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={STATE_DISK_KIB}k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(tmp_path):
    """The disk of the state fills up on the way; there is room again before recover."""
    with copy() as place, tiny_disk(tmp_path / "disk") as disk:
        place.site.state.symlink_to(disk / "terraform.tfstate")
        done = place.run()
        assert done.returncode == 3
        assert "no space left on device" in done.stdout
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        place.recover()
        assert any("saved what Terraform could not" in each for each in place.told)
        assert not place.orphans()
        place.deploy()
        place.check()


def test_a_state_file_that_was_cut_short_is_noticed_and_mended():
    with copy() as place:
        place.deploy()
        before = set(place.items())
        whole = place.site.state.read_bytes()
        place.site.state.write_bytes(whole[: len(whole) // 2])
        done = place.run()
        assert done.returncode == 2
        assert "is cut short" in done.stdout and "pipenv run state recover" in done.stdout
        assert set(place.items()) == before
        place.recover()
        assert not place.orphans()
        place.deploy()
        place.check()
