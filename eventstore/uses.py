"""The last use of each thing, in `uses.db`. It is a convenience and no promise: nothing is decided by it.

So a use costs a request no more than a place in a dictionary. What is new is written a few seconds later, in one
transaction, and at the stop; a process that is killed loses that. Nothing that is wrong with the file is ever raised
to whoever uses a thing, nor does it hinder start or stop: the log tells of it.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

logger = logging.getLogger(__name__)

APPLICATION_ID: Final = 0x49414D55  # "IAMU"
SCHEMA_VERSION: Final = 1
SAVE_SECONDS: Final = 5.0  # from the first use that is not saved yet

_PRAGMAS: Final = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA trusted_schema = OFF;
"""
_SCHEMA: Final = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE uses (
        id  TEXT NOT NULL PRIMARY KEY,
        use TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {SCHEMA_VERSION};
    COMMIT;
"""

U = TypeVar("U")


class UsesError(Exception):
    """The file is damaged, or holds something else; the message says what."""


class Uses(Generic[U]):
    """The last use of each thing, by its id. `kind` is the struct that a use is; the file has it as JSON.

    Used on the event loop only. Close it at the end.
    """

    def __init__(self, path: Path | None, kind: type[U]) -> None:
        """Open the file, made if it is not there; None is memory. The caller alone has it open.

        A file that is damaged, or holds something else, is made anew. Where there can be none, uses are kept in memory.
        """
        self._connection, self.latest = _open(path, kind)
        self._unsaved: dict[str, U] = {}
        self._saving: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._failing = False

    def note(self, id_: str, use: U) -> None:
        """Have this for the last use of a thing."""
        self.latest[id_] = self._unsaved[id_] = use
        if self._saving is None:
            self._saving = asyncio.create_task(self._save_in_a_while(), name="uses")

    async def _save_in_a_while(self) -> None:
        """Again and again, until all is saved or the file is to be closed."""
        while self._unsaved:
            with suppress(TimeoutError):
                async with asyncio.timeout(SAVE_SECONDS):
                    await self._closing.wait()
            await self._save()
            if self._closing.is_set():
                break
        self._saving = None

    async def _save(self) -> None:
        """Write what is new. What cannot be written is kept for the next time; only the first time is told."""
        uses, self._unsaved = self._unsaved, {}
        try:
            await asyncio.to_thread(_save, self._connection, uses)
        except sqlite3.Error as error:
            self._unsaved = uses | self._unsaved
            if not self._failing:
                logger.warning("uses.db cannot be written: %s", error)
            self._failing = True
        else:
            self._failing = False

    async def close(self) -> None:
        """Write what is new, and close the file. What cannot be written now is lost."""
        self._closing.set()
        if self._saving is not None:
            await self._saving
        self._connection.close()


def read_uses(connection: sqlite3.Connection, kind: type[U]) -> dict[str, U]:
    """All that a file holds, by id.

    Raises UsesError where it is damaged or holds something else, sqlite3.OperationalError where it may be well.
    """
    connection.text_factory = _text
    with _damage_told():
        if _identity(connection) != (APPLICATION_ID, SCHEMA_VERSION):
            raise UsesError("it is no file of uses that this program reads")
        rows = msgspec.convert(connection.execute("SELECT id, use FROM uses").fetchall(), list[tuple[str, str]])
        return {id_: msgspec.json.decode(use, type=kind) for id_, use in rows}


def write_uses(path: Path, uses: Mapping[str, Any]) -> None:
    """Make a file of these; durable on return. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        _save(connection, uses)


def _save(connection: sqlite3.Connection, uses: Mapping[str, Any]) -> None:
    """All in one transaction, as it is one statement."""
    saved = msgspec.json.encode(uses).decode()
    connection.execute("INSERT OR REPLACE INTO uses SELECT key, value FROM json_each(?)", [saved])


def _open(path: Path | None, kind: type[U]) -> tuple[sqlite3.Connection, dict[str, U]]:
    if path is not None:
        try:
            return _opened_or_remade(path, kind)
        except (OSError, sqlite3.Error, UsesError) as error:
            logger.warning("%s cannot be used, so that uses are forgotten at the end: %s", path, error)
    return _opened(":memory:", kind)


def _opened_or_remade(path: Path, kind: type[U]) -> tuple[sqlite3.Connection, dict[str, U]]:
    try:
        return _opened(str(path), kind)
    except UsesError as error:
        logger.warning("%s is made anew, and what was used before is forgotten: %s", path, error)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _opened(str(path), kind)


def _opened(target: str, kind: type[U]) -> tuple[sqlite3.Connection, dict[str, U]]:
    """The file, and all that it holds. Raises what `read_uses` does."""
    connection = sqlite3.connect(target, isolation_level=None, check_same_thread=False)
    try:
        with _damage_told():
            blank = _identity(connection) == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
            connection.executescript(_PRAGMAS + _SCHEMA if blank else _PRAGMAS)
        return connection, read_uses(connection, kind)
    except BaseException:
        connection.close()
        raise


def _identity(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """Application and version, as the file tells them; 0 and 0 where it does not."""
    [identity] = connection.execute("SELECT * FROM pragma_application_id, pragma_user_version")
    return tuple(identity)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Damage shows in many ways, and is raised as UsesError. Other errors pass: the disk or the folder is at fault."""
    try:
        yield
    except (sqlite3.Error, msgspec.MsgspecError, UnicodeError, MemoryError, RecursionError) as error:
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise UsesError(str(error)) from error


def _text(stored: bytes) -> str:
    """Text that damage may have made none: to sqlite3 that would be the same error as a disk that fails."""
    return stored.decode(errors="replace")
