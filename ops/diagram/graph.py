"""An environment's picture in Graphviz's language, drawn from its synthesized JSON.

Its zones with their subnets, the routes out of them, and who may open a connection to whom, as the
security groups have it. Nothing here knows a name or a size: what isn't in the JSON isn't drawn.

https://graphviz.org/doc/info/lang.html
"""

import json
from collections.abc import Iterator, Sequence
from html import escape

from ops.stacks import Resource, Stack

INTERNET = "internet"
OUTSIDE = "outside"
# In the order of the picture, top to bottom; what a security group is attached to.
PARTS = {
    "aws_lb": "security_groups",
    "aws_ecs_service": "network_configuration",
    "aws_db_instance": "vpc_security_group_ids",
}
BLUE, GREEN, GREY, ORANGE, PURPLE = "#1f5fa8", "#2f7d3b", "#5f6b7a", "#b45f06", "#6a3fa0"
FILLED = {"public": "#eef5ff", "private": "#f3f8f0"}
COLOURS = {"aws_lb": BLUE, "aws_ecs_service": GREEN, "aws_db_instance": PURPLE}
SERVICES = (  # beside the VPC: types, and what one is called
    ("aws_secretsmanager_secret", "secret"),
    ("aws_kms_key", "KMS key"),
    ("aws_wafv2_web_acl", "web ACL"),
    ("aws_cloudwatch_log_group", "log group"),
    ("aws_cloudwatch_metric_alarm", "alarm"),
    ("aws_sns_topic", "SNS topic"),
    ("aws_ssm_parameter", "SSM parameter"),
    ("aws_s3_bucket", "S3 bucket"),
    ("aws_dynamodb_table", "DynamoDB table"),
)


def dot(stack: Stack) -> str:
    """The whole picture."""
    return "\n".join(_graph(stack)) + "\n"


def _graph(stack: Stack) -> Iterator[str]:
    (vpc,) = stack.all("aws_vpc")
    yield "digraph {"
    yield "graph [rankdir=TB compound=true newrank=true nodesep=0.35 ranksep=0.55 bgcolor=white"
    yield 'fontname="Arial" fontsize=15 labeljust=l labelloc=t]'
    yield 'node [shape=plain fontname="Arial" fontsize=13]'
    yield 'edge [fontname="Arial" fontsize=12 arrowsize=0.8]'
    yield f"label=<{_title(stack)}>"
    yield f"{INTERNET} [label=<{_box(['internet'], GREY)}>]"
    yield "subgraph cluster_vpc {"
    yield f'label={_text("VPC " + vpc.get("cidr_block"))} style=rounded color="{GREY}"'
    yield from _tiers(stack)
    yield "}"
    lines = ["<b>outside of the VPC</b>", *_services(stack)]
    yield f"{OUTSIDE} [label=<{_box(lines, PURPLE)}>]"
    yield "public -> private [style=invis]"  # above it, also without a route between them
    yield from _routes(stack)
    yield from _paths(stack)
    yield "}"


def _title(stack: Stack) -> str:
    paths = f'<font color="{BLUE}">— connections that security groups allow</font>'
    routes = f'<font color="{ORANGE}">- - routes</font>'
    name = f"<b>{escape(stack.environment)}</b>, {escape(stack.region)}"
    return f'{name}   <font point-size="12">{paths}   {routes}</font>'


def _tiers(stack: Stack) -> Iterator[str]:
    """Public above private: the subnets by zone, and what runs in them."""
    placed = {part.address: subnets for part, subnets in _placed(stack)}
    for name, tier in _by_tier(stack).items():
        yield f"subgraph cluster_{name} {{"
        yield f'label="" style="rounded,filled" color="#c9d3df" fillcolor="{FILLED[name]}"'
        cells = [
            f'<td port="z{number}" border="1" color="{GREY}" cellpadding="5">'
            f"{'<br/>'.join(_subnet(stack, number, subnet))}</td>"
            for number, subnet in enumerate(tier)
        ]
        title = f'<tr><td colspan="{len(tier)}">{name} subnets</td></tr>'
        rows = [title, f"<tr>{''.join(cells)}</tr>"]
        # Routes leave the private ones upwards: no title in their way.
        rows = rows if name == "public" else rows[::-1]
        table = f'<table border="0" cellborder="0" cellspacing="6">{"".join(rows)}</table>'
        yield f"{name} [label=<{table}>]"
        addresses = {subnet.address for subnet in tier}
        for address, subnets in placed.items():
            if subnets <= addresses:
                resource = stack.resources[address]
                box = _box(_described(stack, resource), COLOURS[resource.type])
                yield f"{_id(resource)} [label=<{box}>]"
        yield "}"


