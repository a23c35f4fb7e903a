"""Lazy bindings behave as the stock ones, load a fraction of them, and give way when unsure.

What a process has imported can't be undone, so most tests look at processes of their own. `FACTS`
runs once as it is shipped and once with ``TAP_EAGER_BINDINGS=1``, which is stock; what it tells has
to be the same. That stock run, 15 s, is what these tests mostly wait for.

Further versions of Node are tried where ``TAP_TEST_NODES`` names them
(``TAP_TEST_NODES=/path/to/node22:/path/to/node24``) or ``PATH`` has a ``node22`` or ``node24``.
"""

# pylint: disable=protected-access,missing-function-docstring

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import types
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lib import aws_bindings

ROOT = Path(__file__).parents[2]
FILES = ("aws_bindings.py", "aws_bindings.cjs", "aws_bindings_runtime.cjs")
PACKAGE = "cdktf_cdktf_provider_aws"
NODE = shutil.which("node") or "node"

# Twelve types; their modules, and no other, may be imported.
APP = """
import sys
from lib import aws_bindings

aws_bindings.install()
from cdktf import App, Fn, S3Backend, TerraformOutput, TerraformStack, Testing, Token
from cdktf_cdktf_provider_aws import vpc
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.data_aws_availability_zones import DataAwsAvailabilityZones
from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement as Statement,
    DataAwsIamPolicyDocumentStatementPrincipals as Principals,
)
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTable, DynamodbTableAttribute
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from cdktf_cdktf_provider_aws.subnet import Subnet


class Stack(TerraformStack):
    def __init__(self, scope, id_):
        super().__init__(scope, id_)
        S3Backend(self, bucket="state", key="tap", region="eu-central-1")
        tags = AwsProviderDefaultTags(tags={"Owner": "TAP"})
        AwsProvider(self, "aws", region="eu-central-1", default_tags=[tags])
        zones = DataAwsAvailabilityZones(self, "zones", state="available")
        network = vpc.Vpc(self, "vpc", cidr_block="10.0.0.0/16", enable_dns_support=True)
        table = RouteTable(self, "routes", vpc_id=network.id, depends_on=[network])
        for index in range(3):
            Subnet(
                self,
                f"subnet-{index}",
                vpc_id=network.id,
                cidr_block=Fn.cidrsubnet(network.cidr_block, 8, index),
                availability_zone=Token.as_string(Fn.element(zones.names, index)),
            )
        check = LbTargetGroupHealthCheck(path="/health", matcher="200", interval=30)
        LbTargetGroup(self, "targets", port=80, vpc_id=network.id, health_check=check)
        principals = Principals(type="Service", identifiers=["ecs-tasks.amazonaws.com"])
        trust = Statement(actions=["sts:AssumeRole"], principals=[principals])
        document = DataAwsIamPolicyDocument(self, "trust", statement=[trust])
        IamRole(self, "role", assume_role_policy=document.json)
        key = DynamodbTableAttribute(name="LockID", type="S")
        DynamodbTable(self, "locks", name="locks", hash_key="LockID", attribute=[key])
        bucket = S3Bucket(self, "state", tags={"Name": "state"})
        bucket.add_override("lifecycle.prevent_destroy", True)
        CloudwatchLogGroup(self, "logs", retention_in_days=7)
        SsmParameter(self, "id", name="/tap/vpc", type="String", value=network.id)
        TerraformOutput(self, "table", value=table.id)


app = App(outdir=sys.argv[1])
stack = Stack(app, "tap")
app.synth()
"""
TYPES = len(set(re.findall(rf"from {PACKAGE}(?:\.| import )(\w+)", APP)))

