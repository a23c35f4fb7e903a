"""A team's own resources: a bucket for uploads, a queue, a table. No update of TAP touches it.

``TapStack`` calls ``extend`` last, once for each environment. A resource goes into ``stack``, or
into a construct of its own below it; ids are addresses, so keep them. ``outputs`` has what TAP
made, the environment's config, and the namer: ``outputs.naming.bucket("uploads")``.

``make snapshots`` shows what comes of it, ``make quick`` holds it against the rules.
"""

from cdktf import TerraformStack

from lib.modules.outputs import StackOutputs


def extend(stack: TerraformStack, outputs: StackOutputs) -> None:
    """Add the team's resources to one environment: as shipped, none."""
    del stack, outputs
