"""The limits of AWS that TAP's config and names have to keep: value, unit, source.

A limit that botocore's service models state too is held equal to them by
``tests/unit/test_aws_limits.py``, which also lists those they do not state. Patterns are for
``re.fullmatch``.
"""

from datetime import date
from types import MappingProxyType
from typing import Final

# What AWS calls an Integer, where it states no smaller limit.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_definition_parameters.html
INTEGER_MAX: Final = 2_147_483_647

# --- regions, accounts, ARNs -----------------------------------------------------------------

# Each partition's regions, as botocore knows them. A region that opens tomorrow is a line here:
# a slip such as us-east-9 or mars-north-1 must not get as far as a deploy.
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
REGIONS_BY_PARTITION: Final = MappingProxyType(
    {
        "aws": (
            *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2"),
            *("ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2"),
            *("ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6"),
            *("ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2"),
            *("eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
            *("il-central-1", "me-central-1", "me-south-1", "me-west-1", "mx-central-1"),
            *("sa-east-1", "sa-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
        ),
        "aws-cn": ("cn-north-1", "cn-northwest-1"),
        "aws-eusc": ("eusc-de-east-1",),
        "aws-iso": ("us-iso-east-1", "us-iso-west-1"),
        "aws-iso-b": ("us-isob-east-1", "us-isob-west-1"),
        "aws-iso-e": ("eu-isoe-west-1",),
        "aws-iso-f": ("us-isof-east-1", "us-isof-south-1"),
        "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
    }
)
PARTITION_BY_REGION: Final = MappingProxyType(
    {region: partition for partition, regions in REGIONS_BY_PARTITION.items() for region in regions}
)

# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
ACCOUNT_ID_PATTERN: Final = r"[0-9]{12}"

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscertificatemanager.html
ACM_CERTIFICATE_ARN_PATTERN: Final = (
    r"arn:(?P<partition>aws[a-z-]*):acm:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12})"
    r":certificate/[A-Za-z0-9-]+"
)

# The name is up to 64 characters. IAM lets a path hold any printable ASCII; here it holds what a
# name may, which nothing takes for a template.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
IAM_ROLE_ARN_PATTERN: Final = (
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12})"
    r":role/(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}"
)

# With a path as a role's, and a name of up to 128 characters; one of AWS's own is of no account.
IAM_POLICY_ARN_PATTERN: Final = (
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}|aws)"
    r":policy/(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,128}"
)

# https://datatracker.ietf.org/doc/html/rfc1123#section-2
DOMAIN_NAME_PATTERN: Final = (
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
)

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TAG_VALUE_PATTERN: Final = r"[\w .:/=+@-]{1,256}"  # letters of any script; empty says nothing

# --- VPC and subnets -------------------------------------------------------------------------

# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
VPC_PREFIX_MIN: Final = 16  # bits: the largest VPC
VPC_PREFIX_MAX: Final = 28  # bits: the smallest VPC
# This network, loopback, link-local, multicast and reserved addresses: EC2 makes no VPC of them.
# https://www.iana.org/assignments/iana-ipv4-special-registry/
VPC_REFUSED_RANGES: Final = (
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
)
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
DOCKER_BRIDGE: Final = "172.17.0.0/16"  # Docker's own network, on the hosts of some AWS services
VPC_RECOMMENDED_RANGES: Final = (  # RFC 1918, and RFC 6598's, which a VPC may have too
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
)

# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
SECURITY_GROUP_RULES_MAX: Final = 60  # inbound rules; a quota, which AWS raises when asked

# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
ZONE_LETTER_PATTERN: Final = "[a-z]"  # after the region's name: us-east-1a

# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
SUBNET_RESERVED_ADDRESSES: Final = 5  # addresses that AWS keeps in each subnet

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
ALB_SUBNET_PREFIX_MAX: Final = 27  # bits: the smallest subnet an ALB accepts
ALB_ZONES_MIN: Final = 2  # availability zones
ALB_SUBNET_FREE_ADDRESSES: Final = 8  # addresses an ALB needs free in each subnet

# --- Elastic Load Balancing ------------------------------------------------------------------
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html

HEALTH_CHECK_INTERVAL_MIN: Final = 5  # seconds
HEALTH_CHECK_INTERVAL_MAX: Final = 300  # seconds
HEALTH_CHECK_TIMEOUT_MIN: Final = 2  # seconds
HEALTH_CHECK_TIMEOUT_MAX: Final = 120  # seconds
HEALTH_CHECK_THRESHOLD_MIN: Final = 2  # answers in a row
HEALTH_CHECK_THRESHOLD_MAX: Final = 10  # answers in a row
HEALTH_CHECK_PATH_MAX: Final = 1024  # characters
PORT_MIN: Final = 1
PORT_MAX: Final = 65535

