"""Writing to the tables of `projections.db`: what a batch of records means to them, all of it at once."""

import sqlite3
from collections.abc import Iterable, Mapping
from importlib.resources import files
from re import MULTILINE, findall, sub
from typing import Any

import msgspec

from eventstore.record import EMPTY, Record, microseconds
from iam.events import AnyEvent
from projections.interned import Interned
from projections.intervals import Intervals, insert
from projections.mentions import call_of, caller_of, mentions, subjects_in

BESIDE = "rebuilt_"  # begins the names of a second set of tables, made beside those in use


class Checkpoint(msgspec.Struct, frozen=True):
    """The last record of a ledger that the projections know."""

    position: int
    hash: str


START = Checkpoint(0, EMPTY.hash)


class Tables:
    """One set of tables, as the one who writes to it sees it. After a rollback, make a new one."""

    def __init__(self, connection: sqlite3.Connection, prefix: str = "") -> None:
        self._connection = connection
        self._prefix = prefix
        self._things = Interned(connection, f"{prefix}things", ("account", "kind", "name"))
        self._calls = Interned(connection, f"{prefix}calls", ("action", "outcome", "type", "code"))
        self._callers = Interned(
            connection,
            f"{prefix}callers",
            ("actor_id", "actor_arn", "access_key_id", "source", "source_ip", "user_agent"),
        )

    def take(self, records: Iterable[Record[AnyEvent]], reached: Mapping[str, Checkpoint]) -> None:
        """Take in records, within the caller's transaction. They follow each account's checkpoint, and move it."""
        intervals = Intervals(self._things)
        events: list[tuple[Any, ...]] = []
        index: list[tuple[int, int]] = []
        starts: dict[str, int] = {}
        for record in records:
            starts.setdefault(record.account, record.position)
            intervals.add(record)
            events.append(self._event(record, index))
        for account, first in starts.items():
            known = checkpoint_of(self._connection, account, self._prefix).position
            if known != first - 1:
                raise RuntimeError(f"records of {account} from {first} on do not follow the checkpoint at {known}")
        intervals.write(self._connection, self._prefix)
        insert(self._connection, f"INSERT INTO {self._prefix}event_rows", sorted(events))
        insert(self._connection, f"INSERT INTO {self._prefix}audit_index", sorted(index))
        rows = [(account, checkpoint.position, checkpoint.hash) for account, checkpoint in reached.items()]
        insert(self._connection, f"INSERT OR REPLACE INTO {self._prefix}checkpoints", rows)

    def _event(self, record: Record[AnyEvent], index: list[tuple[int, int]]) -> tuple[Any, ...]:
        """The record's row, and what it mentions into the index."""
        mentioned: dict[str, int] = {}
        for kind, name in mentions(record):
            thing = self._things[record.account, kind, name]
            index.append((thing, record.position))
            mentioned.setdefault(kind, thing)
        return (
            record.account,
            record.position,
            microseconds(record.recorded_at),
            self._calls[call_of(record)],
            self._callers[caller_of(record)],
            *subjects_in(record, mentioned),
        )


def checkpoint_of(connection: sqlite3.Connection, account: str, prefix: str = "") -> Checkpoint:
    """How far the projections have read the account's ledger."""
    sql = f"SELECT position, hash FROM {prefix}checkpoints WHERE account = ?"
    row = connection.execute(sql, (account,)).fetchone()
    return Checkpoint(*row) if row else START


def checkpoints(connection: sqlite3.Connection) -> dict[str, Checkpoint]:
    """How far the projections have read every ledger they know."""
    rows = connection.execute("SELECT account, position, hash FROM checkpoints")
    return {account: Checkpoint(position, digest) for account, position, digest in rows}


def forget(connection: sqlite3.Connection, account: str) -> None:
    """Drop all that is known of an account, within the caller's transaction."""
    for table, column in (("current_entries", "owner"), ("past_entries", "owner"), ("audit_index", "thing")):
        connection.execute(
            f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM things WHERE account = ?)", (account,)
        )
    for table in ("things", "event_rows", "tiles", "checkpoints"):
        connection.execute(f"DELETE FROM {table} WHERE account = ?", (account,))


def create(connection: sqlite3.Connection) -> None:
    """Make the tables and the views, within the caller's transaction."""
    _run(connection, _sql("tables.sql"))
    _run(connection, _sql("views.sql"))


def create_beside(connection: sqlite3.Connection) -> None:
    """Make a second, empty set of tables, within the caller's transaction."""
    drop_beside(connection)
    _run(connection, sub(r"^CREATE TABLE ", f"CREATE TABLE {BESIDE}", _sql("tables.sql"), flags=MULTILINE))


def drop_beside(connection: sqlite3.Connection) -> None:
    """Drop the second set of tables, if there is one."""
    for name in names():
        connection.execute(f"DROP TABLE IF EXISTS {BESIDE}{name}")


def swap(connection: sqlite3.Connection) -> None:
    """Put the second set in the place of the first, within the caller's transaction. Who reads the file goes on.

    The connection has `legacy_alter_table`, which leaves the views alone: they mean the tables of these names.
    """
    for name in names():
        connection.execute(f"DROP TABLE {name}")
        connection.execute(f"ALTER TABLE {BESIDE}{name} RENAME TO {name}")


def names() -> list[str]:
    """The tables of one set."""
    return findall(r"^CREATE TABLE (\w+)", _sql("tables.sql"), MULTILINE)


def _sql(name: str) -> str:
    return files("projections").joinpath(name).read_text()


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Statement by statement: `executescript` would end the transaction."""
    for statement in sub("--.*", "", script).split(";"):
        if statement.strip():
            connection.execute(statement)
