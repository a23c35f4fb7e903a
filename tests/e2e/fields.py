"""What changing each field of the config does to a running environment: ops/fields/effects.json.

One change for each field (ops/fields/changes.py), made to an environment as it is deployed:
Terraform's plan says the rest.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lib.config.environment_config import StateBackend
from ops.fields.changes import BASE, CHANGES, ELSEWHERE, base_of, step_of
from ops.parity.walk import with_fields
from ops.sandbox import Sandbox, Site
from tests.e2e.conftest import SUFFIX
from tests.synthesized import Synthesized

# Those that the deployed base has; what stands below a part that it lacks is ELSEWHERE.
__all__ = ["BASE", "CHANGES", "effects", "folder_beside", "told", "with_change"]


def with_change(config: Any, path: str, value: Any) -> Any:
    """``config`` with the field at ``path`` changed."""
    return with_fields(config, {path: value})


def effects(sandbox: Sandbox, sites: Mapping[str, Site]) -> dict[str, str]:
    """What Terraform would do for each change, asked of the deployed ``sites``."""
    plans = {}
    for number, path in enumerate(CHANGES | ELSEWHERE):
        if path in NOT_PLANNED:
            continue
        base = base_of(path)
        local = with_change(base, "state.backend", StateBackend.LOCAL)
        document = Synthesized.of(step_of(base, path).made(local), suffix=SUFFIX).document
        site = sites[base.name]
        plans[path] = site, folder_beside(site, f"change{number}", document)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = pool.map(
            lambda planned: _plan(planned[1], sandbox.environ(planned[0])), plans.values()
        )
        found = dict(zip(plans, lines, strict=True)) | NOT_PLANNED
    return {path: found[path] for path in CHANGES | ELSEWHERE}


# Where the plan of the same stack is not what happens.
NOT_PLANNED = {
    "network.cidr": "AWS refuses it half-way, since what is in use cannot change its VPC: deploy a "
    "copy with a suffix of its own, move the data, destroy this",
    "encryption.customer_key": "removes `aws_kms_key`, and with it what it encrypted: logs until "
    "then, the lock table, Performance Insights. Decide before the first deploy",
    "network.zones": "AWS refuses it half-way, since a subnet in use cannot move: deploy a copy "
    "with a suffix of its own, move the data, destroy this",
    "name": "another stack: deploy it, move the data, destroy the old one",
    "region": "another region: deploy a copy with a suffix of its own, move the data, destroy this",
    "state.backend": "nothing in AWS; the state has to be moved (docs/state.md)",
    "deploy_role_arn": "nothing in AWS; Terraform works as this role from then on",
}


def folder_beside(site: Site, name: str, document: dict[str, Any]) -> Path:
    """A folder beside the deployed one that Terraform takes for it, with another stack in it."""
    folder = site.stack_folder.with_name(name)
    folder.mkdir()
    (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
    for file in (".terraform", ".terraform.lock.hcl", "provider_override.tf.json"):
        if (site.stack_folder / file).exists():
            (folder / file).symlink_to(site.stack_folder / file)
    return folder


def _plan(folder: Path, environ: dict[str, str]) -> str:
    """Plan, and tell the changes in a line."""
    done = subprocess.run(
        ["terraform", "plan", "-refresh=false", "-lock=false", "-input=false", "-json"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [message["@message"] for message in messages if message["@level"] == "error"]
    if errors:
        return f"refused: {errors[0]}"
    return told(
        (message["change"]["resource"]["resource_type"], message["change"]["action"])
        for message in messages
        if message["type"] == "planned_change"
    )


VERBS = {
    "update": "changes {} in place",
    "create": "adds {}",
    "delete": "removes {}",
    "replace": "**replaces** {}",
}
# The new one is made first, as what depends on it is (docs/recover.md).
REFUSED = (
    "RDS refuses to make the new database beside the old one of the same name, which stays as it is"
)
MANY = 5  # types; more are told by their number


def told(changes: Iterable[tuple[str, str]]) -> str:
    """Pairs of type and action in a line: ``changes `aws_db_instance` in place``."""
    by_action: dict[str, set[str]] = {}
    for type_, action in changes:
        by_action.setdefault(action, set()).add(type_)
    if "aws_db_instance" in by_action.get("replace", ()):
        return REFUSED
    parts = []
    for action, words in VERBS.items():
        if types := sorted(by_action.pop(action, ())):
            what = ", ".join(f"`{name}`" for name in types[:MANY])
            more = f" and {len(types) - MANY} more types" if len(types) > MANY else ""
            parts.append(words.format(what + more))
    assert not by_action, f"unknown actions {by_action}"
    return "; ".join(parts) or "nothing"
