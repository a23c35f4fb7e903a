"""A deploy is killed, recovered and deployed again: nothing is lost, nothing is made twice.

``TAP_KILL_POINTS=5,10,15`` kills at other numbers of made resources. The tests of this module run
in their order, at one point after the other.
"""

import json
import os
import subprocess

import psutil
import pytest

from ops.emulator.inventory import inventory, orphans
from ops.state.mend import Mender
from ops.state.place import place_of
from tests.e2e.conftest import SUFFIX, opened

POINTS = [int(point) for point in os.environ.get("TAP_KILL_POINTS", "15,40,60").split(",")]


class Killed:
    """A sandbox in which a deploy of dev was killed when ``point`` resources were made."""

    def __init__(self, sandbox, point):
        self.point = point
        self.sandbox = sandbox
        self.site = sandbox.sites["dev"]
        self.session = self.site.emulator.session(self.site.config.region)
        output = self.site.folder / "cdktf.out"
        self._place = place_of(self.site.config, SUFFIX, output, session=self.session)
        self._before = set(inventory(self.session.client))  # such as the default VPC
        assert sandbox.cli("deploy", tick=self._kill) != 0
        assert len(self.site.progress.done) < self.site.progress.total, "the deploy was quicker"

    def _kill(self):
        """Kill everything that deploys: the CLI, Terraform, its providers."""
        if len(self.site.progress.done) >= self.point:
            for process in psutil.Process().children(recursive=True):
                if process.pid != self.site.emulator.pid:
                    process.kill()

    def forgotten(self):
        """What is in AWS and not in the state, which the kill may have cut short."""
        try:
            state = json.loads(self.site.state.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            state = {"resources": []}
        made = set(inventory(self.session.client)) - self._before
        return orphans(sorted(made), state)

    def terraform(self, *arguments):
        """What Terraform prints, in the stack's folder."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.site.stack_folder,
            env=self.sandbox.environ(self.site),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def recover(self):
        """Recover; returns the report."""
        environ = self.sandbox.environ(self.site)
        report = Mender(self._place, environ, print, dry_run=False).mend()
        assert report
        print("\n".join(report.lines()))
        assert not report.problems
        return report

    def assert_whole(self):
        """The next deploy would change nothing, and nothing is there that the state lacks."""
        assert self.sandbox.cli("diff") == 0
        assert "found no differences" in self.site.log.read_text(encoding="utf-8")
        assert self.forgotten() == []


@pytest.fixture(scope="module", params=POINTS, name="killed")
def _killed(request):
    with opened("dev") as sandbox:
        yield Killed(sandbox, request.param)


def test_one_recover_and_one_deploy_complete_a_killed_one(killed):
    killed.recover()
    assert killed.forgotten() == []
    assert killed.sandbox.cli("deploy") == 0, "\n".join(killed.sandbox.failures())
    killed.assert_whole()


def test_a_state_that_lost_every_other_resource_gets_them_back(killed):
    """The even ones at one point, the odd ones at the next: each one is once imported."""
    if POINTS.index(killed.point) > 1:
        pytest.skip("each one was imported at the points before")
    listed = killed.terraform("state", "list").splitlines()
    addresses = [line for line in listed if not line.startswith("data.")]
    lost = addresses[POINTS.index(killed.point) % 2 :: 2]
    (tainted, *_) = sorted(set(addresses) - set(lost))
    killed.terraform("state", "rm", *lost)
    killed.terraform("taint", tainted)
    report = killed.recover()
    assert report.adopted.keys() == set(lost)
    assert report.untainted.keys() == {tainted}
    killed.assert_whole()


def test_nothing_to_recover_is_fine(killed):
    report = killed.recover()
    assert not report.adopted and not report.untainted and not report.to_make
