"""Each environment variable: what it may be, what is said when it is not, and the secret kept."""

import dataclasses

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from lib.config.environment_config import StateBackend
from lib.config.selection import select
from lib.config.settings import Settings, suffix_problems
from lib.errors import ConfigError, SettingsError
from tests.environments import ENVIRONMENTS

KNOWN = ("dev", "staging", "prod")
GOOD = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa3f7b5l"}
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(**variables: str) -> Settings:
    """The settings of a good environment with some variables changed."""
    return Settings.from_env({**GOOD, **variables}, KNOWN)


def lines(**variables: str) -> list[str]:
    """The problems of a good environment with some variables changed."""
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    return caught.value.lines()


def test_the_least_there_is() -> None:
    assert Settings.from_env(GOOD, KNOWN) == Settings(
        environments=("dev",),
        environment_suffix="qa3f7b5l",
        aws_region=None,
        db_password_given=False,
        state_backend=None,
        container_image=None,
    )


def test_everything_given() -> None:
    assert read(
        ENVIRONMENT="all",
        AWS_REGION="eu-west-1",
        DB_PASSWORD="correct-horse",
        STATE_BACKEND="local",
        CONTAINER_IMAGE="ghcr.io/team/app:1",
        PATH="anything else is not ours",
    ) == Settings(
        environments=KNOWN,
        environment_suffix="qa3f7b5l",
        aws_region="eu-west-1",
        db_password_given=True,
        state_backend=StateBackend.LOCAL,
        container_image="ghcr.io/team/app:1",
    )


def test_an_empty_optional_one_is_unset() -> None:
    empty = dict.fromkeys(("AWS_REGION", "DB_PASSWORD", "STATE_BACKEND", "CONTAINER_IMAGE"), "")
    assert read(**empty) == read()


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().aws_region = "eu-west-1"  # pyright: ignore[reportAttributeAccessIssue]


# --- ENVIRONMENT -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "environments"),
    [
        ("dev", ("dev",)),
        (" dev ", ("dev",)),
        ("prod,dev", ("dev", "prod")),
        ("dev , prod\t,staging", KNOWN),
        ("all", KNOWN),
        (" all ", KNOWN),
    ],
)
def test_environments_in_the_order_of_the_config(value: str, environments: tuple[str, ...]) -> None:
    assert read(ENVIRONMENT=value).environments == environments


CHOICES = "choose dev, staging, prod, several with commas, or all"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", [f"ENVIRONMENT: is not set ({CHOICES})"]),
        (" , ", [f"ENVIRONMENT: is not set ({CHOICES})"]),
        ("dev,", ["ENVIRONMENT: 'dev,' has an empty name (drop the extra comma)"]),
        ("all,dev", ["ENVIRONMENT: all stands alone (drop all, or the other names)"]),
        ("dev, dev,prod", ["ENVIRONMENT: 'dev' stands there twice (drop one)"]),
        ("prd", [f"ENVIRONMENT: unknown environment 'prd' (did you mean prod? {CHOICES})"]),
        ("DEV", [f"ENVIRONMENT: unknown environment 'DEV' (did you mean dev? {CHOICES})"]),
        (
            "production",
            [f"ENVIRONMENT: unknown environment 'production' (did you mean prod? {CHOICES})"],
        ),
        ("qa", [f"ENVIRONMENT: unknown environment 'qa' ({CHOICES})"]),
        (
            "dev,xx,yy,xx",
            [
                "ENVIRONMENT: 'xx' stands there twice (drop one)",
                f"ENVIRONMENT: unknown environment 'xx' ({CHOICES})",
                f"ENVIRONMENT: unknown environment 'yy' ({CHOICES})",
            ],
        ),
    ],
)
def test_wrong_environments(value: str, expected: list[str]) -> None:
    assert lines(ENVIRONMENT=value) == expected


# --- ENVIRONMENT_SUFFIX ----------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", "0", "a" * 16, "a-b", "1-2-3", "s3aliases", "an-a", "man"])
def test_suffixes(value: str) -> None:
    assert read(ENVIRONMENT_SUFFIX=value).environment_suffix == value
    assert not list(suffix_problems(value))


