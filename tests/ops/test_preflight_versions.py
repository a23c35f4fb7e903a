"""``ops preflight``: what the region sells today."""

# pylint: disable=too-many-positional-arguments  # fixtures and what a case has

import base64
from datetime import UTC, datetime, timedelta

import pytest

from lib.config.environment_config import CpuArchitecture
from ops.checkup import Outcome
from ops.preflight import registry, versions
from ops.preflight.versions import CHECKS
from tests.checkups import (
    ACCOUNT,
    DENIED,
    MISSING,
    REGION,
    Refusal,
    client,
    finding_of,
    result_of,
    subject_of,
)

pytestmark = pytest.mark.usefixtures("aws")

CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/8f2a"
NOW = datetime.now(UTC)
OPTION = {
    "Engine": "postgres",
    "EngineVersion": "14.19",
    "DBInstanceClass": "db.t3.medium",
    "StorageType": "gp3",
    "MinStorageSize": 20,
    "MaxStorageSize": 65536,
    "MultiAZCapable": True,
    "SupportsStorageEncryption": True,
    "SupportsEnhancedMonitoring": True,
    "SupportsPerformanceInsights": True,
    "SupportsStorageAutoscaling": True,
    "AvailabilityZones": [{"Name": f"us-east-1{letter}"} for letter in "abc"],
}


@pytest.fixture(name="subject")
def _subject(shipped):
    return subject_of(shipped("prod"))


def look(name, subject):
    """The one thing that a check finds."""
    return finding_of(CHECKS, f"versions.{name}", subject)


# the engine, and how long it is supported


def engine(aws, *sold):
    """RDS has these (moto lacks the call)."""
    listed = [{"EngineVersion": version, "Status": status} for version, status in sold]
    aws.give("rds:DescribeDBEngineVersions", {"DBEngineVersions": listed})


def test_a_version_on_sale_passes(aws, subject):
    engine(aws, ("14.9", "available"), ("14.19", "available"))
    finding = look("engine", subject)
    assert finding.outcome is Outcome.PASSED and "up to 14.19" in finding.found


@pytest.mark.parametrize("sold", [(), (("14.9", "deprecated"),)])
def test_a_version_that_is_not_sold_fails(aws, subject, sold):
    engine(aws, *sold)
    finding = look("engine", subject)
    assert finding.outcome is Outcome.FAILED and "no PostgreSQL 14 in us-east-1" in finding.found


# Recorded answers of describe-db-engine-versions, cut to what is read of them: 16.4 to 17.5 are the
# rows of AWS's table of 2025, 16.13 and the default of 17 are in
# terraform-aws-modules/terraform-aws-rds#627, the others in civiform/civiform#7516.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html
TARGETS = {
    "12.17": ("16.1",),
    "12.18": ("16.2",),
    "16.4": ("16.5", "16.6", "16.7", "16.8", "17.1", "17.2", "17.3", "17.4", "17.5"),
    "16.7": ("16.8", "17.3", "17.4", "17.5"),
    "16.13": ("17.9",),
    "17.3": ("17.4", "17.5"),
    "17.5": (),
}
DEFAULTS = {"14": "14.18", "16": "16.2", "17": "17.6", "18": "18.1"}  # 14 and 18: any


def runs(aws, version, *, follows_minor=True):
    """The instance runs this, and RDS says where it can go."""
    if version is None:
        aws.give("rds:DescribeDBInstances", Refusal("DBInstanceNotFound", 404))
    else:
        instance = {"EngineVersion": version, "AutoMinorVersionUpgrade": follows_minor}
        aws.give("rds:DescribeDBInstances", {"DBInstances": [instance]})


def versions_told(monkeypatch):
    """RDS's answers by what it is asked for; returns what it was asked."""
    asked = []

    def told(_subject, **which):
        asked.append(which)
        version = which["EngineVersion"]
        if which.get("DefaultOnly"):
            default = DEFAULTS.get(version)
            return [{"EngineVersion": default}] if default else []
        targets = [{"EngineVersion": each} for each in TARGETS.get(version, ())]
        return [{"EngineVersion": version, "ValidUpgradeTarget": targets}]

    monkeypatch.setattr(versions, "_versions", told)
    return asked


