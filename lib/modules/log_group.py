"""A log group of CloudWatch Logs, as every part makes one.

Rules:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
"""

from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from constructs import Construct

from lib.modules.outputs import EncryptionOutputs
from lib.modules.waivers import waive

YEAR = 365  # days

LOG_STREAMS = "of one log group, any stream: their names are made up as they are written"


def log_group(
    scope: Construct, id_: str, *, name: str, retention_days: int, encryption: EncryptionOutputs
) -> CloudwatchLogGroup:
    """A log group that forgets, under the environment's key where it has one."""
    group = CloudwatchLogGroup(
        scope, id_, name=name, retention_in_days=retention_days, kms_key_id=encryption.key_arn
    )
    waive(
        group,
        "CKV_AWS_158",
        reason="encrypted with AWS's key; its own is for environments with real data",
        cost="$1 for the environment's key",
        when=encryption.key_arn is None,
    )
    waive(
        group,
        "CKV_AWS_338",
        reason="nothing is investigated here a year later",
        cost="$0.03 a GB",
        when=retention_days < YEAR,
    )
    return group
