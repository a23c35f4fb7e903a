"""A resource's values before and after a change, as rules read them.

They come from Terraform's plan, or from two synthesized stacks: a block is a list of objects in the
one and may be a single object in the other.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Tree = Mapping[str, Any]
_STEP = re.compile(r"(\w+)(?:\{([^}]+)\})?")
_KEYS = ("id", "name", "sid")  # what tells one block from the others of its kind


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is known only once it is applied; ``template`` is what the code says of it."""

    template: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one resource was and what it will be; None where there is none.

    ``derived`` are attributes whose value the plan doesn't know because what they refer to, which
    is there already, is changed or made anew; ``fresh`` are those that refer to something new.
    ``siblings`` are the other resources of its type, as they are.
    """

    before: Tree | None
    after: Tree | None
    derived: frozenset[str] = frozenset()
    fresh: frozenset[str] = frozenset()
    siblings: Sequence[Tree] = field(default=())

    @property
    def creates(self) -> bool:
        """Whether there is nothing yet."""
        return self.before is None

    def was(self, path: str) -> dict[str, Any]:
        """The values at a path before, by where they stand."""
        return dict(leaves(self.before, path))

    def will(self, path: str) -> dict[str, Any]:
        """The values at a path afterwards."""
        return dict(leaves(self.after, path))


def leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value at a path, with what tells it from the others.

    ``rule.expiration.days`` goes through lists of blocks; ``setting{containerInsights}.value``
    takes the block with that id or name.
    """
    yield from _leaves(tree, _STEP.findall(path), "")


def _leaves(tree: Any, steps: Sequence[tuple[str, str]], where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Unknown):
        yield where, tree
    elif isinstance(tree, (list, tuple)):
        for place, item in enumerate(tree):
            yield from _leaves(item, steps, f"{where}/{_key(item, place)}")
    elif not steps:
        if tree is not None:
            yield where, tree
    elif isinstance(tree, Mapping):
        (name, wanted), *rest = steps
        found = tree.get(name)
        if wanted:
            found = [item for item in _listed(found) if _key(item, None) == wanted]
            found = found[0] if found else None
        yield from _leaves(found, rest, where)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _key(item: Any, place: int | None) -> Any:
    """What tells a block from the others: its id or name, else its place; of a value, itself."""
    if isinstance(item, Mapping):
        return next((item[name] for name in _KEYS if item.get(name)), place)
    return place if isinstance(item, (list, tuple, Unknown)) else item


def merged(after: Any, unknown: Any, expression: Any) -> Any:
    """What will be, with ``Unknown`` where the plan has no value yet.

    ``expression`` is the plan's configuration: of JSON it has the templates as they are written.
    """
    if unknown is True:
        constant = expression.get("constant_value") if isinstance(expression, Mapping) else None
        return Unknown(constant)
    if isinstance(unknown, Mapping) and unknown:
        after = after or {}
        return {
            name: merged(after.get(name), unknown.get(name), _of(expression, name))
            for name in {**after, **unknown}
        }
    if isinstance(unknown, list) and isinstance(after, list):
        padded = unknown + [None] * (len(after) - len(unknown))
        return [
            merged(item, padded[place], _of(expression, place)) for place, item in enumerate(after)
        ]
    return after


def _of(expression: Any, step: str | int) -> Any:
    """A part of an expression; a single object may stand for a list of one block."""
    if isinstance(step, int):
        parts = _listed(expression)
        return parts[step] if step < len(parts) else None
    first = next(iter(_listed(expression)), None)
    return first.get(step) if isinstance(first, Mapping) else None
