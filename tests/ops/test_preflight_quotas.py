"""``ops preflight``: what the account's quotas leave, against what the stacks add."""

import pytest

from ops.checkup import Outcome
from ops.preflight.quotas import CHECKS, QUOTAS
from tests.checkups import (
    DENIED,
    MISSING,
    REGION,
    Refusal,
    client,
    finding_of,
    result_of,
    subject_of,
)
from tests.ops.recover.account import Account

pytestmark = pytest.mark.usefixtures("aws")

NO_VALUE = Refusal("NoSuchResourceException")
# What one production stack adds to an empty account. us-east-1's default VPC is there already,
# with its gateway and group.
ADDED = {
    "vpcs": (1, 1),
    "internet_gateways": (0, 1),
    "elastic_ips": (0, 3),
    "gateway_endpoints": (0, 1),
    "security_groups": (1, 3),
    "load_balancers": (0, 1),
    "target_groups": (0, 1),
    "db_instances": (0, 1),
    "db_subnet_groups": (0, 1),
    "db_parameter_groups": (0, 1),
    "event_subscriptions": (0, 1),
    "dynamodb_tables": (0, 1),
    "buckets": (0, 2),
    "parameters": (0, 14),
    "roles": (0, 4),
}


@pytest.fixture(name="subject")
def _subject(shipped):
    return subject_of(shipped("prod"))


def allow(aws, value):
    """The account's quota is this, whichever is asked for."""
    aws.give("service-quotas:GetServiceQuota", {"Quota": {"Value": float(value)}})


def look(name, subject):
    """The one thing that is found of a quota."""
    return finding_of(CHECKS, f"quotas.{name}", subject)


@pytest.mark.parametrize("name", list(ADDED))
def test_what_is_used_and_added_fits_to_the_last_one(aws, subject, name):
    used, added = ADDED[name]
    allow(aws, used + added)
    finding = look(name, subject)
    assert finding.outcome is Outcome.PASSED
    assert f"{used} used, {added} added, of {used + added}" in finding.found


@pytest.mark.parametrize("name", list(ADDED))
def test_one_too_many_fails_with_code_and_link(aws, subject, name):
    used, added = ADDED[name]
    allow(aws, used + added - 1)
    finding = look(name, subject)
    (quota,) = [each for each in QUOTAS if each.name == name]
    assert finding.outcome is Outcome.FAILED
    assert finding.needed == f"a quota of {used + added}"
    page = f"servicequotas/home/services/{quota.service}/quotas/{quota.code}"
    assert f"{quota.code} in {REGION}: https://console.aws.amazon.com/{page}" in finding.fix


def test_what_others_use_counts(aws, subject):
    for _ in range(3):
        client("ec2").allocate_address(Domain="vpc")
    allow(aws, 5)
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.FAILED and "3 used, 3 added, of 5" in finding.found


def test_what_the_stack_has_already_is_not_added(aws, shipped):
    """Nor is the account asked for its quotas."""
    synthesized = shipped("prod")
    subject = subject_of(synthesized)
    Account(subject.session, synthesized.document).fill()
    aws.give("service-quotas:GetServiceQuota", DENIED)
    for quota in QUOTAS:
        if quota.name != "fargate_vcpu":
            finding = look(quota.name, subject)
            assert finding.outcome is Outcome.PASSED, (quota.name, finding)
            assert "none added" in finding.found
    assert "3 used" in look("elastic_ips", subject).found
    assert "14 used" in look("parameters", subject).found


def test_half_a_stack_adds_the_other_half(aws, shipped):
    synthesized = shipped("prod")
    subject = subject_of(synthesized)
    made = Account(subject.session, synthesized.document)
    made.make(made.of_type("aws_eip")[0])
    allow(aws, 9)
    assert "1 used, 2 added" in look("elastic_ips", subject).found


def test_what_is_deployed_together_counts_together(aws, shipped):
    subject, other = subject_of(shipped("prod")), subject_of(shipped("staging"))
    subject.neighbours = (other,)
    allow(aws, 3)
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.FAILED
    assert "(prod and staging together): 0 used, 4 added, of 3" in finding.found
    other.config = subject_of(shipped("staging"), region="eu-west-1").config
    assert look("elastic_ips", subject).outcome is Outcome.PASSED
    assert look("roles", subject).outcome is Outcome.FAILED, "IAM's are the account's"


# NAT gateways, by zone


