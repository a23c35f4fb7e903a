"""Further seeds, and each fault alone: what Terraform survives by itself, and what not."""

import pytest

from tests.chaos.deploys import copy, deploy_through
from tests.chaos.proxy import HARSH, Fault

ALONE = {Fault.THROTTLED: 0.3, Fault.FAILED: 0.3}  # several times what AWS does on a bad day


@pytest.mark.parametrize("seed", range(2, 6))
def test_it_completes_all_the_same(seed):
    with copy() as place:
        deploy_through(place, seed=seed, rates=HARSH)
        place.check()


@pytest.mark.parametrize("fault", ALONE)
def test_terraform_survives_it_alone(fault):
    with copy() as place:
        befallen = deploy_through(place, seed=1, rates={fault: ALONE[fault]}, tries=1)
        assert befallen.total() > 50
        place.check()
