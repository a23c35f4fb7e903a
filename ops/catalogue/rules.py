"""How a resource gets worse: small rules about an attribute, each with what is lost or exposed."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from math import inf, nan
from typing import Any

from ops.catalogue.values import Change, Tree, Unknown

_OFF = {"", "0", "false", "disabled", "suspended", "off", "none", "[]", "{}"}
_PLACEHOLDER = re.compile(r"\\\$\\\{.*?\\\}")
UNREADABLE = "what nobody can read before it is applied"


@dataclass(frozen=True, slots=True)
class Rule:
    """When an attribute gets worse, and ``loses``: what is lost then, or what that exposes.

    With ``new`` it holds for what is made, too.
    """

    attribute: str
    loses: str
    _: KW_ONLY
    exposes: bool = False
    new: bool = False

    @property
    def top(self) -> str:
        """The argument that the attribute is, or is part of."""
        return re.split(r"[.{]", self.attribute, maxsplit=1)[0]

    def worse(self, change: Change) -> str:
        """What gets worse, in words; empty where nothing does."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ByValue(Rule):
    """A rule that goes by the attribute's values before and after."""

    def worse(self, change: Change) -> str:
        if (change.creates and not self.new) or self.top in change.derived:
            return ""
        return self._worse(change.was(self.attribute), change.will(self.attribute))

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        """What gets worse, of the values by where they stand."""
        raise NotImplementedError


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return UNREADABLE if isinstance(value, Unknown) else json.dumps(value)


def _change(was: Any, will: Any) -> str:
    return f"changes from {_said(was)} to {'nothing' if will is None else _said(will)}"


