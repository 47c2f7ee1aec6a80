"""Login profiles: that a user has a password for the console. The password itself is not known here, only its id."""

from datetime import datetime
from string import ascii_lowercase, ascii_uppercase, digits

import msgspec

from iam import relations as r
from iam.callers import user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import (
    AccessDenied,
    EntityAlreadyExists,
    InvalidUserType,
    NoSuchEntity,
    PasswordPolicyViolation,
    ValidationError,
)
from iam.events import Event
from iam.events.credentials import LoginProfileCreated, LoginProfileDeleted, LoginProfileUpdated, PasswordChanged
from iam.identities import USER
from iam.state import State, known

PASSWORD_ID_PREFIX = "PASS"  # ours: AWS shows no such ids
SYMBOLS = "!@#$%^&*()_+-=[]{}|'"  # that a password policy counts as such


class CreateLoginProfile(Command, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    password: str | None = None
    password_reset_required: bool = False
    caller: Principal | None = None


class UpdateLoginProfile(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    password: str | None = None
    password_reset_required: bool | None = None


class DeleteLoginProfile(Command, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class ChangePassword(Command, frozen=True, gc=False, kw_only=True):
    """`proven` is no parameter: it is the id of the password that the old one was found to be, if it was."""

    old_password: str
    new_password: str
    proven: str | None = None
    caller: Principal | None = None


class GetLoginProfile(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class LoginProfile(msgspec.Struct, frozen=True, gc=False):
    """A login profile at an instant."""

    user_name: str
    created_at: datetime
    password_reset_required: bool


# Decisions


def create_login_profile(state: State, command: CreateLoginProfile, moment: Moment) -> list[Event]:
    """Give the user a password."""
    user_id = user_asked(state, command)
    if state.get(r.LOGIN_PROFILE, user_id) is not None:
        name = known(state, r.USER, user_id).user_name
        raise EntityAlreadyExists(f"Login Profile for user {name} already exists.")
    if command.password is None:
        raise ValidationError(
            "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
        )
    _check_password(state, command.password)
    return [
        LoginProfileCreated(
            **USER.told(state, user_id),
            password_id=moment.new_id(PASSWORD_ID_PREFIX),
            password_reset_required=command.password_reset_required,
            created_at=moment.at,
        )
    ]


def update_login_profile(state: State, command: UpdateLoginProfile, moment: Moment) -> list[Event]:
    """Give the user another password, or say whether it must set a new one. What is left out stays."""
    user_id = USER.find(state, command.user_name)
    profile = _find(state, user_id)
    required = command.password_reset_required
    if required is None:
        required = profile.password_reset_required
    if command.password is None and required == profile.password_reset_required:
        return []
    if changed := command.password is not None:
        _check_password(state, command.password)
    return [
        LoginProfileUpdated(
            **USER.told(state, user_id),
            password_id=moment.new_id(PASSWORD_ID_PREFIX) if changed else profile.password_id,
            previous_password_id=profile.password_id,
            password_reset_required=required,
            created_at=profile.created_at,
            password_changed_at=moment.at if changed else profile.password_changed_at,
        )
    ]


def change_password(state: State, command: ChangePassword, moment: Moment) -> list[Event]:
    """Change one's own password. Only a user can: of the root user's password nothing is known here."""
    user_id = _caller(state, command)
    if user_id is None:
        raise InvalidUserType("Only IAM Users can change their own password")
    profile = _find(state, user_id)
    if command.proven != profile.password_id:
        raise AccessDenied("The old password was incorrect.")
    _check_password(state, command.new_password)
    return [
        PasswordChanged(
            **USER.told(state, user_id),
            password_id=moment.new_id(PASSWORD_ID_PREFIX),
            previous_password_id=profile.password_id,
            created_at=profile.created_at,
            password_changed_at=moment.at,
        )
    ]


def delete_login_profile(state: State, command: DeleteLoginProfile, moment: Moment) -> list[Event]:
    """Take the user's password away."""
    user_id = user_asked(state, command)
    return [LoginProfileDeleted(**USER.told(state, user_id), password_id=_find(state, user_id).password_id)]


def _check_password(state: State, password: str) -> None:
    """Raises PasswordPolicyViolation for what the account's own policy refuses. AWS's default policy is not enforced.

    Nor is that a password was used before: of those nothing is kept.
    """
    policy = state.get(r.PASSWORD_POLICY, "")
    if policy is not None and (
        len(password) < policy.minimum_password_length
        or (policy.require_symbols and not any(character in SYMBOLS for character in password))
        or (policy.require_numbers and not any(character in digits for character in password))
        or (policy.require_uppercase_characters and not any(character in ascii_uppercase for character in password))
        or (policy.require_lowercase_characters and not any(character in ascii_lowercase for character in password))
    ):
        raise PasswordPolicyViolation("Password does not conform to the account password policy.")


def _caller(state: State, command: ChangePassword) -> str | None:
    caller = command.caller
    return None if caller is None or state.get(r.USER, caller.id) is None else caller.id


def _find(state: State, user_id: str) -> r.LoginProfile:
    profile = state.get(r.LOGIN_PROFILE, user_id)
    if profile is None:
        name = known(state, r.USER, user_id).user_name
        raise NoSuchEntity(f"Login Profile for User {name} cannot be found.")
    return profile


# Reads


def get_login_profile(state: State, query: GetLoginProfile) -> LoginProfile:
    """Since when the user has a password, and whether it must set a new one."""
    user_id = user_asked(state, query)
    profile = _find(state, user_id)
    name = known(state, r.USER, user_id).user_name
    return LoginProfile(name, profile.created_at, profile.password_reset_required)


def current_password(state: State, command: ChangePassword) -> str | None:
    """The id of the password that the old one is to be held against, if the caller has one."""
    user_id = _caller(state, command)
    profile = state.get(r.LOGIN_PROFILE, user_id) if user_id is not None else None
    return profile.password_id if profile is not None else None
