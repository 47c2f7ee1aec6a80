"""The account as a whole: alias, password policy, settings, and all that is told of it at once."""

from lives import ADMIN, Life, Questions, document, own, tags, trust

NO_JOB = "00000000-0000-0000-0000-000000000000"
MANAGER = "RoleManager/Enabled"


def properties(name: str, value: str) -> dict[str, str]:
    """One property of the account as the fields of a form."""
    return {"Properties.entry.1.key": name, "Properties.entry.1.value": value}


def live(account: str) -> Life:
    """Each write action on the account, and something of every kind that its details tell of."""
    ops = own(account, "ops")
    yield "CreateAccountAlias", {"AccountAlias": "acme"}
    yield "CreateAccountAlias", {"AccountAlias": "acme-prod"}
    yield "DeleteAccountAlias", {"AccountAlias": "acme-prod"}
    yield "UpdateAccountPasswordPolicy", {"MinimumPasswordLength": "14", "MaxPasswordAge": "90"}
    yield "UpdateAccountPasswordPolicy", {"RequireSymbols": "true"}
    yield "DeleteAccountPasswordPolicy", {}
    yield "SetSecurityTokenServicePreferences", {"GlobalEndpointTokenVersion": "v2Token"}
    yield "EnableOutboundWebIdentityFederation", {}
    yield "DisableOutboundWebIdentityFederation", {}
    yield "EnableOrganizationsRootSessions", {}
    yield "EnableOrganizationsRootCredentialsManagement", {}
    yield "DisableOrganizationsRootSessions", {}
    yield "DisableOrganizationsRootCredentialsManagement", {}
    yield "CreateServiceLinkedRole", {"AWSServiceName": "role-manager.iam.amazonaws.com"}
    yield "PutAccountProperties", properties(MANAGER, "true")
    yield "PutAccountProperties", properties(MANAGER, "false")
    yield "CreateUser", {"UserName": "Alice", "Path": "/eng/", **tags("Team=red"), "PermissionsBoundary": ADMIN}
    yield "CreateGroup", {"GroupName": "team"}
    yield "AddUserToGroup", {"GroupName": "team", "UserName": "alice"}
    yield "CreatePolicy", {"PolicyName": "ops", "PolicyDocument": document(1)}
    yield "CreatePolicyVersion", {"PolicyArn": ops, "PolicyDocument": document(2), "SetAsDefault": "true"}
    yield "AttachGroupPolicy", {"GroupName": "team", "PolicyArn": ops}
    yield "PutUserPolicy", {"UserName": "alice", "PolicyName": "own", "PolicyDocument": document(3)}
    yield "CreateRole", {"RoleName": "web", "AssumeRolePolicyDocument": trust(1)}
    yield "CreateInstanceProfile", {"InstanceProfileName": "web"}
    yield "AddRoleToInstanceProfile", {"InstanceProfileName": "web", "RoleName": "web"}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions. Jobs are asked for in vain: their ids hold the present time."""
    user = f"arn:aws:iam::{account}:user/eng/alice"
    return {
        "ListAccountAliases": [{}],
        "GetAccountPasswordPolicy": [{}],
        "GetAccountSummary": [{}],
        "GetOutboundWebIdentityFederationInfo": [{}],
        "ListOrganizationsFeatures": [{}],
        "GetAccountProperties": [{}],
        "GetAccountAuthorizationDetails": [{}, {"Filter.member.1": "User", "MaxItems": "1"}, {"MaxItems": "2"}],
        "ListPoliciesGrantingServiceAccess": [{"Arn": user, "ServiceNamespaces.member.1": "s3"}],
        "GetContextKeysForCustomPolicy": [{"PolicyInputList.member.1": document(1)}],
        "GetContextKeysForPrincipalPolicy": [{"PolicySourceArn": user}],
        "GenerateServiceLastAccessedDetails": [{"Arn": f"arn:aws:iam::{account}:user/nobody"}],
        "GetServiceLastAccessedDetails": [{"JobId": NO_JOB}],
        "GetServiceLastAccessedDetailsWithEntities": [{"JobId": NO_JOB, "ServiceNamespace": "s3"}],
    }
