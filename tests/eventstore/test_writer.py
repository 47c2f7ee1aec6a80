"""Group commit: what callers hear, what is recorded, and what errors, cancelled callers and closing do to it."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tally import (
    ACTOR,
    ALICE,
    BOB,
    LIMIT,
    NOON,
    UNLUCKY,
    Counted,
    Counters,
    Event,
    Fault,
    Service,
    Tally,
    TooMuch,
    count,
    disk_full,
    lost,
    raises,
    reach,
    settle,
    told,
    too_much,
    written_but_unheard,
)

from eventstore import writer as writer_module
from eventstore.chain import follow
from eventstore.log import all_heads, read_all
from eventstore.record import EMPTY, MICROSECOND, Restored
from eventstore.sqlite import SqliteLog
from eventstore.writer import COMMANDS_PER_BATCH, Unavailable, Writer


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
