"""Users' signing certificates and SSH public keys."""

from material import certificate, ssh_key

from lives import Life, Questions, told

UNKNOWN_KEY = "APKAIOSFODNN7EXAMPLE2"


def live(account: str) -> Life:
    """Each of their write actions, and a rename."""
    yield "CreateUser", {"UserName": "alice"}
    signing = told(
        (yield "UploadSigningCertificate", {"UserName": "alice", "CertificateBody": certificate(1)}),
        "UploadSigningCertificateResult/Certificate/CertificateId",
    ).ljust(24, "A")
    key = told(
        (yield "UploadSSHPublicKey", {"UserName": "alice", "SSHPublicKeyBody": ssh_key(1)}),
        "UploadSSHPublicKeyResult/SSHPublicKey/SSHPublicKeyId",
    )
    yield "UpdateSigningCertificate", {"UserName": "alice", "CertificateId": signing, "Status": "Inactive"}
    yield "UpdateSSHPublicKey", {"UserName": "ALICE", "SSHPublicKeyId": key, "Status": "Inactive"}
    yield "UploadSigningCertificate", {"UserName": "alice", "CertificateBody": certificate(2)}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob"}
    yield "UploadSSHPublicKey", {"UserName": "bob", "SSHPublicKeyBody": ssh_key(2, encoding="PEM")}
    yield "DeleteSigningCertificate", {"UserName": "bob", "CertificateId": signing}
    yield "DeleteSSHPublicKey", {"UserName": "bob", "SSHPublicKeyId": key}
    yield "CreateUser", {"UserName": "alice"}
    yield "UploadSigningCertificate", {"UserName": "alice", "CertificateBody": certificate(1)}
    yield "UploadSSHPublicKey", {"UserName": "alice", "SSHPublicKeyBody": ssh_key(1)}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions. One key can be asked for only by who knows its id."""
    users = [{"UserName": name} for name in ("alice", "BOB")]
    return {
        "ListSigningCertificates": [*users, {}],
        "ListSSHPublicKeys": [*users, {**users[0], "MaxItems": "1"}],
        "GetSSHPublicKey": [{**users[0], "SSHPublicKeyId": UNKNOWN_KEY, "Encoding": "PEM"}],
    }
