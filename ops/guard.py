"""``ops guard``: refuses a plan that loses, exposes or worsens something.

Reads what ``terraform show -json PLAN`` writes, and holds each change against the record of its
type in the catalogue: what goes with a deletion or a replacement, what gets worse in place, what
interrupts, what AWS would refuse. A deletion of a type without a record is refused; its other
changes are named as not looked at.

https://developer.hashicorp.com/terraform/internals/json-format
"""

import argparse
import difflib
import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.catalogue import TYPES
from ops.catalogue.record import Lost, ResourceType
from ops.catalogue.rules import Rule
from ops.catalogue.values import Change, merged

FORMAT = "1"  # the major version of Terraform's JSON that this reads
UNCHANGED = (["no-op"], ["read"])
FIELDS = Path(__file__).with_name("guard_fields.json")

_HOW = "write it with: terraform show -json PLAN > PLAN.json"
UNKNOWN = "nobody knows what: ops/catalogue has no record of this type"
# Attributes that tell a renamed resource from a new one.
_NAMES = ("identifier", "name", "bucket", "cidr_block", "family", "id")
_REASONS = {
    "replace_because_tainted": "it is marked as tainted, since creating it failed",
    "replace_by_request": "asked for by -replace",
    "replace_by_triggers": "a resource that it names in replace_triggered_by changes",
}


@dataclass(frozen=True, slots=True)
class Danger:
    """One thing that a plan loses, exposes or makes worse, and why Terraform wants it.

    ``attribute`` is empty for a deletion or a replacement. What ``aws`` would refuse cannot be
    allowed.
    """

    address: str
    verb: str
    loss: str
    causes: tuple[str, ...]
    _: KW_ONLY
    attribute: str = ""
    exposes: bool = False
    aws: bool = False

    def __str__(self) -> str:
        if self.aws:
            return f"{self.address} would be refused by AWS"
        how = "which loses" if self.attribute else "and with it"
        how = "which opens" if self.exposes else how
        return f"{self.address} would be {self.verb}, {how} {self.loss}"

    @property
    def name(self) -> str:
        """What ``--allow`` calls it: a change is no deletion, and a deletion no change."""
        return f"{self.address}.{self.attribute}" if self.attribute else self.address


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of a plan; ``looked`` is what it looked at, in words."""

    refused: tuple[Danger, ...]
    allowed: tuple[Danger, ...]
    notes: tuple[str, ...]
    actions: tuple[str, ...]
    looked: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _names(self, hopeless: Collection[str]) -> Iterator[str]:
        """What may be allowed: not what AWS would refuse all the same."""
        yield from (each.name for each in self.refused if each.name not in hopeless)

    @property
    def changes(self) -> int:
        """How many resources change."""
        return len(self.actions)

    def _lines(self) -> Iterator[str]:
        total = f"{self.changes} change{'' if self.changes == 1 else 's'}"
        if self.refused:
            yield f"refused, {len(self.refused)} of {total}"
        else:
            what = "nothing else" if self.allowed else "nothing"
            yield f"fine, {total}: {what} that the guard looks at is lost, exposed or made worse"
        for danger in self.refused:
            yield f"  {danger}"
            yield from (f"    because {cause}" for cause in danger.causes)
        yield from (f"  allowed: {danger}" for danger in self.allowed)
        yield from (f"  {note}" for note in (*self.notes, *self.looked))
        hopeless = {danger.name for danger in self.refused if danger.aws}
        if meant := " ".join(dict.fromkeys(self._names(hopeless))):
            yield f"  if that is meant: --allow {shlex.quote(meant)}"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("guard", help="refuse a plan that loses or exposes something")
    parser.add_argument("plans", nargs="+", metavar="PLAN.json", type=Path)
    add_allow(parser)
    parser.set_defaults(run=run)


def add_allow(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow`` to the parser of a command that asks the guard."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="ADDRESS[.ARGUMENT]",
        help="let this one be deleted or replaced, or this argument get worse; several with "
        "spaces, or one --allow each",
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
        return parsed(file.read_bytes(), str(file))
    except OSError as error:
        raise TapError(f"{file}: {error.strerror}", hint=_HOW) from error


def parsed(text: str | bytes, name: str) -> dict[str, Any]:
    """The plan called ``name``. Raises ``TapError`` for what is none, or half of one.

    Bytes may be UTF-16, which PowerShell's ``>`` writes.
    """
    try:
        plan = json.loads(text)
    except UnicodeDecodeError as error:
        raise TapError(f"{name} is not JSON: it may be the plan itself", hint=_HOW) from error
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
    """What the guard says of a plan, where what ``allow`` names may be."""
    allowed = [name for word in allow for name in word.split()]
    entries = [entry for entry in plan.get("resource_changes", ()) if entry.get("mode") != "data"]
    configuration = _Configuration(plan, entries)
    causes = _Causes(configuration, entries)
    dangers: list[Danger] = []
    notes: list[str] = []
    for entry in entries:
        actions, address = entry["change"]["actions"], entry["address"]
        if "previous_address" in entry:
            notes.append(f"moved: {entry['previous_address']} to {address}")
        if actions == ["forget"]:
            notes.append(f"forgotten, and left where it is: {address}")
        if actions not in UNCHANGED and (record := TYPES.get(entry["type"])):
            change = configuration.change(entry)
            dangers += _worse(entry, record, change, causes)
            notes += _interrupts(entry, record, change)
        if loss := _loss(entry, entries):
            dangers.append(Danger(address, _verb(actions), loss, tuple(causes.of(entry))))
    names = [danger.name for danger in dangers if not danger.aws]
    for name in dict.fromkeys(allowed):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            notes.append(f"--allow {name} is not needed{meant}")
    dangers.sort(key=lambda danger: (not danger.exposes, not danger.aws))
    may = [not danger.aws and danger.name in allowed for danger in dangers]
    return Verdict(
        refused=tuple(danger for danger, fine in zip(dangers, may, strict=True) if not fine),
        allowed=tuple(danger for danger, fine in zip(dangers, may, strict=True) if fine),
        notes=tuple(notes),
        actions=tuple(_actions(entries)),
        looked=tuple(_looked(entries)),
    )


def _verb(actions: Sequence[str]) -> str:
    if "create" in actions and len(actions) > 1:
        return "forgotten and made anew" if "forget" in actions else "replaced"
    return {"create": "created", "update": "changed", "delete": "deleted"}.get(
        actions[0], actions[0]
    )


def _actions(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Each resource that changes, what goes first."""
    order = ["forgotten and made anew", "deleted", "replaced", "forget", "changed", "created"]
    lines = [
        (order.index(verb), f"{verb}: {entry['address']}")
        for entry in entries
        if (actions := entry["change"]["actions"]) not in UNCHANGED
        for verb in [_verb(actions)]
    ]
    yield from (line.replace("forget:", "forgotten:") for _, line in sorted(lines))


