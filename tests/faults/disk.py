"""A disk that remembers what was asked of it, and what of that a power cut may leave.

SQLite runs on it through a VFS. `sqlite3.connect` is replaced for one file, so that the eventstore's own code runs,
every statement of it, and not a copy. (apsw brings its own SQLite; the images are read with Python's.)

What the record says of a file is what POSIX promises, no more: bytes are on disk once a sync of the file has returned,
names once their folder was synced. Until then a write may be there, not there, or there in some of its sectors, and a
sync that failed gives up what it was for: Linux takes those pages for clean, and never writes them again.
"""

import errno
import itertools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import apsw
import msgspec

SECTOR = 512
PAGE = 4096
# Whoever opens such a file of SQLite's syncs its folder too, with the first sync of the file (os_unix.c, DIRSYNC).
_SYNCED_WITH_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL

_numbers = itertools.count()
_connect = sqlite3.connect


class Step(msgspec.Struct, frozen=True, gc=False):
    """Something that happened to the disk: `file` is a number that a name got when its file was created.

    `acknowledged` steps are put in by the trial: from here on, `at` batches must be there whatever happens.
    """

    kind: str  # created, written, write failed, truncated, synced, sync failed, folder synced, deleted, acknowledged
    file: int = 0
    at: int = 0
    data: bytes = b""
    name: str = ""


class Disk:
    """A folder whose `ledger.db`, with its WAL and journal, goes through the record.

    `fails` is asked before each write and sync, with "write" or "sync" and the file's name; what it returns is the
    code of SQLite's that the step fails with, 0 for none.
    """

    def __init__(self, folder: Path, fails: Callable[[str, str], int] = lambda kind, name: 0) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self.fails = fails
        self._files: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._vfs = _Vfs(self)

    def acknowledge(self, batches: int) -> None:
        """From here on so many batches must be there."""
        self.note(Step("acknowledged", at=batches))

    def note(self, step: Step) -> None:
        """Put a step at the end of the record."""
        with self._lock:
            self.steps.append(step)

    def number_of(self, name: str) -> tuple[int, bool]:
        """The number of the file that now has this name, and whether it is a new one."""
        known = name in self._files
        if not known:
            self._files[name] = next(self._numbers)
        return self._files[name], not known

    def forget(self, name: str) -> int:
        """The file that had this name is deleted; the next one will be another. Its number."""
        return self._files.pop(name)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Meanwhile `sqlite3.connect` opens the ledger through the record, and `os.fsync` in its folder is noted."""
        try:
            with patch.object(sqlite3, "connect", self._connect), patch.object(os, "fsync", self._fsync):
                yield
        finally:
            self._vfs.unregister()

    def _fsync(self, descriptor: int) -> None:
        """What the eventstore does without SQLite: it writes a file over with what it holds, or syncs the folder."""
        there = os.fstat(descriptor)
        if os.path.samestat(there, self.folder.stat()):
            self.note(Step("folder synced"))
        for name, number in tuple(self._files.items()):
            path = self.folder / name
            if path.exists() and os.path.samestat(there, path.stat()):
                content = path.read_bytes()
                for at in range(0, len(content), PAGE):
                    self.note(Step("written", number, at, content[at : at + PAGE]))
                if self.fails("sync", name):
                    self.note(Step("sync failed", number, name=name))
                    raise OSError(errno.EIO, "a sync failed")
                self.note(Step("synced", number))

    def _connect(self, database: Any, **options: Any) -> Any:
        if "/ledger.db" not in str(database):
            return _connect(database, **options)
        try:
            return Connection(database, self._vfs.name)
        except apsw.Error as error:
            raise _as_sqlite3(error) from error


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = weakref.proxy(disk)  # apsw keeps what was registered
        self.name = f"recorded-{next(_numbers)}"
        super().__init__(self.name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:  # a temporary file of SQLite's own
            return apsw.VFSFile("unix", name, flags)
        there = os.path.exists(path)
        return _File(self.disk, os.path.basename(path), name, flags, new=not there)

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(path, False)
        self.disk.note(Step("deleted", self.disk.forget(os.path.basename(path)), name=os.path.basename(path)))
        if sync_folder:
            self.disk.note(Step("folder synced"))


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, short_name: str, name: Any, flags: list[int], new: bool) -> None:
        super().__init__("unix", name, flags)
        self.disk = disk
        self.short_name = short_name
        self.number, unseen = disk.number_of(short_name)
        if new and unseen:
            disk.note(Step("created", self.number, name=short_name))
        self._syncs_folder = bool(flags[0] & _SYNCED_WITH_FOLDER) and bool(flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._may_fail("write")
        super().xWrite(data, offset)
        self.disk.note(Step("written", self.number, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self.disk.note(Step("truncated", self.number, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        # The real file is not synced: this machine keeps its power.
        self._may_fail("sync")
        self.disk.note(Step("synced", self.number))
        if self._syncs_folder:
            self._syncs_folder = False
            self.disk.note(Step("folder synced"))

    def _may_fail(self, kind: str) -> None:
        if code := self.disk.fails(kind, self.short_name):
            self.disk.note(Step(f"{kind} failed", self.number, name=self.short_name))
            raise apsw.exception_for(code)


class Connection:
    """Makes a connection of apsw look like one of `sqlite3`, as far as aiosqlite and the eventstore use it."""

    def __init__(self, uri: str, vfs: str) -> None:
        flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._connection = apsw.Connection(uri, flags=flags, vfs=vfs, statementcachesize=1024)

    @property
    def in_transaction(self) -> bool:
        """See sqlite3.Connection.in_transaction."""
        return self._connection.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "Cursor":
        """See sqlite3.Connection.execute. The rows are there at once."""
        try:
            return Cursor(self._connection.execute(sql, tuple(values)).fetchall())
        except apsw.Error as error:
            raise _as_sqlite3(error) from error

    def executescript(self, sql: str) -> "Cursor":
        """See sqlite3.Connection.executescript."""
        return self.execute(sql)

    def set_authorizer(self, authorize: Callable[..., int] | None) -> None:
        """See sqlite3.Connection.set_authorizer."""
        self._connection.authorizer = authorize

    def close(self) -> None:
        """See sqlite3.Connection.close."""
        with suppress(apsw.IOError):  # the last one to close tries to tidy up; SQLite lets it be when that fails
            self._connection.close()


class Cursor:
    """What `execute` found."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        """See sqlite3.Cursor.fetchall."""
        return self._rows

    def close(self) -> None:
        """See sqlite3.Cursor.close."""


def _as_sqlite3(error: apsw.Error) -> sqlite3.Error:
    """The error that Python's `sqlite3` raises for the same code (see Modules/_sqlite/util.c)."""
    code: int = getattr(error, "extendedresult", 0)
    kind = {
        apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
        apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
        apsw.SQLITE_AUTH: sqlite3.DatabaseError,
        apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    }.get(code & 0xFF, sqlite3.OperationalError)
    told = kind(str(error))
    told.sqlite_errorcode = code
    return told


