"""The account in numbers: what it has, and what it may have."""

from collections.abc import Mapping
from typing import Any, Final

from iam import relations as r
from iam.account_settings import V1_TOKEN, token_version
from iam.commands import Query
from iam.policies import used_policies
from iam.relations import Relation
from iam.state import State

POLICY_VERSIONS_IN_USE_QUOTA: Final = 10000  # which AWS shows, and refuses nothing for


class GetAccountSummary(Query, frozen=True, gc=False, kw_only=True):
    pass


_COUNTED: Final[Mapping[str, tuple[Relation[Any], ...]]] = {
    "Users": (r.USERS,),
    "Groups": (r.GROUPS,),
    "Roles": (r.ROLES,),
    "Policies": (r.POLICIES,),
    "InstanceProfiles": (r.INSTANCE_PROFILES,),
    "ServerCertificates": (r.SERVER_CERTIFICATES,),
    "MFADevices": (r.VIRTUAL_MFA_DEVICES,),
    "MFADevicesInUse": (r.MFA_DEVICE_USERS,),
    "Providers": (r.SAML_PROVIDERS, r.OIDC_PROVIDERS),
}
"""How many entries there are in the relations of the whole account."""

_QUOTAS: Final[Mapping[str, str]] = {
    "UsersQuota": "users_per_account",
    "GroupsQuota": "groups_per_account",
    "RolesQuota": "roles_per_account",
    "PoliciesQuota": "policies_per_account",
    "InstanceProfilesQuota": "instance_profiles_per_account",
    "ServerCertificatesQuota": "server_certificates_per_account",
    "SigningCertificatesPerUserQuota": "certificates_per_user",
    "PolicySizeQuota": "policy_size",
    "VersionsPerPolicyQuota": "versions_per_policy",
    "GroupsPerUserQuota": "groups_per_user",
    "AccessKeysPerUserQuota": "access_keys_per_user",
    "AttachedPoliciesPerUserQuota": "policies_per_user",
    "AttachedPoliciesPerGroupQuota": "policies_per_group",
    "AttachedPoliciesPerRoleQuota": "policies_per_role",
    "UserPolicySizeQuota": "user_policy_size",
    "GroupPolicySizeQuota": "group_policy_size",
    "RolePolicySizeQuota": "role_policy_size",
    "AssumeRolePolicySizeQuota": "assume_role_policy_size",
}
"""The quotas as the summary calls them."""


def get_account_summary(state: State, query: GetAccountSummary) -> Mapping[str, int]:
    """All numbers. Of the account's root user there is nothing here but that it asks."""
    counts = {name: sum(state.count(each, "") for each in relations) for name, relations in _COUNTED.items()}
    quotas = {name: getattr(state.world.quotas, field) for name, field in _QUOTAS.items()}
    return {
        **counts,
        **quotas,
        "PolicyVersionsInUse": used_policies(state),
        "PolicyVersionsInUseQuota": POLICY_VERSIONS_IN_USE_QUOTA,
        "GlobalEndpointTokenVersion": 1 if token_version(state) == V1_TOKEN else 2,
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
    }
