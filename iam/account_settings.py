"""What is switched on and off for an account as a whole.

These are switches and no more: STS mints no tokens here, an account knows no organization's other accounts, and
there is no Role Manager. What is set is kept, shown, and part of the history.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import ClassVar, Final

from iam import relations as r
from iam.commands import Command, Moment, Query
from iam.errors import FeatureDisabled, FeatureEnabled, InvalidInput, ValidationError
from iam.events import Event
from iam.events.account import (
    AccountPropertyPut,
    OrganizationsFeaturesSet,
    OutboundWebIdentityFederationDisabled,
    OutboundWebIdentityFederationEnabled,
    SecurityTokenServicePreferencesSet,
)
from iam.linked_services import linked_service
from iam.service_linked_roles import CreateServiceLinkedRole, create_service_linked_role
from iam.state import State
from iam.uuids import in_form

V1_TOKEN: Final = "v1Token"
ROLE_MANAGER: Final = "RoleManager"
ROLE_MANAGER_ENABLED: Final = f"{ROLE_MANAGER}/Enabled"
ROLE_MANAGER_SERVICE: Final = "role-manager.iam.amazonaws.com"


class SetSecurityTokenServicePreferences(Command, frozen=True, gc=False, kw_only=True):
    global_endpoint_token_version: str


class EnableOutboundWebIdentityFederation(Command, frozen=True, gc=False, kw_only=True):
    pass


class DisableOutboundWebIdentityFederation(Command, frozen=True, gc=False, kw_only=True):
    pass


class GetOutboundWebIdentityFederationInfo(Query, frozen=True, gc=False, kw_only=True):
    pass


class SetOrganizationsFeature(Command, frozen=True, gc=False, kw_only=True):
    """Enable or disable a feature of the account's organization."""

    feature: ClassVar[str]
    enabled: ClassVar[bool]


class EnableOrganizationsRootCredentialsManagement(SetOrganizationsFeature, frozen=True, gc=False, kw_only=True):
    feature = "RootCredentialsManagement"
    enabled = True


class DisableOrganizationsRootCredentialsManagement(SetOrganizationsFeature, frozen=True, gc=False, kw_only=True):
    feature = "RootCredentialsManagement"
    enabled = False


class EnableOrganizationsRootSessions(SetOrganizationsFeature, frozen=True, gc=False, kw_only=True):
    feature = "RootSessions"
    enabled = True


class DisableOrganizationsRootSessions(SetOrganizationsFeature, frozen=True, gc=False, kw_only=True):
    feature = "RootSessions"
    enabled = False


class ListOrganizationsFeatures(Query, frozen=True, gc=False, kw_only=True):
    pass


class PutAccountProperties(Command, frozen=True, gc=False, kw_only=True):
    properties: Mapping[str, str]


class GetAccountProperties(Query, frozen=True, gc=False, kw_only=True):
    pass


# Decisions


def set_token_version(state: State, command: SetSecurityTokenServicePreferences, moment: Moment) -> list[Event]:
    """Say which version of tokens the global endpoint of STS gives to the account; the first if nothing is said."""
    version = command.global_endpoint_token_version
    if token_version(state) == version:
        return []
    return [SecurityTokenServicePreferencesSet(global_endpoint_token_version=version)]


def enable_outbound_federation(
    state: State, command: EnableOutboundWebIdentityFederation, moment: Moment
) -> list[Event]:
    """Enable outbound federation. The issuer follows from the account, so that it is always the same one."""
    if state.get(r.OUTBOUND_FEDERATION, "") is not None:
        raise FeatureEnabled(f"Outbound identity federation is enabled for account {state.account}")
    name = in_form(int(sha256(f"issuer of {state.account}".encode()).hexdigest()[:32], 16))
    return [OutboundWebIdentityFederationEnabled(issuer_identifier=f"https://{name}.tokens.sts.global.api.aws")]


def disable_outbound_federation(
    state: State, command: DisableOutboundWebIdentityFederation, moment: Moment
) -> list[Event]:
    """Disable outbound federation, which must be enabled."""
    return [OutboundWebIdentityFederationDisabled(issuer_identifier=_issuer(state))]


