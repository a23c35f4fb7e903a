"""A deploy is killed, recovered and deployed again: nothing is lost, nothing is made twice.

``TAP_KILL_POINTS=5,10,15`` kills at other numbers of made resources than these.
"""

import json
import os

import psutil
import pytest

from ops.emulator.inventory import inventory, orphans
from ops.recover import recover
from tests.e2e.conftest import opened

POINTS = [int(point) for point in os.environ.get("TAP_KILL_POINTS", "15,60").split(",")]


@pytest.fixture(scope="module", name="sandbox")
def _sandbox():
    """A sandbox with dev synthesized, and nothing deployed."""
    with opened("dev") as sandbox:
        yield sandbox


def kill_at(sandbox, site, point):
    """Deploy, and kill everything about it, providers too, once that many resources are made."""

    def watch():
        if len(site.progress.done) >= point:
            processes = psutil.Process().children(recursive=True)
            for process in processes:
                if process.pid != site.emulator.pid:
                    process.kill()

    assert sandbox.cli("deploy", tick=watch) != 0
    assert len(site.progress.done) < site.progress.total, "it had been quicker"


def state_of(site):
    """The state, as JSON."""
    return json.loads(site.state.read_text(encoding="utf-8"))


def session_of(site):
    """boto3's session in the site's account."""
    return site.emulator.session(site.config.region)


def assert_whole(sandbox, site):
    """The deploy is complete: no difference, and nothing in AWS that the state lacks."""
    assert sandbox.cli("diff") == 0
    assert "found no differences" in site.log.read_text(encoding="utf-8")
    assert orphans(inventory(session_of(site).client), state_of(site)) == []
    assert state_of(site)


@pytest.mark.parametrize("point", POINTS)
def test_after_a_kill_one_recover_and_one_deploy_complete_it(point):
    with opened("dev") as sandbox:
        site = sandbox.sites["dev"]
        kill_at(sandbox, site, point)
        forgotten = orphans(inventory(session_of(site).client), state_of(site))
        report = recover(site.stack_folder, sandbox.environ(site), session_of(site))
        print("\n".join(report.lines()))
        assert not report.problems
        assert len(report.adopted) >= bool(forgotten)
        assert orphans(inventory(session_of(site).client), state_of(site)) == []
        assert sandbox.cli("deploy") == 0, "\n".join(sandbox.failures())
        assert_whole(sandbox, site)
