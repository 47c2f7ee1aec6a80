"""The views of projections.db: a public surface, each held to its columns and to a row that it must show."""

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from eventstore.record import Attempt, open_envelope
from iam.events import Event
from iam.events.account import (
    AccountAliasCreated,
    AccountPasswordPolicyUpdated,
    AccountPropertyPut,
    OrganizationsFeaturesSet,
    OutboundWebIdentityFederationEnabled,
    SecurityTokenServicePreferencesSet,
)
from iam.events.credentials import (
    AccessKeyCreated,
    AccessKeyUpdated,
    LoginProfileCreated,
    LoginProfileDeleted,
    ServiceSpecificCredentialCreated,
)
from iam.events.groups import (
    GroupCreated,
    GroupPolicyAttached,
    GroupPolicyDeleted,
    GroupPolicyDetached,
    GroupPolicyPut,
    GroupUpdated,
    UserAddedToGroup,
    UserRemovedFromGroup,
)
from iam.events.instance_profiles import InstanceProfileCreated, InstanceProfileTagged, RoleAddedToInstanceProfile
from iam.events.mfa_devices import MFADeviceDeactivated, MFADeviceEnabled, VirtualMFADeviceCreated
from iam.events.open_id_connect_providers import (
    ClientIDRemovedFromOpenIDConnectProvider,
    OpenIDConnectProviderCreated,
    OpenIDConnectProviderThumbprintUpdated,
)
from iam.events.policies import PolicyCreated, PolicyUntagged, PolicyVersionCreated, PolicyVersionDeleted
from iam.events.roles import (
    AssumeRolePolicyUpdated,
    RoleCreated,
    RolePermissionsBoundaryDeleted,
    RolePolicyAttached,
    RolePolicyPut,
    RoleUpdated,
)
from iam.events.saml_providers import SAMLProviderCreated, SAMLProviderUpdated
from iam.events.server_certificates import ServerCertificateUpdated, ServerCertificateUploaded
from iam.events.signing_certificates import SigningCertificateUpdated, SigningCertificateUploaded
from iam.events.ssh_public_keys import SSHPublicKeyUploaded
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserPermissionsBoundaryDeleted,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUpdated,
)
from iam.relations import Tag
from projections import tables
from projections.intervals import node
from projections.rows import COLUMNS as CSV_COLUMNS
from projections.rows import row_of
from projections.tables import Checkpoint, Tables

ACCOUNT = "111122223333"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OPS = f"arn:aws:iam::{ACCOUNT}:policy/eng/ops"
AT = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
CREATED = "2026-11-03T14:03:00Z"

VIEWS = re.findall(r"^CREATE VIEW (\w+)", files("projections").joinpath("views.sql").read_text(), re.MULTILINE)

