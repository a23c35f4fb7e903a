"""All three environments, deployed: what AWS then holds is what the config says.

The tests of this module run in their order: deployed, looked at, planned again, changed, destroyed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date

import pytest

from lib.modules.ssm_outputs import Published
from ops import guard
from ops.__main__ import main
from ops.cdktf_cli import ROOT
from ops.emulator.inventory import inventory
from ops.fields.page import EFFECTS
from ops.fields.page import recorded as recorded_effects
from ops.policy import nag
from ops.policy.command import triage
from ops.policy.stack import Stack
from ops.sandbox import Sandbox
from tests.conftest import BY_NAME
from tests.e2e import calls, fields, plans
from tests.e2e.conftest import SUFFIX, opened

ANYWHERE = "0.0.0.0/0"


@pytest.fixture(scope="module", name="sandbox")
def _sandbox():
    """Everything deployed; ``before`` is what each account held until then."""
    with opened("all") as sandbox:
        before = {name: items(site) for name, site in sandbox.sites.items()}
        code = sandbox.cli("deploy")
        assert code == 0, "\n".join(sandbox.failures())
        sandbox.read_outputs()
        yield sandbox, before


@pytest.fixture(params=list(BY_NAME), name="site")
def _site(request, sandbox):
    """One environment after the other."""
    return sandbox[0].sites[request.param]


@pytest.fixture(name="client")
def _client(site):
    """boto3's client of a service, for this environment's account."""
    return site.emulator.session(site.config.region).client


def items(site):
    """All that the account holds."""
    return set(inventory(site.emulator.session(site.config.region).client))


def named(entries):
    """Resources of EC2 by the Name tag's word: ``dev-public0-e2e`` is ``public0``."""
    found = {}
    for entry in entries:
        tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
        if tags.get("Suffix") == SUFFIX:
            found[tags["Name"].split("-")[1]] = entry
    return found


def test_each_subnet_is_in_its_zone_with_its_addresses(site, client):
    ec2, network = client("ec2"), site.config.network
    subnets = named(ec2.describe_subnets()["Subnets"])
    for tier, blocks in (("public", network.public_subnets), ("private", network.private_subnets)):
        found = [subnets[f"{tier}{zone}"] for zone in range(len(network.zones))]
        assert [subnet["CidrBlock"] for subnet in found] == [str(block) for block in blocks]
        assert len({subnet["AvailabilityZone"] for subnet in found}) == len(network.zones)
        assert not any(subnet["MapPublicIpOnLaunch"] for subnet in found)


def test_each_subnet_leaves_as_the_config_says(site, client):
    ec2, config = client("ec2"), site.config
    subnets = named(ec2.describe_subnets()["Subnets"])
    ways = {}
    for table in ec2.describe_route_tables()["RouteTables"]:
        way = [
            route.get("NatGatewayId") or route.get("GatewayId")
            for route in table["Routes"]
            if route.get("DestinationCidrBlock") == ANYWHERE
        ]
        for association in table["Associations"]:
            ways[association.get("SubnetId")] = way
    nats = {
        nat["NatGatewayId"]: nat["SubnetId"]
        for nat in ec2.describe_nat_gateways()["NatGateways"]
        if nat["State"] == "available"
    }
    assert len(nats) == config.network.nat_gateways
    public = {subnets[f"public{zone}"]["SubnetId"] for zone in range(len(config.network.zones))}
    assert set(nats.values()) <= public
    for zone in range(len(config.network.zones)):
        (way,) = ways[subnets[f"public{zone}"]["SubnetId"]]
        assert way.startswith("igw-")
        private = ways[subnets[f"private{zone}"]["SubnetId"]]
        if not nats:
            assert private == []
        else:
            (way,) = private
            own = subnets[f"public{zone}"]["SubnetId"]
            assert nats[way] == own or len(nats) == 1


