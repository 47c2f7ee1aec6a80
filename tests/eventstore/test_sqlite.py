"""What only a file can get wrong: changed history, lost syncs, foreign files, full disks, folders without a writer."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventstore import sqlite
from eventstore.chain import BrokenChain, follow
from eventstore.log import DamagedRecord, LogError, NotWritten, OutcomeUnknown, read_all
from eventstore.record import EMPTY, Row, head_of, leaf_hash
from eventstore.sqlite import ROWS_PER_INSERT, STORED_BYTES, SqliteLog

RowsOf = Callable[..., list[Row]]

ALICE = "111122223333"
COLUMNS = "account, position, recorded_at, command_id, command_index, record, hash"
PLACES = "?,?,?,?,?,?,?"


@pytest.fixture
async def log(ledger: Path) -> AsyncIterator[SqliteLog]:
    async with await SqliteLog.open(ledger) as log:
        yield log


async def test_a_reader_that_cannot_be_closed_does_not_keep_the_writer_open(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread would keep the process from ending."""
    log = await SqliteLog.open(ledger)
    writer, close = log._writer, log._reader.close
    assert writer is not None

    async def fail() -> None:
        await close()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(log._reader, "close", fail)
    with pytest.raises(sqlite3.OperationalError):
        await log.close()

    with pytest.raises(ValueError, match="no active connection"):
        await writer.execute("SELECT 1")


async def audited(log: SqliteLog) -> list[Row]:
    """All rows of the one ledger, once they are known to follow from one another."""
    rows = [row async for row in read_all(log, ALICE)]
    head = EMPTY
    for row in rows:
        head = follow(head, row)
    return rows


async def without_guard(log: SqliteLog, sql: str) -> Any:
    """The first value of a statement, run on the writing connection where it would not be permitted."""
    assert log._writer is not None
    await log._writer.set_authorizer(None)
    [(value,)] = await log._writer.execute_fetchall(sql)
    await log._writer.set_authorizer(sqlite._authorize)
    return value


REPLACED = {
    "by position": {"position": 2},
    "by position, with a later time and a new command": {"position": 2, "recorded_at": 2**60, "command_id": "new"},
    "by command": {"command_id": "command-2"},
    "by position and command": {"position": 2, "command_id": "command-2"},
    "leaving a gap": {"position": 5},
    "before the first": {"position": 0},
    "not later": {"recorded_at": 1},
}
VERBS = ["INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR ROLLBACK"]
UPSERTS = [
    "ON CONFLICT DO UPDATE SET record = x'00'",
    "ON CONFLICT (account, position) DO UPDATE SET record = excluded.record",
    "ON CONFLICT (account, command_id, command_index) DO UPDATE SET record = excluded.record",
    "ON CONFLICT DO NOTHING",
]


@pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
@pytest.mark.parametrize("guarded", [True, False], ids=["through the log", "by another program"])
async def test_no_insert_replaces_history(
    log: SqliteLog, rows_of: RowsOf, guarded: bool, change: dict[str, Any]
) -> None:
    """Neither the writing connection nor a plain one that knows no pragma can insert over a record."""
    rows = rows_of(4)
    await log.append(rows[:3])
    values = msgspec.structs.astuple(msgspec.structs.replace(rows[3], **change))
    statements = [f"{verb} INTO records ({COLUMNS}) VALUES ({PLACES})" for verb in VERBS]
    statements += [f"INSERT INTO records ({COLUMNS}) VALUES ({PLACES}) {upsert}" for upsert in UPSERTS]
    for statement in statements:
        with pytest.raises(sqlite3.DatabaseError):
            await insert(log, guarded, statement, values)
    assert await audited(log) == rows[:3]


@pytest.mark.parametrize("guarded", [True, False], ids=["through the log", "by another program"])
@pytest.mark.parametrize("verb", VERBS)
async def test_no_insert_replaces_history_by_its_rowid(
    log: SqliteLog, rows_of: RowsOf, verb: str, guarded: bool
) -> None:
    """A row that is right in every column, but takes the rowid of an earlier one, is refused."""
    rows = rows_of(4)
    await log.append(rows[:3])
    statement = f"{verb} INTO records (rowid, {COLUMNS}) VALUES (1,{PLACES})"
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        await insert(log, guarded, statement, msgspec.structs.astuple(rows[3]))
    assert await audited(log) == rows[:3]


