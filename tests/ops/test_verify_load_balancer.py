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
from moto.backends import get_backend

from lib.config.environment_config import HealthCheckConfig
from ops.checkup import Outcome
from ops.verify import emulated, load_balancer
from ops.verify.deployed import Deployed
from ops.verify.load_balancer import matches
from tests.conftest import BY_NAME, changed
from tests.ops.answers import answered
from tests.ops.deployed import ACCOUNT, environment
from tests.synthesized import Synthesized

listeners, certificate, answers = (check.look for check in load_balancer.CHECKS)
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0123"


@pytest.fixture(scope="module", name="there")
def _there():
    """Production with a certificate of ACM's, for app.example.com. No test changes anything."""
    config = changed(
        BY_NAME["prod"],
        load_balancer={"certificate_arn": CERTIFICATE, "domain_name": "app.example.com"},
    )
    with environment(Synthesized.of(config)) as there:
        yield there


@pytest.fixture(name="secure")
def _secure(there):
    return there.subject


@pytest.fixture(name="plain")
def _plain(there):
    """The same, as if it had no certificate; its listeners aren't looked at."""
    subject = there.subject
    subject.config = changed(
        subject.config, load_balancer={"certificate_arn": None, "domain_name": None}
    )
    return subject


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

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        """Says nothing of who hangs up on it."""

        def handle_error(self, request, client_address):
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


def balancer_of(subject):
    """The load balancer, as AWS tells of it."""
    found = Deployed(subject).load_balancer
    assert found
    return found


@pytest.fixture(name="leads")
def _leads(monkeypatch):
    """Makes the load balancer's name lead to these servers, by the port that is asked for."""
    connect = socket.create_connection

    def lead(subject, **ports):
        name = balancer_of(subject)["DNSName"]

        def create_connection(address, *arguments, **options):
            host, port = address
            assert host == name
            return connect(("127.0.0.1", ports[f"port{port}"]), *arguments, **options)

        monkeypatch.setattr(socket, "create_connection", create_connection)

    return lead


def only(check, subject):
    """The one thing that a check finds."""
    (finding,) = check(subject)
    assert finding.needed and finding.fix
    return finding


def test_a_load_balancer_that_answers_passes(stack, leads):
    with environment(stack) as there, serving(200) as (asked, port):
        leads(there.subject, port80=port)
        found = {check.name: list(check.look(there.subject)) for check in load_balancer.CHECKS}
        assert {f.outcome for findings in found.values() for f in findings} == {Outcome.PASSED}
        (finding,) = found["load_balancer.answers"]
        assert finding.found.startswith("200 in ")
        assert finding.found.endswith(" ms")
        assert asked == [("/", balancer_of(there.subject)["DNSName"], "tap-verify")]


def test_a_load_balancer_that_is_gone(shipped):
    with environment(shipped("dev")) as there:
        there.client("elbv2").delete_load_balancer(
            LoadBalancerArn=there.at["load_balancer/load_balancer"]
        )
        ((check, finding),) = there.found(load_balancer.CHECKS)
        assert (check, finding.found) == ("load_balancer.listeners", "no load balancer")


@pytest.mark.parametrize(
    ("status", "outcome"), [(204, Outcome.PASSED), (301, Outcome.PASSED), (205, Outcome.FAILED)]
)
def test_the_health_check_s_path_is_asked_and_its_matcher_decides(plain, leads, status, outcome):
    check = HealthCheckConfig(path="/ready?x=1", matcher="200-204,301")
    plain.config = changed(plain.config, service={"health_check": check})
    with serving(status) as (asked, port):
        leads(plain, port80=port)
        (finding,) = answers(plain)
    assert finding.outcome is outcome
    assert asked[0][0] == "/ready?x=1"


def test_an_error_instead_of_an_answer(plain, leads):
    with serving(503) as (_, port):
        leads(plain, port80=port)
        finding = only(answers, plain)
    assert finding.outcome is Outcome.FAILED
    assert finding.found.startswith("503 in ")
    assert finding.needed == "200 on /"


