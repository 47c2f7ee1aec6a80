"""What can happen to an account as a whole."""

from collections.abc import Iterator

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, end, put


class AccountAliasCreated(Event, frozen=True, gc=False, kw_only=True, tag="AccountAliasCreated"):
    """The account has this alias, in place of any it had before."""

    account_alias: str
    previous_account_alias: str | None = None

    def changes(self) -> Iterator[Change]:
        yield put(r.ACCOUNT_ALIAS, "", "", self.account_alias)


class AccountAliasDeleted(Event, frozen=True, gc=False, kw_only=True, tag="AccountAliasDeleted"):
    """The account has no alias any more."""

    account_alias: str

    def changes(self) -> Iterator[Change]:
        yield end(r.ACCOUNT_ALIAS, "")


class AccountPasswordPolicyUpdated(Event, frozen=True, gc=False, kw_only=True, tag="AccountPasswordPolicyUpdated"):
    """These rules hold for passwords, in place of any that held before. Passwords do not age where none is told."""

    minimum_password_length: int
    require_symbols: bool
    require_numbers: bool
    require_uppercase_characters: bool
    require_lowercase_characters: bool
    allow_users_to_change_password: bool
    hard_expiry: bool
    max_password_age: int | None = None
    password_reuse_prevention: int | None = None

    def changes(self) -> Iterator[Change]:
        rules = {name: getattr(self, name) for name in r.PasswordPolicy.__struct_fields__}
        yield put(r.PASSWORD_POLICY, "", "", r.PasswordPolicy(**rules))


class AccountPasswordPolicyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="AccountPasswordPolicyDeleted"):
    """AWS's own rules hold for passwords."""

    def changes(self) -> Iterator[Change]:
        yield end(r.PASSWORD_POLICY, "")


class SecurityTokenServicePreferencesSet(
    Event, frozen=True, gc=False, kw_only=True, tag="SecurityTokenServicePreferencesSet"
):
    """The global endpoint of STS gives tokens of this version to the account."""

    global_endpoint_token_version: str

    def changes(self) -> Iterator[Change]:
        yield put(r.TOKEN_VERSION, "", "", self.global_endpoint_token_version)


class OutboundWebIdentityFederationEnabled(
    Event, frozen=True, gc=False, kw_only=True, tag="OutboundWebIdentityFederationEnabled"
):
    """The account's principals may get web identity tokens, which this issuer signs."""

    issuer_identifier: str

    def changes(self) -> Iterator[Change]:
        yield put(r.OUTBOUND_FEDERATION, "", "", self.issuer_identifier)


class OutboundWebIdentityFederationDisabled(
    Event, frozen=True, gc=False, kw_only=True, tag="OutboundWebIdentityFederationDisabled"
):
    """The account's principals get no web identity tokens any more."""

    issuer_identifier: str

    def changes(self) -> Iterator[Change]:
        yield end(r.OUTBOUND_FEDERATION, "")


class OrganizationsFeaturesSet(Event, frozen=True, gc=False, kw_only=True, tag="OrganizationsFeaturesSet"):
    """These features, and no others, are enabled for the account's organization."""

    organization_id: str
    enabled_features: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        yield put(r.ORGANIZATIONS_FEATURES, "", "", r.OrganizationsFeatures(self.enabled_features))


class AccountPropertyPut(Event, frozen=True, gc=False, kw_only=True, tag="AccountPropertyPut"):
    """A property of the account has this value. Its name is a namespace and a name, as in RoleManager/Enabled."""

    property_name: str
    property_value: str

    def changes(self) -> Iterator[Change]:
        yield put(r.ACCOUNT_PROPERTIES, "", self.property_name, self.property_value)


AccountEvent = (
    AccountAliasCreated
    | AccountAliasDeleted
    | AccountPasswordPolicyUpdated
    | AccountPasswordPolicyDeleted
    | SecurityTokenServicePreferencesSet
    | OutboundWebIdentityFederationEnabled
    | OutboundWebIdentityFederationDisabled
    | OrganizationsFeaturesSet
    | AccountPropertyPut
)
