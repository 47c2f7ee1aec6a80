"""Who bore a name, and what each user was called, from when to when; what groups and roles were called.

Asked on a reading thread within one read transaction; the projections must have caught up to the position.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from eventstore.record import from_microseconds
from iam import relations as r
from iam.identities import Kind
from iam.relations import Relation
from projections.intervals import load_value

_PERIODS = """
    SELECT value, valid_from, from_time, NULL, NULL FROM current_entries
    WHERE owner = (SELECT id FROM things WHERE account = :account AND kind = :relation AND name = :owner)
        AND member = :member AND valid_from <= :position
    UNION ALL
    SELECT value, valid_from, from_time, valid_to, to_time FROM past_entries
    WHERE owner = (SELECT id FROM things WHERE account = :account AND kind = :relation AND name = :owner)
        AND member = :member AND valid_from <= :position
    ORDER BY valid_from
"""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Where on the ledger something began or ended, and when."""

    position: int
    at: datetime


class Name(msgspec.Struct, frozen=True, gc=False, rename={"begin": "from", "end": "to"}):
    """What a user was called from one record up to another; `end` is None while it is called so."""

    user_name: str
    begin: Mark
    end: Mark | None


class Holder(msgspec.Struct, frozen=True, gc=False):
    """A user with all names that it bore, oldest first."""

    user_id: str
    names: Sequence[Name]
    created_at: datetime
    deleted_at: datetime | None


def holders_of(connection: sqlite3.Connection, account: str, name: str, position: int) -> set[str]:
    """The ids of all users that had this name, in whatever case, or this id by then."""
    held = {user_id for user_id, _, _ in _periods(connection, account, r.USERS, "", name.lower(), position)}
    return held | {name for _ in _periods(connection, account, r.USER, name, "", position)}


def holder(connection: sqlite3.Connection, account: str, user_id: str, position: int) -> Holder:
    """The user with this id, which must have been created by then, as far as it is known at the position."""
    names: list[Name] = []
    created_at = None
    for value, begin, end in _periods(connection, account, r.USER, user_id, "", position):
        profile = load_value(r.USER, value, None)
        created_at = profile.created_at
        if names and names[-1].user_name == profile.user_name:  # only the path is another one
            begin = names.pop().begin
        names.append(Name(profile.user_name, begin, end))
    if created_at is None:
        raise KeyError(user_id)
    last = names[-1].end
    return Holder(user_id, names, created_at, None if last is None else last.at)


def names_of(
    connection: sqlite3.Connection, account: str, kind: Kind, identity_id: str, position: int
) -> Sequence[tuple[int, str]]:
    """What an identity was called from which record on, as far as it is known at the position, oldest first."""
    return [
        (begin.position, kind.name(load_value(kind.profiles, value, None)))
        for value, begin, _ in _periods(connection, account, kind.profiles, identity_id, "", position)
    ]


def _periods(
    connection: sqlite3.Connection, account: str, relation: Relation[Any], owner: str, member: str, position: int
) -> Iterator[tuple[str, Mark, Mark | None]]:
    """What an entry was, oldest first, as seen at the position: what ended later still holds."""
    rows = connection.execute(
        _PERIODS,
        {"account": account, "relation": relation.name, "owner": owner, "member": member, "position": position},
    )
    for value, valid_from, from_time, valid_to, to_time in rows:
        ended = valid_to is not None and valid_to <= position
        begin = Mark(valid_from, from_microseconds(from_time))
        yield value, begin, Mark(valid_to, from_microseconds(to_time)) if ended else None
