"""Terraform in the folder of one stack: what ``ops plan`` and the guard of a deploy work with."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.environment_config import EnvironmentConfig
from lib.errors import TapError
from ops import graceful, guard
from ops.graceful import Command

ROOT = Path(__file__).parents[1]
# As deep as cdktf.out/stacks: a local state's path begins there.
PLANS = ROOT / "cdktf.out" / "plans"
PLAN = "tap.tfplan"
STACK = "cdk.tf.json"
CHANGES = 2  # Terraform's exit code for a plan that changes something


def synthesize(environ: Mapping[str, str]) -> None:
    """Run tap.py. Raises ``TapError`` when it fails."""
    done = subprocess.run([sys.executable, "tap.py"], cwd=ROOT, env=environ, check=False)
    if done.returncode:
        raise TapError(f"{environ['ENVIRONMENT']} cannot be synthesized", hint="see above")


@dataclass(frozen=True, slots=True)
class Terraform:
    """Terraform in ``folder``; ``environ`` is what its processes get."""

    folder: Path
    environ: Mapping[str, str]

    @classmethod
    def synthesized(
        cls, entry: EnvironmentConfig, environ: Mapping[str, str], *, anew: bool = True
    ) -> "Terraform":
        """A folder below ``PLANS``, called as the stack in it. Raises ``TapError``.

        With nothing else in it, unless ``anew`` is False.
        """
        with tempfile.TemporaryDirectory(prefix="tap-synth-") as outdir:
            synthesize({**environ, "ENVIRONMENT": entry.name, "CDKTF_OUTDIR": outdir})
            (stack,) = Path(outdir, "stacks").glob(f"*/{STACK}")
            folder = PLANS / stack.parent.name
            if anew and folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(stack, folder)
        return cls(folder, environ)

    @property
    def stack(self) -> str:
        """The stack's id."""
        return self.folder.name

    def run(self, verb: str, *arguments: str, quiet: bool = False) -> int:
        """Run a command, which an interrupt ends in order; its exit code.

        ``quiet`` shows what it prints only when it fails.
        """
        words = [graceful.WRAPPER, f"-chdir={self.folder}", verb, "-input=false", *arguments]
        with tempfile.TemporaryFile() as log:
            (code,) = graceful.run(Command(words, self.environ, log if quiet else None))
            if quiet and code not in (0, CHANGES):
                log.seek(0)
                print(log.read().decode(errors="replace"), file=sys.stderr)
        return code

    def plan(self, *, quiet: bool = False) -> int:
        """Plan into ``PLAN``: 0 without changes, ``CHANGES`` with some."""
        return self.run("plan", "-detailed-exitcode", f"-out={PLAN}", quiet=quiet)

    def planned(self) -> dict[str, Any]:
        """The plan, as Terraform tells it to machines."""
        return guard.parsed(self.output("show", "-json", PLAN), self.stack)

    def output(self, *arguments: str) -> str:
        """What a command prints that asks nobody and changes nothing."""
        done = subprocess.run(
            [graceful.WRAPPER, f"-chdir={self.folder}", *arguments],
            env=graceful.terraform_environ(self.environ),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TapError(f"terraform {arguments[0]} failed in {self.folder}", hint="see above")
        return done.stdout


def guarded(
    selected: Sequence[EnvironmentConfig], environ: Mapping[str, str], allow: Sequence[str]
) -> int:
    """Plan those of the environments that are production, and ask the guard; an exit code.

    For a command that leaves planning and applying to the CLI: what the CLI plans a moment later is
    the same, unless the account has changed meanwhile.
    """
    code = 0
    for entry in selected:
        if entry.production:
            terraform = Terraform.synthesized(entry, environ)
            failed = terraform.run("init", quiet=True) or terraform.plan(quiet=True)
            if failed not in (0, CHANGES):
                return failed
            code = guard.told([(terraform.stack, terraform.planned())], allow) or code
            shutil.rmtree(terraform.folder)
    return code
