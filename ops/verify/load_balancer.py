"""Whether the load balancer is as it was deployed, and answers."""

import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from ops.checkup import Check, Finding, Subject, failed, not_shown, passed, warning
from ops.emulator.client import HOST, data_plane
from ops.preflight.versions import covers
from ops.verify.deployed import DEPLOY, Deployed, or_passed
from ops.verify.emulated import ON_AWS, emulator, without_tasks

SECONDS = 10  # to connect, and again to answer
EVERYWHERE = {"0.0.0.0/0", "::/0"}
REDIRECTS = (301, 308)
EXPIRES = timedelta(days=30)  # ACM renews 60 days ahead
HTTPS = "HTTPS"


def _listeners(subject: Subject) -> Iterator[Finding]:
    yield from or_passed(_different(Deployed(subject)), "active, and listens as configured")


def _different(deployed: Deployed) -> Iterator[Finding]:
    if not (balancer := deployed.load_balancer):
        yield failed("no load balancer", "the load balancer", DEPLOY)
        return
    if (state := balancer["State"]["Code"]) != "active":
        reason = balancer["State"].get("Reason", "")
        yield failed(f"it is {state} {reason}".strip(), "active", "see what AWS says")
    there = {
        each["Port"]: each
        for each in deployed.subject.ask(
            *("elbv2", "describe_listeners", "Listeners"),
            LoadBalancerArn=balancer["LoadBalancerArn"],
        )
    }
    for listener in deployed.stack.all("aws_lb_listener"):
        port = listener.get("port")
        if port not in there:
            yield failed(f"nothing listens on {port}", f"the listener on {port}", DEPLOY)
            continue
        found, wanted = _shape(there.pop(port)), _wanted(listener.values)
        for name, needed in wanted.items():
            if found[name] != needed:
                yield failed(
                    f"port {port}: {name} {found[name] or 'none'}", needed or "none", DEPLOY
                )
    for port in there:
        yield failed(f"it listens on {port}", "no such listener", "delete it")


def _wanted(values: Mapping[str, Any]) -> dict[str, str | None]:
    """What a listener has to be, by its arguments."""
    (action,) = values["default_action"]
    redirect = action.get("redirect")
    return {
        "protocol": values["protocol"],
        "action": action["type"],
        "redirect": redirect
        and f"{redirect['protocol']}:{redirect['port']} {redirect['status_code']}",
        "certificate": values.get("certificate_arn"),
        "TLS policy": values.get("ssl_policy"),
    }


