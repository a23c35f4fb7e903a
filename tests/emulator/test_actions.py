"""The emulator answers each operation that provider 6.25 asks for the types of TAP's stacks.

Over the whole of ``ops/preflight/actions.toml``, with boto3: an error of the service, such as "not
found", is an answer; that the emulator lacks the call, or fails in it, is none.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from ops.emulator import Emulator
from ops.preflight import needs

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE = f"{REGION}:{ACCOUNT}"
KEY = "0123abcd-12ab-34cd-56ef-1234567890ab"
ACL = f"arn:aws:wafv2:{HERE}:regional/webacl/acl/{KEY}"
LISTENER = f"arn:aws:elasticloadbalancing:{HERE}:listener/app/lb/0123456789abcdef/0123456789abcdef"
TOPIC = f"arn:aws:sns:{HERE}:topic"

# What boto3 calls a service, and an operation, where IAM's name for the permission differs.
CLIENTS = {"elasticloadbalancing": "elbv2"}
S3 = {
    "DeleteObjectVersion": "DeleteObject",
    "GetAccelerateConfiguration": "GetBucketAccelerateConfiguration",
    "GetBucketCORS": "GetBucketCors",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "GetBucketObjectLockConfiguration": "GetObjectLockConfiguration",
    "GetBucketPublicAccessBlock": "GetPublicAccessBlock",
    "GetEncryptionConfiguration": "GetBucketEncryption",
    "GetLifecycleConfiguration": "GetBucketLifecycleConfiguration",
    "GetReplicationConfiguration": "GetBucketReplication",
    "ListBucket": "HeadBucket",
    "ListBucketVersions": "ListObjectVersions",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "PutBucketPublicAccessBlock": "PutPublicAccessBlock",
    "PutEncryptionConfiguration": "PutBucketEncryption",
    "PutLifecycleConfiguration": "PutBucketLifecycleConfiguration",
}
S3_CONTROL = {"ListTagsForResource", "TagResource", "UntagResource"}
KMS = {"ReEncryptFrom": "ReEncrypt", "ReEncryptTo": "ReEncrypt"}
# Permissions without an operation: AWS asks for them when another is called.
NO_OPERATION = {
    "elasticloadbalancing:SetWebAcl",
    "iam:PassRole",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
}
# Where the least that an SDK lets through is less than AWS takes.
SENT: dict[str, dict[str, Any]] = {
    "dynamodb:CreateTable": {
        "TableName": "table",
        "AttributeDefinitions": [{"AttributeName": "LockID", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
    "ec2:ModifySecurityGroupRules": {
        "SecurityGroupRules": [
            {
                "SecurityGroupRuleId": "sgr-0123456789abcdef0",
                "SecurityGroupRule": {"IpProtocol": "tcp"},
            }
        ]
    },
    "ecs:TagResource": {"tags": [{"key": "a", "value": "1"}]},
    "elasticloadbalancing:ModifyListenerAttributes": {
        "Attributes": [{"Key": "routing.http.response.server.enabled", "Value": "false"}]
    },
    "iam:CreateServiceLinkedRole": {"AWSServiceName": "ecs.amazonaws.com"},
    "kms:CreateGrant": {"KeyId": "alias/aws/rds"},
    "s3:PutLifecycleConfiguration": {
        "LifecycleConfiguration": {
            "Rules": [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]
        }
    },
    "secretsmanager:TagResource": {"Tags": [{"Key": "a", "Value": "1"}]},
    "wafv2:ListTagsForResource": {"ResourceARN": ACL},
    "wafv2:TagResource": {"ResourceARN": ACL},
    "wafv2:UntagResource": {"ResourceARN": ACL},
}


@pytest.fixture(scope="module", name="clients")
def _clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = tmp_path_factory.mktemp("emulator") / "log"
    with Emulator(log, os.environ) as emulator:
        # As Terraform reaches S3 Control; all else would do without.
        asked = Config(
            retries={"total_max_attempts": 1},
            proxies={"http": emulator.environ(REGION)["HTTP_PROXY"]},
        )
        session = emulator.session(REGION)
        made: dict[str, Any] = {}
        yield lambda name: made.setdefault(name, session.client(name, config=asked))


def unanswered(clients: Any, action: str) -> str | None:
    """What is wrong with the answer to an action's operation, if anything is."""
    service, name = action.split(":")
    client, operation = clients(CLIENTS.get(service, service)), name
    if service == "s3":
        client = clients("s3control" if name in S3_CONTROL else "s3")
        operation = S3.get(name, name)
    elif service == "kms":
        operation = KMS.get(name, name)
    shape = client.meta.service_model.operation_model(operation).input_shape
    parameters = {**(_least(shape, "") if shape else {}), **SENT.get(action, {})}
    try:
        getattr(client, xform_name(operation))(**parameters)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= 500:
            return f"{status} {error}"
    return None


def _least(shape: Any, name: str) -> Any:
    """The least that an SDK lets through."""
    kind = shape.type_name
    if kind == "structure":
        members = shape.members
        return {member: _least(members[member], member) for member in shape.required_members}
    if kind == "list":
        return [_least(shape.member, name)]
    if kind == "map":
        return {}
    if kind == "string":
        known: dict[str, Any] = dict(shape.metadata)
        text = next(iter(known.get("enum", ())), _text(name))
        return text.ljust(known.get("min", 0), "x")
    return {"boolean": True, "blob": b"x", "float": 1.0, "double": 1.0}.get(kind, 1)


def _text(name: str) -> str:
    return {
        "AccountId": ACCOUNT,
        "Bucket": "bucket",
        "ListenerArn": LISTENER,
        "NatGatewayId": "nat-0123456789abcdef0",
        "ResourceArn": "arn:aws:s3:::bucket",
        "TopicArn": TOPIC,
        "Key": "key",
    }.get(name, "something-else")


def test_each_operation_of_the_table_is_answered(clients: Any) -> None:
    actions = sorted(set().union(*needs.actions().values()) - NO_OPERATION)
    assert len(actions) > 200
    answers = {action: unanswered(clients, action) for action in actions}
    assert {action: said for action, said in answers.items() if said} == {}


def test_one_that_is_not_answered_is_noticed(clients: Any) -> None:
    """The walk can fail."""
    said = unanswered(clients, "ecs:StopServiceDeployment")
    assert said and "the emulator does not have ecs StopServiceDeployment" in said


def test_what_has_no_operation_is_in_the_table(clients: Any) -> None:
    assert NO_OPERATION <= set().union(*needs.actions().values())
    for action in NO_OPERATION:
        service, name = action.split(":")
        model = clients(CLIENTS.get(service, service)).meta.service_model
        assert name not in model.operation_names


def test_a_bucket_s_tags_go_through_s3_control(clients: Any) -> None:
    tags = [{"Key": "Environment", "Value": "dev"}]
    clients("s3").create_bucket(Bucket="tagged", CreateBucketConfiguration={"Tags": tags})
    bucket = {"AccountId": ACCOUNT, "ResourceArn": "arn:aws:s3:::tagged"}
    assert clients("s3control").list_tags_for_resource(**bucket)["Tags"] == tags
    clients("s3control").untag_resource(**bucket, TagKeys=["Environment"])
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        clients("s3").get_bucket_tagging(Bucket="tagged")
