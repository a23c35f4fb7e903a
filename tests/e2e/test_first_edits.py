"""What a team does in its first hours, in a copy: own image, certificate, a fourth environment,
a bigger database, a bucket of its own. Then the one command for what is made from the config, and
what a team runs after an edit is green, and TAP's own tests with it.

``docs/first-deploy.md`` and ``lib/README.md`` say how; the bucket is the latter's, word by word.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.cdktf_cli import ROOT
from tests.docs.commands import INSTALLED

SHARED = (".venv", "node_modules", ".tools")
TAKEN = [word for file in (*INSTALLED, ".tools/checkov/.installed") for word in ("-o", file)]
# Of TAP's documents, those that take seconds.
QUICK = ["tests/docs/test_cost_page.py", "tests/docs/test_parity_page.py"]
CERTIFICATE = "arn:aws:acm:{region}:123456789012:certificate/8f2a"
# Jobs 2, 3 and 5: as a person changes the file, word by word.
EDITS = {
    "        service=ServiceConfig(\n": (
        "        service=ServiceConfig(\n"
        '            image="123456789012.dkr.ecr.us-east-1.amazonaws.com/team/shop:1.4.2",\n'
        "            command=None,\n"
        "            container_port=3000,\n"
        '            health_check=HealthCheckConfig(path="/healthz"),\n'
        '            environment={"SHOP_NAME": "Corner", "LOG": "info"},\n'
    ),
    '        region="us-east-1",\n': (
        '        region="us-east-1",\n        owner="shop",\n        account_id="123456789012",\n'
    ),
    "LoadBalancerConfig(allow_plain_http=True)": (
        f'LoadBalancerConfig(certificate_arn="{CERTIFICATE.format(region="us-east-1")}",'
        ' domain_name="app.example.com")'
    ),
    '            engine_version="14",\n            instance_class="db.t3.medium",\n': (
        '            engine_version="16",\n            instance_class="db.m6g.large",\n'
        "            apply_immediately=True,\n"
    ),
    "            storage_gib=50,\n": "            storage_gib=200,\n",
    "alarms=AlarmsConfig(database_connections=300)": (
        'alarms=AlarmsConfig(database_connections=300, emails=("team@example.com",))'
    ),
}
ENVIRONMENT = """    EnvironmentConfig(
        name="{name}",
        region="{region}",
        production={production},
        network=NetworkConfig(cidr="10.{number}.0.0/16", nat=NatMode.PER_AZ),
        database=DatabaseConfig(
            engine_version="16", instance_class="{class_}", multi_az=True, backup_days=14
        ),
        service=ServiceConfig(
            cpu_units=512,
            memory_mib=2048,
            desired_count=3,
            subnets=SubnetTier.PRIVATE,
            environment={{"SHOP_NAME": "Corner"}},
        ),
        load_balancer=LoadBalancerConfig(
            certificate_arn="{certificate}", domain_name="{name}.example.com"
        ),
        state=StateConfig(),
        alarms=AlarmsConfig(emails=("team@example.com",)),
        account_id="123456789012",
    ),
