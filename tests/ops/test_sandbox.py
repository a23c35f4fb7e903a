"""``ops sandbox``: clear errors, clean output, and nothing left behind, whatever happens.

The CLI, Terraform and the emulator are small scripts here; ``tests/e2e`` has the real ones.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ops import graceful, sandbox
from ops.__main__ import main
from ops.emulator import client
from ops.terraform_provider import PROVEN, SOURCE, sandbox_provider
from tests import project

STACK = "tap-dev-qa1"
CLI = """\
import json, os, pathlib, sys, time
verb, folder = sys.argv[1], pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
with open(os.environ["FAKE_LOG"], "a") as log:
    print(verb, file=log)
if os.environ.get("FAKE_HANGS") == verb:
    time.sleep(60)
if os.environ.get("FAKE_FAILS") == verb:
    print("  │ Error: no such thing")
    sys.exit(1)
if verb == "synth":
    stack = f"tap-{os.environ['ENVIRONMENT']}-{os.environ['ENVIRONMENT_SUFFIX']}"
    (folder / "stacks" / stack).mkdir(parents=True)
    document = {"resource": {"aws_vpc": {"network": {}}, "aws_lb": {"balancer": {}}}}
    (folder / "stacks" / stack / "cdk.tf.json").write_text(json.dumps(document))
if verb == "deploy":
    print(f"{sys.argv[2]}  aws_vpc.network (network/vpc): Creation complete after 11s")
if verb == "output":
    outputs = {sys.argv[2]: {"service_url": "http://balancer", "database_address": "db"}}
    file = sys.argv[sys.argv.index("--outputs-file") + 1]
    pathlib.Path(file).write_text(json.dumps(outputs))
"""
EMULATOR = """\
import os, sys
with open(os.environ["FAKE_LOG"], "a") as log:
    print("emulator", os.getpid(), file=log)
print('{"port": 4566}', flush=True)
sys.stdin.read()
"""


class Fakes:
    """The tools, what they noted, and the folder that temporary ones are made in."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.log = folder / "log"
        self.temporary = folder / "temporary"
        self.log.touch()
        self.temporary.mkdir()
        (folder / "mirror" / SOURCE / PROVEN).mkdir(parents=True)
        (folder / "home").mkdir()
        self.cli = self.script("cdktf", f"exec '{sys.executable}' '{self.program('cli', CLI)}' $@")
        program = self.program("emulator", EMULATOR)
        self.emulator = self.script("emulator", f"exec '{sys.executable}' '{program}'")
        for tool in ("terraform", "node"):
            self.script(tool, "echo 'no registry here' >&2; exit 1")
        self.environ = {
            "ENVIRONMENT": "dev",
            "ENVIRONMENT_SUFFIX": "qa1",
            "FAKE_LOG": str(self.log),
            "HOME": str(folder / "home"),
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "TF_PROVIDER_MIRROR": str(folder / "mirror"),
        }

    def program(self, name, text):
        """A Python program."""
        file = self.folder / f"{name}.py"
        file.write_text(text, encoding="utf-8")
        return file

    def script(self, name, text):
        """A shell script."""
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        file.chmod(0o755)
        return file

    def noted(self):
        """What the CLI was asked for."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("emulator")]

    def emulators(self):
        """The process ids of the emulators there were."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("emulator")]

    def nothing_is_left(self):
        """Whether neither folder nor process remains."""
        lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
        return not list(self.temporary.iterdir()) and not any(str(self.folder) in x for x in lines)


