"""Terraform's import of what is found in AWS.

https://developer.hashicorp.com/terraform/language/import
"""

import json
from collections.abc import Mapping
from typing import Any

from ops.terraform import Terraform

BLOCKS = "recover.tf.json"
PLAN = "recover.tfplan"


class Importer(Terraform):
    """Terraform in a stack's folder, where it imports."""

    def plan(self, imports: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Plan the imports, and nothing that they don't depend on; returns the changes."""
        blocks = [{"to": address, "id": id_} for address, id_ in imports.items()]
        (self.folder / BLOCKS).write_text(json.dumps({"import": blocks}, indent=2))
        targets = [f"-target={address}" for address in imports]
        self.run("plan", "-input=false", f"-out={PLAN}", *targets)
        changes = json.loads(self.read("show", "-json", PLAN)).get("resource_changes", [])
        return [each for each in changes if each["mode"] == "managed"]

    def apply(self) -> None:
        """Apply what was planned last."""
        self.run("apply", "-input=false", PLAN)

    def clean(self) -> None:
        """Remove what the planning left."""
        for name in (BLOCKS, PLAN):
            (self.folder / name).unlink(missing_ok=True)
