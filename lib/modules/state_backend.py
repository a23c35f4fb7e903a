"""Where Terraform keeps this stack's state, and the bucket and lock table for it.

The stack owns both, whichever backend it uses: state starts in a local file, moves into the bucket
once that exists, and comes home before the bucket goes (``docs/adr/0003-stack-owned-state.md``).
Leaves out replication to another region.

Rules: https://developer.hashicorp.com/terraform/language/backend/s3
"""

from cdktf import (
    LocalBackend,
    S3Backend,
    S3BackendAssumeRoleConfig,
    TerraformResourceLifecycle,
    TerraformStack,
)
from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTablePointInTimeRecovery,
    DynamodbTableServerSideEncryption,
)
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_logging import S3BucketLoggingA
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from constructs import Construct

from lib.config.environment_config import EnvironmentConfig, StateBackend, StateConfig, StateLock
from lib.modules.iam import policy_document
from lib.modules.log_bucket import STATE_PREFIX
from lib.modules.naming import NamingModule
from lib.modules.outputs import EncryptionOutputs, LogBucketOutputs, StateBackendOutputs
from lib.modules.private_bucket import private_bucket, tls_only
from lib.modules.waivers import waive


class StateBackendModule(Construct):
    """The bucket (versioned, encrypted, private, TLS only) and the lock table.

    With ``config.deletable`` both go with the environment, the bucket with all it holds. Without,
    Terraform refuses to plan their removal.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: StateConfig,
        naming: NamingModule,
        encryption: EncryptionOutputs,
        log_bucket: LogBucketOutputs,
    ) -> None:
        super().__init__(scope, id_)
        keep = None if config.deletable else TerraformResourceLifecycle(prevent_destroy=True)
        bucket, versioning, public_access = private_bucket(
            self, name=naming.state_bucket, deletable=config.deletable
        )
        S3BucketPolicy(
            self,
            "policy",
            bucket=bucket.id,
            policy=policy_document(tls_only(bucket)),
            # S3 refuses two changes to one bucket's access at the same moment.
            depends_on=[public_access],
        )
        S3BucketLifecycleConfiguration(
            self,
            "lifecycle",
            bucket=bucket.id,
            rule=[
                S3BucketLifecycleConfigurationRule(
                    id="expire-noncurrent-versions",
                    status="Enabled",
                    filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                    noncurrent_version_expiration=[
                        S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                            noncurrent_days=config.noncurrent_version_days
                        )
                    ],
                    abort_incomplete_multipart_upload=[
                        S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                            days_after_initiation=7
                        )
                    ],
                )
            ],
            # A rule for noncurrent versions is only valid once there are versions.
            depends_on=[versioning],
        )
        self._watch(bucket, log_bucket)
        table = DynamodbTable(
            self,
            "lock_table",
            name=naming.lock_table,
            billing_mode="PAY_PER_REQUEST",
            hash_key="LockID",
            attribute=[DynamodbTableAttribute(name="LockID", type="S")],
            point_in_time_recovery=DynamodbTablePointInTimeRecovery(enabled=True),
            server_side_encryption=DynamodbTableServerSideEncryption(
                enabled=True, kms_key_arn=encryption.key_arn
            ),
            deletion_protection_enabled=not config.deletable,
            lifecycle=keep,
            tags={"Name": naming.lock_table},
        )
        waive(
            table,
            "CKV_AWS_119",
            reason="encrypted with AWS's key; its own is for environments with real data",
            cost="$1 for the environment's key",
            when=encryption.key_arn is None,
        )
        self.outputs = StateBackendOutputs(bucket_name=bucket.bucket, lock_table_name=table.name)

    def _watch(self, bucket: S3Bucket, log_bucket: LogBucketOutputs) -> None:
        """Who read or wrote the state."""
        if log_bucket.bucket_name:
            S3BucketLoggingA(
                self,
                "access_logs",
                bucket=bucket.id,
                target_bucket=log_bucket.bucket_name,
                target_prefix=STATE_PREFIX,
                depends_on=list(log_bucket.writable),
            )
        waive(
            bucket,
            "CKV_AWS_18",
            "AwsSolutions-S1",
            reason="nobody would look at them",
            cost="$0.023 a GB",
            when=log_bucket.bucket_name is None,
        )
        waive(
            bucket,
            "CKV_AWS_144",
            reason="has versions; a lost region takes along what the state describes",
            cost="cents, and a second bucket elsewhere",
        )
        waive(
            bucket,
            "CKV_AWS_145",
            reason="S3's own key encrypts it: it has to be readable without the other",
            cost="$1 for a key that outlives the environment",
        )


def configure_backend(
    stack: TerraformStack, *, config: EnvironmentConfig, naming: NamingModule
) -> None:
    """Gives the stack the backend that its config names, and asks for a Terraform that knows it.

    Terraform reads a backend before it reads anything else, so its values are plain text. The local
    file stands beside the project, outside the output folder, which ``cdktf synth`` empties; its
    path is relative to where Terraform runs (``cdktf.out/stacks/<stack>``), so that the same bytes
    come out in every folder.
    """
    # Ephemeral variables and locks in the bucket; this version of CDKTF has no argument for it.
    stack.add_override("terraform.required_version", ">= 1.11")
    state = config.state
    if state.backend is StateBackend.LOCAL:
        LocalBackend(stack, path=f"../../../{naming.state_file}")
        return
    role = config.deploy_role_arn
    table = naming.lock_table if state.lock is not StateLock.LOCKFILE else None
    S3Backend(
        stack,
        bucket=naming.state_bucket,
        key=naming.state_key,
        region=config.region,
        encrypt=True,
        dynamodb_table=table,
        assume_role=S3BackendAssumeRoleConfig(role_arn=role) if role else None,
        allowed_account_ids=[config.account_id] if config.account_id else None,
    )
    if state.lock is not StateLock.DYNAMODB:
        stack.add_override("terraform.backend.s3.use_lockfile", True)
