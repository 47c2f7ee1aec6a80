"""The contract on SQLite: the only writer of `ledger.db`.

A batch is one multi-row INSERT, so it is atomic by itself, one hop to aiosqlite's thread and no transaction
that a cancelled task could leave open. WAL with synchronous=FULL: when the statement returns, the rows
have been synced. Readers use connections of their own, which see committed rows only.
"""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from eventstore.log import DuplicateCommand, LogError, NotWritten, OutcomeUnknown, WrongPosition, undamaged
from eventstore.record import EMPTY, Head, Row

APPLICATION_ID = 0x49414D4C  # "IAML"
SCHEMA_VERSION = 1
CHECKED_BYTES = 256 * 1024
ROWS_PER_INSERT = 512  # 7 variables each, far below SQLite's 32,766
PAGE_BYTES = 4096
STORED_BYTES = 64 * 1024 * 1024  # about, of records that are read at once
PAGES_PER_CHECKPOINT = 1000  # about so many go into the WAL before they are copied into the file

_COLUMNS = "account, position, recorded_at, command_id, command_index, record, hash"
_SELECT = f"SELECT {_COLUMNS} FROM records"

_HEADS = """
    WITH RECURSIVE found (account) AS (
        SELECT min(account) FROM records WHERE account > ?
        UNION ALL
        SELECT (SELECT min(account) FROM records WHERE account > found.account) FROM found WHERE account IS NOT NULL
        LIMIT ?
    )
    SELECT account, position, recorded_at, hash FROM found JOIN records USING (account)
    WHERE position = (SELECT max(position) FROM records WHERE account = found.account)
    ORDER BY account
"""

# Times increase with positions: the answer is at `low` or above, and at `high` or below, until they meet. The join
# is CROSS so that the look-up stays the inner loop.
_POSITION_AT = """
    WITH RECURSIVE span (low, high) AS (
        SELECT 0, coalesce(max(position), 0) FROM records WHERE account = ?1
        UNION ALL
        SELECT iif(recorded_at <= ?2, position, low), iif(recorded_at <= ?2, high, position - 1)
        FROM span CROSS JOIN records ON account = ?1 AND position = (low + high + 1) / 2
        WHERE low < high
    )
    SELECT max(low) FROM span
"""

# One row, for which Python's lock is taken once: who reads ahead does not wait for who is busy with what was read.
# It has fewer records where they are large.
_STORED = f"""
    WITH stored (position, record) AS NOT MATERIALIZED (
        SELECT position, record FROM records WHERE account = ?1 AND position > ?2 ORDER BY position LIMIT ?3
    ), few AS (
        SELECT position, record FROM stored
        LIMIT (SELECT CAST(1 + count(*) * {STORED_BYTES} / (1 + total(length(record))) AS INTEGER) FROM stored)
    )
    SELECT count(*), max(position), CAST(group_concat(record, char(10)) AS BLOB) FROM few
"""

_WRITER_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 5000;
    PRAGMA trusted_schema = OFF;
    PRAGMA recursive_triggers = ON;
    PRAGMA cell_size_check = ON;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
