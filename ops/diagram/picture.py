"""An environment's picture, drawn from its synthesized JSON.

A table: a column for each zone, the public subnets above the private ones, what runs in them as
bars across. Beside the zones are the connections that security groups allow, from top to bottom; to
the right is what the stack has outside the VPC. What isn't in the JSON isn't drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from ops.diagram.canvas import LINE, Canvas, Point
from ops.network import (
    PARTS,
    OpenPath,
    intended_paths,
    parts_by_group,
    subnets_of,
    tiers,
    ways_out,
    zone,
)
from ops.stacks import Resource, Stack

WIDTH = 830  # pixels, as wide as a README is shown
MARGIN, GAP = 12, 12
ASIDE = 188  # what is outside the VPC
REACH = 84  # between the VPC and that
LANE = 64  # from one connection to the next, with its label
LANES = 2 * LANE  # beside the zones
BAR = 2 * LINE + 12
ANYWHERE, INTERNET, OUTSIDE = "0.0.0.0/0", "the internet", "outside the VPC"
SERVICES = (  # outside the VPC: types, and what one is called
    ("aws_secretsmanager_secret", "secret"),
    ("aws_kms_key", "KMS key"),
    ("aws_cloudwatch_log_group", "log group"),
    ("aws_cloudwatch_metric_alarm", "alarm"),
    ("aws_sns_topic", "SNS topic"),
    ("aws_db_event_subscription", "RDS event subscription"),
    ("aws_sqs_queue", "SQS queue"),
    ("aws_ssm_parameter", "SSM parameter"),
    ("aws_s3_bucket", "S3 bucket"),
    ("aws_dynamodb_table", "DynamoDB table"),
)


@dataclass(frozen=True, slots=True)
class Box:
    """Where something stands."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height


def picture(stack: Stack) -> str:
    """The whole picture, as SVG."""
    return _Picture(stack).svg()


