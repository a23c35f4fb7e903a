"""``ops hcl``: the stacks as plain Terraform configuration, which needs neither Python nor CDKTF.

``cdktf synth --hcl`` writes what Terraform refuses: quotes within strings stay bare, conditions
become arguments. This turns the synthesized JSON into the same configuration in Terraform's own
words; what is a block and what an argument the provider's schema says. Addresses stay what they
are, so a state fits both.

https://developer.hashicorp.com/terraform/language/syntax/json
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.stacks import Stack, synthesize
from ops.terraform_provider import find_mirror

OUTPUT = ROOT / "hcl.out"
Schema = Mapping[str, Any]
# Terraform's own, which no provider's schema has.
FLAT: Schema = {"block_types": {}}
LIFECYCLE: Schema = {
    "block_types": {"precondition": {"block": FLAT}, "postcondition": {"block": FLAT}}
}
META: Schema = {"lifecycle": {"block": LIFECYCLE}}
TERRAFORM: Schema = {"block_types": {"required_providers": {"block": FLAT}}}
SECTIONS = {"//", "terraform", "variable", "provider", "data", "resource", "moved", "output"}
UNKNOWN = {"provisioner", "connection", "dynamic"}  # blocks that no stack has
BARE = {"depends_on", "ignore_changes", "replace_triggered_by", "provider"}  # names, not texts
ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("hcl", help="write the stacks of ENVIRONMENT (all) as plain HCL")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="hcl.out by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Write a folder for each stack. Raises ``TapError`` for bad input, and what Terraform says."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops hcl --help")
    stacks = synthesize(environ)
    schema = provider_schema(stacks[0], environ)
    for stack in stacks:
        # As deep as cdktf.out/stacks: a local state is found by a relative path.
        folder = options.output / "stacks" / stack.id
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "main.tf"
        file.write_text(formatted(convert(stack.document, schema)), encoding="utf-8")
        print(file)
    return 0


def provider_schema(stack: Stack, environ: Mapping[str, str]) -> Schema:
    """What the AWS provider says of its types, of the version that a registry or a mirror has."""
    with tempfile.TemporaryDirectory() as folder:
        asked = stack.document["terraform"]["required_providers"]
        document = {"terraform": {"required_providers": asked}}
        Path(folder, "main.tf.json").write_text(json.dumps(document), encoding="utf-8")
        variables = {**environ, "CHECKPOINT_DISABLE": "1"}
        if mirror := find_mirror(environ):
            mirror.write_override(Path(folder))
            variables["TF_CLI_CONFIG_FILE"] = str(mirror.write_cli_config(Path(folder)))
        _terraform("init", "-backend=false", "-no-color", cwd=folder, environ=variables)
        told = _terraform("providers", "schema", "-json", cwd=folder, environ=variables)
    (schema,) = json.loads(told)["provider_schemas"].values()
    return schema


def formatted(text: str) -> str:
    """As ``terraform fmt`` has it."""
    return _terraform("fmt", "-", cwd=os.curdir, environ=os.environ, stdin=text)


def _terraform(
    *arguments: str, cwd: str, environ: Mapping[str, str], stdin: str | None = None
) -> str:
    if shutil.which("terraform", path=environ.get("PATH")) is None:
        raise TapError("terraform is not on the PATH", hint="install Terraform 1.11 or newer")
    done = subprocess.run(
        ["terraform", *arguments],
        cwd=cwd,
        env=dict(environ),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TapError(f"terraform {arguments[0]} failed:\n{done.stderr.strip()}", hint="see above")
    return done.stdout


def convert(document: Mapping[str, Any], schema: Schema) -> str:
    """A stack's JSON in HCL."""
    return "\n".join(_document(document, schema)) + "\n"


