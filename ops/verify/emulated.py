"""Whether it is AWS that answers, or an emulator, which cannot show everything.

An emulator has no packets, runs no container and asks no target for its health: what it says of
those is not shown, whatever it says.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ops.checkup import Finding, Outcome, Subject, not_shown

AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
ON_AWS = "verify an environment on AWS"


def emulator(subject: Subject) -> str | None:
    """Where the emulator is that stands for AWS; None where AWS itself is asked."""
    url = subject.client("sts").meta.endpoint_url
    return None if (urlsplit(url).hostname or "").endswith(AWS) else url


def only_on_aws(subject: Subject, findings: Iterable[Finding], why: str) -> Iterator[Finding]:
    """The findings; what an emulator makes pass is not shown, and ``why``."""
    url = emulator(subject)
    for finding in findings:
        if url and finding.outcome is Outcome.PASSED:
            yield not_shown(f"{finding.found}, says the emulator at {url}: {why}", "AWS", ON_AWS)
        else:
            yield finding
