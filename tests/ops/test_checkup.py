"""What checks are made of: what AWS says, or does not, becomes a finding; and how that is told."""

import io
import json
import re

import pytest
from botocore.awsrequest import AWSResponse

from lib.errors import TapError
from ops import aws as ops_aws
from ops import preflight
from ops.__main__ import main
from ops.checkup import (
    Check,
    Finding,
    Outcome,
    Result,
    action_of,
    command,
    failed,
    look,
    not_shown,
    passed,
    warning,
    worst,
)
from tests.checkups import ACCOUNT, DENIED, MISSING, Refusal, subject_of

pytestmark = pytest.mark.usefixtures("aws")

WIDTH = 118
DEV = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1"}


@pytest.fixture(name="subject")
def _subject(shipped):
    return subject_of(shipped("dev"))


def asking(service, operation, **arguments):
    """A check that makes one call."""

    def ask(subject):
        getattr(subject.client(service), operation)(**arguments)
        yield passed("answered")

    return Check("one", ask)


def one(check, subject):
    """The one finding of a check."""
    (result,) = look([check], subject)
    (finding,) = result.findings
    return finding


# what AWS says becomes a finding


def test_what_is_answered_passes_with_its_time_and_its_calls(subject):
    (result,) = look([asking("ec2", "describe_vpcs")], subject)
    assert result.findings == (passed("answered"),)
    assert result.seconds > 0 and result.calls == {"ec2:DescribeVpcs": 1}


def test_calls_are_each_check_s_own_whichever_client_makes_them(subject):
    def by_session(subject):
        subject.session.client("sqs").list_queues()
        subject.caller.client("sns").list_topics()
        yield passed("answered")

    first, second = look([asking("ec2", "describe_vpcs"), Check("two", by_session)], subject)
    assert first.calls == {"ec2:DescribeVpcs": 1}
    assert second.calls == {"sqs:ListQueues": 1, "sns:ListTopics": 1}


def test_every_page_is_a_call_and_all_entries_are_had(subject, aws):
    aws.give(
        "ec2:DescribeVpcs",
        {"Vpcs": [{"VpcId": "vpc-1"}], "NextToken": "more"},
        {"Vpcs": [{"VpcId": "vpc-2"}]},
    )
    found = subject.ask("ec2", "describe_vpcs", "Vpcs")
    assert [vpc["VpcId"] for vpc in found] == ["vpc-1", "vpc-2"]
    assert subject.calls == {"ec2:DescribeVpcs": 2}


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_a_permission_that_is_missing_fails_by_its_name(subject, aws, code):
    aws.give("elbv2:DescribeLoadBalancers", Refusal(code, 403))
    finding = one(asking("elbv2", "describe_load_balancers"), subject)
    assert finding.outcome is Outcome.FAILED
    assert finding.found.startswith("elasticloadbalancing:DescribeLoadBalancers is denied")
    assert "elasticloadbalancing:DescribeLoadBalancers" in finding.fix


def test_a_permission_is_named_as_iam_names_it(subject, aws):
    aws.give("s3:HeadBucket", Refusal("403", 403))
    finding = one(asking("s3", "head_bucket", Bucket="some-bucket"), subject)
    assert finding.outcome is Outcome.FAILED and "s3:ListBucket is denied" in finding.found
    assert action_of("service-quotas:GetServiceQuota") == "servicequotas:GetServiceQuota"
    assert action_of("ec2:DescribeVpcs") == "ec2:DescribeVpcs"


@pytest.mark.parametrize(
    "refusal",
    [MISSING, Refusal("InternalFailure", 500), Refusal("Throttling"), Refusal("SlowDown", 503)],
)
def test_what_is_not_answered_is_not_shown(subject, aws, refusal):
    aws.give("rds:DescribeDBInstances", refusal)
    finding = one(asking("rds", "describe_db_instances"), subject)
    assert finding.outcome is Outcome.NOT_SHOWN
    assert "rds:DescribeDBInstances is not answered: no DescribeDBInstances" in finding.found


def test_what_aws_refuses_otherwise_fails_in_its_words(subject, aws):
    aws.give("rds:DescribeDBInstances", Refusal("InvalidParameterValue"))
    finding = one(asking("rds", "describe_db_instances"), subject)
    assert finding.outcome is Outcome.FAILED and "no DescribeDBInstances" in finding.found