def _loss(entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str | None:
    """What goes with a resource that goes; None where nothing does."""
    change = entry["change"]
    actions = set(change["actions"])
    if not actions & {"delete", "forget"} or actions == {"forget"}:
        return None
    record = TYPES.get(entry["type"])
    if record is None:
        return UNKNOWN
    anew = "create" in actions
    paths = {path[0] for path in change.get("replace_paths", ())}
    if anew and paths and paths <= record.remade_by:
        return None
    if not anew and record.part_of and _goes(record.part_of, change["before"], entries):
        return None
    lost = record.replaced if anew and record.replaced else record.lost
    return lost.what if isinstance(lost, Lost) else None


def _goes(
    part_of: tuple[str, str], before: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> bool:
    """Whether what a resource is part of is deleted in the same plan."""
    argument, owner = part_of
    return before.get(argument) is not None and any(
        before[argument] in map(entry["change"]["before"].get, ("id", "arn", "resource_id"))
        for entry in entries
        if entry["type"] == owner and entry["change"]["actions"] == ["delete"]
    )


def _worse(
    entry: Mapping[str, Any], record: ResourceType, change: Change, causes: "_Causes"
) -> Iterator[Danger]:
    """What a change in place, or what is made, loses or exposes, and what AWS would refuse."""
    if change.after is None:
        return
    address, verb = entry["address"], _verb(entry["change"]["actions"])
    for rule in record.rules:
        if said := rule.worse(change):
            because = causes.shown(entry, rule, said)
            yield Danger(
                *(address, verb, rule.loses, (because,)),
                attribute=rule.top,
                exposes=rule.exposes,
            )
    for refused in record.refusals:
        if not change.creates and (said := refused.told(change)):
            because = f"{refused.rule.attribute} {refused.rule.worse(change)}: {said}"
            yield Danger(address, verb, "", (because,), attribute=refused.rule.top, aws=True)


def _interrupts(entry: Mapping[str, Any], record: ResourceType, change: Change) -> Iterator[str]:
    """What a change interrupts."""
    for interrupts in record.interruptions:
        if change.after is not None and (said := interrupts.told(change)):
            changed = f"{interrupts.rule.attribute} {interrupts.rule.worse(change)}"
            yield f"meanwhile: {entry['address']}: {changed}: {said}"


def _looked(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What of the changes was looked at, and what wasn't."""
    made: set[str] = set()
    watched: dict[str, int] = {}
    for entry in entries:
        actions = entry["change"]["actions"]
        if actions in UNCHANGED or actions == ["forget"]:
            continue
        record = TYPES.get(entry["type"])
        if record is None and "delete" not in actions:
            yield f"not looked at: {entry['address']}: ops/catalogue has no record of its type"
        elif record and "update" in actions:
            watched[record.name] = len(record.watched)
        elif record and "create" in actions and any(rule.new for rule in record.rules):
            made.add(record.name)
    if watched:
        types = ", ".join(f"{name} {count}" for name, count in sorted(watched.items()))
        yield f"looked at changes in place, at so many arguments: {types}"
    if made:
        yield f"looked at what is made, at what it opens: {', '.join(sorted(made))}"


class _Configuration:
    """What the code says of each resource, where the plan's values are not known yet."""

    def __init__(self, plan: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
        module = plan.get("configuration", {}).get("root_module", {})
        self.expressions: dict[str, Mapping[str, Any]] = {
            resource["address"]: resource.get("expressions", {})
            for resource in module.get("resources", ())
        }
        self._entries = entries
        self._actions = {entry["address"]: entry["change"]["actions"] for entry in entries}

    def sources(self, address: str, attribute: str) -> set[str]:
        """The changing resources that an attribute takes its value from."""
        expression = self.expressions.get(address, {}).get(attribute)
        return {
            name
            for name in _references(expression)
            if self._actions.get(name, ["no-op"]) not in UNCHANGED
        }

    def change(self, entry: Mapping[str, Any]) -> Change:
        """A resource's values before and after, as far as the plan and the code say."""
        change, address = entry["change"], entry["address"]
        unknown = change.get("after_unknown") or {}
        expressions = self.expressions.get(address)
        after = change.get("after")
        if after is not None:
            after = merged(after, unknown, expressions)
        derived, fresh = set(), set()
        for attribute in {*unknown, *(expressions or ())}:
            sources = self.sources(address, attribute)
            made = {name for name in sources if self._actions[name] == ["create"]}
            if made:
                fresh.add(attribute)
            computed = expressions is not None and attribute not in expressions
            if unknown.get(attribute) and (computed or (sources and not made)):
                derived.add(attribute)
        return Change(
            before=change.get("before"),
            after=after,
            derived=frozenset(derived),
            fresh=frozenset(fresh),
            siblings=[
                other["change"]["before"]
                for other in self._entries
                if other["type"] == entry["type"] and other["change"].get("before")
            ],
        )


class _Causes:
    """Why Terraform wants what it wants, as far as a plan tells."""

    def __init__(self, configuration: _Configuration, entries: Sequence[Mapping[str, Any]]) -> None:
        self._configuration = configuration
        self._entries = entries

    def of(self, entry: Mapping[str, Any]) -> Iterator[str]:
        """The causes of one deletion or replacement."""
        if "deposed" in entry:
            yield f"an earlier apply has replaced it and left the old one ({entry['deposed']})"
            return
        reason = entry.get("action_reason", "")
        if reason in _REASONS:
            yield _REASONS[reason]
        record = TYPES.get(entry["type"])
        if reason == "replace_because_tainted" and record and record.tainted:
            yield record.tainted
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
        if after is None:
            if sources := self._configuration.sources(entry["address"], attribute):
                return f"{where} changes with {_listed(sorted(sources))}"
            return self._by(entry, attribute, f"{where} changes")
        hidden = _sensitive(change, path)
        said = "" if hidden else f" from {json.dumps(before)} to {json.dumps(after)}"
        return self._by(entry, attribute, f"{where} changes{said}")

    def shown(self, entry: Mapping[str, Any], rule: Rule, said: str) -> str:
        """What a rule says of an attribute, if that may be shown, and what changes it."""
        change = entry["change"]
        marks = [(change.get(f"{side}_sensitive") or {}) for side in ("before", "after")]
        hidden = any(mark is True or _marked(mark.get(rule.top)) for mark in marks)
        return self._by(entry, rule.top, f"{rule.attribute} {'changes' if hidden else said}")

    def _by(self, entry: Mapping[str, Any], attribute: str, said: str) -> str:
        fields = _fields()["changes"].get(entry["type"], {}).get(attribute)
        return f"{said}: {' or '.join(fields)} in the config" if fields else said

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


def _marked(marks: Any) -> bool:
    """Whether any part of a value is sensitive."""
    if isinstance(marks, dict):
        marks = list(marks.values())
    return any(map(_marked, marks)) if isinstance(marks, list) else bool(marks)


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
