"""Every command in README and docs exists as it is typed, and runs here, or says what it needs."""

import os
import re
import shutil
from pathlib import Path

import pytest

from checks.__main__ import commands_parser as checks_parser
from ops import cdktf_cli, stacks
from ops.__main__ import commands_parser as ops_parser
from ops.__main__ import main
from tests.docs.commands import (
    MAKEFILE,
    NEEDS_ACCOUNT,
    NO_COMMANDS,
    OTHERS,
    PACKAGE,
    PIPFILE,
    ROOT,
    TAKES_MINUTES,
    Command,
    Wrong,
    blocks,
    inline,
    is_command,
    made,
    parsed,
    subcommands,
    typed_in,
)
from tests.docs.test_docs import DOCUMENTS, README

# Where a decision was made, other ways are named too: those need not exist.
RECORDS = {path for path in DOCUMENTS if path.parent.name == "adr" or path.name == "CHANGELOG.md"}
PAGES = [path for path in DOCUMENTS if path not in RECORDS]
SAYS_SO = re.compile(r"needs?\s(?:an\saccount|credentials)")

# What talks to AWS, and where it is run on the embedded one: the test, and what it says there.
ACCOUNT = {
    "ops apply": ("tests/e2e/test_deployed.py", 'ops("apply")'),
    "ops cdktf deploy": ("tests/e2e/test_state_deploy.py", '"cdktf:deploy"'),
    "ops cdktf destroy": ("tests/ops/test_cdktf.py", 'ops("destroy"'),
    "ops cdktf diff": ("tests/ops/test_cdktf.py", 'ops("diff")'),
    "ops pipeline bootstrap": ("tests/e2e/test_pipeline.py", "pipeline.apply(folder"),
    "ops plan": ("tests/e2e/test_deployed.py", 'ops("plan")'),
    "ops preflight": ("tests/e2e/test_verify.py", 'command(capfd, "preflight")'),
    "ops recover": ("tests/e2e/test_recover.py", "Mender("),
    "ops state bootstrap": ("tests/e2e/test_state_recover.py", "bootstrap(part.place"),
    "ops state migrate": ("tests/e2e/test_state_moves.py", "moved(small, move_home)"),
    "ops state recover": ("tests/e2e/test_state_recover.py", "Mender("),
    "ops state status": ("tests/e2e/test_state_deploy.py", 'dev.state("status")'),
    "ops state teardown": ("tests/e2e/test_state_deploy.py", 'dev.state("teardown"'),
    "ops state unlock": ("tests/ops/test_state.py", 'state("unlock", held.id)'),
    "ops verify": ("tests/e2e/test_verify.py", 'command(capfd, "verify"'),
}
OF_AN_ACCOUNT = {"aws", "curl", "terraform"}
# What would take too long twice, or write into this folder, and where it is run.
ELSEWHERE = {
    "checks secrets --write": ("tests/checks/test_secrets.py", 'main(["secrets", "--write"])'),
    "npx cdktf deploy": ("tests/chaos/deploys.py", "[str(CDKTF), verb"),
    "npx cdktf synth": ("tests/e2e/test_deployed.py", "opened_sandbox.synth(site"),
    "ops cdktf synth": ("tests/ops/test_cdktf.py", 'ops("synth")'),
    "ops cost --since": ("tests/ops/test_cost.py", 'main(["cost", "--since"'),
    "ops diagram": ("tests/ops/test_diagram.py", 'main(["diagram", "--output"'),
    "ops guard tests/ops/plans": ("tests/docs/test_guard.py", "main(command.split()) == 1"),
    "ops hcl": ("tests/integration/test_way_out.py", 'main(["hcl", "--output"'),
    "ops parity": ("tests/ops/test_parity.py", 'main(["parity", "dev", "staging"])'),
    "tap.py": ("tests/unit/test_tap.py", 'folder() / "tap.py"'),
}
# Make targets that neither `make test` nor a workflow runs, and what is tested of them.
NOT_IN_CI = {
    "bench": "bench/check.py",
    "chaos": "tests/chaos",
    "clean": "Makefile",
    "diagram": "tests/ops/test_diagram.py",
    "docs": "tests/docs",
    "fields": "tests/e2e/test_deployed.py",
    "format": "Makefile",
    "hooks": ".pre-commit-config.yaml",
    "plans": "tests/e2e/test_deployed.py",
    "quick": "tests/e2e/test_first_edits.py",
    "snapshots": "tests/snapshots",
    "report": "tests/ops/test_report.py",
    "synth": "tests/ops/test_cdktf.py",
    "way-out": "tests/integration/test_way_out.py",
}
MINUTES = {"bench", "chaos", "checks", "ci", "e2e", "fields", "fuzz", "local", "plans", "test"}
PLAN = "tests/ops/plans/nothing.json"


