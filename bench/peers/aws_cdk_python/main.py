"""TAP's stack in the AWS CDK for Python, synthesized to CloudFormation, as a measure beside it.

The same resources one by one (L1 constructs), sized by ``../environments.json``.
CloudFormation keeps a bucket's settings and a role's managed policies as properties, where
Terraform has resources of their own, and wants an internet gateway attached by one; it cannot adopt
a VPC's default security group, nor wait for a service with a postcondition. Runs in a virtual
environment of its own, which ``bench/workspace.py`` makes.
"""
# pylint: disable=import-error,too-many-arguments,too-many-positional-arguments,too-many-lines
# The packages aren't in the application's virtual environment. A peer is one file.
# pyright: reportMissingImports=false

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

ENVIRONMENTS = json.loads((Path(__file__).parent.parent / "environments.json").read_text())
REGION = "us-east-1"
ANYWHERE = "0.0.0.0/0"
PORT = 8080
DATABASE_PORT = 5432
ZONES = range(3)
ZONE_NAMES = [f"{cdk.Aws.REGION}{letter}" for letter in "abc"]
BALANCER_PREFIX, STATE_PREFIX = "alb", "state/"  # in the bucket of access logs
SECRET_HEADERS = ("authorization", "cookie")
# AWS's groups of rules, cheapest first, each with those of its rules that only count.
MANAGED_RULES = (
    ("AWSManagedRulesAmazonIpReputationList", ()),
    ("AWSManagedRulesAnonymousIpList", ("HostingProviderIPList",)),
    ("AWSManagedRulesKnownBadInputsRuleSet", ()),
    ("AWSManagedRulesCommonRuleSet", ("SizeRestrictions_BODY",)),
)
BALANCER, CONTAINER, DATABASE = "AWS/ApplicationELB", "AWS/ECS", "AWS/RDS"  # of metrics


class Part(Construct):
    """A part of the stack, with its sizes and the names of what is in it."""

    def __init__(self, scope: "TapStack", id_: str) -> None:
        super().__init__(scope, id_)
        self.stage = scope.stage
        self.suffix = scope.suffix
        self.sizes = ENVIRONMENTS[scope.stage]
        self.key_arn = scope.key_arn

    def simple(self, word: str) -> str:
        """A name that is unique in the region."""
        return f"{self.stage}-{word}-{self.suffix}"

    def regional(self, word: str) -> str:
        """A name that is unique in the account."""
        return f"{self.stage}-{REGION}-{word}-{self.suffix}"

    def path(self, rest: str) -> str:
        """A path of this copy's."""
        return f"/tap/{self.stage}/{self.suffix}/{rest}"

    def tags(self, word: str) -> list[cdk.CfnTag]:
        """What a resource adds to the stack's tags."""
        return [cdk.CfnTag(key="Name", value=self.simple(word))]

    def log_group(self, id_: str, name: str, days: int) -> logs.CfnLogGroup:
        """A log group, under the environment's key where it has one."""
        return logs.CfnLogGroup(
            self, id_, log_group_name=name, retention_in_days=days, kms_key_id=self.key_arn
        )

    def role(self, id_: str, word: str, service: str, **more: Any) -> iam.CfnRole:
        """A role that a service takes, for this account alone."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
        }
        name = self.regional(word)
        return iam.CfnRole(
            self, id_, role_name=name, assume_role_policy_document=document(statement), **more
        )

    def private_bucket(
        self, word: str, rule: s3.CfnBucket.RuleProperty, **more: Any
    ) -> s3.CfnBucket:
        """A bucket: versioned, encrypted, private, with events, its versions expired by a rule."""
        name = self.regional(word)
        bucket = s3.CfnBucket(
            self,
            "bucket",
            bucket_name=name,
            versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
            bucket_encryption=s3.CfnBucket.BucketEncryptionProperty(
                server_side_encryption_configuration=[
                    s3.CfnBucket.ServerSideEncryptionRuleProperty(
                        server_side_encryption_by_default=(
                            s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                                sse_algorithm="AES256"
                            )
                        )
                    )
                ]
            ),
            ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
                rules=[
                    s3.CfnBucket.OwnershipControlsRuleProperty(
                        object_ownership="BucketOwnerEnforced"
                    )
                ]
            ),
            public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
            ),
            lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(rules=[rule]),
            notification_configuration=s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                    event_bridge_enabled=True
                )
            ),
            tags=[cdk.CfnTag(key="Name", value=name)],
            **more,
        )
        self.keep(bucket)
        return bucket

    def bucket_policy(
        self, bucket: s3.CfnBucket, *statements: dict[str, Any]
    ) -> s3.CfnBucketPolicy:
        """What the bucket allows, and TLS only."""
        tls_only = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket.attr_arn, f"{bucket.attr_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return s3.CfnBucketPolicy(
            self,
            "policy",
            bucket=bucket.ref,
            policy_document=document(*statements, tls_only),
        )

    def keep(self, resource: cdk.CfnResource) -> None:
        """Leaves the resource behind when the stack goes, where the environment is to be kept."""
        if not self.sizes["stateDeletable"]:
            resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN)


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(on: str | list[str], *actions: str) -> dict[str, Any]:
    """A statement that allows the actions on the resource or resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


