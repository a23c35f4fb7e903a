"""The load balancer is as configured and answers; or verify says what isn't so.

Its name leads to servers of the test's own, in this process, which answer over real HTTP and TLS.
"""

import http.server
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.acm.models import CertBundle
from moto.backends import get_backend

from ops.checkup import Outcome
from ops.verify import emulated, load_balancer
from ops.verify.load_balancer import CHECKS, matches
from tests.unit.deployed import ACCOUNT, environment

CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0123"


@pytest.fixture(name="there")
def _there(shipped):
    """Staging, deployed: plain HTTP."""
    with environment(shipped("staging")) as there:
        yield there


@contextmanager
def serving(status, *, location=None, delay=0.0, context=None):
    """A server; the requests that it gets, and its port."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every GET alike."""

        def do_GET(self):  # pylint: disable=invalid-name  # http.server's
            """Answer."""
            asked.append((self.path, self.headers["Host"], self.headers["User-Agent"]))
            time.sleep(delay)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):  # pylint: disable=arguments-differ
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        """Says nothing of who hangs up on it."""

        def handle_error(self, *_):
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield asked, server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(name="leads")
def _leads(monkeypatch):
    """Makes the load balancer's name lead to these servers, by the port that is asked for."""
    connect = socket.create_connection

    def lead(there, **ports):
        name = there.deployed.load_balancer["DNSName"]

        def create_connection(address, *arguments, **options):
            host, port = address
            assert host == name
            return connect(("127.0.0.1", ports[f"port{port}"]), *arguments, **options)

        monkeypatch.setattr(socket, "create_connection", create_connection)

    return lead


def only(there):
    """The one thing that is found."""
    ((check, finding),) = there.found(CHECKS)
    assert finding.needed and finding.fix
    return check, finding


def said(there):
    """What each check says where all of them pass."""
    results = [(check.name, list(check.look(there.subject))) for check in CHECKS]
    assert {f.outcome for _, findings in results for f in findings} == {Outcome.PASSED}
    return {name: [finding.found for finding in findings] for name, findings in results}


def test_a_load_balancer_that_answers_passes(stack, leads):
    with environment(stack) as there, serving(200) as (asked, port):
        leads(there, port80=port)
        found = said(there)
        assert found["load_balancer.listeners"] == ["active, and listens as configured"]
        assert found["load_balancer.answers"][0].startswith("200 in ")
        assert found["load_balancer.answers"][0].endswith(" ms")
        name = there.deployed.load_balancer["DNSName"]
        assert asked == [("/", name, "tap-verify")]


def test_the_health_check_s_path_is_asked_and_its_matcher_decides(synthesize, leads):
    check = synthesize("staging").config.service.health_check
    check = type(check)(path="/ready?x=1", matcher="200-204,301")
    stack = synthesize("staging", service={"health_check": check})
    for status, outcome in ((204, Outcome.PASSED), (301, Outcome.PASSED), (205, Outcome.FAILED)):
        with environment(stack) as there, serving(status) as (asked, port):
            leads(there, port80=port)
            (finding,) = CHECKS[2].look(there.subject)
            assert finding.outcome is outcome
            assert asked[0][0] == "/ready?x=1"


def test_an_error_instead_of_an_answer(there, leads):
    with serving(503) as (_, port):
        leads(there, port80=port)
        check, finding = only(there)
    assert check == "load_balancer.answers"
    assert finding.outcome is Outcome.FAILED
    assert finding.found.startswith("503 in ")
    assert finding.needed == "200 on /"


def test_no_answer_in_time(there, leads, monkeypatch):
    monkeypatch.setattr(load_balancer, "SECONDS", 0.2)
    with serving(200, delay=0.6) as (_, port):
        leads(there, port80=port)
        check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.FAILED)
    assert finding.found.endswith("timed out")


def test_nobody_listens(there, leads):
    with serving(200) as (_, port):
        pass
    leads(there, port80=port)
    check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.FAILED)
    assert "refused" in finding.found


def test_who_may_not_ask_sees_nothing(synthesize, leads):
    stack = synthesize("staging", load_balancer={"allowed_cidrs": ("203.0.113.0/24",)})
    with environment(stack) as there:
        with serving(200) as (_, port):
            pass
        leads(there, port80=port)
        check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.NOT_SHOWN)
    assert "203.0.113.0/24" in finding.fix


def test_an_emulator_shows_no_answer(there, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.NOT_SHOWN)
    assert "emulator at https://sts" in finding.found


# HTTPS


@pytest.fixture(name="tls", scope="module")
def _tls(tmp_path_factory):
    """A certificate for app.example.com; the server's context, and its file."""
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.example.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("app.example.com")]), False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


@pytest.fixture(name="secure")
def _secure(synthesize):
    """Production with a certificate of ACM's, for app.example.com."""
    stack = synthesize("prod", load_balancer={"certificate_arn": CERTIFICATE})
    with environment(stack) as there:
        certificate = CertBundle.generate_cert("app.example.com", ACCOUNT, "us-east-1")
        certificate.arn, certificate.status = CERTIFICATE, "ISSUED"
        held = get_backend("acm")[ACCOUNT]["us-east-1"]
        held._certificates[CERTIFICATE] = certificate  # pylint: disable=protected-access
        yield there, certificate


