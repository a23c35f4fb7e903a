"""Blocks of documents that are written from what is: between ``<!-- name -->`` and its end."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def hold(document: Path, blocks: Mapping[str, str]) -> None:
    """Fails where a block says something else than it would now; ``make docs`` writes it anew."""
    text = document.read_text(encoding="utf-8")
    expected = text
    for name, content in blocks.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        assert re.search(pattern, text, re.DOTALL), f"{document} has no block {name}"
        # A function, so that nothing in the content counts as a group.
        whole = f"\n{content}\n\n"
        expected = re.sub(pattern, lambda m, c=whole: m[1] + c + m[2], expected, flags=re.DOTALL)
    if os.environ.get("TAP_WRITE_DOCS"):
        document.write_text(expected, encoding="utf-8")
    else:
        assert expected == text, f"{document.name} is not up to date: make docs"
