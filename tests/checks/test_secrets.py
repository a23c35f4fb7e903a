"""What looks like a secret is found, wherever it stands."""

import json
import shutil
import subprocess

import pytest

from checks import secrets
from checks.__main__ import main

KEY = "AKIA" + "Z7Q3M5K2P8L1N4R6"


@pytest.fixture(name="tree")
def _tree(tmp_path):
    """A work tree with a file that git knows, one that it doesn't, and one that it ignores."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored.py\n", encoding="utf-8")
    for name in ("known.py", "new.yml", "ignored.py"):
        (tmp_path / name).write_text(f"key: {KEY}\n", encoding="utf-8")
    subprocess.run(["git", "-C", tmp_path, "add", "known.py", ".gitignore"], check=True)
    return tmp_path


def test_every_file_that_is_not_ignored_is_scanned(tree):
    found = secrets.findings(secrets.scan(tree))
    assert {(file, kind) for file, kind, _ in found} == {
        ("known.py", "AWS Access Key"),
        ("new.yml", "AWS Access Key"),
    }
    assert KEY not in json.dumps(secrets.scan(tree))


def test_an_unpacked_archive_is_scanned_too(tree):
    shutil.rmtree(tree / ".git")
    assert {file for file, _, _ in secrets.findings(secrets.scan(tree))} == {"known.py", "new.yml"}


def test_a_file_that_is_gone_but_not_from_the_index_is_no_matter(tree):
    (tree / "known.py").unlink()
    assert {file for file, _, _ in secrets.findings(secrets.scan(tree))} == {"new.yml"}


ONE, OTHER = ("a.py", "Secret Keyword", "0" * 40), ("a.py", "Secret Keyword", "1" * 40)


def test_the_baseline_and_the_findings_are_the_same_or_it_fails(capsys):
    assert secrets.compared({ONE: 3}, {ONE: 4}) == 0
    assert secrets.compared({}, {ONE: 3}) == 1
    assert "a.py:3: looks like a secret (Secret Keyword)" in capsys.readouterr().out
    assert secrets.compared({ONE: 3}, {}) == 1
    assert "a.py: in the baseline, and no longer there" in capsys.readouterr().out
    assert secrets.compared({ONE: 3}, {OTHER: 3}) == 1


def test_a_baseline_that_is_written_anew_has_what_is_found(tree, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(secrets, "ROOT", tree)
    monkeypatch.setattr(secrets, "BASELINE", tmp_path / ".secrets.baseline")
    assert main(["secrets", "--write"]) == 0
    assert main(["secrets"]) == 0
    (tree / "known.py").unlink()
    assert main(["secrets"]) == 1
    assert "known.py: in the baseline, and no longer there" in capsys.readouterr().out


def test_the_baseline_has_every_plugin_of_the_tool():
    baseline = json.loads(secrets.BASELINE.read_text(encoding="utf-8"))
    assert len(baseline["plugins_used"]) > 20
    assert "generated_at" not in baseline
