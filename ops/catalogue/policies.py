"""What a policy's document opens, as a set of words that two documents can be compared by.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ops.catalogue.rules import UNREADABLE
from ops.catalogue.values import Tree, Unknown

Statement = Mapping[str, Any]
Openings = Callable[[Tree], Iterator[str]]
# Actions that IAM grants on every resource or not at all.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
_WITHOUT_RESOURCE = re.compile(
    r"(ecr:GetAuthorizationToken|cloudwatch:PutMetricData|ssmmessages:\w+"
    r"|xray:(Put|Get)\w+|ec2:Describe\w+|sts:GetCallerIdentity|rds:Describe\w+)"
)
# Every resource, or every one of an account's of a kind; a bucket's ARN has no account.
_EVERY = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:(\*|[^:]+:(\*|[\w-]+[/:]\*)|:\*)")
_BROAD = re.compile(r".*:policy/(AdministratorAccess|PowerUserAccess|IAMFullAccess|\w*FullAccess)")


def granting(attribute: str) -> Openings:
    """What a policy of an identity grants beyond single actions on single resources."""

    def openings(values: Tree) -> Iterator[str]:
        for statement in _allowing(values, attribute):
            if isinstance(statement, str):
                yield statement
                continue
            for name in {"NotAction", "NotResource"} & set(statement):
                yield f"all but {name} {json.dumps(statement[name])}"
            every = any(_EVERY.fullmatch(each) for each in _listed(statement.get("Resource")))
            for action in _listed(statement.get("Action")):
                if action == "*" or action.endswith(":*"):
                    yield f"{action} on everything" if every else action
                elif every and not (statement.get("Condition") or _without_resource(action)):
                    yield f"{action} on everything"

    return openings


def trusting(attribute: str) -> Openings:
    """Who may use what a policy is of, but for AWS's own services."""

    def openings(values: Tree) -> Iterator[str]:
        for statement in _allowing(values, attribute):
            if isinstance(statement, str):
                yield statement
                continue
            free = "" if statement.get("Condition") else " without a condition"
            if "NotPrincipal" in statement:
                yield f"it to all but {json.dumps(statement['NotPrincipal'])}"
            for kind, names in _principals(statement):
                for name in names:
                    if kind != "Service":
                        yield f"it to {'everybody' if name == '*' else name}{free}"

    return openings


def trusting_everybody(attribute: str) -> Openings:
    """The same, but only whether anybody at all may."""

    def openings(values: Tree) -> Iterator[str]:
        for opening in trusting(attribute)(values):
            if opening == "it to everybody without a condition":
                yield opening

    return openings


def unconditional_services(attribute: str) -> Openings:
    """The services of AWS that may use it on behalf of any account."""

    def openings(values: Tree) -> Iterator[str]:
        for statement in _allowing(values, attribute):
            if not isinstance(statement, str) and not statement.get("Condition"):
                for kind, names in _principals(statement):
                    yield from (
                        f"it to {n} without a condition" for n in names if kind == "Service"
                    )

    return openings


def not_denied(attribute: str) -> Openings:
    """What a policy refuses to everybody, for ``Closed``."""

    def openings(values: Tree) -> Iterator[str]:
        for statement in _statements(values, attribute):
            if not isinstance(statement, str) and statement.get("Effect") == "Deny":
                when = json.dumps(statement.get("Condition", {}), sort_keys=True)
                yield f"{', '.join(_listed(statement.get('Action')))} when {when}"

    return openings


def broad_policies(values: Tree) -> Iterator[str]:
    """A policy of AWS's own that grants a whole service, or all of them."""
    arn = values.get("policy_arn")
    if isinstance(arn, str) and _BROAD.fullmatch(arn):
        yield arn.rpartition("/")[2]


def _without_resource(action: str) -> bool:
    return _WITHOUT_RESOURCE.fullmatch(action) is not None


def _allowing(values: Tree, attribute: str) -> Iterator[Statement | str]:
    for statement in _statements(values, attribute):
        if isinstance(statement, str) or statement.get("Effect") == "Allow":
            yield statement


def _statements(values: Tree, attribute: str) -> Iterator[Statement | str]:
    """The statements; of a document that cannot be read, what stands there."""
    text = values.get(attribute)
    if isinstance(text, Unknown):
        text = text.template or UNREADABLE
    if not text:
        return
    try:
        statements = json.loads(text)["Statement"]
    except (ValueError, TypeError, KeyError):
        yield str(text)
    else:
        yield from _listed(statements)


def _principals(statement: Statement) -> Iterator[tuple[str, list[str]]]:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        yield "AWS", [principal]
    else:
        yield from ((kind, _listed(names)) for kind, names in principal.items())


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
