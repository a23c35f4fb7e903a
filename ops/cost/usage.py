"""What a bill depends on beside the configuration: traffic, logs, growth. ``usage.toml`` has all
quantities there are, with the values that are assumed; a file of one's own says what differs."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.errors import ConfigError, Problem, TapError
from ops.stacks import Resource, Stack

SHIPPED = Path(__file__).with_name("usage.toml")
ALL = "all"
CONFIGURED = "configured"  # instead of a number: what the stack says
Sections = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Usage:
    """The files, the shipped one first: later ones stand above it."""

    files: Sequence[Sections]

    def quantity(self, stack: Stack, resource: Resource, name: str) -> Decimal | None:
        """How much there is in a month; None for what the stack itself says."""
        for file in reversed(self.files):
            for environment in (stack.environment, ALL):
                for key in (resource.path, resource.type):
                    value = file.get(environment, {}).get(key, {}).get(name)
                    if value is not None:
                        return None if value == CONFIGURED else Decimal(str(value))
        raise KeyError(f"{SHIPPED.name} has no {name} of {resource.type}")


def read(file: Path | None, stacks: Sequence[Stack]) -> Usage:
    """The shipped assumptions, and what ``file`` says of these stacks.

    Raises ``ConfigError`` with everything in the file that nothing would come of.
    """
    shipped = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    if file is None:
        return Usage([shipped])
    try:
        own = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TapError(f"{file}: {error}", hint=f"write one like {SHIPPED}") from error
    if problems := list(_problems(own, shipped[ALL], stacks)):
        raise ConfigError(problems)
    return Usage([shipped, own])


def _problems(
    own: Mapping[str, Any], known: Mapping[str, Any], stacks: Sequence[Stack]
) -> Iterator[Problem]:
    names = [ALL, *(stack.environment for stack in stacks)]
    for environment, sections in own.items():
        if environment not in names:
            yield Problem(environment, "is no environment asked for", f"choose {', '.join(names)}")
            continue
        types = {
            key: resource.type
            for stack in stacks
            if environment in (ALL, stack.environment)
            for resource in stack.resources.values()
            for key in (resource.path, resource.type)
            if resource.type in known
        }
        for key, quantities in _table(sections).items():
            path = f"{environment}.{key}"
            if key not in types:
                yield Problem(path, "nothing of it depends on usage", _near(key, types))
                continue
            for name, value in _table(quantities).items():
                yield from _quantity_problems(f"{path}.{name}", name, value, known[types[key]])


def _quantity_problems(
    path: str, name: str, value: Any, known: Mapping[str, Any]
) -> Iterator[Problem]:
    if name not in known:
        yield Problem(path, "is no quantity", _near(name, known))
    elif value == CONFIGURED and known[name] == CONFIGURED:
        return
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        yield Problem(path, f"{value!r} is no amount", "write a number from 0 on")


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {"": value}


def _near(word: str, words: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(word, words, n=3, cutoff=0)
    return f"the nearest: {', '.join(near)}"
