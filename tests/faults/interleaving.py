"""A seeded event loop: the whole service over a log in memory that fails, its callbacks in any order.

Many clients send commands to two accounts, repeat some, go away from some, and read. Afterwards the ledgers say in
which order all happened, and a model in plain dicts what every call must then have been answered.
"""

import asyncio
import logging
import shutil
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache, reduce
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from api import actions
from api.actions import Write
from api.caller import Caller
from api.service import Request, Service
from eventstore.chain import follow
from eventstore.drafts import Answer
from eventstore.notes import SigningKey
from eventstore.record import EMPTY, Actor, Record, microseconds, open_envelope, timed_id
from eventstore.secrets import Name, Secrets
from eventstore.uses import Uses
from faults.faulty_log import FaultyLog
from faults.model import CHANGED, UNCHANGED, Asked, Model
from faults.quiet import quiet
from faults.seeded_loop import SeededLoop, Stuck
from faults.trial import Figures, Trial
from iam.attached_policies import AttachUserPolicy, ListAttachedUserPolicies, attach_policy, list_attached_policies
from iam.commands import Moment
from iam.errors import IamError, ServiceUnavailable
from iam.events import AnyEvent, Event
from iam.state import State, World
from iam.users import ListUsers, list_users
from iam.uses import Use
from projections.store import Projections
from tools.data import catalogue

SCHEDULES = 100  # in a round
ACCOUNTS = ("111122223333", "444455556666")
CLIENTS = 6
CALLS = 5  # of each client
NAMES = ("ann", "bob")
ARNS = ("arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess")
CANCELLED = 0.25
GIVEN_UP = 0.2  # of those cancelled
SECONDS_UNTIL_CANCELLED = 500e-6  # on average
SECONDS_BETWEEN_CALLS = 500e-6
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Picture = dict[str, Any]

logger = logging.getLogger(__name__)


def _attach_both(state: State, command: AttachUserPolicy, moment: Moment) -> list[Event]:
    """A command of more than one record."""
    both = [msgspec.structs.replace(command, policy_arn=arn) for arn in ARNS]
    return [event for each in both for event in attach_policy(state, each, moment)]


WRITES: dict[str, Write] = {
    **{name: action for name, action in actions.IAM.items() if isinstance(action, Write)},
    "AttachBoth": Write(AttachUserPolicy, _attach_both),
}


class Told(msgspec.Struct, frozen=True):
    """What a caller was answered, records or the code of a refusal: at which step, and how long the ledger was."""

    step: int
    written: int
    result: Answer[AnyEvent] | str


class Call(msgspec.Struct):
    """A command, sent once or more often, from this step on, and all its answers."""

    account: str
    command_id: str
    action: str
    asked: Asked
    began: int
    answers: list[Told] = []


class Look(msgspec.Struct, frozen=True):
    """A read: between which steps, what it was of, how long the ledger was in the end, and what was seen."""

    account: str
    began: int
    ended: int
    at: datetime | None  # None where it was the present or a position
    present: bool
    written: int
    position: int
    seen: Picture


class NoSecrets(Secrets):
    """None are made here. The file's thread would answer at a moment of its own, and not at one of the seed."""

    def __init__(self) -> None:
        pass

    async def names(self) -> list[Name]:
        """See Secrets.names."""
        return []

    async def close(self) -> None:
        """See Secrets.close."""


