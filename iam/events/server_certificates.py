"""What can happen to server certificates. Private keys are never told, nor kept."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, PublicText, Tag, begin, end, end_all, put


class ServerCertificateUploaded(Event, frozen=True, gc=False, kw_only=True, tag="ServerCertificateUploaded"):
    """The account has a server certificate."""

    server_certificate_id: str
    server_certificate_name: str
    path: str
    uploaded_at: datetime
    expires_at: datetime
    certificate_body: str
    certificate_chain: str | None = None
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        owner, name = self.server_certificate_id, self.server_certificate_name
        certificate = r.ServerCertificate(name, self.path, self.uploaded_at, self.expires_at)
        yield begin(r.SERVER_CERTIFICATES, "", name.lower(), owner)
        yield begin(r.SERVER_CERTIFICATE, owner, "", certificate)
        yield begin(r.SERVER_CERTIFICATE_BODY, owner, "", PublicText(self.certificate_body))
        if self.certificate_chain is not None:
            yield begin(r.SERVER_CERTIFICATE_CHAIN, owner, "", PublicText(self.certificate_chain))
        for tag in self.tags:
            yield begin(r.SERVER_CERTIFICATE_TAGS, owner, tag.key, tag)


class ServerCertificateUpdated(Event, frozen=True, gc=False, kw_only=True, tag="ServerCertificateUpdated"):
    """The certificate has another name, another path or both."""

    server_certificate_id: str
    server_certificate_name: str
    path: str
    previous_server_certificate_name: str
    previous_path: str
    uploaded_at: datetime
    expires_at: datetime

    def changes(self) -> Iterator[Change]:
        owner, name = self.server_certificate_id, self.server_certificate_name
        if name.lower() != self.previous_server_certificate_name.lower():
            yield end(r.SERVER_CERTIFICATES, "", self.previous_server_certificate_name.lower())
            yield begin(r.SERVER_CERTIFICATES, "", name.lower(), owner)
        certificate = r.ServerCertificate(name, self.path, self.uploaded_at, self.expires_at)
        yield put(r.SERVER_CERTIFICATE, owner, "", certificate)


class ServerCertificateDeleted(Event, frozen=True, gc=False, kw_only=True, tag="ServerCertificateDeleted"):
    """The certificate is no more, and with it its chain and its tags."""

    server_certificate_id: str
    server_certificate_name: str

    def changes(self) -> Iterator[Change]:
        owner = self.server_certificate_id
        yield end(r.SERVER_CERTIFICATES, "", self.server_certificate_name.lower())
        yield end(r.SERVER_CERTIFICATE, owner)
        yield end(r.SERVER_CERTIFICATE_BODY, owner)
        yield end_all(r.SERVER_CERTIFICATE_CHAIN, owner)
        yield end_all(r.SERVER_CERTIFICATE_TAGS, owner)


class ServerCertificateTagged(Event, frozen=True, gc=False, kw_only=True, tag="ServerCertificateTagged"):
    """The certificate has these tags."""

    server_certificate_id: str
    server_certificate_name: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.SERVER_CERTIFICATE_TAGS, self.server_certificate_id, tag.key, tag)


class ServerCertificateUntagged(Event, frozen=True, gc=False, kw_only=True, tag="ServerCertificateUntagged"):
    """The certificate does not have tags of these keys any more."""

    server_certificate_id: str
    server_certificate_name: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.SERVER_CERTIFICATE_TAGS, self.server_certificate_id, key)


ServerCertificateEvent = (
    ServerCertificateUploaded
    | ServerCertificateUpdated
    | ServerCertificateDeleted
    | ServerCertificateTagged
    | ServerCertificateUntagged
)
