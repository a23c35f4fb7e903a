"""Names: legal, within the limit, apart from each other, and the same everywhere."""

import dataclasses
import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.config import aws_limits
from lib.config.settings import suffix_problems
from lib.config.validation import environment_name_findings
from lib.errors import NamingError
from lib.modules.naming import NamingModule

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "us-east-2", "ap-southeast-2", "us-gov-west-1", "us-isof-south-1")
ACCOUNT = "123456789012"


def naming(
    environment: str = "dev",
    region: str = "us-east-1",
    suffix: str = "qa3f7b5l",
    account_id: str | None = None,
) -> NamingModule:
    """A namer of which a test says what matters to it."""
    return NamingModule(environment, region, suffix, account_id)


LONG = naming("staging", "ap-southeast-2", "qa3f7b5l-1234567", ACCOUNT)

# A name that changes replaces the resource in every environment: these are held.
EXAMPLES = {
    "simple": (naming().generate_simple_name("alb"), "dev-alb-qa3f7b5l"),
    "regional": (naming().generate_name("alb"), "dev-us-east-1-alb-qa3f7b5l"),
    "bucket": (naming().state_bucket, "dev-us-east-1-tfstate-qa3f7b5l"),
    "own bucket": (
        naming(account_id=ACCOUNT).state_bucket,
        f"dev-us-east-1-tfstate-qa3f7b5l-{ACCOUNT}",
    ),
    "stack": (naming().stack_id, "tap-dev-qa3f7b5l"),
    "state": (naming().state_key, "tap-dev-qa3f7b5l/terraform.tfstate"),
    "local state": (naming().state_file, "terraform.tap-dev-qa3f7b5l.tfstate"),
    "lock table": (naming().lock_table, "dev-us-east-1-tflock-qa3f7b5l"),
    "parameter": (naming().ssm_path("network", "vpc_id"), "/tap/dev/qa3f7b5l/network/vpc_id"),
    "log group": (naming().log_group("flow-logs"), "/tap/dev/qa3f7b5l/flow-logs"),
    "just within": (
        LONG.generate_simple_name("service", limit=aws_limits.ALB_NAME_MAX),
        "staging-service-qa3f7b5l-1234567",
    ),
    "cut": (
        LONG.generate_simple_name("services", limit=aws_limits.ALB_NAME_MAX),
        "staging-services-qa3f-c15e75d790",
    ),
    "cut, with a region": (LONG.generate_name("alb"), "staging-alb-ap-southe-5800a94007"),
    "cut at a hyphen": (LONG.generate_name("loadbalancer"), "staging-loadbalancer-52e608123f"),
    "a long word": (naming().generate_simple_name("w" * 99), "dev-wwwwwwwwwwwwwwwww-a2f2d35924"),
    "cut bucket": (
        naming("abcdefghij", "us-isof-south-1", "a" * 16, ACCOUNT).state_bucket,
        "abcdefghij-tfstate-us-isof-south-1-aaaaaaaaaaaaaaaa-cc1b2e59d4",
    ),
}


