"""Lazy loading of the AWS bindings: what a stack names is loaded, the other 2,200 types are not.

Naming one type of ``cdktf_cdktf_provider_aws`` imports all 2,212 of its submodules, and has the
jsii kernel (the Node process that does the work) load as many JavaScript files: 15 s and 1.2 GB
before the first resource exists. `install` undoes both, and the waiting between the two processes:

* Python: the package's root module runs without the imports at its end; a submodule is imported
  when it is first asked for.
* jsii: a file preloaded into the kernel turns its 2,212 ``require`` calls into getters
  (``aws_bindings.cjs``); the kernel starts, and loads the assemblies, while Python goes on
  importing.
* Type checks: what they look up again and again is remembered. They find what they found before.

Each is a small change to code of others, so each checks first that it meets the code it knows, and
leaves it alone otherwise: slower, and right. Nothing is kept on disk, no environment variable is
handed on, and what is synthesized doesn't change by a byte (``tests/unit/test_aws_bindings.py``).

``TAP_EAGER_BINDINGS=1`` in the environment turns everything off. The options that were weighed and
the figures: ``docs/adr/0002-lazy-bindings.md``.
"""

# What is changed here has no public way in: jsii and the bindings offer none.
# pylint: disable=protected-access

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

EAGER_VARIABLE = "TAP_EAGER_BINDINGS"
PACKAGE = "cdktf_cdktf_provider_aws"
ASSEMBLY = "@cdktf/provider-aws"

# The jsii whose process class `_adapt_kernel_process` was written against; a test holds it equal to
# the locked one. Any other talks to its kernel in its own way.
KNOWN_JSII = "1.142.0"

# A kernel that meets a package for the first time writes an index of its types before it exits: 3 s
# where this was measured. jsii would end it after 5 s, and the next run would be as slow as this.
INDEX_SECONDS = 60

_KERNEL_ENTRY = "aws_bindings_runtime.cjs"
_KERNEL_FILES = (_KERNEL_ENTRY, "aws_bindings.cjs")


def install() -> None:
    """Make the AWS bindings load lazily in this process.

    Call it before cdktf, constructs or jsii is first imported: what has been imported by then
    stays as it is. Calling it again changes nothing.
    """
    if os.environ.get(EAGER_VARIABLE) == "1":
        return
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name in _ADAPTERS:
        if name in sys.modules:
            _adapt(sys.modules[name])


class _Finder(MetaPathFinder):
    """Finds the modules named in this file where Python would, and gives them loaders of ours."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of one of those modules; None, and Python goes on looking, for any other."""
        if fullname != PACKAGE and fullname not in _ADAPTERS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        # A package in a zip, or one that another tool loads (a subclass), is not known here.
        # pylint: disable-next=unidiomatic-typecheck
        if spec is not None and type(spec.loader) is SourceFileLoader:
            loader = _RootLoader if fullname == PACKAGE else _AdaptingLoader
            spec.loader = loader(fullname, spec.loader.path)
        return spec


class _AdaptingLoader(SourceFileLoader):
    """Loads a module as it is, then hands it to its function in `_ADAPTERS`."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _adapt(module)


def _adapt(module: Any) -> None:
    # A release that lacks what an adapter looks for stays as it is.
    with contextlib.suppress(AttributeError):
        _ADAPTERS[module.__name__](module)


# --- Python: the root module of the bindings ------------------------------------------------------


class _RootLoader(SourceFileLoader):
    """Loads the root module of the bindings without the imports of its submodules."""

    # Ends every root that jsii generates. Whoever adds something of their own meets stock loading.
    _TAIL = re.compile(r"\npublication\.publish\(\)\n((?:from \. import \w+\n|#.*\n|\n)+)\Z")

    _submodules: frozenset[str] = frozenset()

    def get_code(self, fullname: str) -> CodeType | None:
        source = self.get_data(self.path).decode()
        tail = self._TAIL.search(source)
        if tail is None or not hasattr(_reference_map(), "_submodule_fqn_map"):
            return super().get_code(fullname)
        self._submodules = frozenset(re.findall(r"^from \. import (\w+)$", tail[1], re.MULTILINE))
        return compile(source[: tail.start(1)], self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        # Of a module that is reloaded: publish() would ask it for each of its submodules.
        vars(module).pop("__getattr__", None)
        super().exec_module(module)
        if self._submodules:
            # publication.publish() has put another module in the place of the one that ran, and
            # keeps that one as its `_private`. Stock, both have the submodules.
            for root in (module, sys.modules[module.__name__]):
                _import_on_demand(root, self._submodules)
            _register_types(self._submodules)


def _import_on_demand(root: ModuleType, submodules: frozenset[str]) -> None:
    """Serve ``submodules`` as attributes of ``root``, each imported when first asked for."""

    def __getattr__(name: str) -> ModuleType:
        if name not in submodules:
            raise AttributeError(f"module {root.__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{root.__name__}.{name}")

    def __dir__() -> list[str]:
        return sorted(submodules.union(vars(root)) - {"__dir__", "__getattr__"})

    vars(root).update(__getattr__=__getattr__, __dir__=__dir__)


def _register_types(submodules: frozenset[str]) -> None:
    """Tell jsii where to find the class of an object that comes from the kernel.

    The modules did this as they were imported. Without it, ``node.find_child`` of a type whose
    module nobody has imported raises "Unknown type".
    """
    fqns = {f"{ASSEMBLY}.{_jsii_name(name)}": f"{PACKAGE}.{name}" for name in submodules}
    _reference_map()._submodule_fqn_map.update(fqns)


def _reference_map() -> Any:
    """jsii's own registry of types; since 1.138 it imports what ``_submodule_fqn_map`` names."""
    return importlib.import_module("jsii._reference_map")


