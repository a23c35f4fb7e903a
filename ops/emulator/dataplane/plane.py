"""The reconciler: compares what the API holds with what runs, and makes it so, again and again."""

import contextlib
import json
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from moto.elbv2.models import elbv2_backends

from ops.emulator.dataplane import network, patches
from ops.emulator.dataplane.account import Account
from ops.emulator.dataplane.balancer import Balancing, Front, Listener
from ops.emulator.dataplane.ecs import Tasks
from ops.emulator.dataplane.network import End
from ops.emulator.dataplane.rds import Database, Databases
from ops.emulator.dataplane.running import Work

TICK_SECONDS = 0.2
THREADS = 12
IDLE_SECONDS = "60"  # a load balancer's timeout, where it says nothing


class DataPlane:
    """Runs what one emulated account says. ``lock`` is the one that its calls hold."""

    def __init__(
        self,
        folder: Path,
        *,
        account_id: str,
        lock: AbstractContextManager[Any],
        endpoint: str,
        replace: Callable[[Any, str, Any], None] = setattr,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the server's user has to come through
        self._lock = lock
        self._ended = threading.Event()
        self._work = Work(THREADS)
        self._account = Account(account_id)
        self._balancing = Balancing()
        self._listeners: dict[str, Listener] = {}
        self._turns: dict[str, int] = {}
        self._databases = Databases(self._account, folder, self._work)
        self._tasks = Tasks(
            self._account,
            folder,
            self._work,
            self._balancing,
            locked=lambda: lock,
            databases=lambda: list(self._databases.known.values()),
            endpoint=endpoint,
        )
        self._folder = folder
        self._thread = threading.Thread(target=self._loop, name="data-plane", daemon=True)
        patches.apply_all(replace, self._balancing, self._account, self._pending)

    def start(self) -> None:
        """Begin to make it so."""
        self._thread.start()

    def stop(self) -> None:
        """End all that runs."""
        self._ended.set()
        if self._thread.ident:
            self._thread.join()
        for listener in self._listeners.values():
            listener.close()
        self._tasks.stop()
        self._databases.stop()
        self._work.close()
        # What was being started in the meantime.
        self._tasks.stop()
        self._databases.stop()

    def describe(self) -> dict[str, Any]:
        """Where what runs can be reached, and what isn't shown, and why."""
        with self._lock:
            return {
                "load_balancers": {
                    balancer.dns_name: {
                        str(listener.port): self._listeners[listener.arn].port
                        for listener in balancer.listeners.values()
                        if listener.arn in self._listeners
                    }
                    for backend in self._account.backends(elbv2_backends)
                    for balancer in backend.load_balancers.values()
                },
                "databases": {
                    each.instance.address: self._database(each)
                    for each in self._databases.known.values()
                },
                "tasks": {
                    arn: {"pid": running.pod.pid, "address": running.end.address}
                    for arn, running in self._tasks.running.items()
                    if running.pod
                },
                "runs_tasks": not self._tasks.not_shown,
                "starting": self._balancing.starting(),
                "not_shown": sorted(
                    self._tasks.not_shown
                    | {each.missing for each in self._databases.known.values() if each.missing}
                ),
            }

    def _database(self, database: Database) -> dict[str, Any]:
        server, settings = database.server, database.settings
        if not server or database.missing or not server.port:
            return {}
        return {
            "port": server.port,
            "pid": server.pid,
            "log": str(server.log),
            "ca": str(server.authority),
            "passfile": str(self._folder / f"{database.folder.name}.pgpass"),
            "user": settings.username,
            "database": settings.database,
        }

    def _pending(self, resource_id: str) -> bool:
        known = self._databases.known.get(resource_id)
        return known is not None and known.pending

    def _loop(self) -> None:
        told: set[str] = set()
        while not self._ended.wait(TICK_SECONDS):
            with self._lock:
                for step in (self._databases.reconcile, self._listen, self._tasks.reconcile):
                    try:
                        step()
                    except Exception:  # pylint: disable=broad-exception-caught
                        # What fails now may work in the next round; once is enough to be told.
                        said = traceback.format_exc()
                        if said not in told:
                            told.add(said)
                            _tell(said)
                self._write_passwords()

    def _write_passwords(self) -> None:
        """A file that libpq takes the master user's password from."""
        for each in self._databases.known.values():
            if not each.server or not each.server.port:
                continue
            file = self._folder / f"{each.folder.name}.pgpass"
            password = each.settings.password.replace("\\", "\\\\").replace(":", "\\:")
            text = f"*:{each.server.port}:*:{each.settings.username}:{password}\n"
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.touch(mode=0o600)
                file.write_text(text, encoding="utf-8")

    def _listen(self) -> None:
        """Open and close listeners as the load balancers have them."""
        fronts = {
            listener.arn: (balancer, self._front(balancer, listener))
            for backend in self._account.backends(elbv2_backends)
            for balancer in backend.load_balancers.values()
            for listener in balancer.listeners.values()
            if listener.protocol in ("HTTP", "HTTPS")
        }
        for arn, listener in list(self._listeners.items()):
            if arn not in fronts or fronts[arn][1] != listener.front:
                del self._listeners[arn]
                self._work.aside(listener.close)
        for arn, (balancer, front) in fronts.items():
            if arn not in self._listeners:
                self._listeners[arn] = Listener(
                    front, self._balancing, self._refused(balancer, front.port)
                )

    def _front(self, balancer: Any, listener: Any) -> Front:
        certificate = listener.certificates[0] if listener.certificates else None
        arn = certificate["certificate_arn"] if isinstance(certificate, dict) else certificate
        idle = balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_SECONDS)
        return Front(
            int(listener.port),
            listener.protocol,
            _plain(listener.default_actions[0].data),
            self._account.certificate(arn) if arn else None,
            float(idle),
        )

    def _refused(self, balancer: Any, port: int) -> Callable[[], str | None]:
        """Whether who is outside gets in to the load balancer's node whose turn it is."""

        def refused() -> str | None:
            with self._lock:
                turn = self._turns[balancer.arn] = self._turns.get(balancer.arn, -1) + 1
                subnet = balancer.subnets[turn % len(balancer.subnets)]
                address = str(list(subnet.cidr.hosts())[-1])
                end = End(address, subnet.id, frozenset(balancer.security_groups), public=True)
                return network.refused_in(self._account, end, port)

        return refused


def _plain(action: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy, to be compared with what it becomes."""
    return json.loads(json.dumps(action, default=str))


def _tell(text: str) -> None:
    """Into the emulator's log, as a call of nobody's that failed."""
    record = {"service": "data plane", "action": "reconcile", "status": 500, "error": text}
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{json.dumps(record)}\n")
