"""Starts the emulator, says where it is and what went wrong in it, and stops it."""

import http.client
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3

from lib.errors import TapError

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "emulator",
    "AWS_SECRET_ACCESS_KEY": "emulator",
}
DATA_PLANE = "/_data-plane"  # at its address: what runs, and where
SECONDS_TO_START = 60  # 2 on an idle machine
SECONDS_TO_STOP = 20


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that the emulator does not have, or that failed inside it."""

    service: str
    action: str
    error: str

    def __str__(self) -> str:
        reason = self.error.strip().splitlines() or ["no reason given"]
        return f"{self.service} {self.action}: {reason[-1]}"


class Emulator:
    """One emulated AWS account in a process of its own, which ends with this one at the latest.

    A context manager: started on entry, stopped on exit, whatever happened in between. ``log`` gets
    a line of JSON for each call, without arguments. ``environ`` is this process's environment.
    ``account_id`` is the account to pose as, and ``certificate_arn`` a certificate to have, where
    config names them. ``data_plane`` is a folder to run tasks and databases in; without, they are
    records. The process is out of reach of a terminal's Ctrl-C: what was interrupted
    still needs it to wind down.
    """

    def __init__(
        self,
        log: Path,
        environ: Mapping[str, str],
        *,
        port: int = 0,
        account_id: str | None = None,
        certificate_arn: str | None = None,
        data_plane: Path | None = None,  # pylint: disable=redefined-outer-name
    ) -> None:
        self.log = log
        self._data_plane = data_plane
        self._environ = {name: environ[name] for name in environ if not name.startswith("AWS_")}
        self._port = port
        self._account_id = account_id
        self._certificate_arn = certificate_arn
        self._process: subprocess.Popen[str] | None = None
        self._endpoint_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where all of its services answer."""
        return self._endpoint_url

    def start(self) -> None:
        """Start it and wait until it answers. Raises ``TapError`` when it doesn't."""
        command = [sys.executable, "-m", "ops.emulator", "--port", str(self._port)]
        if self._account_id:
            command += ["--account", self._account_id]
        if self._certificate_arn:
            command += ["--certificate", self._certificate_arn]
        if self._data_plane:
            command += ["--data-plane", str(self._data_plane)]
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                command,
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            self._endpoint_url = f"http://{HOST}:{self._ready()['port']}"
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> dict[str, Any]:
        assert self._process and self._process.stdout  # nosec B101  # set by __enter__
        readable, _, _ = select.select([self._process.stdout], [], [], SECONDS_TO_START)
        line = self._process.stdout.readline() if readable else ""
        if line:
            return json.loads(line)
        last = self.log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise TapError(
            f"the emulator did not start: {''.join(last) or 'no answer'}",
            hint="make setup installs it; .venv/bin/python -m ops.emulator says more",
        )

    def stop(self) -> None:
        """End the process. To stop one that isn't running is no error."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's id, while it is this one's to stop."""
        return self._process.pid if self._process else None

    def data_plane(self) -> dict[str, Any]:
        """What runs, and where; empty without a data plane."""
        return data_plane(self.endpoint_url) if self._data_plane else {}

    def errors(self) -> list[FailedCall]:
        """The calls that failed because of the emulator, not of the caller."""
        failed = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            call = _record(line)
            if call.get("status", 0) >= 500:
                failed.append(FailedCall(call["service"], call["action"], call["error"]))
        return failed

    def environ(self, region: str) -> dict[str, str]:
        """This process's environment with all about AWS replaced, for a program to work in here.

        The person's own profile, credentials and endpoints are out of the program's reach. The
        emulator is its proxy too, since S3 Control is asked at ``<account>.127.0.0.1``, a name that
        no resolver knows.
        """
        proxied = self._environ.get("NO_PROXY") or self._environ.get("no_proxy")
        no_proxy = ",".join(filter(None, [proxied, HOST]))
        return self._environ | {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTP_PROXY": self.endpoint_url,
            "http_proxy": self.endpoint_url,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }

    def session(self, region: str) -> boto3.Session:
        """A session whose clients talk to the emulator, whatever the environment says."""
        return _Session(self.endpoint_url, region)


def data_plane(endpoint_url: str) -> dict[str, Any]:
    """What an emulator's data plane says of itself; empty where it has none."""
    url = urlsplit(endpoint_url)
    if url.scheme != "http":  # whoever stands for AWS elsewhere is asked nothing of the kind
        return {}
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=SECONDS_TO_START)
    try:
        connection.request("GET", DATA_PLANE)
        response = connection.getresponse()
        told = json.loads(response.read()) if response.status == 200 else {}
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return told if isinstance(told, dict) else {}


class _Session(boto3.Session):
    def __init__(self, endpoint_url: str, region: str) -> None:
        super().__init__(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        self._endpoint_url = endpoint_url

    def client(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().client(*args, **{"endpoint_url": self._endpoint_url} | options)


def _record(line: str) -> dict[str, Any]:
    """A line of the log as a record; empty for what isn't one, such as a last, unfinished line."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
