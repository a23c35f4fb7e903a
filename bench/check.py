"""That what is compared does the same work."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.contenders import AWS_CDK, LAZY, STOCK, SUFFIX
from bench.errors import BenchError

ENVIRONMENTS = ("dev", "staging", "prod")
# How far a peer's number of resources may be from TAP's. CloudFormation makes properties of what
# are six resources in Terraform: the settings of a bucket and of a VPC's default security group.
TOLERANCE = 0.10


def compare(outputs: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """The number of resources in each environment of each contender's output.

    Raises ``BenchError`` if lazy isn't stock to the byte, or a peer's stack isn't TAP's.
    """
    if STOCK in outputs and LAZY in outputs:
        _same_bytes(outputs[STOCK], outputs[LAZY])
    counts = {name: dict(_resources(name, folder)) for name, folder in outputs.items()}
    tap = counts.get(LAZY) or counts.get(STOCK)
    for name, environments in counts.items():
        for environment, count in environments.items():
            expected = tap[environment] if tap else count
            if abs(count - expected) > TOLERANCE * expected:
                raise BenchError(
                    f"{name} has {count} resources in {environment}, TAP has {expected}: "
                    "bring bench/peers up to date"
                )
    return counts


def _same_bytes(stock: Path, lazy: Path) -> None:
    files = {path.relative_to(folder) for folder in (stock, lazy) for path in _files(folder)}
    if not files:
        raise BenchError("stock and lazy bindings wrote nothing")
    for file in sorted(files):
        one, other = stock / file, lazy / file
        if not (one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()):
            raise BenchError(f"{file} differs between stock and lazy bindings")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _resources(name: str, folder: Path) -> Iterator[tuple[str, int]]:
    for environment in ENVIRONMENTS:
        stack = f"tap-{environment}-{SUFFIX}"
        if name == AWS_CDK:
            template = json.loads((folder / f"{stack}.template.json").read_bytes())
            yield environment, len(template["Resources"])
        else:
            template = json.loads((folder / "stacks" / stack / "cdk.tf.json").read_bytes())
            yield environment, sum(map(len, template["resource"].values()))
