"""What of a stack is there, and what is not."""

import pytest

from lib.errors import TapError
from lib.modules.ssm_outputs import Published
from ops.checkup import Outcome
from ops.verify import deployed as module
from ops.verify.deployed import CHECKS
from tests.unit.deployed import environment


@pytest.fixture(name="there", params=["dev", "staging", "prod"])
def _there(request, shipped):
    with environment(shipped(request.param)) as there:
        yield there


def test_each_thing_is_found_by_its_path(there):
    deployed = there.deployed
    for path in (
        *("network/vpc", "network/private2", "security/database", "network/s3_endpoint"),
        *(module.DATABASE, module.LOAD_BALANCER),
    ):
        assert deployed.id(path) == there.at[path]
    assert deployed.database["DBInstanceIdentifier"] == there.at[module.DATABASE]
    assert deployed.load_balancer["LoadBalancerArn"] == there.at[module.LOAD_BALANCER]
    assert deployed.service["serviceArn"] == there.at[module.SERVICE]
    assert deployed.parameter(Published.VPC_ID) == there.at[module.VPC]
    assert len(deployed.parameters) == len(Published)
    assert deployed.vpc_id == there.at[module.VPC]
    assert {there.at["network/public0"], there.at["network/private2"]} < deployed.subnets.keys()
    assert deployed.argument("database/subnets", "subnet_ids") == [
        there.at[f"network/private{zone}"] for zone in range(3)
    ]
