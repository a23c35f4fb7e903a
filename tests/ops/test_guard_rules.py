"""What the guard refuses of changes in place, and what it lets pass: a row each."""

import json

import pytest

from ops import guard
from ops.catalogue import TYPES
from ops.catalogue.record import Nothing
from tests.e2e import plans

ANYWHERE = "0.0.0.0/0"
ARN = "arn:aws:iam::111122223333"


def policy(*statements, **single):
    """A policy's document."""
    statement = list(statements) or [{"Effect": "Allow", **single}]
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def trust(condition=None, **principal):
    """A role's, of one principal."""
    rest = {"Condition": condition} if condition else {}
    return policy(Principal=principal, Action="sts:AssumeRole", **rest)


def grants(action, resource="arn:aws:s3:::team/*", **rest):
    """An identity's, of one action."""
    return {"policy": policy(Action=action, Resource=resource, **rest)}


def rule(network=ANYWHERE, first=443, last=None, **rest):
    """What a rule of a security group has."""
    named = "cidr_ipv6" if ":" in network else "cidr_ipv4"
    ports = {"from_port": first, "to_port": last or first, "ip_protocol": "tcp"}
    return {named: network, "security_group_id": "sg-1", **ports, **rest}


def lifecycle(days, part="expiration", name="days"):
    """A bucket's, of one rule beside another that stays."""
    other = {"id": "logs", "expiration": [{"days": 1}]}
    return {"rule": [{"id": "old", part: [{name: days}]}, other]}


def parameters(**named):
    """A parameter group's."""
    listed = [{"name": name.replace("__", "."), "value": value} for name, value in named.items()]
    return {"parameter": listed}


def filter_(*names, action="block", limit=None):
    """A web ACL's rules."""
    statement = [{"rate_based_statement": [{"limit": limit}]}] if limit else []
    actions = [{each: [{}] if each == action else [] for each in ("block", "count")}]
    return {
        "rule": [
            {"name": name, "priority": place, "action": actions, "statement": statement}
            for place, name in enumerate(names)
        ]
    }


DENY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "arn:aws:s3:::team",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
LOGS = {
    "Effect": "Allow",
    "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::team/*",
}
ACCOUNT = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
ECS = "ecs-tasks.amazonaws.com"
TLS = "ELBSecurityPolicy-"

