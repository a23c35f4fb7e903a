"""What is known of EC2 and VPC's resource types."""

from ops.catalogue.record import Lost, Nothing, ResourceType

TYPES = (
    ResourceType("aws_default_security_group", lost=Nothing("the code makes it anew")),
    ResourceType("aws_eip", lost=Lost("the address that others see and may have allowed")),
    ResourceType("aws_flow_log", lost=Nothing("the code makes it anew")),
    ResourceType("aws_internet_gateway", lost=Lost("the way in and out of the VPC")),
    ResourceType(
        "aws_nat_gateway",
        lost=Lost("the way out of the private subnets, and the connections through it"),
    ),
    ResourceType("aws_route", lost=Nothing("the code makes it anew")),
    ResourceType("aws_route_table", lost=Nothing("the code makes it anew")),
    ResourceType("aws_route_table_association", lost=Nothing("the code makes it anew")),
    ResourceType("aws_security_group", lost=Nothing("the code makes it anew")),
    ResourceType("aws_subnet", lost=Lost("everything that runs in it, and its addresses")),
    ResourceType("aws_vpc", lost=Lost("the network and everything in it")),
    ResourceType("aws_vpc_endpoint", lost=Nothing("the code makes it anew")),
    ResourceType("aws_vpc_security_group_egress_rule", lost=Nothing("the code makes it anew")),
    ResourceType("aws_vpc_security_group_ingress_rule", lost=Nothing("the code makes it anew")),
)
