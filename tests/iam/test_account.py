"""The account as a whole: its alias, its password policy, what is switched on, and what it is in numbers."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from iam.account_aliases import (
    CreateAccountAlias,
    DeleteAccountAlias,
    ListAccountAliases,
    create_account_alias,
    delete_account_alias,
    list_account_aliases,
)
from iam.account_settings import (
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
from iam.attached_policies import AttachGroupPolicy, AttachUserPolicy
from iam.boundaries import PutUserPermissionsBoundary
from iam.errors import (
    EntityAlreadyExists,
    FeatureDisabled,
    FeatureEnabled,
    IamError,
    InvalidInput,
    NoSuchEntity,
    ValidationError,
)
from iam.events.account import (
    AccountAliasCreated,
    AccountAliasDeleted,
    AccountPasswordPolicyDeleted,
    AccountPasswordPolicyUpdated,
    AccountPropertyPut,
    OrganizationsFeaturesSet,
    SecurityTokenServicePreferencesSet,
)
from iam.events.roles import ServiceLinkedRoleCreated
from iam.groups import CreateGroup
from iam.password_policies import (
    DeleteAccountPasswordPolicy,
    GetAccountPasswordPolicy,
    UpdateAccountPasswordPolicy,
    delete_password_policy,
    get_password_policy,
    update_password_policy,
)
from iam.policies import CreatePolicy, CreatePolicyVersion
from iam.quotas import Quotas
from iam.relations import PasswordPolicy
from iam.service_linked_roles import CreateServiceLinkedRole
from iam.users import CreateUser

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READS = "arn:aws:iam::123456789012:policy/reads"
ENABLED = "RoleManager/Enabled"
ACME = CreateAccountAlias(account_alias="acme")

# Alias


def test_an_alias_takes_the_place_of_the_one_before(given: Callable[..., Any]) -> None:
    """The event tells both, and the list has one."""
    account = given(ACME)
    command = CreateAccountAlias(account_alias="other")
    account.when(create_account_alias, command).then(
        AccountAliasCreated(account_alias="other", previous_account_alias="acme")
    )
    account.also(command)
    assert list(list_account_aliases(account.account, ListAccountAliases(), "")) == [("other", "other")]
    assert list(list_account_aliases(account.account, ListAccountAliases(), "other")) == []


def test_the_alias_that_the_account_has_is_taken(given: Callable[..., Any]) -> None:
    """By itself."""
    given(ACME).when(create_account_alias, ACME).refused(EntityAlreadyExists, "The account alias acme already exists.")


@pytest.mark.parametrize("history", [(), (CreateAccountAlias(account_alias="other"),)], ids=["none", "another"])
def test_only_the_alias_that_is_there_can_be_deleted(given: Callable[..., Any], history: tuple[Any, ...]) -> None:
    """It must be named."""
    given(*history).when(delete_account_alias, DeleteAccountAlias(account_alias="acme")).refused(
        NoSuchEntity, "The account alias acme does not exist."
    )


def test_a_deleted_alias_is_gone(given: Callable[..., Any]) -> None:
    """And may be given again."""
    account = given(ACME)
    account.when(delete_account_alias, DeleteAccountAlias(account_alias="acme")).then(
        AccountAliasDeleted(account_alias="acme")
    )
    account.also(DeleteAccountAlias(account_alias="acme"))
    assert list(list_account_aliases(account.account, ListAccountAliases(), "")) == []
    account.when(create_account_alias, ACME).then(AccountAliasCreated(account_alias="acme"))


# Password policy


def test_rules_that_are_not_told_are_the_default_ones(given: Callable[..., Any]) -> None:
    """Whatever the policy said before."""
    account = given(UpdateAccountPasswordPolicy(minimum_password_length=20, max_password_age=90, hard_expiry=True))
    account.also(UpdateAccountPasswordPolicy(require_symbols=True))
    assert get_password_policy(account.account, GetAccountPasswordPolicy()) == PasswordPolicy(require_symbols=True)


def test_a_password_policy_is_complete_in_its_event(given: Callable[..., Any]) -> None:
    """The defaults too, as they were when it was recorded."""
    given().when(update_password_policy, UpdateAccountPasswordPolicy(password_reuse_prevention=3)).then(
        AccountPasswordPolicyUpdated(
            minimum_password_length=6,
            require_symbols=False,
            require_numbers=False,
            require_uppercase_characters=False,
            require_lowercase_characters=False,
            allow_users_to_change_password=False,
            hard_expiry=False,
            password_reuse_prevention=3,
        )
    )


def test_the_same_password_policy_again_changes_nothing(given: Callable[..., Any]) -> None:
    """But a policy of defaults alone is one."""
    command = UpdateAccountPasswordPolicy()
    assert given().when(update_password_policy, command).events
    given(command).when(update_password_policy, command).nothing()


def test_a_password_policy_that_is_not_there_is_neither_shown_nor_deleted(given: Callable[..., Any]) -> None:
    """The refusals differ, as AWS's do."""
    message = "The Password Policy with domain name 123456789012 cannot be found."
    undeletable = "The account policy with name PasswordPolicy cannot be found."
    account = given(UpdateAccountPasswordPolicy())
    account.when(delete_password_policy, DeleteAccountPasswordPolicy()).then(AccountPasswordPolicyDeleted())
    account.also(DeleteAccountPasswordPolicy())
    account.when(delete_password_policy, DeleteAccountPasswordPolicy()).refused(NoSuchEntity, undeletable)
    with pytest.raises(NoSuchEntity, match=message):
        get_password_policy(account.account, GetAccountPasswordPolicy())


