"""What is run: the application with stock and with lazy bindings, and its peers.

Each of them synthesizes the environments that ``ENVIRONMENT`` names into ``CDKTF_OUTDIR``. It gets
an environment made here, and none of the user's settings; jsii's package cache is under ``.work/``.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.workspace import PEERS, WORK, python_peer, typescript_peer

ROOT = Path(__file__).resolve().parents[1]
CDKTN_PACKAGES = ROOT / "requirements" / "cdktn.txt"
CDKTN_APP = ROOT / "way_out" / "cdktn_app.py"
AWS_CDK_PEER = PEERS / "aws_cdk_python"
SUFFIX = "bench"
WARM_CACHE = WORK / "package-cache"

STOCK = "stock"
LAZY = "lazy"
TYPESCRIPT = "cdktf-typescript"
CDKTN = "cdktn-python"
AWS_CDK = "aws-cdk-python"


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to synthesize the stack; ``command`` installs what it needs, and says how to run it."""

    name: str
    title: str
    command: Callable[[], tuple[str | Path, ...]]
    settings: Mapping[str, str]


CONTENDERS = (
    Contender(
        STOCK,
        "TAP, stock bindings",
        lambda: (sys.executable, ROOT / "tap.py"),
        {"TAP_EAGER_BINDINGS": "1"},
    ),
    Contender(LAZY, "**TAP**, lazy bindings", lambda: (sys.executable, ROOT / "tap.py"), {}),
    Contender(
        TYPESCRIPT,
        "CDKTF TypeScript, precompiled",
        lambda: ("node", typescript_peer("cdktf_typescript")),
        {},
    ),
    Contender(
        CDKTN,
        "cdktn Python, its stock bindings",
        lambda: (python_peer("cdktn_python", CDKTN_PACKAGES), CDKTN_APP),
        {"TAP_EAGER_BINDINGS": "1"},
    ),
    Contender(
        AWS_CDK,
        "AWS CDK Python",
        lambda: (
            python_peer("aws_cdk_python", AWS_CDK_PEER / "requirements.txt"),
            AWS_CDK_PEER / "main.py",
        ),
        {},
    ),
)


def process_environment(environment: str, out: Path, cache: Path = WARM_CACHE) -> dict[str, str]:
    """What a contender's process finds in its environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {
        "ENVIRONMENT": environment,
        "ENVIRONMENT_SUFFIX": SUFFIX,
        "CDKTF_OUTDIR": str(out),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache),
    }
