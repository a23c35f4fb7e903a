"""The cdktf CLI: what it is called with.

Alone it wants stacks by name as soon as there are several, compares one at a time, and does not
know that Terraform's ``db_password`` is our ``DB_PASSWORD``.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lib.config.environment_config import EnvironmentConfig
from lib.config.settings import Settings
from lib.errors import TapError
from lib.modules.naming import NamingModule

ROOT = Path(__file__).parents[1]
CDKTF = ROOT / "node_modules" / ".bin" / "cdktf"
OUTPUT = ROOT / "cdktf.out"


def stack_ids(settings: Settings, selected: list[EnvironmentConfig]) -> list[str]:
    """The ids of the stacks that tap.py makes of these environments."""
    return [
        NamingModule(entry.name, entry.region, settings.environment_suffix).stack_id
        for entry in selected
    ]


def cli_arguments(verb: str, stacks: list[str]) -> list[list[str]]:
    """The CLI's arguments, one list for each run of it."""
    if verb == "synth":
        return [[verb]]
    if verb == "diff":
        return [[verb, stack] for stack in stacks]
    return [[verb, *stacks]]


def cli_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ``, with the password under the name that Terraform looks for."""
    password = environ.get("DB_PASSWORD")
    # CHECKPOINT_DISABLE: the CLI and Terraform otherwise ask a server for newer versions.
    return {
        "CHECKPOINT_DISABLE": "1",
        **environ,
        **({"TF_VAR_db_password": password} if password else {}),
    }


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
