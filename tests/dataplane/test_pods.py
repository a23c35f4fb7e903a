"""A program in namespaces of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lib.errors import TapError
from ops.emulator.dataplane.pods import Pod, Program, no_namespaces
from tests.dataplane.world import until

pytestmark = pytest.mark.skipif(bool(no_namespaces()), reason=str(no_namespaces()))
PATH = os.pathsep.join([str(Path(sys.prefix, "bin")), os.defpath])


@pytest.fixture(name="pod")
def _pod(tmp_path):
    """Makes pods, and ends them."""
    made = []

    def make(*command, read_only=True, user="65534", **environment):
        hosts = tmp_path / "hosts"
        hosts.write_text("127.0.0.1 localhost\n10.0.9.9 db.example\n", encoding="utf-8")
        program = Program(
            command,
            {"PATH": PATH, "PYTHONUNBUFFERED": "1", **environment},
            user,
            read_only,
            ["10.0.0.5", "10.0.9.9"],
            hosts,
        )
        made.append(Pod(program))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def lines(pod):
    """What it wrote, once it has ended."""
    until(lambda: pod.exit_code() is not None)
    pod.kill()
    return [text for _, text in pod.lines]


def shell(pod, script, **options):
    """What a script writes in there."""
    made = pod("sh", "-c", script, **options)
    made.start()
    return lines(made)


def test_it_runs_as_its_user_with_its_environment_and_nothing_else(pod):
    assert shell(pod, "id -u; id -g; id -G; echo $WORD; env | wc -l", WORD="x")[:4] == [
        *("65534", "65534", "65534", "x")
    ]
    assert shell(pod, "id -u", user="1234:5678") == ["1234"]
    assert shell(pod, "id -u", user="nobody") == ["65534"]
    assert shell(pod, "grep NoNewPrivs /proc/self/status") == ["NoNewPrivs:\t1"]


@pytest.mark.skipif(bool(os.geteuid()), reason="root in a container is the user outside")
def test_root_in_there_is_nobody_outside(pod):
    assert shell(pod, "id -u", user="") == ["65534"]


def test_its_exit_code_is_a_container_s(pod):
    for script, code in (("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)):
        made = pod("sh", "-c", script)
        made.start()
        lines(made)
        assert made.exit_code() == code


def test_what_cannot_run_is_told(pod):
    with pytest.raises(TapError, match="No such file or directory: no-such-program"):
        pod("no-such-program").start()
    with pytest.raises(TapError, match="unable to find user nobody-of-that-name"):
        pod("true", user="nobody-of-that-name")


def test_it_writes_nowhere_unless_it_may(pod):
    script = "for f in /x /tmp/x /var/tmp/x; do touch $f 2>/dev/null; echo $?; done"
    assert "0" not in shell(pod, script)
    assert shell(pod, "touch /tmp/x; echo $?; ls /tmp", read_only=False)[0] == "0"


def test_it_sees_its_own_processes_alone(pod):
    assert shell(pod, "ls -d /proc/[0-9]* | wc -l")[0] in ("2", "3", "4")


def test_it_sees_no_home_and_no_files_of_others(pod, tmp_path):
    (tmp_path / "secret").touch()
    (tmp_path / "secret").chmod(0o644)
    assert shell(pod, f"cat {tmp_path}/secret 2>&1")[0].endswith("No such file or directory")
    home = os.path.expanduser("~")
    assert shell(pod, f"ls -A {home} 2>&1 | grep -v pyenv") == []


def test_it_has_its_own_addresses_and_names(pod):
    asks = "import socket; print(socket.gethostbyname('db.example'))"
    made = pod("python", "-c", asks)
    made.start()
    assert lines(made) == ["10.0.9.9"]


def test_it_reaches_what_is_handed_to_it_and_nothing_else(pod):
    script = (
        "import socket\n"
        "for port in (5432, 5433):\n"
        "    try: print(socket.create_connection(('db.example', port), 1).recv(9))\n"
        "    except OSError as error: print(type(error).__name__)\n"
        "try: socket.create_connection(('192.0.2.1', 443), 1)\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    made = pod("python", "-c", script)
    listener = made.listen("10.0.9.9", 5432)
    made.start()
    connection, _ = listener.accept()
    connection.sendall(b"hello")
    connection.close()
    assert lines(made) == ["b'hello'", "ConnectionRefusedError", "TimeoutError"]
    listener.close()


def test_what_listens_in_there_is_reached_by_it_alone(pod):
    made = pod("python", "-m", "http.server", "8080")
    made.start()

    def answer():
        try:
            connection = made.connect(8080)
        except ConnectionRefusedError:
            return None
        with connection:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return connection.recv(15)

    assert until(answer) == b"HTTP/1.0 200 OK"
    with pytest.raises(ConnectionRefusedError):
        made.connect(8081)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8080), 1)


def test_two_may_want_the_same_port(pod):
    pods = [pod("python", "-m", "http.server", "8080") for _ in range(2)]
    for each in pods:
        each.start()
    time.sleep(1)
    assert [each.exit_code() for each in pods] == [None, None]


def test_it_has_time_to_end_and_no_more(pod):
    patient = pod("sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done")
    patient.start()
    time.sleep(0.3)
    patient.stop(5)
    assert patient.exit_code() == 0
    assert [text for _, text in patient.lines] == ["bye"]
    deaf = pod("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    deaf.start()
    time.sleep(0.3)
    began = time.monotonic()
    deaf.stop(0.5)
    assert deaf.exit_code() == 137
    assert time.monotonic() - began < 4


KILLED = """\
import sys, time
from pathlib import Path
from ops.emulator.dataplane.pods import Pod, Program
hosts = Path(sys.argv[1])
hosts.touch()
marks = ["sh", "-c", "setsid sleep 98765 & sleep 98765"]
pod = Pod(Program(marks, {"PATH": "/usr/bin:/bin"}, "65534", True, ["10.0.0.5"], hosts))
pod.start()
print("ready", flush=True)
time.sleep(60)
"""


def test_whatever_ends_its_parent_ends_all_of_it(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "hosts")],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        until(lambda: len(sleepers()) == 2)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not sleepers())


def sleepers():
    """The processes that the program started, one of them in a session of its own."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if each.info["cmdline"] == ["sleep", "98765"]]