class Encryption(Part):
    """The environment's own key, and its alias."""

    def __init__(self, scope: "TapStack") -> None:
        super().__init__(scope, "encryption")
        if not self.sizes["keyDeletionDays"]:
            return
        name = self.simple("key")
        arn, account = f"arn:{cdk.Aws.PARTITION}", cdk.Aws.ACCOUNT_ID
        key = kms.CfnKey(
            self,
            "key",
            description=f"{name}: logs, alarms, lock table, Performance Insights, given password",
            enable_key_rotation=True,
            pending_window_in_days=self.sizes["keyDeletionDays"],
            key_policy=document(
                {
                    "Sid": "ByTheAccountsIam",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"{arn}:iam::{account}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "LogsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": f"logs.{REGION}.{cdk.Aws.URL_SUFFIX}"},
                    "Action": [
                        "kms:Decrypt",
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:GenerateDataKey*",
                        "kms:ReEncrypt*",
                    ],
                    "Resource": "*",
                    "Condition": {
                        "ArnLike": {
                            "kms:EncryptionContext:aws:logs:arn": (
                                f"{arn}:logs:{REGION}:{account}:log-group:*"
                            )
                        }
                    },
                },
                {
                    "Sid": "AlarmsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                },
            ),
            tags=self.tags("key"),
        )
        key.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        kms.CfnAlias(self, "alias", alias_name=f"alias/{name}", target_key_id=key.ref)
        self.key_arn = key.attr_arn


class AccessLogs(Part):
    """The bucket that access logs go to: the load balancer's, and those of the state's bucket."""

    def __init__(self, scope: "TapStack") -> None:
        super().__init__(scope, "access_logs")
        self.bucket = self.private_bucket(
            "accesslogs",
            s3.CfnBucket.RuleProperty(
                id="expire",
                status="Enabled",
                expiration_in_days=self.sizes["logDays"],
                noncurrent_version_expiration=(
                    s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=1)
                ),
                abort_incomplete_multipart_upload=(
                    s3.CfnBucket.AbortIncompleteMultipartUploadProperty(days_after_initiation=1)
                ),
            ),
        )
        arn, account = self.bucket.attr_arn, cdk.Aws.ACCOUNT_ID
        self.writable = self.bucket_policy(
            self.bucket,
            {
                "Sid": "LoadBalancers",
                "Effect": "Allow",
                "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{arn}/{BALANCER_PREFIX}/AWSLogs/{account}/*",
            },
            {
                "Sid": "BucketsOfThisAccount",
                "Effect": "Allow",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{arn}/{STATE_PREFIX}*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
        )


class State(Part):
    """The bucket and the lock table, as if Terraform's state were to go there."""

    def __init__(self, scope: "TapStack", access_logs: AccessLogs) -> None:
        super().__init__(scope, "state")
        self.bucket = self.private_bucket(
            "tfstate",
            s3.CfnBucket.RuleProperty(
                id="expire-noncurrent-versions",
                status="Enabled",
                noncurrent_version_expiration=(
                    s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=90)
                ),
                abort_incomplete_multipart_upload=(
                    s3.CfnBucket.AbortIncompleteMultipartUploadProperty(days_after_initiation=7)
                ),
            ),
            logging_configuration=s3.CfnBucket.LoggingConfigurationProperty(
                destination_bucket_name=access_logs.bucket.ref, log_file_prefix=STATE_PREFIX
            ),
        )
        self.bucket.add_resource_dependency(access_logs.writable)
        self.bucket_policy(self.bucket)
        lock_table = self.regional("tflock")
        self.table = dynamodb.CfnTable(
            self,
            "lock_table",
            table_name=lock_table,
            billing_mode="PAY_PER_REQUEST",
            key_schema=[
                dynamodb.CfnTable.KeySchemaProperty(attribute_name="LockID", key_type="HASH")
            ],
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(
                    attribute_name="LockID", attribute_type="S"
                )
            ],
            point_in_time_recovery_specification=(
                dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
                    point_in_time_recovery_enabled=True
                )
            ),
            sse_specification=dynamodb.CfnTable.SSESpecificationProperty(
                sse_enabled=True,
                sse_type="KMS",
                kms_master_key_id=self.key_arn,
            ),
            deletion_protection_enabled=not self.sizes["stateDeletable"],
            tags=[cdk.CfnTag(key="Name", value=lock_table)],
        )
        self.keep(self.table)


