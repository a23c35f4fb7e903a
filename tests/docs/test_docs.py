"""Every link resolves, every command is named and exists, every figure is the config's."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from lib.config.environment_config import EnvironmentConfig
from lib.config.validation import validate
from tests.conftest import BY_NAME, changed

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *(ROOT / "lib").rglob("*.md"), *ROOT.glob("docs/**/*.md")]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERYTHING = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
PACKAGE = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
PIPFILE = tomllib.loads((ROOT / "Pipfile").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def _links(document):
    """The links of a document that don't leave the project: a file or folder, and an anchor."""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(\s*([^)\s]+)", text):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            yield (document.parent / file).resolve() if file else document, anchor


def _anchors(document):
    """What GitHub makes of its headings: https://github.com/gjtorikian/html-pipeline"""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_project_resolve(document):
    for linked, anchor in _links(document):
        assert linked.is_dir() or linked.stat().st_size, linked
        assert not anchor or anchor in set(_anchors(linked)), f"{linked.name}#{anchor}"


def test_every_page_is_reached_from_the_readme():
    reached, front = set(), {ROOT / "README.md"}
    while front:
        reached |= front
        linked = {target for page in front for target, _ in _links(page)}
        pages = {
            page
            for target in linked
            for page in (target.glob("*.md") if target.is_dir() else [target])
        }
        front = {page for page in pages if page.suffix == ".md"} - reached
    assert set(DOCUMENTS) <= reached


def test_the_index_has_every_page():
    index = {target for target, _ in _links(ROOT / "README.md")}
    assert set((ROOT / "docs").glob("*.md")) <= index


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_holds_line_numbers_of_the_code(document):
    """A comment more in the code would make each of them wrong."""
    assert not re.findall(r"\.py:[0-9]+", document.read_text(encoding="utf-8"))


def _named(pattern):
    return set(re.findall(pattern, EVERYTHING, re.MULTILINE))


def test_make_targets_are_named_and_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    assert _named(r"(?:`|^|[a-z] )make ([a-z0-9-]+)(?=`| OPTIONS|$|  )") - {"help"} == targets - {
        "help"
    }
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in listed.stdout.splitlines()} == targets


def test_npm_scripts_are_named_and_exist():
    assert _named(r"npm run ([a-z:-]+)") == set(PACKAGE["scripts"])


def test_pipenv_scripts_are_named_and_exist():
    assert _named(r"pipenv run ([a-z-]+)") == set(PIPFILE["scripts"])


def test_every_module_is_in_the_list_of_parts():
    listed = set(re.findall(r"\]\(([a-z_/]+\.py)\)", (ROOT / "lib" / "README.md").read_text()))
    files = {str(path.relative_to(ROOT / "lib")) for path in (ROOT / "lib").rglob("*.py")}
    assert {name for name in files if not name.endswith("__init__.py")} == listed


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _tasks(config: EnvironmentConfig) -> str:
    scaling = config.service.autoscaling
    if scaling:
        return f"{scaling.min_count} to {scaling.max_count}"
    return str(config.service.desired_count)


def _log_retention(config: EnvironmentConfig) -> str:
    days = {
        config.network.flow_log_retention_days,
        config.database.log_retention_days,
        config.service.log_retention_days,
        config.access_logs.retention_days if config.access_logs else 0,
    }
    return ", ".join(map(str, sorted(days)))


ROWS = {
    "VPC": lambda c: c.network.cidr,
    "NAT gateways": lambda c: str(c.network.nat_gateways),
    "tasks run in": lambda c: f"{c.service.subnets} subnets",
    "database": lambda c: c.database.instance_class,
    "Multi-AZ": lambda c: _yes(c.database.multi_az),
    "backups, days": lambda c: str(c.database.backup_days),
    "task, CPU units / MiB": lambda c: f"{c.service.cpu_units} / {c.service.memory_mib}",
    "tasks": _tasks,
    "final snapshot, deletion protection": lambda c: _yes(
        c.database.final_snapshot and c.database.deletion_protection
    ),
    "alarms": lambda c: _yes(c.alarms),
    "its own encryption key": lambda c: _yes(c.encryption.customer_key),
    "firewall (WAF)": lambda c: _yes(c.load_balancer.waf),
    "logs kept, days": _log_retention,
}


@pytest.mark.parametrize("row", list(ROWS))
def test_the_table_of_environments_is_the_config(row):
    found = re.search(rf"^\| {re.escape(row)} \|(.*)\|$", README, re.MULTILINE)
    assert found, f"no row {row}"
    cells = [cell.strip() for cell in found[1].split("|")]
    assert cells == [ROWS[row](BY_NAME[name]) for name in ("dev", "staging", "prod")]


def test_one_version_has_one_home():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    cli = PACKAGE["devDependencies"]["cdktf-cli"]
    assert lock["packages"]["node_modules/cdktf-cli"]["version"] == cli
    assert PIPFILE["packages"]["cdktf"] == f"=={cli}", "library and CLI go together"
    python_lock = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    for section, locked in (("packages", "default"), ("dev-packages", "develop")):
        for name, pin in PIPFILE[section].items():
            version = pin if isinstance(pin, str) else pin["version"]
            if version.startswith("=="):
                assert python_lock[locked][name]["version"] == version


@pytest.mark.parametrize(("tool", "name"), [("PYTHON", "Python"), ("NODE", "Node")])
def test_the_versions_asked_for_are_those_in_the_makefile(tool, name):
    wanted = re.search(rf"^{tool}_WANTED := (.*)$", MAKEFILE, re.MULTILINE)
    assert wanted and f"{name} {wanted[1]}" in README
    if tool == "NODE":
        assert PACKAGE["engines"]["node"] == f">={wanted[1]}"


def test_no_lock_file_names_a_host_of_its_own():
    """A lock made behind a company's mirror would not install elsewhere."""
    assert "resolved" not in (ROOT / "package-lock.json").read_text(encoding="utf-8")
    sources = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))["_meta"]["sources"]
    assert [source["url"] for source in sources] == ["https://pypi.org/simple"]


def test_the_readme_shows_the_message_that_the_config_gets():
    (problem,) = validate([changed(BY_NAME["staging"], service={"cpu_units": 1024})])
    assert f"\ntap: {problem}\n" in README


def test_the_readme_s_costs_are_the_cost_page_s():
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    total, *_ = re.findall(r"^\| \*\*in all\*\* \|(.*)\|$", page, re.MULTILINE)
    dev, staging, prod = (f"${float(sum_):.0f}" for sum_ in re.findall(r"\$([\d.]+)", total))
    assert f"{dev} a month for dev, {staging} for staging and {prod} for prod" in README
