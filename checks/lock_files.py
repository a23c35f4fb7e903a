"""What the lock files say: names, versions, hashes and, of Node's, licences."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools" / "checks" / "bin"
PIPFILE_LOCK = ROOT / "Pipfile.lock"
PACKAGE_LOCK = ROOT / "package-lock.json"
REQUIREMENTS = sorted(
    (ROOT / "requirements").glob("*.txt")
)  # of tools in environments of their own


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One locked package. A bundled one comes, unhashed, inside another that is hashed."""

    language: str
    name: str
    version: str
    hashes: tuple[str, ...]
    markers: str = ""
    licence: str = ""
    bundled: bool = False
    development: bool = True

    def requirement(self) -> str:
        """A line of a requirements file."""
        markers = f"; {self.markers}" if self.markers else ""
        return " ".join(
            [f"{self.name}=={self.version}{markers}", *(f"--hash={hash_}" for hash_ in self.hashes)]
        )


def python_packages() -> Iterator[Package]:
    """Of ``Pipfile.lock``, each once."""
    lock = json.loads(PIPFILE_LOCK.read_text(encoding="utf-8"))
    for name, entry in {**lock["develop"], **lock["default"]}.items():
        yield Package(
            "Python",
            name,
            entry["version"].removeprefix("=="),
            tuple(entry.get("hashes", ())),
            entry.get("markers", ""),
            development=name not in lock["default"],
        )


def node_packages() -> Iterator[Package]:
    """Of ``package-lock.json``."""
    lock = json.loads(PACKAGE_LOCK.read_text(encoding="utf-8"))
    for place, entry in lock["packages"].items():
        if place:
            yield Package(
                "Node",
                entry.get("name") or place.rpartition("node_modules/")[2],
                entry["version"],
                tuple(entry.get("integrity", "").split()),
                licence=entry.get("license", ""),
                bundled=bool(entry.get("inBundle")),
            )


def bundled_places() -> dict[str, str]:
    """Of what comes inside another package: its place below ``node_modules``, and that package."""
    lock = json.loads(PACKAGE_LOCK.read_text(encoding="utf-8"))
    return {
        place: place.removeprefix("node_modules/").partition("/node_modules/")[0]
        for place, entry in lock["packages"].items()
        if entry.get("inBundle")
    }
