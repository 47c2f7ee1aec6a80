"""A log in memory that fails in every way in which the contract lets it fail, as a seed has it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random

from eventstore.log import DuplicateCommand, LogError, NotWritten, OutcomeUnknown
from eventstore.memory import MemoryLog
from eventstore.record import Actor, Attempt, Head, Record, Row, from_microseconds, seal, timed_id

SECONDS_PER_WAIT = 300e-6  # on average
FATES = {
    "written": 70,
    "not_written": 6,
    "unknown_kept": 5,
    "unknown_dropped": 5,
    "unforeseen": 3,  # an error that no contract names
    "raced": 6,  # another process wrote some of these very commands a moment ago
    "foreign": 5,  # or something else
}
FAILS_TO_REOPEN = 0.25
FAILS_TO_FIND = 0.02


class FaultyLog(MemoryLog):
    """Every call takes its time, and while `faulty` each append meets a fate. `met` counts them.

    What an unknown append has left is not to be read until the log is reopened; nor does it take another append,
    and `blind` counts those that are tried.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.faulty = False
        self.met: Counter[str] = Counter()
        self.blind = 0
        self._random = random
        self._left: Sequence[Row] = ()
        self._broken = False

    async def append(self, rows: Sequence[Row]) -> None:
        """See Log.append."""
        await self._wait()
        if self._broken:
            self.blind += 1
            raise OutcomeUnknown("the log was not reopened")
        fate = self._random.choices(tuple(FATES), tuple(FATES.values()))[0] if self.faulty else "written"
        self.met[fate] += 1
        match fate:
            case "not_written":
                raise NotWritten("there is no room")
            case "raced":
                await self._write_as_another(self._first_commands(rows))
            case "foreign":
                await self._write_as_another([_foreign(rows[0], await super().head(rows[0].account))])
            case "unknown_kept" | "unknown_dropped" | "unforeseen":
                self._broken = True
                self._left = rows if fate == "unknown_kept" or self._random.random() < 0.5 else ()
                await self._wait()
                raise ZeroDivisionError if fate == "unforeseen" else OutcomeUnknown("the disk does not answer")
        await super().append(rows)
        await self._wait()

    async def find(self, account: str, command_id: str) -> list[Row]:
        """See Log.find."""
        await self._wait()
        if self.faulty and self._random.random() < FAILS_TO_FIND:
            self.met["not_found"] += 1
            raise LogError("the log cannot be read")
        return await super().find(account, command_id)

    async def head(self, account: str) -> Head:
        """See Log.head."""
        await self._wait()
        return await super().head(account)

    async def read(self, account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        """See Log.read."""
        await self._wait()
        return await super().read(account, after, limit)

    async def reopen(self) -> None:
        """See Log.reopen. Only now it shows what became of an append whose outcome was unknown."""
        await self._wait()
        if self.faulty and self._random.random() < FAILS_TO_REOPEN:
            self.met["not_reopened"] += 1
            raise OSError("the disk does not answer")
        left, self._left, self._broken = self._left, (), False
        if left:
            await self._write_as_another(left)

    def rows(self, account: str) -> Sequence[Row]:
        """The account's ledger as it is."""
        return self._ledgers[account]

    def _first_commands(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows of one account, without those of its last command, unless there is no other."""
        rows = [row for row in rows if row.account == rows[0].account]
        commands = list(dict.fromkeys(row.command_id for row in rows))
        taken = set(commands[: self._random.randint(1, max(1, len(commands) - 1))])
        return [row for row in rows if row.command_id in taken]

    async def _write_as_another(self, rows: Sequence[Row]) -> None:
        """All of the rows, unless the log holds some of them already."""
        try:
            await super().append(rows)
        except DuplicateCommand:
            self.met["raced_twice"] += 1

    async def _wait(self) -> None:
        if self._random.random() < 0.7:
            await asyncio.sleep(self._random.expovariate(1 / SECONDS_PER_WAIT))


def _foreign(row: Row, head: Head) -> Row:
    """A record that another process might have written before this row: of a call that changed nothing."""
    at = from_microseconds(row.recorded_at)
    return seal(
        Record(
            account=row.account,
            position=head.position + 1,
            id=timed_id(at),
            outcome="unchanged",
            attempt=Attempt(parameters={}),
            recorded_at=at,
            effective_at=at,
            actor=Actor(id=row.account, arn=""),
            action="Foreign",
            command_id=f"foreign-{head.position + 1}",
            previous=head.hash,
        )
    )
