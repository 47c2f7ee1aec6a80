"""Actions on server certificates."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import tag
from iam.arns import iam_arn
from iam.events.server_certificates import ServerCertificateUploaded
from iam.server_certificates import (
    NOUN,
    DeleteServerCertificate,
    GetServerCertificate,
    ListServerCertificates,
    ListServerCertificateTags,
    ServerCertificate,
    ServerCertificateDetails,
    TagServerCertificate,
    UntagServerCertificate,
    UpdateServerCertificate,
    UploadServerCertificate,
    delete_server_certificate,
    get_server_certificate,
    list_server_certificates,
    update_server_certificate,
    upload_server_certificate,
)
from iam.tags import list_thing_tags, tag_thing, untag_thing


def _metadata(certificate: ServerCertificate) -> Reply:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.server_certificate_name,
        "ServerCertificateId": certificate.server_certificate_id,
        "Arn": certificate.arn,
        "UploadDate": certificate.uploaded_at,
        "Expiration": certificate.expires_at,
    }


def _details(found: ServerCertificateDetails) -> Reply:
    """With tags always."""
    return {
        "ServerCertificate": {
            "ServerCertificateMetadata": _metadata(found.certificate),
            "CertificateBody": found.certificate_body,
            "CertificateChain": found.certificate_chain,
            "Tags": [tag(each) for each in found.tags],
        }
    }


def _uploaded(event: ServerCertificateUploaded, account: str, partition: str) -> Reply:
    """With tags only if some were given, in their order."""
    uploaded = ServerCertificate(
        event.server_certificate_id,
        event.server_certificate_name,
        event.path,
        iam_arn(partition, account, NOUN, event.path, event.server_certificate_name),
        event.uploaded_at,
        event.expires_at,
    )
    return {"ServerCertificateMetadata": _metadata(uploaded), "Tags": [tag(each) for each in event.tags] or None}


ACTIONS: Mapping[str, Action] = {
    "UploadServerCertificate": Write(UploadServerCertificate, upload_server_certificate, _uploaded),
    "GetServerCertificate": Read(GetServerCertificate, get_server_certificate, _details),
    "ListServerCertificates": Listing(
        ListServerCertificates,
        list_server_certificates,
        under("ServerCertificateMetadataList", _metadata),
        wide=True,
    ),
    "UpdateServerCertificate": Write(UpdateServerCertificate, update_server_certificate),
    "DeleteServerCertificate": Write(DeleteServerCertificate, delete_server_certificate),
    "TagServerCertificate": Write(TagServerCertificate, tag_thing),
    "UntagServerCertificate": Write(UntagServerCertificate, untag_thing),
    "ListServerCertificateTags": Listing(ListServerCertificateTags, list_thing_tags, under("Tags", tag)),
}