PERIOD = ["valid_from", "since", "valid_to", "until"]
HISTORY_ONLY = {
    "entries": ["account", "relation", "owner", "member", "value", "document"],
    "user_entries": ["account", "relation", "user_id", "user_name", "member", "value", "document"],
}
COLUMNS = {
    "users": ["account", "user_id", "user_name", "path", "created_at"],
    "user_policies": ["account", "user_id", "user_name", "kind", "policy_name", "policy_arn", "document"],
    "user_tags": ["account", "user_id", "key", "value"],
    "user_boundaries": ["account", "user_id", "policy_arn"],
    "groups": ["account", "group_id", "group_name", "path", "created_at"],
    "group_policies": ["account", "group_id", "group_name", "kind", "policy_name", "policy_arn", "document"],
    "user_groups": ["account", "user_id", "user_name", "group_id", "group_name"],
    "effective_user_policies": [
        *("account", "user_id", "user_name", "kind", "policy_name", "policy_arn", "group_id", "group_name", "document"),
    ],
    "roles": ["account", "role_id", "role_name", "path", "description", "max_session_duration", "created_at"],
    "role_policies": ["account", "role_id", "role_name", "kind", "policy_name", "policy_arn", "document"],
    "role_trust_policies": ["account", "role_id", "document"],
    "role_tags": ["account", "role_id", "key", "value"],
    "role_boundaries": ["account", "role_id", "policy_arn"],
    "instance_profiles": ["account", "instance_profile_id", "instance_profile_name", "path", "created_at"],
    "instance_profile_roles": ["account", "instance_profile_id", "role_id"],
    "instance_profile_tags": ["account", "instance_profile_id", "key", "value"],
    "policies": ["account", "policy_id", "policy_name", "policy_arn", "path", "description", "created_at"],
    "policy_versions": ["account", "policy_id", "version_id", "document", "created_at"],
    "policy_defaults": ["account", "policy_id", "version_id"],
    "policy_tags": ["account", "policy_id", "key", "value"],
    "access_keys": ["account", "user_id", "user_name", "access_key_id", "status", "created_at"],
    "login_profiles": [
        *("account", "user_id", "user_name", "password_reset_required", "created_at", "password_changed_at"),
    ],
    "service_specific_credentials": [
        *("account", "user_id", "user_name", "service_specific_credential_id", "service_name", "service_user_name"),
        *("status", "created_at", "expires_at"),
    ],
    "signing_certificates": ["account", "user_id", "user_name", "certificate_id", "status", "uploaded_at"],
    "ssh_public_keys": [
        *("account", "user_id", "user_name", "ssh_public_key_id", "fingerprint", "status", "uploaded_at"),
    ],
    "user_mfa_devices": ["account", "user_id", "user_name", "serial_number", "enabled_at"],
    "virtual_mfa_devices": ["account", "serial_number", "virtual_mfa_device_name", "path", "created_at"],
    "mfa_device_tags": ["account", "serial_number", "key", "value"],
    "saml_providers": [
        *("account", "saml_provider_arn", "saml_provider_uuid", "assertion_encryption_mode", "valid_until"),
        "created_at",
    ],
    "saml_provider_metadata": ["account", "saml_provider_arn", "document"],
    "saml_provider_private_keys": ["account", "saml_provider_arn", "private_key_id", "added_at"],
    "saml_provider_tags": ["account", "saml_provider_arn", "key", "value"],
    "open_id_connect_providers": ["account", "open_id_connect_provider_arn", "url", "created_at"],
    "open_id_connect_provider_client_ids": ["account", "open_id_connect_provider_arn", "client_id"],
    "open_id_connect_provider_thumbprints": ["account", "open_id_connect_provider_arn", "thumbprint_list"],
    "open_id_connect_provider_tags": ["account", "open_id_connect_provider_arn", "key", "value"],
    "server_certificates": [
        *("account", "server_certificate_id", "server_certificate_name", "path", "uploaded_at", "expires_at"),
    ],
    "server_certificate_tags": ["account", "server_certificate_id", "key", "value"],
    "password_policies": [
        *("account", "minimum_password_length", "require_symbols", "require_numbers", "require_uppercase_characters"),
        *("require_lowercase_characters", "allow_users_to_change_password", "max_password_age"),
        *("password_reuse_prevention", "hard_expiry"),
    ],
    "account_settings": ["account", "setting", "value"],
}
EVENT_COLUMNS = [
    *("account", "position", "recorded_at", "outcome", "action", "type", "code", "user", "user_name"),
    *("policy_arn", "policy_name", "actor_id", "actor_arn", "access_key_id", "source", "source_ip", "user_agent"),
    *("group_id", "group_name", "role_id", "role_name"),
]


def time_of(position: int) -> str:
    """When a record was written: one a second."""
    return f"{AT + timedelta(seconds=position - 1):%Y-%m-%dT%H:%M:%S.%fZ}"


