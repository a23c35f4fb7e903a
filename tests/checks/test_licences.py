"""docs/licences.md has every package, and no licence stands there that nobody has thought of."""

import re
from email.message import Message
from typing import Any

import pytest

from checks import licences, lock_files
from checks.__main__ import main


def test_the_document_is_what_the_lock_files_say():
    assert main(["licences"]) == 0


def test_every_package_has_its_line_and_a_licence():
    text = licences.DOCUMENT.read_text(encoding="utf-8")
    for package in [*lock_files.python_packages(), *lock_files.node_packages()]:
        row = rf"^\| {re.escape(package.name)} \| {re.escape(package.version)} \| [^|]+ \|"
        assert re.search(row, text, re.MULTILINE), package


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("MIT", True),
        ("(MIT OR GPL-3.0-or-later)", True),
        ("Apache-2.0 AND CNRI-Python", True),
        ("MPL-2.0", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-3.0-or-later", False),
        ("SSPL-1.0 OR BUSL-1.1", False),
        ("UNLICENSED", False),
        ("", False),
    ],
)
def test_what_is_free(licence, free):
    assert licences.is_free(licence) is free


def told(**fields) -> Any:
    """A package's metadata."""
    message = Message()
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT OR SSPL-1.0", "License": "x"}, "MIT OR SSPL-1.0"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        (
            {"Classifier": ["Topic :: Any", "License :: OSI Approved :: Other License"]},
            "Other License",
        ),
        ({"License": "My own licence\nin many lines"}, "My own licence"),
        ({}, ""),
    ],
)
def test_what_metadata_says(fields, licence):
    assert licences.licence_of(told(**fields)) == licence


@pytest.fixture(name="document")
def _document(tmp_path, monkeypatch):
    """A copy of the document."""
    copy = tmp_path / "licences.md"
    copy.write_text(licences.DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(licences, "DOCUMENT", copy)
    return copy


def test_a_document_that_is_another_is_told_and_written_anew(document, capsys):
    good = document.read_text(encoding="utf-8")
    document.write_text(good.replace("| cdktf | 0.21.0 |", "| cdktf | 0.20.0 |"), encoding="utf-8")
    assert main(["licences"]) == 1
    assert "make snapshots" in capsys.readouterr().out
    assert main(["licences", "--write"]) == 0
    assert document.read_text(encoding="utf-8") == good


def test_a_package_for_another_system_keeps_its_line(document, monkeypatch):
    other = lock_files.Package("Python", "pywin32", "311", ("sha256:0",))
    monkeypatch.setattr(licences, "python_packages", lambda: iter([other]))
    document.write_text("| pywin32 | 311 | PSF-2.0 | |\n", encoding="utf-8")
    assert main(["licences", "--write"]) == 0
    assert "| pywin32 | 311 | PSF-2.0 |" in document.read_text(encoding="utf-8")


@pytest.mark.usefixtures("document")
def test_a_licence_that_nobody_has_thought_of_fails(monkeypatch, capsys):
    monkeypatch.delitem(licences.REASONS, "GPL-2.0-or-later")
    assert main(["licences"]) == 1
    assert "pylint 4.1.4: GPL-2.0-or-later: is that one to have?" in capsys.readouterr().out
