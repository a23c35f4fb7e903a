"""The environment's own KMS key, where config asks for one.

Whoever may administer the account's IAM decides who uses it; beyond that, some of AWS's services
work with it on their own: CloudWatch Logs, and those that publish to the alarms' topic. What has to
outlive the environment is not encrypted with it: ``EncryptionConfig``.

Rules: https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from cdktf_cdktf_provider_aws.kms_alias import KmsAlias
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from constructs import Construct

from lib.config import aws_limits
from lib.config.environment_config import EncryptionConfig
from lib.modules.iam import policy_document
from lib.modules.naming import NamingModule
from lib.modules.outputs import AccountOutputs, EncryptionOutputs

NOTIFIERS = ("cloudwatch.amazonaws.com", "events.rds.amazonaws.com")  # to the alarms' topic


class EncryptionModule(Construct):
    """The key, under an alias that says whose it is; nothing without ``config.customer_key``."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: EncryptionConfig,
        naming: NamingModule,
        account: AccountOutputs,
    ) -> None:
        super().__init__(scope, id_)
        if not config.customer_key:
            self.outputs = EncryptionOutputs(key_arn=None)
            return
        name = naming.generate_simple_name("key", limit=aws_limits.KMS_ALIAS_MAX - len("alias/"))
        key = KmsKey(
            self,
            "key",
            description=f"{name}: logs, alarms, lock table, Performance Insights, given password",
            enable_key_rotation=True,
            deletion_window_in_days=config.deletion_days,
            policy=_policy(account),
            tags={"Name": name},
        )
        KmsAlias(self, "alias", name=f"alias/{name}", target_key_id=key.key_id)
        self.outputs = EncryptionOutputs(key_arn=key.arn)


def _policy(account: AccountOutputs) -> str:
    own = f"{account.region}:{account.account_id}"
    return policy_document(
        {
            # Without it nobody could use or delete the key:
            # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
            "Sid": "ByTheAccountsIam",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{account.partition}:iam::{account.account_id}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
            "Sid": "LogsOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{account.region}.{account.dns_suffix}"},
            "Action": [
                *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"),
                "kms:ReEncrypt*",
            ],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"arn:{account.partition}:logs:{own}:log-group:*"
                    )
                }
            },
        },
        {
            # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            "Sid": "AlarmsOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": list(NOTIFIERS)},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": account.account_id}},
        },
    )
