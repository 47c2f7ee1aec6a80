"""`projections.db`: who opens it, who writes to it, who reads from it.

Writes run on one thread, each batch one transaction with its checkpoints. Reads run on a few threads with
connections of their own, a whole question at a time, so that the event loop waits once for each.
"""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from eventstore.record import Record
from iam.events import AnyEvent
from projections import tables
from projections.intervals import node
from projections.tables import Batch, Checkpoint, Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA_VERSION = 8  # raise it when the tables or what is put into them change: an older file is made anew
WAL_PAGES = 8_000  # each page is written again when they are copied
WAL_PAGES_SPARE = 4_000  # what may still be behind when the disk gets full
WAL_PAGE_BYTES = 4096 + 24
READERS = 2
READER_CACHE_KIB = 16_384  # of each
LOOK_CACHE_KIB = 65_536  # filled where the file is large: to fetch a page costs several times what a look at it does


class Projections:
    """The file, open. Build it with `open`; close it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._looking: sqlite3.Connection | None = None  # the one of the event loop, once it has looked
        self._writing = 0
        self._readers = ThreadPoolExecutor(READERS, "projections-read")
        self._writer = ThreadPoolExecutor(1, "projections-write")
        self._write_connection = _open_for_writing(path)
        self._tables: Tables | None = None

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask a question on a reading thread. It sees one consistent state of the file."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, question)

    def look(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask a question here and now. For a few indexed look-ups: handing them to a thread costs more than they do.

        Between two writes the file stays as it is, so one read transaction is kept for all that is asked meanwhile:
        its locks cost as much as a look-up. It ends before the next write, or the WAL could never start over.
        """
        if self._looking is None:
            self._looking = self._connect(LOOK_CACHE_KIB)
        connection = self._looking
        if self._writing:
            return _within_transaction(connection, question)
        if not connection.in_transaction:
            connection.execute("BEGIN")
        try:
            return question(connection)
        except BaseException:
            self._end_kept()
            raise

    def _end_kept(self) -> None:
        if self._looking is not None and self._looking.in_transaction:
            self._looking.execute("ROLLBACK")

    def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(READER_CACHE_KIB)
        return _within_transaction(connection, question)

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        connection = _connect_for_reading(self.path, cache_kib)
        self._connections.append(connection)
        return connection

    async def change(self, statements: Callable[[sqlite3.Connection], None]) -> None:
        """Run statements on the writing thread, in one transaction."""
        self._end_kept()
        self._writing += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._change, statements)
        finally:
            self._writing -= 1

    def _change(self, statements: Callable[[sqlite3.Connection], None]) -> None:
        connection = self._write_connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            statements(connection)
            connection.execute("COMMIT")  # where a full disk shows first
        except BaseException:
            self._tables = None  # they may know what is undone now
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    async def write(self, records: Iterable[Record[AnyEvent]], reached: Mapping[str, Checkpoint]) -> None:
        """Take in records and move the checkpoints, all in one transaction."""

        def take(connection: sqlite3.Connection) -> None:
            if self._tables is None:
                self._tables = Tables(connection)
            self._tables.take(records, reached)

        await self.change(take)

    def tables(self, prefix: str = "") -> Tables:
        """A set of tables to make batches for, while nothing else writes to it."""
        self._tables = None
        return Tables(self._write_connection, prefix)

    async def write_batch(self, batch: Batch, reached: Mapping[str, Checkpoint]) -> None:
        """Write what was put together and move the checkpoints, all in one transaction."""
        await self.change(partial(batch.write, reached=reached))

    async def forget(self, account: str) -> None:
        """Drop all that is known of an account whose ledger is not the one that was projected."""
        await self.change(partial(tables.forget, account=account))
        self._tables = None

    async def begin_beside(self) -> None:
        """Begin a second set of tables, which is filled under the prefix BESIDE while the first one answers."""
        await self.change(tables.create_beside)

    async def swap(self) -> None:
        """Put the second set of tables in the place of the first."""
        await self.change(tables.swap)
        self._tables = None

    def remake(self) -> None:
        """Start again from nothing, as what is there cannot be read. Nobody may be reading or writing meanwhile."""
        self._close_connections()
        _delete(self.path)
        self._local = threading.local()
        self._write_connection = _open_for_writing(self.path)
        self._tables = None

    async def close(self) -> None:
        """Wait for what is under way and close every connection."""
        self._readers.shutdown()
        self._writer.shutdown()
        self._close_connections()

    def _close_connections(self) -> None:
        self._end_kept()
        for connection in (*self._connections, self._write_connection):
            connection.close()
        self._connections.clear()
        self._looking = None


def _within_transaction(connection: sqlite3.Connection, question: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return question(connection)
    finally:
        if connection.in_transaction:  # a disk that fails has ended it
            connection.execute("ROLLBACK")


def _connect_for_reading(path: Path, cache_kib: int) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")  # questions are about things far apart
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
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")  # KiB; the entries of users lie far apart
        connection.execute("PRAGMA legacy_alter_table = ON")  # a table is swapped without a look at the views
        connection.create_function("node", 2, node, deterministic=True)
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            tables.create(connection)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        else:
            tables.drop_beside(connection)  # somebody was interrupted while making them
        _reserve(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _reserve(path: Path) -> None:
    """Take room for the WAL at once, where the system can: on a full disk, what the ledger still took can be projected.

    SQLite writes the WAL from its start again and again, and never asks how long it is.
    """
    with suppress(AttributeError, OSError), path.with_name(path.name + "-wal").open("r+b") as wal:
        os.posix_fallocate(wal.fileno(), 0, (WAL_PAGES + WAL_PAGES_SPARE) * WAL_PAGE_BYTES)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
