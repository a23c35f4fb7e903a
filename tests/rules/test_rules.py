"""Rules of every environment of ``environment_config.py``, with what ``lib/extend.py`` adds.

They ask for what the config says, not for what TAP ships: they stay green over every valid config.
"""

import pytest

from lib.config.validation import validate
from tests.project import TEAM, team_stack
from tests.synthesized import SUFFIX, Synthesized

BLOCKS = ("block_public_acls", "block_public_policy", "ignore_public_acls")
# What AWS gives once, in an account or in the world.
NAMED = {
    "aws_db_instance": "identifier",
    "aws_dynamodb_table": "name",
    "aws_iam_role": "name",
    "aws_lb": "name",
    "aws_s3_bucket": "bucket",
    "aws_sns_topic": "name",
    "aws_sqs_queue": "name",
}


@pytest.fixture(name="stack", params=list(TEAM))
def _stack(request) -> Synthesized:
    """Each of the project's environments, one after the other."""
    return team_stack(request.param)


def of(stack: Synthesized, type_: str):
    """The resources of a type: there may be none."""
    return [resource for resource in stack.resources if resource.type == type_]


def test_the_config_is_valid():
    assert not [str(problem) for problem in validate([*TEAM.values()])]


def test_only_the_load_balancer_is_open_to_addresses(stack):
    balancer = stack.at("security/load_balancer").ref("id")
    for rule in of(stack, "aws_vpc_security_group_ingress_rule"):
        if rule.get("cidr_ipv4") or rule.get("cidr_ipv6"):
            assert rule["security_group_id"] == balancer, rule.path


def test_only_the_service_reaches_the_database(stack):
    database = stack.at("security/database").ref("id")
    rules = of(stack, "aws_vpc_security_group_ingress_rule")
    (rule,) = [each for each in rules if each["security_group_id"] == database]
    assert rule["referenced_security_group_id"] == stack.at("security/service").ref("id")
    assert rule["from_port"] == rule["to_port"] == stack.config.database.port


def test_every_database_is_private_and_encrypted(stack):
    for database in of(stack, "aws_db_instance"):
        assert database.get("publicly_accessible") is False, database.path
        assert database.get("storage_encrypted") is True, database.path
        assert not database.get("password"), f"{database.path}: a password is in the state"


def test_production_keeps_its_database(stack):
    database = stack.at("database/instance")
    if stack.config.production:
        assert database["deletion_protection"]
        assert not database["skip_final_snapshot"]
        assert database["lifecycle"]["prevent_destroy"]


def test_the_network_is_the_config_s(stack):
    assert stack.count("aws_nat_gateway") == stack.config.network.nat_gateways
    assert stack.at("network/vpc")["cidr_block"] == stack.config.network.cidr


def test_every_bucket_is_closed_to_the_public(stack):
    closed = {
        block["bucket"]
        for block in of(stack, "aws_s3_bucket_public_access_block")
        if all(block.get(name) for name in (*BLOCKS, "restrict_public_buckets"))
    }
    for bucket in of(stack, "aws_s3_bucket"):
        assert bucket.ref("id") in closed, f"{bucket.path}: lib/modules/private_bucket.py closes it"


def test_the_names_are_this_copy_s_alone(stack):
    """Two copies of an environment live in one account: each name has the copy's suffix in it."""
    for type_, argument in NAMED.items():
        for resource in of(stack, type_):
            name = resource.get(argument)
            assert name and SUFFIX in name, f"{resource.path}: outputs.naming makes names"
