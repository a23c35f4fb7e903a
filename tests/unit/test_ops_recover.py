"""``ops recover``: what a stack lacks is found, once, and only where it is the stack's own."""

import argparse
import json
import os
import re
import stat
import sys
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws
from moto.backends import get_backend
from moto.iam.models import AWSManagedPolicy

from lib.errors import TapError
from ops import recover as module
from ops.emulator import patches
from ops.recover import add_parser, recover, session_for
from ops.recover import survey as survey_module
from ops.recover.kinds import KINDS, REMADE
from ops.recover.stack import Stack
from ops.recover.survey import Survey, settled, survey_of
from tests.conftest import BY_NAME

REGION = "us-east-1"
CERTIFICATE = f"arn:aws:acm:{REGION}:123456789012:certificate/8f2a"
MAIL = {"alarms": {"emails": ("a@example.com", "b@example.com")}}
EVERYTHING = {"password_given": True, "load_balancer": {"certificate_arn": CERTIFICATE}, **MAIL}
VARIANTS = {
    **{name: (name, {}) for name in BY_NAME},
    "emails": ("staging", MAIL),
    "everything": ("prod", EVERYTHING),
}
# There as soon as what they are part of is.
ALWAYS = {
    "aws_default_security_group",
    "aws_sns_topic_policy",
}


@pytest.fixture(params=["dev", "everything"], name="document")
def _document(request, synthesize):
    """The JSON of the smallest stack, and of one that has whatever a stack can have."""
    name, changes = VARIANTS[request.param]
    return synthesize(name, **changes).document


class Session(boto3.Session):
    """Makes each client once: to make one takes longer than all that is asked of it here."""

    def __init__(self):
        super().__init__("id", "secret", region_name=REGION)
        self._clients = {}

    def client(self, service_name, *_, **__):
        """The one client of a service."""
        if service_name not in self._clients:
            self._clients[service_name] = super().client(service_name)
        return self._clients[service_name]


@pytest.fixture(scope="module", name="clients")
def _clients():
    """One session for all tests: what it has is moto's, wherever it is asked for."""
    return Session()


@pytest.fixture(name="session")
def _session(monkeypatch, clients):
    """An account in this process, with the emulator's patches, and nothing in it."""
    with mock_aws():
        patches.apply_all(
            lambda where, name, value: monkeypatch.setattr(where, name, value, raising=False)
        )
        yield clients


class Account:
    """An account and a stack. Makes resources, in as far as they are to be found."""

    def __init__(self, session, document):
        self.stack = Stack(document, {}, session)
        self.session = session
        self.client = session.client

    def of_type(self, type_):
        """The addresses of a type."""
        return [address for address in self.stack.addresses if address.startswith(f"{type_}.")]

    def find(self, address):
        """The ids of what is found, asked for anew."""
        self.stack.forget()
        return [thing.id for thing in self.stack.find(address)]

    def make(self, address):
        """Make one; returns the id for its import."""
        type_ = address.split(".")[0]
        return MAKERS[type_](self, lambda name: self.stack.argument(address, name), address)

    def tags(self, address):
        """All tags of a resource."""
        own = self.stack.addresses[address].get("tags", {})
        return [{"Key": key, "Value": value} for key, value in {**self.stack.tags, **own}.items()]

    def specification(self, type_, address):
        """The tags as EC2 takes them."""
        return {"TagSpecifications": [{"ResourceType": type_, "Tags": self.tags(address)}]}

    def fill(self):
        """Make everything; returns the ids by address."""
        return {address: self.make(address) for type_ in MAKERS for address in self.of_type(type_)}


