"""A Terraform that is played by a script: it notes its calls, and answers what a test has set."""

import json
import os
import stat
from pathlib import Path

from tests.e2e import plans

IMAGE = "registry.example/app@sha256:" + "0" * 64
SCRIPT = """#!/bin/sh
if [ "${1#-chdir=}" = "$1" ]; then echo "Terraform v1.11.4"; exit; fi # asked by a synthesis
verb=$2
cd "${1#-chdir=}"
stack=$(basename "$PWD"); stack=${stack%%@*}
said="$stack $verb $3 $4 $5 $6 $7 $8 $9"
echo "$said [$TF_VAR_db_password]" | tr -s ' ' >> "$LOG/calls"
ls -A > "$LOG/files.$verb"
env > "$LOG/environ.$verb"
[ -f "$LOG/$verb.fails" ] && cat "$LOG/$verb.fails" && exit 1
case "$verb $3 $4" in
  "plan "*) cp "$LOG/plan.json" tap.tfplan; exit "$(cat "$LOG/changed")" ;;
  "show -json tap.tfplan") cat tap.tfplan ;;
  "show -json "*) cat "$LOG/state.json" ;;
  "show "*) echo "Plan: 1 to add, 2 to change, 0 to destroy." ;;
  "apply "*) cp tap.tfplan "$LOG/applied.json" ;;
esac
"""
STATE = {
    "values": {
        "root_module": {
            "resources": [
                {"type": "aws_vpc", "values": {}},
                {
                    "type": "aws_ecs_task_definition",
                    "values": {"container_definitions": json.dumps([{"image": IMAGE}])},
                },
            ]
        }
    }
}
# What is the same in each call.
ALWAYS = ("-input=false ", "-detailed-exitcode ", "-no-color ", "-compact-warnings ")


class Log:
    """What the script is to answer, and what it was asked."""

    def __init__(self, folder):
        self.folder = folder
        self.answers(changed="2", plan=recorded("nothing"), state=json.dumps(STATE))

    def answers(self, **files):
        """Set the exit code of ``plan``, or what ``show`` prints."""
        for name, text in files.items():
            suffix = "" if name == "changed" else ".json"
            (self.folder / f"{name}{suffix}").write_text(text, encoding="utf-8")

    def fails(self, verb, text="Error: no such thing"):
        """Let a command fail."""
        (self.folder / f"{verb}.fails").write_text(text, encoding="utf-8")

    def calls(self):
        """Stack, verb and arguments of each call, without what is the same in all."""
        file = self.folder / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for same in ALWAYS:
            lines = [line.replace(same, "") for line in lines]
        return [line.removesuffix(" []") for line in lines]

    def verbs(self):
        """Stack and verb of each call."""
        return [tuple(line.split()[:2]) for line in self.calls()]

    def files(self, verb):
        """The files that lay in the folder when Terraform last ran that command."""
        return set((self.folder / f"files.{verb}").read_text(encoding="utf-8").split())

    def environ(self, verb):
        """The environment that it ran in."""
        text = (self.folder / f"environ.{verb}").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    @property
    def applied(self):
        """The plan that was applied, as it was at that moment."""
        return json.loads((self.folder / "applied.json").read_text(encoding="utf-8"))


def recorded(name):
    """A plan that Terraform has made."""
    return (plans.FOLDER / f"{name}.json").read_text(encoding="utf-8")


def synthesize(environ, output):
    """In place of tap.py, which takes a second."""
    for environment in environ["ENVIRONMENT"].split(","):
        folder = Path(output, "stacks", f"tap-{environment}-qa1")
        folder.mkdir(parents=True, exist_ok=True)
        task = {"container_definitions": json.dumps([{"image": environ.get("CONTAINER_IMAGE")}])}
        document = {
            "terraform": {"backend": {environ.get("STATE_BACKEND", "s3"): {}}},
            "resource": {"aws_ecs_task_definition": {"task": task}},
        }
        (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")


def played(folder, monkeypatch):
    """Let Terraform be played, for the copy qa1 of dev with a local state; returns its log."""
    script = folder / "terraform"
    script.write_text(SCRIPT, encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    theirs = [name for name in os.environ if name.startswith(("TF_", "AWS_ENDPOINT"))]
    for name in (*theirs, "AWS_PROFILE", "DB_PASSWORD", "CONTAINER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    environ = {
        "ENVIRONMENT": "dev",
        "ENVIRONMENT_SUFFIX": "qa1",
        "STATE_BACKEND": "local",
        "LOG": str(folder),
        "TERRAFORM_BINARY_NAME": str(script),
        "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return Log(folder)
