"""A load balancer's listeners on loopback, and the health of its targets.

Speaks HTTP/1.1 to clients, with TLS where there is a certificate. Leaves out HTTP/2, WebSockets,
rules beside the default action, stickiness and the firewall.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

import contextlib
import http.client
import itertools
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ops.emulator.dataplane.relay import hang

HOST = "127.0.0.1"
CONNECT_SECONDS = 10
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}
HOP_BY_HOP |= {"transfer-encoding", "content-length"}
INITIAL_SECONDS = 1  # between the checks of a target that hasn't answered yet
HEALTHY, INITIAL, UNHEALTHY, DRAINING = "healthy", "initial", "unhealthy", "draining"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A target group's."""

    path: str
    port: int
    interval: float
    timeout: float
    healthy: int
    unhealthy: int
    matcher: str

    def matches(self, status: int) -> bool:
        """Whether an answer is one of a healthy target."""
        for part in self.matcher.split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(slots=True)
class Target:
    """A task in a target group. ``connect`` asks the network first: a refusal hangs."""

    group: str
    address: str
    port: int
    connect: Callable[[int], socket.socket]
    state: str = INITIAL
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    in_flight: int = 0
    draining_since: float = 0
    due: float = 0
    checking: bool = False
    registered: float = field(default_factory=time.monotonic)
    passed: int = 0
    failed: int = 0
    last_failure: float = 0

    def check(self, wanted: HealthCheck) -> None:
        """Ask it once, and note what that says of it."""
        reason = "Target.FailedHealthChecks", "Health checks failed"
        try:
            with contextlib.closing(_Through(self, wanted.port, wanted.timeout)) as connection:
                headers = {"Host": f"{self.address}:{wanted.port}"}
                headers |= {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
                connection.request("GET", wanted.path, headers=headers)
                status = connection.getresponse().status
            passed = wanted.matches(status)
            codes = f"Health checks failed with these codes: [{status}]"
            reason = "Target.ResponseCodeMismatch", codes
        except TimeoutError:
            passed, reason = False, ("Target.Timeout", "Request timed out")
        except (OSError, http.client.HTTPException):
            passed = False
        self._note(wanted, passed, reason)

    def _note(self, wanted: HealthCheck, passed: bool, reason: tuple[str, str]) -> None:
        now = time.monotonic()
        if passed:
            self.passed, self.failed = self.passed + 1, 0
            # A new target needs one answer, one that failed several.
            if self.state == INITIAL or self.passed >= wanted.healthy:
                self._become(HEALTHY)
        elif now - self.last_failure >= wanted.interval * 0.9:
            # While it starts it is asked more often; a failure counts once an interval.
            self.passed, self.failed, self.last_failure = 0, self.failed + 1, now
            if self.failed >= wanted.unhealthy or self.state == UNHEALTHY:
                self._become(UNHEALTHY, *reason)
        pause = INITIAL_SECONDS if self.state == INITIAL else wanted.interval
        self.due = now + min(pause, wanted.interval)

    def _become(self, state: str, reason: str = "", description: str = "") -> None:
        if self.state != DRAINING:
            self.state, self.reason, self.description = state, reason, description

    def drain(self) -> None:
        """Send it nothing new."""
        self.state, self.draining_since = DRAINING, time.monotonic()
        self.reason = "Target.DeregistrationInProgress"
        self.description = "Target deregistration is in progress"


class _Through(http.client.HTTPConnection):
    """HTTP over a connection that the data plane makes."""

    def __init__(self, target: Target, port: int, timeout: float) -> None:
        super().__init__(target.address, port, timeout=timeout)
        self._target = target

    def connect(self) -> None:
        """Into the target's own network."""
        self.sock = self._target.connect(self.port)
        self.sock.settimeout(self.timeout)


class Balancing:
    """Which target of a group is next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: dict[str, list[Target]] = {}
        self._next = itertools.count()

    def add(self, target: Target) -> None:
        """Register one."""
        with self._lock:
            self._targets.setdefault(target.group, []).append(target)

    def remove(self, target: Target) -> None:
        """Forget one."""
        with self._lock:
            self._targets[target.group].remove(target)

    def targets(self, group: str) -> list[Target]:
        """Those of a group."""
        with self._lock:
            return list(self._targets.get(group, ()))

    def starting(self) -> list[str]:
        """The addresses of those that haven't answered yet."""
        with self._lock:
            return [
                each.address
                for targets in self._targets.values()
                for each in targets
                if each.state == INITIAL
            ]

    def drain(self, target: Target) -> None:
        """Send one nothing new: between choosing and counting nobody comes in between."""
        with self._lock:
            target.drain()

    @contextlib.contextmanager
    def chosen(self, group: str) -> Any:
        """A healthy one in turn, counted while it is asked; any where none is healthy; or None."""
        with self._lock:
            there = [each for each in self._targets.get(group, ()) if each.state != DRAINING]
            fit = [each for each in there if each.state == HEALTHY] or there
            target = fit[next(self._next) % len(fit)] if fit else None
            if target:
                target.in_flight += 1
        try:
            yield target
        finally:
            with self._lock:
                if target:
                    target.in_flight -= 1


@dataclass(frozen=True, slots=True)
class Front:
    """What a listener is: its default action in ELB's words, and its certificate."""

    port: int
    protocol: str
    action: Mapping[str, Any]
    certificate: tuple[bytes, bytes] | None
    idle_seconds: float


class Listener:
    """A listener that answers. ``refused`` says why nobody gets in at the moment."""

    def __init__(
        self, front: Front, balancing: Balancing, refused: Callable[[], str | None]
    ) -> None:
        self.front = front
        self._server = _Server((HOST, 0), _handler(front, balancing))
        self._server.refused = refused
        if front.certificate:
            self._server.context = _context(*front.certificate)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    @staticmethod
    def refused() -> str | None:
        """Replaced by the listener's."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if self.refused():
            hang(request)
            return
        if self.context:
            try:
                request.settimeout(CONNECT_SECONDS)
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                request.close()
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away is no fault of ours."""


def _context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # which only its owner may read
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _handler(  # pylint: disable=too-many-statements  # a class, which knows its listener
    front: Front, balancing: Balancing
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One client's connection."""

        protocol_version = "HTTP/1.1"
        timeout = front.idle_seconds
        disable_nagle_algorithm = True
        wbufsize = -1
        server_version, sys_version = "awselb/2.0", ""

        def handle_any(self) -> None:
            """Do the default action."""
            action = front.action
            if action["Type"] == "redirect":
                self._redirect(action["RedirectConfig"])
            elif action["Type"] == "fixed-response":
                fixed = action["FixedResponseConfig"]
                body = fixed.get("MessageBody", "").encode()
                self._say(int(fixed["StatusCode"]), body, fixed.get("ContentType", "text/plain"))
            else:
                self._forward(_group(action))

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = handle_any

        def _say(self, status: int, body: bytes = b"", type_: str = "text/html") -> None:
            self.send_response(status)
            body = body or f"{status} {self.responses.get(status, ('',))[0]}\n".encode()
            self.send_header("Content-Type", type_)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _redirect(self, to: Mapping[str, Any]) -> None:
            host = self.headers.get("Host", "").partition(":")[0]
            path, _, query = self.path.partition("?")
            words = {"#{protocol}": front.protocol.lower(), "#{host}": host, "#{query}": query}
            words |= {"#{port}": str(front.port), "#{path}": path.lstrip("/")}

            def filled(name: str, default: str) -> str:
                text = str(to.get(name) or default)
                for word, value in words.items():
                    text = text.replace(word, value)
                return text

            protocol = filled("Protocol", "#{protocol}").lower()
            query = filled("Query", "#{query}")
            location = f"{protocol}://{filled('Host', '#{host}')}:{filled('Port', '#{port}')}"
            location += filled("Path", "/#{path}") + (f"?{query}" if query else "")
            self.send_response(int(str(to["StatusCode"]).removeprefix("HTTP_")))
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _forward(self, group: str) -> None:
            body = self._body()
            with balancing.chosen(group) as target:
                if target is None:
                    self._say(503)
                    return
                try:
                    connection = _Through(target, target.port, front.idle_seconds)
                    with contextlib.closing(connection):
                        connection.request(self.command, self.path, body, self._headers())
                        response = connection.getresponse()
                        self._pass_on(response)
                except TimeoutError:
                    self._say(504)
                except (http.client.HTTPException, ConnectionRefusedError, ConnectionResetError):
                    self._say(502)

        def _body(self) -> bytes | None:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                chunks = b""
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    chunks += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return chunks
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else None

        def _headers(self) -> dict[str, str]:
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in HOP_BY_HOP
            }
            client = self.client_address[0]
            before = headers.pop("X-Forwarded-For", "")
            return {
                **headers,
                "X-Forwarded-For": f"{before}, {client}" if before else client,
                "X-Forwarded-Proto": front.protocol.lower(),
                "X-Forwarded-Port": str(front.port),
            }

        def _pass_on(self, response: http.client.HTTPResponse) -> None:
            self.send_response_only(response.status, response.reason)
            length = response.getheader("Content-Length")
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            bodiless = self.command == "HEAD" or response.status in (204, 304)
            if length is not None and response.status != 204:
                self.send_header("Content-Length", length)
            chunked = length is None and not bodiless
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if bodiless:
                return
            while part := response.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                self.wfile.flush()
            if chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
            """Say nothing."""

    return Handler


def _group(action: Mapping[str, Any]) -> str:
    """The target group that a forward action leads to: the heaviest."""
    if arn := action.get("TargetGroupArn"):
        return arn
    groups = action["ForwardConfig"]["TargetGroups"]
    return max(groups, key=lambda each: int(each.get("Weight", 1)))["TargetGroupArn"]
