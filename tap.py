#!/usr/bin/env python3
"""The application: reads the environment variables and synthesizes one stack per environment.

Run by ``cdktf synth`` and its siblings (see ``cdktf.json``), or by itself. Exit codes: 0 fine,
2 bad input; then each problem is a line on standard error and nothing has been written.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date

from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.selection import select
from lib.config.validation import warnings
from lib.errors import TapError


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

    # The bindings take longest to load: not before the input is known to be good.
    from cdktf import App  # pylint: disable=import-outside-toplevel

    from lib.tap_stack import TapStack  # pylint: disable=import-outside-toplevel

    app = App(outdir=environ.get("CDKTF_OUTDIR"))  # set by the CLI; cdktf.out without it
    for environment in selected:
        TapStack(
            app,
            config=environment,
            environment_suffix=settings.environment_suffix,
            password_given=settings.db_password_given,
        )
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ, date.today()))
