"""The permissions that the calls in an emulator's log take of whoever makes them."""

import json
from pathlib import Path

from lib.modules.naming import NamingModule
from ops.preflight.needs import needs_of
from ops.sandbox import Site
from ops.stacks import Stack
from tests.e2e.conftest import SUFFIX

TERRAFORM = "APN/"  # what HashiCorp's programs begin their user agent with
SERVICES = {"monitoring": "cloudwatch"}  # where the signature's name isn't the permission's
# Those that take no permission:
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
FREE = {"sts:GetCallerIdentity"}

# S3 Control's calls about tags:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_TagResource.html
TAGS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
BUCKET = {"HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
PARTS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "logging": "BucketLogging",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}


def unallowed(site: Site) -> set[str]:
    """Of Terraform's calls, what preflight's policy for the site's stack does not allow."""
    document = json.loads((site.stack_folder / "cdk.tf.json").read_text(encoding="utf-8"))
    naming = NamingModule(site.name, site.config.region, SUFFIX, site.config.account_id)
    needs = needs_of(Stack.read(document), site.config, naming, "123456789012")
    return by_terraform(site.emulator.log) - {need.action for need in needs}


def by_terraform(log: Path) -> set[str]:
    """Of all calls that Terraform made."""
    found: set[str] = set()
    for line in log.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        if call["agent"].startswith(TERRAFORM):
            found |= _permissions(call["service"], call["action"], call["subresources"])
    return found - FREE


def _permissions(service: str, action: str, subresources: list[str]) -> set[str]:
    if service != "s3":
        return {f"{SERVICES.get(service, service)}:{action}"}
    verb, _, path = action.partition(" ")
    if path.startswith("/v20180820/tags/"):
        return {f"s3:{TAGS[verb]}"}
    if not subresources:
        return {f"s3:{BUCKET[verb]}"}
    (part,) = subresources
    if part == "versions":
        return {"s3:ListBucketVersions"}
    if part == "delete":
        return {"s3:DeleteObject", "s3:DeleteObjectVersion"}
    # What is taken away is put back to what it was: only a policy is deleted.
    kind = "Delete" if (verb, part) == ("DELETE", "policy") else "Get" if verb == "GET" else "Put"
    return {f"s3:{kind}{PARTS[part]}"}
