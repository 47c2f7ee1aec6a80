"""A clock that jumps a day: times go up whatever it does, and what was answered of the past stays so."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec

from eventstore.log import Log, read_all
from eventstore.record import MICROSECOND, microseconds
from eventstore.sqlite import SqliteLog
from eventstore.writer import Answer
from faults.counters import CounterWriter, Raised, look, raising, writing
from faults.trial import Figures, Trial

LIVES = 3  # of a writer, on one file
CALLERS = 16
COMMANDS = 10  # of each caller, in each life
ACCOUNTS = ("111122223333", "444455556666")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
JUMPS = 0.1  # of the times that the clock is looked at
ASKS = 0.3  # of the commands are followed by a question of the past


class JumpingClock:
    """Goes on by some microseconds, or none, each time it is looked at, and now and then by a day, or back."""

    def __init__(self, random: Random) -> None:
        self.jumps = 0
        self._random = random
        self._now = START

    def __call__(self) -> datetime:
        if self._random.random() < JUMPS:
            self.jumps += 1
            self._now += self._random.choice((-DAY, DAY))
        self._now += self._random.randint(0, 3) * MICROSECOND
        return self._now


class Past(msgspec.Struct, frozen=True):
    """What was answered of an instant: the last position by then."""

    account: str
    at: datetime
    position: int


def play(seed: int, folder: Path) -> Figures:
    """Some lives of a writer on one file, one after the other, under the same clock."""
    return asyncio.run(_play(Random(seed), folder / "ledger.db"))


async def _play(random: Random, path: Path) -> Figures:
    clock = JumpingClock(random)
    answers: list[Answer[Raised]] = []
    asked = not_final = 0
    for _ in range(LIVES):
        async with await SqliteLog.open(path) as log:
            async with writing(log, clock) as (writer, _), asyncio.TaskGroup() as callers:
                tasks = [callers.create_task(_call(random, log, writer, clock, answers)) for _ in range(CALLERS)]
            pasts = [past for task in tasks for past in task.result()]
            asked += len(pasts)
            for past in pasts:
                not_final += await log.position_at(past.account, microseconds(past.at)) != past.position
    async with await SqliteLog.open_read_only(path) as log:
        found = await look(log, ACCOUNTS, answers)
        not_monotone = sum([await _not_monotone(log, account) for account in ACCOUNTS])
    return {
        "jumps": clock.jumps,
        "asked_of_the_past": asked,
        **msgspec.structs.asdict(found),
        "not_monotone": not_monotone,
        "not_final": not_final,
    }


async def _call(
    random: Random, log: Log, writer: CounterWriter, clock: JumpingClock, answers: list[Answer[Raised]]
) -> list[Past]:
    """Commands, some of which change nothing and so are counted, and questions of what was by now or before."""
    pasts: list[Past] = []
    for _ in range(COMMANDS):
        account = random.choice(ACCOUNTS)
        answers.append(await writer.submit(raising(random, account, by=random.randint(0, 2))))
        if random.random() < ASKS:
            at = clock() - random.choice((timedelta(0), random.random() * DAY))
            await writer.settle(account, at)
            pasts.append(Past(account, at, await log.position_at(account, microseconds(at))))
    return pasts


async def _not_monotone(log: Log, account: str) -> int:
    """How many records are not later than the one before."""
    times = [row.recorded_at async for row in read_all(log, account)]
    return sum(later <= earlier for earlier, later in pairwise(times))


TRIAL = Trial(
    name="clock",
    about="the clock jumps a day back and forth: times go up, and what was answered of the past stays so",
    rounds=1000,
    play=play,
    must_be_zero=("lost", "doubled", "gaps", "not_monotone", "not_final"),
    must_not_be_zero=("jumps", "asked_of_the_past", "records"),
)
