"""docs/cost.md has today's figures."""

from ops.stacks import Stack
from tests.conftest import BY_NAME
from tests.docs.cost_page import blocks
from tests.docs.generated import DOCS, hold


def test_the_figures_are_today_s(shipped):
    hold(DOCS / "cost.md", blocks([Stack.read(shipped(name).document) for name in BY_NAME]))
