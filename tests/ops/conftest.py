"""Fixtures of several commands' tests."""

from collections.abc import Iterator

import pytest

from tests.checkups import Answers, account


@pytest.fixture(name="aws")
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """An empty account; it can be given answers."""
    with account(monkeypatch) as answers:
        yield answers