class Schedule:
    """One run of the service, from its start to its stop."""

    def __init__(self, random: Random, projections: Path) -> None:
        self.figures: Counter[str] = Counter()
        self._random = random
        self._loop = SeededLoop(random)
        self._log = FaultyLog(random)
        self._projections = projections
        self._service: Service
        self._calls: dict[str, Call] = {}
        self._looks: list[Look] = []
        self._models: dict[str, list[Model]] = {}

    def run(self) -> None:
        """Play it, and compare."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._live())
        except Stuck as error:
            self._count("stuck", True, error)
        else:
            self._compare()

    def _now(self) -> datetime:
        return NOON + timedelta(seconds=self._loop.time())

    @property
    def steps(self) -> int:
        """How many callbacks have run."""
        return self._loop.steps

    async def _live(self) -> None:
        world, key = _world(), bytes(32)
        projections = Projections(self._projections)
        self._service = Service(
            self._log, projections, world, key, SigningKey(key), NoSecrets(), Uses(None, Use), self._now
        )
        await self._service.start()
        for account in ACCOUNTS:
            await self._send(self._new_call(account, "CreateUser", {"user_name": NAMES[0]}))
        self._log.faulty = True
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))
        self._log.faulty = False
        for call in tuple(self._calls.values()):
            if not call.answers:  # its callers gave up
                await self._send(call)
        for account in ACCOUNTS:
            await self._look_at_present(account)
            await self._look_at_instant(account, None)
        await self._service.stop()

    async def _client(self) -> None:
        random = self._random
        for _ in range(CALLS):
            await asyncio.sleep(random.expovariate(1 / SECONDS_BETWEEN_CALLS))
            account = random.choice(ACCOUNTS)
            kind = random.choices(("new", "again", "present", "instant"), (60, 15, 10, 15))[0]
            if kind == "new":
                await self._send(self._new_call(account, *self._draw()))
            elif kind == "again":
                await self._send(random.choice(tuple(self._calls.values())))
            elif kind == "present":
                await self._look_at_present(account)
            else:
                await self._look_at_instant(account, random.choice((None, "position", "time", "now")))

    def _draw(self) -> tuple[str, Asked]:
        random = self._random
        name, arn = random.choice(NAMES), random.choice(ARNS)
        tag = {"key": random.choice(("team", "Team", "cost")), "value": random.choice("xy")}
        return random.choice(
            (
                ("CreateUser", {"user_name": name}),
                ("DeleteUser", {"user_name": name}),
                ("UpdateUser", {"user_name": name, "new_user_name": random.choice(NAMES)}),
                ("TagUser", {"user_name": name, "tags": (tag,)}),
                ("UntagUser", {"user_name": name, "tag_keys": (tag["key"],)}),
                ("AttachUserPolicy", {"user_name": name, "policy_arn": arn}),
                ("DetachUserPolicy", {"user_name": name, "policy_arn": arn}),
                ("AttachBoth", {"user_name": name, "policy_arn": ARNS[0]}),
            )
        )

    def _new_call(self, account: str, action: str, asked: Asked) -> Call:
        call = Call(account, f"call-{len(self._calls)}", action, asked, self._loop.steps)
        self._calls[call.command_id] = call
        return call

    async def _send(self, call: Call) -> None:
        """Send a call until it is answered, as SDKs do, unless the caller gives up."""
        while True:
            request = Request(
                caller=_root(call.account),
                request_id=timed_id(self._now()),
                command_id=call.command_id,
                source_ip="",
                user_agent="",
            )
            sent = asyncio.create_task(self._service.write(request, call.action, WRITES[call.action], call.asked))
            if self._log.faulty and self._random.random() < CANCELLED:
                self._loop.call_later(self._random.expovariate(1 / SECONDS_UNTIL_CANCELLED), sent.cancel)
            result: Answer[AnyEvent] | str
            try:
                result = await sent
            except asyncio.CancelledError:
                self.figures["cancelled"] += 1
                if self._random.random() < GIVEN_UP:
                    return
            except ServiceUnavailable:
                self.figures["unavailable"] += 1
            except IamError as refusal:
                result = refusal.code
                break
            else:
                break
            await asyncio.sleep(self._random.expovariate(1 / SECONDS_BETWEEN_CALLS))
        call.answers.append(Told(self._loop.steps, len(self._log.rows(call.account)), result))

    async def _look_at_present(self, account: str) -> None:
        began = self._loop.steps
        state, head = await self._service.accounts.state(account)
        self._saw(account, began, None, True, head.position, _picture(state))

    async def _look_at_instant(self, account: str, kind: str | None) -> None:
        began, at = self._loop.steps, None
        text = None
        if kind == "position":
            text = f"@{self._random.randint(0, (await self._log.head(account)).position)}"
        elif kind is not None:
            at = self._now() - timedelta(seconds=0 if kind == "now" else self._random.random() * self._loop.time())
            text = at.isoformat()
        try:
            seen, basis = await self._service.ask(_root(account), text, _picture, wide=self._random.random() < 0.5)
        except ServiceUnavailable:
            self.figures["unavailable"] += 1
            return
        self._saw(account, began, at, text is None, basis.position, seen)

    def _saw(self, account: str, began: int, at: datetime | None, present: bool, position: int, seen: Picture) -> None:
        written = len(self._log.rows(account))
        self._looks.append(Look(account, began, self._loop.steps, at, present, written, position, seen))

    # afterwards

    def _compare(self) -> None:
        """Hold what was answered and seen against the ledgers, and these against the model."""
        for account in ACCOUNTS:
            reduce(follow, self._log.rows(account), EMPTY)  # raises where the chain is broken
            self._models[account] = self._fold(account)
        for call in self._calls.values():
            self._check_answers(call)
        for look in self._looks:
            self._check_look(look)
        self._count("blind", self._log.blind, "appends to a log that was not reopened")
        self.figures["records"] += sum(len(self._log.rows(account)) for account in ACCOUNTS)
        self.figures.update(self._log.met)

    def _fold(self, account: str) -> list[Model]:
        """What the account was after each record. Each record must be what the model makes of its call there."""
        models = [Model(account, ARNS)]
        ended: set[str] = set()
        last = ""
        for row in self._log.rows(account):
            if row.command_id != last:
                ended.add(last)
                last = row.command_id
            self._count("doubled", row.command_id in ended, row)
            models.append(model := models[-1].copy())
            record = open_envelope(row)
            call = self._calls.get(row.command_id)
            if call is not None:
                outcome = _redo(model, call, record)
                self._count("inconsistent", outcome != _outcome(record), call, row.position, outcome)
            else:
                self._count("inconsistent", record.outcome == CHANGED, row)
        return models

    def _check_answers(self, call: Call) -> None:
        """All answers are one: that of the call's records or, if it has none, of a place that it was decided at."""
        first = min(call.answers, key=lambda told: told.step)
        self.figures["acknowledged"] += len(call.answers)
        self._count("inconsistent", len({_shown(told.result) for told in call.answers}) > 1, call)
        before = self._acknowledged(call.account, call.began)
        stored = [open_envelope(row) for row in self._log.rows(call.account) if row.command_id == call.command_id]
        if stored:
            self._count("lost", _shown(first.result) != _shown(Answer(stored)), call, stored)
            self._count("lost", stored[-1].position > first.written, call, "answered before it was recorded")
            self._count("inconsistent", stored[0].position <= before, call, f"not behind {before}")
            return
        if isinstance(first.result, str):
            expected = first.result
        else:  # counted with an earlier attempt, which is on record
            expected = UNCHANGED
            at = first.result.records[0].position
            on_record = [open_envelope(row).outcome for row in self._log.rows(call.account)[at - 1 : at]]
            self._count("lost", on_record != [UNCHANGED], call)
        places = self._models[call.account][before : first.written + 1]
        self._count("inconsistent", all(_do(model.copy(), call) != expected for model in places), call)

    def _check_look(self, look: Look) -> None:
        """What was seen is what the ledger held at that position, and that is the right one."""
        if look.position > look.written:
            self._count("leaked", True, look)
            return
        self._count("inconsistent", _picture_of(self._models[look.account][look.position]) != look.seen, look)
        if look.present:
            self._count("stale_reads", look.position < self._acknowledged(look.account, look.began), look)
        if look.at is not None:
            rows = self._log.rows(look.account)
            until = bisect_right(rows, microseconds(look.at), key=lambda row: row.recorded_at)
            self._count("not_final", look.position != until, look, until)

    def _acknowledged(self, account: str, step: int) -> int:
        """The last position that somebody had seen, or been answered with, before the step."""
        told = (
            told.result.records[-1].position
            for call in self._calls.values()
            if call.account == account
            for told in call.answers
            if told.step < step and not isinstance(told.result, str)
        )
        seen = (look.position for look in self._looks if look.account == account and look.ended < step)
        return max((0, *told, *seen))

    def _count(self, name: str, wrong: bool | int, *about: Any) -> None:
        self.figures[name] += int(wrong)
        if wrong:
            logger.error("%s: %s", name, about)