# What can be told of the bindings from within a process.
FACTS = (
    APP
    + """
import contextlib, importlib, importlib.resources, importlib.util, json, os, pickle, typing
import jsii
import cdktf_cdktf_provider_aws as aws
from jsii._kernel.types import CreateRequest

PACKAGE = aws.__name__
loaded = sorted(name for name in sys.modules if name.startswith(PACKAGE + "."))


def error(action):
    try:
        action()
    except Exception as caught:
        return f"{type(caught).__name__}: {caught}"
    return None


def make(construct, **arguments):
    return error(lambda: construct(stack, "wrong", **arguments))


same = {
    "all": aws.__all__,
    "dir": dir(aws),
    "doc": aws.__doc__,
    "file": [aws.__file__, aws.__package__, list(aws.__path__)],
    "attribute": aws.eip.Eip.__module__,
    "identity": aws.vpc is vpc and aws._private.vpc is vpc,
    "from import": error(lambda: exec("from cdktf_cdktf_provider_aws import nothing")),
    "unknown": error(lambda: aws.nothing),
    "unknown dunder": hasattr(aws, "__wrapped__"),
    "spec": [importlib.util.find_spec(PACKAGE).origin, importlib.util.find_spec(PACKAGE + ".eip").origin],
    "no spec": importlib.util.find_spec(PACKAGE + ".nothing"),
    "resources": sorted(item.name for item in importlib.resources.files(PACKAGE + "._jsii").iterdir()),
    "resource": importlib.resources.files(PACKAGE).joinpath("py.typed").is_file(),
    "pickled class": pickle.loads(pickle.dumps(aws.vpc.Vpc)) is aws.vpc.Vpc,
    "pickled struct": pickle.loads(pickle.dumps(DynamodbTableAttribute(name="a", type="S"))).name,
    "pickled module": error(lambda: pickle.dumps(aws)),
    "reload": importlib.reload(aws.vpc).Vpc.__name__,
    "wrong str": make(S3Bucket, bucket=5),
    "wrong optional": make(SsmParameter, name="n", type=None),
    "wrong list": make(IamRole, assume_role_policy="{}", managed_policy_arns="arn"),
    "wrong struct": make(LbTargetGroup, health_check=Principals(type="AWS", identifiers=[])),
    "wrong scope": error(lambda: Subnet("scope", "id", vpc_id="vpc")),
    "missing": make(DynamodbTable),
    "hints": sorted(typing.get_type_hints(Stack.__init__)),
}
jsii.kernel.provider.create(
    CreateRequest(fqn="@cdktf/provider-aws.wafv2IpSet.Wafv2IpSet", overrides=[], interfaces=[],
        args=[stack, "made-by-the-kernel", {"$jsii.struct": {
            "fqn": "@cdktf/provider-aws.wafv2IpSet.Wafv2IpSetConfig",
            "data": {"ipAddressVersion": "IPV4", "scope": "REGIONAL", "name": "blocked"}}}]))
found = stack.node.find_child("made-by-the-kernel")
same["find_child"] = [type(found).__module__, type(found).__name__, found.name_input]
same["testing"] = json.loads(Testing.synth(stack))
reloaded = importlib.reload(aws)
facts = {
    "same": same,
    "loaded": loaded,
    "reload": hasattr(reloaded, "vpc") and reloaded is sys.modules[PACKAGE],
    "fqns": {f"{fqn.rsplit('.', 1)[0]}": kind.__module__
        for fqn, kind in jsii._reference_map._types.items() if fqn.startswith("@cdktf/provider-aws.")},
    "map": dict(jsii._reference_map._submodule_fqn_map),
    "finders": [type(finder).__name__ for finder in sys.meta_path],
    "environ": dict(os.environ),
}
print(json.dumps(facts))
"""
)

# Preloaded by the user's own NODE_OPTIONS: what a jsii process was started with, and has loaded.
PROBE = """
const fs = require("fs");
const { isMainThread } = require("worker_threads");
const environment = { ...process.env };
if (isMainThread) process.on("exit", () => {
  const role = process.argv[1].endsWith("program.js") ? "kernel" : "outer";
  fs.writeFileSync(`${process.env.PROBE}/${role}.json`, JSON.stringify({
    environment, atExit: { ...process.env }, main: process.argv[1], files: Object.keys(require.cache),
  }));
});
"""


