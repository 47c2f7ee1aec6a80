"""Actions on the account as a whole: alias, password policy, settings and summary."""

from collections.abc import Mapping, Sequence

from api.actions.action import Action, Listing, Read, Reply, Write, under
from iam.account_aliases import (
    CreateAccountAlias,
    DeleteAccountAlias,
    ListAccountAliases,
    create_account_alias,
    delete_account_alias,
    list_account_aliases,
)
from iam.account_settings import (
    DisableOrganizationsRootCredentialsManagement,
    DisableOrganizationsRootSessions,
    DisableOutboundWebIdentityFederation,
    EnableOrganizationsRootCredentialsManagement,
    EnableOrganizationsRootSessions,
    EnableOutboundWebIdentityFederation,
    GetAccountProperties,
    GetOutboundWebIdentityFederationInfo,
    ListOrganizationsFeatures,
    PutAccountProperties,
    SetSecurityTokenServicePreferences,
    disable_outbound_federation,
    enable_outbound_federation,
    get_account_properties,
    get_outbound_federation,
    list_organizations_features,
    put_account_properties,
    set_organizations_feature,
    set_token_version,
)
from iam.account_summary import GetAccountSummary, get_account_summary
from iam.events.account import OrganizationsFeaturesSet, OutboundWebIdentityFederationEnabled
from iam.password_policies import (
    DeleteAccountPasswordPolicy,
    GetAccountPasswordPolicy,
    UpdateAccountPasswordPolicy,
    delete_password_policy,
    get_password_policy,
    update_password_policy,
)
from iam.relations import PasswordPolicy


def _password_policy(policy: PasswordPolicy) -> Reply:
    """Age and reuse only where there is a rule for them; passwords expire where they age.

    Recorded for a policy of defaults is that there is no word of hard expiry: that it says so elsewhere is likely.
    """
    expires = policy.max_password_age is not None
    return {
        "PasswordPolicy": {
            "MinimumPasswordLength": policy.minimum_password_length,
            "RequireSymbols": policy.require_symbols,
            "RequireNumbers": policy.require_numbers,
            "RequireUppercaseCharacters": policy.require_uppercase_characters,
            "RequireLowercaseCharacters": policy.require_lowercase_characters,
            "AllowUsersToChangePassword": policy.allow_users_to_change_password,
            "ExpirePasswords": expires,
            "MaxPasswordAge": policy.max_password_age,
            "PasswordReusePrevention": policy.password_reuse_prevention,
            "HardExpiry": policy.hard_expiry if expires or policy.hard_expiry else None,
        }
    }


def _features(organization_id: str, features: Sequence[str]) -> Reply:
    return {"OrganizationId": organization_id, "EnabledFeatures": list(features)}


def _features_set(event: OrganizationsFeaturesSet, account: str, partition: str) -> Reply:
    return _features(event.organization_id, event.enabled_features)


def _enabled(event: OutboundWebIdentityFederationEnabled, account: str, partition: str) -> Reply:
    return {"IssuerIdentifier": event.issuer_identifier}


ACTIONS: Mapping[str, Action] = {
    "CreateAccountAlias": Write(CreateAccountAlias, create_account_alias),
    "DeleteAccountAlias": Write(DeleteAccountAlias, delete_account_alias),
    "ListAccountAliases": Listing(ListAccountAliases, list_account_aliases, under("AccountAliases", str)),
    "UpdateAccountPasswordPolicy": Write(UpdateAccountPasswordPolicy, update_password_policy),
    "GetAccountPasswordPolicy": Read(GetAccountPasswordPolicy, get_password_policy, _password_policy),
    "DeleteAccountPasswordPolicy": Write(DeleteAccountPasswordPolicy, delete_password_policy),
    "GetAccountSummary": Read(GetAccountSummary, get_account_summary, lambda counts: {"SummaryMap": counts}, wide=True),
    "SetSecurityTokenServicePreferences": Write(SetSecurityTokenServicePreferences, set_token_version),
    "EnableOutboundWebIdentityFederation": Write(
        EnableOutboundWebIdentityFederation, enable_outbound_federation, _enabled
    ),
    "DisableOutboundWebIdentityFederation": Write(DisableOutboundWebIdentityFederation, disable_outbound_federation),
    "GetOutboundWebIdentityFederationInfo": Read(
        GetOutboundWebIdentityFederationInfo,
        get_outbound_federation,
        lambda issuer: {"IssuerIdentifier": issuer, "JwtVendingEnabled": True},
    ),
    "EnableOrganizationsRootCredentialsManagement": Write(
        EnableOrganizationsRootCredentialsManagement, set_organizations_feature, _features_set
    ),
    "DisableOrganizationsRootCredentialsManagement": Write(
        DisableOrganizationsRootCredentialsManagement, set_organizations_feature, _features_set
    ),
    "EnableOrganizationsRootSessions": Write(EnableOrganizationsRootSessions, set_organizations_feature, _features_set),
    "DisableOrganizationsRootSessions": Write(
        DisableOrganizationsRootSessions, set_organizations_feature, _features_set
    ),
    "ListOrganizationsFeatures": Read(
        ListOrganizationsFeatures, list_organizations_features, lambda found: _features(*found)
    ),
    "PutAccountProperties": Write(PutAccountProperties, put_account_properties),
    "GetAccountProperties": Read(GetAccountProperties, get_account_properties, lambda found: {"Properties": found}),
}
