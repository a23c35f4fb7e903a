"""From environment variables to checked environments: what tap.py and every command start with."""

from collections.abc import Mapping, Sequence

from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.settings import Settings
from lib.config.validation import validate
from lib.errors import ConfigError


def select(
    environ: Mapping[str, str], environments: Sequence[EnvironmentConfig] = ENVIRONMENTS
) -> tuple[Settings, list[EnvironmentConfig]]:
    """The settings, and the environments they ask for with what they override.

    All environments are checked, asked for or not: two overlap whichever is deployed today.
    Raises ``SettingsError`` or ``ConfigError`` with every problem.
    """
    if problems := validate(environments):
        raise ConfigError(problems)
    settings = Settings.from_env(environ, [entry.name for entry in environments])
    effective = [
        entry.overridden(
            region=settings.aws_region,
            backend=settings.state_backend,
            image=settings.container_image,
        )
        if entry.name in settings.environments
        else entry
        for entry in environments
    ]
    # Once more: an override can break a rule that the config keeps.
    if problems := validate(effective):
        raise ConfigError(problems)
    return settings, [entry for entry in effective if entry.name in settings.environments]
