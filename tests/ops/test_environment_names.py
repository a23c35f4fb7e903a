"""No command hangs on how environments are called, nor on how many there are."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.config.mistakes import CONFIG_FILE

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / CONFIG_FILE).read_text(encoding="utf-8")
DATA = SHIPPED.index("ENVIRONMENTS: tuple")
NAMES = re.findall(r'^        name="(\w+)",$', SHIPPED[DATA:], re.MULTILINE)
SOURCES = [
    path
    for path in (ROOT / "tap.py", *(ROOT / "lib").rglob("*.py"), *(ROOT / "ops").rglob("*.py"))
    if path != ROOT / CONFIG_FILE
]


def texts(path):
    """Every text in a file's code that is no documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_names_an_environment(path):
    assert NAMES == ["dev", "staging", "prod"]
    assert not {*NAMES} & {text for text in texts(path) if isinstance(text, str)}


def entries():
    """The shipped environments' own texts."""
    parts = SHIPPED[DATA:].split("    EnvironmentConfig(\n")[1:]
    return ["    EnvironmentConfig(\n" + part.removesuffix("\n)\n") + "\n" for part in parts]


CONFIGS = {
    "one": [(2, "solo", None)],
    "two": [(0, "test", None), (2, "live", None)],
    "production alone": [(2, "shop", "production=True")],
}


@pytest.fixture(scope="module", params=CONFIGS, name="project")
def _project(request, tmp_path_factory):
    """A copy whose config has these environments, and what they are called."""
    project = tmp_path_factory.mktemp("project")
    for part in ("lib", "ops", "docs"):
        shutil.copytree(ROOT / part, project / part)
    shutil.copy(ROOT / "tap.py", project)
    (project / "node_modules").symlink_to(ROOT / "node_modules")
    chosen = []
    for index, name, production in CONFIGS[request.param]:
        text = entries()[index].replace(f'name="{NAMES[index]}"', f'name="{name}"')
        if index == 2 and production is None and name != "live":
            text = text.replace("        production=True,\n", "")
        chosen.append(text)
    config = SHIPPED[:DATA] + "ENVIRONMENTS = (\n" + "".join(chosen) + ")\n"
    (project / CONFIG_FILE).write_text(config, encoding="utf-8")
    return project, [name for _, name, _ in CONFIGS[request.param]]


@pytest.mark.parametrize(
    "command",
    [
        ["fields", "database.storage_gib"],
        ["cost"],
    ],
    ids=" ".join,
)
def test_every_command_works(project, command):
    folder, names = project
    done = subprocess.run(
        [sys.executable, "-m", "ops", *command],
        cwd=folder,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "ENVIRONMENT": "all",
            "ENVIRONMENT_SUFFIX": "qa1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in names)
    assert not set(re.findall(r"\w+", done.stdout)) & set(NAMES)
