"""checkov reads our stacks: what is broken in one is found, and nothing is taken for nothing."""

import copy

import pytest

from lib.errors import TapError
from ops.policy import checkov
from tests.conftest import BY_NAME
from tests.ops.test_policy import container, policy, stack_of

ADMIN = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _public_database(document):
    (database,) = document["resource"]["aws_db_instance"].values()
    database["publicly_accessible"] = True


def _plain_storage(document):
    (database,) = document["resource"]["aws_db_instance"].values()
    database["storage_encrypted"] = False


def _open_ssh(document):
    rules = document["resource"]["aws_vpc_security_group_ingress_rule"]
    rule = next(rule for rule in rules.values() if rule.get("cidr_ipv4"))
    rule["from_port"] = rule["to_port"] = 22


def _writable_root(document):
    with container(document) as changed:
        changed["readonlyRootFilesystem"] = False


def _administrator(document):
    with policy(document, "aws_iam_role_policy", "task") as statements:
        statements.append(ADMIN)


def _public_bucket(document):
    for block in document["resource"]["aws_s3_bucket_public_access_block"].values():
        block["block_public_policy"] = False


def _forgetful_table(document):
    (table,) = document["resource"]["aws_dynamodb_table"].values()
    table["point_in_time_recovery"] = {"enabled": False}


def _silent_firewall(document):
    del document["resource"]["aws_wafv2_web_acl_logging_configuration"]


FAULTS = {
    "CKV_AWS_17": _public_database,
    "CKV_AWS_16": _plain_storage,
    "CKV_AWS_24": _open_ssh,
    "CKV_AWS_336": _writable_root,
    "CKV_AWS_62": _administrator,
    "CKV_AWS_54": _public_bucket,
    "CKV_AWS_28": _forgetful_table,
    "CKV2_AWS_31": _silent_firewall,
}


def found(stack, folder):
    """The checks that fail, and where."""
    findings, passed = checkov.findings(stack, folder)
    assert passed > 100
    return {(each.check, each.address) for each in findings}


@pytest.fixture(name="prod")
def _prod(shipped):
    return shipped("prod")


def test_all_faults_at_once_are_found_beside_what_is_waived(prod, tmp_path):
    """In one run: each takes seconds."""
    document = copy.deepcopy(prod.document)
    for fault in FAULTS.values():
        fault(document)
    broken = stack_of(prod, document)
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    new = found(broken, tmp_path / "broken") - found(stack_of(prod), tmp_path / "whole")
    assert {check for check, _ in new} >= FAULTS.keys()
    # Each is named by an address of the stack: else no waiver could stand beside it.
    assert {address for _, address in new} <= broken.resources.keys()


@pytest.mark.parametrize("name", list(BY_NAME))
def test_without_the_copy_it_reads_nothing_and_says_nothing(shipped, tmp_path, name, monkeypatch):
    """Why ``normalised`` is there; checkov exits with 0 here."""
    monkeypatch.setattr(checkov, "normalised", lambda document: document)
    with pytest.raises(TapError, match="it looked at nothing"):
        checkov.findings(stack_of(shipped(name)), tmp_path)
