"""The first process of a task: what ECS's init process, network and file system are on Fargate.

Run as ``python -I pod.py FD``, with nothing but the standard library. The task gets a network, a
process and a mount namespace of its own, so that it has the addresses that the API says, whatever
port its program wants, and reaches nothing but what the data plane hands it. ``FD`` is a socket to
the data plane: a request is a line of JSON, answered by one, with a socket of the task's network
where there is one. When the other end closes, everything in here ends, whatever killed it.

https://man7.org/linux/man-pages/man7/namespaces.7.html
"""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    *(1, 2, 4, 32, 4096, 16384, 1 << 18),
)
PR_SET_PDEATHSIG = 1
# https://man7.org/linux/man-pages/man7/netdevice.7.html
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCADDRT, TUNSETIFF = (
    *(0x8914, 0x8916, 0x891C, 0x890B, 0x400454CA),
)
IFF_UP, IFF_RUNNING, IFF_TUN, IFF_NO_PI = 0x1, 0x40, 0x1, 0x1000
RTF_UP = 0x1
NOWHERE = "tap0"  # the interface whose packets nobody takes
CONNECT_SECONDS = 5
KILLED = 128 + signal.SIGKILL
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Make the namespaces, and wait in front of them."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    spec = json.loads(_line(channel))
    _die_with_parent()
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if uid:
        # Root in a user namespace may do the rest; what it maps is one user, the task's.
        _call("unshare", flags | CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{spec['uid']} {uid} 1")
        _write("/proc/self/gid_map", f"{spec['gid']} {gid} 1")
    else:
        _call("unshare", flags)
    first = os.fork()
    if not first:
        _die_with_parent()
        os._exit(_first(channel, spec, root=not uid))
    channel.close()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(first, 0)
    sys.exit(_code(status))


def _first(channel: socket.socket, spec: dict, *, root: bool) -> int:
    """As process 1: set up, start the program when told to, serve until it ends; its exit code."""
    address = spec["addresses"][0]
    try:
        _network(spec["addresses"])
        _files(spec)
        _answer(channel, {})
        while "start" not in (request := json.loads(_line(channel) or '{"start": 0}')):
            _heed(channel, request, 0, address)
        program = _start(spec, root=root)
    except OSError as error:
        _answer(channel, {"error": f"{error.strerror}: {error.filename or ''}".rstrip(": ")})
        return KILLED
    _answer(channel, {"pid": program})
    return _serve(channel, program, address)


def _network(addresses: list[str]) -> None:
    """Addresses on the loopback interface; everything else leads to where nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _flags(sock, "lo")
        for number, address in enumerate(addresses):
            _address(sock, f"lo:{number}", address)
        # Where a user may have no such device, what leads nowhere fails at once instead of hanging.
        with contextlib.suppress(OSError):
            device = os.open("/dev/net/tun", os.O_RDWR)  # open, and never read
            request = struct.pack("16sH22x", NOWHERE.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(device, TUNSETIFF, request)
            _address(sock, NOWHERE, addresses[0])
            _flags(sock, NOWHERE)
            # struct rtentry: destination and mask 0.0.0.0, by this device.
            name = ctypes.create_string_buffer(NOWHERE.encode())
            anywhere = _sockaddr("0.0.0.0")  # nosec B104  # a route's destination, nothing listens
            route = struct.pack(
                "L16s16s16sHhLPhPLLH6x",
                *(0, anywhere, anywhere, anywhere, RTF_UP, 0, 0, 0, 0, ctypes.addressof(name)),
                *(0, 0, 0),
            )
            fcntl.ioctl(sock, SIOCADDRT, route)


def _sockaddr(address: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def _address(sock: socket.socket, interface: str, address: str) -> None:
    for request, text in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
        fcntl.ioctl(sock, request, struct.pack("16s16s8x", interface.encode(), _sockaddr(text)))


def _flags(sock: socket.socket, interface: str) -> None:
    fcntl.ioctl(
        sock, SIOCSIFFLAGS, struct.pack("16sH22x", interface.encode(), IFF_UP | IFF_RUNNING)
    )


def _files(spec: dict) -> None:
    """A /proc of its own, names as the VPC resolves them, nothing of the person's own folders, and
    a root that is read only if asked."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    for file, source in spec["files"].items():
        if os.path.exists(file):
            _mount(source, os.path.realpath(file), None, MS_BIND)
    for folder in spec["hidden"]:
        if os.path.isdir(folder):
            _hide(folder, spec["needs"], MS_RDONLY if spec["read_only"] else 0)
    if spec["read_only"]:
        _mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def _hide(folder: str, needs: list[str], flags: int) -> None:
    """An empty folder in the place of this one, in which only what the program needs remains."""
    kept = {
        path: os.open(path, os.O_PATH)
        for path in needs
        if path.startswith(f"{folder.rstrip('/')}/")
    }
    mode = "mode=755" if flags else "mode=1777"
    _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, mode)
    for path, descriptor in kept.items():
        os.makedirs(path, 0o755, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)
        os.close(descriptor)
    if flags:
        _mount(None, folder, None, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | flags)


