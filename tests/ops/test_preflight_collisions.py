"""``ops preflight``: names that are taken, and networks that overlap."""

import pytest

from ops.checkup import Outcome
from ops.preflight.collisions import CHECKS
from tests.checkups import (
    DENIED,
    OTHERS,
    TAGS,
    Refusal,
    client,
    finding_of,
    result_of,
    subject_of,
)

pytestmark = pytest.mark.usefixtures("aws")

BUCKET = "dev-us-east-1-tfstate-qa1"


def _bucket(name, tags):
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    if tags:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def _table(name, tags):
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=tags,
    )


def _database(name, tags):
    client("rds").create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", Tags=tags
    )


def _load_balancer(name, tags):
    subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"][:2]]
    client("elbv2").create_load_balancer(
        Name=name, Subnets=subnets, **({"Tags": tags} if tags else {})
    )


def _target_group(name, tags):
    vpc = client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    client("elbv2").create_target_group(
        Name=name, Protocol="HTTP", Port=80, VpcId=vpc, **({"Tags": tags} if tags else {})
    )


def _log_group(name, tags):
    flat = {tag["Key"]: tag["Value"] for tag in tags}
    client("logs").create_log_group(logGroupName=name, tags=flat)


def _role(name, tags):
    client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}", Tags=tags)


def _parameter(name, tags):
    client("ssm").put_parameter(Name=name, Value="x", Type="String", Tags=tags)


TAKEN = [
    ("buckets", "state/bucket", "bucket", _bucket),
    ("buckets", "access_logs/bucket", "bucket", _bucket),
    ("lock_table", "state/lock_table", "name", _table),
    ("database", "database/instance", "identifier", _database),
    ("load_balancer", "load_balancer/load_balancer", "name", _load_balancer),
    ("load_balancer", "load_balancer/target_group", "name", _target_group),
    ("log_groups", "service/log_group", "name", _log_group),
    ("roles", "service/task_role", "name", _role),
    ("parameters", "outputs/parameters/network_vpc_id", "name", _parameter),
]


@pytest.fixture(params=TAKEN, ids=[path for _, path, *_ in TAKEN], name="taken")
def _taken(request, shipped):
    check, path, attribute, make = request.param
    return f"collisions.{check}", shipped("dev").at(path)[attribute], make


def test_a_free_name_passes(shipped, taken):
    check, _, _ = taken
    finding = finding_of(CHECKS, check, subject_of(shipped("dev")))
    assert finding.outcome is Outcome.PASSED and finding.found.startswith("free: ")


def test_this_stack_s_own_passes(shipped, taken):
    check, name, make = taken
    make(name, TAGS)
    finding = finding_of(CHECKS, check, subject_of(shipped("dev")))
    assert finding.outcome is Outcome.PASSED and "this stack's: " in finding.found


@pytest.mark.parametrize("tags", [OTHERS, []], ids=["another copy's", "nobody's"])
def test_a_name_that_is_taken_fails(shipped, taken, tags):
    check, name, make = taken
    make(name, tags)
    result = result_of(CHECKS, check, subject_of(shipped("dev")))
    (finding,) = [each for each in result.findings if each.outcome is not Outcome.PASSED]
    assert finding.outcome is Outcome.FAILED and finding.found.startswith(f"{name} is there")
    assert "state recover" in finding.fix and "ENVIRONMENT_SUFFIX" in finding.fix


