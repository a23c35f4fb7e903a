"""What the bucket of the state and that of the access logs have in common.

Versioned, encrypted with S3's own key, private, and each object the bucket's owner's.
"""

from typing import NamedTuple

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_notification import S3BucketNotification
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import (
    S3BucketOwnershipControls,
    S3BucketOwnershipControlsRule,
)
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
)
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA as ByDefault,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs import Construct


class PrivateBucket(NamedTuple):
    """The bucket, and those of its parts that others wait for."""

    bucket: S3Bucket
    versioning: S3BucketVersioningA
    public_access: S3BucketPublicAccessBlock


def private_bucket(
    scope: Construct, *, name: str, deletable: bool, in_turn: bool = False
) -> PrivateBucket:
    """Make one, its parts directly in ``scope``.

    ``deletable`` lets Terraform empty and delete it; otherwise it refuses to plan its removal.
    S3 refuses two changes to one bucket's access at the same moment: ``in_turn`` makes them so.
    """
    bucket = S3Bucket(
        scope,
        "bucket",
        bucket=name,
        force_destroy=deletable,
        lifecycle=None if deletable else TerraformResourceLifecycle(prevent_destroy=True),
        tags={"Name": name},
    )
    versioning = S3BucketVersioningA(
        scope,
        "versioning",
        bucket=bucket.id,
        versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
    )
    S3BucketServerSideEncryptionConfigurationA(
        scope,
        "encryption",
        bucket=bucket.id,
        rule=[
            S3BucketServerSideEncryptionConfigurationRuleA(
                apply_server_side_encryption_by_default=ByDefault(sse_algorithm="AES256")
            )
        ],
    )
    ownership = S3BucketOwnershipControls(
        scope,
        "ownership",
        bucket=bucket.id,
        rule=S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced"),
    )
    public_access = S3BucketPublicAccessBlock(
        scope,
        "public_access",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        depends_on=[ownership] if in_turn else None,
    )
    # Free of charge: whoever wants to know of each new object makes a rule of EventBridge.
    S3BucketNotification(scope, "events", bucket=bucket.id, eventbridge=True)
    return PrivateBucket(bucket, versioning, public_access)


def tls_only(bucket: S3Bucket) -> dict[str, object]:
    """The statement of a bucket's policy that refuses calls without TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket.arn, f"{bucket.arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
