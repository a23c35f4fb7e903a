"""A task's program in namespaces of its own: starts ``pod.py``, and talks to it."""

import array
import collections
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.emulator.dataplane.children import NOBODY, noted

POD = Path(__file__).with_name("pod.py")
LINES_KEPT = 10_000  # that were not fetched yet
ANSWER_SECONDS = 20
END_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``addresses`` are the task's own, its first, and those that it may ask."""

    command: Sequence[str]
    environment: Mapping[str, str]
    user: str
    read_only: bool
    addresses: Sequence[str]
    hosts: Path


class Pod:
    """A program's namespaces, and the way into its network."""

    def __init__(self, program: Program) -> None:
        """Make them; ``start`` runs the program. Raises ``TapError`` where that cannot be."""
        uid, gid = _ids(program.user)
        ours, theirs = socket.socketpair()
        ours.settimeout(ANSWER_SECONDS)
        self._channel = ours
        self._asking = threading.Lock()
        self.lines: collections.deque[tuple[int, str]] = collections.deque(maxlen=LINES_KEPT)
        with theirs:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                [sys.executable, "-I", POD, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PATH": os.defpath},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._note = noted(program.hosts.parent, self._process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        path = program.environment["PATH"]
        found = shutil.which(program.command[0], path=path) or program.command[0]
        self._must(
            {
                "program": found,
                "command": [*program.command],
                "environment": {**program.environment},
                "uid": uid,
                "gid": gid,
                "read_only": program.read_only,
                "addresses": [*program.addresses],
                "files": {"/etc/hosts": str(program.hosts), "/etc/resolv.conf": os.devnull},
                "hidden": _hidden(),
                "needs": _needs(found),
            }
        )

    def start(self) -> None:
        """Run the program. Raises ``TapError`` where it cannot run."""
        self._must({"start": True})

    def _must(self, request: Mapping[str, Any]) -> None:
        answer = self._ask(request)[0]
        if "error" in answer:
            self.kill()
            raise TapError(answer["error"], hint="see the task's command and its user")

    @property
    def pid(self) -> int:
        """The process that all of it ends with."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Its program's; None while that runs."""
        return self._process.poll()

    def connect(self, port: int) -> socket.socket:
        """A connection to a port of it. Raises ``OSError`` where nothing listens."""
        answer, sock = self._ask({"connect": port})
        if sock is None:
            raise ConnectionRefusedError(answer.get("errno", 0), answer.get("error", "no answer"))
        return sock

    def listen(self, address: str, port: int) -> socket.socket:
        """A socket that accepts what the program sends to an address."""
        answer, sock = self._ask({"listen": [address, port]})
        if sock is None:
            raise OSError(answer.get("errno", 0), answer.get("error", "no answer"))
        return sock

    def stop(self, seconds: float) -> None:
        """Ask it to end, as ECS does, and end it when it hasn't after ``seconds``."""
        self._ask({"signal": int(signal.SIGTERM)})
        deadline = time.monotonic() + seconds
        while self.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.kill()

    def kill(self) -> None:
        """End it and all that it started."""
        # At the end of this socket the pod's first process ends, and takes the others along.
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_SECONDS)
        self._note.unlink(missing_ok=True)

    def _ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], socket.socket | None]:
        with self._asking, contextlib.suppress(OSError, ValueError):
            self._channel.sendall(json.dumps(request).encode() + b"\n")
            line, sockets = b"", array.array("i")
            while not line.endswith(b"\n"):
                part, rights, _, _ = self._channel.recvmsg(65536, socket.CMSG_SPACE(4))
                if not part:
                    break
                line += part
                for _, _, data in rights:
                    sockets.frombytes(data)
            if line:
                return json.loads(line), socket.socket(fileno=sockets[0]) if sockets else None
        return {"error": "it has ended", "errno": 0}, None

    def _read(self) -> None:
        """Note each line that it writes, with the time in milliseconds."""
        assert self._process.stdout  # nosec B101  # a pipe
        with self._process.stdout as output:
            for line in output:
                text = line.decode(errors="replace").rstrip("\n")
                self.lines.append((int(time.time() * 1000), text))


@cache
def no_namespaces() -> str | None:
    """Why tasks cannot run on this machine; None where they can."""
    if sys.platform != "linux":
        return "tasks need Linux's namespaces, or a container engine"
    try:
        with tempfile.TemporaryDirectory(prefix="tap-") as folder:
            hosts = Path(folder, "hosts")
            hosts.touch()
            pod = Pod(Program(["true"], {"PATH": os.defpath}, "", True, ["127.0.0.2"], hosts))
            pod.start()
            pod.kill()
    except TapError as error:
        return (
            f"tasks need namespaces, and this machine gives none: {error} (run it as root, or "
            "allow them: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    return None


def _ids(user: str) -> tuple[int, int]:
    """The numbers of a container's ``user``: a name or number, with or without a group."""
    name, _, group = (user or "0").partition(":")
    if not os.geteuid() and name in ("0", "root"):
        name = str(NOBODY)  # root in a container isn't root outside: here it would be
    if name.isdecimal():
        uid = gid = int(name)
    else:
        try:
            entry = pwd.getpwnam(name)
        except KeyError as error:
            raise TapError(f"unable to find user {name}", hint="give its number") from error
        uid, gid = entry.pw_uid, entry.pw_gid
    return uid, int(group) if group.isdecimal() else gid


def _hidden() -> list[str]:
    """What a container wouldn't have of this machine: the person's own, and what others left."""
    home = pwd.getpwuid(os.geteuid()).pw_dir
    folders = {home, os.environ.get("HOME", home), "/tmp"}  # nosec B108  # to be hidden
    return sorted(folders - {"/"})


def _needs(program: str) -> list[str]:
    """What of it the program needs nevertheless: itself, and Python with its packages."""
    folders = {sys.prefix, sys.base_prefix, str(Path(program).parent)}
    return sorted(path for path in folders if path not in (*_hidden(), "/"))
