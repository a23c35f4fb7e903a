"""The stacks as they are synthesized: the JSON that Terraform reads, asked about by construct path.

Everything that tells of an environment without touching it (cost, parity, pictures) reads this.
"""

import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import tap
from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.errors import TapError
from ops.cdktf_cli import ROOT, run_app

SUFFIX = "x1"
ASKED = {"ENVIRONMENT": "all", "ENVIRONMENT_SUFFIX": SUFFIX}  # where the process is told nothing
DAY = date(2000, 1, 1)  # synthesis takes it for warnings alone
REFERENCE = re.compile(r"\$\{((?:data\.)?\w+\.\w+)\.")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource; ``path`` is its construct's, below the stack's."""

    address: str
    path: str
    values: Mapping[str, Any]

    @property
    def type(self) -> str:
        """``aws_vpc``."""
        return self.address.split(".")[0]

    def get(self, attribute: str, default: Any = None) -> Any:
        """The argument, or ``default`` where it isn't set."""
        value = self.values.get(attribute)
        return default if value is None else value

    def refers(self, attribute: str) -> list[str]:
        """The addresses that an argument refers to, in their order."""
        return REFERENCE.findall(json.dumps(self.values.get(attribute)))


@dataclass(frozen=True, slots=True)
class Stack:
    """One environment's stack; ``resources`` by their address, data sources left out."""

    id: str
    environment: str
    region: str
    resources: Mapping[str, Resource]
    document: Mapping[str, Any]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Stack":
        """From the content of its ``cdk.tf.json``."""
        (provider,) = document["provider"]["aws"]
        return cls(
            id=document["//"]["metadata"]["stackName"],
            environment=_tags(document)["Environment"],
            region=provider["region"],
            resources={resource.address: resource for resource in _resources(document)},
            document=document,
        )

    @property
    def tags(self) -> Mapping[str, str]:
        """What the provider tags everything with."""
        return _tags(self.document)

    def all(self, type_: str) -> list[Resource]:
        """Every resource of a type."""
        return [resource for resource in self.resources.values() if resource.type == type_]

    def referred(self, resource: Resource, attribute: str) -> list[Resource]:
        """The resources that an argument of one refers to."""
        return [self.resources[a] for a in resource.refers(attribute) if a in self.resources]


def _tags(document: Mapping[str, Any]) -> Mapping[str, str]:
    (provider,) = document["provider"]["aws"]
    return provider["default_tags"][0]["tags"]


def _resources(document: Mapping[str, Any]) -> Iterator[Resource]:
    for type_, entries in document.get("resource", {}).items():
        for name, values in entries.items():
            path = values["//"]["metadata"]["path"].split("/", 1)[1]
            yield Resource(f"{type_}.{name}", path, values)


def synthesize(environ: Mapping[str, str], root: Path = ROOT) -> list[Stack]:
    """The stacks that ``tap.py`` below ``root`` makes of the environments asked for, all without
    ENVIRONMENT, in the order of the config. Written to a folder that is gone afterwards.
    """
    asked = ASKED | {name: value for name, value in environ.items() if value}
    with tempfile.TemporaryDirectory() as outdir:
        run_app(asked, Path(outdir), root)
        manifest = json.loads(Path(outdir, "manifest.json").read_text(encoding="utf-8"))
        stacks = [
            Stack.read(
                json.loads(Path(outdir, entry["synthesizedStackPath"]).read_text(encoding="utf-8"))
            )
            for entry in manifest["stacks"].values()
        ]
    order = [entry.name for entry in ENVIRONMENTS]
    # Another commit's environment may be none of this one's: those come last.
    return sorted(stacks, key=lambda s: (*order, s.environment).index(s.environment))


def synthesized(config: EnvironmentConfig) -> Stack:
    """The stack that ``tap.py`` makes of a config, in this process."""
    with tempfile.TemporaryDirectory() as outdir:
        environ = {
            "ENVIRONMENT": config.name,
            "ENVIRONMENT_SUFFIX": SUFFIX,
            "CDKTF_OUTDIR": outdir,
        }
        said = io.StringIO()
        with redirect_stderr(said):  # warnings of configs that nobody deploys
            if tap.main(environ, DAY, [config]):
                raise TapError(f"synthesis failed:\n{said.getvalue().strip()}", hint="see above")
        (file,) = Path(outdir, "stacks").glob("*/cdk.tf.json")
        return Stack.read(json.loads(file.read_text(encoding="utf-8")))
