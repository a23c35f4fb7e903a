"""The states that Terraform could not save: ``errored.tfstate``, wherever it was run.

Of the standard library alone, and to be run as a file: ``make clean`` asks it with any Python.
"""

import sys
from pathlib import Path

UNSAVED = "errored.tfstate"
# Below the output folder: TAP's runs, the bare CLI's, and the plans of earlier versions of TAP.
FOLDERS = ("runs/{}@*", "stacks/{}", "plans/{}")


def unsaved(output: Path, stack: str = "*") -> list[Path]:
    """Those of a stack, of all without one; the oldest first."""
    found = {file for each in FOLDERS for file in output.glob(f"{each.format(stack)}/{UNSAVED}")}
    return sorted(found, key=lambda file: (file.stat().st_mtime, file))


def main(output: Path) -> int:
    """Name each; 1 when there is one."""
    files = unsaved(output)
    for file in files:
        print(
            f"tap: Terraform could not save a state: it is in {file} (pipenv run state recover)",
            file=sys.stderr,
        )
    return 1 if files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
