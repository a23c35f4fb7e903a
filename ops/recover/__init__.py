"""Gives Terraform back what it made and forgot: the second half of ``ops recover``.

Terraform notes a resource when it is made. Killed before that (``kill -9``, a machine that went
away) it leaves something in AWS that its state lacks: the next deploy fails on the name, or makes a
second one of what has no name. This looks for each resource of the synthesized stack that the state
lacks, by name where a name is unique and by the stack's tags elsewhere, and adopts what it finds by
Terraform's own import. It deletes nothing and does not guess: of two that could be meant, it names
both. What it cannot see is what the stack no longer names.

https://developer.hashicorp.com/terraform/language/import
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3

from lib.errors import Problem
from ops import aws, graceful
from ops.recover.imports import Importer
from ops.recover.kinds import KINDS
from ops.recover.stack import OWNER_TAGS, Stack
from ops.recover.survey import leftover, settled
from ops.terraform.folders import STACK
from ops.terraform.process import LOCK_TIMEOUT, Terraform

HINT = "recover needs to read what the deploy makes; then run it again"
EVERYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of it. ``adopted`` and ``untainted`` are ids by address; ``problems`` are what a
    person has to see to, with nothing adopted where they stand in its way."""

    stack: str
    resources: int
    known: int  # to the state, before
    adopted: Mapping[str, str]
    untainted: Mapping[str, str]
    to_make: Sequence[str]
    problems: Sequence[Problem]
    dry_run: bool

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"{self.stack}: the state knows {self.known} of {self.resources} resources"
        for verb, entries in (("adopted", self.adopted), ("untainted", self.untainted)):
            for address, id_ in entries.items():
                yield f"  {verb:9}  {address}  {id_}"
        for problem in self.problems:
            yield f"  problem    {problem}"
        count = f"{len(self.adopted)} adopted, {len(self.untainted)} untainted"
        if self.dry_run:
            yield f"{self.stack}: a dry run, nothing was changed: would be {count}"
        else:
            left = f"{len(self.to_make)} to make: npm run cdktf:deploy" if self.to_make else ""
            yield f"{self.stack}: {count}{left and f', {left}'}"


def recover(
    running: Terraform,
    session: boto3.Session,
    *,
    dry_run: bool = False,
    tell: Callable[[str], None] = graceful.say,
) -> Report:
    """Adopt what the stack has in AWS and lacks in its state.

    ``running`` is initialised, in a folder with the synthesized stack. Call it in the main thread.
    Raises ``TapError`` where Terraform or AWS refuse to work.
    """
    document = json.loads((running.folder / STACK).read_text(encoding="utf-8"))
    name = running.folder.name.partition("@")[0]
    terraform = Importer(running)
    stack = Stack(document, json.loads(running.read("state", "pull") or "{}"), session)
    with aws.told(hint=HINT):
        survey = settled(stack, tell)
    imports = {address: thing.id for address, thing in survey.adopt.items()}
    untaint = {address: thing.id for address, thing in survey.untaint.items()}
    problems = [*survey.problems]
    if problems:
        imports, untaint = {}, {}
    if not dry_run:
        for address in untaint:
            running.run("untaint", LOCK_TIMEOUT, address)
    if imports:
        tell(f"{name}: {len(imports)} found, Terraform looks at them")
        imports, found = _adopt(terraform, stack, imports, untainted=untaint, dry_run=dry_run)
        problems += found
    made = {*stack.known, *imports}
    return Report(
        stack=name,
        resources=len(stack.addresses),
        known=len(stack.known.keys() & stack.addresses.keys()),
        adopted=imports,
        untainted=untaint,
        to_make=[address for address in stack.addresses if address not in made],
        problems=[*problems, *survey.leftovers],
        dry_run=dry_run,
    )


def _adopt(
    terraform: Importer,
    stack: Stack,
    imports: dict[str, str],
    *,
    untainted: Mapping[str, str],
    dry_run: bool,
) -> tuple[dict[str, str], list[Problem]]:
    """Import what can be; returns that, and what a person has to see to.

    Terraform plans the imports alone, with what they depend on. It may complete what it finds half
    made; a plan that would replace or destroy anything is not applied.
    """
    leftovers: list[Problem] = []
    try:
        while imports:
            changes = terraform.plan(imports)
            unlike = {
                each["address"]
                for each in changes
                if "delete" in each["change"]["actions"]
                and each["address"] in imports
                and KINDS[each["type"]].if_same
            }
            if unlike:
                leftovers += (leftover(address, imports[address]) for address in unlike)
                imports = {key: id_ for key, id_ in imports.items() if key not in unlike}
                continue
            objections = list(_objections(changes, imports, stack.tags, untainted))
            if objections:
                return {}, objections + leftovers
            if not dry_run:
                with aws.told(hint=HINT):
                    _close_new_groups(stack, imports)
                terraform.apply()
            break
    finally:
        terraform.clean()
    return imports, leftovers


def _close_new_groups(stack: Stack, imports: Mapping[str, str]) -> None:
    """Revoke the rule that AWS gives each new group, to everywhere, as Terraform does next.

    A kill can come in between, and an import does not look at it.
    https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
    """
    client = stack.client("ec2")
    for address, group in imports.items():
        if address.startswith("aws_security_group."):
            pages = client.get_paginator("describe_security_group_rules").paginate(
                Filters=[{"Name": "group-id", "Values": [group]}]
            )
            given = [
                rule["SecurityGroupRuleId"]
                for page in pages
                for rule in page["SecurityGroupRules"]
                if rule["IsEgress"]
                and rule["IpProtocol"] == "-1"
                and EVERYWHERE & {rule.get("CidrIpv4"), rule.get("CidrIpv6")}
            ]
            if given:
                client.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=given)


def _objections(
    changes: Sequence[Mapping[str, Any]],
    imports: Mapping[str, str],
    tags: Mapping[str, str],
    untainted: Mapping[str, str],
) -> Iterator[Problem]:
    """Why a plan of imports must not be applied."""
    for each in changes:
        address, change = each["address"], each["change"]
        id_ = imports.get(address)
        if id_:
            theirs = (change["before"] or {}).get("tags_all") or {}
            other = {
                key: theirs[key] for key in OWNER_TAGS if theirs.get(key, tags[key]) != tags[key]
            }
            if other:
                told = ", ".join(f"{key}={value}" for key, value in other.items())
                yield Problem(
                    address,
                    f"{id_} has the name of this stack's, but is tagged {told}",
                    "it is somebody else's: choose another ENVIRONMENT_SUFFIX, or rename it",
                )
                continue
        if "delete" in change["actions"] and address not in untainted:
            paths = [".".join(map(str, path)) for path in change.get("replace_paths") or ()]
            why = f" ({', '.join(paths)})" if paths else ""
            if id_:
                yield Problem(
                    address,
                    f"{id_} differs so much from the config that Terraform would replace it{why}",
                    "recover with the config that made it, or delete it",
                )
            else:
                yield Problem(
                    address,
                    f"Terraform would also replace or destroy it{why}",
                    "deploy the config of the killed deploy first",
                )
