"""Which documents are metadata of a SAML provider."""

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam.errors import InvalidInput
from iam.saml_metadata import check_metadata

MD = 'xmlns="urn:oasis:names:tc:SAML:2.0:metadata"'
DS = 'xmlns="http://www.w3.org/2000/09/xmldsig#"'
ROLE = "<IDPSSODescriptor/>"
ENTITY = f'<EntityDescriptor {MD} entityID="https://idp.example.com">{{}}</EntityDescriptor>'
UNREADABLE = "Could not parse metadata"
NO_ISSUER = "SAML Providers must reference at least one SAML assertion issuer."
DER = b"\x30\x03\x02\x01\x00"
LONG_DER = b"\x30\x82\x01\x00" + bytes(256)


def with_certificate(text: str) -> str:
    """Metadata with a certificate."""
    return ENTITY.format(f"<IDPSSODescriptor><X509Certificate {DS}>{text}</X509Certificate></IDPSSODescriptor>")


@pytest.mark.parametrize(
    "document",
    [
        ENTITY.format(ROLE),
        f'<?xml version="1.0" encoding="UTF-16"?>\n{ENTITY.format(ROLE)}<!-- Zürich -->',
        '<m:EntityDescriptor xmlns:m="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x">'
        "<m:IDPSSODescriptor/></m:EntityDescriptor>",
        f"<EntitiesDescriptor {MD}>{ENTITY.format('')}{ENTITY.format(ROLE)}</EntitiesDescriptor>",
        with_certificate(b64encode(DER).decode()),
        with_certificate(f"\n  {b64encode(LONG_DER).decode()[:64]}\n{b64encode(LONG_DER).decode()[64:]}\n"),
    ],
    ids=["bare", "declared encoding", "prefixed", "several entities", "certificate", "long certificate"],
)
def test_metadata_is_accepted(document: str) -> None:
    """Dates, keys and addresses need not be there; a declared encoding means nothing in what is text already."""
    check_metadata(document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", UNREADABLE),
        ("a" * 1024, UNREADABLE),
        (ENTITY.format(ROLE)[:-1], UNREADABLE),
        (ENTITY.format(ROLE).replace(MD, ""), UNREADABLE),
        (ENTITY.format(ROLE).replace("EntityDescriptor", "SomethingElse"), UNREADABLE),
        (ENTITY.format(ROLE).replace("entityID", "id"), UNREADABLE),
        (ENTITY.format(ROLE).replace("https://idp.example.com", ""), UNREADABLE),
        (f"<!DOCTYPE EntityDescriptor>{ENTITY.format(ROLE)}", UNREADABLE),
        (with_certificate("aaaa"), UNREADABLE),
        (with_certificate(""), UNREADABLE),
        (with_certificate("no base64"), UNREADABLE),
        (with_certificate(b64encode(DER + b"\0").decode()), UNREADABLE),
        (with_certificate(b64encode(LONG_DER[:-1]).decode()), UNREADABLE),
        (ENTITY.format(""), NO_ISSUER),
        (f"<EntitiesDescriptor {MD}/>", NO_ISSUER),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_metadata_is_refused(document: str, message: str) -> None:
    """With the words of AWS."""
    with pytest.raises(InvalidInput) as refusal:
        check_metadata(document)
    assert refusal.value.message == message


def test_entities_do_not_grow() -> None:
    """A document that declares some is refused before they stand for anything."""
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{lines}]>{ENTITY.format("&e11;")}'
    with pytest.raises(InvalidInput, match=UNREADABLE):
        check_metadata(bomb)


@for_all(st.text() | st.text().map(with_certificate) | st.binary().map(lambda der: with_certificate(der.hex())))
def test_any_text_is_metadata_or_refused(document: str) -> None:
    """Nothing else comes of it."""
    with suppress(InvalidInput):
        check_metadata(document)
