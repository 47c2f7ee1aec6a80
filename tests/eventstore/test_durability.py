"""What is not on the log is neither seen nor told, whatever becomes of an append."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tally import (
    ALICE,
    BOB,
    LIMIT,
    NOON,
    Counted,
    Fault,
    Service,
    count,
    disk_full,
    lost,
    reach,
    settle,
    told,
    too_much,
    written_but_unheard,
)

from eventstore.log import WrongPosition
from eventstore.writer import Unavailable


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


async def test_a_state_that_could_not_be_published_is_folded_from_the_log(service: Service) -> None:
    """The records are durable whatever happened after: the log is looked at, and the caller hears what it holds."""
    service.counters.publish_fails = True
    assert (await service.submit(count(1, id="a"))).records[0].event == Counted(1)
    assert told([await service.submit(reach(3))]) == ["changed"]
    assert (await service.submit(count(1, id="a"))).replayed
    assert [record.event for record in await service.records()] == [Counted(1), Counted(2)]
