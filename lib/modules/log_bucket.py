"""The bucket that access logs go to: the load balancer's, and those of the state's bucket.

Load balancers write to buckets with S3's own encryption and no other. The bucket keeps no log of
access to itself, which would log its own delivery. Leaves out replication.

Rules:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
"""

from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from constructs import Construct

from lib.config.environment_config import AccessLogsConfig
from lib.modules.iam import policy_document
from lib.modules.naming import NamingModule
from lib.modules.outputs import AccountOutputs, LogBucketOutputs
from lib.modules.private_bucket import PrivateBucket, private_bucket, tls_only
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
        made = private_bucket(
            self, name=naming.log_bucket, deletable=config.deletable, in_turn=True
        )
        bucket = made.bucket
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
        self._lifecycle(config, made)
        policy = self._access(account, made)
        self.outputs = LogBucketOutputs(bucket_name=bucket.bucket, writable=(policy,))

    def _lifecycle(self, config: AccessLogsConfig, made: PrivateBucket) -> None:
        days = config.retention_days
        S3BucketLifecycleConfiguration(
            self,
            "lifecycle",
            bucket=made.bucket.id,
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
            depends_on=[made.versioning],
        )

    def _access(self, account: AccountOutputs, made: PrivateBucket) -> S3BucketPolicy:
        """Nobody but the two services that write logs, which own nothing of what they write."""
        bucket = made.bucket
        owner = {"StringEquals": {"aws:SourceAccount": account.account_id}}
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
                tls_only(bucket),
            ),
            depends_on=[made.public_access],
        )
