"""Terraform's import of what is found in AWS.

https://developer.hashicorp.com/terraform/language/import
"""

import json
from collections.abc import Mapping
from typing import Any

from ops.terraform.process import LOCK_TIMEOUT, Terraform

BLOCKS = "recover.tf.json"
PLAN = "recover.tfplan"


class Importer:
    """Imports, in the folder of a Terraform that is initialised."""

    def __init__(self, terraform: Terraform) -> None:
        self._terraform = terraform

    def plan(self, imports: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Plan the imports, and nothing that they don't depend on; returns the changes."""
        blocks = [{"to": address, "id": id_} for address, id_ in imports.items()]
        (self._terraform.folder / BLOCKS).write_text(json.dumps({"import": blocks}, indent=2))
        targets = [f"-target={address}" for address in imports]
        self._terraform.run("plan", "-input=false", LOCK_TIMEOUT, f"-out={PLAN}", *targets)
        shown = json.loads(self._terraform.read("show", "-json", PLAN))
        return [each for each in shown.get("resource_changes", []) if each["mode"] == "managed"]

    def apply(self) -> None:
        """Apply what was planned last."""
        self._terraform.run("apply", "-input=false", LOCK_TIMEOUT, PLAN)

    def clean(self) -> None:
        """Remove what the planning left."""
        for name in (BLOCKS, PLAN):
            (self._terraform.folder / name).unlink(missing_ok=True)
