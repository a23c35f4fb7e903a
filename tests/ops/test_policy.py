"""``ops policy``: our own rules, and what is made of findings and waivers."""

import argparse
import copy
import json
import subprocess
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from lib.errors import TapError
from ops.policy import add_parser, checkov, command, nag, rules, table
from ops.policy.stack import Finding, Stack, Waiver, read_stacks
from tests import project

TODAY = date(2026, 11, 23)
ANYWHERE = "0.0.0.0/0"


def stack_of(synthesized, document=None, *, production=True):
    """A stack as the command reads it."""
    config = synthesized.config
    return Stack(config.name, production, document or synthesized.document)


@contextmanager
def container(document):
    """The one container, to be changed."""
    (task,) = document["resource"]["aws_ecs_task_definition"].values()
    (found,) = json.loads(task["container_definitions"])
    yield found
    task["container_definitions"] = json.dumps([found])


@contextmanager
def policy(document, type_, word, attribute="policy"):
    """The statements of a policy, to be changed; ``word`` is in the resource's logical id."""
    resource = [r for id_, r in document["resource"][type_].items() if word in id_][0]
    text = json.loads(resource[attribute])
    yield text["Statement"]
    resource[attribute] = json.dumps(text)


def _set(type_, **values):
    def fault(document):
        next(iter(document["resource"][type_].values())).update(values)

    return fault


def _container(**values):
    def fault(document):
        with container(document) as changed:
            changed.update(values)

    return fault


def _variable(name, value):
    def fault(document):
        with container(document) as changed:
            changed["environment"].append({"name": name, "value": value})

    return fault


def _statement(type_, word, attribute="policy", **values):
    def fault(document):
        with policy(document, type_, word, attribute) as statements:
            statements.append({"Effect": "Allow", "Action": "x:Y", "Resource": "arn", **values})

    return fault


def _egress(**values):
    def fault(document):
        found = document["resource"]["aws_vpc_security_group_egress_rule"]
        rule = next(rule for rule in found.values() if rule.get("cidr_ipv4"))
        rule.update(values)

    return fault


def _parameter(name, value):
    def fault(document):
        (group,) = document["resource"]["aws_db_parameter_group"].values()
        group["parameter"] = [each for each in group["parameter"] if each["name"] != name]
        if value is not None:
            group["parameter"].append({"name": name, "value": value})

    return fault


def _without(type_):
    return lambda document: document["resource"].pop(type_)


