"""What is found is adopted by Terraform's import, or a person is told why not."""

import json
import os
import stat
import sys
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from lib.errors import TapError
from ops.__main__ import main
from ops.recover import recover
from ops.recover.stack import Stack
from ops.terraform.process import Terraform
from tests.ops.recover.account import (
    DATABASE,
    EIP,
    PARAMETER,
    TASK,
    TINY,
    VPC,
    Account,
    make_group,
    state,
)

# Terraform, played by a script: it prints what stands in files, and notes what it is told.
TERRAFORM = """
import json, os, pathlib, sys
here = pathlib.Path(sys.argv[1].removeprefix("-chdir="))
folder = pathlib.Path(os.environ["PLAYED"])
command, *rest = sys.argv[2:]
with open(folder / "calls", "a") as calls:
    print(command, *rest, file=calls)
if command == "plan":
    imports = json.loads((here / "recover.tf.json").read_text())["import"]
    (folder / "imports").write_text(json.dumps({each["to"]: each["id"] for each in imports}))
    (here / "recover.tfplan").touch()
if (folder / f"fail-{command}").exists():
    print((folder / f"fail-{command}").read_text())
    sys.exit(1)
if command == "state":
    print((folder / "state.json").read_text())
if command == "show":
    imports = json.loads((folder / "imports").read_text())
    plan = json.loads((folder / "plan.json").read_text())
    changes = []
    for address in imports | plan:
        type_ = address.split(".")[0]
        change = {"actions": ["no-op"], "before": {}} | plan.get(address, {})
        changes.append({"address": address, "type": type_, "mode": "managed", "change": change})
    print(json.dumps({"resource_changes": changes}))
"""