@pytest.mark.parametrize(
    ("value", "piece"),
    [
        ("", "is not set"),
        ("a" * 17, "is not a suffix"),
        *(
            (value, "is not a suffix")
            for value in ("A", "a_b", "-a", "a-", "a--b", "é", "a b", "a\n")
        ),
        *((value, "as S3 forbids") for value in ("s3alias", "a-s3alias", "an", "a-an")),
    ],
)
def test_wrong_suffixes(value: str, piece: str) -> None:
    (line,) = lines(ENVIRONMENT_SUFFIX=value)
    assert line.startswith("ENVIRONMENT_SUFFIX: ")
    assert piece in line


# --- the optional ones -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "piece"),
    [
        ("AWS_REGION", "us-east", "'us-east' is not a region"),
        ("AWS_REGION", " us-east-1", "' us-east-1' is not a region"),
        ("STATE_BACKEND", "S3", "'S3' is not a state backend (choose s3 or local)"),
        ("STATE_BACKEND", " ", "' ' is not a state backend"),
        ("CONTAINER_IMAGE", "App", "'App' is not an image reference"),
    ],
)
def test_wrong_optional_ones(variable: str, value: str, piece: str) -> None:
    (line,) = lines(**{variable: value})
    assert line.startswith(f"{variable}: ")
    assert piece in line


@pytest.mark.parametrize("backend", StateBackend)
def test_state_backends(backend: StateBackend) -> None:
    assert read(STATE_BACKEND=backend.value).state_backend is backend


# --- DB_PASSWORD -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a" * 8, "~" * 128, "!#$%&'()*+,-.:;<=>?[\\]^_`{|}~"])
def test_passwords(value: str) -> None:
    given_one = read(DB_PASSWORD=value)
    assert given_one.db_password_given
    assert value not in repr(given_one)


WRONG_PASSWORD = (
    "DB_PASSWORD: is not a password that RDS accepts (use 8-128 printable ASCII characters"
    ' without / " @ or space, or unset it and RDS makes one)'
)


@PATIENT
@given(st.text(min_size=1, max_size=150))
@example("a" * 7)
@example("a" * 129)
@example("pass/word")
@example('pass"word')
@example("pass@word")
@example("pass word")
@example("passwörd")
@example("password\x7f")
@example("password\n")
def test_a_password_is_refused_in_the_same_words_whatever_it_is(value: str) -> None:
    legal = value.isascii() and value.isprintable() and not set(value) & set('/"@ ')
    assume(not (legal and 8 <= len(value) <= 128))
    assert lines(DB_PASSWORD=value) == [WRONG_PASSWORD]


def test_a_password_is_not_shown_beside_other_problems() -> None:
    shown = "\n".join(lines(ENVIRONMENT="prd", DB_PASSWORD="hunter2"))
    assert "hunter2" not in shown
    assert "prd" in shown


# --- together --------------------------------------------------------------------------------


def test_all_problems_together() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(
            {
                "CONTAINER_IMAGE": ":",
                "STATE_BACKEND": "gcs",
                "DB_PASSWORD": "x",
                "AWS_REGION": "moon",
                "ENVIRONMENT_SUFFIX": "_",
                "ENVIRONMENT": "x",
            },
            KNOWN,
        )
    assert [problem.path for problem in caught.value.problems] == [
        *("ENVIRONMENT", "ENVIRONMENT_SUFFIX"),
        *("AWS_REGION", "DB_PASSWORD", "STATE_BACKEND", "CONTAINER_IMAGE"),
    ]
    assert caught.value.hint


VARIABLES = (*GOOD, "AWS_REGION", "DB_PASSWORD", "STATE_BACKEND", "CONTAINER_IMAGE")


@PATIENT
@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=30)))
def test_any_text_is_settings_or_a_line_each(environ: dict[str, str]) -> None:
    try:
        Settings.from_env(environ, KNOWN)
    except SettingsError as error:
        assert all(len(line.splitlines()) == 1 for line in error.lines())


def test_an_override_is_held_against_the_rules_of_its_environment() -> None:
    asked = {**GOOD, "ENVIRONMENT": "prod", "CONTAINER_IMAGE": "shop:latest"}
    with pytest.raises(ConfigError) as caught:
        select(asked, ENVIRONMENTS)
    assert [line.partition(": ")[0] for line in caught.value.lines()] == ["prod.service.image"]
