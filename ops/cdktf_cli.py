"""The synthesized stacks, and the cdktf CLI, which the sandbox deploys them with."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lib.config.environment_config import EnvironmentConfig
from lib.config.settings import Settings
from lib.errors import TapError
from lib.modules.naming import NamingModule
from ops.terraform.environ import for_terraform

ROOT = Path(__file__).parents[1]
CDKTF = ROOT / "node_modules" / ".bin" / "cdktf"
OUTPUT = ROOT / "cdktf.out"


def stack_ids(settings: Settings, selected: list[EnvironmentConfig]) -> list[str]:
    """The ids of the stacks that tap.py makes of these environments."""
    return [
        NamingModule(entry.name, entry.region, settings.environment_suffix).stack_id
        for entry in selected
    ]


def cli_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` as Terraform gets it."""
    return for_terraform(environ)


def synthesize(environ: Mapping[str, str], output: Path = OUTPUT) -> None:
    """Write the stacks anew. Unlike the CLI, it leaves the folders of other stacks alone, with what
    Terraform may have left there."""
    sys.stderr.write(run_app(environ, output, ROOT))


def run_app(environ: Mapping[str, str], output: Path, root: Path) -> str:
    """Run the ``tap.py`` below ``root``; returns its warnings. Raises ``TapError`` if it fails."""
    done = subprocess.run(
        [sys.executable, root / "tap.py"],
        cwd=root,
        env={**environ, "CDKTF_OUTDIR": str(output.resolve())},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TapError(f"synthesis failed:\n{done.stderr.strip()}", hint="see above")
    return done.stderr
