"""Actions on signing certificates."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Reply, Write, under
from iam.events.signing_certificates import SigningCertificateUploaded
from iam.signing_certificates import (
    DeleteSigningCertificate,
    ListSigningCertificates,
    SigningCertificate,
    UpdateSigningCertificate,
    UploadSigningCertificate,
    delete_signing_certificate,
    list_signing_certificates,
    update_signing_certificate,
    upload_signing_certificate,
)


def _certificate(certificate: SigningCertificate) -> Reply:
    return {
        "UserName": certificate.user_name,
        "CertificateId": certificate.certificate_id,
        "CertificateBody": certificate.certificate_body,
        "Status": certificate.status,
        "UploadDate": certificate.uploaded_at,
    }


def _uploaded(event: SigningCertificateUploaded, account: str, partition: str) -> Reply:
    uploaded = SigningCertificate(
        event.certificate_id, event.user_name, event.certificate_body, "Active", event.uploaded_at
    )
    return {"Certificate": _certificate(uploaded)}


ACTIONS: Mapping[str, Action] = {
    "UploadSigningCertificate": Write(UploadSigningCertificate, upload_signing_certificate, _uploaded),
    "ListSigningCertificates": Listing(
        ListSigningCertificates, list_signing_certificates, under("Certificates", _certificate)
    ),
    "UpdateSigningCertificate": Write(UpdateSigningCertificate, update_signing_certificate),
    "DeleteSigningCertificate": Write(DeleteSigningCertificate, delete_signing_certificate),
}