async def insert(log: SqliteLog, guarded: bool, statement: str, values: tuple[Any, ...]) -> None:
    if guarded:
        assert log._writer is not None
        await log._writer.execute(statement, values)
    else:
        with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
            connection.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET record = x'00'",
        "UPDATE records SET position = position + 10",
        "UPDATE OR REPLACE records SET position = 1",
        "DELETE FROM records",
        "DELETE FROM records WHERE position = 3",
    ],
)
@pytest.mark.parametrize("guarded", [True, False], ids=["through the log", "by another program"])
async def test_records_are_never_changed_or_deleted(
    log: SqliteLog, rows_of: RowsOf, statement: str, guarded: bool
) -> None:
    """The writing connection is not authorized to, and the triggers refuse anybody else."""
    rows = rows_of(3)
    await log.append(rows)
    with pytest.raises(sqlite3.DatabaseError, match="not authorized" if guarded else "append-only"):
        await insert(log, guarded, statement, ())
    assert await audited(log) == rows


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER records_are_appended",
        "DROP TRIGGER records_are_never_changed",
        "DROP TRIGGER records_are_never_deleted",
        "DROP INDEX commands",
        "DROP TABLE records",
        "ALTER TABLE records RENAME TO old_records",
        "ALTER TABLE records DROP COLUMN hash",
        "ALTER TABLE records ADD COLUMN note TEXT",
        "CREATE TABLE notes (note TEXT)",
        "CREATE TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TEMP TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
        "ATTACH DATABASE ':memory:' AS other",
        "PRAGMA recursive_triggers = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA synchronous = OFF",
        "PRAGMA journal_mode = MEMORY",
        "PRAGMA user_version = 2",
        "DELETE FROM sqlite_schema",
        "REINDEX commands",
        "VACUUM",
        "ANALYZE",
        "SAVEPOINT here",
    ],
)
async def test_the_writing_connection_can_only_append(log: SqliteLog, rows_of: RowsOf, statement: str) -> None:
    """Its guard refuses every statement but reading and appending, and the log goes on."""
    rows = rows_of(3)
    await log.append(rows[:2])
    assert log._writer is not None
    with pytest.raises(sqlite3.DatabaseError):
        await log._writer.execute(statement)
    await log.append(rows[2:])
    assert await audited(log) == rows


async def test_the_reading_connection_cannot_write(log: SqliteLog, rows_of: RowsOf) -> None:
    """Reads go through a connection that is read-only by itself."""
    await log.append(rows_of(1))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await log._reader.execute("DELETE FROM records")


def change(log: SqliteLog, position: int, with_hash: bool) -> None:
    """What whoever drops the triggers in another program can do to a record."""
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        connection.create_function("leaf_hash", 1, leaf_hash)
        connection.execute("DROP TRIGGER records_are_never_changed")
        changed = "CAST(replace(record, 'alice', 'mallo') AS BLOB)"
        connection.execute(
            f"UPDATE records SET record = {changed}, hash = iif(?, leaf_hash({changed}), hash) WHERE position = ?",
            (with_hash, position),
        )


async def test_a_record_that_is_changed_from_outside_is_not_answered(log: SqliteLog, rows_of: RowsOf) -> None:
    """Whatever reads it names it. Those beside it are answered, and what is told without its bytes."""
    rows = rows_of(3)
    await log.append(rows)
    change(log, 2, with_hash=False)

    for reading in (log.read(ALICE), log.get(ALICE, [1, 2])):
        with pytest.raises(DamagedRecord, match=f"ledger {ALICE}, record 2: ") as damaged:
            await reading
        assert (damaged.value.account, damaged.value.position) == (ALICE, 2)
    assert [*await log.read(ALICE, 0, 1), *await log.get(ALICE, [3])] == [rows[0], rows[2]]
    assert await log.head(ALICE) == head_of(rows[2])
    assert await log.hashes(ALICE) == [row.hash for row in rows]


async def test_stored_bytes_with_a_line_break_are_damaged(log: SqliteLog, rows_of: RowsOf) -> None:
    """As written they have none, so that they cannot be taken for two records."""
    await log.append(rows_of(3))
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_are_never_changed")
        connection.execute(
            "UPDATE records SET record = CAST(replace(record, ',', char(10)) AS BLOB) WHERE position = 2"
        )

    with pytest.raises(LogError, match="records are missing or damaged behind position 1"):
        await log.stored(ALICE, after=1)
    assert len(await log.stored(ALICE, limit=1)) == 1


