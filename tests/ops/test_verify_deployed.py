"""What of a stack is there, and what is not."""

import pytest

from lib.errors import TapError
from lib.modules.ssm_outputs import Published
from ops import verify
from ops.checkup import Outcome, failed, look
from ops.preflight import identity
from ops.verify import deployed as module
from ops.verify.deployed import CHECKS
from tests.ops.deployed import environment


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
    name = there.subject.naming.ssm_path("network", "vpc_id")
    assert deployed.parameters[name] == there.at[module.VPC]
    assert len(deployed.parameters) == len(Published)
    assert deployed.vpc_id == there.at[module.VPC]
    assert {there.at["network/public0"], there.at["network/private2"]} < deployed.subnets.keys()
    assert deployed.argument("database/subnets", "subnet_ids") == [
        there.at[f"network/private{zone}"] for zone in range(3)
    ]


@pytest.fixture(name="staging")
def _staging(shipped):
    with environment(shipped("staging")) as staging:
        yield staging


def test_an_environment_that_is_there(staging):
    (finding,) = CHECKS[0].look(staging.subject)
    assert finding.outcome is Outcome.PASSED
    assert finding.found.endswith(staging.at[module.VPC])


def test_an_environment_that_is_not_there_is_told_once(staging):
    """No check after it is asked."""
    staging.ec2.delete_tags(Resources=[staging.at[module.VPC]], Tags=[{"Key": "Suffix"}])
    first, *rest = look(verify.CHECKS[len(identity.CHECKS) :], staging.subject)
    (finding,) = first.findings
    assert (first.check, first.outcome) == ("deployed", Outcome.FAILED)
    assert "Project=tap, Environment=staging, Suffix=qa1" in finding.found
    assert finding.fix == "npm run cdktf:deploy"
    assert {result.outcome for result in rest} == {Outcome.NOT_SHOWN}
    assert not any(result.calls for result in rest)
    with pytest.raises(TapError, match="has no VPC"):
        assert staging.deployed.vpc_id


def test_two_that_could_be_it_are_named(staging):
    tags = staging.ec2.describe_vpcs(VpcIds=[staging.at[module.VPC]])["Vpcs"][0]["Tags"]
    other = staging.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    staging.ec2.create_tags(Resources=[other], Tags=tags)
    with pytest.raises(TapError, match=f"{staging.at[module.VPC]} and {other}|{other} and"):
        assert staging.deployed.vpc_id


def test_what_is_gone_is_none(staging):
    subnet = staging.at["network/private1"]
    staging.ec2.delete_tags(Resources=[subnet], Tags=[{"Key": "Name"}])
    staging.client("rds").delete_db_instance(
        DBInstanceIdentifier=staging.at[module.DATABASE], SkipFinalSnapshot=True
    )
    staging.client("elbv2").delete_load_balancer(LoadBalancerArn=staging.at[module.LOAD_BALANCER])
    staging.client("ecs").delete_service(
        cluster=staging.at[module.CLUSTER], service="staging-service-qa1", force=True
    )
    name = staging.subject.naming.ssm_path("network", "vpc_id")
    staging.client("ssm").delete_parameter(Name=name)
    deployed = staging.deployed
    assert deployed.id("network/private1") is None
    # What refers to it is not known either.
    assert deployed.argument("database/subnets", "subnet_ids") is None
    assert deployed.database is deployed.load_balancer is deployed.service is None
    assert deployed.database_groups == deployed.service_groups == set()
    assert name not in deployed.parameters


def test_passed_is_said_where_nothing_is_found():
    (finding,) = module.or_passed([], "well")
    assert (finding.outcome, finding.found) == (Outcome.PASSED, "well")
    bad = failed("f", "n", "x")
    assert list(module.or_passed([bad], "well")) == [bad]


def test_a_thing_has_a_name_for_people():
    assert module.tail("security/load_balancer") == "load balancer"
