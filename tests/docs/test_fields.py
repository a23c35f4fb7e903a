"""docs/fields.md has every field; what it says of them is held against plans by tests/e2e."""

from pathlib import Path

from tests.e2e import fields

DOCUMENT = Path(__file__).parents[2] / "docs" / "fields.md"


def test_every_field_has_a_change():
    assert set(fields.CHANGES) == set(fields.all_fields())


def test_every_change_is_one():
    for path, value in fields.CHANGES.items():
        assert fields.with_change(fields.BASE, path, value) != fields.BASE, path


def test_every_field_is_in_the_document():
    text = DOCUMENT.read_text(encoding="utf-8")
    for path, value in fields.CHANGES.items():
        assert f"\n| `{path}` | {fields.shown(value)} |" in text
        assert f"| {fields.refused_in_production(path)} |\n" in text


def test_changes_are_told_in_a_line():
    assert fields.told([]) == "nothing"
    assert fields.told([("b", "update"), ("a", "update"), ("c", "replace"), ("a", "update")]) == (
        "changes `a`, `b` in place; **replaces** `c`"
    )
    many = [(letter, "create") for letter in "abcdefg"]
    assert fields.told(many) == "adds `a`, `b`, `c`, `d`, `e` and 2 more types"
