"""`iam-ledger rebuild`: the projections made anew from the ledger, beside the old ones, which stay until then."""

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from eventstore.log import LogError, size
from projections.loading import rebuild
from projections.store import Projections
from tools.data import DataFolder, open_log
from tools.failure import Failure
from tools.progress import Progress
from tools.undisturbed import read_undisturbed


def run(options: argparse.Namespace) -> int:
    """Make the tables of `projections.db` anew, and swap them in. Ctrl-C leaves what was there."""
    folder = DataFolder(options.data)
    folder.must_exist()
    with folder.lock():
        began = time.perf_counter()

        def build(at_rest: Mapping[Path, bool]) -> int:
            return asyncio.run(_build(folder, at_rest[folder.ledger]))

        try:
            records = read_undisturbed([folder.ledger], build)
        except (sqlite3.Error, OSError) as error:
            raise Failure(f"cannot write {folder.projections}: {error}") from error
    seconds = time.perf_counter() - began
    print(f"{records:,} records in {seconds:.2f} s ({records / seconds:,.0f} records/s)")
    return 0


async def _build(folder: DataFolder, at_rest: bool) -> int:
    log = await open_log(folder.ledger, read_only=True, at_rest=at_rest)
    try:
        projections = Projections(folder.projections)
        try:
            with Progress(await size(log)) as progress:
                try:
                    return await rebuild(log, projections, progress)
                except (sqlite3.OperationalError, LogError):
                    raise  # the disk, the folder, or the ledger
                except sqlite3.DatabaseError:
                    projections.remake()  # the old file is damaged: nobody misses it
                    return await rebuild(log, projections, progress)
        finally:
            await projections.close()
    except (LogError, msgspec.MsgspecError, LookupError) as error:
        raise Failure(f"{folder.ledger} is damaged, see `iam-ledger verify`: {error}") from error
    finally:
        await log.close()