def _redo(model: Model, call: Call, record: Record[dict[str, Any]]) -> str:
    """What the model makes of this record of the call."""
    event = record.event or {}
    if call.action == "AttachBoth" and event:
        return model.do("AttachUserPolicy", {**call.asked, "policy_arn": event["policy_arn"]})
    return _do(model, call, event.get("user_id", ""))


def _do(model: Model, call: Call, made: str = "") -> str:
    if call.action != "AttachBoth":
        return model.do(call.action, call.asked, made)
    outcomes = [model.do("AttachUserPolicy", {**call.asked, "policy_arn": arn}) for arn in ARNS]
    return next((outcome for outcome in outcomes if outcome != UNCHANGED), UNCHANGED)


def _outcome(record: Record[Any]) -> str:
    """The outcome as the model tells it: the code, if it is a refusal."""
    return (record.attempt and record.attempt.code) or record.outcome


def _shown(result: Answer[Any] | str) -> Any:
    """What the caller hears of it."""
    if isinstance(result, str):
        return result
    refusal = result.records[0].attempt and result.records[0].attempt.code
    return refusal or tuple((record.position, record.id) for record in result.records)


def _root(account: str) -> Caller:
    return Caller(account, Actor(id=account, arn=""))


def _picture(state: State) -> Picture:
    """The users by name, as the service tells them."""
    return {
        user.user_name: (
            user.user_id,
            {tag.key: tag.value for tag in user.tags},
            {policy.policy_arn for _, policy in list_attached_policies(state, _attached_to(user.user_name), "")},
        )
        for _, user in list_users(state, ListUsers(), "")
    }


