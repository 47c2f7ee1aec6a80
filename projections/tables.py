"""Writing to the tables of `projections.db`: what a batch of records means to them, all of it at once."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from re import MULTILINE, findall, sub
from typing import Any

import msgspec

from eventstore.record import EMPTY, Record, microseconds
from iam.events import AnyEvent
from projections.interned import VALUES_REMEMBERED, Interned, InternedTable, Row
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
        self._things_table = InternedTable(connection, f"{prefix}things", ("account", "kind", "name"))
        self._calls_table = InternedTable(connection, f"{prefix}calls", ("action", "outcome", "type", "code"))
        self._callers_table = InternedTable(
            connection,
            f"{prefix}callers",
            ("actor_id", "actor_arn", "access_key_id", "source", "source_ip", "user_agent"),
        )
        self._things: dict[str, Interned] = {}  # by account
        self.calls = Interned(self._calls_table, whole=self._calls_table.was_empty)
        self.callers = Interned(self._callers_table, whole=self._callers_table.was_empty)
        self.prefix = prefix

    def take(self, records: Iterable[Record[AnyEvent]], reached: Mapping[str, Checkpoint]) -> None:
        """Take in records, within the caller's transaction. They follow each account's checkpoint, and move it."""
        batch = Batch(self)
        for record in records:
            batch.add(record)
        batch.write(self._connection, reached)

    def things(self, account: str, position: int) -> Interned:
        """The things of an account, by kind and name, for one who takes in the record at this position."""
        things = self._things.get(account)
        if things is None:
            things = self._things[account] = Interned(self._things_table, (account,), whole=position == 1)
        return things

    def knows_all(self, account: str, position: int) -> bool:
        """Whether no number has to be looked up in the file to take in the account's records from this position on."""
        return self.things(account, position).whole and self.calls.whole and self.callers.whole

    def begin(self) -> dict[str, list[Row]]:
        """By table, the rows of what gets a number from now on. Where too much is remembered, it is forgotten."""
        if self._things_table.remembered > VALUES_REMEMBERED:
            self._things_table.remembered = 0
            self._things.clear()
        if self._callers_table.remembered > VALUES_REMEMBERED:
            self._callers_table.remembered = 0
            self.callers = Interned(self._callers_table, whole=False)
        return {table.name: table.begin() for table in (self._things_table, self._calls_table, self._callers_table)}


class Batch:
    """What records mean to a set of tables, put together before it is written. Those of one ledger come in order.

    That may be while the batch before is written, on another thread, for records of which the tables know all.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._interned = tables.begin()
        self._intervals = Intervals()
        self._events: list[tuple[Any, ...]] = []
        self._index: dict[int, list[int]] = {}  # positions, by thing
        self._starts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._events)

    def add(self, record: Record[AnyEvent]) -> None:
        """Take in a record."""
        account, position = record.account, record.position
        self._starts.setdefault(account, position)
        things, index = self._tables.things(account, position), self._index
        self._intervals.add(record, things)
        mentioned: dict[str, int] = {}
        for mention in mentions(record):
            thing = things[mention]
            index.setdefault(thing, []).append(position)
            mentioned.setdefault(mention[0], thing)
        event = (
            *(account, position, microseconds(record.recorded_at)),
            *(self._tables.calls[call_of(record)], self._tables.callers[caller_of(record)]),
            *subjects_in(record, mentioned, 0),
        )
        self._events.append(event)

    def write(self, connection: sqlite3.Connection, reached: Mapping[str, Checkpoint]) -> None:
        """Write all of it, within the caller's transaction. It follows each account's checkpoint, and moves it."""
        prefix = self._tables.prefix
        for account, first in self._starts.items():
            known = checkpoint_of(connection, account, prefix).position
            if known != first - 1:
                raise RuntimeError(f"records of {account} from {first} on do not follow the checkpoint at {known}")
        for table, rows in self._interned.items():
            insert(connection, f"INSERT INTO {table}", rows)
        self._intervals.write(connection, prefix)
        insert(connection, f"INSERT INTO {prefix}event_rows", sorted(self._events))
        insert(connection, f"INSERT OR IGNORE INTO {prefix}audit_index", _pairs(self._index))
        checkpoints = [(account, checkpoint.position, checkpoint.hash) for account, checkpoint in reached.items()]
        insert(connection, f"INSERT OR REPLACE INTO {prefix}checkpoints", checkpoints)


def _pairs(index: Mapping[int, Sequence[int]]) -> list[tuple[int, int]]:
    """Each thing with each of its positions, in order."""
    return [(thing, position) for thing in sorted(index) for position in index[thing]]


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
