"""Lazy loading of the AWS bindings: what a stack names is loaded, the other 2,200 types are not.

``cdktf_cdktf_provider_aws`` imports each of its 2,212 submodules when any one of them is imported,
and the jsii kernel (the Node process behind the bindings) loads the same number of JavaScript
files. Both are undone here, each half on its own:

- Python: the package's root module runs as it is written, without the imports at its end; a
  submodule is imported when it is first asked for (PEP 562).
- jsii: a file preloaded into the kernel turns the ``require`` of each type into a getter
  (``aws_bindings.cjs``).

Assumes nothing it does not check: a package or a jsii that reads otherwise than expected is loaded
as if this module did not exist. ``TAP_EAGER_BINDINGS=1`` in the environment turns everything off.
Leaves out: anything written to disk; anything that changes what is synthesized (held by
``tests/unit/test_aws_bindings.py``). Why it is done this way: ``docs/adr/0002-lazy-bindings.md``.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import os
import re
import shutil
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

EAGER_VARIABLE = "TAP_EAGER_BINDINGS"
PACKAGE = "cdktf_cdktf_provider_aws"
ASSEMBLY = "@cdktf/provider-aws"

_HERE = Path(__file__).parent
_KERNEL_FILES = (_HERE / "aws_bindings.cjs", _HERE / "aws_bindings_runtime.cjs")
_PROCESS_MODULE = "jsii._kernel.providers.process"


def install() -> None:
    """Make the AWS bindings load lazily in this process; call it before cdktf is first imported.

    Calling it again changes nothing. A package that is already imported stays as it is.
    """
    if os.environ.get(EAGER_VARIABLE) == "1":
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _memoize_stub_hints()


class _Finder(importlib.machinery.PathFinder):
    """Finds the two modules that need help, in their usual place, and gives them our loaders."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        loader = _LOADERS.get(fullname)
        if loader is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        # A zip, a namespace package, another tool's loader: not what is known here.
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = loader(spec.loader.name, spec.loader.path)
        return spec


class _RootLoader(SourceFileLoader):
    """Runs the root module of the bindings without the imports at its end."""

    def exec_module(self, module: ModuleType) -> None:
        parts = _split_root(self.get_data(self.path).decode())
        fqns = _submodule_fqn_map()
        if parts is None or fqns is None:
            super().exec_module(module)
            return
        head, names = parts
        exec(compile(head, self.path, "exec", dont_inherit=True), module.__dict__)
        _serve_lazily(sys.modules[module.__name__], names)
        fqns.update({f"{ASSEMBLY}.{_camel_case(name)}": f"{PACKAGE}.{name}" for name in names})


def _split_root(source: str) -> tuple[str, frozenset[str]] | None:
    head, publish, tail = source.partition("\npublication.publish()\n")
    names = []
    for line in tail.splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"from \. import (\w+)", line)
            if match is None:
                return None
            names.append(match[1])
    return (head + publish, frozenset(names)) if names else None


def _submodule_fqn_map() -> dict[str, str] | None:
    try:
        return importlib.import_module("jsii._reference_map")._submodule_fqn_map
    except (ImportError, AttributeError):
        return None


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _serve_lazily(module: ModuleType, names: frozenset[str]) -> None:
    def __getattr__(name: str) -> ModuleType:
        if name not in names:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{module.__name__}.{name}")

    def __dir__() -> list[str]:
        return sorted(names.union(vars(module)))

    module.__dict__.update(__getattr__=__getattr__, __dir__=__dir__)


class _KernelLoader(SourceFileLoader):
    """Loads the module of jsii that starts the kernel, and has the kernel preload our file."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        stock: Callable[[Any], str] = module._NodeProcess._jsii_runtime

        @functools.wraps(stock)
        def _jsii_runtime(self: Any) -> str:
            runtime = stock(self)
            try:
                # Beside jsii's own files, in its temporary folder: no path of ours, with whatever
                # spaces and quotes, has to go through a command line.
                for file in _KERNEL_FILES:
                    shutil.copyfile(file, Path(runtime).with_name(file.name))
            except OSError:
                return runtime
            return str(Path(runtime).with_name(_KERNEL_FILES[-1].name))

        module._NodeProcess._jsii_runtime = _jsii_runtime


def _memoize_stub_hints() -> None:
    stock = typing.get_type_hints
    if hasattr(stock, "_tap_memo"):
        return
    memo: dict[FunctionType, dict[str, Any]] = {}

    @functools.wraps(stock)
    def get_type_hints(obj: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if args or kwargs or not getattr(obj, "__name__", "").startswith("_typecheckingstub__"):
            return stock(obj, *args, **kwargs)
        hints = memo.get(obj)
        if hints is None:
            hints = memo[obj] = stock(obj)
        return hints

    get_type_hints._tap_memo = memo
    typing.get_type_hints = get_type_hints


_LOADERS: dict[str, type[SourceFileLoader]] = {PACKAGE: _RootLoader, _PROCESS_MODULE: _KernelLoader}
