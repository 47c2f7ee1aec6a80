"""What one event changed: the things it touches, as they were and as they became.

This follows from the event's own `changes()` and from no list of events. What names lead to and the same things the
other way round are left out: they say nothing that is not said already.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from iam import relations as r
from iam.events import Event
from iam.relations import Change, Relation
from iam.state import State


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What an event touches, before and after it, by section. A section with nothing in it is left out there.

    A section is a single thing, such as `user`, or a list, such as `tags`, of those members that the event touches.
    Lists are ordered by name, shorter names first, as AWS lists tags.
    """

    before: dict[str, Any]
    after: dict[str, Any]


class Section(msgspec.Struct, frozen=True, gc=False):
    """Under which name a relation is shown, and what an entry (owner, member, value) looks like."""

    name: str
    show: Callable[[str, str, Any], Any]
    is_list: bool = False


_fields = msgspec.structs.asdict

_TAGS = Section("tags", lambda _, key, tag: _fields(tag), is_list=True)
_BOUNDARY = Section("permissions_boundary", lambda _, __, arn: arn)
_ATTACHED = Section("attached", lambda _, arn, name: {"policy_name": name, "policy_arn": arn}, is_list=True)
_INLINE = Section(
    "inline",
    lambda _, __, policy: {"policy_name": policy.policy_name, "policy_document": policy.document},
    is_list=True,
)

SECTIONS: Final[Mapping[Relation[Any], Section]] = {
    r.USER: Section("user", lambda user_id, _, profile: {"user_id": user_id, **_fields(profile)}),
    r.USER_TAGS: _TAGS,
    r.USER_BOUNDARY: _BOUNDARY,
    r.USER_POLICIES: _ATTACHED,
    r.USER_INLINE_POLICIES: _INLINE,
    r.USER_GROUPS: Section("groups", lambda _, group_id, __: {"group_id": group_id}, is_list=True),
    r.USER_ACCESS_KEYS: Section(
        "access_keys", lambda _, key_id, key: {"access_key_id": key_id, **_fields(key)}, is_list=True
    ),
    r.LOGIN_PROFILE: Section("login_profile", lambda _, __, profile: _fields(profile)),
    r.USER_SERVICE_CREDENTIALS: Section(
        "service_specific_credentials",
        lambda _, id_, credential: {"service_specific_credential_id": id_, **_fields(credential)},
        is_list=True,
    ),
    r.GROUP: Section("group", lambda group_id, _, profile: {"group_id": group_id, **_fields(profile)}),
    r.GROUP_POLICIES: _ATTACHED,
    r.GROUP_INLINE_POLICIES: _INLINE,
    r.ROLE: Section("role", lambda role_id, _, profile: {"role_id": role_id, **_fields(profile)}),
    r.ROLE_TRUST: Section("assume_role_policy_document", lambda _, __, trust: trust.document),
    r.ROLE_TAGS: _TAGS,
    r.ROLE_BOUNDARY: _BOUNDARY,
    r.ROLE_POLICIES: _ATTACHED,
    r.ROLE_INLINE_POLICIES: _INLINE,
    r.INSTANCE_PROFILE: Section("instance_profile", lambda id_, _, it: {"instance_profile_id": id_, **_fields(it)}),
    r.INSTANCE_PROFILE_TAGS: _TAGS,
    r.INSTANCE_PROFILE_ROLES: Section("roles", lambda _, role_id, __: {"role_id": role_id}, is_list=True),
    r.POLICY: Section("policy", lambda policy_id, _, profile: {"policy_id": policy_id, **_fields(profile)}),
    r.POLICY_VERSIONS: Section(
        "versions",
        lambda _, version_id, version: {
            "version_id": version_id,
            "created_at": version.created_at,
            "policy_document": version.document,
        },
        is_list=True,
    ),
    r.POLICY_DEFAULT: Section("default_version_id", lambda _, __, version_id: version_id),
    r.POLICY_TAGS: _TAGS,
    r.ACCOUNT_ALIAS: Section("account_alias", lambda _, __, alias: alias),
    r.PASSWORD_POLICY: Section("password_policy", lambda _, __, policy: _fields(policy)),
    r.TOKEN_VERSION: Section("global_endpoint_token_version", lambda _, __, version: version),
    r.OUTBOUND_FEDERATION: Section("issuer_identifier", lambda _, __, issuer: issuer),
    r.ORGANIZATIONS_FEATURES: Section("enabled_features", lambda _, __, features: list(features.enabled_features)),
    r.ACCOUNT_PROPERTIES: Section(
        "properties", lambda _, name, value: {"property_name": name, "property_value": value}, is_list=True
    ),
    r.VIRTUAL_MFA_DEVICES: Section(
        "virtual_mfa_device", lambda _, serial, device: {"serial_number": serial, **_fields(device)}
    ),
    r.MFA_DEVICE_TAGS: _TAGS,
    r.USER_MFA_DEVICES: Section(
        "mfa_devices", lambda _, serial, device: {"serial_number": serial, **_fields(device)}, is_list=True
    ),
    r.SAML_PROVIDERS: Section(
        "saml_provider", lambda _, arn, provider: {"saml_provider_arn": arn, **_fields(provider)}
    ),
    r.SAML_METADATA: Section("saml_metadata_document", lambda _, __, metadata: metadata.document),
    r.SAML_PRIVATE_KEYS: Section(
        "private_keys", lambda _, key_id, key: {"private_key_id": key_id, **_fields(key)}, is_list=True
    ),
    r.SAML_PROVIDER_TAGS: _TAGS,
    r.OIDC_PROVIDERS: Section(
        "open_id_connect_provider",
        lambda _, arn, provider: {"open_id_connect_provider_arn": arn, **_fields(provider)},
    ),
    r.OIDC_CLIENT_IDS: Section("client_ids", lambda _, client_id, __: {"client_id": client_id}, is_list=True),
    r.OIDC_THUMBPRINTS: Section("thumbprint_list", lambda _, __, thumbprints: list(thumbprints.thumbprint_list)),
    r.OIDC_PROVIDER_TAGS: _TAGS,
    r.SERVER_CERTIFICATE: Section(
        "server_certificate", lambda id_, _, it: {"server_certificate_id": id_, **_fields(it)}
    ),
    r.SERVER_CERTIFICATE_BODY: Section("certificate_body", lambda _, __, body: body.document),
    r.SERVER_CERTIFICATE_CHAIN: Section("certificate_chain", lambda _, __, chain: chain.document),
    r.SERVER_CERTIFICATE_TAGS: _TAGS,
    r.USER_SIGNING_CERTIFICATES: Section(
        "signing_certificates", lambda _, id_, it: {"certificate_id": id_, **_fields(it)}, is_list=True
    ),
    r.SIGNING_CERTIFICATE_BODY: Section("certificate_body", lambda _, __, body: body.document),
    r.USER_SSH_PUBLIC_KEYS: Section(
        "ssh_public_keys", lambda _, id_, key: {"ssh_public_key_id": id_, **_fields(key)}, is_list=True
    ),
    r.SSH_PUBLIC_KEY_BODY: Section("ssh_public_key_body", lambda _, __, body: body.document),
    r.CATALOGUES: Section("catalogues", lambda _, __, release: _fields(release), is_list=True),
}
"""The relations that are shown."""

