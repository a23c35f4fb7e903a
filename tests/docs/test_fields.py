"""docs/fields.md is what the code says today; what Terraform does is held against plans by e2e."""

import os

from lib.config.environment_config import ENVIRONMENTS
from ops.fields import DOCUMENT, measured
from ops.fields.changes import CHANGES, ELSEWHERE
from ops.fields.declared import fields
from ops.fields.page import page, recorded
from tests.e2e.fields import told


def test_the_page_is_today_s():
    known = list(fields())
    text = page(known, ENVIRONMENTS, measured(known))
    if os.environ.get("TAP_WRITE_DOCS"):
        DOCUMENT.write_text(text, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text, "make docs writes it anew"


def test_what_terraform_does_is_recorded_of_every_field():
    assert set(recorded()) == {field.path for field in fields()} == {*CHANGES, *ELSEWHERE}


def test_changes_are_told_in_a_line():
    assert told([]) == "nothing"
    assert told([("b", "update"), ("a", "update"), ("c", "replace"), ("a", "update")]) == (
        "changes `a`, `b` in place; **replaces** `c`"
    )
    many = [(letter, "create") for letter in "abcdefg"]
    assert told(many) == "adds `a`, `b`, `c`, `d`, `e` and 2 more types"
