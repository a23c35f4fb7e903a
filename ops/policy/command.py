"""The command: ask, hold what is found against the waivers, tell."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from os import cpu_count
from pathlib import Path

from lib.config.environment_config import ENVIRONMENTS
from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.policy import checkov, rules
from ops.policy.nag import PREFIX as OF_PLANS
from ops.policy.stack import Finding, Stack, read_stacks
from ops.policy.table import DOCUMENT, document, waived_checks


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("policy", help="hold every environment against policy checks")
    parser.add_argument("--write", action="store_true", help="write docs/policy.md anew")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], _environ: Mapping[str, str]) -> int:
    """Check every environment, in every variant; 1 when something needs a person.

    Raises ``TapError`` for bad input, and where a checker is missing or looked at nothing.
    """
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops policy --help")
    with tempfile.TemporaryDirectory(prefix="tap-policy-") as name:
        variants = synthesize(Path(name))
        if options.write:
            DOCUMENT.write_text(document(variants), encoding="utf-8")
        problems = list(check(variants, Path(name), date.today()))
    for problem in problems:
        print(f"policy: {problem}", file=sys.stderr)
    return 1 if problems else 0


def synthesize(folder: Path) -> dict[str, list[Stack]]:
    """The stacks of each variant of ``policy/stacks.py``. Raises ``TapError`` for bad config."""
    done = subprocess.run(
        [sys.executable, "-m", "policy.stacks", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise TapError(f"synthesis failed: {''.join(last)}", hint="run make synth")
    production = {entry.name: entry.production for entry in ENVIRONMENTS}
    return {
        variant.name: read_stacks(variant, production)
        for variant in sorted(folder.iterdir())
        if variant.is_dir()
    }


def check(variants: Mapping[str, Sequence[Stack]], folder: Path, today: date) -> Iterator[str]:
    """What a person has to see to, of all stacks; says what passed on standard output."""
    stacks = [(variant, stack) for variant, found in variants.items() for stack in found]
    folders = [folder / f"checkov{number}" for number in range(len(stacks))]
    for each in folders:
        each.mkdir()
    with ThreadPoolExecutor(cpu_count()) as pool:
        reports = list(pool.map(checkov.findings, (stack for _, stack in stacks), folders))
    for (variant, stack), (found, passed) in zip(stacks, reports, strict=True):
        waived = waived_checks(stack)
        print(
            f"policy: {stack.environment}, {variant}: {passed} passed, {len(waived)} checks waived"
        )
        found = [*found, *rules.findings(stack)]
        for problem in triage(stack, found, today, of_plans=False):
            yield f"{stack.environment}, {variant}: {problem}"


def triage(stack: Stack, found: Iterable[Finding], today: date, *, of_plans: bool) -> Iterator[str]:
    """Findings without a waiver, waivers without a finding, and waivers that have ended.

    Of the waivers, those for the checker of plans, or those for the others.
    """
    findings = {(each.check, each.address): each for each in found}
    waivers = {
        key: waiver
        for key, waiver in stack.waivers.items()
        if key[0].startswith(OF_PLANS) is of_plans
    }
    for key, finding in findings.items():
        if key not in waivers:
            where = stack.path(finding.address)
            yield f"{finding.check} at {where}: {finding.message} (mend it, or waive it there)"
    for key, waiver in waivers.items():
        if key not in findings:
            yield f"{waiver.check} at {waiver.path}: waived, but not found (drop the waiver)"
        elif waiver.review <= today:
            yield (
                f"{waiver.check} at {waiver.path}: its waiver ended on {waiver.review}"
                " (mend it, or decide anew)"
            )
