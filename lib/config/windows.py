"""The database's two windows: of a day for backups, of a week for maintenance, never at once."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lib.config import aws_limits
from lib.config.rules import Rule
from lib.config.type_check import Finding, shown

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = len(_DAYS) * _DAY_MINUTES
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_BACKUP = "hh:mm-hh:mm, in UTC"
_MAINTENANCE = "ddd:hh:mm-ddd:hh:mm, in UTC"
_DAY_TIME = rf"({'|'.join(_DAYS)}):{_TIME}"


class _Window(NamedTuple):
    start: int  # minutes from midnight, or from Monday's midnight
    minutes: int  # how long


def _backup_window(text: str) -> _Window | Finding:
    match = re.fullmatch(f"{_TIME}-{_TIME}", text)
    if not match:
        return Finding(f"{shown(text)} is not a window", f"write {_BACKUP}")
    start, end = (int(hour) * 60 + int(minute) for hour, minute in _halves(match))
    return _window(text, start, (end - start) % _DAY_MINUTES, longest=_DAY_MINUTES)


def _maintenance_window(text: str) -> _Window | Finding:
    match = re.fullmatch(f"{_DAY_TIME}-{_DAY_TIME}", text)
    if not match:
        return Finding(f"{shown(text)} is not a window", f"write {_MAINTENANCE}")
    start, end = (
        _DAYS.index(day) * _DAY_MINUTES + int(hour) * 60 + int(minute)
        for day, hour, minute in _halves(match)
    )
    longest = aws_limits.RDS_MAINTENANCE_WINDOW_MAX_MINUTES
    return _window(text, start, (end - start) % _WEEK_MINUTES, longest=longest)


def _halves(match: re.Match[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    groups = match.groups()
    return groups[: len(groups) // 2], groups[len(groups) // 2 :]


def _window(text: str, start: int, minutes: int, *, longest: int) -> _Window | Finding:
    shortest = aws_limits.RDS_WINDOW_MIN_MINUTES
    if shortest <= minutes <= longest:
        return _Window(start, minutes)
    return Finding(
        f"{shown(text)} is {minutes} minutes long",
        f"make it {_lengths(longest)}",
    )


def _lengths(longest: int) -> str:
    return f"{aws_limits.RDS_WINDOW_MIN_MINUTES} minutes to {longest // 60} hours"


def _window_rule(path: str, parse: Callable[[str], _Window | Finding], takes: str) -> Rule:
    def check(text: str) -> Iterator[Finding]:
        if isinstance(finding := parse(text), Finding):
            yield finding

    return Rule((path,), check, takes)


def _windows_apart(maintenance_text: str, backup_text: str) -> Iterator[Finding]:
    maintenance, backup = _maintenance_window(maintenance_text), _backup_window(backup_text)
    if isinstance(maintenance, Finding) or isinstance(backup, Finding):
        return
    for day in range(len(_DAYS)):
        # On a circle two spans meet when either begins within the other.
        ahead = (day * _DAY_MINUTES + backup.start - maintenance.start) % _WEEK_MINUTES
        if ahead < maintenance.minutes or -ahead % _WEEK_MINUTES < backup.minutes:
            yield Finding(
                f"{maintenance_text} overlaps the backup_window {backup_text}", "move one of them"
            )
            return


WINDOW_RULES = (
    _window_rule("database.backup_window", _backup_window, f"{_BACKUP}, {_lengths(_DAY_MINUTES)}"),
    _window_rule(
        "database.maintenance_window",
        _maintenance_window,
        f"{_MAINTENANCE}, {_lengths(aws_limits.RDS_MAINTENANCE_WINDOW_MAX_MINUTES)}",
    ),
    Rule(
        ("database.maintenance_window", "database.backup_window"),
        _windows_apart,
        "apart from backup_window",
    ),
)
