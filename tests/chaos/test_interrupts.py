"""Every way to interrupt a deploy, with our commands and with the plain CLI."""

import re
import signal

import pytest

from ops.graceful import INTERRUPTED, WARNING, WINDING_DOWN
from tests.chaos.deploys import CTRL_C, Interrupted, Terminal, copy
from tests.chaos.proxy import Fault, FaultProxy


def kill_tap(terminal):
    """``kill -9`` what runs Terraform, and nothing below it: Terraform goes on to its end."""
    terminal.signal(signal.SIGKILL)


def press_twice(terminal):
    """Ctrl-C again when it says that it winds down."""
    terminal.press(CTRL_C)
    terminal.until(lambda: WINDING_DOWN in terminal.shown or terminal.code is not None)
    terminal.press(CTRL_C)


WAYS = {
    "Ctrl-C": lambda terminal: terminal.press(CTRL_C),
    "Ctrl-C twice": press_twice,
    "INT": lambda terminal: terminal.signal(signal.SIGINT),
    "TERM": lambda terminal: terminal.signal(signal.SIGTERM),
    "a closed terminal": Terminal.close,
    "TAP killed": kill_tap,
}
PLAIN = ("Ctrl-C", "INT", "TERM", "a closed terminal")


@pytest.mark.parametrize("way", WAYS)
def test_our_command_loses_nothing(way):
    with copy() as place:
        deploy = Interrupted(place, WAYS[way])
        assert not place.orphans()
        assert not place.locks()
        killed = way == "TAP killed"
        assert deploy.code == (-signal.SIGKILL if killed else INTERRUPTED)
        assert way == "a closed terminal" or killed or WINDING_DOWN in deploy.terminal.shown
        assert way != "Ctrl-C twice" or WARNING in deploy.terminal.shown
        place.recover()
        place.deploy()
        place.check()


@pytest.mark.parametrize("way", PLAIN)
def test_the_plain_cli_loses_nothing(way):
    with copy() as place:
        Interrupted(place, WAYS[way], plain=True)
        assert not place.orphans()
        assert not place.locks()
        place.recover()
        place.deploy()
        place.check()


def test_an_interrupt_in_the_middle_of_a_call_is_mended_by_recover():
    """Terraform's provider gives up the calls that it waits for: AWS has made what nobody noted.

    https://github.com/hashicorp/terraform/issues/33358
    """
    with copy() as place:
        upstream = place.site.emulator.endpoint_url
        creates = re.compile(r"elasticloadbalancing CreateLoadBalancer|rds CreateDBInstance").match
        slow = {Fault.SLOW: 1.0}
        with FaultProxy(upstream, seed=1, rates=slow, only=creates) as proxy:
            Interrupted(place, WAYS["Ctrl-C"], AWS_ENDPOINT_URL=proxy.url)
        assert not place.locks()
        assert {item.type for item in place.orphans()} == {"load balancer", "database"}
        place.recover()
        assert not place.orphans()
        place.deploy()
        place.check()