@pytest.fixture(name="fakes")
def _fakes(tmp_path, monkeypatch):
    """Everything fake, in place of the real ones. After each test nothing of a run is left."""
    fakes = Fakes(tmp_path)
    for name in ("DB_PASSWORD", "STATE_BACKEND", "AWS_REGION", "TERRAFORM_BINARY_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in fakes.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sandbox, "CDKTF", fakes.cli)
    monkeypatch.setattr(client, "sys", SimpleNamespace(executable=str(fakes.emulator)))
    monkeypatch.setattr(tempfile, "tempdir", str(fakes.temporary))
    yield fakes
    assert fakes.nothing_is_left()


def test_it_deploys_and_says_what_came_of_it(fakes, capfd):
    assert main(["sandbox"]) == 0
    assert fakes.noted() == ["synth", "deploy", "output"]
    shown = capfd.readouterr().out
    assert "deploy dev  1/2" in shown
    assert "http://balancer" in shown


def test_every_environment_has_its_own(fakes, monkeypatch, capfd):
    monkeypatch.setenv("ENVIRONMENT", "dev,staging")
    assert main(["sandbox", "--json"]) == 0
    assert list(json.loads(capfd.readouterr().out)) == ["dev", "staging"]
    assert len(fakes.emulators()) == 2


def test_destroy_plans_again_first(fakes):
    assert main(["sandbox", "--destroy"]) == 0
    assert fakes.noted() == ["synth", "deploy", "output", "diff", "destroy"]


def test_json_stands_alone_on_standard_output(fakes, capfd):
    assert main(["sandbox", "--json", "--destroy"]) == 0
    result = json.loads(capfd.readouterr().out)["dev"]
    assert result["stack"] == STACK
    assert result["resources"] == 2
    assert result["outputs"]["database_address"] == "db"
    assert set(result["seconds"]) == {"deploy", "diff", "destroy"}
    assert fakes.emulators()


@pytest.mark.parametrize("option", [None, "--json"])
def test_keep_tells_where_the_emulator_is_and_waits(fakes, monkeypatch, capfd, option):
    def interrupt(_seconds):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGTERM)

    command = ["sandbox", "--keep", *([option] if option else [])]
    monkeypatch.setattr(graceful, "POLL_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupt))
        assert main(command) == 0
    shown = capfd.readouterr()
    exports = shown.err if option else shown.out
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566" in exports
    assert not option or json.loads(shown.out)
    assert fakes.noted() == ["synth", "deploy", "output"]


@pytest.mark.parametrize("verb", ["deploy", "diff", "destroy"])
def test_a_failed_step_is_told_with_terraform_s_words(fakes, monkeypatch, capfd, verb):
    monkeypatch.setenv("FAKE_FAILS", verb)
    assert main(["sandbox", "--destroy", "--json"]) == 1
    shown = capfd.readouterr()
    assert "sandbox: dev: Error: no such thing" in shown.err
    assert shown.out == ""
    assert fakes.noted()[-1] == verb


@pytest.mark.parametrize("verb", ["synth", "output"])
def test_a_failed_question_is_told(fakes, monkeypatch, capfd, verb):
    monkeypatch.setenv("FAKE_FAILS", verb)
    assert main(["sandbox"]) == 2
    shown = capfd.readouterr().err
    assert f"cdktf {verb} failed:" in shown
    assert "Error: no such thing" in shown
    assert fakes.noted()[-1] == verb


def test_a_dead_emulator_ends_it(fakes, monkeypatch, capfd):
    kills = 'kill "$(sed -n "s/^emulator //p" "$FAKE_LOG")"; exec sleep 60'
    fakes.script("cdktf.deploy", kills)
    fakes.script("cdktf", f"[ $1 = deploy ] && exec '{fakes.cli}.deploy'\n{fakes.cli.read_text()}")
    monkeypatch.setattr(graceful, "IDLE_SECONDS", 0)
    started = time.monotonic()
    assert main(["sandbox"]) == 2
    assert time.monotonic() - started < 20
    assert "the emulator of dev ended in the middle of it (start again" in capfd.readouterr().err


def test_an_emulator_that_does_not_start_is_told(fakes, capfd):
    fakes.script("emulator", "echo 'No module named moto' >&2; exit 1")
    assert main(["sandbox"]) == 2
    shown = capfd.readouterr().err
    assert "the emulator did not start: No module named moto" in shown
    assert fakes.noted() == []


def test_a_taken_port_is_told(fakes, monkeypatch, capfd):
    """By the real emulator."""
    monkeypatch.setattr(client, "sys", sys)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["sandbox", "--port", str(port)]) == 2
    assert "in use" in (shown := capfd.readouterr().err), shown
    assert fakes.noted() == []


def test_a_missing_tool_is_told_before_anything_starts(fakes, monkeypatch, capfd):
    monkeypatch.setenv("PATH", str(fakes.folder))
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", "tofu")
    assert main(["sandbox"]) == 2
    assert capfd.readouterr().err == "tap: there is no tofu (install Terraform 1.11 or newer)\n"
    monkeypatch.delenv("TERRAFORM_BINARY_NAME")
    (fakes.folder / "node").unlink()
    assert main(["sandbox"]) == 2
    assert capfd.readouterr().err == "tap: there is no node (install Node 20 or newer)\n"
    (fakes.folder / "terraform").unlink()
    assert main(["sandbox"]) == 2
    assert "there is no terraform (install Terraform 1.11" in capfd.readouterr().err
    assert fakes.noted() == fakes.emulators() == []


