"""What is known of a resource type: one record, in the file of its AWS service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lost:
    """What goes with a resource."""

    what: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why a column has nothing."""

    because: str


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One type of Terraform's; ``lost`` is what goes with a resource that is deleted or replaced."""

    name: str
    lost: Lost | Nothing
