"""Today's list prices, from AWS's Price List API.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from lib.errors import TapError
from ops.cost import prices
from ops.cost.prices import Price
from ops.stacks import Stack

API_REGION = "us-east-1"  # one of the few that the API answers in; it knows the prices of all
# Before a usage type stands the region: not at all in us-east-1's older ones, as USE1-, or in full.
PREFIX = r"(?:[A-Z]{2,4}\d?-|[a-z]{2}(?:-[a-z]+)+-\d-)?"
UNITS = {
    "hour": ("Hrs", "hours"),
    "vCPU-hour": ("hours", "vCPU-Hours", "vCPU-hour"),
    "GB-hour": ("hours", "GB-Hours"),
    "LCU-hour": ("LCU-Hrs",),
    "GB-month": ("GB-Mo", "GB-month"),
    "GB": ("GB",),
    "month": ("Month", "Months", "Keys", "Secrets", "Alarms", "Metrics", "Alarm Metrics"),
    "request": (
        *("Requests", "Request", "API Requests"),
        *("WriteRequestUnits", "ReadRequestUnits"),
    ),
    "notification": ("Notifications",),
}


@dataclass(frozen=True, slots=True)
class Query:
    """How the API is asked for one price.

    ``usage`` is the usage type after its region, a pattern; ``attributes`` tell apart what shares
    one; ``unit`` is ours, which ``UNITS`` has in the API's words.
    """

    service: str
    usage: str
    unit: str
    page: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    region_attribute: str = "regionCode"


_RDS = "https://aws.amazon.com/rds/postgresql/pricing/"
_FARGATE = "https://aws.amazon.com/fargate/pricing/"
_BALANCING = "https://aws.amazon.com/elasticloadbalancing/pricing/"
_VPC = "https://aws.amazon.com/vpc/pricing/"
_LINK = "https://aws.amazon.com/privatelink/pricing/"
_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_KMS = "https://aws.amazon.com/kms/pricing/"
_SECRETS = "https://aws.amazon.com/secrets-manager/pricing/"
_WATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_WAF = "https://aws.amazon.com/waf/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_SNS = "https://aws.amazon.com/sns/pricing/"
_POSTGRES = {"databaseEngine": "PostgreSQL"}
_BALANCER = {"productFamily": "Load Balancer-Application"}
_NAT = {"productFamily": "NAT Gateway"}
QUERIES: Mapping[str, Query] = {
    "rds-storage-gp3/Single-AZ": Query("AmazonRDS", "RDS:GP3-Storage", "GB-month", _RDS, _POSTGRES),
    "rds-storage-gp3/Multi-AZ": Query(
        "AmazonRDS", "RDS:Multi-AZ-GP3-Storage", "GB-month", _RDS, _POSTGRES
    ),
    "rds-backup": Query("AmazonRDS", "RDS:ChargedBackupUsage", "GB-month", _RDS, _POSTGRES),
    "rds-extended-support/years-1-2": Query(
        "AmazonRDS", r"ExtendedSupport:Yr1-Yr2:PostgreSQL\d+", "vCPU-hour", _RDS
    ),
    "rds-extended-support/year-3": Query(
        "AmazonRDS", r"ExtendedSupport:Yr3:PostgreSQL\d+", "vCPU-hour", _RDS
    ),
    "fargate-vcpu/X86_64": Query("AmazonECS", "Fargate-vCPU-Hours:perCPU", "vCPU-hour", _FARGATE),
    "fargate-gb/X86_64": Query("AmazonECS", "Fargate-GB-Hours", "GB-hour", _FARGATE),
    "fargate-vcpu/ARM64": Query(
        "AmazonECS", "Fargate-ARM-vCPU-Hours:perCPU", "vCPU-hour", _FARGATE
    ),
    "fargate-gb/ARM64": Query("AmazonECS", "Fargate-ARM-GB-Hours", "GB-hour", _FARGATE),
    "alb-hour": Query("AWSELB", "LoadBalancerUsage", "hour", _BALANCING, _BALANCER),
    "alb-lcu": Query("AWSELB", "LCUUsage", "LCU-hour", _BALANCING, _BALANCER),
    "nat-hour": Query("AmazonEC2", "NatGateway-Hours", "hour", _VPC, _NAT),
    "nat-gb": Query("AmazonEC2", "NatGateway-Bytes", "GB", _VPC, _NAT),
    "public-ipv4": Query("AmazonVPC", "PublicIPv4:InUseAddress", "hour", _VPC),
    "vpc-endpoint-hour": Query("AmazonVPC", "VpcEndpoint-Hours", "hour", _LINK),
    "vpc-endpoint-gb": Query("AmazonVPC", "VpcEndpoint-Bytes", "GB", _LINK),
    "internet-out": Query(
        "AWSDataTransfer",
        "DataTransfer-Out-Bytes",
        "GB",
        _EC2,
        {"transferType": "AWS Outbound"},
        "fromRegionCode",
    ),
    "cross-zone": Query(
        "AWSDataTransfer",
        "DataTransfer-Regional-Bytes",
        "GB",
        _EC2,
        {"transferType": "IntraRegion"},
        "fromRegionCode",
    ),
    "kms-key": Query("awskms", "KMS-Keys", "month", _KMS),
    "kms-request": Query("awskms", "KMS-Requests", "request", _KMS),
    "secret": Query("AWSSecretsManager", "AWSSecretsManager-Secrets", "month", _SECRETS),
    "secret-request": Query(
        "AWSSecretsManager", "AWSSecretsManagerAPIRequest", "request", _SECRETS
    ),
    "log-ingested": Query("AmazonCloudWatch", "DataProcessing-Bytes", "GB", _WATCH),
    "log-vended": Query("AmazonCloudWatch", "VendedLog-Bytes", "GB", _WATCH),
    "log-stored": Query("AmazonCloudWatch", "TimedStorage-ByteHrs", "GB-month", _WATCH),
    "alarm": Query("AmazonCloudWatch", "CW:AlarmMonitorUsage", "month", _WATCH),
    "alarm-high-resolution": Query(
        "AmazonCloudWatch", "CW:HighResAlarmMonitorUsage", "month", _WATCH
    ),
    "metric": Query("AmazonCloudWatch", "CW:MetricMonitorUsage", "month", _WATCH),
    "waf-acl": Query("awswaf", "WebACLV2", "month", _WAF),
    "waf-rule": Query("awswaf", "RuleV2", "month", _WAF),
    "waf-request": Query("awswaf", "RequestV2-Tier1", "request", _WAF),
    "s3-stored": Query(
        "AmazonS3", "TimedStorage-ByteHrs", "GB-month", _S3, {"volumeType": "Standard"}
    ),
    "s3-put": Query("AmazonS3", "Requests-Tier1", "request", _S3, {"group": "S3-API-Tier1"}),
    "s3-get": Query("AmazonS3", "Requests-Tier2", "request", _S3, {"group": "S3-API-Tier2"}),
    "dynamodb-write": Query("AmazonDynamoDB", "WriteRequestUnits", "request", _DYNAMODB),
    "dynamodb-read": Query("AmazonDynamoDB", "ReadRequestUnits", "request", _DYNAMODB),
    "dynamodb-stored": Query("AmazonDynamoDB", "TimedStorage-ByteHrs", "GB-month", _DYNAMODB),
    "dynamodb-recovery": Query("AmazonDynamoDB", "TimedPITRStorage-ByteHrs", "GB-month", _DYNAMODB),
    "sns-email": Query(
        "AmazonSNS", "DeliveryAttempts-SMTP", "notification", _SNS, {"endpointType": "SMTP"}
    ),
}
DEPLOYMENTS = {"Single-AZ": "InstanceUsage", "Multi-AZ": "Multi-AZUsage"}


def refresh(
    region: str,
    stacks: Sequence[Stack],
    *,
    client: Any = None,
    folder: Path = prices.FOLDER,
    today: date | None = None,
) -> Path:
    """Asks AWS for every price of a region and writes its list; returns the file.

    All of them or none: raises ``TapError`` where AWS refuses, and for a price that is not one.
    """
    client = client or boto3.client("pricing", region_name=API_REGION)
    old = prices.load(region, folder)
    classes = {key.split("/")[1] for key in old if key.startswith("rds-instance/")}
    for stack in stacks:
        classes |= {instance.get("instance_class") for instance in stack.all("aws_db_instance")}
    queries = {**_instances(sorted(classes)), **QUERIES}
    found: dict[str, Price] = {}
    for key, query in queries.items():
        try:
            found[key] = _ask(client, region, key, query, today or date.today())
        except ClientError as error:
            raise TapError(f"AWS: {error}", hint="needs pricing:GetProducts") from error
        except BotoCoreError as error:
            raise TapError(f"AWS: {error}", hint="check the credentials and the network") from error
    return prices.save(region, found, folder)


def _instances(classes: Sequence[str]) -> dict[str, Query]:
    return {
        f"rds-instance/{class_}/{deployment}": Query(
            "AmazonRDS",
            f"{usage}:{re.escape(class_)}",
            "hour",
            _RDS,
            {**_POSTGRES, "instanceType": class_, "deploymentOption": deployment},
        )
        for class_ in classes
        for deployment, usage in DEPLOYMENTS.items()
    }


def _ask(client: Any, region: str, key: str, query: Query, today: date) -> Price:
    """The one price that a query finds."""
    wanted = {query.region_attribute: region, **query.attributes}
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()
    ]
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=query.service, Filters=filters, FormatVersion="aws_v1"
    )
    products = [json.loads(text) for page in pages for text in page["PriceList"]]
    matching = [
        product
        for product in products
        if re.fullmatch(PREFIX + query.usage, product["product"]["attributes"].get("usagetype", ""))
    ]
    found = {_first_paid(product, key, query) for product in matching} - {None}
    if len(found) != 1:
        said = ", ".join(sorted(str(price) for price in found)) or "nothing"
        raise TapError(
            f"{region}: {key} is one price, and AWS's list has {said} ({query.service} "
            f"{query.usage})",
            hint="mend its query in ops/cost/refresh.py; the list was left as it was",
        )
    (usd,) = found
    assert usd is not None  # nosec B101
    published = max(product["publicationDate"] for product in matching)
    vcpus = {product["product"]["attributes"].get("vcpu") for product in matching} - {None}
    return Price(
        usd=usd,
        unit=query.unit,
        date=today,
        source=query.page,
        confirmed_by=f"AWS Price List API, publication {published[:10]}",
        vcpus=int(vcpus.pop()) if key.startswith("rds-instance/") and len(vcpus) == 1 else None,
    )


def _first_paid(product: Mapping[str, Any], key: str, query: Query) -> Decimal | None:
    """The first tier that costs something: free tiers are an account's, not an environment's."""
    tiers = sorted(_tiers(product), key=lambda tier: Decimal(tier["beginRange"]))
    for tier in tiers:
        usd = Decimal(tier["pricePerUnit"].get("USD", 0))
        if usd:
            if tier["unit"] not in UNITS[query.unit]:
                raise TapError(
                    f"AWS's list has {key} by {tier['unit']}, not by {query.unit}",
                    hint="mend UNITS in ops/cost/refresh.py; the list was left as it was",
                )
            return usd
    return None


def _tiers(product: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for term in product["terms"].get("OnDemand", {}).values():
        yield from term["priceDimensions"].values()
