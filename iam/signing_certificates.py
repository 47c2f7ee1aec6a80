"""Signing certificates: X.509 certificates of users. The root user has none, and cannot be given any."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from iam import relations as r
from iam.callers import is_root, user_asked
from iam.certificates import read_valid
from iam.commands import Command, Moment, Principal, Query
from iam.errors import DuplicateCertificate, InvalidCertificate, InvalidInput, LimitExceeded, NoSuchEntity
from iam.events import Event
from iam.events.signing_certificates import (
    SigningCertificateDeleted,
    SigningCertificateUpdated,
    SigningCertificateUploaded,
)
from iam.identities import USER
from iam.pages import by_age, listing
from iam.pem import digest_id
from iam.state import State, known

MALFORMED = "Certificate is malformed."  # AWS shows the text, which may be a private key by mistake


class UploadSigningCertificate(Command, frozen=True, gc=False, kw_only=True):
    certificate_body: str
    user_name: str | None = None
    caller: Principal | None = None


class UpdateSigningCertificate(Command, frozen=True, gc=False, kw_only=True):
    certificate_id: str
    status: str
    user_name: str | None = None
    caller: Principal | None = None


class DeleteSigningCertificate(Command, frozen=True, gc=False, kw_only=True):
    certificate_id: str
    user_name: str | None = None
    caller: Principal | None = None


class ListSigningCertificates(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class SigningCertificate(msgspec.Struct, frozen=True, gc=False):
    """A signing certificate at an instant."""

    certificate_id: str
    user_name: str
    certificate_body: str
    status: str
    uploaded_at: datetime


# Decisions


def upload_signing_certificate(state: State, command: UploadSigningCertificate, moment: Moment) -> list[Event]:
    """Give the user a certificate that is valid now and that no user of the account has. It is active."""
    user_id = user_asked(state, command)
    body = command.certificate_body
    certificate = read_valid(body, moment.at, MALFORMED)
    if not isinstance(certificate.public_key(), RSAPublicKey | DSAPublicKey | EllipticCurvePublicKey):
        raise InvalidCertificate("The certificate is invalid: its public key must be one of RSA, DSA or ECDSA.")
    certificate_id = digest_id(certificate)
    if state.get(r.SIGNING_CERTIFICATES, "", certificate_id) is not None:
        raise DuplicateCertificate("The same certificate is already associated with an IAM user in the account.")
    if state.count(r.USER_SIGNING_CERTIFICATES, user_id) >= (quota := state.world.quotas.certificates_per_user):
        raise LimitExceeded(f"Cannot exceed quota for CertificatesPerUser: {quota}")
    return [
        SigningCertificateUploaded(
            **USER.told(state, user_id),
            certificate_id=certificate_id,
            certificate_body=body,
            uploaded_at=moment.at,
        )
    ]


def update_signing_certificate(state: State, command: UpdateSigningCertificate, moment: Moment) -> list[Event]:
    """Make the certificate active or inactive."""
    if command.status == "Expired":
        raise InvalidInput("The status of a signing certificate can be set to Active or Inactive only.")
    user_id = _owner_asked(state, command)
    certificate = _find(state, user_id, command.certificate_id)
    if certificate.status == command.status:
        return []
    return [
        SigningCertificateUpdated(
            **USER.told(state, user_id),
            certificate_id=command.certificate_id,
            status=command.status,
            previous_status=certificate.status,
            uploaded_at=certificate.uploaded_at,
        )
    ]


def delete_signing_certificate(state: State, command: DeleteSigningCertificate, moment: Moment) -> list[Event]:
    """Delete the certificate. It may be uploaded again, and has the same id then."""
    user_id = _owner_asked(state, command)
    _find(state, user_id, command.certificate_id)
    return [SigningCertificateDeleted(**USER.told(state, user_id), certificate_id=command.certificate_id)]


def _owner_asked(
    state: State, asked: UpdateSigningCertificate | DeleteSigningCertificate | ListSigningCertificates
) -> str:
    """Whose certificates are meant. The root user may leave out the name: it means its own, of which it has none."""
    return state.account if asked.user_name is None and is_root(state, asked.caller) else user_asked(state, asked)


def _find(state: State, user_id: str, certificate_id: str) -> r.SigningCertificate:
    certificate = state.get(r.USER_SIGNING_CERTIFICATES, user_id, certificate_id)
    if certificate is None:
        raise NoSuchEntity(f"The Certificate with id {certificate_id} cannot be found.")
    return certificate


# Reads


def list_signing_certificates(
    state: State, query: ListSigningCertificates, after: str
) -> Iterator[tuple[str, SigningCertificate]]:
    """The certificates of a user, the oldest first."""
    user_id = _owner_asked(state, query)
    certificates = state.members(r.USER_SIGNING_CERTIFICATES, user_id)
    name = known(state, r.USER, user_id).user_name if certificates else ""
    found = (
        SigningCertificate(
            id_,
            name,
            known(state, r.SIGNING_CERTIFICATE_BODY, id_).document,
            certificate.status,
            certificate.uploaded_at,
        )
        for id_, certificate in certificates.items()
    )
    return listing(found, lambda it: by_age(it.uploaded_at, it.certificate_id), after)