class PowerCut:
    """The power fails behind these steps. What is on disk for certain is told apart from what is a matter of chance."""

    def __init__(self, steps: Iterable[Step], chance: Random) -> None:
        self._chance = chance
        # How likely it is, in this image, that a write that was not synced is on disk, or in some sectors only.
        self._kept, self._torn = chance.choice(((0.0, 0.0), (1 / 3, 1 / 3), (0.9, 0.05), (0.1, 0.2), (0.5, 0.0)))
        self._contents: dict[int, bytearray] = {}
        self._names: dict[str, int] = {}
        self._unsynced_names: list[Step] = []
        self.unsynced: dict[int, list[Step]] = {}
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        match step.kind:
            case "created":
                self._contents[step.file], self.unsynced[step.file] = bytearray(), []
                self._unsynced_names.append(step)
            case "deleted":
                self._unsynced_names.append(step)
            case "written" | "truncated":
                self.unsynced[step.file].append(step)
            case "synced":
                for waiting in self.unsynced[step.file]:
                    _do(self._contents[step.file], waiting)
                self.unsynced[step.file].clear()
            case "sync failed":
                self._leave_to_chance(step.file)
                self.unsynced[step.file].clear()
            case "folder synced":
                self._name(self._unsynced_names)
                self._unsynced_names.clear()

    def image(self) -> Mapping[str, bytes]:
        """The files that are left, by name. For once only: it settles what was a matter of chance."""
        for file in self.unsynced:
            self._leave_to_chance(file)
        self._name(self._unsynced_names[: self._chance.randint(0, len(self._unsynced_names))])  # their order is kept
        return {name: bytes(self._contents[file]) for name, file in self._names.items()}

    def _leave_to_chance(self, file: int) -> None:
        for step in self.unsynced[file]:
            lot = self._chance.random()
            if lot < self._kept:
                _do(self._contents[file], step)
            elif lot < self._kept + self._torn and step.kind == "written":
                self._tear(self._contents[file], step)

    def _tear(self, content: bytearray, step: Step) -> None:
        end = step.at + len(step.data)
        for sector in range(step.at - step.at % SECTOR, end, SECTOR):
            if self._chance.random() < 0.5:
                first, last = max(step.at, sector), min(end, sector + SECTOR)
                _write(content, first, step.data[first - step.at : last - step.at])

    def _name(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.kind == "created":
                self._names[step.name] = step.file
            elif self._names.get(step.name) == step.file:
                del self._names[step.name]


def _do(content: bytearray, step: Step) -> None:
    if step.kind == "written":
        _write(content, step.at, step.data)
    elif step.at < len(content):
        del content[step.at :]
    else:
        content.extend(bytes(step.at - len(content)))


def _write(content: bytearray, at: int, data: bytes) -> None:
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data