# Type, before, after (None where there is nothing), and a word of what is lost or opened.
WORSE = [
    ("aws_db_instance", {"backup_retention_period": 7}, {"backup_retention_period": 0}, "backups"),
    ("aws_db_instance", {"backup_retention_period": 7}, {"backup_retention_period": 5}, "backups"),
    ("aws_db_instance", {"deletion_protection": True}, {"deletion_protection": False}, "deletion"),
    ("aws_db_instance", {"skip_final_snapshot": False}, {"skip_final_snapshot": True}, "snapshot"),
    ("aws_db_instance", {"publicly_accessible": False}, {"publicly_accessible": True}, "internet"),
    ("aws_db_instance", None, {"publicly_accessible": True}, "internet"),
    ("aws_db_instance", {"storage_encrypted": True}, {"storage_encrypted": False}, "copy"),
    ("aws_db_instance", {"multi_az": True}, {"multi_az": False}, "standby"),
    ("aws_db_instance", {"identifier": "a"}, {"identifier": "b"}, "address"),
    ("aws_db_instance", {"auto_minor_version_upgrade": True}, {}, "security fixes"),
    ("aws_db_instance", {"iam_database_authentication_enabled": True}, {}, "login"),
    ("aws_db_instance", {"max_allocated_storage": 500}, {"max_allocated_storage": 0}, "room"),
    ("aws_db_instance", {"performance_insights_enabled": True}, {}, "statements"),
    ("aws_db_instance", {"monitoring_interval": 60}, {"monitoring_interval": 0}, "measurements"),
    (
        "aws_db_instance",
        {"enabled_cloudwatch_logs_exports": ["postgresql", "upgrade"]},
        {"enabled_cloudwatch_logs_exports": ["postgresql"]},
        "log",
    ),
    (
        "aws_db_instance",
        {"engine_version": "14", "apply_immediately": True},
        {"engine_version": "17.9", "apply_immediately": True},
        "way back",
    ),
    ("aws_db_parameter_group", parameters(rds__force_ssl="1"), parameters(a="1"), "without TLS"),
    (
        "aws_db_parameter_group",
        parameters(pgaudit__log="ddl,role"),
        parameters(pgaudit__log="none"),
        "who changed what",
    ),
    ("aws_db_parameter_group", parameters(log_connections="1"), parameters(), "who connected"),
    ("aws_cloudwatch_log_group", {"retention_in_days": 0}, {"retention_in_days": 365}, "older"),
    ("aws_cloudwatch_log_group", {}, {"retention_in_days": 365}, "older"),
    ("aws_cloudwatch_log_group", {"kms_key_id": "k"}, {"kms_key_id": ""}, "key"),
    ("aws_s3_bucket", {"force_destroy": False}, {"force_destroy": True}, "protection"),
    ("aws_s3_bucket_lifecycle_configuration", lifecycle(365), lifecycle(30), "older"),
    ("aws_s3_bucket_lifecycle_configuration", {"rule": []}, lifecycle(30), "older"),
    (
        "aws_s3_bucket_lifecycle_configuration",
        lifecycle(90, "noncurrent_version_expiration", "noncurrent_days"),
        lifecycle(1, "noncurrent_version_expiration", "noncurrent_days"),
        "versions",
    ),
    (
        "aws_s3_bucket_public_access_block",
        {"restrict_public_buckets": True},
        {"restrict_public_buckets": False},
        "whomever",
    ),
    ("aws_s3_bucket_public_access_block", {"bucket": "b"}, None, "public"),
    (
        "aws_s3_bucket_policy",
        {"policy": policy(DENY)},
        {"policy": policy(DENY, {**LOGS, "Principal": "*"})},
        "bucket",
    ),
    ("aws_s3_bucket_policy", None, {"policy": policy(Principal="*", Action="s3:*")}, "bucket"),
    ("aws_s3_bucket_policy", {"policy": policy(DENY, LOGS)}, {"policy": policy(LOGS)}, "refused"),
    ("aws_s3_bucket_policy", {"policy": policy(DENY)}, {"policy": "${nothing}"}, "refused"),
    (
        "aws_s3_bucket_ownership_controls",
        {"rule": [{"object_ownership": "BucketOwnerEnforced"}]},
        {"rule": [{"object_ownership": "ObjectWriter"}]},
        "ACL",
    ),
    (
        "aws_s3_bucket_server_side_encryption_configuration",
        {"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms"}]}]},
        {"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "AES256"}]}]},
        "key of your own",
    ),
    ("aws_s3_bucket_notification", {"eventbridge": True}, {"eventbridge": False}, "events"),
    ("aws_s3_bucket_logging", {"target_bucket": "a"}, None, "record"),
    ("aws_dynamodb_table", {"deletion_protection_enabled": True}, {}, "deletion"),
    ("aws_dynamodb_table", {"point_in_time_recovery": [{"enabled": True}]}, {}, "backups"),
    ("aws_dynamodb_table", {"server_side_encryption": [{"enabled": True}]}, {}, "encryption"),
    ("aws_dynamodb_table", {}, {"ttl": [{"enabled": True}]}, "item"),
    ("aws_kms_key", {"enable_key_rotation": True}, {"enable_key_rotation": False}, "rotation"),
    ("aws_kms_key", {"deletion_window_in_days": 30}, {"deletion_window_in_days": 7}, "days"),
    (
        "aws_kms_key",
        {"policy": policy(Principal={"AWS": f"{ARN}:root"}, Action="kms:*")},
        {"policy": policy(Principal={"AWS": "*"}, Action="kms:*")},
        "encrypts",
    ),
    ("aws_kms_alias", {"target_key_id": "a"}, {"target_key_id": "b"}, "key"),
    ("aws_kms_alias", {"name": "a"}, None, "name"),
    ("aws_lb", {"access_logs": [{"enabled": True}]}, {"access_logs": []}, "record"),
    ("aws_lb", {"drop_invalid_header_fields": True}, {}, "forged"),
    ("aws_lb", {"subnets": ["a", "b", "c"]}, {"subnets": ["a", "b"]}, "zone"),
    ("aws_lb_listener", {"protocol": "HTTPS"}, {"protocol": "HTTP"}, "protocol"),
    (
        "aws_lb_listener",
        {"ssl_policy": f"{TLS}TLS13-1-2-2021-06"},
        {"ssl_policy": f"{TLS}TLS13-1-0-2021-06"},
        "out of date",
    ),
    (
        "aws_lb_listener",
        {"ssl_policy": f"{TLS}FS-1-2-2019-08"},
        {"ssl_policy": f"{TLS}2016-08"},
        "TLS",
    ),
    (
        "aws_lb_listener",
        {"default_action": [{"type": "redirect"}]},
        {"default_action": [{"type": "forward"}]},
        "plain HTTP",
    ),
    ("aws_lb_listener_rule", {"priority": 1}, None, "paths"),
    ("aws_ecs_service", {"desired_count": 1}, {"desired_count": 0}, "last task"),
    (
        "aws_ecs_service",
        {"deployment_circuit_breaker": [{"enable": True, "rollback": True}]},
        {"deployment_circuit_breaker": [{"enable": True, "rollback": False}]},
        "way back",
    ),
    (
        "aws_ecs_service",
        {"deployment_minimum_healthy_percent": 100},
        {"deployment_minimum_healthy_percent": 0},
        "serve",
    ),
    (
        "aws_ecs_service",
        {"enable_execute_command": False},
        {"enable_execute_command": True},
        "shell",
    ),
    (
        "aws_ecs_service",
        {"network_configuration": [{"assign_public_ip": False}]},
        {"network_configuration": [{"assign_public_ip": True}]},
        "address",
    ),
    (
        "aws_ecs_cluster",
        {"setting": [{"name": "containerInsights", "value": "enabled"}]},
        {"setting": [{"name": "containerInsights", "value": "disabled"}]},
        "measurements",
    ),
    ("aws_appautoscaling_target", {"min_capacity": 2}, {"min_capacity": 0}, "last task"),
    ("aws_appautoscaling_target", {"min_capacity": 2}, None, "scaling"),
    ("aws_cloudwatch_metric_alarm", {"actions_enabled": True}, {"actions_enabled": False}, "voice"),
    ("aws_cloudwatch_metric_alarm", {"alarm_actions": ["t"]}, {"alarm_actions": []}, "told"),
    ("aws_sns_topic", {"kms_master_key_id": "k"}, {}, "key"),
    (
        "aws_sns_topic_policy",
        {"policy": policy(LOGS)},
        {"policy": policy(LOGS, {**LOGS, "Principal": {"AWS": "444455556666"}})},
        "topic",
    ),
    ("aws_ssm_parameter", {"value": "a"}, {"value": "b"}, "look up"),
    (
        "aws_secretsmanager_secret",
        {"recovery_window_in_days": 30},
        {"recovery_window_in_days": 0},
        "days",
    ),
    ("aws_route53_record", {"alias": [{"name": "a"}]}, {"alias": [{"name": "b"}]}, "name"),
    ("aws_route53_zone", {"force_destroy": False}, {"force_destroy": True}, "zone"),
    (
        "aws_ecr_repository",
        {"image_tag_mutability": "IMMUTABLE"},
        {"image_tag_mutability": "MUTABLE"},
        "tag",
    ),
    ("aws_vpc_security_group_ingress_rule", None, rule(first=22), "lets in"),
    ("aws_vpc_security_group_ingress_rule", None, rule(), "lets in"),
    ("aws_vpc_security_group_ingress_rule", None, rule("::/0", 5432), "lets in"),
    ("aws_vpc_security_group_ingress_rule", None, rule("0.0.0.0/1", 5432), "lets in"),
    ("aws_vpc_security_group_ingress_rule", rule("192.0.2.0/24"), rule(), "lets in"),
    ("aws_vpc_security_group_ingress_rule", rule("192.0.2.0/24"), rule("192.0.0.0/16"), "lets in"),
    ("aws_vpc_security_group_ingress_rule", rule(), rule(first=0, last=65535), "lets in"),
    ("aws_vpc_security_group_egress_rule", rule(), rule(ip_protocol="-1"), "lets out"),
    ("aws_vpc_security_group_egress_rule", rule("10.0.0.0/16"), rule(), "lets out"),
    ("aws_vpc_security_group_egress_rule", None, rule(first=25), "lets out"),
    (
        "aws_security_group",
        {"ingress": []},
        {
            "ingress": [
                {"cidr_blocks": [ANYWHERE], "from_port": 22, "to_port": 22, "protocol": "tcp"}
            ]
        },
        "lets in",
    ),
    ("aws_route", {"nat_gateway_id": "nat-1"}, {"gateway_id": "igw-1"}, "way"),
    ("aws_route", {"nat_gateway_id": "nat-1"}, None, "way"),
    (
        "aws_subnet",
        {"map_public_ip_on_launch": False},
        {"map_public_ip_on_launch": True},
        "address",
    ),
    ("aws_vpc", {"enable_dns_support": True}, {"enable_dns_support": False}, "name"),
    (
        "aws_vpc_endpoint",
        {"route_table_ids": ["a", "b"]},
        {"route_table_ids": ["a"]},
        "private way",
    ),
    ("aws_flow_log", {"traffic_type": "ALL"}, None, "who talks"),
    ("aws_wafv2_web_acl", {"name": "a"}, None, "filter"),
    ("aws_wafv2_web_acl_association", {"web_acl_arn": "a"}, None, "filter"),
    ("aws_wafv2_web_acl", filter_("a", "b"), filter_("a"), "blocked"),
    ("aws_wafv2_web_acl", filter_("a"), filter_("a", action="count"), "blocked"),
    ("aws_wafv2_web_acl", filter_("a", limit=2000), filter_("a", limit=9000), "requests"),
    ("aws_iam_role_policy", None, grants("*", "*"), "single actions"),
    ("aws_iam_role_policy", grants("s3:GetObject"), grants("s3:*"), "single actions"),
    ("aws_iam_role_policy", grants("s3:GetObject"), grants("s3:GetObject", "*"), "single actions"),
    (
        "aws_iam_role_policy",
        grants("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:a"),
        grants("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:*"),
        "single actions",
    ),
    ("aws_iam_role_policy", grants("s3:GetObject"), {"policy": '["*"]'}, "single actions"),
    ("aws_iam_policy", None, {"policy": policy(NotAction="iam:*", Resource="*")}, "single actions"),
    (
        "aws_iam_role_policy_attachment",
        None,
        {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        "single actions",
    ),
    (
        "aws_iam_role",
        {"assume_role_policy": trust(Service=ECS)},
        {"assume_role_policy": trust(AWS=f"{ARN}:root")},
        "role",
    ),
    (
        "aws_iam_role",
        {"assume_role_policy": trust(ACCOUNT, Service=ECS)},
        {"assume_role_policy": trust(Service=ECS)},
        "any account",
    ),
    ("aws_iam_role", None, {"assume_role_policy": trust(AWS="*")}, "everybody"),
    ("aws_iam_role", {"permissions_boundary": f"{ARN}:policy/b"}, {}, "boundary"),
]

