"""The roles that the workflows take: three for each environment, none of which holds a key.

* ``look`` plans for a comment and for drift: any branch's code may run as it. It reads what a plan
  reads, no secret, and takes no lock.
* ``plan`` makes the plan that is approved: the deploy of the main branch alone. It also takes
  the state's lock, reads a given password's secret, and asks IAM about the third.
* ``deploy`` applies that plan, once somebody has approved it.

Who may take one:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
GitHub's claims as conditions:
https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from lib.config.aws_limits import partition_of
from ops.checkup import Subject
from ops.pipeline.github import MAX_SESSION, Repository
from ops.preflight.needs import ANY, Need, needs_of
from ops.preflight.policy import Document, documents

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
HOUR = timedelta(hours=1)
DEPLOY_WORKFLOW = ".github/workflows/deploy-environment.yml"
READING = ("Describe", "Get", "List")
SECRET = "secretsmanager:GetSecretValue"
LOCK_FILE = ".tflock"
LOCKING = {"dynamodb:PutItem", "dynamodb:DeleteItem"}
# What preflight and verify ask besides: names, states and settings, never what is stored.
LOOKS = (
    *("acm:DescribeCertificate", "application-autoscaling:Describe*", "cloudwatch:DescribeAlarms"),
    *("dynamodb:DescribeTable", "dynamodb:ListTables", "dynamodb:ListTagsOfResource"),
    *("ec2:Describe*", "ecr:DescribeImages", "ecr:GetAuthorizationToken", "ecs:Describe*"),
    *("ecs:List*", "elasticloadbalancing:Describe*", "iam:GetAccountSummary", "iam:GetRole"),
    *("logs:DescribeLogGroups", "logs:ListTagsForResource", "rds:Describe*"),
    *("s3:GetBucketTagging", "s3:ListAllMyBuckets", "s3:ListBucket", "s3:ListBucketVersions"),
    *("servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"),
    *("ssm:DescribeParameters", "wafv2:Get*", "wafv2:List*"),
)


class Kind(StrEnum):
    """What a role is for; the value ends the names that it is in."""

    LOOK = "look"
    PLAN = "plan"
    DEPLOY = "deploy"


@dataclass(frozen=True, slots=True)
class Role:
    """One of them, and who may do what as it."""

    environment: str
    kind: Kind
    name: str
    arn: str
    github_environment: str
    session: timedelta
    conditions: Mapping[str, str]
    policies: Sequence[Document]


def roles_of(subject: Subject, repository: Repository, account: str) -> list[Role]:
    """The three roles of an environment, in an account."""
    environment, naming = subject.config.name, subject.naming
    names = {kind: naming.generate_name(kind) for kind in Kind}
    prefix = f"arn:{partition_of(subject.config.region)}:iam::{account}:role/"
    arns = {kind: prefix + name for kind, name in names.items()}
    policies = _policies(subject, account, arns[Kind.DEPLOY])
    found: list[Role] = []
    for kind in Kind:
        github = environment if kind is Kind.DEPLOY else f"{environment}-{kind}"
        claims = {"aud": AUDIENCE, "sub": f"repo:{repository}:environment:{github}"}
        if kind is not Kind.LOOK:
            branch = f"refs/heads/{repository.branch}"
            claims["job_workflow_ref"] = f"{repository}/{DEPLOY_WORKFLOW}@{branch}"
        found.append(
            Role(
                environment=environment,
                kind=kind,
                name=names[kind],
                arn=arns[kind],
                github_environment=github,
                session=MAX_SESSION if kind is Kind.DEPLOY else HOUR,
                conditions={f"{ISSUER}:{claim}": value for claim, value in claims.items()},
                policies=policies[kind],
            )
        )
    return found


def _policies(subject: Subject, account: str, deploy_role: str) -> dict[Kind, list[Document]]:
    region, partition = subject.config.region, partition_of(subject.config.region)
    needs = needs_of(subject.stack, subject.config, subject.naming, account)
    table = f"arn:{partition}:dynamodb:{region}:{account}:table/{subject.naming.lock_table}"
    looks = [_allow(LOOKS, ANY), _allow(["dynamodb:GetItem"], table)]
    simulates = _allow(["iam:SimulatePrincipalPolicy"], deploy_role)
    return {
        Kind.LOOK: [*documents(filter(_reads, needs)), _document(looks)],
        Kind.PLAN: [
            *documents(need for need in needs if _reads(need) or _plans(need, needs)),
            _document([*looks, simulates]),
        ],
        Kind.DEPLOY: documents(needs),
    }


def _allow(actions: Iterable[str], resource: str) -> Document:
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}


def _document(statements: Sequence[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}


def _reads(need: Need) -> bool:
    """A secret's value is for no branch that nobody has reviewed."""
    return need.action.split(":")[1].startswith(READING) and need.action != SECRET


def _plans(need: Need, needs: Collection[Need]) -> bool:
    """The state's lock, in its file or its table. The provider reads the secret that it has made,
    until 6.26 (https://github.com/hashicorp/terraform-provider-aws/issues/44876)."""
    if need.action in LOCKING or need.on.pattern.endswith(LOCK_FILE):
        return True
    decrypts = need.action == "kms:Decrypt" and any(each.action == SECRET for each in needs)
    return decrypts or need.action == SECRET
