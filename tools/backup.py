"""`iam-ledger backup DEST`: what is precious in a data folder, copied while the service runs, and checked.

The ledger is copied page by page in one read transaction, so that the copy is of one moment. Without that, SQLite would
begin anew at each write. The service never waits for it, but its WAL grows until the copy is done. The secrets are
copied as they were at the same moment, so that each that the copy names is in it. Keys never change. When they were
last used is copied last, as far as it can be read: nothing depends on it.
"""

import argparse
import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eventstore.log import all_heads
from eventstore.record import Head
from eventstore.secrets import SecretsError, SecretsReader, write_sealed
from eventstore.uses import UsesError, read_uses, write_uses
from iam.state import World
from iam.uses import Use
from tools.auditing import Report, audit
from tools.data import KEY_BYTES, DataFolder, catalogue, open_log, sync_folder
from tools.failure import Failure
from tools.opening import opening
from tools.progress import Progress
from tools.undisturbed import connect, read_undisturbed

PAGES_PER_STEP = 1024
BYTES_PER_SYNC = 16 * 1024 * 1024  # much more at once would hold up the service's own syncs
MEGABYTE = 1_000_000


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied. All that the service had answered for by `began_at` is in it."""

    folder: str
    began_at: datetime
    ledgers: int
    records: int
    secrets: int | None  # how many there are and open; None where there is no file of them, or no key
    uses: int | None  # of how many access keys it is known when they were last used; None where no file can be read
    bytes: int
    seconds: float


def run(options: argparse.Namespace) -> int:
    """Copy and check, and say what came of it. Until all is done, there is nothing under the final name."""
    folder = DataFolder(options.data)
    folder.must_exist()
    destination = _destination(options.destination, folder)
    try:
        made = _make(folder, destination)
    except (OSError, sqlite3.Error, SecretsError) as error:
        raise Failure(f"cannot copy {folder.folder} to {destination}: {_told(error)}") from error
    print(_json(made) if options.json else _text(made))
    return 0


def _make(folder: DataFolder, destination: Path) -> Backup:
    began, began_at = time.perf_counter(), datetime.now(UTC)
    with _unfinished(destination) as unfinished:
        copy = DataFolder(unfinished)
        copy.create()
        heads = read_undisturbed([folder.ledger, folder.secrets], lambda at_rest: _copy_files(folder, copy, at_rest))
        uses = _copy_uses(folder, copy)
        copied = [path for path in (copy.ledger, copy.secrets, copy.uses) if path.exists()]
        for key, target in zip(folder.keys, copy.keys, strict=True):
            if key.exists():  # the environment may have it instead, or the folder was made of a ledger alone
                _copy_key(key, target)
                copied.append(target)
        report = _check(copy, heads)
        size = sum(path.stat().st_size for path in copied)
        for inner in (*(path.parent for path in copy.keys), copy.folder):
            sync_folder(inner)
        os.rename(unfinished, destination)
        sync_folder(destination.parent)
    return Backup(
        folder=str(destination),
        began_at=began_at,
        ledgers=report.ledgers,
        records=report.records,
        secrets=report.secrets.opened if report.secrets.state == "opened" else None,
        uses=uses,
        bytes=size,
        seconds=time.perf_counter() - began,
    )


def _destination(given: Path, folder: DataFolder) -> Path:
    """Where the backup will be. Raises Failure, before any work is done, where it cannot be."""
    destination = given.resolve()
    if destination == folder.folder.resolve() or folder.folder.resolve() in destination.parents:
        raise Failure(f"{given} is in the data folder; a backup belongs elsewhere, best on another disk")
    if not destination.parent.is_dir():
        raise Failure(f"there is no folder {destination.parent} to put the backup into")
    if not destination.exists():
        return destination
    if not destination.is_dir() or any(destination.iterdir()):
        raise Failure(f"{given} exists and is not an empty folder; a backup overwrites nothing")
    if destination.is_mount():
        raise Failure(f"{given} is where a file system is mounted; give the name of a new folder in it")
    return destination


@contextmanager
def _unfinished(destination: Path) -> Iterator[Path]:
    """A folder beside the destination, on the same file system, which is gone in the end if it was not renamed."""
    os.umask(0o077)  # what lies here tells who may do what: nobody else reads it
    unfinished = Path(tempfile.mkdtemp(".unfinished", f".{destination.name}.", destination.parent))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_files(folder: DataFolder, copy: DataFolder, at_rest: Mapping[Path, bool]) -> Mapping[str, Head]:
    """Copy ledger and secrets as they are at one moment. Returns the heads of the ledgers as they were shortly before.

    May be called again, and then begins anew.
    """
    copy.ledger.unlink(missing_ok=True)
    copy.secrets.unlink(missing_ok=True)
    heads = asyncio.run(_heads(folder.ledger, at_rest[folder.ledger]))
    with closing(connect(folder.ledger, at_rest=at_rest[folder.ledger])) as ledger:

        def begin() -> None:
            ledger.rollback()
            ledger.execute("BEGIN")
            ledger.execute("SELECT 1 FROM records LIMIT 1").fetchall()  # and so the transaction reads, at its moment

        if folder.secrets.exists():
            with closing(connect(folder.secrets, at_rest=at_rest[folder.secrets])) as secrets:
                reader = SecretsReader(secrets)
                with reader.at_the_moment_of(begin):
                    _must_fit(_bytes(ledger) + _bytes(secrets), copy.folder)
                    write_sealed(copy.secrets, reader.all())
        else:  # a folder from before there were any
            begin()
            _must_fit(_bytes(ledger), copy.folder)
        _copy_ledger(ledger, copy.ledger)
    return heads


def _copy_ledger(source: sqlite3.Connection, copy: Path) -> None:
    """Copy the ledger, of which a transaction reads already, page by page."""
    [(page_bytes,)] = source.execute("PRAGMA page_size")
    with closing(sqlite3.connect(copy, isolation_level=None)) as target, open(copy, "rb+") as file:
        target.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")  # what fails is thrown away
        steps_per_sync = max(1, BYTES_PER_SYNC // (PAGES_PER_STEP * page_bytes))
        with Progress(_bytes(source) // MEGABYTE, "MB") as progress:

            def stepped(status: int, remaining: int, total: int) -> None:
                if (total - remaining) // PAGES_PER_STEP % steps_per_sync == 0:
                    os.fdatasync(file.fileno())
                progress((total - remaining) * page_bytes // MEGABYTE)

            source.backup(target, pages=PAGES_PER_STEP, progress=stepped)
        os.fsync(file.fileno())


def _copy_uses(folder: DataFolder, copy: DataFolder) -> int | None:
    """Copy when keys were last used, and return of how many that is known. A file that is damaged is told and left."""
    if not folder.uses.exists():
        return None

    def read(at_rest: Mapping[Path, bool]) -> dict[str, Use]:
        with closing(connect(folder.uses, at_rest=at_rest[folder.uses])) as connection:
            return read_uses(connection, Use)

    try:
        uses = read_undisturbed([folder.uses], read)
    except (sqlite3.Error, UsesError) as error:
        print(f"iam-ledger backup: {folder.uses} is left out: {error}", file=sys.stderr)
        return None
    write_uses(copy.uses, uses)
    return len(uses)


async def _heads(ledger: Path, at_rest: bool) -> dict[str, Head]:
    log = await open_log(ledger, read_only=True, at_rest=at_rest)
    try:
        return {account: head async for account, head in all_heads(log)}
    finally:
        await log.close()


def _bytes(connection: sqlite3.Connection) -> int:
    """How large the file is, with what its WAL adds."""
    [(size,)] = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(size)


def _must_fit(size: int, folder: Path) -> None:
    """The service may write to the same disk: better no backup than a disk that is full."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise Failure(f"ledger and secrets have {size:,} bytes, and only {free:,} are free in {folder.parent}")


