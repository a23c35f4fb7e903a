"""Reachability Analyzer is asked what should be reachable and what should not, and cleaned up."""

import itertools

import pytest

from ops.checkup import Outcome
from ops.verify import reachability
from ops.verify.reachability import CHECKS
from tests.conftest import BY_NAME, changed
from tests.ops.answers import Answers, refusal
from tests.ops.deployed import environment
from tests.synthesized import Synthesized

BLOCKED = [
    {"ExplanationCode": "ENI_SG_RULES_MISMATCH", "Component": {"Id": "sg-1"}},
    {"Direction": "egress"},
]


@pytest.fixture(name="there", scope="module")
def _there():
    """Staging, deployed, with a network interface for each part, as AWS makes them."""
    with environment(Synthesized.of(BY_NAME["staging"])) as there:
        for path, subnet, text in (
            ("load_balancer", "public0", "ELB app/x"),
            ("service", "private0", "arn:aws:ecs:us-east-1:123456789012:attachment/x"),
        ):
            made = there.ec2.create_network_interface(
                SubnetId=there.at[f"network/{subnet}"],
                Groups=[there.at[f"security/{path}"]],
                Description=text,
            )
            there.at[path] = made["NetworkInterface"]["NetworkInterfaceId"]
        (there.at["database"],) = interfaces_of_rds(there)
        yield there


def interfaces_of_rds(there):
    """The network interfaces that RDS has made for the database."""
    of_rds = [{"Name": "description", "Values": ["RDSNetworkInterface"]}]
    found = there.ec2.describe_network_interfaces(Filters=of_rds)["NetworkInterfaces"]
    return [each["NetworkInterfaceId"] for each in found]


@pytest.fixture(name="quick", autouse=True)
def _quick(monkeypatch):
    """Nothing is waited for."""
    ticks = itertools.count(step=100)
    monkeypatch.setattr(reachability.time, "sleep", lambda _: None)
    monkeypatch.setattr(reachability.time, "monotonic", lambda: next(ticks))


class Analyzer:
    """The analyzer, for which these pairs of source and destination are reachable."""

    def __init__(self, *reachable, **answers):
        self.reachable = reachable
        self._ids = itertools.count()
        self._paths = {}
        self.answers = Answers(
            {
                "CreateNetworkInsightsPath": self._create,
                "StartNetworkInsightsAnalysis": lambda asked: {
                    "NetworkInsightsAnalysis": {
                        "NetworkInsightsAnalysisId": f"nia-{asked['NetworkInsightsPathId']}"
                    }
                },
                "DescribeNetworkInsightsAnalyses": self._describe,
                "DeleteNetworkInsightsAnalysis": {},
                "DeleteNetworkInsightsPath": {},
                **answers,
            }
        )

    def _create(self, asked):
        id_ = f"nip-{next(self._ids)}"
        self._paths[f"nia-{id_}"] = (
            asked["Source"],
            asked["Destination"],
            asked["DestinationPort"],
        )
        return {"NetworkInsightsPath": {"NetworkInsightsPathId": id_}}

    def _describe(self, asked):
        found = self._paths[asked["NetworkInsightsAnalysisIds"][0]] in self.reachable
        answer = {"Status": "succeeded", "NetworkPathFound": found}
        return {
            "NetworkInsightsAnalyses": [{**answer, **({} if found else {"Explanations": BLOCKED})}]
        }

    def look(self, there):
        """What the check finds."""
        with self.answers.on(there.ec2):
            return list(CHECKS[0].look(there.subject))

    def left(self):
        """The paths and analyses that were made and not deleted."""
        deleted = {
            *(
                asked["NetworkInsightsPathId"]
                for asked in self.answers.of("DeleteNetworkInsightsPath")
            ),
            *(
                asked["NetworkInsightsAnalysisId"]
                for asked in self.answers.of("DeleteNetworkInsightsAnalysis")
            ),
        }
        paths = {analysis.removeprefix("nia-") for analysis in self._paths}
        started = {
            f"nia-{asked['NetworkInsightsPathId']}"
            for asked in self.answers.of("StartNetworkInsightsAnalysis")
        }
        return (paths | started) - deleted


def intended(there):
    """What should be reachable."""
    at = there.at
    return [
        (at["network/internet_gateway"], at["load_balancer"], 80),
        (at["load_balancer"], at["service"], 8080),
        (at["service"], at["database"], 5432),
    ]