# Better, or neither better nor worse.
FINE = [
    ("aws_db_instance", {"backup_retention_period": 7}, {"backup_retention_period": 14}),
    ("aws_db_instance", {"backup_retention_period": 0}, {"backup_retention_period": 1}),
    ("aws_db_instance", {"deletion_protection": False}, {"deletion_protection": True}),
    ("aws_db_instance", {"skip_final_snapshot": True}, {"skip_final_snapshot": False}),
    ("aws_db_instance", {"publicly_accessible": True}, {"publicly_accessible": False}),
    ("aws_db_instance", None, {"publicly_accessible": False, "skip_final_snapshot": True}),
    ("aws_db_instance", {"multi_az": False}, {"multi_az": True}),
    ("aws_db_instance", {"instance_class": "db.t3.medium"}, {"instance_class": "db.m6g.large"}),
    ("aws_db_instance", {"instance_class": "db.m6g.large"}, {"instance_class": "db.t3.medium"}),
    ("aws_db_instance", {"engine_version": "17.4"}, {"engine_version": "17.9"}),
    ("aws_db_instance", {"allocated_storage": 50}, {"allocated_storage": 100}),
    ("aws_db_instance", {"max_allocated_storage": 500}, {"max_allocated_storage": 300}),
    ("aws_db_instance", {"maintenance_window": "a"}, {"maintenance_window": "b"}),
    ("aws_db_instance", {"port": 5432}, {"port": 5433}),
    ("aws_db_instance", {"monitoring_interval": 60}, {"monitoring_interval": 30}),
    ("aws_db_instance", {"tags": {"Owner": "a"}}, {"tags": {"Owner": "b"}}),
    (
        "aws_db_instance",
        {"enabled_cloudwatch_logs_exports": ["upgrade"]},
        {"enabled_cloudwatch_logs_exports": ["postgresql", "upgrade"]},
    ),
    ("aws_db_parameter_group", parameters(rds__force_ssl="0"), parameters(rds__force_ssl="1")),
    ("aws_db_parameter_group", parameters(work_mem="1"), parameters(work_mem="2")),
    (
        "aws_db_parameter_group",
        parameters(pgaudit__log="ddl"),
        parameters(pgaudit__log="ddl,role,write"),
    ),
    ("aws_cloudwatch_log_group", {"retention_in_days": 1}, {"retention_in_days": 365}),
    ("aws_cloudwatch_log_group", {"retention_in_days": 365}, {"retention_in_days": 0}),
    ("aws_cloudwatch_log_group", None, {"retention_in_days": 1}),
    ("aws_s3_bucket", {"force_destroy": True}, {"force_destroy": False}),
    ("aws_s3_bucket_lifecycle_configuration", lifecycle(30), lifecycle(365)),
    ("aws_s3_bucket_lifecycle_configuration", lifecycle(30), {"rule": []}),
    ("aws_s3_bucket_lifecycle_configuration", lifecycle(30), None),
    (
        "aws_s3_bucket_versioning",
        {"versioning_configuration": [{"status": "Suspended"}]},
        {"versioning_configuration": [{"status": "Enabled"}]},
    ),
    (
        "aws_s3_bucket_public_access_block",
        {"block_public_acls": False},
        {"block_public_acls": True},
    ),
    ("aws_s3_bucket_policy", {"policy": policy(LOGS)}, {"policy": policy(DENY, LOGS)}),
    ("aws_s3_bucket_policy", {"policy": policy(DENY, LOGS)}, {"policy": policy(DENY)}),
    ("aws_s3_bucket_policy", None, {"policy": policy(DENY, LOGS)}),
    (
        "aws_dynamodb_table",
        {"deletion_protection_enabled": False},
        {"deletion_protection_enabled": True},
    ),
    ("aws_dynamodb_table", {}, {"point_in_time_recovery": [{"enabled": True}]}),
    ("aws_kms_key", {"deletion_window_in_days": 7}, {"deletion_window_in_days": 30}),
    ("aws_kms_key", {"is_enabled": False}, {"is_enabled": True}),
    ("aws_kms_key", None, {"policy": policy(Principal={"AWS": f"{ARN}:root"}, Action="kms:*")}),
    ("aws_lb", {"enable_deletion_protection": False}, {"enable_deletion_protection": True}),
    ("aws_lb", {"idle_timeout": 60}, {"idle_timeout": 90}),
    ("aws_lb", {"subnets": ["a", "b"]}, {"subnets": ["a", "b", "c"]}),
    ("aws_lb_listener", {"certificate_arn": "a"}, {"certificate_arn": "b"}),
    (
        "aws_lb_listener",
        {"ssl_policy": f"{TLS}TLS13-1-2-2021-06"},
        {"ssl_policy": f"{TLS}TLS13-1-3-2021-06"},
    ),
    (
        "aws_lb_listener",
        {"default_action": [{"type": "forward"}]},
        {"default_action": [{"type": "redirect"}]},
    ),
    ("aws_lb_target_group", {"deregistration_delay": "30"}, {"deregistration_delay": "60"}),
    ("aws_ecs_service", {"desired_count": 3}, {"desired_count": 1}),
    ("aws_ecs_service", {"desired_count": 0}, {"desired_count": 2}),
    ("aws_ecs_service", {"task_definition": "app:1"}, {"task_definition": "app:2"}),
    ("aws_ecs_service", None, {"network_configuration": [{"assign_public_ip": True}]}),
    (
        "aws_ecs_cluster",
        {"setting": [{"name": "containerInsights", "value": "enabled"}]},
        {"setting": [{"name": "containerInsights", "value": "enhanced"}]},
    ),
    ("aws_appautoscaling_target", {"min_capacity": 3}, {"min_capacity": 2}),
    ("aws_appautoscaling_target", {"max_capacity": 9}, {"max_capacity": 6}),
    ("aws_cloudwatch_metric_alarm", None, {"alarm_actions": ["t"]}),
    ("aws_cloudwatch_metric_alarm", {"threshold": 10}, {"threshold": 20}),
    ("aws_cloudwatch_metric_alarm", {"alarm_actions": ["t"]}, {"alarm_actions": ["t", "u"]}),
    ("aws_sns_topic", {}, {"kms_master_key_id": "k"}),
    ("aws_ssm_parameter", None, {"value": "a"}),
    ("aws_ssm_parameter", {"value": "a", "tier": "Standard"}, {"value": "a", "tier": "Advanced"}),
    ("aws_secretsmanager_secret", {"recovery_window_in_days": 7}, {"recovery_window_in_days": 30}),
    ("aws_route53_record", {"ttl": 60}, {"ttl": 300}),
    ("aws_vpc_security_group_ingress_rule", None, rule("192.0.2.0/24")),
    ("aws_vpc_security_group_ingress_rule", None, rule("10.0.0.0/8", 5432)),
    ("aws_vpc_security_group_ingress_rule", rule(), rule("192.0.2.0/24")),
    ("aws_vpc_security_group_ingress_rule", rule(first=0, last=65535), rule()),
    ("aws_vpc_security_group_ingress_rule", rule(), None),
    (
        "aws_vpc_security_group_ingress_rule",
        {"referenced_security_group_id": "sg-2", "from_port": 8080, "to_port": 8080},
        {"referenced_security_group_id": "sg-2", "from_port": 9090, "to_port": 9090},
    ),
    ("aws_vpc_security_group_egress_rule", rule(ip_protocol="-1"), rule()),
    ("aws_route", {"nat_gateway_id": "nat-1"}, {"nat_gateway_id": "nat-2"}),
    ("aws_subnet", {"tags": {}}, {"tags": {"a": "b"}}),
    ("aws_wafv2_web_acl", filter_("a"), filter_("a", "b")),
    ("aws_wafv2_web_acl", filter_("a", action="count"), filter_("a")),
    ("aws_wafv2_web_acl", filter_("a", limit=2000), filter_("a", limit=1000)),
    ("aws_iam_role_policy", grants("s3:GetObject"), grants(["s3:GetObject", "s3:PutObject"])),
    ("aws_iam_role_policy", None, grants("ecr:GetAuthorizationToken", "*")),
    ("aws_iam_role_policy", None, grants("logs:PutLogEvents", "${aws_log.arn}:*")),
    ("aws_iam_role_policy", None, grants("ec2:RunInstances", "*", Condition=ACCOUNT)),
    ("aws_iam_role_policy", grants("s3:*"), grants("s3:GetObject")),
    (
        "aws_iam_role_policy_attachment",
        None,
        {"policy_arn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"},
    ),
    ("aws_iam_role", None, {"assume_role_policy": trust(Service=ECS)}),
    (
        "aws_iam_role",
        {"assume_role_policy": trust(Service=ECS)},
        {"assume_role_policy": trust(ACCOUNT, Service=ECS)},
    ),
    ("aws_iam_role", {}, {"permissions_boundary": f"{ARN}:policy/b"}),
]


