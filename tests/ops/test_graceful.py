"""What an interrupt, a dead CLI and a closed terminal do to a run of the CLI.

The CLI and Terraform are small scripts here; ``scripts/terraform`` between them is the real one.
``tests/e2e/test_interrupts.py`` does the same with the real ones.
"""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil
import pytest

from ops import graceful
from ops.graceful import INTERRUPTED, WARNING, WINDING_DOWN, WRAPPER, Command

# Works until it is interrupted and for a moment more, as Terraform does; at once on the second.
TERRAFORM = """\
interrupts=0
trap 'interrupts=$((interrupts + 1)); note interrupted' INT
note started $$
tries=0
while [ $interrupts = 0 ] && [ $tries -lt "${PATIENCE:-400}" ]; do sleep 0.02; tries=$((tries + 1)); done
tries=0
while [ $interrupts = 1 ] && [ $tries -lt "${MOMENTS:-10}" ]; do
  sleep 0.02; tries=$((tries + 1))
done
if [ $interrupts -gt 1 ]; then note gave up; exit 1; fi
note saved
"""
Step = tuple[Callable[[], bool], Callable[[], object]]
RUNS_TERRAFORM = '"$TERRAFORM_BINARY_NAME" apply'


class Bench:
    """Fake tools in a folder, and what they noted."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        self.told: list[str] = []
        self.terraform = self.script("terraform", TERRAFORM)
        monkeypatch.setattr(graceful, "POLL_SECONDS", 0.02)
        monkeypatch.setattr(graceful, "IDLE_SECONDS", 0.4)
        monkeypatch.setattr(graceful.os, "kill", self.kill)

    def kill(self, pid, number, now=os.kill):
        """Send a signal; an interrupt once the script has its trap: a busy shell sets it late."""
        limit = time.monotonic() + 10
        while number == signal.SIGINT and pid not in self.terraforms() and psutil.pid_exists(pid):
            assert time.monotonic() < limit
            time.sleep(0.01)
        now(pid, number)

    def script(self, name, text):
        """A shell script that can ``note`` what happens to it."""
        file = self.folder / name
        note = f'note() {{ echo "$@" >>"{self.log}"; }}'
        file.write_text(f"#!/bin/sh\n{note}\n{text}\n", encoding="utf-8")
        file.chmod(0o755)
        return file

    def noted(self):
        """What the scripts noted, without process ids."""
        return [
            line.split()[0] if line.startswith("started") else line
            for line in self.log.read_text(encoding="utf-8").splitlines()
        ]

    def terraforms(self):
        """The process ids of the Terraforms that started."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("started")]

    def command(self, text=RUNS_TERRAFORM, **environ):
        """A CLI that does this."""
        cli = self.script(f"cdktf{len(os.listdir(self.folder))}", text)
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return Command([cli], {**os.environ, "PATH": path, **environ})

    def run(self, *commands, steps: Iterable[Step] = ()):
        """Run CLIs. Each of the ``steps`` is what to wait for, and what to do once it is so."""
        ahead = list(steps)

        def tick():
            if ahead and ahead[0][0]():
                ahead.pop(0)[1]()

        codes = graceful.run(*commands, tell=self.told.append, tick=tick)
        assert not ahead
        return codes

    def has(self, *notes):
        """Whether exactly this was noted so far."""
        return lambda: self.noted() == list(notes)


@pytest.fixture(name="bench")
def _bench(tmp_path, monkeypatch):
    """Fake tools. Whatever a test does to the handlers of signals, the next has the old ones."""
    before = {number: signal.getsignal(number) for number in graceful.SIGNALS}
    yield Bench(tmp_path, monkeypatch)
    assert {number: signal.getsignal(number) for number in graceful.SIGNALS} == before


def interrupt(number=signal.SIGINT):
    """Sends this process a signal."""
    return lambda: signal.raise_signal(number)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_cli_s_exit_code_is_ours(bench, code):
    assert bench.run(bench.command(f"exit {code}")) == [code]
    assert bench.told == []


def test_each_cli_has_its_code(bench):
    assert bench.run(bench.command("exit 1"), bench.command("exit 0")) == [1, 0]


def test_output_goes_where_it_is_wanted(bench, tmp_path):
    command = bench.command("echo out; echo err >&2")
    with (tmp_path / "output").open("w") as file:
        bench.run(Command(command.arguments, command.environ, file))
    assert (tmp_path / "output").read_text() == "out\nerr\n"