async def test_fewer_records_are_read_at_once_where_they_are_large(log: SqliteLog) -> None:
    """Whoever reads page by page gets all of them; at least one at a time, however large it is."""
    records = [b'"%s"' % (b"x" * size) for size in (*[STORED_BYTES // 10] * 25, STORED_BYTES + 1, 1)]
    for position, record in enumerate(records, 1):
        await log.append([Row(ALICE, position, position, f"command-{position}", 0, record, leaf_hash(record))])

    pages = []
    while page := await log.stored(ALICE, sum(map(len, pages)), 5000):
        pages.append(page)

    assert [record for page in pages for record in page] == records
    assert all(sum(map(len, page)) <= 2 * STORED_BYTES + 1 for page in pages)


async def test_what_is_changed_from_outside_is_found(log: SqliteLog, rows_of: RowsOf) -> None:
    """Also where it has a hash that fits: the chain over it cannot be changed in one place."""
    await log.append(rows_of(3))
    change(log, 2, with_hash=True)
    with pytest.raises(BrokenChain, match="record 3"):
        await audited(log)


async def test_every_commit_is_synced(log: SqliteLog) -> None:
    """WAL with synchronous=FULL is in force on the writing connection, where it was asked for."""
    assert await without_guard(log, "PRAGMA journal_mode") == "wal"
    assert await without_guard(log, "PRAGMA synchronous") == 2
    assert await without_guard(log, "PRAGMA recursive_triggers") == 1
    assert await without_guard(log, "PRAGMA trusted_schema") == 0


async def test_every_commit_is_synced_after_a_reopen_too(log: SqliteLog) -> None:
    """A connection made anew has the same promises and the same guard."""
    await log.reopen()
    assert log._writer is not None
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        await log._writer.execute("DROP TABLE records")
    assert await without_guard(log, "PRAGMA journal_mode") == "wal"
    assert await without_guard(log, "PRAGMA synchronous") == 2


async def test_what_was_written_survives_closing(ledger: Path, rows_of: RowsOf) -> None:
    """A log opened again goes on where it ended."""
    rows = rows_of(4)
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows[:2])
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows[2:])
        assert await audited(log) == rows


def text(path: Path) -> None:
    path.write_text("These are minutes of a meeting, not a ledger. " * 200)


def another_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = DELETE; CREATE TABLE users (name TEXT)")


def another_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA application_id = 7")


FOREIGN = [text, another_database, another_application]


@pytest.mark.parametrize("make", FOREIGN)
@pytest.mark.parametrize("open_log", [SqliteLog.open, SqliteLog.open_read_only])
async def test_a_file_that_is_no_log_is_refused_and_left_alone(
    ledger: Path, make: Callable[[Path], None], open_log: Callable[[Path], Any]
) -> None:
    """The message names the file, and not a byte of it has changed."""
    make(ledger)
    before = ledger.read_bytes()
    with pytest.raises(LogError, match=r"ledger\.db (is not a ledger|cannot be read: file is not a database)"):
        await open_log(ledger)
    assert ledger.read_bytes() == before
    assert list(ledger.parent.iterdir()) == [ledger]


async def test_what_cannot_be_read_is_an_error_of_the_log(ledger: Path, rows_of: RowsOf) -> None:
    """Whoever reads other files too knows which of them is damaged. The file is named."""
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows_of(3))
    content = ledger.read_bytes()
    ledger.write_bytes(content[:4096] + bytes(len(content) - 4096))
    async with await SqliteLog.open_read_only(ledger, at_rest=True) as log:
        for reading in (
            log.read("111122223333"),
            log.get("111122223333", [1]),
            log.stored("111122223333"),
            log.hashes("111122223333"),
            log.find("111122223333", "command-1"),
            log.head("111122223333"),
            log.heads(),
            log.position_at("111122223333", 2**62),
        ):
            with pytest.raises(LogError, match=r"ledger\.db cannot be read: database disk image is malformed"):
                await reading


@pytest.mark.parametrize("open_log", [SqliteLog.open, SqliteLog.open_read_only])
async def test_a_log_of_a_newer_format_is_refused(ledger: Path, open_log: Callable[[Path], Any]) -> None:
    """The message says which format the file has and which one this program reads."""
    await (await SqliteLog.open(ledger)).close()
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(LogError, match=r"ledger\.db has format 2; this program reads format 1"):
        await open_log(ledger)


