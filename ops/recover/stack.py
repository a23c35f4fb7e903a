"""A stack's resources: in its JSON, in its state, and in AWS."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import ClientError

from lib.errors import TapError
from ops import aws
from ops.recover.kinds import KINDS, REMADE, Kind

OWNER_TAGS = ("Project", "Environment", "Suffix")  # whose a thing is
RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 10})
READY = {"available", "active", "active_impaired", "completed", "storage-optimization"}
FAILED = ("fail", "incompatible", "inaccessible")


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in AWS: the id by which Terraform imports it, and what else was told of it."""

    id: str
    attributes: Mapping[str, Any]

    @property
    def status(self) -> str:
        """What it is doing, in AWS's word; empty for what is there at once."""
        return self.attributes.get("status") or ""

    @property
    def ready(self) -> bool:
        """Whether it is made."""
        return not self.status or self.status.lower() in READY

    @property
    def failed(self) -> bool:
        """Whether it will never be."""
        return self.status.lower().startswith(FAILED)


@dataclass(frozen=True, slots=True)
class Known:
    """A resource as the state has it."""

    attributes: Mapping[str, Any]
    tainted: bool

    @property
    def ids(self) -> set[str]:
        """By which it is known, here or in AWS: the ``id`` of a database is none of those that AWS
        takes, that of a task definition is its family's name."""
        return {str(self.attributes.get(name)) for name in ("id", "arn", "identifier")}


class Unresolved(LookupError):
    """A reference to what isn't there: whoever refers to it isn't there either."""


