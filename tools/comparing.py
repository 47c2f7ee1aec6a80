"""The projections of one account beside a fold of its ledger: does every entry say what the events say?

Present entries and past ones are compared value by value and period by period, the audit index as a whole.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from eventstore.record import Record, microseconds
from iam.events import AnyEvent
from iam.relations import ALL, Relation
from iam.state import Account, World
from projections.intervals import load_value
from projections.store import Checkpoint, checkpoint_of
from projections.terms import terms

Key = tuple[str, str, str]  # relation, owner, member
Period = tuple[int, int]  # position and time, in microseconds, of the record that began or ended something

_CURRENT = """
    SELECT relation, owner, member, value, d.document, valid_from, from_time
    FROM current_entries e LEFT JOIN documents d ON d.digest = e.document WHERE account = ?
"""
_PAST = """
    SELECT value, d.document, from_time, valid_to, to_time
    FROM past_entries e LEFT JOIN documents d ON d.digest = e.document
    WHERE account = ? AND relation = ? AND owner = ? AND member = ? AND valid_from = ?
"""


class Past(msgspec.Struct, frozen=True):
    """An entry that is no more: what it was, and from which record to which."""

    key: Key
    value: Any
    begun: Period
    ended: Period


class Fold:
    """An account as its events make it, and since when each entry has been there."""

    def __init__(self, account: str, world: World) -> None:
        self.state = Account(account, world)
        self.begun: dict[Key, Period] = {}

    def apply(self, record: Record[AnyEvent]) -> list[Past]:
        """Take in a record, and answer the entries that it ended. Raises KeyError for an event that cannot be."""
        past: list[Past] = []
        if record.event is None:
            return past
        at = (record.position, microseconds(record.effective_at))
        for change in record.event.changes():
            relation, owner = change.relation, change.owner
            present = self.state.members(relation, owner)
            for member in tuple(present) if change.member is None else (change.member,):
                key = (relation.name, owner, member)
                if member in present:
                    past.append(Past(key, present[member], self.begun.pop(key), at))
                if change.value is not None:
                    self.begun[key] = at
            self.state.apply((change,))
        return past


class Comparison:
    """The projections of one account, in one read transaction. Every method answers what differs, in words."""

    def __init__(self, connection: sqlite3.Connection, account: str) -> None:
        connection.execute("BEGIN")
        self._connection = connection
        self._account = account
        self._ended = 0
        self._terms = 0
        self.checkpoint: Checkpoint = checkpoint_of(connection, account)

    def close(self) -> None:
        """End the transaction."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def take(self, record: Record[AnyEvent], past: list[Past]) -> Iterator[str]:
        """A record up to the checkpoint, and the entries that it ended."""
        self._terms += sum(hash((term, record.position)) for term in set(terms(record)))
        self._ended += len(past)
        for entry in past:
            stored = self._connection.execute(_PAST, (self._account, *entry.key, entry.begun[0])).fetchone()
            if stored is None:
                yield f"past {_name(entry.key)}, from record {entry.begun[0]}, is missing"
                continue
            value, document, *period = stored
            if tuple(period) != (entry.begun[1], *entry.ended):
                yield f"past {_name(entry.key)}, from record {entry.begun[0]}, has another period"
            if not _is_stored(ALL[entry.key[0]], entry.value, value, document):
                yield f"past {_name(entry.key)}, from record {entry.begun[0]}, has another value"

    def conclude(self, fold: Fold) -> Iterator[str]:
        """The fold has come to the checkpoint."""
        [(past,)] = self._connection.execute("SELECT count(*) FROM past_entries WHERE account = ?", (self._account,))
        if past != self._ended:
            yield f"there are {past} past entries, and the fold has {self._ended}"
        rows = self._connection.execute("SELECT term, position FROM audit_index WHERE account = ?", (self._account,))
        if sum(map(hash, rows)) != self._terms:
            yield "the audit index has other terms than the records"
        yield from self._present(fold)

    def _present(self, fold: Fold) -> Iterator[str]:
        known = 0
        for name, owner, member, value, document, *period in self._connection.execute(_CURRENT, (self._account,)):
            key = (name, owner, member)
            expected = fold.state.get(ALL[name], owner, member) if name in ALL else None
            if expected is None:
                yield f"{_name(key)} is there, and the fold does not have it"
                continue
            known += 1
            if tuple(period) != fold.begun[key]:
                yield f"{_name(key)} has another beginning"
            if not _is_stored(ALL[name], expected, value, document):
                yield f"{_name(key)} has another value"
        if known != len(fold.begun):
            yield from self._missing(fold)

    def _missing(self, fold: Fold) -> Iterator[str]:
        rows = self._connection.execute(
            "SELECT relation, owner, member FROM current_entries WHERE account = ?", (self._account,)
        )
        for key in sorted(fold.begun.keys() - set(rows)):
            yield f"{_name(key)} is missing"


def _is_stored(relation: Relation[Any], value: Any, stored: str, document: str | None) -> bool:
    if relation.documented == (document is None):
        return False
    try:
        return bool(load_value(relation, stored, document) == value)
    except msgspec.MsgspecError:
        return False


def _name(key: Key) -> str:
    relation, owner, member = key
    return f"{relation}[{', '.join(part for part in (owner, member) if part)}]"
