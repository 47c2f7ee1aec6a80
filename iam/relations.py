"""What an account's state is made of.

A state is a set of relations. Each relation maps an owner and a member to a value: `USER_POLICIES[user_id, arn]`
is the name of a policy the user carries. An event says which entries begin and which end, so that the
fold in memory, the history in `projections.db` and a state at any instant are one and the same thing, seen
through one interface. Identity is the unique id; names are entries like any other, and have a history too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

V = TypeVar("V")


class UserProfile(msgspec.Struct, frozen=True, gc=False):
    """What a user is called, and since when it exists."""

    user_name: str
    path: str
    created_at: datetime


class GroupProfile(msgspec.Struct, frozen=True, gc=False):
    """What a group is called, and since when it exists."""

    group_name: str
    path: str
    created_at: datetime


class RoleProfile(msgspec.Struct, frozen=True, gc=False):
    """What a role is called, since when it exists, and what is said of its sessions."""

    role_name: str
    path: str
    created_at: datetime
    description: str = ""
    max_session_duration: int = 3600  # seconds


class TrustPolicy(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who may assume a role; the document character for character as given.

    `principals` are the users and roles of the account that it names as principals: what it calls each, by ARN or id,
    and the id of whom that meant when it was written. Without one, a name is just what is written.
    """

    document: str
    principals: Mapping[str, str] = {}


class InstanceProfile(msgspec.Struct, frozen=True, gc=False):
    """What an instance profile is called, and since when it exists. Nothing of it ever changes."""

    instance_profile_name: str
    path: str
    created_at: datetime


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A tag as it was last spelled."""

    key: str
    value: str


class InlinePolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy embedded in one identity, spelled as first put; the document character for character as put."""

    policy_name: str
    document: str


class PolicyProfile(msgspec.Struct, frozen=True, gc=False):
    """What never changes about a customer managed policy."""

    policy_name: str
    path: str
    arn: str
    description: str
    created_at: datetime


class PolicyVersion(msgspec.Struct, frozen=True, gc=False):
    """One stored version of a customer managed policy."""

    created_at: datetime
    document: str


class LatestVersion(msgspec.Struct, frozen=True, gc=False):
    """The highest version number ever used, so that none is used again, and when that version was made."""

    number: int
    created_at: datetime


class AccessKey(msgspec.Struct, frozen=True, gc=False):
    """A pair of keys of a user, without the secret one."""

    status: str  # Active or Inactive
    created_at: datetime


class LoginProfile(msgspec.Struct, frozen=True, gc=False):
    """That a user has a password, under which id it is kept, and since when."""

    password_id: str
    password_reset_required: bool
    created_at: datetime
    password_changed_at: datetime


class ServiceSpecificCredential(msgspec.Struct, frozen=True, gc=False):
    """A name and a password of a user for one service of AWS. The name stays when the user is renamed."""

    service_name: str
    service_user_name: str
    status: str  # Active or Inactive
    created_at: datetime
    password_id: str
    expires_at: datetime | None = None


class PasswordPolicy(msgspec.Struct, frozen=True, gc=False):
    """The account's own rules for passwords."""

    minimum_password_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase_characters: bool = False
    require_lowercase_characters: bool = False
    allow_users_to_change_password: bool = False
    max_password_age: int | None = None  # days
    password_reuse_prevention: int | None = None  # passwords
    hard_expiry: bool = False


class OrganizationsFeatures(msgspec.Struct, frozen=True, gc=False):
    """The features that are enabled for the account's organization."""

    enabled_features: tuple[str, ...]


class VirtualMFADevice(msgspec.Struct, frozen=True, gc=False):
    """A virtual MFA device, and the id under which its seed is kept. Nothing of it ever changes."""

    virtual_mfa_device_name: str
    path: str
    created_at: datetime
    seed_id: str


class MFADevice(msgspec.Struct, frozen=True, gc=False):
    """Since when a user has an MFA device, be it a virtual one or not."""

    enabled_at: datetime


class SAMLProvider(msgspec.Struct, frozen=True, gc=False):
    """A SAML provider, without its metadata document and its private keys."""

    saml_provider_uuid: str
    created_at: datetime
    valid_until: datetime
    assertion_encryption_mode: str  # Allowed or Required


class SAMLMetadata(msgspec.Struct, frozen=True, gc=False):
    """What a SAML provider says of itself; the document character for character as given."""

    document: str


class SAMLPrivateKey(msgspec.Struct, frozen=True, gc=False):
    """A key to decrypt assertions with, without the key itself."""

    added_at: datetime


class OpenIDConnectProvider(msgspec.Struct, frozen=True, gc=False):
    """An OpenID Connect provider; its URL without the scheme, which is always https."""

    url: str
    created_at: datetime


