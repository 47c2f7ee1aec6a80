"""Service-specific credentials: their services, names, number and status."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.commands import Command, Principal
from iam.errors import DeleteConflict, IamError, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events.credentials import (
    ServiceSpecificCredentialCreated,
    ServiceSpecificCredentialDeleted,
    ServiceSpecificCredentialReset,
    ServiceSpecificCredentialUpdated,
)
from iam.relations import SECRETS
from iam.service_credentials import (
    CreateServiceSpecificCredential,
    DeleteServiceSpecificCredential,
    ListServiceSpecificCredentials,
    ResetServiceSpecificCredential,
    UpdateServiceSpecificCredential,
    create_service_specific_credential,
    delete_service_specific_credential,
    list_service_specific_credentials,
    reset_service_specific_credential,
    update_service_specific_credential,
)
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
GIT, CASSANDRA, BEDROCK = "codecommit.amazonaws.com", "cassandra.amazonaws.com", "bedrock.amazonaws.com"
ALICE = CreateUser(user_name="Alice")  # AIDA1
BOB = CreateUser(user_name="bob")
AS_ALICE = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
TOLD = {"user_id": "AIDA1", "user_name": "Alice", "service_specific_credential_id": "ACCA1"}


def create(user: str = "alice", service: str = GIT, days: int | None = None) -> CreateServiceSpecificCredential:
    return CreateServiceSpecificCredential(user_name=user, service_name=service, credential_age_days=days)


def names(account: Any, **query: Any) -> list[str]:
    found = list_service_specific_credentials(account.account, ListServiceSpecificCredentials(**query), "")
    return [f"{credential.user_name}: {credential.service_user_name}" for _, credential in found]


@pytest.mark.parametrize(("service", "days"), [(GIT, None), (CASSANDRA, None), (BEDROCK, None), (BEDROCK, 30)])
def test_a_credential_is_created_without_its_password(
    given: Callable[..., Any], service: str, days: int | None
) -> None:
    """API keys may expire."""
    given(ALICE).when(create_service_specific_credential, create(service=service, days=days)).then(
        ServiceSpecificCredentialCreated(
            **TOLD,
            service_name=service,
            service_user_name="Alice-at-123456789012",
            password_id="PASS1",
            created_at=NOW,
            expires_at=NOW + timedelta(days=days) if days else None,
        )
    )


def test_two_for_each_service_with_names_of_their_own(given: Callable[..., Any]) -> None:
    """Also when another user was called so before; the name does not change with the user's."""
    account = given(ALICE, create(), create(), create(service=CASSANDRA))
    message = "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2"
    account.when(create_service_specific_credential, create()).refused(LimitExceeded, message)
    account.also(UpdateUser(user_name="alice", new_user_name="Carol"), ALICE, create())
    assert names(account, user_name="alice") == ["Alice: Alice+2-at-123456789012"]
    assert names(account, user_name="carol", service_name=GIT) == [
        "Carol: Alice-at-123456789012",
        "Carol: Alice+1-at-123456789012",
    ]
    assert names(account, caller=AS_ALICE, service_name=CASSANDRA) == ["Carol: Alice-at-123456789012"]
    assert [name.partition(":")[0] for name in names(account, all_users=True)] == ["Alice", "Carol", "Carol", "Carol"]
    account.also(DeleteServiceSpecificCredential(user_name="carol", service_specific_credential_id="ACCA1"), create())
    assert names(account, user_name="alice")[1] == "Alice: Alice-at-123456789012"


UNKNOWN = "No such credential ACCA1 exists"
ONE = {"service_specific_credential_id": "ACCA1"}


@pytest.mark.parametrize(
    ("decide", "command", "refusal", "message"),
    [
        (
            create_service_specific_credential,
            create("x", "nope"),
            NoSuchEntity,
            "The user with name x cannot be found.",
        ),
        (
            create_service_specific_credential,
            create(service="nope"),
            NoSuchEntity,
            "No such service nope is supported for Service Specific Credentials",
        ),
        (
            create_service_specific_credential,
            create(days=1),
            InvalidInput,
            f"Credentials of the service {GIT} do not expire.",
        ),
        (
            update_service_specific_credential,
            UpdateServiceSpecificCredential(**ONE, user_name="bob", status="Active"),
            NoSuchEntity,
            UNKNOWN,
        ),
        (
            update_service_specific_credential,
            UpdateServiceSpecificCredential(**ONE, user_name="bob", status="Expired"),
            InvalidInput,
            "The status of a service-specific credential can be set to Active or Inactive only.",
        ),
        (
            reset_service_specific_credential,
            ResetServiceSpecificCredential(**ONE, user_name="bob"),
            NoSuchEntity,
            UNKNOWN,
        ),
        (
            delete_service_specific_credential,
            DeleteServiceSpecificCredential(**ONE, user_name="bob"),
            NoSuchEntity,
            UNKNOWN,
        ),
        (
            delete_service_specific_credential,
            DeleteServiceSpecificCredential(**ONE),
            ValidationError,
            "Must specify userName when calling with non-User credentials",
        ),
        (
            delete_user,
            DeleteUser(user_name="alice"),
            DeleteConflict,
            "Cannot delete entity, must remove referenced objects first.",
        ),
    ],
)
def test_what_is_refused(
    given: Callable[..., Any], decide: Any, command: Command, refusal: type[IamError], message: str
) -> None:
    """A credential is found with its own user only."""
    given(ALICE, BOB, create()).when(decide, command).refused(refusal, message)


def test_all_users_and_one_user_exclude_each_other(given: Callable[..., Any]) -> None:
    """InvalidInput."""
    with pytest.raises(InvalidInput, match="AllUsers cannot be specified together with UserName"):
        names(given(ALICE), user_name="alice", all_users=True)


def test_a_credential_is_made_inactive_reset_and_deleted(given: Callable[..., Any]) -> None:
    """At most one password is named at any time, and none in the end."""
    rest = {"service_name": GIT, "service_user_name": "Alice-at-123456789012"}
    account = given(ALICE, create())
    inactive = UpdateServiceSpecificCredential(**ONE, caller=AS_ALICE, status="Inactive")
    account.when(update_service_specific_credential, inactive).then(
        ServiceSpecificCredentialUpdated(
            **TOLD,
            **rest,
            status="Inactive",
            previous_status="Active",
            password_id="PASS1",
            created_at=BEFORE + MINUTE,
        )
    )
    account.also(inactive).when(update_service_specific_credential, inactive).nothing()
    reset = ResetServiceSpecificCredential(**ONE, user_name="alice")
    account.when(reset_service_specific_credential, reset).then(
        ServiceSpecificCredentialReset(
            **TOLD,
            **rest,
            status="Inactive",
            password_id="PASS2",
            previous_password_id="PASS1",
            created_at=BEFORE + MINUTE,
        )
    )
    assert dict(account.also(reset).account.members(SECRETS, "")) == {"PASS2": "AIDA1"}
    delete = DeleteServiceSpecificCredential(**ONE, user_name="alice")
    account.when(delete_service_specific_credential, delete).then(
        ServiceSpecificCredentialDeleted(**TOLD, **rest, password_id="PASS2")
    )
    assert dict(account.also(delete).account.members(SECRETS, "")) == {}
