"""What checkov misses in synthesized JSON, as rules of our own.

It reads no policy of keys and topics, no rule of a security group beyond the ports that it knows,
and little of a container (``privilege``, where ECS says ``privileged``). Each rule is a generator
of findings over a stack, under the id that it has in ``RULES``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lib.config.validation import holds_a_secret
from ops.policy.stack import Finding, Stack, containers

ANYWHERE = ("0.0.0.0/0", "::/0")
HTTPS = 443
UNPRIVILEGED_PORT_MIN = 1024
ROOT = ("", "0", "root")

Problem = tuple[str, str]  # an address, and what is wrong there


def _egress(stack: Stack) -> Iterator[Problem]:
    """To anywhere, only HTTPS goes."""
    for address, rule in stack.of_type("aws_vpc_security_group_egress_rule").items():
        ports = rule["ip_protocol"], rule.get("from_port"), rule.get("to_port")
        to = rule.get("cidr_ipv4") or rule.get("cidr_ipv6")
        if to in ANYWHERE and ports != ("tcp", HTTPS, HTTPS):
            yield address, f"lets {ports} out to {to}"
    for address, group in stack.of_type(
        "aws_security_group", "aws_default_security_group", "aws_security_group_rule"
    ).items():
        if group.get("ingress") or group.get("egress") or "type" in group:
            yield address, "has rules that are no resources of their own"


def _containers(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, task in stack.of_type("aws_ecs_task_definition").items():
        for container in containers(task):
            yield address, container


def _read_only_root(stack: Stack) -> Iterator[Problem]:
    """No program changes what its image has."""
    for address, container in _containers(stack):
        if container.get("readonlyRootFilesystem") is not True:
            yield address, f"{container['name']} can write to its root file system"


def _unprivileged(stack: Stack) -> Iterator[Problem]:
    """No program runs as root, nor on a port that takes root to listen on."""
    for address, container in _containers(stack):
        name, user = container["name"], container.get("user", "").partition(":")[0]
        if user in ROOT or container.get("privileged"):
            yield address, f"{name} runs as root"
        for mapping in container.get("portMappings", ()):
            if mapping["containerPort"] < UNPRIVILEGED_PORT_MIN:
                yield address, f"{name} listens on port {mapping['containerPort']}"


def _secrets(stack: Stack) -> Iterator[Problem]:
    """Secrets reach a container by reference, never as a variable's value."""
    for address, container in _containers(stack):
        for entry in container.get("environment", ()):
            if holds_a_secret(entry["name"], entry["value"]):
                yield address, f"{container['name']} has {entry['name']} in the clear"


def _policies(stack: Stack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each statement that allows something, with the address of its policy."""
    for address, arguments in stack.resources.items():
        for name in ("policy", "assume_role_policy"):
            text = arguments.get(name)
            if not isinstance(text, str) or not text.startswith("{"):
                continue
            statements = json.loads(text)["Statement"]
            for statement in statements if isinstance(statements, list) else [statements]:
                if statement["Effect"] == "Allow":
                    yield address, statement


def _words(value: object) -> list[str]:
    """A word or several, as policies write them."""
    if isinstance(value, Mapping):
        return [word for each in value.values() for word in _words(each)]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _any_principal(stack: Stack) -> Iterator[Problem]:
    """Nothing is allowed to everybody."""
    for address, statement in _policies(stack):
        if "NotPrincipal" in statement or "*" in _words(statement.get("Principal", [])):
            yield address, f"allows everybody {', '.join(_words(statement['Action']))}"


def _any_action(stack: Stack) -> Iterator[Problem]:
    """Nobody is allowed everything, on everything; nor all that a service has, but the own key."""
    for address, statement in _policies(stack):
        actions = _words(statement.get("Action", "*"))  # without it, there is a NotAction
        everything = {"*", "*:*"} & set(actions)
        service = [action for action in actions if action.endswith(":*")]
        # In the policy of a key, * is the key itself.
        alone = address.startswith("aws_kms_key.")
        if "*" in _words(statement.get("Resource", "*")) and (everything or service and not alone):
            yield address, f"allows {', '.join(actions)} on everything"


def _public_addresses(stack: Stack) -> Iterator[Problem]:
    """Nothing of production has a public address, but load balancers and NAT gateways."""
    if not stack.production:
        return
    for address, arguments in stack.resources.items():
        network = arguments.get("network_configuration") or {}
        if (
            arguments.get("publicly_accessible")
            or arguments.get("map_public_ip_on_launch")
            or arguments.get("associate_public_ip_address")
            or network.get("assign_public_ip")
        ):
            yield address, "has a public address"


def _encryption(stack: Stack) -> Iterator[Problem]:
    """All that is stored is encrypted, where AWS does not do it unasked."""
    for address, database in stack.of_type("aws_db_instance").items():
        if database.get("storage_encrypted") is not True:
            yield address, "its storage is not encrypted"
    for address, table in stack.of_type("aws_dynamodb_table").items():
        if not (table.get("server_side_encryption") or {}).get("enabled"):
            yield address, "is not encrypted with a key of KMS's"
    encrypted = {
        rule["bucket"]
        for rule in stack.of_type("aws_s3_bucket_server_side_encryption_configuration").values()
    }
    for address in stack.of_type("aws_s3_bucket"):
        if f"${{{address}.id}}" not in encrypted:
            yield address, "says nothing of its encryption"
    backend = stack.document["terraform"].get("backend", {}).get("s3")
    if backend and backend.get("encrypt") is not True:
        yield "terraform.backend", "the state is not encrypted"
    for address, listener in stack.of_type("aws_lb_listener").items():
        policy = listener.get("ssl_policy") or ""
        if listener["protocol"] == "HTTPS" and "TLS13" not in policy:
            yield address, f"{policy or 'its default'} knows no TLS 1.3"


def _statements_logged(stack: Stack) -> Iterator[Problem]:
    """PostgreSQL logs slow statements and no password; it takes connections over TLS alone."""
    for address, group in stack.of_type("aws_db_parameter_group").items():
        parameters = {each["name"]: each["value"] for each in group["parameter"]}
        if parameters.get("log_statement", "none") != "none":
            yield address, "log_statement logs the passwords that ALTER ROLE sets"
        if int(parameters.get("log_min_duration_statement", "-1")) < 0:
            yield address, "logs no slow statement"
        if parameters.get("rds.force_ssl") != "1":
            yield address, "takes connections without TLS"


RULES: Mapping[str, Callable[[Stack], Iterator[Problem]]] = {
    "TAP_EGRESS": _egress,
    "TAP_READ_ONLY_ROOT": _read_only_root,
    "TAP_UNPRIVILEGED": _unprivileged,
    "TAP_SECRET": _secrets,
    "TAP_ANY_PRINCIPAL": _any_principal,
    "TAP_ANY_ACTION": _any_action,
    "TAP_PUBLIC_ADDRESS": _public_addresses,
    "TAP_ENCRYPTION": _encryption,
    "TAP_STATEMENTS": _statements_logged,
}


def findings(stack: Stack) -> list[Finding]:
    """All that our own rules object to."""
    return [
        Finding(check, address, message)
        for check, rule in RULES.items()
        for address, message in rule(stack)
    ]
