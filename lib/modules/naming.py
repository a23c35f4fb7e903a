"""Names of everything that TAP makes, for one copy of one environment.

Names keep apart what is apart: for each pattern, two different inputs never meet in one name,
because the environment and the word in it have no hyphen and the region ends in its number. A
name over its resource's limit is cut, environment and word first, and ends in a hash of the
whole name; two of those meet only where 40 bits of SHA-256 do. Every name is lower-case, begins
with a letter and has single inner hyphens, which every resource in ``aws_limits.py`` accepts.
"""

import hashlib
import re
from dataclasses import dataclass

from lib.config import aws_limits
from lib.config.environment_config import PROJECT
from lib.config.settings import suffix_problems
from lib.config.type_check import shown
from lib.config.validation import environment_name_findings, region_findings
from lib.errors import NamingError

_HASH_LENGTH = 10  # hexadecimal digits: 40 bits
_WORD = r"[a-z][a-z0-9]*"
_PATH_WORD = r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"


@dataclass(frozen=True, slots=True)
class NamingModule:
    """The namer of one copy (``environment_suffix``) of one environment in one region.

    ``account_id`` makes the bucket's name, which is global, one's own. Raises ``NamingError``
    for parts that no name can be made of.
    """

    environment: str
    region: str
    environment_suffix: str
    account_id: str | None = None

    def __post_init__(self) -> None:
        for finding in environment_name_findings(self.environment):
            raise NamingError(finding.message, hint=finding.hint)
        for problem in suffix_problems(self.environment_suffix):
            raise NamingError(f"{problem.path}: {problem.message}", hint=problem.hint)
        for finding in region_findings(self.region):
            raise NamingError(finding.message, hint=finding.hint)
        if self.account_id is not None:
            _require(aws_limits.ACCOUNT_ID_PATTERN, self.account_id, "an account id", "12 digits")

    def generate_name(self, service: str, *, limit: int = aws_limits.SHORTEST_NAME_MAX) -> str:
        """``{env}-{region}-{service}-{suffix}``: unique in the account, over all regions.

        ``service`` is one word (``[a-z][a-z0-9]*``) and ``limit`` the resource's own, in
        characters, from ``aws_limits``; the default is legal for every resource. Raises
        ``NamingError``.
        """
        return self._name(_word(service), region=self.region, limit=limit)

    def generate_simple_name(
        self, resource: str, *, limit: int = aws_limits.SHORTEST_NAME_MAX
    ) -> str:
        """``{env}-{resource}-{suffix}``: unique in the region. Else as ``generate_name``."""
        return self._name(_word(resource), limit=limit)

    def bucket(self, word: str) -> str:
        """``{env}-{region}-{word}-{suffix}``, then the account id where it is known."""
        return self._name(
            _word(word),
            region=self.region,
            account_id=self.account_id,
            limit=aws_limits.BUCKET_NAME_MAX,
        )

    @property
    def state_bucket(self) -> str:
        """``{env}-{region}-tfstate-{suffix}``, then the account id where it is known."""
        return self.bucket("tfstate")

    @property
    def log_bucket(self) -> str:
        """``{env}-{region}-accesslogs-{suffix}``, then the account id where it is known."""
        return self.bucket("accesslogs")

    @property
    def state_key(self) -> str:
        """The state's object in the bucket."""
        return f"{self.stack_id}/terraform.tfstate"

    @property
    def state_file(self) -> str:
        """The state's file where it is local."""
        return f"terraform.{self.stack_id}.tfstate"

    @property
    def lock_table(self) -> str:
        """The state's lock table, named as its bucket is."""
        return self.generate_name("tflock", limit=aws_limits.DYNAMODB_TABLE_NAME_MAX)

    @property
    def stack_id(self) -> str:
        """``tap-{env}-{suffix}``: the stack's id and the folder that it is synthesized to."""
        return f"{PROJECT}-{self.environment}-{self.environment_suffix}"

    def ssm_path(self, component: str, key: str) -> str:
        """``/tap/{env}/{suffix}/{component}/{key}``. Raises ``NamingError``."""
        partition = aws_limits.partition_of(self.region)
        arn = f"arn:{partition}:ssm:{self.region}:123456789012:parameter"
        return self._path(component, key, limit=aws_limits.SSM_PARAMETER_ARN_MAX - len(arn))

    def log_group(self, what: str) -> str:
        """``/tap/{env}/{suffix}/{what}``. Raises ``NamingError``."""
        return self._path(what, limit=aws_limits.LOG_GROUP_NAME_MAX)

    def _path(self, *words: str, limit: int) -> str:
        for word in words:
            _require(_PATH_WORD, word, "a word for a path", "vpc_id: a-z, 0-9, inner _ or -")
        path = "/".join(("", PROJECT, self.environment, self.environment_suffix, *words))
        if len(path) > limit:
            raise NamingError(
                f"{shown(path)} is longer than {limit} characters", hint="use shorter words"
            )
        return path

    def _name(
        self, word: str, *, region: str | None = None, account_id: str | None = None, limit: int
    ) -> str:
        env, suffix = self.environment, self.environment_suffix
        whole = "-".join(filter(None, (env, region, word, suffix, account_id)))
        if len(whole) <= limit:
            return whole
        # What stays readable of a cut name is whose it is and what it is.
        head = "-".join(filter(None, (env, word, region, suffix)))
        room = limit - _HASH_LENGTH - 1
        if room < len(env):
            raise NamingError(
                f"{shown(whole)} cannot be shortened to {limit} characters",
                hint="give the resource's limit from aws_limits",
            )
        digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_LENGTH]
        return f"{head[:room].rstrip('-')}-{digest}"


def _word(word: str) -> str:
    # A hyphen would let two copies share a name: a + b-c and a-b + c.
    return _require(_WORD, word, "a word for a name", "alb: a-z and 0-9, a letter first, no hyphen")


def _require(pattern: str, value: str, what: str, example: str) -> str:
    if not re.fullmatch(pattern, value):
        raise NamingError(f"{shown(value)} is not {what}", hint=f"write one like {example}")
    return value
