"""Where one stack's state can be: the bucket and its lock, the file, and Terraform's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lib.config.environment_config import EnvironmentConfig, StateLock
from lib.errors import TapError
from lib.modules.naming import NamingModule

PATIENCE = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """``folder`` is where Terraform runs; ``file`` holds the state while it is local."""

    stack: str
    folder: Path
    file: Path
    bucket: str
    key: str
    table: str
    lock: StateLock
    session: boto3.Session
    account_id: str | None = None
    production: bool = False

    @property
    def lock_key(self) -> str:
        """The lock file, as Terraform names it."""
        return f"{self.key}.tflock"

    @property
    def lock_id(self) -> str:
        """The lock's item in the table, as Terraform names it."""
        return f"{self.bucket}/{self.key}"

    @property
    def errored(self) -> Path:
        """The state that Terraform could not save."""
        return self.folder / "errored.tfstate"

    @property
    def uses_lock_file(self) -> bool:
        """Whether Terraform locks in the bucket."""
        return self.lock is not StateLock.DYNAMODB

    @property
    def uses_lock_table(self) -> bool:
        """Whether Terraform locks in the table, and keeps the state's digest there."""
        return self.lock is not StateLock.LOCKFILE

    def client(self, service: str) -> Any:
        """A client in the account that the state is in."""
        return _client(self.session, service)


@cache  # to make one takes a tenth of a second
def _client(session: boto3.Session, service: str) -> Any:
    return session.client(service, config=PATIENCE)  # type: ignore[call-overload]


def place_of(config: EnvironmentConfig, suffix: str, output: Path) -> Place:
    """The place of the stack that is synthesized below ``output``.

    Raises ``TapError`` where the credentials are another account's.
    """
    naming = NamingModule(config.name, config.region, suffix, account_id=config.account_id)
    return Place(
        stack=naming.stack_id,
        folder=output / "stacks" / naming.stack_id,
        file=output.parent / naming.state_file,
        bucket=naming.state_bucket,
        key=naming.state_key,
        table=naming.lock_table,
        lock=config.state.lock,
        session=_session(config),
        account_id=config.account_id,
        production=config.production,
    )


def _session(config: EnvironmentConfig) -> boto3.Session:
    """A session as the role, and in the account, in which Terraform works."""
    session = boto3.Session(region_name=config.region)
    with told():
        if role := config.deploy_role_arn:
            given = session.client("sts", config=PATIENCE).assume_role(
                RoleArn=role, RoleSessionName="tap-state"
            )["Credentials"]
            session = boto3.Session(
                given["AccessKeyId"],
                given["SecretAccessKey"],
                given["SessionToken"],
                region_name=config.region,
            )
        if config.account_id:
            account = session.client("sts", config=PATIENCE).get_caller_identity()["Account"]
            if account != config.account_id:
                raise TapError(
                    f"these credentials are account {account}'s, {config.name} is in "
                    f"{config.account_id}",
                    hint="use that account's",
                )
    return session


@contextmanager
def told() -> Iterator[None]:
    """What AWS refuses, as an error that a person can act on."""
    try:
        yield
    except ClientError as error:
        raise TapError(
            f"AWS: {error}", hint="`ops state policy` writes what the role needs"
        ) from error
    except BotoCoreError as error:
        raise TapError(f"AWS: {error}", hint="check the credentials and the network") from error


def code_of(error: ClientError) -> str:
    """AWS's code for an error: S3 gives a bare status where an answer has no body."""
    return error.response["Error"]["Code"]