class Network(Part):
    """The VPC, its subnets and the ways out of them."""

    def __init__(self, scope: "TapStack") -> None:
        super().__init__(scope, "network")
        self.vpc = ec2.CfnVPC(
            self,
            "vpc",
            cidr_block=self.sizes["cidr"],
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self.tags("vpc"),
        )
        public = self._subnets("public", 0)
        private = self._subnets("private", len(ZONES))
        self.public_ids = [subnet.ref for subnet in public]
        self.private_ids = [subnet.ref for subnet in private]
        gateway = ec2.CfnInternetGateway(self, "internet_gateway", tags=self.tags("igw"))
        attachment = ec2.CfnVPCGatewayAttachment(
            self, "attachment", vpc_id=self.vpc.ref, internet_gateway_id=gateway.ref
        )
        public_table = self._route_table("public", public)
        out = ec2.CfnRoute(
            self,
            "public_internet",
            route_table_id=public_table.ref,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.ref,
        )
        out.add_resource_dependency(attachment)
        self.ways_out = [out]
        private_tables = [self._route_table(f"private{zone}", [private[zone]]) for zone in ZONES]
        nats = [
            self._nat(zone, public[zone], attachment) for zone in range(self.sizes["natGateways"])
        ]
        if nats:
            self.ways_out += [
                ec2.CfnRoute(
                    self,
                    f"private{zone}_internet",
                    route_table_id=private_tables[zone].ref,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=nats[zone % len(nats)].ref,
                )
                for zone in ZONES
            ]
        ec2.CfnVPCEndpoint(
            self,
            "s3_endpoint",
            vpc_id=self.vpc.ref,
            service_name=f"com.amazonaws.{REGION}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.ref for table in (public_table, *private_tables)],
            tags=self.tags("s3"),
        )
        self._flow_logs()

    def _subnets(self, tier: str, first: int) -> list[ec2.CfnSubnet]:
        prefix = ".".join(self.sizes["cidr"].split(".")[:2])
        return [
            ec2.CfnSubnet(
                self,
                f"{tier}{zone}",
                vpc_id=self.vpc.ref,
                cidr_block=f"{prefix}.{16 * (first + zone)}.0/20",
                availability_zone=ZONE_NAMES[zone],
                map_public_ip_on_launch=False,
                tags=self.tags(f"{tier}{zone}"),
            )
            for zone in ZONES
        ]

    def _route_table(self, word: str, subnets: list[ec2.CfnSubnet]) -> ec2.CfnRouteTable:
        table = ec2.CfnRouteTable(self, f"{word}_routes", vpc_id=self.vpc.ref, tags=self.tags(word))
        for number, subnet in enumerate(subnets):
            ec2.CfnSubnetRouteTableAssociation(
                self,
                f"{word}_routes_{number}",
                subnet_id=subnet.ref,
                route_table_id=table.ref,
            )
        return table

    def _nat(self, zone: int, subnet: ec2.CfnSubnet, gateway: cdk.CfnResource) -> ec2.CfnNatGateway:
        tags = self.tags(f"nat{zone}")
        address = ec2.CfnEIP(self, f"nat{zone}_address", domain="vpc", tags=tags)
        address.add_resource_dependency(gateway)
        nat = ec2.CfnNatGateway(
            self,
            f"nat{zone}",
            allocation_id=address.attr_allocation_id,
            subnet_id=subnet.ref,
            tags=tags,
        )
        nat.add_resource_dependency(gateway)
        return nat

    def _flow_logs(self) -> None:
        group = self.log_group("flow_log_group", self.path("flowlogs"), self.sizes["flowLogDays"])
        role = self.role("flow_log_role", "flowlogs", "vpc-flow-logs.amazonaws.com")
        rights = iam.CfnRolePolicy(
            self,
            "flow_log_policy",
            policy_name="write-flow-logs",
            role_name=role.ref,
            policy_document=document(
                allow(
                    [group.attr_arn, f"{group.attr_arn}:*"],
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                )
            ),
        )
        flow_log = ec2.CfnFlowLog(
            self,
            "flow_log",
            resource_id=self.vpc.ref,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination=group.attr_arn,
            deliver_logs_permission_arn=role.attr_arn,
            tags=self.tags("flowlogs"),
        )
        flow_log.add_resource_dependency(rights)


