"""The services that have roles of their own, with the role's name and AWS's managed policy for it."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

PREFIX: Final = "AWSServiceRoleFor"
DOMAINS: Final = (".amazonaws.com", ".amazonaws.com.cn")

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")

# Service without its domain, role name without its prefix, managed policy in which `*` is that name, and a plus where
# a suffix may be given. From AWS's documentation of each service, and the policies of the catalogue.
_TABLE = """
access-analyzer AccessAnalyzer *ServiceRolePolicy
accountdiscovery.ssm AmazonSSM_AccountDiscovery AWSSystemsManagerAccountDiscoveryServicePolicy
acm CertificateManager *ServiceRolePolicy
agentless.inspector2 AmazonInspector2Agentless *ServiceRolePolicy
airflow AmazonMWAA *ServiceRolePolicy
apidestinations.events AmazonEventBridgeApiDestinations *ServiceRolePolicy
appmesh AppMesh AWS*ServiceRolePolicy
apprunner AppRunner *ServiceRolePolicy
appsync AppSync AWS*ServiceRolePolicy
auditmanager AuditManager AWS*ServiceRolePolicy
autoscaling AutoScaling *ServiceRolePolicy +
autoscaling-plans AutoScalingPlans_EC2AutoScaling AWSAutoScalingPlansEC2AutoScalingPolicy
backup Backup AWS*ServiceLinkedRolePolicyForBackup
batch Batch *ServiceRolePolicy
braket AmazonBraket *ServiceRolePolicy
channels.lex LexChannels LexChannelPolicy
cks.kms KeyManagementServiceCustomKeyStores AWS*ServiceRolePolicy
cloud9 AWSCloud9 *ServiceRolePolicy
cloudhsm CloudHSM *ServiceRolePolicy
cloudtrail CloudTrail *ServiceRolePolicy
codeguru-reviewer AmazonCodeGuruReviewer *ServiceRolePolicy
codestar-notifications CodeStarNotifications AWS*ServiceRolePolicy
cognito-idp AmazonCognitoIdp *ServiceRolePolicy
compute-optimizer ComputeOptimizer *ServiceRolePolicy
config Config AWS*ServiceRolePolicy
config-conforms ConfigConforms *ServiceRolePolicy
config-multiaccountsetup ConfigMultiAccountSetup AWS*Policy
connect AmazonConnect *ServiceLinkedRolePolicy +
continuousexport.discovery ApplicationDiscoveryServiceContinuousExport *ServiceRolePolicy
contributorinsights.dynamodb DynamoDBCloudWatchContributorInsights *ServiceRolePolicy
controltower AWSControlTower *AccountServiceRolePolicy
cost-optimization-hub.bcm CostOptimizationHub *ServiceRolePolicy
dax DAX *ServiceRolePolicy
detective Detective Amazon*ServiceLinkedRolePolicy
devops-guru DevOpsGuru Amazon*ServiceRolePolicy
drs ElasticDisasterRecovery AWS*ServiceRolePolicy
ec2fleet EC2Fleet AWS*ServiceRolePolicy
ec2scheduled EC2ScheduledInstances AWSServiceRoleFor*
ecs ECS Amazon*ServiceRolePolicy
eks AmazonEKS *ServiceRolePolicy
eks-connector AmazonEKSConnector *ServiceRolePolicy
eks-fargate AmazonEKSForFargate *ServiceRolePolicy
eks-nodegroup AmazonEKSNodegroup AWSServiceRoleFor*
elasticache ElastiCache *ServiceRolePolicy
elasticbeanstalk ElasticBeanstalk AWS*ServiceRolePolicy
elasticfilesystem AmazonElasticFileSystem *ServiceRolePolicy
elasticloadbalancing ElasticLoadBalancing AWS*ServiceRolePolicy
elasticmapreduce EMRCleanup Amazon*Policy
email.cognito-idp AmazonCognitoIdpEmailService *RolePolicy
emr-containers AmazonEMRContainers *ServiceRolePolicy
es AmazonElasticsearchService *RolePolicy
events CloudWatchEvents *ServiceRolePolicy
events.workmail AmazonWorkMailEvents *ServiceRolePolicy
fis FIS Amazon*ServiceRolePolicy
fms FMS *ServiceRolePolicy
fsx AmazonFSx *ServiceRolePolicy
globalaccelerator GlobalAccelerator AWS*SLRPolicy
grafana AmazonGrafana *ServiceLinkedRolePolicy
guardduty AmazonGuardDuty *ServiceRolePolicy
imagebuilder ImageBuilder AWSServiceRoleFor*
inspector AmazonInspector *ServiceRolePolicy
inspector2 AmazonInspector2 *ServiceRolePolicy
iotsitewise IoTSiteWise AWSServiceRoleFor*
ipam IPAM AWS*ServiceRolePolicy
kafka Kafka *ServiceRolePolicy
kafkaconnect KafkaConnect *ServiceRolePolicy
lakeformation LakeFormationDataAccess *ServiceRolePolicy
lex LexBots LexBotPolicy
lexv2 LexV2Bots AmazonLexV2BotPolicy +
license-manager AWSLicenseManagerRole AWSLicenseManagerServiceRolePolicy
license-manager.master-account AWSLicenseManagerMasterAccountRole *Policy
license-manager.member-account AWSLicenseManagerMemberAccountRole *Policy
lightsail Lightsail *ExportAccess
logger.cloudfront CloudFrontLogger AWS*
macie AmazonMacie *ServiceRolePolicy
maintenance.elasticbeanstalk ElasticBeanstalkMaintenance AWS*
malware-protection.guardduty AmazonGuardDutyMalwareProtection *ServiceRolePolicy
managedupdates.elasticbeanstalk ElasticBeanstalkManagedUpdates AWS*ServiceRolePolicy
management.chatbot AWSChatbot *ServiceLinkedRolePolicy
member.org.stacksets.cloudformation CloudFormationStackSetsOrgMember *ServiceRolePolicy
memorydb MemoryDB *ServiceRolePolicy
mgn ApplicationMigrationService AWS*RolePolicy
migrationhub MigrationHub *ServiceRolePolicy
mq AmazonMQ *ServiceRolePolicy
mrk.kms KeyManagementServiceMultiRegionKeys AWS*ServiceRolePolicy
network-firewall NetworkFirewall AWS*ServiceRolePolicy
networking.apprunner AppRunnerNetworking *ServiceRolePolicy
networkmanager NetworkManager AWS*ServiceRolePolicy
observability.aoss AmazonOpenSearchServerless *ServiceRolePolicy
opensearchservice AmazonOpenSearchService *RolePolicy
ops.apigateway APIGateway *ServiceRolePolicy
ops.emr-serverless AmazonEMRServerless *ServiceRolePolicy
opsdatasync.ssm SystemsManagerOpsDataSync AWS*ServiceRolePolicy
opsinsights.ssm AmazonSSM_OpsInsights AWSSSMOpsInsightsServiceRolePolicy
organizations Organizations AWS*ServiceTrustPolicy
osis AmazonOpenSearchIngestionService *RolePolicy
pullthroughcache.ecr ECRPullThroughCache AWS*_ServiceRolePolicy
ram ResourceAccessManager AWS*ServiceRolePolicy
rds RDS Amazon*ServiceRolePolicy
redshift Redshift Amazon*ServiceLinkedRolePolicy
remediation.config ConfigRemediation AWS*ServiceRolePolicy
replication.cassandra KeyspacesReplication *ServiceRolePolicy
replication.dynamodb DynamoDBReplication *ServiceRolePolicy
replication.ecr ECRReplication *ServiceRolePolicy
replicator.lambda LambdaReplicator AWS*
reporting.trustedadvisor TrustedAdvisorReporting AWS*ServiceRolePolicy
reports.backup BackupReports AWSServiceRolePolicyFor*
resource-explorer-2 ResourceExplorer AWS*ServiceRolePolicy
rolesanywhere RolesAnywhere AWS*ServicePolicy
route53resolver Route53Resolver *ServiceRolePolicy
sagemaker AmazonSageMakerNotebooks *ServiceRolePolicy
schemas Schemas AmazonEventBridge*ServiceRolePolicy
securityhub SecurityHub AWS*ServiceRolePolicy
securitylake SecurityLake *ServiceLinkedRole
servicequotas ServiceQuotas *ServiceRolePolicy
ses AmazonSES *ServiceRolePolicy
shield AWSShield *ServiceRolePolicy
spot EC2Spot AWS*ServiceRolePolicy
spotfleet EC2SpotFleet AWS*ServiceRolePolicy
ssm AmazonSSM *ServiceRolePolicy
ssm-incidents IncidentManager AWS*ServiceRolePolicy
sso SSO AWS*ServiceRolePolicy
stacksets.cloudformation CloudFormationStackSetsOrgAdmin *ServiceRolePolicy
storage-lens.s3 S3StorageLens *ServiceRolePolicy
support Support AWS*ServiceRolePolicy
transitgateway VPCTransitGateway AWS*ServiceRolePolicy
trustedadvisor TrustedAdvisor AWS*ServiceRolePolicy
vpc-lattice VpcLattice AWS*ServiceRolePolicy
waf WAFLogging *ServiceRolePolicy
waf-regional WAFRegionalLogging *ServiceRolePolicy
wafv2 WAFV2Logging *ServiceRolePolicy
"""

# Under application-autoscaling: what it scales for, and the thing.
_SCALED = """
appstream AppStreamFleet
cassandra CassandraTable
comprehend ComprehendEndpoint
custom-resource CustomResource
dynamodb DynamoDBTable
ec2 EC2SpotFleetRequest
ecs ECSService
elasticache ElastiCacheRG
elasticmapreduce EMRInstanceGroup
kafka KafkaCluster
lambda LambdaConcurrency
neptune NeptuneCluster
rds RDSCluster
sagemaker SageMakerEndpoint
"""


class LinkedService(msgspec.Struct, frozen=True, gc=False):
    """What a service says of its role. AWS's policies of that name are those reserved for such roles."""

    role_name: str
    policy_name: str | None = None
    suffix_allowed: bool = True


