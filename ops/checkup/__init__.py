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
from ops.aws import code_of
from ops.stacks import Stack

SERVER_ERROR = 500

# What IAM calls a service, and a call, where boto3 has another word.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
ACTIONS = {
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
}


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


@dataclass(slots=True, eq=False)
class Subject:
    """The environment that is looked at: its config, its stack as it is synthesized, its account.

    ``neighbours`` are those that are asked for together with it. ``calls`` counts what AWS was
    asked, as ``ec2:DescribeVpcs``.
    """

    config: EnvironmentConfig
    naming: NamingModule
    stack: Stack
    environ: Mapping[str, str]
    calls: Counter[str] = field(default_factory=Counter)
    neighbours: tuple["Subject", ...] = ()
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _caller: boto3.Session | None = None
    _session: boto3.Session | None = None
    _account_id: str | None = None

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` or ``aws-us-gov``."""
        return self.session.get_partition_for_region(self.config.region)

    @property
    def caller(self) -> boto3.Session:
        """As whoever runs this."""
        if self._caller is None:
            with aws.told(hint="see the identity checks"):
                self._caller = self._counted(boto3.Session(region_name=self.config.region))
        return self._caller

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
                caller=self.caller,
            )
            if self._session is not self.caller:
                self._counted(self._session)
        return self._session

    @property
    def account_id(self) -> str:
        """The account that is asked; it says so once."""
        account = self._account_id or self.client("sts").get_caller_identity()["Account"]
        self._account_id = account
        return account

    def together(self, *, everywhere: bool = False) -> list["Subject"]:
        """Itself, and the neighbours in its account and region: what they add counts together.

        ``everywhere`` has those in other regions too.
        """
        near = [
            each
            for each in self.neighbours
            if everywhere or each.config.region == self.config.region
        ]
        if not near:
            return [self]
        account = self.account_id
        return [self, *(each for each in near if each.account_named() in (None, account))]

    def account_named(self) -> str | None:
        """The account of its deploy role, or that the config names; None is whoever's runs this."""
        role = self.config.deploy_role_arn
        return role.split(":")[4] if role else self.config.account_id

    def client(self, service: str, region: str | None = None) -> Any:
        """boto3's client of a service, whose calls are counted."""
        region = region or self.config.region
        if (service, region) not in self._clients:
            self._clients[service, region] = self.session.client(  # type: ignore[call-overload]
                service, region_name=region, config=aws.PATIENCE
            )
        return self._clients[service, region]

    def _counted(self, session: boto3.Session) -> boto3.Session:
        """Count what every client of this session is asked."""

        def counted(model: Any, **_rest: Any) -> None:
            self.calls[f"{model.service_model.service_name}:{model.name}"] += 1

        session.events.register("before-parameter-build", counted)
        return session

    def ask(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """All of the entries that AWS lists under ``key``, over all pages of the answer."""
        pages = aws.pages(self.client(service), operation, **arguments)
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
        yield refused(error, subject)
    except BotoCoreError as error:
        yield _unreached(error)
    except aws.Misconfigured:
        raise
    except TapError as error:
        cause = error.__cause__ if isinstance(error, aws.Refused) else None
        if isinstance(cause, ClientError):
            yield refused(cause, subject)
        else:
            yield failed(error.message, "an answer", error.hint)


def denied(error: ClientError) -> bool:
    """Whether it is a permission that is missing. Services have many words for it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    code = code_of(error)
    return "AccessDenied" in code or code in {
        *("UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException"),
        *("403", "Forbidden", "NotAuthorized"),
    }


def unanswered(error: ClientError) -> bool:
    """Whether AWS, or what stands for it, has no such call, is out of order or has had enough."""
    code, answer = code_of(error), error.response.get("ResponseMetadata", {})
    return (
        code in {"NotImplemented", "InvalidAction", "UnknownOperationException"}
        or code in {"RequestLimitExceeded", "SlowDown", "TooManyRequestsException"}
        or "Throttl" in code
        or answer.get("HTTPStatusCode", 0) >= SERVER_ERROR
    )


def action_of(call: str) -> str:
    """The IAM action that a call needs: ``s3:ListBucket`` for ``s3:HeadBucket``."""
    service, operation = call.split(":")
    return ACTIONS.get(call) or f"{PREFIXES.get(service, service)}:{operation}"


def refused(error: ClientError, subject: Subject) -> Finding:
    """What AWS did not answer, as a finding."""
    operation = error.operation_name
    called = [call for call in subject.calls if call.endswith(f":{operation}")]
    action = action_of(called[-1]) if called else operation
    message = error.response["Error"].get("Message", "")
    if denied(error):
        return failed(
            f"{action} is denied: {message}".removesuffix(": "),
            f"{action} allowed",
            f"allow {action} to the role that asks",
        )
    if unanswered(error):
        return not_shown(
            f"{action} is not answered: {message or code_of(error)}",
            f"an answer to {action}",
            "try again",
        )
    return failed(f"AWS: {error}", f"an answer to {action}", "see what AWS says")


def _unreached(error: BotoCoreError) -> Finding:
    return failed(f"AWS: {error}", "an answer", "check the credentials and the network")
