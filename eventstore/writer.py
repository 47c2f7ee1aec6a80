"""Group commit: many callers, one writer, one append at a time.

What is waiting is decided in order, each command on the drafts that the ones before it left, and written as one
append. A draft becomes visible, and callers hear their answers, only when the append is durable. Requests
never touch the transaction: they wait for a future, and may go away without harm.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from eventstore.log import DuplicateCommand, Log, NotWritten, OutcomeUnknown, WrongPosition
from eventstore.record import (
    MICROSECOND,
    Actor,
    Attempt,
    Head,
    Outcome,
    Record,
    Row,
    from_microseconds,
    head_of,
    microseconds,
    seal,
    timed_id,
)

logger = logging.getLogger(__name__)

S = TypeVar("S")
E = TypeVar("E")

COMMANDS_PER_BATCH = 256
COMMANDS_WAITING_MAX = 10_000
COMMANDS_REMEMBERED = 50_000  # recent command ids kept in memory, so that the usual retry never fails a batch
ATTEMPTS_AT_APPEND = 3


class Unavailable(Exception):
    """Not done, or not known to be done. The same command is safe to submit again."""


class CommandMismatch(Exception):
    """The command id belongs to an earlier, different request."""


class Command(msgspec.Struct, Generic[S, E], frozen=True, kw_only=True):
    """What a caller asks of one account, with what the record will say about the asking.

    `decide` reads the state and answers the events; no event means that it is already so. It raises one of the
    writer's refusals, and must not change the state.
    """

    account: str
    action: str
    decide: Callable[[S, datetime], Sequence[E]]
    parameters: Mapping[str, Any]
    actor: Actor
    command_id: str
    request_digest: str = ""
    request_id: str = ""
    source_ip: str = ""
    user_agent: str = ""


class Answer(msgspec.Struct, Generic[E], frozen=True):
    """The command's records, one or more. `replayed`: they were written by an earlier call with its id.

    A replayed record may be that of a refusal; at the first call the refusal was raised.
    """

    records: Sequence[Record[E]]
    replayed: bool = False


class Ledgers(Protocol[S, E]):
    """The accounts' states as the writer needs them. `projections.accounts` has them."""

    async def hold(self, account: str) -> None:
        """Load the account and keep it in memory until released."""

    def release(self, account: str) -> None:
        """Undo one hold."""

    def head(self, account: str) -> Head:
        """The durable head of an account that is held."""

    def draft(self, account: str) -> S:
        """A state on top of the durable one, to be changed and then published or dropped."""

    def evolve(self, draft: S, event: E) -> None:
        """Apply a decided event to a draft."""

    def publish(self, account: str, draft: S, head: Head, records: Sequence[Record[E]]) -> None:
        """The draft is durable: make it what everybody sees."""

    async def reload(self, account: str) -> None:
        """What is in memory may be wrong: load it again from the log, whoever holds it."""

    async def reload_all(self) -> None:
        """`reload` every account that is held, and let go of the others."""

    def decode(self, row: Row) -> Record[E]:
        """A stored record, with its event."""


class _Pending(Generic[S, E]):
    """A submitted command, the caller that waits for it, and what has been decided so far."""

    __slots__ = ("command", "future", "records", "refusal")

    def __init__(self, command: Command[S, E]) -> None:
        self.command = command
        self.future: asyncio.Future[Answer[E]] = asyncio.get_running_loop().create_future()
        self.records: list[Record[E]] = []
        self.refusal: Exception | None = None

    def settle(self) -> None:
        """Tell the caller what was decided: it is durable now."""
        if self.refusal is not None:
            self.fail(self.refusal)
        else:
            self.resolve(Answer(self.records))

    def resolve(self, answer: Answer[E]) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # its caller may be gone; then nobody else will look at it


