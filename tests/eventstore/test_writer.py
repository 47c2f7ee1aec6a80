"""Group commit: what callers hear, what everybody sees, and what is on the log, when all goes well and when not."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventstore import attempts as attempts_module
from eventstore import writer as writer_module
from eventstore.attempts import DISTINCT_MAX, WINDOW
from eventstore.chain import follow
from eventstore.log import Log, NotWritten, OutcomeUnknown, WrongPosition, all_heads, read_all
from eventstore.memory import MemoryLog
from eventstore.record import EMPTY, MICROSECOND, Actor, Attempt, Head, Record, Restored, Row, head_of
from eventstore.sqlite import SqliteLog
from eventstore.writer import COMMANDS_PER_BATCH, Answer, Command, CommandMismatch, Unavailable, Writer

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


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    yield service
    await service.stop()


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


async def test_an_answer_carries_the_record(service: Service) -> None:
    """What the caller hears is what is on the log."""
    answer = await service.submit(count(3, 4, id="a"))
    assert not answer.replayed
    assert list(answer.records) == await service.records()
    assert [record.event for record in answer.records] == [Counted(3), Counted(4)]
    assert [record.command_index for record in answer.records] == [0, 1]
    assert [record.recorded_at for record in answer.records] == [NOON, NOON + MICROSECOND]
    assert {record.effective_at for record in answer.records} == {NOON}
    assert service.counters.total() == 7


async def test_the_envelope_says_who_asked_for_what(service: Service) -> None:
    """Everything that the command knows about the asking is on its record."""
    command = msgspec.structs.replace(
        count(1, id="a", digest="d"), request_id="r", source_ip="203.0.113.7", user_agent="curl"
    )
    [record] = (await service.submit(command)).records
    assert (record.account, record.action, record.actor) == (ALICE, "Count", ACTOR)
    assert (record.command_id, record.request_digest, record.request_id) == ("a", "d", "r")
    assert (record.source_ip, record.user_agent) == ("203.0.113.7", "curl")


async def test_concurrent_commands_share_one_append(service: Service) -> None:
    """However many wait, one append writes them, in the order in which they came."""
    answers = await service.together(*(count(step) for step in range(1, 21)))
    assert service.log.appends == [20]
    assert [answer.records[0].position for answer in answers] == list(range(1, 21))
    assert [answer.records[0].event.by for answer in answers] == list(range(1, 21))


async def test_what_comes_during_an_append_shares_the_next(service: Service) -> None:
    """While one batch is written, the next one gathers."""
    service.log.gate.clear()
    first = asyncio.create_task(service.submit(count(1)))
    await service.log.entered.wait()
    others = [asyncio.create_task(service.submit(count(1, account=account))) for account in (ALICE, BOB, ALICE)]
    await settle()
    service.log.gate.set()
    await asyncio.gather(first, *others)
    assert service.log.appends == [1, 3]


async def test_a_batch_has_a_limit(service: Service) -> None:
    """More than fit into one batch are written by several, and none is forgotten."""
    answers = await service.together(*(count(0) for _ in range(COMMANDS_PER_BATCH + 1)))
    assert service.log.appends == [COMMANDS_PER_BATCH, 1]
    assert told(answers) == ["changed"] * (COMMANDS_PER_BATCH + 1)


async def test_too_many_waiting_commands_are_turned_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overload is Unavailable at once, not a queue without end; those who waited are served."""
    monkeypatch.setattr(writer_module, "COMMANDS_WAITING_MAX", 3)
    service.log.gate.clear()
    first = asyncio.create_task(service.submit(count(1)))
    await service.log.entered.wait()
    waiting = [asyncio.create_task(service.submit(count(1))) for _ in range(3)]
    await settle()
    with pytest.raises(Unavailable, match="too many"):
        await service.submit(count(1))
    service.log.gate.set()
    await asyncio.gather(first, *waiting)
    assert service.counters.total() == 4


async def test_a_command_sees_those_before_it_in_its_batch(service: Service) -> None:
    """The second who asks for the same thing is told that it is so already."""
    answers = await service.together(reach(5), reach(5), count(2), reach(8))
    assert told(answers) == ["changed", "unchanged", "changed", "changed"]
    assert [record.event for record in await service.records()] == [Counted(5), None, Counted(2), Counted(1)]
    assert service.log.appends == [4]


async def test_what_changed_nothing_is_recorded(service: Service) -> None:
    """An unchanged record carries the attempt, without a code."""
    await service.submit(reach(5))
    [record] = (await service.submit(reach(5))).records
    assert (record.position, record.outcome, record.event) == (2, "unchanged", None)
    assert record.attempt is not None
    assert (record.attempt.parameters, record.attempt.code) == ({"Steps": [5]}, None)


async def test_a_refusal_is_recorded_and_fails_no_neighbour(service: Service) -> None:
    """The caller hears the refusal itself; those beside it in the batch are answered as if it had not been there."""
    answers = await service.together(count(1), too_much(), count(2))
    assert told(answers) == ["changed", "TooMuch", "changed"]
    assert service.log.appends == [3]
    assert await service.outcomes() == ["changed", "refused", "changed"]
    attempt = (await service.records())[1].attempt
    assert attempt is not None
    assert (attempt.code, attempt.message) == ("TooMuch", "There is a limit.")
    assert attempt.parameters == {"Steps": [LIMIT + 1]}
    assert service.counters.total() == 3


