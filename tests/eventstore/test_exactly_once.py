"""A repeated command is recorded once, and every repeat hears the first result."""

import asyncio
from collections.abc import Sequence

import pytest
from tally import (
    BOB,
    LIMIT,
    Counted,
    Fault,
    Reset,
    Service,
    TooMuch,
    count,
    disk_full,
    lost,
    raises,
    reach,
    settle,
    told,
    written_but_unheard,
)

from eventstore import writer as writer_module
from eventstore.log import WrongPosition
from eventstore.record import Row
from eventstore.writer import CommandMismatch, Unavailable


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