def plan(type_, before, after, *, unknown=None, expressions=None, others=()):
    """A plan of one change, and of what stands beside it."""
    actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
    change = {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}}
    entry = {"address": f"{type_}.x", "mode": "managed", "type": type_, "change": change}
    resources = (
        [] if expressions is None else [{"address": f"{type_}.x", "expressions": expressions}]
    )
    return {
        "format_version": "1.2",
        "planned_values": {},
        "configuration": {"root_module": {"resources": resources}},
        "resource_changes": [entry, *others],
    }


def refused(*args, **kwargs):
    """What is refused of such a plan."""
    return guard.judged(plan(*args, **kwargs)).refused


@pytest.mark.parametrize(("type_", "before", "after", "word"), WORSE)
def test_what_gets_worse_is_refused_by_name(type_, before, after, word):
    verdict = guard.judged(plan(type_, before, after))
    assert any(word in danger.loss for danger in verdict.refused), verdict
    names = [danger.name for danger in verdict.refused]
    assert not guard.judged(plan(type_, before, after), names).refused


@pytest.mark.parametrize(("type_", "before", "after"), FINE)
def test_what_is_better_or_neutral_passes(type_, before, after):
    assert not refused(type_, before, after)


def test_there_are_enough_of_both():
    assert len(WORSE) >= 60 and len(FINE) >= 60


