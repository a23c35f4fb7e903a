"""Which version of the AWS provider Terraform runs, and where it gets it: a mirror or a registry.

The bindings ask for one exact version. The embedded AWS is proven with another, and a mirror holds
what it holds, so a ``*_override.tf.json`` beside ``cdk.tf.json`` asks for that instead: for
validation and for the embedded AWS, never for an account.

https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.errors import TapError

SOURCE = "registry.terraform.io/hashicorp/aws"
VARIABLE = "TF_PROVIDER_MIRROR"
VERSION_VARIABLE = "TAP_PROVIDER_VERSION"
PROVEN = "5.100.0"  # with the embedded AWS: docs/adr/0005-embedded-aws.md


@dataclass(frozen=True, slots=True)
class ProviderMirror:
    """A mirror that holds the AWS provider, and the newest version in it."""

    folder: Path
    version: str

    def write_override(self, stack_folder: Path) -> None:
        """Make a synthesized stack ask for the version of the mirror."""
        write_override(stack_folder, self.version)

    def write_cli_config(self, folder: Path) -> Path:
        """Write Terraform's CLI configuration; goes into ``TF_CLI_CONFIG_FILE``."""
        file = folder.resolve() / "terraform.rc"
        mirror = f"filesystem_mirror {{ path = {json.dumps(str(self.folder))} }}"
        file.write_text(f"provider_installation {{\n  {mirror}\n}}\n")
        return file


@dataclass(frozen=True, slots=True)
class SandboxProvider:
    """The provider that the embedded AWS is used with; from a registry without a ``mirror``."""

    version: str
    mirror: ProviderMirror | None

    def __str__(self) -> str:
        place = self.mirror.folder if self.mirror else "the registry"
        trust = "proven with the embedded AWS" if self.version == PROVEN else "tried, not proven"
        return (
            f"AWS provider {self.version}, {trust}, from {place}; "
            "provider_override.tf.json asks for it in place of the bindings' version"
        )


def write_override(stack_folder: Path, version: str) -> None:
    """Make a synthesized stack ask for this version of the provider."""
    provider = {"source": "hashicorp/aws", "version": version}
    document = {"terraform": {"required_providers": {"aws": provider}}}
    (stack_folder / "provider_override.tf.json").write_text(json.dumps(document))


def sandbox_provider(environ: Mapping[str, str], *, addons: Path = Path("/opt")) -> SandboxProvider:
    """The proven version, or the one that ``TAP_PROVIDER_VERSION`` names: from the first mirror
    that has it, else from a registry.

    Raises ``TapError`` for what is no version, and when ``TF_PROVIDER_MIRROR`` names a folder
    without it.
    """
    version = environ.get(VERSION_VARIABLE) or PROVEN
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise TapError(
            f"{VERSION_VARIABLE}: {version!r} is not a version",
            hint=f"write {VERSION_VARIABLE}={PROVEN}, or unset it",
        )
    return SandboxProvider(version, find_mirror(environ, addons=addons, version=version))


def find_mirror(
    environ: Mapping[str, str], *, addons: Path = Path("/opt"), version: str | None = None
) -> ProviderMirror | None:
    """The first mirror with the AWS provider: the one that ``TF_PROVIDER_MIRROR`` names, else one
    of Terraform's implied mirrors, else one in a direct subfolder of ``addons``; None without any.
    It has this ``version``, or any, the newest of which counts.

    Raises ``TapError`` when the variable names a folder that has none.
    """
    if named := environ.get(VARIABLE):
        mirror = _mirror(Path(named), version)
        if mirror is None:
            wanted = f"{SOURCE} {version}" if version else SOURCE
            raise TapError(
                f"{VARIABLE}: no {wanted} in {named}", hint="name a folder that has it, or unset it"
            )
        return mirror
    mirrors = (_mirror(folder, version) for folder in _usual_folders(environ, addons))
    return next(filter(None, mirrors), None)


def _usual_folders(environ: Mapping[str, str], addons: Path) -> Iterator[Path]:
    home = Path(environ.get("HOME", os.sep))
    yield home / ".terraform.d" / "plugins"
    data = [environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")]
    data += (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    for folder in data:
        yield Path(folder, "terraform", "plugins")
    if addons.is_dir():
        yield from sorted(addons.iterdir())


def _mirror(folder: Path, version: str | None) -> ProviderMirror | None:
    """The mirror in a folder, its versions unpacked (``5.100.0/``) or packed (``*_5.100.0_*``)."""
    provider = folder / SOURCE
    if not provider.is_dir():
        return None
    names = [entry.name.removeprefix("terraform-provider-aws_") for entry in provider.iterdir()]
    versions = {name.split("_")[0] for name in names if name[:1].isdigit()}
    if version:
        versions &= {version}
    if not versions:
        return None
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".")])
    return ProviderMirror(folder, newest)