# One code, several with commas, or one range.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html
MATCHER_PATTERN: Final = r"[0-9]{3}(?:(?:,[0-9]{3})*|-[0-9]{3})"
MATCHER_CODE_MIN: Final = 200  # HTTP status, ALB
MATCHER_CODE_MAX: Final = 499  # HTTP status, ALB

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
ALB_IDLE_TIMEOUT_MIN: Final = 1  # seconds
ALB_IDLE_TIMEOUT_MAX: Final = 4000  # seconds

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
DEREGISTRATION_DELAY_MIN: Final = 0  # seconds
DEREGISTRATION_DELAY_MAX: Final = 3600  # seconds

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
TLS_POLICY_PATTERN: Final = r"ELBSecurityPolicy-[A-Za-z0-9-]+"
# Those that take nothing older than TLS 1.2: the oldest version that a policy takes is in its name.
TLS_1_2_POLICY_PATTERN: Final = r"ELBSecurityPolicy-(?:TLS13-1|TLS-1|FS-1)-[23]-[A-Za-z0-9-]+"

# --- ECS and Fargate -------------------------------------------------------------------------

_GIB = 1024  # MiB

# CPU units -> MiB of memory that Fargate sells with them.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY_MIB: Final = MappingProxyType(
    {
        256: (512, 1 * _GIB, 2 * _GIB),
        512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
        1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
        2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
        4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
        8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
        16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
    }
)

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
TASKS_PER_SERVICE_MAX: Final = 5000  # tasks

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
TASK_DEFINITION_MAX_BYTES: Final = 64 * 1024  # bytes, as JSON
# Seen by users, in no page of AWS's: https://github.com/aws/aws-cdk/issues/38225
ENVIRONMENT_VARIABLES_MAX: Final = 100  # variables of a container
# https://man7.org/linux/man-pages/man7/capabilities.7.html (CAP_NET_BIND_SERVICE)
UNPRIVILEGED_PORT_MIN: Final = 1024  # below it, root alone may listen
# Larger ones the container runtime refuses.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
USER_ID_MAX: Final = 2_147_483_647

# The characters before an @digest, which has its own form.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
IMAGE_REFERENCE_MAX: Final = 255  # characters

# --- RDS for PostgreSQL ----------------------------------------------------------------------
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html

RDS_STORAGE_MIN_GIB: Final = 20  # GiB, gp3
RDS_STORAGE_MAX_GIB: Final = 65536  # GiB, gp3
RDS_BACKUP_DAYS_MIN: Final = 0  # days; 0 turns backups off
RDS_BACKUP_DAYS_MAX: Final = 35  # days
RDS_MONITORING_INTERVALS: Final = (0, 1, 5, 10, 15, 30, 60)  # seconds; 0 turns it off
RDS_PORT_MIN: Final = 1150
RDS_PORT_MAX: Final = 65535
RDS_WINDOW_MIN_MINUTES: Final = 30  # minutes, backup and maintenance alike
RDS_POSTGRES_LOG_EXPORTS: Final = ("postgresql", "upgrade", "iam-db-auth-error")

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
RDS_AUTOSCALING_HEADROOM_PERCENT: Final = 10  # percent above the allocated storage, at least

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html
RDS_MAINTENANCE_WINDOW_MAX_MINUTES: Final = 24 * 60  # minutes

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.html
RDS_INSTANCE_CLASS_PATTERN: Final = (
    r"db\.[a-z][0-9]+[a-z]*\.(?:micro|small|medium|large|(?:[1-9][0-9]*)?xlarge)"
)

# RDS's API reference says 16 for every engine; PostgreSQL takes 63, as its own page has it.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.Constraints
RDS_USERNAME_PATTERN: Final = r"[A-Za-z][A-Za-z0-9_]{0,62}"  # 1-63 characters
RDS_DATABASE_NAME_PATTERN: Final = r"[A-Za-z][A-Za-z0-9_]{0,62}"  # 1-63 characters

