"""The page of a report: page.html with its style, everything in it escaped."""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ops.cost.report import money, number
from ops.fields.declared import literal
from ops.fields.page import TITLES
from ops.report.content import Report

FOLDER = Path(__file__).parent


def page(report: Report, environments: Sequence[str]) -> str:
    """The page, with links to those of the other ``environments``."""
    return _JINJA.get_template("page.html").render(
        report=report,
        environments=environments,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
    )


def _breakable(text: str) -> Markup:
    """May be broken after what joins its words, before it is broken anywhere else."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/.:(-])(?=\w)", text))


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(_breakable(text))


def _marked(text: str) -> Markup:
    """Backticks and double asterisks of Markdown as elements."""
    said = Markup("")
    for part in re.split(r"(`[^`]*`|\*\*.*?\*\*)", text):
        if part.startswith("`"):
            said += _code(part.strip("`"))
        elif part.startswith("**"):
            said += Markup("<strong>{}</strong>").format(part.strip("*"))
        else:
            said += part
    return said


def _titled(name: str) -> str:
    """``load_balancer`` as a heading."""
    return TITLES.get(name) or name[:1].upper() + name[1:].replace("_", " ")


def _price(usd: Decimal) -> str:
    return f"${usd.normalize():f}"


_JINJA = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_JINJA.filters |= {
    "breakable": _breakable,
    "code": _code,
    "literal": literal,
    "marked": _marked,
    "money": money,
    "number": number,
    "price": _price,
    "titled": _titled,
}
