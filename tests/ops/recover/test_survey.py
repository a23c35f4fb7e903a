"""What a stack lacks is found, once, and only where it is the stack's own."""

import json

import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend

from lib.errors import TapError
from ops.recover import survey as survey_module
from ops.recover.kinds import KINDS, REMADE
from ops.recover.stack import Stack
from ops.recover.survey import Survey, settled, survey_of
from tests.conftest import BY_NAME
from tests.ops.recover.account import (
    DATABASE,
    EIP,
    MAKERS,
    PARAMETER,
    REGION,
    TAGS,
    TASK,
    TINY,
    VPC,
    Account,
    state,
)

CERTIFICATE = f"arn:aws:acm:{REGION}:123456789012:certificate/8f2a"
MAIL = {"alarms": {"emails": ("a@example.com", "b@example.com")}}
EVERYTHING = {"password_given": True, "load_balancer": {"certificate_arn": CERTIFICATE}, **MAIL}
VARIANTS = {
    **{name: (name, {}) for name in BY_NAME},
    "emails": ("staging", MAIL),
    "everything": ("prod", EVERYTHING),
}
# There as soon as what they are part of is.
ALWAYS = {
    "aws_default_security_group",
    "aws_sns_topic_policy",
}


@pytest.fixture(params=["dev", "everything"], name="document")
def _document(request, synthesize):
    """The JSON of the smallest stack, and of one that has whatever a stack can have."""
    name, changes = VARIANTS[request.param]
    return synthesize(name, **changes).document


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_every_type_of_every_variant_is_found_or_made_again_for_a_reason(synthesize, variant):
    name, changes = variant
    types = synthesize(name, **changes).document["resource"].keys()
    assert types <= KINDS.keys() | REMADE.keys(), "say in ops/recover/kinds.py how to find one"


def test_what_is_made_again_has_its_reason_and_what_is_found_its_test():
    assert not KINDS.keys() & REMADE.keys()
    assert all(REMADE.values())
    assert MAKERS.keys() == KINDS.keys()


def test_a_type_that_is_not_known_is_named(session):
    stack = Stack({**TINY, "resource": {"aws_new": {"x": {}}}}, {}, session)
    with pytest.raises(TapError, match="does not know aws_new"):
        survey_of(stack)


def test_what_is_there_is_found_and_what_is_not_is_not(session, document):
    """Each resource of a stack, made one after the other."""
    account = Account(session, document)
    for type_ in MAKERS:
        for address in account.of_type(type_):
            if type_ not in ALWAYS:
                assert account.find(address) == [], address
            made = account.make(address)
            assert account.find(address) == [made], address
    survey = survey_of(Stack(document, {}, session))
    remade = {address for address in account.stack.addresses if address.split(".")[0] in REMADE}
    assert survey.adopt.keys() == account.stack.addresses.keys() - remade
    assert not survey.problems and not survey.leftovers and not survey.waiting()


def test_what_is_another_copy_s_is_left_alone(session, document):
    Account(session, json.loads(json.dumps(document).replace("qa1", "qa2"))).fill()
    assert survey_of(Stack(document, {}, session)) == Survey()


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Name": "dev-vpc-qa1"},
        TAGS,
        {**TAGS, "Suffix": "qa2", "Name": "dev-vpc-qa1"},
        {**TAGS, "Project": "other", "Name": "dev-vpc-qa1"},
    ],
    ids=json.dumps,
)
def test_what_lacks_a_tag_of_this_stack_s_is_left_alone(account, tags):
    made = account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    account.client("ec2").create_tags(
        Resources=[made],
        Tags=[{"Key": key, "Value": value} for key, value in {"x": "y", **tags}.items()],
    )
    assert account.find(VPC) == []


KEY = "aws_kms_key.key"
KEYS = {**TINY, "resource": {"aws_kms_key": {"key": {"tags": {"Name": "dev-key-qa1"}}}}}


def test_a_deleted_key_is_none(session):
    """KMS has it for days yet, with its tags."""
    account = Account(session, KEYS)
    made = account.make(KEY)
    assert account.find(KEY) == [made]
    account.client("kms").schedule_key_deletion(KeyId=made)
    assert account.find(KEY) == []
    again = account.make(KEY)
    assert account.find(KEY) == [again]


def test_a_key_that_was_made_twice_is_told_and_its_deletion_too(session):
    account = Account(session, KEYS)
    made = {account.make(KEY), account.make(KEY)}
    (problem,) = survey_of(Stack(KEYS, {}, session)).problems
    assert all(id_ in problem.message for id_ in made)
    assert "aws kms schedule-key-deletion --key-id" in problem.hint


@pytest.mark.parametrize(("code", "found"), [("AccessDeniedException", 1), ("Throttling", None)])
def test_a_key_that_its_owner_keeps_to_himself_is_left_alone(session, monkeypatch, code, found):
    account = Account(session, KEYS)
    theirs = account.client("kms").create_key()["KeyMetadata"]["KeyId"]
    account.make(KEY)
    kms = account.client("kms")
    describe = kms.describe_key

    def refused(KeyId):  # pylint: disable=invalid-name  # as boto3 has it
        if KeyId == theirs:
            raise ClientError({"Error": {"Code": code}}, "DescribeKey")
        return describe(KeyId=KeyId)

    monkeypatch.setattr(kms, "describe_key", refused)
    if found is None:
        with pytest.raises(ClientError):
            account.find(KEY)
    else:
        assert len(account.find(KEY)) == found


