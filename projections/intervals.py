"""The history of every entry: from which record to which it held.

A batch of records becomes a few multi-row statements: what began and ended within the batch is put together in
memory first. That keeps the projection far from the speed of one statement per change.

Past entries lie in a relational interval tree (Kriegel, Pötke, Seidl, VLDB 2000). Each is filed under its `node`:
of all positions at which it held, the one that is divisible by the highest power of two. An entry that held at a
position can then only be under that position, or under one of the rounder numbers around it, one per power of two.
So the past at any position is a look at a handful of nodes. How long the history is does not matter, and no node
has more entries of an owner than that owner had members at one time.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import chain
from typing import Any

import msgspec

from eventstore.record import Record, microseconds
from iam.events import AnyEvent
from iam.relations import ALL, Change, Relation

Begun = tuple[str, bytes | None, int, int]  # value, document digest, position, time
Ended = tuple[int, int]  # position, time

ROWS_PER_STATEMENT = (128, 16, 1)

_MOVE = """
    INSERT INTO {past}
    SELECT owner, node(valid_from, ended.value ->> 2), member, entry.value, document, valid_from, from_time,
        ended.value ->> 2, ended.value ->> 3
    FROM json_each(?) ended CROSS JOIN {current} entry ON owner = ended.value ->> 0 AND member = ended.value ->> 1
"""
_MOVE_ALL = """
    INSERT INTO {past}
    SELECT owner, node(valid_from, ?2), member, value, document, valid_from, from_time, ?2, ?3
    FROM {current} WHERE owner = ?1
"""

_encode = msgspec.json.Encoder().encode


def node(valid_from: int, valid_to: int) -> int:
    """Where an entry that held from the one position up to before the other is filed."""
    last = valid_to - 1
    power = ((valid_from - 1) ^ last).bit_length() - 1
    return last >> power << power


class Intervals:
    """The entries that began and ended in a batch of records, before they are written."""

    def __init__(self) -> None:
        self._begun: dict[int, dict[str, Begun]] = {}  # by owner and member
        self._ended: dict[tuple[int, str], Ended] = {}  # entries from before the batch
        self._emptied: dict[int, Ended] = {}  # owners whose entries from before the batch have all ended
        self._past: list[tuple[Any, ...]] = []
        self._documents: dict[bytes, str] = {}
        self._whole: set[str] = set()  # accounts that have nothing from before the batch

    def add(self, record: Record[AnyEvent], things: Mapping[tuple[str, ...], int]) -> None:
        """Take in what a record changed. Records of one ledger come in order; `things` are those of its account."""
        account, position, event = record.account, record.position, record.event
        if position == 1:
            self._whole.add(account)
        if event is None:
            return
        at = (position, microseconds(record.effective_at))
        whole = account in self._whole
        for change in event.changes():
            owner = things[change.relation.name, change.owner]
            if change.member is None:
                self._end_all(owner, at, whole)
            else:
                self._begin_or_end(owner, change, change.member, at, whole)

    def _end_all(self, owner: int, at: Ended, whole: bool) -> None:
        for member, begun in self._begun.pop(owner, {}).items():
            self._end(owner, member, begun, at)
        if not whole:
            self._emptied.setdefault(owner, at)

    def _begin_or_end(self, owner: int, change: Change, member: str, at: Ended, whole: bool) -> None:
        members = self._begun.get(owner)
        if members is None:
            members = self._begun[owner] = {}
        begun = members.pop(member, None)
        if begun is not None:
            self._end(owner, member, begun, at)
        elif not (change.fresh or whole or owner in self._emptied):
            self._ended.setdefault((owner, member), at)
        if change.value is not None:
            value, document = dump_value(change.relation, change.value)
            digest = None
            if document is not None:
                digest = sha256(document.encode()).digest()
                self._documents[digest] = document
            members[member] = (value, digest, *at)

    def _end(self, owner: int, member: str, begun: Begun, at: Ended) -> None:
        if begun[2] != at[0]:  # else it never held after any record
            self._past.append((owner, node(begun[2], at[0]), member, *begun, *at))

    def _is_replaced(self, owner: int, member: str) -> bool:
        """Whether a new entry takes the place of one that ended. Of an owner that was emptied all old ones must go."""
        return owner not in self._emptied and member in self._begun.get(owner, ())

    def write(self, connection: sqlite3.Connection, prefix: str) -> None:
        """Bring the tables up to date, within the caller's transaction. The connection must know `node`."""
        current, past = f"{prefix}current_entries", f"{prefix}past_entries"
        if self._ended:
            ended = _encode([(*key, *at) for key, at in self._ended.items()]).decode()
            connection.execute(_MOVE.format(current=current, past=past), (ended,))
            gone = [key for key in self._ended if not self._is_replaced(*key)]
            connection.executemany(f"DELETE FROM {current} WHERE owner = ? AND member = ?", gone)
        for owner, at in self._emptied.items():
            connection.execute(_MOVE_ALL.format(current=current, past=past), (owner, *at))
            connection.execute(f"DELETE FROM {current} WHERE owner = ?", (owner,))
        insert(connection, f"INSERT OR IGNORE INTO {prefix}documents", sorted(self._documents.items()))
        insert(connection, f"INSERT INTO {past}", sorted(self._past))
        begun = [
            (owner, member, *self._begun[owner][member])
            for owner in sorted(self._begun)
            for member in sorted(self._begun[owner])
        ]
        insert(connection, f"INSERT OR REPLACE INTO {current}", begun)


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, many to a statement."""
    start = 0
    for count in ROWS_PER_STATEMENT:
        while len(rows) - start >= count:
            part = rows[start : start + count]
            connection.execute(_values(statement, count, len(part[0])), list(chain.from_iterable(part)))
            start += count


@cache
def _values(statement: str, rows: int, columns: int) -> str:
    """The statement with places for so many rows: of a few sizes only, so that SQLite's cache knows all of them."""
    return f"{statement} VALUES " + ",".join([f"({','.join('?' * columns)})"] * rows)


def dump_value(relation: Relation[Any], value: Any) -> tuple[str, str | None]:
    """A value as it is stored: text as it is, the rest as JSON, and its document apart."""
    if relation.value is str:
        return value, None
    if not relation.documented:
        return msgspec.json.encode(value).decode(), None
    return msgspec.json.encode(msgspec.structs.replace(value, document="")).decode(), value.document


def load_value(relation: Relation[Any], value: str, document: str | None) -> Any:
    """The value that was dumped."""
    if relation.value is str:
        return value
    loaded = msgspec.json.decode(value, type=relation.value)
    return loaded if document is None else msgspec.structs.replace(loaded, document=document)


def current_changes(connection: sqlite3.Connection, account: str) -> Iterator[Change]:
    """The open entries of an account, as the changes that would bring an empty state to where it is."""
    rows = connection.execute(
        "SELECT kind, name, member, value, d.document FROM things"
        " JOIN current_entries ON owner = id LEFT JOIN documents d ON digest = current_entries.document"
        " WHERE account = ?",
        (account,),
    )
    texts: dict[str, str] = {}
    for name, owner, member, value, document in rows:
        relation = ALL[name]
        if document is not None:
            document = texts.setdefault(document, document)  # the same text for every user that has it
        yield Change(relation, owner, member, load_value(relation, value, document))
