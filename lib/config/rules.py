"""What a rule about the config is, and those that many fields share.

A rule is a row in one of ``validation.py``'s tables: the fields it reads, a small function of their
values, and in words what it takes.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lib.config import aws_limits
from lib.config.type_check import Finding, shown


@dataclass(frozen=True, slots=True)
class Rule:
    """``check`` is called with the values at ``reads``; what it finds stands at the first.

    ``takes`` says what the first may be, for the reference of all fields (docs/fields.md).
    """

    reads: tuple[str, ...]
    check: Callable[..., Iterable[Finding]]
    takes: str
    production_only: bool = False


def between(path: str, low: int, high: int, unit: str) -> Rule:
    """A number from ``low`` to ``high``, both ends in it."""

    def check(value: int) -> Iterator[Finding]:
        if not low <= value <= high:
            side, limit = ("below the minimum", low) if value < low else ("above the maximum", high)
            yield Finding(f"{shown(value)} is {side} of {limit} {unit}", f"write {low} to {high}")

    return Rule((path,), check, f"{low} to {high}")


def one_of(path: str, allowed: Collection[object], unit: str) -> Rule:
    """One of the values that there are."""

    def check(value: object) -> Iterator[Finding]:
        if value not in allowed:
            yield Finding(f"{shown(value)} is no {unit}", f"choose {choices}")

    choices = ", ".join(map(str, allowed))
    return Rule((path,), check, choices)


def matches(path: str, pattern: str, what: str, takes: str) -> Rule:
    """A text that a pattern matches, told in the words of ``takes``; or None."""

    def check(value: str | None) -> Iterator[Finding]:
        if value is not None and not re.fullmatch(pattern, value):
            yield Finding(f"{shown(value)} is not {what}", f"write {takes}")

    return Rule((path,), check, takes)


def production_wants(path: str, wanted: bool, why: str) -> Rule:
    """One of the two, in production."""

    def check(value: bool) -> Iterator[Finding]:
        if value is not wanted:
            yield Finding(f"production needs {wanted}: {why}", f"write {wanted}")

    return Rule((path,), check, f"{wanted}: {why}", production_only=True)


def log_retention(path: str) -> Rule:
    """Days that CloudWatch Logs keeps what it has."""
    return one_of(path, aws_limits.LOG_RETENTION_DAYS, "retention of CloudWatch Logs, in days")


def percent(path: str) -> Rule:
    """A part of a whole that is not nothing."""
    return between(path, 1, 100, "percent")


def port(path: str, low: int, high: int) -> Rule:
    """A port that a program may listen on."""
    return between(path, low, high, "for a port")


def each_of(path: str, allowed: Collection[str], what: str) -> Rule:
    """Several of the values that there are, none twice."""

    def check(values: tuple[str, ...]) -> Iterator[Finding]:
        for index, value in enumerate(values):
            if value not in allowed:
                yield Finding(f"{shown(value)} is no {what}", f"choose {choices}", f"[{index}]")
        yield from repeated(values)

    choices = ", ".join(allowed)
    return Rule((path,), check, f"of {choices}, none twice")


def repeated(values: Sequence[str]) -> Iterator[Finding]:
    """What stands there again."""
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Finding(f"{shown(value)} stands there twice", "drop one", f"[{index}]")