def upgrade(aws, shipped, monkeypatch, running, wanted, *, follows_minor=True, at_once=True):
    """What is said of it."""
    runs(aws, running, follows_minor=follows_minor)
    versions_told(monkeypatch)
    database = {"engine_version": wanted, "apply_immediately": at_once}
    return look("upgrade", subject_of(shipped("prod"), database=database))


@pytest.mark.parametrize(
    ("running", "wanted", "found"),
    [
        (None, "17", "no instance yet"),
        ("16.4", "16", "16.4 runs, as the config asks"),
        ("16.99", "16", "16.99 runs, as the config asks"),
        ("17.5", "17.5", "17.5 runs, as the config asks"),
        ("16.4", "17.5", "16.4 can be upgraded to 17.5"),
        ("16.4", "16.8", "16.4 can be upgraded to 16.8"),
        ("12.18", "16", "12.18 can be upgraded to 16.2"),
        ("16.13", "17.9", "16.13 can be upgraded to 17.9"),
    ],
)
def test_an_upgrade_that_rds_makes_passes(aws, shipped, monkeypatch, running, wanted, found):
    finding = upgrade(aws, shipped, monkeypatch, running, wanted)
    assert finding.outcome is Outcome.PASSED and found in finding.found


@pytest.mark.parametrize(
    ("running", "wanted", "found", "fix"),
    [
        # The default minor version of 17 is 17.6, which 16.13 cannot become.
        ("16.13", "17", "no way from PostgreSQL 16.13 to 17.6", 'engine_version="17.9" for prod'),
        ("12.17", "16", "no way from PostgreSQL 12.17 to 16.2", 'engine_version="16.1" for prod'),
        ("16.7", "17", "no way from PostgreSQL 16.7 to 17.6", 'engine_version="17.5" for prod'),
        ("16.7", "17.1", "no way from PostgreSQL 16.7 to 17.1", 'engine_version="17.5" for prod'),
        ("16.4", "16.9", "no way from PostgreSQL 16.4 to 16.9", 'engine_version="16.8" for prod'),
        # No way to that major version, but by a newer minor one.
        ("17.3", "18", "no way", 'first engine_version="17.5" for prod, and 18.1 after it'),
        ("17.5", "17.6", "no way", "another engine_version"),
        ("12.17", "15", "no default version of PostgreSQL 15", "name a minor version"),
        # After AWS's own upgrade the config is behind.
        ("16.4", "14", "PostgreSQL 16.4 runs, and 14.18 is older", 'engine_version="16" for prod'),
        ("17.5", "14.11", "PostgreSQL 17.5 runs, and 14.11 is older", 'engine_version="17" for'),
        ("17.9", "17.5", "PostgreSQL 17.9 runs, and 17.5 is older", 'engine_version="17.9" for'),
    ],
)
def test_an_upgrade_that_rds_would_refuse_fails_with_what_to_write(
    aws, shipped, monkeypatch, running, wanted, found, fix
):
    finding = upgrade(aws, shipped, monkeypatch, running, wanted)
    assert finding.outcome is Outcome.FAILED and found in finding.found
    assert fix in finding.fix and "docs/postgresql-upgrade.md" in finding.fix


def test_from_a_named_minor_version_the_major_one_asks_for_its_default(aws, shipped, monkeypatch):
    """17.9 is newer than the default of 17: going back to ``17`` would be a downgrade."""
    finding = upgrade(aws, shipped, monkeypatch, "17.9", "17", follows_minor=False)
    assert finding.outcome is Outcome.FAILED and "17.9 runs, and 17.6 is older" in finding.found
    assert 'engine_version="17.9"' in finding.fix


def test_an_upgrade_to_another_major_version_is_made_at_once(aws, shipped, monkeypatch):
    finding = upgrade(aws, shipped, monkeypatch, "16.4", "17.5", at_once=False)
    assert finding.outcome is Outcome.FAILED and "maintenance window" in finding.found
    assert "apply_immediately=True" in finding.needed
    minor = upgrade(aws, shipped, monkeypatch, "16.4", "16.5", at_once=False)
    assert minor.outcome is Outcome.PASSED


