"""Break the code in one place, and see the tests fail that should.

Each fault is one replacement in a copy of the project; the tests that are named have to fail in
it, and by a failing test, not by an error on the way to it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ["tap.py", "lib", "ops", "policy", "tests", "pyproject.toml"]
MODULES, UNIT, OPS = "lib/modules/", "tests/unit/", "tests/ops/"
RULES = "tests/rules/test_rules.py"


class Fault(NamedTuple):
    """``old`` becomes ``new`` in ``file``; ``caught_by`` has to fail."""

    file: str
    old: str
    new: str
    caught_by: str


FAULTS = {
    "database open to the internet": Fault(
        MODULES + "security_groups.py",
        "referenced_security_group_id=source.id",
        "cidr_ipv4=ANYWHERE",
        UNIT + "test_security_groups.py",
    ),
    "database public": Fault(
        MODULES + "rds_module.py",
        "publicly_accessible=False",
        "publicly_accessible=True",
        UNIT + "test_database.py",
    ),
    "a role beyond the permissions boundary": Fault(
        MODULES + "iam.py",
        "permissions_boundary=account.permissions_boundary_arn",
        "permissions_boundary=None",
        UNIT + "test_service.py",
    ),
    "public access block off": Fault(
        MODULES + "private_bucket.py",
        "block_public_policy=True",
        "block_public_policy=False",
        UNIT + "test_state_backend.py",
    ),
    "public addresses for tasks of production": Fault(
        MODULES + "ecs_module.py",
        "assign_public_ip=public",
        "assign_public_ip=True",
        UNIT + "test_service.py",
    ),
    "private route to the internet gateway": Fault(
        MODULES + "vpc_module.py",
        "nat_gateway_id=nat.id",
        "gateway_id=gateway.id",
        UNIT + "test_network.py",
    ),
    "Multi-AZ ignored": Fault(
        MODULES + "rds_module.py",
        "multi_az=config.multi_az",
        "multi_az=False",
        UNIT + "test_database.py",
    ),
    "Multi-AZ off in production": Fault(
        "lib/config/environment_config.py",
        "multi_az=True",
        "multi_az=False",
        "tests/template/test_shipped.py",
    ),
    "password in the code": Fault(
        MODULES + "rds_module.py",
        "password_wo=password,",
        'password="correct-horse",',
        UNIT + "test_database.py",
    ),
    "password not ephemeral": Fault(
        MODULES + "rds_module.py",
        'variable.add_override("ephemeral", True)',
        "",
        UNIT + "test_database.py",
    ),
    "role not assumed": Fault(
        MODULES + "provider.py",
        "assume_role=[AwsProviderAssumeRole(role_arn=role)] if role else None",
        "assume_role=None",
        UNIT + "test_provider.py",
    ),
    "snake_case dict in a list": Fault(
        MODULES + "alb_module.py",
        'LbListenerDefaultAction(type="forward", target_group_arn=target_group.arn)',
        '{"type": "forward", "target_group_arn": target_group.arn}',
        UNIT + "test_load_balancer.py",
    ),
    "service before its listener": Fault(
        MODULES + "ecs_module.py",
        "                load_balancer.listener,\n",
        "",
        UNIT + "test_service.py",
    ),
    "rolled-back deploy passes": Fault(
        MODULES + "ecs_module.py",
        'TerraformSelf.get_string("task_definition"), task.arn',
        "task.arn, task.arn",
        UNIT + "test_service.py",
    ),
    "renamed construct id": Fault(
        MODULES + "rds_module.py",
        '            "subnets",\n',
        '            "subnet_group",\n',
        "tests/snapshots/test_snapshots.py::test_addresses",
    ),
    "overlapping networks": Fault(
        "lib/config/environment_config.py",
        'cidr="10.1.0.0/16"',
        'cidr="10.0.128.0/17"',
        RULES,
    ),
    "overlap not looked for": Fault(
        "lib/config/validation.py",
        "    problems += _across(entries)\n",
        "",
        UNIT + "test_validation.py",
    ),
    "names not shortened": Fault(
        MODULES + "naming.py",
        "if len(whole) <= limit:",
        "if whole:",
        UNIT + "test_naming.py",
    ),
    "one NAT gateway where three are meant": Fault(
        "lib/config/environment_config.py",
        "NatMode.PER_AZ: len(self.zones)}",
        "NatMode.PER_AZ: 1}",
        UNIT + "test_network.py",
    ),
    "wildcard in the execution role": Fault(
        MODULES + "ecs_module.py",
        'allow("secretsmanager:GetSecretValue", on=database.secret_arn)',
        'allow("secretsmanager:GetSecretValue", on="*")',
        UNIT + "test_service.py",
    ),
    "passwords in the database's log": Fault(
        MODULES + "rds_module.py",
        '"log_statement": "none"',
        '"log_statement": "ddl"',
        UNIT + "test_database.py",
    ),
    "a log group without the key": Fault(
        MODULES + "log_group.py",
        "kms_key_id=encryption.key_arn",
        "kms_key_id=None",
        UNIT + "test_encryption.py",
    ),
    "a load balancer's log that it may not write": Fault(
        MODULES + "log_bucket.py",
        '"logdelivery.elasticloadbalancing.amazonaws.com"',
        '"elasticloadbalancing.amazonaws.com"',
        UNIT + "test_log_bucket.py",
    ),
    "a firewall that only counts": Fault(
        MODULES + "waf.py",
        "Wafv2WebAclRuleOverrideAction(none=Wafv2WebAclRuleOverrideActionNone())",
        "Wafv2WebAclRuleOverrideAction(count=Wafv2WebAclRuleOverrideActionCount())",
        UNIT + "test_waf.py",
    ),
    "a waiver whatever the config": Fault(
        MODULES + "waivers.py",
        "for check in checks if when else ():",
        "for check in checks:",
        UNIT + "test_waivers.py",
    ),
    "TLS not forced": Fault(
        MODULES + "rds_module.py",
        '"rds.force_ssl": "1"',
        '"rds.force_ssl": "0"',
        UNIT + "test_database.py",
    ),
    "guard forgets the database": Fault(
        "ops/catalogue/rds.py",
        'name="aws_db_instance",\n    lost=Lost("the database, but for its snapshots"),',
        'name="aws_db_instance",\n    lost=Nothing("it comes back by itself"),',
        OPS + "test_guard.py",
    ),
    "guard lets everything go once one may": Fault(
        "ops/guard.py",
        "not danger.aws and danger.name in allowed for",
        "bool(allowed) for",
        OPS + "test_guard.py",
    ),
    "guard lets backups go": Fault(
        "ops/catalogue/rds.py",
        '        Lowered("backup_retention_period", "the automated backups that are older"),\n',
        "",
        OPS + "test_guard_rules.py",
    ),
    "database open to the internet, by the rules": Fault(
        MODULES + "security_groups.py",
        "referenced_security_group_id=source.id",
        "cidr_ipv4=ANYWHERE",
        RULES,
    ),
    "public database, by the rules": Fault(
        MODULES + "rds_module.py",
        "publicly_accessible=False",
        "publicly_accessible=True",
        RULES,
    ),
    "public access block off, by the rules": Fault(
        MODULES + "private_bucket.py",
        "block_public_policy=True",
        "block_public_policy=False",
        RULES,
    ),
    "a name that two copies share, by the rules": Fault(
        "lib/modules/alb_module.py",
        'name = naming.generate_simple_name("alb", limit=aws_limits.ALB_NAME_MAX)',
        'name = "alb"',
        RULES,
    ),
    "clock in the output": Fault(
        MODULES + "naming.py",
        "import hashlib\n",
        "import hashlib\nimport time\n",
        UNIT + "test_architecture.py",
    ),
}


def run_changed(folder, file, old, new, tests):
    """Copy the project to ``folder``, make one change, run some of its tests."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)  # compiled, and as old as it was
        else:
            shutil.copy2(source, folder / name)
    changed = folder / file
    text = changed.read_text()
    assert text.count(old) == 1, "the change has to hit one place: has the code moved on?"
    changed.write_text(text.replace(old, new))

    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_turns_the_suite_red(tmp_path, fault):
    done = run_changed(tmp_path, fault.file, fault.old, fault.new, [fault.caught_by])
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"FAILED {fault.caught_by.partition('::')[0]}" in done.stdout


FOURTH = """ENVIRONMENTS: tuple[EnvironmentConfig, ...] = (
    EnvironmentConfig(
        name="qa",
        region="eu-west-1",
        network=NetworkConfig(cidr="10.3.0.0/16", nat=NatMode.SINGLE),
        database=DatabaseConfig(
            engine_version="16", instance_class="db.t4g.small", multi_az=False, backup_days=2
        ),
        service=ServiceConfig(
            cpu_units=256, memory_mib=1024, desired_count=1, subnets=SubnetTier.PRIVATE
        ),
        load_balancer=LoadBalancerConfig(),
        state=StateConfig(),
        alarms=AlarmsConfig(),
    ),
"""


def test_a_fourth_environment_is_one_entry_and_nothing_else(tmp_path):
    """The rules cover it at once; only what is made from the config is to be made anew."""
    done = run_changed(
        tmp_path,
        "lib/config/environment_config.py",
        "ENVIRONMENTS: tuple[EnvironmentConfig, ...] = (\n",
        FOURTH,
        [RULES],
    )
    assert done.returncode == 0, done.stdout + done.stderr
