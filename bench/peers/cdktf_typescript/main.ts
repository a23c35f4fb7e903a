/**
 * TAP's stack in CDKTF for TypeScript, as a measure of what the Python side adds.
 *
 * The same parts with the same construct ids, sized by ../environments.json. Each type is
 * imported from its own file: the root of @cdktf/provider-aws loads all 2,200. Leaves out what no
 * environment uses today (a certificate, a given password, a deploy role), and the waivers for policy
 * checkers.
 */
import { App, Fn, ITerraformDependable, Op, S3Backend, TerraformOutput, TerraformSelf, TerraformStack } from "cdktf";
import { AppautoscalingPolicy } from "@cdktf/provider-aws/lib/appautoscaling-policy";
import { AppautoscalingTarget } from "@cdktf/provider-aws/lib/appautoscaling-target";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { DataAwsAvailabilityZones } from "@cdktf/provider-aws/lib/data-aws-availability-zones";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { DataAwsPartition } from "@cdktf/provider-aws/lib/data-aws-partition";
import { DbInstance } from "@cdktf/provider-aws/lib/db-instance";
import { DbParameterGroup } from "@cdktf/provider-aws/lib/db-parameter-group";
import { DbSubnetGroup } from "@cdktf/provider-aws/lib/db-subnet-group";
import { DefaultSecurityGroup } from "@cdktf/provider-aws/lib/default-security-group";
import { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";
import { EcsCluster } from "@cdktf/provider-aws/lib/ecs-cluster";
import { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { FlowLog } from "@cdktf/provider-aws/lib/flow-log";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway";
import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Lb } from "@cdktf/provider-aws/lib/lb";
import { LbListener } from "@cdktf/provider-aws/lib/lb-listener";
import { LbTargetGroup } from "@cdktf/provider-aws/lib/lb-target-group";
import { NatGateway } from "@cdktf/provider-aws/lib/nat-gateway";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { Route } from "@cdktf/provider-aws/lib/route";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import { S3BucketLifecycleConfiguration } from "@cdktf/provider-aws/lib/s3-bucket-lifecycle-configuration";
import { S3BucketLoggingA } from "@cdktf/provider-aws/lib/s3-bucket-logging";
import { S3BucketNotification } from "@cdktf/provider-aws/lib/s3-bucket-notification";
import { S3BucketOwnershipControls } from "@cdktf/provider-aws/lib/s3-bucket-ownership-controls";
import { S3BucketPolicy } from "@cdktf/provider-aws/lib/s3-bucket-policy";
import { S3BucketPublicAccessBlock } from "@cdktf/provider-aws/lib/s3-bucket-public-access-block";
import { S3BucketServerSideEncryptionConfigurationA } from "@cdktf/provider-aws/lib/s3-bucket-server-side-encryption-configuration";
import { S3BucketVersioningA } from "@cdktf/provider-aws/lib/s3-bucket-versioning";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Wafv2WebAcl, Wafv2WebAclRule } from "@cdktf/provider-aws/lib/wafv2-web-acl";
import { Wafv2WebAclAssociation } from "@cdktf/provider-aws/lib/wafv2-web-acl-association";
import { Wafv2WebAclLoggingConfiguration } from "@cdktf/provider-aws/lib/wafv2-web-acl-logging-configuration";
import { Construct } from "constructs";
import { createHash } from "crypto";
import environments from "./environments.json";

type Name = keyof typeof environments;
type Environment = (typeof environments)[Name];

const REGION = "us-east-1";
const ANYWHERE = "0.0.0.0/0";
const PORT = 8080;
const DATABASE_PORT = 5432;
const ZONES = [0, 1, 2];
const ZONE_NAMES = ["a", "b", "c"].map((letter) => `${REGION}${letter}`);
const MONITORING_SECONDS = 60;
const BALANCER_PREFIX = "alb";
const STATE_PREFIX = "state/";
const SECRET_HEADERS = ["authorization", "cookie"];
// AWS's groups of rules, cheapest first, each with those of its rules that only count.
const MANAGED_RULES = [
  ["AWSManagedRulesAmazonIpReputationList"],
  ["AWSManagedRulesAnonymousIpList", "HostingProviderIPList"],
  ["AWSManagedRulesKnownBadInputsRuleSet"],
  ["AWSManagedRulesCommonRuleSet", "SizeRestrictions_BODY"],
];
/** What every part is given: its sizes, and how things are called. */
class Context {
  constructor(readonly name: Name, readonly sizes: Environment, readonly suffix: string) {}
  simple(word: string): string {
    return `${this.name}-${word}-${this.suffix}`;
  }
  regional(word: string): string {
    return `${this.name}-${REGION}-${word}-${this.suffix}`;
  }
  path(rest: string): string {
    return `/tap/${this.name}/${this.suffix}/${rest}`;
  }
  tag(word: string): Record<string, string> {
    return { Name: this.simple(word) };
  }
}

