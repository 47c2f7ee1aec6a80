"""Group commit: many callers, one writer, one append at a time.

What is waiting is decided in order, each command on the drafts that the ones before it left, and written as one
append. A draft becomes visible, and callers hear their answers, only when the append is durable. Requests
never touch the transaction: they wait for a future, and may go away without harm.

Attempts that repeat get no record of their own: `eventstore/attempts.py` counts them, and the counts are written here
each minute, and at the end. A crash loses the counts of a minute at most, never a record.
"""

import asyncio
import copy
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from eventstore.attempts import Attempts
from eventstore.drafts import Answer, Command, Draft, Pending
from eventstore.log import DuplicateCommand, Log, NotWritten, OutcomeUnknown, WrongPosition, undamaged
from eventstore.record import Attempt, Head, Record, Row, from_microseconds, microseconds
from eventstore.statistics import Statistics

__all__ = ["Answer", "Command", "CommandMismatch", "Ledgers", "Unavailable", "Writer"]

logger = logging.getLogger(__name__)

S = TypeVar("S")
E = TypeVar("E")

COMMANDS_PER_BATCH = 256
COMMANDS_WAITING_MAX = 10_000
COMMANDS_REMEMBERED = 50_000  # recent command ids kept in memory, so that the usual retry never fails a batch
ATTEMPTS_AT_APPEND = 3
TRIED_SECONDS = 0.5  # as long as the outcome of one append tells what the next one would come to


class Unavailable(Exception):
    """Not done, or not known to be done. The same command is safe to submit again."""


class CommandMismatch(Exception):
    """The command id belongs to an earlier, different request."""


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