class Security(Part):
    """The three groups, and every open path between them."""

    def __init__(self, scope: "TapStack", network: Network) -> None:
        super().__init__(scope, "security")
        self._vpc_id = network.vpc.ref
        balancer = self._group("load_balancer", "alb", "Load balancer: HTTP and HTTPS from outside")
        service = self._group("service", "service", "Service: its port from the load balancer")
        database = self._group("database", "database", "Database: PostgreSQL from the service")
        self.balancer_id, self.service_id, self.database_id = (
            group.attr_group_id for group in (balancer, service, database)
        )
        ec2.CfnSecurityGroupIngress(
            self,
            "load_balancer_80_from_0",
            group_id=self.balancer_id,
            description=f"Port 80 from {ANYWHERE}",
            ip_protocol="tcp",
            from_port=80,
            to_port=80,
            cidr_ip=ANYWHERE,
        )
        self.service_rules: list[cdk.CfnResource] = [
            *self._open(self.balancer_id, self.service_id, PORT, "load_balancer_to_service"),
            *self._open(self.service_id, self.database_id, DATABASE_PORT, "service_to_database"),
            ec2.CfnSecurityGroupEgress(
                self,
                "service_to_internet",
                group_id=self.service_id,
                description="HTTPS: images, secrets, logs and whatever the service calls",
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                cidr_ip=ANYWHERE,
            ),
        ]

    def _group(self, id_: str, word: str, description: str) -> ec2.CfnSecurityGroup:
        return ec2.CfnSecurityGroup(
            self,
            id_,
            group_name=self.simple(word),
            group_description=description,
            vpc_id=self._vpc_id,
            tags=self.tags(word),
        )

    def _open(self, source: str, target: str, port: int, id_: str) -> list[cdk.CfnResource]:
        return [
            ec2.CfnSecurityGroupEgress(
                self,
                f"{id_}_out",
                group_id=source,
                description=f"Port {port} to the next tier",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                destination_security_group_id=target,
            ),
            ec2.CfnSecurityGroupIngress(
                self,
                f"{id_}_in",
                group_id=target,
                description=f"Port {port} from the tier before",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                source_security_group_id=source,
            ),
        ]


class Database(Part):
    """The PostgreSQL instance."""

    def __init__(self, scope: "TapStack", network: Network, security: Security) -> None:
        super().__init__(scope, "database")
        sizes = self.sizes["database"]
        self.identifier = self.simple("db")
        subnets = rds.CfnDBSubnetGroup(
            self,
            "subnets",
            db_subnet_group_name=self.identifier,
            db_subnet_group_description="The private subnets",
            subnet_ids=network.private_ids,
            tags=self.tags("db"),
        )
        exported = ["postgresql", "upgrade"]
        log_groups = [
            self.log_group(
                f"{export}_log_group",
                f"/aws/rds/instance/{self.identifier}/{export}",
                self.sizes["logDays"],
            )
            for export in exported
        ]
        parameters = rds.CfnDBParameterGroup(
            self,
            "parameters",
            db_parameter_group_name=self.simple("pg14"),
            family="postgres14",
            description="TLS only, slow statements logged",
            parameters={
                "rds.force_ssl": "1",
                "log_statement": "none",
                "log_min_duration_statement": "1000",
                "log_connections": "1",
                "log_disconnections": "1",
                "shared_preload_libraries": "pg_stat_statements,pgaudit",
                "pgaudit.log": "ddl,role",
            },
        )
        self.instance = rds.CfnDBInstance(
            self,
            "instance",
            db_instance_identifier=self.identifier,
            engine="postgres",
            engine_version="14",
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            allow_major_version_upgrade=True,
            auto_minor_version_upgrade=True,
            db_instance_class=sizes["instanceClass"],
            multi_az=sizes["multiAz"],
            storage_type="gp3",
            storage_encrypted=True,
            allocated_storage=str(sizes["storageGib"]),
            max_allocated_storage=sizes["maxStorageGib"],
            db_name="app",
            master_username="app_admin",
            manage_master_user_password=True,
            enable_iam_database_authentication=True,
            port=str(DATABASE_PORT),
            publicly_accessible=False,
            db_subnet_group_name=subnets.ref,
            vpc_security_groups=[security.database_id],
            db_parameter_group_name=parameters.ref,
            enable_cloudwatch_logs_exports=exported,
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring_role(),
            enable_performance_insights=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=self.key_arn,
            backup_retention_period=sizes["backupDays"],
            preferred_backup_window="03:00-04:00",
            preferred_maintenance_window="sun:04:30-sun:05:30",
            copy_tags_to_snapshot=True,
            deletion_protection=sizes["protected"],
            tags=self.tags("db"),
        )
        self.instance.apply_removal_policy(
            cdk.RemovalPolicy.SNAPSHOT if sizes["protected"] else cdk.RemovalPolicy.DESTROY
        )
        for group in log_groups:
            self.instance.add_resource_dependency(group)
        self.address = self.instance.attr_endpoint_address
        self.secret_arn = self.instance.attr_master_user_secret_secret_arn

    def _monitoring_role(self) -> str:
        managed = "service-role/AmazonRDSEnhancedMonitoringRole"
        return self.role(
            "monitoring_role",
            "rdsmonitoring",
            "monitoring.rds.amazonaws.com",
            managed_policy_arns=[f"arn:{cdk.Aws.PARTITION}:iam::aws:policy/{managed}"],
        ).attr_arn