def _jsii_name(name: str) -> str:
    """The jsii name of a submodule: ``s3_bucket_policy`` is ``s3BucketPolicy``."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


# --- jsii: the kernel process ---------------------------------------------------------------------


def _adapt_kernel_process(process: Any) -> None:
    """Have the kernel preload ``aws_bindings.cjs``, and Python not wait while it loads."""
    if "JSII_RUNTIME" in os.environ or _jsii_version() != KNOWN_JSII:
        return
    stock: Any = process._NodeProcess

    class NodeProcess(stock):
        """jsii's process, which doesn't wait for the answers nobody reads.

        What a load answers is of no use to Python. So a load is sent and answered for at once; its
        true answer is read before that of the next call. If it was an error, that call raises it.
        """

        _greeting_due = False
        _load: Any = None
        _loads_due = 0
        _failed_load: Any = None

        def _jsii_runtime(self) -> str:
            runtime = Path(super()._jsii_runtime())
            # Our files go beside jsii's own, into the temporary folder that jsii makes and removes:
            # no path of a user, with its spaces and quotes, has to pass through a command line.
            try:
                for name in _KERNEL_FILES:
                    shutil.copyfile(Path(__file__).with_name(name), runtime.with_name(name))
            except OSError:
                return str(runtime)
            return str(runtime.with_name(_KERNEL_ENTRY))

        def handshake(self) -> None:
            """Leave the kernel's greeting for later: it takes 0.2 s to come."""
            self._greeting_due = True

        def send(self, request: Any, response_type: Any) -> Any:
            """Send a request; return its answer, or a stand-in for that of a load."""
            self._load = request if isinstance(request, process.LoadRequest) else None
            return super().send(request, response_type)

        def _next_message(self) -> Any:
            if self._load is not None:
                self._loads_due += 1
                return {"ok": {"assembly": self._load.name, "types": 0}}
            self._read_what_is_due()
            return self._failed_load or super()._next_message()

        def _read_what_is_due(self) -> None:
            greeting, self._greeting_due = self._greeting_due, False
            loads, self._loads_due = self._loads_due, 0
            if greeting:
                super().handshake()
                # The bindings are imported: tens of thousands of objects that live to the end.
                # Unfrozen, the collector goes through all of them several times at exit: 0.2 s.
                gc.freeze()
            for _ in range(loads):
                answer = super()._next_message()
                if "ok" not in answer:
                    self._failed_load = self._failed_load or answer

        def stop(self) -> None:
            """End the kernel, giving it the time to finish what it writes for the next run."""
            stdin = self._process.stdin
            if not stdin.closed:
                # A kernel that was killed reads nothing.
                with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
                    stdin.write(b'{"exit":0}\n')
                    stdin.close()
                    self._process.wait(INDEX_SECONDS)
            super().stop()

    process._NodeProcess = NodeProcess


def _start_kernel(runtime: Any) -> None:
    """Start the kernel when jsii is imported, rather than with the first assembly.

    It needs 0.3 s before it can load one; Python has the rest of its imports to do meanwhile.
    """
    process: Any = sys.modules.get(_KERNEL_PROCESS)
    waits = process._NodeProcess.__module__ != __name__
    if waits or shutil.which(os.environ.get("JSII_NODE", "node")) is None:
        return
    with contextlib.suppress(OSError):
        _ = runtime.kernel.provider._process


def _jsii_version() -> str | None:
    return getattr(sys.modules.get("jsii.__meta__"), "__version__", None)


# --- Type checks ----------------------------------------------------------------------------------
#
# Each constructor of the bindings resolves its annotations anew and checks each of its arguments
# against them, the two dozen that were left out too: a third of Python's time per resource.


def _remember_hints(typing_module: Any) -> None:
    """Resolve the annotations of a constructor once, not once a call."""
    stock = typing_module.get_type_hints
    remembered = functools.cache(stock)

    @functools.wraps(stock)
    def get_type_hints(obj: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # jsii generates such a function, beside its class, for nothing but these annotations.
        stub = isinstance(obj, FunctionType) and obj.__name__.startswith("_typecheckingstub__")
        if stub and not args and not kwargs:
            return remembered(obj)
        return stock(obj, *args, **kwargs)

    typing_module.get_type_hints = get_type_hints


def _pass_absent_arguments(typeguard: Any) -> None:
    """Let None pass where the annotation names it, without trying the other types first."""
    stock = typeguard.check_type
    if stock.__code__.co_varnames[:3] != ("argname", "value", "expected_type"):
        return

    @functools.wraps(stock)
    def check_type(argname: str, value: Any, expected_type: Any, *args: Any, **kwargs: Any) -> Any:
        union = getattr(expected_type, "__origin__", None) is typing.Union
        if value is None and union and type(None) in expected_type.__args__:
            return None
        return stock(argname, value, expected_type, *args, **kwargs)

    typeguard.check_type = check_type


def _remember_typeguard_version(metadata: Any) -> None:
    """Look up the version of typeguard once: each module of the bindings asks for it (1 ms)."""
    stock = metadata.version
    remembered = functools.cache(stock)

    @functools.wraps(stock)
    def version(distribution_name: str) -> str:
        return (remembered if distribution_name == "typeguard" else stock)(distribution_name)

    metadata.version = version


_KERNEL_PROCESS = "jsii._kernel.providers.process"

_ADAPTERS: dict[str, Callable[[Any], None]] = {
    "typing": _remember_hints,
    "importlib.metadata": _remember_typeguard_version,
    "typeguard": _pass_absent_arguments,
    _KERNEL_PROCESS: _adapt_kernel_process,
    "jsii._runtime": _start_kernel,
}