def _attached_to(name: str) -> ListAttachedUserPolicies:
    return ListAttachedUserPolicies(user_name=name)


def _picture_of(model: Model) -> Picture:
    """The same, as the model has it."""
    return {
        user["name"]: (user["id"], dict(user["tags"].values()), set(user["attached"])) for user in model.users.values()
    }


@cache
def _world() -> World:
    return World(catalogue())


def play(seed: int, folder: Path) -> Figures:
    """A round of schedules, over projections that begin empty."""
    figures = Counter(dict.fromkeys(TRIAL.must_be_zero, 0))
    empty = folder / "empty.db"
    asyncio.run(Projections(empty).close())
    for number in range(SCHEDULES):
        projections = folder / f"{number}.db"
        shutil.copy(empty, projections)
        schedule = Schedule(Random(f"{seed}/{number}"), projections)
        with quiet():
            schedule.run()
        figures.update(schedule.figures)
        figures["schedules"] += 1
        for file in folder.glob(f"{number}.db*"):
            file.unlink()
    return figures


TRIAL = Trial(
    name="interleaving",
    about="the whole service on an event loop of seeded order, over a log in memory that fails",
    rounds=1000,
    play=play,
    must_be_zero=("lost", "doubled", "stale_reads", "inconsistent", "leaked", "not_final", "blind", "stuck"),
    must_not_be_zero=("acknowledged", "cancelled", "unavailable", "raced", "unknown_kept", "unknown_dropped"),
)
