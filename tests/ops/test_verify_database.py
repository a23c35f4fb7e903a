"""Whatever lets something but the service reach the database is named, once."""

import pytest

from ops.checkup import Outcome
from ops.verify import database, network, open_paths
from ops.verify.database import CHECKS
from tests.conftest import changed
from tests.ops.answers import answered
from tests.ops.deployed import environment
from tests.synthesized import Synthesized

ANYWHERE = "0.0.0.0/0"
EVERY = (*network.CHECKS, *database.CHECKS, *open_paths.CHECKS)
PORT = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}


@pytest.fixture(name="there")
def _there(shipped):
    """Staging, deployed."""
    with environment(shipped("staging")) as there:
        yield there


def database_group(there):
    """The id of its group."""
    return there.at["security/database"]


def allow(there, group, permission):
    """Let something in."""
    (rule,) = there.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])[
        "SecurityGroupRules"
    ]
    return rule["SecurityGroupRuleId"]


def new_group(there, name="other"):
    """A group that the stack doesn't have, which lets anybody in at PostgreSQL's port."""
    group = there.ec2.create_security_group(
        GroupName=name, Description="d", VpcId=there.at["network/vpc"]
    )["GroupId"]
    allow(there, group, {**PORT, "IpRanges": [{"CidrIp": ANYWHERE}]})
    return group


def test_a_deployed_environment_passes(stack):
    with environment(stack) as there:
        assert there.found(CHECKS) == []
        (access,) = CHECKS[1].look(there.subject)
        assert access.found == "service → database tcp 5432; nothing else gets in"


def test_a_public_instance(there):
    client = there.client("rds")
    name = there.at["database/instance"]
    client.modify_db_instance(DBInstanceIdentifier=name, PubliclyAccessible=True)
    found = there.only(EVERY, "database.place")
    assert found.found == f"{name} is publicly accessible"
    assert "--no-publicly-accessible" in found.fix


def test_an_instance_that_is_gone(there):
    there.client("rds").delete_db_instance(
        DBInstanceIdentifier=there.at["database/instance"], SkipFinalSnapshot=True
    )
    assert there.only(EVERY, "database.place").found == "staging-db-qa1: no such database"


def told(there, **changes):
    """RDS's answer about the instance, with changes."""
    client = there.client("rds")
    (instance,) = client.describe_db_instances()["DBInstances"]
    return answered(client, "DescribeDBInstances", {"DBInstances": [instance | changes]})


@pytest.mark.parametrize("version", ["14", "14.12", "14.22"])
def test_a_minor_version_is_aws_s_to_move(there, version):
    with told(there, EngineVersion=version):
        assert there.found(CHECKS) == []


@pytest.mark.parametrize("version", ["13.20", "15.3", "141.3"])
def test_another_major_version_runs(there, version):
    """Terraform says that an upgrade worked when its precheck failed."""
    with told(there, EngineVersion=version):
        found = there.only(EVERY, "database.engine")
    assert found.found == f"staging-db-qa1 runs PostgreSQL {version}"
    assert found.needed == "PostgreSQL 14"
    assert "docs/postgresql-upgrade.md" in found.fix


def test_an_upgrade_that_waits(there):
    with told(there, EngineVersion="13.20", PendingModifiedValues={"EngineVersion": "14.22"}):
        found = there.only(EVERY, "database.engine")
    assert found.found.endswith("runs PostgreSQL 13.20, 14.22 is pending")
    assert "maintenance window" in found.fix


def test_a_minor_version_that_was_asked_for(shipped):
    synthesized = shipped("staging")
    config = changed(synthesized.config, database={"engine_version": "14.12"})
    with environment(Synthesized.of(config)) as there:
        with told(there, EngineVersion="14.9"):
            assert there.only(CHECKS, "database.engine").needed == "PostgreSQL 14.12"
        with told(there, EngineVersion="14.13"):
            assert there.found(CHECKS) == []


def test_extended_support_that_nobody_asked_for(there):
    """Both ways of restoring choose it."""
    with told(there, EngineLifecycleSupport="open-source-rds-extended-support"):
        found = there.only(EVERY, "database.engine")
    assert found.found == "staging-db-qa1 has open-source-rds-extended-support"
    assert found.fix.startswith(
        "aws rds modify-db-instance --db-instance-identifier staging-db-qa1"
    )


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        ("pending-reboot", "aws rds reboot-db-instance --db-instance-identifier staging-db-qa1"),
        ("failed-to-apply", "--source-identifier staging-db-qa1"),
        ("applying", "wait"),
    ],
)
def test_parameters_that_are_not_in_use(there, status, fix):
    name = "staging-pg14-qa1"
    group = {"DBParameterGroupName": name, "ParameterApplyStatus": status}
    with told(there, DBParameterGroups=[group]):
        found = there.only(EVERY, "database.engine")
    assert found.found == f"staging-db-qa1: parameters of {name} are {status}"
    assert fix in found.fix


def test_a_subnet_group_with_a_public_subnet(there):
    subnets = [there.at[f"network/{name}"] for name in ("private0", "private1", "public2")]
    there.client("rds").modify_db_subnet_group(
        DBSubnetGroupName=there.at["database/subnets"], SubnetIds=subnets
    )
    assert there.at["network/public2"] in there.only(EVERY, "database.place").found


