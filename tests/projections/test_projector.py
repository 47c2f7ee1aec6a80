"""The projections keep up with the log, and find their way back to it."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventstore.memory import MemoryLog
from eventstore.record import Row, head_of, leaf_hash
from iam.events.users import UserCreated
from projections import projector as module
from projections.projector import Projector
from projections.records import UnknownEvent
from projections.store import Projections
from projections.tables import Checkpoint, checkpoints

START = datetime(2026, 11, 3, tzinfo=UTC)


def create(ledger: Any, count: int) -> None:
    """Users, one record each."""
    for _ in range(count):
        number = len(ledger.records)
        ledger.add(UserCreated(user_id=f"AIDA{number}", user_name=f"user-{number}", path="/", created_at=START))


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[None]:
    """The projector at work; at the end it has caught up."""
    task = asyncio.create_task(projector.run())
    yield
    async with asyncio.timeout(5):
        while projector.remaining:  # noqa: ASYNC110 (the projector tells nobody when it is done)
            await asyncio.sleep(0.01)
    projector.close()
    await asyncio.wait_for(task, 5)


async def reached(projections: Projections) -> dict[str, Checkpoint]:
    """The checkpoints in the file."""
    return await projections.read(checkpoints)


async def users(projections: Projections) -> int:
    """How many users the file knows."""
    [(count,)] = await projections.read(lambda c: c.execute("SELECT count(*) FROM users").fetchall())
    return int(count)


async def test_what_the_writer_publishes_is_there_once_caught_up(ledger: Any, projections: Projections) -> None:
    """A caller that waits for a position finds the projections at least there."""
    log = MemoryLog()
    create(ledger, 5)
    await log.append(ledger.rows)
    projector = Projector(log, projections)
    async with running(projector):
        projector.publish(ledger.account, ledger.records, head_of(ledger.rows[-1]))
        await projector.caught_up(ledger.account, 5)

        assert await reached(projections) == {ledger.account: Checkpoint(5, ledger.rows[-1].hash.hex())}
        assert await users(projections) == 5


async def test_a_missed_tail_is_read_from_the_log(new_ledger: Any, projections: Projections) -> None:
    """After a crash between the log and the projections, the next start projects the difference."""
    log = MemoryLog()
    ledger, other = new_ledger(), new_ledger("444455556666")
    create(ledger, 700)
    create(other, 3)
    await log.append(ledger.rows + other.rows)
    await projections.write(ledger.records[:10], {ledger.account: Checkpoint(10, ledger.rows[9].hash.hex())})
    projector = Projector(log, projections)

    assert await projector.reconcile() == 690 + 3
    async with running(projector):
        pass
    assert await users(projections) == 703
    assert await Projector(log, projections).reconcile() == 0


async def test_projections_of_another_ledger_are_made_anew(new_ledger: Any, projections: Projections) -> None:
    """A checkpoint that is not on the chain (an older ledger was put back) counts for nothing."""
    log = MemoryLog()
    ledger, another = new_ledger(), new_ledger()
    another.add(UserCreated(user_id="AIDAX", user_name="other", path="/", created_at=START))
    create(another, 4)
    create(ledger, 3)
    await log.append(ledger.rows)
    await projections.write(another.records, {another.account: Checkpoint(5, another.rows[-1].hash.hex())})
    projector = Projector(log, projections)

    assert await projector.reconcile() == 3
    async with running(projector):
        pass
    assert await users(projections) == 3


async def test_an_account_without_a_ledger_is_forgotten(ledger: Any, projections: Projections) -> None:
    """Projections know nothing that no ledger says."""
    create(ledger, 2)
    await projections.write(ledger.records, {ledger.account: Checkpoint(2, ledger.rows[-1].hash.hex())})
    await Projector(MemoryLog(), projections).reconcile()

    assert await reached(projections) == {}
    assert await users(projections) == 0


async def test_more_than_can_wait_in_memory_is_read_again(
    ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the writer is far ahead, records are dropped from memory and nothing from the projections."""
    monkeypatch.setattr(module, "RECORDS_WAITING_MAX", 20)
    log = MemoryLog()
    create(ledger, 60)
    projector = Projector(log, projections, batch=7)
    async with running(projector):
        for start in range(0, 60, 6):
            rows = ledger.rows[start : start + 6]
            await log.append(rows)
            projector.publish(ledger.account, ledger.records[start : start + 6], head_of(rows[-1]))
            if start % 12 == 0:
                await asyncio.sleep(0)

    assert await users(projections) == 60
    assert (await reached(projections))[ledger.account].position == 60


