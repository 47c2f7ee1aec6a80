"""The SQL views against AWS's API: after each write of a noun's life, and of all of it as it was then."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from lives import AS, nouns

if TYPE_CHECKING:
    from tests.api.conftest import Account

NOUNS = nouns()
HOLDS = "account = ? AND valid_from <= ? AND (valid_to > ? OR valid_to IS NULL)"
RULES = {
    "minimum_password_length": "MinimumPasswordLength",
    "require_symbols": "RequireSymbols",
    "require_numbers": "RequireNumbers",
    "require_uppercase_characters": "RequireUppercaseCharacters",
    "require_lowercase_characters": "RequireLowercaseCharacters",
    "allow_users_to_change_password": "AllowUsersToChangePassword",
    "max_password_age": "MaxPasswordAge",
    "password_reuse_prevention": "PasswordReusePrevention",
    "hard_expiry": "HardExpiry",
}

OFF = {("RoleManager/Enabled", "false"), ("enabled_features", "[]")}
"""Settings that AWS tells of every account; the views have them from the record on that first put them."""

Ask = Callable[..., Any]  # an action with its parameters: the data of the answer; nothing where there is no such thing
Rows = dict[str, list[tuple[Any, ...]]]  # by view and columns

ACCESS_KEYS = "access_keys: user_id, access_key_id, status, created_at"
LOGIN_PROFILES = "login_profiles: user_id, password_reset_required, created_at"
SERVICE_CREDENTIALS = (
    "service_specific_credentials: "
    "user_id, service_specific_credential_id, service_name, service_user_name, status, created_at, expires_at"
)
SIGNING_CERTIFICATES = "signing_certificates: user_id, certificate_id, status, uploaded_at"
SSH_PUBLIC_KEYS = "ssh_public_keys: user_id, ssh_public_key_id, fingerprint, status, uploaded_at"
USER_MFA_DEVICES = "user_mfa_devices: user_id, serial_number, enabled_at"
VIRTUAL_MFA_DEVICES = "virtual_mfa_devices: serial_number"
MFA_DEVICE_TAGS = "mfa_device_tags: serial_number, key, value"
SAML_PROVIDERS = (
    "saml_providers: saml_provider_arn, saml_provider_uuid, assertion_encryption_mode, valid_until, created_at"
)
SAML_METADATA = "saml_provider_metadata: saml_provider_arn, document"
SAML_PRIVATE_KEYS = "saml_provider_private_keys: saml_provider_arn, private_key_id, added_at"
SAML_TAGS = "saml_provider_tags: saml_provider_arn, key, value"
OIDC_PROVIDERS = "open_id_connect_providers: open_id_connect_provider_arn, url, created_at"
OIDC_CLIENT_IDS = "open_id_connect_provider_client_ids: open_id_connect_provider_arn, client_id"
OIDC_THUMBPRINTS = "open_id_connect_provider_thumbprints: open_id_connect_provider_arn, thumbprint_list"
OIDC_TAGS = "open_id_connect_provider_tags: open_id_connect_provider_arn, key, value"
SERVER_CERTIFICATES = (
    "server_certificates: server_certificate_id, server_certificate_name, path, uploaded_at, expires_at"
)
SERVER_CERTIFICATE_TAGS = "server_certificate_tags: server_certificate_id, key, value"
PASSWORD_POLICIES = f"password_policies: {', '.join(RULES)}"
ACCOUNT_SETTINGS = "account_settings: setting, value"


def of_users(ask: Ask, rows: Rows) -> None:
    """What users sign in with."""
    for user in ask("ListUsers")["Users"]:
        who, name = user["UserId"], {"UserName": user["UserName"]}
        for key in ask("ListAccessKeys", **name)["AccessKeyMetadata"]:
            rows[ACCESS_KEYS].append((who, key["AccessKeyId"], key["Status"], key["CreateDate"]))
        for login in ask("GetLoginProfile", **name).values():
            rows[LOGIN_PROFILES].append((who, login["PasswordResetRequired"], login["CreateDate"]))
        for each in ask("ListServiceSpecificCredentials", **name)["ServiceSpecificCredentials"]:
            credential = (each["ServiceSpecificCredentialId"], each["ServiceName"], each["ServiceUserName"])
            told = (*credential, each["Status"], each["CreateDate"], each.get("ExpirationDate"))
            rows[SERVICE_CREDENTIALS].append((who, *told))
        for each in ask("ListSigningCertificates", **name)["Certificates"]:
            rows[SIGNING_CERTIFICATES].append((who, each["CertificateId"], each["Status"], each["UploadDate"]))
        for each in ask("ListSSHPublicKeys", **name)["SSHPublicKeys"]:
            key_id = each["SSHPublicKeyId"]
            key = ask("GetSSHPublicKey", **name, SSHPublicKeyId=key_id, Encoding="SSH")["SSHPublicKey"]
            rows[SSH_PUBLIC_KEYS].append((who, key_id, key["Fingerprint"], each["Status"], each["UploadDate"]))
        for device in ask("ListMFADevices", **name)["MFADevices"]:
            rows[USER_MFA_DEVICES].append((who, device["SerialNumber"], device["EnableDate"]))
    for device in ask("ListVirtualMFADevices")["VirtualMFADevices"]:
        serial = device["SerialNumber"]
        rows[VIRTUAL_MFA_DEVICES].append((serial,))
        tags = ask("ListMFADeviceTags", SerialNumber=serial)["Tags"]
        rows[MFA_DEVICE_TAGS] += ((serial, tag["Key"], tag["Value"]) for tag in tags)


def of_providers(ask: Ask, rows: Rows) -> None:
    """Identity providers and server certificates."""
    for listed in ask("ListSAMLProviders")["SAMLProviderList"]:
        arn = listed["Arn"]
        saml = ask("GetSAMLProvider", SAMLProviderArn=arn)
        told = saml["SAMLProviderUUID"], saml["AssertionEncryptionMode"], saml["ValidUntil"], saml["CreateDate"]
        rows[SAML_PROVIDERS].append((arn, *told))
        rows[SAML_METADATA].append((arn, saml["SAMLMetadataDocument"]))
        rows[SAML_PRIVATE_KEYS] += ((arn, key["KeyId"], key["Timestamp"]) for key in saml["PrivateKeyList"])
        rows[SAML_TAGS] += ((arn, tag["Key"], tag["Value"]) for tag in saml["Tags"])
    for listed in ask("ListOpenIDConnectProviders")["OpenIDConnectProviderList"]:
        arn = listed["Arn"]
        oidc = ask("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        rows[OIDC_PROVIDERS].append((arn, oidc["Url"], oidc["CreateDate"]))
        rows[OIDC_CLIENT_IDS] += ((arn, client_id) for client_id in oidc["ClientIDList"])
        rows[OIDC_THUMBPRINTS].append((arn, json.dumps(oidc["ThumbprintList"], separators=(",", ":"))))
        rows[OIDC_TAGS] += ((arn, tag["Key"], tag["Value"]) for tag in oidc["Tags"])
    for each in ask("ListServerCertificates")["ServerCertificateMetadataList"]:
        id_, name = each["ServerCertificateId"], each["ServerCertificateName"]
        rows[SERVER_CERTIFICATES].append((id_, name, each["Path"], each["UploadDate"], each["Expiration"]))
        tags = ask("ListServerCertificateTags", ServerCertificateName=name)["Tags"]
        rows[SERVER_CERTIFICATE_TAGS] += ((id_, tag["Key"], tag["Value"]) for tag in tags)


def of_the_account(ask: Ask, rows: Rows) -> None:
    """Its password policy and its settings."""
    for policy in ask("GetAccountPasswordPolicy").values():
        told = {"HardExpiry": False, **policy}
        rows[PASSWORD_POLICIES].append(tuple(told.get(name) for name in RULES.values()))
    settings = {"enabled_features": ask("ListOrganizationsFeatures")["EnabledFeatures"]}
    settings |= {"issuer_identifier": ask("GetOutboundWebIdentityFederationInfo").get("IssuerIdentifier")}
    settings |= dict.fromkeys(("account_alias",), *ask("ListAccountAliases")["AccountAliases"])
    settings |= ask("GetAccountProperties")["Properties"]
    if ask("GetAccountSummary")["SummaryMap"]["GlobalEndpointTokenVersion"] == 2:
        settings["global_endpoint_token_version"] = "v2Token"
    for name, value in settings.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            rows[ACCOUNT_SETTINGS].append((name, text))


PICTURES = {
    "credentials": (of_users, {ACCESS_KEYS, LOGIN_PROFILES, SERVICE_CREDENTIALS}),
    "public_keys": (of_users, {SIGNING_CERTIFICATES, SSH_PUBLIC_KEYS}),
    "mfa_devices": (of_users, {USER_MFA_DEVICES, VIRTUAL_MFA_DEVICES, MFA_DEVICE_TAGS}),
    "saml_providers": (of_providers, {SAML_PROVIDERS, SAML_METADATA, SAML_PRIVATE_KEYS, SAML_TAGS}),
    "open_id_connect_providers": (of_providers, {OIDC_PROVIDERS, OIDC_CLIENT_IDS, OIDC_THUMBPRINTS, OIDC_TAGS}),
    "server_certificates": (of_providers, {SERVER_CERTIFICATES, SERVER_CERTIFICATE_TAGS}),
    "account": (of_the_account, {PASSWORD_POLICIES, ACCOUNT_SETTINGS}),
}
"""By life: what AWS's API tells, and the views in which there is something at some time of it."""


