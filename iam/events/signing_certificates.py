"""What can happen to users' signing certificates."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, begin, end, put


class SigningCertificateUploaded(Event, frozen=True, gc=False, kw_only=True, tag="SigningCertificateUploaded"):
    """The user has a signing certificate, which is active."""

    user_id: str
    user_name: str
    certificate_id: str
    certificate_body: str
    uploaded_at: datetime

    def changes(self) -> Iterator[Change]:
        certificate = r.SigningCertificate("Active", self.uploaded_at)
        yield begin(r.USER_SIGNING_CERTIFICATES, self.user_id, self.certificate_id, certificate)
        yield begin(r.SIGNING_CERTIFICATES, "", self.certificate_id, self.user_id)
        yield begin(r.SIGNING_CERTIFICATE_BODY, self.certificate_id, "", r.PublicText(self.certificate_body))


class SigningCertificateUpdated(Event, frozen=True, gc=False, kw_only=True, tag="SigningCertificateUpdated"):
    """The certificate can be used from now on, or cannot."""

    user_id: str
    user_name: str
    certificate_id: str
    status: str
    previous_status: str
    uploaded_at: datetime

    def changes(self) -> Iterator[Change]:
        certificate = r.SigningCertificate(self.status, self.uploaded_at)
        yield put(r.USER_SIGNING_CERTIFICATES, self.user_id, self.certificate_id, certificate)


class SigningCertificateDeleted(Event, frozen=True, gc=False, kw_only=True, tag="SigningCertificateDeleted"):
    """The user does not have the certificate any more."""

    user_id: str
    user_name: str
    certificate_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_SIGNING_CERTIFICATES, self.user_id, self.certificate_id)
        yield end(r.SIGNING_CERTIFICATES, "", self.certificate_id)
        yield end(r.SIGNING_CERTIFICATE_BODY, self.certificate_id)


SigningCertificateEvent = SigningCertificateUploaded | SigningCertificateUpdated | SigningCertificateDeleted
