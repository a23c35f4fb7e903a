"""Two stacks' JSON, held against each other by construct path and argument."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Place = tuple[str, str]  # construct path or section, and argument: database/instance multi_az
Leaves = Mapping[Place, Any]
ABSENT = "(not set)"
ADDRESS = re.compile(r"\b(?:data\.)?aws_\w+\.\w+")


@dataclass(frozen=True, slots=True)
class Difference:
    """An argument that differs, or with ``argument`` empty a whole resource."""

    where: str
    argument: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if not self.argument:
            return f"{'-' if self.after == ABSENT else '+'} {self.where}"
        said = f"{self.where}  {self.argument}: "
        if isinstance(self.before, list) and isinstance(self.after, list):
            gone = [f"- {_shown(value)}" for value in self.before if value not in self.after]
            come = [f"+ {_shown(value)}" for value in self.after if value not in self.before]
            if gone or come:
                return said + ", ".join((*gone, *come))
        return f"{said}{_shown(self.before)} → {_shown(self.after)}"


def _shown(value: Any) -> str:
    return value if value == ABSENT else json.dumps(value, ensure_ascii=False)


def leaves(document: Mapping[str, Any]) -> dict[Place, Any]:
    """Everything that a stack says, each value by its place.

    JSON within the JSON (policies, containers) is taken apart too, and what refers to a resource
    names its construct path instead of its address.
    """
    paths = {
        f"{'data.' if section == 'data' else ''}{type_}.{name}": _path(values)
        for section in ("resource", "data")
        for type_, entries in document.get(section, {}).items()
        for name, values in entries.items()
    }
    found: dict[Place, Any] = {}
    for section, content in document.items():
        if section in {"resource", "data"}:
            for type_, entries in content.items():
                for values in entries.values():
                    path = _path(values)
                    found[path, "type"] = f"{section} {type_}"
                    for argument, value in _flat(values):
                        found[path, argument] = _named(value, paths)
        elif section != "//":
            for argument, value in _flat(content):
                found[section, argument] = _named(value, paths)
    return found


def _path(values: Mapping[str, Any]) -> str:
    return values["//"]["metadata"]["path"].split("/", 1)[1]


def _named(value: Any, paths: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_named(child, paths) for child in value]
    if isinstance(value, str):
        return ADDRESS.sub(lambda found: paths.get(found[0], found[0]), value)
    return value


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError:
            pass
    if isinstance(value, dict):
        value = {str(key): child for key, child in value.items() if key != "//"}
    elif isinstance(value, list) and any(isinstance(child, dict | list) for child in value):
        value = {str(number): child for number, child in enumerate(value)}
    if not isinstance(value, dict) or not value:
        yield place, value
        return
    for key, child in value.items():
        yield from _flat(child, f"{place}.{key}" if place else key)


def changed(before: Leaves, after: Leaves) -> set[Place]:
    """The places where two stacks differ."""
    both = before.keys() | after.keys()
    return {place for place in both if before.get(place, ABSENT) != after.get(place, ABSENT)}


def differences(before: Leaves, after: Leaves, places: set[Place]) -> list[Difference]:
    """What differs at these places; what only one stack has is told once, as a whole."""
    only = {where for where, argument in places if argument == "type"}
    found = [
        Difference(where, "", *(leaf.get((where, "type"), ABSENT) for leaf in (before, after)))
        for where in only
    ]
    for place in places:
        if place[0] not in only:
            values = (leaf.get(place, ABSENT) for leaf in (before, after))
            found.append(Difference(*place, *values))
    return sorted(found, key=lambda entry: (entry.where, entry.argument))


def beyond_names(before: Leaves, after: Leaves, old: str, new: str) -> set[Place]:
    """Where two stacks of one config differ in more than the environment's name in a text."""

    def renamed(text: Any, other: Any) -> bool:
        if isinstance(text, list) and isinstance(other, list) and len(text) == len(other):
            return all(one == two or renamed(one, two) for one, two in zip(text, other))
        if not isinstance(text, str) or not isinstance(other, str):
            return False
        # Each place where the name stands may hold the other, or stay as it is.
        parts = re.split(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])", text)
        pattern = f"(?:{re.escape(old)}|{re.escape(new)})".join(map(re.escape, parts))
        return re.fullmatch(pattern, other) is not None

    return {
        place
        for place in changed(before, after)
        if not renamed(before.get(place), after.get(place))
    }
