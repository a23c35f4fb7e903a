"""An account in this process to look at, and what stands in for calls that moto lacks."""

# pylint: disable=protected-access  # boto3 has no other way to be quick

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
import boto3.session
from botocore.client import ClientCreator
from botocore.loaders import create_loader
from botocore.validate import ParamValidator
from moto import mock_aws

from lib.modules.naming import NamingModule
from ops.checkup import Check, Finding, Outcome, Result, Subject, look
from ops.emulator import patches
from ops.stacks import Stack
from tests.conftest import changed
from tests.synthesized import SUFFIX, Synthesized

REGION = "us-east-1"
ACCOUNT = "123456789012"
TAGS = [
    {"Key": "Project", "Value": "tap"},
    {"Key": "Environment", "Value": "dev"},
    {"Key": "Suffix", "Value": SUFFIX},
]
OTHERS = [*TAGS[:2], {"Key": "Suffix", "Value": "other"}]
LOADER = create_loader()  # reads each service's description once
_make_class = ClientCreator._create_client_class
_classes: dict[str, type] = {}


def _class_once(creator: ClientCreator, service: str, model: Any) -> type:
    """A client's class, made once: that of EC2 has 700 methods."""
    if service not in _classes:
        _classes[service] = _make_class(creator, service, model)
    return _classes[service]


@cache
def client(service: str) -> Any:
    """To make what a test needs; moto has whatever any client makes."""
    session = boto3.session.Session("id", "secret", region_name=REGION)
    return session.client(service)  # type: ignore[call-overload]


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An answer that AWS gives instead."""

    code: str
    status: int = 400


DENIED = Refusal("AccessDenied", 403)
MISSING = Refusal("NotImplemented", 501)  # as the emulator says


class Answers:
    """What is answered in moto's place, by operation; several one after the other."""

    def __init__(self) -> None:
        self._by_operation: dict[str, list[Any]] = {}

    def give(self, operation: str, *answers: Any) -> None:
        """``answers`` to ``rds:DescribeDBEngineVersions``, the last one again and again. Each has
        the shape of AWS's."""
        self._by_operation[operation] = list(answers)

    def answer(self, model: Any, **_: Any) -> Any:
        """For botocore's ``before-call``; None leaves it to moto."""
        answers = self._by_operation.get(f"{model.service_model.service_name}:{model.name}")
        if not answers:
            return None
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(given, Refusal):
            error = {"Code": given.code, "Message": f"no {model.name}"}
            return SimpleNamespace(status_code=given.status), {
                "Error": error,
                "ResponseMetadata": {"HTTPStatusCode": given.status},
            }
        problems = ParamValidator().validate(given, model.output_shape)
        assert not problems.has_errors(), problems.generate_report()
        return SimpleNamespace(status_code=200), given


@contextmanager
def account(monkeypatch: Any) -> Iterator[Answers]:
    """An empty account, and nothing of the person's own."""
    answers = Answers()

    class Session(boto3.Session):
        """Answers what it is given answers for."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._session.register_component("data_loader", LOADER)
            self.events.register("before-call", answers.answer)

    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "ENVIRONMENT_SUFFIX", "STATE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        patches.apply_all(
            lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
        )
        monkeypatch.setattr(boto3, "Session", Session)
        monkeypatch.setattr(ClientCreator, "_create_client_class", _class_once)
        yield answers


def subject_of(synthesized: Synthesized, **changes: Any) -> Subject:
    """A stack as the commands look at it; ``changes`` are of its config alone."""
    config = changed(synthesized.config, **changes)
    naming = NamingModule(config.name, config.region, SUFFIX, config.account_id)
    return Subject(config, naming, Stack.read(synthesized.document), {})


def result_of(checks: Sequence[Check], name: str, subject: Subject) -> Result:
    """What one check finds."""
    (check,) = [each for each in checks if each.name == name]
    (result,) = look([check], subject)
    return result


def finding_of(checks: Sequence[Check], name: str, subject: Subject) -> Finding:
    """The one thing that a check finds."""
    (finding,) = result_of(checks, name, subject).findings
    assert finding.outcome is Outcome.PASSED or (finding.needed and finding.fix)
    return finding
