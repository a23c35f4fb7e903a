"""What changing each field of the config does to a running environment: ops/fields/effects.json.

One change for each field (ops/fields/changes.py), made to an environment as it is deployed:
Terraform's plan says the rest.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lib.config.environment_config import StateBackend
from ops.fields.changes import BASE, CHANGES, ELSEWHERE, base_of, step_of
from ops.parity.walk import with_fields
from ops.sandbox import Sandbox, Site
from ops.terraform_provider import write_override
from tests.e2e.conftest import SUFFIX
from tests.synthesized import Synthesized

Document = dict[str, Any]
BATCH = 20  # changes in a plan; with four times as many Terraform takes 0.7 GB
PARTS = ("variable", "data", "locals", "resource", "moved")  # of a document, for a module

# Those that the deployed base has; what stands below a part that it lacks is ELSEWHERE.
__all__ = ["BASE", "CHANGES", "effects", "folder_beside", "told", "with_change"]


def with_change(config: Any, path: str, value: Any) -> Any:
    """``config`` with the field at ``path`` changed."""
    return with_fields(config, {path: value})


def effects(sandbox: Sandbox, sites: Mapping[str, Site]) -> dict[str, str]:
    """What Terraform would do for each change, asked of the deployed ``sites``."""
    documents: dict[str, dict[str, Document]] = {}
    for path in CHANGES | ELSEWHERE:
        if path in NOT_PLANNED:
            continue
        base = base_of(path)
        local = with_change(base, "state.backend", StateBackend.LOCAL)
        document = Synthesized.of(step_of(base, path).made(local), suffix=SUFFIX).document
        documents.setdefault(base.name, {})[path] = document
    found = dict(NOT_PLANNED)
    for name, changed in documents.items():
        paths = iter(changed)
        for number in range(0, len(changed), BATCH):
            batch = {path: changed[path] for path in islice(paths, BATCH)}
            folder = sites[name].stack_folder.with_name(f"changes{number}")
            folder.mkdir()
            write_override(folder, sandbox.provider.version)
            changes = planned(batch, sites[name].state, folder, sandbox.environ(sites[name]))
            found |= {path: told(changes[path]) for path in batch}
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


def planned(
    documents: Mapping[str, Document], state: Path, folder: Path, environ: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """What a plan of each document would do to the stack of ``state``: pairs of type and action.

    One plan for all, which takes a tenth of the time: each is a module of one root, and the state
    has the stack once for each of them.
    """
    root, known = _root(documents, json.loads(state.read_text(encoding="utf-8")))
    for number, document in enumerate(documents.values()):
        module = folder / f"m{number}"
        module.mkdir()
        parts = {part: document[part] for part in PARTS if part in document}
        parts["terraform"] = {"required_providers": {"aws": {"source": "hashicorp/aws"}}}
        (module / "cdk.tf.json").write_text(json.dumps(parts), encoding="utf-8")
    (folder / "root.tf.json").write_text(json.dumps(root), encoding="utf-8")
    (folder / "terraform.tfstate").write_text(json.dumps(known), encoding="utf-8")
    printed = ""
    for words in ("init", "plan -refresh=false -lock=false -json"):
        done = subprocess.run(
            ["terraform", *words.split(), "-input=false"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        printed = done.stdout
        assert done.returncode == 0, done.stderr + printed
    paths = {f"module.m{number}": path for number, path in enumerate(documents)}
    found: dict[str, list[tuple[str, str]]] = {path: [] for path in documents}
    for message in map(json.loads, printed.splitlines()):
        if message["type"] == "planned_change":
            resource, action = message["change"]["resource"], message["change"]["action"]
            found[paths[resource["module"]]].append((resource["resource_type"], action))
    return found


def _root(documents: Mapping[str, Document], state: Document) -> tuple[Document, Document]:
    """The root module, and a state that has the stack in each of its modules."""
    (first, *_) = documents.values()
    providers: list[Document] = []
    modules, resources = {}, []
    for number, document in enumerate(documents.values()):
        (provider,) = document["provider"]["aws"]
        if provider not in providers:
            providers.append(provider)
        alias = f"p{providers.index(provider)}"
        modules[f"m{number}"] = {"source": f"./m{number}", "providers": {"aws": f"aws.{alias}"}}
        for resource in state["resources"]:
            if resource["mode"] != "managed":
                continue
            instances = [
                {**each, "dependencies": _inside(number, each.get("dependencies", []))}
                for each in resource["instances"]
            ]
            place = {"module": f"module.m{number}", "provider": f"{resource['provider']}.{alias}"}
            resources.append({**resource, **place, "instances": instances})
    aliased = [{**each, "alias": f"p{number}"} for number, each in enumerate(providers)]
    terraform = {"required_providers": first["terraform"]["required_providers"]}
    root = {"terraform": terraform, "provider": {"aws": aliased}, "module": modules}
    return root, {**state, "outputs": {}, "resources": resources}


def _inside(number: int, addresses: Iterable[str]) -> list[str]:
    return [f"module.m{number}.{address}" for address in addresses]


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
