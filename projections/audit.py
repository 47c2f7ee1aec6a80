"""Audit questions: which records speak of whom, of what, of when.

What a user, a group, a role, a policy, another resource, an actor or a request id is in is looked up in the audit
index; the other conditions are held against the rows of the events. The records themselves are read from the ledger. A
page looks at a bounded number of records, so that no question holds up the others, and may therefore come back short.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Final

import msgspec

from eventstore.log import Log
from eventstore.record import Row, id_time, microseconds, open_envelope
from iam.relations import GROUPS, INSTANCE_PROFILES, ROLES, SERVER_CERTIFICATES, USERS, Relation
from projections.mentions import (
    ACTOR,
    GROUP,
    INSTANCE_PROFILE,
    POLICY,
    REQUEST,
    REQUEST_MICROSECONDS_MAX,
    RESOURCE,
    ROLE,
    USER,
)
from projections.store import Projections

EXAMINED_PER_PAGE = 10_000
ROWS_PER_READ = 500

Things = frozenset[int]

NAMED: Final[Mapping[str, Relation[str]]] = {
    USER: USERS,
    GROUP: GROUPS,
    ROLE: ROLES,
    INSTANCE_PROFILE: INSTANCE_PROFILES,
    RESOURCE: SERVER_CERTIFICATES,
}
"""What can be asked for by a name, meaning all who ever bore it, and where the names are."""


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted: all conditions hold together. Times and positions are inclusive."""

    user: str | None = None  # a name, meaning all who ever bore it, or an id; so with the next three
    group: str | None = None
    role: str | None = None
    instance_profile: str | None = None
    resource: str | None = None  # an id, an ARN or a serial number, or a server certificate's name
    policy: str | None = None  # ARN
    actor: str | None = None  # id
    request_id: str | None = None
    action: str | None = None
    type: str | None = None
    outcome: str | None = None
    source_ip: str | None = None
    since: datetime | int | None = None  # a time or a position
    until: datetime | int | None = None
    descending: bool = False


class EventPage(msgspec.Struct, frozen=True):
    """The records of one page, and the position beyond which the next one begins; None when there is no more."""

    rows: Sequence[Row]
    next: int | None


async def find_events(
    log: Log, projections: Projections, account: str, query: EventQuery, beyond: int | None, limit: int
) -> EventPage:
    """The records that meet the query, in its order, up to `limit` of them. `beyond` is where the page before ended.

    The projections must have caught up.
    """
    first, last = await find_span(log, account, query)
    if beyond is not None:
        first, last = (first, min(last, beyond - 1)) if query.descending else (max(first, beyond + 1), last)
    if first > last:
        return EventPage([], None)
    asked_at = id_time(query.request_id) if query.request_id is not None else None
    if asked_at is not None:
        page = await _of_request(log, projections, account, query, first, last, limit)
        if page.rows:
            return page
    positions, following = await projections.read(
        lambda connection: _Search(connection, account, query).page(first, last, limit)
    )
    rows = await log.get(account, positions)
    return EventPage(rows[::-1] if query.descending else rows, following)


async def find_span(log: Log, account: str, query: EventQuery) -> tuple[int, int]:
    """The positions between which a query looks, by its times: from the first to the last."""
    first, last = 1, (await log.head(account)).position
    if isinstance(query.since, int):
        first = max(first, query.since)
    elif query.since is not None:
        first = await log.position_at(account, microseconds(query.since) - 1) + 1
    if isinstance(query.until, int):
        last = min(last, query.until)
    elif query.until is not None:
        last = await log.position_at(account, microseconds(query.until))
    return first, last


async def _of_request(
    log: Log, projections: Projections, account: str, query: EventQuery, first: int, last: int, limit: int
) -> EventPage:
    """The records of a request of this service, whose id carries when it came: they follow soon, and together.

    None where the clock was set back, or they waited long: such a record is in the audit index.
    """
    asked_at = id_time(query.request_id or "") or 0
    before = await log.position_at(account, asked_at - 1)
    latest = await log.position_at(account, asked_at + REQUEST_MICROSECONDS_MAX)
    after, latest = max(before, first - 1), min(last, latest, before + EXAMINED_PER_PAGE)
    positions: list[int] = []
    while after < latest:
        rows = await log.read(account, after, min(ROWS_PER_READ, latest - after))
        positions += (row.position for row in rows if open_envelope(row).request_id == query.request_id)
        after = rows[-1].position
        if positions and positions[-1] != after:
            break
    others = msgspec.structs.replace(query, request_id=None)
    found = await projections.read(lambda connection: _Search(connection, account, others).among(positions))
    rows = await log.get(account, found)
    if query.descending:
        rows.reverse()
    return EventPage(rows[:limit], rows[limit - 1].position if len(rows) > limit else None)