def history() -> list[Event]:
    """A life in which everything begins and much ends. The index of an event is its position less one."""
    user: dict[str, Any] = {"user_id": "AIDA1", "user_name": "alice"}
    policy: dict[str, Any] = {"policy_id": "ANPA1", "policy_arn": OPS}
    return [
        UserCreated(**user, path="/eng/", created_at=AT, tags=(Tag("Team", "red"),), permissions_boundary=ADMIN),
        PolicyCreated(
            **policy,
            policy_name="ops",
            path="/eng/",
            description="d",
            created_at=AT,
            policy_document="{1}",
            tags=(Tag("Team", "red"),),
        ),
        UserPolicyAttached(**user, policy_arn=OPS, policy_name="ops"),
        UserPolicyPut(**user, policy_name="Own", policy_document="{2}"),
        PolicyVersionCreated(**policy, version_id="v2", created_at=AT, policy_document="{3}", set_as_default=True),  # 5
        UserUpdated(
            user_id="AIDA1",
            user_name="bob",
            path="/",
            previous_user_name="alice",
            previous_path="/eng/",
            created_at=AT,
        ),
        UserTagged(user_id="AIDA1", user_name="bob", tags=(Tag("team", "blue"),)),
        UserPolicyPut(user_id="AIDA1", user_name="bob", policy_name="Own", policy_document="{4}"),
        UserCreated(user_id="AIDA2", user_name="alice", path="/", created_at=AT),
        UserPolicyAttached(user_id="AIDA2", user_name="alice", policy_arn=ADMIN, policy_name="Admin"),  # 10
        UserPolicyDetached(user_id="AIDA2", user_name="alice", policy_arn=ADMIN),
        UserDeleted(user_id="AIDA2", user_name="alice"),
        UserPermissionsBoundaryDeleted(user_id="AIDA1", user_name="bob", permissions_boundary=ADMIN),
        PolicyVersionDeleted(**policy, version_id="v1"),
        PolicyUntagged(**policy, tag_keys=("Team",)),  # 15
        *history_of_groups(),
        *history_of_roles(),
        *history_of_credentials(),
        *history_of_providers(),
        *history_of_the_account(),
    ]


def history_of_groups() -> list[Event]:
    """From 16 on: bob joins a group that has policies, which come and go, and leaves it."""
    bob: dict[str, Any] = {"user_id": "AIDA1", "user_name": "bob"}
    group: dict[str, Any] = {"group_id": "AGPA1", "group_name": "devs"}
    return [
        GroupCreated(**group, path="/", created_at=AT),
        GroupPolicyAttached(**group, policy_arn=ADMIN, policy_name="Admin"),
        UserAddedToGroup(**bob, **group),
        GroupPolicyPut(**group, policy_name="In", policy_document="{5}"),
        GroupPolicyPut(**group, policy_name="In", policy_document="{6}"),  # 20
        GroupPolicyDetached(**group, policy_arn=ADMIN),
        GroupUpdated(
            group_id="AGPA1", group_name="ops", path="/x/", previous_group_name="devs", previous_path="/", created_at=AT
        ),
        UserRemovedFromGroup(**bob, group_id="AGPA1", group_name="ops"),
        GroupPolicyDeleted(group_id="AGPA1", group_name="ops", policy_name="In"),
        GroupPolicyAttached(group_id="AGPA1", group_name="ops", policy_arn=OPS, policy_name="ops"),  # 25
        UserAddedToGroup(**bob, group_id="AGPA1", group_name="ops"),
    ]


def history_of_roles() -> list[Event]:
    """From 27 on."""
    role: dict[str, Any] = {"role_id": "AROA1", "role_name": "ci"}
    profile: dict[str, Any] = {"instance_profile_id": "AIPA1", "instance_profile_name": "web"}
    return [
        RoleCreated(
            **role,
            path="/",
            created_at=AT,
            assume_role_policy_document="{7}",
            tags=(Tag("Team", "red"),),
            permissions_boundary=ADMIN,
        ),
        RoleUpdated(**role, path="/", created_at=AT, description="d", max_session_duration=7200),
        AssumeRolePolicyUpdated(**role, policy_document="{8}"),
        RolePolicyAttached(**role, policy_arn=OPS, policy_name="ops"),  # 30
        RolePolicyPut(**role, policy_name="In", policy_document="{9}"),
        RolePermissionsBoundaryDeleted(**role, permissions_boundary=ADMIN),
        InstanceProfileCreated(**profile, path="/", created_at=AT),
        InstanceProfileTagged(**profile, tags=(Tag("Team", "red"),)),
        RoleAddedToInstanceProfile(**profile, **role),  # 35
    ]


PHONE = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
OKTA = f"arn:aws:iam::{ACCOUNT}:saml-provider/okta"
IDP = f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com"


