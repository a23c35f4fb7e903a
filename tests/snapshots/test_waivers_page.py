"""docs/policy.md has every waiver of the project's environments.

``make policy`` holds that each is a finding.
"""

import os

from ops.policy import command, table
from tests.project import TEAM


def test_the_document_is_what_the_stacks_say(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "ENVIRONMENTS", [*TEAM.values()])
    text = table.document(command.synthesize(tmp_path))
    if os.environ.get("TAP_WRITE_DOCS"):
        table.DOCUMENT.write_text(text, encoding="utf-8")
    assert table.DOCUMENT.read_text(encoding="utf-8") == text, "make snapshots writes it anew"
