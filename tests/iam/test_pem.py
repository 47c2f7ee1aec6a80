"""Certificates and keys as text."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from material import authority, certificate, dated_year_0, private_key, rsa_certificate, ssh_key

from iam.pem import (
    as_pem,
    as_ssh,
    digest_id,
    fingerprint,
    is_current,
    is_key_of,
    misplaced,
    read_certificate,
    read_certificates,
    read_rsa_key,
)

ONE, TWO = certificate(1), certificate(2)
BASE64 = "".join(ONE.splitlines()[1:-1])
TOO_LATE = datetime(2070, 6, 1, tzinfo=UTC)  # no year of this form is changed by `dated_year_0`


@pytest.mark.parametrize("text", [ONE, f"\r\n{ONE}\t ", ONE.replace("\n", "\r\n"), ONE.rstrip()])
def test_a_certificate_is_read_whatever_space_is_around_it(text: str) -> None:
    """And between its lines."""
    assert read_certificate(text) == read_certificate(ONE)


@pytest.mark.parametrize(
    "text",
    [
        *("", "body", BASE64, f"My site:\n{ONE}", ONE + "x", ONE[:-40], ONE.replace("MII", "MIJ", 1), ONE + TWO),
        *(ONE + private_key(1), private_key(1), private_key(1).replace("PRIVATE KEY", "CERTIFICATE"), ONE + "é"),
    ],
)
def test_anything_else_is_no_certificate(text: str) -> None:
    """Least of all a certificate with a private key, or with a second one."""
    with pytest.raises(ValueError, match=r"\w"):
        read_certificate(text)


@pytest.mark.parametrize(
    "text",
    [dated_year_0(ONE), dated_year_0(certificate(1, beginning=datetime(2060, 1, 1, tzinfo=UTC), end=TOO_LATE))],
    ids=["end", "beginning"],
)
def test_a_date_that_is_none_makes_a_certificate_unreadable(text: str) -> None:
    """At once, and not when the date is asked for."""
    with pytest.raises(ValueError, match=r"\w"):
        read_certificates(text)


def test_a_text_holds_twenty_certificates_at_most() -> None:
    """Whatever they are: real chains have a handful, and each takes time to verify."""
    assert len(read_certificates(ONE * 20)) == 20
    with pytest.raises(ValueError, match="more than 20"):
        read_certificates(ONE * 21)


@pytest.mark.parametrize(("bits", "exponent"), [(2048, 3), (2048, 2**64 - 1), (16384, 65537)])
def test_an_rsa_key_may_have_any_size_in_use(bits: int, exponent: int) -> None:
    """And an exponent of up to 64 bits."""
    assert len(read_certificates(rsa_certificate(bits, exponent))) == 1


@pytest.mark.parametrize(("bits", "exponent"), [(2048, 2**64 + 1), (16392, 65537), (3072, 2**3070 + 1)])
def test_an_rsa_key_that_takes_long_to_verify_with_is_not_read(bits: int, exponent: int) -> None:
    """Neither a long modulus nor a long exponent."""
    text = rsa_certificate(bits, exponent)
    with pytest.raises(ValueError, match="larger than any in use"):
        read_certificates(text)


@pytest.mark.parametrize(
    ("at", "current"),
    [
        (datetime(2019, 12, 31, tzinfo=UTC), False),
        (datetime(2020, 1, 1, tzinfo=UTC), True),
        (datetime(2120, 1, 1, tzinfo=UTC), True),
        (datetime(2120, 1, 2, tzinfo=UTC), False),
    ],
)
def test_a_certificate_is_valid_for_a_time(at: datetime, current: bool) -> None:
    """Both ends included."""
    assert is_current(read_certificate(ONE), at) is current


def test_the_id_is_that_of_the_certificate_and_not_of_its_text() -> None:
    """32 characters of base32."""
    assert digest_id(read_certificate(ONE)) == digest_id(read_certificate(ONE.replace("\n", "\r\n")))
    assert len({digest_id(read_certificate(text)) for text in (ONE, TWO)}) == 2
    assert len(digest_id(read_certificate(ONE))) == 32


ROOT, MIDDLE, LOW = authority("root", "root"), authority("middle", "root"), authority("low", "middle")


@pytest.mark.parametrize(
    ("issuer", "chain", "place"),
    [
        ("root", [], None),
        ("root", [ROOT], None),
        ("middle", [MIDDLE], None),
        ("low", [LOW, MIDDLE, ROOT], None),
        ("low", [LOW, MIDDLE, ROOT, ROOT], None),
        ("low", [MIDDLE, LOW], -1),
        ("root", [TWO], -1),
        ("low", [LOW, ROOT], 0),
        ("low", [LOW, MIDDLE, LOW], 1),
    ],
)
def test_each_of_a_chain_is_issued_by_the_next(issuer: str, chain: list[str], place: int | None) -> None:
    """The first that is not is told by its place; the certificate itself is at -1."""
    found = [read_certificates(text)[0] for text in chain]
    assert misplaced(read_certificate(certificate(1, issuer)), found) == place


def test_a_private_key_is_that_of_one_certificate() -> None:
    """What is no private key, or an encrypted one, is a ValueError."""
    assert is_key_of(private_key(1), read_certificate(ONE))
    assert not is_key_of(private_key(2), read_certificate(ONE))
    secret = load_pem_private_key(private_key(1).encode(), None)
    encrypted = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"any")).decode()
    for text in ("", "key", ONE, private_key(1)[:-60], encrypted):
        with pytest.raises(ValueError, match=r"\w"):
            is_key_of(text, read_certificate(ONE))


@pytest.mark.parametrize("encoding", ["SSH", "PEM"])
def test_a_public_key_is_the_same_in_both_encodings(encoding: str) -> None:
    """The fingerprint is that of `ssh-keygen -l -E md5`."""
    key = read_rsa_key(ssh_key(1, encoding=encoding))
    assert as_ssh(key) == ssh_key(1)
    assert as_pem(key) == ssh_key(1, encoding="PEM")
    assert fingerprint(key) == "bf:83:a9:ef:89:d2:dc:ce:dc:f6:24:d5:70:2f:61:88"


SSH = ssh_key(1)


@pytest.mark.parametrize("text", [f"{SSH} alice@example.com", f" {SSH}\n", SSH.replace(" ", "\t")])
def test_a_public_key_may_have_a_comment(text: str) -> None:
    """On its line."""
    assert as_ssh(read_rsa_key(text)) == SSH


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "key",
            "ssh-rsa",
            "ssh-rsa AAAA",
            "ssh-rsa not-base64!",
            SSH.replace("ssh-rsa", "ssh-dss"),
            SSH.split()[1],
        ),
        *(f"{SSH}\n{SSH}", f"{SSH}\n{private_key(1)}", SSH[:-20], private_key(1), ssh_key(1, encoding="PEM") + SSH),
        *(f"no-pty {SSH}", ONE),
    ],
)
def test_anything_else_is_no_public_key(text: str) -> None:
    """Least of all a private one."""
    with pytest.raises(ValueError, match=r"\w"):
        read_rsa_key(text)
