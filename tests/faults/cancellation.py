"""Cancellation at every turn of the event loop: a caller, the writer, the projector, and a stop amid a batch.

Each is tried again with the cancellation one turn later, until all is done before it comes. What the command has come
to is then asked by repeating it.
"""

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from api.actions import IAM, Write
from api.caller import Caller
from api.service import Request, Service
from eventstore.drafts import Answer
from eventstore.log import Log
from eventstore.memory import MemoryLog
from eventstore.notes import SigningKey
from eventstore.record import Actor
from eventstore.secrets import Secrets
from eventstore.sqlite import ROWS_PER_INSERT, SqliteLog
from eventstore.uses import Uses
from faults.counted_turns import CountedTurns
from faults.quiet import quiet
from faults.trial import Figures, Trial
from iam.commands import Moment
from iam.errors import IamError, ServiceUnavailable
from iam.events import AnyEvent, Event
from iam.events.users import UserCreated
from iam.relations import USERS
from iam.state import State, World
from iam.users import CreateUser
from iam.uses import Use
from projections.store import Projections
from tools.data import catalogue

COMPANY_MAX = 8  # further callers in the same batch
ANSWER_SECONDS_MAX = 10.0
LOCKED_SECONDS_MAX = 1.0
KEY = bytes(32)

_accounts = itertools.count(210_000_000_001)

Told = Answer[AnyEvent] | IamError | None  # None: it was cancelled
Scenario = Callable[["Place", Random, int], Awaitable[bool]]


def _create_many(state: State, command: CreateUser, moment: Moment) -> list[Event]:
    """A command of so many records that the log writes them in parts."""
    return [
        UserCreated(user_id=moment.new_id("AIDA"), user_name=f"user-{number}", path="/", created_at=moment.at)
        for number in range(ROWS_PER_INSERT + 50)
    ]


class Call(msgspec.Struct, frozen=True):
    """A command of an account, with its id."""

    account: str
    command_id: str
    parameters: dict[str, Any]
    many: bool = False


class Place:
    """Where a service is opened again and again: over a folder, or over one log in memory."""

    def __init__(self, folder: Path, figures: Counter[str], *, memory: bool) -> None:
        folder.mkdir()
        self.figures = figures
        self._ledger = folder / "ledger.db"
        self._projections = folder / "projections.db"
        self._memory = MemoryLog() if memory else None
        self.service: Service

    async def open(self) -> None:
        """Start a service."""
        log: Log = self._memory or await SqliteLog.open(self._ledger)
        secrets, uses = await Secrets.open(None, KEY), Uses(None, Use)
        self.service = Service(log, Projections(self._projections), _world(), KEY, SigningKey(KEY), secrets, uses)
        await self.service.start()

    async def reopen(self) -> None:
        """Stop the service, as far as it still runs, and start another."""
        await self.service.stop()
        await self.open()

    def task(self, name: str) -> "asyncio.Task[Any]":
        """The writer or the projector of the service."""
        return next(task for task in asyncio.all_tasks() if task.get_name() == name)

    async def send(self, call: Call) -> Answer[AnyEvent] | IamError:
        """What the call is answered, refusals too."""
        request = Request(
            caller=_root(call.account),
            request_id="",
            command_id=call.command_id,
            source_ip="",
            user_agent=call.command_id,
        )
        write = Write(CreateUser, _create_many) if call.many else IAM["CreateUser"]
        try:
            return await self.service.write(request, "CreateUser", write, call.parameters)  # type: ignore[arg-type]
        except IamError as refusal:
            return refusal

    async def told(self, sending: "asyncio.Task[Answer[AnyEvent] | IamError]") -> Told:
        """What came of it, within ANSWER_SECONDS_MAX."""
        done, _ = await asyncio.wait([sending], timeout=ANSWER_SECONDS_MAX)
        if not done:
            self.figures["unanswered"] += 1
            sending.cancel()
            return None
        return None if sending.cancelled() else sending.result()

    async def resolve(self, call: Call, told: Told) -> None:
        """Repeat the call. It is done once, now or before, and whoever was answered was answered the truth."""
        again = await self.told(asyncio.create_task(self.send(call)))
        rows = await self.service.log.find(call.account, call.command_id)
        self.figures["resolved"] += 1
        self.figures["doubled"] += [row.command_index for row in rows] != list(range(len(rows)))
        expected = ROWS_PER_INSERT + 50 if call.many else 1
        self.figures["doubled"] += len(rows) > expected
        told_again = [record.position for record in again.records] if isinstance(again, Answer) else []
        self.figures["unresolved"] += len(rows) != expected or told_again != [row.position for row in rows]
        if isinstance(told, Answer):
            self.figures["lost"] += not isinstance(again, Answer) or told.records != again.records
        elif told is not None:
            self.figures["wrong"] += not isinstance(told, ServiceUnavailable)

    async def check_files(self) -> None:
        """No transaction is open in either file."""
        for path in (self._ledger, self._projections):
            if path.exists():
                self.figures["open_transactions"] += await asyncio.to_thread(_is_locked, path)

    async def check(self, account: str) -> None:
        """All that the ledger holds is there once, and the projections know it."""
        await self.check_files()
        rows = await self.service.log.read(account, 0, 10_000)
        self.figures["records"] += len(rows)
        users, basis = await self.service.ask(_root(account), None, _count_users)
        self.figures["wrong"] += (users, basis.position) != (len(rows), len(rows))