def _by_tier(stack: Stack) -> dict[str, list[Resource]]:
    """Subnets that a route leads from to an internet gateway are public."""
    tiers: dict[str, list[Resource]] = {"public": [], "private": []}
    gateways = {gateway.address for gateway in stack.all("aws_internet_gateway")}
    for subnet in sorted(stack.all("aws_subnet"), key=lambda subnet: subnet.path):
        tiers["public" if _ways_out(stack, subnet) & gateways else "private"].append(subnet)
    return tiers


def _ways_out(stack: Stack, subnet: Resource) -> set[str]:
    """The addresses of what the routes of a subnet's table lead to."""
    links = stack.all("aws_route_table_association")
    tables = {
        table
        for link in links
        if subnet.address in link.refers("subnet_id")
        for table in link.refers("route_table_id")
    }
    return {
        target
        for route in stack.all("aws_route")
        if tables & set(route.refers("route_table_id"))
        for argument in ("gateway_id", "nat_gateway_id")
        for target in route.refers(argument)
    }


def _subnet(stack: Stack, number: int, subnet: Resource) -> Iterator[str]:
    yield f'<font color="{GREY}">zone {number + 1}</font>'
    yield escape(subnet.get("cidr_block"))
    for gateway in stack.all("aws_nat_gateway"):
        if subnet.address in gateway.refers("subnet_id"):
            yield f'<font color="{ORANGE}">NAT gateway</font>'


def _placed(stack: Stack) -> Iterator[tuple[Resource, set[str]]]:
    """What runs in the VPC, and the addresses of the subnets that it may run in."""
    for type_ in PARTS:
        for resource in stack.all(type_):
            if type_ == "aws_db_instance":
                (group,) = stack.referred(resource, "db_subnet_group_name")
                yield resource, set(group.refers("subnet_ids"))
            else:
                argument = "subnets" if type_ == "aws_lb" else "network_configuration"
                subnets = stack.referred(resource, argument)
                yield resource, {s.address for s in subnets if s.type == "aws_subnet"}


def _described(stack: Stack, resource: Resource) -> list[str]:
    """What a part is, and how big."""
    if resource.type == "aws_lb":
        ports = [str(entry.get("port")) for entry in stack.all("aws_lb_listener")]
        return ["<b>Application Load Balancer</b>", f"listens on {', '.join(sorted(ports))}"]
    if resource.type == "aws_ecs_service":
        (definition,) = stack.referred(resource, "task_definition")
        count = str(resource.get("desired_count", 0))
        for target in stack.all("aws_appautoscaling_target"):
            if resource.address in target.refers("resource_id"):
                count = f"{target.get('min_capacity')} to {target.get('max_capacity')}"
        public = resource.get("network_configuration", {}).get("assign_public_ip")
        return [
            f"<b>Fargate service</b>, tasks: {count}",
            f"{definition.get('cpu')} CPU units, {definition.get('memory')} MiB each"
            + (", with public IPs" if public else ""),
        ]
    zones = "standby in another zone" if resource.get("multi_az") else "in one zone"
    return [
        f"<b>PostgreSQL {escape(str(resource.get('engine_version')))}</b>, {zones}",
        f"{escape(resource.get('instance_class'))}, {resource.get('allocated_storage')} GiB",
    ]


