"""Those who follow ledgers as they grow: how many, what they read together, and how all of them end.

A follower is no more than a position. It reads pages from the log, so a slow one costs nobody anything, and
those who stand at the same position share one read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from api.flow import PIECE_BYTES
from eventstore.log import DamagedRecord, Log
from eventstore.record import Row, open_envelope
from iam.errors import ServiceUnavailable
from projections.accounts import Accounts

FOLLOWERS_MAX = 1000
RECORDS_PER_PAGE = 100


class Page(msgspec.Struct, frozen=True):
    """The records behind a position, as server-sent events, and the position that they reach.

    `more` is set when there is something behind that; a page without records leaves the position as it was.
    """

    text: bytes
    position: int
    more: asyncio.Event


class Followers:
    """All who follow a ledger of this service. Used on the event loop only."""

    def __init__(self, log: Log, accounts: Accounts) -> None:
        self._log = log
        self._accounts = accounts
        self._reading: dict[tuple[str, int], asyncio.Task[Page]] = {}
        self._ends: set[asyncio.Timeout] = set()
        self._closed = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._ends)

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Follow until the body is done, or until `close` ends it, wherever it waits.

        Raises ServiceUnavailable when there are FOLLOWERS_MAX already, and after `close`.
        """
        if self._closed or len(self._ends) >= FOLLOWERS_MAX:
            raise ServiceUnavailable("The service is stopping, or has as many open streams as it can have.")
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as end:
                self._ends.add(end)
                try:
                    yield
                finally:
                    self._ends.discard(end)

    async def page(self, account: str, after: int) -> Page:
        """What the account's ledger holds behind a position, up to a bounded number of records and bytes."""
        key = account, after
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read_once(account, after))
        return await asyncio.shield(reading)

    def close(self) -> None:
        """End all who follow, and let nobody join."""
        self._closed = True
        for end in self._ends:
            end.reschedule(0)

    async def _read_once(self, account: str, after: int) -> Page:
        """Read for all who ask meanwhile. Who asks later must not find it done, and be given it again and again."""
        try:
            return await self._read(account, after)
        finally:
            del self._reading[account, after]

    async def _read(self, account: str, after: int) -> Page:
        more = self._accounts.growth(account)  # before reading, or what is written meanwhile would be missed
        limit = RECORDS_PER_PAGE
        try:
            rows = await self._log.read(account, after, limit)
        except DamagedRecord as damaged:
            limit = damaged.position - after - 1  # those before it are told first
            if not limit:
                raise
            rows = await self._log.read(account, after, limit)
        told: list[bytes] = []
        size = 0
        for row in rows:
            if size >= PIECE_BYTES:
                break
            told.append(_told(row))
            size += len(told[-1])
        if len(told) < len(rows) or len(rows) == limit:
            more = asyncio.Event()
            more.set()
        return Page(b"".join(told), after + len(told), more)


def _told(row: Row) -> bytes:
    """A record as a server-sent event. JSON as it is stored has no line breaks."""
    record = open_envelope(row)
    kind = record.outcome if record.event is None else record.event["type"]
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (row.position, kind.encode(), row.record)
