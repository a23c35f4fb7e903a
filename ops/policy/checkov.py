"""checkov, in an environment of its own, on a copy of a stack that it can read.

It never says that it read nothing: ``--framework terraform`` skips JSON, a ``terraform`` block that
it doesn't expect ends the parsing, and both exit with 0. Hence the copy, and a count of passes.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.policy.stack import Finding, Stack, containers

CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
ARGUMENTS = ("--framework", "terraform_json", "--skip-download", "--compact", "-o", "json")
# Blocks that it stumbles over: they hold no resource, and all but the first are lists.
BESIDE = ("terraform", "moved", "import", "removed")
NOWHERE = "http://127.0.0.1:9"  # a proxy that isn't there: what tried to go out would fail


def normalised(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without what hides things from checkov.

    Nulls, which it takes for values; comments; blocks beside the resources, which end the parsing;
    containers as text, which it does not read. It takes a false in a container for a value too.
    """
    copy = _without_nulls({key: each for key, each in document.items() if key not in BESIDE})
    for task in copy["resource"].get("aws_ecs_task_definition", {}).values():
        task["container_definitions"] = [
            {name: value for name, value in container.items() if value is not False}
            for container in containers(task)
        ]
    return copy


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_nulls(each)
            for key, each in value.items()
            if each is not None and key != "//"
        }
    if isinstance(value, list):
        return [_without_nulls(each) for each in value if each is not None]
    return value


def findings(stack: Stack, folder: Path) -> tuple[list[Finding], int]:
    """What it objects to, and how many checks passed; ``folder`` is an empty one to work in.

    Raises ``TapError`` when it is not installed, fails, or looked at nothing.
    """
    if not CHECKOV.exists():
        raise TapError("checkov is not installed", hint="run make policy")
    (folder / "stack.tf.json").write_text(json.dumps(normalised(stack.document)), encoding="utf-8")
    # Nothing of the caller's sends it to a platform or to another configuration.
    environ = {"PATH": os.defpath, "HOME": str(folder), "HTTPS_PROXY": NOWHERE}
    done = subprocess.run(
        [CHECKOV, "-d", folder, *ARGUMENTS],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return read(stack, done.stdout, done.stderr)


def read(stack: Stack, output: str, errors: str = "") -> tuple[list[Finding], int]:
    """Its output, understood. Raises ``TapError`` where it says that nothing was looked at."""
    try:
        report = json.loads(output)
        summary, failed = report["summary"], report["results"]["failed_checks"]
    except (ValueError, KeyError, TypeError):
        last = (errors or output).strip().splitlines()[-5:]
        raise TapError(
            "\n".join(["checkov gave no report of " + stack.environment, *last]),
            hint="the stack has something that it cannot read: see ops/policy/checkov.py",
        ) from None
    if summary["parsing_errors"] or not summary["passed"]:
        raise TapError(
            f"checkov passed {summary['passed']} checks of {stack.environment}, with"
            f" {summary['parsing_errors']} parsing errors: it looked at nothing",
            hint="the stack has something that it cannot read: see ops/policy/checkov.py",
        )
    # It calls a resource by its type or just "resource"; a logical id is one in the whole stack.
    addresses = {address.split(".")[1]: address for address in stack.resources}
    found = []
    for each in failed:
        named: str = each["resource"]
        address = addresses.get(named.rpartition(".")[2], named)
        found.append(Finding(each["check_id"], address, each["check_name"]))
    return found, summary["passed"]
