"""Where Terraform gets the AWS provider from when there is no registry: a filesystem mirror.

The bindings ask for one exact version. A mirror holds what it holds, so a
``*_override.tf.json`` beside ``cdk.tf.json`` asks for that instead: for validation and for the
embedded AWS, never for an account.

https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.errors import TapError

SOURCE = "registry.terraform.io/hashicorp/aws"
VARIABLE = "TF_PROVIDER_MIRROR"


@dataclass(frozen=True, slots=True)
class ProviderMirror:
    """A mirror that holds the AWS provider, and the newest version in it."""

    folder: Path
    version: str

    def write_override(self, stack_folder: Path) -> None:
        """Make a synthesized stack ask for the version of the mirror."""
        provider = {"source": "hashicorp/aws", "version": self.version}
        document = {"terraform": {"required_providers": {"aws": provider}}}
        (stack_folder / "provider_override.tf.json").write_text(json.dumps(document))

    def write_cli_config(self, folder: Path) -> Path:
        """Write Terraform's CLI configuration; goes into ``TF_CLI_CONFIG_FILE``."""
        file = folder.resolve() / "terraform.rc"
        mirror = f"filesystem_mirror {{ path = {json.dumps(str(self.folder))} }}"
        file.write_text(f"provider_installation {{\n  {mirror}\n}}\n")
        return file


def find_mirror(
    environ: Mapping[str, str], *, addons: Path = Path("/opt")
) -> ProviderMirror | None:
    """The first mirror with the AWS provider: the one that ``TF_PROVIDER_MIRROR`` names, else one
    of Terraform's implied mirrors, else one in a direct subfolder of ``addons``; None without any.

    Raises ``TapError`` when the variable names a folder that has none.
    """
    if named := environ.get(VARIABLE):
        mirror = _mirror(Path(named))
        if mirror is None:
            raise TapError(
                f"{VARIABLE}: no {SOURCE} in {named}", hint="name a folder that has it, or unset it"
            )
        return mirror
    found = filter(None, map(_mirror, _usual_folders(environ, addons)))
    return next(found, None)


def _usual_folders(environ: Mapping[str, str], addons: Path) -> Iterator[Path]:
    home = Path(environ.get("HOME", os.sep))
    yield home / ".terraform.d" / "plugins"
    data = [environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")]
    data += (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    for folder in data:
        yield Path(folder, "terraform", "plugins")
    if addons.is_dir():
        yield from sorted(addons.iterdir())


def _mirror(folder: Path) -> ProviderMirror | None:
    """The mirror in a folder, its versions unpacked (``5.100.0/``) or packed (``*_5.100.0_*``)."""
    provider = folder / SOURCE
    if not provider.is_dir():
        return None
    names = [entry.name.removeprefix("terraform-provider-aws_") for entry in provider.iterdir()]
    versions = {name.split("_")[0] for name in names if name[:1].isdigit()}
    if not versions:
        return None
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".")])
    return ProviderMirror(folder, newest)