def _rows() -> Iterator[tuple[str, LinkedService]]:
    for label, name, policy, *plus in map(str.split, _TABLE.strip().splitlines()):
        yield label, LinkedService(PREFIX + name, policy.replace("*", name), bool(plus))
    yield "role-manager.iam", LinkedService(f"{PREFIX}IAMRoleManager", suffix_allowed=False)
    for label, thing in map(str.split, _SCALED.strip().splitlines()):
        scaling = "AutoScaling" if thing == "CustomResource" else "Autoscaling"  # spelled so by AWS
        policy = f"AWSApplication{scaling}{thing}Policy"
        yield (
            f"{label}.application-autoscaling",
            LinkedService(f"{PREFIX}ApplicationAutoScaling_{thing}", policy, suffix_allowed=False),
        )


SERVICES: Final = dict(_rows())


def linked_service(service: str) -> LinkedService | None:
    """What is known of the service; None if this is no name of a service, which is that of a host in lower case.

    A service that is not in the table gets a name made from its own: `AWSServiceRoleForother` is that of
    `other.amazonaws.com`, and `AWSServiceRoleForsome_OneThing` that of `one-thing.some.amazonaws.com`.
    """
    for domain in DOMAINS:
        label = service.removesuffix(domain)
        if label != service and _HOST.fullmatch(label):
            return SERVICES.get(label) or LinkedService(PREFIX + _made_from(label))
    return None


def _made_from(label: str) -> str:
    *kinds, name = label.split(".")
    words = (word.capitalize() for kind in kinds for word in kind.split("-"))
    return f"{name}_{''.join(words)}" if kinds else name