def _start(spec: dict, *, root: bool) -> int:  # pylint: disable=inconsistent-return-statements
    """Fork the program; returns its id once it runs. Raises ``OSError`` where it cannot."""
    failed, fails = os.pipe()
    program = os.fork()
    if program:
        os.close(fails)
        with os.fdopen(failed, "rb") as file:
            answer = file.read()
        if answer:
            number, name = json.loads(answer)
            raise OSError(number, os.strerror(number), name)
        return program
    try:
        os.setsid()
        os.chdir("/")
        if root:
            os.setgroups([])
            os.setgid(spec["gid"])
            os.setuid(spec["uid"])
        _call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        # A task is a program with arguments, run without a shell.
        os.execve(  # nosec B606
            spec["program"], spec["command"], spec["environment"]
        )
    except OSError as error:
        os.write(fails, json.dumps([error.errno, spec["program"]]).encode())
    finally:
        os._exit(127)


def _serve(channel: socket.socket, program: int, address: str) -> int:
    """Answer the data plane, and reap, until the program ends or the data plane does."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    selector.register(wake, selectors.EVENT_READ)
    while True:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == program:
                    return _code(ended[1])
        for key, _ in selector.select():
            if key.fileobj is channel:
                if not (line := _line(channel)):
                    return KILLED
                _heed(channel, json.loads(line), program, address)
            else:
                os.read(wake, 512)


def _heed(channel: socket.socket, request: dict, program: int, address: str) -> None:
    """Do what a request asks for."""
    answer: dict = {}
    sock = None
    try:
        if "signal" in request and program:
            os.kill(program, request["signal"])
        elif "listen" in request:
            sock = socket.create_server(tuple(request["listen"]), backlog=128)
        elif "connect" in request:
            sock = socket.create_connection((address, request["connect"]), CONNECT_SECONDS)
            sock.setblocking(True)
    except OSError as error:
        answer = {"error": str(error), "errno": error.errno}
    _answer(channel, answer, sock)
    if sock:
        sock.close()


def _line(channel: socket.socket) -> bytes:
    """A line; empty at the end."""
    line = b""
    while not line.endswith(b"\n"):
        part = channel.recv(65536)
        if not part:
            return b""
        line += part
    return line


def _answer(channel: socket.socket, answer: dict, sock: socket.socket | None = None) -> None:
    fds = array.array("i", [sock.fileno()] if sock else [])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if sock else []
    with contextlib.suppress(OSError):
        channel.sendmsg([json.dumps(answer).encode() + b"\n"], rights)


def _code(status: int) -> int:
    """An exit code as containers have it: 137 for one that was killed."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _die_with_parent() -> None:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _mount(
    source: str | None, target: str, type_: str | None, flags: int, options: str = ""
) -> None:
    encoded = [text.encode() if text else None for text in (source, target, type_)]
    _call("mount", *encoded, ctypes.c_ulong(flags), options.encode() or None, about=target)


def _call(name: str, *arguments: object, about: str = "") -> None:
    if getattr(LIBC, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about or name)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
