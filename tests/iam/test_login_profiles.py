"""Login profiles: that a user has a password, who may change it, and which passwords will do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from iam.commands import Command, Principal
from iam.errors import (
    AccessDenied,
    DeleteConflict,
    EntityAlreadyExists,
    IamError,
    InvalidUserType,
    NoSuchEntity,
    PasswordPolicyViolation,
    ValidationError,
)
from iam.events.credentials import LoginProfileCreated, LoginProfileDeleted, LoginProfileUpdated, PasswordChanged
from iam.login_profiles import (
    ChangePassword,
    CreateLoginProfile,
    DeleteLoginProfile,
    GetLoginProfile,
    LoginProfile,
    UpdateLoginProfile,
    change_password,
    create_login_profile,
    current_password,
    delete_login_profile,
    get_login_profile,
    update_login_profile,
)
from iam.password_policies import UpdateAccountPasswordPolicy
from iam.relations import SECRETS
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALICE = CreateUser(user_name="Alice")  # AIDA1
AS_ALICE = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
ROOT = Principal("123456789012", "arn:aws:iam::123456789012:root")
CREATE = CreateLoginProfile(user_name="alice", password="secret")
CHANGE = ChangePassword(old_password="secret", new_password="other", proven="PASS1", caller=AS_ALICE)
NONE = "Login Profile for User Alice cannot be found."
NO_USER = "Must specify userName when calling with non-User credentials"
TOLD = {"user_id": "AIDA1", "user_name": "Alice"}


@pytest.mark.parametrize("command", [CREATE, CreateLoginProfile(password="secret", caller=AS_ALICE)])
def test_a_login_profile_is_created_without_its_password(given: Callable[..., Any], command: Command) -> None:
    """The event names the id under which the password is kept."""
    created = LoginProfileCreated(**TOLD, password_id="PASS1", password_reset_required=False, created_at=NOW)
    given(ALICE).when(create_login_profile, command).then(created)
    assert b"secret" not in msgspec.json.encode(created)


@pytest.mark.parametrize(
    ("history", "decide", "command", "refusal", "message"),
    [
        ([], create_login_profile, CREATE, NoSuchEntity, "The user with name alice cannot be found."),
        (
            [ALICE, CREATE],
            create_login_profile,
            CREATE,
            EntityAlreadyExists,
            "Login Profile for user Alice already exists.",
        ),
        ([ALICE], create_login_profile, CreateLoginProfile(password="secret", caller=ROOT), ValidationError, NO_USER),
        (
            [ALICE],
            create_login_profile,
            CreateLoginProfile(user_name="alice"),
            ValidationError,
            "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null",
        ),
        ([ALICE], update_login_profile, UpdateLoginProfile(user_name="alice", password="x"), NoSuchEntity, NONE),
        ([ALICE], delete_login_profile, DeleteLoginProfile(user_name="alice"), NoSuchEntity, NONE),
        ([ALICE], change_password, CHANGE, NoSuchEntity, NONE),
        (
            [ALICE, CREATE],
            change_password,
            msgspec.structs.replace(CHANGE, caller=ROOT),
            InvalidUserType,
            "Only IAM Users can change their own password",
        ),
        (
            [ALICE, CREATE],
            change_password,
            msgspec.structs.replace(CHANGE, proven=None),
            AccessDenied,
            "The old password was incorrect.",
        ),
        (
            [ALICE, CREATE, CHANGE],
            change_password,
            CHANGE,
            AccessDenied,
            "The old password was incorrect.",
        ),
        (
            [ALICE, CREATE],
            delete_user,
            DeleteUser(user_name="alice"),
            DeleteConflict,
            "Cannot delete entity, must delete login profile first.",
        ),
    ],
)
def test_what_is_refused(
    given: Callable[..., Any],
    history: list[Command],
    decide: Any,
    command: Command,
    refusal: type[IamError],
    message: str,
) -> None:
    """In AWS's words. The last but one: the password that was proven is not the one of now."""
    given(*history).when(decide, command).refused(refusal, message)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"password": "new"}, {"password_id": "PASS2", "password_changed_at": NOW}),
        ({"password_reset_required": True}, {"password_reset_required": True}),
        (
            {"password": "new", "password_reset_required": True},
            {"password_id": "PASS2", "password_changed_at": NOW, "password_reset_required": True},
        ),
        ({"password_reset_required": False}, None),
        ({}, None),
    ],
)
def test_an_update_changes_what_it_names(
    given: Callable[..., Any], fields: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    """What it leaves out stays as it is."""
    when = given(ALICE, CREATE).when(update_login_profile, UpdateLoginProfile(user_name="alice", **fields))
    if expected is None:
        when.nothing()
        return
    as_before = {"password_id": "PASS1", "password_reset_required": False, "password_changed_at": BEFORE + MINUTE}
    told = {**TOLD, "previous_password_id": "PASS1", "created_at": BEFORE + MINUTE}
    when.then(LoginProfileUpdated(**{**told, **as_before, **expected}))


def test_a_user_changes_its_own_password(given: Callable[..., Any]) -> None:
    """Once it knows the old one; it need not do so again then."""
    must = UpdateLoginProfile(user_name="alice", password_reset_required=True)
    account = given(ALICE, CREATE, must)
    assert current_password(account.account, CHANGE) == "PASS1"
    account.when(change_password, CHANGE).then(
        PasswordChanged(
            **TOLD,
            password_id="PASS2",
            previous_password_id="PASS1",
            created_at=BEFORE + MINUTE,
            password_changed_at=NOW,
        )
    )
    shown = get_login_profile(account.also(CHANGE).account, GetLoginProfile(user_name="alice"))
    assert shown == LoginProfile("Alice", BEFORE + MINUTE, password_reset_required=False)
    assert current_password(account.account, CHANGE) == "PASS2"
    assert current_password(account.account, msgspec.structs.replace(CHANGE, caller=ROOT)) is None


def test_a_login_profile_is_deleted_and_made_anew(given: Callable[..., Any]) -> None:
    """With another password, since then."""
    delete = DeleteLoginProfile(caller=AS_ALICE)
    account = given(ALICE, CREATE)
    account.when(delete_login_profile, delete).then(LoginProfileDeleted(**TOLD, password_id="PASS1"))
    account.also(delete, CREATE)
    shown = get_login_profile(account.account, GetLoginProfile(caller=AS_ALICE))
    assert shown == LoginProfile("Alice", BEFORE + 3 * MINUTE, password_reset_required=False)
    assert dict(account.account.members(SECRETS, "")) == {"PASS2": "AIDA1"}


def test_a_login_profile_goes_with_the_user_who_is_renamed(given: Callable[..., Any]) -> None:
    """It shows the name of now."""
    account = given(ALICE, CREATE, UpdateUser(user_name="alice", new_user_name="Bob")).account
    assert get_login_profile(account, GetLoginProfile(user_name="bob")).user_name == "Bob"


@pytest.mark.parametrize(
    ("rule", "will_do", "will_not"),
    [
        ({"minimum_password_length": 8}, "12345678", "1234567"),
        ({"require_symbols": True}, "abcdef|", "abcdefg."),
        ({"require_numbers": True}, "abcdef1", "abcdefg"),
        ({"require_uppercase_characters": True}, "abcdefG", "abcdef\N{LATIN CAPITAL LETTER A WITH DIAERESIS}"),
        ({"require_lowercase_characters": True}, "ABCDEFg", "ABCDEFG"),
    ],
)
def test_a_password_must_be_what_the_account_demands(
    given: Callable[..., Any], rule: dict[str, Any], will_do: str, will_not: str
) -> None:
    """At creation, at an update and when it is changed; without a rule anything will do."""
    account = given(ALICE, CREATE, UpdateAccountPasswordPolicy(**rule))
    without = given(ALICE, UpdateAccountPasswordPolicy(**rule))
    for password, fine in ((will_do, True), (will_not, False)):
        for decided in (
            without.when(create_login_profile, CreateLoginProfile(user_name="alice", password=password)),
            account.when(update_login_profile, UpdateLoginProfile(user_name="alice", password=password)),
            account.when(change_password, msgspec.structs.replace(CHANGE, new_password=password)),
        ):
            if fine:
                assert decided.events
            else:
                message = "Password does not conform to the account password policy."
                decided.refused(PasswordPolicyViolation, message)