def test_a_secret_of_a_copy_whose_suffix_begins_alike_is_left_alone(session):
    """Its name begins with ours."""
    document = {
        **TINY,
        "resource": {
            "aws_secretsmanager_secret": {
                "secret": {"name_prefix": "dev-db-qa1-", "tags": {"Name": "s"}}
            }
        },
    }
    other = json.loads(json.dumps(document).replace("qa1", "qa1-x"))
    (address,) = Account(session, other).fill()
    assert Account(session, document).find(address) == []


@pytest.mark.parametrize("address", ["aws_internet_gateway.igw", EIP, VPC])
def test_of_two_that_could_be_meant_both_are_named(account, address):
    first, second = account.make(address), account.make(address)
    survey = survey_of(Stack(TINY, {}, account.session))
    (problem,) = survey.problems
    assert problem.path == address
    assert first in problem.message and second in problem.message
    assert "aws ec2" in problem.hint
    assert address not in survey.adopt


def test_what_was_made_twice_while_the_state_knows_one_is_a_leftover(account):
    known, other = account.make(VPC), account.make(VPC)
    survey = survey_of(Stack(TINY, state({VPC: known}), account.session))
    assert not survey.problems and not survey.adopt
    (leftover,) = survey.leftovers
    assert leftover.message.startswith(other)
    assert leftover.hint.endswith(f"aws ec2 delete-vpc --vpc-id {other}")


def test_what_the_state_knows_by_another_address_is_not_adopted(account):
    known = account.make(VPC)
    survey = survey_of(Stack(TINY, state({"aws_vpc.renamed": known}), account.session))
    assert not survey.adopt and not survey.problems


def test_what_shares_its_id_with_what_the_state_knows_is_adopted(account):
    account.make(DATABASE)
    known = state({"aws_db_subnet_group.subnets": "dev-db-qa1"})
    assert survey_of(Stack(TINY, known, account.session)).adopt.keys() == {DATABASE}


def test_a_task_definition_is_known_by_its_arn(session):
    """Its id in the state is its family's name."""
    document = {
        **TINY,
        "resource": {"aws_ecs_task_definition": {"task": {"family": "dev-task-qa1"}}},
    }
    account = Account(session, document)
    (address,) = account.stack.addresses
    known = state({address: "dev-task-qa1"})
    known["resources"][0]["instances"][0]["attributes"]["arn"] = account.make(address)
    assert survey_of(Stack(TASK, known, session)) == Survey()


def test_references_are_read_from_the_state_first(account):
    account.make(VPC)
    stack = Stack(TINY, state({VPC: "vpc-known"}), account.session)
    assert stack.argument("aws_route_table.routes", "vpc_id") == "vpc-known"


def test_a_replaced_one_that_still_waits_for_its_end_is_known(account):
    """Terraform calls it deposed: it is no resource of the stack's, and no leftover either."""
    made = account.make(VPC)
    old = state({VPC: made})
    old["resources"][0]["instances"][0]["deposed"] = "1a2b3c4d"
    survey = survey_of(Stack(TINY, old, account.session))
    assert survey == Survey()


def test_what_is_tainted_but_there_is_untainted(account):
    made = {address: account.make(address) for address in (VPC, PARAMETER, DATABASE)}
    known = state({**made, DATABASE: "db-1", EIP: "eip-1"}, tainted=[VPC, DATABASE, EIP])
    known["resources"][2]["instances"][0]["attributes"]["identifier"] = made.pop(DATABASE)
    survey = survey_of(Stack(TINY, known, account.session))
    assert survey.untaint.keys() == {VPC, DATABASE}
    assert not survey.adopt and not survey.problems


def database_of(account):
    """moto's own record of the database."""
    backend = get_backend("rds")["123456789012"][REGION]
    return backend.databases[account.make(DATABASE)]


def test_what_aws_still_makes_is_waited_for(account, monkeypatch):
    database = database_of(account)
    database.status = "creating"
    told = []
    monkeypatch.setattr(
        survey_module.time, "sleep", lambda _: setattr(database, "status", "available")
    )
    survey = settled(Stack(TINY, {}, account.session), told.append)
    assert survey.adopt[DATABASE].ready
    assert told == ["waiting for dev-db-qa1 (creating)"]


def test_what_takes_too_long_is_named(account, monkeypatch):
    database_of(account).status = "creating"
    monkeypatch.setattr(survey_module, "WAIT_SECONDS", -1)
    (problem,) = settled(Stack(TINY, {}, account.session), print).problems
    assert problem.message == "dev-db-qa1 is still creating"


def test_what_failed_is_named(account):
    database_of(account).status = "failed"
    survey = survey_of(Stack(TINY, {}, account.session))
    assert [problem.message for problem in survey.problems] == ["dev-db-qa1 is failed"]
    assert not survey.adopt


def test_what_failed_and_is_tainted_stays_so(account):
    database_of(account).status = "failed"
    known = state({DATABASE: "dev-db-qa1"}, tainted=[DATABASE])
    assert survey_of(Stack(TINY, known, account.session)) == Survey()
