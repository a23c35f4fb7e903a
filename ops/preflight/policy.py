"""The smallest IAM policies that let a role deploy a stack, tear it down, or read it for a plan:
``ops preflight --policy``.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TextIO

from ops.checkup import Subject
from ops.preflight.needs import ABSENT, ANY, Context, Need, boundaries, needs_of, reading

# Characters of a managed policy, white space not counted:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_MAX = 6144
ARN_KEYS = {"iam:PolicyARN"}  # of conditions; the others are compared as text
# What would take a boundary off a role, or make it another.
UNBOUND = ["iam:DeleteRolePermissionsBoundary"]
REWRITE = [
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
]

Document = Mapping[str, Any]


class Purpose(StrEnum):
    """What the role is for."""

    DEPLOY = "deploy"
    TEARDOWN = "teardown"
    READ = "read"


def show(subjects: Iterable[Subject], purpose: Purpose, output: TextIO, notes: TextIO) -> int:
    """Write each environment's policy, by the name of its documents; AWS is asked nothing."""
    found = {}
    for subject in subjects:
        account = subject.config.account_id or ANY
        made = policies(subject, purpose, account)
        for number, document in enumerate(made, start=1):
            found[f"{subject.stack.id}-{number}"] = document
        if len(made) > 1:
            say = f"{len(made)} policies, to be attached together: one holds {MANAGED_POLICY_MAX}"
            print(f"tap: {subject.stack.id}: {say} characters", file=notes)
        if account == ANY:
            say = "for any account: account_id in the config names one"
            print(f"tap: {subject.stack.id}: {say}", file=notes)
    print(json.dumps(found, indent=2), file=output)
    return 0


def policies(subject: Subject, purpose: Purpose, account: str) -> list[Document]:
    """The documents of one environment."""
    stack, config = subject.stack, subject.config
    teardown = purpose is Purpose.TEARDOWN
    needs = needs_of(stack, config, subject.naming, account, teardown=teardown)
    if purpose is Purpose.READ:
        return documents(reading(needs, config.region))
    return documents(needs, denied=denials(boundaries(stack), account))


def denials(bounds: Iterable[str], account: str) -> list[Document]:
    """What no other policy of the role can allow it, where the stack's roles have a boundary."""
    return [
        {"Effect": "Deny", "Action": names, "Resource": [resource]}
        for boundary in bounds
        for names, resource in (
            (UNBOUND, f"arn:{boundary.split(':')[1]}:iam::{account}:role/*"),
            (REWRITE, boundary),
        )
    ]


def documents(
    needs: Iterable[Need], limit: int = MANAGED_POLICY_MAX, *, denied: Iterable[Document] = ()
) -> list[Document]:
    """The policy, in as many documents as its length takes; the same for the same needs.

    A statement that is too long for one is cut between its actions.
    """
    made: list[list[Document]] = [[]]
    for statement in (*denied, *statements(needs)):
        for part in _parts(statement, limit):
            if length(_document([*made[-1], part])) > limit:
                made.append([])
            made[-1].append(part)
    return [_document(each) for each in made if each]


def length(document: Document) -> int:
    """As IAM counts it."""
    return len(json.dumps(document, separators=(",", ":")))


def statements(needs: Iterable[Need]) -> list[Document]:
    """Actions on the same resources, under the same conditions, go together."""
    resources = defaultdict(set)
    for need in needs:
        resources[need.action, need.context].add(need.on.pattern)
    actions = defaultdict(set)
    for (action, context), patterns in resources.items():
        actions[tuple(sorted(patterns)), context].add(action)
    return [
        {
            "Effect": "Allow",
            "Action": sorted(names),
            "Resource": list(patterns),
            **({"Condition": _condition(context)} if context else {}),
        }
        for (patterns, context), names in sorted(actions.items())
    ]


def _condition(context: Context) -> Document:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for key, value in context:
        if value == ABSENT:
            found["Null"][key] = "true"
        else:
            found["ArnEquals" if key in ARN_KEYS else "StringEquals"][key] = value
    return dict(found)


def _parts(statement: Document, limit: int) -> Iterable[Document]:
    if length(_document([statement])) <= limit or len(statement["Action"]) == 1:
        return [statement]
    half = len(statement["Action"]) // 2
    return [
        part
        for names in (statement["Action"][:half], statement["Action"][half:])
        for part in _parts({**statement, "Action": names}, limit)
    ]


def _document(made: Iterable[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(made)}
