"""Audit questions: which records speak of whom, of what, of when.

The index holds terms and positions only; the records themselves are read from the ledger. A page examines a
bounded number of records, so that no question holds up the others, and may therefore come back short.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from eventstore.log import Log
from eventstore.record import Row, id_time, microseconds, open_envelope
from iam.relations import USERS
from projections.records import read_record
from projections.store import Projections
from projections.terms import terms

EXAMINED_PER_PAGE = 10_000
ROWS_PER_READ = 500


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted: all conditions hold together. Times are inclusive."""

    user: str | None = None  # a name, meaning all who ever bore it, or an id
    policy: str | None = None  # ARN
    actor: str | None = None  # id
    request_id: str | None = None
    action: str | None = None
    type: str | None = None
    outcome: str | None = None
    source_ip: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class EventPage(msgspec.Struct, frozen=True):
    """The records of one page, and the position behind which the next one begins; None when there is no more."""

    rows: Sequence[Row]
    next_after: int | None


async def find_events(
    log: Log, projections: Projections, account: str, query: EventQuery, after: int, limit: int
) -> EventPage:
    """The records behind a position that meet the query, in order, up to `limit` of them."""
    after, until = await _span(log, account, query, after)
    sets = await projections.read(lambda connection: _terms_of(connection, account, query))
    found: list[Row] = []
    examined = 0
    while after < until and examined < EXAMINED_PER_PAGE:
        rows = await _candidates(log, projections, account, sets, after, until)
        for row in rows:
            examined += 1
            after = row.position
            if _meets(row, query, sets):
                found.append(row)
                if len(found) == limit:
                    return EventPage(found, after if after < until else None)
            elif found and query.request_id is not None:
                return EventPage(found, None)  # a request's records stand together
        if not rows:
            return EventPage(found, None)
    return EventPage(found, after if after < until else None)


async def _span(log: Log, account: str, query: EventQuery, after: int) -> tuple[int, int]:
    """The positions between which a query looks, by its times: behind the first, up to the second."""
    until = (await log.head(account)).position
    if query.until is not None:
        until = await log.position_at(account, microseconds(query.until))
    if query.request_id is not None and (asked_at := id_time(query.request_id)) is not None:
        after = max(after, await log.position_at(account, asked_at - 1))
    if query.since is not None:
        after = max(after, await log.position_at(account, microseconds(query.since) - 1))
    return after, until


def _terms_of(connection: sqlite3.Connection, account: str, query: EventQuery) -> list[frozenset[str]]:
    """The index terms that a query names: a record must have one of each set."""
    sets = []
    if query.user is not None:
        holders = connection.execute(
            "SELECT value FROM current_entries WHERE account = ?1 AND relation = ?2 AND owner = '' AND member = ?3"
            " UNION SELECT value FROM past_entries WHERE account = ?1 AND relation = ?2 AND owner = '' AND member = ?3",
            (account, USERS.name, query.user.lower()),
        )
        names = {query.user, query.user.lower(), *(user_id for (user_id,) in holders)}
        sets.append(frozenset(f"user:{name}" for name in names))
    imported = query.request_id if query.request_id and id_time(query.request_id) is None else None
    for kind, value in (("policy", query.policy), ("actor", query.actor), ("request", imported)):
        if value is not None:
            sets.append(frozenset({f"{kind}:{value}"}))
    return sets


async def _candidates(
    log: Log, projections: Projections, account: str, sets: Sequence[frozenset[str]], after: int, until: int
) -> list[Row]:
    """The next rows worth a look: those of the first set of terms, or simply the next ones."""
    if not sets:
        return await log.read(account, after, min(ROWS_PER_READ, until - after))
    positions = await projections.read(
        lambda connection: _positions(connection, account, sets[0], after, until, ROWS_PER_READ)
    )
    return await log.get(account, positions)


def _positions(
    connection: sqlite3.Connection, account: str, terms: frozenset[str], after: int, until: int, limit: int
) -> list[int]:
    found: set[int] = set()
    for term in terms:
        rows = connection.execute(
            "SELECT position FROM audit_index WHERE account = ? AND term = ? AND position > ? AND position <= ?"
            " ORDER BY position LIMIT ?",
            (account, term, after, until, limit),
        )
        found.update(position for (position,) in rows)
    return sorted(found)[:limit]


def _meets(row: Row, query: EventQuery, sets: Sequence[frozenset[str]]) -> bool:
    record = open_envelope(row)
    if (
        (query.action is not None and record.action != query.action)
        or (query.outcome is not None and record.outcome != query.outcome)
        or (query.request_id is not None and record.request_id != query.request_id)
        or (query.source_ip is not None and record.source_ip != query.source_ip)
        or (query.type is not None and (record.event is None or record.event["type"] != query.type))
    ):
        return False
    return len(sets) < 2 or all(not terms_.isdisjoint(terms(read_record(row))) for terms_ in sets[1:])
