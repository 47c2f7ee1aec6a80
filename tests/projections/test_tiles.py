"""Tiles are made as they are asked for, once each, and what follows from them is the ledger's own tree."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from eventstore.memory import MemoryLog
from eventstore.merkle import TILE, is_continued, is_included, root_of
from iam.events.users import UserCreated
from projections.store import Projections
from projections.tables import Checkpoint
from projections.tiles import extend_tiles, tree_of

START = datetime(2026, 11, 3, tzinfo=UTC)
RECORDS = 5 * TILE + 3


class CountingLog(MemoryLog):
    """A log that knows how many hashes it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    async def hashes(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """See Log.hashes."""
        found = await super().hashes(account, after, limit)
        self.told += len(found)
        return found


@pytest.fixture
def long_ledger(ledger: Any) -> Any:
    """A ledger of several tiles, and a rest."""
    for number in range(RECORDS):
        ledger.add(UserCreated(user_id=f"AIDA{number}", user_name=f"user-{number}", path="/", created_at=START))
    return ledger


@pytest.fixture
async def log(long_ledger: Any) -> CountingLog:
    """A log that holds it."""
    log = CountingLog()
    await log.append(long_ledger.rows)
    return log


async def known(projections: Projections, ledger: Any, position: int) -> None:
    """Let the projections know the ledger up to a position; what else they hold does not matter here."""
    await projections.write([], {ledger.account: Checkpoint(position, ledger.rows[position - 1].hash.hex())})


async def tiles(projections: Projections) -> list[tuple[int, int, bytes]]:
    """All tiles, by level and number."""
    sql = "SELECT level, number, root FROM tiles ORDER BY level, number"
    return await projections.read(lambda connection: connection.execute(sql).fetchall())


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 1000, RECORDS])
async def test_a_tree_from_tiles_is_the_ledgers_tree(
    log: CountingLog, projections: Projections, long_ledger: Any, size: int
) -> None:
    """Its root is that of all hashes; proofs about any record hold, and of any beginning."""
    await known(projections, long_ledger, RECORDS)
    hashes = [row.hash for row in long_ledger.rows]
    root = root_of(hashes[:size])

    assert (await tree_of(log, projections, long_ledger.account, size)).root() == root
    for leaf in {0, size // 2, size - 1} if size else ():
        tree = await tree_of(log, projections, long_ledger.account, size, leaf)
        assert is_included(hashes[leaf], leaf, size, tree.inclusion(leaf), root)
        assert is_continued(leaf + 1, root_of(hashes[: leaf + 1]), size, root, tree.consistency(leaf + 1))


async def test_only_complete_tiles_are_kept(log: CountingLog, projections: Projections, long_ledger: Any) -> None:
    """Each is the root over its 256 records, and stays what it is when the ledger grows."""
    hashes = [row.hash for row in long_ledger.rows]
    expected = [(1, number, root_of(hashes[number * TILE : (number + 1) * TILE])) for number in range(5)]
    await known(projections, long_ledger, RECORDS)

    await extend_tiles(log, projections, long_ledger.account, 3 * TILE - 1)
    assert await tiles(projections) == expected[:2]
    await extend_tiles(log, projections, long_ledger.account, RECORDS)
    assert await tiles(projections) == expected
    await extend_tiles(log, projections, long_ledger.account, TILE)
    assert await tiles(projections) == expected


async def test_levels_are_made_of_the_level_below(
    projections: Projections, long_ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger of 65,536 records has a tile of 256 tiles."""

    class Many(MemoryLog):
        async def hashes(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
            return [number.to_bytes(32) for number in range(after, min(after + limit, TILE * TILE + 300))]

    size = TILE * TILE + 300
    await projections.write([], {long_ledger.account: Checkpoint(size, "ab")})
    everything = await Many().hashes("", 0, size)

    tree = await tree_of(Many(), projections, long_ledger.account, size, 7)

    assert tree.root() == root_of(everything)
    assert is_included(everything[7], 7, size, tree.inclusion(7), tree.root())
    made = await tiles(projections)
    assert len(made) == 257 + 1
    assert made[-1] == (2, 0, root_of(everything[: TILE * TILE]))


async def test_nothing_is_read_twice(log: CountingLog, projections: Projections, long_ledger: Any) -> None:
    """Once the tiles are there, a root reads less than one tile of the ledger, and a proof less than two."""
    await known(projections, long_ledger, RECORDS)
    await extend_tiles(log, projections, long_ledger.account, RECORDS)
    assert log.told == 5 * TILE

    for leaves, most in (((), TILE), ((300,), 2 * TILE)):
        log.told = 0
        await tree_of(log, projections, long_ledger.account, RECORDS, *leaves)
        assert 0 < log.told < most


async def test_many_may_make_tiles_at_once(log: CountingLog, projections: Projections, long_ledger: Any) -> None:
    """Whoever is late finds them there."""
    await known(projections, long_ledger, RECORDS)
    expected = root_of(row.hash for row in long_ledger.rows)

    trees = await asyncio.gather(*(tree_of(log, projections, long_ledger.account, RECORDS) for _ in range(8)))

    assert {tree.root() for tree in trees} == {expected}
    assert len(await tiles(projections)) == 5


async def test_tiles_go_no_further_than_the_projections(
    log: CountingLog, projections: Projections, long_ledger: Any
) -> None:
    """What lies beyond their checkpoint may turn out to be another ledger; all is forgotten together."""
    await extend_tiles(log, projections, long_ledger.account, RECORDS)
    assert await tiles(projections) == []
    await known(projections, long_ledger, 2 * TILE + 1)
    await extend_tiles(log, projections, long_ledger.account, RECORDS)
    assert len(await tiles(projections)) == 2

    await projections.forget(long_ledger.account)

    assert await tiles(projections) == []
    with pytest.raises(LookupError):
        await tree_of(log, projections, long_ledger.account, RECORDS)


async def test_ledgers_have_tiles_of_their_own(
    projections: Projections, long_ledger: Any, new_ledger: Callable[..., Any]
) -> None:
    """Another account's tree is another tree."""
    other = new_ledger("444455556666")
    for number in range(TILE):
        other.add(UserCreated(user_id=f"AIDA{number}", user_name=f"user-{number}", path="/", created_at=START))
    log = CountingLog()
    await log.append(long_ledger.rows + other.rows)
    for ledger in (long_ledger, other):
        await known(projections, ledger, len(ledger.rows))

    for ledger in (long_ledger, other):
        tree = await tree_of(log, projections, ledger.account, len(ledger.rows))
        assert tree.root() == root_of(row.hash for row in ledger.rows)
