"""``ops sandbox``: complete environments on an embedded AWS, without an account.

The real cdktf CLI, the real Terraform and the real AWS provider, each environment against an
emulator of its own, side by side, in a temporary folder. Nothing of it stays, and nothing outside
this machine is asked, but a registry for the provider where no mirror has it, and for PostgreSQL.
What it says runs, runs, as far as this machine can: ``docs/adr/0014-data-plane.md``.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from lib.config.environment_config import EnvironmentConfig
from lib.config.selection import select
from lib.errors import TapError
from ops import graceful
from ops.cdktf_cli import CDKTF, ROOT, cli_environ, stack_ids
from ops.emulator import Emulator
from ops.graceful import Command
from ops.progress import Board, Progress
from ops.terraform_provider import (
    VARIABLE,
    SandboxProvider,
    sandbox_provider,
    write_override,
)
from ops.verify.service import TROUBLE
from ops.watchdog import Watched

HOST = "127.0.0.1"
PORT_MAX = 65_535
TROUBLES_SHOWN = 5
ANSWER_SECONDS = 90  # for the targets of a load balancer to be healthy
NO_CACHE = "CDKTF_DISABLE_PLUGIN_CACHE_ENV"
EXPORTED = (
    *("TF_CLI_CONFIG_FILE", NO_CACHE, VARIABLE),
    *("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"),
)
QUIET = ("--skip-synth", "--skip-provider-lock")  # the lock would ask a registry


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("sandbox", help="deploy ENVIRONMENT to an embedded AWS")
    parser.add_argument("--keep", action="store_true", help="hold it open until Ctrl-C")
    parser.add_argument("--destroy", action="store_true", help="also plan again and destroy")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument(
        "--port", type=_port, default=0, help="the first emulator's; a free one without it"
    )
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    """A port, as argparse wants it checked."""
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a port: write 0 to {PORT_MAX}")
    return int(text)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Deploy, show what came of it, and leave nothing; 1 when a step failed.

    Raises ``TapError`` for bad input and for tools that cannot be had, before anything starts.
    """
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops sandbox --help")
    try:
        with graceful.ended_by_signals():
            return _run(options, environ)
    except KeyboardInterrupt:
        return graceful.INTERRUPTED


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    with Sandbox(environ, port=options.port) as sandbox:
        print(f"sandbox: {sandbox.provider}", file=sys.stderr)
        board = Board([site.progress for site in sandbox.sites.values()], quiet=options.json)
        verbs = ["deploy", *(["diff", "destroy"] if options.destroy else [])]
        for verb in verbs:
            with board.showing(verb):
                code = sandbox.cli(verb, tick=board.tick)
            if code == graceful.INTERRUPTED:
                return code
            if code:
                print("\n".join(sandbox.failures()), file=sys.stderr)
                return 1
            if verb == "deploy":
                sandbox.read_outputs()
                sandbox.wait_for_answers(tick=board.tick)
        results = {name: site.result() for name, site in sandbox.sites.items()}
        if options.json:
            print(json.dumps(results, indent=2))
        else:
            board.summary(results)
        if options.keep:
            _hold_open(sandbox, sys.stderr if options.json else sys.stdout)
    return 0


