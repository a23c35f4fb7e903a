"""Preflight against an account that is there, with the credentials of whoever runs this.

``TAP_LIVE=1`` turns it on, with ENVIRONMENT and ENVIRONMENT_SUFFIX as for a deploy. It reads and
nothing else; what it finds is the account's own, and no matter of the test.
"""

import os
import re

import pytest

from ops import preflight
from ops.checkup import command, look

READS = re.compile(r"\w[\w-]*:(?:Get|List|Describe|Head|Simulate|AssumeRole)")


@pytest.mark.skipif(not os.environ.get("TAP_LIVE"), reason="TAP_LIVE is not set")
def test_every_check_gets_an_answer_from_a_live_account():
    for subject in command.subjects(os.environ):
        results = list(look(preflight.CHECKS, subject))
        assert all(result.findings for result in results)
        assert all(READS.match(call) for result in results for call in result.calls)
        odd = [
            (result.check, finding.found)
            for result in results
            for finding in result.findings
            if finding.found.startswith("AWS: ")
        ]
        assert not odd, "AWS refused a call in a way that no check expects"
