"""TAP on cdktn, CDKTF's successor, and its stock AWS bindings: TAP's own sources, unchanged.

Each import of cdktf's packages gets the package that cdktn has for it. Runs in a virtual
environment of its own, made from ``requirements/cdktn.txt``.
"""

import importlib
import json
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"terraform": ">=1.11.0"}
SUCCESSORS = {"cdktf": "cdktn", "cdktf_cdktf_provider_aws": "cdktn_provider_aws"}


class Successor(MetaPathFinder, Loader):
    """Finds the successor of each package and module of cdktf's."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The successor's place, or None for what has no successor."""
        del path, target  # part of the protocol
        package, dot, rest = fullname.partition(".")
        if package not in SUCCESSORS:
            return None
        return ModuleSpec(fullname, self, origin=f"{SUCCESSORS[package]}{dot}{rest}")

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The successor itself."""
        return importlib.import_module(str(spec.origin))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run."""


if __name__ == "__main__":
    os.environ["TAP_EAGER_BINDINGS"] = "1"  # lazy loading knows CDKTF's bindings alone
    # cdktn refuses write-only arguments until it is told of the Terraform that TAP asks for; its
    # own CLI takes this from cdktf.json.
    os.environ.setdefault("CDKTF_CONTEXT_JSON", json.dumps({"targetVersions": TARGETS}))
    sys.meta_path.insert(0, Successor())
    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "tap.py"), run_name="__main__")
