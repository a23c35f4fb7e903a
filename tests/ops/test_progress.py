"""What a person sees of a deploy, from the lines that the CLI prints."""

import io
from contextlib import contextmanager

import pytest
from rich.console import Console

from ops import progress
from ops.progress import Board, Progress

# As the CLI printed them: what it paints over, its prefix, colours, frames around errors.
PAINT = "\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[Gtap-dev-e2e  "
BEGUN = f"{PAINT}\x1b[0m\x1b[1maws_vpc.network_vpc_4E8F0223: Creating...\x1b[0m\x1b[0m\n"
DONE = (
    f"{PAINT}\x1b[0m\x1b[1maws_vpc.network_vpc_4E8F0223: Creation complete after 11s "
    "[id=vpc-0a1b2c3d]\x1b[0m\n"
)
STILL = (
    f"{PAINT}\x1b[0m\x1b[1maws_lb.load_balancer_balancer_E5F6: Still creating... "
    "[10s elapsed]\x1b[0m\x1b[0m\n"
)
PLAIN = "             \x1b[0m\x1b[1maws_lb.load_balancer_balancer_E5F6: Creating...\x1b[0m\x1b[0m\n"
FAILED = f"""\
{PAINT}\x1b[31m╷\x1b[0m\x1b[0m
             \x1b[31m│\x1b[0m \x1b[0m\x1b[1m\x1b[31mError: \x1b[0m\x1b[0m\x1b[1mcreating ELBv2 Load \
Balancer (dev-alb-e2e): operation error\x1b[0m
             \x1b[31m│\x1b[0m \x1b[0m
             \x1b[31m│\x1b[0m \x1b[0m\x1b[0m  with aws_lb.load_balancer_balancer_E5F6,
             \x1b[31m│\x1b[0m \x1b[0m  on cdk.tf.json line 812, in resource:
             \x1b[31m│\x1b[0m \x1b[0m 812:       }}
             \x1b[31m│\x1b[0m \x1b[0m
             \x1b[31m╵\x1b[0m\x1b[0m
"""


@pytest.fixture(name="followed")
def _followed(tmp_path):
    """A progress, and what makes its log longer and reads it."""
    log = tmp_path / "log"
    log.touch()
    followed = Progress("dev")
    followed.total = 2

    def more(text):
        with log.open("a", encoding="utf-8") as file:
            file.write(text)
        followed.read(log)

    return followed, more


def state(followed):
    """What is at work and what is done."""
    return list(followed.at_work), sorted(followed.done)


VPC, BALANCER = "aws_vpc.network_vpc_4E8F0223", "aws_lb.load_balancer_balancer_E5F6"


def test_a_resource_is_at_work_and_then_done(followed):
    followed, more = followed
    more(BEGUN)
    assert state(followed) == ([VPC], [])
    more(DONE)
    assert state(followed) == ([], [VPC])


def test_several_lines_come_at_once(followed):
    followed, more = followed
    more(BEGUN + PLAIN + STILL + DONE)
    assert state(followed) == ([BALANCER], [VPC])


def test_a_line_comes_in_pieces(followed):
    followed, more = followed
    middle = DONE.index("complete")
    more(BEGUN + DONE[:middle])
    assert state(followed) == ([VPC], [])
    more("")
    more(DONE[middle:])
    assert state(followed) == ([], [VPC])


@pytest.mark.parametrize("odd", ["│".encode(), b"\xff"], ids=["in pieces", "not UTF-8"])
def test_an_odd_character_does_not_lose_the_place(followed, tmp_path, odd):
    followed, _ = followed
    whole = odd * 100 + BEGUN.encode() + odd + b"\n" + DONE.encode()
    for length in range(len(whole) + 1):
        (tmp_path / "log").write_bytes(whole[:length])
        followed.read(tmp_path / "log")
        begun = b"\n" in whole[:length] and length < len(whole)
        assert list(followed.at_work) == ([VPC] if begun else [])
    assert state(followed) == ([], [VPC])


@pytest.mark.parametrize(
    ("begin", "end"),
    [("Modifying", "Modifications complete"), ("Destroying", "Destruction complete")],
)
def test_changes_and_destruction_count_too(followed, begin, end):
    followed, more = followed
    more(f"s  {VPC} (network/vpc): {begin}... [id=vpc-1]\n")
    assert state(followed) == ([VPC], [])
    more(f"s  {VPC} (network/vpc): {end} after 1s [id=vpc-1]\n")
    assert state(followed) == ([], [VPC])


def test_reading_is_not_counted(followed):
    followed, more = followed
    more("s  data.aws_partition.provider_partition_1 (provider/partition): Reading...\n")
    more(f"s  {VPC}: Refreshing state... [id=vpc-1]\n")
    assert state(followed) == ([], [])


def test_another_run_starts_from_nothing(followed, tmp_path):
    followed, more = followed
    more(BEGUN + DONE)
    followed.start()
    assert state(followed) == ([], [])
    (tmp_path / "log").write_text(BEGUN, encoding="utf-8")
    followed.read(tmp_path / "log")
    assert state(followed) == ([VPC], [])
    assert 0 <= followed.seconds < 60