def history_of_credentials() -> list[Event]:
    """From 36 on: what bob signs in with."""
    bob: dict[str, Any] = {"user_id": "AIDA1", "user_name": "bob"}
    key: dict[str, Any] = {**bob, "access_key_id": "AKIA1", "created_at": AT}
    certificate: dict[str, Any] = {**bob, "certificate_id": "CERT1", "uploaded_at": AT}
    return [
        AccessKeyCreated(**key),
        AccessKeyUpdated(**key, status="Inactive", previous_status="Active"),
        LoginProfileCreated(**bob, password_id="PASS1", password_reset_required=True, created_at=AT),
        ServiceSpecificCredentialCreated(
            **bob,
            service_specific_credential_id="ACCA1",
            service_name="codecommit.amazonaws.com",
            service_user_name="bob-at-1",
            password_id="PASS2",
            created_at=AT,
        ),
        LoginProfileDeleted(**bob, password_id="PASS1"),  # 40
        SigningCertificateUploaded(**certificate, certificate_body="body"),
        SigningCertificateUpdated(**certificate, status="Inactive", previous_status="Active"),
        SSHPublicKeyUploaded(
            **bob, ssh_public_key_id="APKA1", ssh_public_key_body="ssh-rsa", fingerprint="d4:1d", uploaded_at=AT
        ),
        VirtualMFADeviceCreated(
            serial_number=PHONE,
            virtual_mfa_device_name="phone",
            path="/",
            created_at=AT,
            seed_id="SEED1",
            tags=(Tag("Team", "red"),),
        ),
        MFADeviceEnabled(**bob, serial_number=PHONE, enabled_at=AT),  # 45
        MFADeviceDeactivated(**bob, serial_number=PHONE),
    ]


def history_of_providers() -> list[Event]:
    """From 47 on."""
    saml: dict[str, Any] = {"saml_provider_arn": OKTA, "saml_provider_uuid": "U1", "created_at": AT, "valid_until": AT}
    red = (Tag("Team", "red"),)
    return [
        SAMLProviderCreated(
            **saml, name="okta", saml_metadata_document="<1>", assertion_encryption_mode="Allowed", tags=red
        ),
        SAMLProviderUpdated(
            **saml,
            updated_at=AT,
            assertion_encryption_mode="Required",
            saml_metadata_document="<2>",
            added_private_key_id="SAMLPK1",
        ),
        OpenIDConnectProviderCreated(
            open_id_connect_provider_arn=IDP,
            url="idp.example.com",
            created_at=AT,
            client_id_list=("web", "app"),
            thumbprint_list=("aa", "bb"),
            tags=red,
        ),
        ClientIDRemovedFromOpenIDConnectProvider(open_id_connect_provider_arn=IDP, client_id="web"),  # 50
        OpenIDConnectProviderThumbprintUpdated(open_id_connect_provider_arn=IDP, thumbprint_list=("cc",)),
        ServerCertificateUploaded(
            server_certificate_id="ASCA1",
            server_certificate_name="shop",
            path="/",
            uploaded_at=AT,
            expires_at=AT,
            certificate_body="body",
            tags=red,
        ),
        ServerCertificateUpdated(
            server_certificate_id="ASCA1",
            server_certificate_name="blog",
            path="/x/",
            previous_server_certificate_name="shop",
            previous_path="/",
            uploaded_at=AT,
            expires_at=AT,
        ),
    ]


def history_of_the_account() -> list[Event]:
    """From 54 on."""
    rules = dict.fromkeys(("require_symbols", "require_numbers", "require_uppercase_characters", "hard_expiry"), False)
    return [
        AccountAliasCreated(account_alias="acme"),
        AccountAliasCreated(account_alias="acme-prod", previous_account_alias="acme"),  # 55
        AccountPasswordPolicyUpdated(
            **rules,
            minimum_password_length=14,
            require_lowercase_characters=True,
            allow_users_to_change_password=True,
            max_password_age=90,
        ),
        SecurityTokenServicePreferencesSet(global_endpoint_token_version="v2Token"),
        OutboundWebIdentityFederationEnabled(issuer_identifier="https://issuer"),
        OrganizationsFeaturesSet(organization_id="o-1", enabled_features=("RootSessions",)),
        AccountPropertyPut(property_name="RoleManager/Enabled", property_value="true"),  # 60
    ]


@pytest.fixture
def views(ledger: Any, new_ledger: Callable[[str], Any]) -> sqlite3.Connection:
    """The views over that history and a refused attempt, and over another account where the same ids are others."""
    for event in history():
        ledger.add(event)
    ledger.add(
        attempt=Attempt(parameters={"user_name": "ghost"}, code="NoSuchEntity", message="none"), action="DeleteUser"
    )
    other = new_ledger("444455556666")
    other.add(UserCreated(user_id="AIDA1", user_name="mallory", path="/", created_at=AT))
    other.add(UserPolicyAttached(user_id="AIDA1", user_name="mallory", policy_arn=ADMIN, policy_name="Admin"))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("node", 2, node)
    connection.row_factory = sqlite3.Row
    tables.create(connection)
    for written in (ledger, other):
        Tables(connection).take(written.records, {written.account: Checkpoint(len(written.records), "")})
    return connection