async def test_a_log_is_read_beside_its_writer(log: SqliteLog, rows_of: RowsOf) -> None:
    """A second program sees what is committed, as it is committed, and cannot write."""
    rows = rows_of(2)
    async with await SqliteLog.open_read_only(log.path) as reader:
        for row in rows:
            await log.append([row])
            assert (await reader.head(ALICE)) == head_of(row)
        with pytest.raises(OutcomeUnknown):
            await reader.append(rows_of(1, after=rows[-1]))
        await reader.reopen()
        with pytest.raises(OutcomeUnknown):
            await reader.append(rows_of(1, after=rows[-1]))
        assert await audited(reader) == rows


async def test_a_missing_log_is_not_made_by_reading(ledger: Path) -> None:
    """Reading only never creates a file; the message names the one that is missing."""
    with pytest.raises(LogError, match=r"there is no ledger at .*ledger\.db"):
        await SqliteLog.open_read_only(ledger)
    assert list(ledger.parent.iterdir()) == []


async def test_a_folder_is_no_log(ledger: Path) -> None:
    """What lies there under the right name, but is no file, is no ledger."""
    ledger.mkdir()
    with pytest.raises(LogError, match=r"there is no ledger at .*ledger\.db"):
        await SqliteLog.open_read_only(ledger)


def forbid_new_files_beside(path: Path) -> None:
    """What a folder without write permission does to SQLite, for root as well: no index can be made beside the file."""
    path.with_name(path.name + "-shm").symlink_to(path.parent / "nowhere" / "at all")


async def test_a_finished_copy_is_read_where_nothing_may_be_written(ledger: Path, rows_of: RowsOf) -> None:
    """A log that was closed is whole in its one file, so the folder need not be writable."""
    rows = rows_of(3)
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows)
    forbid_new_files_beside(ledger)
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:  # noqa: SIM117
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            connection.execute("SELECT * FROM records")
    async with await SqliteLog.open_read_only(ledger) as reader:
        assert await audited(reader) == rows


async def test_a_log_at_rest_is_read_without_a_trace(ledger: Path, rows_of: RowsOf) -> None:
    """Where nobody writes, reading makes no files, not even for a moment."""
    rows = rows_of(3)
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows)
    async with await SqliteLog.open_read_only(ledger, at_rest=True) as reader:
        assert await audited(reader) == rows
        assert list(ledger.parent.iterdir()) == [ledger]


async def test_an_unfinished_copy_is_not_read_as_if_it_were_whole(
    log: SqliteLog, rows_of: RowsOf, tmp_path: Path
) -> None:
    """Rows that are still in the WAL would be missing without a word; so the copy is refused, saying what to do."""
    await log.append(rows_of(3))
    copy = tmp_path / "copy" / "ledger.db"
    copy.parent.mkdir()
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copyfile(tmp_path / name, copy.parent / name)
    forbid_new_files_beside(copy)
    with pytest.raises(LogError, match=r"not complete without ledger\.db-wal: copy both"):
        await SqliteLog.open_read_only(copy)