def _root(account: str) -> Caller:
    return Caller(account, Actor(id=account, arn=""))


async def _callers(place: Place, random: Random, turns: int, *, repeated: bool = False, twin: bool = False) -> bool:
    """Callers send at once, and the first is cancelled. True if it was answered before."""
    calls = _calls(random)
    if repeated:
        await place.send(calls[0])
    sent = [*calls, *calls[:twin]]
    sending = [asyncio.create_task(place.send(call)) for call in sent]
    _after(turns, sending[0].cancel)
    told = [await place.told(task) for task in sending]
    place.figures["cancelled"] += told[0] is None
    place.figures["unanswered"] += sum(not isinstance(each, Answer) for each in told[1:])
    for call, each in zip(sent, told, strict=True):
        await place.resolve(call, each)
    await place.check(calls[0].account)
    return told[0] is not None


async def _part(place: Place, random: Random, turns: int, *, name: str, many: bool = False) -> bool:
    """The writer or the projector is cancelled amid a batch. All callers are answered. True if they were before."""
    calls = _calls(random, many=many)
    part = place.task(name)
    _after(turns, part.cancel)
    sending = [asyncio.create_task(place.send(call)) for call in calls]
    told = [await place.told(task) for task in sending]
    if name == "projector":
        reading = asyncio.create_task(place.service.ask(_root(calls[0].account), None, _count_users))
        await asyncio.wait([reading, part], return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
    late = not part.done()
    await asyncio.sleep(0)  # who is to notice it does so a turn later
    place.figures["cancelled"] += not late
    place.figures["unnoticed"] += not late and not place.service.failed.is_set()
    await _end(place, calls, told)
    return late


async def _stop(place: Place, random: Random, turns: int) -> bool:
    """The service is stopped amid a batch. All callers are answered. True if they were before."""
    calls = _calls(random)
    sending = [asyncio.create_task(place.send(call)) for call in calls]
    stopping: list[asyncio.Task[None]] = []
    _after(turns, lambda: stopping.append(asyncio.create_task(place.service.stop())))
    told = [await place.told(task) for task in sending]
    late = not stopping
    place.figures["cancelled"] += not late
    for task in stopping:
        await task
    await _end(place, calls, told)
    return late


async def _end(place: Place, calls: Sequence[Call], told: Sequence[Told]) -> None:
    """Whatever came of the service: nothing is open, and another one resolves the calls."""
    _after(0, _nothing)
    place.figures["unanswered"] += sum(each is None for each in told)
    await place.check_files()
    await place.reopen()
    for call, each in zip(calls, told, strict=True):
        await place.resolve(call, each)
    await place.check(calls[0].account)


SCENARIOS: Mapping[str, Scenario] = {
    "caller": _callers,
    "caller of a repeat": partial(_callers, repeated=True),
    "one of two callers": partial(_callers, twin=True),
    "writer": partial(_part, name="writer"),
    "writer of many records": partial(_part, name="writer", many=True),
    "projector": partial(_part, name="projector"),
    "service": _stop,
}


def _calls(random: Random, *, many: bool = False) -> list[Call]:
    """Commands of an account that nobody has used."""
    account = str(next(_accounts))
    names = [f"caller-{number}" for number in range(1 + random.randint(0, COMPANY_MAX))]
    return [Call(account, name, {"user_name": name}, many and name == names[0]) for name in names]


def _after(turns: int, then: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountedTurns)
    loop.after(turns, then)


def _nothing() -> None:
    pass


def _is_locked(path: Path) -> bool:
    """Whether somebody keeps a transaction open that writes."""
    with closing(sqlite3.connect(path, timeout=LOCKED_SECONDS_MAX, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


def _count_users(state: State) -> int:
    return state.count(USERS, "")


@cache
def _world() -> World:
    return World(catalogue())


def play(seed: int, folder: Path) -> Figures:
    """Every scenario, over a log in SQLite and one in memory."""
    figures = Counter(dict.fromkeys(TRIAL.must_be_zero, 0))
    with quiet(), asyncio.Runner(loop_factory=CountedTurns) as runner:
        for kind in ("sqlite", "memory"):
            place = Place(folder / kind, figures, memory=kind == "memory")
            runner.run(_play(place, Random(f"{seed}/{kind}")))
    return figures


async def _play(place: Place, random: Random) -> None:
    await place.open()
    for scenario in SCENARIOS.values():
        for turns in itertools.count():
            if await scenario(place, random, turns):
                break
    await place.service.stop()


TRIAL = Trial(
    name="cancellation",
    about="callers, the writer, the projector and the service, each ended at every turn of the event loop",
    rounds=100,
    play=play,
    must_be_zero=("open_transactions", "doubled", "unanswered", "unresolved", "lost", "wrong", "unnoticed"),
    must_not_be_zero=("cancelled", "resolved", "records"),
)
