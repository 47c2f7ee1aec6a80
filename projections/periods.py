"""Periods: from which record to which something held, in the order in which they began.

The tables file past entries by `node`, not by their beginning. Of what began between two positions, each entry is
filed between these too, or else it held at the later one, and then under one of the rounder numbers behind that: see
`projections.intervals`. So a page reads a window of the history, however long the rest of it is.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from iam.relations import Relation

ENTRIES_PER_WINDOW = 2_000

Place = tuple[int, str, str]  # in the order of periods: when one began, relation, member

_OWNERS = """
    WITH owners AS (
        SELECT id, kind FROM things
        WHERE account = :account AND kind IN (SELECT value FROM json_each(:relations)) AND name = :owner
    )
"""
_BEGUN = f"""{_OWNERS}
    SELECT valid_from, kind, member, NULL FROM owners CROSS JOIN current_entries ON owner = id
    WHERE valid_from > :after AND valid_from <= :last
    UNION ALL
    SELECT valid_from, kind, member, valid_to FROM owners CROSS JOIN past_entries ON owner = id
    WHERE node > :after AND node <= :last AND valid_from > :after
    UNION ALL
    SELECT valid_from, kind, member, valid_to FROM owners CROSS JOIN json_each(:nodes) nodes
    CROSS JOIN past_entries ON owner = owners.id AND node = nodes.value
    WHERE valid_from > :after AND valid_from <= :last
"""
_LAST_OF_WINDOW = f"""{_OWNERS}
    SELECT min((
        SELECT node FROM past_entries WHERE owner = id AND node > :after ORDER BY node LIMIT 1 OFFSET :entries
    )) FROM owners
"""
_FIRST_OF_WINDOW = f"""{_OWNERS}
    SELECT max((
        SELECT node FROM past_entries WHERE owner = id AND node <= :last ORDER BY node DESC LIMIT 1 OFFSET :entries
    )) FROM owners
"""


class Period(msgspec.Struct, frozen=True, gc=False):
    """How long a member was there, with one value: the positions of the records that began and ended it."""

    begun: int
    relation: str
    member: str
    ended: int | None  # None while it holds

    @property
    def place(self) -> Place:
        """Where it comes in the order of periods."""
        return self.begun, self.relation, self.member


class PeriodPage(msgspec.Struct, frozen=True):
    """The periods of one page, and the place beyond which the next one begins; None when there is no more."""

    rows: Sequence[Period]
    next: Place | None


def find_periods(
    connection: sqlite3.Connection,
    account: str,
    relations: Sequence[Relation[Any]],
    owner: str,
    position: int,
    beyond: Place | None,
    limit: int,
    *,
    descending: bool = False,
) -> PeriodPage:
    """What an owner had of these relations, as known at a position: up to `limit` periods in the order they began.

    `beyond` is where the page before ended. A page may be short: it looks at a bounded number of entries, beside
    those that held at one time. The projections must have caught up to the position.
    """
    start = beyond or ((position + 1, "", "") if descending else (1, "", ""))
    after, last = (0, start[0] - (not start[1])) if descending else (start[0] - 1, position)
    after, last = max(after, 0), min(last, position)
    if after >= last:
        return PeriodPage([], None)
    asked: dict[str, Any] = {
        "account": account,
        "relations": msgspec.json.encode([relation.name for relation in relations]).decode(),
        "owner": owner,
        "after": after,
        "last": last,
        "entries": ENTRIES_PER_WINDOW,
    }
    [(edge,)] = connection.execute(_FIRST_OF_WINDOW if descending else _LAST_OF_WINDOW, asked)
    if edge is not None and descending:
        after = asked["after"] = edge - 1
    elif edge is not None:
        last = asked["last"] = min(last, edge)
    asked["nodes"] = msgspec.json.encode(_nodes_behind(last)).decode()
    found = [
        Period(begun, relation, member, None if ended is None or ended > position else ended)
        for begun, relation, member, ended in connection.execute(_BEGUN, asked)
    ]
    found.sort(key=lambda period: period.place, reverse=descending)
    rest = [period for period in found if (period.place < start if descending else period.place > start)]
    if len(rest) > limit:
        return PeriodPage(rest[:limit], rest[limit - 1].place)
    more = after > 0 if descending else last < position
    return PeriodPage(rest, (after + 1 if descending else last + 1, "", "") if more else None)


def _nodes_behind(position: int) -> list[int]:
    """Where what held at the position may be filed, if it is filed behind it."""
    nodes = ((position & -(2 << power)) | 1 << power for power in range(48))
    return [node for node in nodes if node > position]
