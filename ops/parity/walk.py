"""The way from one environment's config to another's, a line at a time, each step a valid config.

What a step changes in the synthesized JSON is what its line is answerable for. Lines that are only
valid together (CPU units and memory) make one step.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lib.config.environment_config import EnvironmentConfig
from lib.config.validation import validate

TOGETHER = 3  # lines that are tried together before all that are left


@dataclass(frozen=True, slots=True)
class Field:
    """A field that differs: its path in the config, and both values."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """Fields that change, and the config with them changed, and all those before."""

    fields: tuple[Field, ...]
    config: EnvironmentConfig


def differing(before: Any, after: Any, prefix: str = "") -> Iterator[Field]:
    """The fields that differ; a slice that only one side has is one field."""
    for field in dataclasses.fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        path = prefix + field.name
        if dataclasses.is_dataclass(old) and type(old) is type(new):
            yield from differing(old, new, f"{path}.")
        elif old != new:
            yield Field(path, old, new)


def steps(
    before: EnvironmentConfig,
    after: EnvironmentConfig,
    valid: Callable[[EnvironmentConfig], bool] = lambda config: not validate([config]),
) -> Iterator[Step]:
    """From ``before`` to ``after``, which bear one name. The last config is ``after``."""
    config, left = before, list(differing(before, after))
    while left:
        for fields in _attempts(left):
            changed = with_fields(config, {field.path: field.after for field in fields})
            if valid(changed):
                break
        else:  # the rules lead nowhere in between: all at once
            fields, changed = tuple(left), after
        config = changed
        left = [field for field in left if field not in fields]
        yield Step(fields, config)


def _attempts(fields: Sequence[Field]) -> Iterator[tuple[Field, ...]]:
    for count in range(1, TOGETHER + 1):
        yield from combinations(fields, count)


def with_fields(config: Any, values: Mapping[str, Any]) -> Any:
    """``config`` with fields changed, by their paths."""
    for path, value in values.items():
        name, _, below = path.partition(".")
        if below:
            value = with_fields(getattr(config, name), {below: value})
        config = dataclasses.replace(config, **{name: value})
    return config