def test_https_that_answers_and_http_that_leads_there(secure, tls, leads, monkeypatch):
    there, _ = secure
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with (
        serving(301, location="https://app.example.com:443/") as (_, plain),
        serving(200, context=context) as (asked, port),
    ):
        leads(there, port80=plain, port443=port)
        first, second = said(there)["load_balancer.answers"]
    assert first.startswith("HTTP: 301 to https://app.example.com:443/ in ")
    assert second.startswith("200 in ")
    assert asked == [("/", "app.example.com", "tap-verify")]


@pytest.mark.parametrize(
    ("status", "location"),
    [(302, "https://app.example.com/"), (301, "http://app.example.com/"), (200, None)],
)
def test_http_that_does_not_lead_to_https(secure, tls, leads, monkeypatch, status, location):
    there, _ = secure
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with (
        serving(status, location=location) as (_, plain),
        serving(200, context=context) as (_, port),
    ):
        leads(there, port80=plain, port443=port)
        check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.FAILED)
    assert finding.found == f"HTTP: {status} to {location or 'nowhere'}"


def test_a_certificate_that_nobody_trusts(secure, tls, leads):
    there, _ = secure
    with (
        serving(308, location="https://app.example.com/") as (_, plain),
        serving(200, context=tls[0]) as (_, port),
    ):
        leads(there, port80=plain, port443=port)
        check, finding = only(there)
    assert (check, finding.outcome) == ("load_balancer.answers", Outcome.FAILED)
    assert finding.found == "TLS: self-signed certificate"


def test_a_certificate_for_another_name(secure, tls, leads, monkeypatch):
    there, certificate = secure
    certificate.common_name = "*.example.org"
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    with (
        serving(301, location="https://app.example.com/") as (_, plain),
        serving(200, context=tls[0]) as (_, port),
    ):
        leads(there, port80=plain, port443=port)
        _, finding = only(there)
    assert "Hostname mismatch" in finding.found
    assert finding.needed == "a certificate for www.example.org"


def certificate_finding(there):
    """What is said of the certificate."""
    (finding,) = CHECKS[1].look(there.subject)
    return finding


def test_a_certificate_that_was_not_issued(secure):
    there, certificate = secure
    certificate.status = "EXPIRED"
    finding = certificate_finding(there)
    assert (finding.outcome, finding.found) == (Outcome.FAILED, "it is EXPIRED")


def test_a_certificate_that_ends_soon(secure, monkeypatch):
    there, _ = secure
    assert certificate_finding(there).outcome is Outcome.PASSED
    monkeypatch.setattr(load_balancer, "EXPIRES", timedelta(days=36_500))
    finding = certificate_finding(there)
    assert finding.outcome is Outcome.WARNING
    assert finding.found.startswith("for app.example.com, until ")


# Listeners


def listeners_finding(there):
    """What is said of the listeners."""
    (finding,) = CHECKS[0].look(there.subject)
    assert finding.outcome is Outcome.FAILED
    return finding


def test_a_load_balancer_that_is_gone(there):
    there.client("elbv2").delete_load_balancer(
        LoadBalancerArn=there.at["load_balancer/load_balancer"]
    )
    check, finding = only(there)
    assert (check, finding.found) == ("load_balancer.listeners", "no load balancer")


def test_a_load_balancer_that_failed(there):
    (balancer,) = get_backend("elbv2")[ACCOUNT]["us-east-1"].load_balancers.values()
    balancer.state = "failed"
    assert listeners_finding(there).found == "it is failed"


def test_a_listener_that_is_gone(there):
    there.client("elbv2").delete_listener(ListenerArn=there.at["load_balancer/http"])
    assert listeners_finding(there).found == "nothing listens on 80"


def test_a_listener_too_many(there):
    there.client("elbv2").create_listener(
        LoadBalancerArn=there.at["load_balancer/load_balancer"],
        Protocol="HTTP",
        Port=8080,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    )
    assert listeners_finding(there).found == "it listens on 8080"


def test_a_listener_that_does_something_else(there):
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    there.client("elbv2").modify_listener(
        ListenerArn=there.at["load_balancer/http"], DefaultActions=[answer]
    )
    assert listeners_finding(there).found == "port 80: action fixed-response"


def test_a_redirect_to_somewhere_else(secure):
    there, _ = secure
    redirect = {"Protocol": "HTTPS", "Port": "8443", "StatusCode": "HTTP_302"}
    there.client("elbv2").modify_listener(
        ListenerArn=there.at["load_balancer/http"],
        DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}],
    )
    finding = listeners_finding(there)
    assert finding.found == "port 80: redirect HTTPS:8443 HTTP_302"
    assert finding.needed == "HTTPS:443 HTTP_301"


def test_an_older_tls_policy(secure):
    there, _ = secure
    there.client("elbv2").modify_listener(
        ListenerArn=there.at["load_balancer/https"], SslPolicy="ELBSecurityPolicy-2016-08"
    )
    finding = listeners_finding(there)
    assert finding.found == "port 443: TLS policy ELBSecurityPolicy-2016-08"


@pytest.mark.parametrize(
    ("status", "matcher", "whether"),
    [
        (200, "200", True),
        (201, "200", False),
        (202, "200,202", True),
        (299, "200-299", True),
        (300, "200-299", False),
        (404, "200-299,404", True),
    ],
)
def test_a_matcher_is_read_as_the_load_balancer_reads_it(status, matcher, whether):
    assert matches(status, matcher) is whether
