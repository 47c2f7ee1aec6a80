"""An account as of one of its records, through the same interface as the present: `iam.state.State`.

Every question is an indexed look-up of just the rows it needs, and costs the same however long the history is. The
projections must have caught up to the position. Lives on a reading thread, with the connection that was given to
it, inside one read transaction.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from iam.relations import Relation, V
from iam.state import World
from projections.intervals import load_value

# Parameters: 1 account, 2 relation, 3 owner, 4 member, 5 position.
_OWNER = "(SELECT id FROM things WHERE account = ?1 AND kind = ?2 AND name = ?3)"
_POWERS = ",".join(f"({1 << power})" for power in range(40))
# Where what held at a position may be filed: see projections/intervals.py. No node is beyond the last record.
_NODES = f"""
    (SELECT (?5 & ~(2 * column1 - 1)) | column1 AS node FROM (VALUES {_POWERS})
    WHERE column1 <= (SELECT position FROM checkpoints WHERE account = ?1))
"""
_HELD = f"""
    SELECT member, value, document, valid_from FROM current_entries
    WHERE owner = {_OWNER} AND {{members}} AND valid_from <= ?5
    UNION ALL
    SELECT member, value, document, valid_from FROM {_NODES} nodes CROSS JOIN past_entries entry
    ON owner = {_OWNER} AND entry.node = nodes.node AND {{members}}
    WHERE valid_from <= ?5 AND valid_to > ?5
"""
_WITH_DOCUMENT = (
    "SELECT member, value, valid_from, (SELECT document FROM documents WHERE digest = held.document) FROM ({held}) held"
)
_ONE = _WITH_DOCUMENT.format(held=_HELD.format(members="member = ?4")) + " LIMIT 1"
_ALL = _WITH_DOCUMENT.format(held=_HELD.format(members="true"))
_BEHIND = _WITH_DOCUMENT.format(held=_HELD.format(members="member > ?4")) + " ORDER BY member"
_COUNT = f"SELECT count(*) FROM ({_HELD.format(members='true')})"


class InstantState:
    """What an account was once the record at `position` was its last; 0 is before the first."""

    def __init__(self, connection: sqlite3.Connection, account: str, world: World, position: int) -> None:
        self.account = account
        self.world = world
        self.position = position
        self._connection = connection

    def get(self, relation: Relation[V], owner: str, member: str = "") -> V | None:
        """See State.get."""
        for row in self._rows(_ONE, relation, owner, member):
            value: V = _value(relation, row)
            return value
        return None

    def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
        """See State.members."""
        return {member: value for member, value, _ in self.entries(relation, owner)}

    def scan(self, relation: Relation[V], owner: str, after: str = "") -> Iterator[tuple[str, V]]:
        """See State.scan."""
        for row in self._rows(_BEHIND, relation, owner, after):
            yield row[0], _value(relation, row)

    def count(self, relation: Relation[Any], owner: str) -> int:
        """See State.count."""
        [(count,)] = self._rows(_COUNT, relation, owner)
        return int(count)

    def entries(self, relation: Relation[V], owner: str) -> Iterator[tuple[str, V, int]]:
        """The owner's entries, each with the position of the record that began it."""
        for row in self._rows(_ALL, relation, owner):
            yield row[0], _value(relation, row), row[2]

    def _rows(self, sql: str, relation: Relation[Any], owner: str, member: str = "") -> sqlite3.Cursor:
        return self._connection.execute(sql, (self.account, relation.name, owner, member, self.position))


def _value(relation: Relation[Any], row: tuple[Any, ...]) -> Any:
    return load_value(relation, row[1], row[3])