async def test_a_busy_log_is_not_read_past_its_wal(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a folder that cannot be written to is a reason to ignore the WAL; a lock that is held is not."""

    async def busy(*_: object) -> None:
        raise failing(sqlite3.SQLITE_BUSY)

    monkeypatch.setattr(sqlite, "_check_identity", busy)
    with pytest.raises(sqlite3.OperationalError, match="5"):
        await SqliteLog.open_read_only(log.path)


async def test_a_path_may_hold_any_character(tmp_path: Path, rows_of: RowsOf) -> None:
    """Names that mean something in a URI are nothing but names."""
    path = tmp_path / "a?mode=memory&x#y %41 ü.db"
    async with await SqliteLog.open(path) as log:
        await log.append(rows_of(1))
        await log.reopen()
    assert path.exists()
    async with await SqliteLog.open_read_only(path) as log:
        assert (await log.head(ALICE)).position == 1


async def test_a_log_that_has_gone_is_not_replaced_by_an_empty_one(ledger: Path, rows_of: RowsOf) -> None:
    """Reopening where the disk is not mounted any more fails, until the file is back; then nothing is missing."""
    rows = rows_of(2)
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows[:1])
        hidden = ledger.parent / "unmounted"
        hidden.mkdir()
        files = [path for path in ledger.parent.iterdir() if path.is_file()]
        for path in files:
            path.rename(hidden / path.name)
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                await log.reopen()
        with pytest.raises(OutcomeUnknown):
            await log.append(rows[1:])
        assert list(ledger.parent.iterdir()) == [hidden]
        for path in list(hidden.iterdir()):
            path.rename(ledger.parent / path.name)
        await log.reopen()
        await log.append(rows[1:])
        assert await audited(log) == rows


async def test_a_file_that_lost_its_content_is_not_taken_for_a_new_log(ledger: Path, rows_of: RowsOf) -> None:
    """Reopening an empty file is an error, not a fresh start."""
    async with await SqliteLog.open(ledger) as log:
        await log.append(rows_of(1))
        await log._reader.close()
        assert log._writer is not None
        await log._writer.close()
        ledger.write_bytes(b"")
        with pytest.raises(LogError, match="is not a ledger"):
            await log.reopen()
        assert ledger.read_bytes() == b""


async def test_a_failed_opening_leaves_no_connection_behind(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the reading connection cannot be made, the writing one is closed, and the next opening succeeds."""

    async def fails(*_: object) -> None:
        raise failing(sqlite3.SQLITE_CANTOPEN)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_connect_reader", fails)
        with pytest.raises(sqlite3.OperationalError):
            await SqliteLog.open(ledger)
    assert list(ledger.parent.iterdir()) == [ledger]
    await (await SqliteLog.open(ledger)).close()


async def test_a_full_disk_leaves_nothing_behind(log: SqliteLog, rows_of: RowsOf) -> None:
    """NotWritten; reads go on, and once there is room the same rows are written without reopening."""
    rows = rows_of(ROWS_PER_INSERT * 2 + 1)
    await log.append(rows[:1])
    pages = await without_guard(log, "PRAGMA page_count")
    await without_guard(log, f"PRAGMA max_page_count = {pages}")
    for refused in (rows[1 : ROWS_PER_INSERT + 1], rows[1:]):
        with pytest.raises(NotWritten, match="full"):
            await log.append(refused)
        assert await audited(log) == rows[:1]
        assert log._writer is not None
        assert not log._writer.in_transaction
    await without_guard(log, "PRAGMA max_page_count = 1000000")
    await log.append(rows[1:])
    assert await audited(log) == rows


def failing(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(f"code {code}")
    error.sqlite_errorcode = code
    return error


IOERR_FSYNC = sqlite3.SQLITE_IOERR | 4 << 8
BUSY_SNAPSHOT = sqlite3.SQLITE_BUSY | 2 << 8


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, NotWritten),
        (sqlite3.SQLITE_BUSY, NotWritten),
        (BUSY_SNAPSHOT, NotWritten),
        (sqlite3.SQLITE_LOCKED, NotWritten),
        (sqlite3.SQLITE_READONLY, NotWritten),
        (sqlite3.SQLITE_NOMEM, NotWritten),
        (sqlite3.SQLITE_IOERR, OutcomeUnknown),
        (IOERR_FSYNC, OutcomeUnknown),
        (sqlite3.SQLITE_CORRUPT, OutcomeUnknown),
        (sqlite3.SQLITE_INTERRUPT, OutcomeUnknown),
        (0, OutcomeUnknown),
    ],
)
async def test_an_error_is_either_definite_or_unknown(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[LogError]
) -> None:
    """What certainly undid the statement may be tried again at once; anything else has to be looked into first."""

    async def execute(*_: object) -> None:
        raise failing(code)

    monkeypatch.setattr(log._writer, "execute", execute)
    with pytest.raises(expected):
        await log.append(rows_of(1))


