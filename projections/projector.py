"""Keeps `projections.db` up with the log, a step behind the writer.

Records reach it from the writer as they become durable. If it cannot keep up, or was away, it reads them from
the log again: the checkpoints say from where. Only `run` and what it calls decide what is projected next.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from eventstore.log import Log, all_heads
from eventstore.merkle import TILE
from eventstore.record import Head, Record, head_of
from iam.events import AnyEvent
from projections.records import UnknownEvent, read_record, read_rows
from projections.store import Projections
from projections.tables import START, Checkpoint, checkpoint_of, checkpoints
from projections.tiles import extend_tiles, tile_counts

logger = logging.getLogger(__name__)

RECORDS_PER_BATCH = 2048
PATIENCE_SECONDS = 0.4  # how long records wait for others to share a transaction with, unless a reader waits for them
RECORDS_WAITING_MAX = 50_000
RETRY_SECONDS = 1.0


class _Tail:
    """What the projections lack of one ledger: the records from `next` up to `head`, some of them in memory."""

    __slots__ = ("batches", "head", "next")

    def __init__(self, next_position: int, head: Head) -> None:
        self.next = next_position
        self.head = head
        self.batches: deque[tuple[Sequence[Record[AnyEvent]], Head]] = deque()  # records, and the head behind them


class Projector:
    """`run` it as a task after `reconcile`; stop it with `close`."""

    def __init__(self, log: Log, projections: Projections, batch: int = RECORDS_PER_BATCH) -> None:
        self._log = log
        self._projections = projections
        self._batch = batch
        self._behind: dict[str, _Tail] = {}
        self._unsure: dict[str, object] = {}  # accounts whose ledgers may have grown without a word; new each time
        self._blocked: dict[str, tuple[int, str]] = {}  # accounts with an event of a newer program: where, and what
        self._waiting = 0  # records in memory
        self._grown: dict[str, int] = {}  # accounts whose tree has another complete tile, and their positions
        self._alone = 0  # turns to take with one account each, to find out which of them fails
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._progress = asyncio.Event()
        self._closing = False
        self.projected = 0  # records, since the start
        self.failures = 0  # transactions that could not be written
        self.trouble: str | None = None  # why the projections cannot be written, as long as they cannot

    def publish(self, account: str, records: Sequence[Record[AnyEvent]], head: Head) -> None:
        """These records are durable; `head` is the last one's."""
        tail = self._behind.get(account)
        if tail is None and account in self._unsure:
            self.recheck(account)  # more may be missing than these
            return
        if tail is None:
            tail = self._behind[account] = _Tail(records[0].position, head)
        tail.head = head
        tail.batches.append((records, head))
        self._waiting += len(records)
        if self._waiting > RECORDS_WAITING_MAX:
            self._drop_waiting()
        self._wake.set()

    def recheck(self, account: str) -> None:
        """The ledger may have grown without `publish` having said so."""
        self._unsure[account] = object()
        self._wake.set()

    async def caught_up(self, account: str, position: int) -> None:
        """Return when the projections know the account's ledger up to the position.

        Raises UnknownEvent where they never will, as only a newer program knows what a record up to there says.
        """
        while self._behind[account].next <= position if account in self._behind else account in self._unsure:
            self._hurry.set()
            await self._progress.wait()
        if account in self._blocked and self._blocked[account][0] <= position:
            raise UnknownEvent(self._blocked[account][1])

    def knows(self, account: str) -> bool:
        """Whether the projections have all of the account's records that are durable."""
        return account not in self._behind and account not in self._unsure and account not in self._blocked

    @property
    def remaining(self) -> int:
        """How many records are not projected yet."""
        return sum(tail.head.position - tail.next + 1 for tail in self._behind.values())

    async def reconcile(self) -> int:
        """Find every ledger that the projections do not know up to its head, or do not know at all any more.

        Returns how many records are to be projected.
        """
        known = await self._projections.read(checkpoints)
        tiles = await self._projections.read(tile_counts)
        async for account, head in all_heads(self._log):
            await self._follow(account, known.pop(account, START), head)
            if head.position // TILE > tiles.get(account, 0):
                self._grown[account] = head.position
        for account, checkpoint in known.items():
            await self._forget(account, checkpoint)
        self._wake.set()
        return self.remaining

    async def run(self) -> None:
        """Project what comes, until `close`; what is left then is projected at the next start."""
        while not self._closing:
            if not self._behind and not self._unsure:
                await self._rest()
                continue
            await self._gather()
            try:
                await self._project_some()
                if not self._alone:  # every account has had its turn
                    self.trouble = None
            except Exception as error:
                logger.exception("the projections could not be written; trying again")
                self.failures += 1
                self.trouble = str(error)
                self._drop_waiting()
                for account in self._behind:
                    self.recheck(account)
                self._alone = len(self._behind)
                await asyncio.sleep(RETRY_SECONDS)

    async def catch_up(self, progress: Callable[[int], None]) -> None:
        """Project what `reconcile` found, before `run`: what goes wrong is raised, and not tried again.

        `progress` hears how many records are left.
        """
        while self._behind:
            await self._project_some()
            progress(self.remaining)

    def close(self) -> None:
        """`run` ends after the transaction that it is in."""
        self._closing = True
        self._wake.set()
        self._hurry.set()

    async def _rest(self) -> None:
        """Nothing is to be projected: make the Merkle tiles that have become complete, and wait."""
        if self._grown:
            account, position = self._grown.popitem()
            try:
                await extend_tiles(self._log, self._projections, account, position)
            except Exception:
                logger.exception("the tiles of %s could not be made; who asks for its tree tries again", account)
            return
        self._wake.clear()
        await self._wake.wait()

    async def _gather(self) -> None:
        """Let records come together: many in one transaction cost far less than the same ones in many."""
        if self.remaining < self._batch and not self._unsure and not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), PATIENCE_SECONDS)
        self._hurry.clear()

    async def _project_some(self) -> None:
        """One transaction: the next records of as many accounts as fit."""
        for account, doubt in tuple(self._unsure.items()):
            checkpoint = await self._projections.read(partial(checkpoint_of, account=account))
            await self._follow(account, checkpoint, await self._log.head(account))
            if self._unsure[account] is doubt:  # nothing new was said meanwhile
                del self._unsure[account]
        batch: list[Record[AnyEvent]] = []
        reached: dict[str, Checkpoint] = {}
        for account, tail in tuple(self._behind.items()):
            self._behind[account] = self._behind.pop(account)  # next time it is the others' turn
            records, head = await self._next_records(account, tail, self._batch - len(batch))
            if records:
                batch += records
                reached[account] = Checkpoint(head.position, head.hash)
            if len(batch) >= self._batch or self._alone:
                break
        await self._projections.write(batch, reached)
        self.projected += len(batch)
        self._alone = max(0, self._alone - 1)
        for account, checkpoint in reached.items():
            self._advance(account, checkpoint.position)
        for account in self._blocked:
            self._behind.pop(account, None)
        self._progress.set()
        self._progress.clear()

    async def _next_records(self, account: str, tail: _Tail, limit: int) -> tuple[list[Record[AnyEvent]], Head]:
        """The account's next records, from memory or from the log, and the head behind them."""
        records: list[Record[AnyEvent]] = []
        head = tail.head
        if tail.batches and tail.batches[0][0][0].position == tail.next:
            # What was written without a word may be missing between two batches.
            while tail.batches and tail.batches[0][0][0].position == tail.next + len(records) and len(records) < limit:
                taken, head = tail.batches.popleft()
                records += taken
            self._waiting -= len(records)
            return records, head
        for row in await read_rows(self._log, account, tail.next - 1, min(limit, head.position - tail.next + 1)):
            try:
                records.append(read_record(row.record))
            except UnknownEvent as error:
                logger.error("the account is read-only: %s", error)
                self._blocked[account] = row.position, str(error)
                break
            head = head_of(row)
        return records, head

    def _advance(self, account: str, position: int) -> None:
        """The projections know the ledger up to the position."""
        tail = self._behind[account]
        if position // TILE > (tail.next - 1) // TILE:
            self._grown[account] = position
        tail.next = position + 1
        while tail.batches and tail.batches[0][1].position <= position:
            self._waiting -= len(tail.batches.popleft()[0])
        if tail.head.position <= position:
            del self._behind[account]

    def _drop_waiting(self) -> None:
        """Forget the records in memory: they are in the log."""
        for tail in self._behind.values():
            tail.batches.clear()
        self._waiting = 0

    async def _follow(self, account: str, checkpoint: Checkpoint, head: Head) -> None:
        """Project from the checkpoint to the head, or from the start if the checkpoint is of another ledger."""
        at_head = (checkpoint.position, checkpoint.hash) == (head.position, head.hash)
        if not at_head and not await self._is_on_chain(account, checkpoint):
            await self._forget(account, checkpoint)
            checkpoint = START
        former = self._behind.pop(account, None)
        if former is not None:
            self._waiting -= sum(len(records) for records, _ in former.batches)
            head = max(head, former.head, key=lambda head: head.position)  # it may have grown meanwhile
        if checkpoint.position < head.position:
            self._behind[account] = _Tail(checkpoint.position + 1, head)

    async def _forget(self, account: str, checkpoint: Checkpoint) -> None:
        logger.warning(
            "the projections know record %d of %s, and the ledger does not have it: an older ledger was put in its "
            "place, or records were removed or changed. The projections of the account are made anew",
            checkpoint.position,
            account,
        )
        await self._projections.forget(account)

    async def _is_on_chain(self, account: str, checkpoint: Checkpoint) -> bool:
        if checkpoint == START:
            return True
        return await self._log.hashes(account, checkpoint.position - 1, 1) == [bytes.fromhex(checkpoint.hash)]
