"""GitHub's identity provider and the pipeline's roles, as a stack of its own."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cdktf import App, LocalBackend, TerraformStack
from cdktf_cdktf_provider_aws.iam_openid_connect_provider import IamOpenidConnectProvider
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from lib.config.environment_config import PROJECT
from ops.pipeline.roles import AUDIENCE, ISSUER, Role

STACK = "cdk.tf.json"


class PipelineStack(TerraformStack):
    """The roles, in one account.

    ``provider_arn`` is GitHub's identity provider where the account has one: there can be but one.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        account: str,
        region: str,
        roles: Sequence[Role],
        provider_arn: str | None,
    ) -> None:
        super().__init__(scope, id_)
        LocalBackend(self, path=f"../../../{state_file(id_)}")
        AwsProvider(
            self,
            "aws",
            region=region,
            allowed_account_ids=[account],
            default_tags=[
                AwsProviderDefaultTags(
                    tags={"Project": PROJECT, "ManagedBy": "cdktf", "Stack": id_}
                )
            ],
        )
        if provider_arn is None:
            provider = IamOpenidConnectProvider(
                self, "github", url=f"https://{ISSUER}", client_id_list=[AUDIENCE]
            )
            provider_arn = provider.arn
        for role in roles:
            self._role(role, provider_arn)

    def _role(self, role: Role, provider_arn: str) -> None:
        scope = Construct(self, f"{role.environment}_{role.kind}")
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": dict(role.conditions)},
        }
        made = IamRole(
            scope,
            "role",
            name=role.name,
            description=f"GitHub's environment {role.github_environment}",
            max_session_duration=int(role.session.total_seconds()),
            assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        for number, document in enumerate(role.policies, start=1):
            name = f"{role.name}-{number}"
            policy = IamPolicy(scope, f"policy_{number}", name=name, policy=json.dumps(document))
            IamRolePolicyAttachment(
                scope, f"attachment_{number}", role=made.name, policy_arn=policy.arn
            )


def state_file(stack: str) -> str:
    """Beside the project, as every local state."""
    return f"terraform.{stack}.tfstate"


def write(
    folder: Path, *, account: str, region: str, roles: Sequence[Role], provider_arn: str | None
) -> None:
    """Synthesize it to ``folder``, which is called as the stack."""
    with tempfile.TemporaryDirectory(prefix="tap-synth-") as output:
        app = App(outdir=output)
        PipelineStack(
            app, folder.name, account=account, region=region, roles=roles, provider_arn=provider_arn
        )
        app.synth()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(output, "stacks", folder.name, STACK), folder)
