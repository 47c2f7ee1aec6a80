"""The metadata of a SAML provider: an XML document, in which at least one issuer of assertions must be."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, NoReturn
from xml.parsers import expat

from iam.errors import InvalidInput

NAMESPACE: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURES: Final = "http://www.w3.org/2000/09/xmldsig#"

_ENTITY = f"{NAMESPACE} EntityDescriptor"
_ENTITIES = f"{NAMESPACE} EntitiesDescriptor"
_ISSUER = f"{NAMESPACE} IDPSSODescriptor"
_CERTIFICATE = f"{SIGNATURES} X509Certificate"
_SEQUENCE = 0x30  # in DER; every certificate is one


class _Wrong(Exception):
    """The document is not what it should be."""


class _Reader:
    """Hears what is in a document, and keeps nothing of it but the certificate it is in."""

    def __init__(self) -> None:
        self.depth = 0
        self.issuers = 0
        self.certificate: list[str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self.depth == 0 and name not in (_ENTITY, _ENTITIES):
            raise _Wrong
        if name == _ENTITY and not attributes.get("entityID"):
            raise _Wrong
        self.depth += 1
        self.issuers += name == _ISSUER
        self.certificate = [] if name == _CERTIFICATE else None

    def text(self, text: str) -> None:
        if self.certificate is not None:
            self.certificate.append(text)

    def end(self, name: str) -> None:
        self.depth -= 1
        if name == _CERTIFICATE and self.certificate is not None:
            _check_certificate("".join(self.certificate))
        self.certificate = None


def check_metadata(document: str) -> None:
    """Raises InvalidInput for what AWS does not take for metadata.

    Entities and other declarations are refused, so that a small document cannot grow. Dates in the document mean
    nothing, as AWS ignores them.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, _Wrong):
        raise InvalidInput("Could not parse metadata") from None
    if not reader.issuers:
        raise InvalidInput("SAML Providers must reference at least one SAML assertion issuer.")


def _refuse(*declaration: object) -> NoReturn:
    raise _Wrong


def _check_certificate(text: str) -> None:
    """Whether it has the outer form of a certificate: base64 of a DER sequence, and nothing behind that."""
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _Wrong from None
    if len(der) < 2 or der[0] != _SEQUENCE or _length(der) != len(der):
        raise _Wrong


def _length(der: bytes) -> int:
    """How many bytes the value that begins there has, with its head."""
    if der[1] < 0x80:
        return 2 + der[1]
    head = 2 + (der[1] & 0x7F)
    return head + int.from_bytes(der[2:head])
