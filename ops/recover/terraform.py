"""Terraform in a stack's folder."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops import graceful
from ops.cdktf_cli import cli_environ
from ops.graceful import Command

IMPORTS = "recover.tf.json"
PLAN = "recover.tfplan"


class Terraform:
    """Terraform in a stack's folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**cli_environ(environ), "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}

    def plan(self, imports: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Plan the imports, and nothing that they don't depend on; returns the changes."""
        blocks = [{"to": address, "id": id_} for address, id_ in imports.items()]
        (self._folder / IMPORTS).write_text(json.dumps({"import": blocks}, indent=2))
        targets = [f"-target={address}" for address in imports]
        self.change("plan", "-input=false", f"-out={PLAN}", *targets)
        changes = json.loads(self.read("show", "-json", PLAN)).get("resource_changes", [])
        return [each for each in changes if each["mode"] == "managed"]

    def clean(self) -> None:
        """Remove what the planning left."""
        for name in (IMPORTS, PLAN):
            (self._folder / name).unlink(missing_ok=True)

    def read(self, *arguments: str) -> str:
        """What a command that changes nothing prints."""
        binary = self._environ.get("TERRAFORM_BINARY_NAME") or "terraform"
        done = subprocess.run(
            [binary, f"-chdir={self._folder}", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failure(arguments[0], done.stderr)
        return done.stdout

    def change(self, *arguments: str) -> None:
        """Run a command that holds the lock; an interrupt ends it when it has saved its work."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            words = [graceful.WRAPPER, f"-chdir={self._folder}", *arguments]
            command = Command(words, self._environ, output, subprocess.DEVNULL)
            (code,) = graceful.run(command)
            output.seek(0)
            printed = output.read()
        if code == graceful.INTERRUPTED:
            raise TapError("interrupted", hint="nothing is lost: run it again")
        if code:
            raise self._failure(arguments[0], printed)

    def _failure(self, command: str, printed: str) -> TapError:
        lines = [line.strip(" │╷╵") for line in printed.splitlines()]
        if any("Error acquiring the state lock" in line for line in lines):
            lock = dict(
                re.findall(r"^(ID|Who|Created|Operation): +(.+)$", "\n".join(lines), re.MULTILINE)
            )
            return TapError(
                f"the state is locked by {lock.get('Who', 'somebody')} since "
                f"{lock.get('Created', 'some time')} ({lock.get('Operation', 'unknown')})",
                hint="if that deploy is dead: "
                f"terraform -chdir={self._folder} force-unlock {lock.get('ID', '<ID>')}",
            )
        start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
        told = "\n".join(filter(None, lines[start:]))
        return TapError(f"terraform {command} failed:\n{told}", hint="see above")
