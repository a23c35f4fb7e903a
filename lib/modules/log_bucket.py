"""The bucket that access logs go to: the load balancer's, and those of the state's bucket.

Load balancers write to buckets with S3's own encryption and no other. The bucket keeps no log of
access to itself, which would log its own delivery. Leaves out replication.

Rules:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
"""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_notification import S3BucketNotification
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import (
    S3BucketOwnershipControls,
    S3BucketOwnershipControlsRule,
)
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA as ByDefault,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs import Construct

from lib.config.environment_config import AccessLogsConfig
from lib.modules.iam import policy_document
from lib.modules.naming import NamingModule
from lib.modules.outputs import AccountOutputs, LogBucketOutputs
from lib.modules.waivers import waive

LOAD_BALANCER_PREFIX = "alb"
STATE_PREFIX = "state/"


class LogBucketModule(Construct):
    """The bucket (versioned, encrypted, private, TLS only); nothing where ``config`` is None."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: AccessLogsConfig | None,
        naming: NamingModule,
        account: AccountOutputs,
    ) -> None:
        super().__init__(scope, id_)
        if config is None:
            self.outputs = LogBucketOutputs(bucket_name=None, writable=())
            return
        bucket = self._bucket = S3Bucket(
            self,
            "bucket",
            bucket=naming.log_bucket,
            force_destroy=config.deletable,
            lifecycle=None
            if config.deletable
            else TerraformResourceLifecycle(prevent_destroy=True),
            tags={"Name": naming.log_bucket},
        )
        waive(
            bucket,
            "CKV_AWS_144",
            reason="lines of a log; who needs them after the loss of a region ships them elsewhere",
            cost="$0.05 a GB, and a second bucket elsewhere",
        )
        waive(
            bucket,
            "CKV_AWS_145",
            reason="load balancers write to none under a KMS key: S3's own key encrypts",
            cost="cannot be had",
        )
        versioning = S3BucketVersioningA(
            self,
            "versioning",
            bucket=bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        aes256 = ByDefault(sse_algorithm="AES256")
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "encryption",
            bucket=bucket.id,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=aes256
                )
            ],
        )
        self._lifecycle(config, versioning)
        # Free of charge: whoever wants to know of each new log makes a rule of EventBridge.
        S3BucketNotification(self, "events", bucket=bucket.id, eventbridge=True)
        policy = self._access(account)
        self.outputs = LogBucketOutputs(bucket_name=bucket.bucket, writable=(policy,))

    def _lifecycle(self, config: AccessLogsConfig, versioning: S3BucketVersioningA) -> None:
        days = config.retention_days
        S3BucketLifecycleConfiguration(
            self,
            "lifecycle",
            bucket=self._bucket.id,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="expire",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=days)],
                    noncurrent_version_expiration=[
                        S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                            noncurrent_days=1
                        )
                    ],
                    abort_incomplete_multipart_upload=[
                        S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                            days_after_initiation=1
                        )
                    ],
                )
            ],
            # A rule for noncurrent versions is only valid once there are versions.
            depends_on=[versioning],
        )

    def _access(self, account: AccountOutputs) -> S3BucketPolicy:
        """Nobody but the two services that write logs, which own nothing of what they write."""
        bucket = self._bucket
        owner = {"StringEquals": {"aws:SourceAccount": account.account_id}}
        by_owner = S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced")
        ownership = S3BucketOwnershipControls(self, "ownership", bucket=bucket.id, rule=by_owner)
        public_access = S3BucketPublicAccessBlock(
            self,
            "public_access",
            bucket=bucket.id,
            block_public_acls=True,
            ignore_public_acls=True,
            block_public_policy=True,
            restrict_public_buckets=True,
            # S3 refuses two changes to one bucket's access at the same moment.
            depends_on=[ownership],
        )
        own_logs = f"{LOAD_BALANCER_PREFIX}/AWSLogs/{account.account_id}/*"
        return S3BucketPolicy(
            self,
            "policy",
            bucket=bucket.id,
            policy=policy_document(
                {
                    "Sid": "LoadBalancers",
                    "Effect": "Allow",
                    "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                    "Action": "s3:PutObject",
                    "Resource": f"{bucket.arn}/{own_logs}",
                },
                {
                    "Sid": "BucketsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": "logging.s3.amazonaws.com"},
                    "Action": "s3:PutObject",
                    "Resource": f"{bucket.arn}/{STATE_PREFIX}*",
                    "Condition": owner,
                },
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket.arn, f"{bucket.arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ),
            depends_on=[public_access],
        )
