"""Projecting whole ledgers at once: in large batches, one ledger after the other, reading ahead of the writing."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from eventstore.log import Log, LogError, all_heads
from eventstore.record import EMPTY, Head, Record, leaf_hash
from iam.events import AnyEvent
from projections.records import UnknownEvent, read_record
from projections.store import Projections
from projections.tables import BESIDE, Checkpoint

logger = logging.getLogger(__name__)

RECORDS_PER_BATCH = 10_000
RECORDS_PER_READ = 5_000


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
    with no_collection():
        async for account, head in all_heads(log):
            await loader.load(log, account, head)
        await loader.finish()
    return loader.done


@contextmanager
def no_collection() -> Iterator[None]:
    """While a ledger is read, millions of things come and go, none in cycles: to look for these takes a fifth of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Loader:
    """Gathers records, of several ledgers if they are short, and writes while the next ones are read."""

    def __init__(self, projections: Projections, prefix: str, progress: Callable[[int], None]) -> None:
        self._projections = projections
        self._prefix = prefix
        self._progress = progress
        self._records: list[Record[AnyEvent]] = []
        self._reached: dict[str, Checkpoint] = {}
        self._writing: asyncio.Task[None] | None = None
        self.done = 0

    async def load(self, log: Log, account: str, head: Head) -> None:
        """Take in a ledger, up to its head or to an event that only a newer program knows.

        Raises LogError where a record is missing.
        """
        position = EMPTY.position
        while position < head.position:
            stored = await log.stored(account, position, min(RECORDS_PER_READ, head.position - position))
            if not stored:
                raise LogError(f"ledger {account}: records are missing behind position {position}")
            taken = 0
            try:
                for record in stored:
                    self._records.append(read_record(record))
                    taken += 1
            except UnknownEvent as error:
                logger.error("the account is read-only: %s", error)
                head = EMPTY  # nothing behind it can be told
            position += taken
            if taken:
                self._reached[account] = Checkpoint(position, leaf_hash(stored[taken - 1]).hex())
            if len(self._records) >= RECORDS_PER_BATCH:
                await self._write()

    async def finish(self) -> None:
        """Write what is left."""
        await self._write()
        await self._written()

    async def _write(self) -> None:
        await self._written()
        self._writing = asyncio.create_task(self._take(self._records, self._reached))
        self._records, self._reached = [], {}

    async def _take(self, records: Sequence[Record[AnyEvent]], reached: dict[str, Checkpoint]) -> None:
        await self._projections.write(records, reached, self._prefix)
        self.done += len(records)
        self._progress(self.done)

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing
