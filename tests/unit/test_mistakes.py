"""The mistakes of a beginner: one line, its place, the fix, exit code 2, nothing written."""

import compileall
import dataclasses
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import tap
from lib.config import environment_config, mistakes
from lib.config.mistakes import problem_of, reading_config
from tests.conftest import BY_NAME

ROOT = Path(__file__).parents[2]
CONFIG = mistakes.CONFIG_FILE
SHIPPED = (ROOT / CONFIG).read_text(encoding="utf-8")
ALONE = SHIPPED[SHIPPED.index("ENVIRONMENTS: tuple") :]


def line_of(text, nth=0):
    """The number of the line that holds a piece of the config, at its ``nth`` place."""
    places = [number for number, line in enumerate(SHIPPED.splitlines(), 1) if text in line]
    return places[nth]


@pytest.fixture(scope="module", name="project")
def _project(tmp_path_factory):
    """A copy of the application, compiled but for its config."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "lib", project / "lib")
    shutil.copy(ROOT / "tap.py", project)
    compileall.compile_dir(project / "lib", quiet=1)
    for compiled in project.rglob("environment_config.*.pyc"):
        compiled.unlink()  # a change within its second would go unseen
    return project


@pytest.fixture(name="run")
def _run(project):
    """Runs tap.py with a config that has ``new`` in the place of ``old``."""

    def run(old="", new="", command=("-S", project / "tap.py")):
        """``-S``: without packages, since no bad config gets as far as one."""
        assert old in SHIPPED
        (project / CONFIG).write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *command],
            cwd=project,
            env={
                "ENVIRONMENT": "dev",
                "ENVIRONMENT_SUFFIX": "qa1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": str(ROOT),  # after the working folder: its lib comes first
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert {path.name for path in project.iterdir()} == {"lib", "tap.py"}
        return done

    return run


# What is written instead of what; the place that is named, and a piece of what is said of it.
IN_PYTHON = {
    "a field misspelt": (
        *("desired_count=1,", "desired_cuont=1,", line_of("desired_count=1,")),
        *("ServiceConfig has no field desired_cuont", "did you mean desired_count?"),
    ),
    "a field of the environment misspelt": (
        *('region="us-east-1",', 'regoin="us-east-1",', line_of('region="us-east-1",')),
        *("EnvironmentConfig has no field regoin", "did you mean region?"),
    ),
    "a part misspelt": (
        *("network=NetworkConfig(", "networks=NetworkConfig(", line_of("network=NetworkConfig(")),
        *("EnvironmentConfig has no field networks", "did you mean network?"),
    ),
    "a field in the wrong part": (
        *("desired_count=1,", "desired_count=1, multi_az=True,", line_of("desired_count=1,")),
        *("ServiceConfig has no field multi_az", "it is a field of DatabaseConfig"),
    ),
    "a field that there is not": (
        *("desired_count=1,", "desired_count=1, zzz=1,", line_of("desired_count=1,")),
        *("ServiceConfig has no field zzz", "choose of cpu_units, memory_mib"),
    ),
    "a missing field": (
        *("            desired_count=1,\n", "", line_of("service=ServiceConfig(")),
        *("ServiceConfig lacks desired_count", "add desired_count, of type int"),
    ),
    "two missing fields": (
        *('cidr="10.0.0.0/16", nat=NatMode.NONE, ', "", line_of('cidr="10.0.0.0/16"')),
        *("NetworkConfig lacks cidr and nat", "add cidr, of type str; nat, of type NatMode"),
    ),
    "a missing part": (
        *("        alarms=None,\n", "", line_of("    EnvironmentConfig(")),
        *("EnvironmentConfig lacks alarms", "add alarms, of type AlarmsConfig | None"),
    ),
    "a choice misspelt": (
        *("SubnetTier.PUBLIC,", "SubnetTier.PUBLC,", line_of("SubnetTier.PUBLIC,")),
        *("SubnetTier has no PUBLC", "did you mean PUBLIC?"),
    ),
    "a choice in small letters": (
        *("NatMode.NONE,", "NatMode.none,", line_of("NatMode.NONE,")),
        *("NatMode has no none", "did you mean NONE?"),
    ),
    "a choice that there is not": (
        *("NatMode.NONE,", "NatMode.XYZ,", line_of("NatMode.NONE,")),
        *("NatMode has no XYZ", "choose NONE or SINGLE or PER_AZ"),
    ),
    "a class misspelt": (
        *("service=ServiceConfig(", "service=ServiceConfg(", line_of("service=ServiceConfig(")),
        *("there is no ServiceConfg", "did you mean ServiceConfig?"),
    ),
    "true as elsewhere": (
        *("multi_az=False", "multi_az=false", line_of("multi_az=False")),
        *("there is no false", "did you mean False?"),
    ),
    "null as elsewhere": (
        *("alarms=None,", "alarms=null,", line_of("alarms=None,")),
        *("there is no null", "define it, or put quotes around it"),
    ),
    "a text without quotes": (
        *('engine_version="14"', "engine_version=latest", line_of('engine_version="14"')),
        *("there is no latest", "put quotes around it"),
    ),
    "a value without its field": (
        *('cidr="10.0.0.0/16"', '"10.0.0.0/16"', line_of('cidr="10.0.0.0/16"')),
        *("NetworkConfig takes its fields by name", "write field=value"),
    ),
    "a lost comma": (
        *("cpu_units=256,", "cpu_units=256", line_of("cpu_units=256,")),
        *("invalid syntax", "perhaps you forgot a comma"),
    ),
    "a lost quote": (
        *('name="dev",', 'name="dev,', line_of('name="dev",')),
        *("unterminated string literal", "mend it, or the line before"),
    ),
    "a lost bracket": (
        *("state=StateConfig(deletable=True),", "state=StateConfig(deletable=True,"),
        *(line_of("ENVIRONMENTS: tuple"), "was never closed", "mend it, or the line before"),
    ),
    "a bracket too many": (
        *("state=StateConfig(deletable=True),", "state=StateConfig(deletable=True)),"),
        *(len(SHIPPED.splitlines()), "unmatched ')'", "mend it, or the line before"),
    ),
    "another bracket": (
        *("state=StateConfig(deletable=True),", "state=StateConfig(deletable=True],"),
        *(line_of("state=StateConfig(deletable=True)"), "does not match", "mend it"),
    ),
    "a colon, as in YAML": (
        *("cpu_units=256,", "cpu_units: 256,", line_of("cpu_units=256,")),
        *("invalid syntax", "mend it, or the line before"),
    ),
    "a field twice": (
        *("cpu_units=256,", "cpu_units=256, cpu_units=512,", line_of("cpu_units=256,")),
        *("keyword argument repeated: cpu_units", "mend it, or the line before"),
    ),
    "an indent": (
        *('PROJECT = "tap"', '  PROJECT = "tap"', line_of('PROJECT = "tap"')),
        *("unexpected indent", "mend it, or the line before"),
    ),
    "curly quotes": (
        *('name="dev",', "name=“dev”,", line_of('name="dev",')),
        *("invalid character", "mend it, or the line before"),
    ),
    "a conflict of git's": (
        *('        name="dev",', '<<<<<<< HEAD\n        name="dev",', line_of('name="dev",')),
        *("", "mend it, or the line before"),
    ),
    "a module that there is not": (
        *("import dataclasses\n", "import dataclases\n", line_of("import dataclasses")),
        *("there is no module dataclases", "did you mean dataclasses?"),
    ),
    "a name that a module has not": (
        *("from enum import StrEnum", "from enum import StrEnumm", line_of("import StrEnum")),
        *("enum has no StrEnumm", "did you mean StrEnum?"),
    ),
    "an own module that there is not": (
        *("from lib.config import aws_limits", "from lib.config import aws_limit"),
        *(line_of("import aws_limits"), "lib.config has no aws_limit", ""),
    ),
    "an expression that fails": (
        *("cpu_units=256,", "cpu_units=256 / 0,", line_of("cpu_units=256,")),
        *("ZeroDivisionError: division by zero", "mend it"),
    ),
}


@pytest.fixture(name="read")
def _read(tmp_path, monkeypatch):
    """Reads a config that has ``new`` in the place of ``old``, as an import would."""

    def read(old, new):
        file = tmp_path / "environment_config.py"
        assert old in SHIPPED
        file.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
        monkeypatch.setattr(mistakes, "_PATH", file)
        names = {"__name__": mistakes.CONFIG_MODULE}
        exec(compile(file.read_text(encoding="utf-8"), file, "exec"), names)  # pylint: disable=exec-used

    return read


@pytest.mark.parametrize("case", IN_PYTHON.values(), ids=list(IN_PYTHON))
def test_a_slip_in_python_is_a_line_with_its_place_and_the_nearest_name(read, capsys, case):
    old, new, line, message, hint = case
    with pytest.raises(SystemExit) as ended, reading_config():
        read(old, new)
    (said,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert said.startswith(f"tap: {CONFIG}:{line}: ")
    assert message in said and hint in said and said.endswith(")")


@pytest.mark.parametrize("name", ["a field misspelt", "a lost comma", "a choice misspelt"])
def test_a_process_says_it_so_and_writes_nothing(run, name):
    old, new, line, message, hint = IN_PYTHON[name]
    done = run(old, new)
    (said,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert said.startswith(f"tap: {CONFIG}:{line}: ")
    assert message in said and hint in said


@pytest.mark.parametrize("command", ["cost", "preflight"])
def test_every_command_says_it_so(run, command):
    done = run("desired_count=1,", "desired_cuont=1,", command=("-m", "ops", command))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"tap: {CONFIG}:{line_of('desired_count=1,')}: ServiceConfig has no field desired_cuont"
        " (did you mean desired_count?)\n"
    )


# The same for values that Python takes: the place is the path of the field.
IN_VALUES = {
    "a number with quotes": ("desired_count=1", 'desired_count="1"', "dev.service.desired_count"),
    "a number without": ('engine_version="14"', "engine_version=14", "dev.database.engine_version"),
    "half a task": ("desired_count=1", "desired_count=1.5", "dev.service.desired_count"),
    "a choice as text": ("nat=NatMode.NONE", 'nat="none"', "dev.network.nat"),
    "a class as text": ('"db.t3.micro"', '"t3.micro"', "dev.database.instance_class"),
    "a list": ("alarms=None", 'alarms=AlarmsConfig(emails=["a@b.io"])', "dev.alarms.emails"),
    "one text for several": (
        *("alarms=None", 'alarms=AlarmsConfig(emails=("a@b.io"))', "dev.alarms.emails"),
    ),
    "a dict for a part": ("state=StateConfig(deletable=True)", "state={}", "dev.state"),
    "a class without its brackets": ("alarms=None", "alarms=AlarmsConfig", "dev.alarms"),
    "a region that there is not": ('region="us-east-1"', 'region="us-east-9"', "dev.region"),
    "a zone for a region": ('region="us-east-1"', 'region="us-east-1a"', "dev.region"),
    "a name with a hyphen": ('name="dev"', 'name="my-dev"', "environments[0].name"),
    "a name twice": ('name="staging"', 'name="dev"', "environments[1].name"),
    "a range with a host": ("10.0.0.0/16", "10.0.0.1/16", "dev.network.cidr"),
    "a range that overlaps": ("10.1.0.0/16", "10.0.0.0/16", "staging.network.cidr"),
    "a size that Fargate has not": ("memory_mib=512", "memory_mib=500", "dev.service.memory_mib"),
    "cores for units": ("cpu_units=256", "cpu_units=1", "dev.service.cpu_units"),
    "private without NAT": ("SubnetTier.PUBLIC,", "SubnetTier.PRIVATE,", "dev.service.subnets"),
    "production called live": ('name="staging"', 'name="live"', "live.production"),
}


@pytest.mark.parametrize("case", IN_VALUES.values(), ids=list(IN_VALUES))
def test_a_wrong_value_is_a_line_with_its_path(capsys, tmp_path, case):
    old, new, path = case
    output = tmp_path / "output"
    environ = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1", "CDKTF_OUTDIR": str(output)}
    names = dict(vars(environment_config))
    assert old in ALONE
    exec(ALONE.replace(old, new, 1), names)  # pylint: disable=exec-used
    assert tap.main(environ, date(2026, 1, 1), names["ENVIRONMENTS"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"tap: {path}") and said.endswith(")")
    assert not output.exists()


WHOLE = {
    "one environment without its comma": (
        (ALONE, "ENVIRONMENTS = (EnvironmentConfig)\n"),
        *("environments: ", "its last comma makes it a tuple"),
    ),
    "the environments under another name": (
        ("ENVIRONMENTS: tuple", "ENVIROMENTS: tuple"),
        *(f"{CONFIG}: there is no ENVIRONMENTS", "did you mean ENVIROMENTS?"),
    ),
    "no environments at all": ((ALONE, ""), f"{CONFIG}: there is no ENVIRONMENTS", "call it"),
    "none in the tuple": ((ALONE, "ENVIRONMENTS = ()\n"), "environments: there are none", "add"),
}


@pytest.mark.parametrize("case", WHOLE.values(), ids=list(WHOLE))
def test_without_environments_that_is_said(run, case):
    (old, new), place, hint = case
    done = run(old, new)
    (said,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert said.startswith(f"tap: {place}") and hint in said


def test_there_are_more_than_45() -> None:
    assert len([*IN_PYTHON, *IN_VALUES, *WHOLE]) > 45


def test_a_package_that_is_not_installed_names_make_setup(run):
    done = run()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "tap: cdktf is not installed (run make setup)"


# --- within a process ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [ValueError("a fault of TAP's own"), ModuleNotFoundError("x", name="lib.gone"), ImportError()],
)
def test_a_fault_of_tap_s_own_stays_one(error):
    with pytest.raises(type(error)), reading_config():
        raise error


def test_what_goes_well_goes_on(capsys):
    with reading_config():
        done = True
    assert done and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ENVIROMENTS", "did you mean ENVIRONMENTS? call it ENVIROMENTS again"),
        ("XYZ", "call it XYZ again"),
    ],
)
def test_a_name_that_is_lost_is_told(name, hint):
    error = ImportError(
        f"cannot import name '{name}' from '{mistakes.CONFIG_MODULE}' (x)",
        name=mistakes.CONFIG_MODULE,
    )
    assert str(problem_of(error)) == f"{CONFIG}: there is no {name} any more ({hint})"


def test_what_a_value_of_the_config_raises_later_is_no_slip():
    network = dataclasses.replace(BY_NAME["dev"].network, cidr="ten")
    with pytest.raises(ValueError) as raised:
        assert network.public_subnets
    assert problem_of(raised.value) is None


def test_a_slip_in_another_file_is_none_of_the_config():
    assert problem_of(SyntaxError("invalid syntax", ("elsewhere.py", 3, 1, ""))) is None
