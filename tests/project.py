"""The project as TAP's own tests have it: environments of their own, and no resources of a team's.

Importing this puts both in the place of the project's, before anything has read those: so a team
that edits its config or ``lib/extend.py`` turns no test of TAP's red. ``TEAM`` and ``team_stack``
are the project's, for what runs over a team's config.
"""

import atexit
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from lib import extend as extension
from lib.config import environment_config
from ops import cdktf_cli
from ops.cdktf_cli import ROOT, run_app
from tests import environments
from tests.synthesized import Synthesized

TEAM = {entry.name: entry for entry in environment_config.ENVIRONMENTS}
TEAM_EXTEND = extension.extend
# What the copy below has of its own: what Python finds by the place of a file.
COPIED = ("lib", "tap.py")
NO_EXTENSION = "def extend(stack, outputs): del stack, outputs\n"


def no_extension(*_: object) -> None:
    """``lib/extend.py`` as TAP ships it."""


@cache
def folder() -> Path:
    """The project for processes that the tests start: the same, with the tests' environments."""
    copy = Path(mkdtemp(prefix="tap-tests-")) / "project"
    atexit.register(shutil.rmtree, copy.parent, ignore_errors=True)
    copy.parent.chmod(0o755)  # a test runs it as another user
    copy.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (*COPIED, "cdktf.out"):
            (copy / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "lib", copy / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tap.py", copy)
    (copy / "lib" / "extend.py").write_text(NO_EXTENSION, encoding="utf-8")
    with (copy / "lib" / "config" / "environment_config.py").open("a", encoding="utf-8") as config:
        config.write("\nfrom tests.environments import ENVIRONMENTS\n")
    return copy


def _run_app(environ: Mapping[str, str], output: Path, root: Path) -> str:
    """``run_app``, with the tests' environments."""
    return run_app(environ, output, folder() if root == ROOT else root)


environment_config.ENVIRONMENTS = environments.ENVIRONMENTS
extension.extend = no_extension
cdktf_cli.run_app = _run_app


@cache
def team_stack(name: str) -> Synthesized:
    """One of the project's own environments, with the team's resources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extension, "extend", TEAM_EXTEND)
        return Synthesized.of(TEAM[name])
