"""Access keys: pairs of an id and a secret key, with which users sign what they ask. The secret one is not known here.

The root user has none, and cannot be given any.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from iam import relations as r
from iam.arns import root_arn
from iam.callers import NO_USER, is_root, user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import AccessDenied, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events import Event
from iam.events.credentials import AccessKeyCreated, AccessKeyDeleted, AccessKeyUpdated
from iam.identities import USER
from iam.pages import by_age, listing
from iam.state import State, known
from iam.uses import Use

ID_PREFIX = "AKIA"


class CreateAccessKey(Command, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class UpdateAccessKey(Command, frozen=True, gc=False, kw_only=True):
    access_key_id: str
    status: str
    user_name: str | None = None
    caller: Principal | None = None


class DeleteAccessKey(Command, frozen=True, gc=False, kw_only=True):
    access_key_id: str
    user_name: str | None = None
    caller: Principal | None = None


class ListAccessKeys(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class GetAccessKeyLastUsed(Query, frozen=True, gc=False, kw_only=True):
    access_key_id: str
    caller: Principal | None = None


class AccessKey(msgspec.Struct, frozen=True, gc=False):
    """A pair of access keys at an instant."""

    access_key_id: str
    user_name: str
    status: str
    created_at: datetime


# Decisions


def create_access_key(state: State, command: CreateAccessKey, moment: Moment) -> list[Event]:
    """Give the user a pair of keys, which is active. The answer shows the secret one; nothing does so later.

    A repeated call under the same id answers the same secret, as long as the pair is there.
    """
    if command.user_name is None and is_root(state, command.caller):
        raise ValidationError(NO_USER)
    user_id = user_asked(state, command)
    if state.count(r.USER_ACCESS_KEYS, user_id) >= (quota := state.world.quotas.access_keys_per_user):
        raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {quota}")
    access_key_id = moment.new_id(ID_PREFIX)
    return [AccessKeyCreated(**USER.told(state, user_id), access_key_id=access_key_id, created_at=moment.at)]


def update_access_key(state: State, command: UpdateAccessKey, moment: Moment) -> list[Event]:
    """Make the pair active or inactive. Only AWS itself lets keys expire."""
    if command.status == "Expired":
        raise InvalidInput("The status of an access key can be set to Active or Inactive only.")
    user_id, key = _find(state, command)
    if key.status == command.status:
        return []
    return [
        AccessKeyUpdated(
            **USER.told(state, user_id),
            access_key_id=command.access_key_id,
            status=command.status,
            previous_status=key.status,
            created_at=key.created_at,
        )
    ]


def delete_access_key(state: State, command: DeleteAccessKey, moment: Moment) -> list[Event]:
    """Delete the pair, and with it the secret key."""
    user_id, _ = _find(state, command)
    return [AccessKeyDeleted(**USER.told(state, user_id), access_key_id=command.access_key_id)]


def _find(state: State, asked: UpdateAccessKey | DeleteAccessKey) -> tuple[str, r.AccessKey]:
    """The user who has the pair, and the pair. The root user may leave out the name of who has one: its id says it."""
    by_id = asked.user_name is None and is_root(state, asked.caller)
    user_id = (key_holder(state, asked.access_key_id) if by_id else None) or user_asked(state, asked)
    key = state.get(r.USER_ACCESS_KEYS, user_id, asked.access_key_id)
    if key is None:
        raise NoSuchEntity(f"The Access Key with id {asked.access_key_id} cannot be found.")
    return user_id, key


# Reads


def list_access_keys(state: State, query: ListAccessKeys, after: str) -> Iterator[tuple[str, AccessKey]]:
    """The pairs of a user, the oldest first. The root user has none of its own."""
    if query.user_name is None and is_root(state, query.caller):
        return iter(())
    return listing(keys_of(state, user_asked(state, query)), _by_age, after)


def keys_of(state: State, user_id: str) -> list[AccessKey]:
    """All pairs of the user of this id, the oldest first."""
    keys = state.members(r.USER_ACCESS_KEYS, user_id)
    name = known(state, r.USER, user_id).user_name if keys else ""
    found = [AccessKey(key_id, name, key.status, key.created_at) for key_id, key in keys.items()]
    return sorted(found, key=_by_age)


def _by_age(key: AccessKey) -> str:
    return by_age(key.created_at, key.access_key_id)


def get_access_key_last_used(state: State, query: GetAccessKeyLastUsed) -> tuple[str, Use | None]:
    """Whose the pair is, of any user, and its last use. At an instant, it is answered as a pair that was never used.

    Any request counts that the key let in, also one that was refused afterwards. That is no event and has no past.
    """
    user_id = key_holder(state, query.access_key_id)
    if user_id is None:
        caller = query.caller
        asker = caller.arn if caller is not None else root_arn(state.world.partition, state.account)
        raise AccessDenied(
            f"User: {asker} is not authorized to perform iam:GetAccessKeyLastUsed "
            f"on resource: access key {query.access_key_id}"
        )
    return known(state, r.USER, user_id).user_name, state.world.uses.get(query.access_key_id)


def key_holder(state: State, access_key_id: str) -> str | None:
    """The id of the user whose pair this is, if it is one."""
    user_id = state.get(r.SECRETS, "", access_key_id)
    if user_id is None or state.get(r.USER_ACCESS_KEYS, user_id, access_key_id) is None:
        return None
    return user_id


def active_holder(state: State, access_key_id: str) -> str | None:
    """The id of the user who may ask with this key. None where the pair is inactive, or was deleted."""
    user_id = key_holder(state, access_key_id)
    key = state.get(r.USER_ACCESS_KEYS, user_id, access_key_id) if user_id is not None else None
    return user_id if key is not None and key.status == "Active" else None
