"""What is known of a resource type: one record, in the file of its AWS service."""

from dataclasses import dataclass

from ops.catalogue.rules import Interrupts, Refused, Rule


@dataclass(frozen=True, slots=True)
class Lost:
    """What goes with a resource."""

    what: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why a column has nothing."""

    because: str


NO_TRAFFIC = Nothing("no request passes through it")
NO_LIMIT = Nothing("no change is known that the plan takes and AWS refuses")
NEW_EACH_TIME = Nothing("another value is another resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One type of Terraform's.

    ``lost`` is what goes with a resource that is deleted; ``replaced`` with one that is made anew,
    where that is something else. ``remade_by`` are arguments whose change makes it anew without
    that. ``part_of`` is an argument and what it is part of: when that is deleted, its own loss
    is told, and not that of its parts. ``tainted`` is what to do when Terraform wants to make
    it anew because creating it failed.

    ``worse`` is what is lost or exposed by a change in place, ``interrupts`` what such a change
    interrupts, ``refused`` what AWS would refuse.
    """

    name: str
    lost: Lost | Nothing
    replaced: Lost | Nothing | None = None
    remade_by: frozenset[str] = frozenset()
    part_of: tuple[str, str] | None = None
    tainted: str = ""
    worse: tuple[Rule, ...] | Nothing
    interrupts: tuple[Interrupts, ...] | Nothing = NO_TRAFFIC
    refused: tuple[Refused, ...] | Nothing = NO_LIMIT

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What ``worse`` has."""
        return () if isinstance(self.worse, Nothing) else self.worse

    @property
    def interruptions(self) -> tuple[Interrupts, ...]:
        """What ``interrupts`` has."""
        return () if isinstance(self.interrupts, Nothing) else self.interrupts

    @property
    def refusals(self) -> tuple[Refused, ...]:
        """What ``refused`` has."""
        return () if isinstance(self.refused, Nothing) else self.refused

    @property
    def watched(self) -> frozenset[str]:
        """The arguments that a rule looks at."""
        return frozenset(rule.top for rule in self.rules)
