"""docs/guard.md shows what the guard prints."""

import re
from pathlib import Path

from ops.__main__ import main

ROOT = Path(__file__).parents[2]


def test_the_output_is_the_commands(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = Path("docs", "guard.md").read_text(encoding="utf-8")
    shown = re.findall(r"python -m ops (guard .*)\n```\n\n```\n([^`]*)```", text)
    assert len(shown) == 1
    for command, output in shown:
        assert main(command.split()) == 1
        assert capsys.readouterr().out == output
