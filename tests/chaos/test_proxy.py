"""The proxy: its faults are the ones that boto3, like every SDK of AWS, takes for AWS's own."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.chaos.proxy import HARSH, IN_A_ROW, Fault, FaultProxy

CALLS = {  # a call in each of the protocols, and the error that AWS throttles it with
    "json 1.1": ("ssm", "describe_parameters", "ThrottlingException"),
    "json 1.0": ("dynamodb", "list_tables", "ThrottlingException"),
    "query": ("iam", "list_roles", "Throttling"),
    "ec2": ("ec2", "describe_vpcs", "RequestLimitExceeded"),
    "rest-xml": ("s3", "list_buckets", "SlowDown"),
}


@pytest.fixture(name="upstream")
def _upstream():
    """An endpoint that only counts."""
    served = []

    class Endpoint(BaseHTTPRequestHandler):
        """Says yes to everything."""

        def _serve(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = _serve

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", served
    server.shutdown()
    server.server_close()


def client(proxy, service, attempts=1):
    """A client of boto3 that talks to the proxy."""
    return boto3.client(
        service,
        endpoint_url=proxy.url,
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


@pytest.mark.parametrize(("service", "operation", "code"), CALLS.values(), ids=list(CALLS))
def test_a_throttled_call_is_throttled_as_aws_does_it(upstream, service, operation, code):
    with (
        FaultProxy(upstream[0], seed=1, rates={Fault.THROTTLED: 1}) as proxy,
        pytest.raises(ClientError) as raised,
    ):
        getattr(client(proxy, service), operation)()
    assert raised.value.response.get("Error", {}).get("Code") == code
    assert upstream[1] == []


@pytest.mark.parametrize(("service", "operation", "code"), CALLS.values(), ids=list(CALLS))
def test_a_failed_call_is_tried_again(upstream, service, operation, code):
    with (
        FaultProxy(upstream[0], seed=1, rates={Fault.FAILED: 1}) as proxy,
        pytest.raises(ClientError) as raised,
    ):
        getattr(client(proxy, service, attempts=2), operation)()
    metadata = raised.value.response.get("ResponseMetadata", {})
    assert (metadata.get("HTTPStatusCode"), metadata.get("RetryAttempts")) == (500, 1)
    assert code and upstream[1] == []


def test_a_lost_call_was_carried_out(upstream):
    with (
        FaultProxy(upstream[0], seed=1, rates={Fault.LOST: 1}) as proxy,
        pytest.raises((ConnectionClosedError, EndpointConnectionError)),
    ):
        client(proxy, "ssm").describe_parameters()
    assert len(upstream[1]) == 1


def test_without_faults_it_is_not_there(upstream):
    with FaultProxy(upstream[0], seed=1, rates={}) as proxy:
        client(proxy, "ssm").describe_parameters()
    assert len(upstream[1]) == 1
    assert not proxy.befallen


def test_a_call_gets_through_in_the_end(upstream):
    with FaultProxy(upstream[0], seed=1, rates={Fault.FAILED: 1}) as proxy:
        client(proxy, "ssm", attempts=IN_A_ROW + 1).describe_parameters()
    assert proxy.befallen.total() == IN_A_ROW
    assert len(upstream[1]) == 1


def test_the_faults_are_the_seed_s(upstream):
    def fates(seed):
        proxy = FaultProxy(upstream[0], seed=seed, rates=HARSH)
        return [proxy.fate("ssm PutParameter") for _ in range(2000)]

    assert fates(1) == fates(1) != fates(2)
    shares = Counter(fates(1))
    for fault, rate in HARSH.items():
        assert abs(shares[fault] / 2000 - rate) < 0.03