def _named(service, operation, id_="{name}", **arguments):
    """A maker: ``{name}`` in the id and in the call's arguments is that argument."""

    def make(account, of, _):
        def filled(text):
            return re.sub(r"{(\w+)}", lambda match: str(of(match[1])), text)

        given = {
            name: filled(value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        getattr(account.client(service), operation)(**given)
        return filled(id_)

    return make


def _bucket_part(operation, **arguments):
    def make(account, of, _):
        getattr(account.client("s3"), operation)(Bucket=of("bucket"), **arguments)
        return of("bucket")

    return make


def _ec2(operation, tagged, path, **names):
    """A maker for EC2: ``names`` are arguments of the call, by those of the resource."""

    def make(account, of, address):
        arguments = {name: of(argument) for name, argument in names.items()}
        made = getattr(account.client("ec2"), operation)(
            **arguments, **account.specification(tagged, address)
        )
        for key in path.split("."):
            made = made[key]
        return made

    return make


def _default_group(account, of, _):
    groups = account.client("ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [of("vpc_id")]}]
    )["SecurityGroups"]
    return next(group["GroupId"] for group in groups if group["GroupName"] == "default")


def _route(account, of, _):
    way = (
        {"NatGatewayId": of("nat_gateway_id")}
        if of("nat_gateway_id")
        else {"GatewayId": of("gateway_id")}
    )
    account.client("ec2").create_route(
        RouteTableId=of("route_table_id"),
        DestinationCidrBlock=of("destination_cidr_block"),
        **way,
    )
    return f"{of('route_table_id')}_{of('destination_cidr_block')}"


def _endpoint(account, of, address):
    made = account.client("ec2").create_vpc_endpoint(
        VpcId=of("vpc_id"),
        ServiceName=f"com.amazonaws.{REGION}.s3",
        **account.specification("vpc-endpoint", address),
    )
    return made["VpcEndpoint"]["VpcEndpointId"]


def _flow_log(account, of, address):
    return account.client("ec2").create_flow_logs(
        ResourceIds=[of("vpc_id")],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestination=f"arn:aws:logs:{REGION}:123456789012:log-group:{address}",
        DeliverLogsPermissionArn=of("iam_role_arn"),
        **account.specification("vpc-flow-log", address),
    )["FlowLogIds"][0]


def _rule(operation):
    def make(account, of, _):
        peer = (
            {"IpRanges": [{"CidrIp": of("cidr_ipv4")}]}
            if of("cidr_ipv4")
            else {"UserIdGroupPairs": [{"GroupId": of("referenced_security_group_id")}]}
        )
        permission = {
            "IpProtocol": of("ip_protocol"),
            "FromPort": of("from_port"),
            "ToPort": of("to_port"),
            **peer,
        }
        (rule,) = getattr(account.client("ec2"), operation)(
            GroupId=of("security_group_id"), IpPermissions=[permission]
        )["SecurityGroupRules"]
        return rule["SecurityGroupRuleId"]

    return make


def _security_group(account, of, address):
    return account.client("ec2").create_security_group(
        GroupName=of("name"),
        VpcId=of("vpc_id"),
        Description="d",
        **account.specification("security-group", address),
    )["GroupId"]


def _attachment(account, of, _):
    # To load all of AWS's own policies takes moto a second, each time: this one will do.
    arn = of("policy_arn")
    policies: dict = get_backend("iam")["123456789012"]["aws"].managed_policies
    policies[arn] = AWSManagedPolicy(
        name=arn.rpartition("/")[2],
        account_id="aws",
        region=REGION,
        path="/service-role/",
        document="{}",
    )
    account.client("iam").attach_role_policy(RoleName=of("role"), PolicyArn=of("policy_arn"))
    return f"{of('role')}/{of('policy_arn')}"


def _subnet_group(account, of, _):
    subnets = [subnet["SubnetId"] for subnet in account.client("ec2").describe_subnets()["Subnets"]]
    account.client("rds").create_db_subnet_group(
        DBSubnetGroupName=of("name"), DBSubnetGroupDescription="d", SubnetIds=subnets
    )
    return of("name")


def _secret(account, of, address):
    return account.client("secretsmanager").create_secret(
        Name=f"{of('name_prefix')}20261123", SecretString="{}", Tags=account.tags(address)
    )["ARN"]


def _balancer(account, of, _):
    subnets = account.client("ec2").describe_subnets()["Subnets"][:2]
    (made,) = account.client("elbv2").create_load_balancer(
        Name=of("name"), Subnets=[subnet["SubnetId"] for subnet in subnets]
    )["LoadBalancers"]
    return made["LoadBalancerArn"]


def _target_group(account, of, _):
    (made,) = account.client("elbv2").create_target_group(
        Name=of("name"), Protocol="HTTP", Port=80, VpcId=of("vpc_id"), TargetType="ip"
    )["TargetGroups"]
    return made["TargetGroupArn"]


def _listener(account, of, _):
    (made,) = account.client("elbv2").create_listener(
        LoadBalancerArn=of("load_balancer_arn"),
        Protocol="HTTP",
        Port=of("port"),
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    )["Listeners"]
    return made["ListenerArn"]


def _task_definition(account, of, _):
    return account.client("ecs").register_task_definition(
        family=of("family"), containerDefinitions=[{"name": "app", "image": "app", "memory": 512}]
    )["taskDefinition"]["taskDefinitionArn"]


def _service(account, of, _):
    task = account.client("ecs").list_task_definitions()["taskDefinitionArns"][0]
    account.client("ecs").create_service(
        cluster=of("cluster"), serviceName=of("name"), taskDefinition=task, desiredCount=1
    )
    return f"{of('cluster').rpartition('/')[2]}/{of('name')}"


def _scaling(operation, *, named=False, **arguments):
    def make(account, of, _):
        namespace, resource, dimension = (
            of(name) for name in ("service_namespace", "resource_id", "scalable_dimension")
        )
        name = {"PolicyName": of("name")} if named else {}
        getattr(account.client("application-autoscaling"), operation)(
            ServiceNamespace=namespace,
            ResourceId=resource,
            ScalableDimension=dimension,
            **name,
            **arguments,
        )
        return "/".join([namespace, resource, dimension, *name.values()])

    return make


def _topic(account, of, _):
    return account.client("sns").create_topic(Name=of("name"))["TopicArn"]


def _subscription(account, of, _):
    return account.client("sns").subscribe(
        TopicArn=of("topic_arn"), Protocol=of("protocol"), Endpoint=of("endpoint")
    )["SubscriptionArn"]


STATEMENT = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})

