"""The contract of a log, and all that can go wrong with one: four ways for an append to end, and damage.

A log keeps ledgers, one per account, each a sequence of rows at positions 1, 2, 3 … without gaps. It knows
bytes, not what they say. `tests/eventstore/test_log.py` is this contract as a suite; every backend passes it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from eventstore.record import Head, Row, leaf_hash

STORED_PER_PAGE = 1000  # so that there is something to read ahead in short ledgers, too


class LogError(Exception):
    """Base of what a log can answer besides what it was asked for."""


class WrongPosition(LogError):
    """A ledger's head is not where the rows say it is, or a row is not later than it. Nothing was written."""


class DuplicateCommand(LogError):
    """Some rows repeat a command that the ledger holds already. Nothing was written."""

    def __init__(self, commands: Iterable[tuple[str, str]]) -> None:
        self.commands = frozenset(commands)  # (account, command_id)
        super().__init__(f"{len(self.commands)} command(s) already recorded")


class NotWritten(LogError):
    """The append failed and left nothing behind (disk full, busy). The same rows may be tried again."""


class OutcomeUnknown(LogError):
    """The append may or may not be on disk. Reopen the log and look before writing again."""


class DamagedRecord(LogError):
    """A record that was read is not what was written. Those beside it may be well."""

    def __init__(self, account: str, position: int) -> None:
        self.account = account
        self.position = position
        super().__init__(f"ledger {account}, record {position}: the stored bytes do not have the stored hash")


def undamaged(row: Row) -> Row:
    """The row. Raises DamagedRecord unless it has the hash of its bytes."""
    if leaf_hash(row.record) != row.hash:
        raise DamagedRecord(row.account, row.position)
    return row


class Log(Protocol):
    """What a backend offers. Reads never see an append that may still be undone.

    The rows that `read` and `get` answer are `undamaged`.
    """

    @property
    def path(self) -> Path | None:
        """The file that it is in, None where there is none."""

    async def append(self, rows: Sequence[Row]) -> None:
        """Write rows of one or more ledgers; when it returns, they are on disk.

        Rows of one ledger stand together in order, and the position before the first is the expected head.
        Times increase with positions. All rows are written or none. Raises WrongPosition, which goes first,
        DuplicateCommand, NotWritten or OutcomeUnknown.
        """

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        """Up to `limit` rows that follow the position `after`, in order."""

    async def get(self, account: str, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in order; positions that do not exist are left out."""

    async def stored(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """The bytes of up to `limit` records that follow the position `after`, in order and without a gap.

        For those who read much and want the records alone. There are fewer where they are large, none only at the end.
        Raises LogError where one is missing, or has a line break, which no record has as it was written.
        """

    async def hashes(self, account: str, after: int = 0, limit: int = 1000) -> list[bytes]:
        """The hashes of up to `limit` records that follow the position `after`, in order."""

    async def find(self, account: str, command_id: str) -> list[Row]:
        """The rows of one command, in order, damaged or not; empty when it was never recorded."""

    async def head(self, account: str) -> Head:
        """The end of the ledger; EMPTY when nothing was ever written to it."""

    async def position_at(self, account: str, recorded_at: int) -> int:
        """The last position recorded at or before the time (microseconds since 1970), 0 for none."""

    async def heads(self, after: str = "", limit: int = 1000) -> list[tuple[str, Head]]:
        """Accounts that have a record, and the heads of their ledgers: up to `limit` behind an account, in order."""

    async def check(self) -> None:
        """Raise NotWritten where an append would fail now, as for want of room. Leaves nothing behind."""

    async def reopen(self) -> None:
        """After OutcomeUnknown: let go of the medium and take hold of it anew. When that raises, try again."""

    async def close(self) -> None:
        """Release the medium. The log is not used afterwards."""


async def all_heads(log: Log, page: int = 1000) -> AsyncIterator[tuple[str, Head]]:
    """Every account that has a record, in order, with the head of its ledger."""
    after = ""
    while heads := await log.heads(after, page):
        for account, head in heads:
            yield account, head
        after = heads[-1][0]


async def size(log: Log) -> int:
    """How many records there are in all ledgers together."""
    return sum([head.position async for _, head in all_heads(log)])


async def read_all(log: Log, account: str, after: int = 0, page: int = 1000) -> AsyncIterator[Row]:
    """All rows of a ledger after a position, page by page, so that memory stays flat."""
    while rows := await log.read(account, after, page):
        for row in rows:
            yield row
        after = rows[-1].position


async def read_ahead(log: Log, account: str, until: int) -> AsyncGenerator[list[bytes]]:
    """The stored bytes of all records up to a position, page by page; while one is used, the next one is read.

    Raises LogError where a record is missing.
    """
    after = 0

    def read() -> asyncio.Future[list[bytes]]:
        return asyncio.ensure_future(log.stored(account, after, min(STORED_PER_PAGE, until - after)))

    reading = read()
    try:
        while after < until:
            if not (records := await reading):
                raise LogError(f"ledger {account}: records are missing behind position {after}")
            after += len(records)
            if after < until:
                reading = read()
                await asyncio.sleep(0)  # lets it begin
            yield records
    finally:
        reading.cancel()
