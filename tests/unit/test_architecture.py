"""The layers, by their imports: errors ← exits ← config ← modules ← extend ← tap_stack ← tap.py.

``ops`` is beside them.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "tap.py", *(ROOT / "lib").rglob("*.py"), *(ROOT / "ops").rglob("*.py")]
BINDINGS = {"cdktf", "constructs", "jsii", "cdktf_cdktf_provider_aws"}
AWS = {"boto3", "botocore"}
PIPELINE = "ops.pipeline.stack"  # a stack of its own: the roles that deploy the others
IMPURE = {"time", "uuid", "random", "secrets", "socket", "subprocess", "urllib", "requests"}


def name(path):
    """``lib.config.settings`` of its file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(module):
    """Where a module stands; it may import from its own layer and those below."""
    for number, prefix in enumerate(
        (
            "lib.errors",
            "lib.exits",
            "lib.config",
            "lib.modules",
            "lib.extend",
            "lib.tap_stack",
            "tap",
        )
    ):
        if module == prefix or module.startswith(f"{prefix}."):
            return number
    return None


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_import_runs_upwards(path):
    for imported in imports(path):
        own, other = layer(name(path)), layer(imported)
        if own is not None and other is not None:
            assert other <= own, f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_each_package_stays_in_its_layer(path):
    top = {imported.split(".")[0] for imported in imports(path)}
    module = name(path)
    if module.startswith(("lib.config", "lib.errors", "ops")) and module != PIPELINE:
        assert not top & BINDINGS
    if not module.startswith("ops"):
        assert not top & AWS
        assert "ops" not in top
    if module.startswith("ops"):
        lib = {imported for imported in imports(path) if imported.startswith("lib.")}
        allowed = ("lib.errors", "lib.exits", "lib.config", "lib.modules.naming")
        assert all(imported.startswith(allowed) for imported in lib)


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if layer(name(path)) in {0, 2, 3, 4, 5}],
    ids=name,
)
def test_synthesis_is_pure(path):
    """No clock, no randomness, no network, no environment below tap.py and the end of a command."""
    assert not {imported.split(".")[0] for imported in imports(path)} & IMPURE
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "getenv", "today", "now", "utcnow"}, ast.unparse(
                node
            )


@pytest.mark.parametrize("path", [p for p in SOURCES if layer(name(p)) == 3], ids=name)
def test_constructs_take_keywords_after_the_id(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base) == "Construct" for base in node.bases
        ):
            (init,) = (
                item
                for item in node.body
                if isinstance(item, ast.FunctionDef) and item.name == "__init__"
            )
            assert [argument.arg for argument in init.args.args] == ["self", "scope", "id_"]
