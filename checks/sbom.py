"""``checks sbom``: the bill of materials, in CycloneDX, of either lock file.

By cyclonedx-py and npm, which read the locks alone. https://cyclonedx.org
"""

import argparse
import os
import subprocess
from pathlib import Path

from checks.lock_files import PIPFILE_LOCK, ROOT, TOOLS
from lib.errors import TapError

PYTHON = "python.cdx.json"
NODE = "node.cdx.json"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("sbom", help="write the bills of materials")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "sbom")
    parser.set_defaults(run=lambda options: run(options.folder))


def run(folder: Path) -> int:
    """Write both to a folder; 0. Raises ``TapError`` where a tool fails."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [TOOLS / "cyclonedx-py", "pipenv", "--dev", "--output-reproducible"]
    _write(folder / PYTHON, [*command, PIPFILE_LOCK.parent])
    _write(folder / NODE, ["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"])
    return 0


def _write(file: Path, command: list[str | Path]) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TapError(f"{command[0]} failed: {done.stderr.strip()}", hint="run make setup")
    file.write_text(done.stdout, encoding="utf-8")
    print(f"sbom: {file}")