# Plans that passed until now, each with a word of what it loses or opens.
PASSED = {
    "db-create-then-forget-create-forget": "the database",
    "lb-create-forget": "address",
    "kms-alias-replace-name-people-use": "name",
    "public-access-block-of-the-state-bucket-deleted": "public",
    "tls-only-policy-of-the-state-bucket-deleted": "TLS",
    "private-route-nat-deleted": "way",
    "flow-log-alarms-deleted": "alarm",
    "backups-7-0-days-rds-deletes-the-automated-backups": "automated backups",
    "log-group-retention-365-1-older-lines-deleted": "log lines",
    "state-bucket-lifecycle-noncurrent-90-1": "versions",
    "state-bucket-versioning-enabled-suspended": "versions",
    "kms-key-disabled": "encrypts",
    "lock-table-pitr-off": "backups",
    "db-identifier-renamed-endpoint-changes": "address",
    "listener-port-443-8443": "port",
    "route53-record-to-another-target": "name",
    "service-to-0-tasks": "last task",
    "db-deletion-protection-off": "deletion",
    "lb-deletion-protection-off": "deletion",
    "sg-rule-to-the-database-from-0-0-0-0-0-create": "lets in",
    "public-access-block-off-in-place": "whomever",
    "task-role-gets": "single actions",
    "multi-az-off": "standby",
    "rds-parameter-rds-force-ssl-0": "without TLS",
}


