"""ops/guard_fields.json: which field of the config changes what, by synthesis of each change.

``make snapshots`` writes it anew.
"""

import json
import os

from lib.config.environment_config import NatMode
from ops import guard
from tests.e2e import fields
from tests.synthesized import Synthesized

# What the guard's cases never are: another stack, whose plan deletes nothing of this one.
OTHER_STACKS = {"name", "region", "state.backend"}
# Of these the table of changes has one value, and a second takes away something else.
SECOND = {"network.nat": NatMode.NONE}


def of(config):
    """A stack's resources by their addresses, as Terraform gets them."""
    return {
        resource.address: {name: value for name, value in resource.values.items() if name != "//"}
        for resource in Synthesized.of(config).resources
        if not resource.address.startswith("data.")
    }


def found():
    """The table: for each guarded type the attributes, and the addresses that come and go."""
    changes, exists = {}, {}
    base = of(fields.BASE)
    for path, value in [*fields.CHANGES.items(), *SECOND.items()]:
        if path in OTHER_STACKS:
            continue
        other = of(fields.with_change(fields.BASE, path, value))
        for address in sorted(base | other):
            type_ = address.split(".")[0]
            if address not in base or address not in other:
                exists.setdefault(address, []).append(path)
                continue
            before, after = base[address], other[address]
            for name in sorted(before | after):
                if before.get(name) != after.get(name):
                    changes.setdefault(type_, {}).setdefault(name, set()).add(path)
    ordered = {
        type_: {name: sorted(paths) for name, paths in sorted(names.items())}
        for type_, names in sorted(changes.items())
    }
    return {"changes": ordered, "exists": dict(sorted(exists.items()))}


def test_the_table_is_what_synthesis_does():
    table = found()
    if os.environ.get("TAP_WRITE_GUARD_FIELDS"):
        guard.FIELDS.write_text(f"{json.dumps(table, indent=1)}\n", encoding="utf-8")
    assert json.loads(guard.FIELDS.read_text(encoding="utf-8")) == table, (
        "make snapshots writes it anew"
    )
