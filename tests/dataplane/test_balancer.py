"""A listener on loopback, and the health of its targets."""

import http.client
import http.server
import socket
import ssl
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from ops.emulator.dataplane import certificates
from ops.emulator.dataplane.balancer import (
    HEALTHY,
    INITIAL,
    UNHEALTHY,
    Balancing,
    Front,
    HealthCheck,
    Listener,
    Target,
)
from tests.dataplane.world import until

CHECK = HealthCheck("/", 0, 0.2, 0.5, 2, 2, "200-299")
FORWARD = {"Type": "forward", "TargetGroupArn": "group"}


class App(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        """Echo, as ``path`` asks for it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/slow":
            time.sleep(3)
        self.send_response(404 if self.path == "/missing" else 200)
        told = f"{self.command} {self.path} {body.decode()} {self.headers['X-Forwarded-For']}"
        told += f" {self.headers['X-Forwarded-Proto']} {self.headers['X-Forwarded-Port']}"
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in ("one ", "two"):
                self.wfile.write(f"{len(part):x}\r\n{part}\r\n".encode())
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told.encode())

    do_POST = do_HEAD = do_GET

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing."""


@pytest.fixture(name="app")
def _app():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    server.daemon_threads = True
    setattr(server, "handle_error", lambda *_: None)  # a client that has had enough is none
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def target(port, **changes):
    """A target whose network leads to a port of this machine."""
    made = Target(
        "group", "10.0.0.5", port, lambda _: socket.create_connection(("127.0.0.1", port))
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture(name="listening")
def _listening():
    """Makes listeners."""
    made = []

    def make(*targets, action=None, certificate=None, refused=lambda: None, idle=2.0):
        balancing = Balancing()
        for each in targets:
            balancing.add(each)
        protocol, port = ("HTTPS", 443) if certificate else ("HTTP", 80)
        front = Front(port, protocol, action or FORWARD, certificate, idle)
        made.append(Listener(front, balancing, refused))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ask(listener, path="/", method="GET", body: Any = None, timeout: Any = 5.0, **headers):
    """The status, the body and the headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_a_request_goes_to_the_target_and_its_answer_comes_back(app, listening):
    listener = listening(target(app, state=HEALTHY))
    assert ask(listener, "/a?b=c")[:2] == (200, "GET /a?b=c  127.0.0.1 http 80")
    assert ask(listener, "/missing")[0] == 404
    assert ask(listener, "/x", "POST", "body")[1].startswith("POST /x body ")
    assert ask(listener, "/x", "POST", iter([b"bo", b"dy"]))[1].startswith("POST /x body ")
    assert ask(listener, "/chunked")[1] == "one two"
    status, body, headers = ask(listener, "/x", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert "203.0.113.9, 127.0.0.1 http" in ask(listener, "/x", **forwarded)[1]


def test_a_connection_is_kept_for_the_next_request(app, listening):
    listener = listening(target(app, state=HEALTHY))
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=5)
    for path in ("/a", "/chunked", "/missing", "/b"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is not None
    connection.close()


def test_targets_take_turns_and_only_healthy_ones(app, listening):
    targets = [target(app, state=HEALTHY), target(app, state=HEALTHY), target(1, state=UNHEALTHY)]
    counted = []
    for each in targets:
        connect = each.connect
        each.connect = lambda port, connect=connect, each=each: (
            counted.append(targets.index(each)) or connect(port)
        )
    listener = listening(*targets)
    assert [ask(listener)[0] for _ in range(4)] == [200] * 4
    assert sorted(counted) == [0, 0, 1, 1]


def test_where_none_is_healthy_all_are_asked(app, listening):
    assert ask(listening(target(app, state=UNHEALTHY)))[0] == 200


def test_errors_are_those_of_a_load_balancer(app, listening):
    assert ask(listening())[0] == 503
    assert ask(listening(target(1, state=HEALTHY)))[0] == 502
    assert ask(listening(target(app, state=HEALTHY), idle=0.5), "/slow")[0] == 504


def test_a_drained_target_gets_nothing_new(app):
    balancing = Balancing()
    one = target(app, state=HEALTHY)
    balancing.add(one)
    with balancing.chosen("group") as chosen:
        assert chosen is one
        balancing.drain(one)
        assert one.in_flight == 1
        with balancing.chosen("group") as other:
            assert other is None
    assert one.in_flight == 0


def test_who_may_not_come_in_gets_no_answer(app, listening):
    listener = listening(target(app, state=HEALTHY), refused=lambda: "no rule")
    with pytest.raises(TimeoutError):
        ask(listener, timeout=0.5)


def test_with_a_certificate_it_speaks_tls(app, listening):
    files = certificates.server("app.example.com")
    listener = listening(target(app, state=HEALTHY), certificate=(files.certificate, files.key))
    context = ssl.create_default_context(cadata=files.authority.decode())
    with (
        socket.create_connection(("127.0.0.1", listener.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="app.example.com") as sock,
    ):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b" https 443")


def test_it_redirects_and_answers_by_itself(listening):
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    listener = listening(action={"Type": "redirect", "RedirectConfig": redirect})
    status, _, headers = ask(listener, "/a?b=c", Host="app.example.com:80")
    assert (status, headers["Location"]) == (301, "https://app.example.com:443/a?b=c")
    fixed = {"StatusCode": "418", "MessageBody": "short", "ContentType": "text/plain"}
    listener = listening(action={"Type": "fixed-response", "FixedResponseConfig": fixed})
    assert ask(listener)[:2] == (418, "short")


def check(one, times, how):
    """Check it, an interval apart."""
    for _ in range(times):
        one.check(how)
        time.sleep(how.interval)


def wanted(port, **changes):
    """A health check."""
    return replace(CHECK, port=port, **changes)


def test_one_answer_makes_a_new_target_healthy_and_several_a_failed_one(app):
    one = target(app)
    assert one.state == INITIAL
    check(one, 1, wanted(app))
    assert one.state == HEALTHY
    check(one, 1, wanted(app, path="/missing"))
    assert one.state == HEALTHY
    check(one, 1, wanted(app, path="/missing"))
    assert (one.state, one.reason) == (UNHEALTHY, "Target.ResponseCodeMismatch")
    assert one.description == "Health checks failed with these codes: [404]"
    check(one, 1, wanted(app))
    assert one.state == UNHEALTHY
    check(one, 1, wanted(app))
    assert (one.state, one.description) == (HEALTHY, "")


def test_what_doesn_t_answer_is_told_from_what_isn_t_there(app):
    slow, gone = target(app), target(1)
    check(slow, 2, wanted(app, path="/slow", timeout=0.1))
    assert (slow.reason, slow.description) == ("Target.Timeout", "Request timed out")
    check(gone, 2, wanted(1))
    assert (gone.reason, gone.description) == ("Target.FailedHealthChecks", "Health checks failed")


def test_while_it_starts_a_failure_counts_once_an_interval():
    gone = target(1)
    for _ in range(5):
        gone.check(wanted(1, interval=60))
    assert (gone.state, gone.failed) == (INITIAL, 1)
    assert gone.due - time.monotonic() <= 1


@pytest.mark.parametrize(
    ("matcher", "status", "fits"),
    [("200", 200, True), ("200,202", 202, True), ("200-299", 250, True), ("200", 301, False)],
)
def test_the_matcher_is_the_target_group_s(matcher, status, fits):
    assert wanted(1, matcher=matcher).matches(status) is fits


def test_a_listener_that_was_closed_listens_no_more(listening):
    listener = listening()
    listener.close()
    until(lambda: _refuses(listener.port))


def _refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False
