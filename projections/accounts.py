"""The accounts in memory: each the fold of its ledger, loaded when first asked for, let go when others need the room.

Loading reads the open entries from the projections and folds what the ledger holds beyond their checkpoint.
"""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakValueDictionary

import msgspec

from eventstore.log import Log, LogError, read_all
from eventstore.record import Head, Record, Row, head_of
from iam.arns import partition_of
from iam.events import AnyEvent
from iam.state import Account, Draft, World
from projections.intervals import current_changes
from projections.projector import Projector
from projections.records import UnknownEvent, read_record
from projections.store import Projections
from projections.tables import checkpoint_of

MEMORY_BYTES = 256 * 1024 * 1024
ACCOUNT_BYTES = 4096  # what an account costs in memory beside its entries
PARTITIONS_KNOWN = 100_000  # accounts whose partition is remembered, in memory or not


class _Asker(msgspec.Struct):
    """Of a record's actor, what tells the partition."""

    arn: str


class _First(msgspec.Struct):
    """Of a ledger's first record, who asked."""

    actor: _Asker


async def partition_in(log: Log, account: str) -> str | None:
    """The partition of an account, which is that of whoever asked for its first record; None while it has none.

    Raises LogError where that record cannot be read.
    """
    for row in await log.get(account, [1]):
        try:
            return partition_of(msgspec.json.decode(row.record, type=_First).actor.arn)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise LogError(f"ledger {account}: record 1 cannot be read: {error}") from error
    return None


class _Loaded:
    """One account in memory. While somebody holds it, it stays."""

    __slots__ = ("bytes", "head", "holds", "state")

    def __init__(self, state: Account, head: Head) -> None:
        self.state = state
        self.head = head
        self.holds = 0
        self.bytes = 0