FAULTS = [
    ("TAP_EGRESS", _egress(ip_protocol="-1", from_port=None, to_port=None)),
    ("TAP_EGRESS", _egress(from_port=0, to_port=65535)),
    ("TAP_EGRESS", _egress(from_port=80, to_port=443)),
    ("TAP_EGRESS", _egress(cidr_ipv4=None, cidr_ipv6="::/0", from_port=22, to_port=22)),
    ("TAP_EGRESS", _set("aws_security_group", egress=[{"cidr_blocks": [ANYWHERE]}])),
    ("TAP_READ_ONLY_ROOT", _container(readonlyRootFilesystem=False)),
    ("TAP_READ_ONLY_ROOT", _container(readonlyRootFilesystem=None)),
    ("TAP_UNPRIVILEGED", _container(user="0")),
    ("TAP_UNPRIVILEGED", _container(user="root:app")),
    ("TAP_UNPRIVILEGED", _container(user="")),
    ("TAP_UNPRIVILEGED", _container(privileged=True)),
    ("TAP_UNPRIVILEGED", _container(portMappings=[{"containerPort": 1023}])),
    ("TAP_SECRET", _variable("API_TOKEN", "x")),
    ("TAP_SECRET", _variable("URL", "postgres://app:" + "hunter2@db/app")),
    ("TAP_ANY_PRINCIPAL", _statement("aws_s3_bucket_policy", "state", Principal="*")),
    ("TAP_ANY_PRINCIPAL", _statement("aws_kms_key", "", Principal={"AWS": "*"})),
    ("TAP_ANY_PRINCIPAL", _statement("aws_sns_topic_policy", "", Principal={"AWS": ["a", "*"]})),
    (
        "TAP_ANY_PRINCIPAL",
        _statement("aws_iam_role", "task", "assume_role_policy", NotPrincipal={"AWS": "a"}),
    ),
    ("TAP_ANY_ACTION", _statement("aws_iam_role_policy", "task", Action="*", Resource="*")),
    ("TAP_ANY_ACTION", _statement("aws_iam_role_policy", "task", Action=["s3:*"], Resource=["*"])),
    ("TAP_ANY_ACTION", _statement("aws_kms_key", "", Action="*", Resource="*")),
    ("TAP_PUBLIC_ADDRESS", _set("aws_db_instance", publicly_accessible=True)),
    ("TAP_PUBLIC_ADDRESS", _set("aws_subnet", map_public_ip_on_launch=True)),
    (
        "TAP_PUBLIC_ADDRESS",
        _set("aws_ecs_service", network_configuration={"assign_public_ip": True}),
    ),
    ("TAP_ENCRYPTION", _set("aws_db_instance", storage_encrypted=False)),
    ("TAP_ENCRYPTION", _set("aws_dynamodb_table", server_side_encryption=None)),
    ("TAP_ENCRYPTION", _set("aws_dynamodb_table", server_side_encryption={"enabled": False})),
    ("TAP_ENCRYPTION", _without("aws_s3_bucket_server_side_encryption_configuration")),
    ("TAP_ENCRYPTION", lambda document: document["terraform"]["backend"]["s3"].pop("encrypt")),
    ("TAP_ENCRYPTION", _set("aws_lb_listener", protocol="HTTPS")),
    (
        "TAP_ENCRYPTION",
        _set("aws_lb_listener", protocol="HTTPS", ssl_policy="ELBSecurityPolicy-TLS-1-2-2017-01"),
    ),
    ("TAP_STATEMENTS", _parameter("log_statement", "ddl")),
    ("TAP_STATEMENTS", _parameter("log_min_duration_statement", None)),
    ("TAP_STATEMENTS", _parameter("rds.force_ssl", "0")),
]


@pytest.mark.parametrize(
    ("check", "fault"), FAULTS, ids=[f"{n} {check}" for n, (check, _) in enumerate(FAULTS)]
)
def test_each_rule_finds_what_it_is_for_and_nothing_else(shipped, check, fault):
    prod = shipped("prod")
    document = copy.deepcopy(prod.document)
    fault(document)
    found = rules.findings(stack_of(prod, document))
    assert {finding.check for finding in found} == {check}
    assert all(finding.message for finding in found)


def test_every_rule_has_a_fault():
    assert {check for check, _ in FAULTS} == rules.RULES.keys()


def test_our_own_rules_object_to_nothing(stack):
    assert rules.findings(stack_of(stack, production=stack.config.production)) == []


def test_a_deny_and_a_service_s_wildcard_on_one_thing_are_fine(shipped):
    prod = shipped("prod")
    document = copy.deepcopy(prod.document)
    _statement("aws_iam_role_policy", "task", Effect="Deny", Action="*", Resource="*")(document)
    _statement("aws_iam_role_policy", "task", Action="s3:*", Resource="arn:aws:s3:::a")(document)
    assert rules.findings(stack_of(prod, document)) == []


def test_public_addresses_are_for_others_to_have(shipped):
    dev = shipped("dev")
    assert rules.findings(stack_of(dev, production=False)) == []
    assert [f.check for f in rules.findings(stack_of(dev))] == ["TAP_PUBLIC_ADDRESS"]


# --- findings and waivers --------------------------------------------------------------------


def tiny(**waivers):
    """A stack of one topic, with waivers by check: the days until each ends."""
    entries = {
        check: {
            "reason": f"why {check}",
            "cost": "$1",
            "review": (TODAY + timedelta(days)).isoformat(),
        }
        for check, days in waivers.items()
    }
    comment = {"metadata": {"path": "tap-dev-qa1/monitoring/topic"}, "waivers": entries}
    return Stack("dev", False, {"resource": {"aws_sns_topic": {"t": {"//": comment}}}})


