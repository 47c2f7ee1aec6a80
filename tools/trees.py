"""The Merkle trees of an audit: the ledger beside a checkpoint that was kept, and beside the projections' tiles.

Both are fed with the hashes of the records as the audit reads them, and keep a few hundred at most.
"""

import sqlite3
from collections.abc import Iterator

from eventstore.merkle import TILE, Frontier, root_of
from eventstore.notes import TreeHead, log_id_of
from eventstore.record import Row
from iam.policies import AWS


class Continuation:
    """Does the ledger continue the one of a checkpoint? It is given every sound row of every ledger."""

    def __init__(self, told: TreeHead) -> None:
        self._told = told
        self._frontier = Frontier()
        self._log_id: str | None = None

    def take(self, row: Row) -> None:
        """Take the next row of a ledger."""
        if row.account == self._told.account and self._frontier.size < self._told.size:
            self._frontier.add(row.hash)
        if row.account == AWS and row.position == 1:
            self._log_id = log_id_of(row.hash)

    def problem(self) -> str | None:
        """Why it does not continue that one, once all rows were taken; None if it does."""
        told, found = self._told, self._frontier
        if not told.account:
            return f"{told.origin} is no ledger of iam-ledger"
        if self._log_id is None:
            return f"there is no sound first record in the ledger {AWS}, which tells one log from another"
        if told.log_id != self._log_id:
            return f"it is of the log {told.log_id}, and this is the log {self._log_id}"
        if found.size < told.size:
            return f"of its {told.size:,} records of {told.account}, the ledger has the first {found.size:,} only"
        if found.root() != told.root:
            return f"the first {told.size:,} records of {told.account} are not the ones it was made of"
        return None


class TileComparison:
    """The tiles of one account in the projections beside those of its ledger. Every method answers what differs."""

    def __init__(self, connection: sqlite3.Connection, account: str) -> None:
        self._connection = connection
        self._account = account
        self._counts: list[int] = [0]  # at each level, the leaves being level 0
        self._rests: list[list[bytes]] = [[]]  # at each level, those that fill no tile yet

    def take(self, hash_: bytes) -> Iterator[str]:
        """The next record's hash."""
        level = 0
        while True:
            self._counts[level] += 1
            rest = self._rests[level]
            rest.append(hash_)
            if len(rest) < TILE:
                return
            hash_ = root_of(rest)
            rest.clear()
            level += 1
            if level == len(self._counts):
                self._counts.append(0)
                self._rests.append([])
            stored = self._connection.execute(
                "SELECT root FROM tiles WHERE account = ? AND level = ? AND number = ?",
                (self._account, level, self._counts[level]),
            ).fetchone()
            if stored not in (None, (hash_,)):
                yield f"tile {self._counts[level]} of level {level} has another root"

    def conclude(self) -> Iterator[str]:
        """The checkpoint of the projections is here. Tiles are made in order, and none before its records."""
        for level, count, last in self._connection.execute(
            "SELECT level, count(*), max(number) FROM tiles WHERE account = ? GROUP BY level", (self._account,)
        ):
            if not 0 < level < len(self._counts) or last >= self._counts[level]:
                yield f"there are tiles of level {level} over records that there are none of"
            elif count <= last:
                yield f"tiles of level {level} are missing"
