"""SSH public keys, with which users sign in to CodeCommit: RSA keys of 2048 bits at least."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from iam import relations as r
from iam.callers import user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import (
    DuplicateSSHPublicKey,
    InvalidInput,
    InvalidPublicKey,
    LimitExceeded,
    NoSuchEntity,
    UnrecognizedPublicKeyEncoding,
)
from iam.events import Event
from iam.events.ssh_public_keys import SSHPublicKeyDeleted, SSHPublicKeyUpdated, SSHPublicKeyUploaded
from iam.identities import USER
from iam.pages import by_age, listing
from iam.pem import as_pem, as_ssh, fingerprint, is_pem_key, read_rsa_key
from iam.state import State, known

ID_PREFIX = "APKA"
BITS_MIN = 2048
ENCODED = ("ssh-", "ecdsa-", "sk-", "-----BEGIN ")  # how public keys begin, be they of use here or not


class UploadSSHPublicKey(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    ssh_public_key_body: str


class UpdateSSHPublicKey(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    ssh_public_key_id: str
    status: str


class DeleteSSHPublicKey(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    ssh_public_key_id: str


class GetSSHPublicKey(Query, frozen=True, gc=False, kw_only=True):
    user_name: str
    ssh_public_key_id: str
    encoding: str


class ListSSHPublicKeys(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class SSHPublicKey(msgspec.Struct, frozen=True, gc=False):
    """An SSH public key at an instant, without its text."""

    ssh_public_key_id: str
    user_name: str
    fingerprint: str
    status: str
    uploaded_at: datetime


class SSHPublicKeyDetails(msgspec.Struct, frozen=True, gc=False):
    """An SSH public key at an instant, with its text in the encoding that was asked for."""

    key: SSHPublicKey
    ssh_public_key_body: str


# Decisions


def upload_ssh_public_key(state: State, command: UploadSSHPublicKey, moment: Moment) -> list[Event]:
    """Give the user a key that it does not have yet, in whatever encoding. It is active."""
    user_id = USER.find(state, command.user_name)
    digest = fingerprint(_read(command.ssh_public_key_body))
    present = state.members(r.USER_SSH_PUBLIC_KEYS, user_id)
    if any(key.fingerprint == digest for key in present.values()):
        raise DuplicateSSHPublicKey("The SSH public key is already associated with the specified IAM user.")
    if len(present) >= (quota := state.world.quotas.ssh_public_keys_per_user):
        raise LimitExceeded(f"Cannot exceed quota for SSHPublicKeysPerUser: {quota}")
    return [
        SSHPublicKeyUploaded(
            **USER.told(state, user_id),
            ssh_public_key_id=moment.new_id(ID_PREFIX),
            ssh_public_key_body=command.ssh_public_key_body,
            fingerprint=digest,
            uploaded_at=moment.at,
        )
    ]


def _read(body: str) -> RSAPublicKey:
    if not body.lstrip().startswith(ENCODED):
        raise UnrecognizedPublicKeyEncoding("The public key encoding format is unsupported or unrecognized.")
    try:
        key = read_rsa_key(body)
    except ValueError:
        raise InvalidPublicKey("The public key is malformed or otherwise invalid.") from None
    if key.key_size < BITS_MIN:
        raise InvalidPublicKey(f"The public key must have {BITS_MIN} bits or more.")
    return key


def update_ssh_public_key(state: State, command: UpdateSSHPublicKey, moment: Moment) -> list[Event]:
    """Make the key active or inactive."""
    if command.status == "Expired":
        raise InvalidInput("The status of an SSH public key can be set to Active or Inactive only.")
    user_id, key = _find(state, command)
    if key.status == command.status:
        return []
    return [
        SSHPublicKeyUpdated(
            **USER.told(state, user_id),
            ssh_public_key_id=command.ssh_public_key_id,
            status=command.status,
            previous_status=key.status,
            fingerprint=key.fingerprint,
            uploaded_at=key.uploaded_at,
        )
    ]


def delete_ssh_public_key(state: State, command: DeleteSSHPublicKey, moment: Moment) -> list[Event]:
    """Delete the key."""
    user_id, _ = _find(state, command)
    return [SSHPublicKeyDeleted(**USER.told(state, user_id), ssh_public_key_id=command.ssh_public_key_id)]


def _find(state: State, asked: UpdateSSHPublicKey | DeleteSSHPublicKey | GetSSHPublicKey) -> tuple[str, r.SSHPublicKey]:
    """The user's id and the key, which must be of that user."""
    user_id = USER.find(state, asked.user_name)
    key = state.get(r.USER_SSH_PUBLIC_KEYS, user_id, asked.ssh_public_key_id)
    if key is None:
        raise NoSuchEntity(f"The Public Key with id {asked.ssh_public_key_id} cannot be found.")
    return user_id, key


# Reads


def get_ssh_public_key(state: State, query: GetSSHPublicKey) -> SSHPublicKeyDetails:
    """One key. In the encoding in which it was given, its text is as it was given."""
    user_id, key = _find(state, query)
    body = known(state, r.SSH_PUBLIC_KEY_BODY, query.ssh_public_key_id).document
    if is_pem_key(body) != (query.encoding == "PEM"):
        body = as_pem(_read(body)) if query.encoding == "PEM" else as_ssh(_read(body))
    name = known(state, r.USER, user_id).user_name
    return SSHPublicKeyDetails(_shown(query.ssh_public_key_id, name, key), body)


def list_ssh_public_keys(state: State, query: ListSSHPublicKeys, after: str) -> Iterator[tuple[str, SSHPublicKey]]:
    """The keys of a user, the oldest first."""
    user_id = user_asked(state, query)
    name = known(state, r.USER, user_id).user_name
    found = (_shown(id_, name, key) for id_, key in state.members(r.USER_SSH_PUBLIC_KEYS, user_id).items())
    return listing(found, lambda it: by_age(it.uploaded_at, it.ssh_public_key_id), after)


def _shown(key_id: str, user_name: str, key: r.SSHPublicKey) -> SSHPublicKey:
    return SSHPublicKey(key_id, user_name, key.fingerprint, key.status, key.uploaded_at)