# Words that PostgreSQL itself reserves; RDS refuses "a word reserved by the database engine".
# https://www.postgresql.org/docs/17/sql-keywords-appendix.html
POSTGRES_RESERVED_WORDS: Final = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column
    constraint create current_catalog current_date current_role current_time current_timestamp
    current_user default deferrable desc distinct do else end except false fetch for foreign
    from grant group having in initially intersect into lateral leading limit localtime
    localtimestamp not null offset on only or order placing primary references returning select
    session_user some symmetric system_user table then to trailing true union unique user using
    variadic when where window with
    """.split()  # noqa: SIM905 - as words, the list can be held against its source
)

# Tried against RDS: https://github.com/aws-cloudformation/cfn-lint/pull/4425 (admin, rdsadmin).
# PostgreSQL has no role called public or none; the others are RDS's own roles:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
RDS_RESERVED_USERNAMES: Final = frozenset(
    """
    admin none public rds_ad rds_extension rds_iam rds_password rds_replication rds_reserved
    rds_superuser rdsadmin rdsrepladmin rdstopmgr rdswriteforwarduser
    """.split()  # noqa: SIM905 - as words, the list can be held against its source
)
# https://www.postgresql.org/docs/17/sql-createrole.html
POSTGRES_RESERVED_ROLE_PREFIX: Final = "pg_"
# Tried against RDS: https://github.com/oslokommune/okctl/pull/899 (db, database),
# https://github.com/awslabs/aws-saas-boost/issues/180 (admin). The others exist already.
RDS_RESERVED_DATABASE_NAMES: Final = frozenset(
    {"admin", "database", "db", "rdsadmin", "template0", "template1"}
)

RDS_PASSWORD_MIN: Final = 8  # characters
RDS_PASSWORD_MAX: Final = 128  # characters, PostgreSQL
RDS_PASSWORD_FORBIDDEN: Final = '/"@ '

# https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html
POSTGRES_END_OF_STANDARD_SUPPORT: Final = MappingProxyType(
    {
        "13": date(2026, 2, 28),
        "14": date(2027, 2, 28),
        "15": date(2028, 2, 29),
        "16": date(2029, 2, 28),
        "17": date(2030, 2, 28),
        "18": date(2031, 2, 28),
    }
)
# Of these, RDS makes no instance without extended support any more.
POSTGRES_EXTENDED_SUPPORT_ONLY: Final = frozenset({"13"})
POSTGRES_VERSION_PATTERN: Final = r"(?P<major>[0-9]+)(?:\.(?P<minor>0|[1-9][0-9]?))?"

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.pgaudit.reference.html
PGAUDIT_CLASSES: Final = ("all", "ddl", "function", "misc", "read", "role", "write")

# --- WAF, KMS --------------------------------------------------------------------------------

# https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
WAF_RATE_LIMIT_MIN: Final = 10  # requests in the time of evaluation
WAF_RATE_LIMIT_MAX: Final = 2_000_000_000  # requests in the time of evaluation
# https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
WAF_LOG_GROUP_PREFIX: Final = "aws-waf-logs-"

# https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
KMS_DELETION_DAYS_MIN: Final = 7  # days
KMS_DELETION_DAYS_MAX: Final = 30  # days

# --- CloudWatch Logs -------------------------------------------------------------------------

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)

# --- names -----------------------------------------------------------------------------------
# Characters each. What TAP makes names of ([a-z0-9] and single inner hyphens, letter first)
# is legal in all of them.

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
ALB_NAME_MAX: Final = 32
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
TARGET_GROUP_NAME_MAX: Final = 32
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME_MAX: Final = 63
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
RDS_IDENTIFIER_MAX: Final = 63
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html
DB_SUBNET_GROUP_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html
DB_PARAMETER_GROUP_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
DB_SNAPSHOT_IDENTIFIER_MAX: Final = 255
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
IAM_ROLE_NAME_MAX: Final = 64
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
IAM_POLICY_NAME_MAX: Final = 128
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
ECS_CLUSTER_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
ECS_SERVICE_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
ECS_TASK_FAMILY_MAX: Final = 255
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
DYNAMODB_TABLE_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
SECURITY_GROUP_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
SNS_TOPIC_NAME_MAX: Final = 256
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
CLOUDWATCH_ALARM_NAME_MAX: Final = 255
# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html
SCALING_POLICY_NAME_MAX: Final = 256
# https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html
WEB_ACL_NAME_MAX: Final = 128
# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
KMS_ALIAS_MAX: Final = 256  # with alias/ before it
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
LOG_GROUP_NAME_MAX: Final = 512
# With the ARN that precedes it; 1011 in all.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
SSM_PARAMETER_ARN_MAX: Final = 1011

SHORTEST_NAME_MAX: Final = min(ALB_NAME_MAX, TARGET_GROUP_NAME_MAX)  # legal for every resource

# First words that some resource refuses: a name begins with the environment's.
RESERVED_FIRST_WORDS: Final = MappingProxyType(
    {
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
        "internal": "load balancers",
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
        "sg": "security groups",
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        "sthree": "S3 buckets",
    }
)

# Last words of a name that S3 keeps for itself; the others that it keeps need a dot or a double
# hyphen. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_RESERVED_LAST_WORDS: Final = ("an", "s3alias")


def partition_of(region: str) -> str:
    """The partition of a region that AWS has (``aws``, ``aws-cn``, …)."""
    return PARTITION_BY_REGION[region]
