"""A synthesized stack as a policy checker needs it, and the waivers that stand in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker objects to. ``address`` is a resource's, or whatever the checker named."""

    check: str
    address: str
    message: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """An excuse for one finding; ``path`` is the resource's construct path below the stack."""

    check: str
    address: str
    path: str
    reason: str
    cost: str
    review: date


@dataclass(frozen=True)
class Stack:
    """One environment's Terraform JSON, as it was synthesized."""

    environment: str
    production: bool
    document: Mapping[str, Any]

    @cached_property
    def resources(self) -> dict[str, Mapping[str, Any]]:
        """Arguments by address."""
        return {
            f"{type_}.{name}": arguments
            for type_, entries in self.document["resource"].items()
            for name, arguments in entries.items()
        }

    def of_type(self, *types: str) -> dict[str, Mapping[str, Any]]:
        """Those resources of the given types."""
        return {
            address: arguments
            for address, arguments in self.resources.items()
            if address.split(".")[0] in types
        }

    def path(self, address: str) -> str:
        """The construct path of a resource, below the stack; the address of anything else."""
        if address not in self.resources:
            return address
        return self.resources[address]["//"]["metadata"]["path"].partition("/")[2]

    @cached_property
    def waivers(self) -> dict[tuple[str, str], Waiver]:
        """All of them, by check and address."""
        return {
            (check, address): Waiver(
                check,
                address,
                self.path(address),
                waiver["reason"],
                waiver["cost"],
                date.fromisoformat(waiver["review"]),
            )
            for address, arguments in self.resources.items()
            for check, waiver in arguments["//"].get("waivers", {}).items()
        }


def read_stacks(folder: Path, production: Mapping[str, bool]) -> list[Stack]:
    """The stacks of an output folder, in the order of ``production``, which has each by name."""
    found = {}
    for file in folder.glob("stacks/*/cdk.tf.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        tags = document["provider"]["aws"][0]["default_tags"][0]["tags"]
        name = tags["Environment"]
        found[name] = Stack(name, production[name], document)
    return [found[name] for name in production]


def containers(task_definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The containers of a task definition, which Terraform takes as text."""
    return json.loads(task_definition["container_definitions"])