async def test_a_refusal_creates_no_account(service: Service) -> None:
    """Where nothing was ever written, a refusal is told but not recorded; one behind a first record is."""
    answers = await service.together(too_much(account=BOB), too_much(), count(1), too_much())
    assert told(answers) == ["TooMuch", "TooMuch", "changed", "TooMuch"]
    assert [account async for account, _ in all_heads(service.log)] == [ALICE]
    assert await service.outcomes() == ["changed", "refused"]


async def test_accounts_share_an_append_but_nothing_else(service: Service) -> None:
    """Each account has its own total and its own positions."""
    await service.together(count(1), count(10, account=BOB), count(2), count(20, account=BOB))
    assert service.log.appends == [4]
    assert (service.counters.total(ALICE), service.counters.total(BOB)) == (3, 30)
    for account in (ALICE, BOB):
        assert [record.position for record in await service.records(account)] == [1, 2]


async def test_nothing_is_seen_before_it_is_durable(service: Service) -> None:
    """While the append is under way, readers see the old state, and nobody has heard an answer or a refusal."""
    await service.submit(count(1))
    service.log.gate.clear()
    service.log.entered.clear()
    tasks = [asyncio.create_task(service.submit(command)) for command in (reach(5), reach(5), too_much())]
    await service.log.entered.wait()
    await settle()
    assert not any(task.done() for task in tasks)
    assert service.counters.total() == 1
    assert service.counters.published == [1]
    service.log.gate.set()
    assert told(await asyncio.gather(*tasks, return_exceptions=True)) == ["changed", "unchanged", "TooMuch"]
    assert service.counters.total() == 5


async def test_nothing_undurable_leaks(service: Service) -> None:
    """Two ask for the same thing and the commit fails: neither hears "done", least of all the one to whom it
    would have been so already; what is seen is the old state, and the same commands succeed later."""
    await service.submit(count(1))
    service.log.faults.append(disk_full())
    commands = reach(5, id="one"), reach(5, id="two"), too_much(id="three")
    assert told(await service.together(*commands)) == ["Unavailable"] * 3
    assert service.counters.total() == 1
    assert service.counters.head(ALICE).position == 1
    assert await service.outcomes() == ["changed"]

    answers = await service.together(*commands)
    assert told(answers) == ["changed", "unchanged", "TooMuch"]
    assert not any(answer.replayed for answer in answers[:2])
    assert service.counters.total() == 5
    assert await service.outcomes() == ["changed", "changed", "unchanged", "refused"]


async def test_what_waited_behind_a_failed_batch_is_decided_on_the_durable_state(service: Service) -> None:
    """The next batch does not build upon what was never written."""
    service.log.faults.append(disk_full())
    service.log.gate.clear()
    first = asyncio.create_task(service.submit(reach(5)))
    await service.log.entered.wait()
    second = asyncio.create_task(service.submit(reach(5)))
    await settle()
    service.log.gate.set()
    assert told(await asyncio.gather(first, second, return_exceptions=True)) == ["Unavailable", "changed"]
    assert [record.event for record in await service.records()] == [Counted(5)]


async def test_an_unknown_outcome_that_was_written_is_answered_as_done(service: Service) -> None:
    """The log is reopened, the records are found, and nothing is doubled, not even by a retry."""
    await service.submit(count(1))
    service.log.faults.append(written_but_unheard())
    commands = reach(5, id="one"), reach(5, id="two")
    assert told(await service.together(*commands)) == ["changed", "unchanged"]
    assert service.counters.total() == 5
    assert told(await service.together(*commands)) == ["changed", "unchanged"]
    assert await service.outcomes() == ["changed", "changed", "unchanged"]
    assert told([await service.submit(count(1))]) == ["changed"]
    assert service.counters.total() == 6


async def test_an_unknown_outcome_that_was_lost_is_unavailable(service: Service) -> None:
    """Nobody hears "done", the old state stands, and the retry writes once."""
    await service.submit(count(1))
    service.log.faults.append(lost())
    commands = reach(5, id="one"), reach(5, id="two")
    assert told(await service.together(*commands)) == ["Unavailable"] * 2
    assert service.counters.total() == 1
    assert told(await service.together(*commands)) == ["changed", "unchanged"]
    assert await service.outcomes() == ["changed", "changed", "unchanged"]


async def test_an_unwritten_refusal_is_not_told_after_an_unknown_outcome(service: Service) -> None:
    """A refusal was decided on what may be gone, so its caller has to ask again."""
    await service.submit(count(999))
    service.log.faults.append(lost())
    assert told(await service.together(count(1), count(1))) == ["Unavailable"] * 2
    assert await service.outcomes() == ["changed"]


@pytest.mark.parametrize("fault", [lost, written_but_unheard])
async def test_while_the_log_cannot_be_reopened_everything_is_unavailable(
    service: Service, fault: Callable[[], Fault]
) -> None:
    """New commands, retries of the one in doubt and repeats of earlier ones alike; afterwards all is as if nothing
    had been."""
    done = count(1, id="done")
    await service.submit(done)
    service.log.faults.append(fault())
    service.log.reopens_that_fail = 3
    in_doubt = reach(5, id="in doubt")
    with pytest.raises(Unavailable, match="could not be reopened"):
        await service.submit(in_doubt)
    assert service.counters.total() == 1
    with pytest.raises(Unavailable, match="could not be read"):
        await service.submit(done)
    for command in (count(1, id="new"), in_doubt):
        with pytest.raises(Unavailable, match="could not be reopened"):
            await service.submit(command)
    assert told([await service.submit(in_doubt)]) == ["changed"]
    assert (await service.submit(done)).replayed
    assert service.counters.total() == 5
    assert await service.outcomes() == ["changed", "changed"]