def number(value: Any) -> float:
    """A value as a number; one that is none is neither more nor less than any."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return nan


@dataclass(frozen=True, slots=True)
class Lowered(ByValue):
    """A number goes down; with ``below`` only to less than that.

    ``missing`` is what no value means, ``endless`` a value that means for ever. ``of`` makes the
    number of a value that is none.
    """

    _: KW_ONLY
    missing: float = 0
    endless: float | None = None
    below: float | None = None
    of: Callable[[Any], float] = number

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        for where in {**was, **will}:
            before, after = self._number(was.get(where)), self._number(will.get(where))
            limit = before if self.below is None else min(self.below, before)
            if after < limit:
                return _change(was.get(where), will.get(where))
        return ""

    def _number(self, value: Any) -> float:
        if value is None:
            return self.missing
        if isinstance(value, Unknown):
            return -inf
        found = self.of(value)
        return inf if found == self.endless else found


@dataclass(frozen=True, slots=True)
class Raised(ByValue):
    """A number goes up, of a value that there was."""

    _: KW_ONLY
    of: Callable[[Any], float] = number

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        for where, before in was.items():
            after = will.get(where)
            if isinstance(after, Unknown) or (
                after is not None and self.of(after) > self.of(before)
            ):
                return _change(before, after)
        return ""


def is_on(value: Any) -> bool:
    """Whether a switch, however it is written, or whatever may be set, is on."""
    return value is not None and str(value).lower() not in _OFF


def _switched(value: Any) -> bool:
    """The same of what will be: a reference to what is not made yet is something."""
    return is_on(value.template if isinstance(value, Unknown) else value)


@dataclass(frozen=True, slots=True)
class TurnedOff(ByValue):
    """What was on, or set, is so no longer."""

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        for where, before in was.items():
            if is_on(before) and not _switched(will.get(where)):
                return _change(before, will.get(where))
        return ""


@dataclass(frozen=True, slots=True)
class TurnedOn(ByValue):
    """What was off, or not set, is on."""

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        for where, after in will.items():
            if (isinstance(after, Unknown) or is_on(after)) and not is_on(was.get(where)):
                return f"changes to {_said(after)}"
        return ""


@dataclass(frozen=True, slots=True)
class Changed(ByValue):
    """What others go by is another; ``unset`` says whether none is another, too."""

    _: KW_ONLY
    unset: bool = True

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        before, after = (
            [value for value in values.values() if value != ""] for values in (was, will)
        )
        if not before or before == after or not (after or self.unset):
            return ""
        return _change(_single(before), _single(after))


def _single(values: list[Any]) -> Any:
    """One value, several, or None."""
    return values if len(values) > 1 else next(iter(values), None)


@dataclass(frozen=True, slots=True)
class Left(ByValue):
    """It had the one value that is safe, and has another."""

    value: str

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        for where, before in was.items():
            if before == self.value != will.get(where):
                return _change(before, will.get(where))
        return ""


@dataclass(frozen=True, slots=True)
class Removed(ByValue):
    """Something of a list goes, told by its id, name or itself."""

    def _worse(self, was: dict[str, Any], will: dict[str, Any]) -> str:
        if any(isinstance(value, Unknown) for value in will.values()):
            return "" if len(will) >= len(was) else f"has {len(will)} of {len(was)}"
        gone = [where.removeprefix("/") for where in was if where not in will]
        return f"loses {', '.join(gone)}" if gone else ""


@dataclass(frozen=True, slots=True)
class Opened(Rule):
    """More is open than was: ``openings`` says what is.

    A template's ``${...}`` stands for whatever stood there.
    """

    openings: Callable[[Tree], Iterable[str]]
    _: KW_ONLY
    exposes: bool = True

    def worse(self, change: Change) -> str:
        if change.creates and not self.new:
            return ""
        if self.top in change.derived and not _template((change.after or {}).get(self.top)):
            return ""
        before = list(self.openings(change.before or {}))
        found = [
            opening
            for opening in self.openings(change.after or {})
            if not any(_same(opening, known) for known in before)
        ]
        return f"opens {', '.join(dict.fromkeys(found))}" if found else ""


@dataclass(frozen=True, slots=True)
class Dropped(Rule):
    """Something that ``kept`` finds in it is there no longer."""

    kept: Callable[[Tree], Iterable[str]]
    _: KW_ONLY
    exposes: bool = True

    def worse(self, change: Change) -> str:
        if change.creates or self.top in change.derived:
            return ""
        after = list(self.kept(change.after or {}))
        gone = [
            known
            for known in self.kept(change.before or {})
            if not any(_same(kept, known) for kept in after)
        ]
        return f"drops {', '.join(dict.fromkeys(gone))}" if gone else ""


def _template(value: Any) -> Any:
    return value.template if isinstance(value, Unknown) else value


def _same(opening: str, known: str) -> bool:
    """Whether an opening, with placeholders in it, is one that there was."""
    pattern = _PLACEHOLDER.sub(".*", re.escape(opening))
    return re.fullmatch(pattern, known) is not None


@dataclass(frozen=True, slots=True)
class Refused:
    """What AWS would refuse half-way through a deploy: ``rule`` finds it and says why.

    ``unless`` is an argument that, when on, makes it possible.
    """

    rule: Rule
    page: str
    _: KW_ONLY
    unless: str = ""

    def told(self, change: Change) -> str:
        """Why it is refused; empty where it isn't."""
        if self.unless and any(map(is_on, change.will(self.unless).values())):
            return ""
        return self.rule.worse(change) and f"{self.rule.loses} ({self.page})"


@dataclass(frozen=True, slots=True)
class Interrupts:
    """What a change interrupts: ``rule`` finds it, and says what and for how long.

    ``later`` is the argument that says when it happens, unless ``at_once`` is on.
    """

    rule: Rule
    page: str
    _: KW_ONLY
    at_once: str = ""
    later: str = ""

    def told(self, change: Change) -> str:
        """What a change interrupts, in words; empty where it doesn't."""
        if not self.rule.worse(change):
            return ""
        return f"{self.rule.loses}, {self._when(change)} ({self.page})"

    def _when(self, change: Change) -> str:
        if not self.later or any(map(is_on, change.will(self.at_once).values())):
            return "at once"
        window = next(iter(change.will(self.later).values()), "")
        return f"in the {self.later.replace('_', ' ')} {window}".rstrip()
