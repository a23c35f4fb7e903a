"""What preflight and verify are made of: checks that ask AWS, each with its findings.

A check only looks. It ends with a finding whatever AWS says: a permission that it lacks is one, and
what could not be seen is "not shown", with the reason, and never passed.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lib.config.environment_config import EnvironmentConfig
from lib.errors import TapError
from lib.modules.naming import NamingModule
from ops import aws
from ops.stacks import Stack

SERVER_ERROR = 500


class Outcome(StrEnum):
    """What a finding says, mildest first."""

    PASSED = "passed"
    WARNING = "warning"  # nothing fails today
    NOT_SHOWN = "not shown"  # it could not be seen
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. Only one that passed needs no ``fix``."""

    outcome: Outcome
    found: str
    needed: str = ""
    fix: str = ""


def passed(found: str) -> Finding:
    """All is well."""
    return Finding(Outcome.PASSED, found)


def warning(found: str, needed: str, fix: str) -> Finding:
    """It works today, and will not for ever."""
    return Finding(Outcome.WARNING, found, needed, fix)


def failed(found: str, needed: str, fix: str) -> Finding:
    """It would not work."""
    return Finding(Outcome.FAILED, found, needed, fix)


def not_shown(reason: str, needed: str, fix: str) -> Finding:
    """It could not be seen; ``fix`` is how it can be."""
    return Finding(Outcome.NOT_SHOWN, reason, needed, fix)


@dataclass(slots=True)
class Subject:
    """The environment that is looked at: its config, its stack as it is synthesized, its account.

    ``calls`` counts what AWS was asked, as ``ec2:DescribeVpcs``.
    """

    config: EnvironmentConfig
    naming: NamingModule
    stack: Stack
    environ: Mapping[str, str]
    calls: Counter[str] = field(default_factory=Counter)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _session: boto3.Session | None = None

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` or ``aws-us-gov``."""
        return self.session.get_partition_for_region(self.config.region)

    @property
    def session(self) -> boto3.Session:
        """As Terraform's provider works: as the deploy role, where the config names one."""
        if self._session is None:
            self._session = aws.session_for(
                self.config.name,
                self.config.region,
                purpose="checkup",
                role=self.config.deploy_role_arn,
                accounts=(),
                hint="see the identity checks",
            )
        return self._session

    @property
    def account_id(self) -> str:
        """The account that is asked."""
        return self.client("sts").get_caller_identity()["Account"]

    def client(self, service: str, region: str | None = None) -> Any:
        """boto3's client of a service, whose calls are counted."""
        region = region or self.config.region
        if (service, region) not in self._clients:
            client = self.session.client(  # type: ignore[call-overload]
                service, region_name=region, config=aws.PATIENCE
            )
            self.count(client)
            self._clients[service, region] = client
        return self._clients[service, region]

    def count(self, client: Any) -> None:
        """Count what this client is asked."""
        service = client.meta.service_model.service_name

        def counted(model: Any, **_rest: Any) -> None:
            self.calls[f"{service}:{model.name}"] += 1

        client.meta.events.register("before-call", counted)

    def ask(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """All of the entries that AWS lists under ``key``, over all pages of the answer."""
        client = self.client(service)
        if client.can_paginate(operation):
            pages = client.get_paginator(operation).paginate(**arguments)
        else:
            pages = [getattr(client, operation)(**arguments)]
        return [entry for page in pages for entry in page.get(key) or ()]


@dataclass(frozen=True, slots=True)
class Check:
    """``look`` yields what it finds. After an ``essential`` one that fails, no other can tell."""

    name: str
    look: Callable[[Subject], Iterable[Finding]]
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found, how long it took, and what it asked of AWS."""

    check: str
    findings: tuple[Finding, ...]
    seconds: float
    calls: Mapping[str, int]

    @property
    def outcome(self) -> Outcome:
        """The worst of its findings."""
        return worst(finding.outcome for finding in self.findings)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them; passed where there are none."""
    return max(outcomes, key=list(Outcome).index, default=Outcome.PASSED)


def look(checks: Iterable[Check], subject: Subject) -> Iterator[Result]:
    """Run the checks, one after the other."""
    broken = None
    for check in checks:
        if broken:
            finding = not_shown(f"{broken} failed", f"{broken} to pass", f"mend {broken} first")
            yield Result(check.name, (finding,), 0, {})
            continue
        subject.calls.clear()
        start = time.monotonic()
        findings = tuple(_findings(check, subject))
        result = Result(check.name, findings, time.monotonic() - start, dict(subject.calls))
        if check.essential and result.outcome is Outcome.FAILED:
            broken = check.name
        yield result


def _findings(check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check.look(subject)
    except ClientError as error:
        yield refused(error)
    except BotoCoreError as error:
        yield failed(f"AWS: {error}", "an answer", "check the credentials and the network")
    except TapError as error:
        yield failed(error.message, "an answer", error.hint)


def denied(error: ClientError) -> bool:
    """Whether it is a permission that is missing. Services have many words for it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    code = error.response["Error"]["Code"]
    return "AccessDenied" in code or code in {
        *("UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException"),
        *("403", "Forbidden", "NotAuthorized"),
    }


def unanswered(error: ClientError) -> bool:
    """Whether AWS, or what stands for it, has no such call or is out of order."""
    code, answer = error.response["Error"]["Code"], error.response.get("ResponseMetadata", {})
    return code in {"NotImplemented", "InvalidAction", "UnknownOperationException"} or (
        answer.get("HTTPStatusCode", 0) >= SERVER_ERROR
    )


def refused(error: ClientError) -> Finding:
    """What it is that AWS refuses."""
    operation = error.operation_name
    if denied(error):
        return failed(
            f"{operation} is denied: {error.response['Error'].get('Message', '')}".strip(": "),
            f"{operation} allowed",
            "let the role that asks do so",
        )
    if unanswered(error):
        return not_shown(
            f"{operation} is not answered: {error}", f"an answer to {operation}", "try again"
        )
    return failed(f"AWS: {error}", f"an answer to {operation}", "see what AWS says")
