"""A slip in ``environment_config.py``: its line, what is wrong there, and the word that was meant.

For entry points: ``with reading_config():`` around their imports, of which one reads the config.
"""

import ast
import dataclasses
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.errors import ExitCode, Problem, did_you_mean

CONFIG_FILE = "lib/config/environment_config.py"
CONFIG_MODULE = "lib.config.environment_config"
_PATH = Path(__file__).with_name("environment_config.py")
_CALL = re.compile(r"(?P<part>\w+)\.__init__\(\) (?P<rest>.*)")
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(?P<field>\w+)'")
_MISSING = re.compile(r"missing \d+ required keyword-only arguments?: (?P<fields>.*)")
_NO_NAME = re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'")


@contextmanager
def reading_config() -> Iterator[None]:
    """Shows a slip in the config as a line on standard error, and exits with 2."""
    try:
        yield
    except Exception as error:  # pylint: disable=broad-exception-caught  # others go on
        problem = problem_of(error)
        if not problem:
            raise
        print(f"tap: {problem}", file=sys.stderr)
        sys.exit(ExitCode.USAGE)


def problem_of(error: BaseException) -> Problem | None:
    """What to mend in ``environment_config.py``; None for an ``error`` that isn't of its making."""
    if isinstance(error, ImportError) and error.name == CONFIG_MODULE:
        return _lost(error)
    if isinstance(error, SyntaxError):
        if error.filename != str(_PATH):
            return None
        message, _, perhaps = error.msg.partition(". Perhaps ")
        hint = f"perhaps {perhaps.rstrip('?')}" if perhaps else "mend it, or the line before"
        return Problem(f"{CONFIG_FILE}:{error.lineno}", message, hint)
    line, names = _raised_at(error)
    if line is None:
        return None
    line, message, hint = _words(error, line, names)
    return Problem(f"{CONFIG_FILE}:{line}", " ".join(message.split()), hint)


def _raised_at(error: BaseException) -> tuple[int | None, Mapping[str, Any]]:
    """The line of the config that was being read, and the names that it knew by then."""
    line, names, within, trace = None, {}, False, error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        if code.co_filename == str(_PATH):
            within = within or code.co_name == "<module>"
            line, names = trace.tb_lineno, trace.tb_frame.f_globals
        trace = trace.tb_next
    return (line, names) if within else (None, {})


def _words(error: BaseException, line: int, names: Mapping[str, Any]) -> tuple[int, str, str]:
    """The line, the message and the hint for what was raised there."""
    if isinstance(error, NameError):
        known = [*names, "True", "False", "None"]
        name = str(error.name)
        return (
            line,
            f"there is no {name}",
            _meant(name, known, "define it, or put quotes around it"),
        )
    if isinstance(error, AttributeError) and error.name:
        owner = getattr(error.obj, "__name__", type(error.obj).__name__)
        known = [*getattr(error.obj, "__members__", dir(error.obj))]  # an enum's are its choices
        hint = _meant(error.name, known, f"choose {' or '.join(known)}")
        return line, f"{owner} has no {error.name}", hint
    if isinstance(error, ModuleNotFoundError):
        known = [*sys.stdlib_module_names, *(name for name in sys.modules if "_" not in name[:1])]
        name = str(error.name)
        return line, f"there is no module {name}", _meant(name, known, "drop the import")
    if isinstance(error, ImportError) and (match := _NO_NAME.match(str(error))):
        known = [name for name in vars(sys.modules[match["module"]]) if name[:1] != "_"]
        hint = _meant(match["name"], known, "drop the import")
        return line, f"{match['module']} has no {match['name']}", hint
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    part = names.get(call["part"]) if call else None
    if call and dataclasses.is_dataclass(part):
        return _call_words(part, call["rest"], line, names)
    return line, f"{type(error).__name__}: {error}", "mend it"


def _call_words(part: Any, said: str, line: int, names: Mapping[str, Any]) -> tuple[int, str, str]:
    """A part of the config that was given other fields than it has."""
    name, known = part.__name__, [field.name for field in dataclasses.fields(part)]
    if match := _UNEXPECTED.match(said):
        wrong = match["field"]
        others = [
            other.__name__
            for other in names.values()
            if isinstance(other, type)
            and dataclasses.is_dataclass(other)
            and wrong in (field.name for field in dataclasses.fields(other))
        ]
        if others:
            hint = f"it is a field of {' and '.join(others)}"
        else:
            hint = _meant(wrong, known, f"choose of {', '.join(known)}")
        return _line_of(line, name, wrong), f"{name} has no field {wrong}", hint
    if match := _MISSING.match(said):
        lacking = re.findall(r"'(\w+)'", match["fields"])
        typed = (f"{field}, of type {_type_name(part.__annotations__[field])}" for field in lacking)
        return line, f"{name} lacks {' and '.join(lacking)}", f"add {'; '.join(typed)}"
    return line, f"{name} takes its fields by name", "write field=value for each"


def _type_name(annotation: Any) -> str:
    return (
        annotation.__name__ if isinstance(annotation, type) else str(annotation).rpartition(".")[2]
    )


def _meant(word: str, known: Iterable[str], otherwise: str) -> str:
    return did_you_mean(word, known).strip() or otherwise


def _line_of(line: int, part: str, field: str) -> int:
    """Where a field is written of the part whose call begins at ``line``."""
    lines = (
        keyword.lineno
        for node in ast.walk(ast.parse(_PATH.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and node.lineno == line and ast.unparse(node.func) == part
        for keyword in node.keywords
        if keyword.arg == field
    )
    return next(lines, line)


def _lost(error: ImportError) -> Problem:
    """A name of the config's module that the others need, such as ENVIRONMENTS."""
    match = _NO_NAME.match(str(error))
    name = match["name"] if match else "ENVIRONMENTS"
    values = vars(sys.modules[CONFIG_MODULE]).items()
    meant = did_you_mean(name, (each for each, value in values if not isinstance(value, type)))
    return Problem(CONFIG_FILE, f"there is no {name} any more", f"{meant}call it {name} again")
