"""A synthesized stack, asked about by construct path: ``stack.at("network/vpc")["cidr_block"]``.

Every look-up that finds nothing raises, and names what comes nearest. Logical ids carry a hash, so
no test spells one: ``stack.at("network/vpc").ref("id")`` is the reference that others hold.
"""

import difflib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdktf import App

import lib.config.environment_config as env
from lib.tap_stack import TapStack

SUFFIX = "qa1"


@dataclass(frozen=True)
class Resource:
    """One resource or data source of the stack; ``path`` is its construct's, below the stack's."""

    address: str
    path: str
    values: dict[str, Any]

    @property
    def type(self) -> str:
        """``aws_vpc``."""
        return self.address.removeprefix("data.").split(".")[0]

    def __getitem__(self, attribute: str) -> Any:
        assert attribute in self.values, f"{self.path} has no {attribute}: {sorted(self.values)}"
        return self.values[attribute]

    def get(self, attribute: str) -> Any:
        """The attribute, or None where it isn't set."""
        return self.values.get(attribute)

    def policy(self, attribute: str = "policy") -> list[dict[str, Any]]:
        """The statements of a policy document."""
        return json.loads(self[attribute])["Statement"]

    def ref(self, attribute: str) -> str:
        """What others write to refer to an attribute of this."""
        return f"${{{self.address}.{attribute}}}"


class Synthesized:
    """A stack's Terraform JSON, and the config that it was made from."""

    def __init__(self, config: env.EnvironmentConfig, document: dict[str, Any]) -> None:
        self.config = config
        self.document = document
        self.resources = list(self._resources())

    @classmethod
    def of(
        cls,
        config: env.EnvironmentConfig,
        *,
        password_given: bool = False,
        suffix: str = SUFFIX,
    ) -> "Synthesized":
        """Synthesize one environment as tap.py does.

        ``Testing.synth`` writes no construct paths, and runs no validations unless told to.
        """
        with tempfile.TemporaryDirectory() as outdir:
            app = App(outdir=outdir)
            stack = TapStack(
                app, config=config, environment_suffix=suffix, password_given=password_given
            )
            app.synth()
            file = Path(outdir, "stacks", stack.node.id, "cdk.tf.json")
            return cls(config, json.loads(file.read_text(encoding="utf-8")))

    def _resources(self) -> Iterator[Resource]:
        for prefix, kind in (("", "resource"), ("data.", "data")):
            for type_, entries in self.document[kind].items():
                for logical_id, values in entries.items():
                    path = values["//"]["metadata"]["path"].split("/", 1)[1]
                    yield Resource(f"{prefix}{type_}.{logical_id}", path, values)

    def at(self, path: str) -> Resource:
        """The resource of this construct path."""
        found = [resource for resource in self.resources if resource.path == path]
        paths = [resource.path for resource in self.resources]
        near = difflib.get_close_matches(path, paths, n=3, cutoff=0)
        assert len(found) == 1, f"{len(found)} resources at {path}; the nearest: {near}"
        return found[0]

    def has(self, path: str) -> bool:
        """Whether there is a resource at this construct path."""
        return any(resource.path == path for resource in self.resources)

    def all(self, type_: str) -> list[Resource]:
        """Every resource of a type; none is a failure."""
        found = [resource for resource in self.resources if resource.type == type_]
        types = sorted({resource.type for resource in self.resources})
        near = difflib.get_close_matches(type_, types, n=3, cutoff=0)
        assert found, f"no {type_}; the nearest: {near}"
        return found

    def count(self, type_: str) -> int:
        """How many resources of a type there are."""
        return sum(resource.type == type_ for resource in self.resources)

    def container(self) -> dict[str, Any]:
        """The one container of the task definition."""
        (container,) = json.loads(self.at("service/task_definition")["container_definitions"])
        return container

    def container_environment(self) -> dict[str, str]:
        """The container's environment variables."""
        return {entry["name"]: entry["value"] for entry in self.container()["environment"]}