def test_each_plan_that_passed_has_its_word():
    assert {file.stem for file in plans.FOLDER.glob("worse/*.json")} == set(PASSED)


@pytest.mark.parametrize(("name", "word"), PASSED.items())
def test_a_plan_that_passed_is_refused_by_name(name, word):
    verdict = guard.judged(guard.read(plans.FOLDER / "worse" / f"{name}.json"))
    assert len(verdict.refused) == verdict.changes
    assert any(word in danger.loss for danger in verdict.refused)


def test_every_type_of_every_environment_has_every_column(stack):
    for type_ in stack.document["resource"]:
        record = TYPES[type_]
        for column in (record.lost, record.worse, record.interrupts, record.refused):
            assert column, f"{type_} has an empty column: say why"
            assert not isinstance(column, Nothing) or len(column.because.split()) > 2


def test_every_page_is_aws_s():
    pages = [
        each.page for record in TYPES.values() for each in (*record.interruptions, *record.refusals)
    ]
    assert pages
    for page in pages:
        assert page.startswith(("https://docs.aws.amazon.com/", "https://repost.aws/")), page


# --- values that the plan doesn't know yet ----------------------------------------------------

NEW = {
    "address": "aws_kms_key.new",
    "type": "aws_kms_key",
    "change": {"actions": ["create"], "before": None, "after": {}},
}
CHANGED = NEW | {"change": {"actions": ["delete", "create"], "before": {}, "after": {}}}
CHANGED["address"] = "aws_lb.old"
CHANGED["type"] = "aws_lb"


def to(address, attribute="arn"):
    """An expression as Terraform tells it."""
    return {"constant_value": f"${{{address}.{attribute}}}", "references": [address]}


