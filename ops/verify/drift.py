"""Whether each setting is still what the stack says: its arguments, held against AWS's answers.

``live.py`` has the table. What AWS moves by itself is no drift: storage that grew, what the stack
tells Terraform to ignore, tags that others add. An argument that
refers to what isn't there isn't compared, and what other checks tell of is left to them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from lib.errors import TapError
from ops.checkup import Check, Finding, Subject, failed, passed, refused
from ops.stacks import Resource
from ops.verify.deployed import DEPLOY, Deployed
from ops.verify.live import ANSWERS, DEFAULTS, TOLD_ELSEWHERE, Answer
from ops.verify.parts import DATABASE_VARIABLES

SHOWN = 100  # characters of a value
META = {"//", "depends_on", "lifecycle"}  # no arguments of the resource's own


@dataclass(frozen=True, slots=True)
class Setting:
    """One that was compared, both sides in ``plain`` form."""

    name: str
    wanted: Any
    found: Any

    @property
    def different(self) -> bool:
        """Whether it drifted."""
        return self.wanted != self.found


def _drift(subject: Subject) -> Iterator[Finding]:
    count, fine = 0, True
    for settings, finding in _held_against(Deployed(subject)):
        count += settings
        if finding:
            fine = False
            yield finding
    if fine:
        yield passed(f"{count} settings compared")


def _held_against(deployed: Deployed) -> Iterator[tuple[int, Finding | None]]:
    """For each resource how many settings were compared, and what is wrong with it."""
    for resource in deployed.stack.resources.values():
        if resource.type not in ANSWERS:
            continue
        try:
            settings = compared(deployed, resource)
        except TapError as error:
            yield 0, failed(error.message, "one", error.hint)
        except ClientError as error:
            yield 0, refused(error, deployed.subject)
        else:
            if settings is None and _missed(deployed, resource):
                yield 0, failed(f"{resource.path} is gone", resource.type, DEPLOY)
            drifted = [setting for setting in settings or () if setting.different]
            yield len(settings or ()), _finding(resource, drifted) if drifted else None


def _finding(resource: Resource, drifted: Sequence[Setting]) -> Finding:
    """What is told of a resource."""
    found, wanted = zip(*map(_told_apart, drifted), strict=True)
    return failed(f"{resource.path}: {'; '.join(found)}", "; ".join(wanted), DEPLOY)


def _missed(deployed: Deployed, resource: Resource) -> bool:
    """Whether it is for this check to tell that a resource is gone: another one doesn't, and all
    that the resource refers to is there."""
    if resource.type in TOLD_ELSEWHERE:
        return False
    try:
        deployed.filled({name: resource.values[name] for name in resource.values.keys() - META})
    except LookupError:
        return False
    return True


def compared(deployed: Deployed, resource: Resource) -> list[Setting] | None:
    """Each setting of a resource that can be compared; None where the resource is gone."""
    thing = deployed.find(resource.address)
    if thing is None:
        return None
    values = _values(deployed, resource)
    live = {**thing.attributes, "id": thing.id}

    def argument(name: str) -> Any:
        return live[name] if name in live else deployed.argument(resource.address, name)

    ignored = (resource.get("lifecycle") or {}).get("ignore_changes", ())
    settings = []
    for answer in ANSWERS[resource.type]:
        told = _told(deployed, answer, argument)
        for name, expression in answer.settings.items():
            wanted = jmespath.search(name, values)
            if wanted is None or name in ignored:
                continue
            try:
                wanted = plain(deployed.filled(wanted))
            except LookupError:
                continue
            found = plain(jmespath.search(expression, told))
            settings.append(_tolerant(Setting(name, wanted, found), values))
    return settings


def _values(deployed: Deployed, resource: Resource) -> Mapping[str, Any]:
    """A resource's arguments, its tags with all that the provider adds, its container in full."""
    values = {**DEFAULTS.get(resource.type, {}), **resource.values}
    values["tags"] = {**deployed.stack.tags, **resource.get("tags", {})}
    if "container_definitions" in values:
        (values["container"],) = json.loads(values["container_definitions"])
    return values


def _told(deployed: Deployed, answer: Answer, argument: Any) -> Any:
    """The part of AWS's answer that tells, over all its pages."""
    parts = [part for part in deployed.answers(answer.kind, argument) if part is not None]
    if parts and isinstance(parts[0], list):
        return [entry for part in parts for entry in part]
    return parts[0] if parts else None


def plain(value: Any) -> Any:
    """A value in one form, whoever wrote it: Terraform, in its way, or one of AWS's services.

    Numbers and booleans as text, JSON as what it holds, tags and their like as a dictionary, any
    other list in order, a list of one as that one, and what is empty not at all.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        entries = {key: plain(each) for key, each in value.items()}
        return {key: each for key, each in entries.items() if each is not None} or None
    if isinstance(value, list):
        pairs = [_pair(each) for each in value if isinstance(each, Mapping)]
        if pairs and all(pairs):
            return {key: plain(each) for key, each in filter(None, pairs)}
        ordered = sorted(filter(None, map(plain, value)), key=_in_order)
        return ordered[0] if len(ordered) == 1 else ordered or None
    return value


def _in_order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _pair(entry: Mapping[str, Any]) -> tuple[str, Any] | None:
    """A tag or its like, whose key and value each service calls by other names."""
    lower = {key.lower().removeprefix("tag"): value for key, value in entry.items()}
    return (lower["key"], lower["value"]) if lower.keys() == {"key", "value"} else None


def _tolerant(setting: Setting, values: Mapping[str, Any]) -> Setting:
    """Without what may differ."""
    name, wanted, found = setting.name, setting.wanted, setting.found
    if name == "tags":
        found = {key: value for key, value in (found or {}).items() if key in wanted}
    elif name.startswith("container.environment"):
        wanted, found = (
            {key: told for key, told in (side or {}).items() if key not in DATABASE_VARIABLES}
            for side in (wanted, found)
        )
    elif (
        name == "allocated_storage"
        and values.get("max_allocated_storage")
        and int(found or 0) >= int(wanted)
    ):
        found = wanted
    return Setting(name, wanted, found)


def _told_apart(setting: Setting) -> tuple[str, str]:
    """What AWS has, and what is wanted, where they differ."""
    wanted, found = setting.wanted, setting.found
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
        wanted, found = ({key: side.get(key) for key in keys} for side in (wanted, found))
    name = setting.name.partition("[")[0]
    return f"{name} {_shown(found)}", f"{name} {_shown(wanted)}"


def _shown(value: Any) -> str:
    """A value for a person."""
    if isinstance(value, dict):
        text = ", ".join(f"{key} {_shown(each)}" for key, each in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(_shown, value))
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


CHECKS = (Check("drift", _drift),)
