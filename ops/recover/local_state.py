"""What a full disk or a kill can leave of a state: a file cut short, one that was not saved."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.errors import TapError
from ops.terraform import Terraform

UNSAVED = "errored.tfstate"  # Terraform's, where the state's own place could not be written


def mend(
    terraform: Terraform, folder: Path, document: Mapping[str, Any], *, dry_run: bool
) -> Iterator[str]:
    """Give the stack its last whole state again; says what it did.

    Terraform writes a local state in place: a kill or a full disk can cut it, and an empty one
    counts as no state at all. The last one is then what Terraform left beside it, or the backup
    from before the killed deploy. Raises ``TapError`` where a person has to decide.
    """
    local = document["terraform"]["backend"].get("local")
    file = (folder / local["path"]).resolve() if local else None
    unsaved = folder / UNSAVED
    if file and file.exists() and not _whole(file):
        yield from _replace(file, unsaved=unsaved.exists(), dry_run=dry_run)
    if unsaved.exists():
        if dry_run:
            raise TapError(f"{unsaved} is not in the state yet", hint="run this without --dry-run")
        # Refused, and kept, where the state has gone on since or is another's.
        terraform.run("state", "push", UNSAVED)
        pushed = unsaved.with_name(f"{UNSAVED}.pushed-{int(time.time())}")
        unsaved.rename(pushed)
        yield f"what Terraform could not save is in the state now, and in {pushed.name}"


def _replace(file: Path, *, unsaved: bool, dry_run: bool) -> Iterator[str]:
    """Put the backup in the place of a state that isn't whole, if nothing later was left."""
    backup = file.with_name(f"{file.name}.backup")
    empty = file.stat().st_size == 0
    if empty and not unsaved and not _whole(backup):
        return  # as a first deploy leaves it that was killed before it had made anything
    what = "empty" if empty else "cut short"
    if dry_run:
        raise TapError(f"the state file {file} is {what}", hint="run this without --dry-run")
    broken = file.with_name(f"{file.name}.broken-{int(time.time())}")
    file.rename(broken)
    kept = f"the state file was {what}: it is {broken.name} now"
    if unsaved:
        yield kept
    elif _whole(backup):
        shutil.copy2(backup, file)
        yield f"{kept}, and its backup took its place"
    else:
        yield f"{kept}. No backup: started from nothing"


def _whole(file: Path) -> bool:
    """Whether it holds a Terraform state."""
    try:
        return "resources" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