@pytest.mark.parametrize("number", graceful.SIGNALS)
def test_terraform_is_interrupted_once_and_waited_for(bench, number):
    codes = bench.run(bench.command(), steps=[(bench.has("started"), interrupt(number))])
    assert codes == [INTERRUPTED]
    assert bench.noted() == ["started", "interrupted", "saved"]
    assert bench.told == [WINDING_DOWN]


def test_all_of_several_are_interrupted(bench):
    clis = (bench.command(), bench.command())
    codes = bench.run(*clis, steps=[(bench.has("started", "started"), interrupt())])
    assert codes == [INTERRUPTED] * 2
    assert sorted(bench.noted()) == ["interrupted"] * 2 + ["saved"] * 2 + ["started"] * 2


def test_a_second_ctrl_c_only_warns(bench):
    steps = [
        (bench.has("started"), interrupt()),
        (bench.has("started", "interrupted"), interrupt()),
    ]
    assert bench.run(bench.command(), steps=steps) == [INTERRUPTED]
    assert bench.noted() == ["started", "interrupted", "saved"]
    assert bench.told == [WINDING_DOWN, WARNING]


def test_a_second_signal_that_nobody_typed_does_nothing(bench):
    steps = [
        (bench.has("started"), interrupt()),
        (bench.has("started", "interrupted"), interrupt(signal.SIGHUP)),
        (bench.has("started", "interrupted"), interrupt(signal.SIGTERM)),
    ]
    bench.run(bench.command(), steps=steps)
    assert bench.noted() == ["started", "interrupted", "saved"]
    assert bench.told == [WINDING_DOWN]


def test_a_third_ctrl_c_forces(bench):
    steps = [
        (bench.has("started"), interrupt()),
        (bench.has("started", "interrupted"), interrupt()),
        (lambda: bench.told[-1] == WARNING, interrupt()),
    ]
    assert bench.run(bench.command(MOMENTS="300"), steps=steps) == [INTERRUPTED]
    assert bench.noted() == ["started", "interrupted", "interrupted", "gave up"]


def test_it_says_now_and_then_that_it_still_winds_down(bench, monkeypatch):
    monkeypatch.setattr(graceful, "REPORT_SECONDS", 0.1)
    bench.run(bench.command(MOMENTS="30"), steps=[(bench.has("started"), interrupt())])
    assert len(bench.told) > 2
    assert all(told.startswith("Terraform is still at it, ") for told in bench.told[1:])


def test_a_cli_without_terraform_is_ended(bench):
    """It synthesizes, say, or waits for an approval."""
    started = time.monotonic()
    asks = bench.command("note asks; exec sleep 30")
    assert bench.run(asks, steps=[(bench.has("asks"), interrupt())]) == [INTERRUPTED]
    assert time.monotonic() - started < 10


def test_a_cli_that_goes_on_without_terraform_is_ended(bench):
    """Its Terraform was interrupted, and it asks what to do now."""
    asks = bench.command(f"{RUNS_TERRAFORM}; note asks; exec sleep 30")
    started = time.monotonic()
    assert bench.run(asks, steps=[(bench.has("started"), interrupt())]) == [INTERRUPTED]
    assert bench.noted() == ["started", "interrupted", "saved", "asks"]
    assert time.monotonic() - started < 10


def test_a_cli_between_two_terraforms_is_given_time(bench, monkeypatch):
    monkeypatch.setattr(graceful, "IDLE_SECONDS", 10)
    between = bench.command(f"{RUNS_TERRAFORM}; sleep 0.1; {RUNS_TERRAFORM}; note ended")
    bench.run(between, steps=[(bench.has("started"), interrupt())])
    assert bench.noted() == [*["started", "interrupted", "saved"] * 2, "ended"]


def test_a_terraform_that_starts_after_the_interrupt_is_interrupted(bench):
    late = bench.command(
        f"trap '' TERM; note waits; until grep -q go '{bench.log}'; do sleep 0.02; done;"
        f" {RUNS_TERRAFORM}"
    )

    def go():
        bench.log.write_text("go\n", encoding="utf-8")

    steps = [(bench.has("waits"), interrupt()), (lambda: bench.told == [WINDING_DOWN], go)]
    assert bench.run(late, steps=steps) == [INTERRUPTED]
    assert bench.noted() == ["go", "started", "interrupted", "saved"]


