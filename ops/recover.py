"""``ops recover``: gives Terraform back what it made and forgot.

Terraform notes a resource when it is made. Killed before that (``kill -9``, a machine that went
away) it leaves something in AWS that its state lacks: the next deploy fails on the name, or makes a
second one of what has no name. This looks for each resource of the synthesized stack that the state
lacks, by name where a name is unique and by the stack's tags elsewhere, and adopts what it finds by
Terraform's own import. It deletes nothing and does not guess: of two that could be meant, it names
both. What it cannot see is what the stack no longer names.

https://developer.hashicorp.com/terraform/language/import
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lib.config.selection import select
from lib.errors import Problem, TapError
from ops import graceful
from ops.cdktf_cli import ROOT, cli_environ, stack_ids
from ops.graceful import Command

IMPORTS = "recover.tf.json"
PLAN = "recover.tfplan"
OWNER_TAGS = ("Project", "Environment", "Suffix")  # whose a thing is
RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 10})

POLL_SECONDS = 10
WAIT_SECONDS = 40 * 60  # what the provider itself allows a database
READY = {"available", "active", "active_impaired", "completed", "storage-optimization"}
FAILED = ("fail", "incompatible", "inaccessible")


@dataclass(frozen=True, slots=True)
class Kind:
    """How AWS is asked for one type of resource.

    ``found`` is a JMESPath expression over a page of the answer. It gives an object for each thing:
    its ``id``; its ``status`` where it takes a while to be made; its ``tags`` where nothing else
    tells whose it is, those of others being left out; whatever attribute others refer to. In it and
    in ``arguments``, ``$name`` is the resource's argument of that name. ``import_id`` makes the
    import's id where it isn't the thing's. ``delete`` is the command that deletes one, for what can
    exist twice. ``if_same``: adopted only where Terraform would make just the same.
    """

    service: str
    operation: str
    arguments: Mapping[str, Any]
    found: str
    _: KW_ONLY
    import_id: Callable[[Callable[[str], str]], str] | None = None
    delete: str = ""
    if_same: bool = False


def _bucket_part(operation: str, found: str) -> Kind:
    """What a bucket has one of. Its id is the bucket's."""
    return Kind("s3", operation, {"Bucket": "$bucket"}, f"{found} && [{{id: $bucket}}]")


def _rule(direction: str) -> Kind:
    """A rule of a security group, told by all that it says but its description."""
    same = (
        f"{direction} && IpProtocol == $ip_protocol && FromPort == $from_port"
        " && ToPort == $to_port && CidrIpv4 == $cidr_ipv4"
        " && ReferencedGroupInfo.GroupId == $referenced_security_group_id"
    )
    return Kind(
        "ec2",
        "describe_security_group_rules",
        {"Filters": [{"Name": "group-id", "Values": ["$security_group_id"]}]},
        f"SecurityGroupRules[?{same}].{{id: SecurityGroupRuleId}}",
    )


