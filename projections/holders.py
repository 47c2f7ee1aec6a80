"""Who bore a name, ever: the users behind it, and what each was called from when to when.

Lives on a reading thread, within one read transaction; the projections must have caught up to the position.
"""

import sqlite3
from collections.abc import Iterator

import msgspec

from iam import relations as r
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
    """Where something began or ended: the record, and its time in microseconds since 1970."""

    position: int
    time: int


class Period(msgspec.Struct, frozen=True, gc=False):
    """What a user was called, and from where to where; `to` is None while that holds."""

    profile: r.UserProfile
    begin: Mark
    end: Mark | None


def holders(connection: sqlite3.Connection, account: str, name: str, position: int) -> list[str]:
    """The ids of all users that ever bore the name, in the order in which they first did; or the one with this id."""
    if any(_periods(connection, account, r.USER, name, "", position)):
        return [name]
    periods = _periods(connection, account, r.USERS, "", name.lower(), position)
    return list(dict.fromkeys(user_id for user_id, _, _ in periods))


def profiles(connection: sqlite3.Connection, account: str, user_id: str, position: int) -> list[Period]:
    """What a user was called, oldest first. A new path or spelling begins a period too."""
    periods = _periods(connection, account, r.USER, user_id, "", position)
    return [Period(load_value(r.USER, value, None), begin, end) for value, begin, end in periods]


def _periods(
    connection: sqlite3.Connection, account: str, relation: Relation[object], owner: str, member: str, position: int
) -> Iterator[tuple[str, Mark, Mark | None]]:
    rows = connection.execute(
        _PERIODS,
        {"account": account, "relation": relation.name, "owner": owner, "member": member, "position": position},
    )
    for value, valid_from, from_time, valid_to, to_time in rows:
        ended = valid_to is not None and valid_to <= position
        yield value, Mark(valid_from, from_time), Mark(valid_to, to_time) if ended else None
