"""`iam-ledger rebuild`: the projections made anew from the ledger, beside the old ones, which stay until then."""

import argparse
import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from eventstore.log import LogError
from projections.projector import Projector
from projections.store import Projections
from tools.data import DataFolder, open_log
from tools.failure import Failure
from tools.undisturbed import read_undisturbed

RECORDS_PER_BATCH = 8192  # a new file is written faster in large transactions, and nobody reads it meanwhile
SECONDS_BETWEEN_SIGNS = 0.2


def run(options: argparse.Namespace) -> int:
    """Build `projections.db.new` and put it in the place of the old file. Ctrl-C leaves everything as it was."""
    folder = DataFolder(options.data)
    folder.must_exist()
    new = folder.projections.with_name(folder.projections.name + ".new")
    with folder.lock():
        began = time.perf_counter()
        try:
            _remove(new)

            def build(at_rest: Mapping[Path, bool]) -> int:
                return asyncio.run(_build(folder, new, at_rest[folder.ledger]))

            records = read_undisturbed([folder.ledger], build)
            _replace(folder.projections, new)
        except (sqlite3.Error, OSError) as error:
            raise Failure(f"cannot write {new}: {error}") from error
        finally:
            _remove(new)
    seconds = time.perf_counter() - began
    print(f"{records:,} records in {seconds:.2f} s ({records / seconds:,.0f} records/s)")
    return 0


async def _build(folder: DataFolder, new: Path, at_rest: bool) -> int:
    """Project every ledger into a new file, and answer how many records that were."""
    log = await open_log(folder.ledger, read_only=True, at_rest=at_rest)
    try:
        projections = Projections(new)
        try:
            projector = Projector(log, projections, RECORDS_PER_BATCH)
            records = await projector.reconcile()
            progress = _Progress(records)
            await projector.catch_up(progress)
            progress.end()
            return records
        finally:
            await projections.close()
    except (LogError, msgspec.MsgspecError, LookupError) as error:
        raise Failure(f"{folder.ledger} is damaged, see `iam-ledger verify`: {error}") from error
    finally:
        await log.close()


def _replace(old: Path, new: Path) -> None:
    """Let the new file be the projections. A WAL of the old one must not meet the new one, which it would spoil."""
    try:
        _settle(old)
    except sqlite3.Error:
        old.unlink(missing_ok=True)  # it is damaged: nobody misses it, and without its WAL it would be worse
    for suffix in ("-wal", "-shm"):
        old.with_name(old.name + suffix).unlink(missing_ok=True)
    os.replace(new, old)
    folder = os.open(old.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _settle(path: Path) -> None:
    """Write what the WAL holds into the file itself."""
    if not path.exists():
        return
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class _Progress:
    """Says on a terminal how far it is, how fast it goes and when it ends."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._began = self._said = time.perf_counter()
        self._shown = False

    def __call__(self, remaining: int) -> None:
        now = time.perf_counter()
        if not sys.stderr.isatty() or now - self._said < SECONDS_BETWEEN_SIGNS:
            return
        self._said = now
        self._shown = True
        done = self._records - remaining
        rate = done / (now - self._began)
        left = f"{remaining / rate:,.0f} s left" if rate else ""
        print(
            f"\r{done:,} of {self._records:,} records, {rate:,.0f}/s, {left}\033[K", end="", file=sys.stderr, flush=True
        )

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
