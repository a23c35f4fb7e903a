"""Makes a PostgreSQL server of each RDS instance, and keeps it as the API says.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status
"""

import json
import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.rds.models import DBInstance, rds_backends

from lib.errors import TapError
from ops.emulator.dataplane.account import Account
from ops.emulator.dataplane.network import End
from ops.emulator.dataplane.postgresql import Server, Settings, fetched
from ops.emulator.dataplane.postgresql.server import HOST
from ops.emulator.dataplane.running import Work

CONNECT_SECONDS = 10


@dataclass(slots=True)
class Database:
    """An instance, and the server in its place."""

    instance: DBInstance
    end: End
    folder: Path
    settings: Settings
    server: Server | None = None
    busy: Future[Any] | None = None
    during: str = ""  # the status until that is through
    then: str = ""  # the status once it is
    missing: str = ""  # why there is no server
    pending: bool = False  # whether a parameter waits for a reboot

    def connect(self) -> socket.socket:
        """A connection to it. Raises ``OSError`` where it is stopped."""
        if not self.server or not self.server.alive():
            raise ConnectionRefusedError("the database is stopped")
        return socket.create_connection((HOST, self.server.port), CONNECT_SECONDS)


class Databases:
    """All of them. ``reconcile`` is called with the emulator's lock held."""

    def __init__(
        self, account: Account, folder: Path, work: Work, fetch: Callable[[str], Path] = fetched
    ) -> None:
        self._account = account
        self._folder = folder
        self._work = work
        self._fetch = fetch
        self.known: dict[str, Database] = {}

    def reconcile(self) -> None:
        """Start, change and stop what isn't as the API says."""
        there = {
            instance.dbi_resource_id: instance
            for backend in self._account.backends(rds_backends)
            for instance in backend.databases.values()
            if instance.engine == "postgres"
        }
        for id_ in self.known.keys() - there.keys():
            self._gone(self.known.pop(id_))
        for id_, instance in there.items():
            if id_ not in self.known:
                self.known[id_] = self._made(id_, instance)
            self._keep(self.known[id_])

    def _made(self, id_: str, instance: DBInstance) -> Database:
        subnet = instance.db_subnet_group._subnets[0].id  # pylint: disable=protected-access
        taken = [each.end.address for each in self.known.values()]
        end = End(
            self._account.free_address(subnet, taken),
            subnet,
            frozenset(instance.vpc_security_group_ids),
        )
        made = Database(instance, end, self._folder / id_[-8:].lower(), _settings(instance))
        self._begin(made, "creating", "available", self._create, made)
        return made

    def _create(self, database: Database) -> None:
        major = str(database.instance.engine_version).partition(".")[0]
        database.server = Server(self._fetch(major), database.folder)
        database.server.create(database.settings)

    def _begin(
        self, database: Database, status: str, then: str, step: Callable[..., Any], *words: Any
    ) -> None:
        database.instance.status = database.during = status
        database.then = then
        database.busy = self._work.do(self._done, database, step, *words)

    @staticmethod
    def _done(database: Database, step: Callable[..., Any], *words: Any) -> None:
        step(*words)
        server = database.server
        database.pending = server is not None and server.alive() and server.pending()

    def _keep(self, database: Database) -> None:
        instance = database.instance
        database.end = End(
            database.end.address, database.end.subnet, frozenset(instance.vpc_security_group_ids)
        )
        if database.busy:
            if not database.busy.done():
                return
            error, database.busy = database.busy.exception(), None
            if instance.status == database.during:  # and no call has asked for another since
                instance.status = database.then
            if error:
                database.missing = "; ".join(error.lines()) if isinstance(error, TapError) else ""
                database.missing = database.missing or f"{type(error).__name__}: {error}"
        server = database.server
        if database.missing or not server:
            instance.status = {
                "rebooting": "available",
                "stopping": "stopped",
                "starting": "available",
            }.get(instance.status, instance.status)
            return
        wanted = _settings(instance)
        if instance.status == "stopping":
            self._begin(database, "stopping", "stopped", server.stop)
        elif instance.status == "starting":
            self._begin(database, "starting", "available", server.start, wanted)
        elif instance.status == "rebooting":
            self._begin(database, "rebooting", "available", self._reboot, server, wanted)
        elif instance.status == "available" and wanted != database.settings:
            # RDS too changes these without another word of its status.
            self._begin(database, "available", "available", server.change, wanted)
        elif instance.status == "available" and not server.alive():
            self._begin(database, "rebooting", "available", server.start, wanted)
        else:
            return
        database.settings = wanted

    @staticmethod
    def _reboot(server: Server, wanted: Settings) -> None:
        server.stop()
        server.start(wanted)

    def _gone(self, database: Database) -> None:
        if database.server:
            self._work.do(database.server.stop)

    def stop(self) -> None:
        """Stop all of them."""
        for database in self.known.values():
            if database.server:
                database.server.stop()


def _settings(instance: DBInstance) -> Settings:
    return Settings(
        username=str(instance.master_username),
        password=_password(instance),
        database=instance.db_name or "postgres",
        address=instance.address,
        parameters={
            name: str(parameter.get("ParameterValue", ""))
            for group in instance.db_parameter_groups()
            for name, parameter in group.parameters.items()
            if "ParameterValue" in parameter
        },
    )


def _password(instance: DBInstance) -> str:
    if not instance.manage_master_user_password:
        return instance.master_user_password or ""
    secret = instance.master_user_secret
    held = secret.secretsmanager.get_secret_value(
        secret_id=secret.secret.arn, version_id="", version_stage="AWSCURRENT"
    )
    return json.loads(held["SecretString"])["password"]
