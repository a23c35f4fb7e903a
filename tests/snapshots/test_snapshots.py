"""What a change does to the output, for a reviewer to read: addresses, and each stack whole."""

import pytest
from syrupy.extensions.json import JSONSnapshotExtension

from tests.project import TEAM, team_stack


@pytest.fixture(name="stack", params=list(TEAM))
def _stack(request):
    """Each of the project's environments, one after the other."""
    return team_stack(request.param)


@pytest.fixture(name="snapshot_json")
def _snapshot_json(snapshot):
    """One JSON file for each snapshot."""
    return snapshot.with_defaults(extension_class=JSONSnapshotExtension)


def test_addresses(stack, snapshot_json):
    """A changed address replaces the resource, unless a ``moved`` entry says otherwise."""
    assert sorted(resource.address for resource in stack.resources) == snapshot_json


def test_stack(stack, snapshot_json):
    """Everything that is synthesized, by construct path."""
    resources = {
        f"{resource.type} {resource.path}": {
            key: value for key, value in resource.values.items() if key != "//"
        }
        for resource in stack.resources
    }
    assert {**stack.document["terraform"], **resources} == snapshot_json
