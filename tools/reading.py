"""The ledgers as they lie in a data folder, read page by page, whether a service runs or not.

Nothing is written and nothing checked; the projections are not looked at.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from api.instants import Basis, parse_instant, resolve
from eventstore.log import Log, LogError
from eventstore.record import Record, Row
from iam.errors import IamError
from iam.events import AnyEvent
from iam.state import World
from projections.records import UnknownEvent, read_record
from tools.data import DataFolder, open_log, world_of
from tools.failure import Failure
from tools.terminal import visible
from tools.undisturbed import read_undisturbed

T = TypeVar("T")

RECORDS_PER_READ = 5000
RECORDS_PER_LOOK = 500  # of those picked out one by one


class StoredLog:
    """All ledgers of a folder. Each read opens the file anew, because a service may begin to write to it, or end."""

    def __init__(self, folder: Path) -> None:
        """Raises Failure where there are none."""
        data = DataFolder(folder)
        data.must_exist()
        self._path = data.ledger

    def ask(self, question: Callable[[Log], Awaitable[T]]) -> T:
        """What the log answers. Raises Failure for a file that the system cannot read."""

        def read(at_rest: Mapping[Path, bool]) -> T:
            return asyncio.run(self._answer(question, at_rest[self._path]))

        try:
            return read_undisturbed([self._path], read)
        except OSError as error:
            raise Failure(f"cannot read {self._path}: {error.strerror}") from error

    async def _answer(self, question: Callable[[Log], Awaitable[T]], at_rest: bool) -> T:
        log = await open_log(self._path, read_only=True, at_rest=at_rest)
        try:
            return await question(log)
        finally:
            await log.close()

    @contextmanager
    def damage_is_told(self) -> Iterator[None]:
        """Raises Failure for what cannot be read or folded within."""
        try:
            yield
        except UnknownEvent as error:
            raise Failure(f"{visible(str(error))}; a newer version of this program may know it") from error
        except (sqlite3.Error, LogError, msgspec.MsgspecError, LookupError, ValueError, OverflowError) as error:
            raise Failure(f"{self._path} is damaged, see `iam-ledger verify`: {visible(str(error))}") from error


class Ledger(StoredLog):
    """The records of one account."""

    def __init__(self, folder: Path, account: str) -> None:
        """Raises Failure where there is no log."""
        super().__init__(folder)
        self.account = account

    def resolve(self, text: str | None, name: str) -> Basis:
        """The instant that a flag of this name gives; None is the present. Raises Failure for one that is none."""
        try:
            instant = None if text is None else parse_instant(text, name)
            return self.ask(lambda log: resolve(log, self.account, instant, datetime.now(UTC)))
        except IamError as error:
            raise Failure(visible(error.message)) from error

    @cached_property
    def world(self) -> World:
        """What the records are folded with."""
        return self.ask(lambda log: world_of(log, self.account))

    def stored(self, after: int, until: int) -> Iterator[tuple[int, bytes]]:
        """The records behind a position, up to another one, each with its position."""
        while after < until:
            records = self.ask(self._page(after, min(RECORDS_PER_READ, until - after)))
            if not records:
                raise LookupError(f"record {after + 1} of ledger {self.account} is missing")
            yield from enumerate(records, after + 1)
            after += len(records)

    def records(self, positions: Sequence[int]) -> Iterator[Record[AnyEvent]]:
        """The records at these ascending positions."""
        for first in range(0, len(positions), RECORDS_PER_LOOK):
            for row in self.ask(self._look(positions[first : first + RECORDS_PER_LOOK])):
                yield read_record(row.record)

    def _page(self, after: int, limit: int) -> Callable[[Log], Awaitable[list[bytes]]]:
        return lambda log: log.stored(self.account, after, limit)

    def _look(self, positions: Sequence[int]) -> Callable[[Log], Awaitable[list[Row]]]:
        return lambda log: log.get(self.account, positions)
