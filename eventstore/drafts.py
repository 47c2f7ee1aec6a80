"""What becomes of commands in a batch: who waits for which, and what each account would be once it is durable."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from eventstore.record import MICROSECOND, Actor, Attempt, Head, Outcome, Record, Restored, Row, head_of, seal, timed_id

S = TypeVar("S")
E = TypeVar("E")


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
    restored_from: Restored | None = None


class Answer(msgspec.Struct, Generic[E], frozen=True):
    """The command's records, one or more. `replayed`: this is the result of an earlier call with its id.

    A replayed record may be that of a refusal; at the first call the refusal was raised. A call that changed nothing
    and was only counted has the record of the attempt that it was counted with.
    """

    records: Sequence[Record[E]]
    replayed: bool = False


class Pending(Generic[S, E]):
    """A submitted command, the caller that waits for it, and what has been decided so far."""

    __slots__ = ("command", "counted", "future", "new", "records", "refusal", "summary")

    def __init__(self, command: Command[S, E], summary: Record[E] | None = None) -> None:
        self.command = command
        self.summary = summary  # of attempts that were counted; then there is nothing to decide
        self.future: asyncio.Future[Answer[E]] = asyncio.get_running_loop().create_future()
        self.records: list[Record[E]] = []
        self.refusal: Exception | None = None
        self.counted = False  # it gets no record of its own; `records` has the one that it is counted with
        self.new = False  # the log was asked, and has nothing of its id

    def settle(self) -> None:
        """Tell the caller what was decided: it is durable now."""
        if self.refusal is not None:
            self.fail(self.refusal)
        else:
            self.resolve(Answer(self.records))

    def resolve(self, answer: Answer[E]) -> None:
        """Answer the caller, unless that has happened."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Raise the error in the caller, unless it was answered."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # its caller may be gone; then nobody else will look at it


class Draft(Generic[S, E]):
    """One account during one batch: the state as decided so far, and the records and rows that led there."""

    __slots__ = ("head", "records", "rows", "state")

    def __init__(self, state: S, head: Head) -> None:
        self.state = state
        self.head = head
        self.records: list[Record[E]] = []
        self.rows: list[Row] = []

    def record(
        self,
        command: Command[S, E],
        at: datetime,
        outcome: Outcome,
        event: E | None = None,
        attempt: Attempt | None = None,
        index: int = 0,
    ) -> Record[E]:
        """What would be the next record: of one command, each a microsecond after the one before it."""
        recorded_at = at + index * MICROSECOND
        return Record(
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
            restored_from=command.restored_from,
            previous=self.head.hash,
        )

    def put(self, record: Record[E]) -> Record[E]:
        """Put the next record at the end, and return it. Raises what the encoder raises for what is no JSON."""
        row = seal(record)
        self.head = head_of(row)
        self.rows.append(row)
        self.records.append(record)
        return record
