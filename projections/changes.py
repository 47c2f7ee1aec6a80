"""Which records changed users, or a source of their permissions, in the order of the ledger.

Each user is followed from record to record, and with it what its permissions come from at that point: only records of
these are looked up, each by its own key of the audit index. So a page costs what is on it, however long the history
is, and however many others are in the same groups or carry the same policies. Which way it is read makes no
difference: what changes the sources of a user is a record of the user, or of a group that it is in before and after.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

import msgspec

from iam.permission_sources import sources_of
from iam.state import World
from projections.instant import InstantState
from projections.mentions import OWN, USER, Mention

Place = tuple[int, str]  # position and user id: one record may change several users

_THING = "thing = (SELECT id FROM things WHERE account = ? AND kind = ? AND name = ?)"
_NEXT = f"SELECT position FROM audit_index WHERE {_THING} AND position > ? AND position <= ? ORDER BY position LIMIT 1"
_PREVIOUS = (
    f"SELECT position FROM audit_index WHERE {_THING} AND position < ? AND position >= ? ORDER BY position DESC LIMIT 1"
)


class Span(msgspec.Struct, frozen=True):
    """The records between two positions, both inclusive, from the one end or from the other."""

    first: int
    last: int
    descending: bool = False


def find_changes(
    connection: sqlite3.Connection,
    account: str,
    world: World,
    user_ids: set[str],
    span: Span,
    beyond: Place | None,
    limit: int,
) -> tuple[Sequence[Place], Place | None]:
    """Up to `limit` changes of these users, and the place beyond which the next page begins, or None at the end.

    `beyond` is where the page before ended. The projections must have caught up to the last position.
    """

    def changes(user_id: str) -> Iterator[Place]:
        rest = span if beyond is None else _rest(span, user_id, beyond)
        return ((position, user_id) for position in _Walk(connection, account, world, user_id, rest).positions())

    found = merge(*map(changes, user_ids), reverse=span.descending)
    page = list(islice(found, limit + 1))
    return page[:limit], page[limit - 1] if len(page) > limit else None


def _rest(span: Span, user_id: str, beyond: Place) -> Span:
    """What of a span is left for a user behind a place."""
    position, told = beyond
    if span.descending:
        return msgspec.structs.replace(span, last=min(span.last, position - (user_id >= told)))
    return msgspec.structs.replace(span, first=max(span.first, position + (user_id <= told)))


class _Walk:
    """One user, followed through a span. Lives within one read transaction."""

    def __init__(self, connection: sqlite3.Connection, account: str, world: World, user_id: str, span: Span) -> None:
        self._connection = connection
        self._account = account
        self._world = world
        self._user_id = user_id
        self._span = span

    def positions(self) -> Iterator[int]:
        """The records that changed the user or a source of its permissions."""
        descending = self._span.descending
        position = self._span.last + 1 if descending else self._span.first - 1
        sources: dict[str, str] = {}
        heads: dict[Mention, int] = {}  # where the next record of the user, or of a source, is
        self._look((USER, self._user_id), position, heads)
        moved = True  # so that the sources may be others
        while True:
            if moved:
                sources = sources_of(self._state(position - descending), self._user_id, sources)
                wanted = {(OWN, source) for source in sources.values()}
                for thing in [thing for thing in heads if thing not in wanted and thing[0] != USER]:
                    del heads[thing]
                for thing in wanted - heads.keys():
                    self._look(thing, position, heads)
            if not heads:
                return
            position = max(heads.values()) if descending else min(heads.values())
            yield position
            told = [thing for thing, head in heads.items() if head == position]
            for thing in told:
                self._look(thing, position, heads)
            moved = any(kind == USER or name in sources for kind, name in told)  # not by what a policy says

    def _state(self, position: int) -> InstantState:
        return InstantState(self._connection, self._account, self._world, position)

    def _look(self, thing: Mention, position: int, heads: dict[Mention, int]) -> None:
        """Find the next record behind a position that mentions the thing; forget the thing if there is none."""
        heads.pop(thing, None)
        statement, edge = (_PREVIOUS, self._span.first) if self._span.descending else (_NEXT, self._span.last)
        for (found,) in self._connection.execute(statement, (self._account, *thing, position, edge)):
            heads[thing] = found