class LoadBalancer(Part):
    """The load balancer, its listener and the target group that the service joins."""

    def __init__(
        self, scope: "TapStack", access_logs: AccessLogs, network: Network, security: Security
    ) -> None:
        super().__init__(scope, "load_balancer")
        protected = str(self.sizes["balancerProtected"]).lower()
        self.balancer = elb.CfnLoadBalancer(
            self,
            "load_balancer",
            name=self.simple("alb"),
            type="application",
            scheme="internet-facing",
            subnets=network.public_ids,
            security_groups=[security.balancer_id],
            load_balancer_attributes=[
                elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value)
                for key, value in {
                    "idle_timeout.timeout_seconds": "60",
                    "routing.http.drop_invalid_header_fields.enabled": "true",
                    "deletion_protection.enabled": protected,
                    "access_logs.s3.enabled": "true",
                    "access_logs.s3.bucket": access_logs.bucket.ref,
                    "access_logs.s3.prefix": BALANCER_PREFIX,
                }.items()
            ],
            tags=self.tags("alb"),
        )
        for needed in (*network.ways_out, access_logs.writable):
            self.balancer.add_resource_dependency(needed)
        if self.sizes["requestsPerAddress"]:
            self._firewall()
        fixed = f"HTTP:{PORT}:ip:{self.sizes['cidr']}"
        word = f"tg{hashlib.sha256(fixed.encode()).hexdigest()[:6]}"
        self.target_group = elb.CfnTargetGroup(
            self,
            "target_group",
            name=self.simple(word),
            target_type="ip",
            protocol="HTTP",
            port=PORT,
            vpc_id=network.vpc.ref,
            target_group_attributes=[
                elb.CfnTargetGroup.TargetGroupAttributeProperty(
                    key="deregistration_delay.timeout_seconds", value="30"
                )
            ],
            health_check_path="/",
            health_check_interval_seconds=15,
            health_check_timeout_seconds=5,
            healthy_threshold_count=2,
            unhealthy_threshold_count=3,
            matcher=elb.CfnTargetGroup.MatcherProperty(http_code="200"),
            tags=self.tags(word),
        )
        self.listener = elb.CfnListener(
            self,
            "http",
            load_balancer_arn=self.balancer.ref,
            port=80,
            protocol="HTTP",
            default_actions=[
                elb.CfnListener.ActionProperty(
                    type="forward", target_group_arn=self.target_group.ref
                )
            ],
        )

    def _firewall(self) -> None:
        name = self.simple("waf")
        acl = waf.CfnWebACL(
            self,
            "waf_acl",
            name=name,
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(
                allow=waf.CfnWebACL.AllowActionProperty()
            ),
            rules=[self._rate_limit(), *self._managed_rules()],
            visibility_config=self._visibility(name),
            tags=self.tags("waf"),
        )
        waf.CfnWebACLAssociation(
            self, "waf_association", resource_arn=self.balancer.ref, web_acl_arn=acl.attr_arn
        )
        group = self.log_group("waf_log_group", f"aws-waf-logs-{name}", self.sizes["logDays"])
        waf.CfnLoggingConfiguration(
            self,
            "waf_logging",
            resource_arn=acl.attr_arn,
            log_destination_configs=[group.attr_arn],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [
                    {
                        "Behavior": "KEEP",
                        "Requirement": "MEETS_ANY",
                        "Conditions": [
                            {"ActionCondition": {"Action": action}}
                            for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")
                        ],
                    }
                ],
            },
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in SECRET_HEADERS
            ],
        )

    def _rate_limit(self) -> waf.CfnWebACL.RuleProperty:
        return waf.CfnWebACL.RuleProperty(
            name="RequestsPerAddress",
            priority=0,
            action=waf.CfnWebACL.RuleActionProperty(block=waf.CfnWebACL.BlockActionProperty()),
            statement=waf.CfnWebACL.StatementProperty(
                rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP", limit=self.sizes["requestsPerAddress"]
                )
            ),
            visibility_config=self._visibility("RequestsPerAddress"),
        )

    def _managed_rules(self) -> list[waf.CfnWebACL.RuleProperty]:
        count = waf.CfnWebACL.RuleActionProperty(count=waf.CfnWebACL.CountActionProperty())
        return [
            waf.CfnWebACL.RuleProperty(
                name=group,
                priority=priority,
                override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
                statement=waf.CfnWebACL.StatementProperty(
                    managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                        name=group,
                        vendor_name="AWS",
                        rule_action_overrides=[
                            waf.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count)
                            for rule in counting
                        ]
                        or None,
                    )
                ),
                visibility_config=self._visibility(group),
            )
            for priority, (group, counting) in enumerate(MANAGED_RULES, start=1)
        ]

    @staticmethod
    def _visibility(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
        return waf.CfnWebACL.VisibilityConfigProperty(
            cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
        )


class Service(Part):
    """The Fargate service: a cluster, a task definition, its roles, and the service itself."""

    def __init__(
        self,
        scope: "TapStack",
        network: Network,
        security: Security,
        database: Database,
        balancer: LoadBalancer,
    ) -> None:
        super().__init__(scope, "service")
        self._database = database
        sizes = self.sizes["service"]
        self.logs = self.log_group("log_group", self.path("service"), self.sizes["logDays"])
        self.cluster = ecs.CfnCluster(
            self,
            "cluster",
            cluster_name=self.simple("cluster"),
            cluster_settings=[
                ecs.CfnCluster.ClusterSettingsProperty(
                    name="containerInsights",
                    value="enabled" if self.sizes["service"]["insights"] else "disabled",
                )
            ],
            tags=self.tags("cluster"),
        )
        secret = allow(database.secret_arn, "secretsmanager:GetSecretValue")
        write_logs = allow(f"{self.logs.attr_arn}:*", "logs:CreateLogStream", "logs:PutLogEvents")
        execution, may_start = self._role("execution", write_logs, secret)
        program, may_run = self._role("task", secret)
        task = ecs.CfnTaskDefinition(
            self,
            "task_definition",
            family=self.simple("task"),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(sizes["cpu"]),
            memory=str(sizes["memory"]),
            execution_role_arn=execution.attr_arn,
            task_role_arn=program.attr_arn,
            runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
                cpu_architecture="X86_64", operating_system_family="LINUX"
            ),
            container_definitions=[self._container()],
        )
        self.service = ecs.CfnService(
            self,
            "service",
            service_name=self.simple("service"),
            cluster=self.cluster.attr_arn,
            task_definition=task.ref,
            launch_type="FARGATE",
            platform_version="LATEST",
            desired_count=sizes["count"],
            deployment_configuration=ecs.CfnService.DeploymentConfigurationProperty(
                minimum_healthy_percent=100,
                maximum_percent=200,
                deployment_circuit_breaker=ecs.CfnService.DeploymentCircuitBreakerProperty(
                    enable=True, rollback=True
                ),
            ),
            health_check_grace_period_seconds=60,
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            network_configuration=ecs.CfnService.NetworkConfigurationProperty(
                awsvpc_configuration=ecs.CfnService.AwsVpcConfigurationProperty(
                    subnets=network.public_ids if sizes["public"] else network.private_ids,
                    security_groups=[security.service_id],
                    assign_public_ip="ENABLED" if sizes["public"] else "DISABLED",
                )
            ),
            load_balancers=[
                ecs.CfnService.LoadBalancerProperty(
                    target_group_arn=balancer.target_group.ref,
                    container_name="app",
                    container_port=PORT,
                )
            ],
            tags=self.tags("service"),
        )
        for needed in (balancer.listener, may_start, may_run, *network.ways_out):
            self.service.add_resource_dependency(needed)
        for rule in security.service_rules:
            self.service.add_resource_dependency(rule)
        if sizes["maxCount"]:
            self._autoscaling(sizes["count"], sizes["maxCount"])

    def _role(self, word: str, *statements: dict[str, Any]) -> tuple[iam.CfnRole, cdk.CfnResource]:
        role = self.role(f"{word}_role", word, "ecs-tasks.amazonaws.com")
        policy = iam.CfnRolePolicy(
            self,
            f"{word}_policy",
            policy_name=word,
            role_name=role.ref,
            policy_document=document(*statements),
        )
        return role, policy

    def _container(self) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
        task, secret = ecs.CfnTaskDefinition, self._database.secret_arn
        environment = {
            "DB_SECRET_ARN": secret,
            "PGDATABASE": "app",
            "PGHOST": self._database.address,
            "PGPORT": str(DATABASE_PORT),
            "PGSSLMODE": "require",
        }
        secrets = {"PGUSER": "username", "PGPASSWORD": "password"}
        return task.ContainerDefinitionProperty(
            name="app",
            image="public.ecr.aws/docker/library/python:3.13-slim",
            essential=True,
            user="65534",
            readonly_root_filesystem=True,
            linux_parameters=task.LinuxParametersProperty(init_process_enabled=True),
            port_mappings=[task.PortMappingProperty(container_port=PORT, protocol="tcp")],
            environment=[
                task.KeyValuePairProperty(name=name, value=value)
                for name, value in environment.items()
            ],
            secrets=[
                task.SecretProperty(name=name, value_from=f"{secret}:{key}::")
                for name, key in secrets.items()
            ],
            log_configuration=task.LogConfigurationProperty(
                log_driver="awslogs",
                options={
                    "awslogs-group": self.logs.ref,
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "app",
                },
            ),
            command=["python", "-m", "http.server", str(PORT), "--directory", "/mnt"],
        )

    def _autoscaling(self, min_count: int, max_count: int) -> None:
        target = scaling.CfnScalableTarget(
            self,
            "scaling_target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{self.cluster.ref}/{self.service.attr_name}",
            min_capacity=min_count,
            max_capacity=max_count,
        )
        policy = scaling.CfnScalingPolicy
        for word, metric, percent in (
            ("cpu", "ECSServiceAverageCPUUtilization", 60),
            ("memory", "ECSServiceAverageMemoryUtilization", 75),
        ):
            policy(
                self,
                f"scale_on_{word}",
                policy_name=self.simple(word),
                policy_type="TargetTrackingScaling",
                scaling_target_id=target.ref,
                target_tracking_scaling_policy_configuration=(
                    policy.TargetTrackingScalingPolicyConfigurationProperty(
                        target_value=percent,
                        predefined_metric_specification=(
                            policy.PredefinedMetricSpecificationProperty(
                                predefined_metric_type=metric
                            )
                        ),
                    )
                ),
            )


