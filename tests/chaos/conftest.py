"""Only who asks for this folder by its name gets it: it takes longer than everything else."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the folder out of ``pytest`` and ``pytest tests``."""
    asked = [Path(str(argument).partition("::")[0]).resolve() for argument in config.args]
    named = any(path == FOLDER or FOLDER in path.parents for path in asked)
    return None if named else True
