"""Actions on login profiles."""

from collections.abc import Mapping
from typing import Any

from api.actions.action import Action, Proof, Read, Reply, Secret, Write
from api.passwords import hashed, is_password
from iam.events.credentials import LoginProfileCreated
from iam.login_profiles import (
    PASSWORD_ID_PREFIX,
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


def _profile(profile: LoginProfile) -> Reply:
    return {
        "LoginProfile": {
            "UserName": profile.user_name,
            "CreateDate": profile.created_at,
            "PasswordResetRequired": profile.password_reset_required,
        }
    }


def _created(event: LoginProfileCreated, account: str, partition: str) -> Reply:
    return _profile(LoginProfile(event.user_name, event.created_at, event.password_reset_required))


def _hashed(parameter: str) -> Secret:
    """The hash of the password that stands in the parameter, if one does."""

    def make(parameters: Mapping[str, Any]) -> str | None:
        password = parameters.get(parameter)
        return hashed(password) if password is not None else None

    return Secret(PASSWORD_ID_PREFIX, make)


ACTIONS: Mapping[str, Action] = {
    "CreateLoginProfile": Write(CreateLoginProfile, create_login_profile, _created, _hashed("password")),
    "GetLoginProfile": Read(GetLoginProfile, get_login_profile, _profile),
    "UpdateLoginProfile": Write(UpdateLoginProfile, update_login_profile, secret=_hashed("password")),
    "DeleteLoginProfile": Write(DeleteLoginProfile, delete_login_profile),
    "ChangePassword": Write(
        ChangePassword,
        change_password,
        secret=_hashed("new_password"),
        proof=Proof(current_password, lambda command: command.old_password, is_password),
    ),
}