async def test_a_failed_write_is_tried_again(
    ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk under the projections delays them and loses nothing."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    write, failures = projections.write, [OSError("disk full"), OSError("disk full")]

    async def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await write(*arguments)

    monkeypatch.setattr(projections, "write", failing)
    log = MemoryLog()
    create(ledger, 3)
    await log.append(ledger.rows)
    projector = Projector(log, projections)
    async with running(projector):
        projector.publish(ledger.account, ledger.records, head_of(ledger.rows[-1]))
        await asyncio.wait_for(projector.caught_up(ledger.account, 3), 5)

    assert await users(projections) == 3


async def test_a_file_of_an_older_program_is_made_anew(tmp_path: Path) -> None:
    """projections.db is disposable: another version of it is dropped, not migrated."""
    path = tmp_path / "projections.db"
    path.write_bytes(b"this is no database, " * 100)
    opened = Projections(path)

    assert await reached(opened) == {}
    await opened.close()


async def test_a_ledger_that_grew_unannounced_is_looked_at_again(ledger: Any, projections: Projections) -> None:
    """After an append whose outcome was unknown, the projections find what it wrote."""
    log = MemoryLog()
    create(ledger, 5)
    await log.append(ledger.rows)
    projector = Projector(log, projections)
    async with running(projector):
        projector.publish(ledger.account, ledger.records[:3], head_of(ledger.rows[2]))
        await projector.caught_up(ledger.account, 3)
        projector.recheck(ledger.account)
        await projector.caught_up(ledger.account, 5)

        assert await users(projections) == 5


async def test_a_ledger_rechecked_while_it_is_projected_is_projected_once(
    ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is said of a ledger meanwhile, no record is projected twice and none is left out."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    log = MemoryLog()
    create(ledger, 30)
    projector = Projector(log, projections, batch=4)
    async with running(projector):
        for start in range(0, 30, 3):
            rows = ledger.rows[start : start + 3]
            await log.append(rows)
            projector.publish(ledger.account, ledger.records[start : start + 3], head_of(rows[-1]))
            projector.recheck(ledger.account)
            await asyncio.sleep(0.002)
        await asyncio.wait_for(projector.caught_up(ledger.account, 30), 5)

        assert await reached(projections) == {ledger.account: Checkpoint(30, ledger.rows[-1].hash.hex())}
    assert await users(projections) == 30


class Meanwhile(MemoryLog):
    """A log in which something happens, once, just after it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], Awaitable[None]] | None = None

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        rows = await super().read(account, after, limit)
        await self._happen()
        return rows

    async def get(self, account: str, positions: Sequence[int]) -> list[Row]:
        rows = await super().get(account, positions)
        await self._happen()
        return rows

    async def _happen(self) -> None:
        if self.then is not None:
            then, self.then = self.then, None
            await then()


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_written_while_a_ledger_is_rechecked_is_not_missed(
    ledger: Any, projections: Projections, announced: bool
) -> None:
    """The projections never take themselves for complete at a head that is no more."""
    log = Meanwhile()
    create(ledger, 6)
    await log.append(ledger.rows[:3])
    projector = Projector(log, projections, batch=2)
    async with running(projector):
        projector.publish(ledger.account, ledger.records[:3], head_of(ledger.rows[2]))
        await projector.caught_up(ledger.account, 3)
        await log.append(ledger.rows[3:5])

        async def grow() -> None:
            await log.append(ledger.rows[5:])
            if announced:
                projector.publish(ledger.account, ledger.records[5:], head_of(ledger.rows[5]))
            else:
                projector.recheck(ledger.account)

        log.then = grow
        projector.recheck(ledger.account)
        await asyncio.wait_for(projector.caught_up(ledger.account, 6), 5)

        assert projector.knows(ledger.account)
        assert await users(projections) == 6


async def test_what_is_published_of_a_ledger_in_doubt_says_nothing_of_what_is_before_it(
    ledger: Any, projections: Projections
) -> None:
    """A record that came without a word is waited for, although a later one was announced."""
    log = MemoryLog()
    create(ledger, 5)
    await log.append(ledger.rows[:3])
    projector = Projector(log, projections)
    async with running(projector):
        projector.publish(ledger.account, ledger.records[:3], head_of(ledger.rows[2]))
        await projector.caught_up(ledger.account, 3)
        await log.append(ledger.rows[3:])
        projector.recheck(ledger.account)
        projector.publish(ledger.account, ledger.records[4:], head_of(ledger.rows[4]))
        await asyncio.wait_for(projector.caught_up(ledger.account, 4), 5)

        assert await users(projections) == 5


async def test_what_was_written_without_a_word_between_two_batches_is_read_from_the_log(
    new_ledger: Any, projections: Projections
) -> None:
    """Batches that wait in memory are put together only where one follows the other."""
    log = Meanwhile()
    ledger, other = new_ledger(), new_ledger("000000000001")
    create(ledger, 6)
    create(other, 1)
    await log.append(other.rows + ledger.rows[:2])
    projector = Projector(log, projections)
    await projector.reconcile()

    async def grow() -> None:
        await log.append(ledger.rows[2:4])  # its outcome was unknown
        await log.append(ledger.rows[4:])
        projector.publish(ledger.account, ledger.records[4:], head_of(ledger.rows[5]))
        projector.recheck(ledger.account)

    projector.publish(ledger.account, ledger.records[:2], head_of(ledger.rows[1]))
    log.then = grow
    async with running(projector):
        await asyncio.wait_for(projector.caught_up(ledger.account, 6), 5)

    assert await users(projections) == 7


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond this many bytes, as on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


async def test_what_a_full_disk_undid_is_written_whole_the_next_time(ledger: Any, projections: Projections) -> None:
    """The disk is found full only when the transaction ends; nothing of it may be taken for written."""
    create(ledger, 1)
    await projections.write(ledger.records, {ledger.account: Checkpoint(1, ledger.rows[0].hash.hex())})
    create(ledger, 40)
    rest = ledger.records[1:], {ledger.account: Checkpoint(41, ledger.rows[-1].hash.hex())}
    wal = projections.path.with_name(projections.path.name + "-wal").read_bytes()
    used = len(wal.rstrip(b"\0"))  # of the room that it has

    with files_of_at_most(used + 4096), pytest.raises(sqlite3.OperationalError):
        await projections.write(*rest)
    await projections.write(*rest)

    assert await users(projections) == 41


async def test_records_that_do_not_follow_the_checkpoint_are_not_written(ledger: Any, projections: Projections) -> None:
    """The transaction itself looks where the projections are."""
    create(ledger, 4)
    with pytest.raises(RuntimeError, match="do not follow"):
        await projections.write(ledger.records[2:], {ledger.account: Checkpoint(4, ledger.rows[-1].hash.hex())})

    assert await users(projections) == 0


async def test_closing_does_not_wait_for_a_long_way_to_go(
    ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is projected at the next start."""
    log = MemoryLog()
    create(ledger, 40)
    await log.append(ledger.rows)
    projector = Projector(log, projections, batch=2)
    await projector.reconcile()
    task = asyncio.create_task(projector.run())
    await projector.caught_up(ledger.account, 2)
    projector.close()
    await asyncio.wait_for(task, 5)

    assert 2 <= await users(projections) < 40


async def test_an_event_of_a_newer_program_ends_the_projection_of_its_ledger(
    ledger: Any, projections: Projections
) -> None:
    """What comes before it is known; whoever asks for more is told why; a newer program goes on from there."""
    log = MemoryLog()
    create(ledger, 3)
    unknown = ledger.rows[1].record.replace(b'"type":"UserCreated"', b'"type":"UserTeleported"')
    row = Row(ledger.account, 2, ledger.rows[1].recorded_at, "command-2", 0, unknown, leaf_hash(unknown))
    await log.append([ledger.rows[0], row, ledger.rows[2]])
    projector = Projector(log, projections)
    await projector.reconcile()
    async with running(projector):
        with pytest.raises(UnknownEvent):
            await projector.caught_up(ledger.account, 3)
        with pytest.raises(UnknownEvent):
            await projector.caught_up(ledger.account, 2)
        await projector.caught_up(ledger.account, 1)
        assert not projector.knows(ledger.account)

    assert (await reached(projections))[ledger.account].position == 1