@pytest.mark.parametrize(("name", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_names_that_are_held(name: str, expected: str) -> None:
    assert name == expected


@pytest.mark.parametrize("seed", ["0", "1"])
def test_names_are_the_same_in_another_process(seed: str) -> None:
    """Another hash seed, working folder and locale than this one's."""
    code = (
        "from lib.modules.naming import NamingModule as N;"
        "n = N('abcdefghij', 'us-isof-south-1', 'a' * 16, '123456789012');"
        "print(n.generate_simple_name('services'), n.generate_name('alb'), n.state_bucket)"
    )
    here = naming("abcdefghij", "us-isof-south-1", "a" * 16, ACCOUNT)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [
        *(here.generate_simple_name("services"), here.generate_name("alb"), here.state_bucket)
    ]


def test_a_namer_cannot_change_its_mind() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        naming().environment = "prod"  # pyright: ignore[reportAttributeAccessIssue]


# --- properties ------------------------------------------------------------------------------

LETTERS, LETTERS_AND_DIGITS = string.ascii_lowercase, string.ascii_lowercase + string.digits


def words(most: int) -> st.SearchStrategy[str]:
    """A letter, then up to ``most`` - 1 letters and digits."""
    rest = st.text(LETTERS_AND_DIGITS, max_size=most - 1)
    return st.builds(str.__add__, st.sampled_from(LETTERS), rest)


def joined(parts: st.SearchStrategy[str], most: int, by: str = "-") -> st.SearchStrategy[str]:
    """Up to ``most`` of ``parts``."""
    return st.lists(parts, min_size=1, max_size=most).map(by.join)


ENVIRONMENTS = words(10).filter(lambda name: not any(environment_name_findings(name)))
SUFFIXES = joined(st.text(LETTERS_AND_DIGITS, min_size=1, max_size=6), 3).filter(
    lambda suffix: not any(suffix_problems(suffix))
)
# Few letters, so that neighbours meet: a hyphen in the wrong place shows as a collision.
CROWDED = joined(st.text("ab1", min_size=1, max_size=3), 3)
MODULES = st.builds(
    NamingModule,
    ENVIRONMENTS | st.sampled_from(("ab", "a1", "dev")),
    st.sampled_from(REGIONS),
    SUFFIXES | CROWDED,
    st.none() | st.sampled_from((ACCOUNT, "0" * 12)),
)
WORDS = words(40) | st.sampled_from(("a", "b", "ab"))
PATH_WORDS = joined(words(9), 6) | joined(words(9), 6, by="_")

# What each resource takes, from the API references named beside its limit.
_HYPHENATED = r"(?!.*--)[a-z][a-z0-9-]*(?<!-)"
LEGAL = {
    "ALB_NAME_MAX": r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?",
    "TARGET_GROUP_NAME_MAX": r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?",
    "BUCKET_NAME_MAX": r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9.-]+[a-z0-9]"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)(?<!\.mrap)(?<!-an)",
    "RDS_IDENTIFIER_MAX": _HYPHENATED,
    "DB_SUBNET_GROUP_NAME_MAX": r"(?!default$)[a-z][a-z0-9 ._-]*",
    "DB_PARAMETER_GROUP_NAME_MAX": _HYPHENATED,
    "DB_SNAPSHOT_IDENTIFIER_MAX": _HYPHENATED,
    "IAM_ROLE_NAME_MAX": r"[\w+=,.@-]+",
    "IAM_POLICY_NAME_MAX": r"[\w+=,.@-]+",
    "ECS_CLUSTER_NAME_MAX": r"[A-Za-z0-9_-]+",
    "ECS_SERVICE_NAME_MAX": r"[A-Za-z0-9_-]+",
    "ECS_TASK_FAMILY_MAX": r"[A-Za-z0-9_-]+",
    "DYNAMODB_TABLE_NAME_MAX": r"[a-zA-Z0-9_.-]{3,}",
    "SECURITY_GROUP_NAME_MAX": r"(?!sg-)[a-zA-Z0-9 ._:/()#,@\[\]+=&;{}!$*-]+",
    "SNS_TOPIC_NAME_MAX": r"[A-Za-z0-9_-]+",
    "CLOUDWATCH_ALARM_NAME_MAX": r"[^\x00-\x1f]+",
    "SCALING_POLICY_NAME_MAX": r"[ -~]+",
    "WEB_ACL_NAME_MAX": r"[\w-]+",
    "SHORTEST_NAME_MAX": _HYPHENATED,
}


def test_every_name_limit_has_a_form() -> None:
    limits = {name for name in vars(aws_limits) if re.search("(NAME|IDENTIFIER|FAMILY)_MAX$", name)}
    assert limits - {"LOG_GROUP_NAME_MAX"} == set(LEGAL)


@PATIENT
@given(MODULES, WORDS)
def test_names_are_legal_and_within_the_limit(module: NamingModule, word: str) -> None:
    for limit_name, form in LEGAL.items():
        limit = getattr(aws_limits, limit_name)
        for name in (
            module.generate_name(word, limit=limit),
            module.generate_simple_name(word, limit=limit),
        ):
            assert len(name) <= limit
            assert re.fullmatch(form, name, re.ASCII), limit_name
            assert re.fullmatch(_HYPHENATED, name)
            assert name.startswith(f"{module.environment}-")


@PATIENT
@given(MODULES)
def test_the_bucket_is_legal(module: NamingModule) -> None:
    assert len(module.state_bucket) <= aws_limits.BUCKET_NAME_MAX
    assert re.fullmatch(LEGAL["BUCKET_NAME_MAX"], module.state_bucket)


@PATIENT
@given(MODULES, PATH_WORDS, PATH_WORDS)
def test_paths_are_legal(module: NamingModule, component: str, key: str) -> None:
    path = module.ssm_path(component, key)
    assert re.fullmatch(r"(?:/[a-zA-Z0-9_.-]+){5}", path)  # 15 levels at most
    group = module.log_group(component)
    assert re.fullmatch(r"[\.\-_/#A-Za-z0-9]+", group)
    assert len(group) <= aws_limits.LOG_GROUP_NAME_MAX


@PATIENT
@given(MODULES, WORDS, MODULES, WORDS, st.sampled_from((32, 63, 255)))
def test_two_inputs_never_share_a_name(
    one: NamingModule, word: str, two: NamingModule, other: str, limit: int
) -> None:
    def copy(module: NamingModule) -> tuple[str, str]:
        return module.environment, module.environment_suffix

    same_copy, same_region = copy(one) == copy(two), one.region == two.region
    simple = [m.generate_simple_name(w, limit=limit) for m, w in ((one, word), (two, other))]
    assert (simple[0] == simple[1]) == (same_copy and word == other)
    regional = [m.generate_name(w, limit=limit) for m, w in ((one, word), (two, other))]
    assert (regional[0] == regional[1]) == (same_copy and same_region and word == other)
    same_bucket = same_copy and same_region and one.account_id == two.account_id
    assert (one.state_bucket == two.state_bucket) == same_bucket
    assert (one.stack_id == two.stack_id) == same_copy
    assert (one.log_group(word) == two.log_group(other)) == (same_copy and word == other)
    parameters = one.ssm_path(word, "a"), two.ssm_path(other, "a")
    assert (parameters[0] == parameters[1]) == (same_copy and word == other)


def test_no_collision_in_a_crowded_space() -> None:
    """Exhaustive over parts so alike that any ambiguity of the patterns shows."""
    letters = ["a", "aa", "a1", "a1a", "a11"]
    suffixes = [*letters, *(f"{a}-{b}" for a in letters for b in letters)]
    keys = [(suffix, word) for suffix in suffixes for word in letters]
    for limit in (32, 14):
        names = {naming("aa", suffix=s).generate_simple_name(w, limit=limit) for s, w in keys}
        assert len(names) == len(keys)


def test_a_shortened_name_depends_on_all_of_the_whole() -> None:
    modules = [
        *(naming("staging", "ap-southeast-2", "a" * 15 + last) for last in "ab"),
        *(naming("staging", "ap-southeast-1", "a" * 15 + last) for last in "ab"),
    ]
    names = {module.generate_name(word) for module in modules for word in ("w" * 40, "w" * 41)}
    assert len(names) == 8


# --- what no name can be made of -------------------------------------------------------------


@pytest.mark.parametrize("word", ["", "a-b", "Alb", "1a", "a_b", "ä", "a\n"])
def test_wrong_words(word: str) -> None:
    for generate in (naming().generate_name, naming().generate_simple_name):
        with pytest.raises(NamingError, match="is not a word for a name") as caught:
            generate(word)
        assert "no hyphen" in caught.value.hint


@pytest.mark.parametrize("word", ["", "A", "a/b", "a--b", "-a", "a_", "1a", "a\n"])
def test_wrong_path_words(word: str) -> None:
    for make in (
        lambda: naming().ssm_path(word, "a"),
        lambda: naming().ssm_path("a", word),
        lambda: naming().log_group(word),
    ):
        with pytest.raises(NamingError, match="is not a word for a path"):
            make()


def test_paths_up_to_the_limit() -> None:
    room = aws_limits.LOG_GROUP_NAME_MAX - len("/tap/dev/qa3f7b5l/")
    assert len(naming().log_group("a" * room)) == aws_limits.LOG_GROUP_NAME_MAX
    with pytest.raises(NamingError, match="longer than 512 characters"):
        naming().log_group("a" * (room + 1))

    arn = "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/tap/dev/qa3f7b5l/a/"
    room = aws_limits.SSM_PARAMETER_ARN_MAX - len(arn)
    module = naming(region="us-gov-west-1")
    assert module.ssm_path("a", "b" * room)
    with pytest.raises(NamingError, match="longer than"):
        module.ssm_path("a", "b" * (room + 1))


def test_a_limit_that_leaves_no_room() -> None:
    module = naming("abcdefghij")
    assert len(module.generate_simple_name("alb", limit=21)) == 21
    with pytest.raises(NamingError, match="cannot be shortened to 20 characters"):
        module.generate_simple_name("alb", limit=20)


@pytest.mark.parametrize(
    ("parts", "piece"),
    [
        ({"environment": "my-dev"}, "not an environment's name"),
        ({"environment": "internal"}, "refuses load balancers"),
        ({"region": "moon"}, "not a region"),
        ({"suffix": "a--b"}, "ENVIRONMENT_SUFFIX: 'a--b' is not a suffix"),
        ({"suffix": "s3alias"}, "as S3 forbids"),
        ({"account_id": "1"}, "not an account id"),
        ({"account_id": ""}, "not an account id"),
    ],
)
def test_wrong_parts(parts: dict[str, str], piece: str) -> None:
    with pytest.raises(NamingError, match=re.escape(piece)) as caught:
        naming(**parts)
    (line,) = caught.value.lines()
    assert line == f"{caught.value.message} ({caught.value.hint})"
