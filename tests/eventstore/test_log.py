"""The contract of a log. Every backend passes this suite unchanged."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.log import DuplicateCommand, Log, LogError, WrongPosition, all_heads, read_all
from eventstore.memory import MemoryLog
from eventstore.record import EMPTY, Row, head_of
from eventstore.sqlite import ROWS_PER_INSERT, SqliteLog

RowsOf = Callable[..., list[Row]]

ALICE = "111122223333"
BOB = "444455556666"
SECOND = 1_000_000


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, ledger: Path) -> AsyncIterator[Log]:
    log: Log = MemoryLog() if request.param == "memory" else await SqliteLog.open(ledger)
    yield log
    await log.close()


async def everything(log: Log) -> list[Row]:
    return [row async for account, _ in all_heads(log) async for row in read_all(log, account)]


async def test_a_new_log_is_empty(log: Log) -> None:
    """Nothing was ever written: no rows, no accounts, position 0 at any time."""
    assert await log.read(ALICE) == []
    assert await log.get(ALICE, [1]) == []
    assert await log.find(ALICE, "command-1") == []
    assert await log.head(ALICE) == EMPTY
    assert await log.heads() == []
    assert await log.position_at(ALICE, 2**62) == 0


async def test_rows_are_read_back_as_they_were_written(log: Log, rows_of: RowsOf) -> None:
    """Bytes and columns come back unchanged, and the head is the last row."""
    rows = rows_of(3)
    await log.append(rows[:1])
    await log.append(rows[1:])
    assert await log.read(ALICE) == rows
    assert await log.head(ALICE) == head_of(rows[-1])


async def test_a_position_behind_the_head_is_refused(log: Log, rows_of: RowsOf) -> None:
    """A position behind the head is taken already: the rows of a writer who did not look are refused."""
    rows = rows_of(2)
    await log.append(rows)
    with pytest.raises(WrongPosition):
        await log.append(rows_of(["another"], after=rows[0]))
    assert await log.read(ALICE) == rows


async def test_a_gap_is_refused(log: Log, rows_of: RowsOf) -> None:
    """A ledger begins at 1, and nothing is left out: neither before the rows nor between them."""
    rows = rows_of(4)
    for gappy in (rows[1:2], [rows[0], rows[2]]):
        with pytest.raises(WrongPosition):
            await log.append(gappy)
    assert await everything(log) == []
    await log.append(rows[:2])
    with pytest.raises(WrongPosition):
        await log.append(rows[3:])
    assert await everything(log) == rows[:2]


async def test_a_position_below_one_is_refused(log: Log, rows_of: RowsOf) -> None:
    """Positions count from 1."""
    [row] = rows_of(1)
    for position in (0, -1):
        with pytest.raises(WrongPosition):
            await log.append([msgspec.structs.replace(row, position=position)])
    assert await everything(log) == []


@pytest.mark.parametrize("difference", [0, -1, -SECOND])
async def test_a_time_that_is_not_later_is_refused(log: Log, rows_of: RowsOf, difference: int) -> None:
    """Times increase strictly: against the head, and within one append."""
    first, second = rows_of(2)
    late = msgspec.structs.replace(second, recorded_at=first.recorded_at + difference)
    with pytest.raises(WrongPosition):
        await log.append([first, late])
    assert await everything(log) == []
    await log.append([first])
    with pytest.raises(WrongPosition):
        await log.append([late])
    assert await everything(log) == [first]


async def test_a_repeated_command_is_refused_by_name(log: Log, rows_of: RowsOf) -> None:
    """The refusal names exactly the commands that the ledger holds, so that the others can be tried again."""
    rows = rows_of(["a", "b"])
    await log.append(rows)
    with pytest.raises(DuplicateCommand) as refusal:
        await log.append(rows_of(["new", "a", "b"], after=rows[-1]))
    assert refusal.value.commands == {(ALICE, "a"), (ALICE, "b")}
    assert await everything(log) == rows


async def test_a_command_that_stands_twice_in_one_append_is_refused(log: Log, rows_of: RowsOf) -> None:
    """Uniqueness holds inside an append as it does against the ledger."""
    with pytest.raises(LogError):
        await log.append(rows_of(["a", "b", "a"]))
    assert await everything(log) == []


async def test_a_command_id_belongs_to_its_account(log: Log, rows_of: RowsOf) -> None:
    """Two accounts may use the same id."""
    await log.append(rows_of(["a"], account=ALICE))
    await log.append(rows_of(["a"], account=BOB))
    assert [row.account for row in await everything(log)] == [ALICE, BOB]


async def test_a_wrong_position_goes_before_a_repeated_command(log: Log, rows_of: RowsOf) -> None:
    """A writer whose picture of the ledger is old learns that first, and looks again before it answers anybody."""
    rows = rows_of(["a", "b"])
    await log.append(rows)
    with pytest.raises(WrongPosition):
        await log.append(rows_of(["a"]))


async def test_several_ledgers_are_written_in_one_append(log: Log, rows_of: RowsOf) -> None:
    """Each ledger has its own positions."""
    alice, bob = rows_of(2, account=ALICE), rows_of(3, account=BOB)
    await log.append(alice + bob)
    assert await log.read(ALICE) == alice
    assert await log.read(BOB) == bob


async def test_an_append_is_all_or_nothing(log: Log, rows_of: RowsOf) -> None:
    """One wrong row undoes the rows of every ledger in the append."""
    bob = rows_of(2, account=BOB)
    await log.append(bob)
    with pytest.raises(WrongPosition):
        await log.append(rows_of(2, account=ALICE) + rows_of(1, account=BOB))
    with pytest.raises(DuplicateCommand):
        await log.append(rows_of(2, account=ALICE) + rows_of(["command-1"], account=BOB, after=bob[-1]))
    assert await everything(log) == bob


@pytest.mark.parametrize("count", [ROWS_PER_INSERT, ROWS_PER_INSERT + 1, 2 * ROWS_PER_INSERT + 1])
async def test_an_append_may_be_larger_than_a_statement(log: Log, rows_of: RowsOf, count: int) -> None:
    """However many rows there are, they are one append."""
    rows = rows_of(count)
    await log.append(rows)
    assert await everything(log) == rows


async def test_a_large_append_is_all_or_nothing(log: Log, rows_of: RowsOf) -> None:
    """A wrong row in the last part undoes the parts before it, and the log goes on."""
    rows = rows_of(ROWS_PER_INSERT + 2)
    with pytest.raises(WrongPosition):
        await log.append([*rows[:-2], rows[-1]])
    assert await everything(log) == []
    await log.append(rows)
    assert await everything(log) == rows


async def test_reading_goes_forward_from_a_position(log: Log, rows_of: RowsOf) -> None:
    """`after` itself is left out, and no more than `limit` rows come."""
    rows = rows_of(5)
    await log.append(rows)
    assert await log.read(ALICE, after=2) == rows[2:]
    assert await log.read(ALICE, after=1, limit=2) == rows[1:3]
    assert await log.read(ALICE, after=5) == []
    assert await log.read(ALICE, after=99) == []
    assert await log.read(BOB) == []


async def test_read_all_goes_through_every_page(log: Log, rows_of: RowsOf) -> None:
    """The pages meet: nothing is left out or told twice."""
    rows = rows_of(5)
    await log.append(rows)
    for page in range(1, 7):
        assert [row async for row in read_all(log, ALICE, after=1, page=page)] == rows[1:]


async def test_single_rows_are_found_by_position(log: Log, rows_of: RowsOf) -> None:
    """In order and once each; a position that does not exist is left out."""
    rows = rows_of(4)
    await log.append(rows)
    assert await log.get(ALICE, [3, 1, 3, 99, 0, -1]) == [rows[0], rows[2]]
    assert await log.get(ALICE, []) == []
    assert await log.get(BOB, [1]) == []


async def test_the_stored_bytes_are_read_page_by_page(log: Log, rows_of: RowsOf) -> None:
    """The records alone, behind a position, in order, of this ledger alone."""
    rows = rows_of(5)
    await log.append(rows + rows_of(2, account=BOB))
    assert await log.stored(ALICE) == [row.record for row in rows]
    assert await log.stored(ALICE, after=1, limit=2) == [rows[1].record, rows[2].record]
    assert await log.stored(ALICE, after=5) == []
    assert await log.stored("999999999999") == []


async def test_hashes_are_told_page_by_page(log: Log, rows_of: RowsOf) -> None:
    """Those of the records behind a position, in order, of this ledger alone."""
    rows = rows_of(5)
    await log.append(rows + rows_of(2, account=BOB))
    assert await log.hashes(ALICE) == [row.hash for row in rows]
    assert await log.hashes(ALICE, after=1, limit=2) == [rows[1].hash, rows[2].hash]
    assert await log.hashes(ALICE, after=5) == []
    assert await log.hashes("999999999999") == []


async def test_the_rows_of_a_command_are_found_by_its_id(log: Log, rows_of: RowsOf) -> None:
    """All of them in order, and none of its neighbours'."""
    rows = rows_of(["a", "b", "b", "b", "c"])
    await log.append(rows)
    assert await log.find(ALICE, "b") == rows[1:4]
    assert await log.find(ALICE, "c") == rows[4:]
    assert await log.find(ALICE, "d") == []
    assert await log.find(BOB, "b") == []