def _document(document: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    _known("a section", document.keys() - SECTIONS)
    terraform = {name: value for name, value in document["terraform"].items() if name != "backend"}
    yield "terraform {"
    yield from _body(terraform, TERRAFORM)
    for kind, values in document["terraform"].get("backend", {}).items():
        yield f"backend {_quoted(kind)} {{"
        yield from _body(values, FLAT)
        yield "}"
    yield "}"
    for name, values in document.get("variable", {}).items():
        yield f"variable {_quoted(name)} {{"
        # A type is an expression, whatever JSON has to write around it.
        for argument, value in values.items():
            if argument != "//":
                yield f"{argument} = {value if argument == 'type' else expression(value)}"
        yield "}"
    for name, entries in document.get("provider", {}).items():
        for values in entries:
            yield f"provider {_quoted(name)} {{"
            yield from _body(values, schema["provider"]["block"])
            yield "}"
    for section, key in (("data", "data_source_schemas"), ("resource", "resource_schemas")):
        for type_, entries in document.get(section, {}).items():
            known = schema[key].get(type_)
            if known is None:
                raise TapError(
                    f"the provider has no {section} {type_}", hint="it is of another version"
                )
            for name, values in entries.items():
                yield f"{section} {_quoted(type_)} {_quoted(name)} {{"
                yield from _body(values, known["block"])
                yield "}"
    for moved in document.get("moved", ()):
        yield "moved {"
        yield from (f"{end} = {moved[end]}" for end in ("from", "to"))
        yield "}"
    for name, values in document.get("output", {}).items():
        yield f"output {_quoted(name)} {{"
        yield from _body(values, FLAT)
        yield "}"


def _body(values: Mapping[str, Any], block: Schema) -> Iterator[str]:
    """The arguments and blocks of a block."""
    _known("a block", values.keys() & UNKNOWN)
    blocks = {**META, **block.get("block_types", {})}
    for name, value in values.items():
        if name == "//" or value is None:
            continue
        if name not in blocks:
            shown = _bare(value) if name in BARE else expression(value)
            yield f"{name} = {shown}"
            continue
        for entry in value if isinstance(value, list) else [value]:
            yield f"{name} {{"
            yield from _body(entry, blocks[name]["block"])
            yield "}"


def _known(what: str, names: Set[str]) -> None:
    """Nothing is left out without a word."""
    if names:
        raise TapError(
            f"{what} that is not known: {', '.join(sorted(names))}", hint="teach it to ops/hcl.py"
        )


def _bare(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return str(value)


def expression(value: Any) -> str:
    """A value of the JSON in HCL."""
    if isinstance(value, str):
        return _template(value)
    if isinstance(value, list):
        return f"[{', '.join(map(expression, value))}]"
    if isinstance(value, Mapping):
        entries = (f"{_quoted(key)} = {expression(child)}" for key, child in value.items())
        return "{\n" + "\n".join(entries) + "\n}" if value else "{}"
    return json.dumps(value)


def _template(text: str) -> str:
    """A text with expressions in it; one that is nothing else is the expression itself."""
    parts = list(_parts(text))
    if len(parts) == 1 and parts[0].startswith("${"):
        return parts[0][2:-1]
    return '"' + "".join(p if p[:2] in {"${", "%{"} else _escaped(p) for p in parts) + '"'


def _parts(text: str) -> Iterator[str]:
    """Texts and, each in a part of its own, ``${...}`` and ``%{...}``."""
    start = place = 0
    while place < len(text):
        if text[place : place + 3] in {"$${", "%%{"}:  # a literal one
            place += 3
        elif text[place : place + 2] in {"${", "%{"}:
            if start < place:
                yield text[start:place]
            start, place = place, _end(text, place + 2)
            yield text[start:place]
            start = place
        else:
            place += 1
    if start < place:
        yield text[start:]


def _end(text: str, place: int) -> int:
    """Where the expression ends that is open at ``place``: texts in it may hold braces."""
    depth, quoted = 1, False
    while depth:
        if place >= len(text):
            raise TapError(f"an expression is not closed: {text}", hint="mend it in lib")
        character = text[place]
        if quoted and character == "\\":
            place += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"{": 1, "}": -1}.get(character, 0)
        place += 1
    return place


def _escaped(text: str) -> str:
    return ESCAPED.sub(lambda found: ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
