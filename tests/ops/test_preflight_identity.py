"""``ops preflight``: who asks, and whether that is who the config means."""

import pytest
from botocore.exceptions import EndpointConnectionError

from ops.checkup import Outcome, look
from ops.preflight.identity import CHECKS, first_region
from tests.checkups import ACCOUNT, DENIED, Refusal, client, finding_of, subject_of

pytestmark = pytest.mark.usefixtures("aws")

ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/deploy"
HONG_KONG = "ap-east-1"


def outcomes(subject):
    """Each check's outcome, in their order."""
    return {result.check: result.outcome for result in look(CHECKS, subject)}


def test_the_account_that_the_config_names_passes(shipped):
    subject = subject_of(shipped("dev"), account_id=ACCOUNT)
    assert set(outcomes(subject).values()) == {Outcome.PASSED}


def test_without_credentials_nothing_else_is_asked(shipped, monkeypatch):
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        first, *others = look(CHECKS, subject_of(shipped("dev")))
    (finding,) = first.findings
    assert finding.outcome is Outcome.FAILED
    assert "Unable to locate credentials" in finding.found and "credentials" in finding.fix
    assert {result.outcome for result in others} == {Outcome.NOT_SHOWN}
    assert not any(result.calls for result in others)


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "ExpiredToken"])
def test_credentials_that_are_none_fail(shipped, aws, code):
    aws.give("sts:GetCallerIdentity", Refusal(code, 403))
    finding = finding_of(CHECKS, "identity.credentials", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.FAILED and code in finding.found


def test_another_account_fails_by_its_number(shipped):
    subject = subject_of(shipped("dev"), account_id="999999999999")
    finding = finding_of(CHECKS, "identity.account", subject)
    assert finding.outcome is Outcome.FAILED
    assert (finding.found, finding.needed) == (f"account {ACCOUNT}", "account 999999999999")


def test_the_role_is_assumed_and_the_rest_asked_as_it(shipped):
    subject = subject_of(shipped("dev"), deploy_role_arn=ROLE)
    *_, result = look([check for check in CHECKS if check.name == "identity.role"], subject)
    (finding,) = result.findings
    assert finding.outcome is Outcome.PASSED and "assumed-role/deploy" in finding.found
    assert result.calls == {"sts:AssumeRole": 1, "sts:GetCallerIdentity": 1}
    arn = subject.client("sts").get_caller_identity()["Arn"]
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/")


def test_a_role_that_refuses_is_named_with_who_asks_and_the_fix(shipped, aws):
    aws.give("sts:AssumeRole", DENIED)
    finding = finding_of(CHECKS, "identity.role", subject_of(shipped("dev"), deploy_role_arn=ROLE))
    assert finding.outcome is Outcome.FAILED
    assert ROLE in finding.found and "AccessDenied" in finding.found
    caller = client("sts").get_caller_identity()["Arn"]
    assert ROLE in finding.fix and caller in finding.fix and "trust policy" in finding.fix


def test_a_region_that_needs_no_opting_in_passes(shipped):
    finding = finding_of(CHECKS, "identity.region", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.PASSED and "us-east-1" in finding.found


def test_a_region_that_is_turned_off_is_told_by_the_first_region(shipped, aws):
    """Turned off, it takes the account's credentials for invalid: they are not."""
    identity = {"Account": ACCOUNT, "Arn": "arn:aws:iam::123456789012:user/ann"}
    regions = {"Regions": [{"RegionName": HONG_KONG, "OptInStatus": "not-opted-in"}]}
    aws.give("sts:GetCallerIdentity", Refusal("InvalidClientTokenId", 403), identity)
    aws.give("ec2:DescribeRegions", Refusal("AuthFailure", 401), regions)
    credentials, region, *others = look(CHECKS, subject_of(shipped("dev"), region=HONG_KONG))
    assert credentials.outcome is Outcome.PASSED
    (finding,) = region.findings
    assert finding.outcome is Outcome.FAILED and HONG_KONG in finding.found
    assert f"enable-region --region-name {HONG_KONG}" in finding.fix
    assert {result.outcome for result in others} == {Outcome.NOT_SHOWN}


@pytest.mark.parametrize("answer", [Refusal("InvalidParameterValue"), {"Regions": []}])
def test_a_region_that_is_none_fails(shipped, aws, answer):
    aws.give("ec2:DescribeRegions", answer)
    finding = finding_of(CHECKS, "identity.region", subject_of(shipped("dev"), region=HONG_KONG))
    assert finding.outcome is Outcome.FAILED and f"no region {HONG_KONG}" in finding.found


def test_a_region_that_is_off_for_the_role_s_account_is_said(shipped, aws):
    aws.give("sts:GetCallerIdentity", Refusal("InvalidClientTokenId", 403))
    subject = subject_of(shipped("dev"), deploy_role_arn=ROLE)
    finding = finding_of(CHECKS, "identity.role", subject)
    assert finding.outcome is Outcome.FAILED and "not enabled" in finding.found


def test_a_network_that_is_down_is_no_credentials_matter(shipped, monkeypatch):
    def unreachable(*_, **__):
        raise EndpointConnectionError(endpoint_url="https://sts")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", unreachable)
    finding = finding_of(CHECKS, "identity.credentials", subject_of(shipped("dev")))
    assert finding.outcome is Outcome.FAILED and "network" in finding.fix


@pytest.mark.parametrize(
    ("region", "first"),
    [
        ("eu-west-1", "us-east-1"),
        ("cn-northwest-1", "cn-north-1"),
        ("us-gov-east-1", "us-gov-west-1"),
    ],
)
def test_each_partition_has_a_first_region(region, first):
    assert first_region(region) == first