class Writer(Generic[S, E]):
    """The only one who appends to a log. `run` it as a task; stop it with `close`."""

    def __init__(
        self,
        log: Log,
        ledgers: Ledgers[S, E],
        refusals: type[Exception],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._log = log
        self._ledgers = ledgers
        self._refusals = refusals
        self._clock = clock
        self._waiting: deque[_Pending[S, E]] = deque()
        self._wake = asyncio.Event()
        self._in_flight: dict[tuple[str, str], _Pending[S, E]] = {}
        self._remembered: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._undecided: set[str] = set()  # accounts with records that are stamped and not durable yet
        self._settled = asyncio.Event()
        self._final = 0  # microseconds; a past answer was given for this time, so later records bear later ones
        self._closing = False
        self._broken = False  # an append's outcome was unknown and the log has not been reopened yet

    async def submit(self, command: Command[S, E]) -> Answer[E]:
        """Have a command decided and recorded; returns when its records are durable.

        A repeat of an earlier command id answers the first result and records nothing. Raises the refusal it was
        decided with, CommandMismatch, or Unavailable. Cancelling the caller does not cancel the command.
        """
        key = (command.account, command.command_id)
        while (first := self._in_flight.get(key)) is not None:
            await asyncio.wait([first.future])
        if key in self._remembered:
            return await self._replay(command)
        if self._closing:
            raise Unavailable("the service is shutting down")
        if len(self._waiting) >= COMMANDS_WAITING_MAX:
            raise Unavailable("too many commands are waiting")
        pending: _Pending[S, E] = _Pending(command)
        self._in_flight[key] = pending
        try:
            await self._ledgers.hold(command.account)
        except BaseException:
            self._leave(pending)
            self._wake.set()  # `run` may be waiting for this one only
            raise
        self._waiting.append(pending)
        self._wake.set()
        return await asyncio.shield(pending.future)

    async def settle(self, account: str, at: datetime) -> None:
        """Make the account's past up to a time final.

        Records that bear such a time are durable, or dropped, when this returns; no later one will bear it.
        """
        self._final = max(self._final, microseconds(at))
        while account in self._undecided:
            await self._settled.wait()

    async def run(self) -> None:
        """Write what is submitted, until `close`. Nobody is left waiting, even when it is cancelled."""
        try:
            while self._in_flight or not self._closing:
                if self._waiting:
                    await self._write_next()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._closing = True
            for pending in tuple(self._in_flight.values()):
                self._leave(pending)

    def close(self) -> None:
        """Refuse what comes from now on; `run` ends when all that was submitted before is written."""
        self._closing = True
        self._wake.set()

    async def _gather(self) -> None:
        """Let what is about to be submitted join the batch: go round the event loop until it brings no more."""
        seen = 0
        while seen < len(self._waiting) < COMMANDS_PER_BATCH:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    async def _write_next(self) -> None:
        await self._gather()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMANDS_PER_BATCH))]
        try:
            await self._write(list(batch))
        except Exception:
            logger.exception("a batch of %d command(s) failed; looking what the log holds of it", len(batch))
            self._broken = True
            try:
                await self._settle_unknown(batch)
            except Exception:
                logger.exception("the log cannot be read")
                _fail_all(batch, "the log cannot be read")
        finally:
            self._undecided.clear()
            self._settled.set()
            self._settled.clear()
            for pending in batch:
                self._leave(pending)
                self._ledgers.release(pending.command.account)

    async def _write(self, batch: list[_Pending[S, E]]) -> None:
        """Decide and append a batch until it is settled one way or the other."""
        if self._broken and not await self._recovered():
            return _fail_all(batch, "the log could not be reopened")
        for _ in range(ATTEMPTS_AT_APPEND):
            drafts = self._decide(batch)
            self._undecided.update(drafts)
            rows = [row for draft in drafts.values() for row in draft.rows]
            try:
                if rows:
                    await self._log.append(rows)
            except DuplicateCommand as error:
                await self._answer_repeats(batch, error.commands)
            except WrongPosition:
                for account in drafts:
                    await self._ledgers.reload(account)
            except NotWritten as error:
                logger.warning("nothing was written: %s", error)
                return _fail_all(batch, f"nothing was written: {error}")
            except OutcomeUnknown as error:
                logger.error("the outcome of an append is unknown: %s", error)
                self._broken = True
                return await self._settle_unknown(batch)
            else:
                return self._publish(batch, drafts)
        return _fail_all(batch, "another process is writing to the log")

    def _decide(self, batch: list[_Pending[S, E]]) -> dict[str, "_Draft[S, E]"]:
        """Decide every command in order, each on what the ones before it left. Starts from the durable state."""
        drafts: dict[str, _Draft[S, E]] = {}
        for pending in tuple(batch):
            account = pending.command.account
            try:
                if account not in drafts:
                    drafts[account] = _Draft(self._ledgers.draft(account), self._ledgers.head(account))
                self._decide_one(pending, drafts[account])
            except Exception as error:
                logger.exception("%s could not be decided", pending.command.action)
                pending.fail(error)
                self._leave(pending)
                batch.remove(pending)
                if pending.records:  # the draft was being changed; nothing decided on it can be trusted
                    return self._decide(batch)
        return drafts

    def _decide_one(self, pending: _Pending[S, E], draft: "_Draft[S, E]") -> None:
        command = pending.command
        pending.records, pending.refusal = [], None
        at = self._clock()
        if microseconds(at) <= (latest := max(draft.head.recorded_at, self._final)):
            at = from_microseconds(latest + 1)
        try:
            events = command.decide(draft.state, at)
        except self._refusals as refusal:
            pending.refusal = refusal
            if draft.head.position:
                draft.add(pending, at, "refused", attempt=_refused(command, refusal))
            return
        for event in events:
            draft.add(pending, at, "changed", event=event)
            self._ledgers.evolve(draft.state, event)
        if not events:
            draft.add(pending, at, "unchanged", attempt=Attempt(parameters=command.parameters))

    def _publish(self, batch: list[_Pending[S, E]], drafts: Mapping[str, "_Draft[S, E]"]) -> None:
        for account, draft in drafts.items():
            if draft.rows:
                self._ledgers.publish(account, draft.state, draft.head, draft.records)
        for pending in batch:
            if pending.records:
                self._remember(pending.command)
            pending.settle()

    async def _answer_repeats(self, batch: list[_Pending[S, E]], repeated: frozenset[tuple[str, str]]) -> None:
        """Take the commands that the log already holds out of the batch and answer them from the log."""
        for pending in tuple(batch):
            if (pending.command.account, pending.command.command_id) in repeated:
                batch.remove(pending)
                await self._answer_from_log(pending)

    async def _settle_unknown(self, batch: Sequence[_Pending[S, E]]) -> None:
        """Look which of the commands the log holds; the others may be submitted again."""
        if not await self._recovered():
            return _fail_all(batch, "the log could not be reopened")
        for pending in batch:
            await self._answer_from_log(pending)
        return None

    async def _answer_from_log(self, pending: _Pending[S, E]) -> None:
        try:
            pending.resolve(await self._replay(pending.command))
        except Exception as error:
            pending.fail(error)
        self._leave(pending)

    async def _replay(self, command: Command[S, E]) -> Answer[E]:
        """The first result of a command, rebuilt from its records."""
        try:
            rows = await self._log.find(command.account, command.command_id)
        except Exception as error:
            raise Unavailable(f"the log could not be read: {error}") from error
        records = [self._ledgers.decode(row) for row in rows]
        if not records:
            raise Unavailable("the command was not recorded")
        self._remember(command)
        if records[0].request_digest != command.request_digest:
            raise CommandMismatch(command.command_id)
        return Answer(records, replayed=True)

    async def _recovered(self) -> bool:
        """Reopen the log and fold the states again; False when that is not possible yet."""
        try:
            await self._log.reopen()
            await self._ledgers.reload_all()
        except Exception:
            logger.exception("the log could not be reopened")
            return False
        self._broken = False
        return True

    def _remember(self, command: Command[S, E]) -> None:
        self._remembered[command.account, command.command_id] = None
        if len(self._remembered) > COMMANDS_REMEMBERED:
            self._remembered.popitem(last=False)

    def _leave(self, pending: _Pending[S, E]) -> None:
        """The command is not in flight any more. A caller still waiting for it looks again."""
        key = (pending.command.account, pending.command.command_id)
        if self._in_flight.get(key) is pending:
            del self._in_flight[key]
        pending.fail(Unavailable("the command was given up"))