def test_a_missing_cli_is_told(fakes, capfd):
    fakes.cli.unlink()
    assert main(["sandbox"]) == 2
    assert "cdktf (run make setup)" in capfd.readouterr().err


def test_a_mirror_without_the_provider_is_told(fakes, monkeypatch, capfd):
    monkeypatch.setenv("TF_PROVIDER_MIRROR", str(fakes.temporary))
    assert main(["sandbox"]) == 2
    assert "TF_PROVIDER_MIRROR: no registry.terraform.io/hashicorp/aws" in capfd.readouterr().err
    assert fakes.noted() == []


def test_neither_mirror_nor_registry_is_told(fakes, monkeypatch, capfd):
    _no_mirror(fakes, monkeypatch)
    assert main(["sandbox"]) == 2
    shown = capfd.readouterr().err
    assert "no registry here" in shown
    assert "TF_PROVIDER_MIRROR=" in shown


def _no_mirror(fakes, monkeypatch):
    monkeypatch.setattr(
        sandbox, "sandbox_provider", lambda environ: sandbox_provider(environ, addons=fakes.folder)
    )
    monkeypatch.setattr(Path, "home", lambda: fakes.folder / "home")
    monkeypatch.delenv("TF_PROVIDER_MIRROR")
    shutil.rmtree(fakes.folder / "mirror")


@pytest.mark.parametrize(("tried", "version"), [(None, PROVEN), ("6.25.0", "6.25.0")])
def test_a_registry_is_asked_for_the_proven_version(fakes, monkeypatch, capfd, tried, version):
    _no_mirror(fakes, monkeypatch)
    if tried:
        monkeypatch.setenv("TAP_PROVIDER_VERSION", tried)
    asked = fakes.folder / "asked.json"
    terraform = (
        f"cp ${{1#-chdir=}}/provider_override.tf.json '{asked}'; echo \"$@\" >> '{asked}.arguments'"
    )
    fakes.script("terraform", terraform)
    assert main(["sandbox"]) == 0
    wanted = json.loads(asked.read_text(encoding="utf-8"))["terraform"]["required_providers"]["aws"]
    assert wanted == {"source": "hashicorp/aws", "version": version}
    assert " init " in Path(f"{asked}.arguments").read_text(encoding="utf-8")
    assert f"sandbox: AWS provider {version}, " in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bogus"], "unknown argument --bogus (see ops sandbox --help)"),
        (["dev"], "unknown argument dev"),
    ],
)
def test_an_unknown_argument_is_told(fakes, capfd, arguments, words):
    assert main(["sandbox", *arguments]) == 2
    assert words in capfd.readouterr().err
    assert fakes.noted() == fakes.emulators() == []


@pytest.mark.parametrize("port", ["x", "-1", "70000"])
def test_a_port_that_is_none_is_told(fakes, capfd, port):
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "--port", port])
    assert ended.value.code == 2
    assert "--port" in capfd.readouterr().err
    assert fakes.noted() == fakes.emulators() == []


def test_a_wrong_environment_is_told(fakes, monkeypatch, capfd):
    monkeypatch.setenv("ENVIRONMENT", "prd")
    assert main(["sandbox"]) == 2
    assert "ENVIRONMENT: unknown environment 'prd'" in capfd.readouterr().err
    assert fakes.noted() == fakes.emulators() == []


PROCESS = """\
import sys
from pathlib import Path
from types import SimpleNamespace
from ops import sandbox
from ops.__main__ import main
from ops.emulator import client
sandbox.CDKTF = Path(sys.argv[1])
client.sys = SimpleNamespace(executable=sys.argv[2])
sys.exit(main(["sandbox"]))
"""


@pytest.mark.parametrize("number", graceful.SIGNALS)
@pytest.mark.parametrize("verb", ["synth", "deploy", "output"])
def test_a_signal_leaves_nothing_either(fakes, number, verb):
    environ = {**os.environ, "FAKE_HANGS": verb, "TMPDIR": str(fakes.temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, fakes.cli, fakes.emulator],
        cwd=project.folder(),
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while verb not in fakes.noted():
            time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == graceful.INTERRUPTED
    assert "Traceback" not in output