def test_rds_is_asked_for_the_default_and_for_versions_that_it_sells_no_more(
    aws, shipped, monkeypatch
):
    runs(aws, "16.4")
    asked = versions_told(monkeypatch)
    look("upgrade", subject_of(shipped("prod"), database={"engine_version": "17"}))
    assert asked == [
        {"EngineVersion": "17", "DefaultOnly": True},
        {"EngineVersion": "16.4", "IncludeAll": True},
    ]


@pytest.mark.parametrize(
    ("running", "outcome"), [(None, Outcome.FAILED), ("14.2", Outcome.WARNING)]
)
def test_a_minor_version_that_is_sold_no_more(aws, shipped, running, outcome):
    engine(aws, ("14.9", "available"), ("14.19", "available"))
    runs(aws, running)
    subject = subject_of(shipped("prod"), database={"engine_version": "14.2"})
    finding = look("engine", subject)
    assert finding.outcome is outcome and "no instance of PostgreSQL 14.2 any more" in finding.found
    assert finding.fix == 'engine_version="14.19" for prod'


def test_a_minor_version_on_sale_passes(aws, shipped):
    engine(aws, ("14.9", "available"), ("14.19", "available"))
    subject = subject_of(shipped("prod"), database={"engine_version": "14.9"})
    assert look("engine", subject).outcome is Outcome.PASSED


def test_a_class_is_looked_for_with_the_minor_version_that_is_named(aws, shipped):
    orderable(aws, [OPTION])
    subject = subject_of(shipped("prod"), database={"engine_version": "14.19"})
    assert look("instance_class", subject).outcome is Outcome.PASSED
    orderable(aws, [OPTION])
    subject = subject_of(shipped("prod"), database={"engine_version": "14.2"})
    assert look("instance_class", subject).outcome is Outcome.FAILED


def supported(aws, end):
    """RDS's standard support ends then (moto lacks the call)."""
    names = ("open-source-rds-standard-support", "open-source-rds-extended-support")
    lifecycles = [
        {
            "LifecycleSupportName": name,
            "LifecycleSupportStartDate": NOW - timedelta(days=900),
            "LifecycleSupportEndDate": end + timedelta(days=1000 * number),
        }
        for number, name in enumerate(names)
    ]
    version = {"MajorEngineVersion": "14", "SupportedEngineLifecycles": lifecycles}
    aws.give("rds:DescribeDBMajorEngineVersions", {"DBMajorEngineVersions": [version]})


@pytest.mark.parametrize(
    ("days", "extended", "outcome"),
    [
        (400, False, Outcome.PASSED),
        (170, False, Outcome.WARNING),
        (0, False, Outcome.WARNING),
        (-2, True, Outcome.WARNING),
        (-2, False, Outcome.FAILED),
    ],
)
def test_support_is_told_by_rds_s_dates(aws, shipped, days, extended, outcome):
    end = NOW + timedelta(days=days)
    supported(aws, end)
    subject = subject_of(shipped("prod"), database={"extended_support": extended})
    finding = look("support", subject)
    assert finding.outcome is outcome and str(end.date()) in finding.found


def test_where_rds_does_not_tell_the_calendar_does(aws, subject):
    aws.give("rds:DescribeDBMajorEngineVersions", MISSING)
    unseen, calendar = result_of(CHECKS, "versions.support", subject).findings
    assert unseen.outcome is Outcome.NOT_SHOWN
    assert "DescribeDBMajorEngineVersions" in unseen.found
    assert "2027-02-28" in calendar.found


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("engine", "rds:DescribeDBEngineVersions"),
        ("upgrade", "rds:DescribeDBInstances"),
        ("support", "rds:DescribeDBMajorEngineVersions"),
        ("instance_class", "rds:DescribeOrderableDBInstanceOptions"),
        ("zones", "ec2:DescribeAvailabilityZones"),
    ],
)
def test_a_permission_that_is_missing_is_named(aws, subject, name, call):
    aws.give(call, DENIED)
    finding = look(name, subject)
    assert finding.outcome is Outcome.FAILED and f"{call} is denied" in finding.found


# the instance class


def orderable(aws, *options):
    """RDS sells these (moto has none of PostgreSQL)."""
    answers = [{"OrderableDBInstanceOptions": list(each)} for each in options]
    aws.give("rds:DescribeOrderableDBInstanceOptions", *answers)