@pytest.mark.parametrize("fault", [lost, written_but_unheard])
async def test_a_past_is_not_final_while_nobody_knows_what_was_written(
    service: Service, fault: Callable[[], Fault]
) -> None:
    """Whoever asks for it is turned away; the account is folded again before it is final, whoever writes next."""
    await service.submit(count(1))
    service.log.faults.append(fault())
    service.log.reopens_that_fail = 1
    with pytest.raises(Unavailable):
        await service.submit(count(1))
    later = NOON + timedelta(hours=1)

    with pytest.raises(Unavailable, match="not known"):
        await asyncio.wait_for(service.writer.settle(ALICE, later), 5)
    await asyncio.wait_for(service.writer.settle(BOB, later), 5)
    await asyncio.wait_for(service.writer.settle(ALICE, NOON - timedelta(hours=1)), 5)
    service.counters.reloads.clear()
    await service.submit(count(1, account=BOB))

    assert ALICE in service.counters.reloads
    await asyncio.wait_for(service.writer.settle(ALICE, later), 5)


async def test_all_accounts_are_folded_again_after_an_unknown_outcome(service: Service) -> None:
    """Those that somebody waits for; the others are let go of, and loaded when they are asked for."""
    await service.together(count(1), count(10, account=BOB))
    service.log.faults.append(written_but_unheard())
    service.counters.reloads.clear()
    await service.submit(count(1))
    assert service.counters.reloads == [ALICE]
    assert BOB not in service.counters.tallies
    await service.submit(count(10, account=BOB))
    assert (service.counters.total(ALICE), service.counters.total(BOB)) == (2, 20)


@pytest.fixture(params=["remembered", "forgotten"])
def memory_of_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the writer knows an id from memory, or the log's unique index is the judge."""
    if request.param == "forgotten":
        monkeypatch.setattr(writer_module, "COMMANDS_REMEMBERED", 0)
    return str(request.param)


@pytest.mark.usefixtures("memory_of_ids")
async def test_a_repeated_command_returns_its_first_result(service: Service) -> None:
    """However much has happened since: the records of then, marked as replayed, and nothing new on the log."""
    commands = count(2, 3, id="a"), reach(5, id="b")
    first = await service.together(*commands)
    await service.submit(count(50))
    for _ in range(2):
        again = await service.together(*commands)
        assert [answer.records for answer in again] == [answer.records for answer in first]
        assert [answer.replayed for answer in again] == [True, True]
    assert await service.outcomes() == ["changed", "changed", "unchanged", "changed"]
    assert service.counters.total() == 55


@pytest.mark.usefixtures("memory_of_ids")
async def test_a_repeated_refusal_returns_its_record(service: Service) -> None:
    """A retry finds the refusal of then, even when the command would succeed by now."""
    await service.submit(count(LIMIT))
    with pytest.raises(TooMuch):
        await service.submit(count(1, id="a"))
    await service.submit(count(decide=lambda tally, at: [Reset()]))
    answer = await service.submit(count(1, id="a"))
    assert answer.replayed
    assert told([answer]) == ["refused"]
    assert service.counters.total() == 0


@pytest.mark.usefixtures("memory_of_ids")
async def test_concurrent_repeats_wait_for_the_first(service: Service) -> None:
    """Retries that arrive while the first is in flight are answered with its result."""
    command = count(2, id="a")
    answers = await service.together(*[command] * 5)
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert {answer.records[0].id for answer in answers} == {(await service.records())[0].id}
    assert service.counters.total() == 2


@pytest.mark.usefixtures("memory_of_ids")
async def test_a_repeat_of_a_command_that_failed_is_decided(service: Service) -> None:
    """Who waited for the first to be written, and saw it fail, tries it himself; it is written once."""
    service.log.faults.append(disk_full())
    command = count(2, id="a")
    answers = await service.together(command, command, command)
    assert told(answers) == ["Unavailable", "changed", "changed"]
    assert await service.outcomes() == ["changed"]


@pytest.mark.usefixtures("memory_of_ids")
async def test_the_same_id_with_another_request_is_a_mismatch(service: Service) -> None:
    """In flight, soon after and much later; the first keeps its result, and nothing is recorded."""
    answers = await service.together(count(1, id="a", digest="one"), count(9, id="a", digest="another"))
    assert told(answers) == ["changed", "CommandMismatch"]
    with pytest.raises(CommandMismatch):
        await service.submit(count(9, id="a", digest="another"))
    assert (await service.submit(count(1, id="a", digest="one"))).replayed
    assert await service.outcomes() == ["changed"]


async def test_ids_of_different_accounts_have_nothing_to_do_with_one_another(service: Service) -> None:
    """An id is unique in its account only."""
    answers = await service.together(count(1, id="a"), count(1, id="a", account=BOB))
    assert [answer.replayed for answer in answers] == [False, False]