def test_a_log_group_whose_name_begins_alike_is_another(shipped):
    for name in ("/tap/dev/qa1/service-archive", "/tap/dev/qa1/flowlogs2"):
        _log_group(name, OTHERS)
    finding = finding_of(CHECKS, "collisions.log_groups", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.PASSED and finding.found == "free: 4 names"


def test_the_tags_of_another_copy_are_told(shipped):
    _database("dev-db-qa1", OTHERS)
    finding = finding_of(CHECKS, "collisions.database", subject_of(shipped("dev")))
    assert '"Suffix": "other"' in finding.found


def test_another_account_s_bucket_fails(shipped, aws):
    aws.give("s3:HeadBucket", Refusal("403", 403), Refusal("404", 404))
    refused, free = result_of(CHECKS, "collisions.buckets", subject_of(shipped("dev"))).findings
    assert refused.outcome is Outcome.FAILED and "another account's" in refused.found
    assert "account_id" in refused.fix
    assert free.outcome is Outcome.PASSED and BUCKET in free.found


def test_a_bucket_of_one_s_own_that_may_not_be_looked_at_is_a_permission(shipped, aws):
    _bucket("dev-us-east-1-accesslogs-qa1", TAGS)
    aws.give("s3:HeadBucket", Refusal("403", 403))
    finding = finding_of(CHECKS, "collisions.buckets", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.FAILED and "s3:ListBucket is denied" in finding.found


@pytest.mark.parametrize(
    ("check", "call", "action"),
    [
        ("database", "rds:DescribeDBInstances", "rds:DescribeDBInstances"),
        (
            "load_balancer",
            "elbv2:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeLoadBalancers",
        ),
        ("roles", "iam:GetRole", "iam:GetRole"),
        ("parameters", "ssm:DescribeParameters", "ssm:DescribeParameters"),
        ("cidr", "ec2:DescribeVpcPeeringConnections", "ec2:DescribeVpcPeeringConnections"),
    ],
)
def test_a_permission_that_is_missing_is_named(shipped, aws, check, call, action):
    aws.give(call, DENIED)
    finding = finding_of(CHECKS, f"collisions.{check}", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.FAILED and f"{action} is denied" in finding.found


# networks; dev's is 10.0.0.0/16


def _vpc(cidr, tags=()):
    vpc = client("ec2").create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    if tags:
        client("ec2").create_tags(Resources=[vpc], Tags=tags)
    return vpc


def networks(shipped):
    """What the check finds of dev."""
    return result_of(CHECKS, "collisions.cidr", subject_of(shipped("dev"))).findings


def test_a_network_of_its_own_passes(shipped):
    _vpc("10.1.0.0/16")
    (finding,) = networks(shipped)
    assert finding.outcome is Outcome.PASSED and "none of 2 other VPCs" in finding.found


def test_this_stack_s_own_network_is_not_in_its_way(shipped):
    _vpc("10.0.0.0/16", TAGS)
    (finding,) = networks(shipped)
    assert finding.outcome is Outcome.PASSED


@pytest.mark.parametrize("tags", [OTHERS, [{"Key": "Name", "Value": "shop"}]])
def test_a_network_that_overlaps_is_warned_of(shipped, tags):
    vpc = _vpc("10.0.128.0/17", tags)
    (finding,) = networks(shipped)
    assert finding.outcome is Outcome.WARNING
    assert f"10.0.0.0/16 overlaps 10.0.128.0/17 of {vpc}" in finding.found


def test_a_secondary_block_that_overlaps_is_warned_of(shipped):
    vpc = _vpc("10.1.0.0/16")
    client("ec2").associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.0.0.0/20")
    (finding,) = networks(shipped)
    assert finding.outcome is Outcome.WARNING and "10.0.0.0/20" in finding.found


def test_a_block_that_was_taken_away_is_not(shipped):
    vpc = _vpc("10.1.0.0/16")
    added = client("ec2").associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.0.0.0/20")
    association = added["CidrBlockAssociation"]["AssociationId"]
    client("ec2").disassociate_vpc_cidr_block(AssociationId=association)
    (finding,) = networks(shipped)
    assert finding.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("status", "outcome"), [("active", Outcome.WARNING), ("deleted", Outcome.PASSED)]
)
def test_what_another_vpc_is_peered_with_is_looked_at(shipped, aws, status, outcome):
    own = _vpc("10.1.0.0/16")
    peering = {
        "VpcPeeringConnectionId": "pcx-1",
        "Status": {"Code": status},
        "RequesterVpcInfo": {"VpcId": own, "CidrBlockSet": [{"CidrBlock": "10.1.0.0/16"}]},
        "AccepterVpcInfo": {
            "VpcId": "vpc-elsewhere",
            "OwnerId": "999999999999",
            "CidrBlockSet": [{"CidrBlock": "10.7.0.0/16"}, {"CidrBlock": "10.0.64.0/18"}],
        },
    }
    aws.give("ec2:DescribeVpcPeeringConnections", {"VpcPeeringConnections": [peering]})
    (finding,) = networks(shipped)
    assert finding.outcome is outcome
    if outcome is Outcome.WARNING:
        assert "10.0.64.0/18 of vpc-elsewhere, peered by pcx-1" in finding.found
