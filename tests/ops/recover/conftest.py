"""An account for each test."""

import pytest
from moto import mock_aws

from ops.emulator import patches
from tests.ops.recover.account import TINY, Account, Session


@pytest.fixture(scope="module", name="clients")
def _clients():
    """One session for all tests: what it has is moto's, wherever it is asked for."""
    return Session()


@pytest.fixture(name="session")
def _session(monkeypatch, clients):
    """An account in this process, with the emulator's patches, and nothing in it."""
    with mock_aws():
        patches.apply_all(
            lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
        )
        yield clients


@pytest.fixture(name="account")
def _account(session):
    """An empty account, for the tiny stack."""
    return Account(session, TINY)