class Accounts:
    """What the writer decides on and what present reads come from. Used on the event loop only."""

    def __init__(
        self,
        log: Log,
        projections: Projections,
        world: World,
        projector: Projector,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._log = log
        self._projections = projections
        self._world = world
        self._no_world = msgspec.structs.replace(world, partition="")  # of accounts that have no records
        self._partitions: dict[str, str] = {}  # of accounts that have some
        self._projector = projector
        self._memory_bytes = memory_bytes
        self._bytes = 0
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._growth: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()  # kept by those who wait
        self.read_only: dict[str, str] = {}  # accounts with events of a newer program, and what was met

    @property
    def loaded(self) -> int:
        """How many accounts are in memory."""
        return len(self._loaded)

    @property
    def bytes(self) -> int:
        """What the accounts in memory take, by an estimate."""
        return self._bytes

    def present(self, account: str) -> Account | None:
        """The present of an account that is in memory."""
        loaded = self._loaded.get(account)
        if loaded is None:
            return None
        self._loaded.move_to_end(account)
        return loaded.state

    async def partition(self, account: str) -> str | None:
        """The partition of an account, in memory or not; None while it has no records. Raises LogError."""
        loaded = self._loaded.get(account)
        return loaded.state.world.partition or None if loaded is not None else await self._partition(account)

    async def state(self, account: str) -> tuple[Account, Head]:
        """The present of an account and where its ledger ends. An account that never was is empty, at 0."""
        loaded = await self._get(account)
        self._loaded.move_to_end(account)
        return loaded.state, loaded.head

    def growth(self, account: str) -> asyncio.Event:
        """Set once the account's ledger has grown. Take it and then read the log, and nothing is missed."""
        growth = self._growth.get(account)
        if growth is None:
            growth = self._growth[account] = asyncio.Event()
        return growth

    async def hold(self, account: str) -> None:
        """See Ledgers.hold. Raises UnknownEvent for an account that this program must not write to."""
        loaded = await self._get(account)
        if account in self.read_only:
            raise UnknownEvent(self.read_only[account])
        loaded.holds += 1

    def release(self, account: str) -> None:
        """See Ledgers.release."""
        self._loaded[account].holds -= 1

    def head(self, account: str) -> Head:
        """See Ledgers.head."""
        return self._loaded[account].head

    def draft(self, account: str) -> Draft:
        """See Ledgers.draft."""
        return Draft(self._loaded[account].state)

    def evolve(self, draft: Draft, event: AnyEvent) -> None:
        """See Ledgers.evolve."""
        draft.apply(event.changes())

    def publish(self, account: str, draft: Draft, head: Head, records: Sequence[Record[AnyEvent]]) -> None:
        """See Ledgers.publish."""
        loaded = self._loaded[account]
        draft.commit()
        loaded.head = head
        self._weigh(loaded)
        self._projector.publish(account, records, head)
        self._grew(account)

    def decode(self, row: Row) -> Record[AnyEvent]:
        """See Ledgers.decode."""
        return read_record(row.record)

    async def reload(self, account: str) -> None:
        """See Ledgers.reload."""
        await self._verify(account)
        fresh = await self._load(account)
        loaded = self._loaded.get(account)
        if loaded is not None:
            loaded.state, loaded.head = fresh.state, fresh.head
            self._weigh(loaded)
        if fresh.head.position:
            self._projector.recheck(account)
        self._grew(account)

    async def reload_all(self) -> None:
        """See Ledgers.reload_all."""
        for account in tuple(self._loaded):
            await self._verify(account)
        for account in tuple(self._loaded):
            loaded = self._loaded.get(account)  # it may have gone while another one was loading
            if loaded is not None and loaded.holds:
                await self.reload(account)
            elif loaded is not None:
                self._bytes -= self._loaded.pop(account).bytes

    async def _verify(self, account: str) -> None:
        """Raises LogError if the ledger has lost what was published of it last: then nothing may be put behind it."""
        loaded = self._loaded.get(account)
        if loaded is None or not loaded.head.position:
            return
        head = loaded.head
        if await self._log.hashes(account, head.position - 1, 1) != [bytes.fromhex(head.hash)]:
            raise LogError(f"ledger {account}: record {head.position} was published and is not there any more")

    def _grew(self, account: str) -> None:
        """Tell those who wait for it."""
        if (growth := self._growth.pop(account, None)) is not None:
            growth.set()

    async def _get(self, account: str) -> _Loaded:
        """The account, loaded once however many ask for it meanwhile, and whoever of them goes away."""
        while (loaded := self._loaded.get(account)) is None:
            task = self._loading.get(account)
            if task is None:
                task = self._loading[account] = asyncio.create_task(self._load_and_keep(account))
            await asyncio.shield(task)
        return loaded

    async def _load_and_keep(self, account: str) -> None:
        try:
            loaded = await self._load(account)
            self._loaded[account] = loaded
            self._weigh(loaded)
        finally:  # by a callback it would come later, and who asks meanwhile would ask for ever
            del self._loading[account]

    async def _load(self, account: str) -> _Loaded:
        head = await self._log.head(account)
        partition = await self._partition(account) if head.position else None
        if partition is None:
            return _Loaded(Account(account, self._no_world), head)
        world = self._world.within(partition)
        state, position = await self._projections.read(lambda connection: _open_entries(connection, account, world))
        self.read_only.pop(account, None)
        async for row in read_all(self._log, account, position):
            head = head_of(row)
            try:
                record = read_record(row.record)
            except UnknownEvent as error:
                self.read_only[account] = str(error)
            else:
                state.apply(record.event.changes() if record.event else ())
        return _Loaded(state, head)

    async def _partition(self, account: str) -> str | None:
        known = self._partitions.get(account) or await partition_in(self._log, account)
        if known is not None:
            self._partitions[account] = known
            if len(self._partitions) > PARTITIONS_KNOWN:
                del self._partitions[next(iter(self._partitions))]
        return known

    def _weigh(self, loaded: _Loaded) -> None:
        """Keep count of the memory, and let go of the accounts that were not asked for the longest."""
        size = ACCOUNT_BYTES + loaded.state.bytes
        self._bytes += size - loaded.bytes
        loaded.bytes = size
        spare = self._bytes - self._memory_bytes
        leaving = []
        for account, oldest in self._loaded.items():
            if spare <= 0:
                break
            if not oldest.holds and oldest is not loaded:
                leaving.append(account)
                spare -= oldest.bytes
        for account in leaving:
            self._bytes -= self._loaded.pop(account).bytes


def _open_entries(connection: sqlite3.Connection, account: str, world: World) -> tuple[Account, int]:
    state = Account(account, world)
    state.apply(current_changes(connection, account))
    return state, checkpoint_of(connection, account).position
