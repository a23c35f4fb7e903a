"""The data plane of the embedded AWS: what the API says runs, runs.

``DataPlane`` is all that the emulator knows of it: ``start``, ``stop``, ``describe``. ``plane`` has
the loop; ``rds``, ``ecs`` and ``balancer`` do what those services do; ``network`` decides what
comes through; ``account`` and ``patches`` know moto best. ``docs/adr/0014-data-plane.md``
"""

from ops.emulator.dataplane.plane import DataPlane

__all__ = ["DataPlane"]
