"""A writer at work on the smallest accounts there can be, each a tally, over a log that fails as told."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from eventstore.attempts import WINDOW
from eventstore.chain import follow
from eventstore.log import Log, NotWritten, OutcomeUnknown, read_all
from eventstore.memory import MemoryLog
from eventstore.record import EMPTY, Actor, Attempt, Head, Record, Row, head_of
from eventstore.writer import Answer, Command, Writer

ALICE = "111122223333"
BOB = "444455556666"
ACTOR = Actor(id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/alice")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMIT = 1000
UNLUCKY = 777
NUMBERS = itertools.count(1)


class Counted(msgspec.Struct, frozen=True, tag="Counted"):
    """The counter went up."""

    by: int


class Reset(msgspec.Struct, frozen=True, tag="Reset"):
    """The counter went back to zero."""


Event = Counted | Reset


class TooMuch(Exception):
    """The counter would go beyond its limit."""

    code = "TooMuch"
    message = "There is a limit."


@dataclass
class Tally:
    """The state of an account."""

    total: int = 0

    def apply(self, event: Event) -> None:
        match event:
            case Counted(by=by):
                self.total += by
                if by == UNLUCKY:
                    raise ValueError("nothing goes up by that")
            case Reset():
                self.total = 0


class Counters:
    """The accounts' counters, each the fold of its ledger."""

    def __init__(self, log: Log) -> None:
        self.tallies: dict[str, Tally] = {}
        self.heads: dict[str, Head] = {}
        self.holds: Counter[str] = Counter()
        self.reloads: list[str] = []
        self.loading = open_gate()
        self.published: list[int] = []
        self.publish_fails = False
        self.draft_fails: str | None = None
        self.unreadable: str | None = None
        self._log = log

    def total(self, account: str = ALICE) -> int:
        """What a reader sees."""
        return self.tallies[account].total if account in self.tallies else 0

    async def hold(self, account: str) -> None:
        await asyncio.sleep(0)
        await self.loading.wait()
        if account not in self.tallies:
            await self.reload(account)
        self.holds[account] += 1

    def release(self, account: str) -> None:
        self.holds[account] -= 1

    def head(self, account: str) -> Head:
        return self.heads[account]

    def draft(self, account: str) -> Tally:
        if account == self.draft_fails:
            raise KeyError(account)
        return Tally(self.tallies[account].total)

    def evolve(self, draft: Tally, event: Event) -> None:
        draft.apply(event)

    def publish(self, account: str, draft: Tally, head: Head, records: Sequence[Record[Event]]) -> None:
        if self.publish_fails:
            self.publish_fails = False
            raise KeyError(account)
        self.tallies[account], self.heads[account] = draft, head
        self.published += [record.position for record in records]

    async def reload(self, account: str) -> None:
        self.reloads.append(account)
        tally, head = Tally(), EMPTY
        async for row in read_all(self._log, account):
            event = self.decode(row).event
            if event is not None:
                tally.apply(event)
            head = head_of(row)
        self.tallies[account], self.heads[account] = tally, head

    async def reload_all(self) -> None:
        for account in tuple(self.tallies):
            if self.holds[account]:
                await self.reload(account)
            else:
                del self.tallies[account], self.heads[account]

    def decode(self, row: Row) -> Record[Event]:
        if row.command_id == self.unreadable:
            raise msgspec.ValidationError("an event of a newer program")
        return msgspec.json.decode(row.record, type=Record[Event])


def open_gate() -> asyncio.Event:
    """Closed, it holds up whoever waits for it."""
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Fault:
    """How one append goes wrong."""

    error: Exception
    written: bool = False


def lost() -> Fault:
    """The connection broke, and the rows never arrived."""
    return Fault(OutcomeUnknown("the connection broke"))


def written_but_unheard() -> Fault:
    """The rows arrived, and then the connection broke."""
    return Fault(OutcomeUnknown("the connection broke"), written=True)


def disk_full() -> Fault:
    """Nothing was written, for certain."""
    return Fault(NotWritten("the disk is full"))


