"""docs/parity.md shows what the command says today, without the lines of the config."""

from ops.parity import compare, lines
from tests.conftest import BY_NAME
from tests.docs.generated import DOCS, hold


def test_the_output_shown_is_today_s():
    said = lines(compare(BY_NAME["dev"], BY_NAME["staging"]), where=None)
    hold(DOCS / "parity.md", {"parity": "\n".join(("```", *said, "```"))})
