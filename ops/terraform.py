"""Terraform in the folder of a synthesized stack."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from lib.errors import TapError
from ops import graceful
from ops.cdktf_cli import cli_environ
from ops.graceful import Command

COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # Terraform heeds no NO_COLOR


class Interrupted(TapError):
    """A signal came. Terraform has saved the state and let go of the lock."""

    def __init__(self) -> None:
        super().__init__("interrupted", hint="nothing is lost: run it again")


class Terraform:
    """Terraform in ``folder``, with the variables of the deploy."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = {**cli_environ(environ), "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}

    def read(self, *arguments: str) -> str:
        """What a command prints that changes nothing and takes no time."""
        binary = self._environ.get("TERRAFORM_BINARY_NAME") or "terraform"
        done = subprocess.run(
            [binary, f"-chdir={self.folder}", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failure(arguments[0], done.stderr)
        return done.stdout

    def run(self, *arguments: str, shown: bool = False, fine: Collection[int] = (0,)) -> int:
        """Run a command; returns its exit code, one of those that are ``fine``.

        An interrupt ends it when it has saved its work. ``shown`` shows what it prints, which is
        otherwise told when it fails. Call it in the main thread. Raises ``TapError`` and
        ``Interrupted``.
        """
        sys.stdout.flush()
        words = [graceful.WRAPPER, f"-chdir={self.folder}", *arguments]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            command = Command(words, self._environ, None if shown else output, subprocess.DEVNULL)
            (code,) = graceful.run(command)
            output.seek(0)
            printed = output.read()
        if code == graceful.INTERRUPTED:
            raise Interrupted
        if code not in fine:
            raise self._failure(arguments[0], printed)
        return code

    def _failure(self, command: str, printed: str) -> TapError:
        """The error that Terraform printed, without its frames."""
        lines = [line.strip(" │╷╵") for line in COLOUR.sub("", printed).splitlines()]
        if any("Error acquiring the state lock" in line for line in lines):
            lock = dict(
                re.findall(r"^(ID|Who|Created|Operation): +(.+)$", "\n".join(lines), re.MULTILINE)
            )
            return TapError(
                f"the state is locked by {lock.get('Who', 'somebody')} since "
                f"{lock.get('Created', 'some time')} ({lock.get('Operation', 'unknown')})",
                hint="if that deploy is dead: "
                f"terraform -chdir={self.folder} force-unlock {lock.get('ID', '<ID>')}",
            )
        start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
        message = "\n".join([f"terraform {command} failed", *filter(None, lines[start:])])
        return TapError(message, hint="see above")