def test_a_watched_value_that_is_not_known_is_refused():
    """Where the code says where it comes from, and where nothing does."""
    unknown = {"backup_retention_period": True}
    before, after = {"backup_retention_period": 7}, {}
    for expressions in (None, {"backup_retention_period": {"references": ["var.days"]}}):
        (danger,) = refused(
            "aws_db_instance", before, after, unknown=unknown, expressions=expressions
        )
        assert "from 7 to what nobody can read" in danger.causes[0]


def test_what_the_provider_decides_is_not_judged():
    unknown = {"backup_retention_period": True}
    assert not refused(
        "aws_db_instance", {"backup_retention_period": 7}, {}, unknown=unknown, expressions={}
    )


@pytest.mark.parametrize(("other", "count"), [(CHANGED, 0), (NEW, 1)])
def test_a_value_that_follows_a_replacement_is_its_affair_and_of_a_new_thing_is_not(other, count):
    expressions = {"value": to(other["address"])}
    arguments = ("aws_ssm_parameter", {"value": "a"}, {})
    found = guard.judged(
        plan(*arguments, unknown={"value": True}, expressions=expressions, others=[other])
    )
    mine = [danger for danger in found.refused if danger.attribute]
    assert len(mine) == count


def test_a_policy_that_is_not_known_is_read_as_it_is_written():
    """With references to what isn't there yet, in it: Terraform knows none of it."""
    template = json.loads(grants("s3:GetObject", "${aws_kms_key.new.arn}/*")["policy"])
    unknown = {"policy": True}
    for action, count in (("s3:GetObject", 0), ("s3:*", 1)):
        template["Statement"][0]["Action"] = action
        written = {"constant_value": json.dumps(template), "references": ["aws_kms_key.new"]}
        found = refused(
            "aws_iam_role_policy",
            grants("s3:GetObject"),
            {},
            unknown=unknown,
            expressions={"policy": written},
            others=[NEW],
        )
        assert len(found) == count


def test_a_key_that_is_new_is_no_key_that_is_off():
    expressions = {"kms_key_id": to("aws_kms_key.new")}
    unknown = {"kms_key_id": True}
    before = {"kms_key_id": "old"}
    assert not refused(
        "aws_cloudwatch_log_group",
        before,
        {},
        unknown=unknown,
        expressions=expressions,
        others=[NEW],
    )


# --- networks ---------------------------------------------------------------------------------

GROUP = {
    "address": "aws_security_group.g",
    "type": "aws_security_group",
    "change": {"actions": ["create"], "before": None, "after": {}},
}
RULE = "aws_vpc_security_group_ingress_rule"


@pytest.mark.parametrize(("port", "count"), [(443, 0), (22, 1)])
def test_a_new_group_may_let_the_internet_in_by_the_ports_of_the_web(port, count):
    expressions = {"security_group_id": to("aws_security_group.g", "id"), "cidr_ipv4": {}}
    after = {name: value for name, value in rule(first=port).items() if name != "security_group_id"}
    unknown = {"security_group_id": True}
    found = refused(RULE, None, after, unknown=unknown, expressions=expressions, others=[GROUP])
    assert len(found) == count


@pytest.mark.parametrize(("group", "count"), [("sg-1", 0), ("sg-2", 1)])
def test_a_second_port_of_the_web_may_where_the_first_is_open(group, count):
    before = rule(first=80, security_group_id=group)
    change = {"actions": ["no-op"], "before": before, "after": before}
    sibling = {"address": f"{RULE}.other", "type": RULE, "change": change}
    assert len(refused(RULE, None, rule(), others=[sibling])) == count


# --- parts, replacements, and what AWS refuses ------------------------------------------------


def gone(type_, **before):
    """A deletion."""
    change = {"actions": ["delete"], "before": before, "after": None}
    return {"address": f"{type_}.y", "type": type_, "change": change}


def test_of_what_goes_with_its_whole_the_whole_is_told():
    bucket = gone("aws_s3_bucket", id="logs")
    found = refused("aws_s3_bucket_public_access_block", {"bucket": "logs"}, None, others=[bucket])
    assert [danger.address for danger in found] == ["aws_s3_bucket.y"]
    other = gone("aws_s3_bucket", id="another")
    found = refused("aws_s3_bucket_public_access_block", {"bucket": "logs"}, None, others=[other])
    assert len(found) == 2


def replaced(type_, *paths, **entry):
    """What is made anew because of these arguments."""
    made = plan(type_, {}, {})
    made["resource_changes"][0]["change"] |= {
        "actions": ["delete", "create"],
        "replace_paths": [[path] for path in paths],
    }
    made["resource_changes"][0] |= entry
    return guard.judged(made).refused


