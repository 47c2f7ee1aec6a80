"""`projections.db`: who opens it, who writes to it, who reads from it.

Writes run on one thread, each batch one transaction with its checkpoints. Reads run on a few threads with
connections of their own, a whole question at a time, so that the event loop waits once for each.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec

from eventstore.record import EMPTY, Record
from iam.events import AnyEvent
from projections.intervals import Intervals, insert
from projections.terms import terms

logger = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA_VERSION = 1  # raise it when the tables or what is put into them change: an older file is made anew
READERS = 2


class Checkpoint(msgspec.Struct, frozen=True):
    """The last record of a ledger that the projections know."""

    position: int
    hash: str


START = Checkpoint(0, EMPTY.hash)


class Projections:
    """The file, open. Build it with `open`; close it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "projections-read")
        self._writer = ThreadPoolExecutor(1, "projections-write")
        self._write_connection = _open_for_writing(path)

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask a question on a reading thread. It sees one consistent state of the file."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._ask, question)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect_for_reading(self.path)
            self._connections.append(connection)
        connection.execute("BEGIN")
        try:
            return question(connection)
        finally:
            connection.execute("ROLLBACK")

    async def write(self, records: Iterable[Record[AnyEvent]], checkpoints: Mapping[str, Checkpoint]) -> None:
        """Take in records and move the checkpoints, all in one transaction."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, records, checkpoints)

    def _write(self, records: Iterable[Record[AnyEvent]], checkpoints: Mapping[str, Checkpoint]) -> None:
        intervals = Intervals()
        index: list[tuple[str, str, int]] = []
        starts: dict[str, int] = {}
        for record in records:
            starts.setdefault(record.account, record.position)
            intervals.add(record)
            index += ((record.account, term, record.position) for term in terms(record))
        rows = [(account, checkpoint.position, checkpoint.hash) for account, checkpoint in checkpoints.items()]
        with self._transaction() as connection:
            for account, first in starts.items():
                known = checkpoint_of(connection, account).position
                if known != first - 1:
                    raise RuntimeError(f"records of {account} from {first} on do not follow the checkpoint at {known}")
            intervals.write(connection)
            insert(connection, "INSERT INTO audit_index", index)
            insert(connection, "INSERT OR REPLACE INTO checkpoints", rows)

    async def forget(self, account: str) -> None:
        """Drop all that is known of an account whose ledger is not the one that was projected."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._forget, account)

    def _forget(self, account: str) -> None:
        with self._transaction() as connection:
            for table in ("current_entries", "past_entries", "audit_index", "checkpoints"):
                connection.execute(f"DELETE FROM {table} WHERE account = ?", (account,))

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._write_connection)

    def remake(self) -> None:
        """Start again from nothing, as what is there cannot be read. Nobody may be reading or writing meanwhile."""
        self._close_connections()
        _delete(self.path)
        self._local = threading.local()
        self._write_connection = _open_for_writing(self.path)

    async def close(self) -> None:
        """Wait for what is under way and close every connection."""
        self._readers.shutdown()
        self._writer.shutdown()
        self._close_connections()

    def _close_connections(self) -> None:
        for connection in (*self._connections, self._write_connection):
            connection.close()
        self._connections.clear()


class _Transaction:
    """BEGIN IMMEDIATE to COMMIT, or ROLLBACK."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK" if error else "COMMIT")


def checkpoint_of(connection: sqlite3.Connection, account: str) -> Checkpoint:
    """How far the projections have read the account's ledger."""
    row = connection.execute("SELECT position, hash FROM checkpoints WHERE account = ?", (account,)).fetchone()
    return Checkpoint(*row) if row else START


def checkpoints(connection: sqlite3.Connection) -> dict[str, Checkpoint]:
    """How far the projections have read every ledger they know."""
    rows = connection.execute("SELECT account, position, hash FROM checkpoints")
    return {account: Checkpoint(position, digest) for account, position, digest in rows}


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open_for_writing(path: Path) -> sqlite3.Connection:
    """The file, made anew if it is another program's, of another version, or damaged."""
    try:
        return _connect_for_writing(path)
    except sqlite3.OperationalError:
        raise  # the file may be well: its folder, or the disk, is not
    except sqlite3.DatabaseError as error:
        logger.warning("%s is made anew: %s", path, error)
        _delete(path)
        return _connect_for_writing(path)


def _connect_for_writing(path: Path) -> sqlite3.Connection:
    """A connection to a file with today's tables, which are made if it has none. DatabaseError if it has others."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        [(version,)] = connection.execute("PRAGMA user_version")
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"its tables are of version {version}, not {SCHEMA_VERSION}")
        # Not FULL: a power cut may lose the last batches, and the ledger has them.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")  # pages; each is written again at a checkpoint
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")  # KiB; the entries of users lie far apart
        if version == 0:
            schema = files("projections").joinpath("schema.sql").read_text()
            connection.executescript(f"BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