def test_what_another_command_was_refused_is_named_alike(subject, aws):
    def wrapped(subject):
        with ops_aws.told(hint="ask somebody"):
            subject.client("ec2").describe_vpcs()
        yield passed("answered")

    aws.give("ec2:DescribeVpcs", DENIED)
    assert "ec2:DescribeVpcs is denied" in one(Check("one", wrapped), subject).found


def test_an_error_of_ours_fails_with_its_hint(subject):
    def broken(_):
        yield passed("first")
        raise TapError("it is gone", hint="look for it")

    (result,) = look([Check("one", broken)], subject)
    assert result.findings == (passed("first"), failed("it is gone", "an answer", "look for it"))


def test_throttling_is_retried(subject, monkeypatch):
    """At the wire: three answers that there is too much of it, then moto's."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    answers = []
    body = b"<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>"

    class Raw(io.BytesIO):
        """As urllib3 answers."""

        def stream(self, *_, **__):
            """All of it."""
            yield self.read()

    def throttled(request, **_):
        answers.append(1)
        return AWSResponse(request.url, 503, {}, Raw(body)) if len(answers) < 4 else None

    client = subject.client("ec2")
    client.meta.events.register_first("before-send", throttled)
    (result,) = look([asking("ec2", "describe_vpcs")], subject)
    assert result.outcome is Outcome.PASSED
    assert len(answers) == 4 and result.calls == {"ec2:DescribeVpcs": 1}


# one check after the other


def test_after_an_essential_one_that_fails_nothing_is_asked(subject):
    looked = []

    def never(_):
        looked.append(1)
        yield passed("all")

    broken = Check("identity", lambda _: [failed("nobody", "somebody", "log in")], essential=True)
    first, second = look([broken, Check("rest", never)], subject)
    assert first.outcome is Outcome.FAILED and not looked
    assert second.findings == (
        not_shown("identity failed", "identity to pass", "mend identity first"),
    )


@pytest.mark.parametrize("essential", [True, False])
def test_after_others_all_are_asked(subject, essential):
    first = Check("one", lambda _: [warning("old", "new", "renew")], essential=essential)
    broken = Check("two", lambda _: [failed("x", "y", "z")])
    outcomes = [result.outcome for result in look([first, broken, first], subject)]
    assert outcomes == [Outcome.WARNING, Outcome.FAILED, Outcome.WARNING]


def test_the_worst_counts():
    assert worst([]) is Outcome.PASSED
    assert worst([Outcome.PASSED, Outcome.WARNING]) is Outcome.WARNING
    assert worst([Outcome.NOT_SHOWN, Outcome.WARNING]) is Outcome.NOT_SHOWN
    assert worst([Outcome.FAILED, Outcome.NOT_SHOWN]) is Outcome.FAILED


# what counts together


def test_neighbours_are_those_of_the_same_account_and_region(shipped):
    subject = subject_of(shipped("dev"))
    role = "arn:aws:iam::999999999999:role/deploy"
    same = subject_of(shipped("staging"), account_id=ACCOUNT)
    abroad = subject_of(shipped("prod"), region="eu-west-1")
    other = subject_of(shipped("prod"), deploy_role_arn=role)
    another = subject_of(shipped("prod"), account_id="999999999999")
    subject.neighbours = (same, abroad, other, another)
    assert subject.together() == [subject, same]
    assert subject.together(everywhere=True) == [subject, same, abroad]


def test_a_command_s_environments_are_neighbours(shipped, monkeypatch):
    def synthesize(_, output, __):
        for name in ("dev", "staging"):
            folder = output / "stacks" / f"tap-{name}-qa1"
            folder.mkdir(parents=True)
            (folder / "cdk.tf.json").write_text(json.dumps(shipped(name).document))
        return ""

    monkeypatch.setattr(command, "run_app", synthesize)
    found = command.subjects({**DEV, "ENVIRONMENT": "dev,staging"})
    first, second = found[0], found[1]
    assert (first.config.name, second.config.name) == ("dev", "staging")
    assert (first.stack.id, second.stack.id) == ("tap-dev-qa1", "tap-staging-qa1")
    assert first.neighbours == (second,) and second.neighbours == (first,)


# the command


@pytest.fixture(name="findings")
def _findings(monkeypatch, subject):
    """What the command's one check finds; no stack is synthesized anew."""
    found = [passed("all is well")]
    monkeypatch.setattr(preflight, "checks", lambda _: [Check("one", lambda _: list(found))])
    monkeypatch.setattr(command, "subjects", lambda _: [subject])
    return found


