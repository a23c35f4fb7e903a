"""``ops preflight`` as a whole: it reads and nothing else, and what it needs for that is said."""

import json
import re
from pathlib import Path

import pytest

from lib.config.environment_config import StateLock
from ops import preflight
from ops.checkup import Outcome, action_of, look
from ops.preflight import registry, state
from tests.checkups import ACCOUNT, DENIED, MISSING, REGION, account, client, subject_of
from tests.ops.recover.account import Account

READS = re.compile(r"\w[\w-]*:(?:Get|List|Describe|Head|Simulate|AssumeRole)")
PAGE = (Path(__file__).parents[2] / "docs" / "preflight.md").read_text(encoding="utf-8")
MOTO_LACKS = (
    "iam:SimulateCustomPolicy",
    "iam:SimulatePrincipalPolicy",
    "rds:DescribeDBEngineVersions",
    "rds:DescribeDBMajorEngineVersions",
    "service-quotas:GetAWSDefaultServiceQuota",
)
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/8f2a"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json"}'
THERE = (
    *("aws_s3_bucket", "aws_dynamodb_table", "aws_cloudwatch_log_group", "aws_db_instance"),
    *("aws_vpc", "aws_subnet", "aws_security_group", "aws_lb", "aws_lb_target_group"),
)
SOME = {  # that are asked for only where there is something
    *("sts:AssumeRole", "acm:DescribeCertificate", "ecr:DescribeImages", "ecs:DescribeTasks"),
    *("dynamodb:GetItem", "elbv2:DescribeTags", "s3:GetBucketTagging", "s3:ListObjectVersions"),
}
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop:1"


@pytest.fixture(name="aws", autouse=True)
def _aws(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "OUTPUT", tmp_path / "cdktf.out")
    monkeypatch.setattr(registry, "platforms", lambda *_: ["linux/amd64"])
    with account(monkeypatch) as answers:
        for operation in MOTO_LACKS:
            answers.give(operation, MISSING)
        yield answers


def everything(shipped, aws):
    """A stack that has all checks ask all that they can, into an account that has a part of it."""
    synthesized = shipped("prod")
    subject = subject_of(
        synthesized,
        deploy_role_arn=ROLE,
        load_balancer={"certificate_arn": CERTIFICATE},
        service={"image": IMAGE},
        state={"lock": StateLock.BOTH},
    )
    made = Account(subject.caller, synthesized.document)
    for type_ in THERE:
        for address in made.of_type(type_):
            made.make(address)
    client("ecr").create_repository(repositoryName="shop")
    client("ecr").put_image(repositoryName="shop", imageTag="1", imageManifest=MANIFEST)
    client("ecs").create_cluster(clusterName="shop")
    aws.give("ecs:ListTasks", {"taskArns": [f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/1"]})
    aws.give("ecs:DescribeTasks", {"tasks": [{"cpu": "256"}]})
    subject.neighbours = (subject_of(shipped("staging")),)
    return subject


def actions(results):
    """The IAM actions that were used."""
    return {action_of(call) for result in results for call in result.calls}


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_empty_account_fails_nothing_and_is_only_read(shipped, name):
    results = list(look(preflight.checks(), subject_of(shipped(name))))
    found = [(r.check, f) for r in results for f in r.findings if f.outcome is Outcome.FAILED]
    assert not found
    calls = [call for result in results for call in result.calls]
    assert calls and all(map(READS.match, calls)), calls


def test_the_page_has_the_permissions_that_it_needs(shipped, aws):
    """Asked for all that there is, it reads and nothing else."""
    results = list(look(preflight.checks(), everything(shipped, aws)))
    calls = {call for result in results for call in result.calls}
    assert SOME <= calls
    assert all(map(READS.match, calls)), calls
    (block,) = re.findall(r"```json\n(\{\n  \"Version\".*?\n)```", PAGE, re.DOTALL)
    (statement,) = json.loads(block)["Statement"]
    allowed = statement["Action"]
    # AWS asks nobody for the one; the other is the caller's, not the role's.
    others = {"sts:GetCallerIdentity", "sts:AssumeRole"}
    assert actions(results) - others <= set(allowed)
    assert all(map(READS.match, allowed)) and allowed == sorted(allowed)


def test_every_check_is_named_once_and_on_its_page():
    names = [check.name for check in preflight.checks()]
    assert len(set(names)) == len(names)
    missing = [name for name in names if f"`{name}`" not in PAGE]
    assert not missing


def test_a_role_that_may_nothing_crashes_nothing(shipped, aws):
    """Every call but who one is is denied: each check that asks says so."""
    subject = subject_of(shipped("prod"), load_balancer={"certificate_arn": CERTIFICATE})
    calls = {call for r in look(preflight.checks(), subject) for call in r.calls}
    for call in calls - {"sts:GetCallerIdentity", "ec2:DescribeRegions"}:
        aws.give(call, DENIED)
    for result in look(preflight.checks(), subject_of(shipped("prod"))):
        asked = set(result.calls) - {"sts:GetCallerIdentity", "ec2:DescribeRegions"}
        if asked:
            assert result.outcome is Outcome.FAILED, result
            text = " ".join(finding.found for finding in result.findings)
            assert any(f"{action_of(call)} is denied" in text for call in asked), result