def test_a_class_that_is_sold_in_all_zones_passes(aws, subject):
    orderable(aws, [{**OPTION, "EngineVersion": "14.2", "AvailabilityZones": []}, OPTION])
    finding = look("instance_class", subject)
    assert finding.outcome is Outcome.PASSED and "PostgreSQL 14.19" in finding.found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], "sold not at all"),
        ([{**OPTION, "EngineVersion": "17.2"}], "with PostgreSQL 17 alone"),
        ([{**OPTION, "StorageType": "io1"}], "with gp3 storage is sold with PostgreSQL 14 alone"),
        ([{**OPTION, "MultiAZCapable": False}], "lacks Multi-AZ"),
        ([{**OPTION, "SupportsPerformanceInsights": False}], "lacks Performance Insights"),
        ([{**OPTION, "SupportsStorageEncryption": False}], "lacks encryption"),
        ([{**OPTION, "SupportsEnhancedMonitoring": False}], "lacks enhanced monitoring"),
        ([{**OPTION, "SupportsStorageAutoscaling": False}], "lacks storage autoscaling"),
        ([{**OPTION, "MinStorageSize": 100}], "lacks 50 GiB"),
        ([{**OPTION, "AvailabilityZones": [{"Name": "us-east-1a"}]}], "in us-east-1a of"),
    ],
)
def test_a_class_that_will_not_do_fails(aws, subject, options, found):
    orderable(aws, options, [OPTION])
    findings = result_of(CHECKS, "versions.instance_class", subject).findings
    (finding,) = [each for each in findings if each.outcome is not Outcome.PASSED]
    assert finding.outcome is Outcome.FAILED and found in finding.found
    assert "instance_class" in finding.fix


def test_what_the_config_does_not_ask_for_is_not_needed(aws, shipped):
    subject = subject_of(
        shipped("dev"), database={"performance_insights": False, "monitoring_interval_seconds": 0}
    )
    lacking = ("MultiAZCapable", "SupportsPerformanceInsights", "SupportsEnhancedMonitoring")
    orderable(aws, [{**OPTION, **dict.fromkeys(lacking, False)}])
    assert look("instance_class", subject).outcome is Outcome.PASSED


def test_a_zone_without_the_class_is_warned_of(aws, subject):
    zones = [{"Name": "us-east-1a"}, {"Name": "us-east-1c"}, {"Name": "us-east-1f"}]
    orderable(aws, [{**OPTION, "AvailabilityZones": zones}])
    finding = look("instance_class", subject)
    assert finding.outcome is Outcome.WARNING
    assert "in us-east-1a, us-east-1c of us-east-1a, us-east-1b, us-east-1c" in finding.found


def test_where_rds_lists_nothing_it_is_not_shown(subject):
    """moto has no list for PostgreSQL: that is no class that is not sold."""
    finding = look("instance_class", subject)
    assert finding.outcome is Outcome.NOT_SHOWN and "no instance classes at all" in finding.found


# zones


def test_three_zones_that_are_there_pass(subject):
    finding = look("zones", subject)
    assert finding.outcome is Outcome.PASSED
    assert "us-east-1a (use1-az6)" in finding.found


def test_a_zone_that_the_account_has_not_fails(shipped):
    subject = subject_of(shipped("prod"), network={"zones": ("a", "b", "x")})
    finding = look("zones", subject)
    assert finding.outcome is Outcome.FAILED and "no zone us-east-1x" in finding.found
    assert "there are: a, b, c, d, e, f" in finding.needed and "network.zones" in finding.fix


def test_a_zone_that_is_out_of_order_fails(aws, subject):
    aws.give(
        "ec2:DescribeAvailabilityZones",
        {
            "AvailabilityZones": [
                {"ZoneName": f"us-east-1{letter}", "ZoneId": f"use1-az{letter}", "State": state}
                for letter, state in (("a", "available"), ("b", "available"), ("c", "impaired"))
            ]
        },
    )
    finding = look("zones", subject)
    assert finding.outcome is Outcome.FAILED and "us-east-1c" in finding.found
    assert finding.fix == "name others in network.zones: two are enough"


def test_a_region_with_one_zone_will_not_do(aws, subject):
    zone = {"ZoneName": "us-east-1a", "ZoneId": "use1-az1", "State": "available"}
    aws.give("ec2:DescribeAvailabilityZones", {"AvailabilityZones": [zone]})
    findings = result_of(CHECKS, "versions.zones", subject).findings
    assert {finding.fix for finding in findings} == {"another region"}


