"""Deploys of dev as a person runs them, and what has to be true after one was disturbed."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import psutil
from botocore import xform_name

from ops.cdktf_cli import CDKTF, ROOT
from ops.emulator.inventory import Item, inventory, orphans
from ops.graceful import WRAPPER
from ops.progress import ANSI
from ops.recover import Report
from ops.sandbox import QUIET, Sandbox
from ops.state.mend import Mender
from ops.state.place import place_of
from tests.chaos.proxy import Fault, FaultProxy
from tests.e2e.conftest import SUFFIX, opened

CTRL_C = b"\x03"
SECONDS = 600  # longer than any step takes


class Copy:
    """dev in an emulated account of its own: synthesized, not deployed yet."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        (self.site,) = sandbox.sites.values()
        self.before = set(self.items())
        self.told: list[str] = []  # by recover

    @property
    def folder(self) -> Path:
        """All of its files."""
        return self.site.folder

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """boto3's clients for its account."""
        return self.site.emulator.session(self.site.config.region).client

    def environ(self, **further: str) -> dict[str, str]:
        """What the commands need."""
        return self.sandbox.environ(self.site) | {"ENVIRONMENT": self.site.name, **further}

    def command(self, verb: str = "deploy") -> list[str]:
        """``make deploy``, for what was synthesized, asking nobody."""
        return [sys.executable, "-m", "ops", "cdktf", verb, *self._options(verb)]

    def plain(self, verb: str = "deploy") -> list[str]:
        """The CLI itself."""
        return [str(CDKTF), verb, self.site.stack_id, *self._options(verb)]

    def _options(self, verb: str) -> list[str]:
        approved = ["--auto-approve"] if verb != "diff" else []
        return [*QUIET, "--output", str(self.folder / "cdktf.out"), *approved]

    def run(self, verb: str = "deploy", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(verb),
            cwd=ROOT,
            env=self.environ(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def deploy(self) -> None:
        """Deploy, which has to succeed."""
        done = self.run()
        assert done.returncode == 0, done.stdout[-4000:]

    def recover(self, **environ: str) -> list[Report]:
        """``ops recover`` until it finds no more to do, doing what it says is left to a person."""
        environ = self.environ(**environ)
        reports: list[Report] = []
        while not reports or reports[-1].problems:
            assert len(reports) < 4, reports[-1].problems
            with mock.patch.dict(os.environ, environ):
                reports.append(self._mended(environ))
            for problem in reports[-1].problems:
                self._obey(problem.hint)
        return reports

    def _mended(self, environ: Mapping[str, str]) -> Report:
        output = self.folder / "cdktf.out"
        session = boto3.Session(region_name=self.site.config.region)
        place = place_of(self.site.config, SUFFIX, output, session=session)
        report = Mender(place, environ, self.told.append, dry_run=False).mend()
        assert report
        return report

    def _obey(self, hint: str) -> None:
        """Run the command of the AWS CLI that a hint names."""
        found = re.search(r"aws ([a-z0-9-]+) ([a-z-]+) --([a-z-]+) (\S+)$", hint)
        assert found, hint
        service, operation, option, value = found.groups()
        client = self.client(service)
        call = client.meta.method_to_api_mapping[operation.replace("-", "_")]
        members = client.meta.service_model.operation_model(call).input_shape.members
        (name,) = (each for each in members if xform_name(each, "-") == option)
        argument = [value] if members[name].type_name == "list" else value
        getattr(client, operation.replace("-", "_"))(**{name: argument})

    def state(self) -> dict[str, Any]:
        """Terraform's state; an empty one as long as there is none."""
        if not self.site.state.exists():
            return {"resources": []}
        return json.loads(self.site.state.read_text(encoding="utf-8"))

    def items(self) -> list[Item]:
        """All that the account holds."""
        return inventory(self.client)

    def orphans(self) -> list[Item]:
        """What was made and the state does not know."""
        return orphans([item for item in self.items() if item not in self.before], self.state())

    def locks(self) -> list[Path]:
        """Lock files that were left."""
        return list(self.folder.rglob("*.lock.info"))

    def busy(self) -> bool:
        """Whether the load balancer and the database are being made."""
        balancers = self.client("elbv2").describe_load_balancers()["LoadBalancers"]
        databases = self.client("rds").describe_db_instances()["DBInstances"]
        return bool(balancers and databases)

    def terraforms(self) -> list[int]:
        """The ids of the processes that work in the stack's folder, or in a run's."""
        folders = (str(self.site.stack_folder), f"{self.folder}/cdktf.out/runs/")
        return [pid for pid in psutil.pids() if (_cwd(pid) or "").startswith(folders)]

    def check(self) -> None:
        """Everything is there once, the state knows all of it, and there is nothing left to do."""
        orphaned = self.orphans()
        assert not orphaned, orphaned
        assert not self.locks()
        known = [
            (resource["type"], instance)
            for resource in self.state()["resources"]
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        ]
        assert len(known) == self.site.progress.total
        assert [kind for kind, each in known if each.get("status") or each.get("deposed")] == []
        done = self.run("diff")
        assert "found no differences" in done.stdout, done.stdout[-4000:]


@contextmanager
def copy(**variables: str) -> Iterator[Copy]:
    """A copy of dev, gone on exit."""
    with opened("dev", data_plane=False, **variables) as sandbox:
        yield Copy(sandbox)


def _cwd(pid: int) -> str:
    with suppress(psutil.Error):
        return psutil.Process(pid).cwd()
    return ""


class Terminal:
    """A command on a pseudo-terminal of its own, as in a person's window."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self._shown = b""
        self._code: int | None = None
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            termios.tcsetwinsize(0, (50, 200))
            os.chdir(ROOT)
            os.execve(command[0], command, environ)

    @property
    def shown(self) -> str:
        """All that it has shown, without colours."""
        return ANSI.sub("", self._shown.decode(errors="replace"))

    @property
    def code(self) -> int | None:
        """The exit code; None as long as it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._fd, keys)

    def signal(self, number: int) -> None:
        """Signal the command, and nothing below it."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Close the window."""
        os.close(self._fd)
        self._fd = -1

    def until(self, reached: Callable[[], bool]) -> None:
        """Show what there is to be shown until something is so."""
        limit = time.monotonic() + SECONDS
        while not reached():
            assert time.monotonic() < limit, self.shown[-4000:]
            self._read()

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        self.until(lambda: self.code is not None)
        self._read()
        assert self.code is not None
        return self.code

    def _read(self) -> None:
        if self._fd < 0:
            time.sleep(0.3)
        elif select.select([self._fd], [], [], 0.3)[0]:
            try:
                self._shown += os.read(self._fd, 1 << 16)
            except OSError:  # nobody holds the other end any more
                time.sleep(0.3)


class Interrupted:
    """A deploy that was interrupted while the load balancer and the database were being made."""

    def __init__(
        self,
        place: Copy,
        how: Callable[[Terminal], object],
        *,
        plain: bool = False,
        **environ: str,
    ) -> None:
        self.copy = place
        environ = place.environ(**environ)
        if plain:
            environ["TERRAFORM_BINARY_NAME"] = str(WRAPPER)
        self.terminal = Terminal(place.plain() if plain else place.command(), environ)
        self.terminal.until(lambda: self.terminal.code is not None or place.busy())
        assert self.terminal.code is None, self.terminal.shown[-4000:]
        how(self.terminal)
        self.code = self.terminal.wait()
        # With the plain CLI, Terraform goes on after it.
        self.terminal.until(lambda: not place.terraforms())


def deploy_through(
    place: Copy, *, seed: int, rates: Mapping[Fault, float], tries: int = 3
) -> Counter[tuple[Fault, str]]:
    """Deploy through a proxy, with recover between the tries; returns what befell the calls."""
    with FaultProxy(place.site.emulator.endpoint_url, seed=seed, rates=rates) as proxy:
        for left in reversed(range(tries)):
            done = place.run(AWS_ENDPOINT_URL=proxy.url)
            if tries > 1:  # also after a success: a lost answer can have made a second one
                place.recover()
            if done.returncode == 0:
                break
            assert left, done.stdout[-4000:]
        return proxy.befallen


def kill(place: Copy, pid: int) -> None:
    """``kill -9`` a process and all below it, with what was being started at that moment."""
    process = psutil.Process(pid)
    doomed = [process, *process.children(recursive=True)]
    limit = time.monotonic() + SECONDS
    while doomed:
        assert time.monotonic() < limit
        for each in doomed:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        time.sleep(0.1)
        with suppress(psutil.NoSuchProcess):
            doomed = [psutil.Process(each) for each in place.terraforms()]


def made(shown: str) -> int:
    """How many resources Terraform said it had made."""
    return len(set(re.findall(r"(aws_\w+\.\w+)[^:\n]*: Creation complete", shown)))
