"""docs/diagrams has a picture of each of the project's environments, as its stack is."""

import os

import pytest

from ops.diagram import OUTPUT, png
from ops.diagram.picture import picture
from ops.stacks import Stack
from tests.project import TEAM, team_stack


@pytest.mark.parametrize("name", list(TEAM))
def test_the_picture_is_the_stack_s(name):
    svg = picture(Stack.read(team_stack(name).document))
    file = OUTPUT / f"{name}.svg"
    if os.environ.get("TAP_WRITE_DOCS"):
        file.write_text(svg, encoding="utf-8")
        file.with_suffix(".png").write_bytes(png(svg))
    assert file.is_file(), "make snapshots draws it"
    assert file.read_text(encoding="utf-8") == svg, "make snapshots draws it anew"
    assert file.with_suffix(".png").read_bytes() == png(svg), "make snapshots draws it anew"
