"""The account's alias: a name that stands for its number where people sign in."""

from collections.abc import Iterator

from iam import relations as r
from iam.commands import Command, Moment, Query
from iam.errors import EntityAlreadyExists, NoSuchEntity
from iam.events import Event
from iam.events.account import AccountAliasCreated, AccountAliasDeleted
from iam.state import State


class CreateAccountAlias(Command, frozen=True, gc=False, kw_only=True):
    account_alias: str


class DeleteAccountAlias(Command, frozen=True, gc=False, kw_only=True):
    account_alias: str


class ListAccountAliases(Query, frozen=True, gc=False, kw_only=True):
    pass


def create_account_alias(state: State, command: CreateAccountAlias, moment: Moment) -> list[Event]:
    """Give the account an alias, in place of the one it has. What it has already is taken: by itself.

    AWS's aliases are unique among all accounts. Here an account knows its own only, so that others may have the same.
    """
    previous = state.get(r.ACCOUNT_ALIAS, "")
    if previous == command.account_alias:
        raise EntityAlreadyExists(f"The account alias {command.account_alias} already exists.")
    return [AccountAliasCreated(account_alias=command.account_alias, previous_account_alias=previous)]


def delete_account_alias(state: State, command: DeleteAccountAlias, moment: Moment) -> list[Event]:
    """Let the account have no alias. It must be named."""
    if state.get(r.ACCOUNT_ALIAS, "") != command.account_alias:
        raise NoSuchEntity(f"The account alias {command.account_alias} does not exist.")
    return [AccountAliasDeleted(account_alias=command.account_alias)]


def list_account_aliases(state: State, query: ListAccountAliases, after: str) -> Iterator[tuple[str, str]]:
    """The account's alias, if it has one."""
    alias = state.get(r.ACCOUNT_ALIAS, "")
    return ((name, name) for name in (alias,) if name is not None and name > after)
