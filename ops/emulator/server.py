"""The emulator's process: ``python -m ops.emulator [--port N] [--account ID] ...``.

Serves on the loopback interface, one call at a time. When it is ready it prints one line of JSON on
standard output, ``{"port": N}``; each call it answers is a line of JSON on standard error, without
its arguments, since those hold passwords. It ends on TERM, on INT, and when its standard input
closes: whoever holds the other end takes it along, even when killed.
"""

import argparse
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from xml.sax.saxutils import escape  # nosec B406  # writes XML, reads none

from botocore.loaders import create_loader
from moto.acm.models import CertBundle, acm_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from ops.emulator import patches
from ops.emulator.client import DATA_PLANE, HOST

if TYPE_CHECKING:
    from ops.emulator.dataplane import DataPlane

# What an error is wrapped in, from the inside out: usually, and for these services.
XML_ERROR = ("Error", "ErrorResponse")
XML_ERRORS = {"ec2": ("Error", "Errors", "Response"), "s3": ("Error",)}


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="ops.emulator")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--account", default="123456789012", help="the account to pose as")
    parser.add_argument("--certificate", help="the ARN of one that exists from the start")
    parser.add_argument("--data-plane", type=Path, help="run what the API says, in this folder")
    options = parser.parse_args()
    os.environ["MOTO_ACCOUNT_ID"] = options.account
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    patches.apply_all(setattr, pretend=not options.data_plane)
    if options.certificate:
        _make_certificate(options.certificate, options.account)
    app = Recorder(DomainDispatcherApplication(create_backend_app), log=_log)
    server = make_server(HOST, options.port, app, threaded=True, request_handler=Handler)
    if options.data_plane:
        # Loading it takes half a second: who doesn't need it doesn't wait.
        from ops.emulator.dataplane import DataPlane  # pylint: disable=import-outside-toplevel

        app.data_plane = DataPlane(
            options.data_plane,
            account_id=options.account,
            lock=app.lock,
            endpoint=f"http://{HOST}:{server.port}",
        )
        app.data_plane.start()

    def end(*_: object) -> None:
        # shutdown() waits for serve_forever(), which runs in the thread that signals arrive in.
        threading.Thread(target=server.shutdown).start()

    def end_with_input() -> None:
        # Not sys.stdin: Python cannot exit while a thread waits in it.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=end_with_input, daemon=True).start()
    print(json.dumps({"port": server.port}), flush=True)
    server.serve_forever()
    if app.data_plane:
        app.data_plane.stop()


class Recorder:
    """Passes calls on one at a time, and hands a record of each to ``log``.

    One at a time, because moto is not made for threads: what a response leaves out, for one, is
    kept on the class. Python would not run two of them at once anyway.

    A call that moto does not have, or that fails inside it, is answered with 501, which the AWS
    SDKs do not try again, instead of 500, which Terraform's provider tries 25 times: a run ends
    with the name of the call instead of looking hung.
    """

    def __init__(self, app: WSGIApplication, *, log: Callable[[dict[str, Any]], None]) -> None:
        self._app = app
        self._log = log
        self.lock = threading.RLock()
        self.data_plane: DataPlane | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        service, action = _service(environ), _action(environ)
        statuses: list[str] = []

        def start(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        error = ""
        with self.lock:
            began = time.perf_counter()
            try:
                if self.data_plane and environ["PATH_INFO"] == DATA_PLANE:
                    body = [json.dumps(self.data_plane.describe()).encode()]
                    start("200 OK", [("Content-Type", "application/json")])
                else:
                    body = list(self._app(environ, start))
            except Exception as exception:  # pylint: disable=broad-exception-caught
                missing = isinstance(exception, NotImplementedError)
                error = str(exception) if missing else traceback.format_exc()
                verb = "does not have" if missing else "failed in"
                message = f"the emulator {verb} {service} {action}"
                body = _failure(environ, start, XML_ERRORS.get(service, XML_ERROR), message)
            self._log(
                {
                    "agent": environ.get("HTTP_USER_AGENT", "").partition(" ")[0],
                    "service": service,
                    "action": action,
                    "subresources": _subresources(environ) if service == "s3" else [],
                    "status": int(statuses[-1].split()[0]),
                    "milliseconds": round((time.perf_counter() - began) * 1000),
                    "error": error,
                }
            )
        return body


def _make_certificate(arn: str, account_id: str) -> None:
    """Config names a certificate that was there before the stack: moto refuses unknown ones."""
    region = arn.split(":")[3]
    certificate = CertBundle.generate_cert("example.com", account_id, region)
    certificate.arn = arn
    held = acm_backends[account_id][region]._certificates  # pylint: disable=protected-access
    held[arn] = certificate


class Handler(MotoRequestHandler):
    """Sends head and body of an answer together, and keeps the connection for the next call.

    Werkzeug's own sends them apart. A Go client that gets the head alone, while it is still busy
    sending its call, gives up: one call in a thousand on a busy machine. The SDK then sends it
    again, and what went through the first time fails ("the specified rule does not exist").
    """

    disable_nagle_algorithm = True  # nothing to wait for

    def run_wsgi(self) -> None:
        """Answer one call, whole."""
        environ = self.make_environ()
        # All of what comes with the call, or the rest would be taken for the next one.
        chunked = environ.get("wsgi.input_terminated", False)
        length = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answers: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            answers.append((status, headers))

        content = b"".join(self.server.app(environ, start_response))
        status, headers = answers[-1]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        head = environ["REQUEST_METHOD"] == "HEAD"
        for name, value in headers:
            if head or name.lower() != "content-length":
                self.send_header(name, value)
        if not head and int(code) != 204:
            self.send_header("Content-Length", str(len(content)))
        wire, whole = self.wfile, io.BytesIO()
        self.wfile = whole
        self.end_headers()
        self.wfile = wire
        wire.write(whole.getvalue() + (b"" if head else content))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the Recorder says more."""


def _log(record: dict[str, Any]) -> None:
    # In one write, or the lines of two calls could run into each other.
    sys.stderr.write(f"{json.dumps(record)}\n")


def _service(environ: WSGIEnvironment) -> str:
    """The service that a signature names.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
    """
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return scope[3] if len(scope) > 3 else "unsigned"


def _action(environ: WSGIEnvironment) -> str:
    """The action that a call names, in its header or its form; else its method and its path."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.split(".")[-1]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if action := parse_qs(body.decode()).get("Action"):
            return action[0]
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def _subresources(environ: WSGIEnvironment) -> list[str]:
    """What of a bucket a call is about: those words of its query that are S3's own."""
    return sorted(_s3_words() & parse_qs(environ.get("QUERY_STRING", ""), True).keys())


@cache
def _s3_words() -> frozenset[str]:
    calls = create_loader().load_service_model("s3", "service-2")["operations"].values()
    queries = [call["http"]["requestUri"].partition("?")[2] for call in calls]
    return frozenset().union(*(parse_qs(query, True) for query in queries))


def _failure(
    environ: WSGIEnvironment, start_response: Callable[..., Any], tags: Sequence[str], message: str
) -> list[bytes]:
    """An error in the words of the protocol that the call came in: JSON, or XML in these tags.

    https://smithy.io/2.0/aws/protocols/index.html
    """
    code, content_type = "EmulatorFailure", environ.get("CONTENT_TYPE", "")
    if "json" in content_type:
        body = json.dumps({"__type": code, "message": message})
    else:
        body = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        for tag in tags:
            body = f"<{tag}>{body}</{tag}>"
    start_response(
        "501 Not Implemented", [("Content-Type", content_type), ("x-amzn-ErrorType", code)]
    )
    return [body.encode()]