def _hold_open(sandbox: "Sandbox", output: IO[str]) -> None:
    """Tell how to reach the emulators, and wait for a signal."""
    for name, site in sandbox.sites.items():
        print(f"\n# {name}: this shell works on it after", file=output)
        for variable, value in sorted(sandbox.exports(site).items()):
            print(f"export {variable}={shlex.quote(value)}", file=output)
        print(f"# and goes on with it, until Ctrl-C here:\n{site.commands()}", file=output)
    print("\nCtrl-C ends it.", file=output, flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            sandbox.check_emulators()
            time.sleep(graceful.POLL_SECONDS)


@dataclass(slots=True)
class Site:
    """One environment in the sandbox."""

    config: EnvironmentConfig
    stack_id: str
    folder: Path
    emulator: Emulator
    progress: Progress
    outputs: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The environment's."""
        return self.config.name

    @property
    def log(self) -> Path:
        """All that the CLI has printed."""
        return self.folder / "cdktf.log"

    @property
    def stack_folder(self) -> Path:
        """Where Terraform runs."""
        return self.folder / "cdktf.out" / "stacks" / self.stack_id

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / f"terraform.{self.stack_id}.tfstate"

    def commands(self) -> str:
        """What can be typed after ``Sandbox.exports``."""
        there = f"--output {shlex.quote(str(self.folder / 'cdktf.out'))}"
        verbs = [f"npm run cdktf:{verb} -- {there}" for verb in ("deploy", "diff", "destroy")]
        return "\n".join([*verbs, "pipenv run verify", "pipenv run state status"])

    def healthy(self) -> bool:
        """Whether no target of a load balancer is still starting; true without a data plane."""
        return not self.runs or not self.emulator.data_plane().get("starting", [])

    def result(self) -> dict[str, Any]:
        """What a machine is told of it."""
        return {
            "stack": self.stack_id,
            "endpoint_url": self.emulator.endpoint_url,
            "resources": self.progress.total,
            "seconds": {verb: round(seconds, 1) for verb, seconds in self.seconds.items()},
            "outputs": self.outputs,
            "answers": self.address(),
            "psql": self.psql(),
            "log": str(self.emulator.log),
            "not_shown": self.runs.get("not_shown", []),
        }

    def troubles(self) -> list[str]:
        """What ECS says of services that it cannot run, the newest first; nothing without tasks."""
        if not self.emulator.data_plane():
            return []
        ecs = self.emulator.session(self.config.region).client("ecs")
        return [
            event["message"]
            for cluster in ecs.list_clusters()["clusterArns"]
            for arn in ecs.list_services(cluster=cluster)["serviceArns"]
            for service in ecs.describe_services(cluster=cluster, services=[arn])["services"]
            for event in service["events"]
            if TROUBLE.search(event["message"])
        ][:TROUBLES_SHOWN]

    def address(self) -> str | None:
        """Where the load balancer answers on this machine; None where nothing runs."""
        for ports in self.runs.get("load_balancers", {}).values():
            for port, ours in sorted(ports.items(), key=lambda each: int(each[0]), reverse=True):
                return f"{'https' if port == '443' else 'http'}://{HOST}:{ours}"
        return None

    def psql(self) -> str | None:
        """A line to paste; None where no database runs."""
        for address, server in self.runs.get("databases", {}).items():
            if server:
                return (
                    f"PGPASSFILE={server['passfile']} psql 'host={address} hostaddr={HOST}"
                    f" port={server['port']} user={server['user']} dbname={server['database']}"
                    f" sslmode=verify-full sslrootcert={server['ca']}'"
                )
        return None


class Sandbox:
    """A context manager: emulators started and stacks synthesized on entry, all gone on exit."""

    def __init__(
        self, environ: Mapping[str, str], *, port: int = 0, data_plane: bool = True
    ) -> None:
        environ = {**environ, "STATE_BACKEND": "local"}
        self._settings, self._selected = select(environ)
        self._environ = cli_environ(environ) | {"CHECKPOINT_DISABLE": "1", "NO_COLOR": "1"}
        self._port = port
        self._data_plane = data_plane
        self._exits = ExitStack()
        self.provider = _tools(self._environ)
        self.sites: dict[str, Site] = {}

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            watched = exits.enter_context(Watched(self._environ))
            self._environ |= watched.environ
            for number, config in enumerate(self._selected):
                self.sites[config.name] = self._site(exits, watched.folder, number, config)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _site(self, exits: ExitStack, folder: Path, number: int, config: EnvironmentConfig) -> Site:
        """Start an emulator, and synthesize the stack for it."""
        folder = folder / config.name
        folder.mkdir()
        (stack_id,) = stack_ids(self._settings, [config])
        port = self._port + number if self._port else 0
        emulator = exits.enter_context(
            Emulator(
                folder / "emulator.log",
                self._environ,
                port=port,
                account_id=config.account_id,
                certificate_arn=config.load_balancer.certificate_arn,
                data_plane=folder / "data-plane" if self._data_plane else None,
            )
        )
        site = Site(config, stack_id, folder, emulator, Progress(config.name))
        self.synth(site)
        return site

    def synth(self, site: Site, app: str | None = None) -> None:
        """Write the site's stack anew, by the CLI; ``app`` in place of ``tap.py`` is for tests."""
        environ = {**self.environ(site), "ENVIRONMENT": site.name}
        command = [CDKTF, "synth", "--output", site.folder / "cdktf.out"]
        command += ["--app", app] if app else []
        _run_quietly("cdktf synth", command, environ)
        write_override(site.stack_folder, self.provider.version)
        if not self.provider.mirror:
            _install_provider(site.stack_folder, environ)
        document = json.loads((site.stack_folder / "cdk.tf.json").read_text(encoding="utf-8"))
        site.progress.total = sum(len(entries) for entries in document["resource"].values())

    def environ(self, site: Site) -> dict[str, str]:
        """What a program needs to work on a site."""
        ours = site.emulator.environ(site.config.region)
        # Terraform spends a fifth of its time on collecting garbage: there is memory for less.
        ours.setdefault("GOGC", "400")
        if mirror := self.provider.mirror:
            ours["TF_CLI_CONFIG_FILE"] = str(mirror.write_cli_config(site.folder))
            ours[NO_CACHE] = "1"
        return ours

    def exports(self, site: Site) -> dict[str, str]:
        """What a shell needs to work on a site, as an environment that is deployed."""
        needed = {
            name: value
            for name, value in self.environ(site).items()
            if name.startswith("AWS_") or name in EXPORTED
        }
        return needed | {
            "ENVIRONMENT": site.name,
            "ENVIRONMENT_SUFFIX": self._settings.environment_suffix,
            "STATE_BACKEND": "local",
        }

    def cli(self, verb: str, *arguments: str, tick: Any = lambda: None) -> int:
        """Run the CLI for all sites, side by side; the first exit code that isn't 0, or 0."""
        approve = ["--auto-approve"] if verb in ("deploy", "destroy") else []

        def command(site: Site, log: IO[str]) -> Command:
            out = ["--output", site.folder / "cdktf.out"]
            words = [CDKTF, verb, site.stack_id, *QUIET, *out, *approve, *arguments]
            return Command(words, self.environ(site), log, subprocess.DEVNULL)

        def watch() -> None:
            for site in self.sites.values():
                site.progress.read(site.log)
            tick()
            self.check_emulators()

        started = time.monotonic()
        with ExitStack() as logs:
            commands = []
            for site in self.sites.values():
                site.progress.start()
                log = logs.enter_context(site.log.open("w", encoding="utf-8"))
                commands.append(command(site, log))
            codes = graceful.run(*commands, tick=watch)
        watch()
        for site in self.sites.values():
            site.seconds[verb] = time.monotonic() - started
        return next((code for code in codes if code), 0)

    def read_outputs(self) -> None:
        """Ask ``cdktf output`` for each site's outputs."""
        for site in self.sites.values():
            file = site.folder / "outputs.json"
            command = [CDKTF, "output", site.stack_id, *QUIET, "--outputs-file", file]
            _run_quietly(
                "cdktf output",
                [*command, "--output", site.folder / "cdktf.out"],
                graceful.terraform_environ(self.environ(site), site.folder),
            )
            site.outputs = json.loads(file.read_text(encoding="utf-8"))[site.stack_id]

    def wait_for_answers(self, *, tick: Any = lambda: None) -> None:
        """Wait until each site's targets are healthy: Terraform goes on when its tasks run."""
        deadline = time.monotonic() + ANSWER_SECONDS
        for site in self.sites.values():
            site.runs = site.emulator.data_plane()
            while not site.healthy() and time.monotonic() < deadline:
                tick()
                self.check_emulators()
                time.sleep(graceful.POLL_SECONDS)

    def check_emulators(self) -> None:
        """Raise ``TapError`` for one that ended: Terraform would ask it for minutes."""
        for site in self.sites.values():
            if not site.emulator.alive():
                raise TapError(
                    f"the emulator of {site.name} ended in the middle of it",
                    hint="start again; the system's log says whether it was short of memory",
                )

    def failures(self) -> Iterator[str]:
        """What a person needs to know after a failed step."""
        for site in self.sites.values():
            for call in dict.fromkeys(map(str, site.emulator.errors())):
                yield f"sandbox: {site.name}: the emulator could not answer {call}"
            yield from (f"sandbox: {site.name}: {line}" for line in site.progress.errors())
            yield from (f"sandbox: {site.name}: ECS: {line}" for line in site.troubles())


def _tools(environ: Mapping[str, str]) -> SandboxProvider:
    """The provider, and where it comes from. Raises ``TapError`` where a tool is missing."""
    terraform = environ.get("TERRAFORM_BINARY_NAME", "terraform")
    for tool, fix in (
        (terraform, "install Terraform 1.11 or newer"),
        ("node", "install Node 20 or newer"),
        (str(CDKTF), "run make setup"),
    ):
        if shutil.which(tool, path=environ.get("PATH")) is None:
            raise TapError(f"there is no {tool}", hint=fix)
    return sandbox_provider(environ)


def _install_provider(folder: Path, environ: Mapping[str, str]) -> None:
    """Get the provider from the registry into the cache that the CLI uses.

    By one Terraform at a time: the cache isn't made for more.
    """
    home = environ.get("HOME") or tempfile.gettempdir()
    cache = Path(home, ".terraform.d", "plugin-cache")
    cache.mkdir(parents=True, exist_ok=True)
    terraform = environ.get("TERRAFORM_BINARY_NAME", "terraform")
    _run_quietly(
        "getting the AWS provider",
        [terraform, f"-chdir={folder}", "init", "-backend=false", "-no-color"],
        {**environ, "TF_PLUGIN_CACHE_DIR": str(cache)},
        hint="reach a registry, or name a folder that holds it: TF_PROVIDER_MIRROR=...",
    )


def _run_quietly(
    what: str,
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    hint: str = "see above",
) -> None:
    """Run a program of seconds, whose output matters only in the ``TapError`` when it fails.

    An interrupt ends it together with what it started, before the folder that it works in goes.
    """
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise TapError(f"{what} failed:\n{output.strip()}\n", hint=hint)
