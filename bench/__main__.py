"""``python -m bench``: measure, compare, report. See the package's docstring."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import report
from bench.check import compare
from bench.contenders import CONTENDERS, LAZY, ROOT, STOCK, WARM_CACHE, process_environment
from bench.errors import BenchError
from bench.measure import Usage, run
from bench.report import SCENARIOS, Results, Scenario

COPIES = (1, 2, 3, 5, 10, 25, 50)


def arguments() -> argparse.Namespace:
    """What the run is asked for."""
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=names,
        metavar="NAME,...",
        help=f"of {', '.join(names)}",
    )
    parser.add_argument("--no-cold", action="store_true", help="leave out empty package caches")
    parser.add_argument("--no-copies", action="store_true", help="leave out up to 50 environments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run here")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a target is missed")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs: at least 1")
    if unknown := sorted(set(options.only) - set(names)):
        parser.error(f"--only: {', '.join(unknown)} is not one of {', '.join(names)}")
    if options.write and (options.only != names or options.no_cold or options.no_copies):
        parser.error("--write takes a whole run")
    return options


class Bench:
    """One benchmark: its options, its temporary folder and its results."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._contenders = [entry for entry in CONTENDERS if entry.name in options.only]
        self._commands = {entry.name: entry.command() for entry in self._contenders}
        self._settings = {entry.name: entry.settings for entry in self._contenders}
        self.results = Results()

    def check(self) -> None:
        """Run everything unmeasured: it has to do the same work, and what is warm gets warm.

        Twice, as jsii may leave the cache of a package unfinished when a short first run ends.
        """
        outputs = {name: self._folder / name for name in self._commands}
        for name, out in outputs.items():
            self._say(f"checking {name}")
            self._run(name, process_environment("dev", self._folder / "first"))
            self._run(name, process_environment("all", out))
        self.results.resources = compare(outputs)

    def measure(self) -> None:
        """All rounds."""
        for number in range(self._options.pairs):
            for scenario in SCENARIOS:
                if not (scenario.cold and self._options.no_cold):
                    self._round(number, scenario)
            if LAZY in self._commands and not self._options.no_copies:
                for count in COPIES:
                    self._copies(number, count)

    def _round(self, number: int, scenario: Scenario) -> None:
        # Cold runs show what loading costs: the peers have nothing to show there.
        names = [name for name in self._commands if not scenario.cold or name in (STOCK, LAZY)]
        # Another one begins in each round: no contender always follows the same one.
        start = number % max(len(names), 1)
        for name in names[start:] + names[:start]:
            with tempfile.TemporaryDirectory(dir=self._folder) as temporary:
                cache = Path(temporary, "cache") if scenario.cold else WARM_CACHE
                environ = process_environment(scenario.environment, Path(temporary, "out"), cache)
                usage = self._run(name, environ)
            self.results.runs.setdefault(scenario, {}).setdefault(name, []).append(usage)
            self._say(f"round {number + 1}: {scenario.name} {name} {usage.wall:.2f} s")

    def _copies(self, number: int, count: int) -> None:
        command = (sys.executable, "-m", "bench.copies", "prod", str(count))
        with tempfile.TemporaryDirectory(dir=self._folder) as temporary:
            usage = run(command, process_environment("", Path(temporary, "out")), ROOT)
        self.results.copies.setdefault(count, []).append(usage.wall)
        self._say(f"round {number + 1}: {count} copies {usage.wall:.2f} s")

    def _run(self, name: str, environ: dict[str, str]) -> Usage:
        return run(self._commands[name], environ | dict(self._settings[name]), ROOT)

    @staticmethod
    def _say(text: str) -> None:
        print(f"bench: {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, str | int | float]:
    """Where and when this runs, as far as it matters for the figures."""
    node = subprocess.run(("node", "--version"), capture_output=True, text=True, check=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "node": node.stdout.strip().removeprefix("v"),
        "load_before": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """The command; its exit code."""
    options = arguments()
    where = machine()
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="tap-bench-") as folder:
            bench = Bench(options, Path(folder))
            bench.check()
            bench.measure()
        results = bench.results
        targets = report.targets(results)
        heading = (
            f"{where['date']}, {where['cores']} cores, {where['memory_gib']} GiB of memory, "
            f"Python {where['python']}, Node {where['node']}; median (minimum–maximum) of "
            f"{options.pairs}, ratios within a round.\n"
        )
        block = f"{heading}\n{report.tables(results)}\n{report.target_table(targets)}"
        print(block)
        minutes = (time.monotonic() - started) / 60
        print(f"bench: {minutes:.0f} min, load before {where['load_before']}", file=sys.stderr)
        if options.json:
            options.json.write_text(json.dumps(as_json(where, results, targets), indent=2) + "\n")
        if options.write:
            report.write(ROOT / "docs" / "performance.md", block)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return int(options.check and not all(target.met for target in targets))


def as_json(where: dict, results: Results, targets: list[report.Target]) -> dict:
    """Every run, for programs."""
    return {
        "machine": where,
        "resources": results.resources,
        "runs": {
            scenario.name: {
                name: [asdict(usage) for usage in usages] for name, usages in runs.items()
            }
            for scenario, runs in results.runs.items()
        },
        "copies": results.copies,
        "seconds_per_further_environment": results.slopes(),
        "targets": [asdict(target) for target in targets],
    }


if __name__ == "__main__":
    sys.exit(main())
