"""``checks licences``: docs/licences.md, and no licence that nobody has thought of.

Node's lock file has the licences. Of a Python package its metadata tells, where it is installed: a
package for other systems keeps the line that it has.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata

from checks.lock_files import ROOT, Package, node_packages, python_packages

DOCUMENT = ROOT / "docs" / "licences.md"
# To use, change and pass on, when their text goes along.
FREE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0"),
        *("CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "PSF-2.0", "Python-2.0"),
        *("Public Domain", "Unlicense", "WTFPL"),
    }
)
# Why a licence that asks for more asks nothing of a team that copies TAP.
REASONS = {
    "GPL-2.0-or-later": "a tool that is run here and passed on to nobody",
    "LGPL-2.1-or-later": "a tool that is run here and passed on to nobody",
    "OFL-1.1": "a font, which draws the diagrams and is not sold by itself",
    "MPL-2.0": "asks for changes to its own files alone, and there are none",
}
# Where the metadata says nothing and the package's own text does.
STATED = {"resvg-py": "MIT"}
# How metadata from before SPDX says it. https://spdx.org/licenses
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "dual license": "Apache-2.0 OR BSD",
    "expat license": "MIT",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
HEAD = """# Licences

Of every package that the lock files name; `make snapshots` writes this. Those used alone to develop
and test are marked. What asks for more than its text to go along, and why that is no matter here:

"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("licences", help="hold docs/licences.md against the lock files")
    parser.add_argument("--write", action="store_true", help="write it anew")
    parser.set_defaults(run=lambda options: run(write=options.write))


def run(*, write: bool = False) -> int:
    """Compare, or write; 1 when the document is another, or a licence has no reason."""
    before = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    rows = list(licensed(before))
    unknown = [row for row in rows if not is_free(row.licence)]
    for row in unknown:
        print(f"licences: {row.name} {row.version}: {row.licence or 'none'}: is that one to have?")
    text = document(rows)
    if write:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif text != before:
        print(f"licences: {DOCUMENT.name} is not what the lock files say: make snapshots writes it")
        return 1
    return 1 if unknown else 0


def is_free(licence: str) -> bool:
    """Whether one of the choices is known in all that it asks for."""
    known = FREE | REASONS.keys()
    choices = re.split(r"\s+OR\s+", licence.strip("()"))
    return any(
        all(part.strip("()") in known for part in re.split(r"\s+AND\s+", choice))
        for choice in choices
    )


def licensed(before: str) -> Iterator[Package]:
    """Each locked package with its licence; ``before`` is the document as it was."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.*?) \|", before, re.MULTILINE)
    earlier = {(name, version): licence for name, version, licence in rows}
    for package in python_packages():
        try:
            licence = licence_of(metadata.metadata(package.name)) or STATED.get(package.name, "")
        except metadata.PackageNotFoundError:
            licence = earlier.get((package.name, package.version), "")
        yield replace(package, licence=licence)
    yield from node_packages()


def licence_of(told: metadata.PackageMetadata) -> str:
    """What a package's metadata says, in SPDX's words."""
    expression, licence = (
        "".join(told.get_all(name) or ()) for name in ("License-Expression", "License")
    )
    if expression:
        return expression
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in told.get_all("Classifier") or ()
        if classifier.startswith("License :: ")
    ]
    for text in (licence, *classifiers):
        spdx = _SPDX.get(text.lower(), text)
        if is_free(spdx):
            return spdx
    return " ".join(classifiers) or licence.partition("\n")[0]


def document(packages: list[Package]) -> str:
    """docs/licences.md."""
    reasons = "\n".join(f"- {licence}: {reason}." for licence, reason in REASONS.items())
    lines = []
    for title in ("Python", "Node"):
        lines += [f"\n## {title}\n", "| package | version | licence | |", "|---|---|---|---|"]
        lines += sorted(
            {
                f"| {entry.name} | {entry.version} | {entry.licence} |"
                f" {'development' if entry.development else ''} |"
                for entry in packages
                if entry.language == title
            }
        )
    return f"{HEAD}{reasons}\n" + "\n".join(lines) + "\n"
