"""Projecting whole ledgers at once: in large batches, one ledger after the other, reading ahead of the writing."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from eventstore.log import Log, all_heads, read_ahead
from eventstore.record import Head, leaf_hash
from projections.records import UnknownEvent, read_record
from projections.store import Projections
from projections.tables import BESIDE, Batch, Checkpoint

logger = logging.getLogger(__name__)

RECORDS_PER_BATCH = 10_000
TURN_SECONDS = 0.0005


async def rebuild(log: Log, projections: Projections, progress: Callable[[int], None] = lambda done: None) -> int:
    """Make the projections anew beside what is there, and put them in its place once they are complete.

    Whoever reads the file goes on, and if this is interrupted, finds what was there before. `progress` hears how
    many records are done. Returns how many there were.
    """
    await projections.begin_beside()
    records = await _take_all(log, projections, BESIDE, progress)
    await projections.swap()
    return records


async def load(log: Log, projections: Projections, progress: Callable[[int], None] = lambda done: None) -> int:
    """Fill projections that are empty. If this is interrupted, what they have is right, and `Projector` goes on."""
    return await _take_all(log, projections, "", progress)


async def _take_all(log: Log, projections: Projections, prefix: str, progress: Callable[[int], None]) -> int:
    loader = _Loader(projections, prefix, progress)
    with bulk():
        async for account, head in all_heads(log):
            await loader.load(log, account, head)
        await loader.finish()
    return loader.done


@contextmanager
def bulk() -> Iterator[None]:
    """For as long as whole ledgers are read.

    Millions of things come and go, none in cycles: to look for these takes a fifth of the time. And while one thread is
    busy with records, those that read and write need their turns at Python's lock, and quick ones.
    """
    enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if enabled:
            gc.enable()


class _Loader:
    """Puts records together, of several ledgers if they are short, while those before them are written."""

    def __init__(self, projections: Projections, prefix: str, progress: Callable[[int], None]) -> None:
        self._projections = projections
        self._progress = progress
        self._tables = projections.tables(prefix)
        self._batch = Batch(self._tables)
        self._reached: dict[str, Checkpoint] = {}
        self._writing: asyncio.Task[None] | None = None
        self.done = 0

    async def load(self, log: Log, account: str, head: Head) -> None:
        """Take in a ledger, up to its head or to an event that only a newer program knows.

        Raises LogError where a record is missing.
        """
        position = 0
        async with aclosing(read_ahead(log, account, head.position)) as pages:
            async for stored in pages:
                if not self._tables.knows_all(account, position + 1):
                    await self._written()  # what has to be looked up may be in there
                taken, known = 0, True
                try:
                    for record in stored:
                        self._batch.add(read_record(record))
                        taken += 1
                except UnknownEvent as error:
                    logger.error("the account is read-only: %s", error)
                    known = False
                position += taken
                if taken:
                    self._reached[account] = Checkpoint(position, leaf_hash(stored[taken - 1]).hex())
                if len(self._batch) >= RECORDS_PER_BATCH:
                    await self._write()
                if not known:
                    return  # nothing behind it can be told

    async def finish(self) -> None:
        """Write what is left."""
        await self._write()
        await self._written()

    async def _write(self) -> None:
        await self._written()
        self._writing = asyncio.create_task(self._take(self._batch, self._reached))
        self._batch, self._reached = Batch(self._tables), {}

    async def _take(self, batch: Batch, reached: dict[str, Checkpoint]) -> None:
        await self._projections.write_batch(batch, reached)
        self.done += len(batch)
        self._progress(self.done)

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing
