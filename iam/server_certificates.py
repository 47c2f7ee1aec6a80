"""Server certificates, with which services of AWS serve HTTPS.

No service does so here. The private key is tested to be that of the certificate, and is then forgotten: AWS never shows
it either.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from cryptography.x509 import Certificate

from iam import relations as r
from iam.arns import iam_arn
from iam.certificates import read_valid
from iam.commands import Command, Moment, Query
from iam.errors import EntityAlreadyExists, KeyPairMismatch, LimitExceeded, MalformedCertificate, NoSuchEntity
from iam.events import Event
from iam.events.server_certificates import (
    ServerCertificateDeleted,
    ServerCertificateTagged,
    ServerCertificateUntagged,
    ServerCertificateUpdated,
    ServerCertificateUploaded,
)
from iam.pem import is_key_of, misplaced, read_certificates
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of

NOUN = "server-certificate"  # in ARNs
ID_PREFIX = "ASCA"

UNREADABLE = "Unable to parse certificate. Please ensure the certificate is in PEM format."
WRONG_CHAIN = (
    "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, "
    "followed by any intermediaries in order. The index within the chain of the invalid certificate is: "
)


class UploadServerCertificate(Command, frozen=True, gc=False, kw_only=True):
    server_certificate_name: str
    certificate_body: str
    private_key: str
    certificate_chain: str | None = None
    path: str = "/"
    tags: tuple[r.Tag, ...] = ()


class UpdateServerCertificate(Command, frozen=True, gc=False, kw_only=True):
    server_certificate_name: str
    new_path: str | None = None
    new_server_certificate_name: str | None = None


class DeleteServerCertificate(Command, frozen=True, gc=False, kw_only=True):
    server_certificate_name: str


class GetServerCertificate(Query, frozen=True, gc=False, kw_only=True):
    server_certificate_name: str


class ListServerCertificates(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class ServerCertificate(msgspec.Struct, frozen=True, gc=False):
    """A server certificate at an instant, without its text."""

    server_certificate_id: str
    server_certificate_name: str
    path: str
    arn: str
    uploaded_at: datetime
    expires_at: datetime


class ServerCertificateDetails(msgspec.Struct, frozen=True, gc=False):
    """A server certificate at an instant with all that is known of it."""

    certificate: ServerCertificate
    certificate_body: str
    certificate_chain: str | None
    tags: tuple[r.Tag, ...]


def _find(state: State, name: str) -> str:
    certificate_id = state.get(r.SERVER_CERTIFICATES, "", name.lower())
    if certificate_id is None:
        raise NoSuchEntity(f"The Server Certificate with name {name} cannot be found.")
    return certificate_id


def _certificate_of(state: State, asked: Any) -> str:
    return _find(state, asked.server_certificate_name)


def _told(state: State, certificate_id: str) -> dict[str, str]:
    name = known(state, r.SERVER_CERTIFICATE, certificate_id).server_certificate_name
    return {"server_certificate_id": certificate_id, "server_certificate_name": name}


TAGGED = Tagged(
    r.SERVER_CERTIFICATE_TAGS,
    _certificate_of,
    _told,
    ServerCertificateTagged,
    ServerCertificateUntagged,
    ignore_case=False,
)


class TagServerCertificate(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    server_certificate_name: str


class UntagServerCertificate(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    server_certificate_name: str


class ListServerCertificateTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    server_certificate_name: str


# Decisions


def upload_server_certificate(state: State, command: UploadServerCertificate, moment: Moment) -> list[Event]:
    """Keep a certificate that is valid now, fits its private key and is issued by the first of the chain, if any."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    certificate = read_valid(command.certificate_body, moment.at, UNREADABLE)
    _check_key(command.private_key, certificate)
    _check_chain(command.certificate_chain, certificate)
    _check_free(state, command.server_certificate_name)
    if state.count(r.SERVER_CERTIFICATES, "") >= (quota := state.world.quotas.server_certificates_per_account):
        raise LimitExceeded(f"Cannot exceed quota for ServerCertificatesPerAccount: {quota}")
    return [
        ServerCertificateUploaded(
            server_certificate_id=moment.new_id(ID_PREFIX),
            server_certificate_name=command.server_certificate_name,
            path=command.path,
            uploaded_at=moment.at,
            expires_at=certificate.not_valid_after_utc,
            certificate_body=_tidy(command.certificate_body),
            certificate_chain=None if command.certificate_chain is None else _tidy(command.certificate_chain),
            tags=command.tags,
        )
    ]


