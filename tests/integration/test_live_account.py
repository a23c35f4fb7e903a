"""Preflight and verify on a live account, where one is named: nothing may have failed.

TAP_LIVE_ACCOUNT=123456789012 ENVIRONMENT=dev ENVIRONMENT_SUFFIX=qa3f7b5l, with credentials of that
account, for an environment that is deployed there. It only reads.
"""

import json
import os

import boto3
import pytest

from ops.__main__ import main

ACCOUNT = os.environ.get("TAP_LIVE_ACCOUNT")
pytestmark = pytest.mark.skipif(
    not ACCOUNT, reason="looks at a live account where TAP_LIVE_ACCOUNT names one"
)


@pytest.fixture(scope="module", autouse=True)
def _that_account():
    """No other is asked more than which one it is."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    assert account == ACCOUNT, f"these credentials are account {account}'s"


@pytest.mark.parametrize("command", ["preflight", "verify"])
def test_nothing_fails(command, capsys):
    code = main([command, "--json"])
    said = capsys.readouterr()
    assert code != 2, said.err
    stacks = json.loads(said.out)
    found = [
        (stack["stack"], check["check"], finding)
        for stack in stacks
        for check in stack["checks"]
        for finding in check["findings"]
    ]
    assert found, "there are no checks"
    with capsys.disabled():
        for stack, check, finding in found:
            if finding["outcome"] == "not shown":
                print(f"\n{stack}: {check}: not shown: {finding['found']}", end="")
    failed = [each for each in found if each[2]["outcome"] == "failed"]
    assert not failed and code == 0, json.dumps(failed, indent=2)
