"""``ops guard``: refuses a plan that deletes or replaces what holds data or has an address.

Reads what ``terraform show -json PLAN`` writes. A type that it does not know is refused too: a new
one gets its line here. Leaves out changes in place, such as a protection that is taken off.

https://developer.hashicorp.com/terraform/internals/json-format
"""

import argparse
import difflib
import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.catalogue import TYPES
from ops.catalogue.record import Lost

FORMAT = "1"  # the major version of Terraform's JSON that this reads
FIELDS = Path(__file__).with_name("guard_fields.json")

_HOW = "write it with: terraform show -json PLAN > PLAN.json"
UNKNOWN = "nobody knows what: ops/catalogue has no record of this type"
# Attributes that tell a renamed resource from a new one.
_NAMES = ("identifier", "name", "bucket", "cidr_block", "family", "id")
_REASONS = {
    "replace_because_tainted": "it is marked as tainted",
    "replace_by_request": "asked for by -replace",
    "replace_by_triggers": "a resource that it names in replace_triggered_by changes",
}


@dataclass(frozen=True, slots=True)
class Danger:
    """One deletion or replacement, with what goes by it and why Terraform wants it."""

    address: str
    verb: str
    loss: str
    causes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.address} would be {self.verb}, and with it {self.loss}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of a plan."""

    refused: tuple[Danger, ...]
    allowed: tuple[Danger, ...]
    notes: tuple[str, ...]
    changes: int

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        total = f"{self.changes} change{'' if self.changes == 1 else 's'}"
        if self.refused:
            yield f"refused, {len(self.refused)} of {total}"
        else:
            what = "nothing else" if self.allowed else "nothing"
            yield f"fine, {total}: {what} that holds data or has an address goes"
        for danger in self.refused:
            yield f"  {danger}"
            yield from (f"    because {cause}" for cause in danger.causes)
        yield from (f"  allowed: {danger}" for danger in self.allowed)
        yield from (f"  {note}" for note in self.notes)
        if self.refused:
            meant = " ".join(danger.address for danger in self.refused)
            yield f"  if that is meant: --allow {shlex.quote(meant)}"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("guard", help="refuse a plan that loses data or addresses")
    parser.add_argument("plans", nargs="+", metavar="PLAN.json", type=Path)
    add_allow(parser)
    parser.set_defaults(run=run)


def add_allow(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow`` to the parser of a command that asks the guard."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="let this one be deleted or replaced; several with spaces, or one --allow each",
    )


def run(options: argparse.Namespace, rest: list[str], _environ: Mapping[str, str]) -> int:
    """Look at each plan; 1 when one is refused. Raises ``TapError`` for what isn't a plan."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops guard --help")
    plans = [(str(file), read(file)) for file in options.plans]
    return told(plans, options.allow)


def told(plans: Iterable[tuple[str, dict[str, Any]]], allow: Sequence[str]) -> int:
    """Judge named plans and tell what comes of it; the exit code."""
    code = 0
    for name, plan in plans:
        verdict = judged(plan, allow)
        print(f"guard: {name}: {verdict}")
        code = 1 if verdict.refused else code
    return code