@pytest.mark.usefixtures("memory_of_ids")
async def test_a_repeat_fails_no_neighbour(service: Service) -> None:
    """A batch that holds repeats, good and mismatching, is written without them."""
    await service.submit(count(1, id="a", digest="one"))
    await service.submit(count(1, id="b"))
    answers = await service.together(
        reach(5), count(1, id="a", digest="one"), count(7, id="a", digest="x"), count(1, id="b"), reach(5), count(2)
    )
    assert told(answers) == ["changed", "changed", "CommandMismatch", "changed", "unchanged", "changed"]
    assert [getattr(answer, "replayed", None) for answer in answers] == [False, True, None, True, False, False]
    assert [record.event for record in await service.records()] == [
        Counted(1),
        Counted(1),
        Counted(3),
        None,
        Counted(2),
    ]


async def test_a_repeat_that_cannot_be_read_fails_no_neighbour(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first result of a newer program is that caller's trouble alone."""
    monkeypatch.setattr(writer_module, "COMMANDS_REMEMBERED", 0)
    await service.submit(count(1, id="a"))
    service.counters.unreadable = "a"
    answers = await service.together(count(1, id="a"), count(2))
    assert told(answers) == ["ValidationError", "changed"]
    service.counters.unreadable = None


async def test_a_repeat_is_answered_before_its_neighbours_are_written(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its result is long durable, so neither it nor who waits for it has to wait for the rest of the batch."""
    monkeypatch.setattr(writer_module, "COMMANDS_REMEMBERED", 1)
    await service.submit(count(1, id="a"))
    await service.submit(count(1, id="b"))
    append, calls = service.log.append, 0

    async def second_waits(rows: Sequence[Row]) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            service.log.gate.clear()
        await append(rows)

    monkeypatch.setattr(service.log, "append", second_waits)
    repeats = [asyncio.create_task(service.submit(count(1, id="a"))) for _ in range(2)]
    neighbour = asyncio.create_task(service.submit(count(2)))
    await settle()
    assert [task.done() for task in (*repeats, neighbour)] == [True, True, False]
    service.log.gate.set()
    await neighbour
    assert service.counters.total() == 4


async def test_a_retry_during_the_batch_that_failed_it_is_in_flight_itself(service: Service) -> None:
    """The end of that batch does not make others forget the retry: they wait for it, and it is decided once."""
    service.log.gate.clear()
    failed, neighbour = (
        asyncio.create_task(service.submit(command))
        for command in (count(id="a", decide=raises(KeyError("bug"))), count(1))
    )
    await service.log.entered.wait()
    await settle()
    assert failed.done()
    service.counters.loading.clear()
    retry = asyncio.create_task(service.submit(count(2, id="a")))
    await settle()
    service.log.gate.set()
    await neighbour
    another = asyncio.create_task(service.submit(count(2, id="a")))
    await settle()
    service.counters.loading.set()
    answers = await asyncio.gather(failed, retry, another, return_exceptions=True)
    assert told(answers) == ["KeyError", "changed", "changed"]
    assert answers[2].replayed
    assert service.log.appends == [1, 1]


STEPS_OF_A_COMMAND = 20


@pytest.mark.parametrize("fault", [None, disk_full, lost, written_but_unheard])
@pytest.mark.parametrize("steps", range(STEPS_OF_A_COMMAND))
async def test_a_cancelled_caller_leaves_nothing_open(
    service: Service, steps: int, fault: Callable[[], Fault] | None
) -> None:
    """Cancelled at any await, while the account loads, in the queue or during the append: neighbours are served,
    nothing stays held, and the same command may be repeated and is recorded once."""
    await service.submit(count(1, account=BOB))
    service.log.faults.extend([fault()] if fault else [])
    cancelled = asyncio.create_task(service.writer.submit(count(2, id="a")))
    waiting = asyncio.create_task(service.writer.submit(count(2, id="a")))
    for _ in range(steps):
        await asyncio.sleep(0)
    cancelled.cancel()
    await settle()
    assert cancelled.done()
    assert waiting.done()
    assert not service.writer._in_flight
    assert not any(service.counters.holds.values())
    await asyncio.gather(cancelled, waiting, return_exceptions=True)
    service.log.faults.clear()
    assert told([await service.submit(count(2, id="a"))]) == ["changed"]
    assert await service.outcomes() == ["changed"]
    assert service.counters.total() == 2


async def test_the_steps_of_a_command_are_all_tried(service: Service) -> None:
    """The test above cancels at every await: a command takes no more steps than it tries."""
    task = asyncio.create_task(service.writer.submit(count(2)))
    steps = 0
    while not task.done():
        await asyncio.sleep(0)
        steps += 1
    assert 5 < steps < STEPS_OF_A_COMMAND


async def test_cancelling_the_caller_does_not_cancel_the_command(service: Service) -> None:
    """Once it is in the queue it is written, whether anybody waits for it or not."""
    service.log.gate.clear()
    first = asyncio.create_task(service.submit(count(1)))
    await service.log.entered.wait()
    queued = asyncio.create_task(service.submit(count(2, id="a")))
    await settle()
    first.cancel()
    queued.cancel()
    await asyncio.gather(first, queued, return_exceptions=True)
    service.log.gate.set()
    assert (await service.submit(count(2, id="a"))).replayed
    assert service.counters.total() == 3


async def test_an_account_that_cannot_be_loaded_fails_its_caller_only(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears why, and the next one tries to load it again."""
    hold = service.counters.hold

    async def fails_for_bob(account: str) -> None:
        if account == BOB:
            raise LookupError(account)
        await hold(account)

    with monkeypatch.context() as patch:
        patch.setattr(service.counters, "hold", fails_for_bob)
        answers = await service.together(count(1), count(1, id="b", account=BOB), count(1))
    assert told(answers) == ["changed", "LookupError", "changed"]
    await service.submit(count(1, id="b", account=BOB))
    assert service.counters.total(BOB) == 1


async def another_writer_writes(service: Service) -> None:
    other = Service(service.log)
    await other.submit(count(100))
    await other.stop()


async def test_what_another_writer_wrote_is_taken_into_account(service: Service) -> None:
    """The ledger is not where this writer thinks: the account is folded again, and everything decided anew."""
    await service.submit(count(1))
    await another_writer_writes(service)
    answers = await service.together(reach(102), count(LIMIT), reach(102))
    assert told(answers) == ["changed", "TooMuch", "unchanged"]
    assert [record.event for record in await service.records()] == [Counted(1), Counted(100), Counted(1), None, None]


async def test_a_writer_that_never_gets_a_turn_gives_up(service: Service) -> None:
    """When another one is ahead again and again, the caller is told to come back; nothing was written."""
    service.log.faults.extend(Fault(WrongPosition("another was first")) for _ in range(3))
    with pytest.raises(Unavailable, match="another process"):
        await service.submit(count(1))
    await service.submit(count(2))
    assert service.counters.total() == 2


async def test_an_unexpected_error_in_deciding_fails_only_its_command(service: Service) -> None:
    """It is not a refusal and is not recorded; its caller hears it, its neighbours hear nothing of it."""
    answers = await service.together(count(1), count(decide=raises(KeyError("bug"))), reach(3))
    assert told(answers) == ["changed", "KeyError", "changed"]
    assert service.log.appends == [2]
    assert service.counters.total() == 3


async def test_an_unexpected_error_in_evolving_fails_only_its_command(service: Service) -> None:
    """What it had changed by then is undone, and the whole batch is decided again without it."""
    answers = await service.together(reach(3), count(4, UNLUCKY), reach(5), reach(5))
    assert told(answers) == ["changed", "ValueError", "changed", "unchanged"]
    assert [record.event for record in await service.records()] == [Counted(3), Counted(2), None]
    assert service.counters.total() == 5


async def test_what_cannot_be_stored_fails_only_its_command(service: Service) -> None:
    """An event or a parameter that is no JSON is an error of that command."""
    unstorable: Any = object()
    refused = msgspec.structs.replace(too_much(), parameters={"Steps": unstorable})
    answers = await service.together(
        count(1), count(decide=lambda tally, at: [Counted(2), Counted(unstorable)]), refused, reach(3)
    )
    assert told(answers) == ["changed", "TypeError", "TypeError", "changed"]
    assert service.counters.total() == 3


async def test_an_account_that_cannot_be_drafted_fails_only_its_commands(service: Service) -> None:
    """Other accounts in the batch are written."""
    service.counters.draft_fails = BOB
    answers = await service.together(count(1), count(1, account=BOB), count(2))
    assert told(answers) == ["changed", "KeyError", "changed"]
    assert service.counters.total() == 3


async def test_a_state_that_could_not_be_published_is_folded_from_the_log(service: Service) -> None:
    """The records are durable whatever happened after: the log is looked at, and the caller hears what it holds."""
    service.counters.publish_fails = True
    assert (await service.submit(count(1, id="a"))).records[0].event == Counted(1)
    assert told([await service.submit(reach(3))]) == ["changed"]
    assert (await service.submit(count(1, id="a"))).replayed
    assert [record.event for record in await service.records()] == [Counted(1), Counted(2)]


async def test_closing_writes_what_was_submitted(service: Service) -> None:
    """In the queue, in an append or still loading its account: it is answered; what comes after is refused."""
    service.log.gate.clear()
    appending = asyncio.create_task(service.submit(count(1)))
    await service.log.entered.wait()
    queued = asyncio.create_task(service.submit(count(2)))
    await settle()
    service.counters.loading.clear()
    loading = asyncio.create_task(service.submit(count(3)))
    await settle()
    service.writer.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await service.submit(count(4))
    service.log.gate.set()
    await asyncio.gather(appending, queued)
    assert not service.running.done()
    service.counters.loading.set()
    await loading
    await service.running
    assert service.counters.total() == 6
    with pytest.raises(Unavailable, match="shutting down"):
        await service.submit(count(5))


async def test_closing_does_not_wait_for_a_caller_who_went_away(service: Service) -> None:
    """When the last command was cancelled while its account was loading, there is nothing left to write."""
    service.counters.loading.clear()
    loading = asyncio.create_task(service.submit(count(3)))
    await settle()
    service.writer.close()
    await settle()
    loading.cancel()
    await asyncio.wait_for(service.running, 1)
    await asyncio.gather(loading, return_exceptions=True)


async def test_a_writer_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Whoever waited, in an append, in the queue or for the account, is told that nothing is known."""
    service = Service()
    service.log.gate.clear()
    tasks = [asyncio.create_task(service.submit(count(1)))]
    await service.log.entered.wait()
    tasks.append(asyncio.create_task(service.submit(count(2))))
    await settle()
    service.counters.loading.clear()
    tasks.append(asyncio.create_task(service.submit(count(3))))
    await settle()
    service.running.cancel()
    await asyncio.gather(service.running, return_exceptions=True)
    service.counters.loading.set()
    assert told(await asyncio.gather(*tasks, return_exceptions=True)) == ["Unavailable"] * 3
    with pytest.raises(Unavailable):
        await service.submit(count(4))


async def test_repeated_attempts_are_counted_and_not_recorded(service: Service) -> None:
    """They are answered like the first: a refusal is raised, and who is told "already so" gets the first's record."""
    await service.submit(reach(5))
    first = await service.submit(reach(5))
    assert told(await service.together(too_much(), reach(5), too_much(), reach(5))) == [
        "TooMuch",
        "unchanged",
        "TooMuch",
        "unchanged",
    ]
    again = await service.submit(reach(5))
    assert (again.records, again.replayed) == (first.records, False)
    assert await service.outcomes() == ["changed", "unchanged", "refused"]
    assert service.log.appends == [1, 1, 1]
    assert service.counters.published == [1, 2, 3]


async def test_counts_are_recorded_when_their_minute_is_over(service: Service) -> None:
    """One record for each, chained like any other and never folded; then the next attempt is a first again."""
    await service.submit(count(1))
    for second in range(3):
        service.now = NOON + timedelta(seconds=second)
        command = msgspec.structs.replace(too_much(), source_ip="192.0.2.2", request_digest="d")
        await service.together(command)
    await service.a_minute_later()
    *_, summary = await service.records()
    assert summary.attempt == Attempt(
        type="AttemptsRepeated",
        parameters={"Steps": [LIMIT + 1]},
        code="TooMuch",
        message="There is a limit.",
        repeated=2,
        since=NOON + timedelta(seconds=1),
        until=NOON + timedelta(seconds=2),
    )
    assert (summary.outcome, summary.action, summary.actor) == ("refused", "Count", ACTOR)
    assert (summary.source_ip, summary.request_digest) == ("192.0.2.2", "")
    assert summary.command_id.startswith("attempts-")
    assert summary.recorded_at >= service.now
    await service.together(too_much())
    assert await service.outcomes() == ["changed", "refused", "changed", "refused", "refused"]


async def test_counts_are_recorded_even_when_nothing_else_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer wakes by itself when a minute is over, and tries again a minute later what could not be written."""
    monkeypatch.setattr(attempts_module, "WINDOW", timedelta(milliseconds=20))
    failed, summed_up = asyncio.Event(), asyncio.Event()

    class WatchedLog(MemoryLog):
        async def append(self, rows: Sequence[Row]) -> None:
            summary = rows[0].command_id.startswith("attempts-")
            if summary and not failed.is_set():
                failed.set()
                raise NotWritten("the disk is full")
            await super().append(rows)
            if summary:
                summed_up.set()

    log = WatchedLog()
    writer: Writer[Tally, Event] = Writer(log, Counters(log), TooMuch)
    running = asyncio.create_task(writer.run())
    await writer.submit(count(1))
    await asyncio.gather(*(writer.submit(too_much()) for _ in range(3)), return_exceptions=True)
    await asyncio.wait_for(summed_up.wait(), 5)
    writer.close()
    await running
    assert (await log.head(ALICE)).position == 3


@pytest.mark.parametrize("distinct", [False, True])
async def test_a_flood_of_refusals_cannot_fill_the_disk(service: Service, distinct: bool) -> None:
    """Ten thousand, identical or not, leave a few records, and these tell how many there were."""
    await service.submit(count(1))
    for thousand in range(10):
        commands = (count(LIMIT + 1 + distinct * (thousand * 1000 + number)) for number in range(1000))
        assert set(told(await service.together(*commands))) == {"TooMuch"}
    await service.a_minute_later()
    attempts = await service.attempts()
    first = DISTINCT_MAX + 1 if distinct else 1
    assert [attempt.type for attempt in attempts] == ["Attempted"] * first + ["AttemptsRepeated"]
    assert attempts[-1].repeated == 10_000 - first
    assert attempts[-1].parameters == ({} if distinct else {"Steps": [LIMIT + 1]})


async def test_unchanged_calls_beyond_the_limit_are_answered(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the record of the attempt of that action and outcome that they are counted with."""
    monkeypatch.setattr(attempts_module, "DISTINCT_MAX", 2)
    await service.submit(count(10))
    answers = await service.together(*(reach(total) for total in range(6)))
    assert [answer.records[0].position for answer in answers] == [2, 3, 4, 4, 4, 4]
    assert {answer.records[0].outcome for answer in answers} == {"unchanged"}


@pytest.mark.parametrize("fault", [disk_full, lost, written_but_unheard])
async def test_what_was_counted_with_an_attempt_that_failed_was_not_counted(
    service: Service, fault: Callable[[], Fault]
) -> None:
    """No caller was answered, so no attempt happened, but for those whose record is there after all."""
    await service.submit(reach(5))
    service.log.faults.append(fault())
    answers = await service.together(reach(5), reach(5), reach(6))
    written = 2 if fault is written_but_unheard else 0
    assert told(answers).count("Unavailable") == 3 - written
    await service.a_minute_later()
    assert await service.repeated() == []
    await service.together(reach(4), reach(4), reach(4))
    await service.a_minute_later()
    assert await service.repeated() == [2]


async def test_a_counted_call_is_told_nothing_before_its_batch_is_durable(service: Service) -> None:
    """It was decided on drafts, even if it has no record of its own."""
    await service.submit(reach(5))
    await service.together(reach(5), too_much())
    service.log.gate.clear()
    service.log.entered.clear()
    tasks = [asyncio.create_task(service.submit(command)) for command in (reach(6), reach(5), too_much())]
    await service.log.entered.wait()
    await settle()
    assert not any(task.done() for task in tasks)
    service.log.gate.set()
    assert told(await asyncio.gather(*tasks, return_exceptions=True)) == ["changed", "unchanged", "TooMuch"]


async def test_a_repeat_of_a_counted_call_gets_its_result_again(service: Service) -> None:
    """From memory, for there is no record with its id; whatever has happened since, and not counted twice."""
    await service.submit(reach(5))
    first = await service.submit(reach(5))
    await service.together(too_much(), reach(5, id="a"), too_much(id="b"))
    await service.submit(count(decide=lambda tally, at: [Reset()]))
    answer = await service.submit(reach(5, id="a"))
    assert (answer.records, answer.replayed) == (first.records, True)
    for _ in range(2):
        with pytest.raises(TooMuch):
            await service.submit(count(1, id="b"))
    with pytest.raises(CommandMismatch):
        await service.submit(count(1, id="b", digest="another"))
    await service.a_minute_later()
    assert await service.repeated() == [1, 1]


async def test_a_counted_call_is_decided_anew_once_it_is_forgotten(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart, or when its id is no recent one any more."""
    monkeypatch.setattr(writer_module, "COMMANDS_REMEMBERED", 0)
    await service.submit(reach(5))
    await service.together(reach(5), reach(5, id="a"))
    await service.submit(count(decide=lambda tally, at: [Reset()]))
    assert told([await service.submit(reach(5, id="a"))]) == ["changed"]


@pytest.mark.usefixtures("memory_of_ids")
async def test_a_repeat_of_a_recorded_command_is_not_taken_for_a_repeated_attempt(service: Service) -> None:
    """Decided by now, it would be one like others before it; but it has a first result, in this batch or before."""
    changed = await service.submit(reach(5, id="a"))
    await service.submit(reach(5))
    answers = await service.together(reach(5, id="a"), reach(5), reach(6, id="b"), reach(6), reach(6))
    assert told(answers) == ["changed", "unchanged", "changed", "unchanged", "unchanged"]
    assert (answers[0].records, answers[0].replayed) == (changed.records, True)
    again = await service.together(reach(5, id="a"), reach(6, id="b"), reach(6))
    assert told(again) == ["changed", "changed", "unchanged"]
    await service.a_minute_later()
    assert await service.repeated() == [1, 2]


async def test_records_are_not_final_while_the_log_is_searched(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A past answer waits for them: they bear their times already."""
    await service.submit(reach(5))
    await service.submit(reach(5))
    searching, gate = asyncio.Event(), asyncio.Event()

    async def find(account: str, command_id: str) -> list[Row]:
        searching.set()
        await gate.wait()
        return []

    monkeypatch.setattr(service.log, "find", find)
    commands = asyncio.gather(service.submit(reach(6)), service.submit(reach(6)), service.submit(reach(5)))
    await searching.wait()
    final = asyncio.create_task(service.writer.settle(ALICE, NOON + timedelta(hours=1)))
    await settle()
    assert not final.done()
    gate.set()
    await commands
    await asyncio.wait_for(final, 5)
    assert service.counters.total() == 6


@pytest.mark.parametrize("fault", [disk_full, lost, written_but_unheard])
async def test_counts_survive_a_failed_append_and_are_not_doubled(service: Service, fault: Callable[[], Fault]) -> None:
    """What was not written is tried again a minute later; what was, is found by its id."""
    await service.submit(count(1))
    await service.together(too_much(), too_much(), too_much())
    service.now += WINDOW
    service.log.faults.append(fault())
    service.log.reopens_that_fail = 1
    await service.together(count(0))
    await settle()
    await service.together(too_much(), too_much())
    for _ in range(3):
        await service.a_minute_later()
    assert sorted(await service.repeated()) == [1, 2]


async def test_counts_of_an_account_that_was_let_go_are_recorded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded again like for a command; if that fails, the counts wait, and hold nobody up."""
    await service.together(count(1), count(1, account=BOB))
    await service.together(too_much(), too_much())
    del service.counters.tallies[ALICE], service.counters.heads[ALICE]
    hold = service.counters.hold

    async def fails(account: str) -> None:
        if account == ALICE:
            raise LookupError(account)
        await hold(account)

    with monkeypatch.context() as patch:
        patch.setattr(service.counters, "hold", fails)
        service.now += WINDOW
        await service.submit(count(1, account=BOB))
        await settle()
    assert await service.repeated() == []
    service.now += WINDOW
    await service.submit(count(1, account=BOB))
    await settle()
    assert await service.repeated() == [1]


async def test_closing_records_what_was_counted(service: Service) -> None:
    """Also what is counted only while the writer finishes; a new writer begins to count anew."""
    await service.submit(count(1))
    await service.together(too_much(), too_much())
    service.log.gate.clear()
    service.log.entered.clear()
    last = asyncio.gather(service.submit(count(2)), service.submit(too_much()), return_exceptions=True)
    await service.log.entered.wait()
    service.writer.close()
    service.log.gate.set()
    assert told(await last) == ["changed", "TooMuch"]
    await asyncio.wait_for(service.running, 5)
    assert await service.outcomes() == ["changed", "refused", "changed", "refused"]
    assert await service.repeated() == [2]

    restarted = Service(service.log)
    await restarted.together(too_much())
    await restarted.stop()
    assert await service.outcomes() == ["changed", "refused", "changed", "refused", "refused"]
    await service.counters.reload_all()


@pytest.mark.parametrize("loads", [True, False])
async def test_closing_gives_up_counts_that_cannot_be_written(
    service: Service, monkeypatch: pytest.MonkeyPatch, loads: bool
) -> None:
    """A full disk, or an account that cannot be loaded any more, keeps nobody from stopping the service."""
    await service.submit(count(1))
    await service.together(too_much(), too_much())
    service.log.faults.append(disk_full())

    async def hold(account: str) -> None:
        raise LookupError(account)

    if not loads:
        monkeypatch.setattr(service.counters, "hold", hold)
    service.writer.close()
    await asyncio.wait_for(service.running, 5)
    assert await service.repeated() == []


async def test_records_say_which_past_a_restore_put_back(service: Service) -> None:
    """On a change and on an attempt alike."""
    past = Restored(position=1, instant=NOON)
    for command in (count(1, 2), too_much()):
        await service.together(msgspec.structs.replace(command, restored_from=past))
    assert [record.restored_from for record in await service.records()] == [past] * 3


async def test_recorded_times_increase_whatever_the_clock_does(service: Service) -> None:
    """Standing still, going back a day or leaping ahead: every record is later than the one before it."""
    times = []
    for step, days in enumerate((0, 0, -1, -1, 3, 2)):
        service.now = NOON + timedelta(days=days)
        for answer in await service.together(count(1, 1), reach(-step), count(1)):
            times += [record.recorded_at for record in answer.records]
    records = await service.records()
    assert [record.recorded_at for record in records] == times
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert [record.position for record in records] == list(range(1, 25))
    assert times[15] - times[0] == 15 * MICROSECOND
    assert times[16] == NOON + timedelta(days=3)
    assert times[-1] == NOON + timedelta(days=3) + 7 * MICROSECOND


async def test_decisions_are_told_the_time_that_is_recorded(service: Service) -> None:
    """A date in an event is the time of its record."""
    service.now = NOON
    told_times = []

    def decide(tally: Tally, at: datetime) -> list[Event]:
        told_times.append(at)
        return [Counted(1)]

    await service.together(count(decide=decide), count(decide=decide))
    assert told_times == [record.recorded_at for record in await service.records()]


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_goes_wrong_each_command_counts_once(service: Service, seed: int) -> None:
    """Callers who repeat until they are answered leave one record each, through failures of every kind."""
    faults = [None, None, disk_full(), lost(), written_but_unheard(), Fault(WrongPosition("another was first"))]
    service.log.faults.extend(faults[(seed * (place + 3) + place) % len(faults)] for place in range(25))
    service.log.reopens_that_fail = seed % 4

    async def insist(number: int) -> None:
        command = count(number, id=f"caller-{number}")
        for attempt in range(200):
            task = asyncio.create_task(service.writer.submit(command))
            for _ in range((seed + number * attempt) % 7):
                await asyncio.sleep(0)
            if (seed + number + attempt) % 3 == 0:
                task.cancel()
            try:
                await task
            except (Unavailable, asyncio.CancelledError):
                continue
            return
        raise AssertionError("never answered")

    await asyncio.gather(*(insist(number) for number in range(1, 13)))
    assert sorted(record.command_id for record in await service.records()) == sorted(
        f"caller-{number}" for number in range(1, 13)
    )
    assert service.counters.total() == sum(range(1, 13))


async def test_the_writer_keeps_its_promises_on_a_file(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One append for a batch, repeats found by the file's own index, and the state is what the file holds."""
    monkeypatch.setattr(writer_module, "COMMANDS_REMEMBERED", 0)
    async with await SqliteLog.open(ledger) as log:
        counters = Counters(log)
        writer: Writer[Tally, Event] = Writer(log, counters, TooMuch)
        running = asyncio.create_task(writer.run())
        commands = [count(2, 3, id="a"), reach(5, id="b"), count(1, id="c", account=BOB)]
        first = await asyncio.gather(*map(writer.submit, commands))
        again = await asyncio.gather(*map(writer.submit, [*commands, count(4, id="d")]))
        assert told(first) == ["changed+changed", "unchanged", "changed"]
        assert [answer.replayed for answer in again] == [True, True, True, False]
        assert [answer.records for answer in again[:3]] == [answer.records for answer in first]
        await log.reopen()
        await counters.reload_all()
        assert (await writer.submit(reach(10))).records[0].event == Counted(1)
        writer.close()
        await running
        head = EMPTY
        async for row in read_all(log, ALICE):
            head = follow(head, row)
        assert head == counters.head(ALICE)
