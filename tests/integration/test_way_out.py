"""The ways out of CDKTF work: the same sources on cdktn, and the stacks as plain HCL.

cdktn has a virtual environment of its own, which ``make way-out`` and ``make unit`` make.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from lib.config.environment_config import StateBackend, StateLock
from lib.errors import TapError
from ops import hcl
from ops.__main__ import main
from ops.hcl import convert, expression, formatted, provider_schema
from ops.stacks import ROOT, Stack
from ops.terraform_provider import find_mirror
from tests.conftest import BY_NAME
from tests.integration.terraform import Installed

CDKTN = ROOT / ".tools" / "cdktn"
SETTINGS = ("ENVIRONMENT", "ENVIRONMENT_SUFFIX", "AWS_REGION", "DB_PASSWORD", "CONTAINER_IMAGE")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
VARIANTS = {
    **{name: (name, {}) for name in BY_NAME},
    "password": ("dev", {"password_given": True}),
    "https, an account": (
        "prod",
        {
            "load_balancer": {"certificate_arn": CERTIFICATE, "domain_name": "app.example.com"},
            "account_id": "123456789012",
            "deploy_role_arn": "arn:aws:iam::123456789012:role/tap",
            "state": {"lock": StateLock.BOTH},
        },
    ),
    # What a text has to bear: quotes, backslashes, templates that are none, other scripts.
    "odd texts, local state": (
        "dev",
        {
            "service": {"environment": {"A": 'a "b" \\ $${d} %%{e} ä\n\t.'}},
            "state": {"backend": StateBackend.LOCAL},
        },
    ),
}


# --- cdktn -----------------------------------------------------------------------------------


def _synthesized(python, app, folder, settings):
    """What an app writes: each stack's JSON, by its id."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        [python, ROOT / app],
        cwd=ROOT,
        env={**kept, "ENVIRONMENT_SUFFIX": "x1", **settings, "CDKTF_OUTDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = (folder / "stacks").glob("*/cdk.tf.json")
    return {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in files}


@pytest.mark.skipif(not (CDKTN / ".installed").exists(), reason="make way-out installs cdktn")
@pytest.mark.parametrize(
    "settings",
    [{"ENVIRONMENT": "all"}, {"ENVIRONMENT": "dev", "DB_PASSWORD": "correct-horse-battery"}],
    ids=["all", "password"],
)
def test_cdktn_synthesizes_the_same(tmp_path, settings):
    ours = _synthesized(sys.executable, "tap.py", tmp_path / "cdktf", settings)
    theirs = _synthesized(
        CDKTN / "bin" / "python", "way_out/cdktn_app.py", tmp_path / "cdktn", settings
    )
    assert ours.keys() == theirs.keys() and ours
    for stack, document in ours.items():
        other = theirs[stack]
        # Whose work it is, and the provider's version: these may differ, and nothing else.
        assert other["//"]["metadata"].pop("version") != document["//"]["metadata"].pop("version")
        providers = [d["terraform"].pop("required_providers") for d in (document, other)]
        assert [p["aws"].pop("source").removeprefix("hashicorp/") for p in providers] == ["aws"] * 2
        assert [int(p["aws"].pop("version").split(".")[0]) for p in providers] == [6, 6]
        assert document == other


# --- plain HCL -------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="schema")
def _schema():
    """What the provider says of its types; skips where no provider is to be had."""
    document = {
        "//": {"metadata": {"stackName": "x"}},
        "provider": {
            "aws": [{"region": "us-east-1", "default_tags": [{"tags": {"Environment": "x"}}]}]
        },
        "terraform": {"required_providers": {"aws": {"source": "aws", "version": "6.25.0"}}},
    }
    try:
        return provider_schema(Stack.read(document), os.environ)
    except TapError as error:
        if "Failed to query available provider packages" in str(error):
            pytest.skip(f"no provider from a registry or a mirror: {error}")
        raise


@pytest.fixture(scope="module", name="terraform")
def _terraform(tmp_path_factory, schema):
    """Terraform's own verdict on a configuration, the provider installed once."""
    assert schema
    folder = tmp_path_factory.mktemp("hcl")
    terraform = Installed(folder, find_mirror(os.environ))
    provider = 'terraform {\n required_providers {\n aws = {\n source = "aws"\n }\n }\n}\n'
    done = terraform.init("main.tf", provider)
    assert done.returncode == 0, done.stderr
    return lambda text: terraform.validate("main.tf", text)


def _read_back(text):
    """What HashiCorp's own parser makes of HCL, in the shape of Terraform JSON."""
    program = (
        'const { parse } = require("@cdktf/hcl2json");'
        'let text = ""; process.stdin.on("data", (part) => (text += part));'
        'process.stdin.on("end", () => parse("main.tf", text).then((found) => {'
        "process.stdout.write(JSON.stringify(found), () => process.exit(0)); }));"
    )
    done = subprocess.run(
        ["node", "-e", program], cwd=ROOT, input=text, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _plain(value: Any, name: str = "") -> Any:
    """One shape for what both may write in several ways: one block is a list of one, a name that is
    no text stands in ``${}``, and what is null isn't there."""
    if isinstance(value, dict):
        return {
            key: _plain(child, key)
            for key, child in value.items()
            if key != "//" and child is not None
        }
    if isinstance(value, list):
        plain = [_plain(child, name) for child in value]
        return plain[0] if len(plain) == 1 and isinstance(plain[0], dict) else plain
    if isinstance(value, str) and name in {*hcl.BARE, "type"}:
        return value.removeprefix("${").removesuffix("}")
    if isinstance(value, str) and value.startswith("${"):
        return re.sub(r"\s", "", value)  # terraform fmt spaces expressions its own way
    return value


@pytest.mark.parametrize(("name", "changes"), VARIANTS.values(), ids=list(VARIANTS))
def test_the_hcl_is_valid_and_says_the_same(synthesize, schema, terraform, name, changes):
    document = synthesize(name, **changes).document
    text = formatted(convert(document, schema))
    verdict = terraform(text)
    assert verdict["diagnostics"] == [] and verdict["valid"] is True
    read = _plain(_read_back(text))
    for section in ("terraform", "variable", "provider", "data", "resource", "output"):
        assert read.get(section) == _plain(document.get(section)), section


def test_hcl_that_is_wrong_is_not_accepted(synthesize, schema, terraform):
    """This test can fail: Terraform and the provider really look."""
    text = convert(synthesize("dev").document, schema)
    assert terraform(text.replace('"10.0.0.0/16"', '"10.0.0.0/8"'))["valid"] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('say "x"', r'"say \"x\""'),
        ("back\\slash", r'"back\\slash"'),
        ("two\nlines\x01", r'"two\nlines\u0001"'),
        ("${aws_vpc.a.id}", "aws_vpc.a.id"),
        ("a${b}c", '"a${b}c"'),
        ("${a}${b}", '"${a}${b}"'),
        ('x-${format("%s}", "{")}', '"x-${format("%s}", "{")}"'),
        ('"${f("\\"")}"', '"\\"${f("\\"")}\\""'),
        ("$${literal}", '"$${literal}"'),
        ("$${ open, %%{ too", '"$${ open, %%{ too"'),
        ("%{if a}b%{endif}", '"%{if a}b%{endif}"'),
        ("", '""'),
        (True, "true"),
        (1.5, "1.5"),
        ([], "[]"),
        (["a", 1], '["a", 1]'),
        ({}, "{}"),
        ({'k"': "v"}, '{\n"k\\"" = "v"\n}'),
    ],
)
def test_a_value_in_hcl(value, text):
    assert expression(value) == text


