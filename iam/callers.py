"""Who asks, where that matters: what a user does to itself may leave out its name."""

from typing import Any

from iam import relations as r
from iam.commands import Principal
from iam.errors import ValidationError
from iam.identities import USER
from iam.state import State

NO_USER = "Must specify userName when calling with non-User credentials"


def user_asked(state: State, asked: Any) -> str:
    """The id of the user whom a command or query names, or else of the user who asks.

    Raises NoSuchEntity for a name that no user has, and ValidationError if there is no name and no user asks.
    """
    if asked.user_name is not None:
        return USER.find(state, asked.user_name)
    caller: Principal | None = asked.caller
    if caller is None or state.get(r.USER, caller.id) is None:
        raise ValidationError(NO_USER)
    return caller.id


def is_root(state: State, caller: Principal | None) -> bool:
    """Whether the account's root user asks, whose unique id is the account's."""
    return caller is None or caller.id == state.account