def test_a_rotated_secret_loses_nothing_while_the_secret_stays():
    """secret_string_wo_version makes the version anew, not the secret."""
    version = "aws_secretsmanager_secret_version"
    assert not replaced(version, "secret_string_wo_version")
    assert replaced(version, "secret_string_wo_version", "secret_id")
    assert replaced(version)
    assert refused(version, {"secret_id": "a"}, None)


@pytest.mark.parametrize(
    "type_",
    ["aws_flow_log", "aws_cloudwatch_metric_alarm", "aws_route", "aws_s3_bucket_policy"],
)
def test_some_things_may_be_made_anew_and_not_deleted(type_):
    assert not replaced(type_)
    assert refused(type_, {}, None)


def test_a_tainted_service_says_what_to_do():
    (danger,) = replaced("aws_ecs_service", action_reason="replace_because_tainted")
    assert any("pipenv run state recover" in cause for cause in danger.causes)


REFUSED = [
    ({"allocated_storage": 100}, {"allocated_storage": 50}, "smaller"),
    ({"engine_version": "17"}, {"engine_version": "14"}, "no way back"),
    ({"engine_version": "14"}, {"engine_version": "17"}, "apply_immediately=True"),
    (
        {"performance_insights_kms_key_id": "a"},
        {"performance_insights_kms_key_id": "b"},
        "keep the one that it has",
    ),
]


@pytest.mark.parametrize(("before", "after", "word"), REFUSED)
def test_what_aws_would_refuse_is_refused_whatever_is_allowed(before, after, word):
    allow = [f"aws_db_instance.x.{name}" for name in after]
    verdict = guard.judged(plan("aws_db_instance", before, after), allow)
    (danger,) = verdict.refused
    assert danger.aws and word in danger.causes[0] and "https://" in danger.causes[0]
    assert "--allow aws" not in str(verdict).splitlines()[-1]


INTERRUPTS = [
    ({"instance_class": "a"}, {"instance_class": "b"}, "1 to 2 minutes with Multi-AZ"),
    ({"engine_version": "14"}, {"engine_version": "17"}, "away, with Multi-AZ too"),
    ({"multi_az": False}, {"multi_az": True}, "stays up"),
    ({"allocated_storage": 50}, {"allocated_storage": 100}, "six hours"),
    ({"port": 5432}, {"port": 5433}, "another port"),
    ({"identifier": "a"}, {"identifier": "b"}, "another address"),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("before", "after", "word"), INTERRUPTS)
def test_what_interrupts_the_database_is_told_with_the_time(before, after, word, at_once):
    rest = {"apply_immediately": at_once, "maintenance_window": "sun:04:30-sun:05:30"}
    told = str(guard.judged(plan("aws_db_instance", before, {**after, **rest})))
    (line,) = [line for line in told.splitlines() if line.startswith("  meanwhile: ")]
    assert word in line and "https://" in line
    always = {"port", "allocated_storage"} & set(after)
    when = "at once" if at_once or always else "in the maintenance window sun:04:30-sun:05:30"
    assert when in line


# --- what it says of what it looked at --------------------------------------------------------


def test_what_has_no_record_is_named_as_not_looked_at():
    for before in (None, {"size": 2}):
        text = str(guard.judged(plan("aws_neptune_cluster", before, {"size": 1})))
        assert "not looked at: aws_neptune_cluster.x" in text


def test_it_says_what_it_looked_at():
    text = str(guard.judged(plan("aws_lb", {"idle_timeout": 1}, {"idle_timeout": 2})))
    assert f"aws_lb {len(TYPES['aws_lb'].watched)}" in text
    text = str(guard.judged(plan("aws_iam_role", None, {"name": "a"})))
    assert "looked at what is made, at what it opens: aws_iam_role" in text


def test_what_is_opened_comes_first():
    opened = plan(RULE, None, rule(first=22))["resource_changes"]
    found = refused("aws_db_instance", {"multi_az": True}, {}, others=opened)
    assert [danger.exposes for danger in found] == [True, False]


def test_a_deletion_is_not_allowed_with_a_change_nor_a_change_with_a_deletion():
    both = plan("aws_db_instance", {"multi_az": True, "backup_retention_period": 7}, {})
    for allow in ("aws_db_instance.x", "aws_db_instance.x.multi_az"):
        assert guard.judged(both, [allow]).refused
    assert not guard.judged(
        both, ["aws_db_instance.x.multi_az aws_db_instance.x.backup_retention_period"]
    ).refused
    deleted = plan("aws_db_instance", {"multi_az": True}, None)
    assert guard.judged(deleted, ["aws_db_instance.x.multi_az"]).refused


def test_what_is_sensitive_is_not_shown():
    secret = plan("aws_ssm_parameter", {"value": "correct"}, {"value": "horse"})
    secret["resource_changes"][0]["change"]["after_sensitive"] = {"value": True}
    text = str(guard.judged(secret))
    assert "value changes" in text and "correct" not in text and "horse" not in text
