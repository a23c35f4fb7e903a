"""What an environment publishes: parameters and outputs, the same values, no secret."""

from lib.modules.ssm_outputs import Published
from tests.synthesized import SUFFIX


def test_every_published_value_is_a_parameter(stack):
    prefix = f"/tap/{stack.config.name}/{SUFFIX}"
    names = {parameter["name"] for parameter in stack.all("aws_ssm_parameter")}
    assert names == {f"{prefix}/{published}" for published in Published}
    for parameter in stack.all("aws_ssm_parameter"):
        assert parameter["type"] == "String"


def test_outputs_have_the_parameters_values(stack):
    outputs = {name: output["value"] for name, output in stack.document["output"].items()}
    prefix = f"/tap/{stack.config.name}/{SUFFIX}/"
    assert outputs == {
        parameter["name"].removeprefix(prefix).replace("/", "_"): parameter["value"]
        for parameter in stack.all("aws_ssm_parameter")
    }


def test_the_values_are_the_resources(stack):
    def at(key):
        return stack.at(f"outputs/parameters/{key}")["value"]

    database, config = stack.at("database/instance"), stack.config.database
    balancer = stack.at("load_balancer/load_balancer").ref("dns_name")
    assert {key: at(key) for key in (str(key).replace("/", "_") for key in Published)} == {
        "network_vpc_id": stack.at("network/vpc").ref("id"),
        "network_public_subnet_ids": ",".join(
            stack.at(f"network/public{zone}").ref("id") for zone in range(3)
        ),
        "network_private_subnet_ids": ",".join(
            stack.at(f"network/private{zone}").ref("id") for zone in range(3)
        ),
        "database_address": database.ref("address"),
        "database_port": str(config.port),
        "database_name": config.database_name,
        "database_secret_arn": f"${{{database.address}.master_user_secret[0].secret_arn}}",
        "service_url": f"http://{balancer}",
        "service_load_balancer_dns_name": balancer,
        "service_cluster_name": stack.at("service/cluster").ref("name"),
        "service_service_name": stack.at("service/service").ref("name"),
        "service_log_group_name": stack.at("service/log_group").ref("name"),
        "state_bucket": stack.at("state/bucket").ref("bucket"),
        "state_lock_table": stack.at("state/lock_table").ref("name"),
    }