MAKERS = {  # in an order in which they can be made
    "aws_s3_bucket": _named("s3", "create_bucket", "{bucket}", Bucket="{bucket}"),
    "aws_s3_bucket_versioning": _bucket_part(
        "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}
    ),
    "aws_s3_bucket_server_side_encryption_configuration": _bucket_part(
        "put_bucket_encryption",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    ),
    "aws_s3_bucket_ownership_controls": _bucket_part(
        "put_bucket_ownership_controls",
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    ),
    "aws_s3_bucket_public_access_block": _bucket_part(
        "put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    ),
    "aws_s3_bucket_policy": _bucket_part(
        "put_bucket_policy", Policy='{"Version": "2012-10-17", "Statement": []}'
    ),
    "aws_s3_bucket_lifecycle_configuration": _bucket_part(
        "put_bucket_lifecycle_configuration",
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "r",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                }
            ]
        },
    ),
    "aws_dynamodb_table": _named(
        "dynamodb",
        "create_table",
        TableName="{name}",
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    ),
    "aws_cloudwatch_log_group": _named("logs", "create_log_group", logGroupName="{name}"),
    "aws_iam_role": _named("iam", "create_role", RoleName="{name}", AssumeRolePolicyDocument="[]"),
    "aws_iam_role_policy": _named(
        "iam",
        "put_role_policy",
        "{role}:{name}",
        RoleName="{role}",
        PolicyName="{name}",
        PolicyDocument=POLICY,
    ),
    "aws_iam_role_policy_attachment": _attachment,
    "aws_vpc": _ec2("create_vpc", "vpc", "Vpc.VpcId", CidrBlock="cidr_block"),
    "aws_default_security_group": _default_group,
    "aws_subnet": _ec2(
        "create_subnet", "subnet", "Subnet.SubnetId", VpcId="vpc_id", CidrBlock="cidr_block"
    ),
    "aws_internet_gateway": _ec2(
        "create_internet_gateway", "internet-gateway", "InternetGateway.InternetGatewayId"
    ),
    "aws_route_table": _ec2(
        "create_route_table", "route-table", "RouteTable.RouteTableId", VpcId="vpc_id"
    ),
    "aws_route_table_association": _named(
        "ec2",
        "associate_route_table",
        "{subnet_id}/{route_table_id}",
        SubnetId="{subnet_id}",
        RouteTableId="{route_table_id}",
    ),
    "aws_eip": _ec2("allocate_address", "elastic-ip", "AllocationId", Domain="domain"),
    "aws_nat_gateway": _ec2(
        "create_nat_gateway",
        "natgateway",
        "NatGateway.NatGatewayId",
        SubnetId="subnet_id",
        AllocationId="allocation_id",
    ),
    "aws_route": _route,
    "aws_vpc_endpoint": _endpoint,
    "aws_flow_log": _flow_log,
    "aws_security_group": _security_group,
    "aws_vpc_security_group_egress_rule": _rule("authorize_security_group_egress"),
    "aws_vpc_security_group_ingress_rule": _rule("authorize_security_group_ingress"),
    "aws_db_subnet_group": _subnet_group,
    "aws_db_parameter_group": _named(
        "rds",
        "create_db_parameter_group",
        DBParameterGroupName="{name}",
        DBParameterGroupFamily="{family}",
        Description="d",
    ),
    "aws_db_instance": _named(
        "rds",
        "create_db_instance",
        "{identifier}",
        DBInstanceIdentifier="{identifier}",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
    ),
    "aws_secretsmanager_secret": _secret,
    "aws_lb": _balancer,
    "aws_lb_target_group": _target_group,
    "aws_lb_listener": _listener,
    "aws_ecs_cluster": _named("ecs", "create_cluster", clusterName="{name}"),
    "aws_ecs_task_definition": _task_definition,
    "aws_ecs_service": _service,
    "aws_appautoscaling_target": _scaling("register_scalable_target", MinCapacity=1, MaxCapacity=2),
    "aws_appautoscaling_policy": _scaling(
        "put_scaling_policy",
        named=True,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    ),
    "aws_sns_topic": _topic,
    "aws_sns_topic_policy": lambda _, of, __: of("arn"),
    "aws_sns_topic_subscription": _subscription,
    "aws_cloudwatch_metric_alarm": _named(
        "cloudwatch",
        "put_metric_alarm",
        "{alarm_name}",
        AlarmName="{alarm_name}",
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Average",
    ),
    "aws_ssm_parameter": _named(
        "ssm", "put_parameter", Name="{name}", Value="value", Type="String"
    ),
}