LEFT_OUT: Final = frozenset(
    {
        r.USERS,
        r.GROUPS,
        r.ROLES,
        r.INSTANCE_PROFILES,
        r.ROLE_INSTANCE_PROFILES,
        r.DELETION_TASKS,
        r.SECRETS,
        r.SERVICE_USER_NAMES,
        r.MFA_DEVICE_USERS,
        r.SERVER_CERTIFICATES,
        r.SIGNING_CERTIFICATES,
        r.POLICIES,
        r.POLICY_ARNS,
        r.GROUP_USERS,
        r.POLICY_USERS,
        r.POLICY_GROUPS,
        r.POLICY_ROLES,
        r.BOUNDARY_USERS,
        r.BOUNDARY_ROLES,
        r.POLICY_LATEST,
    }
)
"""The relations that are not."""


def effect(event: Event, before: State, after: State) -> Effect:
    """What the event changed between the states right before and right after it.

    Asks a state once for each thing that the event touches, and not for what the event says is not there.
    """
    changes = [change for change in event.changes() if change.relation not in LEFT_OUT]
    return Effect(
        before=_sections(before, (change for change in changes if not change.fresh)),
        after=_sections(after, (change for change in changes if change.value is not None)),
    )


def _sections(state: State, changes: Iterable[Change]) -> dict[str, Any]:
    touched: dict[tuple[Relation[Any], str], list[str | None]] = {}
    for change in changes:
        touched.setdefault((change.relation, change.owner), []).append(change.member)
    sections = {}
    for (relation, owner), members in touched.items():
        section = SECTIONS[relation]
        shown = [section.show(owner, *entry) for entry in _entries(state, relation, owner, members)]
        if shown:
            sections[section.name] = sorted(shown, key=_order) if section.is_list else shown[0]
    return sections


def _entries(state: State, relation: Relation[Any], owner: str, members: list[str | None]) -> list[tuple[str, Any]]:
    """Those of these members that are there; a member of None stands for all."""
    if len(members) == 1 and members[0] is not None:
        value = state.get(relation, owner, members[0])
        return [] if value is None else [(members[0], value)]
    entries = state.members(relation, owner).items()
    return [(member, value) for member, value in entries if None in members or member in members]


def _order(entry: Mapping[str, Any]) -> tuple[int, str]:
    name = next(iter(entry.values()))
    return len(name), name