def _services(stack: Stack) -> Iterator[str]:
    """What the stack has outside of the VPC: how many of each type; ways of their own first."""
    for endpoint in sorted(stack.all("aws_vpc_endpoint"), key=lambda entry: entry.path):
        service = str(endpoint.get("service_name")).rsplit(".", maxsplit=1)[-1]
        kind = str(endpoint.get("vpc_endpoint_type", "Gateway")).lower()
        yield f'<font color="{ORANGE}">{escape(service)} by {kind} endpoint</font>'
    for type_, word in SERVICES:
        count = len(stack.all(type_))
        if type_ == "aws_secretsmanager_secret":
            # RDS keeps a password that it makes itself in a secret of its own.
            databases = stack.all("aws_db_instance")
            count += sum(bool(entry.get("manage_master_user_password")) for entry in databases)
        if count:
            yield f"{count} {word}{'s' if count > 1 else ''}"


def _routes(stack: Stack) -> Iterator[str]:
    """Ways out of the subnets, dashed."""
    tiers = _by_tier(stack)
    place = {
        subnet.address: f"{name}:z{number}"
        for name, tier in tiers.items()
        for number, subnet in enumerate(tier)
    }
    for gateway in stack.all("aws_nat_gateway"):
        (subnet,) = gateway.refers("subnet_id")
        for address, origin in place.items():
            if gateway.address in _ways_out(stack, stack.resources[address]):
                # Drawn from above to below, as the layout goes, the arrow's head at its tail.
                yield f'{place[subnet]}:s -> {origin}:n [dir=back style=dashed color="{ORANGE}"]'
    if tiers["public"]:
        yield (
            f'{INTERNET} -> public [lhead=cluster_public dir=back style=dashed color="{ORANGE}" '
            f'fontcolor="{ORANGE}" label="  internet gateway"]'
        )


def _paths(stack: Stack) -> Iterator[str]:
    """Who may open a connection to whom: what a group lets in, and what it lets out anywhere."""
    members = _members(stack)
    for rule in _sorted(stack, "aws_vpc_security_group_ingress_rule"):
        (target,) = rule.refers("security_group_id")
        sources = [
            member
            for group in rule.refers("referenced_security_group_id")
            for member in members.get(group, [])
        ]
        if rule.get("cidr_ipv4") or rule.get("cidr_ipv6"):
            sources.append(INTERNET)
        for source in sources:
            for member in members.get(target, []):
                yield _path(source, member, rule)
    for rule in _sorted(stack, "aws_vpc_security_group_egress_rule"):
        if rule.get("cidr_ipv4") or rule.get("cidr_ipv6"):
            for member in members.get(rule.refers("security_group_id")[0], []):
                yield _path(member, OUTSIDE, rule)


def _sorted(stack: Stack, type_: str) -> Sequence[Resource]:
    return sorted(stack.all(type_), key=lambda rule: rule.path)


def _members(stack: Stack) -> dict[str, list[str]]:
    """By the address of a security group, the nodes that it is attached to."""
    found: dict[str, list[str]] = {}
    groups = {group.address for group in stack.all("aws_security_group")}
    for type_, argument in PARTS.items():
        for resource in stack.all(type_):
            for address in resource.refers(argument):
                if address in groups:
                    found.setdefault(address, []).append(_id(resource))
    return found


def _path(source: str, target: str, rule: Resource) -> str:
    first, last = rule.get("from_port"), rule.get("to_port")
    ports = str(first) if first == last else f"{first}-{last}"
    cidr = rule.get("cidr_ipv4") or rule.get("cidr_ipv6")
    where = f" {'from' if source == INTERNET else 'to'} {cidr}" if cidr else ""
    label = f"  {rule.get('ip_protocol')} {ports}{where}"
    return (
        f'{source} -> {target} [penwidth=2.2 color="{BLUE}" fontcolor="{BLUE}" '
        f"label={_text(label)}]"
    )


def _id(resource: Resource) -> str:
    return resource.type


def _box(lines: Sequence[str], colour: str) -> str:
    rows = "".join(f"<tr><td>{line}</td></tr>" for line in lines)
    return (
        f'<table border="2" cellborder="0" cellspacing="0" cellpadding="3" style="rounded" '
        f'color="{colour}" bgcolor="white">{rows}</table>'
    )


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
