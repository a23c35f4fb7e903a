"""A deploy that is interrupted loses nothing; recover and the next one complete it.

Two of the ways in which that happens, side by side; ``tests/chaos/test_interrupts.py`` has all.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from ops.graceful import INTERRUPTED, WINDING_DOWN
from tests.chaos.deploys import CTRL_C, Interrupted, Terminal, copy

WAYS = {
    "Ctrl-C": (lambda terminal: terminal.press(CTRL_C), False),
    "the plain CLI, its terminal closed": (Terminal.close, True),
}


@pytest.fixture(scope="module", name="deploys")
def _deploys():
    """Each of the ways, in an account of its own."""
    with ExitStack() as exits, ThreadPoolExecutor() as threads:
        started = {
            name: threads.submit(Interrupted, exits.enter_context(copy()), how, plain=plain)
            for name, (how, plain) in WAYS.items()
        }
        yield {name: deploy.result() for name, deploy in started.items()}


@pytest.mark.parametrize("way", WAYS)
def test_all_that_was_made_is_in_the_state(deploys, way):
    deploy = deploys[way]
    assert len(deploy.copy.state()["resources"]) > 10
    assert not deploy.copy.orphans()


@pytest.mark.parametrize("way", WAYS)
def test_no_lock_is_left(deploys, way):
    assert not deploys[way].copy.locks()


def test_the_person_is_told(deploys):
    assert WINDING_DOWN in deploys["Ctrl-C"].terminal.shown
    assert deploys["Ctrl-C"].code == INTERRUPTED


def test_recover_and_the_next_deploy_complete_it(deploys):
    interrupted = deploys["Ctrl-C"].copy
    interrupted.recover()
    interrupted.deploy()
    interrupted.check()
