"""A deploy through an AWS that throttles, fails and loses answers: ``docs/faults.md``."""

from tests.chaos.deploys import copy, deploy_through
from tests.chaos.proxy import HARSH, Fault

SEED = 197  # loses the answers to PutParameter, once, and to CreateDBInstance


def test_it_completes_all_the_same():
    with copy() as place:
        befallen = deploy_through(place, seed=SEED, rates=HARSH)
        place.check()
    assert {fault for fault, _ in befallen} == set(HARSH)
    assert (Fault.LOST, "rds CreateDBInstance") in befallen
