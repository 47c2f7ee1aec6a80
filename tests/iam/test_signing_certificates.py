"""Signing certificates: what is accepted, whose they are, and their number and status."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from material import authority, certificate, dated_year_0, private_key

from iam.certificates import EXPIRED
from iam.commands import Command, Principal
from iam.credential_report import credential_report
from iam.errors import (
    DeleteConflict,
    DuplicateCertificate,
    IamError,
    InvalidCertificate,
    InvalidInput,
    LimitExceeded,
    MalformedCertificate,
    NoSuchEntity,
    ValidationError,
)
from iam.events.signing_certificates import (
    SigningCertificateDeleted,
    SigningCertificateUpdated,
    SigningCertificateUploaded,
)
from iam.signing_certificates import (
    DeleteSigningCertificate,
    ListSigningCertificates,
    UpdateSigningCertificate,
    UploadSigningCertificate,
    delete_signing_certificate,
    list_signing_certificates,
    update_signing_certificate,
    upload_signing_certificate,
)
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALICE, BOB = CreateUser(user_name="Alice"), CreateUser(user_name="bob")  # AIDA1, AIDA2
AS_ALICE = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
AS_ROLE = Principal("AROA1:session", "arn:aws:sts::123456789012:assumed-role/reader/session")
ID = "OAXZDEZU7DFECHT57HUNFY6IZT4PG2Y3"
TOLD = {"user_id": "AIDA1", "user_name": "Alice", "certificate_id": ID}


def upload(number: int = 1, user: str | None = "alice", body: str | None = None) -> UploadSigningCertificate:
    return UploadSigningCertificate(user_name=user, certificate_body=body or certificate(number))


def listed(account: Any, **query: Any) -> list[tuple[str, str, str]]:
    found = list_signing_certificates(account.account, ListSigningCertificates(**query), "")
    return [(each.user_name, each.certificate_body, each.status) for _, each in found]


def test_a_certificate_is_uploaded_and_active(given: Callable[..., Any]) -> None:
    """Without a name, for who asks."""
    event = SigningCertificateUploaded(**TOLD, certificate_body=certificate(1), uploaded_at=NOW)
    own = UploadSigningCertificate(certificate_body=certificate(1), caller=AS_ALICE)
    for command in (upload(), own):
        given(ALICE).when(upload_signing_certificate, command).then(event)


MALFORMED = "Certificate is malformed."
NO_USER = "Must specify userName when calling with non-User credentials"


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (upload(user="carol", body="x"), NoSuchEntity, "The user with name carol cannot be found."),
        (upload(user=None), ValidationError, NO_USER),
        (upload(body="not one"), MalformedCertificate, MALFORMED),
        (upload(body="5a" * 32), MalformedCertificate, MALFORMED),
        (upload(body=dated_year_0(certificate(1))), MalformedCertificate, MALFORMED),
        (upload(body=private_key(1)), MalformedCertificate, MALFORMED),
        (upload(body=certificate(1, end=NOW - MINUTE)), MalformedCertificate, EXPIRED),
        (
            upload(body=authority("root", "root")),
            InvalidCertificate,
            "The certificate is invalid: its public key must be one of RSA, DSA or ECDSA.",
        ),
        *(
            (
                upload(1, user),
                DuplicateCertificate,
                "The same certificate is already associated with an IAM user in the account.",
            )
            for user in ("alice", "bob")
        ),
        (upload(3), LimitExceeded, "Cannot exceed quota for CertificatesPerUser: 2"),
    ],
)
def test_what_is_not_uploaded(
    given: Callable[..., Any], command: Command, refusal: type[IamError], message: str
) -> None:
    """The refusal does not show what was sent, as AWS's does: it may be a key, and refusals are recorded."""
    given(ALICE, BOB, upload(1), upload(2)).when(upload_signing_certificate, command).refused(refusal, message)


@pytest.mark.parametrize(
    ("decide", "command", "refusal", "message"),
    [
        (
            update_signing_certificate,
            UpdateSigningCertificate(user_name="bob", certificate_id=ID, status="Active"),
            NoSuchEntity,
            f"The Certificate with id {ID} cannot be found.",
        ),
        (
            update_signing_certificate,
            UpdateSigningCertificate(user_name="alice", certificate_id=ID, status="Expired"),
            InvalidInput,
            "The status of a signing certificate can be set to Active or Inactive only.",
        ),
        (
            delete_signing_certificate,
            DeleteSigningCertificate(user_name="carol", certificate_id=ID),
            NoSuchEntity,
            "The user with name carol cannot be found.",
        ),
        (
            delete_signing_certificate,
            DeleteSigningCertificate(certificate_id=ID),
            NoSuchEntity,
            f"The Certificate with id {ID} cannot be found.",
        ),
        (
            delete_signing_certificate,
            DeleteSigningCertificate(certificate_id=ID, caller=AS_ROLE),
            ValidationError,
            NO_USER,
        ),
        (
            delete_user,
            DeleteUser(user_name="alice"),
            DeleteConflict,
            "Cannot delete entity, must delete certificates first.",
        ),
    ],
)
def test_what_is_refused(
    given: Callable[..., Any], decide: Any, command: Command, refusal: type[IamError], message: str
) -> None:
    """A certificate is found with its own user only. The root user has none."""
    given(ALICE, BOB, upload()).when(decide, command).refused(refusal, message)


def test_a_certificate_is_made_inactive_deleted_and_uploaded_again(given: Callable[..., Any]) -> None:
    """Under the same id, and by another user if need be."""
    account = given(ALICE, BOB, upload())
    inactive = UpdateSigningCertificate(certificate_id=ID, status="Inactive", caller=AS_ALICE)
    account.when(update_signing_certificate, inactive).then(
        SigningCertificateUpdated(**TOLD, status="Inactive", previous_status="Active", uploaded_at=BEFORE + 2 * MINUTE)
    )
    account.also(inactive).when(update_signing_certificate, inactive).nothing()
    delete = DeleteSigningCertificate(user_name="alice", certificate_id=ID)
    account.when(delete_signing_certificate, delete).then(SigningCertificateDeleted(**TOLD))
    account.also(delete).when(upload_signing_certificate, upload(user="bob")).then(
        SigningCertificateUploaded(
            user_id="AIDA2", user_name="bob", certificate_id=ID, certificate_body=certificate(1), uploaded_at=NOW
        )
    )


def test_certificates_are_listed_by_age_under_the_name_of_now(given: Callable[..., Any]) -> None:
    """The root user has none."""
    account = given(ALICE, upload(2), upload(1), UpdateUser(user_name="alice", new_user_name="Carol"))
    both = [("Carol", certificate(number), "Active") for number in (2, 1)]
    assert listed(account, user_name="carol") == listed(account, caller=AS_ALICE) == both
    assert listed(account) == []
    with pytest.raises(NoSuchEntity):
        listed(account, user_name="alice")


def test_the_credential_report_tells_of_both(given: Callable[..., Any]) -> None:
    """Whether they are active, and since when they are there."""
    inactive = UpdateSigningCertificate(user_name="alice", certificate_id=ID, status="Inactive")
    account = given(ALICE, upload(), inactive)
    first = "false,2026-11-02T14:04:00+00:00"
    assert credential_report(account.account).endswith(f",{first},false,N/A")
    account.also(upload(2))
    assert credential_report(account.account).endswith(f",{first},true,2026-11-02T14:06:00+00:00")
