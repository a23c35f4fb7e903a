"""IAM policy documents as JSON text, so that a reviewer and a policy checker can read them.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections.abc import Mapping
from typing import Any


def policy_document(*statements: Mapping[str, Any]) -> str:
    """A policy of these statements, each in IAM's own words (``Action``, ``Resource``, ...)."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(*actions: str, on: str | list[str]) -> dict[str, Any]:
    """A statement that allows the actions on the resource or resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def assume_role_policy(service: str, *, account_id: str) -> str:
    """Lets an AWS service (``ecs-tasks.amazonaws.com``) take a role, for this account alone.

    Without the condition another account could make the service use the role for it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return policy_document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        }
    )