def read(file: Path) -> dict[str, Any]:
    """A plan from its file. Raises ``TapError`` for a file that holds none, or half of one."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise TapError(f"{file}: {error.strerror}", hint=_HOW) from error
    except UnicodeDecodeError as error:
        raise TapError(f"{file} is not JSON: it may be the plan itself", hint=_HOW) from error
    return parsed(text, str(file))


def parsed(text: str, name: str) -> dict[str, Any]:
    """The plan called ``name``. Raises ``TapError`` for what is none, or half of one."""
    try:
        plan = json.loads(text)
    except ValueError as error:
        raise TapError(f"{name} is not JSON", hint=_HOW) from error
    # A state, in the same format, has values in their place; a plan without resources has neither.
    if not isinstance(plan, dict) or "planned_values" not in plan:
        raise TapError(f"{name} is not a plan of Terraform's", hint=_HOW)
    version = str(plan.get("format_version"))
    if version.partition(".")[0] != FORMAT:
        raise TapError(f"{name} has format {version}, not {FORMAT}", hint="update ops/guard.py")
    if plan.get("errored") or plan.get("complete") is False:
        raise TapError(f"{name} is half a plan", hint="mend what it failed of, and plan again")
    return plan


def judged(plan: Mapping[str, Any], allow: Sequence[str] = ()) -> Verdict:
    """What the guard says of a plan, where the addresses in ``allow`` may go."""
    allowed = [address for word in allow for address in word.split()]
    entries = [entry for entry in plan.get("resource_changes", ()) if entry.get("mode") != "data"]
    causes = _Causes(plan, entries)
    dangers, notes = [], []
    for entry in entries:
        actions, address = entry["change"]["actions"], entry["address"]
        if "previous_address" in entry:
            notes.append(f"moved: {entry['previous_address']} to {address}")
        if "forget" in actions:
            notes.append(f"forgotten, and left where it is: {address}")
        if "delete" in actions and (loss := _loss(entry["type"])):
            verb = "replaced" if "create" in actions else "deleted"
            dangers.append(Danger(address, verb, loss, tuple(causes.of(entry))))
    addresses = [danger.address for danger in dangers]
    for address in dict.fromkeys(allowed):
        if address not in addresses:
            near = difflib.get_close_matches(address, addresses, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            notes.append(f"--allow {address} is not needed{meant}")
    return Verdict(
        refused=tuple(danger for danger in dangers if danger.address not in allowed),
        allowed=tuple(danger for danger in dangers if danger.address in allowed),
        notes=tuple(notes),
        changes=sum(entry["change"]["actions"] not in (["no-op"], ["read"]) for entry in entries),
    )


def _loss(type_: str) -> str | None:
    """What goes with a resource of a type; None where nothing does."""
    record = TYPES.get(type_)
    if record is None:
        return UNKNOWN
    return record.lost.what if isinstance(record.lost, Lost) else None


class _Causes:
    """Why Terraform wants what it wants, as far as a plan tells."""

    def __init__(self, plan: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries = entries
        module = plan.get("configuration", {}).get("root_module", {})
        self._expressions = {
            resource["address"]: resource.get("expressions", {})
            for resource in module.get("resources", ())
        }
        self._moving = {
            entry["address"]
            for entry in entries
            if {"create", "delete"} & set(entry["change"]["actions"])
        }

    def of(self, entry: Mapping[str, Any]) -> Iterator[str]:
        """The causes of one deletion or replacement."""
        if "deposed" in entry:
            yield f"an earlier apply has replaced it and left the old one ({entry['deposed']})"
            return
        reason = entry.get("action_reason", "")
        if reason in _REASONS:
            yield _REASONS[reason]
        if "create" in entry["change"]["actions"]:
            for path in entry["change"].get("replace_paths", ()):
                yield self._changed(entry, path)
            return
        if reason != "delete_because_no_resource_config":
            yield reason.replace("_", " ") or "the plan destroys"
            return
        if fields := _fields()["exists"].get(entry["address"]):
            yield f"the config has it no longer: {_listed(fields)}"
        elif twin := self._twin(entry):
            yield f"the code calls it {twin} now: a moved block from the one to the other keeps it"
        else:
            yield "the code has it no longer"

    def _changed(self, entry: Mapping[str, Any], path: Sequence[str | int]) -> str:
        """An attribute that cannot change in place, and what changes it."""
        change, attribute = entry["change"], str(path[0])
        where = ".".join(map(str, path))
        before, after = (_at(change.get(side), path) for side in ("before", "after"))
        if after is None and (sources := self._sources(entry, attribute)):
            return f"{where} changes with {_listed(sources)}"
        change_told = f"{where} changes"
        if not _sensitive(change, path) and after is not None:
            change_told += f" from {json.dumps(before)} to {json.dumps(after)}"
        fields = _fields()["changes"].get(entry["type"], {}).get(attribute)
        return f"{change_told}: {_listed(fields)} in the config" if fields else change_told

    def _sources(self, entry: Mapping[str, Any], attribute: str) -> list[str]:
        """The resources that are made anew and that an attribute takes its value from."""
        expression = self._expressions.get(entry["address"], {}).get(attribute)
        return sorted(set(_references(expression)) & self._moving)

    def _twin(self, entry: Mapping[str, Any]) -> str | None:
        """What is made in place of a deleted resource, by the same name."""
        before = entry["change"]["before"]
        for other in self._entries:
            if other["type"] == entry["type"] and other["change"]["actions"] == ["create"]:
                after = other["change"]["after"]
                if any(before.get(name) and before[name] == after.get(name) for name in _NAMES):
                    return other["address"]
        return None


def _sensitive(change: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Whether the value at a path, or what it is part of, is not to be shown."""
    return any(
        _at(change.get(f"{side}_sensitive"), path[:length]) is True
        for side in ("before", "after")
        for length in range(len(path) + 1)
    )


def _references(expression: Any) -> Iterator[str]:
    """Every address that a part of the configuration refers to."""
    if isinstance(expression, list):
        for item in expression:
            yield from _references(item)
    elif isinstance(expression, dict):
        yield from expression.get("references", ())
        for item in expression.values():
            yield from _references(item) if isinstance(item, (dict, list)) else ()


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path of attributes and places; None where there is nothing."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _listed(words: Collection[str]) -> str:
    return " and ".join(words)


@cache
def _fields() -> dict[str, dict[str, Any]]:
    """Which fields of the config change an attribute, or whether there is a resource at all."""
    return json.loads(FIELDS.read_text(encoding="utf-8"))