def _copy_key(source: Path, target: Path) -> None:
    key = source.read_bytes()
    if len(key) != KEY_BYTES:
        raise Failure(f"{source} is damaged: it does not have {KEY_BYTES} bytes")
    with open(target, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


def _check(copy: DataFolder, heads: Mapping[str, Head]) -> Report:
    """Audit the copy as `verify` does, and look for the heads in it.

    Raises Failure where the copy is not sound: then the data folder is not, or the disk that the copy is on.
    """
    at_rest = dict.fromkeys((copy.ledger, copy.projections), True)
    with opening(copy, at_rest=True) as secrets:
        report = audit(copy.ledger, copy.projections, at_rest, World(catalogue()), secrets)
    for problem in (*report.broken, *report.secrets.losses):
        raise Failure(f"the copy is not sound, `iam-ledger verify` says whether the original is: {problem}")
    with closing(connect(copy.ledger, at_rest=True)) as connection:
        for account, head in heads.items():
            found = connection.execute(
                "SELECT lower(hex(hash)) FROM records WHERE account = ? AND position = ?", (account, head.position)
            ).fetchall()
            if found != [(head.hash,)]:
                raise Failure(f"the copy lacks record {head.position} of ledger {account}, which was there before")
    return report


def _told(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    place = "" if error.filename is None else f": {error.filename}"
    return f"{error.strerror or error}{place}"


def _json(made: Backup) -> str:
    return msgspec.json.encode(made).decode()


def _text(made: Backup) -> str:
    ledgers = f"{made.ledgers:,} ledger{'s' if made.ledgers != 1 else ''}"
    records = f"{made.records:,} record{'s' if made.records != 1 else ''}"
    rate = made.records / (made.seconds or 1)
    opened = "the secrets were not opened" if made.secrets is None else "every secret opened"
    return (
        f"{ledgers}, {records} in {made.seconds:.2f} s ({rate:,.0f} records/s)\n"
        f"{made.bytes:,} bytes in {made.folder}, every hash recomputed, {opened}\n"
        f"It holds all that was answered before {made.began_at.isoformat(timespec='seconds').replace('+00:00', 'Z')}."
    )
