"""What is found is adopted by Terraform's import, or a person is told why not."""

import argparse
import json
import os
import stat
import sys
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from lib.errors import TapError
from ops import recover as module
from ops.recover import add_parser, recover, session_for
from ops.recover.stack import Stack
from tests.ops.recover.account import (
    DATABASE,
    EIP,
    PARAMETER,
    REGION,
    TASK,
    TINY,
    VPC,
    Account,
    make_group,
    state,
)

# Terraform, played by a script: it prints what stands in files, and notes what it is told.
TERRAFORM = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1].removeprefix("-chdir="))
command, *rest = sys.argv[2:]
with open(folder / "calls", "a") as calls:
    print(command, *rest, file=calls)
if command == "plan":
    imports = json.loads((folder / "recover.tf.json").read_text())["import"]
    (folder / "imports").write_text(json.dumps({each["to"]: each["id"] for each in imports}))
    (folder / "recover.tfplan").touch()
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
        self.environ = {**os.environ, "TERRAFORM_BINARY_NAME": str(script)}
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
        return recover(self.path, self.environ, self._session, tell=lambda _: None, **options)


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
    assert raised.value.hint.endswith("force-unlock 1a2b")
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


@pytest.mark.parametrize("text", [json.dumps(state({})), ""], ids=["whole", "first deploy's"])
def test_a_state_that_is_as_it_should_be_is_left_alone(folder, text):
    folder.state_file.write_text(text)
    assert folder.recover().notes == []


@pytest.mark.parametrize("text", ["", '{"version": 4, "resou'], ids=["empty", "cut short"])
def test_a_broken_state_is_kept_and_its_backup_used(folder, text):
    whole = json.dumps(state({VPC: "vpc-1"}))
    backup = folder.state_file.with_name(f"{folder.state_file.name}.backup")
    folder.state_file.write_text(text)
    backup.write_text(whole)
    with pytest.raises(TapError) as raised:
        folder.recover(dry_run=True)
    assert raised.value.hint == "run this without --dry-run"
    (note,) = folder.recover().notes
    assert "backup took its place" in note
    assert folder.state_file.read_text() == backup.read_text() == whole
    (broken,) = folder.state_file.parent.glob("*.broken-*")
    assert broken.read_text() == text


def test_a_broken_state_without_a_backup_is_begun_anew(account, folder):
    folder.state_file.write_text("{")
    made = account.make(VPC)
    report = folder.recover()
    assert "No backup" in report.notes[0]
    assert report.adopted == {VPC: made}
    assert not folder.state_file.exists()


def test_a_state_that_could_not_be_saved_is_saved_first(account, folder):
    folder.write("errored.tfstate", "unsaved")
    account.make(VPC)
    with pytest.raises(TapError, match=r"errored\.tfstate is not in the state yet"):
        folder.recover(dry_run=True)
    report = folder.recover()
    assert folder.calls()[:2] == ["state", "state"]
    assert (folder.path / "calls").read_text().startswith("state push errored.tfstate\nstate pull")
    (pushed,) = folder.path.glob("errored.tfstate*")
    assert pushed.name.startswith("errored.tfstate.pushed-") and pushed.read_text() == "unsaved"
    assert pushed.name in report.notes[0]


def test_a_state_that_cannot_be_saved_is_kept(folder):
    folder.write("errored.tfstate", "unsaved")
    folder.write("fail-state", "Error: Failed to write state: the serial is lower")
    with pytest.raises(TapError, match="the serial is lower"):
        folder.recover()
    assert (folder.path / "errored.tfstate").read_text() == "unsaved"


def test_what_was_not_saved_is_later_than_the_backup(folder):
    """A full disk leaves both: a state file cut short, and the whole of it beside the stack."""
    folder.state_file.write_text("{")
    folder.state_file.with_name(f"{folder.state_file.name}.backup").write_text('{"resources": []}')
    folder.write("errored.tfstate", "unsaved")
    notes = folder.recover().notes
    assert len(notes) == 2 and "cut short" in notes[0] and "errored.tfstate.pushed" in notes[1]
    assert not folder.state_file.exists()  # this Terraform wrote none


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


ROLE = "arn:aws:iam::123456789012:role/deploy"


def test_the_session_is_the_provider_s(session):
    assert session
    provider = {"allowed_account_ids": ["123456789012"], "assume_role": [{"role_arn": ROLE}]}
    assumed = session_for({"provider": {"aws": [provider]}}, REGION)
    arn = assumed.client("sts").get_caller_identity()["Arn"]
    assert arn.endswith("assumed-role/deploy/tap-recover")


def test_another_account_is_refused(session):
    assert session
    provider = {"allowed_account_ids": ["999999999999"]}
    with pytest.raises(TapError, match="account 123456789012's"):
        session_for({"provider": {"aws": [provider]}}, REGION)


@pytest.fixture(name="ops")
def _ops(tmp_path, monkeypatch, folder, clients):
    """The command, in a project of its own, with the account for AWS."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "synthesize", lambda _: None)
    monkeypatch.setattr(module, "session_for", lambda *_: clients)

    def ops(*arguments, **environ):
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        options, rest = parser.parse_known_args(["recover", *arguments])
        base = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1", **folder.environ}
        return options.run(options, rest, base | environ)

    return ops


def test_the_command_prints_what_it_did(ops, account, folder, capsys):
    account.make(PARAMETER)
    assert ops() == 0
    assert folder.calls() == ["init", "state", "plan", "show", "apply"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "tap-dev-qa1: the state knows 0 of 6 resources"
    assert f"  adopted    {PARAMETER}  /tap/dev/qa1/network/vpc_id" in printed


def test_the_command_tells_machines(ops, account, capsys):
    account.make(PARAMETER)
    assert ops("--json", "--dry-run") == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["stack"] == "tap-dev-qa1"
    assert report["dry_run"] is True
    assert report["adopted"] == {PARAMETER: "/tap/dev/qa1/network/vpc_id"}


def test_the_command_fails_where_it_needs_a_person(ops, account, capsys):
    account.make(VPC)
    account.make(VPC)
    assert ops() == 1
    assert f"  problem    {VPC}: " in capsys.readouterr().out


def test_bad_input_is_named(ops):
    with pytest.raises(TapError, match="unknown argument --more"):
        ops("--more")
    with pytest.raises(TapError, match="unknown environment"):
        ops(ENVIRONMENT="prd")
