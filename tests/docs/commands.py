"""The commands that the documents tell people to type, and whether each exists as it is typed.

A fenced block of commands is one of ``sh``; elsewhere a command stands in backticks. Placeholders
are ``CAPITALS``, ``<brackets>`` or dots.
"""

import argparse
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from jmespath import compile as compile_query
from jmespath.exceptions import JMESPathError

from checks.__main__ import commands_parser as checks_parser
from ops.__main__ import commands_parser as ops_parser

ROOT = Path(__file__).parents[2]
PACKAGE = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
PIPFILE = tomllib.loads((ROOT / "Pipfile").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
NEEDS_ACCOUNT = "# needs an account"
TAKES_MINUTES = "# takes minutes"
INSTALLED = (".venv/.installed", "node_modules/.installed", ".tools/checks/.installed")
# The shell's own, and what every machine has.
SHELL = {"curl", "export", "grep", "read", "sleep", "tr", "unset"}
# Other people's, said in passing: nothing here could say whether they are right.
OTHERS = {"pipenv lock", "npm install"}
# In backticks, and no commands: what Terraform or the tools say, and ideas that were dropped.
NO_COMMANDS = {"ops state"}


class Wrong(Exception):
    """A command that is not as it stands in a document."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document."""

    document: Path
    language: str
    lines: Sequence[str]

    @property
    def text(self) -> str:
        """As it stands there."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as typed, and as what it comes to: ``npm run`` and the like are seen through."""

    typed: str
    words: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    @property
    def name(self) -> str:
        """Its words up to the first option or value: ``ops state recover``."""
        depth = (
            3 if self.words[:2] in (("ops", "state"), ("ops", "cdktf"), ("ops", "pipeline")) else 2
        )
        return " ".join(self.words[:depth])


def blocks(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document."""
    for indent, language, body in FENCE.findall(document.read_text(encoding="utf-8")):
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        yield Block(document, language, lines)


def typed_in(block: Block) -> Iterator[str]:
    """The commands of a block of ``sh``, without what is said about them."""
    for line in block.lines:
        words = re.sub(r"(^|\s{2,})# .*$", "", line).strip()
        if words:
            yield words


def inline(document: Path) -> Iterator[str]:
    """What stands in backticks and begins as a command does."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for span in SPAN.findall(text):
        typed = " ".join(span.split())
        if is_command(typed):
            yield typed


def is_command(typed: str) -> bool:
    """Whether a line is a command, going by how it begins."""
    if typed in NO_COMMANDS or typed in OTHERS:
        return False
    words = re.sub(r"^(?:[A-Z_]+=\S* )+", "", typed).split(" ")
    first, rest = words[0], words[1:]
    if first in {"make", "npx"} | SHELL:
        return bool(rest)
    if first in {"npm", "pipenv"}:
        return rest[:1] == ["run"]
    if first in {"python", ".venv/bin/python", "python3"}:
        return rest[:1] == ["-m"]
    if first in {"terraform", "aws", "ops"}:
        return bool(rest)
    return False


def parsed(typed: str) -> Iterator[Command]:
    """The commands of a line, which may be several, one within another. Raises ``Wrong``."""
    for inner in re.findall(r"\$\(([^()]*)\)", typed):
        yield from parsed(inner)
    outer = re.sub(r"\$\([^()]*\)", "VALUE", typed)
    for part in re.split(r" (?:&&|\||>) |; (?:do |done$)", outer.removeprefix("until ")):
        try:
            words, variables = shlex.split(part), {}
        except ValueError as error:
            raise Wrong(f"{part}: {error}") from error
        while words and (found := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
            variables[found[1]] = found[2]
            words = words[1:]
        if words and not re.fullmatch(r"[A-Z]+\.\w+", words[0]):  # PLAN.json: what > writes
            yield Command(typed, _resolved(words), variables)


def _resolved(words: list[str]) -> tuple[str, ...]:
    """What a command comes to, when it exists."""
    program, rest = words[0], words[1:]
    if program == "npm":
        return _resolved([*_script("npm run", PACKAGE["scripts"], rest), *_after(rest)])
    if program == "pipenv":
        return _resolved([*_script("pipenv run", PIPFILE["scripts"], rest), *rest[2:]])
    if program in {"python", ".venv/bin/python", "python3"}:
        if rest[0] == "tap.py":
            return ("tap.py", *rest[1:])
        module, arguments = rest[1], rest[2:]
        return _resolved([module, *arguments]) if module in PARSED else (module, *arguments)
    if program in PARSED:
        PARSED[program](rest)
    elif program == "npx":
        arguments = [word for word in rest if not word.startswith("-")]
        if not (ROOT / "node_modules" / ".bin" / arguments[0]).exists():
            raise Wrong(f"npx knows no {arguments[0]}")
    elif program not in SHELL | DEVELOPMENT:
        raise Wrong(f"nobody knows {program}")
    return (program, *rest)


def _script(runner: str, scripts: dict[str, str], rest: list[str]) -> list[str]:
    if rest[0] != "run" or rest[1] not in scripts:
        raise Wrong(f"{runner} {' '.join(rest[1:])}: no such script")
    return shlex.split(scripts[rest[1]])


def _after(rest: list[str]) -> list[str]:
    """What npm hands on."""
    if len(rest) > 2 and rest[2] != "--":
        raise Wrong(f"npm keeps {rest[2]} to itself: -- comes before it")
    return rest[3:]


def _make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    given = [word for word in words if "=" in word]
    known = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    if len(targets) != 1 or targets[0] not in known:
        raise Wrong(f"make has no {' '.join(targets)}")
    recipe = made(targets[0], *given)
    for name, value in (word.split("=", 1) for word in given):
        if name not in MAKEFILE:
            raise Wrong(f"the Makefile has no {name}")
        if name == "OPTIONS" and value not in recipe:
            raise Wrong(f"make {targets[0]} takes no OPTIONS")
    for line in re.findall(r"-m ((?:ops|checks) .*)$", recipe, re.MULTILINE):
        _resolved(shlex.split(line))


@cache
def made(target: str, *variables: str) -> str:
    """What make would run, were everything installed."""
    old = [word for file in INSTALLED for word in ("-o", file)]
    done = subprocess.run(
        ["make", "-n", *old, target, *variables],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _argparse(parser: argparse.ArgumentParser, words: list[str], program: str) -> None:
    """Whether the command's parser takes it; a command alone need not be whole."""
    depth, named = parser, list(words)
    while named and (below := subcommands(depth).get(named[0])):
        depth, named = below, named[1:]
    if not named:
        return
    parser.exit_on_error = False
    try:
        _, rest = parser.parse_known_args([_filled(word) for word in words])
    except (SystemExit, argparse.ArgumentError) as error:
        raise Wrong(f"{program} {' '.join(words)} is not understood") from error
    # What `ops cdktf` doesn't know it hands to the CLI.
    if rest and words[0] != "cdktf":
        raise Wrong(f"{program} {' '.join(words)}: {rest[0]} is unknown")


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Those that a parser knows."""
    for action in parser._actions:  # pylint: disable=protected-access  # argparse has no other way
        if isinstance(action, argparse._SubParsersAction):  # pylint: disable=protected-access
            return dict(action.choices)
    return {}


def _filled(word: str) -> str:
    """A placeholder for a number as one."""
    return "0" if word == "CODE" else word


def _terraform(words: list[str]) -> None:
    named = [word for word in words if word != "..." and not word.startswith("-chdir=")]
    verbs = [word for word in named if re.fullmatch("[a-z-]+", word) and not word.startswith("-")]
    verbs = verbs[:2] if verbs[:1] in (["state"], ["providers"]) else verbs[:1]
    text = _terraform_help(tuple(verbs))
    for option in (word.split("=")[0] for word in named if word.startswith("-")):
        if not re.search(rf"{option}\b", text):
            raise Wrong(f"terraform {' '.join(verbs)} has no {option}")


@cache
def _terraform_help(verbs: tuple[str, ...]) -> str:
    done = subprocess.run(
        ["terraform", *verbs, "-help"], capture_output=True, text=True, check=False
    )
    usage = f"Usage: terraform [global options] {' '.join(verbs)}"
    if done.returncode or not done.stdout.startswith(usage):
        raise Wrong(f"terraform has no {' '.join(verbs)}")
    return done.stdout


# The AWS CLI is made from the same models as boto3, but for a few commands of its own.
OF_THE_CLI = {
    ("logs", "tail"): {"since", "follow", "format"},
    ("s3", "sync"): {"delete", "dryrun", "exclude", "include"},
}
GLOBAL = {"query", "output", "region", "profile", "max-items", "no-cli-pager"}


def _aws(words: list[str]) -> None:
    service, operation, *rest = words
    options = {word.removeprefix("--").split("=")[0] for word in rest if word.startswith("--")}
    for query in (rest[at + 1] for at, word in enumerate(rest) if word == "--query"):
        try:
            compile_query(query)
        except JMESPathError as error:
            raise Wrong(f"--query {query}: {error}") from error
    if (service, operation) in OF_THE_CLI:
        unknown = options - OF_THE_CLI[service, operation] - GLOBAL
    else:
        if operation == "wait":
            operation = _waits_for(service, rest[0])
        unknown = options - _options(service, operation, options) - GLOBAL
    if unknown:
        raise Wrong(f"aws {service} {operation} has no --{unknown.pop()}")


@cache
def _model(service: str) -> Any:  # its properties are no types that a checker sees
    try:
        return botocore.session.get_session().get_service_model(service)
    except UnknownServiceError as error:
        raise Wrong(f"AWS has no {service}") from error


def _waits_for(service: str, waiter: str) -> str:
    try:
        waiters = botocore.session.get_session().get_waiter_model(service)
    except DataNotFoundError as error:
        raise Wrong(f"aws {service} waits for nothing") from error
    names = {xform_name(name, "-"): name for name in waiters.waiter_names}
    if waiter not in names:
        raise Wrong(f"aws {service} wait has no {waiter}")
    return xform_name(waiters.get_waiter(names[waiter]).operation, "-")


def _options(service: str, operation: str, given: set[str]) -> set[str]:
    """The options of an operation, those that it cannot do without being ``given``."""
    model = _model(service)
    names = {xform_name(name, "-"): name for name in list(model.operation_names)}
    if operation not in names:
        raise Wrong(f"aws {service} has no {operation}")
    shape: Any = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): member for name, member in shape.members.items()}
    for name in shape.required_members if given else ():
        if xform_name(name, "-") not in given:
            raise Wrong(f"aws {service} {operation} wants --{xform_name(name, '-')}")
    booleans = {f"no-{name}" for name, member in members.items() if member.type_name == "boolean"}
    return {*members, *booleans}


DEVELOPMENT = {"pylint", "ruff", "pytest", "bench", "tap.py"}  # scripts of the Pipfile
PARSED = {
    "make": _make,
    "ops": lambda words: _argparse(ops_parser(), words, "ops"),
    "checks": lambda words: _argparse(checks_parser(), words, "checks"),
    "terraform": _terraform,
    "aws": _aws,
}
