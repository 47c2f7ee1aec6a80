"""Whole ledgers at once: the same tables as record by record, whatever comes together and whatever is forgotten."""

import asyncio
import gc
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.memory import MemoryLog
from iam.events.users import UserCreated
from projections import loading, tables
from projections.loading import load, rebuild
from projections.store import Projections
from projections.tables import Batch, Checkpoint

ACCOUNTS = ("111122223333", "222233334444", "333344445555")

CONTENTS = (
    "SELECT * FROM entries_history ORDER BY account, relation, owner, member, valid_from",
    "SELECT * FROM events ORDER BY account, position",
    "SELECT account, kind, name, position FROM things JOIN audit_index ON thing = id ORDER BY 1, 2, 3, 4",
    "SELECT * FROM checkpoints ORDER BY account",
    "SELECT kind, name, count(*) FROM things GROUP BY account, kind, name HAVING count(*) > 1",
)


def contents(connection: sqlite3.Connection) -> list[list[Any]]:
    """All that the tables say, without the numbers by which they know things."""
    return [connection.execute(question).fetchall() for question in CONTENTS]


async def made(ledgers: list[Any], fill: Callable[[MemoryLog, Projections], Any]) -> list[list[Any]]:
    """What there is in new projections of these ledgers once they are filled."""
    log = MemoryLog()
    for ledger in ledgers:
        await log.append(ledger.rows)
    with TemporaryDirectory() as folder:
        projections = Projections(Path(folder) / "projections.db")
        try:
            await fill(log, projections)
            return await projections.read(contents)
        finally:
            await projections.close()


@pytest.mark.parametrize("fill", [load, rebuild])
@pytest.mark.parametrize("remembered", [500_000, 20, 0])
def test_a_load_makes_what_the_records_make_one_by_one(
    steps: Any, new_ledger: Any, monkeypatch: pytest.MonkeyPatch, fill: Any, remembered: int
) -> None:
    """However many are read and written at a time, and also where numbers are forgotten and looked up again."""
    monkeypatch.setattr(tables, "VALUES_REMEMBERED", remembered)

    @settings(max_examples=20)
    @given(st.lists(steps, min_size=1, max_size=len(ACCOUNTS)), st.integers(1, 30), st.integers(1, 30))
    def holds(histories: list[Any], read: int, batch: int) -> None:
        ledgers = [new_ledger(account) for account, _ in zip(ACCOUNTS, histories, strict=False)]
        for ledger, history in zip(ledgers, histories, strict=True):
            ledger.live(history)

        async def one_by_one(_: MemoryLog, projections: Projections) -> None:
            for ledger in ledgers:
                for record, row in zip(ledger.records, ledger.rows, strict=True):
                    reached = Checkpoint(record.position, row.hash.hex())
                    await projections.write([record], {ledger.account: reached})

        with monkeypatch.context() as sizes:
            sizes.setattr("eventstore.log.STORED_PER_PAGE", read)
            sizes.setattr(loading, "RECORDS_PER_BATCH", batch)
            assert asyncio.run(made(ledgers, fill)) == asyncio.run(made(ledgers, one_by_one))

    holds()


async def test_a_rebuild_that_cannot_write_leaves_what_was_there(
    ledger: Any, projections: Projections, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later batch fails while the one behind it is put together: it is raised, and the old tables answer."""
    for number in range(40):
        ledger.add(UserCreated(user_id=f"AIDA{number}", user_name=f"user-{number}", path="/", created_at=now))
    log = MemoryLog()
    await log.append(ledger.rows)
    await load(log, projections)
    before = await projections.read(contents)
    monkeypatch.setattr("eventstore.log.STORED_PER_PAGE", 5)
    monkeypatch.setattr(loading, "RECORDS_PER_BATCH", 10)
    write, written = Batch.write, []

    def fails_later(batch: Batch, *rest: Any, **named: Any) -> None:
        written.append(len(batch))
        if len(written) == 3:
            raise sqlite3.OperationalError("disk I/O error")
        write(batch, *rest, **named)

    with monkeypatch.context() as failing:
        failing.setattr(Batch, "write", fails_later)
        with pytest.raises(sqlite3.OperationalError):
            await rebuild(log, projections)
    assert written == [10, 10, 10]
    assert await projections.read(contents) == before

    assert await rebuild(log, projections) == 40
    assert await projections.read(contents) == before
    assert gc.isenabled()
    assert sys.getswitchinterval() == pytest.approx(0.005)
