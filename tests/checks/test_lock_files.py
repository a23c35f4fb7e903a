"""Everything that is installed is pinned, and hashed: on both sides, and the checks' tools."""

import re

import pytest

from checks import lock_files


def test_every_python_package_is_hashed():
    packages = list(lock_files.python_packages())
    assert {"cdktf", "jsii", "pytest"} <= {package.name for package in packages}
    for package in packages:
        assert package.hashes and all(
            re.fullmatch("sha256:[0-9a-f]{64}", hash_) for hash_ in package.hashes
        ), package


def test_every_node_package_is_hashed_or_comes_inside_one_that_is():
    packages = list(lock_files.node_packages())
    assert {"cdktf-cli", "pyright"} <= {package.name for package in packages}
    for package in packages:
        assert package.bundled or any(hash_.startswith("sha512-") for hash_ in package.hashes), (
            package
        )


@pytest.mark.parametrize("file", lock_files.REQUIREMENTS, ids=lambda file: file.stem)
def test_every_tool_is_pinned_and_hashed(file):
    text = file.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(
            r"[A-Za-z0-9._-]+==[^ ;]+( ;.*?)?( +--hash=sha256:[0-9a-f]{64})+ *$", line
        ), line


def test_only_what_the_application_loads_is_not_for_development():
    loaded = {p.name for p in lock_files.python_packages() if not p.development}
    assert "cdktf" in loaded and not loaded & {"boto3", "moto", "pytest"}


def test_a_requirement_is_a_line_that_pip_takes():
    package = lock_files.Package("Python", "a", "1", ("sha256:0", "sha256:1"), "os_name == 'nt'")
    assert package.requirement() == "a==1; os_name == 'nt' --hash=sha256:0 --hash=sha256:1"
