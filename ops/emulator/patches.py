"""Where moto 5.2 differs from AWS in a way that this project's stacks meet, made right.

Each patch is a function of ``PATCHES``: its docstring says what AWS does (with a link) and what
moto does instead. It gets a ``replace`` with the arguments of ``setattr``: that itself in the
emulator's process, pytest's ``monkeypatch.setattr`` in the tests. Those hold the smallest program
that shows each gap (``tests/emulator/test_patches.py``), and fail once moto has closed it: then the
patch can go.
"""

# pylint: disable=protected-access  # moto's classes have no other way to what patches need

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import xmltodict
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores, utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.models.vpcs import VPC, VPCBackend
from moto.ecs.models import EC2ContainerServiceBackend, Service
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.elbv2.exceptions import DuplicateLoadBalancerName
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer
from moto.kms.models import Alias, KmsBackend
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse
from moto.moto_api._internal import mock_random
from moto.rds.exceptions import DBParameterGroupNotFoundError, RDSClientError
from moto.rds.models import DBInstance, DBParameterGroup, MasterUserSecret, RDSBackend
from moto.rds.responses import RDSResponse
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import S3Response
from moto.secretsmanager.models import FakeSecret
from moto.wafv2.exceptions import WAFNonexistentItemException
from moto.wafv2.responses import WAFV2Response

from ops.emulator import deployments

Replace = Callable[[Any, str, Any], None]
Patch = Callable[[Replace], None]

AUTHORITY = "rds-ca-rsa2048-g1"  # of new databases' certificates


def scaling_tags(replace: Replace) -> None:
    """Scalable targets have tags; moto has none of the calls for them (500).

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ListTagsForResource.html
    """
    register = ApplicationAutoScalingResponse.register_scalable_target
    tags_by_arn: dict[str, dict[str, str]] = {}

    def register_scalable_target(self: ApplicationAutoScalingResponse) -> str:
        answer = register(self)
        arn = json.loads(answer)["ScalableTargetARN"]
        tags_by_arn.setdefault(arn, {}).update(self._get_param("Tags") or {})
        return answer

    def list_tags_for_resource(self: ApplicationAutoScalingResponse) -> str:
        return json.dumps({"Tags": tags_by_arn.get(self._get_param("ResourceARN"), {})})

    def tags_of(self: ApplicationAutoScalingResponse) -> dict[str, str]:
        arn = self._get_param("ResourceARN")
        if arn not in tags_by_arn:
            raise JsonRESTError("ResourceNotFoundException", f"There is no {arn}")
        return tags_by_arn[arn]

    def tag_resource(self: ApplicationAutoScalingResponse) -> str:
        tags_of(self).update(self._get_param("Tags"))
        return "{}"

    def untag_resource(self: ApplicationAutoScalingResponse) -> str:
        for key in self._get_param("TagKeys"):
            tags_of(self).pop(key, None)
        return "{}"

    replace(ApplicationAutoScalingResponse, "register_scalable_target", register_scalable_target)
    replace(ApplicationAutoScalingResponse, "list_tags_for_resource", list_tags_for_resource)
    replace(ApplicationAutoScalingResponse, "tag_resource", tag_resource)
    replace(ApplicationAutoScalingResponse, "untag_resource", untag_resource)


def scaling_policy_names(replace: Replace) -> None:
    """DescribeScalingPolicies gives those of ``PolicyNames``; moto gives all.

    https://docs.aws.amazon.com/goto/cli2/application-autoscaling-2016-02-06/DescribeScalingPolicies
    """
    describe = ApplicationAutoScalingResponse.describe_scaling_policies

    def describe_scaling_policies(self: ApplicationAutoScalingResponse) -> str:
        answer = json.loads(describe(self))
        if names := self._get_param("PolicyNames"):
            answer["ScalingPolicies"] = [
                policy for policy in answer["ScalingPolicies"] if policy["PolicyName"] in names
            ]
        return json.dumps(answer)

    replace(ApplicationAutoScalingResponse, "describe_scaling_policies", describe_scaling_policies)


