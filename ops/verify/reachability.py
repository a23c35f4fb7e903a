"""``--reachability``: VPC Reachability Analyzer on the paths that count.

It works out from routes, ACLs and security groups, all at once, whether a packet would arrive. It
sends none. Each question costs $0.10, and is one path with one analysis, deleted once answered.

https://docs.aws.amazon.com/vpc/latest/reachability/how-reachability-analyzer-works.html
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops import graceful
from ops.checkup import Check, Finding, Subject, failed, not_shown, passed
from ops.verify.deployed import Deployed
from ops.verify.emulated import ON_AWS, emulator

PRICE = 0.10  # dollars an analysis, https://aws.amazon.com/vpc/pricing/
POLL_SECONDS = 3
WAIT_SECONDS = 300
NEEDED = "an answer from Reachability Analyzer"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a connection would come through, and whether it should."""

    source: str
    source_id: str
    target: str
    target_id: str
    port: int
    wanted: bool

    def __str__(self) -> str:
        return f"{self.source} ({self.source_id}) → {self.target} ({self.target_id}) {self.port}"


def _look(subject: Subject) -> Iterator[Finding]:
    if url := emulator(subject):
        yield not_shown(f"the emulator at {url} has no Reachability Analyzer", NEEDED, ON_AWS)
        return
    deployed = Deployed(subject)
    ends = _ends(deployed)
    for word in ("load balancer", "service", "database"):
        if word not in ends:
            yield not_shown(
                f"the {word} has no network interface", NEEDED, f"see what is wrong with the {word}"
            )
    questions = list(_questions(subject, ends))
    graceful.say(
        f"Reachability Analyzer: {len(questions)} questions, ${len(questions) * PRICE:.2f}"
    )
    for question in questions:
        yield from _ask(subject, question)


def _ends(deployed: Deployed) -> dict[str, str]:
    """A network interface of each part, and the internet gateway."""
    ends = {"internet": deployed.id("network/internet_gateway")}
    for word, groups in (
        ("load balancer", set((deployed.load_balancer or {}).get("SecurityGroups", ()))),
        ("service", deployed.service_groups),
        ("database", deployed.database_groups),
    ):
        ends[word] = next(
            (
                entry["NetworkInterfaceId"]
                for entry in deployed.interfaces
                if groups & {group["GroupId"] for group in entry.get("Groups", ())}
            ),
            None,
        )
    return {word: id_ for word, id_ in ends.items() if id_}


def _questions(subject: Subject, ends: Mapping[str, str]) -> Iterator[Question]:
    config = subject.config
    front = 443 if config.load_balancer.certificate_arn else 80
    for source, target, port, wanted in (
        ("internet", "load balancer", front, True),
        ("load balancer", "service", config.service.container_port, True),
        ("service", "database", config.database.port, True),
        ("internet", "database", config.database.port, False),
        ("load balancer", "database", config.database.port, False),
    ):
        if {source, target} <= ends.keys():
            yield Question(source, ends[source], target, ends[target], port, wanted)


def _ask(subject: Subject, question: Question) -> Iterator[Finding]:
    """Put a question, and leave nothing of it."""
    client = subject.client("ec2")
    path = client.create_network_insights_path(
        Source=question.source_id,
        Destination=question.target_id,
        Protocol="tcp",
        DestinationPort=question.port,
    )["NetworkInsightsPath"]["NetworkInsightsPathId"]
    analysis = None
    try:
        analysis = client.start_network_insights_analysis(NetworkInsightsPathId=path)[
            "NetworkInsightsAnalysis"
        ]["NetworkInsightsAnalysisId"]
        yield _finding(question, _answer(subject, analysis))
    finally:
        left = [*_deleted(client, path, analysis)]
    yield from left


def _answer(subject: Subject, analysis: str) -> Mapping[str, Any]:
    """What the analysis says, once it is through or has taken too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        (answer,) = subject.ask(
            "ec2",
            "describe_network_insights_analyses",
            "NetworkInsightsAnalyses",
            NetworkInsightsAnalysisIds=[analysis],
        )
        if answer["Status"] != "running" or time.monotonic() > deadline:
            return answer
        time.sleep(POLL_SECONDS)


def _finding(question: Question, answer: Mapping[str, Any]) -> Finding:
    if answer["Status"] != "succeeded":
        message = answer.get("StatusMessage") or f"no answer in {WAIT_SECONDS} s"
        return not_shown(f"{question}: {answer['Status']}: {message}", NEEDED, "ask again")
    if answer["NetworkPathFound"] == question.wanted:
        return passed(f"{question}: {'reachable' if question.wanted else 'not reachable'}")
    if not question.wanted:
        return failed(
            f"{question}: reachable",
            "not reachable",
            "see the checks of routes and groups, which name what opens it",
        )
    reasons = {
        f"{entry['ExplanationCode']} at {entry.get('Component', {}).get('Id', 'unknown')}"
        for entry in answer.get("Explanations", ())
        if "ExplanationCode" in entry
    }
    told = ", ".join(sorted(reasons)) or "no reason given"
    return failed(f"{question}: not reachable: {told}", "reachable", "mend what it names")


def _deleted(client: Any, path: str, analysis: str | None) -> Iterator[Finding]:
    """Delete both; what is left, if they cannot be."""
    steps = [(client.delete_network_insights_path, {"NetworkInsightsPathId": path})]
    if analysis:
        step = client.delete_network_insights_analysis
        steps.insert(0, (step, {"NetworkInsightsAnalysisId": analysis}))
    for delete, arguments in steps:
        (id_,) = arguments.values()
        try:
            delete(**arguments)
        except ClientError as error:
            yield failed(
                f"{id_} is left: {error}", "nothing left", "delete it: aws ec2 delete-network-..."
            )


CHECKS = (Check("network.reachability", _look),)
