"""The history of every entry: from which record to which it held.

A batch of records becomes a few multi-row statements: what began and ended within the batch is put together in
memory first. That keeps the projection far from the speed of one statement per change.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from eventstore.record import Record, microseconds
from iam.events import AnyEvent
from iam.relations import ALL, Change, Relation

Key = tuple[str, str, str, str]  # account, relation, owner, member
Begun = tuple[str, bytes | None, int, int]  # value, document digest, position, time

ROWS_PER_STATEMENT = (128, 16, 1)

_ENTRY = "account, relation, owner, member, value, document, valid_from, from_time"
_ENTRY_KEY = "account = ? AND relation = ? AND owner = ? AND member = ?"
_MOVE = """
    INSERT INTO past_entries
    SELECT account, relation, owner, member, entry.value, document, valid_from, from_time,
        ended.value ->> 4, ended.value ->> 5
    FROM json_each(?) ended CROSS JOIN current_entries entry
    ON account = ended.value ->> 0 AND relation = ended.value ->> 1
    AND owner = ended.value ->> 2 AND member = ended.value ->> 3
"""

_encode = msgspec.json.Encoder().encode


class Intervals:
    """The entries that began and ended in a batch of records, before they are written."""

    def __init__(self) -> None:
        self._begun: dict[Key, Begun] = {}
        self._ended: dict[Key, tuple[int, int]] = {}  # entries from before the batch
        self._emptied: dict[tuple[str, str, str], tuple[int, int]] = {}  # owners from before the batch
        self._past: list[tuple[Any, ...]] = []
        self._documents: dict[bytes, str] = {}

    def add(self, record: Record[AnyEvent]) -> None:
        """Take in what a record changed. Records of one ledger come in order."""
        if record.event is None:
            return
        at = (record.position, microseconds(record.effective_at))
        for change in record.event.changes():
            if change.member is None:
                self._end_all(record.account, change, at)
            else:
                self._begin_or_end(record.account, change, change.member, at)

    def _end_all(self, account: str, change: Change, at: tuple[int, int]) -> None:
        owner = (account, change.relation.name, change.owner)
        for key in [key for key in self._begun if key[:3] == owner]:
            self._past.append((*key, *self._begun.pop(key), *at))
        self._emptied.setdefault(owner, at)

    def _begin_or_end(self, account: str, change: Change, member: str, at: tuple[int, int]) -> None:
        key = (account, change.relation.name, change.owner, member)
        begun = self._begun.pop(key, None)
        if begun is not None:
            self._past.append((*key, *begun, *at))
        elif not change.fresh and key[:3] not in self._emptied:
            self._ended.setdefault(key, at)
        if change.value is not None:
            value, document = dump_value(change.relation, change.value)
            digest = None
            if document is not None:
                digest = sha256(document.encode()).digest()
                self._documents[digest] = document
            self._begun[key] = (value, digest, *at)

    def write(self, connection: sqlite3.Connection) -> None:
        """Bring the tables up to date, within the caller's transaction."""
        if self._ended:
            connection.execute(_MOVE, (_encode([(*key, *at) for key, at in self._ended.items()]).decode(),))
            gone = [key for key in self._ended if key not in self._begun]  # the others are replaced below
            connection.executemany(f"DELETE FROM current_entries WHERE {_ENTRY_KEY}", gone)
        for owner, at in self._emptied.items():
            of_owner = "FROM current_entries WHERE account = ? AND relation = ? AND owner = ?"
            connection.execute(f"INSERT INTO past_entries SELECT {_ENTRY}, ?, ? {of_owner}", (*at, *owner))
            connection.execute(f"DELETE {of_owner}", owner)
        insert(connection, "INSERT OR IGNORE INTO documents", list(self._documents.items()))
        insert(connection, "INSERT INTO past_entries", self._past)
        insert(
            connection, "INSERT OR REPLACE INTO current_entries", [(*key, *begun) for key, begun in self._begun.items()]
        )


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, many to a statement."""
    for part in _parts(rows):
        connection.execute(f"{statement} VALUES {_places(part)}", _flat(part))


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows in pieces of a few fixed sizes, so that SQLite's statement cache knows every statement."""
    start = 0
    for count in ROWS_PER_STATEMENT:
        while len(rows) - start >= count:
            yield rows[start : start + count]
            start += count


def _places(rows: Sequence[tuple[Any, ...]]) -> str:
    return ",".join([f"({','.join('?' * len(rows[0]))})"] * len(rows))


def _flat(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [value for row in rows for value in row]


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
        "SELECT relation, owner, member, value, d.document FROM current_entries"
        " LEFT JOIN documents d ON d.digest = current_entries.document WHERE account = ?",
        (account,),
    )
    texts: dict[str, str] = {}
    for name, owner, member, value, document in rows:
        relation = ALL[name]
        if document is not None:
            document = texts.setdefault(document, document)  # the same text for every user that has it
        yield Change(relation, owner, member, load_value(relation, value, document))