TAGS = {"Project": "tap", "Environment": "dev", "Suffix": "qa1"}
TINY = {  # a stack with one each of a few kinds
    "provider": {"aws": [{"default_tags": [{"tags": TAGS}]}]},
    "terraform": {"backend": {"local": {"path": "../../../terraform.tap-dev-qa1.tfstate"}}},
    "resource": {
        "aws_vpc": {"vpc": {"cidr_block": "10.0.0.0/16", "tags": {"Name": "dev-vpc-qa1"}}},
        "aws_internet_gateway": {
            "igw": {"vpc_id": "${aws_vpc.vpc.id}", "tags": {"Name": "dev-igw-qa1"}}
        },
        "aws_route_table": {
            "routes": {"vpc_id": "${aws_vpc.vpc.id}", "tags": {"Name": "dev-public-qa1"}}
        },
        "aws_eip": {"eip": {"domain": "vpc", "tags": {"Name": "dev-nat0-qa1"}}},
        "aws_db_instance": {"database": {"identifier": "dev-db-qa1"}},
        "aws_ssm_parameter": {"parameter": {"name": "/tap/dev/qa1/network/vpc_id"}},
    },
}
TASK = {**TINY, "resource": {"aws_ecs_task_definition": {"task": {"family": "dev-task-qa1"}}}}
VPC, EIP, DATABASE = "aws_vpc.vpc", "aws_eip.eip", "aws_db_instance.database"
PARAMETER = "aws_ssm_parameter.parameter"


@pytest.fixture(name="account")
def _account(session):
    """An empty account, for the tiny stack."""
    return Account(session, TINY)


def state(known, *, tainted=()):
    """A Terraform state in which these addresses have these ids."""
    resources = []
    for address, id_ in known.items():
        type_, name = address.split(".")
        mark = {"status": "tainted"} if address in tainted else {}
        instance = {"attributes": {"id": id_}, **mark}
        entry = {"mode": "managed", "type": type_, "name": name, "instances": [instance]}
        resources.append(entry)
    return {"version": 4, "resources": resources}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
def test_every_type_of_every_variant_is_found_or_made_again_for_a_reason(synthesize, variant):
    name, changes = variant
    types = synthesize(name, **changes).document["resource"].keys()
    assert types <= KINDS.keys() | REMADE.keys(), "say in ops/recover/kinds.py how to find one"


def test_what_is_made_again_has_its_reason_and_what_is_found_its_test():
    assert not KINDS.keys() & REMADE.keys()
    assert all(REMADE.values())
    assert MAKERS.keys() == KINDS.keys()


def test_a_type_that_is_not_known_is_named(session):
    stack = Stack({**TINY, "resource": {"aws_new": {"x": {}}}}, {}, session)
    with pytest.raises(TapError, match="does not know aws_new"):
        survey_of(stack)


def test_what_is_there_is_found_and_what_is_not_is_not(session, document):
    """Each resource of a stack, made one after the other."""
    account = Account(session, document)
    for type_ in MAKERS:
        for address in account.of_type(type_):
            if type_ not in ALWAYS:
                assert account.find(address) == [], address
            made = account.make(address)
            assert account.find(address) == [made], address
    survey = survey_of(Stack(document, {}, session))
    remade = {address for address in account.stack.addresses if address.split(".")[0] in REMADE}
    assert survey.adopt.keys() == account.stack.addresses.keys() - remade
    assert not survey.problems and not survey.leftovers and not survey.waiting()


def test_what_is_another_copy_s_is_left_alone(session, document):
    Account(session, json.loads(json.dumps(document).replace("qa1", "qa2"))).fill()
    assert survey_of(Stack(document, {}, session)) == Survey()


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Name": "dev-vpc-qa1"},
        TAGS,
        {**TAGS, "Suffix": "qa2", "Name": "dev-vpc-qa1"},
        {**TAGS, "Project": "other", "Name": "dev-vpc-qa1"},
    ],
    ids=json.dumps,
)
def test_what_lacks_a_tag_of_this_stack_s_is_left_alone(account, tags):
    made = account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    account.client("ec2").create_tags(
        Resources=[made],
        Tags=[{"Key": key, "Value": value} for key, value in {"x": "y", **tags}.items()],
    )
    assert account.find(VPC) == []


def test_a_secret_of_a_copy_whose_suffix_begins_alike_is_left_alone(session):
    """Its name begins with ours."""
    document = {
        **TINY,
        "resource": {
            "aws_secretsmanager_secret": {
                "secret": {"name_prefix": "dev-db-qa1-", "tags": {"Name": "s"}}
            }
        },
    }
    other = json.loads(json.dumps(document).replace("qa1", "qa1-x"))
    (address,) = Account(session, other).fill()
    assert Account(session, document).find(address) == []


