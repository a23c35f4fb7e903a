"""``lib/exits.py``: whatever ends a command, a person sees one line, and the exit code says which."""

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lib import exits
from lib.errors import ExitCode, FailedError, TapError
from lib.exits import ended

ROOT = Path(__file__).parents[2]


def raising(error):
    """A command that ends so."""

    def command():
        raise error

    return command


def missing(name):
    """What an import of it raises."""
    return ModuleNotFoundError(f"No module named '{name}'", name=name)


NO_TEMPORARY = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
OF_NODE = RuntimeError("EROFS: read-only file system, mkdir '/srv/app/cdktf.out'")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TapError("bad", hint="mend it"), ExitCode.USAGE, "bad (mend it)"),
        (FailedError("AWS is gone", hint="wait"), ExitCode.FAILED, "AWS is gone (wait)"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
        (
            missing("boto3.session"),
            ExitCode.USAGE,
            "boto3.session is not installed (run make setup)",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            ExitCode.FAILED,
            "No space left on device (make room and run it again)",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/srv/x"),
            ExitCode.FAILED,
            "/srv/x: Permission denied (run it as a user who may)",
        ),
        (
            OF_NODE,
            ExitCode.FAILED,
            "/srv/app/cdktf.out: Read-only file system (run it in a checkout that can be written to)",
        ),
        (
            NO_TEMPORARY,
            ExitCode.FAILED,
            "No usable temporary directory (make room, or name a folder with room in TMPDIR)",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_line(capsys, error, code, line):
    assert ended(raising(error)) == code
    assert capsys.readouterr().err == f"tap: {line}\n"


@pytest.mark.parametrize(
    "error",
    [
        KeyError("staging"),
        missing("lib.nothing"),
        missing("tap.nothing"),
        FileNotFoundError(errno.ENOENT, "No such file", "/srv/x"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),  # of a program of ours: the output is there
        ValueError("two\nlines"),
    ],
)
def test_a_fault_of_tap_s_is_one_line_that_says_where(capsys, monkeypatch, error):
    monkeypatch.delenv("TAP_TRACEBACK", raising=False)
    assert ended(raising(error), program="checks") == ExitCode.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"checks: {type(error).__name__}: ")
    assert " in tests/unit/test_exits.py:" in line
    assert line.endswith("(a fault of TAP: TAP_TRACEBACK=1 shows all of it)")


def test_whoever_mends_tap_sees_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("TAP_TRACEBACK", "1")
    assert ended(raising(KeyError("staging"))) == ExitCode.FAILED
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("code", [ExitCode.FINE, ExitCode.REFUSED, ExitCode.USAGE])
def test_a_command_that_ends_by_itself_keeps_its_exit_code(capsys, code):
    assert ended(lambda: code) == code
    assert capsys.readouterr().err == ""


def test_a_stream_that_is_no_file_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert ended(lambda: print("≥") or 0) == 0
    assert sys.stdout.getvalue() == "≥\n"


def test_argparse_ends_as_it_likes():
    with pytest.raises(SystemExit) as end:
        ended(raising(SystemExit(2)))
    assert end.value.code == 2


def test_signals_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in exits.SIGNALS]
    assert ended(lambda: 0) == 0
    assert [signal.getsignal(number) for number in exits.SIGNALS] == before


def test_a_thread_leaves_signals_alone():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(ended(lambda: 3)))
    thread.start()
    thread.join()
    assert codes == [3]


def run(program, *, shell="{}", **environ):
    """A Python program by a shell, which may send its output anywhere."""
    command = f"{sys.executable} -c {_quoted(_head(program))}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell.format(command)}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _head(program):
    return (
        f"import os, signal, sys\nfrom lib.exits import ended\nsys.exit(ended(lambda: {program}))"
    )


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


MANY = "[print('line', n) for n in range(100_000)] and 1"
FEW = "print('line') or 1"


@pytest.mark.parametrize("program", [MANY, FEW])
def test_a_reader_that_has_seen_enough_is_no_error_and_no_refusal(program):
    done = run(program, shell="{} | true")
    assert (done.returncode, done.stderr) == (ExitCode.READER_GONE, "")


def test_an_error_counts_for_more_than_a_reader_that_is_gone():
    program = "print('line') or (_ for _ in ()).throw(KeyboardInterrupt())"
    done = run(program, shell="{} | true")
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "tap: interrupted\n")


def test_rich_notices_it_by_itself():
    program = "__import__('rich.console').console.Console().print('x\\n' * 100_000)"
    assert run(program, shell="{} | true").returncode == ExitCode.READER_GONE


@pytest.mark.parametrize("program", [MANY, FEW])
def test_a_full_disk_is_one_line(program):
    done = run(program, shell="{} > /dev/full")
    assert done.returncode == ExitCode.FAILED
    assert done.stderr == "tap: No space left on device (make room and run it again)\n"


def test_nowhere_to_say_it_is_no_second_error():
    done = run("1/0", shell="{} 2> /dev/full")
    assert done.returncode == ExitCode.FAILED


def test_no_output_at_all_is_fine():
    assert run("0", shell="{} >&-").returncode == 0


def test_what_ascii_lacks_is_escaped():
    done = run("print('≥ $5') and 0 or 0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "\\u2265 $5\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_interrupts_once(name):
    program = f"os.kill(os.getpid(), signal.{name}) or signal.pause()"
    done = run(program)
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "tap: interrupted\n")


def test_a_second_signal_does_not_disturb_the_first():
    program = (
        "exec('try:\\n os.kill(os.getpid(), signal.SIGINT); signal.pause()\\n"
        "finally:\\n os.kill(os.getpid(), signal.SIGTERM); print(1)')"
    )
    done = run(program)
    assert (done.returncode, done.stdout) == (ExitCode.INTERRUPTED, "1\n")


def test_under_nohup_a_closed_terminal_does_not_interrupt():
    done = run("os.kill(os.getpid(), signal.SIGHUP) or 0", shell="trap '' HUP; {}")
    assert (done.returncode, done.stderr) == (0, "")