class Thumbprints(msgspec.Struct, frozen=True, gc=False):
    """The thumbprints of an OpenID Connect provider's certificates, in lower case, as given in order and number."""

    thumbprint_list: tuple[str, ...]


class ServerCertificate(msgspec.Struct, frozen=True, gc=False):
    """What a server certificate is called, when it was uploaded and when it expires."""

    server_certificate_name: str
    path: str
    uploaded_at: datetime
    expires_at: datetime


class SigningCertificate(msgspec.Struct, frozen=True, gc=False):
    """A certificate of a user, without its text."""

    status: str  # Active or Inactive
    uploaded_at: datetime


class SSHPublicKey(msgspec.Struct, frozen=True, gc=False):
    """A public key of a user, without its text; `fingerprint` is the MD5 digest of the key."""

    fingerprint: str
    status: str  # Active or Inactive
    uploaded_at: datetime


class PublicText(msgspec.Struct, frozen=True, gc=False):
    """A certificate, a chain of them or a public key, character for character as given."""

    document: str


class CatalogueRelease(msgspec.Struct, frozen=True, gc=False):
    """A release of the AWS managed policies, and the digest of its data."""

    release: str
    digest: str


class Relation(msgspec.Struct, Generic[V], frozen=True, gc=False, eq=False):
    """One kind of entry: its stored name and the type of its values. `documented` values have a `document`."""

    name: str
    value: type[V]
    documented: bool = False


# One owner of the whole account. Members are names in lower case, as IAM looks names up ignoring case.
USERS = Relation("users", str)  # name → user id
GROUPS = Relation("groups", str)  # name → group id
ROLES = Relation("roles", str)  # name → role id
INSTANCE_PROFILES = Relation("instance_profiles", str)  # name → instance profile id
DELETION_TASKS = Relation("deletion_tasks", str)  # of service-linked roles: task id → role id
POLICIES = Relation("policies", str)  # name → policy id
POLICY_ARNS = Relation("policy_arns", str)  # ARN → policy id
CATALOGUES = Relation("catalogues", CatalogueRelease)  # release; in the ledger `aws` only
SECRETS = Relation("secrets", str)  # id under which `secrets.db` keeps one → id of what it belongs to
SERVICE_USER_NAMES = Relation("service_user_names", str)  # service/name of a service-specific credential → its id

# One owner of the whole account, and most have one entry, whose member is empty.
ACCOUNT_ALIAS = Relation("account_alias", str)  # → alias
PASSWORD_POLICY = Relation("password_policy", PasswordPolicy)
TOKEN_VERSION = Relation("token_version", str)  # → version of the tokens of STS's global endpoint
OUTBOUND_FEDERATION = Relation("outbound_federation", str)  # where enabled → issuer
ORGANIZATIONS_FEATURES = Relation("organizations_features", OrganizationsFeatures)
ACCOUNT_PROPERTIES = Relation("account_properties", str)  # name → value

# Owned by a user id.
USER = Relation("user", UserProfile)
USER_TAGS = Relation("user_tags", Tag)  # key in lower case
USER_BOUNDARY = Relation("user_boundary", str)  # → policy ARN
USER_POLICIES = Relation("user_policies", str)  # policy ARN → policy name
USER_INLINE_POLICIES = Relation("user_inline_policies", InlinePolicy, documented=True)  # name in lower case
USER_GROUPS = Relation("user_groups", str)  # group id → group id

# Credentials, owned by a user id.
USER_ACCESS_KEYS = Relation("user_access_keys", AccessKey)  # access key id
LOGIN_PROFILE = Relation("login_profile", LoginProfile)
USER_SERVICE_CREDENTIALS = Relation("user_service_credentials", ServiceSpecificCredential)  # id

# Owned by a group id.
GROUP = Relation("group", GroupProfile)
GROUP_POLICIES = Relation("group_policies", str)  # policy ARN → policy name
GROUP_INLINE_POLICIES = Relation("group_inline_policies", InlinePolicy, documented=True)  # name in lower case
GROUP_USERS = Relation("group_users", str)  # user id → user id

# Owned by a role id.
ROLE = Relation("role", RoleProfile)
ROLE_TRUST = Relation("role_trust", TrustPolicy, documented=True)
ROLE_TAGS = Relation("role_tags", Tag)  # key in lower case
ROLE_BOUNDARY = Relation("role_boundary", str)  # → policy ARN
ROLE_POLICIES = Relation("role_policies", str)  # policy ARN → policy name
ROLE_INLINE_POLICIES = Relation("role_inline_policies", InlinePolicy, documented=True)  # name in lower case
ROLE_INSTANCE_PROFILES = Relation("role_instance_profiles", str)  # instance profile id → instance profile id