@pytest.mark.parametrize("address", ["aws_internet_gateway.igw", EIP, VPC])
def test_of_two_that_could_be_meant_both_are_named(account, address):
    first, second = account.make(address), account.make(address)
    survey = survey_of(Stack(TINY, {}, account.session))
    (problem,) = survey.problems
    assert problem.path == address
    assert first in problem.message and second in problem.message
    assert "aws ec2" in problem.hint
    assert address not in survey.adopt


def test_what_was_made_twice_while_the_state_knows_one_is_a_leftover(account):
    known, other = account.make(VPC), account.make(VPC)
    survey = survey_of(Stack(TINY, state({VPC: known}), account.session))
    assert not survey.problems and not survey.adopt
    (leftover,) = survey.leftovers
    assert leftover.message.startswith(other)
    assert leftover.hint.endswith(f"aws ec2 delete-vpc --vpc-id {other}")


def test_what_the_state_knows_by_another_address_is_not_adopted(account):
    known = account.make(VPC)
    survey = survey_of(Stack(TINY, state({"aws_vpc.renamed": known}), account.session))
    assert not survey.adopt and not survey.problems


def test_what_shares_its_id_with_what_the_state_knows_is_adopted(account):
    account.make(DATABASE)
    known = state({"aws_db_subnet_group.subnets": "dev-db-qa1"})
    assert survey_of(Stack(TINY, known, account.session)).adopt.keys() == {DATABASE}


def test_a_task_definition_is_known_by_its_arn(session):
    """Its id in the state is its family's name."""
    document = {
        **TINY,
        "resource": {"aws_ecs_task_definition": {"task": {"family": "dev-task-qa1"}}},
    }
    account = Account(session, document)
    (address,) = account.stack.addresses
    known = state({address: "dev-task-qa1"})
    known["resources"][0]["instances"][0]["attributes"]["arn"] = account.make(address)
    assert survey_of(Stack(TASK, known, session)) == Survey()


def test_references_are_read_from_the_state_first(account):
    account.make(VPC)
    stack = Stack(TINY, state({VPC: "vpc-known"}), account.session)
    assert stack.argument("aws_route_table.routes", "vpc_id") == "vpc-known"


def test_a_replaced_one_that_still_waits_for_its_end_is_known(account):
    """Terraform calls it deposed: it is no resource of the stack's, and no leftover either."""
    made = account.make(VPC)
    old = state({VPC: made})
    old["resources"][0]["instances"][0]["deposed"] = "1a2b3c4d"
    survey = survey_of(Stack(TINY, old, account.session))
    assert survey == Survey()


def test_what_is_tainted_but_there_is_untainted(account):
    made = {address: account.make(address) for address in (VPC, PARAMETER, DATABASE)}
    known = state({**made, DATABASE: "db-1", EIP: "eip-1"}, tainted=[VPC, DATABASE, EIP])
    known["resources"][2]["instances"][0]["attributes"]["identifier"] = made.pop(DATABASE)
    survey = survey_of(Stack(TINY, known, account.session))
    assert survey.untaint.keys() == {VPC, DATABASE}
    assert not survey.adopt and not survey.problems


def database_of(account):
    """moto's own record of the database."""
    backend = get_backend("rds")["123456789012"][REGION]
    return backend.databases[account.make(DATABASE)]


def test_what_aws_still_makes_is_waited_for(account, monkeypatch):
    database = database_of(account)
    database.status = "creating"
    told = []
    monkeypatch.setattr(survey_module.time, "sleep", lambda _: setattr(database, "status", "available"))
    survey = settled(Stack(TINY, {}, account.session), told.append)
    assert survey.adopt[DATABASE].ready
    assert told == ["waiting for dev-db-qa1 (creating)"]


def test_what_takes_too_long_is_named(account, monkeypatch):
    database_of(account).status = "creating"
    monkeypatch.setattr(survey_module, "WAIT_SECONDS", -1)
    (problem,) = settled(Stack(TINY, {}, account.session), print).problems
    assert problem.message == "dev-db-qa1 is still creating"


def test_what_failed_is_named(account):
    database_of(account).status = "failed"
    survey = survey_of(Stack(TINY, {}, account.session))
    assert [problem.message for problem in survey.problems] == ["dev-db-qa1 is failed"]
    assert not survey.adopt


def test_what_failed_and_is_tainted_stays_so(account):
    database_of(account).status = "failed"
    known = state({DATABASE: "dev-db-qa1"}, tainted=[DATABASE])
    assert survey_of(Stack(TINY, known, account.session)) == Survey()