FAILED, UNSEEN, OLD = (
    failed("no", "yes", "do"),
    not_shown("fog", "sun", "wait"),
    warning("a", "b", "c"),
)


@pytest.mark.parametrize(
    ("finding", "options", "code"),
    [
        (passed("fine"), [], 0),
        (OLD, [], 0),
        (UNSEEN, [], 0),
        (UNSEEN, ["--not-shown", "3"], 3),
        (OLD, ["--not-shown", "3"], 0),
        (FAILED, [], 1),
        (FAILED, ["--not-shown", "3"], 1),
    ],
)
def test_exit_codes(findings, finding, options, code, capsys):
    findings.append(finding)
    assert main(["preflight", *options]) == code
    assert main(["preflight", "--json", *options]) == code
    assert finding.found in capsys.readouterr().out


def test_bad_input_is_2_before_aws_is_asked(monkeypatch, capsys, subject):
    monkeypatch.setenv("ENVIRONMENT", "prd")
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "qa1")
    assert main(["preflight"]) == 2
    assert "prd" in capsys.readouterr().err and not subject.calls
    assert main(["preflight", "--frobnicate"]) == 2
    for code in ("256", "-1", "x"):
        with pytest.raises(SystemExit) as ended:
            main(["preflight", "--not-shown", code])
        assert ended.value.code == 2


def test_json_is_for_machines(findings, capsys):
    findings.append(FAILED)
    main(["preflight", "--json"])
    (record,) = json.loads(capsys.readouterr().out)
    (check,) = record.pop("checks")
    assert record == {"stack": "tap-dev-qa1", "environment": "dev", "region": "us-east-1"}
    assert check.pop("seconds") >= 0
    assert check == {
        "check": "one",
        "outcome": "failed",
        "calls": {},
        "findings": [
            {"outcome": "passed", "found": "all is well", "needed": "", "fix": ""},
            {"outcome": "failed", "found": "no", "needed": "yes", "fix": "do"},
        ],
    }


def shown(subject, *results):
    """What a person reads."""
    output = io.StringIO()
    command.show(subject, results, output)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def told(name, *findings, calls=None):
    """A check's."""
    return Result(name, findings, 0.25, calls or {})


LINK = (
    "https://console.aws.amazon.com/servicequotas/home/services/elasticloadbalancing/quotas/"
    "L-53DA6B97"
)


def test_a_person_reads_found_needed_and_fix_the_worst_last(subject):
    lines = shown(
        subject,
        told("quotas.vpcs", failed("5 used, 1 added, of 5", "a quota of 6", "ask")),
        told("identity.account", passed("123456789012"), calls={"sts:GetCallerIdentity": 1}),
    )
    assert lines == [
        "tap-dev-qa1: what was asked",
        "  0.25 s  quotas.vpcs       nothing",
        "  0.25 s  identity.account  sts:GetCallerIdentity 1",
        "",
        "tap-dev-qa1: what was found",
        "passed  identity.account              123456789012",
        "failed  quotas.vpcs",
        "        found   5 used, 1 added, of 5",
        "        needed  a quota of 6",
        "        fix     ask",
        "",
        "tap-dev-qa1: 1 passed, 0 warning, 0 not shown, 1 failed; 2 checks, 0.5 s",
    ]


def test_what_checks_found_alike_is_there_once(subject):
    same = not_shown("identity failed", "identity to pass", "mend identity first")
    text = "\n".join(shown(subject, told("one", same), told("two", same)))
    assert text.count("mend identity first") == 1 and "one, two" in text
    assert "2 not shown" in text


def test_no_line_is_wider_than_a_page_and_nothing_is_lost(subject):
    long = Finding(Outcome.FAILED, "word " * 60, f"arn:{'x' * 300}", f"see {LINK}")
    calls = {f"service:DescribeThing{number}": number for number in range(20)}
    lines = shown(subject, told("versions.instance_class", long, calls=calls))
    assert max(map(len, lines)) <= WIDTH
    text = "".join(line.strip() for line in lines)
    assert text.count("x" * 300) == 1
    assert any(LINK in line for line in lines), "a link that is cut cannot be followed"
    assert len(re.findall("word", text)) == 60
    assert all(call in " ".join(lines) for call in calls)


def test_markup_in_what_aws_says_is_text(subject):
    text = "\n".join(shown(subject, told("one", failed("[bold]x[/nonsense]", "[red]", "[/]"))))
    assert "[bold]x[/nonsense]" in text and "[red]" in text and "[/]" in text