class Monitoring(Part):
    """The topic and the alarms that are sent to it."""

    def __init__(
        self, scope: "TapStack", database: Database, balancer: LoadBalancer, service: Service
    ) -> None:
        super().__init__(scope, "monitoring")
        self._topic = sns.CfnTopic(
            self, "topic", topic_name=self.simple("alarms"), kms_master_key_id=self.key_arn
        )
        sns.CfnTopicPolicy(
            self,
            "topic_policy",
            topics=[self._topic.ref],
            policy_document=document(
                {
                    "Sid": "AlarmsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": self._topic.ref,
                    "Condition": {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
                }
            ),
        )
        front = {"LoadBalancer": balancer.balancer.attr_load_balancer_full_name}
        targets = {**front, "TargetGroup": balancer.target_group.attr_target_group_full_name}
        tasks = {"ClusterName": service.cluster.ref, "ServiceName": service.service.attr_name}
        instance = {"DBInstanceIdentifier": database.identifier}
        total = {"statistic": "Sum", "period": 300, "evaluation_periods": 1}
        below = {"comparison_operator": "LessThanThreshold"}
        for id_, namespace, metric, dimensions, threshold, other in (
            ("http_5xx_balancer", BALANCER, "HTTPCode_ELB_5XX_Count", front, 10, total),
            ("http_5xx_targets", BALANCER, "HTTPCode_Target_5XX_Count", front, 10, total),
            (
                "unhealthy_hosts",
                BALANCER,
                "UnHealthyHostCount",
                targets,
                0,
                {"statistic": "Maximum"},
            ),
            ("service_cpu", CONTAINER, "CPUUtilization", tasks, 85, {}),
            ("service_memory", CONTAINER, "MemoryUtilization", tasks, 85, {}),
            (
                "running_tasks",
                CONTAINER,
                "CPUUtilization",
                tasks,
                self.sizes["service"]["count"],
                {"statistic": "SampleCount", "treat_missing_data": "breaching", **below},
            ),
            ("database_cpu", DATABASE, "CPUUtilization", instance, 80, {}),
            (
                "database_connections",
                DATABASE,
                "DatabaseConnections",
                instance,
                self.sizes["alarmConnections"],
                {},
            ),
            (
                "database_storage",
                DATABASE,
                "FreeStorageSpace",
                instance,
                5 * 2**30,
                {"statistic": "Minimum", **below},
            ),
        ):
            self._alarm(id_, namespace, metric, dimensions, threshold, other)

    def _alarm(
        self,
        id_: str,
        namespace: str,
        metric: str,
        dimensions: dict[str, str],
        threshold: float,
        other: dict[str, Any],
    ) -> None:
        usual = {
            "comparison_operator": "GreaterThanThreshold",
            "statistic": "Average",
            "period": 60,
            "evaluation_periods": 5,
            "treat_missing_data": "notBreaching",
        }
        cloudwatch.CfnAlarm(
            self,
            id_,
            alarm_name=self.simple(id_.replace("_", "")),
            namespace=namespace,
            metric_name=metric,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
                for name, value in dimensions.items()
            ],
            threshold=threshold,
            alarm_actions=[self._topic.ref],
            ok_actions=[self._topic.ref],
            **{**usual, **other},
        )


