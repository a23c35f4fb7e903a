"""docs/cost.md has today's figures."""

import re

from ops.stacks import Stack
from tests.conftest import BY_NAME
from tests.docs.cost_page import blocks
from tests.docs.generated import DOCS, hold


def test_the_figures_are_today_s(shipped):
    hold(DOCS / "cost.md", blocks([Stack.read(shipped(name).document) for name in BY_NAME]))


def test_the_lines_left_out_add_up(shipped):
    lines = blocks([Stack.read(shipped("prod").document)])["quoted"].splitlines()
    amounts = [re.search(r"\$([\d.,]+)\*{0,2} \|$", line) for line in lines[3:]]
    *parts, total = [round(float(found[1].replace(",", "")), 2) for found in amounts if found]
    assert len(parts) == 6
    assert abs(sum(parts) - total) < 0.04
