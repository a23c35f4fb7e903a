"""Whether whoever deploys may do all that the deploy needs, by IAM's own policy simulator.

It reads the principal's policies, its permissions boundary and the organization's policies; not
those of resources, sessions and VPC endpoints.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import code_of
from ops.checkup import (
    Check,
    Finding,
    Subject,
    denied,
    failed,
    not_shown,
    passed,
    warning,
)
from ops.preflight.needs import ABSENT, Need, needs_of

PAIRS = 200  # of an action and a resource, that one call asks about

ASSUMED = re.compile(r"arn:[\w-]+:sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
FEDERATED = re.compile(r"arn:[\w-]+:sts::\d{12}:federated-user/.+")
ROOT = re.compile(r"arn:[\w-]+:iam::\d{12}:root")
# What signs in through IAM Identity Center is below a path that names a region or none.
SINGLE_SIGN_ON = "AWSReservedSSO_"

ALLOWED, EXPLICIT = "allowed", "explicitDeny"
NEEDED = "all that the deploy does allowed"
POLICY = "attach what ops preflight --policy prints"
# Why something is denied, and what mends it.
NOBODY_ALLOWS = "no policy allows it"
A_STATEMENT = "a statement denies it"
BOUNDARY = "the permissions boundary does not allow it"
ORGANIZATION = "the organization's policies do not allow it"
FIXES = {
    NOBODY_ALLOWS: POLICY,
    A_STATEMENT: "change that statement: no other can overrule it",
    BOUNDARY: "add it to the boundary, a managed policy of the account",
    ORGANIZATION: "ask whoever runs the organization: its service control policies decide",
}


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """One call: each of the actions on each of the resources, under these conditions."""

    resources: tuple[str, ...]
    actions: tuple[str, ...]
    context: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Answers:
    """What the simulator says: why, what and on what; ``unknown`` are keys that it lacks."""

    denials: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    undecided: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)

    def add(self, result: Mapping[str, Any]) -> None:
        """Take in the answer for an action."""
        for each in result.get("ResourceSpecificResults") or [result]:
            resource = each["EvalResourceName"]
            decision = each.get("EvalResourceDecision") or each["EvalDecision"]
            self.pairs.add((result["EvalActionName"], resource))
            missing = {
                *(each.get("MissingContextValues") or ()),
                *(result.get("MissingContextValues") or ()),
            }
            if decision == ALLOWED:
                self.unknown |= missing
            elif missing:
                text = ", ".join(sorted(missing))
                self.undecided[text].add(f"{result['EvalActionName']} on {resource}")
            else:
                why = _why(result, each, decision)
                self.denials[why, result["EvalActionName"]].add(resource)


def checks(deploy_role: str | None = None) -> tuple[Check, ...]:
    """Of ``deploy_role``, where it isn't whoever asks that deploys."""
    return (Check("permissions", lambda subject: look(subject, deploy_role)),)


def look(subject: Subject, deploy_role: str | None = None) -> Iterator[Finding]:
    """Ask for each action on each resource."""
    identity = subject.client("sts").get_caller_identity()
    principal = deploy_role or subject.config.deploy_role_arn or identity["Arn"]
    if ROOT.fullmatch(principal):
        yield warning(
            f"{principal} may do all, and nothing limits it",
            "a role that may deploy, and no more",
            f"make a role, {POLICY}, and lock root's keys away",
        )
        return
    if FEDERATED.fullmatch(principal):
        yield not_shown(
            f"{principal} is a federated user, which IAM does not simulate",
            "a role or a user",
            "assume a role to deploy",
        )
        return
    certain = True
    if assumed := ASSUMED.fullmatch(principal):
        principal, certain = _role(subject, principal, assumed["role"])
        if not certain and assumed["role"].startswith(SINGLE_SIGN_ON):
            yield _no_path(assumed["role"])
            return
    needs = needs_of(subject.stack, subject.config, subject.naming, identity["Account"])
    try:
        answers = simulate(subject, principal, needs)
    except ClientError as error:
        yield _refused(error, principal, certain)
        return
    yield from _findings(answers, principal, needs)


def simulate(subject: Subject, principal: str, needs: Iterable[Need]) -> Answers:
    """Put the questions to IAM."""
    answers = Answers()
    for question in questions(needs):
        for result in subject.ask(
            "iam",
            "simulate_principal_policy",
            "EvaluationResults",
            **arguments(subject, principal, question),
        ):
            answers.add(result)
    return answers


