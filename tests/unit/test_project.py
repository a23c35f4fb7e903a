"""The tests run on environments of their own, in this process and in those that they start."""

import subprocess
import sys

import tap
from lib import extend
from lib.config import selection
from tests import environments, project

PROCESS = """
from lib.config import selection
from lib.extend import extend
from tests import environments
assert selection.ENVIRONMENTS is environments.ENVIRONMENTS
assert extend.__module__ == "lib.extend" and not extend.__doc__
"""


def test_this_process_has_them():
    assert selection.ENVIRONMENTS is environments.ENVIRONMENTS
    assert tap.ENVIRONMENTS is environments.ENVIRONMENTS
    assert extend.extend is project.no_extension


def test_the_processes_that_the_tests_start_have_them():
    command = [sys.executable, "-c", PROCESS]
    done = subprocess.run(
        command, cwd=project.folder(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
