"""The projections of one account beside a fold of its ledger: does every entry say what the events say?

Present entries and past ones are compared value by value and period by period, the rows of events one by one, the
audit index as a whole, and at sampled positions the state is asked for as a reader of that instant would.
"""

import sqlite3
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from eventstore.record import Record, microseconds
from iam.events import AnyEvent
from iam.relations import ALL, Relation
from iam.state import Account, World
from projections.instant import InstantState
from projections.intervals import dump_value, node
from projections.mentions import call_of, caller_of, mentions, subjects_in
from projections.tables import Checkpoint, checkpoint_of

Key = tuple[str, str, str]  # relation, owner, member
Period = tuple[int, int]  # position and time, in microseconds, of the record that began or ended something

SAMPLES = 8  # positions per ledger at which the state of that instant is asked for
OWNERS_PER_SAMPLE = 100

_OWNER = "(SELECT id FROM things WHERE account = ? AND kind = ? AND name = ?)"
_DOCUMENT = "(SELECT document FROM documents WHERE digest = entry.document)"
_CURRENT = f"""
    SELECT kind, name, member, value, {_DOCUMENT}, valid_from, from_time
    FROM things JOIN current_entries entry ON owner = id WHERE account = ?
"""
_PAST = f"""
    SELECT value, {_DOCUMENT}, valid_from, from_time, valid_to, to_time
    FROM past_entries entry WHERE owner = {_OWNER} AND node = ? AND member = ?
"""
_EVENTS = """
    SELECT e.position, e.recorded_at, c.action, c.outcome, c.type, c.code,
        r.actor_id, r.actor_arn, r.access_key_id, r.source, r.source_ip, r.user_agent,
        u.name, e.user_name, p.name, e.policy_name, g.name, e.group_name, o.name, e.role_name
    FROM event_rows e LEFT JOIN calls c ON c.id = e.call LEFT JOIN callers r ON r.id = e.caller
    LEFT JOIN things u ON u.id = e.user LEFT JOIN things p ON p.id = e.policy
    LEFT JOIN things g ON g.id = e."group" LEFT JOIN things o ON o.id = e.role
    WHERE e.account = ? ORDER BY e.position
"""
_INDEX = "SELECT kind, name, position FROM things JOIN audit_index ON thing = id WHERE account = ?"


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
                if member in present and (begun := self.begun.pop(key)) != at:
                    past.append(Past(key, present[member], begun, at))
                if change.value is not None:
                    self.begun[key] = at
            self.state.apply((change,))
        return past


class Comparison:
    """The projections of one account, in one read transaction. Every method answers what differs, in words."""

    def __init__(self, connection: sqlite3.Connection, account: str, world: World) -> None:
        connection.execute("BEGIN")
        self._connection = connection
        self._account = account
        self._world = world
        self._ended = 0
        self._mentions = 0
        self._events = connection.execute(_EVENTS, (account,))
        self.checkpoint: Checkpoint = checkpoint_of(connection, account)
        self._samples = {self.checkpoint.position * number // SAMPLES for number in range(1, SAMPLES + 1)}

    def close(self) -> None:
        """End the transaction."""
        self._events.close()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def take(self, record: Record[AnyEvent], past: list[Past], fold: Fold) -> Iterator[str]:
        """A record up to the checkpoint, the entries that it ended, and the state that it left."""
        self._mentions += sum(hash((*mention, record.position)) for mention in set(mentions(record)))
        if self._events.fetchone() != _event_row(record):
            yield f"the row of event {record.position} differs from the record, or is missing"
        self._ended += len(past)
        for entry in past:
            yield from self._past(entry)
        if record.position in self._samples:
            yield from self._sample(fold, record.position)

    def _past(self, entry: Past) -> Iterator[str]:
        filed = (self._account, *entry.key[:2], node(entry.begun[0], entry.ended[0]), entry.key[2])
        stored = self._connection.execute(_PAST, filed).fetchone()
        if stored is None:
            yield f"past {_name(entry.key)}, from record {entry.begun[0]}, is missing"
            return
        value, document, *period = stored
        if tuple(period) != (*entry.begun, *entry.ended):
            yield f"past {_name(entry.key)}, from record {entry.begun[0]}, has another period"
        if not _is_stored(ALL[entry.key[0]], entry.value, value, document):
            yield f"past {_name(entry.key)}, from record {entry.begun[0]}, has another value"

    def _sample(self, fold: Fold, position: int) -> Iterator[str]:
        """The state of this instant, asked for as a reader does, for some owners chosen by chance."""
        state = InstantState(self._connection, self._account, self._world, position)
        owners = list(fold.state.owners())
        for relation, owner, entries in Random(position).sample(owners, min(len(owners), OWNERS_PER_SAMPLE)):
            try:
                agrees = state.members(relation, owner) == entries
            except msgspec.MsgspecError:
                agrees = False
            if not agrees:
                yield f"at record {position}, {_name((relation.name, owner, ''))} is not what the fold has"

    def conclude(self, fold: Fold) -> Iterator[str]:
        """The fold has come to the checkpoint."""
        if self._events.fetchone() is not None:
            yield "there are rows of events beyond the checkpoint"
        [(past,)] = self._connection.execute(
            "SELECT count(*) FROM things JOIN past_entries ON owner = id WHERE account = ?", (self._account,)
        )
        if past != self._ended:
            yield f"there are {past} past entries, and the fold has {self._ended}"
        if sum(map(hash, self._connection.execute(_INDEX, (self._account,)))) != self._mentions:
            yield "the audit index has other mentions than the records"
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
            "SELECT kind, name, member FROM things JOIN current_entries ON owner = id WHERE account = ?",
            (self._account,),
        )
        for key in sorted(fold.begun.keys() - set(rows)):
            yield f"{_name(key)} is missing"


def _event_row(record: Record[AnyEvent]) -> tuple[Any, ...]:
    """The record's row as `_EVENTS` shows it."""
    mentioned = dict(reversed(mentions(record)))  # the first of each kind
    at = microseconds(record.recorded_at)
    return record.position, at, *call_of(record), *caller_of(record), *subjects_in(record, mentioned, None)


def _is_stored(relation: Relation[Any], value: Any, stored: str, document: str | None) -> bool:
    """Character for character: the views show what is stored."""
    return (stored, document) == dump_value(relation, value)


def _name(key: Key) -> str:
    relation, owner, member = key
    return f"{relation}[{', '.join(part for part in (owner, member) if part)}]"
