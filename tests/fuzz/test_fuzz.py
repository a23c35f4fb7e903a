"""2,000 inputs: each is refused by its paths, or Terraform takes what comes of it.

``TAP_FUZZ_SEED`` repeats a run, ``TAP_FUZZ_EXAMPLES`` makes it longer or shorter.
"""

import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings

from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.selection import select
from lib.errors import ProblemsError, TapError
from tests.fuzz.inputs import HINTS, Input, inputs
from tests.fuzz.validator import Validator
from tests.synthesized import Synthesized

SEED = int(os.environ["TAP_FUZZ_SEED"])  # conftest.py sets one
EXAMPLES = int(os.environ.get("TAP_FUZZ_EXAMPLES", "2000"))
PARTS = 10
AGAIN = f"again: make fuzz TAP_FUZZ_SEED={SEED}"
VARIABLES = {
    *("ENVIRONMENT", "ENVIRONMENT_SUFFIX", "AWS_REGION", "DB_PASSWORD", "STATE_BACKEND"),
    "CONTAINER_IMAGE",
}


def check_refusal(error: ProblemsError, given_: Input) -> None:
    """Each problem is a line that says where, what, and what to do; none shows the password."""
    assert error.problems
    labels = {entry.name for entry in given_.environments if isinstance(entry.name, str)}
    for problem in error.problems:
        label, _, path = problem.path.partition(".")
        known = label in labels or re.fullmatch(r"environments\[\d\]", label)
        bare = re.sub(r"\[.*", "", path, flags=re.DOTALL)  # at a place in a tuple or a mapping
        assert problem.path in VARIABLES or (known and bare in {"", *HINTS}), problem
        assert problem.message and problem.hint
        assert len(str(problem).splitlines()) == 1, problem
        password = given_.environ.get("DB_PASSWORD", "")
        assert not password.startswith("Pw!_;") or password not in str(problem)


def is_new(config: EnvironmentConfig) -> bool:
    """Whether it isn't just a shipped one: those are validated elsewhere."""
    return config not in ENVIRONMENTS


@pytest.mark.parametrize("part", range(PARTS))
def test_every_input_is_refused_by_its_paths_or_taken_by_terraform(part, tmp_path_factory):
    try:
        validator = Validator(tmp_path_factory.mktemp("fuzz"))
    except TapError as error:
        pytest.skip("; ".join(error.lines()))
    good: list[Input] = []
    documents: list[dict[str, Any]] = []
    seen: set[str] = set()

    @seed(SEED + part)
    @settings(
        max_examples=-(-EXAMPLES // PARTS),
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(inputs())
    def check(given_: Input) -> None:
        note(AGAIN)
        try:
            told, selected = select(given_.environ, given_.environments)
        except ProblemsError as error:
            check_refusal(error, given_)
            return
        for config in filter(is_new, selected):
            key = f"{config} {told.environment_suffix} {told.db_password_given}"
            if key not in seen:
                seen.add(key)
                document = Synthesized.of(
                    config,
                    suffix=told.environment_suffix,
                    password_given=told.db_password_given,
                ).document
                good.append(given_)
                documents.append(document)

    check()  # pylint: disable=no-value-for-parameter  # Hypothesis gives them
    assert len(documents) > EXAMPLES // PARTS // 5, "too few inputs are good: nothing is shown"
    problems = validator.problems(documents)
    assert not problems, "\n".join(
        [AGAIN, *(f"{good[number]}\n{told}" for number, told in problems.items())]
    )