class _Picture:
    """The picture, drawn from top to bottom; ``_boxes`` has what is drawn, by its name."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._tiers = tiers(stack)
        self._paths = _grouped(stack)
        self._canvas = Canvas(WIDTH)
        self._boxes: dict[str, Box] = {}
        zones = max(map(len, self._tiers.values()))
        self._vpc = WIDTH - 2 * MARGIN - ASIDE - REACH
        self._inner = self._vpc - 4 * GAP
        self._column = (self._inner - LANES + GAP) / zones

    def svg(self) -> str:
        """Draw all of it."""
        self._title()
        top = self._internet()
        y = first = top + LINE + GAP + 4
        for name in self._tiers:
            y = self._tier(name, y) + 3 * GAP
        bottom = y - 2 * GAP
        (vpc,) = self._stack.all("aws_vpc")
        self._canvas.box((MARGIN, top), (self._vpc, bottom - top), "vpc", frame=True)
        self._canvas.text((MARGIN + GAP, top + LINE + 4), f"VPC {vpc.get('cidr_block')}", "bold")
        bottom = max(bottom, self._aside(top))
        self._routes(first)
        self._connections()
        stack = self._stack
        return self._canvas.svg(bottom + MARGIN, f"{stack.environment} in {stack.region}")

    def _title(self) -> None:
        canvas, stack = self._canvas, self._stack
        canvas.text((MARGIN, 24), f"{stack.environment}, {stack.region}", "bold")
        legend = (("open", "connections that are allowed", 165), ("routes", "routes", 40))
        right = WIDTH - MARGIN
        for name, words, width in reversed(legend):
            right -= width + 36 + (GAP if name == "open" else 0)
            start = (right, 20), (right + 28, 20)
            canvas.connect(start, words, name)
            canvas.text((right + 36, 24), words, f"small {name}")

    def _internet(self) -> float:
        """The internet; returns where the VPC begins."""
        box = Box(MARGIN, 40, WIDTH - 2 * MARGIN, 28)
        self._bar(INTERNET, box, [INTERNET.removeprefix("the ")])
        into = [path for path in self._paths if path.source == INTERNET]
        return box.bottom + 2 * GAP + LINE * max((len(path.labels) for path in into), default=1)

    def _tier(self, name: str, top: float) -> float:
        """One tier of subnets, and what runs in them; returns where it ends."""
        left, subnets = MARGIN + GAP, self._tiers[name]
        addresses = {subnet.address for subnet in subnets}
        bars = [part for part in self._running() if subnets_of(self._stack, part) <= addresses]
        # Routes lead from private cells up to public ones: nothing stands between them.
        y = top + (LINE if name == "public" else 0)
        rows = [*bars, None] if name == "public" else [None, *bars]
        for row in rows:
            y += GAP if row is None or row is rows[0] else 3 * GAP
            if row is None:
                y = self._cells(subnets, y)
            else:
                self._bar(
                    row.address, Box(left + GAP, y, self._inner, BAR), _described(self._stack, row)
                )
                y += BAR
        bottom = y + GAP + (LINE if name == "private" else 0)
        words = (left + GAP, top + LINE + 2 if name == "public" else bottom - GAP + 2)
        self._canvas.text(words, f"{name} subnets", "grey")
        self._canvas.box((left, top), (self._vpc - 2 * GAP, bottom - top), name, frame=True)
        return bottom

    def _running(self) -> Iterator[Resource]:
        for type_ in PARTS:
            yield from self._stack.all(type_)

    def _cells(self, subnets: list[Resource], top: float) -> float:
        """The subnets, side by side; returns where they end."""
        texts = {subnet.address: self._subnet(subnet) for subnet in subnets}
        height = max(map(len, texts.values()), default=0) * LINE + 8
        for number, (address, lines) in enumerate(texts.items()):
            left = MARGIN + 2 * GAP + number * self._column
            box = Box(left, top, self._column - GAP, height)
            self._boxes[address] = box
            self._canvas.box((box.left, box.top), (box.width, box.height), "subnet")
            for line, (words, name) in enumerate(lines, 1):
                middle = (box.left + box.width / 2, top + line * LINE)
                self._canvas.text(middle, words, f"small {name}".strip(), anchor="middle")
        return top + height

    def _subnet(self, subnet: Resource) -> list[tuple[str, str]]:
        lines = [(zone(self._stack, subnet), "grey"), (str(subnet.get("cidr_block")), "")]
        gateways = self._stack.all("aws_nat_gateway")
        if any(subnet.address in gateway.refers("subnet_id") for gateway in gateways):
            lines.append(("NAT gateway", "routes"))
        return lines

    def _bar(self, name: str, box: Box, lines: list[str]) -> None:
        self._boxes[name] = box
        self._canvas.box((box.left, box.top), (box.width, box.height), "part")
        for number, words in enumerate(lines):
            at = (box.left + GAP, box.top + LINE + 2 + number * LINE)
            self._canvas.text(at, words, "bold" if number == 0 else "")

    def _aside(self, top: float) -> float:
        """What the stack has outside the VPC, down to the service; returns where it ends."""
        lines = [(OUTSIDE, "bold"), *_services(self._stack)]
        lowest = max((self._boxes[path.source].bottom for path in self._outwards()), default=0)
        height = max(lowest - top, len(lines) * (LINE + 3) + GAP)
        box = Box(WIDTH - MARGIN - ASIDE, top, ASIDE, height)
        self._boxes[OUTSIDE] = box
        self._canvas.box((box.left, top), (box.width, height), "part")
        for number, (words, name) in enumerate(lines, 1):
            at = (box.left + GAP, top + number * (height - GAP) / len(lines))
            self._canvas.text(at, words, name)
        return box.bottom

    def _outwards(self) -> list["_Connection"]:
        return [path for path in self._paths if path.target == OUTSIDE]

    def _routes(self, public: float) -> None:
        """Where routes lead: private subnets' to a NAT gateway, public ones', from there, out."""
        for gateway in self._stack.all("aws_nat_gateway"):
            (home,) = (self._boxes[address] for address in gateway.refers("subnet_id"))
            for subnet in self._tiers["private"]:
                if gateway.address in ways_out(self._stack, subnet):
                    start = self._boxes[subnet.address]
                    points = _upwards(start, home)
                    names = f"{zone(self._stack, subnet)} to {_home_zone(self._stack, gateway)}"
                    self._canvas.connect(points, f"NAT gateway: {names}", "routes")
        if self._tiers["public"]:
            x, internet = MARGIN + 16 * GAP, self._boxes[INTERNET]
            self._canvas.connect(((x, public), (x, internet.bottom)), "internet gateway", "routes")
            words = (x + 10, internet.bottom + LINE + 4)
            self._canvas.text(words, "internet gateway", "small routes")

    def _connections(self) -> None:
        """Each in the first lane that is free from where it begins, with its labels beside it."""
        ends: list[float] = []  # of the last connection in a lane
        downwards = (path for path in self._paths if path.target != OUTSIDE)
        for path in sorted(downwards, key=lambda path: self._boxes[path.source].top):
            source, target = self._boxes[path.source], self._boxes[path.target]
            lane = next((n for n, end in enumerate(ends) if end <= source.bottom), len(ends))
            ends[lane : lane + 1] = [target.top]
            x = MARGIN + self._vpc - 2 * GAP - LANE * (lane + 1)
            self._canvas.connect(((x, source.bottom), (x, target.top)), f"{path}", "open")
            for line, words in enumerate(path.labels, 1):
                at = (x + 8, source.bottom + line * LINE + 4)
                self._canvas.text(at, words, "small open")
        for path in self._outwards():
            source, target = self._boxes[path.source], self._boxes[OUTSIDE]
            y = source.top + source.height / 2
            self._canvas.connect(((source.right, y), (target.left, y)), f"{path}", "open")
            for line, words in enumerate(reversed(path.labels)):
                at = (MARGIN + self._vpc + 6, y - 6 - line * LINE)
                self._canvas.text(at, words, "small open")


@dataclass(frozen=True, slots=True)
class _Connection:
    """Everything that may be opened from one part to another; ends are addresses, or outside."""

    source: str
    target: str
    labels: tuple[str, ...]
    names: tuple[str, str]

    def __str__(self) -> str:
        return f"{' to '.join(self.names)}: {', '.join(self.labels)}"


def _grouped(stack: Stack) -> list[_Connection]:
    """The intended paths, by who connects to whom."""
    members = parts_by_group(stack)
    groups = {group.path for group in stack.all("aws_security_group")}

    def ends(path: OpenPath) -> Iterator[tuple[str, str, str]]:
        sources = _ends(path.source, members, groups, INTERNET)
        targets = _ends(path.target, members, groups, OUTSIDE)
        label = path.traffic
        label += f" from {path.source}" if path.source not in groups else ""
        label += f" to {path.target}" if path.target not in {*groups, ANYWHERE} else ""
        yield from ((source, target, label) for source in sources for target in targets)

    found = sorted(end for path in intended_paths(stack) for end in ends(path))
    return [
        _Connection(
            source,
            target,
            tuple(label for _, _, label in each),
            (_called(stack, source), _called(stack, target)),
        )
        for (source, target), each in groupby(found, key=lambda end: end[:2])
    ]


def _ends(
    name: str, members: Mapping[str, list[Resource]], groups: set[str], elsewhere: str
) -> list[str]:
    if name in groups:
        return [part.address for part in members.get(name, [])]
    return [elsewhere]


def _called(stack: Stack, name: str) -> str:
    return _described(stack, stack.resources[name])[0] if name in stack.resources else name


def _upwards(start: Box, end: Box) -> tuple[Point, ...]:
    """From the top of one cell to the bottom of another, by way of the middle between them."""
    x0, x1 = start.left + start.width / 2, end.left + end.width / 2
    if x0 == x1:
        return ((x0, start.top), (x1, end.bottom))
    middle = end.bottom + 2 * GAP
    return ((x0, start.top), (x0, middle), (x1, middle), (x1, end.bottom))


def _home_zone(stack: Stack, gateway: Resource) -> str:
    """The zone of a NAT gateway."""
    (subnet,) = stack.referred(gateway, "subnet_id")
    return zone(stack, subnet)


def _described(stack: Stack, part: Resource) -> list[str]:
    """What a part is, and how big."""
    if part.type == "aws_lb":
        ports = sorted(str(entry.get("port")) for entry in stack.all("aws_lb_listener"))
        firewalls = stack.all("aws_wafv2_web_acl_association")
        guarded = any(part.address in entry.refers("resource_arn") for entry in firewalls)
        words = f"listens on {', '.join(ports)}" + ("; a web ACL (WAF) in front" if guarded else "")
        return ["Application Load Balancer", words]
    if part.type == "aws_ecs_service":
        (definition,) = stack.referred(part, "task_definition")
        count = str(part.get("desired_count", 0))
        for target in stack.all("aws_appautoscaling_target"):
            if part.address in target.refers("resource_id"):
                count = f"{target.get('min_capacity')} to {target.get('max_capacity')}"
        public = part.get("network_configuration", {}).get("assign_public_ip")
        size = f"{definition.get('cpu')} CPU units, {definition.get('memory')} MiB"
        tasks = f"tasks: {count}, each with {size}" + (" and a public address" if public else "")
        return ["Fargate service", tasks]
    zones = "standby in another zone" if part.get("multi_az") else "in one zone"
    size = f"{part.get('instance_class')}, {part.get('allocated_storage')} GiB"
    return [f"PostgreSQL {part.get('engine_version')}", f"{size}, {zones}"]


def _services(stack: Stack) -> Iterator[tuple[str, str]]:
    """What the stack has outside the VPC: how many of each type; endpoints to it first."""
    for endpoint in sorted(stack.all("aws_vpc_endpoint"), key=attrgetter("path")):
        service = str(endpoint.get("service_name")).rsplit(".", maxsplit=1)[-1]
        kind = str(endpoint.get("vpc_endpoint_type", "Gateway")).lower()
        yield f"{service} by {kind} endpoint", "routes"
    for type_, word in SERVICES:
        count = len(stack.all(type_))
        if type_ == "aws_secretsmanager_secret":
            # RDS keeps a password that it makes itself in a secret of its own.
            databases = stack.all("aws_db_instance")
            count += sum(bool(entry.get("manage_master_user_password")) for entry in databases)
        if count:
            yield f"{count} {word}{'s' if count > 1 else ''}", ""
