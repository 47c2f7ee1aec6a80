"""Signing certificates and SSH public keys through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from material import certificate, ssh_key

Refused = Callable[..., tuple[int, str, str]]

SHOWN = {"UserName", "SSHPublicKeyId", "Status", "UploadDate", "Fingerprint", "SSHPublicKeyBody"}
UNKNOWN = "APKAXXXXXXXXXXXXXXXXX"
ENUM = "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must satisfy enum value set"


@pytest.fixture
def alice(iam: Any) -> Any:
    """A client of an account with a user `alice`."""
    iam.create_user(UserName="alice")
    return iam


def test_the_life_of_a_signing_certificate(alice: Any, refused: Refused) -> None:
    """Uploaded, listed, made inactive, in the way of a deletion, and deleted."""
    uploaded = alice.upload_signing_certificate(UserName="alice", CertificateBody=certificate(1))["Certificate"]
    assert uploaded.keys() == {"UserName", "CertificateId", "CertificateBody", "Status", "UploadDate"}
    assert (uploaded["UserName"], uploaded["CertificateBody"], uploaded["Status"]) == (
        "alice",
        certificate(1),
        "Active",
    )
    one = {"UserName": "alice", "CertificateId": uploaded["CertificateId"]}
    assert alice.list_signing_certificates(UserName="alice")["Certificates"] == [uploaded]
    alice.update_signing_certificate(**one, Status="Inactive")
    assert alice.list_signing_certificates(UserName="alice")["Certificates"] == [{**uploaded, "Status": "Inactive"}]
    conflict = (409, "DeleteConflict", "Cannot delete entity, must delete certificates first.")
    assert refused(alice.delete_user, UserName="alice") == conflict
    alice.delete_signing_certificate(**one)
    listed = alice.list_signing_certificates(UserName="alice")
    assert (listed["Certificates"], listed["IsTruncated"]) == ([], False)
    assert alice.list_signing_certificates()["Certificates"] == []


def test_what_is_refused_of_signing_certificates(alice: Any, refused: Refused) -> None:
    """In AWS's words, without what was sent."""
    given = {"UserName": "alice", "CertificateBody": certificate(1)}
    upload = alice.upload_signing_certificate
    malformed = (400, "MalformedCertificate", "Certificate is malformed.")
    assert refused(upload, UserName="alice", CertificateBody="invalid-certificate-body") == malformed
    nobody = (404, "NoSuchEntity", "The user with name nobody cannot be found.")
    assert refused(upload, UserName="nobody", CertificateBody=certificate(1)) == nobody
    upload(**given)
    message = "The same certificate is already associated with an IAM user in the account."
    assert refused(upload, **given) == (409, "DuplicateCertificate", message)
    upload(UserName="alice", CertificateBody=certificate(2))
    full = (409, "LimitExceeded", "Cannot exceed quota for CertificatesPerUser: 2")
    assert refused(upload, UserName="alice", CertificateBody=certificate(3)) == full
    unknown = {"UserName": "alice", "CertificateId": "NONEXISTENTCERTID12345678901"}
    gone = (404, "NoSuchEntity", "The Certificate with id NONEXISTENTCERTID12345678901 cannot be found.")
    assert refused(alice.delete_signing_certificate, **unknown) == gone
    assert refused(alice.update_signing_certificate, **unknown, Status="Inactive") == gone
    wrong = refused(alice.update_signing_certificate, **unknown, Status="Off")
    assert wrong == (400, "ValidationError", ENUM.format("status"))


def test_the_life_of_an_ssh_public_key(alice: Any, refused: Refused) -> None:
    """Uploaded, shown in both encodings, listed, made inactive, in the way of a deletion, and deleted."""
    body = f"{ssh_key(1)} alice@example.com"
    uploaded = alice.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody=body)["SSHPublicKey"]
    assert uploaded.keys() == SHOWN
    assert (uploaded["UserName"], uploaded["SSHPublicKeyBody"], uploaded["Status"]) == ("alice", body, "Active")
    assert (uploaded["SSHPublicKeyId"][:4], len(uploaded["SSHPublicKeyId"])) == ("APKA", 21)
    assert uploaded["Fingerprint"] == "bf:83:a9:ef:89:d2:dc:ce:dc:f6:24:d5:70:2f:61:88"
    one = {"UserName": "alice", "SSHPublicKeyId": uploaded["SSHPublicKeyId"]}
    assert alice.get_ssh_public_key(**one, Encoding="SSH")["SSHPublicKey"] == uploaded
    pem = alice.get_ssh_public_key(**one, Encoding="PEM")["SSHPublicKey"]
    assert pem == {**uploaded, "SSHPublicKeyBody": ssh_key(1, encoding="PEM")}
    alice.update_ssh_public_key(**one, Status="Inactive")
    [listed] = alice.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"]
    assert listed == {**one, "Status": "Inactive", "UploadDate": uploaded["UploadDate"]}
    conflict = (409, "DeleteConflict", "Cannot delete entity, must remove referenced objects first.")
    assert refused(alice.delete_user, UserName="alice") == conflict
    alice.delete_ssh_public_key(**one)
    assert alice.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"] == []


def test_what_is_refused_of_ssh_public_keys(alice: Any, refused: Refused) -> None:
    """In AWS's words, where they are known."""
    upload = alice.upload_ssh_public_key
    alice.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody=ssh_key(1))
    for body, status, code in (
        (ssh_key(1, encoding="PEM"), 400, "DuplicateSSHPublicKey"),
        ("ssh-rsa not-base64!", 400, "InvalidPublicKey"),
        (ssh_key(1, bits=1024), 400, "InvalidPublicKey"),
        ("no key", 400, "UnrecognizedPublicKeyEncoding"),
    ):
        assert refused(upload, UserName="alice", SSHPublicKeyBody=body)[:2] == (status, code)
    unknown = {"UserName": "alice", "SSHPublicKeyId": UNKNOWN}
    gone = (404, "NoSuchEntity", f"The Public Key with id {UNKNOWN} cannot be found.")
    assert refused(alice.get_ssh_public_key, **unknown, Encoding="SSH") == gone
    assert refused(alice.update_ssh_public_key, **unknown, Status="Inactive") == gone
    assert refused(alice.delete_ssh_public_key, **unknown) == gone
    wrong = refused(alice.get_ssh_public_key, **unknown, Encoding="DER")
    assert wrong == (400, "ValidationError", ENUM.format("encoding"))
    no_user = (400, "ValidationError", "Must specify userName when calling with non-User credentials")
    assert refused(alice.list_ssh_public_keys) == no_user


def test_a_user_leaves_out_its_own_name(alice: Any, client: Callable[..., Any], account: Any) -> None:
    """Of certificates always, of SSH public keys when it lists them."""
    key = alice.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    own = client(account.__class__(account.server, key))
    uploaded = own.upload_signing_certificate(CertificateBody=certificate(1))["Certificate"]
    own.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody=ssh_key(1))
    own.update_signing_certificate(CertificateId=uploaded["CertificateId"], Status="Inactive")
    assert own.list_signing_certificates()["Certificates"] == [{**uploaded, "Status": "Inactive"}]
    assert [each["UserName"] for each in own.list_ssh_public_keys()["SSHPublicKeys"]] == ["alice"]
    own.delete_signing_certificate(CertificateId=uploaded["CertificateId"])
    assert own.list_signing_certificates()["Certificates"] == []