def test_two_zones_that_are_there_pass(shipped):
    subject = subject_of(shipped("prod"), network={"zones": ("a", "f")})
    assert look("zones", subject).outcome is Outcome.PASSED


def test_a_zone_without_fargate_fails(aws, shipped):
    region = "ap-northeast-1"
    zones = [
        {"ZoneName": f"{region}{letter}", "ZoneId": f"apne1-az{number}", "State": "available"}
        for letter, number in (("a", 4), ("b", 3), ("c", 1), ("d", 2))
    ]
    aws.give("ec2:DescribeAvailabilityZones", {"AvailabilityZones": zones})
    finding = look("zones", subject_of(shipped("prod"), region=region))
    assert finding.outcome is Outcome.FAILED
    assert "Fargate is not in ap-northeast-1b (apne1-az3)" in finding.found
    assert "there are: a, c, d" in finding.needed


# the certificate


@pytest.fixture(name="certified")
def _certified(shipped):
    return subject_of(shipped("prod"), load_balancer={"certificate_arn": CERTIFICATE})


def certificate(aws, status="ISSUED", days=300):
    """ACM tells this of it."""
    told = {"DomainName": "shop.example", "Status": status, "NotAfter": NOW + timedelta(days=days)}
    aws.give("acm:DescribeCertificate", {"Certificate": told})


def test_an_issued_certificate_passes(aws, certified):
    certificate(aws)
    finding = look("certificate", certified)
    assert finding.outcome is Outcome.PASSED and "shop.example" in finding.found


def test_a_certificate_for_another_domain_fails(aws, shipped):
    names = {"certificate_arn": CERTIFICATE, "domain_name": "app.example.com"}
    certificate(aws)
    finding = look("certificate", subject_of(shipped("prod"), load_balancer=names))
    assert finding.outcome is Outcome.FAILED and "not for app.example.com" in finding.found


def test_none_is_needed_where_the_config_names_none(subject):
    result = result_of(CHECKS, "versions.certificate", subject)
    assert result.outcome is Outcome.PASSED and not result.calls


@pytest.mark.parametrize(
    ("status", "fix"), [("PENDING_VALIDATION", "DNS records"), ("REVOKED", "another one")]
)
def test_a_certificate_that_is_not_issued_fails(aws, certified, status, fix):
    certificate(aws, status)
    finding = look("certificate", certified)
    assert finding.outcome is Outcome.FAILED and status in finding.found and fix in finding.fix


@pytest.mark.parametrize(
    ("days", "outcome"), [(-1, Outcome.FAILED), (20, Outcome.WARNING), (31, Outcome.PASSED)]
)
def test_a_certificate_s_end_is_looked_at(aws, certified, days, outcome):
    certificate(aws, days=days)
    assert look("certificate", certified).outcome is outcome


def test_a_certificate_that_is_not_there_fails(certified):
    finding = look("certificate", certified)
    assert finding.outcome is Outcome.FAILED and f"there is no {CERTIFICATE}" in finding.found


def test_a_certificate_of_another_region_fails(shipped):
    abroad = CERTIFICATE.replace(REGION, "eu-west-1")
    subject = subject_of(shipped("prod"), load_balancer={"certificate_arn": abroad})
    finding = look("certificate", subject)
    assert finding.outcome is Outcome.FAILED and "not in us-east-1" in finding.found


# the image


@pytest.fixture(name="asked")
def _asked(monkeypatch):
    """What the registries are asked, and what they say."""
    asked: list[tuple[registry.Image, str]] = []
    says: list[list[str] | None] = [["linux/amd64"]]

    def platforms(image, authorization=""):
        asked.append((image, authorization))
        return says[-1]

    monkeypatch.setattr(registry, "platforms", platforms)
    return asked, says


def image_of(shipped, image, **changes):
    """What is found of an image."""
    return look("image", subject_of(shipped("dev"), service={"image": image, **changes}))


def test_an_image_for_the_architecture_passes(shipped, asked):
    asked[1].append(["linux/arm64", "linux/amd64"])
    assert image_of(shipped, "python:3.13").outcome is Outcome.PASSED
    assert asked[0] == [(registry.Image("docker.io", "library/python", "3.13", None), "")]