def commands(document: Path) -> list[Command]:
    """All of a document's that exist; ``test_every_command_exists`` names the others."""
    found: list[Command] = []
    for typed in lines(document):
        try:
            found += parsed(typed)
        except Wrong:
            continue
    return found


def lines(document: Path) -> list[str]:
    """All that a document says to type."""
    fenced = [
        typed for block in blocks(document) if block.language == "sh" for typed in typed_in(block)
    ]
    return [*fenced, *inline(document)]


EVERY = {path: commands(path) for path in DOCUMENTS}


def name(path: Path) -> str:
    """A test's id."""
    return str(path.relative_to(ROOT))


def run_by_ci() -> set[str]:
    """The make targets that ``make test`` and the workflows run."""
    rules = re.findall(r"^([a-z0-9-]+): ([^:=#\n]*).*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    leads = {
        target: {*before.split(), *" ".join(re.findall(r"\$\(MAKE\) ([^#\n]*)", recipe)).split()}
        for target, before, recipe in rules
    }
    workflows = (ROOT / ".github").rglob("*.yml")
    front = {"test"}.union(
        *(
            re.findall(r"run: make ([a-z0-9-]+)", path.read_text(encoding="utf-8"))
            for path in workflows
        )
    )
    run = {"help"}
    while front:
        run |= front
        front = {word for target in front for word in leads.get(target, ())} & leads.keys() - run
    return run


CI_TARGETS = run_by_ci()
BY_CI = {
    line
    for target in CI_TARGETS
    for line in re.findall(r"(?:^|-m )((?:ops|checks|npx) .*?)\s*$", made(target), re.MULTILINE)
}


def needs_account(command: Command) -> bool:
    """Whether it talks to AWS."""
    return (
        command.words[0] in OF_AN_ACCOUNT
        or (command.name in ACCOUNT and "--policy" not in command.words)
        or "--refresh" in command.words
    )


def takes_minutes(command: Command) -> bool:
    """Whether nobody should wait for it."""
    return command.words[0] == "make" and bool(MINUTES & set(command.words))


@pytest.mark.parametrize("document", PAGES, ids=name)
def test_every_command_exists(document):
    for typed in lines(document):
        list(parsed(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "make lokal",
        "make local OPTIONS=--kep",
        "make lint OPTIONS=--keep",
        "npm run cdktf:deplo",
        "npm run cdktf:deploy --auto-approve",
        "pipenv run state stat",
        "pipenv run state recover --undo",
        "pipenv run stat",
        ".venv/bin/python -m ops planning",
        "python -m ops recover --json --drry",
        "ops apply --quick",
        "npx cdkfn synth",
        "terraform state remove ADDRESS",
        "terraform plan -no-such",
        "terraform fly",
        "aws rds restore-db-instance --source x",
        "aws rds delete-db-instance --db-instance-identifier x --skip-last-snapshot",
        "aws rds delete-db-instance --skip-final-snapshot",
        "aws rds wait db-instance-there --db-instance-identifier x",
        "aws rdss describe-db-instances",
        "aws logs tail GROUP --until 1h",
        "export X=$(aws rds describe-instances)",
        "python -m ops guard a.json && make nothing",
    ],
)
def test_a_command_that_is_wrong_is_found(typed):
    assert is_command(typed)
    with pytest.raises(Wrong):
        list(parsed(typed))


@pytest.mark.parametrize("document", PAGES, ids=name)
def test_commands_stand_in_blocks_of_their_own(document):
    for block in blocks(document):
        if block.language == "sh":
            assert list(typed_in(block)), f"nothing to type:\n{block.text}"
        elif not block.language:
            assert not any(map(is_command, block.lines)), f"write ```sh:\n{block.text}"


@pytest.mark.parametrize("document", PAGES, ids=name)
def test_what_needs_an_account_or_minutes_says_so(document):
    for block in blocks(document):
        if block.language == "sh":
            found = [command for typed in typed_in(block) for command in parsed(typed)]
            for marker, told in ((NEEDS_ACCOUNT, needs_account), (TAKES_MINUTES, takes_minutes)):
                assert (marker in block.lines) is any(map(told, found)), f"{marker}:\n{block.text}"
    if any(map(needs_account, EVERY[document])):
        assert SAYS_SO.search(document.read_text(encoding="utf-8")), "it never says what it needs"


