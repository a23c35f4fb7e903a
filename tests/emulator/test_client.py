"""The emulator's process: it starts, answers, says what went wrong, and never stays behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lib.errors import TapError
from ops.emulator import Emulator
from ops.emulator.client import ROOT, FailedCall

REGION = "eu-west-1"


@pytest.fixture(scope="module", name="emulator")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One for the tests that do it no harm."""
    with Emulator(tmp_path_factory.mktemp("emulator") / "log", os.environ) as started:
        yield started


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def _gone(endpoint_url: str) -> bool:
    """Whether nothing listens there any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(endpoint_url.rpartition(":")[2]))) != 0


def test_its_session_reaches_it_whatever_the_environment_says(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    caller = emulator.session(REGION).client("sts").get_caller_identity()
    assert caller["Account"] == "123456789012"


def test_it_has_the_policies_that_aws_manages(emulator: Emulator) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
    assert emulator.session(REGION).client("iam").get_policy(PolicyArn=arn)


def test_a_program_in_its_environment_works_in_it_and_nowhere_else(tmp_path: Path) -> None:
    person = {
        **os.environ,
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "NO_PROXY": "example.com",
    }
    with Emulator(tmp_path / "log", person) as mine:
        environ = mine.environ(REGION)
        assert environ["PATH"] == person["PATH"]
        assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_STS"} & environ.keys()
        assert environ["AWS_ENDPOINT_URL"] == mine.endpoint_url
        assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == REGION
        assert environ["NO_PROXY"] == environ["no_proxy"] == "example.com,127.0.0.1"
        assert environ["HTTP_PROXY"] == environ["http_proxy"] == mine.endpoint_url
        assert _account_seen_in(environ) == "123456789012"


def _account_seen_in(environ: dict[str, str]) -> str:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'], end='')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def test_it_says_which_calls_it_does_not_have(emulator: Emulator) -> None:
    iam = emulator.session(REGION).client("iam")
    with pytest.raises(ClientError, match="the emulator does not have iam Simulate") as caught:
        iam.simulate_principal_policy(PolicySourceArn="arn:aws:iam::1:role/a", ActionNames=["a:b"])
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    with pytest.raises(ClientError):
        iam.get_role(RoleName="none")  # the caller's fault, not the emulator's
    error = "The simulate_principal_policy action has not been implemented"
    assert emulator.errors() == [FailedCall("iam", "SimulatePrincipalPolicy", error)]
    assert str(emulator.errors()[0]) == f"iam SimulatePrincipalPolicy: {error}"


@pytest.mark.parametrize(
    ("error", "shown"),
    [("Traceback:\n  ...\nKeyError: 'a'\n", "KeyError: 'a'"), ("", "no reason given")],
)
def test_a_failed_call_is_said_in_a_line(error: str, shown: str) -> None:
    assert str(FailedCall("ecs", "DeleteService", error)) == f"ecs DeleteService: {shown}"


def test_its_log_holds_no_secret(emulator: Emulator) -> None:
    secrets = emulator.session(REGION).client("secretsmanager")
    secrets.create_secret(Name="name", SecretString="sentinel")
    assert "CreateSecret" in emulator.log.read_text()
    assert "sentinel" not in emulator.log.read_text()


def test_calls_at_the_same_time_are_a_line_each(emulator: Emulator) -> None:
    client = emulator.session(REGION).client("sts")
    before = len(emulator.log.read_text().splitlines())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.get_caller_identity(), range(40)))
    lines = emulator.log.read_text().splitlines()[before:]
    assert [json.loads(line)["action"] for line in lines] == ["GetCallerIdentity"] * 40


def test_a_connection_carries_one_call_after_the_other(emulator: Emulator) -> None:
    connection = HTTPConnection(emulator.endpoint_url.removeprefix("http://"), timeout=20)
    connection.connect()
    first = connection.sock
    scope = "id/20260101/us-east-1/s3/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"}
    for method, path, body, status, answer in (
        ("PUT", "/bucket", None, 200, b""),
        ("PUT", "/bucket/key", b"value", 200, b""),
        ("PUT", "/bucket/key", iter([b"in ", b"chunks"]), 200, b""),
        ("HEAD", "/bucket/key", None, 200, b""),
        ("GET", "/bucket/key", None, 200, b"in chunks"),
        ("DELETE", "/bucket/key", None, 204, b""),
        ("GET", "/bucket/none", None, 404, b"NoSuchKey"),
    ):
        connection.request(method, path, body, signed)
        response = connection.getresponse()
        assert (response.status, answer in response.read()) == (status, True), (method, path)
        assert connection.sock is first
    connection.close()


def test_head_and_body_of_an_answer_arrive_together(emulator: Emulator) -> None:
    address = ("127.0.0.1", int(emulator.endpoint_url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=20) as connection:
        for _ in range(5):
            connection.sendall(b"GET /moto-api/data.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head, separator, body = connection.recv(2**16).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert separator and body
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            while len(body) < length:
                body += connection.recv(2**16)


def test_a_caller_that_asks_first_is_told_to_go_on(emulator: Emulator) -> None:
    address = ("127.0.0.1", int(emulator.endpoint_url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=20) as connection:
        head = b"PUT /none/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(2**16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert connection.recv(2**16).startswith(b"HTTP/1.1 4")


def test_it_is_the_account_that_config_names_and_says_when_it_died(tmp_path: Path) -> None:
    certificate = f"arn:aws:acm:{REGION}:111122223333:certificate/of-config"
    with Emulator(
        tmp_path / "log", os.environ, account_id="111122223333", certificate_arn=certificate
    ) as emulator:
        session = emulator.session(REGION)
        assert session.client("sts").get_caller_identity()["Account"] == "111122223333"
        found = session.client("acm").describe_certificate(CertificateArn=certificate)
        assert found["Certificate"]["CertificateArn"] == certificate
        assert emulator.pid
        os.kill(emulator.pid, signal.SIGKILL)
        assert _wait_until(lambda: not emulator.alive())


def test_it_is_stopped_when_the_block_fails(tmp_path: Path) -> None:
    mine = Emulator(tmp_path / "log", os.environ)
    with pytest.raises(RuntimeError), mine:
        assert mine.alive()
        raise RuntimeError
    assert not mine.alive()
    assert _gone(mine.endpoint_url)
    mine.stop()  # again is no error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told_to(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ops.emulator"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith('{"port": ')
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal; from ops.emulator import Emulator\n"
        f"emulator = Emulator(pathlib.Path({str(tmp_path / 'log')!r}), os.environ)\n"
        "emulator.start()\n"
        "print(emulator.endpoint_url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert _wait_until(lambda: _gone(done.stdout.strip()))


def test_a_port_that_is_taken_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        emulator = Emulator(tmp_path / "log", os.environ, port=taken.getsockname()[1])
        with pytest.raises(TapError, match="did not start: .*in use"):
            emulator.start()
    assert not emulator.alive()


def test_lines_that_are_no_records_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('Traceback\n5\n{"service": "s3"}\n{"service": "iam", "sta')
    assert not Emulator(tmp_path / "log", os.environ).errors()
