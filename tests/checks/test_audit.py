"""The audit tells three things apart: all is well, something is known, and nobody has answered."""

import json
from datetime import date
from subprocess import CompletedProcess

import pytest

from checks import audit, lock_files
from checks.audit import Accepted, Answer
from lib.errors import TapError

PACKAGE = lock_files.ROOT / "package.json"
TODAY = date(2026, 11, 23)
GOOD, SILENT = Answer({}), Answer({}, silent="no route to it")
BAD = Answer({"GHSA-1": "left-pad 1, mended in 2"})


def run(*answers, required=False, known=None):
    """Audit as many registries as there are answers."""
    auditors = {
        f"lock{number}": lambda answer=answer: answer for number, answer in enumerate(answers)
    }
    return audit.run(required, auditors, known or {}, TODAY)


@pytest.mark.parametrize(
    ("answers", "required", "code"),
    [
        ([GOOD, GOOD], True, 0),
        ([GOOD, BAD], False, 1),
        ([BAD, GOOD], False, 1),
        ([SILENT, GOOD], False, 0),
        ([SILENT, GOOD], True, 1),
        ([SILENT, BAD], False, 1),
    ],
)
def test_the_exit_code(answers, required, code):
    assert run(*answers, required=required) == code


def test_silence_is_never_told_as_success(capsys):
    run(SILENT)
    assert capsys.readouterr().out == "audit: lock0: not shown: no route to it\n"
    run(GOOD)
    assert capsys.readouterr().out == "audit: lock0: 0 findings\n"


def test_what_is_accepted_passes_until_its_day(capsys):
    assert run(BAD, known={"GHSA-1": Accepted("unused", TODAY)}) == 0
    assert "0 findings, 1 accepted" in capsys.readouterr().out
    assert run(BAD, known={"GHSA-1": Accepted("unused", date(2026, 11, 22))}) == 1
    assert "GHSA-1: accepted until 2026-11-22: look at it again" in capsys.readouterr().out


def test_what_is_accepted_and_gone_has_to_go():
    known = {"GHSA-2": Accepted("unused", TODAY)}
    assert run(GOOD, known=known) == 1
    assert run(SILENT, known=known) == 0, "nobody has said that it is gone"


def test_an_accepted_finding_has_a_reason_and_a_date(tmp_path):
    file = tmp_path / "accepted.toml"
    file.write_text('[GHSA-1]\nreason = "unused"\nuntil = 2027-01-31\n', encoding="utf-8")
    assert audit.accepted(file) == {"GHSA-1": Accepted("unused", date(2027, 1, 31))}
    for text in ('reason = "unused"', 'reason = ""\nuntil = 2027-01-31', "until = 2027-01-31"):
        file.write_text(f"[GHSA-1]\n{text}\n", encoding="utf-8")
        with pytest.raises(TapError, match="GHSA-1 is not an accepted finding"):
            audit.accepted(file)
    assert isinstance(audit.accepted(audit.ACCEPTED), dict)


def done(report, error=""):
    """What a tool has printed."""
    text = report if isinstance(report, str) else json.dumps(report)
    return CompletedProcess([], 1, text, error)


KNOWN = {"name": "idna", "version": "3.0", "vulns": []}
UNKNOWN = {"name": "left", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {
    "name": "jinja2",
    "version": "3.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["3.1", "4.0"]},
        {"id": "GHSA-1", "fix_versions": []},
    ],
}


@pytest.mark.parametrize(
    ("packages", "answer"),
    [
        ([KNOWN], GOOD),
        (
            [KNOWN, VULNERABLE],
            Answer(
                {
                    "PYSEC-1": "jinja2 3.0, mended in 3.1 or 4.0",
                    "GHSA-1": "jinja2 3.0, mended in no version yet",
                }
            ),
        ),
        ([KNOWN, UNKNOWN], Answer({"unknown:left": "Dependency not found on PyPI"})),
        ([UNKNOWN], Answer({}, silent="the registry tells nothing of any package")),
    ],
)
def test_what_pip_audit_says(packages, answer):
    assert audit.from_pip_audit(done({"dependencies": packages})) == answer


def test_what_pip_audit_says_without_a_registry():
    error = "WARNING: this\n\nERROR:pip_audit._cli:HTTPSConnectionPool: no route\n"
    assert audit.from_pip_audit(done("", error)).silent.endswith("no route")
    assert audit.from_pip_audit(done("")).silent == "no answer"


ADVISORY = {
    "url": "https://github.com/advisories/GHSA-1",
    "title": "Prototype pollution",
    "range": "<2",
}


@pytest.mark.parametrize(
    ("report", "answer"),
    [
        ({"vulnerabilities": {}, "metadata": {}}, GOOD),
        (
            {"vulnerabilities": {"a": {"via": ["b"]}, "b": {"via": [ADVISORY]}}},
            Answer({"GHSA-1": "b <2: Prototype pollution"}),
        ),
        ({"message": "405 Method Not Allowed"}, Answer({}, silent="405 Method Not Allowed")),
        ({"error": {}}, Answer({}, silent="npm error")),
        ("", Answer({}, silent="npm error")),
    ],
)
def test_what_npm_says(report, answer):
    assert audit.from_npm_audit(done(report, "npm error\n")) == answer


def test_what_comes_inside_another_package_is_that_one_s_finding():
    def entry(*nodes):
        return {"via": [ADVISORY], "nodes": nodes}

    inside, outside = "node_modules/a/node_modules/b", "node_modules/b"
    report = {"vulnerabilities": {"b": entry(inside), "c": entry(inside)}}
    answer = audit.from_npm_audit(done(report), {inside: "a"})
    text = "<2: Prototype pollution"
    assert answer == Answer({"bundled:a": f"b {text}; c {text}"})
    for nodes in ((outside,), (inside, outside)):
        report = {"vulnerabilities": {"b": entry(*nodes)}}
        assert audit.from_npm_audit(done(report), {inside: "a"}) == Answer({"GHSA-1": f"b {text}"})


def test_what_is_accepted_as_bundled_is_and_no_override_could_reach_it():
    owners = set(lock_files.bundled_places().values())
    accepted = {key for key in audit.accepted(audit.ACCEPTED) if key.startswith("bundled:")}
    assert accepted == {f"bundled:{owner}" for owner in owners}


def test_the_overrides_are_what_is_locked():
    overrides = json.loads(PACKAGE.read_text(encoding="utf-8"))["overrides"]
    for selector, version in overrides.items():
        name, _, major = selector.partition("@")
        found = {
            package.version
            for package in lock_files.node_packages()
            if package.name == name
            and not package.bundled
            and package.version.startswith(f"{major}." if major else "")
        }
        assert found == {version}, selector


def test_the_tools_are_asked_as_they_want_to_be():
    """Whatever the registry says, the tools have understood the question."""
    for auditor in audit.AUDITORS.values():
        silent = auditor().silent
        assert "usage:" not in silent and "requirement" not in silent.lower(), silent
