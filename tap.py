#!/usr/bin/env python3
"""The application: reads the environment variables, and synthesizes one stack per environment.

Run by ``cdktf synth`` and its siblings (see ``cdktf.json``), or by itself. Exit codes: 0 fine,
2 bad input; then every problem is a line on standard error and nothing has been written.
"""

import os
import sys
from collections.abc import Mapping
from datetime import date

from lib.config import environment_config as config
from lib.config.environment_config import EnvironmentConfig
from lib.config.settings import Settings
from lib.config.validation import support_warnings, validate
from lib.errors import ConfigError, TapError


def main(environ: Mapping[str, str], today: date) -> int:
    """Synthesize the environments that ``environ`` asks for; the exit code."""
    try:
        settings = Settings.from_env(environ, [entry.name for entry in config.ENVIRONMENTS])
        environments = selected(settings)
    except TapError as error:
        for line in error.lines():
            print(f"tap: {line}", file=sys.stderr)
        return 2
    for environment in environments:
        for warning in support_warnings(environment, today):
            print(f"tap: warning: {warning}", file=sys.stderr)
    synthesize(environments, settings)
    return 0


def selected(settings: Settings) -> list[EnvironmentConfig]:
    """The environments asked for, with what the settings override.

    All of them are checked, asked for or not: two overlap whichever of them is deployed today.
    Raises ``ConfigError``.
    """
    environments = [
        entry.overridden(
            region=settings.aws_region,
            backend=settings.state_backend,
            image=settings.container_image,
        )
        if entry.name in settings.environments
        else entry
        for entry in config.ENVIRONMENTS
    ]
    if problems := validate(environments):
        raise ConfigError(problems)
    return [entry for entry in environments if entry.name in settings.environments]


def synthesize(environments: list[EnvironmentConfig], settings: Settings) -> None:
    """Write the stacks' Terraform JSON."""
    # Loading the bindings takes longest: not before the input is known to be good.
    from cdktf import App  # pylint: disable=import-outside-toplevel

    from lib.tap_stack import TapStack  # pylint: disable=import-outside-toplevel

    app = App()
    for environment in environments:
        TapStack(
            app,
            config=environment,
            environment_suffix=settings.environment_suffix,
            password_given=settings.db_password_given,
        )
    app.synth()


if __name__ == "__main__":
    sys.exit(main(os.environ, date.today()))
