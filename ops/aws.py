"""boto3's way into the account that a stack is in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownCredentialError,
)

from lib.errors import ExitCode, FailedError, TapError

PATIENCE = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=10)


# The person's own settings are wrong: AWS hasn't been asked.
SETTINGS_ERRORS = (
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownCredentialError,
)
INVALID_ENDPOINT = "Invalid endpoint"  # how botocore begins its ValueError


class Refused(FailedError):
    """AWS does not answer, or does not do as asked; ``__cause__`` is botocore's error."""


class Misconfigured(Refused):
    """The settings by which AWS is asked are wrong."""

    exit_code = ExitCode.USAGE


def session_for(
    whose: str,
    region: str,
    *,
    purpose: str,
    role: str | None,
    accounts: Sequence[str],
    hint: str,
    caller: boto3.Session | None = None,
) -> boto3.Session:
    """A session as the role, and in one of the accounts, in which Terraform works; any will do
    where none is named. ``purpose`` is for the role session's name, ``hint`` for what AWS refuses,
    ``caller`` for a session to start from other than the default one.

    Raises ``TapError`` where the credentials are another account's.
    """
    with told(hint=hint):
        session = caller or boto3.Session(region_name=region)
        if role:
            given = session.client("sts", config=PATIENCE).assume_role(
                RoleArn=role, RoleSessionName=f"tap-{purpose}"
            )["Credentials"]
            session = boto3.Session(
                given["AccessKeyId"],
                given["SecretAccessKey"],
                given["SessionToken"],
                region_name=region,
            )
        if accounts:
            account = session.client("sts", config=PATIENCE).get_caller_identity()["Account"]
            if account not in accounts:
                raise TapError(
                    f"these credentials are account {account}'s, {whose} is in {accounts[0]}",
                    hint="use that account's",
                )
    return session


def pages(client: Any, operation: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
    """Every page of the answer to a call, of which most have but one."""
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**arguments)
    else:
        yield getattr(client, operation)(**arguments)


def code_of(error: ClientError) -> str:
    """AWS's code for an error: S3 gives a bare status where an answer has no body."""
    return error.response["Error"]["Code"]


@contextmanager
def told(*, hint: str) -> Iterator[None]:
    """What AWS refuses, as an error that a person can act on."""
    try:
        yield
    except ClientError as error:
        raise Refused(f"AWS: {error}", hint=hint) from error
    except SETTINGS_ERRORS as error:
        raise Misconfigured(
            f"AWS's settings: {error}",
            hint="check AWS_PROFILE and ~/.aws, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
    except BotoCoreError as error:
        raise Refused(f"AWS: {error}", hint="check the credentials and the network") from error
    except ValueError as error:
        if not str(error).startswith(INVALID_ENDPOINT):
            raise
        raise Misconfigured(
            f"AWS's settings: {error}",
            hint="write a whole address: AWS_ENDPOINT_URL=http://localhost:4566",
        ) from error