TOPIC = Finding("CKV_AWS_26", "aws_sns_topic.t", "encrypt it")


def triaged(stack, *found, of_plans=False):
    """The problems, as one text."""
    return "\n".join(command.triage(stack, found, TODAY, of_plans=of_plans))


def test_a_finding_with_its_waiver_is_no_problem():
    assert triaged(tiny(CKV_AWS_26=1), TOPIC) == ""


def test_a_finding_without_a_waiver_is():
    assert triaged(tiny(CKV_AWS_27=1), TOPIC).startswith(
        "CKV_AWS_26 at monitoring/topic: encrypt it"
    )


def test_a_finding_elsewhere_is_not_excused():
    found = Finding("CKV_AWS_26", "provider.aws", "encrypt it")
    assert "CKV_AWS_26 at provider.aws" in triaged(tiny(CKV_AWS_26=1), TOPIC, found)


def test_a_waiver_without_a_finding_is_a_problem():
    assert "waived, but not found" in triaged(tiny(CKV_AWS_26=1))


@pytest.mark.parametrize(("days", "ended"), [(-1, True), (0, True), (1, False)])
def test_a_waiver_ends_on_its_day(days, ended):
    assert ("its waiver ended on" in triaged(tiny(CKV_AWS_26=days), TOPIC)) is ended


def test_waivers_for_plans_are_held_against_plans_alone():
    stack = tiny(CKV_AWS_26=1, **{"AwsSolutions-SNS2": 1})
    assert triaged(stack, TOPIC) == ""
    assert "AwsSolutions-SNS2 at monitoring/topic: waived, but not found" in triaged(
        stack, of_plans=True
    )
    found = Finding("AwsSolutions-SNS2", TOPIC.address, "encrypt it")
    assert triaged(stack, found, of_plans=True) == ""


def test_waivers_are_read_as_they_were_written():
    assert tiny(CKV_AWS_26=1).waivers == {
        ("CKV_AWS_26", "aws_sns_topic.t"): Waiver(
            *("CKV_AWS_26", "aws_sns_topic.t", "monitoring/topic"),
            *("why CKV_AWS_26", "$1", TODAY + timedelta(1)),
        )
    }


# --- checkov and tf-nag ----------------------------------------------------------------------


def report(*, passed=1, parsing_errors=0, failed=()):
    """checkov's own words."""
    checks = [{"check_id": c, "resource": r, "check_name": n} for c, r, n in failed]
    summary = {"passed": passed, "parsing_errors": parsing_errors}
    return json.dumps({"summary": summary, "results": {"failed_checks": checks}})


@pytest.mark.parametrize("resource", ["resource.t", "aws_sns_topic.t"])
def test_checkov_s_names_become_addresses(resource):
    found, passed = checkov.read(tiny(), report(passed=7, failed=[("C", resource, "m")]))
    assert found == [Finding("C", "aws_sns_topic.t", "m")]
    assert passed == 7


def test_what_is_no_resource_keeps_checkov_s_name():
    found, _ = checkov.read(tiny(), report(failed=[("C", "provider.aws", "m")]))
    assert found == [Finding("C", "provider.aws", "m")]


@pytest.mark.parametrize(
    "output",
    [report(passed=0), report(parsing_errors=1), "", "[]", "Traceback", '{"passed": 0}'],
)
def test_nothing_looked_at_is_an_error(output):
    with pytest.raises(TapError):
        checkov.read(tiny(), output)


def test_the_copy_for_checkov_has_what_it_can_read(shipped):
    document = copy.deepcopy(shipped("prod").document)
    before = json.dumps(document)
    _container(privileged=False)(document)
    clean = checkov.normalised(document)
    (task,) = clean["resource"]["aws_ecs_task_definition"].values()
    (first,) = task["container_definitions"]
    assert first["readonlyRootFilesystem"] is True
    assert "privileged" not in first
    assert "terraform" not in clean
    assert "//" not in json.dumps(clean).replace("://", "")
    assert before != json.dumps(clean)
    assert "terraform" in document, "the stack itself is not touched"


