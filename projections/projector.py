"""Keeps `projections.db` up with the log, a step behind the writer.

Records reach it from the writer as they become durable. If it cannot keep up, or was away, it reads them from
the log again: the checkpoints say from where.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from eventstore.log import Log, all_heads
from eventstore.record import Head, Record, head_of
from iam.events import AnyEvent
from projections.records import UnknownEvent, read_record
from projections.store import START, Checkpoint, Projections, checkpoint_of, checkpoints

logger = logging.getLogger(__name__)

RECORDS_PER_BATCH = 2048
PATIENCE_SECONDS = 0.4  # how long records wait for others to share a transaction with, unless a reader waits for them
RECORDS_WAITING_MAX = 50_000
RETRY_SECONDS = 1.0


class Projector:
    """`run` it as a task after `reconcile`; stop it with `close`."""

    def __init__(self, log: Log, projections: Projections, batch: int = RECORDS_PER_BATCH) -> None:
        self._log = log
        self._projections = projections
        self._batch = batch
        self._waiting: dict[str, list[Record[AnyEvent]]] = {}  # by account, in order
        self._count = 0
        self._heads: dict[str, Head] = {}  # of accounts that are not caught up
        self._behind: dict[str, int] = {}  # the first position that is not projected yet
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._progress = asyncio.Event()
        self._closing = False

    def publish(self, account: str, records: Sequence[Record[AnyEvent]], head: Head) -> None:
        """These records are durable; `head` is the last one's."""
        self._heads[account] = head
        self._behind.setdefault(account, records[0].position)
        self._waiting.setdefault(account, []).extend(records)
        self._count += len(records)
        if self._count >= RECORDS_PER_BATCH:
            self._hurry.set()
        if self._count > RECORDS_WAITING_MAX:
            self._waiting.clear()  # they are in the log
            self._count = 0
        self._wake.set()

    async def caught_up(self, account: str, position: int) -> None:
        """Return when the projections know the account's ledger up to the position."""
        while self._behind.get(account, position + 1) <= position:
            self._hurry.set()
            await self._progress.wait()

    @property
    def lag(self) -> int:
        """How many accounts are not caught up."""
        return len(self._behind)

    @property
    def remaining(self) -> int:
        """How many records are not projected yet."""
        return sum(self._heads[account].position - first + 1 for account, first in self._behind.items())

    async def reconcile(self) -> int:
        """Find every ledger that the projections do not know up to its head, or do not know at all any more.

        Returns how many records are to be projected.
        """
        known = await self._projections.read(checkpoints)
        missing = 0
        async for account, head in all_heads(self._log):
            checkpoint = known.pop(account, START)
            missing += await self._follow(account, checkpoint, head)
        for account in known:
            await self._projections.forget(account)
        self._wake.set()
        return missing

    async def recheck(self, account: str, head: Head) -> None:
        """The ledger may have grown, up to this head, without `publish` having said so."""
        await self._follow(account, await self._projections.read(lambda c: checkpoint_of(c, account)), head)
        self._wake.set()

    async def _follow(self, account: str, checkpoint: Checkpoint, head: Head) -> int:
        """Project from the checkpoint to the head, or from the start if the checkpoint is of another ledger."""
        if (checkpoint.position, checkpoint.hash) == (head.position, head.hash):
            return 0
        if not await self._is_on_chain(account, checkpoint):
            await self._projections.forget(account)
            checkpoint = START
        self._heads[account] = head
        self._behind.setdefault(account, checkpoint.position + 1)
        return head.position - checkpoint.position

    async def _is_on_chain(self, account: str, checkpoint: Checkpoint) -> bool:
        if checkpoint == START:
            return True
        rows = await self._log.read(account, checkpoint.position - 1, 1)
        return bool(rows) and rows[0].hash.hex() == checkpoint.hash

    async def run(self) -> None:
        """Project what comes, until `close`."""
        while self._behind or not self._closing:
            if not self._behind:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._gather_some()
                await self._project_some()
            except Exception:
                logger.exception("the projections could not be written; trying again")
                if self._closing:
                    return
                self._waiting.clear()
                self._count = 0
                await asyncio.sleep(RETRY_SECONDS)

    async def catch_up(self, progress: Callable[[int], None]) -> None:
        """Project what `reconcile` found, without `run`. `progress` hears how many records are left."""
        while self._behind:
            await self._project_some()
            progress(self.remaining)

    def close(self) -> None:
        """`run` ends when it has caught up."""
        self._closing = True
        self._wake.set()
        self._hurry.set()

    async def _gather_some(self) -> None:
        """Let records come together: many in one transaction cost far less than the same ones in many."""
        if not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), PATIENCE_SECONDS)
            self._hurry.clear()

    async def _project_some(self) -> None:
        """One transaction: the next records of as many accounts as fit."""
        batch: list[Record[AnyEvent]] = []
        reached: dict[str, Checkpoint] = {}
        for account in tuple(self._behind):
            records, checkpoint = await self._next_records(account, self._batch - len(batch))
            batch += records
            reached[account] = checkpoint
            if len(batch) >= self._batch:
                break
        await self._projections.write(batch, reached)
        for account, checkpoint in reached.items():
            if checkpoint.position >= self._heads[account].position:
                del self._behind[account], self._heads[account]
            else:
                self._behind[account] = checkpoint.position + 1
        self._progress.set()
        self._progress.clear()

    async def _next_records(self, account: str, limit: int) -> tuple[list[Record[AnyEvent]], Checkpoint]:
        waiting = self._waiting.get(account)
        if waiting and waiting[0].position == self._behind[account]:
            taken, rest = waiting[:limit], waiting[limit:]
            self._count -= len(taken)
            if rest:
                self._waiting[account] = rest
                return taken, Checkpoint(taken[-1].position, rest[0].previous)
            del self._waiting[account]
            return taken, Checkpoint(taken[-1].position, self._heads[account].hash)
        rows = await self._log.read(account, self._behind[account] - 1, limit)
        records = []
        for row in rows:
            try:
                records.append(read_record(row))
            except UnknownEvent as error:
                logger.error("%s", error)
        if self._waiting.get(account):
            self._drop_read(account, rows[-1].position)
        return records, Checkpoint(rows[-1].position, head_of(rows[-1]).hash)

    def _drop_read(self, account: str, position: int) -> None:
        """Forget the waiting records that were just read from the log."""
        waiting = self._waiting.pop(account)
        rest = [record for record in waiting if record.position > position]
        self._count -= len(waiting) - len(rest)
        if rest:
            self._waiting[account] = rest
