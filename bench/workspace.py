"""The peers' packages, installed into ``.work/`` from their pinned lists, and only once.

A folder is made anew when its list, its sources or the Python that made it have changed.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.errors import BenchError

WORK = Path(__file__).resolve().parent / ".work"
PEERS = Path(__file__).resolve().parent / "peers"


def python_peer(name: str, listed: Path) -> Path:
    """The Python of the peer's own virtual environment, with the packages that are ``listed``."""

    def install(folder: Path) -> None:
        _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
        # Bytecode too: a package compiles once, when it is installed.
        _run(*pip, "install", "--compile", "--no-deps", "--require-hashes", "-r", str(listed))

    return _once(name, [listed], install) / "bin" / "python"


def typescript_peer(name: str) -> Path:
    """The peer's program, compiled to JavaScript."""
    sources = [
        *(PEERS / name / file for file in ("package.json", "package-lock.json")),
        *(PEERS / name / file for file in ("tsconfig.json", "main.ts")),
        PEERS / "environments.json",
    ]

    def install(folder: Path) -> None:
        folder.mkdir()
        for source in sources:
            shutil.copy(source, folder)
        _run("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
        _run("npx", "--no-install", "tsc", cwd=folder)

    return _once(name, sources, install) / "dist" / "main.js"


def _once(name: str, sources: list[Path], install: Callable[[Path], None]) -> Path:
    folder = WORK / name
    stamp = folder / ".installed"
    contents = b"".join(source.read_bytes() for source in sources)
    key = hashlib.sha256(sys.version.encode() + contents).hexdigest()
    if not stamp.is_file() or stamp.read_text() != key:
        print(f"bench: installing {name}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        WORK.mkdir(exist_ok=True)
        install(folder)
        stamp.write_text(key)
    return folder


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is not installed") from error
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