class Stack:
    """A stack's resources: in its JSON, in its state, and in AWS.

    Resources are looked for when they are asked for, each after those that it refers to.
    """

    # With $$ before its brace, it is text.
    REFERENCE = re.compile(r"(?<!\$)\$\{((?:data\.)?\w+)\.(\w+)\.(\w+(?:\[0\]\.\w+)?)\}")
    TEMPLATE = re.compile(r"(?<![$%])[$%]\{")

    def __init__(
        self, document: Mapping[str, Any], state: Mapping[str, Any], session: boto3.Session
    ) -> None:
        self.addresses: dict[str, Mapping[str, Any]] = {
            f"{type_}.{name}": arguments
            for type_, entries in document.get("resource", {}).items()
            for name, arguments in entries.items()
        }
        (provider,) = document["provider"]["aws"]
        self.tags: Mapping[str, str] = provider["default_tags"][0]["tags"]
        self.known: dict[str, Known] = {}
        self._known_ids: set[tuple[str, str]] = set()
        for resource in state.get("resources", ()):
            for instance in resource["instances"]:
                if resource["mode"] == "managed":
                    known = Known(instance["attributes"], instance.get("status") == "tainted")
                    self._known_ids |= {(resource["type"], id_) for id_ in known.ids}
                    if "deposed" not in instance:
                        self.known[f"{resource['type']}.{resource['name']}"] = known
        self._session = session
        self._clients: dict[str, Any] = {}
        self._answers: dict[str, list[Mapping[str, Any]]] = {}
        self._found: dict[str, list[Thing]] = {}

    def kind(self, address: str) -> Kind | None:
        """How AWS is asked for it; None for what is made again."""
        type_ = address.split(".")[0]
        if type_ not in KINDS and type_ not in REMADE:
            raise TapError(
                f"recover does not know {type_}", hint="say in ops/recover/kinds.py how to find one"
            )
        return KINDS.get(type_)

    def knows(self, address: str, thing: Thing) -> bool:
        """Whether the state has it, at this address, at another or as one to be deleted.

        Things of several types share an id, such as a bucket and its policy.
        """
        return (address.split(".")[0], thing.id) in self._known_ids

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        if service not in self._clients:
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                service, config=RETRIES
            )
        return self._clients[service]

    def forget(self) -> None:
        """Ask AWS anew from here on."""
        self._answers.clear()
        self._found.clear()

    def find(self, address: str) -> list[Thing]:
        """What AWS has that could be it."""
        if address not in self._found:
            try:
                self._found[address] = list(self._find(address))
            except Unresolved:
                self._found[address] = []
        return self._found[address]

    def _find(self, address: str) -> Iterator[Thing]:
        kind = self.kind(address)
        if kind is None:
            return

        argument = partial(self.argument, address)
        wanted = {**self.tags, **self.addresses[address].get("tags", {})}
        for answer in self.answers(kind, argument):
            for found in answer or ():
                self._tell(kind, found)
                if found.get("gone"):
                    continue
                if "tags" in found:
                    tags = {tag["Key"]: tag["Value"] for tag in found["tags"] or ()}
                    if any(tags.get(key) != wanted.get(key) for key in (*OWNER_TAGS, "Name")):
                        continue
                yield Thing(kind.import_id(argument) if kind.import_id else found["id"], found)

    def answers(self, kind: Kind, argument: Callable[[str], Any]) -> Iterator[Any]:
        """What ``kind.found`` finds in each page of AWS's answer about a resource."""
        expression = re.sub(
            r"\$(\w+)", lambda match: f"`{json.dumps(argument(match[1]))}`", kind.found
        )
        for page in self._ask(kind, _filled(kind.arguments, argument)):
            yield jmespath.search(expression, page)

    def _tell(self, kind: Kind, found: dict[str, Any]) -> None:
        """Add what further calls say of a thing, until one says that it is gone."""
        for operation, argument, expression in kind.told:
            call = Kind(kind.service, operation, {}, expression)
            try:
                pages = self._ask(call, {argument: found["id"]})
            except ClientError as error:
                if "AccessDenied" not in aws.code_of(error):
                    raise
                pages = [{}]  # somebody else's, and kept to themselves
                found["gone"] = True
            for page in pages:
                found.update(jmespath.search(expression, page) or {})
            if found.get("gone"):
                return

    def argument(self, address: str, name: str) -> Any:
        """A resource's argument, its references replaced; None where it isn't set."""
        return self.filled(self.addresses[address].get(name))

    def filled(self, value: Any) -> Any:
        """``value`` with the references in it replaced. Raises ``Unresolved``."""
        if isinstance(value, Mapping):
            return {key: self.filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        if not isinstance(value, str):
            return value
        resolved = self.REFERENCE.sub(lambda match: self._attribute(*match.groups()), value)
        if self.TEMPLATE.search(resolved):
            raise Unresolved(resolved)
        return resolved.replace("$${", "${").replace("%%{", "%{")

    def _attribute(self, type_: str, name: str, attribute: str) -> str:
        """An attribute of a resource: by the state, by AWS or as the JSON has it."""
        address = f"{type_}.{name}"
        if type_ == "data.aws_partition":
            return self._of_partition(attribute)
        if type_ == "data.aws_caller_identity" and attribute == "account_id":
            (identity,) = self._ask(Kind("sts", "get_caller_identity", {}, ""), {})
            return identity["Account"]
        known = self.known.get(address)
        if known and known.attributes.get(attribute) is not None:
            return str(known.attributes[attribute])
        found = self.find(address) if address in self.addresses else []
        if len(found) != 1:
            raise Unresolved(address)
        values = {**self.addresses[address], **found[0].attributes, "id": found[0].id}
        if attribute == "arn_suffix":
            return re.split(r"loadbalancer/|:(?=targetgroup/)", values["arn"])[1]
        if attribute not in values:
            raise Unresolved(f"{address}.{attribute}")
        return str(self.filled(values[attribute]))

    def _of_partition(self, attribute: str) -> str:
        """Of the partition that the stack is in: in China, domains end otherwise."""
        partition = self._session.get_partition_for_region(self._session.region_name)
        suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        return {"partition": partition, "dns_suffix": suffix}[attribute]

    def _ask(self, kind: Kind, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The pages of AWS's answer; none where it says that there is no such thing."""
        key = json.dumps([kind.service, kind.operation, arguments], sort_keys=True)
        if key not in self._answers:
            try:
                pages = list(aws.pages(self.client(kind.service), kind.operation, **arguments))
            except ClientError as error:
                code = aws.code_of(error)
                if "NotFound" not in code and not code.startswith("NoSuch"):
                    raise
                pages = []
            self._answers[key] = pages
        return self._answers[key]


def _filled(value: Any, argument: Callable[[str], Any]) -> Any:
    """``value`` with each ``$name`` in it replaced by that argument."""
    if isinstance(value, Mapping):
        return {key: _filled(each, argument) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, argument) for each in value]
    return argument(value[1:]) if isinstance(value, str) and value.startswith("$") else value
