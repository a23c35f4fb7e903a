"""``scripts/require``: one line for a missing or too old tool, with the version wanted."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "require"


def require(folder, tool, wanted):
    """The script, with a PATH on which ``folder`` comes first."""
    return subprocess.run(
        [SCRIPT, tool, wanted],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("says", "wanted", "fine"),
    [
        ("v20.20.2", "20", True),
        ("Python 3.11.0", "3.11", True),
        ("Python 3.9.18", "3.11", False),
        ("Terraform v1.11.4\non linux_amd64", "1.11", True),
        ("Terraform v1.9.8", "1.11", False),
        ("v18.0.0", "20", False),
        ("no version", "20", False),
    ],
)
def test_versions_are_compared_as_versions(tmp_path, says, wanted, fine):
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ncat <<'X'\n{says}\nX\n", encoding="utf-8")
    tool.chmod(0o755)
    done = require(tmp_path, "tool", wanted)
    assert done.returncode == (0 if fine else 2)
    assert (done.stderr == "") is fine
    if not fine:
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"tool {wanted} or newer is needed")


def test_a_missing_tool_is_named(tmp_path):
    done = require(tmp_path, "no-such-tool", "1.0")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "no-such-tool 1.0 or newer is needed, and there is none on the PATH: "
        "install it and run this again"
    ]