class Folder:
    """A stack's folder with a Terraform that is played by a script."""

    def __init__(self, folder, session):
        self.path = folder / "cdktf.out" / "stacks" / "tap-dev-qa1"
        self.path.mkdir(parents=True)
        self.state_file = folder / "terraform.tap-dev-qa1.tfstate"
        self._session = session
        script = folder / "terraform"
        script.write_text(f"#!{sys.executable}\n{TERRAFORM}")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.environ = {
            **os.environ,
            "TERRAFORM_BINARY_NAME": str(script),
            "PLAYED": str(self.path),
            "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
        }
        self.write("cdk.tf.json", TINY)
        self.write("state.json", {})
        self.write("plan.json", {})

    def write(self, name, content):
        """Write a file that the script reads."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / name).write_text(text)

    def calls(self):
        """The commands that ran."""
        file = self.path / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def recover(self, **options):
        """Recover, without a word."""
        terraform = Terraform(self.path, self.environ)
        return recover(terraform, self._session, tell=lambda _: None, **options)


@pytest.fixture(name="folder")
def _folder(tmp_path, session):
    return Folder(tmp_path, session)


def test_what_is_found_is_imported_and_nothing_stays_behind(account, folder):
    made = {address: account.make(address) for address in (VPC, PARAMETER)}
    before = {path.name for path in folder.path.iterdir()}
    report = folder.recover()
    assert report.adopted == made
    assert folder.calls() == ["state", "plan", "show", "apply"]
    assert json.loads((folder.path / "imports").read_text()) == made
    plan = (folder.path / "calls").read_text().splitlines()[1]
    assert plan.endswith(f"-target={VPC} -target={PARAMETER}")
    assert not report.problems
    rest = {"aws_internet_gateway.igw", "aws_route_table.routes", EIP, DATABASE}
    assert set(report.to_make) == rest
    assert {path.name for path in folder.path.iterdir()} == before | {"calls", "imports"}
    lines = list(report.lines())
    assert lines[0] == "tap-dev-qa1: the state knows 0 of 6 resources"
    assert f"  adopted    {VPC}  {made[VPC]}" in lines
    assert lines[-1] == "tap-dev-qa1: 2 adopted, 0 untainted, 4 to make: npm run cdktf:deploy"


def test_a_new_group_loses_the_rule_that_aws_gave_it(account, folder):
    """A kill can come between the two calls that Terraform makes."""
    group = {"vpc_id": "${aws_vpc.vpc.id}", "name": "dev-db-qa1"}
    resources = {"aws_vpc": TINY["resource"]["aws_vpc"], "aws_security_group": {"group": group}}
    folder.write("cdk.tf.json", {**TINY, "resource": resources})
    made = {**group, "vpc_id": account.make(VPC)}
    id_ = make_group(account, made.get, VPC)
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    (own,) = account.client("ec2").authorize_security_group_egress(
        GroupId=id_, IpPermissions=[{**https, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )["SecurityGroupRules"]
    folder.recover(dry_run=True)
    assert len(egress_of(account, id_)) == 2
    assert folder.recover().adopted["aws_security_group.group"] == id_
    assert egress_of(account, id_) == [own["SecurityGroupRuleId"]]


def egress_of(account, group_id):
    """The ids of a group's rules for what leaves."""
    rules = account.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )["SecurityGroupRules"]
    return [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"]]


def test_nothing_to_adopt_is_fine(folder):
    report = folder.recover()
    assert (report.adopted, report.problems) == ({}, [])
    assert folder.calls() == ["state"]


def test_a_dry_run_changes_nothing(account, folder):
    made = {VPC: account.make(VPC)}
    folder.write("state.json", state(made, tainted=[VPC]))
    account.make(PARAMETER)
    report = folder.recover(dry_run=True)
    assert (report.adopted.keys(), report.untainted) == ({PARAMETER}, made)
    assert folder.calls() == ["state", "plan", "show"]
    assert "nothing was changed" in list(report.lines())[-1]


def test_the_tainted_are_untainted_before_the_plan(account, folder):
    folder.write("state.json", state({VPC: account.make(VPC)}, tainted=[VPC]))
    account.make(PARAMETER)
    report = folder.recover()
    assert folder.calls() == ["state", "untaint", "plan", "show", "apply"]
    assert report.untainted.keys() == {VPC}


def test_where_one_cannot_be_told_nothing_is_adopted(account, folder):
    account.make(VPC)
    account.make(VPC)
    account.make(PARAMETER)
    report = folder.recover()
    assert report.adopted == {}
    assert [problem.path for problem in report.problems] == [VPC]
    assert folder.calls() == ["state"]


def test_one_with_another_s_tags_is_not_adopted(account, folder):
    account.make(PARAMETER)
    tags = {"Project": "billing", "Environment": "dev"}
    folder.write("plan.json", {PARAMETER: {"before": {"tags_all": tags}}})
    report = folder.recover()
    assert report.adopted == {}
    (problem,) = report.problems
    assert problem.message.endswith("but is tagged Project=billing")
    assert "apply" not in folder.calls()
    assert not (folder.path / "recover.tf.json").exists()


def test_a_plan_that_would_replace_is_not_applied(account, folder):
    vpc = account.make(VPC)
    replaced = {"actions": ["delete", "create"], "replace_paths": [["cidr_block"]]}
    folder.write("plan.json", {VPC: replaced, EIP: {"actions": ["delete"]}})
    report = folder.recover()
    assert [problem.message for problem in report.problems] == [
        f"{vpc} differs so much from the config that Terraform would replace it (cidr_block)",
        "Terraform would also replace or destroy it",
    ]
    assert "apply" not in folder.calls()


def test_a_task_definition_is_adopted_only_where_the_same_would_be_made(session, folder):
    task = "aws_ecs_task_definition.task"
    folder.write("cdk.tf.json", TASK)
    account = Account(session, TASK)
    account.make(task)
    newest = account.make(task)
    assert folder.recover().adopted == {task: newest}
    folder.write("plan.json", {task: {"actions": ["create", "delete"]}})
    report = folder.recover()
    assert report.adopted == {}
    (problem,) = report.problems
    assert problem.hint.endswith(f"aws ecs deregister-task-definition --task-definition {newest}")


def test_a_lock_is_told_with_its_holder(account, folder):
    account.make(VPC)
    folder.write(
        "fail-plan",
        "╷\n│ Error: Error acquiring the state lock\n│ \n│ Lock Info:\n│   ID:        1a2b\n"
        "│   Operation: OperationTypeApply\n│   Who:       ci@runner\n│   Created:   09:00\n╵\n",
    )
    with pytest.raises(TapError) as raised:
        folder.recover()
    assert raised.value.message == (
        "the state is locked by ci@runner since 09:00 (OperationTypeApply)"
    )
    assert raised.value.hint.endswith("pipenv run state unlock 1a2b")
    assert not (folder.path / "recover.tf.json").exists()


def test_what_terraform_refuses_is_told_in_its_words(account, folder):
    account.make(VPC)
    folder.write("fail-apply", "╷\n│ Warning: x\n╵\n╷\n│ Error: disk full\n│ \n│ really\n╵\n")
    with pytest.raises(TapError, match="terraform apply failed\nError: disk full\nreally"):
        folder.recover()


def test_what_terraform_refuses_in_colours_is_told_without(account, folder):
    account.make(VPC)
    folder.write(
        "fail-plan",
        "\033[0m\033[1maws_vpc.x: Refreshing state...\033[0m\033[0m\n"
        "\033[31m╷\033[0m\033[0m\n\033[31m│\033[0m \033[0m\033[1m\033[31mError: \033[0m\033[0m"
        "\033[1mInvalid index\033[0m\n\033[31m╵\033[0m\033[0m\n",
    )
    with pytest.raises(TapError) as raised:
        folder.recover()
    assert raised.value.message == "terraform plan failed\nError: Invalid index"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeVpcs"), "AccessDenied"),
        (NoCredentialsError(), "credentials"),
    ],
)
def test_what_aws_refuses_is_told(folder, monkeypatch, error, word):
    monkeypatch.setattr(Stack, "find", Mock(side_effect=error))
    with pytest.raises(TapError, match=word):
        folder.recover()


