"""What AWS has of a stack, held against the stack's state."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lib.errors import Problem
from ops.recover.kinds import KINDS
from ops.recover.stack import Stack, Thing

POLL_SECONDS = 10
WAIT_SECONDS = 40 * 60  # what the provider itself allows a database


@dataclass(slots=True)
class Survey:
    """What AWS has of a stack, held against the state."""

    adopt: dict[str, Thing] = field(default_factory=dict)
    untaint: dict[str, Thing] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    leftovers: list[Problem] = field(default_factory=list)  # in nobody's way

    def waiting(self) -> dict[str, Thing]:
        """What AWS is still making."""
        found = {**self.adopt, **self.untaint}
        return {address: thing for address, thing in found.items() if not thing.ready}


def survey_of(stack: Stack) -> Survey:
    """Look for each resource that the state lacks or calls tainted, and for what is there twice.

    A tainted one is there but was not finished, as far as Terraform could see. Where it is whole by
    now, it need not be replaced; what it still lacks, the next plan shows.
    """
    survey = Survey()
    for address in stack.addresses:
        kind, known = stack.kind(address), stack.known.get(address)
        if kind is None or (known and not known.tainted and not kind.delete):
            continue
        found = stack.find(address)
        unknown = [thing for thing in found if not stack.knows(address, thing)]
        if known:
            # Where the import's id isn't the state's, one name stands for one thing.
            same = [thing for thing in found if kind.import_id or thing.id in known.ids]
            if known.tainted and len(same) == 1 and not same[0].failed:
                survey.untaint[address] = same[0]
            if kind.delete:
                survey.leftovers += (leftover(address, thing.id) for thing in unknown)
        elif len(unknown) > 1:
            ids = " and ".join(thing.id for thing in unknown)
            survey.problems.append(
                Problem(
                    address,
                    f"{ids} could both be it: one was made twice",
                    f"delete the one that isn't used ({kind.delete} ...), and run this again",
                )
            )
        elif unknown and unknown[0].failed:
            survey.problems.append(
                Problem(
                    address,
                    f"{unknown[0].id} is {unknown[0].status}",
                    "AWS says why; mend or delete it, and run this again",
                )
            )
        elif unknown:
            survey.adopt[address] = unknown[0]
    return survey


def leftover(address: str, id_: str) -> Problem:
    """What a person may delete."""
    kind = KINDS[address.split(".")[0]]
    return Problem(
        address,
        f"{id_} is in no state, and not the one to adopt: a killed deploy made it",
        f"if nothing uses it: {kind.delete} {id_}",
    )


def settled(stack: Stack, tell: Callable[[str], None]) -> Survey:
    """The survey, once AWS has made what it was making: what is half made has no address yet."""
    deadline = time.monotonic() + WAIT_SECONDS
    survey, told = survey_of(stack), None
    while waiting := survey.waiting():
        if time.monotonic() > deadline:
            survey.problems += (
                Problem(
                    address,
                    f"{thing.id} is still {thing.status}",
                    "run this again when AWS has made it, or delete it",
                )
                for address, thing in waiting.items()
            )
            break
        words = ", ".join(f"{thing.id} ({thing.status})" for thing in waiting.values())
        if words != told:
            tell(f"waiting for {words}")
            told = words
        time.sleep(POLL_SECONDS)
        stack.forget()
        survey = survey_of(stack)
    return survey
