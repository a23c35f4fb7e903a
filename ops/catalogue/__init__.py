"""What TAP knows of each resource type: one record, one file a service."""

from collections.abc import Mapping

from ops.catalogue import (
    appautoscaling,
    cloudwatch,
    dynamodb,
    ec2,
    ecr,
    ecs,
    efs,
    elbv2,
    iam,
    kms,
    logs,
    rds,
    route53,
    s3,
    secretsmanager,
    sns,
    ssm,
    wafv2,
)
from ops.catalogue.record import ResourceType

_SERVICES = (
    *(appautoscaling, cloudwatch, dynamodb, ec2, ecr, ecs, efs, elbv2, iam, kms, logs, rds),
    *(route53, s3, secretsmanager, sns, ssm, wafv2),
)
TYPES: Mapping[str, ResourceType] = {
    record.name: record for service in _SERVICES for record in service.TYPES
}
