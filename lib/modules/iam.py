"""Roles of AWS's services, and policies as JSON text: a reviewer and a policy checker read them.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Mapping
from typing import Any

from cdktf_cdktf_provider_aws.iam_role import IamRole
from constructs import Construct

from lib.config import aws_limits
from lib.modules.naming import NamingModule
from lib.modules.outputs import AccountOutputs


def policy_document(*statements: Mapping[str, Any]) -> str:
    """A policy of these statements, each in IAM's own words (``Action``, ``Resource``, ...)."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(*actions: str, on: str | list[str]) -> dict[str, Any]:
    """A statement that allows the actions on the resource or resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def service_role(
    scope: Construct,
    id_: str,
    *,
    word: str,
    service: str,
    naming: NamingModule,
    account: AccountOutputs,
) -> IamRole:
    """A role that an AWS service (``ecs-tasks.amazonaws.com``) takes, for this account alone.

    Without the condition another account could make the service use the role for it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return IamRole(
        scope,
        id_,
        name=naming.generate_name(word, limit=aws_limits.IAM_ROLE_NAME_MAX),
        permissions_boundary=account.permissions_boundary_arn,
        assume_role_policy=policy_document(
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account.account_id}},
            }
        ),
    )
