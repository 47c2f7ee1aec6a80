"""Accounts in memory: loaded when asked for, bounded, and read-only when a newer program wrote to them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventstore.log import LogError
from eventstore.memory import MemoryLog
from eventstore.record import Row, leaf_hash
from eventstore.sqlite import SqliteLog
from iam import relations as r
from iam.events.users import UserCreated
from iam.state import World
from projections.accounts import ACCOUNT_BYTES, Accounts
from projections.projector import Projector
from projections.records import UnknownEvent
from projections.store import Checkpoint, Projections

START = datetime(2026, 11, 3, tzinfo=UTC)


def create(ledger: Any, name: str) -> None:
    """One user."""
    ledger.add(UserCreated(user_id=f"AIDA{name}", user_name=name, path="/", created_at=START))


def accounts(log: MemoryLog, projections: Projections, world: World, memory_bytes: int = 2**20) -> Accounts:
    """Accounts whose projector does not run."""
    return Accounts(log, projections, world, Projector(log, projections), memory_bytes)


async def test_an_account_is_its_open_entries_and_the_tail_of_its_ledger(
    ledger: Any, projections: Projections, world: World
) -> None:
    """However far the projections have come, loading ends at the head of the log."""
    log = MemoryLog()
    for name in ("alice", "bob", "carol"):
        create(ledger, name)
    await log.append(ledger.rows)
    for known in range(4):
        await projections.forget(ledger.account)
        if known:
            digest = ledger.rows[known - 1].hash.hex()
            await projections.write(ledger.records[:known], {ledger.account: Checkpoint(known, digest)})
        state, head = await accounts(log, projections, world).state(ledger.account)

        assert head.position == 3
        assert [name for name, _ in state.scan(r.USERS, "")] == ["alice", "bob", "carol"]


async def test_memory_stays_bounded_however_many_accounts_are_asked_for(projections: Projections, world: World) -> None:
    """The account asked for the longest ago goes first; those that are held stay."""
    held = accounts(MemoryLog(), projections, world, memory_bytes=10 * ACCOUNT_BYTES)
    await held.hold("000000000000")
    for number in range(1, 1000):
        await held.state(f"{number:012}")

    assert len(held._loaded) <= 11
    assert "000000000000" in held._loaded


async def test_an_account_that_was_only_read_has_no_ledger(projections: Projections, world: World) -> None:
    """Reading creates nothing."""
    log = MemoryLog()
    state, head = await accounts(log, projections, world).state("000000000001")

    assert head.position == 0
    assert state.count(r.USERS, "") == 0
    assert await log.heads() == []


async def test_an_account_is_in_the_partition_of_its_first_record(
    ledger: Any, projections: Projections, world: World
) -> None:
    """In memory or not; before that record it is in none. Where the record cannot be read, nobody guesses."""
    log, damaged = MemoryLog(), MemoryLog()
    create(ledger, "alice")
    stored = ledger.rows[0].record
    for there, record in ((log, stored.replace(b"arn:aws:", b"arn:aws-cn:")), (damaged, stored[:-9])):
        await there.append([Row(ledger.account, 1, ledger.rows[0].recorded_at, "1", 0, record, leaf_hash(record))])
    held = accounts(log, projections, world)

    assert await held.partition(ledger.account) == "aws-cn"
    assert (await held.state(ledger.account))[0].world.partition == "aws-cn"
    assert await held.partition(ledger.account) == "aws-cn"
    assert await held.partition("000000000001") is None
    assert (await held.state("000000000001"))[0].world.partition == ""
    assert await held.partition("000000000001") is None
    with pytest.raises(LogError, match="record 1 cannot be read"):
        await accounts(damaged, projections, world).partition(ledger.account)


async def test_an_event_of_a_newer_program_makes_the_account_read_only(
    ledger: Any, projections: Projections, world: World
) -> None:
    """What is known can still be read; writing on a state that is not understood is refused, by name."""
    log = MemoryLog()
    create(ledger, "alice")
    create(ledger, "bob")
    unknown = ledger.rows[1].record.replace(b'"type":"UserCreated"', b'"type":"UserTeleported"')
    row = Row(ledger.account, 2, ledger.rows[1].recorded_at, "command-2", 0, unknown, leaf_hash(unknown))
    await log.append([ledger.rows[0], row])
    loaded = accounts(log, projections, world)
    state, head = await loaded.state(ledger.account)

    assert head.position == 2
    assert state.get(r.USERS, "", "alice") == "AIDAalice"
    assert "UserTeleported" in loaded.read_only[ledger.account]
    with pytest.raises(UnknownEvent):
        await loaded.hold(ledger.account)


@pytest.mark.parametrize("holds", [0, 1], ids=["let go", "held"])
async def test_a_ledger_that_lost_what_was_published_is_not_folded_again(
    ledger: Any, projections: Projections, world: World, holds: int
) -> None:
    """A log that comes back without an acknowledged record gets no other one in its place."""
    log, shorter = MemoryLog(), MemoryLog()
    create(ledger, "alice")
    create(ledger, "bob")
    await log.append(ledger.rows)
    await shorter.append(ledger.rows[:1])
    loaded = accounts(log, projections, world)
    await loaded.state(ledger.account)
    for _ in range(holds):
        await loaded.hold(ledger.account)
    await loaded.reload_all()
    await loaded.state(ledger.account)
    loaded._log = shorter

    with pytest.raises(LogError, match="record 2 was published and is not there any more"):
        await loaded.reload_all()
    assert (await loaded.state(ledger.account))[1].position == 2


async def test_a_damaged_head_keeps_no_other_account_from_being_folded_again(
    new_ledger: Any, projections: Projections, world: World, tmp_path: Path
) -> None:
    """As after a failed sync: that the record is there shows by its hash, and the projections know what it says."""
    sound, broken = new_ledger("111122223333"), new_ledger("444455556666")
    async with await SqliteLog.open(tmp_path / "ledger.db") as log:
        for ledger in (sound, broken):
            create(ledger, "alice")
            await log.append(ledger.rows)
            await projections.write(ledger.records, {ledger.account: Checkpoint(1, ledger.rows[0].hash.hex())})
        loaded = accounts(log, projections, world)
        for ledger in (sound, broken):
            await loaded.hold(ledger.account)
        with closing(sqlite3.connect(log.path)) as connection:
            connection.execute("DROP TRIGGER records_are_never_changed")
            connection.execute("UPDATE records SET record = x'00' WHERE account = ?", (broken.account,))
            connection.commit()
        await log.reopen()

        await loaded.reload_all()

        for ledger in (sound, broken):
            state, head = await loaded.state(ledger.account)
            assert head.position == 1
            assert [name for name, _ in state.scan(r.USERS, "")] == ["alice"]
