#!/usr/bin/env python3
"""The application: reads the environment variables and synthesizes one stack per environment.

Run by ``cdktf synth`` and its siblings (see ``cdktf.json``), or by itself, from any folder. With
bad input each problem is a line on standard error, the exit code is 2 and nothing has been written.
"""

import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # with PYTHONSAFEPATH=1 Python leaves it out
if __name__ == "__main__":
    # Until ``ended`` looks after it, Ctrl-C ends it without a word: nothing has been done yet.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# pylint: disable=wrong-import-position
from lib.config.mistakes import reading_config
from lib.errors import TapError
from lib.exits import ended

with reading_config():
    from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
    from lib.config.selection import select
    from lib.config.warnings import warnings

OUTPUT = ROOT / "cdktf.out"
JSII_CACHE = "~/.cache/aws/jsii/package-cache"


def main(
    environ: Mapping[str, str],
    today: date,
    environments: Sequence[EnvironmentConfig] = ENVIRONMENTS,
) -> int:
    """Synthesize those ``environments`` that ``environ`` asks for; returns the exit code."""
    try:
        settings, selected = select(environ, environments)
    except TapError as error:
        for line in error.lines():
            print(f"tap: {line}", file=sys.stderr)
        return 2
    for environment in selected:
        for warning in warnings(environment, today):
            print(f"tap: warning: {warning}", file=sys.stderr)

    turn_off_unusable_cache()
    # The bindings take longest to load: not before the input is known to be good.
    from cdktf import App  # pylint: disable=import-outside-toplevel

    from lib.tap_stack import TapStack  # pylint: disable=import-outside-toplevel

    output = Path(environ.get("CDKTF_OUTDIR") or OUTPUT)  # set by the CLI
    with alone_in(output):
        app = App(outdir=str(output))
        for environment in selected:
            TapStack(
                app,
                config=environment,
                environment_suffix=settings.environment_suffix,
                password_given=settings.db_password_given,
            )
        app.synth()
    return 0


def turn_off_unusable_cache() -> None:
    """jsii keeps what it unpacks below the home folder, and ends where it may not write there."""
    cache = Path(os.path.expanduser(JSII_CACHE))
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if not cache.is_absolute() or not os.access(existing, os.W_OK):
        os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE", "disabled")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Two syntheses into one folder would delete each other's files: one waits for the other."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(ended(lambda: main(os.environ, date.today())))
