"""The account's own rules for the passwords of its users."""

import msgspec

from iam import relations as r
from iam.commands import Command, Moment, Query
from iam.errors import NoSuchEntity
from iam.events import Event
from iam.events.account import AccountPasswordPolicyDeleted, AccountPasswordPolicyUpdated
from iam.state import State


class UpdateAccountPasswordPolicy(Command, frozen=True, gc=False, kw_only=True):
    minimum_password_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase_characters: bool = False
    require_lowercase_characters: bool = False
    allow_users_to_change_password: bool = False
    max_password_age: int | None = None
    password_reuse_prevention: int | None = None
    hard_expiry: bool = False


class DeleteAccountPasswordPolicy(Command, frozen=True, gc=False, kw_only=True):
    pass


class GetAccountPasswordPolicy(Query, frozen=True, gc=False, kw_only=True):
    pass


def update_password_policy(state: State, command: UpdateAccountPasswordPolicy, moment: Moment) -> list[Event]:
    """Let these rules hold, and AWS's default for each that is not told. What held before does not matter."""
    rules = msgspec.structs.asdict(command)
    if state.get(r.PASSWORD_POLICY, "") == r.PasswordPolicy(**rules):
        return []
    return [AccountPasswordPolicyUpdated(**rules)]


def delete_password_policy(state: State, command: DeleteAccountPasswordPolicy, moment: Moment) -> list[Event]:
    """Let AWS's own rules hold. AWS refuses where they do already."""
    if state.get(r.PASSWORD_POLICY, "") is None:
        raise NoSuchEntity("The account policy with name PasswordPolicy cannot be found.")
    return [AccountPasswordPolicyDeleted()]


def get_password_policy(state: State, query: GetAccountPasswordPolicy) -> r.PasswordPolicy:
    """The account's own rules."""
    rules = state.get(r.PASSWORD_POLICY, "")
    if rules is None:
        raise NoSuchEntity(f"The Password Policy with domain name {state.account} cannot be found.")
    return rules