def test_what_should_be_reachable_is_and_nothing_else(there, capsys):
    analyzer = Analyzer(*intended(there))
    found = analyzer.look(there)
    assert [finding.outcome for finding in found] == [Outcome.PASSED] * 5
    told = [finding.found.rpartition(": ")[2] for finding in found]
    assert told == ["reachable"] * 3 + ["not reachable"] * 2
    assert analyzer.left() == set()
    assert "5 questions, $0.50" in capsys.readouterr().err


def test_what_is_blocked_is_told_with_what_blocks_it(there):
    *some, last = intended(there)
    found = [each for each in Analyzer(*some).look(there) if each.outcome is not Outcome.PASSED]
    (finding,) = found
    assert finding.outcome is Outcome.FAILED
    assert finding.found == (
        f"service ({last[0]}) → database ({last[1]}) 5432: not reachable: "
        "ENI_SG_RULES_MISMATCH at sg-1"
    )


def test_what_should_not_be_reachable(there):
    way = (there.at["load_balancer"], there.at["database"], 5432)
    found = Analyzer(*intended(there), way).look(there)
    (finding,) = (each for each in found if each.outcome is not Outcome.PASSED)
    assert finding.outcome is Outcome.FAILED
    assert finding.found.startswith("load balancer (") and finding.needed == "not reachable"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"Status": "failed", "StatusMessage": "no quota"}, "failed: no quota"),
        ({"Status": "running"}, "running: no answer in 300 s"),
    ],
)
def test_no_answer_shows_nothing(there, answer, told):
    analyzer = Analyzer(DescribeNetworkInsightsAnalyses={"NetworkInsightsAnalyses": [answer]})
    found = analyzer.look(there)
    assert {finding.outcome for finding in found} == {Outcome.NOT_SHOWN}
    assert all(finding.found.endswith(told) for finding in found)
    assert analyzer.left() == set()


def test_an_answer_that_takes_a_while_is_waited_for(there):
    through = {"Status": "succeeded", "NetworkPathFound": True}
    answers = [
        {"NetworkInsightsAnalyses": [{"Status": "running"}]},
        {"NetworkInsightsAnalyses": [through]},
    ]
    (first, *_) = Analyzer(DescribeNetworkInsightsAnalyses=answers).look(there)
    assert first.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "operation", ["StartNetworkInsightsAnalysis", "DescribeNetworkInsightsAnalyses"]
)
@pytest.mark.parametrize("interrupted", [True, False])
def test_whatever_happens_nothing_is_left(there, operation, interrupted):
    error = KeyboardInterrupt() if interrupted else refusal(operation, "AccessDenied")
    analyzer = Analyzer(**{operation: error})
    with pytest.raises(type(error)):
        analyzer.look(there)
    paths = analyzer.answers.of("DeleteNetworkInsightsPath")
    analyses = analyzer.answers.of("DeleteNetworkInsightsAnalysis")
    assert len(paths) == 1
    assert len(analyses) == (operation == "DescribeNetworkInsightsAnalyses")


def test_what_cannot_be_deleted_is_named(there):
    denied = refusal("DeleteNetworkInsightsPath", "AccessDenied")
    found = Analyzer(*intended(there), DeleteNetworkInsightsPath=denied).look(there)
    named = [finding for finding in found if finding.outcome is Outcome.FAILED]
    assert len(named) == 5
    assert named[0].found.startswith("nip-0 is left")


def test_a_part_without_an_interface_is_not_asked_about(shipped):
    with environment(shipped("dev")) as bare:
        for interface in interfaces_of_rds(bare):
            bare.ec2.delete_network_interface(NetworkInterfaceId=interface)
        analyzer = Analyzer()
        found = analyzer.look(bare)
        assert [finding.outcome for finding in found] == [Outcome.NOT_SHOWN] * 3
        assert not analyzer.answers.asked


def test_https_is_asked_about_where_there_is_a_certificate(there, monkeypatch):
    config = {"certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"}
    config = changed(there.synthesized.config, load_balancer=config)
    monkeypatch.setattr(there.synthesized, "config", config)
    analyzer = Analyzer()
    analyzer.look(there)
    (first, *_) = analyzer.answers.of("CreateNetworkInsightsPath")
    assert (first["Destination"], first["DestinationPort"]) == (there.at["load_balancer"], 443)


def test_an_emulator_is_asked_nothing(there, monkeypatch):
    monkeypatch.setattr(reachability, "emulator", lambda _: "http://127.0.0.1:5000")
    subject = there.subject
    (found,) = CHECKS[0].look(subject)
    assert found.outcome is Outcome.NOT_SHOWN
    assert not subject.calls
