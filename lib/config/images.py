"""Images: how their references are written, and which private registries are ECR's.

The one list of ECR's hosts: the service's role, preflight and validation read it here.
https://docs.aws.amazon.com/general/latest/gr/ecr.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lib.config import aws_limits
from lib.config.rules import Rule
from lib.config.type_check import Finding, shown
from lib.errors import did_you_mean

# Each partition's domains: of the registries over IPv4, and of those that speak IPv6 too.
ECR_DOMAINS: Final = MappingProxyType(
    {
        "aws": ("amazonaws.com", "on.aws"),
        "aws-cn": ("amazonaws.com.cn", "on.amazonwebservices.com.cn"),
        "aws-eusc": ("amazonaws.eu", "on.amazonwebservices.eu"),
        "aws-iso": ("c2s.ic.gov", "on.aws.ic.gov"),
        "aws-iso-b": ("sc2s.sgov.gov", "on.aws.scloud"),
        "aws-iso-e": ("cloud.adc-e.uk", "on.cloud-aws.adc-e.uk"),
        "aws-iso-f": ("csp.hci.ic.gov", "on.aws.hci.ic.gov"),
        "aws-us-gov": ("amazonaws.com", "on.aws"),
    }
)
_ECR_HOST = re.compile(
    r"(?P<account>[^.]*)\.dkr(?P<joint>[.-])ecr(?:-fips)?\.(?P<region>[^.]*)\.(?P<domain>.*)"
)
_REFERENCE = "registry/repository:tag or registry/repository@sha256:<64 hexadecimal digits>"
_FIXED_IMAGE = "a digest or a tag but latest"
_HOST = r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    # The first part is a registry where it has a dot or a port, as Docker reads it.
    rf"(?P<name>(?:(?P<registry>(?=[^/]*[.:]|localhost/){_HOST})/)?"
    rf"(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?)"
    r"(?P<digest>@sha256:[A-Fa-f0-9]{64})?"
)
HTTPS_PORT = "443"


@dataclass(frozen=True, slots=True)
class EcrImage:
    """Where in ECR an image lies: the account and region whose private registry has it."""

    account: str
    region: str
    repository: str


def ecr_image(image: str) -> EcrImage | None:
    """Where in ECR an image lies; None where its registry is another one."""
    match = _IMAGE.fullmatch(image)
    if not match or any(_ecr_findings(match)):
        return None
    host = _ECR_HOST.fullmatch(_host(match))
    return host and EcrImage(host["account"], host["region"], match["repository"])


def _host(match: re.Match[str]) -> str:
    return (match["registry"] or "").partition(":")[0]


def image_findings(image: str) -> Iterator[Finding]:
    """What is wrong with an image reference; nothing when it is fine."""
    match = _IMAGE.fullmatch(image)
    if not match or len(match["name"]) > aws_limits.IMAGE_REFERENCE_MAX:
        yield Finding(f"{shown(image)} is not an image reference", f"write {_REFERENCE}")
        return
    port = (match["registry"] or "").partition(":")[2]
    if _host(match) == "localhost":
        yield Finding(
            f"{shown(image)} is on localhost, which for a task is the task itself",
            "name a registry that it reaches",
        )
    elif port not in ("", HTTPS_PORT):
        # Not another rule of the security group: a registry that the internet reaches has HTTPS on
        # its own port, and a task that may call any port is worth less.
        yield Finding(
            f"the registry is on port {port}, and tasks reach {HTTPS_PORT} alone",
            "serve the registry on 443, or push the image to ECR",
        )
    yield from _ecr_findings(match)


def _ecr_findings(image: re.Match[str]) -> Iterator[Finding]:
    """What is wrong with a registry that is written like one of ECR's."""
    host = _ECR_HOST.fullmatch(_host(image))
    if not host:
        return
    account, region = host["account"], host["region"]
    if not re.fullmatch(aws_limits.ACCOUNT_ID_PATTERN, account):
        yield Finding(f"ECR has no registry of account {shown(account)}", "write its 12 digits")
    if region not in aws_limits.PARTITION_BY_REGION:
        yield Finding(
            f"ECR has no registry in {shown(region)}",
            did_you_mean(region, aws_limits.PARTITION_BY_REGION) + "write one like us-east-1",
        )
        return
    domain = ECR_DOMAINS[aws_limits.partition_of(region)][host["joint"] == "-"]
    if host["domain"] != domain:
        joint = f".dkr{host['joint']}ecr"
        yield Finding(
            f"ECR has no registry {shown(_host(image))}",
            f"write {account}{joint}.{region}.{domain}",
        )


def _same_partition(image: str, region: str) -> Iterator[Finding]:
    """No role of one partition is known in another."""
    found, here = ecr_image(image), aws_limits.PARTITION_BY_REGION.get(region)
    if found and here and (there := aws_limits.partition_of(found.region)) != here:
        yield Finding(
            f"the image is in partition {there}, {region} in {here}: no task there may pull it",
            f"push it to an ECR repository in {here}",
        )


def _cache_in_ecr(pull_through_cache: bool, image: str) -> Iterator[Finding]:
    if pull_through_cache and not ecr_image(image):
        yield Finding(
            f"{shown(image)} is in no private registry of ECR, and no other is such a cache",
            "name the image as ECR does: <account>.dkr.ecr.<region>.amazonaws.com/<prefix>/…; or "
            "write False",
        )


def _production_image(image: str) -> Iterator[Finding]:
    match = _IMAGE.fullmatch(image)
    if match and not match["digest"] and match["tag"] in (None, "latest"):
        yield Finding(f"{shown(image)} can be another image tomorrow", f"name {_FIXED_IMAGE}")


IMAGE_RULES = (
    Rule(("service.image",), image_findings, f"{_REFERENCE}; the registry on port {HTTPS_PORT}"),
    Rule(("service.image", "region"), _same_partition, "of ECR: in the region's partition"),
    Rule(("service.image",), _production_image, _FIXED_IMAGE, production_only=True),
    Rule(
        ("service.pull_through_cache", "service.image"),
        _cache_in_ecr,
        "True for an image in a private registry of ECR",
    ),
)
