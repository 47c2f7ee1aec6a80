"""The smallest accounts that a writer can have: each a number, which every event raises. Neutral about IAM."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random

import msgspec

from eventstore.chain import BrokenChain, follow
from eventstore.log import Log, read_all
from eventstore.record import EMPTY, Actor, Head, Record, Row, head_of, open_envelope
from eventstore.writer import Answer, Command, Writer

ACTOR = Actor(id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/alice")


class Raised(msgspec.Struct, frozen=True, tag="Raised"):
    """The number went up to this."""

    to: int


class Full(Exception):
    """The refusal that a writer of counters knows."""

    code = "Full"
    message = "It goes no higher."


class Number(msgspec.Struct):
    """The state of an account."""

    value: int = 0


class Counters:
    """Numbers, each the fold of its ledger."""

    def __init__(self, log: Log) -> None:
        self.reloads = 0
        self._log = log
        self._loaded: dict[str, tuple[Number, Head]] = {}

    async def hold(self, account: str) -> None:
        """See Ledgers.hold. Nothing is ever let go of."""
        if account not in self._loaded:
            self._loaded[account] = await self._fold(account)

    def release(self, account: str) -> None:
        """See Ledgers.release."""

    def head(self, account: str) -> Head:
        """See Ledgers.head."""
        return self._loaded[account][1]

    def draft(self, account: str) -> Number:
        """See Ledgers.draft."""
        return msgspec.structs.replace(self._loaded[account][0])

    def evolve(self, draft: Number, event: Raised) -> None:
        """See Ledgers.evolve. Raises AssertionError where a decision was not made on the state before it."""
        assert event.to == draft.value + 1
        draft.value = event.to

    def publish(self, account: str, draft: Number, head: Head, records: Sequence[Record[Raised]]) -> None:
        """See Ledgers.publish."""
        self._loaded[account] = draft, head

    async def reload(self, account: str) -> None:
        """See Ledgers.reload."""
        self.reloads += 1
        self._loaded[account] = await self._fold(account)

    async def reload_all(self) -> None:
        """See Ledgers.reload_all."""
        for account in tuple(self._loaded):
            await self.reload(account)

    def decode(self, row: Row) -> Record[Raised]:
        """See Ledgers.decode."""
        return msgspec.json.decode(row.record, type=Record[Raised])

    async def _fold(self, account: str) -> tuple[Number, Head]:
        number, head = Number(), EMPTY
        async for row in read_all(self._log, account):
            head = head_of(row)
            if (event := self.decode(row).event) is not None:
                self.evolve(number, event)
        return number, head


CounterWriter = Writer[Number, Raised]


def raising(random: Random, account: str, by: int = 1) -> Command[Number, Raised]:
    """A command that raises the account's number step by step, each an event; by 0, it changes nothing."""

    def decide(number: Number, at: datetime) -> list[Raised]:
        return [Raised(number.value + step) for step in range(1, by + 1)]

    return Command(
        account=account,
        action="Raise",
        decide=decide,
        parameters={"By": by},
        actor=ACTOR,
        command_id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
    )


@asynccontextmanager
async def writing(
    log: Log, clock: Callable[[], datetime] | None = None
) -> AsyncIterator[tuple[CounterWriter, Counters]]:
    """A writer at work on a log, and its counters. At the end it has written all that was submitted."""
    counters = Counters(log)
    writer = Writer(log, counters, Full) if clock is None else Writer(log, counters, Full, clock)
    running = asyncio.create_task(writer.run())
    try:
        yield writer, counters
    finally:
        writer.close()
        await running


class Found(msgspec.Struct):
    """What ledgers say of the answers that callers got."""

    records: int = 0
    lost: int = 0  # records that were answered with, and are not there
    doubled: int = 0  # further records of a command at an index that it has had
    gaps: int = 0  # records that are not whole, not later than the one before, or do not continue it


async def look(log: Log, accounts: Sequence[str], answers: Sequence[Answer[Raised]]) -> Found:
    """Read the ledgers, and hold all answers against them."""
    found = Found()
    there: set[tuple[str, int, str]] = set()
    places: set[tuple[str, str, int]] = set()
    for account in accounts:
        head = EMPTY
        async for row in read_all(log, account):
            try:
                follow(head, row)
            except BrokenChain:
                found.gaps += 1
            head = head_of(row)
            found.records += 1
            found.doubled += (account, row.command_id, row.command_index) in places
            places.add((account, row.command_id, row.command_index))
            there.add((account, row.position, open_envelope(row).id))
    told = {(record.account, record.position, record.id) for answer in answers for record in answer.records}
    found.lost = len(told - there)
    return found