DIES = """\
import os, pathlib, subprocess, sys, time
subprocess.Popen([os.environ["TERRAFORM_BINARY_NAME"], "apply"])
while "started" not in pathlib.Path(sys.argv[1]).read_text():
    time.sleep(0.02)
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, 0], ids=["killed", "left by a key"])
def test_terraform_outlives_a_cli_that_ends(bench, number):
    """Ctrl-C can reach the CLI as a key: it puts the terminal into raw mode."""
    (bench.folder / "dies.py").write_text(DIES, encoding="utf-8")
    dies = f"exec '{sys.executable}' '{bench.folder}/dies.py' '{bench.log}' {int(number)}"
    assert bench.run(bench.command(dies)) == [INTERRUPTED]
    assert bench.noted() == ["started", "interrupted", "saved"]
    assert bench.told == [WINDING_DOWN]


def test_terraform_outlives_a_hang_up(bench):
    def hang_up():
        os.kill(bench.terraforms()[0], signal.SIGHUP)

    command = bench.command(PATIENCE="20")
    assert bench.run(command, steps=[(bench.has("started"), hang_up)]) == [0]
    assert bench.noted() == ["started", "saved"]


def test_the_wrapper_becomes_terraform(bench, tmp_path):
    """One process: whoever signals the wrapper signals Terraform."""
    pids = tmp_path / "pids"
    pids.mkdir()
    environ = graceful.terraform_environ(bench.command(PATIENCE="0").environ, pids)
    with subprocess.Popen([WRAPPER, "apply"], env=environ) as process:
        process.wait()
    assert bench.terraforms() == [process.pid] == [int(name) for name in os.listdir(pids)]


def test_the_wrapper_works_alone(bench):
    """``TERRAFORM_BINARY_NAME=scripts/terraform cdktf deploy``, without ``ops cdktf``."""
    environ = {**bench.command(PATIENCE="0").environ}
    environ.pop("TAP_TERRAFORM_PIDS", None)
    done = subprocess.run([WRAPPER, "version"], env=environ, check=False)
    assert (done.returncode, bench.noted()) == (0, ["started", "saved"])


@pytest.mark.parametrize("name", ["tofu", str(WRAPPER)])
def test_a_terraform_of_one_s_own_is_run(bench, name):
    bench.script("tofu", "note tofu")
    bench.script("terraform", "note terraform")
    assert bench.run(bench.command(TERRAFORM_BINARY_NAME=name)) == [0]
    assert bench.noted() == ["tofu" if name == "tofu" else "terraform"]


def test_a_process_that_got_an_ended_terraform_s_id_is_left_alone(bench):
    """Ids are given again: what began after the note was written is no Terraform of ours."""
    with subprocess.Popen(["sleep", "60"]) as innocent:
        notes = f'touch -d "1 hour ago" "$TAP_TERRAFORM_PIDS/{innocent.pid}"'
        ends = [(bench.has("started"), interrupt())]
        assert bench.run(bench.command(f"{notes}; {RUNS_TERRAFORM}"), steps=ends) == [INTERRUPTED]
        assert bench.run(bench.command(notes)) == [0], "nor is it waited for"
        assert innocent.poll() is None
        innocent.kill()
    assert bench.noted() == ["started", "interrupted", "saved"]


def test_an_id_that_is_given_again_while_we_look_is_noticed(bench, monkeypatch):
    """It was ours when it was first seen: from then on the process counts, not its id."""
    with subprocess.Popen(["sleep", "60"]) as innocent:
        monkeypatch.setattr(psutil.Process, "is_running", lambda _: False)
        assert bench.run(bench.command(f': >"$TAP_TERRAFORM_PIDS/{innocent.pid}"')) == [0]
        assert innocent.poll() is None
        innocent.kill()


def test_what_tick_raises_is_an_interrupt(bench):
    """Nothing is left running by an error of ours."""

    def fail():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        bench.run(bench.command(), steps=[(bench.has("started"), fail)])
    assert bench.noted() == ["started", "interrupted", "saved"]


def test_a_cli_that_is_not_there_leaves_nothing(bench, tmp_path):
    cli = bench.command()
    with pytest.raises(FileNotFoundError):
        bench.run(cli, Command([tmp_path / "none"], cli.environ))
    assert not bench.terraforms() or bench.noted() == ["started", "interrupted", "saved"]


CLOSED = """\
import os, sys
from ops.graceful import Command, run
sys.exit(run(Command(sys.argv[1:], os.environ))[0])
"""


def test_a_closed_terminal_does_not_stop_it(bench):
    """The terminal goes while Terraform works: a hang-up, and nobody to be told of it."""
    cli = bench.command()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(WRAPPER.parents[1])
        python = [sys.executable, "-c", CLOSED, str(cli.arguments[0])]
        os.execve(python[0], python, dict(cli.environ))
    while not bench.noted():
        time.sleep(0.02)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == INTERRUPTED
    assert bench.noted() == ["started", "interrupted", "saved"]