def questions(needs: Iterable[Need]) -> list[Question]:
    """As few as there are sets of resources and conditions, each within a call's size."""
    resources = defaultdict(set)
    for need in needs:
        resources[need.action, need.context].add(need.on.example)
    actions = defaultdict(set)
    for (action, context), examples in resources.items():
        actions[tuple(sorted(examples)), context].add(action)
    found = []
    for (examples, context), names in sorted(actions.items()):
        ordered, size = sorted(names), max(1, PAIRS // len(examples))
        for start in range(0, len(ordered), size):
            found.append(Question(examples, tuple(ordered[start : start + size]), context))
    return found


def arguments(subject: Subject, principal: str, question: Question) -> dict[str, Any]:
    """What the call is given: also what policies ask of a request that Terraform makes."""
    tags = subject.stack.tags
    known = {
        "aws:PrincipalArn": principal,
        "aws:PrincipalAccount": principal.split(":")[4],
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        **{f"aws:ResourceTag/{key}": value for key, value in tags.items()},
        **dict(question.context),
    }
    known = {key: value for key, value in known.items() if value != ABSENT}
    # IAM is asked in one region of each partition.
    if not question.actions[0].startswith("iam:"):
        known["aws:RequestedRegion"] = subject.config.region
    elif subject.partition == "aws":
        known["aws:RequestedRegion"] = "us-east-1"
    entries = [_entry(key, "string", [value]) for key, value in sorted(known.items())]
    entries.append(_entry("aws:SecureTransport", "boolean", ["true"]))
    entries.append(_entry("aws:TagKeys", "stringList", sorted(tags)))
    entries.append(_entry("aws:ViaAWSService", "boolean", ["false"]))
    return {
        "PolicySourceArn": principal,
        "ActionNames": list(question.actions),
        "ResourceArns": list(question.resources),
        "ContextEntries": entries,
    }


def _entry(key: str, type_: str, values: list[str]) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyType": type_, "ContextKeyValues": values}


def _role(subject: Subject, principal: str, name: str) -> tuple[str, bool]:
    """The role's ARN, and whether it is certain: who assumed a role is called without its path."""
    try:
        return subject.client("iam").get_role(RoleName=name)["Role"]["Arn"], True
    except ClientError as error:
        if not denied(error):
            raise
    partition, account = principal.split(":")[1], principal.split(":")[4]
    return f"arn:{partition}:iam::{account}:role/{name}", False


def _no_path(role: str) -> Finding:
    return not_shown(
        f"the path of the role {role} is not known: iam:GetRole is denied",
        f"iam:GetRole on {role}",
        "let the role ask for itself, or name it with --deploy-role",
    )


def _refused(error: ClientError, principal: str, certain: bool) -> Finding:
    """What IAM said instead of an answer. Raises what isn't about the principal."""
    if denied(error):
        return failed(
            f"iam:SimulatePrincipalPolicy is denied: {error.response['Error'].get('Message', '')}",
            "iam:SimulatePrincipalPolicy allowed to whoever runs preflight",
            f"allow iam:SimulatePrincipalPolicy and iam:GetRole on {principal}",
        )
    if code_of(error) != "NoSuchEntity":
        raise error
    if not certain:
        return _no_path(principal.rpartition("/")[2])
    return failed(
        f"there is no {principal} in this account",
        "the role that deploys",
        "make it, or name another: deploy_role_arn in the config, --deploy-role here",
    )


def _why(result: Mapping[str, Any], each: Mapping[str, Any], decision: str) -> str:
    boundary = each.get("PermissionsBoundaryDecisionDetail") or result.get(
        "PermissionsBoundaryDecisionDetail", {}
    )
    organization = result.get("OrganizationsDecisionDetail", {})
    if not organization.get("AllowedByOrganizations", True):
        return ORGANIZATION
    if not boundary.get("AllowedByPermissionsBoundary", True):
        return BOUNDARY
    if decision != EXPLICIT:
        return NOBODY_ALLOWS
    policies = {
        statement["SourcePolicyId"]
        for statement in each.get("MatchedStatements") or result.get("MatchedStatements") or ()
        if "SourcePolicyId" in statement
    }
    return f"{A_STATEMENT} ({', '.join(sorted(policies))})" if policies else A_STATEMENT


def _findings(answers: Answers, principal: str, needs: Iterable[Need]) -> Iterator[Finding]:
    together = defaultdict(list)
    for (why, action), resources in answers.denials.items():
        together[why, action.split(":")[0], tuple(sorted(resources))].append(action)
    for (why, _, resources), actions in sorted(together.items()):
        names, on = ", ".join(sorted(actions)), ", ".join(resources)
        yield failed(f"{names} on {on}: {why}", NEEDED, FIXES[why.split(" (")[0]])
    for keys, pairs in sorted(answers.undecided.items()):
        yield not_shown(
            f"{', '.join(sorted(pairs))}: denied, unless a condition on {keys} is met",
            NEEDED,
            "the deploy will show it; a policy without that condition shows it here",
        )
    if answers.unknown:
        keys = ", ".join(sorted(answers.unknown))
        yield not_shown(
            f"what is allowed may be denied by a condition on {keys}, which is not known here",
            NEEDED,
            "see whether the policies of the principal deny by it",
        )
    asked = {(need.action, need.on.example) for need in needs}
    if lost := asked - answers.pairs:
        text = ", ".join(f"{action} on {resource}" for action, resource in sorted(lost))
        yield not_shown(f"IAM did not answer for {text}", "an answer", "try again")
    if not (answers.denials or answers.undecided or lost):
        actions, resources = ({pair[part] for pair in asked} for part in (0, 1))
        yield passed(f"{principal}: {len(actions)} actions on {len(resources)} resources allowed")
