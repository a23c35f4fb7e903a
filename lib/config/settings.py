"""What the process is told by its environment variables.

``tap.py`` hands in ``os.environ``; nothing else reads it. All problems are found together. The
database password is looked at, never kept: deploy commands hand it to Terraform themselves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lib.config import aws_limits
from lib.config.environment_config import StateBackend
from lib.config.images import image_findings
from lib.config.type_check import Finding, shown
from lib.config.validation import region_findings
from lib.errors import Problem, SettingsError, did_you_mean

ALL = "all"

SUFFIX_MAX = 16  # characters, so that the names it is part of stay readable
# No double hyphen: RDS and DB parameter groups refuse one.
SUFFIX_PATTERN = r"[a-z0-9]+(?:-[a-z0-9]+)*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The environment variables, checked.

    ``environments`` are in the order of the config, whatever the order they were asked for in;
    None stands for what the environment's own config says.
    """

    environments: tuple[str, ...]
    environment_suffix: str
    aws_region: str | None = None
    db_password_given: bool = False
    state_backend: StateBackend | None = None
    container_image: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str], known: Sequence[str]) -> "Settings":
        """Read ``environ``; ``known`` are the names of the environments there are.

        An empty variable counts as unset: CI systems pass those. Raises ``SettingsError`` with
        every problem; none of them shows the password, nor how long it is.
        """
        problems = [
            *_environment_problems(environ.get("ENVIRONMENT", ""), known),
            *suffix_problems(environ.get("ENVIRONMENT_SUFFIX", "")),
        ]
        for variable, check in _OPTIONAL.items():
            if value := environ.get(variable):
                problems += (
                    Problem(variable, finding.message, finding.hint) for finding in check(value)
                )
        if problems:
            raise SettingsError(problems)

        asked = _split(environ["ENVIRONMENT"])
        backend = environ.get("STATE_BACKEND")
        return cls(
            environments=tuple(name for name in known if name in asked or asked == [ALL]),
            environment_suffix=environ["ENVIRONMENT_SUFFIX"],
            aws_region=environ.get("AWS_REGION") or None,
            db_password_given=bool(environ.get("DB_PASSWORD")),
            state_backend=StateBackend(backend) if backend else None,
            container_image=environ.get("CONTAINER_IMAGE") or None,
        )


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _environment_problems(value: str, known: Sequence[str]) -> Iterator[Problem]:
    choices = f"choose {', '.join(known)}, several with commas, or {ALL}"
    asked = _split(value)
    if not any(asked):
        yield Problem("ENVIRONMENT", "is not set", choices)
        return
    if not all(asked):
        yield Problem("ENVIRONMENT", f"{shown(value)} has an empty name", "drop the extra comma")
    if ALL in asked and asked != [ALL]:
        yield Problem("ENVIRONMENT", f"{ALL} stands alone", f"drop {ALL}, or the other names")
    for name in dict.fromkeys(filter(None, asked)):
        if asked.count(name) > 1:
            yield Problem("ENVIRONMENT", f"{shown(name)} stands there twice", "drop one")
        if name not in known and name != ALL:
            hint = did_you_mean(name, known) + choices
            yield Problem("ENVIRONMENT", f"unknown environment {shown(name)}", hint)


def suffix_problems(suffix: str) -> Iterator[Problem]:
    """What is wrong with an environment suffix; nothing when it is fine."""
    if not suffix:
        yield Problem(
            "ENVIRONMENT_SUFFIX",
            "is not set",
            "name this copy, for example ENVIRONMENT_SUFFIX=qa3f7b5l",
        )
        return
    if len(suffix) > SUFFIX_MAX or not re.fullmatch(SUFFIX_PATTERN, suffix):
        yield Problem(
            "ENVIRONMENT_SUFFIX",
            f"{shown(suffix)} is not a suffix",
            f"write 1-{SUFFIX_MAX} of a-z and 0-9, single hyphens between them",
        )
    elif suffix.rpartition("-")[2] in aws_limits.BUCKET_RESERVED_LAST_WORDS:
        reserved = " and ".join(aws_limits.BUCKET_RESERVED_LAST_WORDS)
        yield Problem(
            "ENVIRONMENT_SUFFIX",
            f"{shown(suffix)} ends a bucket's name as S3 forbids",
            f"choose another last word than {reserved}",
        )


def _password_findings(value: str) -> Iterator[Finding]:
    # One finding for every fault: which one it was would tell something of the value.
    legal = all(
        "!" <= character <= "~" and character not in aws_limits.RDS_PASSWORD_FORBIDDEN
        for character in value
    )
    if not legal or not aws_limits.RDS_PASSWORD_MIN <= len(value) <= aws_limits.RDS_PASSWORD_MAX:
        yield Finding(
            "is not a password that RDS accepts",
            f"use {aws_limits.RDS_PASSWORD_MIN}-{aws_limits.RDS_PASSWORD_MAX} printable ASCII"
            ' characters without / " @ or space, or unset it and RDS makes one',
        )


def _state_backend_findings(value: str) -> Iterator[Finding]:
    choices = [backend.value for backend in StateBackend]
    if value not in choices:
        yield Finding(f"{shown(value)} is not a state backend", f"choose {' or '.join(choices)}")


_OPTIONAL = {
    "AWS_REGION": region_findings,
    "DB_PASSWORD": _password_findings,
    "STATE_BACKEND": _state_backend_findings,
    "CONTAINER_IMAGE": image_findings,
}