def tls_only_buckets(replace: Replace) -> None:
    """A Deny for calls without TLS leaves calls with TLS alone; moto denies both, and answers 403
    to whatever touches an object.

    The emulator stands for endpoints that are reached over TLS.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
    """
    get_permission = FakeBucket.get_permission
    without_tls = {"Bool": {"aws:SecureTransport": "false"}}

    def permission_over_tls(self: FakeBucket, action: str, resource: str) -> Any:
        if self.policy is None:
            return get_permission(self, action, resource)
        written = self.policy
        policy = json.loads(written)
        if isinstance(policy["Statement"], list):
            policy["Statement"] = [
                each for each in policy["Statement"] if each.get("Condition") != without_tls
            ]
        try:
            self.policy = json.dumps(policy).encode()
            return get_permission(self, action, resource)
        finally:
            self.policy = written

    replace(FakeBucket, "get_permission", permission_over_tls)


def bucket_owner(replace: Replace) -> None:
    """A call that names the bucket's owner is refused where the bucket is another account's; moto
    doesn't look.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """

    def checked(method: str) -> None:
        answer = getattr(S3Response, method)

        def answer_the_owner(self: S3Response, request: Any, full_url: str) -> Any:
            expected = request.headers.get("x-amz-expected-bucket-owner")
            bucket = self.parse_bucket_name_from_url(request, full_url)
            _, owner = s3_backends.bucket_accounts.get(bucket, ("", expected))
            if expected != owner and expected:
                raise S3AccessDeniedError
            return answer(self, request, full_url)

        replace(S3Response, method, answer_the_owner)

    checked("_bucket_response")
    checked("_key_response")


def bucket_events(replace: Replace) -> None:
    """A bucket whose events go to EventBridge says so; moto keeps it, and leaves it out.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
    """
    get = S3Response.get_bucket_notification

    def get_bucket_notification(self: S3Response) -> Any:
        status, headers, answer = get(self)
        body = str(answer)
        kept = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if kept and kept.event_bridge is not None:
            end = "</NotificationConfiguration>"
            opened = f"{body[:-2]}>" if body.endswith("/>") else body.removesuffix(end)
            body = f"{opened}<EventBridgeConfiguration/>{end}"
        return status, headers, body

    replace(S3Response, "get_bucket_notification", get_bucket_notification)


def bucket_tags(replace: Replace) -> None:
    """CreateBucket keeps the tags that it is given; moto drops them.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
    """
    put = S3Response._bucket_response_put

    def put_bucket(self: S3Response, request: Any, bucket_name: str, querystring: Any) -> Any:
        answer = put(self, request, bucket_name, querystring)
        if not querystring and self.body:
            given = xmltodict.parse(self.body, force_list=("Tag",))
            tags = (given.get("CreateBucketConfiguration") or {}).get("Tags") or {"Tag": []}
            named = {tag["Key"]: tag["Value"] or "" for tag in tags["Tag"]}
            self.backend.put_bucket_tagging(bucket_name, named)
        return answer

    replace(S3Response, "_bucket_response_put", put_bucket)


def log_group_keys(replace: Replace) -> None:
    """A log group's key can be changed and taken away; moto has neither call (501).

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html
    """

    def change(self: LogsResponse, key: str | None) -> str:
        name = self._get_param("logGroupName")
        if name not in self.logs_backend.groups:
            raise ResourceNotFoundException
        self.logs_backend.groups[name].kms_key_id = key
        return "{}"

    def associate_kms_key(self: LogsResponse) -> str:
        return change(self, self._get_param("kmsKeyId"))

    def disassociate_kms_key(self: LogsResponse) -> str:
        return change(self, None)

    replace(LogsResponse, "associate_kms_key", associate_kms_key)
    replace(LogsResponse, "disassociate_kms_key", disassociate_kms_key)