def test_no_answer_in_time(plain, leads, monkeypatch):
    monkeypatch.setattr(load_balancer, "SECONDS", 0.2)
    with serving(200, delay=0.6) as (_, port):
        leads(plain, port80=port)
        finding = only(answers, plain)
    assert finding.outcome is Outcome.FAILED
    assert finding.found.endswith("timed out")


def test_nobody_listens(plain, leads):
    with serving(200) as (_, port):
        pass
    leads(plain, port80=port)
    finding = only(answers, plain)
    assert finding.outcome is Outcome.FAILED
    assert "refused" in finding.found


def test_who_may_not_ask_sees_nothing(plain, leads):
    plain.config = changed(plain.config, load_balancer={"allowed_cidrs": ("203.0.113.0/24",)})
    with serving(200) as (_, port):
        pass
    leads(plain, port80=port)
    finding = only(answers, plain)
    assert finding.outcome is Outcome.NOT_SHOWN
    assert "203.0.113.0/24" in finding.fix


def test_an_emulator_shows_no_answer(plain, monkeypatch):
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    finding = only(answers, plain)
    assert finding.outcome is Outcome.NOT_SHOWN
    assert "emulator at https://sts" in finding.found


def test_an_emulator_that_runs_it_is_asked_where_it_answers(plain, monkeypatch):
    name = balancer_of(plain)["DNSName"]
    monkeypatch.setattr(emulated, "AWS", ("nowhere.example",))
    monkeypatch.setattr(emulated, "data_plane", lambda url: {"runs_tasks": True})
    with serving(200) as (_, port):
        told = {"load_balancers": {name: {"80": port}}}
        monkeypatch.setattr(load_balancer, "data_plane", lambda url: told)
        (finding,) = answers(plain)
        assert finding.outcome is Outcome.PASSED
    assert only(answers, plain).outcome is Outcome.FAILED


# HTTPS


@pytest.fixture(scope="module", name="tls")
def _tls(tmp_path_factory):
    """A certificate for app.example.com that nobody knows: a server's context, and its file."""
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.example.com")])
    signed = (
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
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + signed.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


@pytest.fixture(name="trusted")
def _trusted(tls, monkeypatch):
    """The certificate is known."""
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


def test_https_that_answers_and_http_that_leads_there(secure, trusted, leads):
    with (
        serving(301, location="https://app.example.com:443/") as (_, first),
        serving(200, context=trusted) as (asked, port),
    ):
        leads(secure, port80=first, port443=port)
        redirect, answer = answers(secure)
    assert {redirect.outcome, answer.outcome} == {Outcome.PASSED}
    assert redirect.found.startswith("HTTP: 301 to https://app.example.com:443/ in ")
    assert answer.found.startswith("200 in ")
    assert asked == [("/", "app.example.com", "tap-verify")]


@pytest.mark.parametrize(
    ("status", "location"),
    [(302, "https://app.example.com/"), (301, "http://app.example.com/"), (200, None)],
)
def test_http_that_does_not_lead_to_https(secure, trusted, leads, status, location):
    with (
        serving(status, location=location) as (_, first),
        serving(200, context=trusted) as (_, port),
    ):
        leads(secure, port80=first, port443=port)
        redirect, answer = answers(secure)
    assert redirect.outcome is Outcome.FAILED
    assert redirect.found == f"HTTP: {status} to {location or 'nowhere'}"
    assert answer.outcome is Outcome.PASSED


def test_a_certificate_that_nobody_trusts(secure, tls, leads):
    with (
        serving(308, location="https://app.example.com/") as (_, first),
        serving(200, context=tls[0]) as (_, port),
    ):
        leads(secure, port80=first, port443=port)
        redirect, answer = answers(secure)
    assert redirect.outcome is Outcome.PASSED
    assert (answer.outcome, answer.found) == (Outcome.FAILED, "TLS: self-signed certificate")


def certificate_of(secure, **changes):
    """ACM's answer about the certificate, with changes."""
    client = secure.client("acm")
    told = client.describe_certificate(CertificateArn=CERTIFICATE)["Certificate"] | changes
    return answered(client, "DescribeCertificate", {"Certificate": told})


def test_a_certificate_for_another_name(secure, trusted, leads):
    """The load balancer shows it, and ACM says so of the one that is configured."""
    secure.config = changed(secure.config, load_balancer={"domain_name": "www.example.org"})
    with (
        serving(301, location="https://app.example.com/") as (_, first),
        serving(200, context=trusted) as (_, port),
    ):
        leads(secure, port80=first, port443=port)
        _, answer = answers(secure)
    assert "Hostname mismatch" in answer.found
    assert answer.needed == "a certificate for www.example.org"
    found = only(certificate, secure)
    assert (found.outcome, found.needed) == (Outcome.FAILED, "for www.example.org")
    assert "--domain-name www.example.org" in found.fix


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (["app.example.com"], True),
        (["example.com", "app.example.com"], True),
        (["*.example.com"], True),
        (["example.com"], False),
        (["*.com"], False),
        (["*.app.example.com"], False),
    ],
)
def test_names_that_a_certificate_is_for(secure, names, covered):
    ends = datetime.now(UTC) + timedelta(days=300)
    told = {"DomainName": names[0], "SubjectAlternativeNames": names, "NotAfter": ends}
    with certificate_of(secure, **told):
        (found,) = certificate(secure)
    assert (found.outcome is Outcome.PASSED) is covered


