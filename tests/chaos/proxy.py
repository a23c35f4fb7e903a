"""A proxy before an AWS endpoint that makes some of the calls fail, as AWS and networks do.

What befalls a call hangs on the seed, on what is called and on how often it was called before, not
on the order of calls that run side by side: two runs of one seed meet much the same faults.
"""

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Fault(StrEnum):
    """What can befall a call."""

    THROTTLED = "throttled"
    FAILED = "failed"  # a 500
    LOST = "lost"  # carried out, but the connection is cut before the answer
    SLOW = "slow"  # carried out, and answered SLOW_SECONDS later


SLOW_SECONDS = 10
IN_A_ROW = 4  # faults of one action at the most: the SDK waits twice as long before each try
HARSH = {Fault.THROTTLED: 0.20, Fault.FAILED: 0.10, Fault.LOST: 0.05}


class FaultProxy:
    """A context manager: it serves from entry to exit, on a port of its own.

    ``only`` says of a call, such as ``ec2 CreateVpc``, whether anything may befall it.
    """

    def __init__(
        self,
        upstream: str,
        *,
        seed: int,
        rates: Mapping[Fault, float],
        only: Callable[[str], object] = lambda call: True,
    ) -> None:
        self.befallen: Counter[tuple[Fault, str]] = Counter()  # by fault and service's action
        self._upstream = urlsplit(upstream)
        self._seed = seed
        self._rates = rates
        self._only = only
        self._calls: Counter[str] = Counter()
        self._row: Counter[str] = Counter()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """What goes into ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fate(self, call: str) -> Fault | None:
        """What befalls this call now."""
        if not self._only(call):
            return None
        with self._lock:
            self._calls[call] += 1
            rest = random.Random(f"{self._seed} {call} {self._calls[call]}").random()
            for fault, rate in self._rates.items():
                rest -= rate
                if rest < 0 and self._row[call] < IN_A_ROW:
                    self._row[call] += 1
                    self.befallen[fault, call] += 1
                    return fault
            self._row[call] = 0
            return None

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[HTTPResponse, bytes]:
        """The endpoint's own answer."""
        assert self._upstream.hostname
        connection = HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=60)
        connection.request(request.command, request.path, body, dict(request.headers))
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response, answer


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):  # who called has gone: Terraform was killed
            super().handle_one_request()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        service = _service(self.headers.get("Authorization", ""))
        fault = self.proxy.fate(f"{service} {_action(self, body)}")
        if fault is Fault.THROTTLED or fault is Fault.FAILED:
            content_type = self.headers.get("Content-Type", "")
            status, answer = error(fault, service, content_type)
            self._answer(status, {"Content-Type": content_type}, answer)
            return
        response, answer = self.proxy.forward(self, body)
        if fault is Fault.LOST:
            self.close_connection = True
            return
        if fault is Fault.SLOW:
            time.sleep(SLOW_SECONDS)
        self._answer(response.status, dict(response.getheaders()), answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def error(fault: Fault, service: str, content_type: str) -> tuple[int, bytes]:
    """Status and body of an error, in the words of the service's protocol.

    https://smithy.io/2.0/aws/protocols/index.html
    """
    throttled = fault is Fault.THROTTLED
    if "json" in content_type:
        code = "ThrottlingException" if throttled else "InternalServerError"
        body = json.dumps({"__type": code, "message": "made to fail"})
        return (400 if throttled else 500), body.encode()
    wrappers = {"ec2": ("Error", "Errors", "Response"), "s3": ("Error",)}
    codes = {"ec2": "RequestLimitExceeded", "s3": "SlowDown"}
    status = 500 if not throttled else 503 if service in codes else 400
    code = codes.get(service, "Throttling") if throttled else "InternalError"
    body = f"<Code>{code}</Code><Message>made to fail</Message>"
    for tag in wrappers.get(service, ("Error", "ErrorResponse")):
        body = f"<{tag}>{body}</{tag}>"
    return status, body.encode()


def _service(authorization: str) -> str:
    """The service that a signature names."""
    signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", authorization)
    return signed[1] if signed else "unsigned"


def _action(request: BaseHTTPRequestHandler, body: bytes) -> str:
    """The action that a call names, in its header or its form; else its method and its path."""
    if target := request.headers.get("X-Amz-Target"):
        return target.split(".")[-1]
    form = "x-www-form-urlencoded" in request.headers.get("Content-Type", "")
    if form and (action := parse_qs(body.decode()).get("Action")):
        return action[0]
    return f"{request.command} {request.path}"
