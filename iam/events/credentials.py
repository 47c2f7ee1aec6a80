"""What can happen to the credentials of users. Secrets are never told, only the ids under which they are kept."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, begin, end, put


class AccessKeyCreated(Event, frozen=True, gc=False, kw_only=True, tag="AccessKeyCreated"):
    """The user has a pair of access keys, which is active. The secret one is kept under the id of the pair."""

    user_id: str
    user_name: str
    access_key_id: str
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        yield begin(r.USER_ACCESS_KEYS, self.user_id, self.access_key_id, r.AccessKey("Active", self.created_at))
        yield begin(r.SECRETS, "", self.access_key_id, self.user_id)


class AccessKeyUpdated(Event, frozen=True, gc=False, kw_only=True, tag="AccessKeyUpdated"):
    """The pair of access keys can be used from now on, or cannot."""

    user_id: str
    user_name: str
    access_key_id: str
    status: str
    previous_status: str
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        yield put(r.USER_ACCESS_KEYS, self.user_id, self.access_key_id, r.AccessKey(self.status, self.created_at))


class AccessKeyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="AccessKeyDeleted"):
    """The pair of access keys is no more."""

    user_id: str
    user_name: str
    access_key_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_ACCESS_KEYS, self.user_id, self.access_key_id)
        yield end(r.SECRETS, "", self.access_key_id)


class LoginProfileCreated(Event, frozen=True, gc=False, kw_only=True, tag="LoginProfileCreated"):
    """The user has a password."""

    user_id: str
    user_name: str
    password_id: str
    password_reset_required: bool
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        profile = r.LoginProfile(self.password_id, self.password_reset_required, self.created_at, self.created_at)
        yield begin(r.LOGIN_PROFILE, self.user_id, "", profile)
        yield begin(r.SECRETS, "", self.password_id, self.user_id)


class LoginProfileUpdated(Event, frozen=True, gc=False, kw_only=True, tag="LoginProfileUpdated"):
    """The user was given another password, must set a new one at the next sign-in or need not, or both.

    The password is the one before if its id is.
    """

    user_id: str
    user_name: str
    password_id: str
    previous_password_id: str
    password_reset_required: bool
    created_at: datetime
    password_changed_at: datetime

    def changes(self) -> Iterator[Change]:
        profile = r.LoginProfile(
            self.password_id, self.password_reset_required, self.created_at, self.password_changed_at
        )
        yield put(r.LOGIN_PROFILE, self.user_id, "", profile)
        if self.password_id != self.previous_password_id:
            yield end(r.SECRETS, "", self.previous_password_id)
            yield begin(r.SECRETS, "", self.password_id, self.user_id)


class PasswordChanged(Event, frozen=True, gc=False, kw_only=True, tag="PasswordChanged"):
    """The user changed its own password, and need not do so at the next sign-in."""

    user_id: str
    user_name: str
    password_id: str
    previous_password_id: str
    created_at: datetime
    password_changed_at: datetime

    def changes(self) -> Iterator[Change]:
        profile = r.LoginProfile(self.password_id, False, self.created_at, self.password_changed_at)
        yield put(r.LOGIN_PROFILE, self.user_id, "", profile)
        yield end(r.SECRETS, "", self.previous_password_id)
        yield begin(r.SECRETS, "", self.password_id, self.user_id)


class LoginProfileDeleted(Event, frozen=True, gc=False, kw_only=True, tag="LoginProfileDeleted"):
    """The user has no password any more."""

    user_id: str
    user_name: str
    password_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.LOGIN_PROFILE, self.user_id)
        yield end(r.SECRETS, "", self.password_id)


class ServiceSpecificCredentialCreated(
    Event, frozen=True, gc=False, kw_only=True, tag="ServiceSpecificCredentialCreated"
):
    """The user has a name and a password for one service of AWS."""

    user_id: str
    user_name: str
    service_specific_credential_id: str
    service_name: str
    service_user_name: str
    password_id: str
    created_at: datetime
    expires_at: datetime | None = None

    def changes(self) -> Iterator[Change]:
        credential = r.ServiceSpecificCredential(
            self.service_name,
            self.service_user_name,
            "Active",
            self.created_at,
            self.password_id,
            self.expires_at,
        )
        credential_id = self.service_specific_credential_id
        yield begin(r.USER_SERVICE_CREDENTIALS, self.user_id, credential_id, credential)
        yield begin(r.SERVICE_USER_NAMES, "", f"{self.service_name}/{self.service_user_name}".lower(), credential_id)
        yield begin(r.SECRETS, "", self.password_id, self.user_id)


def _credential(event: "ServiceSpecificCredentialUpdated | ServiceSpecificCredentialReset") -> Change:
    credential = r.ServiceSpecificCredential(
        event.service_name,
        event.service_user_name,
        event.status,
        event.created_at,
        event.password_id,
        event.expires_at,
    )
    return put(r.USER_SERVICE_CREDENTIALS, event.user_id, event.service_specific_credential_id, credential)


class ServiceSpecificCredentialUpdated(
    Event, frozen=True, gc=False, kw_only=True, tag="ServiceSpecificCredentialUpdated"
):
    """The credential can be used from now on, or cannot."""

    user_id: str
    user_name: str
    service_specific_credential_id: str
    service_name: str
    service_user_name: str
    status: str
    previous_status: str
    password_id: str
    created_at: datetime
    expires_at: datetime | None = None

    def changes(self) -> Iterator[Change]:
        yield _credential(self)


class ServiceSpecificCredentialReset(Event, frozen=True, gc=False, kw_only=True, tag="ServiceSpecificCredentialReset"):
    """The credential has another password. The one before is worth nothing any more."""

    user_id: str
    user_name: str
    service_specific_credential_id: str
    service_name: str
    service_user_name: str
    status: str
    password_id: str
    previous_password_id: str
    created_at: datetime
    expires_at: datetime | None = None

    def changes(self) -> Iterator[Change]:
        yield _credential(self)
        yield end(r.SECRETS, "", self.previous_password_id)
        yield begin(r.SECRETS, "", self.password_id, self.user_id)


class ServiceSpecificCredentialDeleted(
    Event, frozen=True, gc=False, kw_only=True, tag="ServiceSpecificCredentialDeleted"
):
    """The credential is no more."""

    user_id: str
    user_name: str
    service_specific_credential_id: str
    service_name: str
    service_user_name: str
    password_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_SERVICE_CREDENTIALS, self.user_id, self.service_specific_credential_id)
        yield end(r.SERVICE_USER_NAMES, "", f"{self.service_name}/{self.service_user_name}".lower())
        yield end(r.SECRETS, "", self.password_id)


CredentialEvent = (
    AccessKeyCreated
    | AccessKeyUpdated
    | AccessKeyDeleted
    | LoginProfileCreated
    | LoginProfileUpdated
    | PasswordChanged
    | LoginProfileDeleted
    | ServiceSpecificCredentialCreated
    | ServiceSpecificCredentialUpdated
    | ServiceSpecificCredentialReset
    | ServiceSpecificCredentialDeleted
)
