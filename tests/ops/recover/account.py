"""An account in this process in which what a stack has can be made, one by one."""

import json
import re

import boto3
from moto.backends import get_backend
from moto.iam.models import AWSManagedPolicy

from ops.recover.stack import Stack

REGION = "us-east-1"


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


def _bucket_log(account, of, _):
    target = of("target_bucket")
    principal = {"Service": "logging.s3.amazonaws.com"}
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    s3 = account.client("s3")
    s3.put_bucket_policy(
        Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    s3.put_bucket_logging(
        Bucket=of("bucket"),
        BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": of("target_prefix")}
        },
    )
    return of("bucket")


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


def make_group(account, of, address):
    """Make a security group."""
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


def _key(account, _, address):
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in account.tags(address)]
    return account.client("kms").create_key(Tags=tags)["KeyMetadata"]["KeyId"]


def _web_acl(account, of, _):
    shown = {
        "SampledRequestsEnabled": True,
        "CloudWatchMetricsEnabled": True,
        "MetricName": of("name"),
    }
    made = account.client("wafv2").create_web_acl(
        Name=of("name"), Scope=of("scope"), DefaultAction={"Allow": {}}, VisibilityConfig=shown
    )["Summary"]
    return f"{made['Id']}/{of('name')}/{of('scope')}"


def _web_acl_log(account, of, _):
    log = f"arn:aws:logs:{REGION}:123456789012:log-group:aws-waf-logs-x"
    account.client("wafv2").put_logging_configuration(
        LoggingConfiguration={
            "ResourceArn": of("resource_arn"),
            "LogDestinationConfigs": [log],
        }
    )
    return of("resource_arn")


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
    "aws_s3_bucket_notification": _bucket_part(
        "put_bucket_notification_configuration",
        NotificationConfiguration={"EventBridgeConfiguration": {}},
    ),
    "aws_s3_bucket_logging": _bucket_log,
    "aws_kms_key": _key,
    "aws_kms_alias": _named(
        "kms", "create_alias", AliasName="{name}", TargetKeyId="{target_key_id}"
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
    "aws_security_group": make_group,
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
    "aws_wafv2_web_acl": _web_acl,
    "aws_wafv2_web_acl_association": _named(
        "wafv2",
        "associate_web_acl",
        "{web_acl_arn},{resource_arn}",
        WebACLArn="{web_acl_arn}",
        ResourceArn="{resource_arn}",
    ),
    "aws_wafv2_web_acl_logging_configuration": _web_acl_log,
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
    "aws_db_event_subscription": _named(
        "rds",
        "create_event_subscription",
        SubscriptionName="{name}",
        SnsTopicArn="{sns_topic}",
        Enabled=True,
    ),
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