@pytest.mark.parametrize("document", PAGES, ids=name)
def test_variables_are_known(document):
    known = {*re.findall(r"[A-Z_]{3,}", README + MAKEFILE)}
    for block in blocks(document):
        if block.language == "sh":
            used = {*re.findall(r"\$([A-Z_]+)", block.text)}
            given = {*re.findall(r"(?:^|\s)([A-Z_]+)=", block.text)}
            assert given <= known | used
            assert used <= given


def elsewhere(command: Command) -> bool:
    """Whether it is run by another test, or by what CI runs."""
    words = " ".join(command.words)
    return any(words.startswith(known) for known in ELSEWHERE) or words in BY_CI


QUICK = sorted(
    {
        command.words
        for path in PAGES
        for command in EVERY[path]
        if command.words[0] in {"ops", "checks", "tap.py", "npx"}
        and len(command.words) > 1
        and not needs_account(command)
        and not elsewhere(command)
    }
)


@pytest.fixture(scope="module", name="synthesized")
def _synthesized(tmp_path_factory):
    """``tap.py`` runs once for the same input."""
    real, made_before = cdktf_cli.run_app, {}

    def run_app(environ, output, root):
        key = tuple(environ.get(variable) for variable in ("ENVIRONMENT", "ENVIRONMENT_SUFFIX"))
        if key not in made_before:
            folder = tmp_path_factory.mktemp("synthesized")
            made_before[key] = folder, real(environ, folder, root)
        folder, said = made_before[key]
        shutil.copytree(folder, output, dirs_exist_ok=True)
        return said

    return run_app


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_it_runs(words, synthesized, monkeypatch, capfd, tmp_path):
    filled = {"PLAN.json": PLAN, "FILE": str(tmp_path / "usage.toml")}
    (usage,) = (block for block in blocks(ROOT / "docs" / "cost.md") if block.language == "toml")
    (tmp_path / "usage.toml").write_text(usage.text, encoding="utf-8")
    monkeypatch.setattr(stacks, "run_app", synthesized)
    monkeypatch.setattr(cdktf_cli, "run_app", synthesized)
    monkeypatch.chdir(ROOT)
    for variable in [v for v in os.environ if v.startswith("AWS_") or v == "ENVIRONMENT"]:
        monkeypatch.delenv(variable)
    if words[:2] in {("ops", "preflight"), ("ops", "state"), ("ops", "report")}:  # one will do
        monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "docs")
    assert main([filled.get(word) or word for word in words[1:]]) == 0
    assert capfd.readouterr().out


@pytest.mark.parametrize("command", [*ACCOUNT, *ELSEWHERE])
def test_what_does_not_run_here_is_documented_and_runs_elsewhere(command):
    typed = (" ".join(known.words) for path in DOCUMENTS for known in EVERY[path])
    assert any(words.startswith(command) for words in typed), "nobody is told to type it"
    test, text = (ACCOUNT | ELSEWHERE)[command]
    assert text in (ROOT / test).read_text(encoding="utf-8")


def test_what_is_no_command_stands_in_a_document():
    texts = "\n".join(" ".join(path.read_text(encoding="utf-8").split()) for path in DOCUMENTS)
    for span in OTHERS | NO_COMMANDS:
        assert f"`{span}`" in texts, span


def test_every_command_of_ops_and_checks_is_documented():
    typed = {" ".join(command.words) for path in PAGES for command in EVERY[path]}
    for command in (c for path in PAGES for c in EVERY[path] if c.words[0] == "make"):
        recipe = made(command.words[1], *command.words[2:])
        typed |= {
            line.strip() for line in re.findall(r"-m ((?:ops|checks) .*)$", recipe, re.MULTILINE)
        }
    for program, parser in (("ops", ops_parser()), ("checks", checks_parser())):
        for command, below in subcommands(parser).items():
            for verb in subcommands(below) or {"": None}:
                whole = f"{program} {command} {verb}".strip()
                assert any(f"{text} ".startswith(f"{whole} ") for text in typed), whole


def test_every_script_does_what_there_is():
    for script in PACKAGE["scripts"]:
        assert list(parsed(f"npm run {script}"))
    for script in PIPFILE["scripts"]:
        assert list(parsed(f"pipenv run {script}"))


def test_every_make_target_runs_somewhere():
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    assert targets - CI_TARGETS == set(NOT_IN_CI)
    for target, where in NOT_IN_CI.items():
        assert (ROOT / where).exists(), target
        assert made(target)