class FailingLog(MemoryLog):
    """A log whose appends go wrong as told, and that is of no use from an unknown outcome until it is reopened."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[Fault | None] = deque()
        self.appends: list[int] = []
        self.gate = open_gate()
        self.entered = asyncio.Event()
        self.reopens_that_fail = 0
        self.open = True

    async def append(self, rows: Sequence[Row]) -> None:
        self.entered.set()
        await asyncio.sleep(0)
        await self.gate.wait()
        assert self.open, "nothing is appended to a log whose state is unknown"
        fault = self.faults.popleft() if self.faults else None
        self.open = fault is None or not isinstance(fault.error, OutcomeUnknown)
        if fault is None or fault.written:
            await super().append(rows)
            self.appends.append(len(rows))
        if fault is not None:
            raise fault.error

    async def find(self, account: str, command_id: str) -> list[Row]:
        if not self.open:
            raise ValueError("no active connection")
        return await super().find(account, command_id)

    async def reopen(self) -> None:
        if self.reopens_that_fail:
            self.reopens_that_fail -= 1
            raise OSError("no such device")
        self.open = True


def count(
    *steps: int, id: str = "", account: str = ALICE, digest: str = "", decide: Any = None
) -> Command[Tally, Event]:
    """Go up by each of the steps, unless that is too much."""

    def go_up(tally: Tally, at: datetime) -> list[Event]:
        if tally.total + sum(steps) > LIMIT:
            raise TooMuch
        return [Counted(step) for step in steps]

    return Command(
        account=account,
        action="Count",
        decide=decide or go_up,
        parameters={"Steps": list(steps)},
        actor=ACTOR,
        command_id=id or f"count-{next(NUMBERS)}",
        request_digest=digest,
    )


def reach(total: int, id: str = "", account: str = ALICE) -> Command[Tally, Event]:
    """Go up to the total; already there or beyond, there is nothing to do."""

    def decide(tally: Tally, at: datetime) -> list[Event]:
        return [Counted(total - tally.total)] if tally.total < total else []

    return count(total, id=id, account=account, decide=decide)


def too_much(id: str = "", account: str = ALICE) -> Command[Tally, Event]:
    """A command that is refused, whatever the total."""
    return count(LIMIT + 1, id=id, account=account)


def raises(error: Exception) -> Callable[[Tally, datetime], Sequence[Event]]:
    """A decision that ends in an error."""

    def decide(tally: Tally, at: datetime) -> Sequence[Event]:
        raise error

    return decide


@dataclass
class Service:
    """A writer at work, with its log and its counters."""

    log: FailingLog = field(default_factory=FailingLog)
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.counters = Counters(self.log)
        self.writer: Writer[Tally, Event] = Writer(self.log, self.counters, TooMuch, lambda: self.now)
        self.running = asyncio.create_task(self.writer.run())

    async def submit(self, command: Command[Tally, Event]) -> Answer[Event]:
        return await asyncio.wait_for(self.writer.submit(command), 5)

    async def together(self, *commands: Command[Tally, Event]) -> list[Any]:
        """Submit in one go; what each of them heard."""
        return await asyncio.gather(*map(self.submit, commands), return_exceptions=True)

    async def records(self, account: str = ALICE) -> list[Record[Event]]:
        """The ledger, once it is known to be whole."""
        head = EMPTY
        records = []
        async for row in read_all(self.log, account):
            head = follow(head, row)
            records.append(msgspec.json.decode(row.record, type=Record[Event]))
        return records

    async def outcomes(self, account: str = ALICE) -> list[str]:
        return [record.outcome for record in await self.records(account)]

    async def attempts(self) -> list[Attempt]:
        """What the ledger holds beside changes."""
        return [record.attempt for record in await self.records() if record.attempt is not None]

    async def repeated(self) -> list[int]:
        """How many attempts each summary on the ledger stands for."""
        return [attempt.repeated for attempt in await self.attempts() if attempt.type == "AttemptsRepeated"]

    async def a_minute_later(self) -> None:
        """The minute of every window is over, and the writer has noticed."""
        self.now += WINDOW
        await self.submit(count(0))
        await settle()

    async def stop(self) -> None:
        """Close, and see that nothing was left open and that what is seen is what is written."""
        self.log.gate.set()
        self.counters.loading.set()
        self.writer.close()
        await asyncio.wait_for(self.running, 5)
        assert not self.writer._in_flight
        assert not any(self.counters.holds.values())
        for account, tally in self.counters.tallies.items():
            folded = Tally()
            for record in await self.records(account):
                if record.event is not None:
                    folded.apply(record.event)
            if not self.writer._broken:
                assert tally == folded


def told(answers: Sequence[Any]) -> list[str]:
    """The outcome of each answer, or the kind of its error."""
    return [
        "+".join(record.outcome for record in answer.records) if isinstance(answer, Answer) else type(answer).__name__
        for answer in answers
    ]


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(30):
        await asyncio.sleep(0)
