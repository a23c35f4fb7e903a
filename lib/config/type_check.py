"""Whether each value of the config is of the type that its field is annotated with.

Knows the types that the config is made of, and no others: dataclasses, enums, ``bool``, ``int``,
``str``, ``tuple[T, ...]``, ``Mapping[str, str]`` and ``T | None``.
"""

import functools
import reprlib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """What is wrong with a field; ``at`` is the part of it, such as ``[0]``."""

    message: str
    hint: str
    at: str = ""


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100


def shown(value: object) -> str:
    """``value`` as an error message shows it: on one line and not too long."""
    try:
        return _REPR.repr(value)
    except ValueError:  # an int of more than sys.get_int_max_str_digits() digits
        return f"a huge {type(value).__name__}"


_annotations = functools.cache(typing.get_type_hints)

_FIXES = {
    bool: "write True or False",
    int: "write a whole number without quotes",
    str: "put quotes around it",
}


def type_findings(value: object, expected: Any, path: str = "") -> Iterator[tuple[str, Finding]]:
    """Pairs of a path below ``path`` and what is wrong with the type of the value there."""
    if isinstance(expected, type) and is_dataclass(expected):
        if not isinstance(value, expected):
            yield path, _wrong_type(value, expected)
            return
        hints = _annotations(expected)
        for field in fields(expected):
            below = f"{path}.{field.name}" if path else field.name
            yield from type_findings(getattr(value, field.name), hints[field.name], below)
        return
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is types.UnionType:  # X | None, the only unions in the config
        if value is not None:
            yield from type_findings(value, arguments[0], path)
    elif origin is tuple:
        if not isinstance(value, tuple):
            yield path, _wrong_type(value, tuple, "write it as a tuple: (a, b), or (a,) for one")
            return
        for index, item in enumerate(value):
            yield from type_findings(item, arguments[0], f"{path}[{index}]")
    elif origin is Mapping:
        yield from _mapping_findings(value, path)
    elif not _is(value, expected):
        yield path, _wrong_type(value, expected)


def _mapping_findings(value: object, path: str) -> Iterator[tuple[str, Finding]]:
    """``Mapping[str, str]``; its values are not shown, since they may be secrets."""
    if not isinstance(value, Mapping):
        message = f"{_a(type(value))} is not a mapping"
        yield path, Finding(message, "write it as a dict: {name: value}")
        return
    for key, item in value.items():
        for role, text in (("name", key), ("value", item)):
            if not _is(text, str):
                message = f"the {role} is {_a(type(text))}, not a str"
                yield f"{path}[{shown(key)}]", Finding(message, "put quotes around it")


def _is(value: object, kind: type) -> bool:
    """Exactly: a bool is no int here, and no subclass brings methods of its own."""
    return type(value) is kind  # pylint: disable=unidiomatic-typecheck  # see above


def _wrong_type(value: object, expected: type, hint: str | None = None) -> Finding:
    message = f"{shown(value)} is {_a(type(value))}, not {_a(expected)}"
    if hint is None and issubclass(expected, Enum):
        members = (f"{expected.__name__}.{member.name}" for member in expected)
        hint = f"write {' or '.join(members)}"
    elif hint is None:
        hint = _FIXES.get(expected, f"write {expected.__name__}(...)")
    return Finding(message, hint)


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[:1] in 'AEIOUaeiou' else 'a'} {kind.__name__}"
