"""Whether it is AWS that answers, or an emulator, which cannot show everything.

TAP's own runs tasks, databases and load balancers where this machine can (its data plane). What an
emulator doesn't run is not shown, whatever it says of it.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ops.checkup import Finding, Outcome, Subject, not_shown
from ops.emulator.client import data_plane

AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
ON_AWS = "verify an environment on AWS"


def emulator(subject: Subject) -> str | None:
    """Where the emulator is that stands for AWS; None where AWS itself is asked."""
    url = subject.client("sts").meta.endpoint_url
    return None if (urlsplit(url).hostname or "").endswith(AWS) else url


def without_tasks(subject: Subject) -> str | None:
    """Where the emulator is that stands for AWS and runs no tasks; None where tasks run."""
    url = emulator(subject)
    return None if url is None or data_plane(url).get("runs_tasks") else url


def only_where_tasks_run(
    subject: Subject, findings: Iterable[Finding], why: str
) -> Iterator[Finding]:
    """The findings; what an emulator makes pass that runs no tasks is not shown, and ``why``."""
    url = without_tasks(subject)
    for finding in findings:
        if url and finding.outcome is Outcome.PASSED:
            yield not_shown(f"{finding.found}, says the emulator at {url}: {why}", "AWS", ON_AWS)
        else:
            yield finding