def firewall_resources(replace: Replace) -> None:
    """A web ACL says what it protects; moto does not have the call (501).

    https://docs.aws.amazon.com/waf/latest/APIReference/API_ListResourcesForWebACL.html
    """

    def list_resources_for_web_acl(self: WAFV2Response) -> Any:
        asked = json.loads(self.body)
        acl = self.wafv2_backend.wacls.get(asked["WebACLArn"])
        if acl is None:
            raise WAFNonexistentItemException
        kind: str = asked.get("ResourceType", "APPLICATION_LOAD_BALANCER")
        part = {"APPLICATION_LOAD_BALANCER": ":loadbalancer/app/"}.get(kind, kind)
        found = [arn for arn in acl.associated_resources if part in arn]
        return 200, {"Content-Type": "application/json"}, json.dumps({"ResourceArns": found})

    replace(WAFV2Response, "list_resources_for_web_acl", list_resources_for_web_acl)


def service_settings(replace: Replace) -> None:
    """CreateService keeps what it is given; moto drops what its own constructor has no argument
    for: enableExecuteCommand, healthCheckGracePeriodSeconds, deploymentConfiguration and more.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
    """
    create = EC2ContainerServiceResponse.create_service

    def create_service(self: EC2ContainerServiceResponse) -> ActionResult:
        answer = create(self)
        service = answer.result["service"]  # type: ignore[index]
        for name, value in self._get_params().items():
            attribute = camelcase_to_underscores(name)
            if not hasattr(service, attribute):
                setattr(service, attribute, value)
        return answer

    replace(EC2ContainerServiceResponse, "create_service", create_service)


