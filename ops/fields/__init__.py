"""``ops fields``: each field of the config, what it takes, what changing it costs and does.

The types, defaults and words are those of ``lib/config/environment_config.py``, the ranges are what
validation says (``takes.py``), the costs are measured (``cost.py``), and what Terraform does is
recorded from its plans (``effects.json``).
"""

import argparse
from collections.abc import Mapping, Sequence

from lib.config.environment_config import ENVIRONMENTS
from lib.config.validation import validate
from lib.errors import ConfigError, TapError
from ops.cdktf_cli import ROOT
from ops.fields import cost
from ops.fields.changes import base_of, somewhere, step_of
from ops.fields.declared import Declared, fields
from ops.fields.page import one, page

DOCUMENT = ROOT / "docs" / "fields.md"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("fields", help="every field of the config, or those named")
    parser.add_argument("fields", nargs="*", metavar="FIELD", help="such as database.storage_gib")
    parser.add_argument("--write", action="store_true", help="write docs/fields.md anew")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Print the reference, or write the page. Raises ``TapError`` for bad input."""
    del environ  # the environments as they are in the config, whatever this process was told
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops fields --help")
    if options.write and options.fields:
        raise TapError("the page has every field", hint="drop the names, or --write")
    if problems := validate(ENVIRONMENTS):
        raise ConfigError(problems)
    known = list(fields())
    asked = [found for name in options.fields for found in _named(name, known)]
    if asked:
        costs = measured(asked)
        print("\n\n".join(one(field, ENVIRONMENTS, costs) for field in asked))
        return 0
    text = page(known, ENVIRONMENTS, measured(known))
    if options.write:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    else:
        print(text, end="")
    return 0


def measured(asked: Sequence[Declared]) -> dict[str, cost.Effect]:
    """What the change of each field costs a month, by its path."""
    effects: dict[str, cost.Effect] = {}
    for base in ENVIRONMENTS:
        steps = [
            step_of(base, field.path)
            for field in asked
            if somewhere(field.path) and base_of(field.path) is base
        ]
        effects |= cost.effects(base, steps)
    return effects


def _named(name: str, known: Sequence[Declared]) -> list[Declared]:
    """The field, or those below it."""
    found = [field for field in known if f"{field.path}.".startswith(f"{name}.")]
    if not found:
        parts = dict.fromkeys(field.path.split(".")[0] for field in known)
        raise TapError(f"there is no field {name}", hint=f"choose one of {', '.join(parts)}")
    return found
