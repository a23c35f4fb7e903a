"""Many stacks in one ``terraform validate``: each is a module of one root.

A module brings no backend, which ``validate`` doesn't look at, and no provider: some of those, each
a process, stand in the root. A resource that is the same as in an earlier module stays out, unless
another refers to it: what is left is a fourth.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.terraform_provider import find_mirror
from tests.integration.terraform import ENVIRON

Document = dict[str, Any]
PROVIDERS = 3


class Validator:
    """Terraform with the AWS provider, in a folder. Raises ``TapError`` where it can't be had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = {**os.environ, **ENVIRON}
        self._version = "6.25.0"
        if shutil.which("terraform") is None:
            raise TapError("there is no terraform", hint="install it")
        if mirror := find_mirror(self._environ):
            self._environ["TF_CLI_CONFIG_FILE"] = str(mirror.write_cli_config(folder))
            self._version = mirror.version

    def problems(self, documents: list[Document]) -> dict[int, list[str]]:
        """What the provider has against the documents, by their place in the list."""
        modules, providers = {}, {"aws": {"source": "hashicorp/aws", "version": self._version}}
        known: set[str] = set()
        for number, document in enumerate(documents):
            module = self._folder / f"m{number}"
            module.mkdir()
            terraform = {"required_providers": {"aws": {"source": "hashicorp/aws"}}}
            text = json.dumps(_news(document, known) | {"terraform": terraform})
            (module / "cdk.tf.json").write_text(text, encoding="utf-8")
            given = {name: "${var.password}" for name in document.get("variable", ())}
            modules[f"m{number}"] = {"source": f"./m{number}", **given}
        root = {
            "terraform": {"required_providers": providers},
            "provider": {"aws": [{"region": "us-east-1"}, *_configured(documents)]},
            "data": {
                "aws_partition": {
                    f"p{number}": {"provider": f"aws.p{number}"}
                    for number in range(len(_configured(documents)))
                }
            },
            "variable": {"password": {"type": "string", "ephemeral": True, "sensitive": True}},
            "module": modules,
        }
        (self._folder / "root.tf.json").write_text(json.dumps(root), encoding="utf-8")
        done = self._terraform("init", "-backend=false", "-no-color")
        assert done.returncode == 0, done.stderr[:2000]
        found: dict[int, list[str]] = {}
        for diagnostic in json.loads(self._terraform("validate", "-json").stdout)["diagnostics"]:
            file = diagnostic.get("range", {}).get("filename", "root")
            number = int(Path(file).parent.name[1:] or -1)
            told = f"{diagnostic['severity']}: {diagnostic['summary']}: {diagnostic['detail']}"
            code = diagnostic.get("snippet") or {}
            found.setdefault(number, []).append(f"{told} {code.get('code', '')[:200]}")
        return found

    def _terraform(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )


def _configured(documents: list[Document]) -> list[Document]:
    """The longest of the providers' configurations, each under a name of its own."""
    texts = {json.dumps(provider) for doc in documents for provider in doc["provider"]["aws"]}
    longest = sorted(texts, key=lambda text: (len(text), text))[-PROVIDERS:]
    return [{**json.loads(text), "alias": f"p{number}"} for number, text in enumerate(longest)]


def _news(document: Document, known: set[str]) -> Document:
    """What of a document isn't ``known``, with what it refers to; from then on it is."""
    blocks = {
        f"{prefix}{type_}.{name}": (kind, type_, name, json.dumps(body))
        for prefix, kind in (("", "resource"), ("data.", "data"))
        for type_, entries in document.get(kind, {}).items()
        for name, body in entries.items()
    }
    blocks |= {
        f"output.{name}": ("output", "", name, json.dumps(body))
        for name, body in document.get("output", {}).items()
    }
    wanted = [address for address, block in blocks.items() if f"{address} {block[3]}" not in known]
    known |= {f"{address} {blocks[address][3]}" for address in wanted}
    news: Document = {name: document[name] for name in ("variable",) if name in document}
    new, done = set(wanted), set[str]()
    while wanted:
        address = wanted.pop()
        if address in done:
            continue
        done.add(address)
        kind, type_, name, text = blocks[address]
        if address not in new:  # what it waits for besides is known too
            body = {key: value for key, value in json.loads(text).items() if key != "depends_on"}
            text = json.dumps(body)
        entries = news.setdefault(kind, {})
        if type_:
            entries = entries.setdefault(type_, {})
        entries[name] = json.loads(text)
        found = re.findall(r"(?:data\.)?aws_\w+\.\w+", text)
        wanted += [reference for reference in found if reference in blocks]
    return news
