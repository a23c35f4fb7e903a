"""tf-nag, in an environment of its own, on a plan: a second opinion, by the rules of cdk-nag.

It wants values: on the plan of a stack that is not deployed it knows no policy and no container,
and says so. On the plan of one that is deployed it looks at everything.
"""

import json
import subprocess
from pathlib import Path

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.policy.stack import Finding

TF_NAG = ROOT / ".tools" / "tf-nag" / "bin" / "tf-nag"
PREFIX = "AwsSolutions-"  # of its checks


def findings(plan: Path) -> list[Finding]:
    """What it objects to in ``plan``, as ``terraform show -json`` writes it.

    What it could not tell is a finding too. Raises ``TapError`` when it is not installed, or does
    not know the plan for one.
    """
    if not TF_NAG.exists():
        raise TapError("tf-nag is not installed", hint="run make e2e")
    if not json.loads(plan.read_text(encoding="utf-8")).get("planned_values"):
        raise TapError(f"{plan} has no planned values", hint="write it by terraform show -json")
    done = subprocess.run(
        [TF_NAG, "scan", "--plan-json", plan, "--format", "json", "--fail-on", "never", "--strict"],
        cwd=plan.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TapError(f"tf-nag failed: {done.stderr.strip()}", hint="run it by hand")
    return [
        Finding(each["rule_id"], each["address"], each["message"])
        for each in json.loads(done.stdout)
    ]