async def test_heads_are_told_page_by_page(log: Log, rows_of: RowsOf) -> None:
    """In the order of the accounts, behind the one given."""
    ledgers = {f"{number:012}": rows_of(number, account=f"{number:012}") for number in range(1, 6)}
    await log.append([row for account in reversed(ledgers) for row in ledgers[account]])
    expected = [(account, head_of(rows[-1])) for account, rows in ledgers.items()]
    assert await log.heads() == expected
    assert await log.heads(limit=2) == expected[:2]
    assert await log.heads(after=expected[1][0], limit=2) == expected[2:4]
    assert await log.heads(after=expected[4][0]) == []
    for page in range(1, 7):
        assert [head async for head in all_heads(log, page)] == expected


@pytest.mark.parametrize("count", [1, 2, 5, 8, 100])
async def test_a_time_is_resolved_to_a_position(log: Log, rows_of: RowsOf, count: int) -> None:
    """The last record at or before the time: before the first there is none, after the last it is the last."""
    rows = rows_of(count)
    await log.append(rows)
    for row in rows:
        assert await log.position_at(ALICE, row.recorded_at - 1) == row.position - 1
        assert await log.position_at(ALICE, row.recorded_at) == row.position
        assert await log.position_at(ALICE, row.recorded_at + SECOND // 2) == row.position
    assert await log.position_at(ALICE, 0) == 0
    assert await log.position_at(ALICE, 2**62) == count
    assert await log.position_at(BOB, 2**62) == 0


async def test_reopening_keeps_what_was_written(log: Log, rows_of: RowsOf) -> None:
    """After a reopen the rows are there, and the next ones are taken; as often as one likes."""
    rows = rows_of(3)
    for row in rows:
        await log.append([row])
        await log.reopen()
    assert await everything(log) == rows


async def test_concurrent_appends_at_one_position_leave_one(log: Log, rows_of: RowsOf) -> None:
    """Of several who expect the same head, one is right; the others wrote nothing."""
    results = await asyncio.gather(
        *(log.append(rows_of([name])) for name in "abcd"),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["NoneType"] + ["WrongPosition"] * 3
    assert (await log.head(ALICE)).position == 1


APPENDS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from([ALICE, BOB, "aws"]), st.integers(1, 3), st.integers(1, 2)),
            min_size=1,
            max_size=3,
            unique_by=lambda part: part[0],
        ),
        st.sampled_from([None, None, None, "gap", "behind", "repeated", "not later"]),
    ),
    max_size=6,
)