class _Counted(msgspec.Struct, Generic[E], frozen=True):
    """The result of a command that was only counted. No record has its id, so a repeat is answered from here."""

    request_digest: str
    records: Sequence[Record[E]]
    refusal: Exception | None


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
        self._waiting: deque[Pending[S, E]] = deque()
        self._wake = asyncio.Event()
        self._in_flight: dict[tuple[str, str], Pending[S, E]] = {}
        self._remembered: OrderedDict[tuple[str, str], _Counted[E] | None] = OrderedDict()
        self._attempts: Attempts[E] = Attempts()
        self._summing_up: set[asyncio.Task[None]] = set()  # the event loop itself does not keep tasks
        self._undecided: dict[str, int] = {}  # the time of the first record that is stamped and not known to be durable
        self._settled = asyncio.Event()
        self._final = 0  # microseconds; a past answer was given for this time, so later records bear later ones
        self._closing = False
        self._broken = False  # an append's outcome was unknown and the log has not been reopened yet
        self._trouble: str | None = None  # why nothing could be written when that was last tried
        self._tried_at = -math.inf  # when that was, in seconds of the monotonic clock
        self._asked: asyncio.Future[None] | None = None  # done when it has been tried again
        self.statistics = Statistics()

    async def submit(self, command: Command[S, E]) -> Answer[E]:
        """Have a command decided and recorded; returns when its records are durable.

        A repeat of an earlier command id answers the first result and records nothing. Raises the refusal it was
        decided with, CommandMismatch, or Unavailable. Cancelling the caller does not cancel the command.

        An attempt that only repeats another one is counted, and answered like that one. Its id is known as long as
        it is among the recent ones in memory; after that, or a restart, a repeat is decided anew.
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
        pending: Pending[S, E] = Pending(command)
        self._in_flight[key] = pending
        return await self._enqueue(pending)

    async def _enqueue(self, pending: Pending[S, E]) -> Answer[E]:
        try:
            await self._ledgers.hold(pending.command.account)
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
        Raises Unavailable while that is not known of some, as the log could not be reopened.
        """
        until = microseconds(at)
        self._final = max(self._final, until)
        while self._undecided.get(account, until + 1) <= until:
            if self._broken:
                raise Unavailable("it is not known whether the last records were written")
            await self._settled.wait()

    async def check(self) -> None:
        """Return if what is submitted now can be written. Raises Unavailable, saying why not.

        A recent append tells; where there is none, the log is asked. So it is noticed that a log is well again, or is
        not any more, even if nobody submits anything.
        """
        if self._broken or time.monotonic() - self._tried_at >= TRIED_SECONDS:
            if self._asked is None:
                self._asked = asyncio.get_running_loop().create_future()
                self._wake.set()
            await asyncio.shield(self._asked)
        if self._trouble is not None:
            raise Unavailable(self._trouble)

    async def run(self) -> None:
        """Write what is submitted, until `close`. Nobody is left waiting, even when it is cancelled."""
        try:
            while True:
                if self._asked is not None:
                    await self._try()
                if self._attempts:
                    self._sum_up()
                if self._waiting:
                    await self._write_next()
                elif self._in_flight or not self._closing:
                    await self._idle()
                else:
                    break
        finally:
            self._closing = True
            for pending in tuple(self._in_flight.values()):
                self._leave(pending)
            self._tried("the service is shutting down")

    def close(self) -> None:
        """Refuse what comes from now on; `run` ends when all submitted before is written, and all counts."""
        self._closing = True
        self._wake.set()

    async def _try(self) -> None:
        """Find out whether an append would succeed. Reopens the log if it has to be."""
        try:
            if not self._broken:
                await self._log.check()
                self._tried(None)
            elif await self._recovered():
                self._undecided.clear()  # the states were folded again, and nothing is decided on them yet
                self._settled.set()
                self._settled.clear()
                self._tried(None)
            else:
                self._tried("the log could not be reopened")
        except NotWritten as error:
            self._tried(str(error))
        except Exception as error:
            logger.exception("the log could not be tried")
            self._tried(str(error))

    def _tried(self, trouble: str | None) -> None:
        """It is known now whether something can be written: why not, or None as it can."""
        self._trouble, self._tried_at = trouble, time.monotonic()
        if self._asked is not None:
            self._asked.set_result(None)
            self._asked = None

    async def _idle(self) -> None:
        """Wait until something is submitted or asked, or counts are due."""
        self._wake.clear()
        seconds = self._attempts.seconds_left(self._clock()) if self._attempts else None
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()

    def _sum_up(self) -> None:
        """Submit what was counted in the minutes that ended; once the writer is closing, all of it."""
        for summary in self._attempts.end(None if self._closing else self._clock()):
            pending = Pending(_command_of(summary), summary)
            self._in_flight[summary.account, summary.command_id] = pending
            task = asyncio.create_task(self._write_summary(pending, summary))
            self._summing_up.add(task)
            task.add_done_callback(self._summing_up.discard)

    async def _write_summary(self, pending: Pending[S, E], summary: Record[E]) -> None:
        """Have counts recorded like a command, with its id: so they are never doubled, whatever goes wrong."""
        try:
            await self._enqueue(pending)
        except Exception as error:
            logger.warning("attempts in %s were counted, but not recorded: %s", summary.account, error)
            if not self._closing:
                self._attempts.keep(summary, self._clock())
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
            self._attempts.rollback()
            if not self._broken:
                self._undecided.clear()
            self._settled.set()
            self._settled.clear()
            for pending in batch:
                self._leave(pending)
                self._ledgers.release(pending.command.account)

    async def _write(self, batch: list[Pending[S, E]]) -> None:
        """Decide and append a batch until it is settled one way or the other."""
        if self._broken and not await self._recovered():
            return _fail_all(batch, "the log could not be reopened")
        for account in tuple(self._undecided):  # left by an earlier batch; what it wrote, if it did, nobody was told
            await self._ledgers.reload(account)
            del self._undecided[account]
        for _ in range(ATTEMPTS_AT_APPEND):
            drafts = await self._draft(batch)
            rows = [row for draft in drafts.values() for row in draft.rows]
            try:
                if rows:
                    await self._append(rows)
            except DuplicateCommand as error:
                await self._answer_repeats(batch, error.commands)
            except WrongPosition:
                for account in drafts:
                    await self._ledgers.reload(account)
            except NotWritten as error:
                logger.warning("nothing was written: %s", error)
                self.statistics.not_written += 1
                self._tried(str(error))
                return _fail_all(batch, f"nothing was written: {error}")
            except OutcomeUnknown as error:
                logger.error("the outcome of an append is unknown: %s", error)
                self.statistics.outcome_unknown += 1
                self._broken = True
                return await self._settle_unknown(batch)
            else:
                return self._publish(batch, drafts)
        return _fail_all(batch, "another process is writing to the log")

    async def _append(self, rows: Sequence[Row]) -> None:
        began = time.perf_counter()
        await self._log.append(rows)
        self.statistics.appended(len(rows), time.perf_counter() - began)
        self._tried(None)

    async def _draft(self, batch: list[Pending[S, E]]) -> dict[str, Draft[S, E]]:
        """Decide, until each command that would only be counted is known to be new: no index will be its judge."""
        while True:
            drafts = self._decide(batch)
            for account, draft in drafts.items():
                if draft.rows:
                    self._undecided.setdefault(account, draft.rows[0].recorded_at)
            repeated = set()
            for pending in batch:
                if pending.counted and not pending.new:
                    key = (pending.command.account, pending.command.command_id)
                    pending.new = not await self._log.find(*key)
                    if not pending.new:
                        repeated.add(key)
            if not repeated:
                return drafts
            await self._answer_repeats(batch, repeated)

    def _decide(self, batch: list[Pending[S, E]]) -> dict[str, Draft[S, E]]:
        """Decide every command in order, each on what the ones before it left. Starts from the durable state."""
        self._attempts.rollback()
        drafts: dict[str, Draft[S, E]] = {}
        for pending in tuple(batch):
            account = pending.command.account
            try:
                if account not in drafts:
                    drafts[account] = Draft(self._ledgers.draft(account), self._ledgers.head(account))
                self._decide_one(pending, drafts[account])
            except Exception as error:
                logger.exception("%s could not be decided", pending.command.action)
                pending.fail(error)
                self._leave(pending)
                batch.remove(pending)
                if pending.records:  # the draft was being changed; nothing decided on it can be trusted
                    return self._decide(batch)
        return drafts

    def _decide_one(self, pending: Pending[S, E], draft: Draft[S, E]) -> None:
        command = pending.command
        pending.records, pending.refusal, pending.counted = [], None, False
        now = at = self._clock()
        if microseconds(at) <= (latest := max(draft.head.recorded_at, self._final)):
            at = from_microseconds(latest + 1)
        if pending.summary is not None:
            record = draft.record(command, at, pending.summary.outcome, attempt=pending.summary.attempt)
            pending.records.append(draft.put(record))
            return
        try:
            events = command.decide(draft.state, at)
        except self._refusals as refusal:
            pending.refusal = refusal
            if draft.head.position:
                record = draft.record(command, at, "refused", attempt=_refused(command, refusal))
                self._attempt(pending, draft, record, now)
            return
        for event in events:
            record = draft.record(command, at, "changed", event, index=len(pending.records))
            pending.records.append(draft.put(record))
            self._ledgers.evolve(draft.state, event)
        if not events:
            record = draft.record(command, at, "unchanged", attempt=Attempt(parameters=command.parameters))
            self._attempt(pending, draft, record, now)

    def _attempt(self, pending: Pending[S, E], draft: Draft[S, E], record: Record[E], now: datetime) -> None:
        """Record an attempt, or count it with one that stands for it."""
        first = self._attempts.note(record, now)
        pending.records, pending.counted = [first], first is not record
        if first is record:
            draft.put(record)

    def _publish(self, batch: list[Pending[S, E]], drafts: Mapping[str, Draft[S, E]]) -> None:
        for account, draft in drafts.items():
            if draft.rows:
                self._ledgers.publish(account, draft.state, draft.head, draft.records)
        self._attempts.commit()
        for pending in batch:
            if pending.counted:
                refusal = copy.copy(pending.refusal)  # without the traceback, and all that hangs from it
                self._remember(pending.command, _Counted(pending.command.request_digest, pending.records, refusal))
            elif pending.records:
                self._remember(pending.command)
            pending.settle()

    async def _answer_repeats(self, batch: list[Pending[S, E]], repeated: Set[tuple[str, str]]) -> None:
        """Take the commands that the log already holds out of the batch and answer them from the log."""
        for pending in tuple(batch):
            if (pending.command.account, pending.command.command_id) in repeated:
                batch.remove(pending)
                await self._answer_from_log(pending)

    async def _settle_unknown(self, batch: Sequence[Pending[S, E]]) -> None:
        """Look which of the commands the log holds; the others may be submitted again."""
        if not await self._recovered():
            return _fail_all(batch, "the log could not be reopened")
        for pending in batch:
            await self._answer_from_log(pending)
        return None

    async def _answer_from_log(self, pending: Pending[S, E]) -> None:
        try:
            pending.resolve(await self._replay(pending.command))
        except Exception as error:
            pending.fail(error)
        self._leave(pending)

    async def _replay(self, command: Command[S, E]) -> Answer[E]:
        """The first result of a command, rebuilt from its records. Raises the refusal of one that was counted."""
        counted = self._remembered.get((command.account, command.command_id))
        if counted is not None:
            if counted.request_digest != command.request_digest:
                raise CommandMismatch(command.command_id)
            if counted.refusal is not None:
                raise copy.copy(counted.refusal)
            return Answer(counted.records, replayed=True)
        try:
            rows = await self._log.find(command.account, command.command_id)
        except Exception as error:
            raise Unavailable(f"the log could not be read: {error}") from error
        records = [self._ledgers.decode(undamaged(row)) for row in rows]
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

    def _remember(self, command: Command[S, E], counted: _Counted[E] | None = None) -> None:
        self._remembered[command.account, command.command_id] = counted
        if len(self._remembered) > COMMANDS_REMEMBERED:
            self._remembered.popitem(last=False)

    def _leave(self, pending: Pending[S, E]) -> None:
        """The command is not in flight any more. A caller still waiting for it looks again."""
        key = (pending.command.account, pending.command.command_id)
        if self._in_flight.get(key) is pending:
            del self._in_flight[key]
        pending.fail(Unavailable("the command was given up"))


def _refused(command: Command[Any, Any], refusal: Any) -> Attempt:
    return Attempt(parameters=command.parameters, code=refusal.code, message=refusal.message)


def _fail_all(batch: Sequence[Pending[Any, Any]], reason: str) -> None:
    for pending in batch:
        pending.fail(Unavailable(reason))


def _command_of(summary: Record[E]) -> Command[Any, E]:
    """What writes a summary like a command. There is nothing to decide."""
    return Command(
        account=summary.account,
        action=summary.action,
        decide=lambda state, at: (),
        parameters={},
        actor=summary.actor,
        command_id=summary.command_id,
        request_id=summary.request_id,
        source_ip=summary.source_ip,
        user_agent=summary.user_agent,
    )
