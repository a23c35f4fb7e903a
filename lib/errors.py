"""What TAP raises, and the one shape in which it reports a problem.

``TapError``
    ├── ``SettingsError``   wrong or missing environment variables
    ├── ``ConfigError``     wrong values in ``lib/config/environment_config.py``
    └── ``NamingError``     a name that cannot be made legal

A person sees the message and the hint, never a traceback; ``tap.py`` exits with 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input.

    ``path`` is where it stands (``dev.database.storage_gib``, or the name of an environment
    variable), ``message`` what is wrong, ``hint`` what to do about it.
    """

    path: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message} ({self.hint})"


class TapError(Exception):
    """Base of all errors that TAP raises on purpose. ``hint`` says how to mend it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def lines(self) -> list[str]:
        """What a person is shown: one line a problem."""
        return [f"{self.message} ({self.hint})"]


class ProblemsError(TapError):
    """Several problems found together; ``problems`` holds them in the order of the input."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__("\n".join(map(str, problems)), hint=first.hint)
        self.problems = tuple(problems)

    def lines(self) -> list[str]:
        """What a person is shown: one line a problem."""
        return [str(problem) for problem in self.problems]


class SettingsError(ProblemsError):
    """Wrong or missing environment variables, all of them."""


class ConfigError(ProblemsError):
    """Wrong values in the environments' config, all of them."""


class NamingError(TapError):
    """A name that cannot be made legal for its AWS resource."""
