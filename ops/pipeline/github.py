"""GitHub's side: environments, their protection and their variables, as a script for ``gh``.

https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lib.errors import TapError

# How long the deploy role's credentials last, 12 hours at most: the job that applies ends before.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html
MAX_SESSION = timedelta(hours=3)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the workflows are, and the branch that may deploy."""

    owner: str
    name: str
    branch: str

    @classmethod
    def named(cls, text: str, branch: str) -> "Repository":
        """From ``owner/name``. Raises ``TapError``."""
        if not NAME.fullmatch(text):
            raise TapError(f"{text!r} is no repository", hint="write --repository owner/name")
        owner, _, name = text.partition("/")
        return cls(owner, name, branch)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True, slots=True)
class Environment:
    """One of GitHub's environments."""

    name: str
    variables: Mapping[str, str]
    branch: str | None  # the only one that may use it; None for any
    asks: bool = False  # for an approval
    password: bool = False  # whether it holds DB_PASSWORD


def script(
    repository: Repository,
    environments: Sequence[Environment],
    suffix: str,
    reviewers: Sequence[str],
) -> str:
    """A shell script that makes them. To run it again changes nothing."""
    lines = [
        "#!/usr/bin/env bash",
        "# Needs gh (https://cli.github.com), signed in as an administrator of the repository.",
        "set -euo pipefail",
        f"repository={shlex.quote(str(repository))}",
        "",
        "reviewer() { # a user, or a team as organization/team",
        "  local type=User place=users/$1",
        "  [[ $1 != */* ]] || type=Team place=orgs/${1%/*}/teams/${1#*/}",
        """  printf '{"type": "%s", "id": %s}' "$type" "$(gh api "$place" --jq .id)\"""",
        "}",
    ]
    for environment in environments:
        lines += ["", *_environment(environment, reviewers)]
    lines += [
        "",
        "# Last: it turns on what needs the account.",
        f'gh variable set ENVIRONMENT_SUFFIX --repo "$repository" --body {shlex.quote(suffix)}',
        "",
    ]
    return "\n".join(lines)


def _environment(environment: Environment, reviewers: Sequence[str]) -> Iterator[str]:
    name = environment.name
    place = f'"repos/$repository/environments/{name}'
    body: dict[str, Any] = {}
    if environment.branch:
        body["deployment_branch_policy"] = {
            "protected_branches": False,
            "custom_branch_policies": True,
        }
    if environment.asks:
        body["prevent_self_review"] = True
        asked = ", ".join(f"$(reviewer {shlex.quote(each)})" for each in reviewers)
        text = json.dumps(body)[:-1] + f', "reviewers": [{asked}]}}'
    else:
        text = json.dumps(body)
    yield f"echo {name}"
    yield f'gh api --method PUT {place}" --silent --input - <<JSON'
    yield text
    yield "JSON"
    if environment.branch:
        branch = shlex.quote(environment.branch)
        policies = f'{place}/deployment-branch-policies"'
        yield f"gh api {policies} --jq '.branch_policies[].name' | grep -qxF -- {branch} ||"
        yield f"  gh api --method POST {policies} --silent --raw-field name={branch}"
    for variable, value in environment.variables.items():
        yield (
            f'gh variable set {variable} --repo "$repository" --env {name} '
            f"--body {shlex.quote(value)}"
        )
    if environment.password:
        yield f'gh secret set DB_PASSWORD --repo "$repository" --env {name} # asks for it'


def listed(environments: Sequence[Environment], suffix: str, reviewers: Sequence[str]) -> list[str]:
    """The same for people, who find it below Settings, Environments."""
    lines = []
    for environment in environments:
        lines.append(f"environment {environment.name}")
        branch = environment.branch
        lines.append(f"  deployment branches: {f'{branch} alone' if branch else 'no restriction'}")
        if environment.asks:
            lines.append(f"  required reviewers: {', '.join(reviewers)}; prevent self-review")
        lines += [f"  variable {name}: {value}" for name, value in environment.variables.items()]
        if environment.password:
            lines.append("  secret DB_PASSWORD")
    return [
        *lines,
        f"repository variable ENVIRONMENT_SUFFIX: {suffix} (last: it turns the rest on)",
    ]