@pytest.mark.parametrize("said", [["linux/arm64"], ["windows/amd64"], []])
def test_an_image_for_another_platform_fails(shipped, asked, said):
    asked[1].append(said)
    finding = image_of(shipped, "python:3.13")
    assert finding.outcome is Outcome.FAILED and "linux/amd64" in finding.needed
    arm = image_of(shipped, "python:3.13", cpu_architecture=CpuArchitecture.ARM64)
    assert (arm.outcome is Outcome.PASSED) == (said == ["linux/arm64"])


def test_an_image_that_is_not_there_fails(shipped, asked):
    asked[1].append(None)
    finding = image_of(shipped, "python:3.99")
    assert finding.outcome is Outcome.FAILED and "there is no python:3.99" in finding.found


def test_a_registry_that_cannot_be_asked_is_not_shown(shipped, monkeypatch):
    def unreachable(*_):
        raise registry.Unasked("quay.io cannot be reached: no network")

    monkeypatch.setattr(registry, "platforms", unreachable)
    finding = image_of(shipped, "quay.io/a/b:1")
    assert finding.outcome is Outcome.NOT_SHOWN and "no network" in finding.found


MANIFEST = '{"mediaType": "application/vnd.oci.image.manifest.v1+json"}'
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop"


def test_ecr_s_image_is_asked_for_with_ecr_s_credentials(shipped, asked):
    client("ecr").create_repository(repositoryName="shop")
    client("ecr").put_image(repositoryName="shop", imageTag="1", imageManifest=MANIFEST)
    assert image_of(shipped, f"{ECR}:1").outcome is Outcome.PASSED
    ((image, authorization),) = asked[0]
    assert image == registry.Image(f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", "shop", "1", None)
    scheme, _, token = authorization.partition(" ")
    assert scheme == "Basic" and base64.b64decode(token).startswith(b"AWS:")


@pytest.mark.parametrize("repository", [True, False])
def test_an_image_that_ecr_has_not_fails_before_its_registry_is_asked(shipped, asked, repository):
    if repository:
        client("ecr").create_repository(repositoryName="shop")
    finding = image_of(shipped, f"{ECR}@sha256:{'a' * 64}")
    assert finding.outcome is Outcome.FAILED and "there is no" in finding.found
    assert not asked[0]


@pytest.mark.parametrize("host", ["dkr.ecr-fips.{}.amazonaws.com", "dkr-ecr.{}.on.aws"])
def test_ecr_s_other_hosts_are_asked_so_too(shipped, asked, host):
    client("ecr").create_repository(repositoryName="shop")
    client("ecr").put_image(repositoryName="shop", imageTag="1", imageManifest=MANIFEST)
    assert image_of(shipped, f"{ACCOUNT}.{host.format(REGION)}/shop:1").outcome is Outcome.PASSED
    assert asked[0][0][1].startswith("Basic ")


@pytest.mark.parametrize(
    ("prefixes", "outcome", "found"),
    [
        (["hub"], Outcome.NOT_SHOWN, "not in the cache yet"),
        (["ROOT"], Outcome.NOT_SHOWN, "not in the cache yet"),
        (["hubs", "other"], Outcome.FAILED, "no rule of ECR's pull-through cache"),
        ([], Outcome.FAILED, "no rule of ECR's pull-through cache"),
    ],
)
def test_an_image_that_a_cache_has_to_fetch(shipped, asked, aws, prefixes, outcome, found):
    rules = [{"ecrRepositoryPrefix": prefix} for prefix in prefixes]
    aws.give("ecr:DescribePullThroughCacheRules", {"pullThroughCacheRules": rules})
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/hub/library/nginx:1"
    finding = image_of(shipped, image, pull_through_cache=True)
    assert finding.outcome is outcome and found in finding.found
    assert not asked[0]
    assert image_of(shipped, image).outcome is Outcome.FAILED


def test_a_permission_of_ecr_s_that_is_missing_is_named(shipped, asked, aws):
    aws.give("ecr:DescribeImages", Refusal("AccessDeniedException"))
    finding = image_of(shipped, f"{ECR}:1")
    assert finding.outcome is Outcome.FAILED and "ecr:DescribeImages is denied" in finding.found
    assert not asked[0]
