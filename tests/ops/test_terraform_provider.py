"""The provider: its mirror found where it may be, and the version that is asked for."""

import json
import re

import pytest

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.terraform_provider import PROVEN, SOURCE, find_mirror, sandbox_provider


def make_mirror(folder, *entries):
    """A mirror with these versions."""
    for entry in entries:
        (folder / SOURCE / entry).mkdir(parents=True)
    return folder


def test_there_may_be_none(tmp_path):
    environ = {"HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}
    (tmp_path / "addons" / "other").mkdir(parents=True)
    assert find_mirror(environ, addons=tmp_path / "addons") is None
    assert find_mirror(environ, addons=tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("named", {"TF_PROVIDER_MIRROR": "named"}),
        (".terraform.d/plugins", {"HOME": "."}),
        (".local/share/terraform/plugins", {"HOME": "."}),
        ("data/terraform/plugins", {"XDG_DATA_HOME": "data"}),
        ("b/terraform/plugins", {"XDG_DATA_DIRS": "a:b"}),
        ("addons/tool", {}),
    ],
)
def test_it_is_found_in_the_usual_places(tmp_path, monkeypatch, place, variables):
    monkeypatch.chdir(tmp_path)
    make_mirror(tmp_path / place, "5.100.0")
    nowhere = {"HOME": "nowhere", "XDG_DATA_DIRS": "nowhere"}
    mirror = find_mirror(nowhere | variables, addons=tmp_path / "addons")
    assert mirror is not None
    assert (mirror.folder.resolve(), mirror.version) == (tmp_path / place, "5.100.0")


def test_the_newest_version_counts_packed_or_not(tmp_path):
    make_mirror(tmp_path, "5.9.0", "terraform-provider-aws_5.100.0_linux_amd64.zip", "index.json")
    mirror = find_mirror({"TF_PROVIDER_MIRROR": str(tmp_path)})
    assert mirror is not None and mirror.version == "5.100.0"


@pytest.mark.parametrize("entries", [(), ("index.json",)])
def test_a_named_folder_without_it_is_an_error(tmp_path, entries):
    make_mirror(tmp_path, *entries)
    with pytest.raises(TapError, match="TF_PROVIDER_MIRROR: no registry"):
        find_mirror({"TF_PROVIDER_MIRROR": str(tmp_path)})


def test_the_stack_asks_for_the_mirror_s_version(tmp_path):
    mirror = find_mirror({"TF_PROVIDER_MIRROR": str(make_mirror(tmp_path, "5.100.0"))})
    assert mirror is not None
    mirror.write_override(tmp_path)
    document = json.loads((tmp_path / "provider_override.tf.json").read_text())
    assert document["terraform"]["required_providers"]["aws"]["version"] == "5.100.0"
    assert f'path = "{tmp_path}"' in mirror.write_cli_config(tmp_path).read_text()


@pytest.fixture(name="nowhere")
def _nowhere(tmp_path):
    """An environment without a mirror."""
    return {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": str(tmp_path / "share")}


def test_the_sandbox_takes_the_proven_version_from_a_mirror_that_has_a_newer_one(tmp_path):
    make_mirror(tmp_path, PROVEN, "6.25.0")
    provider = sandbox_provider({"TF_PROVIDER_MIRROR": str(tmp_path)})
    assert provider.version == PROVEN
    assert provider.mirror is not None
    assert (provider.mirror.folder, provider.mirror.version) == (tmp_path, PROVEN)
    assert f"AWS provider {PROVEN}, proven with the embedded AWS, from {tmp_path}" in str(provider)


def test_a_mirror_without_that_version_is_passed_over(tmp_path, nowhere):
    make_mirror(tmp_path / "addons" / "a", "6.25.0")
    make_mirror(tmp_path / "addons" / "b", PROVEN)
    provider = sandbox_provider(nowhere, addons=tmp_path / "addons")
    assert provider.mirror is not None
    assert provider.mirror.folder == tmp_path / "addons" / "b"


def test_where_no_mirror_is_the_registry_has_the_proven_version(tmp_path, nowhere):
    provider = sandbox_provider(nowhere, addons=tmp_path / "addons")
    assert (provider.version, provider.mirror) == (PROVEN, None)
    assert "from the registry" in str(provider)


def test_another_version_is_tried_on_demand(tmp_path, nowhere):
    tried = nowhere | {"TAP_PROVIDER_VERSION": "6.25.0"}
    provider = sandbox_provider(tried, addons=make_mirror(tmp_path / "addons", PROVEN))
    assert (provider.version, provider.mirror) == ("6.25.0", None)
    assert "6.25.0, tried, not proven, from the registry" in str(provider)


def test_a_named_mirror_without_that_version_is_an_error(tmp_path):
    make_mirror(tmp_path, "6.25.0")
    with pytest.raises(TapError, match=f"no registry.*/aws {PROVEN} in"):
        sandbox_provider({"TF_PROVIDER_MIRROR": str(tmp_path)})


@pytest.mark.parametrize("version", ["6", "v6.25.0", ">= 6.0.0", "6.25.0 "])
def test_what_is_no_version_is_an_error(nowhere, version):
    with pytest.raises(TapError, match="is not a version") as caught:
        sandbox_provider(nowhere | {"TAP_PROVIDER_VERSION": version})
    assert f"TAP_PROVIDER_VERSION={PROVEN}" in caught.value.hint


def test_ci_tries_the_version_that_the_bindings_ask_for(shipped):
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    asked = shipped("dev").document["terraform"]["required_providers"]["aws"]["version"]
    assert re.findall(r"TAP_PROVIDER_VERSION: (.+)", workflow) == [asked]