def _tidy(text: str) -> str:
    """Without white space around it and without carriage returns, as AWS gives a server certificate back."""
    return text.strip().replace("\r", "")


def _check_key(private_key: str, certificate: Certificate) -> None:
    try:
        fits = is_key_of(private_key, certificate)
    except ValueError:
        raise MalformedCertificate("Invalid Private Key.") from None
    if not fits:
        raise KeyPairMismatch("The public key certificate and the private key do not match.")


def _check_chain(text: str | None, certificate: Certificate) -> None:
    try:
        chain = read_certificates(text) if text is not None else []
    except ValueError:
        raise MalformedCertificate(UNREADABLE) from None
    place = misplaced(certificate, chain)
    if place is not None:
        raise MalformedCertificate(f"{WRONG_CHAIN}{place}")


def _check_free(state: State, name: str) -> None:
    if state.get(r.SERVER_CERTIFICATES, "", name.lower()) is not None:
        raise EntityAlreadyExists(f"The Server Certificate with name {name} already exists.")


def update_server_certificate(state: State, command: UpdateServerCertificate, moment: Moment) -> list[Event]:
    """Rename or move a certificate. Another spelling of its own name is taken: by itself."""
    certificate_id = _find(state, command.server_certificate_name)
    certificate = known(state, r.SERVER_CERTIFICATE, certificate_id)
    name, path = certificate.server_certificate_name, certificate.path
    new_name = command.new_server_certificate_name or name
    new_path = command.new_path or path
    if new_name != name:
        _check_free(state, new_name)
    if (new_name, new_path) == (name, path):
        return []
    return [
        ServerCertificateUpdated(
            server_certificate_id=certificate_id,
            server_certificate_name=new_name,
            path=new_path,
            previous_server_certificate_name=name,
            previous_path=path,
            uploaded_at=certificate.uploaded_at,
            expires_at=certificate.expires_at,
        )
    ]


def delete_server_certificate(state: State, command: DeleteServerCertificate, moment: Moment) -> list[Event]:
    """Delete a certificate. Nothing here can be using it."""
    return [ServerCertificateDeleted(**_told(state, _find(state, command.server_certificate_name)))]


# Reads


def get_server_certificate(state: State, query: GetServerCertificate) -> ServerCertificateDetails:
    """One certificate."""
    certificate_id = _find(state, query.server_certificate_name)
    chain = state.get(r.SERVER_CERTIFICATE_CHAIN, certificate_id)
    return ServerCertificateDetails(
        _listed(state, certificate_id),
        known(state, r.SERVER_CERTIFICATE_BODY, certificate_id).document,
        chain.document if chain is not None else None,
        tags_of(state, r.SERVER_CERTIFICATE_TAGS, certificate_id),
    )


def list_server_certificates(
    state: State, query: ListServerCertificates, after: str
) -> Iterator[tuple[str, ServerCertificate]]:
    """Certificates by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, certificate_id in state.scan(r.SERVER_CERTIFICATES, "", after):
        certificate = _listed(state, certificate_id)
        if certificate.path.startswith(query.path_prefix):
            yield member, certificate


def _listed(state: State, certificate_id: str) -> ServerCertificate:
    found = known(state, r.SERVER_CERTIFICATE, certificate_id)
    arn = iam_arn(state.world.partition, state.account, NOUN, found.path, found.server_certificate_name)
    return ServerCertificate(
        certificate_id, found.server_certificate_name, found.path, arn, found.uploaded_at, found.expires_at
    )
