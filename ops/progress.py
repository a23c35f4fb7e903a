"""How far a deploy is, for a person to follow: read from what Terraform prints."""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

LINE_SECONDS = 10  # between two lines where there is no screen to paint on
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
EVENT = re.compile(
    r"(?P<address>aws_\w+\.\w+)(?: \([^)]*\))?: "
    r"(?P<event>Creating|Modifying|Destroying|Creation complete|Modifications complete"
    r"|Destruction complete)"
)
NOTABLE = ("service_url", "database_address", "database_secret_arn")
SHOWN_AT_WORK = 3


class Progress:
    """One environment's deploy: what is done and what is being worked on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self.start()

    def start(self) -> None:
        """Another run of the CLI begins."""
        self.done: set[str] = set()
        self.at_work: dict[str, None] = {}  # in the order in which they were begun
        self._offset, self._text = 0, ""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._started

    def read(self, log: Path) -> None:
        """Take in what the log has gained. A line that isn't finished is read again next time."""
        with log.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        if not newline:
            return
        self._offset += len(whole + newline)
        text = ANSI.sub("", whole.decode(errors="replace"))
        self._text += text + "\n"
        for match in EVENT.finditer(text):
            if match["event"].endswith("complete"):
                self.at_work.pop(match["address"], None)
                self.done.add(match["address"])
            else:
                self.at_work[match["address"]] = None

    def errors(self) -> Iterator[str]:
        """The errors that Terraform printed, without its frames; the last lines without any."""
        lines = [line.strip(" │╷╵") for line in self._text.splitlines()]
        found = [index for index, line in enumerate(lines) if line.startswith("Error: ")]
        for index in found or [max(0, len(lines) - 6)]:
            yield from filter(None, lines[index : index + 6])


class Board:
    """Shows several at a time: painted over on a screen, a line now and then elsewhere."""

    def __init__(self, progresses: list[Progress], *, quiet: bool) -> None:
        self._progresses = progresses
        # What a machine reads stands on standard output alone.
        self._console = Console(stderr=quiet, markup=False, emoji=False, highlight=False)
        self._live: Live | None = None
        self._verb = ""
        self._told = 0.0

    @contextmanager
    def showing(self, verb: str) -> Iterator[None]:
        """Show the progress of one step for as long as it takes."""
        self._verb, self._told = verb, time.monotonic()
        if not self._console.is_terminal:
            yield
            with suppress(OSError):
                self._lines()
            return
        self._live = Live(self._table(), console=self._console, auto_refresh=False)
        self._live.start()
        try:
            yield
        finally:
            with suppress(OSError):
                self._live.update(self._table(), refresh=True)
                self._live.stop()
            self._live = None

    def tick(self) -> None:
        """Bring it up to date; call it often. A terminal that was closed is no error."""
        with suppress(OSError):
            if self._live:
                self._live.update(self._table(), refresh=True)
            elif time.monotonic() - self._told > LINE_SECONDS:
                self._told = time.monotonic()
                self._lines()

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for progress in self._progresses:
            names = [address.split(".")[0] for address in progress.at_work]
            more = len(names) - SHOWN_AT_WORK
            work = ", ".join(names[:SHOWN_AT_WORK]) + (f" and {more} more" if more > 0 else "")
            count = f"{len(progress.done)}/{progress.total}"
            yield f"{self._verb} {progress.name}", count, f"{progress.seconds:.0f} s", work

    def _table(self) -> Table:
        table = Table("", "resources", "time", "at work on", box=None)
        for row in self._rows():
            table.add_row(*row)
        return table

    def _lines(self) -> None:
        for row in self._rows():
            print("  ".join(filter(None, row)), file=self._console.file, flush=True)

    def summary(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """What was deployed, and how long it took."""
        table = Table("", title="On the embedded AWS", title_justify="left")
        for name in results:
            table.add_column(name, overflow="fold")
        for key in NOTABLE:
            table.add_row(key, *(result["outputs"].get(key, "") for result in results.values()))
        table.add_row("resources", *(str(result["resources"]) for result in results.values()))
        table.add_row("SSM parameters", *(str(len(r["outputs"])) for r in results.values()))
        for verb in next(iter(results.values()))["seconds"]:
            table.add_row(f"{verb}, seconds", *(str(r["seconds"][verb]) for r in results.values()))
        self._console.print(table)
        for name, result in results.items():
            for word in ("answers", "psql", "log"):
                if result[word]:
                    print(f"{name} {word}: {result[word]}", file=self._console.file)
            for reason in result["not_shown"]:
                print(f"{name}: not shown: {reason}", file=sys.stderr)
