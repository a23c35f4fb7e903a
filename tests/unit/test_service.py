"""The Fargate service: its task, its rights, its network, and how a deploy goes wrong safely."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from lib.config.environment_config import (
    AutoscalingConfig,
    CpuArchitecture,
    ServiceConfig,
    SubnetTier,
)
from lib.config.validation import TASK_DEFINITION_REST_BYTES, TASK_VARIABLES
from tests.conftest import BY_NAME
from tests.synthesized import SUFFIX

BOUNDED = "permissions_boundary"
PRIVATE_IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/shop"


def test_the_task_is_a_fargate_task(stack):
    task = stack.at("service/task_definition")
    assert task["requires_compatibilities"] == ["FARGATE"]
    assert task["network_mode"] == "awsvpc"
    assert task["runtime_platform"] == {
        "cpu_architecture": "X86_64",
        "operating_system_family": "LINUX",
    }
    assert task["cpu"] == str(stack.config.service.cpu_units)
    assert task["memory"] == str(stack.config.service.memory_mib)
    assert stack.at("service/service")["desired_count"] == stack.config.service.desired_count


def test_the_architecture_is_the_config_s(synthesize):
    stack = synthesize("dev", service={"cpu_architecture": CpuArchitecture.ARM64})
    platform = stack.at("service/task_definition")["runtime_platform"]
    assert platform["cpu_architecture"] == "ARM64"


def test_the_container_is_the_config_s(stack):
    config, container = stack.config.service, stack.container()
    assert container["image"] == config.image
    assert container["command"] == list(config.container_command)
    assert container["portMappings"] == [
        {"containerPort": config.container_port, "protocol": "tcp"}
    ]
    assert container["essential"] is True


def test_the_container_is_locked_down(stack):
    container = stack.container()
    assert container["user"] not in ("0", "root")
    assert container["readonlyRootFilesystem"] is True
    assert not container.get("privileged")
    assert container["linuxParameters"] == {"initProcessEnabled": True}


def test_an_image_of_one_s_own_keeps_its_own_command(synthesize):
    service = {"image": "docker.io/library/nginx:1.27"}
    assert "command" not in synthesize("dev", service=service).container()
    given = synthesize("dev", service={**service, "command": ("nginx",)}).container()
    assert given["command"] == ["nginx"]


def test_the_default_image_serves_on_the_container_s_port(synthesize):
    container = synthesize("dev", service={"container_port": 9000}).container()
    assert container["command"][:4] == ["python", "-m", "http.server", "9000"]
    given = synthesize("dev", service={"command": ("sleep", "9")}).container()
    assert given["command"] == ["sleep", "9"]


def test_the_database_is_told_to_the_container(stack):
    database = stack.at("database/instance")
    secret_arn = f"${{{database.address}.master_user_secret[0].secret_arn}}"
    assert stack.container_environment() == {
        "PGHOST": database.ref("address"),
        "PGPORT": str(stack.config.database.port),
        "PGDATABASE": stack.config.database.database_name,
        "PGSSLMODE": "require",
        "DB_SECRET_ARN": secret_arn,
    }
    assert stack.container()["secrets"] == [
        {"name": "PGUSER", "valueFrom": f"{secret_arn}:username::"},
        {"name": "PGPASSWORD", "valueFrom": f"{secret_arn}:password::"},
    ]


def test_config_may_not_set_what_the_container_gets_anyway(synthesize):
    stack = synthesize("dev", service={"database_ca_file": "/rds.pem"})
    secrets = {secret["name"] for secret in stack.container()["secrets"]}
    assert {*stack.container_environment(), *secrets} == TASK_VARIABLES


def test_the_server_is_checked_where_the_image_has_aws_s_certificates(synthesize):
    file = "/etc/ssl/rds/global-bundle.pem"
    found = synthesize("dev", service={"database_ca_file": file}).container_environment()
    assert (found["PGSSLMODE"], found["PGSSLROOTCERT"]) == ("verify-full", file)


def test_the_team_s_environment_arrives_to_the_letter(synthesize):
    environment = {"GREETING": 'a "b" ${c} %{d} \\e', "A": "1"}
    command = ("sh", "-c", "echo ${HOME}")
    stack = synthesize("dev", service={"environment": environment, "command": command})
    found = stack.container_environment()
    # Terraform reads $${ as ${ and %%{ as %{.
    assert found["GREETING"] == 'a "b" $${c} %%{d} \\e'
    assert found["A"] == "1"
    assert stack.container()["command"][2] == "echo $${HOME}"


def test_logs_go_to_a_group_that_forgets(stack):
    group = stack.at("service/log_group")
    assert group["retention_in_days"] == stack.config.service.log_retention_days
    assert stack.container()["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": group.ref("name"),
            "awslogs-region": stack.config.region,
            "awslogs-stream-prefix": "app",
            # A log that is in the way must not stop the program.
            "mode": "non-blocking",
            "max-buffer-size": "25m",
        },
    }


class TestRights:
    """The execution role starts tasks, the task role is the program's: the least for each."""

    def test_the_execution_role_reads_one_secret_and_writes_one_log_group(self, stack):
        secret = stack.container_environment()["DB_SECRET_ARN"]
        logs = stack.at("service/log_group").ref("arn")
        assert stack.at("service/execution_policy").policy() == [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"{logs}:*",
            },
            {
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": secret,
            },
        ]

    def test_the_program_may_read_its_secret_and_nothing_else(self, stack):
        (statement,) = stack.at("service/task_policy").policy()
        assert statement["Action"] == ["secretsmanager:GetSecretValue"]
        assert statement["Resource"] == stack.container_environment()["DB_SECRET_ARN"]

    def test_the_task_has_both_roles(self, stack):
        task = stack.at("service/task_definition")
        assert task["execution_role_arn"] == stack.at("service/execution_role").ref("arn")
        assert task["task_role_arn"] == stack.at("service/task_role").ref("arn")
        for word in ("execution", "task"):
            role = stack.at(f"service/{word}_role")
            assert stack.at(f"service/{word}_policy")["role"] == role.ref("id")

    @pytest.mark.parametrize("reference", [":1.2", "@sha256:" + "0" * 64, ""])
    def test_a_private_image_adds_the_right_to_pull_just_that(self, synthesize, reference):
        stack = synthesize("dev", service={"image": PRIVATE_IMAGE + reference})
        pull, login = stack.at("service/execution_policy").policy()[2:]
        partition = stack.at("provider/partition").ref("partition")
        assert pull["Resource"] == (
            f"arn:{partition}:ecr:eu-west-1:123456789012:repository/team/shop"
        )
        assert login["Action"] == ["ecr:GetAuthorizationToken"]

    @pytest.mark.parametrize(
        ("host", "region"),
        [
            ("dkr.ecr.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
            ("dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
            ("dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
            ("dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ],
    )
    def test_each_of_ecr_s_hosts_is_known(self, synthesize, host, region):
        image = f"123456789012.{host}/team/shop:1"
        stack = synthesize("dev", region=region, service={"image": image})
        pull, _ = stack.at("service/execution_policy").policy()[2:]
        assert pull["Resource"].endswith(f":ecr:{region}:123456789012:repository/team/shop")
        assert pull["Action"] == [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ]

    @pytest.mark.parametrize(
        "image",
        [
            "ghcr.io/123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.io/shop:1",
            "public.ecr.aws/docker/library/python:3",
            "not an image",
        ],
    )
    def test_no_other_host_gets_a_right(self, synthesize, image):
        stack = synthesize("dev", service={"image": image})
        assert "ecr:" not in str(stack.at("service/execution_policy").policy())

    def test_a_pull_through_cache_may_fetch_the_image_and_make_its_repository(self, synthesize):
        cached = {"image": PRIVATE_IMAGE + ":1", "pull_through_cache": True}
        pull, _ = synthesize("dev", service=cached).at("service/execution_policy").policy()[2:]
        assert {"ecr:BatchImportUpstreamImage", "ecr:CreateRepository"} < set(pull["Action"])
        assert pull["Resource"].endswith(":123456789012:repository/team/shop")

    def test_no_role_of_the_stack_has_a_wildcard(self, synthesize):
        # Of ECR's actions, GetAuthorizationToken alone knows no resource.
        stack = synthesize("prod", service={"image": PRIVATE_IMAGE})
        for policy in stack.all("aws_iam_role_policy"):
            for statement in policy.policy():
                assert not [action for action in statement["Action"] if "*" in action]
                if statement["Action"] != ["ecr:GetAuthorizationToken"]:
                    assert "*" not in str(statement["Resource"]).replace("}:*", "")

    def test_services_take_roles_for_this_account_alone(self, stack):
        account = stack.at("provider/caller").ref("account_id")
        for role in stack.all("aws_iam_role"):
            (statement,) = role.policy("assume_role_policy")
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}

    def test_every_role_keeps_to_the_permissions_boundary(self, stack, synthesize):
        """Of every environment, with every role that there can be."""
        assert not [role.path for role in stack.all("aws_iam_role") if role.get(BOUNDED)]
        policy = "arn:aws:iam::123456789012:policy/boundary"
        bounded = synthesize(
            stack.config.name,
            permissions_boundary_arn=policy,
            network={"flow_logs": True},
            database={"monitoring_interval_seconds": 60},
        )
        assert {
            role.path: role.get(BOUNDED) for role in bounded.all("aws_iam_role")
        } == dict.fromkeys(
            [
                *("network/flow_log_role", "database/monitoring_role"),
                *("service/execution_role", "service/task_role"),
            ],
            policy,
        )

    def test_roles_of_two_regions_do_not_share_a_name(self, shipped, synthesize):
        names = [
            {role["name"] for role in stack.all("aws_iam_role")}
            for stack in (shipped("prod"), synthesize("prod", region="eu-west-1"))
        ]
        assert not names[0] & names[1]


class TestNetwork:
    """Where tasks run."""

    def test_tasks_run_in_the_tier_of_the_config(self, stack):
        network = stack.at("service/service")["network_configuration"]
        tier = stack.config.service.subnets
        assert network["assign_public_ip"] is (tier is SubnetTier.PUBLIC)
        assert network["security_groups"] == [stack.at("security/service").ref("id")]
        assert network["subnets"] == [
            stack.at(f"network/{tier}{zone}").ref("id") for zone in range(3)
        ]

    def test_no_task_of_production_has_a_public_address(self, shipped):
        network = shipped("prod").at("service/service")["network_configuration"]
        assert network["assign_public_ip"] is False


class TestDeploySafety:
    """What a failing or slow deploy may not do."""

    def test_old_tasks_stay_until_new_ones_serve(self, stack):
        service = stack.at("service/service")
        assert service["deployment_minimum_healthy_percent"] == 100
        assert service["deployment_maximum_percent"] == 200
        assert service["deployment_circuit_breaker"] == {"enable": True, "rollback": True}
        assert service["wait_for_steady_state"] is True

    def test_a_rolled_back_deploy_fails(self, stack):
        (check,) = stack.at("service/service")["lifecycle"]["postcondition"]
        task = stack.at("service/task_definition")
        assert check["condition"] == f"${{(self.task_definition == {task.address}.arn)}}"
        assert "rolled the deploy back" in check["error_message"]

    def test_the_old_task_definition_stays_to_roll_back_to(self, stack):
        task = stack.at("service/task_definition")
        assert task["lifecycle"]["create_before_destroy"] is True
        assert task["skip_destroy"] is True

    def test_what_a_task_needs_is_there_before_the_service(self, stack):
        needed = stack.at("service/service")["depends_on"]
        assert stack.at("load_balancer/http").address in needed
        assert stack.at("service/execution_policy").address in needed
        assert stack.at("security/service_to_internet").address in needed
        assert stack.at("security/service_to_database_in").address in needed
        for route in stack.all("aws_route"):
            assert route.address in needed

    def test_the_service_joins_the_target_group(self, stack):
        service = stack.at("service/service")
        assert service["load_balancer"] == [
            {
                "target_group_arn": stack.at("load_balancer/target_group").ref("arn"),
                "container_name": stack.container()["name"],
                "container_port": stack.config.service.container_port,
            }
        ]
        assert service["cluster"] == stack.at("service/cluster").ref("arn")
        assert service["task_definition"] == stack.at("service/task_definition").ref("arn")
        assert service["launch_type"] == "FARGATE"
        assert service["health_check_grace_period_seconds"] == 60

    def test_nobody_gets_a_shell_in_a_container(self, stack):
        assert stack.at("service/service")["enable_execute_command"] is False


class TestAutoscaling:
    """Target tracking, where config asks for it."""

    def test_the_count_is_left_to_autoscaling_where_there_is_any(self, stack):
        scaled = stack.config.service.autoscaling is not None
        ignored = stack.at("service/service")["lifecycle"].get("ignore_changes")
        assert ignored == (["desired_count"] if scaled else None)
        assert stack.has("service/scaling_target") is scaled

    def test_it_follows_cpu_and_memory(self, synthesize):
        scaling = AutoscalingConfig(
            min_count=2, max_count=5, cpu_target_percent=40, memory_target_percent=50
        )
        stack = synthesize("dev", service={"autoscaling": scaling, "desired_count": 2})
        target = stack.at("service/scaling_target")
        assert (target["min_capacity"], target["max_capacity"]) == (2, 5)
        cluster, service = stack.at("service/cluster"), stack.at("service/service")
        assert target["resource_id"] == f"service/{cluster.ref('name')}/{service.ref('name')}"
        followed = {}
        for policy in stack.all("aws_appautoscaling_policy"):
            tracking = policy["target_tracking_scaling_policy_configuration"]
            metric = tracking["predefined_metric_specification"]["predefined_metric_type"]
            followed[metric] = tracking["target_value"]
            assert policy["policy_type"] == "TargetTrackingScaling"
            assert policy["resource_id"] == target.ref("resource_id")
        assert followed == {
            "ECSServiceAverageCPUUtilization": 40,
            "ECSServiceAverageMemoryUtilization": 50,
        }


def test_container_insights_are_the_config_s(stack):
    expected = "enabled" if stack.config.service.container_insights else "disabled"
    setting = {"name": "containerInsights", "value": expected}
    assert stack.at("service/cluster")["setting"] == [setting]


def test_names_carry_environment_and_suffix(stack):
    env = stack.config.name
    for path, word in (("cluster", "cluster"), ("service", "service")):
        assert stack.at(f"service/{path}")["name"] == f"{env}-{word}-{SUFFIX}"
    assert stack.at("service/log_group")["name"] == f"/tap/{env}/{SUFFIX}/service"
    assert stack.at("service/task_definition")["family"] == f"{env}-task-{SUFFIX}"


@pytest.mark.parametrize("name", list(BY_NAME))
def test_the_default_command_answers_the_health_check(name, tmp_path):
    """The image is Python's own, so this Python runs its command as the container would."""
    service: ServiceConfig = BY_NAME[name].service
    assert service.image.partition(":")[0].endswith("/library/python")
    command = service.container_command
    assert command is not None and command[0] == "python"
    assert str(service.container_port) in command
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [port if word == str(service.container_port) else word for word in command[1:]]
    url = f"http://127.0.0.1:{port}{service.health_check.path}"
    with subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert str(_status(url)) == service.health_check.matcher
        finally:
            server.terminate()
    assert not list(tmp_path.iterdir()), "it writes, and the root file system is read-only"


def _status(url: str) -> int:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status
        except urllib.error.URLError:
            assert time.monotonic() < deadline, f"nothing answers at {url}"
            time.sleep(0.05)


def test_the_rest_of_a_task_definition_is_within_what_is_kept_for_it(stack):
    """Twice as long as here, since ARNs are longer than what refers to them."""
    task = dict(stack.at("service/task_definition").values)
    own = {"environment": list(stack.config.service.environment), "command": []}
    (container,) = json.loads(task.pop("container_definitions"))
    assert len(json.dumps({**task, **container, **own})) * 2 < TASK_DEFINITION_REST_BYTES