"""
START = "ENVIRONMENTS: tuple[EnvironmentConfig, ...] = (\n"
# TAP's own tests that ask most of the environments.
OWN = [
    *(
        f"tests/unit/test_{name}.py"
        for name in ("environment_config", "service", "database", "tap")
    ),
    *("tests/unit/test_project.py", "tests/docs/test_docs.py"),
]


def environment(name: str, region: str, number: int, class_: str = "db.r6g.large") -> str:
    """One more entry of the config: production, where its name says so."""
    return ENVIRONMENT.format(
        name=name,
        region=region,
        number=number,
        class_=class_,
        certificate=CERTIFICATE.format(region=region),
        production=name == "live",
    )


class Copy:
    """The project as a team has it, which shares what is installed here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for name in listed:
            if not name.startswith("tests/template/") and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for name in SHARED:
            (folder / name).symlink_to(ROOT / name)
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "a copy")
        self.config = folder / "lib" / "config" / "environment_config.py"

    def git(self, *arguments: str) -> str:
        """What git says."""
        return self.run("git", *arguments).stdout

    def edit(self, edits: dict[str, str]) -> None:
        """Change the config as a person does."""
        text = self.config.read_text(encoding="utf-8")
        for old, new in edits.items():
            assert old in text, f"the config has no {old}"
            text = text.replace(old, new)
        self.config.write_text(text, encoding="utf-8")

    def only(self, *entries: str) -> None:
        """Other environments in the place of all that are shipped."""
        head = self.config.read_text(encoding="utf-8").partition(START)[0]
        self.config.write_text(f"{head}{START}{''.join(entries)})\n", encoding="utf-8")

    def extend(self) -> None:
        """Job 6: the bucket that lib/README.md shows."""
        (code,) = re.findall(
            r"```python\n(.*?)```", (self.folder / "lib/README.md").read_text("utf-8"), re.DOTALL
        )
        (self.folder / "lib" / "extend.py").write_text(f'"""Ours."""\n\n{code}', encoding="utf-8")

    def run(self, *command: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """A command that has to end well."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
        return done

    def make(self, target: str) -> str:
        """A make target, with what is installed taken as it is."""
        return self.run("make", *TAKEN, target, f"PAGES={' '.join(QUICK)}").stdout

    def pytest(self, *arguments: str, **environ: str) -> None:
        """Tests of the copy's."""
        self.run(".venv/bin/python", "-m", "pytest", "-q", "-n", "2", *arguments, **environ)

    def changed(self) -> set[str]:
        """The files that are not as they were copied."""
        return {line[3:] for line in self.git("status", "--porcelain", "-uall").splitlines()}


@pytest.fixture(name="copy")
def _copy(tmp_path):
    return Copy(tmp_path)


def test_the_jobs_of_the_first_hours(copy):
    """Jobs 2 to 6, with the commands that a team types."""
    copy.edit(EDITS)
    copy.edit({START: START + environment("qa", "eu-west-1", 3, "db.t4g.small")})
    copy.extend()
    copy.make("snapshots")
    made = copy.changed() - {"lib/config/environment_config.py", "lib/extend.py"}
    assert {name.rpartition("/")[0] for name in made} == {
        "docs",
        "docs/diagrams",
        "tests/snapshots/__snapshots__/test_snapshots",
    }
    assert {name for name in made if name.startswith("docs/") and name.count("/") == 1} == {
        "docs/policy.md"
    }
    said = copy.make("quick")
    assert "policy: qa, certificate: " in said


def test_tap_s_own_tests_heed_no_config_of_a_team(copy):
    """And no resources of a team's."""
    copy.only(environment("live", "ap-southeast-2", 7))
    copy.extend()
    copy.pytest(*OWN)


OTHERS = {
    "one": [environment("live", "ap-southeast-2", 7)],
    "two": [
        environment("blue", "eu-central-1", 8, "db.m7g.large"),
        environment("green", "us-west-2", 9, "db.x2g.large"),
    ],
    "three": [
        environment("try", "mx-central-1", 4),
        environment("check", "us-east-2", 5, "db.r7g.large"),
        environment("live", "ap-northeast-1", 6),
    ],
}


@pytest.mark.parametrize("environments", OTHERS.values(), ids=list(OTHERS))
def test_other_environments(copy, environments):
    """Of other names and numbers, in other regions, with prices or without."""
    copy.only(*environments)
    copy.pytest("tests/rules", "tests/snapshots", "--snapshot-update", TAP_WRITE_DOCS="1")
    asked = {"ENVIRONMENT": "all", "ENVIRONMENT_SUFFIX": "x1"}
    for command in (["fields", "database.storage_gib"], ["report", "--output", "pages"]):
        copy.run(".venv/bin/python", "-m", "ops", *command, **asked)
    names = sorted(re.findall(r'        name="(\w+)"', "".join(environments)))
    assert sorted(page.stem for page in (copy.folder / "pages").iterdir()) == names