def test_nat_gateways_count_by_zone(aws, shipped):
    subnets = client("ec2").describe_subnets()["Subnets"]
    (subnet,) = [each for each in subnets if each["AvailabilityZone"] == "us-east-1b"]
    for _ in range(5):
        address = client("ec2").allocate_address(Domain="vpc")["AllocationId"]
        client("ec2").create_nat_gateway(SubnetId=subnet["SubnetId"], AllocationId=address)
    allow(aws, 5)
    found = result_of(CHECKS, "quotas.nat_gateways", subject_of(shipped("prod"))).findings
    outcomes = {finding.found.split(": ")[1]: finding.outcome for finding in found}
    assert outcomes == {
        "us-east-1a": Outcome.PASSED,
        "us-east-1b": Outcome.FAILED,
        "us-east-1c": Outcome.PASSED,
    }
    assert "none added" in look("nat_gateways", subject_of(shipped("dev"))).found


def test_a_nat_gateway_that_is_gone_does_not_count(aws, subject):
    subnets = client("ec2").describe_subnets()["Subnets"]
    (subnet,) = [each for each in subnets if each["AvailabilityZone"] == "us-east-1a"]
    gateways = [
        {"NatGatewayId": f"nat-{state}", "SubnetId": subnet["SubnetId"], "State": state}
        for state in ("deleted", "failed", "deleting", "available")
    ]
    aws.give("ec2:DescribeNatGateways", {"NatGateways": gateways})
    allow(aws, 3)
    first, *_ = result_of(CHECKS, "quotas.nat_gateways", subject).findings
    assert "us-east-1a: 2 used, 1 added, of 3" in first.found


# rules of a security group


def test_rules_count_by_group_and_direction(aws, synthesize):
    ranges = tuple(f"203.0.113.{number}/32" for number in range(61))
    subject = subject_of(synthesize("dev", load_balancer={"allowed_cidrs": ranges}))
    allow(aws, 60)
    finding = look("rules", subject)
    assert finding.outcome is Outcome.FAILED and finding.needed == "a quota of 61"
    assert "dev-alb-qa1, inbound: 0 used, 61 added" in finding.found
    allow(aws, 61)
    assert look("rules", subject).outcome is Outcome.PASSED


def test_rules_that_are_there_count_with_those_to_come(aws, shipped):
    synthesized = shipped("dev")
    subject = subject_of(synthesized)
    made = Account(subject.session, synthesized.document)
    for type_ in ("aws_vpc", "aws_security_group"):
        for address in made.of_type(type_):
            made.make(address)
    (group,) = made.find(synthesized.at("security/database").address)
    rules = [{"CidrIp": f"203.0.113.{number}/32"} for number in range(59)]
    client("ec2").authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": rules},
            {
                "IpProtocol": "tcp",
                "FromPort": 23,
                "ToPort": 23,
                "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
            },
        ],
    )
    allow(aws, 59)
    finding = look("rules", subject)
    assert finding.outcome is Outcome.FAILED
    assert "dev-database-qa1, inbound: 59 used, 1 added" in finding.found


# Fargate: production runs 3 tasks of 1 vCPU, up to 9, and as many beside them in a deploy


@pytest.mark.parametrize(
    ("quota", "outcome", "needed"),
    [
        (18, Outcome.PASSED, ""),
        (17, Outcome.WARNING, "a quota of 18"),
        (6, Outcome.WARNING, "a quota of 18"),
        (5.75, Outcome.FAILED, "a quota of 6"),
    ],
)
def test_a_deploy_s_vcpu_have_to_fit_and_full_scale_should(aws, subject, quota, outcome, needed):
    allow(aws, quota)
    finding = look("fargate_vcpu", subject)
    assert (finding.outcome, finding.needed) == (outcome, needed)
    assert "0 used, 6 added, 12 more at full scale" in finding.found


def tasks(aws, *told):
    """These tasks run on Fargate, in the one cluster that there is."""
    cluster = client("ecs").create_cluster(clusterName="prod-cluster-qa1")["cluster"]["clusterArn"]
    arns = [f"{cluster.replace('cluster/', 'task/')}/{number}" for number in range(len(told))]
    aws.give("ecs:ListTasks", {"taskArns": arns})
    aws.give("ecs:DescribeTasks", {"tasks": list(told)})


