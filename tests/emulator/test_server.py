"""What the emulator's process answers when moto cannot, and what it writes down."""

import io
import threading
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from ops.emulator.server import Recorder

FORM = "application/x-www-form-urlencoded; charset=utf-8"
SIGNATURE = "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/{}/aws4_request, SignedHeaders=host"


def _call(app: Any, service: str, **environ: Any) -> tuple[str, str, list[dict[str, Any]]]:
    """The status, the body and the log of one call."""
    log: list[dict[str, Any]] = []
    statuses = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_AUTHORIZATION": SIGNATURE.format(service),
        "wsgi.input": io.BytesIO(),
        **environ,
    }

    def start_response(status: str, *_: Any) -> Any:
        statuses.append(status)

    body = Recorder(app, log=log.append)(environ, start_response)
    return statuses[-1], b"".join(body).decode(), log


def _works(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


def _missing(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
    raise NotImplementedError("The simulate action has not been implemented")


def _broken(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
    raise KeyError("some & key")


def test_a_call_is_logged_with_its_service_and_action_and_nothing_that_it_carries() -> None:
    form = b"Action=CreateDBInstance&MasterUserPassword=sentinel"
    for environ, action in (
        ({"HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter"}, "PutParameter"),
        (
            {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "51", "wsgi.input": io.BytesIO(form)},
            "CreateDBInstance",
        ),
        ({"CONTENT_TYPE": FORM, "PATH_INFO": "/bucket/key"}, "GET /bucket/key"),
        ({"QUERY_STRING": "secret"}, "GET /"),
    ):
        status, _, log = _call(_works, "rds", **environ)
        assert status == "200 OK"
        assert log[0].pop("milliseconds") >= 0
        expected = {"agent": "", "service": "rds", "action": action, "subresources": []}
        assert log == [{**expected, "status": 200, "error": ""}]


def test_the_log_says_which_program_called() -> None:
    log = _call(_works, "rds", HTTP_USER_AGENT="APN/1.0 HashiCorp/1.0 Terraform/1.11.4")[2]
    assert log[0]["agent"] == "APN/1.0"


def test_of_a_bucket_the_log_says_what_the_call_is_about_and_nothing_else() -> None:
    for query, words in (
        ("lifecycle", ["lifecycle"]),
        ("versions&prefix=sentinel&sentinel", ["versions"]),
        ("x-amz-signature=sentinel", []),
    ):
        log = _call(_works, "s3", PATH_INFO="/bucket", QUERY_STRING=query)[2]
        assert log[0]["subresources"] == words


def test_the_form_that_names_the_action_still_reaches_the_service() -> None:
    form = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "8", "wsgi.input": io.BytesIO(b"Action=A")}
    assert _call(_works, "rds", **form)[1] == "Action=A"


@pytest.mark.parametrize(
    ("service", "content_type", "body"),
    [
        (
            "ecs",
            "application/x-amz-json-1.1",
            '{"__type": "EmulatorFailure", "message": "the emulator does not have ecs GET /"}',
        ),
        ("iam", FORM, "<ErrorResponse><Error><Code>EmulatorFailure</Code><Message>"),
        ("ec2", FORM, "<Response><Errors><Error><Code>EmulatorFailure</Code><Message>"),
        ("s3", "", "<Error><Code>EmulatorFailure</Code><Message>"),
    ],
)
def test_a_missing_call_is_refused_for_good_in_the_words_of_its_protocol(
    service: str, content_type: str, body: str
) -> None:
    status, answer, log = _call(_missing, service, CONTENT_TYPE=content_type)
    assert status == "501 Not Implemented"
    assert answer.startswith(body)
    assert log[0]["error"] == "The simulate action has not been implemented"


def test_so_is_a_call_that_fails_inside() -> None:
    status, answer, log = _call(_broken, "s3", PATH_INFO="/a&b")
    assert status == "501 Not Implemented"
    assert answer == (
        "<Error><Code>EmulatorFailure</Code>"
        "<Message>the emulator failed in s3 GET /a&amp;b</Message></Error>"
    )
    assert log[0]["status"] == 501
    assert log[0]["error"].endswith("KeyError: 'some & key'\n")


def test_an_unsigned_call_is_one_too() -> None:
    assert _call(_works, "s3", HTTP_AUTHORIZATION="")[2][0]["service"] == "unsigned"


def test_one_call_at_a_time() -> None:
    running = 0

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal running
        running += 1
        time.sleep(0.02)
        start_response("200 OK" if running == 1 else "500 together", [])
        running -= 1
        return []

    log: list[dict[str, Any]] = []
    recorder = Recorder(app, log=log.append)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    threads = [
        threading.Thread(target=recorder, args=(dict(environ), lambda *_: None)) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record["status"] for record in log] == [200] * 5
