"""The pipeline's roles, deployed by Terraform to the embedded AWS, as GitHub would find them."""

import os

import pytest

from ops import pipeline
from ops.checkup.command import subjects
from ops.emulator import Emulator
from ops.pipeline.github import Repository
from ops.pipeline.roles import Kind, roles_of
from ops.terraform_provider import find_mirror

SUFFIX = "e2e"
REPOSITORY = Repository.named("acme/shop", "main")


def test_the_roles_of_every_environment_are_made_once(tmp_path, capfd):
    environ = {**os.environ, "ENVIRONMENT": "all", "ENVIRONMENT_SUFFIX": SUFFIX}
    mirror = find_mirror(environ)
    if mirror is None:
        pytest.skip("no mirror has the AWS provider")
    with Emulator(tmp_path / "emulator.log", environ) as emulator:
        inside = emulator.environ("us-east-1")
        inside["TF_CLI_CONFIG_FILE"] = str(mirror.write_cli_config(tmp_path))
        session = emulator.session("us-east-1")
        found = subjects(environ)
        account = pipeline.account_of(session, found)
        made = [role for subject in found for role in roles_of(subject, REPOSITORY, account)]
        folder = tmp_path / "cdktf.out" / "pipeline" / f"tap-pipeline-{SUFFIX}-{account}"
        for time in ("once", "twice"):
            pipeline.write(folder, session, account, made)
            mirror.write_override(folder)
            pipeline.apply(folder, inside, approved=True)
            assert ("No changes." in capfd.readouterr().out) is (time == "twice")
        assert not emulator.errors()

        iam = session.client("iam")
        assert len(made) == len(found) * len(Kind)
        for role in made:
            there = iam.get_role(RoleName=role.name)["Role"]
            (trust,) = there["AssumeRolePolicyDocument"]["Statement"]
            assert there["Arn"] == role.arn
            assert there["MaxSessionDuration"] == role.session.total_seconds()
            assert trust["Condition"] == {"StringEquals": role.conditions}
            attached = iam.list_attached_role_policies(RoleName=role.name)["AttachedPolicies"]
            documents = [
                iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId="v1")["PolicyVersion"]
                for each in sorted(attached, key=lambda each: each["PolicyName"])
            ]
            assert [each["Document"] for each in documents] == [*role.policies]
