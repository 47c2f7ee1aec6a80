"""Certificates and keys as text, mostly PEM: read, compared and told apart.

What does not hold is a ValueError here; what AWS says to it is for others.
"""

import re
from base64 import b32encode, b64decode
from datetime import datetime
from hashlib import md5, sha1
from itertools import pairwise

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)
from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificates

SPACE = r"[ \t\r\n]*"
BASE64 = r"[A-Za-z0-9+/= \t\r\n]+"
SSH_RSA = "ssh-rsa"
CERTIFICATES_MAX = 20  # in one text; real chains have a handful
RSA_BITS_MAX = 16384
RSA_EXPONENT_BITS_MAX = 64  # the usual one has 17; what is larger makes a signature take long to verify

_CERTIFICATES = re.compile(rf"{SPACE}(?:-----BEGIN CERTIFICATE-----{BASE64}-----END CERTIFICATE-----{SPACE})+")
_PUBLIC_KEY = re.compile(rf"{SPACE}-----BEGIN (RSA )?PUBLIC KEY-----{BASE64}-----END \1?PUBLIC KEY-----{SPACE}")


def read_certificates(text: str) -> list[Certificate]:
    """The certificates of a text that holds one or several in PEM, and nothing else, with keys and dates of use.

    Raises ValueError, also for more certificates or larger keys than anybody uses: to verify them would take long.
    """
    if _CERTIFICATES.fullmatch(text) is None:
        raise ValueError("not certificates in PEM")
    if text.count("-----BEGIN") > CERTIFICATES_MAX:
        raise ValueError(f"more than {CERTIFICATES_MAX} certificates")
    try:
        found = load_pem_x509_certificates(text.encode())
        for certificate in found:
            _check_parts(certificate)
    except (InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return found


def _check_parts(certificate: Certificate) -> None:
    """Raises what reading the key and the dates raises, which the certificate puts off until they are asked for."""
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey) and (
        key.key_size > RSA_BITS_MAX or key.public_numbers().e.bit_length() > RSA_EXPONENT_BITS_MAX
    ):
        raise ValueError("an RSA key larger than any in use")
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc


def read_certificate(text: str) -> Certificate:
    """The only certificate of a text. Raises ValueError."""
    [certificate] = read_certificates(text)
    return certificate


def is_current(certificate: Certificate, at: datetime) -> bool:
    """Whether its period of validity has begun, and has not ended."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def digest_id(certificate: Certificate) -> str:
    """The id of a signing certificate, which is the same for the same certificate: 32 letters and digits."""
    return b32encode(sha1(_der(certificate), usedforsecurity=False).digest()).decode()


def _der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def misplaced(certificate: Certificate, chain: list[Certificate]) -> int | None:
    """The place in the chain of the first that is not issued by the next one; the certificate's own is -1."""
    for place, (issued, issuer) in enumerate(pairwise([certificate, *chain]), -1):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return place
    return None


def is_key_of(private_key: str, certificate: Certificate) -> bool:
    """Whether the private key, which is in PEM and not encrypted, is that of the certificate. Raises ValueError.

    The parts of an RSA key are not tested against each other: that takes long.
    """
    try:
        key = load_pem_private_key(private_key.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return key.public_key() == certificate.public_key()


def read_rsa_key(text: str) -> RSAPublicKey:
    """The public key of a text in OpenSSH's format, on one line, or in PEM. Raises ValueError."""
    ssh = text.strip()
    try:
        if is_pem_key(text):
            key = load_pem_public_key(text.encode())
        elif ssh.split(None, 1)[:1] == [SSH_RSA] and len(ssh.splitlines()) == 1:
            key = load_ssh_public_key(ssh.encode())
        else:
            raise ValueError("not a public key")
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def is_pem_key(text: str) -> bool:
    """Whether the text has the outer form of a public key in PEM."""
    return _PUBLIC_KEY.fullmatch(text) is not None


def as_ssh(key: RSAPublicKey) -> str:
    """The key in OpenSSH's format, without a comment."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def as_pem(key: RSAPublicKey) -> str:
    """The key in PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: RSAPublicKey) -> str:
    """The MD5 digest of the key as OpenSSH stores it, in hexadecimal pairs with colons between them."""
    return md5(b64decode(as_ssh(key).split()[1]), usedforsecurity=False).digest().hex(":")
