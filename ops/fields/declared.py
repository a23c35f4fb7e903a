"""The fields as ``environment_config.py`` declares them: type, unit, default, comment."""

import ast
import dataclasses
import inspect
import io
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from lib.config import environment_config
from lib.config.environment_config import EnvironmentConfig

REQUIRED = dataclasses.MISSING
UNITS = {  # by the last word of a field's name
    "days": "days",
    "seconds": "seconds",
    "gib": "GiB",
    "mib": "MiB",
    "percent": "percent",
    "units": "CPU units, 1,024 to a vCPU",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One field; ``part`` is the class that has it, ``default`` is ``REQUIRED`` without one."""

    path: str
    part: type
    type: Any
    default: Any
    comment: str  # beside it in the code: its unit, or what it is

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def prefix(self) -> str:
        """The path of what it is a field of; empty for an environment's own."""
        return self.path.rpartition(".")[0]

    @property
    def unit(self) -> str:
        """Of a number; empty for all else."""
        return UNITS.get(self.name.rpartition("_")[2], "") if self.type is int else ""

    @property
    def inner(self) -> Any:
        """The type, without its ``| None``."""
        return _inner(self.type)

    @property
    def type_name(self) -> str:
        """As it is written: ``tuple[str, ...]``, ``NatMode``, ``str | None``."""
        if isinstance(self.type, type) and not typing.get_args(self.type):
            return self.type.__name__
        return (
            str(self.type)
            .replace(f"{environment_config.__name__}.", "")
            .replace("collections.abc.", "")
        )

    def of(self, config: EnvironmentConfig) -> Any:
        """Its value there; ``REQUIRED`` where there is no such part."""
        value: Any = config
        for name in self.path.split("."):
            if value is None:
                return REQUIRED
            value = getattr(value, name)
        return value


def fields(part: type = EnvironmentConfig, prefix: str = "") -> Iterator[Declared]:
    """Every field; of a part that may be None the part itself, and then what it has."""
    hints = typing.get_type_hints(part)
    said = comments()[part.__name__]
    for field in dataclasses.fields(part):
        path, kind = f"{prefix}{field.name}", hints[field.name]
        inner = _inner(kind)
        if not dataclasses.is_dataclass(inner) or inner is not kind:
            yield Declared(path, part, kind, _default(field), said.get(field.name, ""))
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from fields(inner, f"{path}.")


def _inner(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is types.UnionType else kind


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def described(part: type) -> str:
    """What a class says of itself, as Markdown."""
    return (inspect.getdoc(part) or "").replace("``", "`")


@cache
def comments() -> Mapping[str, Mapping[str, str]]:
    """What stands beside the fields of each class: ``{"NatMode": {"NONE": "not at all: …"}}``."""
    source = inspect.getsource(environment_config)
    by_line = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.line.partition("#")[0].strip()
    }
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            said = found.setdefault(node.name, {})
            for line in node.body:
                if isinstance(line, ast.AnnAssign | ast.Assign) and line.lineno in by_line:
                    target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
                    said[ast.unparse(target)] = by_line[line.lineno]
    return found


def literal(value: Any) -> str:
    """``value`` as a person writes it in the config."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = (
            f"{field.name}={literal(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        )
        return f"{type(value).__name__}({', '.join(given)})"
    if isinstance(value, str):
        plain = repr(value) == f"'{value}'" and '"' not in value
        return f'"{value}"' if plain else repr(value)
    if isinstance(value, tuple):
        items = [literal(item) for item in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, Mapping):
        entries = (f"{literal(name)}: {literal(item)}" for name, item in value.items())
        return "{" + ", ".join(entries) + "}"
    return repr(value)
