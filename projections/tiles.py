"""The Merkle tree's tiles: kept in `projections.db` once they are complete, so that no root reads a whole ledger.

They are made when somebody asks, each level from the one below, and never beyond what the projections know of the
ledger: where that turns out to be another one, they are forgotten with the rest.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial

from eventstore.log import Log
from eventstore.merkle import TILE, Run, Tree, root_of, runs
from projections.store import Projections
from projections.tables import checkpoint_of

TILES_PER_CHANGE = 16


async def extend_tiles(log: Log, projections: Projections, account: str, size: int) -> None:
    """Make the complete tiles over the first `size` records that are missing, as far as the projections know these.

    Several may do so at the same time. A few thousand hashes are read and a few tiles are written at a time.
    LookupError where the ledger is forgotten meanwhile.
    """
    checkpoint = await projections.read(partial(checkpoint_of, account=account))
    level, count = 1, min(size, checkpoint.position) // TILE
    while count:
        known = await projections.read(partial(_count, account=account, level=level))
        for first in range(known, count, TILES_PER_CHANGE):
            below = Run(level - 1, first * TILE, min(first + TILES_PER_CHANGE, count) * TILE)
            hashes = await _hashes(log, projections, account, below)
            await projections.change(partial(_add, account=account, level=level, first=first, hashes=hashes))
        level, count = level + 1, count // TILE


def tile_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many tiles over records each account has; none for one that is not there."""
    rows = connection.execute("SELECT account, max(number) + 1 FROM tiles WHERE level = 1 GROUP BY account")
    return dict(rows.fetchall())


def _add(connection: sqlite3.Connection, account: str, level: int, first: int, hashes: Sequence[bytes]) -> None:
    """Keep the tiles over hashes of the level below, unless those before them were forgotten meanwhile."""
    if _count(connection, account, level) >= first:
        roots = (root_of(hashes[start : start + TILE]) for start in range(0, len(hashes) - TILE + 1, TILE))
        rows = ((account, level, first + place, root) for place, root in enumerate(roots))
        connection.executemany("INSERT OR IGNORE INTO tiles VALUES (?, ?, ?, ?)", rows)


async def tree_of(log: Log, projections: Projections, account: str, size: int, *leaves: int) -> Tree:
    """The tree over the first `size` records: its root, and proofs about these leaves, which are counted from 0.

    The projections must know the ledger up to there. LookupError where they do not, or forget it meanwhile.
    """
    await extend_tiles(log, projections, account, size)
    hashes: dict[tuple[int, int], bytes] = {}
    for run in runs(size, *leaves):
        found = await _hashes(log, projections, account, run)
        hashes |= {(run.level, run.first + place): hash_ for place, hash_ in enumerate(found)}
    return Tree(size, hashes)


async def _hashes(log: Log, projections: Projections, account: str, run: Run) -> list[bytes]:
    """A run of leaves, which the log has, or of tiles, which are made. LookupError unless all of it is there."""
    if run.level == 0:
        found = await log.hashes(account, run.first, run.stop - run.first)
    else:
        found = await projections.read(partial(_tiles, account=account, run=run))
    if len(found) != run.stop - run.first:
        raise LookupError(f"ledger {account}: not all of {run} is there")
    return found


def _tiles(connection: sqlite3.Connection, account: str, run: Run) -> list[bytes]:
    rows = connection.execute(
        "SELECT root FROM tiles WHERE account = ? AND level = ? AND number >= ? AND number < ? ORDER BY number",
        (account, run.level, run.first, run.stop),
    )
    return [root for (root,) in rows]


def _count(connection: sqlite3.Connection, account: str, level: int) -> int:
    """How many tiles there are at a level. They are made in order, so the last one's number tells."""
    [(last,)] = connection.execute("SELECT max(number) FROM tiles WHERE account = ? AND level = ?", (account, level))
    return 0 if last is None else int(last) + 1
