"""What the config derives, and the values of the shipped environments that TAP promises."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import pytest

from lib.config import aws_limits
from lib.config.environment_config import (
    ENVIRONMENTS,
    ZONES_MAX,
    DatabaseConfig,
    EnvironmentConfig,
    NatMode,
    NetworkConfig,
    StateBackend,
    SubnetTier,
)

DEV, STAGING, PROD = (
    next(entry for entry in ENVIRONMENTS if entry.name == name)
    for name in ("dev", "staging", "prod")
)


@pytest.mark.parametrize("prefix", range(aws_limits.VPC_PREFIX_MIN, 25))
def test_subnets_share_the_vpc_without_overlap(prefix: int) -> None:
    network = NetworkConfig(cidr=f"10.7.0.0/{prefix}", nat=NatMode.NONE)
    vpc = IPv4Network(network.cidr)
    subnets = network.public_subnets + network.private_subnets
    assert len(network.public_subnets) == len(network.private_subnets) == len(network.zones) == 3
    assert all(subnet.subnet_of(vpc) for subnet in subnets)
    assert not any(one.overlaps(two) for one, two in combinations(subnets, 2))
    assert list(subnets) == sorted(subnets)
    (length,) = {subnet.prefixlen for subnet in subnets}
    assert length == min(prefix + 4, aws_limits.ALB_SUBNET_PREFIX_MAX)


def test_the_subnets_of_a_shipped_vpc_are_held() -> None:
    """A subnet whose range changes is replaced, with all that runs in it."""
    assert [*map(str, DEV.network.public_subnets + DEV.network.private_subnets)] == [
        *("10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"),
        *("10.0.48.0/20", "10.0.64.0/20", "10.0.80.0/20"),
    ]


@pytest.mark.parametrize(
    ("nat", "zones", "gateways"),
    [
        *((NatMode.NONE, zones, 0) for zones in ("ab", "abc")),
        *((NatMode.SINGLE, zones, 1) for zones in ("ab", "abc")),
        *((NatMode.PER_AZ, zones, len(zones)) for zones in ("ab", "abc")),
    ],
)
def test_nat_gateways(nat: NatMode, zones: str, gateways: int) -> None:
    network = NetworkConfig(cidr="10.0.0.0/16", nat=nat, zones=tuple(zones))
    assert network.nat_gateways == gateways


def test_a_third_zone_moves_no_subnet() -> None:
    two, three = (
        NetworkConfig(cidr="10.0.0.0/16", nat=NatMode.NONE, zones=tuple(zones))
        for zones in ("ab", "abc")
    )
    assert three.public_subnets[:2] == two.public_subnets
    assert three.private_subnets[:2] == two.private_subnets
    assert len(three.public_subnets) == ZONES_MAX


@pytest.mark.parametrize(("version", "minor_upgrades"), [("17", True), ("17.9", False)])
def test_a_version_of_the_engine(version: str, minor_upgrades: bool) -> None:
    database: DatabaseConfig = dataclasses.replace(DEV.database, engine_version=version)
    assert database.engine_major == "17"
    assert database.minor_upgrades is minor_upgrades


def test_minimum_count() -> None:
    assert DEV.service.minimum_count == DEV.service.desired_count
    busy = dataclasses.replace(PROD.service, desired_count=5)
    assert busy.autoscaling is not None
    assert busy.minimum_count == busy.autoscaling.min_count


def test_overridden_by_nothing_is_the_same() -> None:
    assert DEV.overridden(region=None, backend=None, image=None) == DEV


def test_overridden() -> None:
    other = DEV.overridden(region="eu-west-1", backend=StateBackend.LOCAL, image="app:1")
    assert other.region == "eu-west-1"
    assert other.state.backend is StateBackend.LOCAL
    assert other.service.image == "app:1"
    assert (
        dataclasses.replace(
            other,
            region=DEV.region,
            state=DEV.state,
            service=dataclasses.replace(other.service, image=DEV.service.image),
        )
        == DEV
    )


def test_an_environment_is_frozen_all_through() -> None:
    for record, field in ((DEV, "name"), (DEV.network, "cidr"), (DEV.service.health_check, "path")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, "x")
    with pytest.raises(TypeError):
        DEV.service.environment["A"] = "b"  # pyright: ignore[reportIndexIssue]


def annotations(record: type) -> list[Any]:
    """Every annotation of ``record`` and of the records in it, less its ``| None``."""
    found: list[Any] = []
    for annotation in typing.get_type_hints(record).values():
        inner, *rest = typing.get_args(annotation) if is_union(annotation) else (annotation,)
        assert rest in ([], [types.NoneType]), annotation
        found.append(inner)
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            found += annotations(inner)
    return found


def is_union(annotation: object) -> bool:
    """``X | Y``."""
    return isinstance(annotation, types.UnionType)


def test_every_annotation_is_one_that_is_checked() -> None:
    """``type_check`` knows no other kinds: it would refuse every value of them."""
    plain = {bool, int, str, tuple[str, ...], Mapping[str, str]}
    for kind in annotations(EnvironmentConfig):
        assert kind in plain or dataclasses.is_dataclass(kind) or issubclass(kind, Enum), kind


# What TAP promises of its environments, a row each, here alone.
PROMISED = {
    "name": ("dev", "staging", "prod"),
    "production": (False, False, True),
    "network.cidr": ("10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"),
    "network.nat": (NatMode.NONE, NatMode.SINGLE, NatMode.PER_AZ),
    "service.subnets": (SubnetTier.PUBLIC, SubnetTier.PRIVATE, SubnetTier.PRIVATE),
    "database.engine_version": ("14", "14", "14"),
    "database.instance_class": ("db.t3.micro", "db.t3.small", "db.t3.medium"),
    "database.multi_az": (False, False, True),
    "database.backup_days": (1, 3, 7),
    "database.final_snapshot": (False, False, True),
    "database.deletion_protection": (False, False, True),
    "database.extended_support": (False, False, False),
    "service.cpu_units": (256, 512, 1024),
    "service.memory_mib": (512, 1024, 2048),
    "service.desired_count": (1, 2, 3),
    "state.deletable": (True, True, False),
}


@pytest.mark.parametrize("path", PROMISED)
def test_what_is_promised_is_what_is_shipped(path: str) -> None:
    def value(environment: EnvironmentConfig) -> object:
        found: object = environment
        for name in path.split("."):
            found = getattr(found, name)
        return found

    assert tuple(map(value, (DEV, STAGING, PROD))) == PROMISED[path]
