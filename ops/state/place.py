"""Where one stack's state can be: the bucket and its lock, the file, and Terraform's folder."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from lib.config.environment_config import EnvironmentConfig, StateLock
from lib.modules.naming import NamingModule
from ops import aws

HINT = "`ops state policy` writes what the role needs"


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
    return session.client(service, config=aws.PATIENCE)  # type: ignore[call-overload]


def place_of(
    config: EnvironmentConfig,
    suffix: str,
    output: Path,
    *,
    session: boto3.Session | None = None,
) -> Place:
    """The place of the stack that is synthesized below ``output``. A ``session`` in its account
    spares making one.

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
        session=session
        or aws.session_for(
            config.name,
            config.region,
            purpose="state",
            role=config.deploy_role_arn,
            accounts=(config.account_id,) if config.account_id else (),
            hint=HINT,
        ),
        account_id=config.account_id,
        production=config.production,
    )


def told() -> AbstractContextManager[None]:
    """What AWS refuses, as an error that a person can act on."""
    return aws.told(hint=HINT)