def columns_of(views: sqlite3.Connection, view: str) -> list[str]:
    return [name for _, name, *_ in views.execute(f"PRAGMA table_info({view})")]


def rows(views: sqlite3.Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in views.execute(sql, values)]


def test_the_views_and_their_columns_stay(views: sqlite3.Connection) -> None:
    """People's own queries hang on them: `…_history` with the whole period, the other with its beginning."""
    expected = {f"{name}_history": columns + PERIOD for name, columns in {**HISTORY_ONLY, **COLUMNS}.items()}
    expected |= {name: columns + PERIOD[:2] for name, columns in COLUMNS.items()}
    expected["events"] = EVENT_COLUMNS

    assert {view: columns_of(views, view) for view in VIEWS} == expected


STORED = {"entry", "current_entries", "past_entries", "documents", "things"}
USER_1 = ("AIDA1", "bob")
USER_2 = ("AIDA2", "alice")
GROUP = ("AGPA1", "ops")
ROLE = ("AROA1", "ci")


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (
            "users_history",
            [
                ("AIDA1", "alice", "/eng/", CREATED, 1, 6),
                ("AIDA1", "bob", "/", CREATED, 6, None),
                ("AIDA2", "alice", "/", CREATED, 9, 12),
            ],
        ),
        (
            "user_policies_history",
            [
                (*USER_1, "attached", "ops", OPS, None, 3, None),
                (*USER_1, "inline", "Own", None, "{2}", 4, 8),
                (*USER_1, "inline", "Own", None, "{4}", 8, None),
                (*USER_2, "attached", "Admin", ADMIN, None, 10, 11),
            ],
        ),
        ("user_tags_history", [("AIDA1", "Team", "red", 1, 7), ("AIDA1", "team", "blue", 7, None)]),
        ("user_boundaries_history", [("AIDA1", ADMIN, 1, 13)]),
        (
            "groups_history",
            [("AGPA1", "devs", "/", CREATED, 16, 22), (*GROUP, "/x/", CREATED, 22, None)],
        ),
        (
            "group_policies_history",
            [
                (*GROUP, "attached", "Admin", ADMIN, None, 17, 21),
                (*GROUP, "inline", "In", None, "{5}", 19, 20),
                (*GROUP, "inline", "In", None, "{6}", 20, 24),
                (*GROUP, "attached", "ops", OPS, None, 25, None),
            ],
        ),
        ("user_groups_history", [(*USER_1, *GROUP, 18, 23), (*USER_1, *GROUP, 26, None)]),
        (
            "effective_user_policies_history",
            [
                (*USER_1, "attached", "ops", OPS, None, None, None, 3, None),
                (*USER_1, "inline", "Own", None, None, None, "{2}", 4, 8),
                (*USER_1, "inline", "Own", None, None, None, "{4}", 8, None),
                (*USER_2, "attached", "Admin", ADMIN, None, None, None, 10, 11),
                (*USER_1, "attached", "Admin", ADMIN, *GROUP, None, 18, 21),
                (*USER_1, "inline", "In", None, *GROUP, "{5}", 19, 20),
                (*USER_1, "inline", "In", None, *GROUP, "{6}", 20, 23),
                (*USER_1, "attached", "ops", OPS, *GROUP, None, 26, None),
            ],
        ),
        (
            "roles_history",
            [(*ROLE, "/", "", 3600, CREATED, 27, 28), (*ROLE, "/", "d", 7200, CREATED, 28, None)],
        ),
        (
            "role_policies_history",
            [(*ROLE, "attached", "ops", OPS, None, 30, None), (*ROLE, "inline", "In", None, "{9}", 31, None)],
        ),
        ("role_trust_policies_history", [("AROA1", "{7}", 27, 29), ("AROA1", "{8}", 29, None)]),
        ("role_tags_history", [("AROA1", "Team", "red", 27, None)]),
        ("role_boundaries_history", [("AROA1", ADMIN, 27, 32)]),
        ("instance_profiles_history", [("AIPA1", "web", "/", CREATED, 33, None)]),
        ("instance_profile_roles_history", [("AIPA1", "AROA1", 35, None)]),
        ("instance_profile_tags_history", [("AIPA1", "Team", "red", 34, None)]),
        ("policies_history", [("ANPA1", "ops", OPS, "/eng/", "d", CREATED, 2, None)]),
        ("policy_versions_history", [("ANPA1", "v1", "{1}", CREATED, 2, 14), ("ANPA1", "v2", "{3}", CREATED, 5, None)]),
        ("policy_defaults_history", [("ANPA1", "v1", 2, 5), ("ANPA1", "v2", 5, None)]),
        ("policy_tags_history", [("ANPA1", "Team", "red", 2, 15)]),
        (
            "access_keys_history",
            [
                (*USER_1, "AKIA1", "Active", CREATED, 36, 37),
                (*USER_1, "AKIA1", "Inactive", CREATED, 37, None),
            ],
        ),
        ("login_profiles_history", [(*USER_1, True, CREATED, CREATED, 38, 40)]),
        (
            "service_specific_credentials_history",
            [(*USER_1, "ACCA1", "codecommit.amazonaws.com", "bob-at-1", "Active", CREATED, None, 39, None)],
        ),
        (
            "signing_certificates_history",
            [
                (*USER_1, "CERT1", "Active", CREATED, 41, 42),
                (*USER_1, "CERT1", "Inactive", CREATED, 42, None),
            ],
        ),
        ("ssh_public_keys_history", [(*USER_1, "APKA1", "d4:1d", "Active", CREATED, 43, None)]),
        ("virtual_mfa_devices_history", [(PHONE, "phone", "/", CREATED, 44, None)]),
        ("mfa_device_tags_history", [(PHONE, "Team", "red", 44, None)]),
        ("user_mfa_devices_history", [(*USER_1, PHONE, CREATED, 45, 46)]),
        (
            "saml_providers_history",
            [(OKTA, "U1", "Allowed", CREATED, CREATED, 47, 48), (OKTA, "U1", "Required", CREATED, CREATED, 48, None)],
        ),
        ("saml_provider_metadata_history", [(OKTA, "<1>", 47, 48), (OKTA, "<2>", 48, None)]),
        ("saml_provider_private_keys_history", [(OKTA, "SAMLPK1", CREATED, 48, None)]),
        ("saml_provider_tags_history", [(OKTA, "Team", "red", 47, None)]),
        ("open_id_connect_providers_history", [(IDP, "idp.example.com", CREATED, 49, None)]),
        ("open_id_connect_provider_client_ids_history", [(IDP, "app", 49, None), (IDP, "web", 49, 50)]),
        (
            "open_id_connect_provider_thumbprints_history",
            [(IDP, '["aa","bb"]', 49, 51), (IDP, '["cc"]', 51, None)],
        ),
        ("open_id_connect_provider_tags_history", [(IDP, "Team", "red", 49, None)]),
        (
            "server_certificates_history",
            [("ASCA1", "shop", "/", CREATED, CREATED, 52, 53), ("ASCA1", "blog", "/x/", CREATED, CREATED, 53, None)],
        ),
        ("server_certificate_tags_history", [("ASCA1", "Team", "red", 52, None)]),
        (
            "password_policies_history",
            [(14, False, False, False, True, True, 90, None, False, 56, None)],
        ),
        (
            "account_settings_history",
            [
                ("account_alias", "acme", 54, 55),
                ("account_alias", "acme-prod", 55, None),
                ("global_endpoint_token_version", "v2Token", 57, None),
                ("issuer_identifier", "https://issuer", 58, None),
                ("enabled_features", '["RootSessions"]', 59, None),
                ("RoleManager/Enabled", "true", 60, None),
            ],
        ),
    ],
)
def test_a_history_has_one_row_per_thing_and_period(
    views: sqlite3.Connection, view: str, expected: list[tuple[Any, ...]]
) -> None:
    """From which record and time to which; the view without `_history` has the rows that still hold."""
    own = COLUMNS[view.removesuffix("_history")][1:]
    told = ", ".join((*own, "valid_from", "valid_to"))
    every = rows(views, f"SELECT {told} FROM {view} WHERE account = ? ORDER BY valid_from", ACCOUNT)
    assert every == expected

    periods = rows(views, f"SELECT {', '.join(PERIOD)} FROM {view} WHERE account = ?", ACCOUNT)
    for valid_from, since, valid_to, until in periods:
        assert since == time_of(valid_from)
        assert until == (None if valid_to is None else time_of(valid_to))

    present = view.removesuffix("_history")
    told = ", ".join((*own, "valid_from"))
    now = rows(views, f"SELECT {told} FROM {present} WHERE account = ? ORDER BY valid_from", ACCOUNT)
    assert now == [row[:-1] for row in expected if row[-1] is None]


