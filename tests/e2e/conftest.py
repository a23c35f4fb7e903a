"""Sandboxes for the end-to-end tests; skipped, with the reason, where a tool cannot be had."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib.errors import TapError
from ops.sandbox import Sandbox

SUFFIX = "e2e"


@contextmanager
def opened(environment: str, *, data_plane: bool = False, **environ: str) -> Iterator[Sandbox]:
    """A sandbox with stacks of these environments synthesized, and nothing deployed. Its tasks and
    databases are records, unless a test needs them to run."""
    base = {name: value for name, value in os.environ.items() if name != "DB_PASSWORD"}
    asked = {"ENVIRONMENT": environment, "ENVIRONMENT_SUFFIX": SUFFIX, **environ}
    try:
        sandbox = Sandbox(base | asked, data_plane=data_plane)
    except TapError as error:
        pytest.skip("; ".join(error.lines()))
    with sandbox:
        yield sandbox
