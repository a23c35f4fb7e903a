"""What an image registry has of an image: whether it is there, and for which platforms.

By the protocol that all of them speak, and anonymously where no credentials are given:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import http.client
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.error import HTTPError

SECONDS = 10  # for each answer
BYTES_MAX = 4 * 1024 * 1024  # a registry need not take a larger manifest
DOCKER_HUB = "docker.io"
HOSTS = {DOCKER_HUB: "registry-1.docker.io"}
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Unasked(Exception):
    """The registry gave no answer that tells of the image."""


@dataclass(frozen=True, slots=True)
class Image:
    """A reference, taken apart as Docker does."""

    registry: str
    repository: str
    tag: str
    digest: str | None

    @classmethod
    def parse(cls, reference: str) -> "Image":
        """``reference`` is one that the config's rules let through."""
        name, _, digest = reference.partition("@")
        first, slash, rest = name.partition("/")
        if not (slash and ("." in first or ":" in first or first == "localhost")):
            first, rest = DOCKER_HUB, name
        repository, _, tag = rest.partition(":")
        if first == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(first, repository, tag or "latest", digest or None)

    @property
    def manifest(self) -> str:
        """What names its manifest."""
        return self.digest or self.tag


def platforms(image: Image, authorization: str = "") -> list[str] | None:
    """As ``linux/amd64``; None where there is no such image. Raises ``Unasked``."""
    host = HOSTS.get(image.registry, image.registry)
    below = f"https://{host}/v2/{image.repository}"
    headers = {"Accept": MANIFESTS}
    if authorization:
        headers["Authorization"] = authorization
    status, answered, content = _get(f"{below}/manifests/{image.manifest}", headers)
    challenge = answered.get("WWW-Authenticate", "")
    if status == http.client.UNAUTHORIZED and challenge.lower().startswith("bearer "):
        headers["Authorization"] = f"Bearer {_token(challenge)}"
        status, answered, content = _get(f"{below}/manifests/{image.manifest}", headers)
    if status == http.client.NOT_FOUND:
        return None
    manifest = _document(host, status, content)
    if "manifests" in manifest:
        listed = [each.get("platform", {}) for each in manifest["manifests"]]
        return list(_platforms(listed))
    status, _, content = _get(f"{below}/blobs/{manifest['config']['digest']}", headers)
    return list(_platforms([_document(host, status, content)]))


def _platforms(told: list[Mapping[str, str]]) -> Iterator[str]:
    for each in told:
        if each.get("os", "unknown") != "unknown":  # an attestation is of no platform
            yield f"{each['os']}/{each['architecture']}"


def _token(challenge: str) -> str:
    """Anonymously: https://distribution.github.io/distribution/spec/auth/token/"""
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: told[key] for key in ("service", "scope") if key in told})
    realm = told.get("realm", "")
    status, _, content = _get(f"{realm}?{query}", {})
    document = _document(urllib.parse.urlsplit(realm).netloc, status, content)
    return document.get("token") or document.get("access_token") or ""


def _document(host: str, status: int, content: bytes) -> dict[str, Any]:
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        raise Unasked(f"{host} tells nobody without credentials, if there is such an image")
    if status != http.client.OK:
        raise Unasked(f"{host} answers {status}")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Unasked(f"{host} answers no JSON") from error
    if not isinstance(document, dict):
        raise Unasked(f"{host} answers no manifest")
    return document


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Credentials stay with the host that they are for: layers are often elsewhere."""

    def redirect_request(  # pylint: disable=too-many-positional-arguments  # urllib's
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and urllib.parse.urlsplit(newurl).netloc != req.host:
            request.remove_header("Authorization")
        return request


def _get(url: str, headers: Mapping[str, str]) -> tuple[int, Message, bytes]:
    """The answer: status, headers, content. Raises ``Unasked`` without one."""
    host = urllib.parse.urlsplit(url).netloc
    if not url.startswith("https://"):
        raise Unasked(f"{host or url} is asked over https alone")
    request = urllib.request.Request(url, headers=dict(headers))
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=SECONDS) as answer:
            return answer.status, answer.headers, answer.read(BYTES_MAX)
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read(BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Unasked(f"{host} cannot be reached: {reason}") from error
