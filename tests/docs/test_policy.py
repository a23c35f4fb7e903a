"""docs/policy.md has every waiver; that each is a finding, make policy sees to."""

from ops.policy import command, table


def test_the_document_is_what_the_stacks_say(tmp_path):
    """``make policy OPTIONS=--write`` writes it anew."""
    written = table.DOCUMENT.read_text(encoding="utf-8")
    assert written == table.document(command.synthesize(tmp_path))