def updates_deploy(replace: Replace) -> None:
    """UpdateService with another task definition, or another of what a task is made of, begins a
    deployment; moto changes the one that is there, unless ``forceNewDeployment`` is set.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    update = EC2ContainerServiceBackend.update_service

    def update_service(self: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Service:
        forced = properties.pop("force_new_deployment", False)
        cluster, name = properties.get("cluster", "default"), properties["service"].split("/")[-1]
        before = dict(vars(self._get_service(cluster, name)))
        service = update(self, properties)
        changed = any(before.get(each) != vars(service).get(each) for each in deployments.TRIGGERS)
        if service.deployments and (forced or changed):
            deployments.begin(service)
        return service

    replace(EC2ContainerServiceBackend, "update_service", update_service)


def tasks_run(replace: Replace) -> None:
    """ECS starts tasks until as many run as are wanted; moto never starts one, so that waiting for
    a steady state has no end.

    A pretence: the emulator runs no containers. It counts tasks as running that don't exist, so
    that a deploy can end. What a service's events say on AWS, they say here too.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
    """
    create = EC2ContainerServiceBackend.create_service
    update = EC2ContainerServiceBackend.update_service

    def settle(self: EC2ContainerServiceBackend, service: Service) -> Service:
        if service.deployments:
            deployments.complete(service)
        cluster = self.clusters[service.cluster_name]
        cluster.pending_tasks_count = 0
        cluster.running_tasks_count = sum(
            each.running_count
            for each in self.services.values()
            if (each.cluster_name, each.status) == (cluster.name, "ACTIVE")
        )
        message = f"(service {service.name}) has reached a steady state."
        event = {"id": str(mock_random.uuid4()), "createdAt": utcnow(), "message": message}
        service.events.insert(0, event)
        return service

    def create_service(self: EC2ContainerServiceBackend, *args: Any, **options: Any) -> Service:
        return settle(self, create(self, *args, **options))

    def update_service(self: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Service:
        return settle(self, update(self, properties))

    replace(EC2ContainerServiceBackend, "create_service", create_service)
    replace(EC2ContainerServiceBackend, "update_service", update_service)


def service_deployments(replace: Replace) -> None:
    """Each deployment of a service has a record that stays, and says how it ended; moto has
    neither ListServiceDeployments nor DescribeServiceDeployments (501), on which provider 6.4 and
    later wait for a steady state.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
    """
    create = EC2ContainerServiceBackend.create_service
    update = EC2ContainerServiceBackend.update_service

    def create_service(self: EC2ContainerServiceBackend, *args: Any, **options: Any) -> Service:
        service = create(self, *args, **options)
        deployments.remember(service, began=True)
        return service

    def update_service(self: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Service:
        cluster, name = properties.get("cluster", "default"), properties["service"].split("/")[-1]
        deployments.remember(self._get_service(cluster, name))
        service = update(self, properties)
        deployments.remember(service, began=True)
        return service

    def list_service_deployments(self: EC2ContainerServiceResponse) -> ActionResult:
        cluster = self._get_param("cluster", "default")
        service = self.ecs_backend._get_service(cluster, self._get_param("service").split("/")[-1])
        deployments.remember(service)
        made = self._get_param("createdAt") or {}
        found = deployments.chosen(
            service,
            statuses=self._get_param("status") or (),
            after=made.get("after"),
            before=made.get("before"),
        )
        start = int(self._get_param("nextToken") or 0)
        end = start + int(self._get_param("maxResults") or deployments.PAGE)
        shown = [deployments.listed(service, each) for each in found[start:end]]
        more = {"nextToken": str(end)} if end < len(found) else {}
        return ActionResult({"serviceDeployments": shown, **more})

    def describe_service_deployments(self: EC2ContainerServiceResponse) -> ActionResult:
        known = {}
        for service in self.ecs_backend.services.values():
            deployments.remember(service)
            for each in deployments.rollouts(service):
                known[deployments.arn(service, each)] = service, each
        wanted = self._get_param("serviceDeploymentArns")
        missing = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known]
        found = [deployments.described(*known[arn]) for arn in wanted if arn in known]
        return ActionResult({"serviceDeployments": found, "failures": missing})

    replace(EC2ContainerServiceBackend, "create_service", create_service)
    replace(EC2ContainerServiceBackend, "update_service", update_service)
    replace(EC2ContainerServiceResponse, "list_service_deployments", list_service_deployments)
    replace(
        EC2ContainerServiceResponse, "describe_service_deployments", describe_service_deployments
    )


def deleted_is_not_listed(replace: Replace) -> None:
    """ListClusters and ListServices leave out what was deleted; moto lists it for good.

    Describing it by name still finds it, inactive, as on AWS.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteCluster.html
    """
    list_services = EC2ContainerServiceBackend.list_services

    def active_clusters(self: EC2ContainerServiceBackend) -> list[str]:
        return [each.arn for each in self.clusters.values() if each.status != "INACTIVE"]

    def active_services(self: EC2ContainerServiceBackend, *args: Any, **options: Any) -> list[str]:
        gone = {each.arn for each in self.services.values() if each.status == "INACTIVE"}
        return [arn for arn in list_services(self, *args, **options) if arn not in gone]

    replace(EC2ContainerServiceBackend, "list_clusters", active_clusters)
    replace(EC2ContainerServiceBackend, "list_services", active_services)


def load_balancer_names(replace: Replace) -> None:
    """CreateLoadBalancer makes one of a name: asked again with the same settings it returns that,
    with others it refuses. moto makes another.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
    """
    create = ELBv2Backend.create_load_balancer

    def create_load_balancer(self: ELBv2Backend, name: str, **options: Any) -> FakeLoadBalancer:
        there = [each for each in self.load_balancers.values() if each.name == name]
        made = create(self, name, **options)
        if not there:
            return made
        del self.load_balancers[made.arn]
        settings = ("scheme", "subnets", "security_groups", "type")
        if any(getattr(made, each) != getattr(there[0], each) for each in settings):
            raise DuplicateLoadBalancerName
        return there[0]

    replace(ELBv2Backend, "create_load_balancer", create_load_balancer)


def nat_interfaces(replace: Replace) -> None:
    """A NAT gateway's network interface is AWS's, and goes with it; moto shows it as one's own and
    leaves it behind. It fails (500) where there is no such gateway.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
    """
    make = NatGateway.__init__
    delete = NatGatewayBackend.delete_nat_gateway

    def init(self: NatGateway, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        interface = self._eni
        interface.interface_type, interface.requester_managed = "nat_gateway", True

    def delete_nat_gateway(self: Any, nat_gateway_id: str) -> NatGateway:
        if nat_gateway_id not in self.nat_gateways:
            raise EC2ClientError("NatGatewayNotFound", f"There is no {nat_gateway_id}")
        gateway = delete(self, nat_gateway_id)
        interface = gateway._eni
        self.enis.pop(interface.id, None)
        return gateway

    replace(NatGateway, "__init__", init)
    replace(NatGatewayBackend, "delete_nat_gateway", delete_nat_gateway)


def nat_availability(replace: Replace) -> None:
    """A NAT gateway of one subnet is zonal, and says so; moto doesn't. Provider 6.24 and later read
    no more of one than its id without.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html
    """
    replace(NatGateway, "availability_mode", "zonal")


def network_acls_go(replace: Replace) -> None:
    """A deleted VPC takes its network ACL with it; moto leaves that behind.

    https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html
    """
    delete = VPCBackend.delete_vpc

    def delete_vpc(self: Any, vpc_id: str) -> VPC:
        vpc = delete(self, vpc_id)
        for acl in [each for each in self.network_acls.values() if each.vpc_id == vpc_id]:
            del self.network_acls[acl.id]
        return vpc

    replace(VPCBackend, "delete_vpc", delete_vpc)


def rule_descriptions(replace: Replace) -> None:
    """A rule between two security groups has its description; moto shows those of address ranges
    alone.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html
    """

    def description(self: SecurityGroupRule) -> str | None:
        return self.ip_range.get("Description") or self.source_group.get("Description")

    replace(SecurityGroupRule, "description", property(description))


def keys_of_aws(replace: Replace) -> None:
    """The key behind an alias/aws/... is AWS's; moto says it is the customer's.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    create = KmsBackend.create_alias

    def create_alias(self: KmsBackend, target_key_id: str, alias_name: str) -> Alias:
        alias = create(self, target_key_id, alias_name)
        if alias_name.startswith("alias/aws/"):
            self.keys[self.get_key_id(target_key_id)].key_manager = "AWS"
        return alias

    replace(KmsBackend, "create_alias", create_alias)


