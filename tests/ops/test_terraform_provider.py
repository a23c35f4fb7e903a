"""The provider mirror: found where it may be, its newest version asked for."""

import json

import pytest

from lib.errors import TapError
from ops.terraform_provider import SOURCE, find_mirror


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
