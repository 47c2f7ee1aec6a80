"""Actions on SSH public keys."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from iam.events.ssh_public_keys import SSHPublicKeyUploaded
from iam.ssh_public_keys import (
    DeleteSSHPublicKey,
    GetSSHPublicKey,
    ListSSHPublicKeys,
    SSHPublicKey,
    SSHPublicKeyDetails,
    UpdateSSHPublicKey,
    UploadSSHPublicKey,
    delete_ssh_public_key,
    get_ssh_public_key,
    list_ssh_public_keys,
    update_ssh_public_key,
    upload_ssh_public_key,
)


def _listed(key: SSHPublicKey) -> Reply:
    """A key in a list: without its text and its fingerprint."""
    return {
        "UserName": key.user_name,
        "SSHPublicKeyId": key.ssh_public_key_id,
        "Status": key.status,
        "UploadDate": key.uploaded_at,
    }


def _details(found: SSHPublicKeyDetails) -> Reply:
    key = {
        **_listed(found.key),
        "Fingerprint": found.key.fingerprint,
        "SSHPublicKeyBody": found.ssh_public_key_body,
    }
    return {"SSHPublicKey": key}


def _uploaded(event: SSHPublicKeyUploaded, account: str, partition: str) -> Reply:
    key = SSHPublicKey(event.ssh_public_key_id, event.user_name, event.fingerprint, "Active", event.uploaded_at)
    return _details(SSHPublicKeyDetails(key, event.ssh_public_key_body))


ACTIONS: Mapping[str, Action] = {
    "UploadSSHPublicKey": Write(UploadSSHPublicKey, upload_ssh_public_key, _uploaded),
    "GetSSHPublicKey": Read(GetSSHPublicKey, get_ssh_public_key, _details),
    "ListSSHPublicKeys": Listing(ListSSHPublicKeys, list_ssh_public_keys, under("SSHPublicKeys", _listed)),
    "UpdateSSHPublicKey": Write(UpdateSSHPublicKey, update_ssh_public_key),
    "DeleteSSHPublicKey": Write(DeleteSSHPublicKey, delete_ssh_public_key),
}
