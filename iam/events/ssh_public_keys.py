"""What can happen to users' SSH public keys."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, begin, end, put


class SSHPublicKeyUploaded(Event, frozen=True, gc=False, kw_only=True, tag="SSHPublicKeyUploaded"):
    """The user has an SSH public key, which is active."""

    user_id: str
    user_name: str
    ssh_public_key_id: str
    ssh_public_key_body: str
    fingerprint: str
    uploaded_at: datetime

    def changes(self) -> Iterator[Change]:
        key = r.SSHPublicKey(self.fingerprint, "Active", self.uploaded_at)
        yield begin(r.USER_SSH_PUBLIC_KEYS, self.user_id, self.ssh_public_key_id, key)
        yield begin(r.SSH_PUBLIC_KEY_BODY, self.ssh_public_key_id, "", r.PublicText(self.ssh_public_key_body))


class SSHPublicKeyUpdated(Event, frozen=True, gc=False, kw_only=True, tag="SSHPublicKeyUpdated"):
    """The key can be used from now on, or cannot."""

    user_id: str
    user_name: str
    ssh_public_key_id: str
    status: str
    previous_status: str
    fingerprint: str
    uploaded_at: datetime

    def changes(self) -> Iterator[Change]:
        key = r.SSHPublicKey(self.fingerprint, self.status, self.uploaded_at)
        yield put(r.USER_SSH_PUBLIC_KEYS, self.user_id, self.ssh_public_key_id, key)


class SSHPublicKeyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="SSHPublicKeyDeleted"):
    """The user does not have the key any more."""

    user_id: str
    user_name: str
    ssh_public_key_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_SSH_PUBLIC_KEYS, self.user_id, self.ssh_public_key_id)
        yield end(r.SSH_PUBLIC_KEY_BODY, self.ssh_public_key_id)


SSHPublicKeyEvent = SSHPublicKeyUploaded | SSHPublicKeyUpdated | SSHPublicKeyDeleted
