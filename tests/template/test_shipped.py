"""What TAP ships is what its tests run on, and what its documents tell of."""

from ops.diagram import OUTPUT
from tests.environments import ENVIRONMENTS
from tests.project import TEAM, team_stack


def test_the_environments_shipped_are_those_of_the_tests():
    """A change of what TAP ships is a change of ``tests/environments.py`` too."""
    assert tuple(TEAM.values()) == ENVIRONMENTS


def test_no_resource_of_a_team_s_is_shipped(stack):
    paths = {resource.path for resource in team_stack(stack.config.name).resources}
    assert paths == {resource.path for resource in stack.resources}


def test_no_picture_is_left_of_an_environment_that_is_gone():
    assert {file.stem for file in OUTPUT.iterdir()} == {*TEAM}