# Terraform, played by a script: it prints what stands in files, and notes what it is told.
TERRAFORM = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1].removeprefix("-chdir="))
command, *rest = sys.argv[2:]
with open(folder / "calls", "a") as calls:
    print(command, *rest, file=calls)
if command == "plan":
    imports = json.loads((folder / "recover.tf.json").read_text())["import"]
    (folder / "imports").write_text(json.dumps({each["to"]: each["id"] for each in imports}))
    (folder / "recover.tfplan").touch()
if (folder / f"fail-{command}").exists():
    print((folder / f"fail-{command}").read_text())
    sys.exit(1)
if command == "state":
    print((folder / "state.json").read_text())
if command == "show":
    imports = json.loads((folder / "imports").read_text())
    plan = json.loads((folder / "plan.json").read_text())
    changes = []
    for address in imports | plan:
        type_ = address.split(".")[0]
        change = {"actions": ["no-op"], "before": {}} | plan.get(address, {})
        changes.append({"address": address, "type": type_, "mode": "managed", "change": change})
    print(json.dumps({"resource_changes": changes}))
"""


class Folder:
    """A stack's folder with a Terraform that is played by a script."""

    def __init__(self, folder, session):
        self.path = folder / "cdktf.out" / "stacks" / "tap-dev-qa1"
        self.path.mkdir(parents=True)
        self.state_file = folder / "terraform.tap-dev-qa1.tfstate"
        self._session = session
        script = folder / "terraform"
        script.write_text(f"#!{sys.executable}\n{TERRAFORM}")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.environ = {**os.environ, "TERRAFORM_BINARY_NAME": str(script)}
        self.write("cdk.tf.json", TINY)
        self.write("state.json", {})
        self.write("plan.json", {})

    def write(self, name, content):
        """Write a file that the script reads."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / name).write_text(text)

    def calls(self):
        """The commands that ran."""
        file = self.path / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def recover(self, **options):
        """Recover, without a word."""
        return recover(self.path, self.environ, self._session, tell=lambda _: None, **options)


@pytest.fixture(name="folder")
def _folder(tmp_path, session):
    return Folder(tmp_path, session)


def test_what_is_found_is_imported_and_nothing_stays_behind(account, folder):
    made = {address: account.make(address) for address in (VPC, PARAMETER)}
    before = {path.name for path in folder.path.iterdir()}
    report = folder.recover()
    assert report.adopted == made
    assert folder.calls() == ["state", "plan", "show", "apply"]
    assert json.loads((folder.path / "imports").read_text()) == made
    plan = (folder.path / "calls").read_text().splitlines()[1]
    assert plan.endswith(f"-target={VPC} -target={PARAMETER}")
    assert not report.problems
    rest = {"aws_internet_gateway.igw", "aws_route_table.routes", EIP, DATABASE}
    assert set(report.to_make) == rest
    assert {path.name for path in folder.path.iterdir()} == before | {"calls", "imports"}
    lines = list(report.lines())
    assert lines[0] == "tap-dev-qa1: the state knows 0 of 6 resources"
    assert f"  adopted    {VPC}  {made[VPC]}" in lines
    assert lines[-1] == "tap-dev-qa1: 2 adopted, 0 untainted, 4 to make: npm run cdktf:deploy"


def test_a_new_group_loses_the_rule_that_aws_gave_it(account, folder):
    """A kill can come between the two calls that Terraform makes."""
    group = {"vpc_id": "${aws_vpc.vpc.id}", "name": "dev-db-qa1"}
    resources = {"aws_vpc": TINY["resource"]["aws_vpc"], "aws_security_group": {"group": group}}
    folder.write("cdk.tf.json", {**TINY, "resource": resources})
    made = {**group, "vpc_id": account.make(VPC)}
    id_ = _security_group(account, made.get, VPC)
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    (own,) = account.client("ec2").authorize_security_group_egress(
        GroupId=id_, IpPermissions=[{**https, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )["SecurityGroupRules"]
    folder.recover(dry_run=True)
    assert len(egress_of(account, id_)) == 2
    assert folder.recover().adopted["aws_security_group.group"] == id_
    assert egress_of(account, id_) == [own["SecurityGroupRuleId"]]


def egress_of(account, group_id):
    """The ids of a group's rules for what leaves."""
    rules = account.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )["SecurityGroupRules"]
    return [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"]]


def test_nothing_to_adopt_is_fine(folder):
    report = folder.recover()
    assert (report.adopted, report.problems) == ({}, [])
    assert folder.calls() == ["state"]


def test_a_dry_run_changes_nothing(account, folder):
    made = {VPC: account.make(VPC)}
    folder.write("state.json", state(made, tainted=[VPC]))
    account.make(PARAMETER)
    report = folder.recover(dry_run=True)
    assert (report.adopted.keys(), report.untainted) == ({PARAMETER}, made)
    assert folder.calls() == ["state", "plan", "show"]
    assert "nothing was changed" in list(report.lines())[-1]


def test_the_tainted_are_untainted_before_the_plan(account, folder):
    folder.write("state.json", state({VPC: account.make(VPC)}, tainted=[VPC]))
    account.make(PARAMETER)
    report = folder.recover()
    assert folder.calls() == ["state", "untaint", "plan", "show", "apply"]
    assert report.untainted.keys() == {VPC}


def test_where_one_cannot_be_told_nothing_is_adopted(account, folder):
    account.make(VPC)
    account.make(VPC)
    account.make(PARAMETER)
    report = folder.recover()
    assert report.adopted == {}
    assert [problem.path for problem in report.problems] == [VPC]
    assert folder.calls() == ["state"]


def test_one_with_another_s_tags_is_not_adopted(account, folder):
    account.make(PARAMETER)
    tags = {"Project": "billing", "Environment": "dev"}
    folder.write("plan.json", {PARAMETER: {"before": {"tags_all": tags}}})
    report = folder.recover()
    assert report.adopted == {}
    (problem,) = report.problems
    assert problem.message.endswith("but is tagged Project=billing")
    assert "apply" not in folder.calls()
    assert not (folder.path / "recover.tf.json").exists()


def test_a_plan_that_would_replace_is_not_applied(account, folder):
    vpc = account.make(VPC)
    replaced = {"actions": ["delete", "create"], "replace_paths": [["cidr_block"]]}
    folder.write("plan.json", {VPC: replaced, EIP: {"actions": ["delete"]}})
    report = folder.recover()
    assert [problem.message for problem in report.problems] == [
        f"{vpc} differs so much from the config that Terraform would replace it (cidr_block)",
        "Terraform would also replace or destroy it",
    ]
    assert "apply" not in folder.calls()


def test_a_task_definition_is_adopted_only_where_the_same_would_be_made(session, folder):
    task = "aws_ecs_task_definition.task"
    folder.write("cdk.tf.json", TASK)
    account = Account(session, TASK)
    account.make(task)
    newest = account.make(task)
    assert folder.recover().adopted == {task: newest}
    folder.write("plan.json", {task: {"actions": ["create", "delete"]}})
    report = folder.recover()
    assert report.adopted == {}
    (problem,) = report.problems
    assert problem.hint.endswith(f"aws ecs deregister-task-definition --task-definition {newest}")


def test_a_lock_is_told_with_its_holder(account, folder):
    account.make(VPC)
    folder.write(
        "fail-plan",
        "╷\n│ Error: Error acquiring the state lock\n│ \n│ Lock Info:\n│   ID:        1a2b\n"
        "│   Operation: OperationTypeApply\n│   Who:       ci@runner\n│   Created:   09:00\n╵\n",
    )
    with pytest.raises(TapError) as raised:
        folder.recover()
    assert raised.value.message == (
        "the state is locked by ci@runner since 09:00 (OperationTypeApply)"
    )
    assert raised.value.hint.endswith("force-unlock 1a2b")
    assert not (folder.path / "recover.tf.json").exists()


def test_what_terraform_refuses_is_told_in_its_words(account, folder):
    account.make(VPC)
    folder.write("fail-apply", "╷\n│ Warning: x\n╵\n╷\n│ Error: disk full\n│ \n│ really\n╵\n")
    with pytest.raises(TapError, match="terraform apply failed:\nError: disk full\nreally"):
        folder.recover()


@pytest.mark.parametrize("text", [json.dumps(state({})), ""], ids=["whole", "first deploy's"])
def test_a_state_that_is_as_it_should_be_is_left_alone(folder, text):
    folder.state_file.write_text(text)
    assert folder.recover().notes == []


@pytest.mark.parametrize("text", ["", '{"version": 4, "resou'], ids=["empty", "cut short"])
def test_a_broken_state_is_kept_and_its_backup_used(folder, text):
    whole = json.dumps(state({VPC: "vpc-1"}))
    backup = folder.state_file.with_name(f"{folder.state_file.name}.backup")
    folder.state_file.write_text(text)
    backup.write_text(whole)
    with pytest.raises(TapError) as raised:
        folder.recover(dry_run=True)
    assert raised.value.hint == "run this without --dry-run"
    (note,) = folder.recover().notes
    assert "backup took its place" in note
    assert folder.state_file.read_text() == backup.read_text() == whole
    (broken,) = folder.state_file.parent.glob("*.broken-*")
    assert broken.read_text() == text


def test_a_broken_state_without_a_backup_is_begun_anew(account, folder):
    folder.state_file.write_text("{")
    made = account.make(VPC)
    report = folder.recover()
    assert "No backup" in report.notes[0]
    assert report.adopted == {VPC: made}
    assert not folder.state_file.exists()


def test_a_state_that_could_not_be_saved_is_saved_first(account, folder):
    folder.write("errored.tfstate", "unsaved")
    account.make(VPC)
    with pytest.raises(TapError, match=r"errored\.tfstate is not in the state yet"):
        folder.recover(dry_run=True)
    report = folder.recover()
    assert folder.calls()[:2] == ["state", "state"]
    assert (folder.path / "calls").read_text().startswith("state push errored.tfstate\nstate pull")
    (pushed,) = folder.path.glob("errored.tfstate*")
    assert pushed.name.startswith("errored.tfstate.pushed-") and pushed.read_text() == "unsaved"
    assert pushed.name in report.notes[0]


def test_a_state_that_cannot_be_saved_is_kept(folder):
    folder.write("errored.tfstate", "unsaved")
    folder.write("fail-state", "Error: Failed to write state: the serial is lower")
    with pytest.raises(TapError, match="the serial is lower"):
        folder.recover()
    assert (folder.path / "errored.tfstate").read_text() == "unsaved"


def test_what_was_not_saved_is_later_than_the_backup(folder):
    """A full disk leaves both: a state file cut short, and the whole of it beside the stack."""
    folder.state_file.write_text("{")
    folder.state_file.with_name(f"{folder.state_file.name}.backup").write_text('{"resources": []}')
    folder.write("errored.tfstate", "unsaved")
    notes = folder.recover().notes
    assert len(notes) == 2 and "cut short" in notes[0] and "errored.tfstate.pushed" in notes[1]
    assert not folder.state_file.exists()  # this Terraform wrote none


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeVpcs"), "AccessDenied"),
        (NoCredentialsError(), "credentials"),
    ],
)
def test_what_aws_refuses_is_told(folder, monkeypatch, error, word):
    monkeypatch.setattr(Stack, "find", Mock(side_effect=error))
    with pytest.raises(TapError, match=word):
        folder.recover()