def test_what_holds_no_resource_is_kept_from_checkov():
    document = {"resource": {}, "data": {}, "output": {}}
    moved = {"moved": [{"from": "t.a", "to": "t.b"}], "import": [], "removed": [], "terraform": {}}
    assert checkov.normalised(document | moved) == document


def test_nulls_are_kept_from_checkov_wherever_they_are():
    rule = {"cidr": None, "port": 22, "of": [None, {"to": None}]}
    assert checkov.normalised({"resource": {"t": {"n": rule}}}) == {
        "resource": {"t": {"n": {"port": 22, "of": [{}]}}}
    }


def test_logical_ids_are_one_in_a_stack(stack):
    """What ``checkov.read`` finds resources by."""
    ids = [address.split(".")[1] for address in stack_of(stack).resources]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (checkov, "CHECKOV", lambda folder: checkov.findings(tiny(), folder)),
        (nag, "TF_NAG", lambda folder: nag.findings(folder / "plan.json")),
    ],
)
def test_a_missing_checker_is_named(tmp_path, monkeypatch, module, name, call):
    monkeypatch.setattr(module, name, tmp_path / "none")
    with pytest.raises(TapError, match="is not installed"):
        call(tmp_path)


def program(folder, text):
    """A program that prints something, and shows its arguments and environment in a file."""
    file = folder / "program"
    file.write_text(f'#!/bin/sh\n(echo "$@"; env) > {folder}/called\n{text}\n')
    file.chmod(0o755)
    return file


def test_checkov_is_asked_offline_for_the_right_framework(tmp_path, monkeypatch, shipped):
    monkeypatch.setattr(checkov, "CHECKOV", program(tmp_path, f"echo '{report(passed=3)}'"))
    monkeypatch.setenv("BC_API_KEY", "key")
    work = tmp_path / "work"
    work.mkdir()
    assert checkov.findings(stack_of(shipped("dev")), work) == ([], 3)
    called = (tmp_path / "called").read_text()
    assert "--framework terraform_json --skip-download" in called
    assert "HTTPS_PROXY=http://127.0.0.1:9" in called
    assert "BC_API_KEY" not in called
    assert json.loads((work / "stack.tf.json").read_text())["resource"]


PLAN = '{"planned_values": {"root_module": {}}}'
NAG = '[{"rule_id": "AwsSolutions-X1", "address": "aws_sns_topic.t", "message": "m"}]'


def test_tf_nag_s_findings_are_all_taken_doubts_and_all(tmp_path, monkeypatch):
    monkeypatch.setattr(nag, "TF_NAG", program(tmp_path, f"echo '{NAG}'"))
    (tmp_path / "plan.json").write_text(PLAN)
    found = nag.findings(tmp_path / "plan.json")
    assert found == [Finding("AwsSolutions-X1", "aws_sns_topic.t", "m")]
    assert "--strict" in (tmp_path / "called").read_text()