def test_what_runs_counts_and_the_service_s_own_not_twice(aws, subject):
    tasks(
        aws,
        *({"cpu": "1024", "group": "service:prod-service-qa1"},) * 3,
        {"cpu": "4096", "group": "service:shop"},
        {"cpu": "4096", "group": "family:batch", "capacityProviderName": "FARGATE_SPOT"},
    )
    allow(aws, 99)
    assert "7 used, 3 added, 12 more" in look("fargate_vcpu", subject).found


def test_a_service_that_is_scaled_out_deploys_all_of_it(aws, subject):
    tasks(aws, *({"cpu": "1024", "group": "service:prod-service-qa1"},) * 8)
    allow(aws, 99)
    assert "8 used, 8 added, 2 more" in look("fargate_vcpu", subject).found


def test_tasks_are_told_a_hundred_at_a_time(aws, subject):
    tasks(aws, *({"cpu": "256", "group": "service:shop"},) * 100)
    arns = [f"arn:aws:ecs:{REGION}:123456789012:task/{number}" for number in range(250)]
    aws.give("ecs:ListTasks", {"taskArns": arns})
    allow(aws, 999)
    result = result_of(CHECKS, "quotas.fargate_vcpu", subject)
    assert result.calls["ecs:DescribeTasks"] == 3
    assert result.calls["ecs:ListTasks"] == 1


# the quota itself


def test_the_account_s_own_quota_counts_before_the_default(aws, subject):
    aws.give("service-quotas:GetAWSDefaultServiceQuota", {"Quota": {"Value": 5.0}})
    allow(aws, 2)
    assert look("elastic_ips", subject).outcome is Outcome.FAILED


def test_without_one_aws_s_default_counts(aws, subject):
    aws.give("service-quotas:GetServiceQuota", NO_VALUE)
    aws.give("service-quotas:GetAWSDefaultServiceQuota", {"Quota": {"Value": 2.0}})
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.FAILED and "of 2 by default" in finding.found


def test_without_that_the_documented_one_with_its_source(aws, subject):
    for operation in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        aws.give(f"service-quotas:{operation}", NO_VALUE)
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.PASSED
    assert "of 5 by AWS's documentation, https://docs.aws.amazon.com/vpc/" in finding.found


@pytest.mark.parametrize("refusal", [MISSING, Refusal("ServiceException", 500)])
def test_a_quota_that_is_not_told_is_not_shown(aws, subject, refusal):
    aws.give("service-quotas:GetServiceQuota", refusal)
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.NOT_SHOWN
    assert "0 used, 3 added" in finding.found and "GetServiceQuota" in finding.found
    assert finding.needed == "a quota of 3; AWS's default is 5" and "L-0263D0A3" in finding.fix


def test_a_denied_quota_is_a_permission(aws, subject):
    aws.give("service-quotas:GetServiceQuota", DENIED)
    finding = look("elastic_ips", subject)
    assert finding.outcome is Outcome.FAILED
    assert "servicequotas:GetServiceQuota is denied" in finding.found


def test_what_is_global_is_asked_in_the_first_region(aws, synthesize):
    subject = subject_of(synthesize("dev", region="eu-west-1"))
    allow(aws, 1)
    asked = []
    for region in ("us-east-1", "eu-west-1"):
        quotas = subject.client("service-quotas", region)
        quotas.meta.events.register(
            "before-parameter-build", lambda region=region, **_: asked.append(region)
        )
    for name in ("buckets", "vpcs"):
        assert look(name, subject).outcome is Outcome.FAILED
    assert asked == ["us-east-1", "eu-west-1"]
    assert "L-DC2B2D3D in us-east-1" in look("buckets", subject).fix
    assert "L-F678F1CE in eu-west-1" in look("vpcs", subject).fix


@pytest.mark.parametrize(
    ("region", "console"),
    [("cn-north-1", "console.amazonaws.cn"), ("us-gov-west-1", "console.amazonaws-us-gov.com")],
)
def test_each_partition_has_its_console(shipped, region, console):
    subject = subject_of(shipped("dev"), region=region)
    assert f"{region}: https://{console}/servicequotas/" in QUOTAS[0].asked_for(subject)


def test_each_quota_is_one_with_its_source():
    assert len({(quota.service, quota.code) for quota in QUOTAS}) == len(QUOTAS)
    for quota in QUOTAS:
        assert quota.source.startswith("https://docs.aws.amazon.com/") and quota.default > 0
        assert len(quota.code) == 10 and quota.code.startswith("L-")