ROLE = "arn:aws:iam::123456789012:role/deploy"


def test_the_session_is_the_provider_s(session):
    assert session
    provider = {"allowed_account_ids": ["123456789012"], "assume_role": [{"role_arn": ROLE}]}
    assumed = session_for({"provider": {"aws": [provider]}}, REGION)
    arn = assumed.client("sts").get_caller_identity()["Arn"]
    assert arn.endswith("assumed-role/deploy/tap-recover")


def test_another_account_is_refused(session):
    assert session
    provider = {"allowed_account_ids": ["999999999999"]}
    with pytest.raises(TapError, match="account 123456789012's"):
        session_for({"provider": {"aws": [provider]}}, REGION)


@pytest.fixture(name="ops")
def _ops(tmp_path, monkeypatch, folder, clients):
    """The command, in a project of its own, with the account for AWS."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "synthesize", lambda _: None)
    monkeypatch.setattr(module, "session_for", lambda *_: clients)

    def ops(*arguments, **environ):
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        options, rest = parser.parse_known_args(["recover", *arguments])
        base = {"ENVIRONMENT": "dev", "ENVIRONMENT_SUFFIX": "qa1", **folder.environ}
        return options.run(options, rest, base | environ)

    return ops


def test_the_command_prints_what_it_did(ops, account, folder, capsys):
    account.make(PARAMETER)
    assert ops() == 0
    assert folder.calls() == ["init", "state", "plan", "show", "apply"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "tap-dev-qa1: the state knows 0 of 6 resources"
    assert f"  adopted    {PARAMETER}  /tap/dev/qa1/network/vpc_id" in printed


def test_the_command_tells_machines(ops, account, capsys):
    account.make(PARAMETER)
    assert ops("--json", "--dry-run") == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["stack"] == "tap-dev-qa1"
    assert report["dry_run"] is True
    assert report["adopted"] == {PARAMETER: "/tap/dev/qa1/network/vpc_id"}


def test_the_command_fails_where_it_needs_a_person(ops, account, capsys):
    account.make(VPC)
    account.make(VPC)
    assert ops() == 1
    assert f"  problem    {VPC}: " in capsys.readouterr().out


def test_bad_input_is_named(ops):
    with pytest.raises(TapError, match="unknown argument --more"):
        ops("--more")
    with pytest.raises(TapError, match="unknown environment"):
        ops(ENVIRONMENT="prd")


def test_the_stacks_are_synthesized_with_this_config(tmp_path, monkeypatch):
    script = "import os, sys\nprint(os.environ['ENVIRONMENT'], file=sys.stderr)\n"
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(os.environ['CDKTF_OUTDIR'] == 'x')")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    module.synthesize({"ENVIRONMENT": "dev"})
    (tmp_path / "tap.py").write_text(f"{script}sys.exit(2)")
    with pytest.raises(TapError, match="synthesis failed:\ndev"):
        module.synthesize({"ENVIRONMENT": "dev"})