def broken(rows: Sequence[Row], fault: str | None, known: Sequence[Row]) -> list[Row]:
    """The rows with the first, or the last, made wrong in one way."""
    first, *rest = rows
    match fault:
        case "gap":
            return [*rows[:-1], msgspec.structs.replace(rows[-1], position=rows[-1].position + 1)]
        case "behind":
            return [msgspec.structs.replace(first, position=first.position - 1), *rest]
        case "repeated":
            earlier = [row.command_id for row in known if row.account == first.account]
            return [msgspec.structs.replace(first, command_id=earlier[0]), *rest] if earlier else list(rows)
        case "not later":
            return [msgspec.structs.replace(first, recorded_at=0), *rest]
    return list(rows)


async def play(log: Log, rows_of: RowsOf, appends: Sequence[Any]) -> list[object]:
    """Everything that the log answers to a series of appends and to every question afterwards."""
    heard: list[object] = []
    count = 0
    for parts, fault in appends:
        rows: list[Row] = []
        for account, commands, records in parts:
            names = [f"command-{count + place}" for place in range(commands) for _ in range(records)]
            count += commands
            rows += rows_of(names, account=account, after=await log.head(account))
        try:
            await log.append(broken(rows, fault, await everything(log)))
        except DuplicateCommand as refusal:
            heard.append(sorted(refusal.commands))
        except LogError as refusal:
            heard.append(type(refusal))
    rows = await everything(log)
    heard.append([(row.account, row.position, row.recorded_at, row.command_id, row.command_index) for row in rows])
    heard.append([[found.position for found in await log.find(row.account, row.command_id)] for row in rows])
    heard.append([await log.position_at(row.account, row.recorded_at + 1) for row in rows])
    heard.append([await log.hashes(row.account, row.position - 1, 1) == [row.hash] for row in rows])
    return heard


@settings(max_examples=40, deadline=None)
@given(APPENDS)
def test_the_backends_agree(rows_of: RowsOf, appends: Sequence[Any]) -> None:
    """Whatever is appended, well or badly, memory and SQLite answer the same and hold dense ledgers."""

    async def both() -> tuple[list[object], list[object], list[tuple[str, int]]]:
        with tempfile.TemporaryDirectory() as folder:
            async with await SqliteLog.open(Path(folder) / "ledger.db") as sqlite:
                stored = await play(sqlite, rows_of, appends)
                return (
                    stored,
                    await play(MemoryLog(), rows_of, appends),
                    [(row.account, row.position) for row in await everything(sqlite)],
                )

    stored, remembered, places = asyncio.run(both())
    assert stored == remembered
    for account in {account for account, _ in places}:
        positions = [position for owner, position in places if owner == account]
        assert positions == list(range(1, len(positions) + 1))