@pytest.fixture(name="ops")
def _ops(monkeypatch, folder, clients, capsys):
    """The command, with the account for AWS; returns its exit code, output and errors."""
    monkeypatch.setattr("ops.aws.session_for", lambda *_, **__: clients)
    for name, value in {**folder.environ, "ENVIRONMENT_SUFFIX": "qa1"}.items():
        monkeypatch.setenv(name, value)
    folder.write(".terraform.lock.hcl", "")

    def ops(command, *arguments, environment="dev"):
        monkeypatch.setenv("ENVIRONMENT", environment)
        output = ["--skip-synth", "--output", str(folder.path.parents[1])]
        code = main([*command.split(), *arguments, *output])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ops


@pytest.mark.parametrize("command", ["recover", "state recover"])
def test_the_command_prints_what_it_did(ops, account, folder, command):
    account.make(PARAMETER)
    code, printed, _ = ops(command)
    assert code == 0
    assert folder.calls() == ["init", "state", "plan", "show", "apply"]
    assert "tap-dev-qa1: the state knows 0 of 6 resources" in printed
    assert f"  adopted    {PARAMETER}  /tap/dev/qa1/network/vpc_id" in printed
    assert not list(folder.path.parents[1].glob("runs/*@*")), "the run's folder goes with it"


def test_the_command_tells_machines(ops, account):
    account.make(PARAMETER)
    code, printed, _ = ops("recover", "--json", "--dry-run")
    report = json.loads(printed)
    assert code == 0
    assert report["stack"] == "tap-dev-qa1"
    assert report["dry_run"] is True
    assert report["adopted"] == {PARAMETER: "/tap/dev/qa1/network/vpc_id"}


def test_the_command_fails_where_it_needs_a_person(ops, account):
    account.make(VPC)
    account.make(VPC)
    code, printed, _ = ops("recover")
    assert code == 1
    assert f"  problem    {VPC}: " in printed


def test_bad_input_is_named(ops):
    code, _, told = ops("recover", "--more")
    assert code == 2 and "unknown argument --more" in told
    code, _, told = ops("recover", environment="prd")
    assert code == 2 and "unknown environment" in told