class Run(typing.NamedTuple):
    """A finished process of `APP` or the like."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def json(self) -> bytes:
        return (self.folder / "cdktf.out/stacks/tap/cdk.tf.json").read_bytes()

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(self.out.splitlines()[-1])

    def probe(self, role: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{role}.json").read_text())

    @property
    def types_in_kernel(self) -> int:
        files = self.probe("kernel")["files"]
        return len(
            [file for file in files if re.search(r"provider-aws/lib/[^/]+/index\.js$", file)]
        )


def start(folder: Path, code: str, *, project: Path = ROOT, **environment: str) -> Run:
    """Run ``code`` in ``folder`` with the ``lib`` of ``project``, in a bare environment."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("PATH", "HOME", "TMPDIR", "LANG", "COVERAGE_PROCESS_START")
    base = {name: os.environ[name] for name in names if name in os.environ}
    (folder / "app.py").write_text(code)
    done = subprocess.run(
        [sys.executable, folder / "app.py", folder / "cdktf.out"],
        cwd=folder,
        env={**base, "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, folder)


def probed(folder: Path, code: str, **environment: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / "probe.cjs"
    probe.write_text(PROBE)
    options = f"--require {probe} {environment.pop('NODE_OPTIONS', '')}".strip()
    return start(folder, code, PROBE=str(folder), NODE_OPTIONS=options, **environment)


@pytest.fixture(scope="session", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bindings")


@pytest.fixture(scope="session", name="stock")
def _stock(folder: Path) -> Run:
    run = probed(folder / "stock", FACTS, TAP_EAGER_BINDINGS="1")
    assert run.status == 0, run.err
    return run


@pytest.fixture(scope="session", name="lazy")
def _lazy(folder: Path) -> Run:
    run = probed(folder / "lazy", FACTS)
    assert run.status == 0, run.err
    return run


# --- The same as stock, for less ------------------------------------------------------------------


def test_synthesized_bytes_are_those_of_stock(stock: Run, lazy: Run) -> None:
    assert lazy.json == stock.json


def test_bindings_behave_as_stock(stock: Run, lazy: Run) -> None:
    told, expected = lazy.facts["same"], stock.facts["same"]
    assert {name for name in expected if told[name] != expected[name]} == set()


def test_what_the_facts_are_meant_to_show(stock: Run) -> None:
    facts = stock.facts["same"]
    assert "vpc" in facts["dir"] and "vpc" in facts["all"]
    assert facts["attribute"] == f"{PACKAGE}.eip" and facts["identity"]
    assert facts["unknown"] == f"AttributeError: module {PACKAGE!r} has no attribute 'nothing'"
    assert facts["pickled class"] and facts["resource"]
    assert facts["find_child"] == [f"{PACKAGE}.wafv2_ip_set", "Wafv2IpSet", "blocked"]
    for check in ("wrong str", "wrong optional", "wrong struct", "wrong scope", "missing"):
        assert facts[check].startswith("TypeError: ")


def test_only_the_types_in_use_are_imported(lazy: Run) -> None:
    loaded = {name.split(".")[1] for name in lazy.facts["loaded"]} - {"_jsii", "_private"}
    assert len(loaded) == TYPES == 12


def test_only_the_types_in_use_are_loaded_by_the_kernel(stock: Run, lazy: Run) -> None:
    assert stock.types_in_kernel > 2000
    assert lazy.types_in_kernel == TYPES + 1  # find_child's


def test_archiver_is_not_loaded_for_nothing(stock: Run, lazy: Run) -> None:
    def archiver(run: Run) -> bool:
        return any("/archiver/" in file for file in run.probe("kernel")["files"])

    assert archiver(stock) and not archiver(lazy)


def test_every_type_is_registered_under_its_jsii_name(stock: Run, lazy: Run) -> None:
    assert lazy.facts["map"] == stock.facts["fqns"]


def test_reloading_the_root_keeps_its_submodules(lazy: Run) -> None:
    assert lazy.facts["reload"]


def test_the_variable_turns_everything_off(stock: Run, lazy: Run) -> None:
    assert "_Finder" in lazy.facts["finders"] and "_Finder" not in stock.facts["finders"]
    assert stock.probe("outer")["main"].endswith("/jsii-runtime.js")


def test_nothing_leaks_into_the_environment(stock: Run, lazy: Run) -> None:
    def environment(variables: dict[str, str]) -> set[str]:
        return set(variables) - {"TAP_EAGER_BINDINGS"}

    assert environment(lazy.facts["environ"]) == environment(stock.facts["environ"])
    told, expected = lazy.probe("kernel")["atExit"], stock.probe("kernel")["atExit"]
    assert environment(told) == environment(expected)


# --- Where it runs --------------------------------------------------------------------------------


def nodes() -> list[Any]:
    named = [Path(node) for node in os.environ.get("TAP_TEST_NODES", "").split(":") if node]
    on_path = [shutil.which(f"node{major}") for major in (20, 22, 24)]
    found = [*named, *(Path(node) for node in on_path if node)]
    if not found:
        skip = pytest.mark.skip(reason="no further Node: name some in TAP_TEST_NODES")
        return [pytest.param(None, id="none", marks=skip)]
    return [pytest.param(node, id=str(node)) for node in found]


@pytest.mark.parametrize("node", nodes())
def test_other_versions_of_node(node: Path, tmp_path: Path, stock: Run) -> None:
    run = probed(tmp_path, APP, JSII_NODE=str(node))
    assert (run.status, run.json, run.types_in_kernel) == (0, stock.json, TYPES), run.err


def test_a_path_with_spaces_and_quotes(tmp_path: Path, stock: Run) -> None:
    project = copy_of_lib(tmp_path / 'it\'s "my" $HOME project')
    (project / "temporary files").mkdir()
    run = start(project, APP, project=project, TMPDIR=str(project / "temporary files"))
    assert (run.status, run.err, run.json) == (0, "", stock.json)
    assert not list((project / "temporary files").iterdir())


def copy_of_lib(project: Path) -> Path:
    (project / "lib").mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / "lib" / name, project / "lib" / name)
    return project


# A kernel, but none of the 37 MB of the provider.
SMALL = """
import sys
from lib import aws_bindings
aws_bindings.install()
import jsii
from cdktf import App, LocalBackend, TerraformOutput, TerraformStack
app = App(outdir=sys.argv[1])
stack = TerraformStack(app, "tap")
LocalBackend(stack, path="state")
TerraformOutput(stack, "greeting", value="hello")
app.synth()
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aws_bindings.cjs", None),
        ("aws_bindings.cjs", "throw new Error('broken')"),
        ("aws_bindings.cjs", "not JavaScript"),
        ("aws_bindings.cjs", "exports.install = exports.silenceBanner = () => { throw 1 }"),
        ("aws_bindings_runtime.cjs", None),
    ],
)
def test_a_broken_hook_does_not_stop_the_kernel(
    name: str, text: str | None, tmp_path: Path
) -> None:
    project = copy_of_lib(tmp_path / "project")
    file = project / "lib" / name
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    run = start(tmp_path, SMALL, project=project)
    assert run.status == 0, run.err
    assert json.loads(run.json)["output"] == {"greeting": {"value": "hello"}}


def test_a_runtime_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    embedded = importlib.metadata.distribution("jsii").locate_file("jsii/_embedded/jsii")
    for file in Path(str(embedded)).glob("*.js"):
        own = tmp_path / "own" / file.name.replace("__", "/")
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, own)
    runtime = str(tmp_path / "own/bin/jsii-runtime.js")
    code = SMALL + "print(type(jsii.kernel.provider._process).__module__)"
    run = probed(tmp_path, code, JSII_RUNTIME=runtime)
    assert run.out.strip() == "jsii._kernel.providers.process", run.err
    assert run.probe("outer")["main"] == runtime
    assert not any("aws_bindings" in file for file in run.probe("kernel")["files"])


# --- The banner about Node ------------------------------------------------------------------------

BANNER = re.compile(r"Node (\d+) (is|has reached) end-of-life")


def as_node(version: str, folder: Path) -> str:
    """A NODE_OPTIONS that has jsii believe in another version of Node."""
    file = folder / "version.cjs"
    file.write_text(
        f"Object.defineProperty(process, 'version', {{ value: 'v{version}' }});"
        "Object.defineProperty(process, 'versions', "
        f"{{ value: {{ ...process.versions, node: '{version}' }} }});"
    )
    return f"--require {file}"


@pytest.mark.parametrize(
    ("version", "said", "environment"),
    [
        ("20.20.2", None, {}),
        ("20.20.2", "Node 20", {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18"}),
        ("18.20.0", "Node 18", {}),
        ("99.0.0", "not been tested with node v99", {}),
    ],
)
def test_only_the_banner_about_node_20_is_silenced(
    version: str, said: str | None, environment: dict[str, Any], tmp_path: Path
) -> None:
    run = start(tmp_path, SMALL, NODE_OPTIONS=as_node(version, tmp_path), **environment)
    assert run.status == 0, run.err
    assert (said in run.err) if said else (run.err == "")


def test_stock_shows_the_banner(tmp_path: Path) -> None:
    options = as_node("20.20.2", tmp_path)
    run = start(tmp_path, SMALL, NODE_OPTIONS=options, TAP_EAGER_BINDINGS="1")
    assert BANNER.search(run.err), "jsii has dropped the banner: silenceBanner can go"


# --- The package cache of jsii --------------------------------------------------------------------

INDEX = ".jsii.runtime.v1.json"


@pytest.fixture(scope="session", name="cold")
def _cold(folder: Path) -> list[Run]:
    """Three at once with an empty package cache, then one with the cache turned off."""
    cache = str(folder / "cache")
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(start, folder / f"cold-{n}", APP, JSII_RUNTIME_PACKAGE_CACHE_ROOT=cache)
            for n in range(3)
        ]
    off = start(folder / "off", APP, JSII_RUNTIME_PACKAGE_CACHE="disabled")
    return [*(run.result() for run in runs), off]


def test_cold_and_at_once_and_without_a_cache(cold: list[Run], stock: Run) -> None:
    assert [(run.status, run.err) for run in cold] == [(0, "")] * 4
    assert {run.json for run in cold} == {stock.json}


def test_a_cold_run_leaves_the_index_that_makes_the_next_one_fast(
    cold: list[Run], folder: Path
) -> None:
    assert cold
    assert list((folder / "cache").glob(f"@cdktf/provider-aws/*/*/{INDEX}"))


# --- Loads that are answered for ------------------------------------------------------------------

LOAD = """
import sys
from lib import aws_bindings
aws_bindings.install()
import jsii
jsii.kernel.load("@tap/nothing", "1.0.0", "nowhere.tgz")
print("loaded")
from cdktf import App
for _ in range(2):
    try:
        App(outdir=sys.argv[1])
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_a_failed_load_is_raised_by_every_call_that_follows(tmp_path: Path) -> None:
    eager = start(tmp_path, LOAD, TAP_EAGER_BINDINGS="1")
    expected = eager.err.splitlines()[-1]
    assert "nowhere.tgz" in expected
    run = start(tmp_path, LOAD)
    assert run.out.splitlines() == ["loaded", expected, expected]


class Kernel:
    """The process of jsii, as far as `aws_bindings` knows it: answers come from a list."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.sent: list[Any] = []
        self._process = types.SimpleNamespace(stdin=Pipe(), wait=self.sent.append)
        self.runtime = "jsii-runtime.js"

    def _jsii_runtime(self) -> str:
        return self.runtime

    def _next_message(self) -> Any:
        return self.answers.pop(0)

    def handshake(self) -> None:
        assert self._next_message() == {"hello": "kernel"}

    def send(self, request: Any, response_type: Any) -> Any:
        self.sent.append(request)
        return response_type(self._next_message())

    def stop(self) -> None:
        self.sent.append("stopped")


class Pipe:
    """A standard input that remembers what was written."""

    def __init__(self) -> None:
        self.closed, self.text = False, b""

    def write(self, text: bytes) -> None:
        self.text += text

    def close(self) -> None:
        self.closed = True


class LoadRequest(typing.NamedTuple):
    """What `jsii` sends to have an assembly loaded."""

    name: str


@pytest.fixture(name="process")
def _process(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    monkeypatch.delenv("JSII_RUNTIME", raising=False)
    process = types.SimpleNamespace(_NodeProcess=Kernel, LoadRequest=LoadRequest)
    meta = types.SimpleNamespace(__version__=aws_bindings.KNOWN_JSII)
    monkeypatch.setitem(sys.modules, "jsii.__meta__", typing.cast(Any, meta))
    return process


HELLO, OK, ERROR = {"hello": "kernel"}, {"ok": {}}, {"error": "no such file"}


def test_loads_are_sent_without_waiting(process: Any) -> None:
    aws_bindings._adapt_kernel_process(process)
    kernel = process._NodeProcess(HELLO, OK, OK, {"ok": 1}, {"ok": 2})
    kernel.handshake()
    for name in ("constructs", "cdktf"):
        assert kernel.send(LoadRequest(name), dict) == {"ok": {"assembly": name, "types": 0}}
    assert len(kernel.answers) == 5
    assert kernel.send("create", dict) == {"ok": 1}
    assert kernel.send("create", dict) == {"ok": 2}


def test_the_first_error_of_a_load_stays(process: Any) -> None:
    aws_bindings._adapt_kernel_process(process)
    kernel = process._NodeProcess(HELLO, ERROR, {"error": "a second"}, OK)
    kernel.handshake()
    for name in ("constructs", "cdktf"):
        kernel.send(LoadRequest(name), dict)
    assert [kernel.send("create", dict), kernel.send("create", dict)] == [ERROR, ERROR]


def test_the_kernel_is_given_time_to_write_its_index(process: Any) -> None:
    aws_bindings._adapt_kernel_process(process)
    kernel = process._NodeProcess()
    for _ in range(2):
        kernel.stop()
    assert kernel._process.stdin.text == b'{"exit":0}\n'
    assert kernel.sent == [aws_bindings.INDEX_SECONDS, "stopped", "stopped"]


def test_the_files_of_the_hook_go_beside_the_runtime(process: Any, tmp_path: Path) -> None:
    aws_bindings._adapt_kernel_process(process)
    kernel = process._NodeProcess()
    kernel.runtime = str(tmp_path / "jsii-runtime.js")
    assert kernel._jsii_runtime() == str(tmp_path / "aws_bindings_runtime.cjs")
    assert sorted(os.listdir(tmp_path)) == sorted(FILES[1:])


def test_a_hook_that_cannot_be_copied_is_done_without(process: Any, tmp_path: Path) -> None:
    aws_bindings._adapt_kernel_process(process)
    kernel = process._NodeProcess()
    kernel.runtime = str(tmp_path / "removed/jsii-runtime.js")
    assert kernel._jsii_runtime() == kernel.runtime


def test_the_kernel_starts_with_jsii(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Provider:
        """What starts the kernel when it is asked for."""

        started = 0

        @property
        def _process(self) -> None:
            type(self).started += 1
            raise OSError("no room for another process")

    runtime = types.SimpleNamespace(kernel=types.SimpleNamespace(provider=Provider()))
    monkeypatch.setitem(sys.modules, "jsii._kernel.providers.process", process)
    monkeypatch.setenv("JSII_NODE", sys.executable)
    aws_bindings._start_kernel(runtime)
    assert Provider.started == 0  # stock: it would be waited for
    aws_bindings._adapt_kernel_process(process)
    aws_bindings._start_kernel(runtime)
    assert Provider.started == 1
    monkeypatch.setenv("JSII_NODE", "no-such-node")
    aws_bindings._start_kernel(runtime)
    assert Provider.started == 1


def test_the_known_jsii_is_the_locked_one() -> None:
    assert importlib.metadata.version("jsii") == aws_bindings.KNOWN_JSII


def test_another_jsii_keeps_its_kernel(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["jsii.__meta__"], "__version__", "1.143.0")
    aws_bindings._adapt_kernel_process(process)
    assert process._NodeProcess is Kernel


def test_a_kernel_of_the_users_own_is_kept(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSII_RUNTIME", "/somewhere/jsii-runtime.js")
    aws_bindings._adapt_kernel_process(process)
    assert process._NodeProcess is Kernel


# --- What reads differently -----------------------------------------------------------------------

FAKE_ROOT = """
import publication
from ._jsii import *
__all__ = ["__jsii_assembly__", "alpha", "beta_two"]
{before}
publication.publish()

# Loading modules
from . import alpha
from . import beta_two
{after}"""

# `jsii` is the real one, and has no Node to start.
FAKE = """
import sys
from lib import aws_bindings
aws_bindings.install()
import cdktf_cdktf_provider_aws as aws
print([name for name in ("alpha", "beta_two") if f"{aws.__name__}.{name}" in sys.modules])
from cdktf_cdktf_provider_aws import *
print(alpha.NAME, beta_two.NAME, aws.__jsii_assembly__, aws._private.alpha is alpha)
"""


@pytest.mark.parametrize(
    ("before", "after", "loaded"),
    [
        ("", "", []),
        ("", "from . import alpha as first\n", ["alpha", "beta_two"]),
        ("", "print(end='')\n", ["alpha", "beta_two"]),
    ],
)
def test_a_root_that_reads_differently_is_loaded_as_it_is(
    before: str, after: str, loaded: list[str], tmp_path: Path
) -> None:
    package = tmp_path / PACKAGE
    for module, text in {
        ".": FAKE_ROOT.format(before=before, after=after),
        "_jsii": "__jsii_assembly__ = 'fake'\n__all__ = ['__jsii_assembly__']",
        "alpha": "NAME = 'a'",
        "beta_two": "NAME = 'b'",
    }.items():
        (package / module).mkdir(parents=True)
        (package / module / "__init__.py").write_text(text)
    run = start(tmp_path, FAKE, JSII_NODE="no-such-node")
    assert (run.status, run.err) == (0, "")
    assert run.out.splitlines() == [str(loaded), "a b fake True"]


def test_a_package_in_a_zip_is_loaded_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "__init__.py").touch()
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, PACKAGE)
    for path, loader in ((str(tmp_path), "_RootLoader"), (archive, "zipimporter")):
        monkeypatch.setattr(sys, "path", [path])
        spec = aws_bindings._Finder().find_spec(PACKAGE)
        assert spec and type(spec.loader).__name__ == loader


def test_a_package_that_is_missing_stays_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert aws_bindings._Finder().find_spec(PACKAGE) is None
    assert aws_bindings._Finder().find_spec("anything.else") is None


def test_a_jsii_without_a_map_of_submodules_is_given_the_stock_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root.py"
    root.write_text(FAKE_ROOT.format(before="", after=""))
    loader = aws_bindings._RootLoader(PACKAGE, str(root))
    for has_map, names in ((True, {"alpha", "beta_two"}), (False, set())):
        reference_map = types.SimpleNamespace(**({"_submodule_fqn_map": {}} if has_map else {}))
        monkeypatch.setitem(sys.modules, "jsii._reference_map", typing.cast(Any, reference_map))
        loader._submodules = frozenset()
        code = loader.get_code(PACKAGE)
        assert code and ("beta_two" in code.co_names) is not has_map
        assert loader._submodules == names


def test_a_root_without_submodules_is_run_as_it_is(tmp_path: Path) -> None:
    root = types.ModuleType("root")
    (tmp_path / "root.py").write_text("NAME = 'root'")
    aws_bindings._RootLoader("root", str(tmp_path / "root.py")).exec_module(root)
    assert vars(root)["NAME"] == "root" and "__getattr__" not in vars(root)


def test_an_adapter_that_misses_something_leaves_the_module_alone() -> None:
    for name in aws_bindings._ADAPTERS:
        module = types.ModuleType(name)
        aws_bindings._adapt(module)
        assert not {"get_type_hints", "check_type", "version", "_NodeProcess"} & set(vars(module))


def test_submodules_are_imported_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    root, known, unknown = types.ModuleType("json"), "tool", "tools"
    aws_bindings._import_on_demand(root, frozenset({known}))
    assert known in dir(root) and "json.tool" not in sys.modules
    assert getattr(root, known) is sys.modules["json.tool"]
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'tools'"):
        getattr(root, unknown)


def test_install_comes_first_and_adapts_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted: list[Any] = []
    adapters = {"typing": adapted.append, "not.imported": adapted.append}
    monkeypatch.setattr(aws_bindings, "_ADAPTERS", adapters)
    monkeypatch.setattr(sys, "meta_path", ["another"])
    monkeypatch.delenv(aws_bindings.EAGER_VARIABLE, raising=False)
    aws_bindings.install()
    assert isinstance(sys.meta_path[0], aws_bindings._Finder) and len(sys.meta_path) == 2
    assert adapted == [typing]


def test_install_does_nothing_when_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setenv(aws_bindings.EAGER_VARIABLE, "1")
    aws_bindings.install()
    assert not sys.meta_path


def test_install_again_changes_nothing() -> None:
    before = [*sys.meta_path], typing.get_type_hints
    aws_bindings.install()
    assert ([*sys.meta_path], typing.get_type_hints) == before


# The provider's index.js in the two forms it is published in, and in one that is not known.
INDEX_JS = """
"use strict";
Object.defineProperty(exports, "__esModule", {{ value: true }});
exports.alpha = exports.beta = void 0;
var __importStar = (mod) => mod;
exports.alpha = {alpha};
{other}
exports.beta = {beta};
"""
READ_INDEX = """
const { createRequire } = require("module");
const { sep } = require("path");
require(process.argv[1]).install();
const file = process.argv[2];
const index = createRequire(file)(file);
const loaded = () => Object.keys(require.cache).map((name) => name.split(sep).slice(-2)[0])
  .filter((name) => ["alpha", "beta"].includes(name));
const report = [loaded(), Object.keys(index), index.beta.name, loaded(), index.beta === index.beta];
index.alpha = "set";
console.log(JSON.stringify([...report, index.alpha, loaded()]));
"""
REQUIRE, IMPORT = 'require("./{}")', '__importStar(require("./{}"))'


@pytest.mark.parametrize(
    ("scope", "form", "other", "deferred"),
    [
        ("@cdktf", REQUIRE, "", True),
        ("@cdktn", IMPORT, "", True),
        ("@cdktf", REQUIRE, 'const util = require("util");', False),
        ("@cdktf", 'Object(require("./{}"))', "", False),
        ("@other", REQUIRE, "", False),
    ],
)
def test_an_index_that_reads_differently_is_loaded_as_it_is(
    scope: str, form: str, other: str, deferred: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "node_modules" / scope / "provider-aws/lib"
    for name in ("alpha", "beta"):
        (folder / name).mkdir(parents=True)
        (folder / name / "index.js").write_text(f"exports.name = {name!r}")
    index = INDEX_JS.format(alpha=form.format("alpha"), beta=form.format("beta"), other=other)
    (folder / "index.js").write_text(index)
    hook = ROOT / "lib/aws_bindings.cjs"
    command = [NODE, "-e", READ_INDEX, str(hook), str(folder / "index.js")]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    names = ["alpha", "beta"]
    before, after = ([], ["beta"]) if deferred else (names, names)
    assert told == [before, ["beta", "alpha"], "beta", after, True, "set", after]


def test_a_kernel_that_was_killed_is_left_without_a_word():
    code = """
import lib
import psutil
from cdktf import App
App()
children = psutil.Process().children(recursive=True)
assert children
for child in children:
    child.kill()
psutil.wait_procs(children, timeout=10)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- Type checks ----------------------------------------------------------------------------------


def test_only_the_hints_of_jsii_are_remembered() -> None:
    calls: list[Any] = []

    def resolve(obj: Any, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        calls.append(obj)
        return {}

    module = types.SimpleNamespace(get_type_hints=resolve)
    aws_bindings._remember_hints(module)

    def _typecheckingstub__0123() -> None: ...

    def other() -> None: ...

    for _ in range(3):
        module.get_type_hints(_typecheckingstub__0123)
        module.get_type_hints(other)
        module.get_type_hints(Kernel)
    module.get_type_hints(_typecheckingstub__0123, include_extras=True)
    module.get_type_hints(_typecheckingstub__0123, {})
    stub = calls.count(_typecheckingstub__0123)
    assert (stub, calls.count(other), calls.count(Kernel)) == (3, 3, 3)


def test_hints_that_do_not_resolve_are_tried_again() -> None:
    outcomes: list[Any] = [NameError("not yet"), {"name": str}]

    def resolve(_obj: Any) -> dict[str, Any]:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    module = types.SimpleNamespace(get_type_hints=resolve)
    aws_bindings._remember_hints(module)

    def _typecheckingstub__0123() -> None: ...

    with pytest.raises(NameError):
        module.get_type_hints(_typecheckingstub__0123)
    assert module.get_type_hints(_typecheckingstub__0123) == {"name": str}


# What the bindings write; `str | None` is an object of another kind.
_union: Any = typing.Union


@pytest.mark.parametrize(
    ("value", "expected", "passed"),
    [
        (None, _union[str, None], True),
        (None, _union[int, list[str], None], True),
        (None, _union[int, str], False),
        (None, str, False),
        (None, list[None], False),
        ("text", _union[str, None], False),
    ],
)
def test_only_none_where_it_is_allowed_passes_unchecked(
    value: Any, expected: Any, passed: bool
) -> None:
    checked: list[Any] = []

    def check(argname: str, value: Any, expected_type: Any) -> None:
        checked.append((argname, value, expected_type))

    typeguard = types.SimpleNamespace(check_type=check)
    aws_bindings._pass_absent_arguments(typeguard)
    typeguard.check_type(argname="argument", value=value, expected_type=expected)
    assert checked == ([] if passed else [("argument", value, expected)])


def test_another_typeguard_keeps_its_check() -> None:
    def check_type(value: Any, expected_type: Any, **_options: Any) -> Any:
        return value, expected_type

    typeguard = types.SimpleNamespace(check_type=check_type)
    aws_bindings._pass_absent_arguments(typeguard)
    assert typeguard.check_type is check_type


def test_only_the_version_of_typeguard_is_remembered() -> None:
    asked: list[str] = []
    module = types.SimpleNamespace(version=lambda name: asked.append(name) or "1.0")
    aws_bindings._remember_typeguard_version(module)
    for name in ("typeguard", "jsii") * 2:
        assert module.version(name) == "1.0"
    assert asked == ["typeguard", "jsii", "jsii"]
