"""``ops pipeline bootstrap``: from an account and a repository to a pipeline that can run.

In the account it makes GitHub's identity provider and three roles for each environment, as a small
stack of its own, whose state is a file beside the project. GitHub's side it writes as a script for
``gh``, and as a list for people. docs/pipeline.md
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

from lib.config.selection import select
from lib.errors import TapError
from ops import aws
from ops.cdktf_cli import OUTPUT
from ops.checkup import Subject
from ops.checkup.command import subjects
from ops.pipeline import github
from ops.pipeline.github import Environment, Repository
from ops.pipeline.roles import AUDIENCE, ISSUER, Kind, Role, roles_of
from ops.terraform.process import Terraform

FOLDER = "pipeline"  # below cdktf.out, as deep as the stacks: the path of the state is relative
PLAN = "tap.tfplan"
CHANGES = 2  # Terraform's exit code for a plan that changes something
HINT = "take credentials that may make roles, of the account that the environments are in"
# Which of a workflow's variables is a role's ARN.
VARIABLES = {
    Kind.LOOK: "LOOK_ROLE_ARN",
    Kind.PLAN: "PLAN_ROLE_ARN",
    Kind.DEPLOY: "DEPLOY_ROLE_ARN",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("pipeline", help="what the workflows need")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bootstrap = verbs.add_parser(
        "bootstrap", help="make the roles that the workflows of ENVIRONMENT take, and GitHub's side"
    )
    bootstrap.add_argument("--repository", required=True, metavar="OWNER/NAME")
    bootstrap.add_argument("--branch", default="main", help="the one that may deploy (main)")
    bootstrap.add_argument(
        "--reviewer",
        action="append",
        default=[],
        metavar="USER",
        help="who approves what goes to production; a team is ORGANIZATION/TEAM",
    )
    bootstrap.add_argument("--yes", action="store_true", help="ask nobody")
    bootstrap.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Make the roles, and write GitHub's side; 0.

    Raises ``TapError`` for bad input, another account's credentials, and where nobody approves it.
    """
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops pipeline bootstrap --help")
    repository = Repository.named(options.repository, options.branch)
    settings, selected = select(environ)
    if any(entry.production for entry in selected) and not options.reviewer:
        raise TapError("nobody approves what goes to production", hint="write --reviewer USER")
    found = subjects(environ)
    region = found[0].config.region
    session = aws.session_for(
        "the pipeline", region, purpose="pipeline", role=None, accounts=(), hint=HINT
    )
    account = account_of(session, found)
    stack = f"tap-pipeline-{settings.environment_suffix}-{account}"
    roles = [role for subject in found for role in roles_of(subject, repository, account)]
    folder = OUTPUT / FOLDER / stack
    write(folder, session, account, roles)
    apply(folder, environ, approved=options.yes)
    environments = list(github_environments(found, roles, repository, settings.db_password_given))
    script = folder / "github.sh"
    text = github.script(repository, environments, settings.environment_suffix, options.reviewer)
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    print(f"\nOn GitHub, by {os.path.relpath(script)}, or by hand in Settings, Environments:\n")
    print("\n".join(github.listed(environments, settings.environment_suffix, options.reviewer)))
    return 0


def account_of(session: boto3.Session, found: Sequence[Subject]) -> str:
    """The account of the session. Raises ``TapError`` where an environment is in another."""
    with aws.told(hint=HINT):
        account = session.client("sts", config=aws.PATIENCE).get_caller_identity()["Account"]
    for subject in found:
        name, named = subject.config.name, subject.config.account_id
        if named not in (None, account):
            raise TapError(
                f"these credentials are account {account}'s, {name} is in {named}",
                hint=f"run it for each account, with its credentials: ENVIRONMENT={name}",
            )
    return account


def write(folder: Path, session: boto3.Session, account: str, roles: Sequence[Role]) -> None:
    """Synthesize the stack to ``folder``."""
    from ops.pipeline import stack  # pylint: disable=import-outside-toplevel  # a second

    with aws.told(hint=HINT):
        arn = existing_provider(session.client("iam", config=aws.PATIENCE), folder.name)
    region = str(session.region_name)
    stack.write(folder, account=account, region=region, roles=roles, provider_arn=arn)


def existing_provider(iam: Any, stack: str) -> str | None:
    """The ARN of GitHub's identity provider, where somebody else has made it in the account.

    Raises ``TapError`` for one that gives no tokens to AWS.
    """
    for entry in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = entry["Arn"]
        if not arn.endswith(f":oidc-provider/{ISSUER}"):
            continue
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        if {"Key": "Stack", "Value": stack} in found.get("Tags", ()):
            return None
        if AUDIENCE not in found["ClientIDList"]:
            raise TapError(
                f"{arn} is not for {AUDIENCE}",
                hint="aws iam add-client-id-to-open-id-connect-provider "
                f"--open-id-connect-provider-arn {arn} --client-id {AUDIENCE}",
            )
        return arn
    return None


def apply(folder: Path, environ: Mapping[str, str], *, approved: bool) -> None:
    """Plan it, show that, and apply that very plan once somebody has said yes."""
    terraform = Terraform(folder, environ)
    terraform.run("init", "-input=false")
    plain = () if sys.stdout.isatty() else ("-no-color",)
    arguments = ("-input=false", "-detailed-exitcode", f"-out={PLAN}", *plain)
    if terraform.run("plan", *arguments, shown=True, fine=(0, CHANGES)) == CHANGES:
        if not approved and not (
            sys.stdin.isatty() and input("Apply this? Type yes: ").strip() == "yes"
        ):
            raise TapError("not approved: nothing was made", hint="type yes, or write --yes")
        terraform.run("apply", "-input=false", *plain, PLAN, shown=True)
    (folder / PLAN).unlink()


def github_environments(
    found: Sequence[Subject], roles: Sequence[Role], repository: Repository, password: bool
) -> Iterator[Environment]:
    """GitHub's environments, in the order of the config."""
    for subject in found:
        config = subject.config
        own = {role.kind: role for role in roles if role.environment == config.name}
        for kind, role in own.items():
            variables = {VARIABLES[kind]: role.arn, "AWS_REGION": config.region}
            if kind is Kind.PLAN:
                variables[VARIABLES[Kind.DEPLOY]] = own[Kind.DEPLOY].arn
            deploys = kind is Kind.DEPLOY
            if password and not deploys:
                variables["DB_PASSWORD_GIVEN"] = "true"
            yield Environment(
                name=role.github_environment,
                variables=variables,
                branch=None if kind is Kind.LOOK else repository.branch,
                asks=deploys and config.production,
                password=password and deploys,
            )