class TapStack(cdk.Stack):
    """One environment."""

    def __init__(self, scope: cdk.App, environment: str, suffix: str) -> None:
        tags = {
            "Project": "tap",
            "Environment": environment,
            "Suffix": suffix,
            "ManagedBy": "cdk",
            "Owner": "platform",
        }
        super().__init__(scope, f"tap-{environment}-{suffix}", tags=tags)
        self.stage = environment
        self.suffix = suffix
        self.key_arn: str | None = None
        self.key_arn = Encryption(self).key_arn
        access_logs = AccessLogs(self)
        state = State(self, access_logs)
        network = Network(self)
        security = Security(self, network)
        database = Database(self, network, security)
        balancer = LoadBalancer(self, access_logs, network, security)
        service = Service(self, network, security, database, balancer)
        if ENVIRONMENTS[environment]["alarmConnections"]:
            Monitoring(self, database, balancer, service)
        self._publish(
            {
                "network/vpc_id": network.vpc.ref,
                "network/public_subnet_ids": cdk.Fn.join(",", network.public_ids),
                "network/private_subnet_ids": cdk.Fn.join(",", network.private_ids),
                "database/address": database.address,
                "database/port": str(DATABASE_PORT),
                "database/name": "app",
                "database/secret_arn": database.secret_arn,
                "service/url": f"http://{balancer.balancer.attr_dns_name}",
                "service/load_balancer_dns_name": balancer.balancer.attr_dns_name,
                "service/cluster_name": service.cluster.ref,
                "service/service_name": service.service.attr_name,
                "service/log_group_name": service.logs.ref,
                "state/bucket": state.bucket.ref,
                "state/lock_table": state.table.ref,
            }
        )

    def _publish(self, values: dict[str, str]) -> None:
        part = Part(self, "outputs")
        for key, value in values.items():
            id_ = key.replace("/", "_")
            ssm.CfnParameter(part, id_, name=part.path(key), type="String", value=value)
            cdk.CfnOutput(part, f"{id_}_output", value=value)


def main() -> None:
    """Synthesize the environment that the process is told, or all of them."""
    wanted = os.environ["ENVIRONMENT"]
    app = cdk.App(outdir=os.environ["CDKTF_OUTDIR"], analytics_reporting=False)
    for environment in ENVIRONMENTS:
        if wanted in ("all", environment):
            TapStack(app, environment, os.environ["ENVIRONMENT_SUFFIX"])
    app.synth()


if __name__ == "__main__":
    main()