def test_the_open_paths_are_the_intended_ones(site, client):
    ec2, config = client("ec2"), site.config
    groups = ec2.describe_security_groups()["SecurityGroups"]
    vpc = next(iter(named(ec2.describe_vpcs()["Vpcs"]).values()))["VpcId"]
    (default,) = (g for g in groups if g["VpcId"] == vpc and g["GroupName"] == "default")
    assert default["IpPermissions"] == default["IpPermissionsEgress"] == []
    groups = [g for g in groups if g["VpcId"] == vpc and g is not default]
    ours = {group["GroupId"]: group["GroupName"].split("-")[1] for group in groups}
    paths = set()
    for group in groups:
        for direction in ("IpPermissions", "IpPermissionsEgress"):
            for rule in group[direction]:
                others = [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]
                for other in [*map(ours.get, others), *(r["CidrIp"] for r in rule["IpRanges"])]:
                    arrow = "<" if direction == "IpPermissions" else ">"
                    paths.add((ours[group["GroupId"]], arrow, other, rule.get("FromPort")))
    container, database = config.service.container_port, config.database.port
    assert paths == {
        ("alb", "<", ANYWHERE, 80),
        ("alb", ">", "service", container),
        ("service", "<", "alb", container),
        ("service", ">", "database", database),
        ("service", ">", ANYWHERE, 443),
        ("database", "<", "service", database),
    }


def test_the_database_is_the_config_s(site, client):
    (found,) = client("rds").describe_db_instances()["DBInstances"]
    config = site.config.database
    assert found["Engine"] == "postgres"
    assert found["EngineVersion"].split(".")[0] == config.engine_version
    assert found["DBInstanceClass"] == config.instance_class
    assert found["AllocatedStorage"] == config.storage_gib
    assert found["MaxAllocatedStorage"] == config.max_storage_gib
    assert found["BackupRetentionPeriod"] == config.backup_days
    assert found["MultiAZ"] is config.multi_az
    assert found["DeletionProtection"] is config.deletion_protection
    assert found["StorageEncrypted"] is True
    assert found["PubliclyAccessible"] is False
    assert found["StorageType"] == "gp3"
    assert found["PerformanceInsightsEnabled"] is config.performance_insights
    assert set(found["EnabledCloudwatchLogsExports"]) == set(config.log_exports)
    secret = client("secretsmanager").describe_secret(
        SecretId=found["MasterUserSecret"]["SecretArn"]
    )
    assert secret["ARN"] == site.outputs["database_secret_arn"]


def test_the_service_is_where_and_what_the_config_says(site, client):
    ecs, config = client("ecs"), site.config.service
    (service,) = ecs.describe_services(
        cluster=site.outputs["service_cluster_name"],
        services=[site.outputs["service_service_name"]],
    )["services"]
    assert service["desiredCount"] == config.desired_count
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    expected = site.outputs[f"network_{config.subnets}_subnet_ids"].split(",")
    assert set(network["subnets"]) == set(expected)
    assert network["assignPublicIp"] == ("ENABLED" if config.subnets == "public" else "DISABLED")
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert (task["cpu"], task["memory"]) == (str(config.cpu_units), str(config.memory_mib))
    (container,) = task["containerDefinitions"]
    environment = {entry["name"]: entry["value"] for entry in container["environment"]}
    assert environment["PGHOST"] == site.outputs["database_address"]
    assert environment["DB_SECRET_ARN"] == site.outputs["database_secret_arn"]
    assert {secret["valueFrom"] for secret in container["secrets"]} == {
        f"{site.outputs['database_secret_arn']}:{key}::" for key in ("username", "password")
    }


