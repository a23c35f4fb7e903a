"""What the region sells today: the database, its zones, the certificate, the image."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from lib.config import aws_limits
from lib.config.environment_config import CpuArchitecture
from lib.config.images import EcrImage, ecr_image
from ops.aws import code_of
from ops.checkup import (
    Check,
    Finding,
    Subject,
    failed,
    not_shown,
    passed,
    refused,
    unanswered,
    warning,
)
from ops.preflight import registry
from ops.stacks import Resource

ENGINE = "postgres"
OFFERS = "describe_orderable_db_instance_options"
SUPPORT_WARNING = timedelta(days=180)
CERTIFICATE_WARNING = timedelta(days=30)  # ACM renews its own from 60 days before
STANDARD = "open-source-rds-standard-support"
ARCHITECTURES = {CpuArchitecture.X86_64: "amd64", CpuArchitecture.ARM64: "arm64"}
EVERY_REPOSITORY = "ROOT"  # the prefix of a pull-through cache's rule that has no prefix
UPGRADE_PAGE = "docs/postgresql-upgrade.md"
TWO = 2

# Zones by their ids, in regions where Fargate is not in all.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
FARGATE_ZONE_IDS = {
    "ap-northeast-1": {"apne1-az1", "apne1-az2", "apne1-az4"},
    "cn-north-1": {"cnn1-az1", "cnn1-az2"},
    "us-west-1": {"usw1-az1", "usw1-az3"},
}


def _database(subject: Subject) -> Resource:
    (database,) = subject.stack.all("aws_db_instance")
    return database


def _zones_of(subject: Subject) -> set[str]:
    return {f"{subject.config.region}{letter}" for letter in subject.config.network.zones}


def _engine(subject: Subject) -> Iterator[Finding]:
    config = subject.config.database
    major = config.engine_major
    listed = _versions(subject, DBParameterGroupFamily=f"{ENGINE}{major}")
    versions = [each["EngineVersion"] for each in listed if each.get("Status") != "deprecated"]
    if not versions:
        yield failed(
            f"RDS has no PostgreSQL {major} in {subject.config.region}",
            "a major version on sale",
            f"another engine_version for {subject.config.name}",
        )
    elif not config.minor_upgrades and config.engine_version not in versions:
        told = warning if config.engine_version == _running(subject)[0] else failed
        yield told(
            f"RDS makes no instance of PostgreSQL {config.engine_version} any more",
            "a minor version on sale",
            f'engine_version="{_newest(versions)}" for {subject.config.name}',
        )
    else:
        yield passed(f"PostgreSQL {major}: {len(versions)} versions, up to {_newest(versions)}")


def _upgrade(subject: Subject) -> Iterator[Finding]:
    """Whether RDS goes from the version that runs to the one that a deploy would ask for.

    For a bare major version it takes that one's default minor version, whether or not there is a
    way to it.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html
    """
    config, name = subject.config.database, subject.config.name
    running, follows_minor = _running(subject)
    if running is None:
        yield passed("no instance yet, and so no upgrade")
        return
    # Where the config has named a minor version until now, the bare major one asks for its default.
    if config.engine_version == _major(running) and follows_minor:
        yield passed(f"PostgreSQL {running} runs, as the config asks")
        return
    target = _target(subject)
    if target is None:
        yield failed(
            f"RDS names no default version of PostgreSQL {config.engine_major}",
            "a version to upgrade to",
            f"name a minor version in engine_version for {name}; {UPGRADE_PAGE}",
        )
    elif _numbers(target) < _numbers(running):
        kept = _major(running) if follows_minor and _major(running) != _major(target) else running
        yield failed(
            f"PostgreSQL {running} runs, and {target} is older: RDS goes back to none",
            "the version that runs, or a newer one",
            f'engine_version="{kept}" for {name}; {UPGRADE_PAGE}',
        )
    elif target == running:
        yield passed(f"PostgreSQL {running} runs, as the config asks")
    else:
        yield from _way(subject, running, target)


def _way(subject: Subject, running: str, target: str) -> Iterator[Finding]:
    """From the version that runs to a newer one."""
    config, name = subject.config.database, subject.config.name
    told = _versions(subject, EngineVersion=running, IncludeAll=True)
    targets = [to["EngineVersion"] for each in told for to in each.get("ValidUpgradeTarget", ())]
    to_major = [each for each in targets if _major(each) == _major(target)]
    to_minor = [each for each in targets if _major(each) == _major(running)]
    if target not in targets:
        if to_major:
            fix = f'engine_version="{_newest(to_major)}" for {name}'
        elif to_minor:
            fix = f'first engine_version="{_newest(to_minor)}" for {name}, and {target} after it'
        else:
            fix = "another engine_version"
        yield failed(
            f"RDS has no way from PostgreSQL {running} to {target}",
            f"one of {', '.join(sorted(targets, key=_numbers)) or 'none'}",
            f"{fix}; {UPGRADE_PAGE}",
        )
    elif _major(target) != _major(running) and not config.apply_immediately:
        yield failed(
            f"PostgreSQL {running} to {target} would wait for the maintenance window, and the "
            "deploy fails meanwhile",
            "apply_immediately=True, for an upgrade to another major version",
            f"write it for {name}, and drop it afterwards; {UPGRADE_PAGE}",
        )
    else:
        yield passed(f"PostgreSQL {running} can be upgraded to {target}")


def _running(subject: Subject) -> tuple[str | None, bool]:
    """The version that is deployed, and whether RDS installs minor ones by itself."""
    identifier = _database(subject).get("identifier")
    try:
        answer = subject.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)
    except ClientError as error:
        if code_of(error) not in {"DBInstanceNotFound", "DBInstanceNotFoundFault"}:
            raise
        return None, True
    (instance,) = answer["DBInstances"]
    return instance["EngineVersion"], instance["AutoMinorVersionUpgrade"]


def _target(subject: Subject) -> str | None:
    """The version that RDS would upgrade to."""
    config = subject.config.database
    if not config.minor_upgrades:
        return config.engine_version
    default = _versions(subject, EngineVersion=config.engine_major, DefaultOnly=True)
    return default[0]["EngineVersion"] if default else None


def _versions(subject: Subject, **which: Any) -> list[Any]:
    return subject.ask(
        "rds", "describe_db_engine_versions", "DBEngineVersions", Engine=ENGINE, **which
    )


def _major(version: str) -> str:
    return version.partition(".")[0]


def _newest(versions: list[str]) -> str:
    return max(versions, key=_numbers)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _support(subject: Subject) -> Iterator[Finding]:
    major = subject.config.database.engine_major
    try:
        ends = [
            lifecycle["LifecycleSupportEndDate"].date()
            for version in subject.ask(
                "rds",
                "describe_db_major_engine_versions",
                "DBMajorEngineVersions",
                Engine=ENGINE,
                MajorEngineVersion=major,
            )
            for lifecycle in version["SupportedEngineLifecycles"]
            if lifecycle["LifecycleSupportName"] == STANDARD
        ]
    except ClientError as error:
        if not unanswered(error):
            raise
        yield refused(error, subject)
        ends = []
    # RDS's own word before the calendar that it publishes.
    for end in ends or filter(None, [aws_limits.POSTGRES_END_OF_STANDARD_SUPPORT.get(major)]):
        yield _supported(subject, end)


def _supported(subject: Subject, end: date) -> Finding:
    major, today = subject.config.database.engine_major, datetime.now(UTC).date()
    needed, fix = "standard support", "a newer engine_version, which upgrades the database"
    if today + SUPPORT_WARNING < end:
        return passed(f"standard support of PostgreSQL {major} ends on {end}")
    if today <= end:
        return warning(
            f"standard support of PostgreSQL {major} ends on {end}: then AWS upgrades the instance "
            "by itself, and each deploy that asks for the old version fails",
            needed,
            f"{fix}; {UPGRADE_PAGE}",
        )
    if subject.config.database.extended_support:
        return warning(
            f"PostgreSQL {major} has had extended support, which costs, since {end}", needed, fix
        )
    return failed(
        f"standard support of PostgreSQL {major} ended on {end}: RDS makes no instance of it",
        needed,
        f"{fix}; or extended_support",
    )


def _instance_class(subject: Subject) -> Iterator[Finding]:
    database, config = _database(subject), subject.config.database
    wanted = config.instance_class
    needed = f"{wanted} with PostgreSQL {config.engine_version} in {subject.config.region}"
    fix = f"another instance_class or engine_version for {subject.config.name}"
    listed = subject.ask(
        "rds", OFFERS, "OrderableDBInstanceOptions", Engine=ENGINE, DBInstanceClass=wanted, Vpc=True
    )
    if not listed and not _any_class(subject):
        yield not_shown("RDS lists no instance classes at all here", needed, "ask AWS itself")
        return
    storage = database.get("storage_type")
    fits = [
        each
        for each in listed
        if config.engine_version in (each["EngineVersion"], _major(each["EngineVersion"]))
        and each.get("StorageType") == storage
    ]
    if not fits:
        majors = sorted({_major(each["EngineVersion"]) for each in listed}, key=int)
        offered = f"with PostgreSQL {', '.join(majors)} alone" if majors else "not at all"
        yield failed(f"{wanted} with {storage} storage is sold {offered}", needed, fix)
        return
    # RDS takes a minor version of its choice: the newest tells what it is made of.
    newest = max(fits, key=lambda each: _numbers(each["EngineVersion"]))
    if lacking := [what for what, there in _abilities(subject, newest).items() if not there]:
        yield failed(f"{wanted} lacks {', '.join(lacking)}", needed, f"{fix}, or without them")
    yield from _in_zones(subject, newest, fix)


def _any_class(subject: Subject) -> bool:
    """Whether there is a list at all; an emulator may have none."""
    answer = getattr(subject.client("rds"), OFFERS)(Engine=ENGINE, MaxRecords=20)
    return bool(answer["OrderableDBInstanceOptions"])


def _abilities(subject: Subject, option: dict[str, Any]) -> dict[str, bool]:
    """What the config asks of the class, and whether it has it."""
    config = subject.config.database
    smallest, largest = option.get("MinStorageSize", 0), option.get("MaxStorageSize", 10**9)
    return {
        "Multi-AZ": option["MultiAZCapable"] or not config.multi_az,
        "encryption": option["SupportsStorageEncryption"],
        "enhanced monitoring": option["SupportsEnhancedMonitoring"]
        or not config.monitoring_interval_seconds,
        "Performance Insights": option["SupportsPerformanceInsights"]
        or not config.performance_insights,
        "storage autoscaling": option.get("SupportsStorageAutoscaling", True),
        f"{config.storage_gib} GiB": smallest <= config.storage_gib <= largest,
    }


def _in_zones(subject: Subject, option: dict[str, Any], fix: str) -> Iterator[Finding]:
    wanted = _zones_of(subject)
    offered = wanted & {zone["Name"] for zone in option["AvailabilityZones"]}
    needed = TWO if subject.config.database.multi_az else 1
    name = f"{option['DBInstanceClass']} with PostgreSQL {option['EngineVersion']}"
    where = f"{name}: in {', '.join(sorted(offered)) or 'none'} of {', '.join(sorted(wanted))}"
    if len(offered) < needed:
        yield failed(where, f"{needed} of the zones", f"{fix}; or other network.zones")
    elif offered != wanted:
        yield warning(where, "all of the zones, for the day that one fails", fix)
    else:
        yield passed(where)


def _zones(subject: Subject) -> Iterator[Finding]:
    wanted = _zones_of(subject)
    listed = subject.ask("ec2", "describe_availability_zones", "AvailabilityZones")
    ids = {
        zone["ZoneName"]: zone.get("ZoneId", "")
        for zone in listed
        if zone["State"] == "available"
        and zone.get("ZoneType", "availability-zone") == "availability-zone"
    }
    with_fargate = FARGATE_ZONE_IDS.get(subject.config.region)
    usable = {name for name, id_ in ids.items() if not with_fargate or id_ in with_fargate}
    if wanted <= usable:
        yield passed(", ".join(f"{name} ({ids[name]})" for name in sorted(wanted)))
        return
    letters = ", ".join(sorted(name.removeprefix(subject.config.region) for name in usable))
    for name in sorted(wanted - usable):
        found = f"Fargate is not in {name} ({ids[name]})" if name in ids else f"no zone {name}"
        enough = len(usable) >= aws_limits.ALB_ZONES_MIN
        yield failed(
            f"{found} for this account",
            f"{len(wanted)} zones to use; there are: {letters}",
            "name others in network.zones: two are enough" if enough else "another region",
        )


def _certificate(subject: Subject) -> Iterator[Finding]:
    arn = subject.config.load_balancer.certificate_arn
    if not arn:
        yield passed("the config names none")
        return
    region = subject.config.region
    fix = "aws acm request-certificate; then its ARN as certificate_arn"
    if arn.split(":")[3] != region:
        yield failed(f"{arn} is not in {region}", f"a certificate in {region}", fix)
        return
    try:
        told = subject.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        yield failed(f"there is no {arn}", f"a certificate in {region}", fix)
        return
    if told["Status"] != "ISSUED":
        yield failed(f"{arn} is {told['Status']}", "an issued certificate", _mend(told["Status"]))
        return
    until = told["NotAfter"]
    left = until - datetime.now(UTC)
    said = f"{told['DomainName']}, until {until.date()}"
    domain = subject.config.load_balancer.domain_name
    if domain and not covers(told, domain):
        yield failed(f"{said}: not for {domain}", f"a certificate for {domain}", fix)
    elif left < timedelta():
        yield failed(f"{said}: expired", "a valid certificate", fix)
    elif left < CERTIFICATE_WARNING:
        yield warning(said, "longer than a month", "see in ACM why it is not renewed, or import")
    else:
        yield passed(said)


def covers(certificate: Mapping[str, Any], domain: str) -> bool:
    """Whether a certificate of ACM's is for a domain; a * stands for one label."""
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", ())}
    return domain in names or f"*.{domain.partition('.')[2]}" in names


