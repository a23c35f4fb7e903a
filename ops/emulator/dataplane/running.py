"""One task while it is there: its program, its ways to others, its targets.

What blocks (starting, stopping) runs in the data plane's own threads; the reconciler looks at what
has come of it.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from ops.emulator.dataplane import relay
from ops.emulator.dataplane.balancer import Target
from ops.emulator.dataplane.network import End
from ops.emulator.dataplane.pods import Pod, Program

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
CREDENTIALS = "169.254.170.2"
STOP_SECONDS = 30  # a container's stopTimeout, where it says nothing


@dataclass(frozen=True, slots=True)
class Way:
    """Somewhere that a task may ask: an address and port in its network, and what leads there.

    ``refused`` says why not, at the moment; ``connect`` makes the connection.
    """

    address: str
    port: int
    refused: Callable[[], str | None]
    connect: Callable[[], socket.socket]


@dataclass(slots=True)
class Running:
    """A task that is more than a record. ``pod`` is None for one that can only be pretended."""

    end: End
    stop_seconds: float = STOP_SECONDS
    pod: Pod | None = None
    starting: Future[None] | None = None
    stopping: Future[None] | None = None
    targets: list[Target] = field(default_factory=list)
    was_healthy: bool = False
    pretended: str = ""  # why it isn't shown
    listeners: list[socket.socket] = field(default_factory=list)

    def start(self, program: Program, ways: Sequence[Way], credentials: Mapping[str, Any]) -> None:
        """Start the program, with the ways open. Raises ``TapError``, ``OSError``."""
        addresses = [*program.addresses, *(way.address for way in ways), CREDENTIALS]
        unique = tuple(dict.fromkeys(each for each in addresses if not each.startswith("127.")))
        self.pod = Pod(
            Program(
                program.command,
                program.environment,
                program.user,
                program.read_only,
                unique,
                program.hosts,
            )
        )
        for way in ways:
            self._listen(way.address, way.port, _through(way))
        self._listen(CREDENTIALS, 80, _answering(credentials))
        self.pod.start()

    def _listen(self, address: str, port: int, handle: Callable[[socket.socket], None]) -> None:
        assert self.pod  # nosec B101  # set by start
        listener = self.pod.listen(address, port)
        self.listeners.append(listener)
        relay.serve(listener, f"from {self.end.address}", handle)

    def stop(self) -> None:
        """Stop the program, with the time that it has for that."""
        if self.pod:
            self.pod.stop(self.stop_seconds)
        self.close()

    def kill(self) -> None:
        """End it at once."""
        if self.pod:
            self.pod.kill()
        self.close()

    def close(self) -> None:
        """Take nothing from it any more."""
        for listener in self.listeners:
            # Closing alone leaves a thread in accept().
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        self.listeners.clear()


def _through(way: Way) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        if way.refused():
            relay.hang(connection)
            return
        try:
            other = way.connect()
        except OSError:
            connection.close()
            return
        relay.join(connection, other)

    return handle


def _answering(credentials: Mapping[str, Any]) -> Callable[[socket.socket], None]:
    """The endpoint that a task's credentials come from, and nobody else's."""

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:  # pylint: disable=invalid-name
            """Answer it."""
            found = credentials.get(self.path)
            body = json.dumps(found or {"message": "no credentials for this task"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
            """Say nothing."""

    def handle(connection: socket.socket) -> None:
        with connection:
            Handler(connection, ("task", 0), None)  # type: ignore[arg-type]  # it asks no server

    return handle


class Work:
    """Threads that live as long as the data plane: Linux ends a program with the thread that
    started it."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="data-plane")

    def do(self, step: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do it as soon as a thread is free."""
        return self._pool.submit(step, *arguments)

    @staticmethod
    def aside(step: Callable[..., Any], *arguments: Any) -> None:
        """Do what starts no program in a thread of its own."""
        threading.Thread(target=step, args=arguments, daemon=True).start()

    def close(self) -> None:
        """Wait for what is being done, and leave the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