def set_organizations_feature(state: State, command: SetOrganizationsFeature, moment: Moment) -> list[Event]:
    """Enable or disable a feature. An event even where it was so already: it holds the answer."""
    features = set(enabled_features(state)) - {command.feature}
    if command.enabled:
        features.add(command.feature)
    return [OrganizationsFeaturesSet(organization_id=organization_of(state), enabled_features=tuple(sorted(features)))]


def put_account_properties(state: State, command: PutAccountProperties, moment: Moment) -> list[Event]:
    """Set the one property there is, `RoleManager/Enabled`; AWS ignores others beside it.

    Enabling it makes the Role Manager's service-linked role, if it is not there; disabling it leaves that.
    """
    enabled = _role_manager_enabled(command.properties)
    events: list[Event] = []
    linked = linked_service(ROLE_MANAGER_SERVICE)
    if enabled == "true" and linked is not None and state.get(r.ROLES, "", linked.role_name.lower()) is None:
        role = CreateServiceLinkedRole(aws_service_name=ROLE_MANAGER_SERVICE)
        events += create_service_linked_role(state, role, moment)
    if account_properties(state)[ROLE_MANAGER_ENABLED] != enabled:
        events.append(AccountPropertyPut(property_name=ROLE_MANAGER_ENABLED, property_value=enabled))
    return events


def _role_manager_enabled(properties: Mapping[str, str]) -> str:
    """What the properties say of the Role Manager. The refusals and their order are recorded."""
    if not properties:
        raise ValidationError(
            "1 validation error detected: Value at 'properties' failed to satisfy constraint: Member must not be null"
        )
    namespaces = []
    for name in sorted(properties):
        namespace, slash, _ = name.partition("/")
        if not slash:
            raise InvalidInput(f"Property key must be in format Namespace/PropertyName: {name}")
        namespaces.append(namespace)
    if len(set(namespaces)) > 1:
        raise InvalidInput("All properties must belong to the same namespace")
    if namespaces[0] != ROLE_MANAGER:
        raise InvalidInput(f"Unsupported namespace: {namespaces[0]}")
    enabled = properties.get(ROLE_MANAGER_ENABLED)
    if enabled is None:
        raise InvalidInput("RoleManager namespace requires Enabled property")
    if enabled not in ("true", "false"):
        raise InvalidInput("Enabled must be 'true' or 'false'")
    return enabled


# Reads


def token_version(state: State) -> str:
    """Which version of tokens the global endpoint of STS gives to the account."""
    return state.get(r.TOKEN_VERSION, "") or V1_TOKEN


def get_outbound_federation(state: State, query: GetOutboundWebIdentityFederationInfo) -> str:
    """The issuer of the account's web identity tokens, where outbound federation is enabled."""
    return _issuer(state)


def _issuer(state: State) -> str:
    issuer = state.get(r.OUTBOUND_FEDERATION, "")
    if issuer is None:
        raise FeatureDisabled(f"Outbound identity federation is disabled for account {state.account}")
    return issuer


def list_organizations_features(state: State, query: ListOrganizationsFeatures) -> tuple[str, Sequence[str]]:
    """The id of the account's organization, and its enabled features.

    The account counts as the management account of an organization, whose id is made of the account's own.
    """
    return organization_of(state), enabled_features(state)


def organization_of(state: State) -> str:
    """The id of the organization that the account counts as the management account of."""
    return f"o-{sha256(f'organization of {state.account}'.encode()).hexdigest()[:10]}"


def enabled_features(state: State) -> Sequence[str]:
    """The enabled features of the account's organization, by name."""
    features = state.get(r.ORGANIZATIONS_FEATURES, "")
    return () if features is None else features.enabled_features


def get_account_properties(state: State, query: GetAccountProperties) -> Mapping[str, str]:
    """All properties of the account, those never set too."""
    return account_properties(state)


def account_properties(state: State) -> Mapping[str, str]:
    """All properties of the account by name, with their defaults."""
    return {ROLE_MANAGER_ENABLED: "false", **state.members(r.ACCOUNT_PROPERTIES, "")}
