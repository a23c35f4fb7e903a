"""A given DB_PASSWORD is in the database and in its secret, and nowhere else."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from ops.cdktf_cli import ROOT
from ops.emulator.inventory import inventory
from tests.chaos.deploys import copy
from tests.e2e import calls
from tests.e2e.test_deployed import changed_app

NOT_OURS = {".git", ".venv", "node_modules"}  # written before there was a password


class Passwords:
    """A deployment with a given password, and how to look for it."""

    def __init__(self, place, first, began):
        self.copy = place
        self.first = first
        self.second = new_password()
        self.began = began
        self.seen = set()  # of the passwords, on command lines

    def deploy(self, password):
        """Deploy with this password, by our command; the log goes into a file."""
        with self.watched(), (self.copy.folder / "deploy.log").open("a") as log:
            subprocess.run(
                self.copy.command(),
                cwd=ROOT,
                env=self.copy.environ(DB_PASSWORD=password),
                stdout=log,
                stderr=log,
                check=True,
            )

    @contextmanager
    def watched(self):
        """Look at the command line of every process."""
        ended = threading.Event()

        def watch():
            while not ended.wait(0.2):
                for process in psutil.process_iter():
                    with suppress(psutil.Error):
                        line = " ".join(process.cmdline())
                        self.seen |= {each for each in (self.first, self.second) if each in line}

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def files(self):
        """Every file that was written since: in the project, in the sandbox, and beside it."""
        home = Path.home()
        places = [*(each for each in ROOT.iterdir() if each.name not in NOT_OURS)]
        places += [self.copy.folder.parent, *Path(tempfile.gettempdir()).iterdir()]
        places += [home / ".cdktf", home / ".terraform.d"]
        files = [place for place in places if place.is_file()]
        for place in places:
            for folder, _, names in os.walk(place):  # what vanishes meanwhile is no error to it
                files += [Path(folder, name) for name in names]
        for file in files:
            with suppress(OSError):
                if file.is_file() and file.stat().st_mtime >= self.began:
                    yield file

    def secret(self, stage="AWSCURRENT"):
        """The value of the database's secret."""
        client = self.copy.client("secretsmanager")
        (entry,) = client.list_secrets()["SecretList"]
        value = client.get_secret_value(SecretId=entry["ARN"], VersionStage=stage)
        return json.loads(value["SecretString"])

    def database(self):
        """The database."""
        (found,) = self.copy.client("rds").describe_db_instances()["DBInstances"]
        return found

    def told(self):
        """What AWS tells of everything that is there, but for the values of secrets."""
        answers = []

        def client(service):
            listening = self.copy.client(service)
            listening.meta.events.register("after-call", lambda parsed, **_: answers.append(parsed))
            return listening

        inventory(client)
        client("ssm").get_parameters_by_path(Path="/", Recursive=True, WithDecryption=True)
        ecs = client("ecs")
        for arn in ecs.list_task_definitions()["taskDefinitionArns"]:
            ecs.describe_task_definition(taskDefinition=arn)
        return json.dumps(answers, default=str)


def new_password():
    """One that stands nowhere yet, this file included."""
    return f"sentinel{secrets.token_hex(8)}"


def forms(password):
    """The password as it may stand in a file: as it is, and in base64, wherever it begins."""
    yield password.encode()
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + password.encode())
        yield whole[4 if shift else 0 : -4]


def holds(file, password):
    """Whether a file, or what is packed in it, has the password in it."""
    try:
        texts = [file.read_bytes()]
    except OSError:  # another program's, gone by now
        return False
    if zipfile.is_zipfile(file):  # such as Terraform's plans
        with zipfile.ZipFile(file) as archive:
            texts += [archive.read(name) for name in archive.namelist()]
    return any(form in text for form in forms(password) for text in texts)


@pytest.fixture(scope="module", name="deployed")
def _deployed():
    """dev, deployed with a password."""
    first, began = new_password(), time.time()
    with copy(DB_PASSWORD=first) as place:
        passwords = Passwords(place, first, began)
        passwords.deploy(first)
        yield passwords


def test_what_looks_for_it_finds_it(tmp_path):
    password = new_password()
    (tmp_path / "plain").write_text(f"a {password} b", encoding="utf-8")
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + password.encode() + b"y")
        (tmp_path / f"base64 {shift}").write_bytes(encoded)
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", password)
    assert all(holds(file, password) for file in tmp_path.iterdir())
    assert not any(holds(file, new_password()) for file in tmp_path.iterdir())


def test_it_is_in_no_file(deployed):
    files = set(deployed.files())
    site = deployed.copy.site
    assert {site.state, site.emulator.log, site.stack_folder / "cdk.tf.json"} <= files
    assert [file for file in files if holds(file, deployed.first)] == []


def test_it_is_on_no_command_line(deployed):
    assert deployed.seen == set()
    with deployed.watched():
        command = [sys.executable, "-c", "import time; time.sleep(1)", deployed.first]
        subprocess.run(command, check=True)
    assert deployed.seen == {deployed.first}  # so it would have been seen
    deployed.seen.clear()


def test_the_secret_is_one_that_the_service_can_read(deployed):
    config = deployed.copy.site.config.database
    assert deployed.secret() == {"username": config.username, "password": deployed.first}


def test_nothing_else_in_aws_tells_it(deployed):
    told = deployed.told()
    assert "arn:aws:ecs" in told
    assert deployed.database()["DBInstanceIdentifier"] in told
    assert deployed.first not in told


def test_another_password_alone_changes_nothing(deployed):
    done = deployed.copy.run("diff", DB_PASSWORD=deployed.second)
    assert "found no differences" in done.stdout


def test_counted_up_it_changes_in_place(deployed, tmp_path):
    before, sandbox = deployed.database(), deployed.copy.sandbox
    app = changed_app(tmp_path, "password_version: int = 1", "password_version: int = 2")
    sandbox.synth(deployed.copy.site, app)
    deployed.deploy(deployed.second)
    assert deployed.secret()["password"] == deployed.second
    assert deployed.secret("AWSPREVIOUS")["password"] == deployed.first
    assert deployed.database()["DbiResourceId"] == before["DbiResourceId"]
    assert deployed.seen == set()
    passwords = (deployed.first, deployed.second)
    assert [file for file in deployed.files() if any(holds(file, each) for each in passwords)] == []


def test_the_policy_of_preflight_allows_all_that_a_given_password_takes(deployed):
    site = deployed.copy.site
    assert "secretsmanager:PutSecretValue" in calls.by_terraform(site.emulator.log)
    assert not calls.unallowed(site)
