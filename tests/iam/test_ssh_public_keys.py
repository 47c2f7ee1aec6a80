"""SSH public keys: what is accepted, whose they are, and their encodings, number and status."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from material import certificate, private_key, ssh_key

from iam.commands import Command, Principal
from iam.errors import (
    DeleteConflict,
    DuplicateSSHPublicKey,
    IamError,
    InvalidInput,
    InvalidPublicKey,
    LimitExceeded,
    NoSuchEntity,
    UnrecognizedPublicKeyEncoding,
    ValidationError,
)
from iam.events.ssh_public_keys import SSHPublicKeyDeleted, SSHPublicKeyUpdated, SSHPublicKeyUploaded
from iam.ssh_public_keys import (
    DeleteSSHPublicKey,
    GetSSHPublicKey,
    ListSSHPublicKeys,
    UpdateSSHPublicKey,
    UploadSSHPublicKey,
    delete_ssh_public_key,
    get_ssh_public_key,
    list_ssh_public_keys,
    update_ssh_public_key,
    upload_ssh_public_key,
)
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALICE, BOB = CreateUser(user_name="Alice"), CreateUser(user_name="bob")  # AIDA1, AIDA2
AS_ALICE = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
TOLD = {"user_id": "AIDA1", "user_name": "Alice", "ssh_public_key_id": "APKA1"}
FINGERPRINT = "bf:83:a9:ef:89:d2:dc:ce:dc:f6:24:d5:70:2f:61:88"
COMMENTED = f"{ssh_key(1)} alice@example.com"
PEM = ssh_key(1, encoding="PEM")


def upload(number: int = 1, user: str = "alice", body: str | None = None) -> UploadSSHPublicKey:
    return UploadSSHPublicKey(user_name=user, ssh_public_key_body=body or ssh_key(number))


def shown(account: Any, encoding: str) -> str:
    query = GetSSHPublicKey(user_name="alice", ssh_public_key_id="APKA1", encoding=encoding)
    return get_ssh_public_key(account.account, query).ssh_public_key_body


def listed(account: Any, **query: Any) -> list[tuple[str, str, str]]:
    found = list_ssh_public_keys(account.account, ListSSHPublicKeys(**query), "")
    return [(each.user_name, each.ssh_public_key_id, each.status) for _, each in found]


@pytest.mark.parametrize("body", [ssh_key(1), COMMENTED, PEM])
def test_a_key_is_uploaded_and_active(given: Callable[..., Any], body: str) -> None:
    """Its text is kept as it came; the fingerprint is that of the key."""
    given(ALICE).when(upload_ssh_public_key, upload(body=body)).then(
        SSHPublicKeyUploaded(**TOLD, ssh_public_key_body=body, fingerprint=FINGERPRINT, uploaded_at=NOW)
    )


INVALID = (InvalidPublicKey, "The public key is malformed or otherwise invalid.")
DUPLICATE = (DuplicateSSHPublicKey, "The SSH public key is already associated with the specified IAM user.")


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (upload(user="carol", body="x"), NoSuchEntity, "The user with name carol cannot be found."),
        (
            upload(body="this is no key"),
            UnrecognizedPublicKeyEncoding,
            "The public key encoding format is unsupported or unrecognized.",
        ),
        (upload(body="ssh-rsa not-base64!"), *INVALID),
        (upload(body=ssh_key(1).replace("ssh-rsa", "ssh-dss")), *INVALID),
        (upload(body="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"), *INVALID),
        (upload(body=private_key(1)), *INVALID),
        (upload(body=certificate(1)), *INVALID),
        (upload(body=ssh_key(1, bits=1024)), InvalidPublicKey, "The public key must have 2048 bits or more."),
        (upload(body=COMMENTED), *DUPLICATE),
        (upload(body=PEM), *DUPLICATE),
        (upload(6), LimitExceeded, "Cannot exceed quota for SSHPublicKeysPerUser: 5"),
    ],
)
def test_what_is_not_uploaded(
    given: Callable[..., Any], command: Command, refusal: type[IamError], message: str
) -> None:
    """A key is the same in any encoding."""
    account = given(ALICE, *map(upload, range(1, 6)))
    account.when(upload_ssh_public_key, command).refused(refusal, message)


def test_two_users_may_have_the_same_key(given: Callable[..., Any]) -> None:
    """Under two ids."""
    account = given(ALICE, BOB, upload(), upload(user="bob"))
    assert listed(account, user_name="bob") == [("bob", "APKA2", "Active")]


UNKNOWN = "The Public Key with id APKA1 cannot be found."
BOBS = {"user_name": "bob", "ssh_public_key_id": "APKA1"}


@pytest.mark.parametrize(
    ("decide", "command", "refusal", "message"),
    [
        (update_ssh_public_key, UpdateSSHPublicKey(**BOBS, status="Active"), NoSuchEntity, UNKNOWN),
        (
            update_ssh_public_key,
            UpdateSSHPublicKey(**BOBS, status="Expired"),
            InvalidInput,
            "The status of an SSH public key can be set to Active or Inactive only.",
        ),
        (delete_ssh_public_key, DeleteSSHPublicKey(**BOBS), NoSuchEntity, UNKNOWN),
        (
            delete_user,
            DeleteUser(user_name="alice"),
            DeleteConflict,
            "Cannot delete entity, must remove referenced objects first.",
        ),
    ],
)
def test_what_is_refused(
    given: Callable[..., Any], decide: Any, command: Command, refusal: type[IamError], message: str
) -> None:
    """A key is found with its own user only."""
    given(ALICE, BOB, upload()).when(decide, command).refused(refusal, message)


@pytest.mark.parametrize(
    ("given_body", "encoding", "text"),
    [
        (COMMENTED, "SSH", COMMENTED),
        (COMMENTED, "PEM", PEM),
        (PEM, "SSH", ssh_key(1)),
        (PEM.replace("\n", "\r\n"), "PEM", PEM.replace("\n", "\r\n")),
    ],
)
def test_a_key_is_shown_in_the_encoding_asked_for(
    given: Callable[..., Any], given_body: str, encoding: str, text: str
) -> None:
    """As it was given, where it was given in that one."""
    assert shown(given(ALICE, upload(body=given_body)), encoding) == text


def test_a_key_is_made_inactive_and_deleted(given: Callable[..., Any]) -> None:
    """It may be uploaded again then, and has another id."""
    account = given(ALICE, upload())
    inactive = UpdateSSHPublicKey(user_name="alice", ssh_public_key_id="APKA1", status="Inactive")
    account.when(update_ssh_public_key, inactive).then(
        SSHPublicKeyUpdated(
            **TOLD,
            status="Inactive",
            previous_status="Active",
            fingerprint=FINGERPRINT,
            uploaded_at=BEFORE + MINUTE,
        )
    )
    account.also(inactive).when(update_ssh_public_key, inactive).nothing()
    delete = DeleteSSHPublicKey(user_name="alice", ssh_public_key_id="APKA1")
    account.when(delete_ssh_public_key, delete).then(SSHPublicKeyDeleted(**TOLD))
    account.also(delete, upload())
    assert listed(account, user_name="alice") == [("Alice", "APKA2", "Active")]


def test_keys_are_listed_by_age_under_the_name_of_now(given: Callable[..., Any]) -> None:
    """Without a name, for who asks, who must be a user."""
    account = given(ALICE, upload(2), upload(1), UpdateUser(user_name="alice", new_user_name="Carol"))
    both = [("Carol", "APKA1", "Active"), ("Carol", "APKA2", "Active")]
    assert listed(account, user_name="carol") == listed(account, caller=AS_ALICE) == both
    with pytest.raises(ValidationError, match="Must specify userName when calling with non-User credentials"):
        listed(account)