class _Draft(Generic[S, E]):
    """One account during one batch: the state as decided so far, and the records and rows that led there."""

    __slots__ = ("head", "records", "rows", "state")

    def __init__(self, state: S, head: Head) -> None:
        self.state = state
        self.head = head
        self.records: list[Record[E]] = []
        self.rows: list[Row] = []

    def add(
        self,
        pending: _Pending[S, E],
        at: datetime,
        outcome: Outcome,
        event: E | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        """Put one record at the end, each a microsecond after the one before it."""
        command = pending.command
        index = len(pending.records)
        recorded_at = at + index * MICROSECOND
        record: Record[E] = Record(
            account=command.account,
            position=self.head.position + 1,
            id=timed_id(recorded_at),
            outcome=outcome,
            event=event,
            attempt=attempt,
            recorded_at=recorded_at,
            effective_at=at,
            actor=command.actor,
            source_ip=command.source_ip,
            user_agent=command.user_agent,
            request_id=command.request_id,
            action=command.action,
            command_id=command.command_id,
            command_index=index,
            request_digest=command.request_digest,
            previous=self.head.hash,
        )
        row = seal(record)
        self.head = head_of(row)
        self.rows.append(row)
        self.records.append(record)
        pending.records.append(record)


def _refused(command: Command[Any, Any], refusal: Any) -> Attempt:
    return Attempt(parameters=command.parameters, code=refusal.code, message=refusal.message)


def _fail_all(batch: Sequence[_Pending[Any, Any]], reason: str) -> None:
    for pending in batch:
        pending.fail(Unavailable(reason))