def _shape(listener: Mapping[str, Any]) -> dict[str, str | None]:
    """The same, of what AWS has."""
    actions = listener["DefaultActions"]
    redirect = actions[0].get("RedirectConfig")
    certificates = listener.get("Certificates") or [{}]
    return {
        "protocol": listener["Protocol"],
        "action": ", ".join(action["Type"] for action in actions),
        "redirect": redirect
        and f"{redirect['Protocol']}:{redirect['Port']} {redirect['StatusCode']}",
        "certificate": certificates[0].get("CertificateArn"),
        "TLS policy": listener.get("SslPolicy") if listener["Protocol"] == HTTPS else None,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP, and in how long."""

    status: int
    location: str
    seconds: float


def _answers(subject: Subject) -> Iterator[Finding]:
    config, check = subject.config.load_balancer, subject.config.service.health_check
    balancer = Deployed(subject).load_balancer
    needed = f"{check.matcher} on {check.path}"
    if url := without_tasks(subject):
        reason = f"the emulator at {url} has no load balancer that answers"
        yield not_shown(reason, needed, ON_AWS)
        return
    if not balancer:
        return  # load_balancer.listeners says so
    name, host = balancer["DNSName"], balancer["DNSName"]
    emulated = emulator(subject)
    ports = data_plane(emulated)["load_balancers"][name] if emulated else {}
    try:
        if config.certificate_arn:
            yield from _redirect(name, check.path, ports)
            host = config.domain_name or name
        trusted = _own_certificate(subject, config.certificate_arn) if emulated else None
        answer = ask(
            name, check.path, host, tls=bool(config.certificate_arn), ports=ports, trusted=trusted
        )
    except ssl.SSLCertVerificationError as error:
        found = f"TLS: {error.verify_message}"
        yield failed(found, f"a certificate for {host}", "see the certificate in ACM")
    except (OSError, http.client.HTTPException) as error:
        found = f"no answer from {name}: {error or type(error).__name__}"
        if not EVERYWHERE & set(config.allowed_cidrs):
            allowed = ", ".join(config.allowed_cidrs)
            yield not_shown(found, needed, f"verify from {allowed}: nobody else may ask")
        else:
            yield failed(found, needed, "see the open paths, and the service")
    else:
        said = f"{answer.status} in {answer.seconds * 1000:.0f} ms"
        if matches(answer.status, check.matcher):
            yield passed(said)
        else:
            yield failed(said, needed, "see the service's targets, its log and the firewall's")


def _redirect(name: str, path: str, ports: Mapping[str, int]) -> Iterator[Finding]:
    """Plain HTTP has to lead to HTTPS."""
    plain = ask(name, path, name, ports=ports)
    said = f"HTTP: {plain.status} to {plain.location or 'nowhere'}"
    if plain.status in REDIRECTS and plain.location.startswith("https://"):
        yield passed(f"{said} in {plain.seconds * 1000:.0f} ms")
    else:
        yield failed(said, "301 to https://", DEPLOY)


def _own_certificate(subject: Subject, arn: str | None) -> str | None:
    """An emulator's certificate, which no authority vouches for."""
    if arn is None:
        return None
    return subject.client("acm").get_certificate(CertificateArn=arn)["Certificate"]


def ask(
    name: str,
    path: str,
    host: str,
    *,
    tls: bool = False,
    ports: Mapping[str, int] = MappingProxyType({}),
    trusted: str | None = None,
) -> Answer:
    """GET a path, from the address that ``name`` has, as ``host``. Raises ``OSError`` and
    ``HTTPException``. ``ports`` are an emulator's on this machine, by the load balancer's, and
    ``trusted`` is a certificate to be satisfied with.

    The managed rules of a web application firewall refuse who does not say what he is.
    """
    start = time.monotonic()
    port = 443 if tls else 80
    where = (HOST, ports[str(port)]) if ports else (name, port)
    connection = http.client.HTTPConnection(*where, timeout=SECONDS)
    try:
        connection.connect()
        if tls:
            context = ssl.create_default_context(cadata=trusted)
            if trusted:
                partial = ssl.VERIFY_X509_PARTIAL_CHAIN  # pylint: disable=no-member  # since 3.10
                context.verify_flags |= partial
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        connection.request("GET", path, headers={"Host": host, "User-Agent": "tap-verify"})
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    location = response.getheader("Location", "")
    return Answer(response.status, location, time.monotonic() - start)


def matches(status: int, matcher: str) -> bool:
    """Whether a status is among the health check's, such as ``200,202`` or ``200-299``."""
    for part in matcher.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def _certificate(subject: Subject) -> Iterator[Finding]:
    arn = subject.config.load_balancer.certificate_arn
    if not arn:
        yield passed("none: plain HTTP, as configured")
        return
    found = subject.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    if found["Status"] != "ISSUED":
        reason = found.get("FailureReason") or found.get("RevocationReason") or ""
        yield failed(f"it is {found['Status']} {reason}".strip(), "ISSUED", "see it in ACM")
        return
    ends = found["NotAfter"]
    said = f"for {found['DomainName']}, until {ends:%Y-%m-%d}"
    domain = subject.config.load_balancer.domain_name
    if domain and not covers(found, domain):
        yield failed(
            f"it is {said}",
            f"for {domain}",
            f"aws acm request-certificate --domain-name {domain}; its ARN as certificate_arn",
        )
    elif ends - datetime.now(UTC) < EXPIRES:
        renewal = found.get("RenewalSummary", {}).get("RenewalStatus", "none")
        yield warning(said, f"{EXPIRES.days} days at least", f"renewal in ACM: {renewal}")
    else:
        yield passed(said)


CHECKS = (
    Check("load_balancer.listeners", _listeners),
    Check("load_balancer.certificate", _certificate),
    Check("load_balancer.answers", _answers),
)