async def test_another_writer_s_lock_is_waited_for_and_then_told(log: SqliteLog, rows_of: RowsOf) -> None:
    """A lock held by another program for too long is NotWritten; the rows go in once it lets go."""
    rows = rows_of(1)
    assert log._writer is not None
    await without_guard(log, "PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotWritten, match="locked"):
            await log.append(rows)
        other.execute("ROLLBACK")
    await log.append(rows)
    assert await audited(log) == rows


async def test_a_failure_between_the_parts_of_an_append_undoes_them(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is rolled back whole and closed, wherever it was interrupted."""
    rows = rows_of(ROWS_PER_INSERT + 1)
    assert log._writer is not None
    execute, calls = log._writer.execute, 0

    async def third_fails(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise failing(sqlite3.SQLITE_IOERR)
        await execute(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(log._writer, "execute", third_fails)
        with pytest.raises(OutcomeUnknown):
            await log.append(rows)
    assert not log._writer.in_transaction
    await log.reopen()
    assert await audited(log) == []
    await log.append(rows)
    assert await audited(log) == rows


async def test_reopening_settles_the_wal_into_the_file(log: SqliteLog, rows_of: RowsOf) -> None:
    """After a reopen every row lies in the file itself, not only in pages that a failed sync may have lost."""
    rows = rows_of(20)
    await log.append(rows)
    await log.reopen()
    with closing(sqlite3.connect(f"{log.path.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (20,)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "second INSERT", "COMMIT"])
async def test_a_cancelled_append_in_parts_leaves_no_transaction_open(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The statement that is under way comes to its end on its thread, and behind it the transaction to its own."""
    assert log._writer is not None
    execute = log._writer.execute
    left = ["BEGIN", "INSERT", "second INSERT", "COMMIT"].index(statement)

    async def execute_and_be_cancelled(*arguments: Any) -> None:
        nonlocal left
        if left == 0:
            asyncio.get_running_loop().call_soon(task.cancel)
        left -= 1
        await execute(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(log._writer, "execute", execute_and_be_cancelled)
        task = asyncio.ensure_future(log.append(rows_of(ROWS_PER_INSERT + 1)))
        with pytest.raises(asyncio.CancelledError):
            await task
    await execute("SELECT 1")  # behind all that is under way
    assert not log._writer.in_transaction
    assert len(await audited(log)) in (0, ROWS_PER_INSERT + 1)


async def test_the_wal_is_copied_before_it_grows_long(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is written, the WAL starts over; SQLite itself would not say if that failed."""
    monkeypatch.setattr(sqlite, "PAGES_PER_CHECKPOINT", 100)
    assert await without_guard(log, "PRAGMA wal_autocheckpoint") == 0
    for row in rows_of(400):
        await log.append([row])
    assert log.path.with_name("ledger.db-wal").stat().st_size < 200 * 4096
    assert len(await audited(log)) == 400


@pytest.mark.parametrize(("code", "told"), [(IOERR_FSYNC, True), (sqlite3.SQLITE_FULL, False)])
async def test_only_a_copy_of_the_wal_that_was_perhaps_lost_is_told(
    log: SqliteLog, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch, code: int, told: bool
) -> None:
    """After a sync that failed nothing is acknowledged before a reopen. On a full disk the WAL waits for room."""
    rows = rows_of(2)

    async def fails(*_: object) -> None:
        raise failing(code)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "PAGES_PER_CHECKPOINT", 1)
        patch.setattr(log._writer, "execute_fetchall", fails)
        if told:
            with pytest.raises(OutcomeUnknown):
                await log.append(rows[:1])
            await log.reopen()
        else:
            await log.append(rows[:1])
    await log.append(rows[1:])
    assert await audited(log) == rows


async def test_reads_wait_while_the_log_is_reopened(log: SqliteLog, rows_of: RowsOf) -> None:
    """No read fails, whenever it comes."""
    rows = rows_of(5)
    await log.append(rows)
    reopened = asyncio.create_task(log.reopen())
    reads = []
    while not reopened.done():
        reads.append(asyncio.create_task(log.read(ALICE)))
        await asyncio.sleep(0)
    assert await asyncio.gather(*reads) == [rows] * len(reads)
    await reopened


async def test_a_log_that_another_program_reads_is_not_settled(log: SqliteLog, rows_of: RowsOf) -> None:
    """What was copied can only be copied again when nobody else has the file open. Until then it is only read."""
    rows = rows_of(2)
    await log.append(rows[:1])
    async with await SqliteLog.open_read_only(log.path) as other:
        assert len(await audited(other)) == 1
        with pytest.raises(sqlite3.OperationalError, match=r"locked|another program"):
            await log.reopen()
        with pytest.raises(OutcomeUnknown):
            await log.append(rows[1:])
        assert await audited(log) == rows[:1]
    await log.reopen()
    await log.append(rows[1:])
    assert await audited(log) == rows


async def test_a_cancelled_append_leaves_no_transaction_open(log: SqliteLog, rows_of: RowsOf) -> None:
    """An append is one statement: cancelled at any step, it is whole or absent, and the next one is not kept out."""
    head = EMPTY
    for steps in range(6):
        task = asyncio.ensure_future(log.append(rows_of([f"cancelled-{steps}"], after=head)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await log.reopen()
        head = await log.head(ALICE)
        assert log._writer is not None
        assert not log._writer.in_transaction
        [row] = rows_of([f"next-{steps}"], after=head)
        await log.append([row])
        head = head_of(row)
    await audited(log)
