"""``checks secrets``: nothing in any file looks like a secret, but what the baseline has.

An entry of the baseline is a finding that somebody has looked at. One that is found no longer has
to go: the next secret could stand in its place.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checks.lock_files import ROOT, TOOLS

BASELINE = ROOT / ".secrets.baseline"
Finding = tuple[str, str, str]  # file, kind, hash


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("secrets", help="what looks like a secret")
    parser.add_argument("--write", action="store_true", help="write the baseline anew")
    parser.set_defaults(run=lambda options: run(write=options.write))


def run(*, write: bool = False) -> int:
    """Scan every file that isn't ignored, and compare; 1 when anything differs."""
    scanned = scan(ROOT)
    if write:
        BASELINE.write_text(json.dumps(scanned, indent=1) + "\n", encoding="utf-8")
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    return compared(findings(known), findings(scanned))


def compared(known: dict[Finding, int], found: dict[Finding, int]) -> int:
    """Tell what is new and what is gone; an exit code."""
    for finding in found.keys() - known.keys():
        print(f"secrets: {finding[0]}:{found[finding]}: looks like a secret ({finding[1]})")
    for finding in known.keys() - found.keys():
        print(f"secrets: {finding[0]}: in the baseline, and no longer there ({finding[1]})")
    if known.keys() == found.keys():
        return 0
    print("secrets: where none of it is one: .venv/bin/python -m checks secrets --write")
    return 1


def findings(report: dict[str, Any]) -> dict[Finding, int]:
    """Each finding of a report, with its line."""
    return {
        (file, entry["type"], entry["hashed_secret"]): entry["line_number"]
        for file, entries in report["results"].items()
        for entry in entries
    }


def scan(folder: Path) -> dict[str, Any]:
    """detect-secrets' report of all files in a folder that git would not ignore."""
    with tempfile.TemporaryDirectory() as empty:  # a repository: an unpacked archive has none
        _output(["git", "init", "-q", "--bare", empty], folder)
        git = ["git", f"--git-dir={empty}", f"--work-tree={folder}"]
        names = _output([*git, "ls-files", "-z", "--others", "--exclude-standard"], folder)
    files = [name for name in names.split("\0") if name and name != BASELINE.name]
    report = json.loads(_output([TOOLS / "detect-secrets", "scan", "--all-files", *files], folder))
    del report["generated_at"]
    return report


def _output(command: Sequence[str | Path], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
