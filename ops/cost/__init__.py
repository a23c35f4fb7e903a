"""``ops cost``: what each environment costs in a month, item by item, from its synthesized JSON.

Prices are a dated snapshot (``price_lists``), which ``--refresh`` brings up to date; what depends
on traffic is assumed (``usage.toml``) or told by ``--usage``.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path

from lib.errors import TapError
from ops.cost import prices, usage
from ops.cost.bill import Bill, bill
from ops.cost.refresh import refresh
from ops.cost.report import Difference, as_json, compare, headline, markdown, notes, tables
from ops.stacks import ROOT, Stack, synthesize


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("cost", help="what ENVIRONMENT (all) costs in a month")
    parser.add_argument("--usage", type=Path, metavar="FILE", help="traffic, logs and growth")
    parser.add_argument("--on", type=_day, default=None, metavar="DATE", help="not today but then")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--since",
        nargs="+",
        metavar="COMMIT",
        help="what a commit's bill differs in from today's files, or from a second commit's",
    )
    what.add_argument(
        "--between", nargs=2, metavar="ENVIRONMENT", help="what two environments differ in"
    )
    what.add_argument(
        "--refresh", action="store_true", help="ask AWS for today's prices; needs credentials"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for a machine")
    shape.add_argument("--markdown", action="store_true", help="for a document or a comment")
    parser.set_defaults(run=run)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no date like 2027-03-01") from error


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Print the bills, or what they differ in; 1 when something has no price.

    Raises ``TapError`` for bad input, and where AWS or git refuse to work.
    """
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops cost --help")
    if options.refresh:
        for region, stacks in _by_region(synthesize(environ)).items():
            print(f"wrote {refresh(region, stacks)}: read the difference before you commit it")
        return 0
    if options.since:
        return _since(options, environ)
    if options.between:
        return _between(options, environ)
    bills = _bills(synthesize(environ), options)
    if options.json:
        print(json.dumps(as_json(bills), indent=2))
    elif options.markdown:
        print("\n".join((*markdown(bills), "", *notes(bills))))
    else:
        tables(bills, sys.stdout)
    return _code(bills)


def _bills(stacks: Sequence[Stack], options: argparse.Namespace) -> list[Bill]:
    quantities = usage.read(options.usage, stacks)
    lists = {region: prices.load(region) for region in _by_region(stacks)}
    day = options.on or date.today()
    return [bill(stack, quantities, lists[stack.region], day) for stack in stacks]


def _by_region(stacks: Sequence[Stack]) -> dict[str, list[Stack]]:
    found: dict[str, list[Stack]] = {}
    for stack in stacks:
        found.setdefault(stack.region, []).append(stack)
    return found


def _code(bills: Sequence[Bill]) -> int:
    return 1 if any(entry.unpriced for entry in bills) else 0


def _since(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """What one commit, or the files as they are, differ in from another commit."""
    if len(options.since) > 2:
        raise TapError("--since takes one commit, or two", hint="name the older one first")
    older, *newer = options.since
    before = _bills(_at(older, environ), options)
    after = _bills(_at(newer[0], environ) if newer else synthesize(environ), options)
    differences = compare(before, after)
    _tell(headline(differences), differences, options, after)
    return _code(after)


def _between(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """What the second of two environments differs in from the first."""
    first, second = options.between
    if first == second:
        raise TapError(f"{first} and {second} are one environment", hint="name two")
    stacks = synthesize({**environ, "ENVIRONMENT": f"{first},{second}"})
    bills = {entry.environment: entry for entry in _bills(stacks, options)}
    difference = Difference(f"{first} → {second}", bills[first], bills[second])
    said = f"{second} instead of {first}: {difference.said}"
    _tell(said, [difference], options, list(bills.values()))
    return _code(list(bills.values()))


def _tell(
    said: str, differences: list[Difference], options: argparse.Namespace, bills: Sequence[Bill]
) -> None:
    if options.json:
        print(json.dumps([entry.as_json() for entry in differences], indent=2))
        return
    print(f"**{said}**\n" if options.markdown else said)
    fence = ["```"] if options.markdown else []
    for entry in differences:
        if entry.changes:
            print("\n".join((*fence, f"{entry.name}:", *entry.lines(), *fence)))
    for note in notes(bills):
        print(note, file=sys.stderr)


def _at(commit: str, environ: Mapping[str, str]) -> list[Stack]:
    """The stacks that the files of a commit make, with the packages that are installed here."""
    # The end of options: a commit's name never counts as one.
    command = ["git", "archive", "--format=tar", "--end-of-options", commit]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise TapError(f"git: {said}", hint="name a commit of this repository")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        try:
            return synthesize(environ, Path(folder))
        except TapError as error:
            raise TapError(f"{commit}: {error.message}", hint=error.hint) from error
