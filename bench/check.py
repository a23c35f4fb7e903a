"""That what is compared does the same work."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.contenders import AWS_CDK, LAZY, STOCK, SUFFIX
from bench.errors import BenchError

ENVIRONMENTS = ("dev", "staging", "prod")
# How far a peer's number of resources may be from TAP's: a few new ones don't stop the run.
TOLERANCE = 0.05
# What only one of Terraform and CloudFormation has as a resource, and isn't compared between them.
ONE_SIDED = frozenset(
    (
        # Properties of a bucket in CloudFormation.
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_logging",
        "aws_s3_bucket_notification",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        # A property of a role: the monitoring role's managed policy.
        "aws_iam_role_policy_attachment",
        # Comes with the VPC, and CloudFormation cannot adopt it.
        "aws_default_security_group",
        # An internet gateway's VPC is a property in Terraform.
        "AWS::EC2::VPCGatewayAttachment",
    )
)


def compare(outputs: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """The number of resources in each environment of each contender's output.

    Raises ``BenchError`` if lazy isn't stock to the byte, or a peer's stack isn't TAP's.
    """
    if STOCK in outputs and LAZY in outputs:
        _same_bytes(outputs[STOCK], outputs[LAZY])
    types = {name: dict(_resource_types(name, folder)) for name, folder in outputs.items()}
    tap = types.get(LAZY) or types.get(STOCK)
    for name, environments in types.items():
        left_out = ONE_SIDED if name == AWS_CDK else frozenset()
        for environment, found in environments.items():
            count = _count(found, left_out)
            expected = _count(tap[environment], left_out) if tap else count
            if abs(count - expected) > TOLERANCE * expected:
                raise BenchError(
                    f"{name} has {count} resources to compare in {environment}, TAP has "
                    f"{expected}: bring bench/peers up to date"
                )
    return {
        name: {environment: found.total() for environment, found in environments.items()}
        for name, environments in types.items()
    }


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


def _count(types: Counter[str], left_out: frozenset[str]) -> int:
    return sum(number for type_, number in types.items() if type_ not in left_out)


def _resource_types(name: str, folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    for environment in ENVIRONMENTS:
        stack = f"tap-{environment}-{SUFFIX}"
        if name == AWS_CDK:
            template = json.loads((folder / f"{stack}.template.json").read_bytes())
            yield environment, Counter(found["Type"] for found in template["Resources"].values())
        else:
            template = json.loads((folder / "stacks" / stack / "cdk.tf.json").read_bytes())
            resources = template["resource"].items()
            yield environment, Counter({type_: len(found) for type_, found in resources})