function policy(...statements: object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

function allow(on: string | string[], ...actions: string[]): object {
  return { Effect: "Allow", Action: actions, Resource: on };
}

function tlsOnly(bucket: S3Bucket): object {
  return {
    Sid: "TlsOnly",
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: [bucket.arn, `${bucket.arn}/*`],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
}

function assumedBy(service: string, accountId: string): string {
  return policy({
    Effect: "Allow",
    Principal: { Service: service },
    Action: "sts:AssumeRole",
    Condition: { StringEquals: { "aws:SourceAccount": accountId } },
  });
}

class Provider extends Construct {
  readonly accountId: string;
  readonly partition: DataAwsPartition;

  constructor(scope: Construct, context: Context) {
    super(scope, "provider");
    const tags = { Project: "tap", Environment: context.name, Suffix: context.suffix, ManagedBy: "cdktf", Owner: "platform" };
    new AwsProvider(this, "aws", { region: REGION, defaultTags: [{ tags }] });
    this.partition = new DataAwsPartition(this, "partition");
    this.accountId = new DataAwsCallerIdentity(this, "caller").accountId;
  }
}

class Encryption extends Construct {
  readonly keyArn?: string;

  constructor(scope: Construct, context: Context, { accountId, partition }: Provider) {
    super(scope, "encryption");
    if (!context.sizes.keyDeletionDays) return;
    const name = context.simple("key");
    const arn = `arn:${partition.partition}`;
    const key = new KmsKey(this, "key", {
      description: `${name}: logs, alarms, lock table, Performance Insights, given password`,
      enableKeyRotation: true,
      deletionWindowInDays: context.sizes.keyDeletionDays,
      policy: policy(
        {
          Sid: "ByTheAccountsIam",
          Effect: "Allow",
          Principal: { AWS: `${arn}:iam::${accountId}:root` },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Sid: "LogsOfThisAccount",
          Effect: "Allow",
          Principal: { Service: `logs.${REGION}.${partition.dnsSuffix}` },
          Action: ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
          Resource: "*",
          Condition: {
            ArnLike: { "kms:EncryptionContext:aws:logs:arn": `${arn}:logs:${REGION}:${accountId}:log-group:*` },
          },
        },
        {
          Sid: "AlarmsOfThisAccount",
          Effect: "Allow",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
          Resource: "*",
          Condition: { StringEquals: { "aws:SourceAccount": accountId } },
        },
      ),
      tags: context.tag("key"),
    });
    new KmsAlias(this, "alias", { name: `alias/${name}`, targetKeyId: key.keyId });
    this.keyArn = key.arn;
  }

  logGroup(scope: Construct, id: string, name: string, retentionInDays: number): CloudwatchLogGroup {
    return new CloudwatchLogGroup(scope, id, { name, retentionInDays, kmsKeyId: this.keyArn });
  }
}

class AccessLogs extends Construct {
  readonly bucket: S3Bucket;
  readonly writable: ITerraformDependable;

  constructor(scope: Construct, context: Context, provider: Provider) {
    super(scope, "access_logs");
    const deletable = context.sizes.stateDeletable;
    const lifecycle = deletable ? undefined : { preventDestroy: true };
    const name = context.regional("accesslogs");
    this.bucket = new S3Bucket(this, "bucket", { bucket: name, forceDestroy: deletable, lifecycle, tags: { Name: name } });
    const bucket = this.bucket.id;
    const versioning = new S3BucketVersioningA(this, "versioning", { bucket, versioningConfiguration: { status: "Enabled" } });
    new S3BucketServerSideEncryptionConfigurationA(this, "encryption", {
      bucket,
      rule: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    });
    new S3BucketLifecycleConfiguration(this, "lifecycle", {
      bucket,
      rule: [
        {
          id: "expire",
          status: "Enabled",
          filter: [{ prefix: "" }],
          expiration: [{ days: context.sizes.logDays }],
          noncurrentVersionExpiration: [{ noncurrentDays: 1 }],
          abortIncompleteMultipartUpload: [{ daysAfterInitiation: 1 }],
        },
      ],
      dependsOn: [versioning],
    });
    new S3BucketNotification(this, "events", { bucket, eventbridge: true });
    const ownership = new S3BucketOwnershipControls(this, "ownership", {
      bucket,
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
    const publicAccess = new S3BucketPublicAccessBlock(this, "public_access", {
      bucket,
      blockPublicAcls: true,
      ignorePublicAcls: true,
      blockPublicPolicy: true,
      restrictPublicBuckets: true,
      dependsOn: [ownership],
    });
    this.writable = new S3BucketPolicy(this, "policy", {
      bucket,
      policy: policy(
        {
          Sid: "LoadBalancers",
          Effect: "Allow",
          Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
          Action: "s3:PutObject",
          Resource: `${this.bucket.arn}/${BALANCER_PREFIX}/AWSLogs/${provider.accountId}/*`,
        },
        {
          Sid: "BucketsOfThisAccount",
          Effect: "Allow",
          Principal: { Service: "logging.s3.amazonaws.com" },
          Action: "s3:PutObject",
          Resource: `${this.bucket.arn}/${STATE_PREFIX}*`,
          Condition: { StringEquals: { "aws:SourceAccount": provider.accountId } },
        },
        tlsOnly(this.bucket),
      ),
      dependsOn: [publicAccess],
    });
  }
}

class State extends Construct {
  readonly bucket: S3Bucket;
  readonly table: DynamodbTable;

  constructor(scope: Construct, context: Context, encryption: Encryption, accessLogs: AccessLogs) {
    super(scope, "state");
    const deletable = context.sizes.stateDeletable;
    const lifecycle = deletable ? undefined : { preventDestroy: true };
    const name = context.regional("tfstate");
    this.bucket = new S3Bucket(this, "bucket", { bucket: name, forceDestroy: deletable, lifecycle, tags: { Name: name } });
    const bucket = this.bucket.id;
    const versioning = new S3BucketVersioningA(this, "versioning", { bucket, versioningConfiguration: { status: "Enabled" } });
    new S3BucketServerSideEncryptionConfigurationA(this, "encryption", {
      bucket,
      rule: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    });
    new S3BucketOwnershipControls(this, "ownership", { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } });
    const publicAccess = new S3BucketPublicAccessBlock(this, "public_access", {
      bucket,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    new S3BucketPolicy(this, "policy", {
      bucket,
      policy: policy(tlsOnly(this.bucket)),
      dependsOn: [publicAccess],
    });
    new S3BucketLifecycleConfiguration(this, "lifecycle", {
      bucket,
      rule: [
        {
          id: "expire-noncurrent-versions",
          status: "Enabled",
          filter: [{ prefix: "" }],
          noncurrentVersionExpiration: [{ noncurrentDays: 90 }],
          abortIncompleteMultipartUpload: [{ daysAfterInitiation: 7 }],
        },
      ],
      dependsOn: [versioning],
    });
    new S3BucketNotification(this, "events", { bucket, eventbridge: true });
    new S3BucketLoggingA(this, "access_logs", {
      bucket,
      targetBucket: accessLogs.bucket.bucket,
      targetPrefix: STATE_PREFIX,
      dependsOn: [accessLogs.writable],
    });
    this.table = new DynamodbTable(this, "lock_table", {
      name: context.regional("tflock"),
      billingMode: "PAY_PER_REQUEST",
      hashKey: "LockID",
      attribute: [{ name: "LockID", type: "S" }],
      pointInTimeRecovery: { enabled: true },
      serverSideEncryption: { enabled: true, kmsKeyArn: encryption.keyArn },
      deletionProtectionEnabled: !deletable,
      lifecycle,
      tags: { Name: context.regional("tflock") },
    });
  }
}

class Network extends Construct {
  readonly vpc: Vpc;
  readonly publicIds: string[];
  readonly privateIds: string[];
  readonly waysOut: ITerraformDependable[];

  constructor(scope: Construct, private readonly context: Context, provider: Provider, encryption: Encryption) {
    super(scope, "network");
    const { sizes } = context;
    this.vpc = new Vpc(this, "vpc", {
      cidrBlock: sizes.cidr,
      enableDnsSupport: true,
      enableDnsHostnames: true,
      tags: context.tag("vpc"),
    });
    new DefaultSecurityGroup(this, "default_security_group", {
      vpcId: this.vpc.id,
      ingress: [],
      egress: [],
      tags: context.tag("unused"),
    });
    const zones = ZONE_NAMES.join(", ");
    new DataAwsAvailabilityZones(this, "zones", {
      filter: [{ name: "zone-name", values: ZONE_NAMES }],
      lifecycle: {
        postcondition: [
          {
            condition: Op.eq(Fn.lengthOf(TerraformSelf.getAny("names")), ZONES.length),
            errorMessage: `The region lacks one of ${zones}: name the letters of zones that it has in network.zones.`,
          },
        ],
      },
    });
    const publicSubnets = this.subnets("public", 0);
    const privateSubnets = this.subnets("private", ZONES.length);
    this.publicIds = publicSubnets.map((subnet) => subnet.id);
    this.privateIds = privateSubnets.map((subnet) => subnet.id);

    const gateway = new InternetGateway(this, "internet_gateway", { vpcId: this.vpc.id, tags: context.tag("igw") });
    const publicTable = this.routeTable("public", publicSubnets);
    this.waysOut = [
      new Route(this, "public_internet", {
        routeTableId: publicTable.id,
        destinationCidrBlock: ANYWHERE,
        gatewayId: gateway.id,
      }),
    ];
    const privateTables = ZONES.map((zone) => this.routeTable(`private${zone}`, [privateSubnets[zone]]));
    const nats = ZONES.slice(0, sizes.natGateways).map((zone) => this.nat(zone, publicSubnets[zone], gateway));
    if (nats.length) {
      for (const zone of ZONES) {
        this.waysOut.push(
          new Route(this, `private${zone}_internet`, {
            routeTableId: privateTables[zone].id,
            destinationCidrBlock: ANYWHERE,
            natGatewayId: nats[zone % nats.length].id,
          }),
        );
      }
    }
    new VpcEndpoint(this, "s3_endpoint", {
      vpcId: this.vpc.id,
      serviceName: `${provider.partition.reverseDnsPrefix}.${REGION}.s3`,
      vpcEndpointType: "Gateway",
      routeTableIds: [publicTable, ...privateTables].map((table) => table.id),
      tags: context.tag("s3"),
    });
    this.flowLogs(provider, encryption);
  }

  private subnets(tier: string, first: number): Subnet[] {
    const prefix = this.context.sizes.cidr.split(".").slice(0, 2).join(".");
    return ZONES.map(
      (zone) =>
        new Subnet(this, `${tier}${zone}`, {
          vpcId: this.vpc.id,
          cidrBlock: `${prefix}.${16 * (first + zone)}.0/20`,
          availabilityZone: ZONE_NAMES[zone],
          mapPublicIpOnLaunch: false,
          tags: this.context.tag(`${tier}${zone}`),
        }),
    );
  }

  private routeTable(word: string, subnets: Subnet[]): RouteTable {
    const table = new RouteTable(this, `${word}_routes`, { vpcId: this.vpc.id, tags: this.context.tag(word) });
    subnets.forEach((subnet, number) => {
      new RouteTableAssociation(this, `${word}_routes_${number}`, { subnetId: subnet.id, routeTableId: table.id });
    });
    return table;
  }

  private nat(zone: number, subnet: Subnet, gateway: InternetGateway): NatGateway {
    const tags = this.context.tag(`nat${zone}`);
    const address = new Eip(this, `nat${zone}_address`, { domain: "vpc", tags, dependsOn: [gateway] });
    return new NatGateway(this, `nat${zone}`, { allocationId: address.id, subnetId: subnet.id, tags, dependsOn: [gateway] });
  }

  private flowLogs(provider: Provider, encryption: Encryption): void {
    const { context } = this;
    const logs = encryption.logGroup(this, "flow_log_group", context.path("flowlogs"), context.sizes.flowLogDays);
    const role = new IamRole(this, "flow_log_role", {
      name: context.regional("flowlogs"),
      assumeRolePolicy: assumedBy("vpc-flow-logs.amazonaws.com", provider.accountId),
    });
    const rights = new IamRolePolicy(this, "flow_log_policy", {
      name: "write-flow-logs",
      role: role.id,
      policy: policy(
        allow([logs.arn, `${logs.arn}:*`], "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
      ),
    });
    new FlowLog(this, "flow_log", {
      vpcId: this.vpc.id,
      trafficType: "ALL",
      logDestination: logs.arn,
      iamRoleArn: role.arn,
      tags: context.tag("flowlogs"),
      dependsOn: [rights],
    });
  }
}

class Security extends Construct {
  readonly balancer: SecurityGroup;
  readonly service: SecurityGroup;
  readonly database: SecurityGroup;
  readonly serviceRules: ITerraformDependable[];

  constructor(scope: Construct, context: Context, network: Network) {
    super(scope, "security");
    const group = (id: string, word: string, description: string): SecurityGroup =>
      new SecurityGroup(this, id, {
        name: context.simple(word),
        description,
        vpcId: network.vpc.id,
        tags: context.tag(word),
      });
    this.balancer = group("load_balancer", "alb", "Load balancer: HTTP and HTTPS from outside");
    this.service = group("service", "service", "Service: its port from the load balancer");
    this.database = group("database", "database", "Database: PostgreSQL from the service");
    new VpcSecurityGroupIngressRule(this, "load_balancer_80_from_0", {
      securityGroupId: this.balancer.id,
      description: `Port 80 from ${ANYWHERE}`,
      ipProtocol: "tcp",
      fromPort: 80,
      toPort: 80,
      cidrIpv4: ANYWHERE,
    });
    this.serviceRules = [
      ...this.open(this.balancer, this.service, PORT, "load_balancer_to_service"),
      ...this.open(this.service, this.database, DATABASE_PORT, "service_to_database"),
      new VpcSecurityGroupEgressRule(this, "service_to_internet", {
        securityGroupId: this.service.id,
        description: "HTTPS: images, secrets, logs and whatever the service calls",
        ipProtocol: "tcp",
        fromPort: 443,
        toPort: 443,
        cidrIpv4: ANYWHERE,
      }),
    ];
  }

  private open(source: SecurityGroup, target: SecurityGroup, port: number, id: string): ITerraformDependable[] {
    const tcp = { ipProtocol: "tcp", fromPort: port, toPort: port };
    return [
      new VpcSecurityGroupEgressRule(this, `${id}_out`, {
        securityGroupId: source.id,
        description: `Port ${port} to the next tier`,
        referencedSecurityGroupId: target.id,
        ...tcp,
      }),
      new VpcSecurityGroupIngressRule(this, `${id}_in`, {
        securityGroupId: target.id,
        description: `Port ${port} from the tier before`,
        referencedSecurityGroupId: source.id,
        ...tcp,
      }),
    ];
  }
}

class Database extends Construct {
  readonly instance: DbInstance;
  readonly secretArn: string;
  readonly identifier: string;

  constructor(
    scope: Construct,
    context: Context,
    provider: Provider,
    encryption: Encryption,
    network: Network,
    security: Security,
  ) {
    super(scope, "database");
    const sizes = context.sizes.database;
    this.identifier = context.simple("db");
    const tags = { Name: this.identifier };
    const subnets = new DbSubnetGroup(this, "subnets", {
      name: this.identifier,
      description: "The private subnets",
      subnetIds: network.privateIds,
      tags,
    });
    const exported = ["postgresql", "upgrade"];
    const logGroups = exported.map((word) => {
      const name = `/aws/rds/instance/${this.identifier}/${word}`;
      return encryption.logGroup(this, `${word}_log_group`, name, context.sizes.logDays);
    });
    const parameters = new DbParameterGroup(this, "parameters", {
      name: context.simple("pg14"),
      family: "postgres14",
      description: "TLS only, slow statements logged",
      parameter: [
        { name: "rds.force_ssl", value: "1" },
        { name: "log_statement", value: "none" },
        { name: "log_min_duration_statement", value: "1000" },
        { name: "log_connections", value: "1" },
        { name: "log_disconnections", value: "1" },
        { name: "shared_preload_libraries", value: "pg_stat_statements,pgaudit", applyMethod: "pending-reboot" },
        { name: "pgaudit.log", value: "ddl,role" },
      ],
      lifecycle: { createBeforeDestroy: true },
    });
    this.instance = new DbInstance(this, "instance", {
      identifier: this.identifier,
      engine: "postgres",
      engineVersion: "14",
      engineLifecycleSupport: "open-source-rds-extended-support-disabled",
      allowMajorVersionUpgrade: true,
      autoMinorVersionUpgrade: true,
      instanceClass: sizes.instanceClass,
      multiAz: sizes.multiAz,
      storageType: "gp3",
      storageEncrypted: true,
      allocatedStorage: sizes.storageGib,
      maxAllocatedStorage: sizes.maxStorageGib,
      dbName: "app",
      username: "app_admin",
      manageMasterUserPassword: true,
      iamDatabaseAuthenticationEnabled: true,
      port: DATABASE_PORT,
      publiclyAccessible: false,
      dbSubnetGroupName: subnets.name,
      vpcSecurityGroupIds: [security.database.id],
      parameterGroupName: parameters.name,
      enabledCloudwatchLogsExports: exported,
      monitoringInterval: MONITORING_SECONDS,
      monitoringRoleArn: this.monitoringRole(context, provider),
      performanceInsightsEnabled: true,
      performanceInsightsRetentionPeriod: 7,
      performanceInsightsKmsKeyId: encryption.keyArn,
      backupRetentionPeriod: sizes.backupDays,
      backupWindow: "03:00-04:00",
      maintenanceWindow: "sun:04:30-sun:05:30",
      copyTagsToSnapshot: true,
      deletionProtection: sizes.protected,
      skipFinalSnapshot: !sizes.protected,
      finalSnapshotIdentifier: sizes.protected
        ? `${this.identifier}-final-\${formatdate("YYYYMMDDhhmmss", timestamp())}`
        : undefined,
      lifecycle: {
        ignoreChanges: ["engine_lifecycle_support", ...(sizes.protected ? ["final_snapshot_identifier"] : [])],
        preventDestroy: sizes.protected,
      },
      dependsOn: logGroups,
      tags,
    });
    this.secretArn = this.instance.masterUserSecret.get(0).secretArn;
  }

  private monitoringRole(context: Context, provider: Provider): string {
    const role = new IamRole(this, "monitoring_role", {
      name: context.regional("rdsmonitoring"),
      assumeRolePolicy: assumedBy("monitoring.rds.amazonaws.com", provider.accountId),
    });
    new IamRolePolicyAttachment(this, "monitoring_policy", {
      role: role.name,
      policyArn: `arn:${provider.partition.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole`,
    });
    return role.arn;
  }
}

class Waf extends Construct {
  constructor(scope: Construct, context: Context, encryption: Encryption, balancer: Lb) {
    super(scope, "waf");
    const name = context.simple("waf");
    const acl = new Wafv2WebAcl(this, "acl", {
      name,
      scope: "REGIONAL",
      defaultAction: { allow: {} },
      rule: [this.rateLimit(context.sizes.requestsPerAddress), ...this.managedRules()],
      visibilityConfig: this.visibility(name),
      tags: { Name: name },
    });
    new Wafv2WebAclAssociation(this, "association", { resourceArn: balancer.arn, webAclArn: acl.arn });
    const logs = encryption.logGroup(this, "log_group", `aws-waf-logs-${name}`, context.sizes.logDays);
    new Wafv2WebAclLoggingConfiguration(this, "logging", {
      resourceArn: acl.arn,
      logDestinationConfigs: [logs.arn],
      loggingFilter: {
        defaultBehavior: "DROP",
        filter: [
          {
            behavior: "KEEP",
            requirement: "MEETS_ANY",
            condition: ["BLOCK", "COUNT", "EXCLUDED_AS_COUNT"].map((action) => ({ actionCondition: { action } })),
          },
        ],
      },
      redactedFields: SECRET_HEADERS.map((header) => ({ singleHeader: { name: header } })),
    });
  }

  private rateLimit(limit: number): Wafv2WebAclRule {
    return {
      name: "RequestsPerAddress",
      priority: 0,
      action: { block: {} },
      statement: { rate_based_statement: { aggregate_key_type: "IP", limit } },
      visibilityConfig: this.visibility("RequestsPerAddress"),
    };
  }

  private managedRules(): Wafv2WebAclRule[] {
    return MANAGED_RULES.map(([name, ...counting], number) => ({
      name,
      priority: number + 1,
      overrideAction: { none: {} },
      // In Terraform's words: the bindings have no types for statements, and pass them on as is.
      statement: {
        managed_rule_group_statement: {
          name,
          vendor_name: "AWS",
          rule_action_override: counting.length
            ? counting.map((rule) => ({ name: rule, action_to_use: { count: {} } }))
            : undefined,
        },
      },
      visibilityConfig: this.visibility(name),
    }));
  }

  private visibility(metricName: string) {
    return { cloudwatchMetricsEnabled: true, metricName, sampledRequestsEnabled: true };
  }
}

class LoadBalancer extends Construct {
  readonly balancer: Lb;
  readonly targetGroup: LbTargetGroup;
  readonly listener: LbListener;

  constructor(
    scope: Construct,
    context: Context,
    encryption: Encryption,
    accessLogs: AccessLogs,
    network: Network,
    security: Security,
  ) {
    super(scope, "load_balancer");
    this.balancer = new Lb(this, "load_balancer", {
      name: context.simple("alb"),
      loadBalancerType: "application",
      internal: false,
      subnets: network.publicIds,
      securityGroups: [security.balancer.id],
      idleTimeout: 60,
      dropInvalidHeaderFields: true,
      enableDeletionProtection: context.sizes.balancerProtected,
      accessLogs: { enabled: true, bucket: accessLogs.bucket.bucket, prefix: BALANCER_PREFIX },
      tags: context.tag("alb"),
      dependsOn: [...network.waysOut, accessLogs.writable],
    });
    if (context.sizes.requestsPerAddress) new Waf(this, context, encryption, this.balancer);
    const digest = createHash("sha256").update(`HTTP:${PORT}:ip:${context.sizes.cidr}`).digest("hex").slice(0, 6);
    this.targetGroup = new LbTargetGroup(this, "target_group", {
      name: context.simple(`tg${digest}`),
      targetType: "ip",
      protocol: "HTTP",
      port: PORT,
      vpcId: network.vpc.id,
      deregistrationDelay: "30",
      healthCheck: { path: "/", interval: 15, timeout: 5, healthyThreshold: 2, unhealthyThreshold: 3, matcher: "200" },
      lifecycle: { createBeforeDestroy: true },
      tags: context.tag(`tg${digest}`),
    });
    this.listener = new LbListener(this, "http", {
      loadBalancerArn: this.balancer.arn,
      port: 80,
      protocol: "HTTP",
      defaultAction: [{ type: "forward", targetGroupArn: this.targetGroup.arn }],
    });
  }
}

class Service extends Construct {
  readonly cluster: EcsCluster;
  readonly service: EcsService;
  readonly logs: CloudwatchLogGroup;

  constructor(
    scope: Construct,
    private readonly context: Context,
    private readonly provider: Provider,
    encryption: Encryption,
    network: Network,
    security: Security,
    private readonly database: Database,
    balancer: LoadBalancer,
  ) {
    super(scope, "service");
    const sizes = context.sizes.service;
    this.logs = encryption.logGroup(this, "log_group", context.path("service"), context.sizes.logDays);
    this.cluster = new EcsCluster(this, "cluster", {
      name: context.simple("cluster"),
      setting: [{ name: "containerInsights", value: context.sizes.service.insights ? "enabled" : "disabled" }],
      tags: context.tag("cluster"),
    });
    const secret = allow(database.secretArn, "secretsmanager:GetSecretValue");
    const writeLogs = allow(`${this.logs.arn}:*`, "logs:CreateLogStream", "logs:PutLogEvents");
    const [execution, mayStart] = this.role("execution", writeLogs, secret);
    const [program, mayRun] = this.role("task", secret);
    const task = new EcsTaskDefinition(this, "task_definition", {
      family: context.simple("task"),
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      cpu: String(sizes.cpu),
      memory: String(sizes.memory),
      executionRoleArn: execution.arn,
      taskRoleArn: program.arn,
      runtimePlatform: { cpuArchitecture: "X86_64", operatingSystemFamily: "LINUX" },
      containerDefinitions: JSON.stringify([this.container()]),
      lifecycle: { createBeforeDestroy: true },
    });
    this.service = new EcsService(this, "service", {
      name: context.simple("service"),
      cluster: this.cluster.arn,
      taskDefinition: task.arn,
      launchType: "FARGATE",
      platformVersion: "LATEST",
      desiredCount: sizes.count,
      deploymentMinimumHealthyPercent: 100,
      deploymentMaximumPercent: 200,
      deploymentCircuitBreaker: { enable: true, rollback: true },
      waitForSteadyState: true,
      healthCheckGracePeriodSeconds: 60,
      enableExecuteCommand: false,
      enableEcsManagedTags: true,
      propagateTags: "SERVICE",
      networkConfiguration: {
        subnets: sizes.public ? network.publicIds : network.privateIds,
        securityGroups: [security.service.id],
        assignPublicIp: sizes.public,
      },
      loadBalancer: [{ targetGroupArn: balancer.targetGroup.arn, containerName: "app", containerPort: PORT }],
      lifecycle: {
        ignoreChanges: sizes.maxCount ? ["desired_count"] : undefined,
        postcondition: [
          {
            condition: Op.eq(TerraformSelf.getString("task_definition"), task.arn),
            errorMessage:
              "ECS rolled the deploy back: the service runs an older task definition. The service's events say why.",
          },
        ],
      },
      tags: context.tag("service"),
      dependsOn: [balancer.listener, mayStart, mayRun, ...network.waysOut, ...security.serviceRules],
    });
    if (sizes.maxCount) this.autoscaling(sizes.count, sizes.maxCount);
  }

  private role(word: string, ...statements: object[]): [IamRole, IamRolePolicy] {
    const role = new IamRole(this, `${word}_role`, {
      name: this.context.regional(word),
      assumeRolePolicy: assumedBy("ecs-tasks.amazonaws.com", this.provider.accountId),
    });
    return [role, new IamRolePolicy(this, `${word}_policy`, { name: word, role: role.id, policy: policy(...statements) })];
  }

  private container(): object {
    const secret = this.database.secretArn;
    const environment = {
      DB_SECRET_ARN: secret,
      PGDATABASE: "app",
      PGHOST: this.database.instance.address,
      PGPORT: String(DATABASE_PORT),
      PGSSLMODE: "require",
    };
    return {
      name: "app",
      image: "public.ecr.aws/docker/library/python:3.13-slim",
      essential: true,
      user: "65534",
      readonlyRootFilesystem: true,
      linuxParameters: { initProcessEnabled: true },
      portMappings: [{ containerPort: PORT, protocol: "tcp" }],
      environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
      secrets: [
        { name: "PGUSER", valueFrom: `${secret}:username::` },
        { name: "PGPASSWORD", valueFrom: `${secret}:password::` },
      ],
      logConfiguration: {
        logDriver: "awslogs",
        options: { "awslogs-group": this.logs.name, "awslogs-region": REGION, "awslogs-stream-prefix": "app" },
      },
      command: ["python", "-m", "http.server", String(PORT), "--directory", "/mnt"],
    };
  }

  private autoscaling(minCapacity: number, maxCapacity: number): void {
    const target = new AppautoscalingTarget(this, "scaling_target", {
      serviceNamespace: "ecs",
      scalableDimension: "ecs:service:DesiredCount",
      resourceId: `service/${this.cluster.name}/${this.service.name}`,
      minCapacity,
      maxCapacity,
    });
    for (const [word, metric, percent] of [
      ["cpu", "ECSServiceAverageCPUUtilization", 60],
      ["memory", "ECSServiceAverageMemoryUtilization", 75],
    ] as const) {
      new AppautoscalingPolicy(this, `scale_on_${word}`, {
        name: this.context.simple(word),
        policyType: "TargetTrackingScaling",
        serviceNamespace: target.serviceNamespace,
        scalableDimension: target.scalableDimension,
        resourceId: target.resourceId,
        targetTrackingScalingPolicyConfiguration: {
          targetValue: percent,
          predefinedMetricSpecification: { predefinedMetricType: metric },
        },
      });
    }
  }
}

class Monitoring extends Construct {
  constructor(
    scope: Construct,
    context: Context,
    provider: Provider,
    encryption: Encryption,
    database: Database,
    balancer: LoadBalancer,
    service: Service,
  ) {
    super(scope, "monitoring");
    const topic = new SnsTopic(this, "topic", { name: context.simple("alarms"), kmsMasterKeyId: encryption.keyArn });
    new SnsTopicPolicy(this, "topic_policy", {
      arn: topic.arn,
      policy: policy({
        Sid: "AlarmsOfThisAccount",
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Resource: topic.arn,
        Condition: { StringEquals: { "aws:SourceAccount": provider.accountId } },
      }),
    });
    const front = { LoadBalancer: balancer.balancer.arnSuffix };
    const targets = { ...front, TargetGroup: balancer.targetGroup.arnSuffix };
    const tasks = { ClusterName: service.cluster.name, ServiceName: service.service.name };
    const instance = { DBInstanceIdentifier: database.identifier };
    const sum = { statistic: "Sum", period: 300, evaluationPeriods: 1 };
    const below = { comparisonOperator: "LessThanThreshold" };
    const { alarmConnections } = context.sizes;
    const { count } = context.sizes.service;
    const alarm = (
      id: string,
      namespace: string,
      metricName: string,
      dimensions: Record<string, string>,
      threshold: number,
      other: object = {},
    ): CloudwatchMetricAlarm =>
      new CloudwatchMetricAlarm(this, id, {
        alarmName: context.simple(id.replaceAll("_", "")),
        namespace,
        metricName,
        dimensions,
        comparisonOperator: "GreaterThanThreshold",
        threshold,
        statistic: "Average",
        period: 60,
        evaluationPeriods: 5,
        treatMissingData: "notBreaching",
        alarmActions: [topic.arn],
        okActions: [topic.arn],
        ...other,
      });
    alarm("http_5xx_balancer", "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", front, 10, sum);
    alarm("http_5xx_targets", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", front, 10, sum);
    alarm("unhealthy_hosts", "AWS/ApplicationELB", "UnHealthyHostCount", targets, 0, { statistic: "Maximum" });
    alarm("service_cpu", "AWS/ECS", "CPUUtilization", tasks, 85);
    alarm("service_memory", "AWS/ECS", "MemoryUtilization", tasks, 85);
    alarm("running_tasks", "AWS/ECS", "CPUUtilization", tasks, count, {
      statistic: "SampleCount",
      treatMissingData: "breaching",
      ...below,
    });
    alarm("database_cpu", "AWS/RDS", "CPUUtilization", instance, 80);
    alarm("database_connections", "AWS/RDS", "DatabaseConnections", instance, alarmConnections);
    alarm("database_storage", "AWS/RDS", "FreeStorageSpace", instance, 5 * 2 ** 30, { statistic: "Minimum", ...below });
  }
}

class TapStack extends TerraformStack {
  constructor(scope: Construct, context: Context) {
    const id = `tap-${context.name}-${context.suffix}`;
    super(scope, id);
    this.addOverride("terraform.required_version", ">= 1.11");
    new S3Backend(this, {
      bucket: context.regional("tfstate"),
      key: `${id}/terraform.tfstate`,
      region: REGION,
      encrypt: true,
    });
    this.addOverride("terraform.backend.s3.use_lockfile", true);
    const provider = new Provider(this, context);
    const encryption = new Encryption(this, context, provider);
    const accessLogs = new AccessLogs(this, context, provider);
    const state = new State(this, context, encryption, accessLogs);
    const network = new Network(this, context, provider, encryption);
    const security = new Security(this, context, network);
    const database = new Database(this, context, provider, encryption, network, security);
    const balancer = new LoadBalancer(this, context, encryption, accessLogs, network, security);
    const service = new Service(this, context, provider, encryption, network, security, database, balancer);
    if (context.sizes.alarmConnections) {
      new Monitoring(this, context, provider, encryption, database, balancer, service);
    }
    this.publish(context, {
      "network/vpc_id": network.vpc.id,
      "network/public_subnet_ids": network.publicIds.join(","),
      "network/private_subnet_ids": network.privateIds.join(","),
      "database/address": database.instance.address,
      "database/port": String(DATABASE_PORT),
      "database/name": "app",
      "database/secret_arn": database.secretArn,
      "service/url": `http://${balancer.balancer.dnsName}`,
      "service/load_balancer_dns_name": balancer.balancer.dnsName,
      "service/cluster_name": service.cluster.name,
      "service/service_name": service.service.name,
      "service/log_group_name": service.logs.name,
      "state/bucket": state.bucket.bucket,
      "state/lock_table": state.table.name,
    });
  }

  private publish(context: Context, values: Record<string, string>): void {
    const scope = new Construct(this, "outputs");
    const parameters = new Construct(scope, "parameters");
    for (const [key, value] of Object.entries(values)) {
      const id = key.replace("/", "_");
      new SsmParameter(parameters, id, { name: context.path(key), type: "String", value });
      new TerraformOutput(scope, id, { value }).overrideLogicalId(id);
    }
  }
}

const wanted = process.env.ENVIRONMENT ?? "all";
const suffix = process.env.ENVIRONMENT_SUFFIX ?? "bench";
const app = new App();
for (const name of Object.keys(environments) as Name[]) {
  const sizes = environments[name];
  if (wanted === "all" || wanted === name) new TapStack(app, new Context(name, sizes, suffix));
}
app.synth();
