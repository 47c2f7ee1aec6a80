"""Certificates as users give them: read, and refused in AWS's words unless they are valid at the time."""

from datetime import datetime

from cryptography.x509 import Certificate

from iam.errors import MalformedCertificate
from iam.pem import is_current, read_certificate

EXPIRED = "Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed."
NOT_YET_VALID = "Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed."


def read_valid(body: str, at: datetime, unreadable: str) -> Certificate:
    """The certificate that a text holds in PEM. Raises MalformedCertificate if it is not valid at this time.

    `unreadable` is what the refusal of a text says that holds something else.
    """
    try:
        certificate = read_certificate(body)
    except ValueError:
        raise MalformedCertificate(unreadable) from None
    if not is_current(certificate, at):
        raise MalformedCertificate(EXPIRED if certificate.not_valid_after_utc < at else NOT_YET_VALID)
    return certificate