def lead(account: Account, noun: str) -> int:
    """Lead a noun's life. Answers how many records it made."""
    life = NOUNS[noun].live(account.id)
    step, position = next(life), 0
    while True:
        action, parameters = step
        caller = account.authorization.replace(account.id, parameters.get(AS, account.id))
        reply = account.query(action, {"Authorization": caller}, **parameters)
        assert reply.status == 200, (action, reply)
        position += 1
        try:
            step = life.send(reply)
        except StopIteration:
            return position


def asked_at(account: Account, position: int) -> Ask:
    """AWS's API at a position."""

    def ask(action: str, **parameters: str) -> Any:
        told = {"Authorization": account.authorization, "Content-Type": "application/json"}
        body = json.dumps({"Action": action, **parameters}).encode()
        reply = account.server.send("POST", f"/at/@{position}", body, told)
        if reply.status == 404:
            return {}
        return {name: value for name, value in reply.data.items() if name != "basis"}

    return ask


def without_off(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows in order, but for OFF."""
    return sorted(row for row in rows if row not in OFF)


@pytest.mark.parametrize("noun", PICTURES)
def test_the_views_say_at_every_record_what_the_aws_api_says(account: Account, noun: str) -> None:
    """Row by row; and the views without `_history` have what held at the last one."""
    paint, told_of = PICTURES[noun]
    head = lead(account, noun)
    seen: set[str] = set()
    with closing(sqlite3.connect(f"file:{account.server.folder}/projections.db?mode=ro", uri=True)) as views:
        for position in range(head + 1):
            rows: Rows = defaultdict(list)
            paint(asked_at(account, position), rows)
            for view in told_of | rows.keys():
                name, columns = view.split(": ")
                sql = f"SELECT {columns} FROM {name}_history WHERE {HOLDS}"
                told = views.execute(sql, (account.id, position, position))
                assert without_off(told) == without_off(rows[view]), (view, position)
                seen |= {view} if rows[view] else set()
        for view in told_of:
            name, columns = view.split(": ")
            now = views.execute(f"SELECT {columns} FROM {name} WHERE account = ?", (account.id,))
            assert without_off(now) == without_off(rows[view])
    assert seen == told_of


@pytest.mark.parametrize("noun", ["users", "groups", "credentials", "public_keys", "mfa_devices"])
def test_all_that_is_a_users_own_is_among_its_entries(account: Account, noun: str) -> None:
    """Under what it is called, or was called last. A new relation of users cannot be forgotten: a life has it."""
    head = lead(account, noun)
    names = {user["UserId"]: user["UserName"] for user in asked_at(account, head)("ListUsers")["Users"]}
    with closing(sqlite3.connect(f"file:{account.server.folder}/projections.db?mode=ro", uri=True)) as views:

        def rows(columns: str, view: str) -> list[Any]:
            return views.execute(f"SELECT {columns} FROM {view} WHERE account = ?", (account.id,)).fetchall()

        users = {user_id for (user_id,) in rows("user_id", "users_history")}
        entries = rows("owner, relation, member, valid_from", "entries_history")
        theirs = rows("user_id, relation, member, valid_from", "user_entries_history")
        assert sorted(theirs) == sorted(entry for entry in entries if entry[0] in users)
        called = dict(rows("user_id, user_name", "user_entries_history"))
        assert called.keys() == users
        assert called | names == called
