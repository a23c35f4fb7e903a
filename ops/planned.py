"""Plans of synthesized stacks, made to be looked at: by people, by the guard, by ``ops apply``."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lib.config.environment_config import EnvironmentConfig
from ops import guard
from ops.cdktf_cli import ROOT, synthesize
from ops.terraform import Terraform

# As deep as cdktf.out/stacks: a local state's path begins there.
PLANS = ROOT / "cdktf.out" / "plans"
PLAN = "tap.tfplan"
STACK = "cdk.tf.json"
CHANGES = 2  # Terraform's exit code for a plan that changes something


class Planned(Terraform):
    """A stack in a folder of its own, and its plan."""

    @classmethod
    def synthesized(
        cls, entry: EnvironmentConfig, environ: Mapping[str, str], *, anew: bool = True
    ) -> Self:
        """In a folder below ``PLANS``, called as the stack. Raises ``TapError``.

        With nothing else in it, unless ``anew`` is False.
        """
        with tempfile.TemporaryDirectory(prefix="tap-synth-") as outdir:
            synthesize({**environ, "ENVIRONMENT": entry.name}, Path(outdir))
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

    @property
    def exists(self) -> bool:
        """Whether it has been planned."""
        return (self.folder / PLAN).exists()

    def init(self, *arguments: str) -> None:
        """Get ready for the rest."""
        self.run("init", "-input=false", *arguments)

    def plan(self, *, shown: bool = False) -> bool:
        """Plan; whether that changes something."""
        arguments = ("-input=false", "-detailed-exitcode", f"-out={PLAN}")
        return self.run("plan", *arguments, shown=shown, fine=(0, CHANGES)) == CHANGES

    def planned(self) -> dict[str, Any]:
        """The plan, as Terraform tells it to machines."""
        return guard.parsed(self.read("show", "-json", PLAN), self.stack)

    def readable(self) -> str:
        """The plan, as Terraform tells it to people."""
        return self.read("show", "-no-color", PLAN)

    def state(self) -> dict[str, Any]:
        """What was deployed."""
        return json.loads(self.read("show", "-json"))

    def apply(self) -> None:
        """Apply the plan, as it was."""
        self.run("apply", "-input=false", PLAN, shown=True)


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
            stack = Planned.synthesized(entry, environ)
            stack.init()
            stack.plan()
            code = guard.told([(stack.stack, stack.planned())], allow) or code
            shutil.rmtree(stack.folder)
    return code