def database_ids(replace: Replace) -> None:
    """Every database has a resource id of its own; moto gives all of them the same.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html
    """
    make = DBInstance.__init__

    def init(self: DBInstance, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self.dbi_resource_id = f"db-{mock_random.get_random_string(26).upper()}"

    replace(DBInstance, "__init__", init)


def database_settings(replace: Replace) -> None:
    """CreateDBInstance keeps what it is given; moto drops Performance Insights and the choice of
    extended support.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
    """
    make = DBInstance.__init__

    def init(self: DBInstance, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        for name in (
            "enable_performance_insights",
            "engine_lifecycle_support",
            "performance_insights_kms_key_id",
            "performance_insights_retention_period",
        ):
            setattr(self, name, options.get(name))

    def performance_insights_enabled(self: DBInstance) -> bool:
        # What moto's ModifyDBInstance sets, under the name that it sets.
        return bool(vars(self)["enable_performance_insights"])

    replace(DBInstance, "__init__", init)
    replace(DBInstance, "performance_insights_enabled", property(performance_insights_enabled))


def database_secret_stays(replace: Replace) -> None:
    """ModifyDBInstance leaves a password that RDS manages as it is when it is told once more that
    RDS manages it; moto makes another secret, and forgets the first.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
    """
    update = DBInstance.update

    def update_once(
        self: DBInstance, manage_master_user_password: bool | None = None, **options: Any
    ) -> None:
        if self.manage_master_user_password and manage_master_user_password:
            manage_master_user_password = None
        update(self, manage_master_user_password, **options)

    replace(DBInstance, "update", update_once)


def parameter_sources(replace: Replace) -> None:
    """DescribeDBParameters says who set a parameter; moto doesn't.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_Parameter.html
    """
    update = DBParameterGroup.update_parameters

    def update_parameters(self: DBParameterGroup, new_parameters: Any) -> None:
        update(self, [{**each, "Source": "user"} for each in new_parameters])

    replace(DBParameterGroup, "update_parameters", update_parameters)


def event_subscriptions(replace: Replace) -> None:
    """Whom RDS tells of which events can be changed; moto has none of the calls for it (501).

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyEventSubscription.html
    """

    def changed(self: RDSResponse, change: Callable[[Any], None]) -> ActionResult:
        name = self.params["SubscriptionName"]
        (subscription,) = self.backend.describe_event_subscriptions(name)
        change(subscription)
        return ActionResult({"EventSubscription": subscription})

    def modify_event_subscription(self: RDSResponse) -> ActionResult:
        settings = ("enabled", "event_categories", "sns_topic_arn", "source_type")
        asked = {each: self.params[each] for each in settings if each in self.params}
        return changed(self, lambda subscription: vars(subscription).update(asked))

    def add_source_identifier_to_subscription(self: RDSResponse) -> ActionResult:
        source = self.params["SourceIdentifier"]
        return changed(self, lambda subscription: subscription.source_ids.append(source))

    def remove_source_identifier_from_subscription(self: RDSResponse) -> ActionResult:
        source = self.params["SourceIdentifier"]
        return changed(self, lambda subscription: subscription.source_ids.remove(source))

    for call in (
        modify_event_subscription,
        add_source_identifier_to_subscription,
        remove_source_identifier_from_subscription,
    ):
        replace(RDSResponse, call.__name__, call)


def parameters_reset(replace: Replace) -> None:
    """A parameter that is taken out of a group goes back to its default; moto doesn't have the call
    (501).

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ResetDBParameterGroup.html
    """

    def reset_db_parameter_group(self: RDSResponse) -> ActionResult:
        name = self.params["DBParameterGroupName"]
        group = self.backend.db_parameter_groups.get(name)
        if group is None:
            raise DBParameterGroupNotFoundError(name)
        names = [each["ParameterName"] for each in self.params.get("Parameters", [])]
        if self.params.get("ResetAllParameters"):
            names = list(group.parameters)
        for each in names:
            group.parameters.pop(each, None)
        return ActionResult({"DBParameterGroupName": name})

    replace(RDSResponse, "reset_db_parameter_group", reset_db_parameter_group)


def database_certificate(replace: Replace) -> None:
    """A database has a certificate of an authority of its region, which ends in a year; moto has
    neither its dates nor DescribeCertificates (501).

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
    """
    make = DBInstance.__init__

    def init(self: DBInstance, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        if self.ca_certificate_identifier == "rds-ca-default":
            self.ca_certificate_identifier = AUTHORITY
        vars(self)["certificate_details"] = {
            "CAIdentifier": self.ca_certificate_identifier,
            "ValidTill": utcnow() + timedelta(days=365),
        }

    def describe_certificates(self: RDSResponse) -> ActionResult:
        asked = self.params.get("CertificateIdentifier", AUTHORITY)
        if asked != AUTHORITY:
            raise RDSClientError("CertificateNotFound", f"Certificate not found: {asked}")
        found = {
            "CertificateIdentifier": AUTHORITY,
            "CertificateType": "CA",
            "ValidFrom": datetime(2021, 5, 25, 22, 34, 57),
            "ValidTill": datetime(2061, 5, 25, 23, 34, 57),
            "CertificateArn": f"arn:{self.partition}:rds:{self.region}::cert:{AUTHORITY}",
            "CustomerOverride": False,
        }
        return ActionResult(
            {"DefaultCertificateForNewLaunches": AUTHORITY, "Certificates": [found]}
        )

    replace(DBInstance, "__init__", init)
    replace(RDSResponse, "describe_certificates", describe_certificates)


def database_monitoring(replace: Replace) -> None:
    """A database whose system is monitored says where that goes; moto doesn't.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.CloudWatchLogs.html
    """

    def stream(self: DBInstance) -> str | None:
        if not self.monitoring_interval:
            return None
        group = f"arn:{self.partition}:logs:{self.region}:{self.account_id}:log-group:RDSOSMetrics"
        return f"{group}:log-stream:{self.dbi_resource_id}"

    replace(DBInstance, "enhanced_monitoring_resource_arn", property(stream))


def database_interface(replace: Replace) -> None:
    """A database has a network interface, which is AWS's, in its subnets and with its security
    groups; moto has none, so that those groups seem to be of no use.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html
    """
    make, update = DBInstance.__init__, DBInstance.update
    delete = RDSBackend.delete_db_instance

    def init(self: DBInstance, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        group = vars(self).get("db_subnet_group")
        if group is None:
            return
        interface = ec2_backends[self.account_id][self.region].create_network_interface(
            group._subnets[0],
            "",
            group_ids=self.vpc_security_group_ids,
            description="RDSNetworkInterface",
        )
        interface.requester_managed, interface.requester_id = True, "amazon-rds"
        interface.status = "in-use"
        vars(self)["interface_id"] = interface.id

    def update_groups(self: DBInstance, *args: Any, **options: Any) -> None:
        update(self, *args, **options)
        if interface := vars(self).get("interface_id"):
            ec2_backends[self.account_id][self.region].modify_network_interface_attribute(
                interface, self.vpc_security_group_ids
            )

    def delete_db_instance(self: RDSBackend, *args: Any, **options: Any) -> DBInstance:
        database = delete(self, *args, **options)
        interfaces = ec2_backends[self.account_id][self.region_name].enis
        interfaces.pop(vars(database).get("interface_id", ""), None)
        return database

    replace(DBInstance, "__init__", init)
    replace(DBInstance, "update", update_groups)
    replace(RDSBackend, "delete_db_instance", delete_db_instance)


def database_secret_rotates(replace: Replace) -> None:
    """RDS has a password that it manages rotated every seven days; moto says it never is.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
    """
    create = MasterUserSecret._create_secret

    def create_secret(self: MasterUserSecret, kms_key_id: str | None) -> FakeSecret:
        secret = create(self, kms_key_id)
        secret.rotation_requested = secret.rotation_enabled = True
        secret.auto_rotate_after_days = 7
        secret.last_rotation_date = int(utcnow().timestamp())
        secret.next_rotation_date = secret.last_rotation_date + 7 * 24 * 3600
        return secret

    replace(MasterUserSecret, "_create_secret", create_secret)


PATCHES: tuple[Patch, ...] = (
    scaling_tags,
    scaling_policy_names,
    tls_only_buckets,
    bucket_owner,
    bucket_events,
    bucket_tags,
    log_group_keys,
    firewall_resources,
    service_settings,
    updates_deploy,
    tasks_run,
    service_deployments,
    deleted_is_not_listed,
    load_balancer_names,
    nat_interfaces,
    nat_availability,
    network_acls_go,
    rule_descriptions,
    keys_of_aws,
    database_ids,
    database_settings,
    database_secret_stays,
    parameter_sources,
    event_subscriptions,
    parameters_reset,
    database_certificate,
    database_monitoring,
    database_interface,
    database_secret_rotates,
)


def apply_all(replace: Replace, *, pretend: bool = True) -> None:
    """Apply every patch; that which pretends only where no data plane runs tasks."""
    for patch in PATCHES:
        if pretend or patch is not tasks_run:
            patch(replace)
