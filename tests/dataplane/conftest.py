"""An emulator with a data plane, and an environment in it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.emulator import Emulator
from tests.dataplane.world import World


@contextmanager
def opened() -> Iterator[World]:
    """An emulator of its own, in a folder that nobody's processes can come through to."""
    with tempfile.TemporaryDirectory(prefix="tap-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with Emulator(folder / "log", os.environ, data_plane=folder / "data-plane") as emulator:
            yield World(emulator)
            failed = [str(each) for each in emulator.errors()]
            assert not failed, failed


@pytest.fixture(scope="module", name="world")
def _world() -> Iterator[World]:
    """One for all tests of a file."""
    with opened() as world:  # pylint: disable=contextmanager-generator-missing-cleanup
        yield world
