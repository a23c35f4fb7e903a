"""docs/parity.md shows what the command says today."""

from ops.parity import compare, lines
from ops.parity.lines import FILE, Lines
from tests.conftest import BY_NAME
from tests.docs.generated import DOCS, hold


def test_the_output_shown_is_today_s():
    report = compare(BY_NAME["dev"], BY_NAME["staging"])
    said = lines(report, Lines.read(FILE.read_text(encoding="utf-8")))
    hold(DOCS / "parity.md", {"parity": "\n".join(("```", *said, "```"))})