# Owned by an instance profile id.
INSTANCE_PROFILE = Relation("instance_profile", InstanceProfile)
INSTANCE_PROFILE_TAGS = Relation("instance_profile_tags", Tag)  # key
INSTANCE_PROFILE_ROLES = Relation("instance_profile_roles", str)  # role id → role id

# Owned by a policy ARN: the other way round. Members and values are ids.
POLICY_USERS = Relation("policy_users", str)
POLICY_GROUPS = Relation("policy_groups", str)
POLICY_ROLES = Relation("policy_roles", str)
BOUNDARY_USERS = Relation("boundary_users", str)
BOUNDARY_ROLES = Relation("boundary_roles", str)

# Owned by a policy id.
POLICY = Relation("policy", PolicyProfile)
POLICY_VERSIONS = Relation("policy_versions", PolicyVersion, documented=True)  # version id
POLICY_DEFAULT = Relation("policy_default", str)  # → version id
POLICY_LATEST = Relation("policy_latest", LatestVersion)
POLICY_TAGS = Relation("policy_tags", Tag)  # key

# MFA devices by their serial number, which for virtual ones is an ARN. Those of users are owned by a user id.
VIRTUAL_MFA_DEVICES = Relation("virtual_mfa_devices", VirtualMFADevice)  # of the account: serial number
MFA_DEVICE_USERS = Relation("mfa_device_users", str)  # of the account: serial number → id of the user who has it
MFA_DEVICE_TAGS = Relation("mfa_device_tags", Tag)  # owned by a serial number: key
USER_MFA_DEVICES = Relation("user_mfa_devices", MFADevice)  # serial number

# Identity providers, of the account; what belongs to one is owned by its ARN.
SAML_PROVIDERS = Relation("saml_providers", SAMLProvider)  # ARN
SAML_METADATA = Relation("saml_metadata", SAMLMetadata, documented=True)
SAML_PRIVATE_KEYS = Relation("saml_private_keys", SAMLPrivateKey)  # id, under which the key itself is kept
SAML_PROVIDER_TAGS = Relation("saml_provider_tags", Tag)  # key
OIDC_PROVIDERS = Relation("open_id_connect_providers", OpenIDConnectProvider)  # ARN
OIDC_CLIENT_IDS = Relation("open_id_connect_client_ids", int)  # client id → its place in their order
OIDC_THUMBPRINTS = Relation("open_id_connect_thumbprints", Thumbprints)
OIDC_PROVIDER_TAGS = Relation("open_id_connect_provider_tags", Tag)  # key

# Server certificates, of the account.
SERVER_CERTIFICATES = Relation("server_certificates", str)  # name in lower case → server certificate id
SERVER_CERTIFICATE = Relation("server_certificate", ServerCertificate)  # these are owned by its id
SERVER_CERTIFICATE_BODY = Relation("server_certificate_body", PublicText, documented=True)
SERVER_CERTIFICATE_CHAIN = Relation("server_certificate_chain", PublicText, documented=True)
SERVER_CERTIFICATE_TAGS = Relation("server_certificate_tags", Tag)  # key

# Signing certificates and SSH public keys of users.
SIGNING_CERTIFICATES = Relation("signing_certificates", str)  # of the account: certificate id → user id
SIGNING_CERTIFICATE_BODY = Relation("signing_certificate_body", PublicText, documented=True)  # by certificate id
SSH_PUBLIC_KEY_BODY = Relation("ssh_public_key_body", PublicText, documented=True)  # owned by the key's id
USER_SIGNING_CERTIFICATES = Relation("user_signing_certificates", SigningCertificate)  # certificate id
USER_SSH_PUBLIC_KEYS = Relation("user_ssh_public_keys", SSHPublicKey)  # SSH public key id

ALL: dict[str, Relation[Any]] = {
    relation.name: relation for relation in tuple(globals().values()) if isinstance(relation, Relation)
}


class Change(msgspec.Struct, frozen=True, gc=False):
    """One entry begins (a value), or ends (None). A member of None stands for all members of the owner.

    `fresh`: the entry is known not to have been there, so that nobody need look for what it replaces.
    """

    relation: Relation[Any]
    owner: str
    member: str | None
    value: Any
    fresh: bool = False


def begin(relation: Relation[V], owner: str, member: str, value: V) -> Change:
    """The entry, which was not there, has this value from now on."""
    return Change(relation, owner, member, value, fresh=True)


def put(relation: Relation[V], owner: str, member: str, value: V) -> Change:
    """The entry has this value from now on; if it had another one before, that ends."""
    return Change(relation, owner, member, value)


def end(relation: Relation[Any], owner: str, member: str = "") -> Change:
    """The entry is no more."""
    return Change(relation, owner, member, None)


def end_all(relation: Relation[Any], owner: str) -> Change:
    """None of the owner's entries is any more."""
    return Change(relation, owner, None, None)
