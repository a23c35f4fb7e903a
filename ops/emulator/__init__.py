"""The embedded AWS: moto's server in a process of its own, with its gaps closed.

``client.Emulator`` starts and stops it, ``inventory`` lists what it holds, ``patches`` closes the
gaps. What it proves and what it cannot: ``docs/adr/0005-embedded-aws.md``.
"""

from ops.emulator.client import Emulator, FailedCall

__all__ = ["Emulator", "FailedCall"]