def test_a_route_from_the_internet(there):
    table, gateway = there.at["network/private2_routes"], there.at["network/internet_gateway"]
    there.ec2.replace_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    found = there.only(EVERY, "database.place")
    assert found.found == f"private2 routes, {table}: {ANYWHERE} leads to {gateway}"


def test_a_subnet_with_the_public_route_table(there):
    table = there.at["network/private2_routes"]
    (live,) = there.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    (link,) = (entry for entry in live["Associations"] if entry.get("SubnetId"))
    there.ec2.replace_route_table_association(
        AssociationId=link["RouteTableAssociationId"],
        RouteTableId=there.at["network/public_routes"],
    )
    found = there.only(EVERY, "database.place")
    assert found.found == f"private2 uses {there.at['network/public_routes']}"


def test_a_rule_more(there):
    rule = allow(there, database_group(there), {**PORT, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]})
    found = there.only(EVERY, "database.access")
    assert found.found == f"10.0.0.0/8 → database tcp 5432 is open ({rule})"
    assert found.needed == "only service → database tcp 5432"
    assert found.fix == (
        f"aws ec2 revoke-security-group-ingress --group-id {database_group(there)} "
        f"--security-group-rule-ids {rule}"
    )


def test_a_rule_more_with_ipv6(there):
    allow(there, database_group(there), {**PORT, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]})
    assert "::/0 → database" in there.only(EVERY, "database.access").found


def test_another_port_for_the_service_is_half_open(there):
    source = {"UserIdGroupPairs": [{"GroupId": there.at["security/service"]}]}
    allow(
        there,
        database_group(there),
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source},
    )
    found = there.only(EVERY, "database.access").found
    assert found.startswith("service → database tcp 22 is open at one end")


def revoke(there, group, *, egress=False, port=5432):
    """Revoke the group's rule for a port."""
    rules = there.ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    (rule,) = (
        each["SecurityGroupRuleId"]
        for each in rules
        if each["IsEgress"] is egress and each["FromPort"] == port
    )
    call = "revoke_security_group_egress" if egress else "revoke_security_group_ingress"
    getattr(there.ec2, call)(GroupId=group, SecurityGroupRuleIds=[rule])


def test_the_services_way_is_shut_at_either_end(there):
    """Or at both: one path, one finding."""
    revoke(there, database_group(there))
    found = there.only(EVERY, "database.access").found
    assert found.startswith("service → database tcp 5432 is shut: ")
    assert f"{database_group(there)} lets nothing in" in found
    revoke(there, there.at["security/service"], egress=True)
    found = there.only(EVERY, "database.access").found
    assert f"{there.at['security/service']} lets nothing out" in found


def test_a_group_more_on_the_instance(there):
    group = new_group(there)
    there.client("rds").modify_db_instance(
        DBInstanceIdentifier=there.at["database/instance"],
        VpcSecurityGroupIds=[database_group(there), group],
    )
    found = there.only(EVERY, "database.access")
    assert f"{group} ({ANYWHERE} → {group} tcp 5432)" in found.found
    assert found.needed == f"{database_group(there)} alone"


def test_a_service_with_another_group(there):
    group = there.at["security/load_balancer"]
    theirs = there.deployed.service["networkConfiguration"]["awsvpcConfiguration"]
    there.client("ecs").update_service(
        cluster=there.at["service/cluster"],
        service="staging-service-qa1",
        networkConfiguration={"awsvpcConfiguration": {**theirs, "securityGroups": [group]}},
    )
    found = there.only(EVERY, "database.access")
    assert found.found.startswith(f"the service has {group}")
    assert found.needed == f"{there.at['security/service']} alone"


def test_an_interface_in_the_services_group(there):
    interface = there.ec2.create_network_interface(
        SubnetId=there.at["network/public0"], Groups=[there.at["security/service"]]
    )["NetworkInterface"]["NetworkInterfaceId"]
    found = there.only(EVERY, "database.access").found
    assert found == f"{interface} has the group of the service, and is not the service's"


def test_a_tasks_interface_is_the_services(there):
    there.ec2.create_network_interface(
        SubnetId=there.at["network/private0"],
        Groups=[there.at["security/service"]],
        Description="arn:aws:ecs:us-east-1:123456789012:attachment/8f2a",
    )
    assert there.found(EVERY) == []


def test_a_peering_is_noted(there):
    other = there.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    peering = there.ec2.create_vpc_peering_connection(
        VpcId=other, PeerVpcId=there.at["network/vpc"]
    )
    id_ = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ((check, finding),) = there.found(EVERY)
    assert (check, finding.outcome) == ("database.networks", Outcome.WARNING)
    assert finding.found.startswith(id_)
    there.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id_)
    assert there.found(EVERY) == []


def test_a_vpn_is_noted(there):
    gateway = there.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    there.ec2.attach_vpn_gateway(VpcId=there.at["network/vpc"], VpnGatewayId=gateway)
    ((check, finding),) = there.found(EVERY)
    assert (check, finding.outcome) == ("database.networks", Outcome.WARNING)
    assert finding.found.startswith(gateway)
