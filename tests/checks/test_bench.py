"""What the benchmark needs of this repository is where it looks for it."""

from pathlib import Path

import pytest

from bench import workspace
from bench.contenders import CONTENDERS


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_a_contender_s_sources_are_there(contender, monkeypatch, tmp_path):
    def once(name, sources, install):
        assert name and callable(install)
        assert [source for source in sources if not source.is_file()] == []
        return tmp_path

    monkeypatch.setattr(workspace, "_once", once)
    script = Path(contender.command()[-1])
    assert script.is_file() or tmp_path in script.parents
