"""What is known of S3's resource types."""

from math import inf

from ops.catalogue.policies import not_denied, trusting, trusting_everybody
from ops.catalogue.record import Lost, Nothing, ResourceType
from ops.catalogue.rules import Changed, Dropped, Left, Lowered, Opened, TurnedOff, TurnedOn

_AGAIN = Nothing("the code makes it anew")
_BUCKET = ("bucket", "aws_s3_bucket")
_PUBLIC = "the bucket to whomever a policy or an ACL lets in"

TYPES = (
    ResourceType(
        name="aws_s3_bucket",
        lost=Lost("the objects in it, and its name"),
        worse=(
            TurnedOn("force_destroy", "the protection of objects against the bucket's deletion"),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_lifecycle_configuration",
        lost=Nothing("objects stay for ever, which costs money and loses nothing"),
        worse=(
            Lowered("rule.expiration.days", "the objects that are older", missing=inf),
            Lowered(
                "rule.noncurrent_version_expiration.noncurrent_days",
                "the older versions of objects",
                missing=inf,
            ),
            Lowered(
                "rule.noncurrent_version_expiration.newer_noncurrent_versions",
                "the older versions of objects",
                missing=inf,
            ),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_logging",
        lost=Lost("the record of who reads and writes"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=(
            Changed("target_bucket", "the place where the record is looked for"),
            Changed("target_prefix", "the place where the record is looked for"),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_notification",
        lost=Lost("the events that others react to"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=(TurnedOff("eventbridge", "the events that others react to"),),
    ),
    ResourceType(
        name="aws_s3_bucket_ownership_controls",
        lost=Lost("the rule that no ACL opens an object"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=(
            Left(  # pylint: disable=redundant-keyword-arg  # after KW_ONLY
                "rule.object_ownership",
                "the bucket to whomever an ACL lets in",
                "BucketOwnerEnforced",
                exposes=True,
            ),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_policy",
        lost=Lost("what it refuses, such as access without TLS, and what it grants"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=(
            Opened("policy", "the bucket", trusting("policy")),
            Opened("policy", "the bucket", trusting_everybody("policy"), new=True),
            Dropped("policy", "what the policy refused", not_denied("policy")),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_public_access_block",
        lost=Lost("what keeps the bucket from becoming public"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=tuple(
            TurnedOff(attribute, _PUBLIC, exposes=True)
            for attribute in (
                "block_public_acls",
                "block_public_policy",
                "ignore_public_acls",
                "restrict_public_buckets",
            )
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_server_side_encryption_configuration",
        lost=Lost("the encryption by the key that it names: S3 takes its own"),
        replaced=_AGAIN,
        part_of=_BUCKET,
        worse=(
            Left(
                "rule.apply_server_side_encryption_by_default.sse_algorithm",
                "the encryption by a key of your own",
                "aws:kms",
            ),
            Changed(
                "rule.apply_server_side_encryption_by_default.kms_master_key_id",
                "the key that new objects are encrypted by",
            ),
        ),
    ),
    ResourceType(
        name="aws_s3_bucket_versioning",
        lost=Lost("the older versions of objects that are written from then on"),
        part_of=_BUCKET,
        worse=(
            Left(
                "versioning_configuration.status",
                "the older versions of objects that are written from then on",
                "Enabled",
            ),
        ),
    ),
)