def test_an_error_is_given_without_its_frame(followed):
    followed, more = followed
    more(BEGUN + FAILED + DONE)
    assert list(followed.errors()) == [
        "Error: creating ELBv2 Load Balancer (dev-alb-e2e): operation error",
        "with aws_lb.load_balancer_balancer_E5F6,",
        "on cdk.tf.json line 812, in resource:",
        "812:       }",
    ]


def test_every_error_is_given(followed):
    followed, more = followed
    more(FAILED + FAILED.replace("Load Balancer", "Target Group"))
    assert [line for line in followed.errors() if line.startswith("Error")] == [
        "Error: creating ELBv2 Load Balancer (dev-alb-e2e): operation error",
        "Error: creating ELBv2 Target Group (dev-alb-e2e): operation error",
    ]


def test_without_an_error_the_last_lines_are_given(followed):
    followed, more = followed
    assert not list(followed.errors())
    more("".join(f"line {number}\n" for number in range(20)))
    assert list(followed.errors()) == [f"line {number}" for number in range(14, 20)]


class Screen(io.StringIO):
    """A terminal, which can be closed."""

    closed_by_its_owner = False
    refused = False

    def isatty(self):
        return True

    def write(self, text):
        if self.closed_by_its_owner:
            self.refused = True
            raise OSError(5, "Input/output error")
        return super().write(text)


@contextmanager
def shown_on(board, file, verb="deploy"):
    """The board on another console."""
    board._console = Console(file=file, width=100)  # pylint: disable=protected-access
    with board.showing(verb):
        yield file


def test_a_log_gets_a_line_now_and_then(followed, monkeypatch, capsys):
    followed, more = followed
    board = Board([followed], quiet=False)
    with board.showing("deploy"):
        more(BEGUN + PLAIN)
        board.tick()
        assert capsys.readouterr().out == ""
        monkeypatch.setattr(progress, "LINE_SECONDS", -1)
        board.tick()
        assert capsys.readouterr().out == "deploy dev  0/2  0 s  aws_vpc, aws_lb\n"
        more(DONE)
    assert capsys.readouterr().out == "deploy dev  1/2  0 s  aws_lb\n"


def test_what_a_machine_reads_is_left_alone(followed, capsys):
    board = Board([followed[0]], quiet=True)
    with board.showing("deploy"):
        pass
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "deploy dev  0/2  0 s\n")


def test_much_work_is_cut_short(followed, capsys):
    followed, more = followed
    board = Board([followed], quiet=False)
    with board.showing("deploy"):
        more("".join(f"s  aws_subnet.s{number}: Creating...\n" for number in range(5)))
    assert capsys.readouterr().out.endswith("aws_subnet, aws_subnet, aws_subnet and 2 more\n")


def test_a_screen_is_painted_over(followed):
    followed, more = followed
    board = Board([followed, Progress("prod")], quiet=False)
    with shown_on(board, Screen()) as screen:
        more(BEGUN)
        board.tick()
        assert "aws_vpc" in screen.getvalue()
        more(DONE)
    assert "1/2" in screen.getvalue()
    assert "deploy prod" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


@pytest.mark.parametrize("kind", [Screen, type("Pipe", (Screen,), {"isatty": lambda self: False})])
def test_a_screen_that_is_gone_is_no_error(followed, monkeypatch, kind):
    monkeypatch.setattr(progress, "LINE_SECONDS", -1)
    board = Board([followed[0]], quiet=False)
    with shown_on(board, kind()) as screen:
        board.tick()
        screen.closed_by_its_owner = True
        board.tick()
    assert screen.refused


def test_the_summary_has_what_one_looks_for(capsys):
    result = {
        "resources": 68,
        "seconds": {"deploy": 101.5, "destroy": 60.0},
        "outputs": {"service_url": "http://balancer", "database_address": "db.example"},
        "answers": "http://127.0.0.1:8080",
        "psql": "",
        "log": "/tmp/task.log",
        "not_shown": ["the database: no PostgreSQL"],
    }
    Board([], quiet=False).summary({"dev": result, "prod": result | {"resources": 97}})
    shown = capsys.readouterr()
    rows = {line.split("│")[1].strip(): line for line in shown.out.splitlines() if "│" in line}
    assert "68" in rows["resources"] and "97" in rows["resources"]
    assert rows["service_url"].count("http://balancer") == 2
    assert "101.5" in rows["deploy, seconds"]
    assert "60.0" in rows["destroy, seconds"]
    assert "2" in rows["SSM parameters"]
    assert "dev answers: http://127.0.0.1:8080" in shown.out and "psql" not in shown.out
    assert "prod log: /tmp/task.log" in shown.out
    assert "dev: not shown: the database: no PostgreSQL" in shown.err


def test_the_summary_is_plain_where_there_is_no_screen(capsys):
    runs = {"answers": "", "psql": "", "log": "", "not_shown": []}
    result = {"resources": 1, "seconds": {"deploy": 1.0}, "outputs": {}, **runs}
    Board([], quiet=False).summary({"dev": result})
    assert "\x1b" not in capsys.readouterr().out