# Settings


def test_tokens_are_of_the_first_version_until_something_else_is_said(given: Callable[..., Any]) -> None:
    """Saying the same changes nothing; the summary shows it as a number."""
    first, second = (SetSecurityTokenServicePreferences(global_endpoint_token_version=f"v{n}Token") for n in (1, 2))
    given().when(set_token_version, first).nothing()
    given().when(set_token_version, second).then(
        SecurityTokenServicePreferencesSet(global_endpoint_token_version="v2Token")
    )
    account = given(second)
    assert get_account_summary(account.account, GetAccountSummary())["GlobalEndpointTokenVersion"] == 2
    account.also(first)
    assert get_account_summary(account.account, GetAccountSummary())["GlobalEndpointTokenVersion"] == 1


def test_outbound_federation_has_the_same_issuer_whenever_it_is_enabled(given: Callable[..., Any]) -> None:
    """It is disabled at first, and cannot be enabled or disabled twice."""
    enable, disable = EnableOutboundWebIdentityFederation(), DisableOutboundWebIdentityFederation()
    off = "Outbound identity federation is disabled for account 123456789012"
    given().when(disable_outbound_federation, disable).refused(FeatureDisabled, off)
    account = given(enable)
    issuer = get_outbound_federation(account.account, GetOutboundWebIdentityFederationInfo())
    assert issuer.startswith("https://")
    assert issuer.endswith(".tokens.sts.global.api.aws")
    account.when(enable_outbound_federation, enable).refused(
        FeatureEnabled, "Outbound identity federation is enabled for account 123456789012"
    )
    account.also(disable)
    with pytest.raises(FeatureDisabled, match=off):
        get_outbound_federation(account.account, GetOutboundWebIdentityFederationInfo())
    account.also(enable)
    assert get_outbound_federation(account.account, GetOutboundWebIdentityFederationInfo()) == issuer


def test_features_of_the_organization_are_told_together(given: Callable[..., Any]) -> None:
    """Each change tells what is enabled then, a change to what is so already too."""
    both = ("RootCredentialsManagement", "RootSessions")
    account = given(EnableOrganizationsRootSessions())
    organization, features = list_organizations_features(account.account, ListOrganizationsFeatures())
    assert tuple(features) == ("RootSessions",)
    account.when(set_organizations_feature, EnableOrganizationsRootCredentialsManagement()).then(
        OrganizationsFeaturesSet(organization_id=organization, enabled_features=both)
    )
    account.when(set_organizations_feature, EnableOrganizationsRootSessions()).then(
        OrganizationsFeaturesSet(organization_id=organization, enabled_features=("RootSessions",))
    )
    account.when(set_organizations_feature, DisableOrganizationsRootSessions()).then(
        OrganizationsFeaturesSet(organization_id=organization, enabled_features=())
    )


def test_enabling_the_role_manager_makes_its_role_once(given: Callable[..., Any]) -> None:
    """Disabling it leaves the role; what is so already changes nothing."""
    on = PutAccountProperties(properties={ENABLED: "true", "RoleManager/Other": "x"})
    off = PutAccountProperties(properties={ENABLED: "false"})
    given().when(put_account_properties, off).nothing()
    role, put = given().when(put_account_properties, on).events
    assert isinstance(role, ServiceLinkedRoleCreated)
    assert role.role_name == "AWSServiceRoleForIAMRoleManager"
    assert put == AccountPropertyPut(property_name=ENABLED, property_value="true")
    account = given(on)
    assert get_account_properties(account.account, GetAccountProperties()) == {ENABLED: "true"}
    account.when(put_account_properties, on).nothing()
    account.also(off)
    assert get_account_properties(account.account, GetAccountProperties()) == {ENABLED: "false"}
    account.when(put_account_properties, on).then(AccountPropertyPut(property_name=ENABLED, property_value="true"))