class _Search:
    """One query against the tables. Lives within one read transaction."""

    def __init__(self, connection: sqlite3.Connection, account: str, query: EventQuery) -> None:
        self._connection = connection
        self._account = account
        self._descending = query.descending
        self._things = list(self._find_things(query))
        self._conditions = list(_conditions(query))

    def page(self, first: int, last: int, limit: int) -> tuple[list[int], int | None]:
        """Up to `limit` positions from the first to the last, and the position beyond which to go on."""
        if self._things:
            narrowing = len(self._things) > 1 or self._conditions
            wanted = EXAMINED_PER_PAGE if narrowing else limit + 1
            examined = self._mentioning(self._things[0], first, last, wanted)
            found = self._narrowed(examined, self._things[1:], limit) if narrowing else examined[:limit]
            exhausted = len(examined) < wanted
        elif self._conditions:
            window = range(first, last + 1)
            examined = list(islice(reversed(window) if self._descending else window, EXAMINED_PER_PAGE))
            found = self._scanned(min(examined[0], examined[-1]), max(examined[0], examined[-1]), limit)
            exhausted = len(examined) == len(window)
        else:
            window = range(first, last + 1)
            found = examined = list(islice(reversed(window) if self._descending else window, limit))
            exhausted = len(examined) == len(window)
        if len(found) == limit and (not exhausted or found[-1] != examined[-1]):
            return found, found[-1]
        return found, None if exhausted else examined[-1]

    def among(self, positions: Sequence[int]) -> list[int]:
        """Of these positions those that meet the query."""
        return self._narrowed(positions, self._things, len(positions))

    def _find_things(self, query: EventQuery) -> Iterator[Things]:
        """The things that a query names: a record must mention one of each set."""
        for kind, names in NAMED.items():
            if (asked := getattr(query, kind)) is not None:
                holders = self._holders(names, asked)
                yield self._numbers(kind, {asked, asked.lower(), *holders})
        for kind, name in ((POLICY, query.policy), (ACTOR, query.actor), (REQUEST, query.request_id)):
            if name is not None:
                yield self._numbers(kind, {name})

    def _holders(self, names: Relation[str], name: str) -> set[str]:
        rows = self._connection.execute(
            "SELECT value FROM things JOIN current_entries ON owner = id"
            " WHERE account = ?1 AND kind = ?2 AND name = '' AND member = ?3"
            " UNION SELECT value FROM things JOIN past_entries ON owner = id"
            " WHERE account = ?1 AND kind = ?2 AND name = '' AND member = ?3",
            (self._account, names.name, name.lower()),
        )
        return {identity for (identity,) in rows}

    def _numbers(self, kind: str, names: set[str]) -> Things:
        return frozenset(
            number
            for name in names
            for (number,) in self._connection.execute(
                "SELECT id FROM things WHERE account = ? AND kind = ? AND name = ?", (self._account, kind, name)
            )
        )

    def _mentioning(self, things: Things, first: int, last: int, limit: int) -> list[int]:
        """The positions of the records that mention any of these things, in order."""
        order = "DESC" if self._descending else "ASC"
        sql = (
            "SELECT position FROM audit_index WHERE thing = ? AND position BETWEEN ? AND ?"
            f" ORDER BY position {order} LIMIT ?"
        )
        each = ((row[0] for row in self._connection.execute(sql, (thing, first, last, limit))) for thing in things)
        found = dict.fromkeys(merge(*map(list, each), reverse=self._descending))
        return list(islice(found, limit))

    def _narrowed(self, positions: Sequence[int], things: Sequence[Things], limit: int) -> list[int]:
        """Of these positions those that mention one of each set of things and meet the conditions."""
        tests, values = self._tests(things)
        rows = self._connection.execute(
            "SELECT position FROM json_each(?) candidate CROSS JOIN event_rows ON account = ? AND"
            f" position = candidate.value WHERE {' AND '.join(tests)} LIMIT ?",
            (msgspec.json.encode(positions).decode(), self._account, *values, limit),
        )
        return [position for (position,) in rows]

    def _scanned(self, first: int, last: int, limit: int) -> list[int]:
        """The positions between these that meet the conditions."""
        tests, values = self._tests(())
        rows = self._connection.execute(
            f"SELECT position FROM event_rows WHERE account = ? AND position BETWEEN ? AND ? AND {' AND '.join(tests)}"
            f" ORDER BY position {'DESC' if self._descending else 'ASC'} LIMIT ?",
            (self._account, first, last, *values, limit),
        )
        return [position for (position,) in rows]

    def _tests(self, mentioned: Sequence[Things]) -> tuple[list[str], list[Any]]:
        tests = ["true", *(test for test, _ in self._conditions)]
        values: list[Any] = [value for _, value in self._conditions]
        for things in mentioned:
            places = ",".join("?" * len(things))
            tests.append(
                f"EXISTS (SELECT 1 FROM audit_index i WHERE thing IN ({places}) AND i.position = event_rows.position)"
            )
            values += things
        return tests, values


def _conditions(query: EventQuery) -> Iterator[tuple[str, str]]:
    """What the row of an event must be like, beside mentioning what it must mention."""
    for column in ("action", "outcome", "type"):
        if (value := getattr(query, column)) is not None:
            yield f"call IN (SELECT id FROM calls WHERE {column} = ?)", value
    if query.source_ip is not None:
        yield "caller IN (SELECT id FROM callers WHERE source_ip = ?)", query.source_ip
