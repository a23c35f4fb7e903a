"""Where one stack's state can be: the bucket and its lock, the local file, Terraform's folders."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from lib.config.environment_config import EnvironmentConfig, StateBackend, StateLock
from lib.modules.naming import NamingModule
from ops import aws
from ops.terraform.unsaved import unsaved

HINT = "`pipenv run state policy` writes what the role needs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """``folder`` has the synthesized stack; ``file`` holds the state while it is local."""

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
    backend: StateBackend = StateBackend.S3  # where the config wants the state

    @property
    def output(self) -> Path:
        """The folder that the stacks are synthesized to, and that Terraform's runs are in."""
        return self.folder.parents[1]

    @property
    def owner(self) -> str:
        """The account that the bucket has to be in."""
        return self.account_id or _account(self.session)

    @property
    def in_bucket(self) -> dict[str, str]:
        """The arguments of a call of S3: the bucket, and whose it has to be. S3 refuses the call
        (403) where it is another account's.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
        """
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.owner}

    @property
    def lock_key(self) -> str:
        """The lock file, as Terraform names it."""
        return f"{self.key}.tflock"

    @property
    def lock_id(self) -> str:
        """The lock's item in the table, as Terraform names it."""
        return f"{self.bucket}/{self.key}"

    @property
    def unsaved(self) -> list[Path]:
        """The states that Terraform could not save, the oldest first."""
        return unsaved(self.output, self.stack)

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


@cache
def _account(session: boto3.Session) -> str:
    with told():
        return session.client("sts", config=aws.PATIENCE).get_caller_identity()["Account"]


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
        backend=config.state.backend,
    )


def told() -> AbstractContextManager[None]:
    """What AWS refuses, as an error that a person can act on."""
    return aws.told(hint=HINT)