@pytest.mark.parametrize(("plan", "text"), [("{}", "echo []"), (PLAN, "exit 3")])
def test_tf_nag_has_to_have_looked_at_a_plan(tmp_path, monkeypatch, plan, text):
    monkeypatch.setattr(nag, "TF_NAG", program(tmp_path, text))
    (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(TapError):
        nag.findings(tmp_path / "plan.json")


# --- the command -----------------------------------------------------------------------------


@pytest.fixture(name="run")
def _run(tmp_path, monkeypatch):
    """Runs the command on stacks of ours, with a checkov that finds what it is told to."""

    def run(*arguments, variants=None, found=()):
        monkeypatch.setattr(command, "DOCUMENT", tmp_path / "policy.md")
        monkeypatch.setattr(command, "synthesize", lambda folder: variants)
        monkeypatch.setattr(checkov, "findings", lambda stack, folder: (list(found), 5))
        monkeypatch.setattr(rules, "findings", lambda stack: [])
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        options, rest = parser.parse_known_args(["policy", *arguments])
        return options.run(options, rest, {})

    return run


def variants_of(stack):
    """The stack, in every variant."""
    return {"shipped": [stack], "certificate": [stack], "password": [stack]}


def test_all_well(run, capsys):
    assert run(variants=variants_of(tiny(CKV_AWS_26=9999)), found=[TOPIC]) == 0
    out, err = capsys.readouterr()
    assert "policy: dev, shipped: 5 passed, 1 checks waived" in out
    assert err == ""


def test_what_is_wrong_is_told_with_its_stack(run, capsys):
    assert run(variants=variants_of(tiny()), found=[TOPIC]) == 1
    assert "policy: dev, shipped: CKV_AWS_26 at monitoring/topic" in capsys.readouterr().err


def test_the_document_is_written_when_asked_for(run, tmp_path):
    variants = variants_of(tiny(CKV_AWS_26=9999))
    assert run(variants=variants, found=[TOPIC]) == 0
    assert not (tmp_path / "policy.md").exists()
    assert run("--write", variants=variants, found=[TOPIC]) == 0
    row = "| CKV_AWS_26 | `monitoring/topic` | dev | why CKV_AWS_26 | $1 |"
    assert row in (tmp_path / "policy.md").read_text()


def test_an_unknown_argument_is_named(run):
    with pytest.raises(TapError, match="unknown argument --all"):
        run("--all", variants={})


def test_a_synthesis_that_fails_says_why(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nConfigError: dev.region: wrong\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(TapError, match="dev.region: wrong"):
        command.synthesize(tmp_path)


def test_rows_of_one_kind_are_one(shipped):
    variants = variants_of(stack_of(shipped("dev")))
    page = table.document(variants)
    assert page.count("| CKV2_AWS_34 |") == 1
    assert "`outputs/parameters/*` (14)" in page


# --- the stacks that are looked at -----------------------------------------------------------


@pytest.fixture(scope="module", name="variants")
def _variants(tmp_path_factory):
    """What make policy looks at, of the tests' environments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "ROOT", project.folder())
        return command.synthesize(tmp_path_factory.mktemp("policy"))


def test_every_environment_is_looked_at_in_every_variant(variants, stack):
    assert set(variants) == {"shipped", "certificate", "password"}
    for stacks in variants.values():
        assert stack.config.name in [each.environment for each in stacks]
        (own,) = (each for each in stacks if each.environment == stack.config.name)
        assert own.production is stack.config.production


def test_a_certificate_takes_away_what_plain_http_takes_and_no_more(variants):
    plain = {"CKV_AWS_2", "CKV_AWS_103", "CKV_AWS_378", "CKV2_AWS_20"}
    for shipped, certified in zip(variants["shipped"], variants["certificate"], strict=True):
        own = any("HTTPS" in str(each) for each in shipped.of_type("aws_lb_listener").values())
        gone = table.waived_checks(shipped) - table.waived_checks(certified)
        assert gone == (set() if own else plain)
        assert table.waived_checks(certified) <= table.waived_checks(shipped)


def test_few_checks_are_waived_once_there_is_a_certificate(variants):
    """What TAP promises of the environments that it ships."""
    counts = {each.environment: len(table.waived_checks(each)) for each in variants["certificate"]}
    for name, most in {"prod": 4, "staging": 8, "dev": 14}.items():
        assert counts[name] <= most


def test_stacks_are_read_in_the_order_of_the_config(tmp_path, shipped):
    for name in ("prod", "dev"):
        folder = tmp_path / "stacks" / f"tap-{name}-qa1"
        folder.mkdir(parents=True)
        (folder / "cdk.tf.json").write_text(json.dumps(shipped(name).document))
    found = read_stacks(tmp_path, {"dev": False, "prod": True})
    assert [(each.environment, each.production) for each in found] == [
        ("dev", False),
        ("prod", True),
    ]
