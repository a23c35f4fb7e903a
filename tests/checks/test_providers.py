"""The AWS provider's hashes come from Terraform, which keeps those that are there."""

import json

import pytest

from checks import providers
from lib.errors import FailedError

WANTED = {"aws": {"source": "aws", "version": "6.25.0"}}


@pytest.fixture(name="terraform")
def _terraform(tmp_path):
    """A Terraform that notes what it is asked, and adds a line to the lock file."""
    script = tmp_path / "terraform"
    script.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\ncd "${{1#-chdir=}}"\n'
        f'cp providers.tf.json "{tmp_path}"\necho hash >> .terraform.lock.hcl\n'
    )
    script.chmod(0o755)
    return str(script)


def test_each_platform_is_asked_for_and_what_was_there_is_kept(tmp_path, terraform):
    lock = tmp_path / ".terraform.lock.hcl"
    lock.write_text("kept\n")
    assert providers.run(lock, WANTED, terraform) == 0
    assert lock.read_text() == "kept\nhash\n"
    asked = (tmp_path / "asked").read_text().split()
    assert asked[1:] == ["providers", "lock", *(f"-platform={p}" for p in providers.PLATFORMS)]
    document = json.loads((tmp_path / "providers.tf.json").read_text())
    assert document["terraform"]["required_providers"] == WANTED


def test_where_no_registry_answers_nothing_is_written(tmp_path):
    with pytest.raises(FailedError, match="not to be had"):
        providers.run(tmp_path / ".terraform.lock.hcl", WANTED, "false")
    assert not list(tmp_path.iterdir())


def test_the_version_is_the_bindings_own():
    found = providers.required_providers()["aws"]
    assert found["source"].endswith("aws") and found["version"][0].isdigit()
