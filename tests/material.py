"""Certificates and keys for the tests: made when asked for, the same each time, without chance and without waiting."""

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2120, 1, 1, tzinfo=UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signer(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32))


def _key(number: int) -> EllipticCurvePrivateKey:
    return derive_private_key(number, SECP256R1())


def _issue(subject: str, key: object, issuer: str, beginning: datetime, end: datetime, serial: int) -> str:
    builder = (
        x509.CertificateBuilder(_name(issuer), _name(subject))
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(serial)
        .not_valid_before(beginning)
        .not_valid_after(end)
    )
    return builder.sign(_signer(issuer), None).public_bytes(Encoding.PEM).decode()


@cache
def certificate(number: int, issuer: str = "root", beginning: datetime = BEGINNING, end: datetime = END) -> str:
    """A certificate of the private key with this number, in PEM."""
    return _issue(f"site{number}.example.com", _key(number).public_key(), issuer, beginning, end, number)


@cache
def authority(name: str, issuer: str) -> str:
    """The certificate of an issuer of certificates, in PEM. Its key is one that nobody signs requests with."""
    return _issue(name, _signer(name).public_key(), issuer, BEGINNING, END, 1)


@cache
def rsa_certificate(bits: int = 2048, exponent: int = 65537) -> str:
    """A certificate of an RSA key of so many bits, for which there is no private one, in PEM."""
    key = RSAPublicNumbers(exponent, (1 << bits - 1) + 1).public_key()
    return _issue("site.example.com", key, "root", BEGINNING, END, 1)


def dated_year_0(pem: str) -> str:
    """The certificate with the year 0, which is none, for each that has four digits in it: from 2050 on."""
    body = b64decode("".join(pem.splitlines()[1:-1]))
    changed = re.sub(rb"[0-9]{4}0101000000Z", b"00000101000000Z", body)
    assert changed != body
    return f"-----BEGIN CERTIFICATE-----\n{b64encode(changed).decode()}\n-----END CERTIFICATE-----\n"


@cache
def private_key(number: int) -> str:
    """The private key with this number, in PEM."""
    return _key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def ssh_key(number: int, bits: int = 2048, encoding: str = "SSH") -> str:
    """An RSA public key of so many bits, for which there is no private one."""
    key = RSAPublicNumbers(65537, (1 << bits - 1) + 2 * number + 1).public_key()
    if encoding == "PEM":
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
