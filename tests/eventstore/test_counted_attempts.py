"""Attempts like others before them are counted, not recorded; the counts are recorded, once and soon."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import pytest
from tally import (
    ACTOR,
    ALICE,
    BOB,
    LIMIT,
    NOON,
    Counters,
    Event,
    Fault,
    Reset,
    Service,
    Tally,
    TooMuch,
    count,
    disk_full,
    lost,
    reach,
    settle,
    told,
    too_much,
    written_but_unheard,
)

from eventstore import attempts as attempts_module
from eventstore import writer as writer_module
from eventstore.attempts import DISTINCT_MAX, WINDOW
from eventstore.log import NotWritten
from eventstore.memory import MemoryLog
from eventstore.record import Attempt, Row
from eventstore.writer import CommandMismatch, Writer


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
