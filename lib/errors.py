"""What TAP raises, and the one shape in which it reports a problem.

``TapError``
    ├── ``SettingsError``   wrong or missing environment variables
    ├── ``ConfigError``     wrong values in ``lib/config/environment_config.py``
    ├── ``NamingError``     a name that cannot be made legal
    └── ``FailedError``     the input was fine, and Terraform, AWS or the machine failed

A person sees the message and the hint, never a traceback: ``lib/exits.py``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import IntEnum

ALIKE = 0.6  # of 1: difflib's own measure of words that are close


class ExitCode(IntEnum):
    """How a command has ended, for whatever started it."""

    FINE = 0
    REFUSED = 1  # a check failed, or a plan was refused
    USAGE = 2  # bad input
    FAILED = 3  # Terraform, AWS, the machine or TAP itself failed
    INTERRUPTED = 128 + 2  # by Ctrl-C, as shells have it
    READER_GONE = 128 + 13  # nobody reads what it prints any more, as shells have it


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean prod? ``, of the known word that is most like ``word``; empty without one."""
    scores = {each: _likeness(word.lower(), each.lower()) for each in known}
    nearest = max(scores, key=scores.__getitem__, default="")
    return f"did you mean {nearest}? " if nearest and scores[nearest] >= ALIKE else ""


def _likeness(word: str, other: str) -> float:
    if word and (word.startswith(other) or other.startswith(word)):  # production, prod
        return 1
    return SequenceMatcher(None, word, other).ratio()


class TapError(Exception):
    """Base of all errors that TAP raises on purpose. ``hint`` says how to mend it."""

    exit_code = ExitCode.USAGE

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


class FailedError(TapError):
    """The input was fine, and Terraform, AWS or the machine failed."""

    exit_code = ExitCode.FAILED