def test_the_load_balancer_leads_to_the_service(site, client):
    elb, config = client("elbv2"), site.config
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert balancer["DNSName"] == site.outputs["service_load_balancer_dns_name"]
    zones = {zone["SubnetId"] for zone in balancer["AvailabilityZones"]}
    assert zones == set(site.outputs["network_public_subnet_ids"].split(","))
    arn = balancer["LoadBalancerArn"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    (action,) = listener["DefaultActions"]
    (group,) = elb.describe_target_groups()["TargetGroups"]
    assert (listener["Port"], action["Type"]) == (80, "forward")
    assert action["TargetGroupArn"] == group["TargetGroupArn"]
    assert group["Port"] == config.service.container_port
    assert group["HealthCheckPath"] == config.service.health_check.path
    assert group["VpcId"] == site.outputs["network_vpc_id"]


def test_access_is_logged(site, client):
    s3, elb = client("s3"), client("elbv2")
    suffix = f"{site.config.region}-accesslogs-{SUFFIX}"
    bucket = f"{site.name}-{suffix}"
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    attributes = {
        each["Key"]: each["Value"]
        for each in elb.describe_load_balancer_attributes(
            LoadBalancerArn=balancer["LoadBalancerArn"]
        )["Attributes"]
    }
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == bucket
    logging = s3.get_bucket_logging(Bucket=site.outputs["state_bucket"])["LoggingEnabled"]
    assert (logging["TargetBucket"], logging["TargetPrefix"]) == (bucket, "state/")
    events = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert events["EventBridgeConfiguration"] == {}


def test_the_environment_s_key_encrypts_what_the_config_says(site, client):
    aliases = {a["AliasName"]: a["TargetKeyId"] for a in client("kms").list_aliases()["Aliases"]}
    key = aliases.get(f"alias/{site.name}-key-{SUFFIX}")
    assert bool(key) is site.config.encryption.customer_key
    groups = client("logs").describe_log_groups()["logGroups"]
    for group in groups:
        assert group.get("kmsKeyId", "").rpartition("/")[2] == (key or ""), group["logGroupName"]


def test_the_firewall_stands_before_the_load_balancer(site, client):
    (balancer,) = client("elbv2").describe_load_balancers()["LoadBalancers"]
    found = client("wafv2").get_web_acl_for_resource(ResourceArn=balancer["LoadBalancerArn"])
    assert ("WebACL" in found) is (site.config.load_balancer.waf is not None)
    if "WebACL" in found:
        arn = found["WebACL"]["ARN"]
        logging = client("wafv2").get_logging_configuration(ResourceArn=arn)
        (group,) = logging["LoggingConfiguration"]["LogDestinationConfigs"]
        assert f":aws-waf-logs-{site.name}-waf-{SUFFIX}" in group


def test_the_alarms_are_there_and_tell_somebody(site, client):
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    own = [alarm for alarm in alarms if "TargetTracking" not in alarm["AlarmName"]]
    assert len(own) == (9 if site.config.alarms else 0)
    topics = {topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]}
    for alarm in own:
        assert set(alarm["AlarmActions"]) == topics


def test_the_parameters_have_the_outputs_values(site, client):
    path = f"/tap/{site.name}/{SUFFIX}/"
    pages = (
        client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    )
    found = {entry["Name"]: entry["Value"] for page in pages for entry in page["Parameters"]}
    assert found == {
        f"{path}{published}": site.outputs[published.replace("/", "_")] for published in Published
    }
    assert found[f"{path}{Published.VPC_ID}"].startswith("vpc-")


def test_everything_taggable_carries_the_tags(site):
    """Of what Terraform says can be tagged, everything has the five tags."""
    expected = {
        "Project": "tap",
        "Environment": site.name,
        "Suffix": SUFFIX,
        "ManagedBy": "cdktf",
        "Owner": site.config.owner,
    }
    state = json.loads(site.state.read_text(encoding="utf-8"))
    taggable = [
        (f"{resource['type']}.{resource['name']}", instance["attributes"]["tags_all"])
        for resource in state["resources"]
        for instance in resource["instances"]
        if resource["mode"] == "managed" and "tags_all" in instance["attributes"]
    ]
    assert len(taggable) > 30
    for address, tags in taggable:
        assert expected.items() <= (tags or {}).items(), address


def test_the_state_knows_everything_that_was_made(site, sandbox):
    made = items(site) - sandbox[1][site.name]
    state = site.state.read_text(encoding="utf-8")
    missing = [item for item in made if not item.by_aws and f'"{item.id}"' not in state]
    assert not missing