def test_an_open_expression_is_named():
    with pytest.raises(TapError, match="is not closed"):
        expression("a ${b")


def test_what_is_null_is_not_there():
    output = {"a": {"value": "x", "description": None}}
    schemas = {"provider": {"block": {}}, "data_source_schemas": {}, "resource_schemas": {}}
    text = convert({"terraform": {"backend": {"local": {"path": None}}}, "output": output}, schemas)
    assert "null" not in text and "description" not in text and 'value = "x"' in text


def test_a_type_that_the_provider_lacks_is_named(shipped):
    schemas = {"provider": {"block": {}}, "data_source_schemas": {}, "resource_schemas": {}}
    with pytest.raises(TapError, match="the provider has no data aws_"):
        convert(shipped("dev").document, schemas)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"locals": {}, "module": {}}, "a section that is not known: locals, module"),
        ({"output": {"a": {"provisioner": []}}}, "a block that is not known: provisioner"),
    ],
)
def test_nothing_is_left_out_without_a_word(more, said):
    schemas = {"provider": {"block": {}}, "data_source_schemas": {}, "resource_schemas": {}}
    with pytest.raises(TapError, match=said):
        convert({"terraform": {}, **more}, schemas)


def test_the_command_writes_a_folder_for_each_stack(tmp_path, monkeypatch, capsys, schema):
    monkeypatch.setattr(hcl, "provider_schema", lambda *_: schema)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert main(["hcl", "--output", str(tmp_path)]) == 0
    files = sorted(tmp_path.glob("stacks/*/main.tf"))
    assert [file.parent.name for file in files] == ["tap-dev-x1", "tap-staging-x1"]
    assert capsys.readouterr().out.splitlines() == [str(file) for file in files]
    assert main(["hcl", "--loud"]) == 2


def test_without_terraform_the_hint_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TapError, match="not on the PATH"):
        formatted("")
