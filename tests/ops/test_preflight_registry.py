"""How registries are asked for an image: the protocol, on answers such as theirs."""

import io
import json
import urllib.error
import urllib.request
import urllib.response
from email.message import Message

import pytest

from ops.preflight.registry import Image, Unasked, platforms

PYTHON = Image("docker.io", "library/python", "3.13", None)
HUB = "https://registry-1.docker.io/v2/library/python"
CHALLENGE = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/python:pull"'
)
TOKEN = (
    "https://auth.docker.io/token?service=registry.docker.io"
    "&scope=repository%3Alibrary%2Fpython%3Apull"
)
INDEX = {
    "manifests": [
        {"platform": {"os": "linux", "architecture": "amd64"}},
        {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}
SINGLE = {"config": {"digest": "sha256:c0"}}


class Web:
    """Answers by address: status, document, headers. What was asked, with its credentials."""

    def __init__(self):
        self.pages = {}
        self.asked = []

    def page(self, url, document=None, status=200, **headers):
        """Another answer at an address, the last one again and again."""
        self.pages.setdefault(url, []).append((status, document, headers))

    def open(self, request):
        """In the place of urllib's own."""
        url = request.full_url
        self.asked.append((url, request.get_header("Authorization")))
        assert request.timeout
        pages = self.pages.get(url)
        if not pages:
            raise urllib.error.URLError("no network")
        status, document, headers = pages.pop(0) if len(pages) > 1 else pages[0]
        message = Message()
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = urllib.response.addinfourl(io.BytesIO(content), message, url, status)
        answer.msg = "told"  # type: ignore[attr-defined]
        return answer


@pytest.fixture(name="web", autouse=True)
def _web(monkeypatch):
    web = Web()
    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", web.open)
    return web


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("python", ("docker.io", "library/python", "latest", None)),
        ("python:3.13", ("docker.io", "library/python", "3.13", None)),
        ("acme/shop:1", ("docker.io", "acme/shop", "1", None)),
        ("docker.io/acme/shop:1", ("docker.io", "acme/shop", "1", None)),
        ("ghcr.io/acme/shop/api:v2", ("ghcr.io", "acme/shop/api", "v2", None)),
        ("localhost/shop", ("localhost", "shop", "latest", None)),
        ("registry:5000/shop:1", ("registry:5000", "shop", "1", None)),
        ("quay.io/a/b@sha256:ab", ("quay.io", "a/b", "latest", "sha256:ab")),
        ("quay.io/a/b:1@sha256:ab", ("quay.io", "a/b", "1", "sha256:ab")),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(reference, image):
    assert Image.parse(reference) == Image(*image)


def test_a_digest_is_asked_for_before_a_tag(web):
    web.page("https://quay.io/v2/a/b/manifests/sha256:ab", INDEX)
    assert platforms(Image.parse("quay.io/a/b:1@sha256:ab")) == ["linux/amd64", "linux/arm64"]


def test_a_public_registry_gives_a_token_to_anybody(web):
    web.page(f"{HUB}/manifests/3.13", {}, 401, WWW_Authenticate=CHALLENGE)
    web.page(f"{HUB}/manifests/3.13", INDEX)
    web.page(TOKEN, {"token": "t0"})
    assert platforms(PYTHON) == ["linux/amd64", "linux/arm64"]
    assert web.asked == [
        (f"{HUB}/manifests/3.13", None),
        (TOKEN, None),
        (f"{HUB}/manifests/3.13", "Bearer t0"),
    ]


def test_an_image_for_one_platform_tells_it_in_its_config(web):
    web.page(f"{HUB}/manifests/3.13", SINGLE)
    web.page(f"{HUB}/blobs/sha256:c0", {"os": "linux", "architecture": "arm64"})
    assert platforms(PYTHON) == ["linux/arm64"]


def test_credentials_stay_with_the_host_that_they_are_for(web):
    elsewhere = "https://layers.example/c0"
    web.page(f"{HUB}/manifests/3.13", SINGLE)
    web.page(f"{HUB}/blobs/sha256:c0", b"", 307, Location=elsewhere)
    web.page(elsewhere, {"os": "linux", "architecture": "amd64"})
    assert platforms(PYTHON, "Basic secret") == ["linux/amd64"]
    assert web.asked[1:] == [(f"{HUB}/blobs/sha256:c0", "Basic secret"), (elsewhere, None)]


def test_within_the_host_a_redirect_keeps_them(web):
    web.page(f"{HUB}/manifests/3.13", b"", 307, Location=f"{HUB}/manifests/other")
    web.page(f"{HUB}/manifests/other", INDEX)
    platforms(PYTHON, "Basic secret")
    assert web.asked[-1] == (f"{HUB}/manifests/other", "Basic secret")


def test_an_image_that_is_not_there_is_none(web):
    web.page(f"{HUB}/manifests/3.13", {"errors": []}, 404)
    assert platforms(PYTHON) is None


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (401, {}, "without credentials"),
        (403, {}, "without credentials"),
        (429, {}, "answers 429"),
        (503, {}, "answers 503"),
        (200, b"<html>", "no JSON"),
        (200, [], "no manifest"),
    ],
)
def test_another_answer_tells_nothing(web, status, document, said):
    web.page(f"{HUB}/manifests/3.13", document, status)
    with pytest.raises(Unasked, match=said):
        platforms(PYTHON)


def test_a_registry_that_wants_credentials_even_with_a_token_tells_nothing(web):
    web.page(f"{HUB}/manifests/3.13", {}, 401, WWW_Authenticate=CHALLENGE)
    web.page(TOKEN, {"token": "t0"})
    with pytest.raises(Unasked, match="without credentials"):
        platforms(PYTHON)


def test_no_network_tells_nothing():
    with pytest.raises(Unasked, match="registry-1.docker.io cannot be reached: no network"):
        platforms(PYTHON)


def test_a_registry_that_stays_silent_tells_nothing(monkeypatch):
    def silent(*_):
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", silent)
    with pytest.raises(Unasked, match="timed out"):
        platforms(PYTHON)


@pytest.mark.parametrize("realm", ["http://auth.example/token", "file:///etc/passwd", ""])
def test_nothing_but_https_is_asked(web, realm):
    challenge = f'Bearer realm="{realm}",service="s"'
    web.page(f"{HUB}/manifests/3.13", {}, 401, WWW_Authenticate=challenge)
    with pytest.raises(Unasked, match="https alone"):
        platforms(PYTHON)
