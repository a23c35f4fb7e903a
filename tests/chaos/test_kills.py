"""``kill -9`` of everything at twenty points of a deploy; then recover, deploy, and all is well."""

import signal

import pytest

from tests.chaos.deploys import Terminal, copy, kill, made
from tests.conftest import BY_NAME
from tests.synthesized import Synthesized

RESOURCES = sum(map(len, Synthesized.of(BY_NAME["dev"]).document["resource"].values()))
POINTS = [1 + round(number * (RESOURCES - 2) / 19) for number in range(20)]


@pytest.mark.parametrize("point", POINTS)
def test_recover_and_deploy_mend_it(point):
    with copy() as place:
        terminal = Terminal(place.command(), place.environ())
        terminal.until(lambda: made(terminal.shown) >= point or terminal.code is not None)
        assert terminal.code is None, terminal.shown[-4000:]
        kill(place, terminal.pid)
        assert terminal.wait() == -signal.SIGKILL
        place.recover()
        assert not place.orphans()
        place.deploy()
        place.check()