def test_entries_show_what_every_other_view_is_made_of(views: sqlite3.Connection) -> None:
    """Also the relations that have no view of their own."""
    told = "relation, member, value, document, valid_from, valid_to"
    sql = f"SELECT {told} FROM entries_history WHERE account = ? AND owner = ? ORDER BY valid_from"
    assert rows(views, sql, ACCOUNT, ADMIN) == [
        ("boundary_users", "AIDA1", "AIDA1", None, 1, 13),
        ("policy_users", "AIDA2", "AIDA2", None, 10, 11),
        ("policy_groups", "AGPA1", "AGPA1", None, 17, 21),
        ("boundary_roles", "AROA1", "AROA1", None, 27, 32),
    ]
    [(value, document)] = rows(
        views,
        "SELECT value ->> 'policy_name', document FROM entries_history"
        " WHERE relation = 'user_inline_policies' AND valid_to = 8",
    )
    assert (value, document) == ("Own", "{2}")


def test_a_user_is_shown_under_its_last_name_throughout(ledger: Any, views: sqlite3.Connection) -> None:
    """What it is called now, or was called when it was deleted, whoever bears an old name of its."""
    sql = "SELECT DISTINCT user_id, user_name FROM user_policies_history WHERE account = ? ORDER BY user_id"
    assert rows(views, sql, ACCOUNT) == [USER_1, USER_2]

    taken = len(ledger.records)
    for name, previous in (("carol", "bob"), ("dave", "carol")):
        ledger.add(
            UserUpdated(
                user_id="AIDA1",
                user_name=name,
                path="/",
                previous_user_name=previous,
                previous_path="/",
                created_at=AT,
            )
        )
    ledger.add(UserCreated(user_id="AIDA3", user_name="bob", path="/", created_at=AT))
    ledger.add(UserPolicyPut(user_id="AIDA3", user_name="bob", policy_name="p", policy_document="{}"))
    ledger.add(UserPolicyDetached(user_id="AIDA1", user_name="dave", policy_arn=OPS))
    ledger.add(UserPolicyDeleted(user_id="AIDA1", user_name="dave", policy_name="Own"))
    ledger.add(UserDeleted(user_id="AIDA1", user_name="dave"))
    Tables(views).take(ledger.records[taken:], {ACCOUNT: Checkpoint(len(ledger.records), "")})

    assert rows(views, sql, ACCOUNT) == [("AIDA1", "dave"), USER_2, ("AIDA3", "bob")]