"""

# What the writing connection may still do once it is open: read, append, begin or end a transaction, copy the WAL.
_PERMITTED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
}
# There is no way to a shared index beside the file: its folder is not writable.
_NO_FOLDER = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
# The statement was undone and the file is sound; anything else leaves the outcome open.
_DEFINITE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_TOOBIG,
}


class Unreadable(LogError, sqlite3.DatabaseError):
    """The file of the log, or the disk that it lies on, does not give what was written."""


class SqliteLog:
    """A log in one SQLite file. Build it with `open` or `open_read_only`."""

    def __init__(self, path: Path, reader: aiosqlite.Connection, writer: aiosqlite.Connection | None) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._read_only = writer is None
        self._wal_pages = 0  # about so many since they were copied last
        self._readable = asyncio.Event()
        self._readable.set()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open for reading and writing, creating the file when it is not there.

        Raises LogError when the file is not a log of this program, or a newer one.
        """
        writer = await _connect_writer(path, "rwc")
        try:
            return cls(path, await _connect_reader(path), writer)
        except BaseException:
            await writer.close()
            raise

    @classmethod
    async def open_read_only(cls, path: Path, *, at_rest: bool = False) -> Self:
        """Open an existing log for reading only, beside a running writer or from a folder nobody may write to.

        `at_rest` says that nobody writes and the WAL is empty: then SQLite leaves no files of its own behind.
        Raises LogError when there is no log of this program that can be read whole.
        """
        return cls(path, await _connect_read_only(path, at_rest), None)

    async def append(self, rows: Sequence[Row]) -> None:
        """See Log.append."""
        if self._writer is None:
            raise OutcomeUnknown("the log is not open for writing")
        try:
            if len(rows) <= ROWS_PER_INSERT:
                await self._writer.execute(_insert(len(rows)), _values(rows))
            else:
                await self._append_in_parts(self._writer, rows)
        except sqlite3.IntegrityError as error:
            try:
                refusal = await self._refusal(rows, error)
            except sqlite3.Error as unreadable:
                raise NotWritten(str(unreadable)) from error
            raise refusal from error
        except sqlite3.Error as error:
            raise _failure(error) from error
        await self._checkpoint(self._writer, rows)

    async def _checkpoint(self, writer: aiosqlite.Connection, rows: Sequence[Row]) -> None:
        """Copy the WAL into the file, once it is long. SQLite does so by itself, but tells nobody that a sync failed.

        Raises OutcomeUnknown then: the rows are written, but nothing is acknowledged before the file is settled.
        """
        self._wal_pages += _pages(rows)
        if self._wal_pages < PAGES_PER_CHECKPOINT:
            return
        self._wal_pages = 0
        try:
            await writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            if _primary(error) not in _DEFINITE:  # on a full disk the WAL stays as it is, and is copied later
                raise OutcomeUnknown(f"the WAL could not be copied: {error}") from error

    async def _append_in_parts(self, writer: aiosqlite.Connection, rows: Sequence[Row]) -> None:
        try:
            await writer.execute("BEGIN IMMEDIATE")
            for start in range(0, len(rows), ROWS_PER_INSERT):
                part = rows[start : start + ROWS_PER_INSERT]
                await writer.execute(_insert(len(part)), _values(part))
            await writer.execute("COMMIT")
        except BaseException:
            # Also when the writer task is cancelled: this comes behind the statement that is then under way. There is
            # nothing to undo where BEGIN failed, or COMMIT came to its end.
            with suppress(sqlite3.Error):
                await writer.execute("ROLLBACK")
            raise

    async def _refusal(self, rows: Sequence[Row], error: sqlite3.IntegrityError) -> LogError:
        """Which of the two promises the rows would have broken."""
        for account in {row.account for row in rows}:
            first = next(row.position for row in rows if row.account == account)
            head = (await self.head(account)).position
            if first != head + 1:
                return WrongPosition(f"ledger {account} is at {head}, not {first - 1}")
        commands = {(row.account, row.command_id) for row in rows}
        repeated = [command for command in commands if await self.find(*command)]
        return DuplicateCommand(repeated) if repeated else WrongPosition(str(error))

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        """See Log.read."""
        return await self._rows(
            f"{_SELECT} WHERE account = ? AND position > ? ORDER BY position LIMIT ?", (account, after, limit)
        )

    async def get(self, account: str, positions: Sequence[int]) -> list[Row]:
        """See Log.get."""
        places = ",".join("?" * len(positions))
        return await self._rows(
            f"{_SELECT} WHERE account = ? AND position IN ({places}) ORDER BY position", (account, *positions)
        )

    async def stored(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """See Log.stored."""
        [(count, last, found)] = await self._fetch(_STORED, (account, after, limit))
        records: list[bytes] = found.split(b"\n") if count else []  # JSON as it is stored has no line breaks
        if count and not count == len(records) == last - after:
            raise LogError(f"ledger {account}: records are missing or damaged behind position {after}")
        return records

    async def hashes(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """See Log.hashes."""
        found = await self._fetch(
            "SELECT hash FROM records WHERE account = ? AND position > ? ORDER BY position LIMIT ?",
            (account, after, limit),
        )
        return [digest for (digest,) in found]

    async def find(self, account: str, command_id: str) -> list[Row]:
        """See Log.find."""
        found = await self._fetch(
            f"{_SELECT} WHERE account = ? AND command_id = ? ORDER BY command_index", (account, command_id)
        )
        return [Row(*row) for row in found]

    async def head(self, account: str) -> Head:
        """See Log.head."""
        sql = "SELECT position, recorded_at, hash FROM records WHERE account = ? ORDER BY position DESC LIMIT 1"
        found = await self._fetch(sql, (account,))
        return next((Head(position, at, digest.hex()) for position, at, digest in found), EMPTY)

    async def position_at(self, account: str, recorded_at: int) -> int:
        """See Log.position_at. One statement that halves: it needs no index by time, and a look-up for each halving."""
        [(position,)] = await self._fetch(_POSITION_AT, (account, recorded_at))
        return int(position)

    async def heads(self, after: str = "", limit: int = 1000) -> list[tuple[str, Head]]:
        """See Log.heads. A few index seeks per account, however long the ledgers are."""
        found = await self._fetch(_HEADS, (after, limit))
        return [(account, Head(position, at, digest.hex())) for account, position, at, digest in found]

    async def _rows(self, sql: str, values: tuple[Any, ...]) -> list[Row]:
        return [undamaged(Row(*row)) for row in await self._fetch(sql, values)]

    async def _fetch(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        await self._readable.wait()
        try:
            return list(await self._reader.execute_fetchall(sql, values))
        except (sqlite3.Error, ValueError) as error:  # ValueError: aiosqlite has no connection, as none could be made
            raise Unreadable(f"{self.path} cannot be read: {error}") from error

    async def check(self) -> None:
        """See Log.check. Takes an append's lock and lets go of it, and writes and syncs a file that has no name."""
        if self._writer is None:
            raise NotWritten("the log is not open for writing")
        try:
            await self._writer.execute("BEGIN IMMEDIATE")
            await self._writer.execute("ROLLBACK")
            await asyncio.to_thread(_take_room, self.path.parent)
        except sqlite3.Error as error:
            raise NotWritten(str(error)) from error
        except OSError as error:
            raise NotWritten(f"the disk takes nothing: {error.strerror}") from error

    async def reopen(self) -> None:
        """See Log.reopen."""
        writer, self._writer = self._writer, None  # and so refuses to write until the file opens again
        if writer is not None:
            await writer.close()
        self._readable.clear()  # reads wait
        try:
            await self._reader.close()
            if self._read_only:
                self._reader = await _connect_read_only(self.path, at_rest=False)
                return
            try:
                await _settle(self.path)
            finally:
                self._reader = await _connect_reader(self.path)  # reads go on whatever happened above
        finally:
            self._readable.set()
        self._writer = await _connect_writer(self.path, "rw")

    async def close(self) -> None:
        """See Log.close."""
        writer, self._writer = self._writer, None
        try:
            await self._reader.close()
        finally:  # a connection that stays open keeps the process from ending
            if writer is not None:
                await writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _take_room(folder: Path) -> None:
    """Find out whether the disk still takes as much as a large append needs. Raises OSError where it does not."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(CHECKED_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _insert(count: int) -> str:
    return f"INSERT INTO records ({_COLUMNS}) VALUES " + ",".join(["(?,?,?,?,?,?,?)"] * count)


def _values(rows: Sequence[Row]) -> list[Any]:
    values: list[Any] = []
    for row in rows:
        values += (
            row.account,
            row.position,
            row.recorded_at,
            row.command_id,
            row.command_index,
            row.record,
            row.hash,
        )
    return values


def _pages(rows: Sequence[Row]) -> int:
    """About how many pages of the file rows change: what they fill, and what they touch of the two indexes."""
    return len(rows) + sum(len(row.record) for row in rows) // PAGE_BYTES + 3


def _failure(error: sqlite3.Error) -> LogError:
    return NotWritten(str(error)) if _primary(error) in _DEFINITE else OutcomeUnknown(str(error))


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code: the low byte of the extended one, 0 when it is not SQLite that refused."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _authorize(action: int, *details: str | None) -> int:
    permitted = (
        action in _PERMITTED
        or (action == sqlite3.SQLITE_INSERT and details[0] == "records")
        or (action == sqlite3.SQLITE_PRAGMA and details[0] == "wal_checkpoint")
    )
    return sqlite3.SQLITE_OK if permitted else sqlite3.SQLITE_DENY


async def _connect_writer(path: Path, mode: str) -> aiosqlite.Connection:
    """`mode` is "rwc" or, where a file that has gone must not be replaced by an empty one, "rw"."""
    async with _opening(path, f"mode={mode}") as connection:
        new = mode == "rwc" and await _is_blank(connection)
        if not new:
            await _check_identity(connection, path)
        await connection.executescript(_WRITER_PRAGMAS)
        if new:
            await _create_schema(connection)
        await connection.set_authorizer(_authorize)
    return connection


async def _settle(path: Path) -> None:
    """Have on disk what the file and its WAL read as. Nobody else may have them open.

    Pages that a sync failed for are taken for clean and never written again, unless somebody writes them again. So
    the WAL is written over with what it holds; then all of it, also what was copied before, is copied into the file.
    """
    await asyncio.to_thread(_write_again, path.with_name(path.name + "-wal"))
    async with aiosqlite.connect(_uri(path, "mode=rw"), uri=True, isolation_level=None) as connection:
        # EXCLUSIVE: SQLite reads the WAL from its start and trusts no index of what was copied.
        await connection.executescript(
            "PRAGMA busy_timeout = 1000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
        )
        [(busy, _, _)] = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise sqlite3.OperationalError("the WAL could not be settled: another program has the ledger open")


def _write_again(path: Path) -> None:
    with suppress(FileNotFoundError), path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


async def _is_blank(connection: aiosqlite.Connection) -> bool:
    tables = await connection.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1")
    return not list(tables) and await _identity(connection) == (0, 0)


async def _create_schema(connection: aiosqlite.Connection) -> None:
    schema = files("eventstore").joinpath("schema.sql").read_text()
    await connection.executescript(
        f"BEGIN IMMEDIATE; {schema} PRAGMA application_id = {APPLICATION_ID};"
        f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


async def _identity(connection: aiosqlite.Connection) -> tuple[int, int]:
    [(application_id,)] = await connection.execute_fetchall("PRAGMA application_id")
    [(version,)] = await connection.execute_fetchall("PRAGMA user_version")
    return application_id, version


async def _check_identity(connection: aiosqlite.Connection, path: Path) -> None:
    application_id, version = await _identity(connection)
    if application_id != APPLICATION_ID:
        raise LogError(f"{path} is not a ledger of iam-ledger")
    if version != SCHEMA_VERSION:
        raise LogError(f"{path} has format {version}; this program reads format {SCHEMA_VERSION}")


async def _connect_read_only(path: Path, at_rest: bool) -> aiosqlite.Connection:
    if not path.is_file():
        raise LogError(f"there is no ledger at {path}")
    try:
        return await _connect_reader(path, "immutable=1" if at_rest else "mode=ro")
    except sqlite3.OperationalError as error:
        if is_incomplete(path, error):
            raise LogError(incomplete(path)) from error
        if _primary(error) not in _NO_FOLDER:
            raise
    try:
        return await _connect_reader(path, "immutable=1")  # a finished copy is read as it lies there
    except sqlite3.OperationalError as error:
        raise LogError(f"{path} cannot be read: {error}") from error


def is_incomplete(path: Path, error: sqlite3.OperationalError) -> bool:
    """Whether a file cannot be read whole: SQLite reads a WAL only where it can put an index beside it."""
    wal = path.with_name(path.name + "-wal")
    return _primary(error) in _NO_FOLDER and wal.exists() and wal.stat().st_size > 0


def incomplete(path: Path) -> str:
    """What to do about that."""
    return f"{path} is not complete without {path.name}-wal: copy both to a folder that can be written to"


async def _connect_reader(path: Path, options: str = "mode=ro") -> aiosqlite.Connection:
    async with _opening(path, options) as connection:
        await connection.executescript(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;"
        )
        await _check_identity(connection, path)
    return connection


@asynccontextmanager
async def _opening(path: Path, options: str) -> AsyncIterator[aiosqlite.Connection]:
    """A connection that stays open, unless what is done with it here fails."""
    # aiosqlite's thread may outlive the event loop if connecting fails there, so it fails here.
    sqlite3.connect(_uri(path, options), uri=True).close()
    connection = await aiosqlite.connect(_uri(path, options), uri=True, isolation_level=None, cached_statements=1024)
    try:
        yield connection
    except BaseException as error:
        await connection.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            raise LogError(f"{path} cannot be read: {error}") from error  # no database, or a damaged one
        raise


def _uri(path: Path, options: str) -> str:
    return f"{path.absolute().as_uri()}?{options}"
