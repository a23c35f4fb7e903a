"""One PostgreSQL server in the place of an RDS instance.

Made as RDS makes one: ``rdsadmin`` is the superuser and comes in by the socket in the server's own
folder alone, the master user is a member of ``rds_superuser``, passwords are SCRAM's, and without
TLS nobody gets in where ``rds.force_ssl`` says so. It listens on loopback.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appearance.PostgreSQL.CommonDBATasks.Roles.html
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from lib.errors import TapError
from ops.emulator.dataplane import certificates
from ops.emulator.dataplane.children import NOBODY, noted, started_as

ADMIN = "rdsadmin"
HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 10
# What the data plane decides, whatever a parameter group says.
OURS = {"port", "listen_addresses", "unix_socket_directories", "data_directory", "hba_file", "ssl"}
ROLES = ("rds_superuser", "rds_password", "rds_replication", "rds_iam")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance is asked to be."""

    username: str
    password: str
    database: str
    address: str  # the name in its certificate
    parameters: Mapping[str, str]

    @property
    def tls_only(self) -> bool:
        """``rds.force_ssl``, which RDS turns on by itself from PostgreSQL 15 on."""
        return self.parameters.get("rds.force_ssl", "0") == "1"


class Server:
    """Started and stopped by hand. Each method waits until it is done; raises ``TapError``."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[Any] | None = None
        self._settings: Settings | None = None
        self._note = folder
        self.port = 0

    @property
    def log(self) -> Path:
        """What PostgreSQL says."""
        return self._folder / "postgresql.log"

    @property
    def authority(self) -> Path:
        """The certificate to verify it by."""
        return self._folder / "ca.pem"

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid if self._process else 0

    def create(self, settings: Settings) -> None:
        """Make an empty one, and start it."""
        self._folder.mkdir(parents=True)
        self._folder.chmod(0o711)
        self._programs = _readable(self._programs, self._folder)
        self.port = self.port or _free_port()
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        _own(data)
        done = subprocess.run(
            [
                *(self._program("initdb"), "--pgdata", data, "--username", ADMIN, "--no-sync"),
                *("--encoding", "UTF8", "--locale", "C", "--auth", "trust"),
            ],
            env=self._environ(),
            capture_output=True,
            text=True,
            check=False,
            **started_as(),
        )
        if done.returncode:
            raise TapError(f"initdb: {done.stderr.strip()}", hint="see above")
        files = certificates.server(settings.address, HOST, "localhost")
        self.authority.write_bytes(files.authority)
        for name, content in (("server.crt", files.certificate), ("server.key", files.key)):
            file = data / name
            file.touch(mode=0o600)
            file.write_bytes(content)
            _own(file)
        self.start(settings)
        self._make_roles(settings)

    def start(self, settings: Settings) -> None:
        """Start it, as after a stop: what was pending is applied."""
        self._write(settings)
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                [self._program("postgres"), "-D", self._folder / "data"],
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **started_as(signal.SIGQUIT),
            )
        self._process = process
        self._note = noted(self._folder, process.pid)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(InterfaceError, DatabaseError, OSError):
                self._ask("SELECT 1")
                return
            if not self.alive() or time.monotonic() > deadline:
                last = self.log.read_text(encoding="utf-8").strip().splitlines()[-1:]
                self.stop()
                raise TapError(f"PostgreSQL did not start: {''.join(last)}", hint=str(self.log))
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        if not self._process:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.alive():
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)
        self._process.wait()
        self._process = None
        self._note.unlink(missing_ok=True)

    def change(self, settings: Settings) -> None:
        """Make a running one be as asked, but for what takes a restart."""
        before = self._settings
        if before and before.password != settings.password:
            self._ask(f"ALTER ROLE {_name(settings.username)} PASSWORD {_text(settings.password)}")
        self._write(settings)
        self._ask("SELECT pg_reload_conf()")

    def pending(self) -> bool:
        """Whether something waits for a restart."""
        return bool(self._ask("SELECT 1 FROM pg_settings WHERE pending_restart"))

    def _make_roles(self, settings: Settings) -> None:
        user, database = _name(settings.username), _name(settings.database)
        for role in ROLES:
            self._ask(f"CREATE ROLE {role}")
        self._ask("GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION")
        self._ask(
            f"CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {_text(settings.password)}"
        )
        self._ask(f"GRANT rds_superuser TO {user} WITH ADMIN OPTION")
        self._ask(f"CREATE DATABASE {database} OWNER {user}")

    def _ask(self, query: str) -> list[list[object]]:
        sock = str(self._folder / "data" / f".s.PGSQL.{self.port}")
        with contextlib.closing(
            pg8000.native.Connection(ADMIN, database="postgres", unix_sock=sock)
        ) as connection:
            return connection.run(query) or []

    def _write(self, settings: Settings) -> None:
        """Its configuration: who gets in, and the parameters."""
        self._settings = settings
        data = self._folder / "data"
        way_in = "hostssl" if settings.tls_only else "host"
        (data / "pg_hba.conf").write_text(
            f"local all {ADMIN} trust\n{way_in} all all {HOST}/32 scram-sha-256\n", encoding="utf-8"
        )
        ours = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(data),
            "ssl": "on",
            "password_encryption": "scram-sha-256",
            # Nothing of it outlives the emulator.
            "fsync": "off",
            "full_page_writes": "off",
        }
        lines = [
            f"{name} = {_text(value)}"
            for name, value in {**self._known(settings.parameters), **ours}.items()
        ]
        (data / "postgresql.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _known(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Of a parameter group's what PostgreSQL knows: not RDS's own, no formula, no library that
        the package lacks."""
        described = subprocess.run(
            [self._program("postgres"), "--describe-config"],
            env=self._environ(),
            capture_output=True,
            text=True,
            check=True,
            **started_as(),
        ).stdout
        names = {line.partition("\t")[0] for line in described.splitlines()} - OURS
        known = {
            name: value
            for name, value in parameters.items()
            if "{" not in value and (name in names or ("." in name and not name.startswith("rds.")))
        }
        if libraries := known.get("shared_preload_libraries"):
            there = self._programs / "lib" / "postgresql"
            kept = [word for word in libraries.split(",") if (there / f"{word}.so").exists()]
            known["shared_preload_libraries"] = ",".join(kept)
        return known

    def _program(self, name: str) -> Path:
        return self._programs / "bin" / name

    def _environ(self) -> dict[str, str]:
        return {
            "LC_ALL": "C",
            "LD_LIBRARY_PATH": str(self._programs / "lib"),
            "PATH": os.defpath,
            "TZ": "UTC",
        }


def _readable(programs: Path, folder: Path) -> Path:
    """The programs where the server's user can read them: a copy, where the project is closed."""
    if os.geteuid() or all(each.stat().st_mode & 0o005 == 0o005 for each in programs.parents):
        return programs
    return Path(shutil.copytree(programs, folder / "programs", symlinks=True))


def _own(path: Path) -> None:
    if not os.geteuid():
        os.chown(path, NOBODY, NOBODY)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


def _name(text: str) -> str:
    """An identifier, as SQL quotes it."""
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    """A string, as SQL and PostgreSQL's configuration quote it."""
    return "'" + text.replace("'", "''") + "'"
