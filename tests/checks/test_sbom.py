"""The bills of materials have every locked package, with its hash."""

import json

import pytest

from checks import lock_files, sbom
from checks.__main__ import main


@pytest.fixture(name="bills", scope="module")
def _bills(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sbom") / "below"
    assert main(["sbom", str(folder)]) == 0
    return {
        name: json.loads((folder / name).read_text(encoding="utf-8"))
        for name in (sbom.PYTHON, sbom.NODE)
    }


@pytest.mark.parametrize(
    ("name", "packages", "kind"),
    [
        (sbom.PYTHON, lock_files.python_packages, "pypi"),
        (sbom.NODE, lock_files.node_packages, "npm"),
    ],
)
def test_everything_locked_is_in_it(bills, name, packages, kind):
    bill = bills[name]
    assert bill["bomFormat"] == "CycloneDX"
    components = {
        component["purl"].partition("?")[0]: component for component in bill["components"]
    }
    # npm lists a package that comes twice once, as the bundled one.
    bundled = {(package.name, package.version) for package in packages() if package.bundled}
    for package in packages():
        name = package.name.replace("@", "%40")
        component = components[f"pkg:{kind}/{name}@{package.version}"]
        references = component.get("externalReferences", ())
        hashed = component.get("hashes") or any(r.get("hashes") for r in references)
        assert hashed or (package.name, package.version) in bundled, package


def test_a_tool_that_fails_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sbom, "PIPFILE_LOCK", tmp_path / "Pipfile.lock")
    assert main(["sbom", str(tmp_path)]) == 2
    assert "cyclonedx-py failed" in capsys.readouterr().err