def test_a_role_manager_whose_role_is_there_is_enabled_alone(given: Callable[..., Any]) -> None:
    """Nothing else happens then."""
    account = given(CreateServiceLinkedRole(aws_service_name="role-manager.iam.amazonaws.com"))
    account.when(put_account_properties, PutAccountProperties(properties={ENABLED: "true"})).then(
        AccountPropertyPut(property_name=ENABLED, property_value="true")
    )


@pytest.mark.parametrize(
    ("properties", "refusal", "message"),
    [
        (
            {},
            ValidationError,
            "1 validation error detected: Value at 'properties' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"RoleManager": "true"},
            InvalidInput,
            "Property key must be in format Namespace/PropertyName: RoleManager",
        ),
        ({"RoleManager/Enabled/x": "true"}, InvalidInput, "RoleManager namespace requires Enabled property"),
        ({"RoleManager/Other": "true"}, InvalidInput, "RoleManager namespace requires Enabled property"),
        ({"Other/Enabled": "true"}, InvalidInput, "Unsupported namespace: Other"),
        (
            {ENABLED: "true", "Other/Enabled": "true"},
            InvalidInput,
            "All properties must belong to the same namespace",
        ),
        ({ENABLED: "FALSE"}, InvalidInput, "Enabled must be 'true' or 'false'"),
        ({ENABLED: " false"}, InvalidInput, "Enabled must be 'true' or 'false'"),
        ({ENABLED: "0"}, InvalidInput, "Enabled must be 'true' or 'false'"),
    ],
)
def test_properties_that_aws_does_not_have_are_refused(
    given: Callable[..., Any], properties: Mapping[str, str], refusal: type[IamError], message: str
) -> None:
    """In the words recorded from AWS."""
    given().when(put_account_properties, PutAccountProperties(properties=properties)).refused(refusal, message)


# Summary


def test_an_unused_account_has_nothing_but_quotas(given: Callable[..., Any]) -> None:
    """All of AWS's keys are there, with AWS's defaults."""
    assert get_account_summary(given().account, GetAccountSummary()) == {
        "AccessKeysPerUserQuota": 2,
        "AccountAccessKeysPresent": 0,
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "AssumeRolePolicySizeQuota": 2048,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "GlobalEndpointTokenVersion": 1,
        "GroupPolicySizeQuota": 5120,
        "Groups": 0,
        "GroupsPerUserQuota": 10,
        "GroupsQuota": 300,
        "InstanceProfiles": 0,
        "InstanceProfilesQuota": 1000,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "Policies": 0,
        "PoliciesQuota": 1500,
        "PolicySizeQuota": 6144,
        "PolicyVersionsInUse": 0,
        "PolicyVersionsInUseQuota": 10000,
        "Providers": 0,
        "RolePolicySizeQuota": 10240,
        "Roles": 0,
        "RolesQuota": 1000,
        "ServerCertificates": 0,
        "ServerCertificatesQuota": 20,
        "SigningCertificatesPerUserQuota": 2,
        "UserPolicySizeQuota": 2048,
        "Users": 0,
        "UsersQuota": 5000,
        "VersionsPerPolicyQuota": 5,
    }


def test_raised_quotas_are_shown(given: Callable[..., Any]) -> None:
    """As the account has them, not as AWS's defaults."""
    quotas = Quotas(policies_per_account=2000, policies_per_role=20)
    summary = get_account_summary(given(quotas=quotas).account, GetAccountSummary())
    assert (summary["PoliciesQuota"], summary["AttachedPoliciesPerRoleQuota"]) == (2000, 20)


def test_a_policy_in_use_counts_once_however_often_it_is_used(given: Callable[..., Any]) -> None:
    """AWS's count too, boundaries too; policies and versions that nobody uses do not."""
    account = given(
        CreateUser(user_name="alice"),
        CreateGroup(group_name="team"),
        CreatePolicy(policy_name="reads", policy_document=ALLOW),
        CreatePolicy(policy_name="unused", policy_document=ALLOW),
        CreatePolicyVersion(policy_arn=READS, policy_document=ALLOW),
        AttachUserPolicy(user_name="alice", policy_arn=READS),
        AttachGroupPolicy(group_name="team", policy_arn=READS),
        PutUserPermissionsBoundary(user_name="alice", permissions_boundary=ADMIN),
    )
    summary = get_account_summary(account.account, GetAccountSummary())
    assert {name: summary[name] for name in ("Users", "Groups", "Policies", "PolicyVersionsInUse")} == {
        "Users": 1,
        "Groups": 1,
        "Policies": 2,
        "PolicyVersionsInUse": 2,
    }
