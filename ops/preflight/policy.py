"""The smallest IAM policy that lets a role deploy a stack: ``ops preflight --policy``.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from ops.checkup import Subject
from ops.preflight.needs import ANY, Need, needs_of

# Characters of a managed policy, white space not counted:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_MAX = 6144
ARN_KEYS = {"iam:PolicyARN"}  # of conditions; the others are compared as text

Document = Mapping[str, Any]


def show(subjects: Iterable[Subject], output: TextIO, notes: TextIO) -> int:
    """Write each environment's policy, by the name of its documents; AWS is asked nothing."""
    found = {}
    for subject in subjects:
        account = subject.config.account_id or ANY
        made = documents(needs_of(subject.stack, subject.config, subject.naming, account))
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


def documents(needs: Iterable[Need], limit: int = MANAGED_POLICY_MAX) -> list[Document]:
    """The policy, in as many documents as its length takes; the same for the same needs.

    A statement that is too long for one is cut between its actions.
    """
    made: list[list[Document]] = [[]]
    for statement in statements(needs):
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


def _condition(context: Iterable[tuple[str, str]]) -> Document:
    return {
        "ArnEquals" if key in ARN_KEYS else "StringEquals": {key: value} for key, value in context
    }


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
