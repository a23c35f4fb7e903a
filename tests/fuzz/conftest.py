"""The seed, told at the start of every run."""

import os
import random

os.environ.setdefault("TAP_FUZZ_SEED", str(random.SystemRandom().randrange(2**32)))


def pytest_report_header() -> str:
    """What pytest says first."""
    return f"fuzz: TAP_FUZZ_SEED={os.environ['TAP_FUZZ_SEED']} repeats this run"
