"""Service-specific credentials: names and passwords, or API keys, with which users sign in to one service of AWS."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import msgspec

from iam import relations as r
from iam.callers import user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import InvalidInput, LimitExceeded, NoSuchEntity
from iam.events import Event
from iam.events.credentials import (
    ServiceSpecificCredentialCreated,
    ServiceSpecificCredentialDeleted,
    ServiceSpecificCredentialReset,
    ServiceSpecificCredentialUpdated,
)
from iam.identities import USER
from iam.login_profiles import PASSWORD_ID_PREFIX
from iam.pages import by_age, listing
from iam.state import State, known

ID_PREFIX = "ACCA"
API_KEY_SERVICES = frozenset({"bedrock.amazonaws.com", "logs.amazonaws.com"})
SERVICES = API_KEY_SERVICES | {"cassandra.amazonaws.com", "codecommit.amazonaws.com"}


class CreateServiceSpecificCredential(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    service_name: str
    credential_age_days: int | None = None


class UpdateServiceSpecificCredential(Command, frozen=True, gc=False, kw_only=True):
    service_specific_credential_id: str
    status: str
    user_name: str | None = None
    caller: Principal | None = None


class ResetServiceSpecificCredential(Command, frozen=True, gc=False, kw_only=True):
    service_specific_credential_id: str
    user_name: str | None = None
    caller: Principal | None = None


class DeleteServiceSpecificCredential(Command, frozen=True, gc=False, kw_only=True):
    service_specific_credential_id: str
    user_name: str | None = None
    caller: Principal | None = None


class ListServiceSpecificCredentials(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    service_name: str | None = None
    all_users: bool = False
    caller: Principal | None = None


class ServiceCredential(msgspec.Struct, frozen=True, gc=False):
    """A service-specific credential at an instant. Its name for the service keeps the user's name of its creation."""

    credential_id: str
    user_name: str
    service_name: str
    service_user_name: str
    status: str
    created_at: datetime
    expires_at: datetime | None = None


# Decisions


def create_service_specific_credential(
    state: State, command: CreateServiceSpecificCredential, moment: Moment
) -> list[Event]:
    """Give the user a name and a password for a service. The answer shows the password; nothing does so later."""
    service = command.service_name
    user_id = USER.find(state, command.user_name)
    if service not in SERVICES:
        raise NoSuchEntity(f"No such service {service} is supported for Service Specific Credentials")
    if command.credential_age_days is not None and service not in API_KEY_SERVICES:
        raise InvalidInput(f"Credentials of the service {service} do not expire.")
    quota = state.world.quotas.service_specific_credentials_per_user
    held = state.members(r.USER_SERVICE_CREDENTIALS, user_id).values()
    if sum(credential.service_name == service for credential in held) >= quota:
        raise LimitExceeded(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {quota}")
    days = command.credential_age_days
    told = USER.told(state, user_id)
    return [
        ServiceSpecificCredentialCreated(
            **told,
            service_specific_credential_id=moment.new_id(ID_PREFIX),
            service_name=service,
            service_user_name=_free_name(state, service, told["user_name"]),
            password_id=moment.new_id(PASSWORD_ID_PREFIX),
            created_at=moment.at,
            expires_at=moment.at + timedelta(days=days) if days is not None else None,
        )
    ]


def _free_name(state: State, service: str, user_name: str) -> str:
    """`alice-at-123456789012`, or `alice+1-at-…` where that is taken: also by a user who was called so before."""
    for number in count():
        name = f"{user_name}{f'+{number}' if number else ''}-at-{state.account}"
        if state.get(r.SERVICE_USER_NAMES, "", f"{service}/{name}".lower()) is None:
            return name
    raise AssertionError


def update_service_specific_credential(
    state: State, command: UpdateServiceSpecificCredential, moment: Moment
) -> list[Event]:
    """Make the credential active or inactive. Only AWS itself lets credentials expire."""
    if command.status == "Expired":
        raise InvalidInput("The status of a service-specific credential can be set to Active or Inactive only.")
    user_id, credential = _find(state, command)
    if credential.status == command.status:
        return []
    return [
        ServiceSpecificCredentialUpdated(
            **USER.told(state, user_id),
            service_specific_credential_id=command.service_specific_credential_id,
            service_name=credential.service_name,
            service_user_name=credential.service_user_name,
            status=command.status,
            previous_status=credential.status,
            password_id=credential.password_id,
            created_at=credential.created_at,
            expires_at=credential.expires_at,
        )
    ]


def reset_service_specific_credential(
    state: State, command: ResetServiceSpecificCredential, moment: Moment
) -> list[Event]:
    """Give the credential another password, which the answer shows. The one before is worth nothing any more."""
    user_id, credential = _find(state, command)
    return [
        ServiceSpecificCredentialReset(
            **USER.told(state, user_id),
            service_specific_credential_id=command.service_specific_credential_id,
            service_name=credential.service_name,
            service_user_name=credential.service_user_name,
            status=credential.status,
            password_id=moment.new_id(PASSWORD_ID_PREFIX),
            previous_password_id=credential.password_id,
            created_at=credential.created_at,
            expires_at=credential.expires_at,
        )
    ]


def delete_service_specific_credential(
    state: State, command: DeleteServiceSpecificCredential, moment: Moment
) -> list[Event]:
    """Delete the credential, and with it the password."""
    user_id, credential = _find(state, command)
    return [
        ServiceSpecificCredentialDeleted(
            **USER.told(state, user_id),
            service_specific_credential_id=command.service_specific_credential_id,
            service_name=credential.service_name,
            service_user_name=credential.service_user_name,
            password_id=credential.password_id,
        )
    ]


def _find(
    state: State,
    command: UpdateServiceSpecificCredential | ResetServiceSpecificCredential | DeleteServiceSpecificCredential,
) -> tuple[str, r.ServiceSpecificCredential]:
    """The user's id and the credential, which must be of that user."""
    user_id = user_asked(state, command)
    credential = state.get(r.USER_SERVICE_CREDENTIALS, user_id, command.service_specific_credential_id)
    if credential is None:
        raise NoSuchEntity(f"No such credential {command.service_specific_credential_id} exists")
    return user_id, credential


# Reads


def list_service_specific_credentials(
    state: State, query: ListServiceSpecificCredentials, after: str
) -> Iterator[tuple[str, ServiceCredential]]:
    """The credentials of a user or of all users, for one service or for all, by user and age."""
    if query.all_users and query.user_name is not None:
        raise InvalidInput("AllUsers cannot be specified together with UserName.")
    users = state.members(r.USERS, "").values() if query.all_users else (user_asked(state, query),)
    found = (credential for user_id in users for credential in credentials_of(state, user_id))
    wanted = (credential for credential in found if query.service_name in (None, credential.service_name))
    return listing(wanted, _by_user_and_age, after)


def credentials_of(state: State, user_id: str) -> list[ServiceCredential]:
    """All service-specific credentials of the user of this id, the oldest first."""
    credentials = state.members(r.USER_SERVICE_CREDENTIALS, user_id)
    name = known(state, r.USER, user_id).user_name if credentials else ""
    found = [
        ServiceCredential(
            credential_id,
            name,
            credential.service_name,
            credential.service_user_name,
            credential.status,
            credential.created_at,
            credential.expires_at,
        )
        for credential_id, credential in credentials.items()
    ]
    return sorted(found, key=_by_user_and_age)


def _by_user_and_age(credential: ServiceCredential) -> str:
    return f"{credential.user_name.lower()} {by_age(credential.created_at, credential.credential_id)}"
