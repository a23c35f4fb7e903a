"""Fixtures for every test. Importing ``lib`` first makes the AWS bindings load lazily, and
``tests/project.py`` next puts the tests' own environments in the place of the project's."""

# pylint: disable=wrong-import-order  # lib has to come before cdktf
import lib  # isort: skip

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from lib.config.environment_config import EnvironmentConfig
from tests import project
from tests.environments import ENVIRONMENTS
from tests.synthesized import Synthesized

assert lib.__doc__ and project.__doc__

BY_NAME = {entry.name: entry for entry in ENVIRONMENTS}


def changed(config: EnvironmentConfig, **changes: Any) -> EnvironmentConfig:
    """``config`` with fields changed; a dict changes those of a slice: ``service={"image": x}``."""
    return dataclasses.replace(
        config,
        **{
            name: dataclasses.replace(getattr(config, name), **value)
            if isinstance(value, dict)
            else value
            for name, value in changes.items()
        },
    )


@cache
def _shipped(name: str) -> Synthesized:
    return Synthesized.of(BY_NAME[name])


@pytest.fixture(params=list(BY_NAME))
def stack(request: pytest.FixtureRequest) -> Synthesized:
    """Each of the tests' environments, one after the other."""
    return _shipped(request.param)


@pytest.fixture
def shipped() -> Callable[[str], Synthesized]:
    """One of the tests' environments, which TAP ships, by its name."""
    return _shipped


@pytest.fixture
def synthesize() -> Callable[..., Synthesized]:
    """Synthesizes one with changes: ``synthesize("prod", service={...})``."""

    def make(name: str, *, password_given: bool = False, **changes: Any) -> Synthesized:
        return Synthesized.of(changed(BY_NAME[name], **changes), password_given=password_given)

    return make
