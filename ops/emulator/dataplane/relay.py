"""Sockets that are joined, and sockets that are left hanging."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

SIZE = 65536


def serve(listener: socket.socket, name: str, handle: Callable[[socket.socket], None]) -> None:
    """Accept in a thread of its own, each connection in another, until the listener is closed."""

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), name=name, daemon=True).start()

    threading.Thread(target=accept, name=name, daemon=True).start()


def join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both ends have had enough; closes both."""
    with one, other, contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while selector.get_map():
            for key, _ in selector.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)  # nosec B101  # what was registered
                data = source.recv(SIZE)
                if data:
                    target.sendall(data)
                else:
                    selector.unregister(source)
                    target.shutdown(socket.SHUT_WR)


def hang(connection: socket.socket) -> None:
    """Answer nothing, as AWS drops what isn't allowed, until the other side gives up."""
    with connection, contextlib.suppress(OSError):
        while connection.recv(SIZE):
            pass