def _mend(status: str) -> str:
    if status == "PENDING_VALIDATION":
        return "make the DNS records that aws acm describe-certificate tells"
    return "request another one; its ARN as certificate_arn"


def _image(subject: Subject) -> Iterator[Finding]:
    reference = subject.config.service.image
    image = registry.Image.parse(reference)
    wanted = f"linux/{ARCHITECTURES[subject.config.service.cpu_architecture]}"
    ecr, authorization = ecr_image(reference), ""
    try:
        if ecr:
            authorization = _ecr(subject, image, ecr)
        found = registry.platforms(image, authorization)
    except registry.Unasked as error:
        yield not_shown(
            f"{reference}: {error}", f"an image for {wanted}", f"docker pull {reference}"
        )
        return
    except ClientError as error:
        if code_of(error) not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
            raise
        found = None
    if found is None and ecr and subject.config.service.pull_through_cache:
        yield _fetched(subject, reference, ecr)
    elif found is None:
        yield failed(f"there is no {reference}", "an image", "push it, or name another one")
    elif wanted in found:
        yield passed(f"{reference}: {', '.join(found)}")
    else:
        yield failed(
            f"{reference} is for {', '.join(found) or 'no platform'}",
            f"an image for {wanted}",
            f"docker build --platform {wanted}; or another service.cpu_architecture",
        )