KINDS: Mapping[str, Kind] = {
    "aws_appautoscaling_policy": Kind(
        "application-autoscaling",
        "describe_scaling_policies",
        {"ServiceNamespace": "$service_namespace", "ResourceId": "$resource_id"},
        "ScalingPolicies[?PolicyName == $name].{id: PolicyName}",
        import_id=lambda of: "/".join(
            map(of, ("service_namespace", "resource_id", "scalable_dimension", "name"))
        ),
    ),
    "aws_appautoscaling_target": Kind(
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "$service_namespace", "ResourceIds": ["$resource_id"]},
        "ScalableTargets[?ScalableDimension == $scalable_dimension].{id: ResourceId}",
        import_id=lambda of: "/".join(
            map(of, ("service_namespace", "resource_id", "scalable_dimension"))
        ),
    ),
    "aws_cloudwatch_log_group": Kind(
        "logs",
        "describe_log_groups",
        {"logGroupNamePrefix": "$name"},
        "logGroups[?logGroupName == $name].{id: logGroupName}",
    ),
    "aws_cloudwatch_metric_alarm": Kind(
        "cloudwatch",
        "describe_alarms",
        {"AlarmNames": ["$alarm_name"]},
        "MetricAlarms[].{id: AlarmName}",
    ),
    "aws_db_instance": Kind(
        "rds",
        "describe_db_instances",
        {"DBInstanceIdentifier": "$identifier"},
        "DBInstances[].{id: DBInstanceIdentifier, status: DBInstanceStatus}",
    ),
    "aws_db_parameter_group": Kind(
        "rds",
        "describe_db_parameter_groups",
        {"DBParameterGroupName": "$name"},
        "DBParameterGroups[].{id: DBParameterGroupName}",
        delete="aws rds delete-db-parameter-group --db-parameter-group-name",
    ),
    "aws_db_subnet_group": Kind(
        "rds",
        "describe_db_subnet_groups",
        {"DBSubnetGroupName": "$name"},
        "DBSubnetGroups[].{id: DBSubnetGroupName}",
    ),
    "aws_default_security_group": Kind(
        "ec2",
        "describe_security_groups",
        {
            "Filters": [
                {"Name": "vpc-id", "Values": ["$vpc_id"]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        },
        "SecurityGroups[].{id: GroupId}",
    ),
    "aws_dynamodb_table": Kind(
        "dynamodb",
        "describe_table",
        {"TableName": "$name"},
        "[Table.{id: TableName, status: TableStatus}]",
    ),
    "aws_ecs_cluster": Kind(
        "ecs",
        "describe_clusters",
        {"clusters": ["$name"]},
        "clusters[?status == 'ACTIVE'].{id: clusterName, arn: clusterArn}",
    ),
    "aws_ecs_service": Kind(
        "ecs",
        "describe_services",
        {"cluster": "$cluster", "services": ["$name"]},
        # Its first deployment has to be through: Terraform waits for one only as it makes it.
        (
            "services[?status == 'ACTIVE'].{id: serviceName,"
            " status: deployments[?status == 'PRIMARY'].rolloutState | [0]}"
        ),
        import_id=lambda of: f"{of('cluster').rpartition('/')[2]}/{of('name')}",
    ),
    "aws_ecs_task_definition": Kind(
        "ecs",
        "list_task_definitions",
        {"familyPrefix": "$family", "status": "ACTIVE"},
        "taskDefinitionArns[].{id: @} | [-1:]",  # the newest
        delete="aws ecs deregister-task-definition --task-definition",
        if_same=True,
    ),
    "aws_eip": Kind(
        "ec2",
        "describe_addresses",
        {},
        "Addresses[].{id: AllocationId, tags: Tags}",
        delete="aws ec2 release-address --allocation-id",
    ),
    "aws_flow_log": Kind(
        "ec2",
        "describe_flow_logs",
        {},
        "FlowLogs[].{id: FlowLogId, tags: Tags}",
        delete="aws ec2 delete-flow-logs --flow-log-ids",
    ),
    "aws_iam_role": Kind(
        "iam", "get_role", {"RoleName": "$name"}, "[Role.{id: RoleName, arn: Arn}]"
    ),
    "aws_iam_role_policy": Kind(
        "iam",
        "get_role_policy",
        {"RoleName": "$role", "PolicyName": "$name"},
        "[{id: PolicyName}]",
        import_id=lambda of: f"{of('role')}:{of('name')}",
    ),
    "aws_iam_role_policy_attachment": Kind(
        "iam",
        "list_attached_role_policies",
        {"RoleName": "$role"},
        "AttachedPolicies[?PolicyArn == $policy_arn].{id: PolicyArn}",
        import_id=lambda of: f"{of('role')}/{of('policy_arn')}",
    ),
    "aws_internet_gateway": Kind(
        "ec2",
        "describe_internet_gateways",
        {},
        "InternetGateways[].{id: InternetGatewayId, tags: Tags}",
        delete="aws ec2 delete-internet-gateway --internet-gateway-id",
    ),
    "aws_lb": Kind(
        "elbv2",
        "describe_load_balancers",
        {"Names": ["$name"]},
        "LoadBalancers[].{id: LoadBalancerArn, arn: LoadBalancerArn, status: State.Code}",
        delete="aws elbv2 delete-load-balancer --load-balancer-arn",
    ),
    "aws_lb_listener": Kind(
        "elbv2",
        "describe_listeners",
        {"LoadBalancerArn": "$load_balancer_arn"},
        "Listeners[?Port == $port].{id: ListenerArn}",
    ),
    "aws_lb_target_group": Kind(
        "elbv2",
        "describe_target_groups",
        {"Names": ["$name"]},
        "TargetGroups[].{id: TargetGroupArn, arn: TargetGroupArn}",
        delete="aws elbv2 delete-target-group --target-group-arn",
    ),
    "aws_nat_gateway": Kind(
        "ec2",
        "describe_nat_gateways",
        {},
        # AWS shows deleted and failed ones for an hour.
        (
            "NatGateways[?contains(['pending', 'available'], State)]"
            ".{id: NatGatewayId, status: State, tags: Tags}"
        ),
        delete="aws ec2 delete-nat-gateway --nat-gateway-id",
    ),
    "aws_route": Kind(
        "ec2",
        "describe_route_tables",
        {"RouteTableIds": ["$route_table_id"]},
        (
            "RouteTables[].Routes[?DestinationCidrBlock == $destination_cidr_block]"
            "[].{id: DestinationCidrBlock}"
        ),
        import_id=lambda of: f"{of('route_table_id')}_{of('destination_cidr_block')}",
    ),
    "aws_route_table": Kind(
        "ec2",
        "describe_route_tables",
        {},
        "RouteTables[].{id: RouteTableId, tags: Tags}",
        delete="aws ec2 delete-route-table --route-table-id",
    ),
    "aws_route_table_association": Kind(
        "ec2",
        "describe_route_tables",
        {"RouteTableIds": ["$route_table_id"]},
        "RouteTables[].Associations[?SubnetId == $subnet_id][].{id: SubnetId}",
        import_id=lambda of: f"{of('subnet_id')}/{of('route_table_id')}",
    ),
    "aws_s3_bucket": Kind(
        "s3",
        "list_buckets",
        {},  # one's own: the name may be somebody else's
        "Buckets[?Name == $bucket].{id: Name}",
    ),
    "aws_s3_bucket_lifecycle_configuration": _bucket_part(
        "get_bucket_lifecycle_configuration", "Rules"
    ),
    "aws_s3_bucket_ownership_controls": _bucket_part(
        "get_bucket_ownership_controls", "OwnershipControls"
    ),
    "aws_s3_bucket_policy": _bucket_part("get_bucket_policy", "Policy"),
    "aws_s3_bucket_public_access_block": _bucket_part(
        "get_public_access_block", "PublicAccessBlockConfiguration"
    ),
    "aws_s3_bucket_server_side_encryption_configuration": _bucket_part(
        "get_bucket_encryption", "ServerSideEncryptionConfiguration"
    ),
    "aws_s3_bucket_versioning": _bucket_part("get_bucket_versioning", "Status"),
    "aws_secretsmanager_secret": Kind(
        "secretsmanager",
        "list_secrets",
        {"Filters": [{"Key": "name", "Values": ["$name_prefix"]}]},
        "SecretList[].{id: ARN, arn: ARN, tags: Tags}",
        delete="aws secretsmanager delete-secret --secret-id",
    ),
    "aws_security_group": Kind(
        "ec2",
        "describe_security_groups",
        {
            "Filters": [
                {"Name": "vpc-id", "Values": ["$vpc_id"]},
                {"Name": "group-name", "Values": ["$name"]},
            ]
        },
        "SecurityGroups[].{id: GroupId}",
    ),
    "aws_sns_topic": Kind(
        "sns",
        "list_topics",
        {},
        "Topics[?ends_with(TopicArn, join(':', ['', $name]))].{id: TopicArn, arn: TopicArn}",
    ),
    "aws_sns_topic_policy": Kind(
        "sns", "get_topic_attributes", {"TopicArn": "$arn"}, "[Attributes.{id: TopicArn}]"
    ),
    "aws_sns_topic_subscription": Kind(
        "sns",
        "list_subscriptions_by_topic",
        {"TopicArn": "$topic_arn"},
        # One that nobody has confirmed has no ARN yet. SNS takes an address once: to subscribe it
        # again makes no second one.
        (
            "Subscriptions[?Protocol == $protocol && Endpoint == $endpoint"
            " && starts_with(SubscriptionArn, 'arn:')].{id: SubscriptionArn}"
        ),
    ),
    "aws_ssm_parameter": Kind(
        "ssm", "get_parameters", {"Names": ["$name"]}, "Parameters[].{id: Name}"
    ),
    "aws_subnet": Kind(
        "ec2",
        "describe_subnets",
        {},
        "Subnets[].{id: SubnetId, tags: Tags}",
        delete="aws ec2 delete-subnet --subnet-id",
    ),
    "aws_vpc": Kind(
        "ec2",
        "describe_vpcs",
        {},
        "Vpcs[].{id: VpcId, tags: Tags}",
        delete="aws ec2 delete-vpc --vpc-id",
    ),
    "aws_vpc_endpoint": Kind(
        "ec2",
        "describe_vpc_endpoints",
        {},
        # AWS writes these states now with a capital, now without.
        (
            "VpcEndpoints[?contains(['pending', 'available', 'Pending', 'Available'], State)]"
            ".{id: VpcEndpointId, status: State, tags: Tags}"
        ),
        delete="aws ec2 delete-vpc-endpoints --vpc-endpoint-ids",
    ),
    "aws_vpc_security_group_egress_rule": _rule("IsEgress"),
    "aws_vpc_security_group_ingress_rule": _rule("!IsEgress"),
}

# Types that are made again instead, and why no harm comes of it.
REMADE: Mapping[str, str] = {
    "aws_secretsmanager_secret_version": "the same value once more in the same secret: the version "
    "before stays as AWSPREVIOUS, and whether it holds the password is nothing Terraform may read",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("recover", help="adopt what a killed deploy of ENVIRONMENT made")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Synthesize the stacks of ENVIRONMENT and recover each; 1 when something needs a person.

    Raises ``TapError`` for bad input, and where Terraform or AWS refuse to work.
    """
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops recover --help")
    settings, selected = select(environ)
    synthesize(environ)
    reports = []
    for stack_id, config in zip(stack_ids(settings, selected), selected, strict=True):
        folder = ROOT / "cdktf.out" / "stacks" / stack_id
        _Terraform(folder, environ).change("init", "-input=false")
        session = session_for(json.loads((folder / "cdk.tf.json").read_text()), config.region)
        report = recover(folder, environ, session, dry_run=options.dry_run)
        reports.append(report)
        if not options.json:
            print("\n".join(report.lines()), flush=True)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2))
    return 1 if any(report.problems for report in reports) else 0


def synthesize(environ: Mapping[str, str]) -> None:
    """Write the stacks anew, with this config. The CLI would delete the folders of others."""
    done = subprocess.run(
        [sys.executable, ROOT / "tap.py"],
        cwd=ROOT,
        env={**environ, "CDKTF_OUTDIR": str(ROOT / "cdktf.out")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TapError(f"synthesis failed:\n{done.stderr}", hint="see above")


def session_for(document: Mapping[str, Any], region: str) -> boto3.Session:
    """A session in the account, and as the role, in which the stack's provider works."""
    (provider,) = document["provider"]["aws"]
    session = boto3.Session(region_name=region)
    with _told():
        for role in provider.get("assume_role", ()):
            answer = session.client("sts").assume_role(
                RoleArn=role["role_arn"], RoleSessionName="tap-recover"
            )["Credentials"]
            session = boto3.Session(
                answer["AccessKeyId"],
                answer["SecretAccessKey"],
                answer["SessionToken"],
                region_name=region,
            )
        if allowed := provider.get("allowed_account_ids"):
            account = session.client("sts").get_caller_identity()["Account"]
            if account not in allowed:
                raise TapError(
                    f"these credentials are account {account}'s, the stack is in {allowed[0]}",
                    hint="use that account's",
                )
    return session


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of it. ``adopted`` and ``untainted`` are ids by address; ``problems`` are what a
    person has to see to, with nothing adopted where they stand in its way."""

    stack: str
    resources: int
    known: int  # to the state, before
    adopted: Mapping[str, str]
    untainted: Mapping[str, str]
    to_make: Sequence[str]
    problems: Sequence[Problem]
    notes: Sequence[str]
    dry_run: bool

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"{self.stack}: the state knows {self.known} of {self.resources} resources"
        for note in self.notes:
            yield f"  note       {note}"
        for verb, entries in (("adopted", self.adopted), ("untainted", self.untainted)):
            for address, id_ in entries.items():
                yield f"  {verb:9}  {address}  {id_}"
        for problem in self.problems:
            yield f"  problem    {problem}"
        count = f"{len(self.adopted)} adopted, {len(self.untainted)} untainted"
        if self.dry_run:
            yield f"{self.stack}: a dry run, nothing was changed: would be {count}"
        else:
            left = f"{len(self.to_make)} to make: npm run cdktf:deploy" if self.to_make else ""
            yield f"{self.stack}: {count}{left and f', {left}'}"


def recover(
    folder: Path,
    environ: Mapping[str, str],
    session: boto3.Session,
    *,
    dry_run: bool = False,
    tell: Callable[[str], None] = graceful.say,
) -> Report:
    """Adopt what the stack in ``folder`` has in AWS and lacks in its state.

    ``folder`` holds the synthesized ``cdk.tf.json`` and an initialised Terraform. Call it in the
    main thread. Raises ``TapError`` where Terraform or AWS refuse to work.
    """
    document = json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8"))
    notes = list(_mend_state(folder, document, dry_run=dry_run))
    terraform = _Terraform(folder, environ)
    stack = Stack(document, json.loads(terraform.read("state", "pull") or "{}"), session)
    with _told():
        survey = settled(stack, tell)
    imports = {address: thing.id for address, thing in survey.adopt.items()}
    untaint = {address: thing.id for address, thing in survey.untaint.items()}
    problems = [*survey.problems]
    if problems:
        imports, untaint = {}, {}
    if not dry_run:
        for address in untaint:
            terraform.change("untaint", address)
    if imports:
        tell(f"{folder.name}: {len(imports)} found, Terraform looks at them")
        imports, found = _adopt(terraform, stack, imports, untainted=untaint, dry_run=dry_run)
        problems += found
    made = {*stack.known, *imports}
    return Report(
        stack=folder.name,
        resources=len(stack.addresses),
        known=len(stack.known.keys() & stack.addresses.keys()),
        adopted=imports,
        untainted=untaint,
        to_make=[address for address in stack.addresses if address not in made],
        problems=[*problems, *survey.leftovers],
        notes=notes,
        dry_run=dry_run,
    )


def _adopt(
    terraform: "_Terraform",
    stack: "Stack",
    imports: dict[str, str],
    *,
    untainted: Mapping[str, str],
    dry_run: bool,
) -> tuple[dict[str, str], list[Problem]]:
    """Import what can be; returns that, and what a person has to see to.

    Terraform plans the imports alone, with what they depend on. It may complete what it finds half
    made; a plan that would replace or destroy anything is not applied.
    """
    leftovers: list[Problem] = []
    try:
        while imports:
            changes = terraform.plan(imports)
            unlike = {
                each["address"]
                for each in changes
                if "delete" in each["change"]["actions"]
                and each["address"] in imports
                and KINDS[each["type"]].if_same
            }
            if unlike:
                leftovers += (_leftover(address, imports[address]) for address in unlike)
                imports = {key: id_ for key, id_ in imports.items() if key not in unlike}
                continue
            objections = list(_objections(changes, imports, stack.tags, untainted))
            if objections:
                return {}, objections + leftovers
            if not dry_run:
                terraform.change("apply", "-input=false", PLAN)
            break
    finally:
        terraform.clean()
    return imports, leftovers


def _objections(
    changes: Sequence[Mapping[str, Any]],
    imports: Mapping[str, str],
    tags: Mapping[str, str],
    untainted: Mapping[str, str],
) -> Iterator[Problem]:
    """Why a plan of imports must not be applied."""
    for each in changes:
        address, change = each["address"], each["change"]
        id_ = imports.get(address)
        if id_:
            theirs = (change["before"] or {}).get("tags_all") or {}
            other = {
                key: theirs[key] for key in OWNER_TAGS if theirs.get(key, tags[key]) != tags[key]
            }
            if other:
                told = ", ".join(f"{key}={value}" for key, value in other.items())
                yield Problem(
                    address,
                    f"{id_} has the name of this stack's, but is tagged {told}",
                    "it is somebody else's: choose another ENVIRONMENT_SUFFIX, or rename it",
                )
                continue
        if "delete" in change["actions"] and address not in untainted:
            paths = [".".join(map(str, path)) for path in change.get("replace_paths") or ()]
            why = f" ({', '.join(paths)})" if paths else ""
            if id_:
                yield Problem(
                    address,
                    f"{id_} differs so much from the config that Terraform would replace it{why}",
                    "recover with the config that made it, or delete it",
                )
            else:
                yield Problem(
                    address,
                    f"Terraform would also replace or destroy it{why}",
                    "deploy the config of the killed deploy first",
                )


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


@dataclass(slots=True)
class Survey:
    """What AWS has of a stack, held against the state."""

    adopt: dict[str, Thing] = field(default_factory=dict)
    untaint: dict[str, Thing] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    leftovers: list[Problem] = field(default_factory=list)  # in nobody's way

    def waiting(self) -> dict[str, Thing]:
        """What AWS is still making."""
        found = {**self.adopt, **self.untaint}
        return {address: thing for address, thing in found.items() if not thing.ready}


def survey_of(stack: "Stack") -> Survey:
    """Look for each resource that the state lacks or calls tainted, and for what is there twice.

    A tainted one is there but was not finished, as far as Terraform could see. Where it is whole by
    now, it need not be replaced; what it still lacks, the next plan shows.
    """
    survey = Survey()
    for address in stack.addresses:
        kind, known = stack.kind(address), stack.known.get(address)
        if kind is None or (known and not known.tainted and not kind.delete):
            continue
        found = stack.find(address)
        unknown = [thing for thing in found if not stack.knows(address, thing)]
        if known:
            # Where the import's id isn't the state's, one name stands for one thing.
            same = [thing for thing in found if kind.import_id or thing.id in known.ids]
            if known.tainted and len(same) == 1 and not same[0].failed:
                survey.untaint[address] = same[0]
            if kind.delete:
                survey.leftovers += (_leftover(address, thing.id) for thing in unknown)
        elif len(unknown) > 1:
            ids = " and ".join(thing.id for thing in unknown)
            survey.problems.append(
                Problem(
                    address,
                    f"{ids} could both be it: one was made twice",
                    f"delete the one that isn't used ({kind.delete} ...), and run this again",
                )
            )
        elif unknown and unknown[0].failed:
            survey.problems.append(
                Problem(
                    address,
                    f"{unknown[0].id} is {unknown[0].status}",
                    "AWS says why; mend or delete it, and run this again",
                )
            )
        elif unknown:
            survey.adopt[address] = unknown[0]
    return survey


def _leftover(address: str, id_: str) -> Problem:
    kind = KINDS[address.split(".")[0]]
    return Problem(
        address,
        f"{id_} is in no state, and not the one to adopt: a killed deploy made it",
        f"if nothing uses it: {kind.delete} {id_}",
    )


def settled(stack: "Stack", tell: Callable[[str], None]) -> Survey:
    """The survey, once AWS has made what it was making: what is half made has no address yet."""
    deadline = time.monotonic() + WAIT_SECONDS
    survey, told = survey_of(stack), None
    while waiting := survey.waiting():
        if time.monotonic() > deadline:
            survey.problems += (
                Problem(
                    address,
                    f"{thing.id} is still {thing.status}",
                    "run this again when AWS has made it, or delete it",
                )
                for address, thing in waiting.items()
            )
            break
        words = ", ".join(f"{thing.id} ({thing.status})" for thing in waiting.values())
        if words != told:
            tell(f"waiting for {words}")
            told = words
        time.sleep(POLL_SECONDS)
        stack.forget()
        survey = survey_of(stack)
    return survey


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


class _Unresolved(LookupError):
    """A reference to what isn't there: whoever refers to it isn't there either."""


class Stack:
    """A stack's resources: in its JSON, in its state, and in AWS.

    Resources are looked for when they are asked for, each after those that it refers to.
    """

    REFERENCE = re.compile(r"\$\{((?:data\.)?\w+)\.(\w+)\.(\w+)\}")

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
                f"recover does not know {type_}", hint="say in ops/recover.py how to find one"
            )
        return KINDS.get(type_)

    def knows(self, address: str, thing: Thing) -> bool:
        """Whether the state has it, at this address, at another or as one to be deleted.

        Things of several types share an id, such as a bucket and its policy.
        """
        return (address.split(".")[0], thing.id) in self._known_ids

    def forget(self) -> None:
        """Ask AWS anew from here on."""
        self._answers.clear()
        self._found.clear()

    def find(self, address: str) -> list[Thing]:
        """What AWS has that could be it."""
        if address not in self._found:
            try:
                self._found[address] = list(self._find(address))
            except _Unresolved:
                self._found[address] = []
        return self._found[address]

    def _find(self, address: str) -> Iterator[Thing]:
        kind = self.kind(address)
        if kind is None:
            return

        argument = partial(self.argument, address)
        expression = re.sub(
            r"\$(\w+)", lambda match: f"`{json.dumps(argument(match[1]))}`", kind.found
        )
        wanted = {**self.tags, **self.addresses[address].get("tags", {})}
        for page in self._ask(kind, _filled(kind.arguments, argument)):
            for found in jmespath.search(expression, page) or ():
                if "tags" in found:
                    tags = {tag["Key"]: tag["Value"] for tag in found["tags"] or ()}
                    if any(tags.get(key) != wanted.get(key) for key in (*OWNER_TAGS, "Name")):
                        continue
                yield Thing(kind.import_id(argument) if kind.import_id else found["id"], found)

    def argument(self, address: str, name: str) -> Any:
        """A resource's argument, its references replaced; None where it isn't set."""
        return self._resolved(self.addresses[address].get(name))

    def _resolved(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        resolved = self.REFERENCE.sub(lambda match: self._attribute(*match.groups()), value)
        if "${" in resolved:
            raise _Unresolved(resolved)
        return resolved

    def _attribute(self, type_: str, name: str, attribute: str) -> str:
        """An attribute of a resource: by the state, by AWS or as the JSON has it."""
        address = f"{type_}.{name}"
        if type_ == "data.aws_partition" and attribute == "partition":
            return self._session.get_partition_for_region(self._session.region_name)
        known = self.known.get(address)
        if known and known.attributes.get(attribute) is not None:
            return str(known.attributes[attribute])
        found = self.find(address) if address in self.addresses else []
        if len(found) != 1:
            raise _Unresolved(address)
        values = {**self.addresses[address], **found[0].attributes, "id": found[0].id}
        if attribute not in values:
            raise _Unresolved(f"{address}.{attribute}")
        return str(self._resolved(values[attribute]))

    def _ask(self, kind: Kind, arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The pages of AWS's answer; none where it says that there is no such thing."""
        key = json.dumps([kind.service, kind.operation, arguments], sort_keys=True)
        if key not in self._answers:
            if kind.service not in self._clients:
                self._clients[kind.service] = self._session.client(  # type: ignore[call-overload]
                    kind.service, config=RETRIES
                )
            client = self._clients[kind.service]
            try:
                if client.can_paginate(kind.operation):
                    pages = list(client.get_paginator(kind.operation).paginate(**arguments))
                else:
                    pages = [getattr(client, kind.operation)(**arguments)]
            except ClientError as error:
                code = error.response["Error"]["Code"]
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


@contextmanager
def _told() -> Iterator[None]:
    """What AWS refuses, as an error that a person can act on."""
    try:
        yield
    except ClientError as error:
        raise TapError(
            f"AWS: {error}", hint="recover needs to read what the deploy makes; then run it again"
        ) from error
    except BotoCoreError as error:
        raise TapError(f"AWS: {error}", hint="check the credentials and the network") from error


def _mend_state(folder: Path, document: Mapping[str, Any], *, dry_run: bool) -> Iterator[str]:
    """Put the backup in the place of a local state that was cut short; says what it did.

    Terraform writes the file in place: a kill or a full disk can cut it, and an empty one counts as
    no state at all. The backup is what was there before the killed deploy.
    """
    if (folder / "errored.tfstate").exists():
        raise TapError(
            f"Terraform could not save the state, and left it in {folder / 'errored.tfstate'}",
            hint=f"terraform -chdir={folder} state push errored.tfstate, then remove that file",
        )
    local = document["terraform"]["backend"].get("local")
    if local is None:
        return
    file = (folder / local["path"]).resolve()
    backup = file.with_name(f"{file.name}.backup")
    if not file.exists() or _whole(file):
        return
    empty = file.stat().st_size == 0
    if empty and not _whole(backup):
        return  # as a first deploy leaves it that was killed before it had made anything
    what = "empty" if empty else "cut short"
    if dry_run:
        raise TapError(f"the state file {file} is {what}", hint="run this without --dry-run")
    broken = file.with_name(f"{file.name}.broken-{int(time.time())}")
    file.rename(broken)
    if _whole(backup):
        shutil.copy2(backup, file)
        yield f"the state file was {what}: it is {broken.name} now, and its backup took its place"
    else:
        yield f"the state file was {what}: it is {broken.name} now. No backup: started from nothing"


def _whole(file: Path) -> bool:
    """Whether it holds a Terraform state."""
    try:
        return "resources" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


class _Terraform:
    """Terraform in a stack's folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**cli_environ(environ), "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}

    def plan(self, imports: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Plan the imports, and nothing that they don't depend on; returns the changes."""
        blocks = [{"to": address, "id": id_} for address, id_ in imports.items()]
        (self._folder / IMPORTS).write_text(json.dumps({"import": blocks}, indent=2))
        targets = [f"-target={address}" for address in imports]
        self.change("plan", "-input=false", f"-out={PLAN}", *targets)
        changes = json.loads(self.read("show", "-json", PLAN)).get("resource_changes", [])
        return [each for each in changes if each["mode"] == "managed"]

    def clean(self) -> None:
        """Remove what the planning left."""
        for name in (IMPORTS, PLAN):
            (self._folder / name).unlink(missing_ok=True)

    def read(self, *arguments: str) -> str:
        """What a command that changes nothing prints."""
        binary = self._environ.get("TERRAFORM_BINARY_NAME") or "terraform"
        done = subprocess.run(
            [binary, f"-chdir={self._folder}", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failure(arguments[0], done.stderr)
        return done.stdout

    def change(self, *arguments: str) -> None:
        """Run a command that holds the lock; an interrupt ends it when it has saved its work."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            words = [graceful.WRAPPER, f"-chdir={self._folder}", *arguments]
            command = Command(words, self._environ, output, subprocess.DEVNULL)
            (code,) = graceful.run(command)
            output.seek(0)
            printed = output.read()
        if code == graceful.INTERRUPTED:
            raise TapError("interrupted", hint="nothing is lost: run it again")
        if code:
            raise self._failure(arguments[0], printed)

    def _failure(self, command: str, printed: str) -> TapError:
        lines = [line.strip(" │╷╵") for line in printed.splitlines()]
        if any("Error acquiring the state lock" in line for line in lines):
            lock = dict(
                re.findall(r"^(ID|Who|Created|Operation): +(.+)$", "\n".join(lines), re.MULTILINE)
            )
            return TapError(
                f"the state is locked by {lock.get('Who', 'somebody')} since "
                f"{lock.get('Created', 'some time')} ({lock.get('Operation', 'unknown')})",
                hint="if that deploy is dead: "
                f"terraform -chdir={self._folder} force-unlock {lock.get('ID', '<ID>')}",
            )
        start = next((n for n, line in enumerate(lines) if line.startswith("Error: ")), 0)
        told = "\n".join(filter(None, lines[start:]))
        return TapError(f"terraform {command} failed:\n{told}", hint="see above")