def test_a_certificate_that_was_not_issued(secure):
    with certificate_of(secure, Status="FAILED", FailureReason="CAA_ERROR"):
        finding = only(certificate, secure)
    assert (finding.outcome, finding.found) == (Outcome.FAILED, "it is FAILED CAA_ERROR")


@pytest.mark.parametrize(("days", "outcome"), [(29, Outcome.WARNING), (31, Outcome.PASSED)])
def test_a_certificate_that_ends_soon(secure, days, outcome):
    ends = datetime.now(UTC) + timedelta(days=days)
    with certificate_of(secure, NotAfter=ends):
        (finding,) = certificate(secure)
    assert finding.outcome is outcome
    assert finding.found == f"for app.example.com, until {ends:%Y-%m-%d}"


# Listeners


def listeners_of(subject, change):
    """The listeners, the one on each port changed by ``change``; one that is None is gone."""
    client = subject.client("elbv2")
    arn = balancer_of(subject)["LoadBalancerArn"]
    found = client.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    told = [each for each in map(change, found) if each]
    return answered(client, "DescribeListeners", {"Listeners": told})


FIXED = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
REDIRECT = {"Protocol": "HTTPS", "Port": "8443", "StatusCode": "HTTP_302"}


@pytest.mark.parametrize(
    ("port", "changes", "found"),
    [
        (80, None, "nothing listens on 80"),
        (443, None, "nothing listens on 443"),
        (80, {"DefaultActions": FIXED}, "port 80: action fixed-response"),
        (
            80,
            {"DefaultActions": [{"Type": "redirect", "RedirectConfig": REDIRECT}]},
            "port 80: redirect HTTPS:8443 HTTP_302",
        ),
        (443, {"SslPolicy": "ELBSecurityPolicy-2016-08"}, "port 443: TLS policy ELBSecurity"),
        (443, {"Certificates": [{"CertificateArn": "arn:other"}]}, "443: certificate arn:other"),
        (443, {"Protocol": "TLS"}, "port 443: protocol TLS"),
    ],
)
def test_a_listener_that_is_not_as_configured(secure, port, changes, found):
    def change(listener):
        if listener["Port"] != port:
            return listener
        return changes and {**listener, **changes}

    assert not [each for each in listeners(secure) if each.outcome is not Outcome.PASSED]
    with listeners_of(secure, change):
        findings = list(listeners(secure))
    assert {finding.outcome for finding in findings} == {Outcome.FAILED}
    assert any(found in finding.found for finding in findings)


def test_a_listener_too_many(secure):
    with listeners_of(secure, lambda listener: {**listener, "Port": listener["Port"] + 8000}):
        found = {finding.found for finding in listeners(secure)}
    assert found == {
        *("nothing listens on 80", "nothing listens on 443"),
        *("it listens on 8080", "it listens on 8443"),
    }


def test_a_load_balancer_that_failed(secure, monkeypatch):
    (balancer,) = get_backend("elbv2")[ACCOUNT]["us-east-1"].load_balancers.values()
    monkeypatch.setattr(balancer, "state", "failed")
    assert only(listeners, secure).found == "it is failed"


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