def _fetched(subject: Subject, reference: str, ecr: EcrImage) -> Finding:
    """An image that a pull-through cache hasn't yet: whether a rule of ECR's would fetch it."""
    rules = subject.client("ecr", ecr.region).describe_pull_through_cache_rules(
        registryId=ecr.account
    )["pullThroughCacheRules"]
    prefixes = {rule["ecrRepositoryPrefix"] for rule in rules}
    if any(
        prefix == EVERY_REPOSITORY or ecr.repository.startswith(f"{prefix}/") for prefix in prefixes
    ):
        return not_shown(
            f"{reference} is not in the cache yet: ECR fetches it when the first task starts",
            "an image",
            f"docker pull {reference}",
        )
    return failed(
        f"no rule of ECR's pull-through cache has {ecr.repository}",
        f"a rule for it; there are: {', '.join(sorted(prefixes)) or 'none'}",
        "aws ecr create-pull-through-cache-rule; or pull_through_cache=False, and push the image",
    )


def _ecr(subject: Subject, image: registry.Image, lies: EcrImage) -> str:
    """What lets ECR's registry be asked. Raises ``ClientError`` where the image isn't there."""
    ecr = subject.client("ecr", lies.region)
    id_ = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}
    ecr.describe_images(registryId=lies.account, repositoryName=lies.repository, imageIds=[id_])
    (given,) = ecr.get_authorization_token()["authorizationData"]
    return f"Basic {given['authorizationToken']}"


CHECKS = (
    Check("versions.engine", _engine),
    Check("versions.upgrade", _upgrade),
    Check("versions.support", _support),
    Check("versions.instance_class", _instance_class),
    Check("versions.zones", _zones),
    Check("versions.certificate", _certificate),
    Check("versions.image", _image),
)