def test_events_say_who_did_what_to_whom(views: sqlite3.Connection) -> None:
    """One row per record; what a record does not speak of is NULL."""
    told = "position, recorded_at, outcome, action, type, code, user_name, policy_arn, policy_name, actor_arn, source"
    sql = f"SELECT {told} FROM events WHERE account = ? ORDER BY position"
    root = (f"arn:aws:iam::{ACCOUNT}:root", "api")
    every = rows(views, sql, ACCOUNT)

    head = len(history()) + 1
    assert [row[0] for row in every] == list(range(1, head + 1))
    assert every[2] == (
        *(3, time_of(3), "changed", "Test", "UserPolicyAttached", None),
        *("alice", OPS, "ops", *root),
    )
    assert every[-1] == (
        *(head, time_of(head), "refused", "DeleteUser", "Attempted", "NoSuchEntity"),
        *("ghost", None, None, *root),
    )
    assert rows(views, "SELECT access_key_id, source_ip, user_agent FROM events LIMIT 1") == [(None, None, None)]


def test_events_name_what_a_row_of_csv_names(views: sqlite3.Connection, ledger: Any) -> None:
    """Also where the record has a policy's ARN alone: one who looks for a name finds the ends, too, and attempts."""
    parameters = {"user_name": "ghost", "policy_arn": OPS}
    ledger.add(attempt=Attempt(parameters=parameters, code="NoSuchEntity", message="none"), action="AttachUserPolicy")
    Tables(views).take(ledger.records[-1:], {ACCOUNT: Checkpoint(len(ledger.records), "")})
    told = ("user_name", "policy_name", "policy_arn", "group_name", "role_name")
    expected = [dict(zip(CSV_COLUMNS, row_of(open_envelope(row)), strict=True)) for row in ledger.rows]

    found = rows(views, f"SELECT {', '.join(told)} FROM events WHERE account = ? ORDER BY position", ACCOUNT)

    assert found == [tuple(row[column] for column in told) for row in expected]
    assert found[10] == ("alice", "AdministratorAccess", ADMIN, None, None)
    assert found[-1] == ("ghost", "ops", OPS, None, None)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_may_be_asked_by_any_of_its_columns(views: sqlite3.Connection, view: str) -> None:
    """Whatever order SQLite looks at things in, it finds no value that it cannot read."""
    [found] = rows(views, f"SELECT count(*) FROM {view}")
    for column in columns_of(views, view):
        for condition in (f"{column} = ?1", f"{column} LIKE ?1", f"account = '{ACCOUNT}' AND {column} >= ?1"):
            sql = f"SELECT count(*) FROM {view} WHERE {condition} OR {column} IS NULL ORDER BY {column}"
            assert rows(views, sql, "alice") <= [found]
            assert rows(views, f"SELECT count(*) FROM {view} WHERE {condition}", "alice") <= [found]
    joined = f"SELECT count(*) FROM {view} one JOIN users ON users.account = one.account"
    assert rows(views, joined) == [found]  # each account has one user now


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM user_policies_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM user_policies_history WHERE account = ? AND user_id = ? AND valid_from <= 5",
        "SELECT * FROM user_policies WHERE account = ? AND user_id = ?",
        "SELECT * FROM user_policies WHERE account = ?",
        "SELECT * FROM users WHERE account = ?",
        "SELECT * FROM users_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM user_tags_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM user_boundaries_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM group_policies_history WHERE account = ? AND group_id = ?",
        "SELECT * FROM user_groups_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM effective_user_policies_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM effective_user_policies WHERE account = ? AND user_id = ?",
        "SELECT * FROM roles WHERE account = ?",
        "SELECT * FROM role_policies_history WHERE account = ? AND role_id = ?",
        "SELECT * FROM policies_history WHERE account = ?",
        "SELECT * FROM policy_versions_history WHERE account = ? AND policy_id = ?",
        "SELECT * FROM policy_defaults_history WHERE account = ? AND policy_id = ?",
        "SELECT * FROM policy_tags_history WHERE account = ? AND policy_id = ?",
        "SELECT * FROM access_keys_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM user_mfa_devices WHERE account = ?",
        "SELECT * FROM saml_provider_metadata_history WHERE account = ? AND saml_provider_arn = ?",
        "SELECT * FROM account_settings_history WHERE account = ?",
        "SELECT * FROM user_entries_history WHERE account = ? AND user_id = ?",
        "SELECT * FROM entries_history WHERE account = ? AND relation = ? AND owner = ?",
    ],
)
def test_a_question_about_an_account_looks_at_that_account_only(views: sqlite3.Connection, question: str) -> None:
    """Tables are searched by their keys, never read through: an answer costs what it is long."""
    plan = [row["detail"] for row in views.execute(f"EXPLAIN QUERY PLAN {question}", [""] * question.count("?"))]
    read_through = [step for step in plan if step.startswith("SCAN ") and step.split()[1] in STORED]
    by_key = [step for step in plan if step.startswith("SEARCH things")]
    key = "(account=? AND kind=? AND name=?)" if question.count("?") > 1 else "(account=? AND kind=?)"

    assert read_through == []
    assert by_key
    assert [step for step in by_key if key not in step and "AND name=?)" not in step] == []
    assert [step for step in plan if "AUTOMATIC" in step] == []


def test_events_of_an_account_are_found_by_its_key(views: sqlite3.Connection) -> None:
    """All of them, or those around a position."""
    for question in ("account = ?", "account = ? AND position > 3"):
        plan = [
            row["detail"] for row in views.execute(f"EXPLAIN QUERY PLAN SELECT * FROM events WHERE {question}", "a")
        ]
        assert [step for step in plan if step.startswith("SCAN ")] == []
        assert any(step.startswith("SEARCH e USING PRIMARY KEY (account=?") for step in plan)
