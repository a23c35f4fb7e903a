"""The list prices of a region, dated, each with unit and source: ``price_lists/REGION.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "price_lists"
REFRESH = "python -m ops cost --refresh asks AWS for it, with credentials"


@dataclass(frozen=True, slots=True)
class Price:
    """One list price, without free tiers and discounts; ``date`` is when it was looked up.

    ``confirmed_by`` says where the price list itself was seen to say so; without it the price is
    what its page was last known to say. ``vcpus`` is what an instance class has.
    """

    usd: Decimal
    unit: str
    date: date
    source: str
    confirmed_by: str | None = None
    vcpus: int | None = None

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "Price":
        """From its entry in the file."""
        return cls(
            **{**entry, "usd": Decimal(entry["usd"]), "date": date.fromisoformat(entry["date"])}
        )

    def entry(self) -> dict[str, Any]:
        """For the file."""
        values = {
            "usd": f"{self.usd.normalize():f}",
            "unit": self.unit,
            "date": self.date.isoformat(),
            "source": self.source,
            "confirmed_by": self.confirmed_by,
            "vcpus": self.vcpus,
        }
        return {name: value for name, value in values.items() if value is not None}


def load(region: str, folder: Path = FOLDER) -> dict[str, Price]:
    """The prices of a region, by key; none of a region without a list."""
    file = folder / f"{region}.json"
    if not file.is_file():
        return {}
    prices = json.loads(file.read_text(encoding="utf-8"))["prices"]
    return {key: Price.read(entry) for key, entry in prices.items()}


def save(region: str, prices: Mapping[str, Price], folder: Path = FOLDER) -> Path:
    """Writes the file of a region."""
    file = folder / f"{region}.json"
    content = {
        "region": region,
        "currency": "USD",
        "prices": {key: price.entry() for key, price in prices.items()},
    }
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return file
