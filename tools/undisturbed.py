"""Reading SQLite files without leaving a trace, whether somebody writes to them or not.

A read-only connection to a file in WAL mode puts a WAL and an index beside it, and cannot take them away again.
A file whose WAL is empty is therefore read as it lies there, which is right as long as nobody writes; if
somebody did meanwhile, it is read once more.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from eventstore.sqlite import incomplete, is_incomplete
from tools.failure import Failure

T = TypeVar("T")

Trace = tuple[tuple[int, int] | None, ...]  # size and time of the file and of its WAL, None where there is none

ATTEMPTS_AT_REST = 2


def read_undisturbed(paths: Sequence[Path], read: Callable[[Mapping[Path, bool]], T]) -> T:
    """What `read` answers; it is told which files are at rest. It may be called again: only its answer counts."""
    for _ in range(ATTEMPTS_AT_REST):
        before = {path: _trace(path) for path in paths}
        at_rest = {path: not (trace[1] and trace[1][0]) for path, trace in before.items()}
        resting = [path for path in paths if at_rest[path]]
        try:
            answer = read(at_rest)
        except Exception:
            if all(_trace(path) == before[path] for path in resting):
                raise
        else:
            if all(_trace(path) == before[path] for path in resting):
                return answer
    return read(dict.fromkeys(paths, False))


def connect(path: Path, *, at_rest: bool) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error; Failure for a file whose WAL nobody can read there."""
    options = "immutable=1" if at_rest else "mode=ro"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None)
    try:
        connection.executescript(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;"
            "PRAGMA cell_size_check = ON; PRAGMA user_version;"  # the last one reads the file
        )
    except BaseException as error:
        connection.close()
        if not at_rest and isinstance(error, sqlite3.OperationalError) and is_incomplete(path, error):
            raise Failure(incomplete(path)) from error
        raise
    return connection


def _trace(path: Path) -> Trace:
    return tuple(_size_and_time(file) for file in (path, path.with_name(path.name + "-wal")))


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