def terraform(sandbox: Sandbox, site, *arguments):
    """Terraform itself, in a site's folder."""
    return subprocess.run(
        ["terraform", *arguments],
        cwd=site.stack_folder,
        env=sandbox.environ(site),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_second_plan_changes_nothing(sandbox):
    assert sandbox[0].cli("diff") == 0
    for site in sandbox[0].sites.values():
        assert "found no differences" in site.log.read_text(encoding="utf-8"), site.name


def test_a_second_opinion_on_the_plan_has_its_waivers(sandbox, site):
    """tf-nag's, on the plan of what is deployed: of what isn't, it knows little."""
    opened_sandbox, _ = sandbox
    planned = terraform(opened_sandbox, site, "plan", "-input=false", "-out=nagged")
    assert planned.returncode == 0, planned.stderr
    shown = terraform(opened_sandbox, site, "show", "-json", "nagged")
    plan = site.folder / "plan.json"
    plan.write_text(shown.stdout, encoding="utf-8")
    document = json.loads((site.stack_folder / "cdk.tf.json").read_text(encoding="utf-8"))
    found = nag.findings(plan)
    assert found, "it looked at nothing"
    stack = Stack(site.name, site.config.production, document)
    assert not list(triage(stack, found, date.today(), of_plans=True))


def test_what_changing_each_field_does_is_recorded(sandbox):
    opened_sandbox, _ = sandbox
    found = fields.effects(opened_sandbox, opened_sandbox.sites)
    if os.environ.get("TAP_WRITE_FIELDS"):
        EFFECTS.write_text(f"{json.dumps(found, indent=1)}\n", encoding="utf-8")
    assert recorded_effects() == found, "make fields writes it anew"


def gone(plan):
    """What the guard refuses, by type."""
    return {(danger.name, danger.verb) for danger in guard.judged(plan).refused}


def test_the_guard_s_recorded_plans_are_what_terraform_makes(sandbox):
    opened_sandbox, _ = sandbox
    write = bool(os.environ.get("TAP_WRITE_PLANS"))
    names = plans.CASES if write else ("nothing", "network", "renamed", "moved")
    made = plans.made(opened_sandbox, opened_sandbox.sites["staging"], names)
    made |= plans.first(opened_sandbox)
    if write:
        plans.write(made)
    for name, plan in made.items():
        recorded = guard.read(plans.FOLDER / f"{name}.json")
        assert gone(recorded) == gone(plan), f"{name}: make plans writes it anew"


@pytest.fixture(name="ops")
def _ops(sandbox, monkeypatch):
    """Runs commands of ops as the pipeline does, for staging on its emulator."""
    opened_sandbox, _ = sandbox
    site = opened_sandbox.sites["staging"]
    told = {"ENVIRONMENT": "staging", "ENVIRONMENT_SUFFIX": SUFFIX, "STATE_BACKEND": "local"}
    for name, value in (opened_sandbox.environ(site) | told).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ops.plan.OUTPUT", site.folder / "cdktf.out")
    return lambda *words: main(list(words))


def test_drift_is_seen_and_a_plan_that_was_left_is_applied(sandbox, ops, capfd):
    site = sandbox[0].sites["staging"]
    logs = site.emulator.session(site.config.region).client("logs")
    group = site.outputs["service_log_group_name"]
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert ops("plan", "--drift") == 1
    assert "drift: tap-staging-e2e: AWS is not as planned" in capfd.readouterr().out
    assert ops("plan") == 0
    assert "fine, 1 change: nothing that the guard looks at is lost" in capfd.readouterr().out
    assert ops("apply") == 0
    assert ops("plan", "--drift") == 0
    (found,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found["retentionInDays"] == site.config.service.log_retention_days


CHANGES = {  # in dev: a change of config, as sed would make it, and what it may touch
    "task count": (r"desired_count=1\b", "desired_count=2", {"aws_ecs_service"}),
    "instance class": ("db.t3.micro", "db.t3.small", {"aws_db_instance"}),
    "backup retention": (r"backup_days=1\b", "backup_days=2", {"aws_db_instance"}),
    "log retention": (
        r"log_retention_days=7\b",
        "log_retention_days=14",
        {"aws_cloudwatch_log_group"},
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_of_size_is_made_in_place(sandbox, tmp_path, change):
    pattern, replacement, touched = change
    opened_sandbox, _ = sandbox
    site = opened_sandbox.sites["dev"]
    app = changed_app(tmp_path, pattern, replacement)
    opened_sandbox.synth(site, app)
    planned = terraform(opened_sandbox, site, "plan", "-input=false", "-out=changed")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(terraform(opened_sandbox, site, "show", "-json", "changed").stdout)
    actions = {
        (entry["type"], tuple(entry["change"]["actions"]))
        for entry in plan["resource_changes"]
        if entry["change"]["actions"] != ["no-op"] and entry["mode"] == "managed"
    }
    assert actions == {(type_, ("update",)) for type_ in touched}


def test_a_database_is_never_replaced(sandbox, tmp_path):
    """The new one would be made first, and its name is taken: the old one stays, and its data."""
    opened_sandbox, _ = sandbox
    site = opened_sandbox.sites["dev"]
    rds = site.emulator.session(site.config.region).client("rds")
    (before,) = rds.describe_db_instances()["DBInstances"]
    app = changed_app(tmp_path, "app_admin", "other_admin")
    opened_sandbox.synth(site, app)
    applied = terraform(opened_sandbox, site, "apply", "-input=false", "-auto-approve")
    assert applied.returncode == 1
    assert "DBInstanceAlreadyExists" in applied.stderr
    (after,) = rds.describe_db_instances()["DBInstances"]
    # To this point it can be restored: to another one at each look.
    for look in (before, after):
        look.pop("LatestRestorableTime")
    assert after == before
    opened_sandbox.synth(site)
    planned = terraform(opened_sandbox, site, "plan", "-detailed-exitcode", "-input=false")
    assert planned.returncode == 0, planned.stdout


def changed_app(folder, pattern, replacement):
    """A copy of the application with one change of its config; the command that runs it."""
    shutil.copy(ROOT / "tap.py", folder)
    shutil.copytree(ROOT / "lib", folder / "lib")
    config = folder / "lib" / "config" / "environment_config.py"
    text, count = re.subn(pattern, replacement, config.read_text(encoding="utf-8"))
    assert count
    config.write_text(text, encoding="utf-8")
    return f"'{sys.executable}' '{folder / 'tap.py'}'"


def test_destroy_leaves_nothing(sandbox):
    """Production refuses; what is destroyed here has its protections taken off before."""
    opened_sandbox, before = sandbox
    production = opened_sandbox.sites["prod"]
    refused = terraform(opened_sandbox, production, "plan", "-destroy", "-input=false")
    assert "Instance cannot be destroyed" in refused.stderr
    opened_sandbox.synth(opened_sandbox.sites["dev"])
    unprotected = ROOT / "tests" / "e2e" / "unprotected.py"
    opened_sandbox.synth(production, f"'{sys.executable}' '{unprotected}'")
    assert opened_sandbox.cli("deploy") == 0, "\n".join(opened_sandbox.failures())
    assert opened_sandbox.cli("destroy") == 0, "\n".join(opened_sandbox.failures())
    for name, site in opened_sandbox.sites.items():
        # What AWS makes by itself, such as its own keys, nobody can delete; a service that is
        # rolled back runs an older task definition, which Terraform leaves alone.
        left = {item for item in items(site) - before[name] if not item.by_aws and not item.family}
        kept = 1 if site.config.database.final_snapshot else 0
        assert len([item for item in left if item.type == "snapshot"]) == kept
        assert len(left) == kept, left


def test_the_policy_of_preflight_allows_all_that_terraform_called(site):
    """From the first call to the last, over all tests of this module."""
    assert {"ec2:DeleteVpc", "s3:GetBucketPolicy"} <= calls.by_terraform(site.emulator.log)
    assert not calls.unallowed(site)
