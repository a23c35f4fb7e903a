"""``checks audit``: known vulnerabilities of what is locked, asked of the registries.

A registry that doesn't answer has not said that all is well: that is "not shown", and fails only
where ``--required`` says so. What is known and stays for now stands in ``accepted.toml``, with its
reason and a date by which it is looked at again.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType

from checks.lock_files import REQUIREMENTS, ROOT, TOOLS, bundled_places, python_packages
from lib.errors import TapError

ACCEPTED = ROOT / "checks" / "accepted.toml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry said: findings by advisory, or in ``silent`` why it said nothing."""

    findings: Mapping[str, str]
    silent: str = ""


Auditor = Callable[[], Answer]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("audit", help="known vulnerabilities of what is locked")
    parser.add_argument("--required", action="store_true", help="1 where no registry answers")
    parser.set_defaults(
        run=lambda options: run(options.required, AUDITORS, accepted(ACCEPTED), date.today())
    )


def run(
    required: bool, auditors: Mapping[str, Auditor], known: Mapping[str, "Accepted"], today: date
) -> int:
    """Ask each auditor and tell what it says; 1 for what nobody has accepted."""
    code, found, silent = 0, set[str](), False
    for name, auditor in auditors.items():
        answer = auditor()
        if answer.silent:
            silent = True
            print(f"audit: {name}: not shown: {answer.silent}")
            continue
        found |= answer.findings.keys()
        fresh = {key: text for key, text in answer.findings.items() if key not in known}
        for key, text in fresh.items():
            print(f"audit: {name}: {key}: {text}")
        old = len(answer.findings) - len(fresh)
        print(f"audit: {name}: {len(fresh)} findings{f', {old} accepted' if old else ''}")
        code = 1 if fresh else code
    for key, entry in known.items():
        if entry.until < today:
            print(f"audit: {key}: accepted until {entry.until}: look at it again")
            code = 1
        elif key not in found and not silent:
            print(f"audit: {key}: accepted, and no longer found: drop it")
            code = 1
    return 1 if silent and required else code


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that stays for now."""

    reason: str
    until: date


def accepted(file: Path) -> dict[str, Accepted]:
    """The entries of ``accepted.toml``. Raises ``TapError`` for one that lacks something."""
    found = {}
    for key, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
        match entry:
            case {"reason": str() as reason, "until": date() as until} if reason:
                found[key] = Accepted(reason, until)
            case _:
                raise TapError(
                    f"{file.name}: {key} is not an accepted finding",
                    hint='write reason = "..." and until = 2027-01-31',
                )
    return found


def pip_audit(requirements: Sequence[str]) -> Answer:
    """What PyPI knows of these lines of a requirements file."""
    with tempfile.TemporaryDirectory(prefix="tap-audit-") as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("\n".join([*requirements, ""]), encoding="utf-8")
        command = [TOOLS / "pip-audit", "--disable-pip", "--require-hashes", "--format", "json"]
        command += ["--progress-spinner", "off", "--requirement", file]
        strict = _run([*command, "--strict"])
        # Strict ends at the first package that the registry doesn't know: at one, or at all?
        return from_pip_audit(strict if strict.stdout else _run(command))


def from_pip_audit(done: "subprocess.CompletedProcess[str]") -> Answer:
    """The answer in what pip-audit has printed."""
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Answer({}, silent=_last_line(done.stderr))
    skipped = {entry["name"]: entry["skip_reason"] for entry in packages if "skip_reason" in entry}
    if len(skipped) == len(packages):
        return Answer({}, silent="the registry tells nothing of any package")
    findings = {f"unknown:{name}": reason for name, reason in skipped.items()}
    for entry in packages:
        for vulnerability in entry.get("vulns", ()):
            fixed = " or ".join(vulnerability["fix_versions"]) or "no version yet"
            told = f"{entry['name']} {entry['version']}, mended in {fixed}"
            findings[vulnerability["id"]] = told
    return Answer(findings)


def npm_audit() -> Answer:
    """What npm's registry knows of ``package-lock.json``."""
    done = _run(["npm", "audit", "--json", "--package-lock-only"])
    return from_npm_audit(done, bundled_places())


def from_npm_audit(
    done: "subprocess.CompletedProcess[str]", bundled: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """The answer in what npm has printed.

    What is found only inside another package, where nobody but that one's author can update it, is
    one finding of that package.
    """
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return Answer({}, silent=_last_line(done.stderr))
    if "vulnerabilities" not in report:
        return Answer({}, silent=report.get("message") or _last_line(done.stderr))
    findings: dict[str, str] = {}
    for name, entry in report["vulnerabilities"].items():
        owners = {bundled.get(place) for place in entry.get("nodes", ())}
        for advisory in entry["via"]:
            if isinstance(advisory, dict):  # a name stands for another entry's advisory
                text = f"{name} {advisory['range']}: {advisory['title']}"
                if len(owners) == 1 and (owner := next(iter(owners))):
                    before = findings.get(f"bundled:{owner}")
                    findings[f"bundled:{owner}"] = f"{before}; {text}" if before else text
                else:
                    findings[advisory["url"].rpartition("/")[2]] = text
    return Answer(findings)


def _run(command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no answer"


def _requirements() -> Iterator[str]:
    """Of what ``make setup`` installs."""
    return (package.requirement() for package in python_packages())


AUDITORS: dict[str, Auditor] = {
    "Pipfile.lock": lambda: pip_audit(list(_requirements())),
    **{
        f"requirements/{file.name}": partial(pip_audit, [file.read_text(encoding="utf-8")])
        for file in REQUIREMENTS
    },
    "package-lock.json": npm_audit,
}
