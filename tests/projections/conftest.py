"""Ledgers made of decided commands, and projections of them in a temporary file."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventstore.record import EMPTY, Actor, Attempt, Record, Row, head_of, seal, timed_id
from iam.commands import Moment
from iam.errors import IamError
from iam.events import AnyEvent
from iam.state import Account, World
from projections.store import Projections

ACCOUNT = "111122223333"
ACTOR = Actor(id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root")
START = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)


class Ledger:
    """The records of one account, and its state after each: `states[n]` is what it was at position n."""

    def __init__(self, world: World, account: str = ACCOUNT) -> None:
        self.account = account
        self.world = world
        self.records: list[Record[AnyEvent]] = []
        self.rows: list[Row] = []
        self._head = EMPTY
        self._ids = 0

    def state(self, position: int | None = None) -> Account:
        """The fold of the records up to a position."""
        state = Account(self.account, self.world)
        for record in self.records[:position]:
            if record.event is not None:
                state.apply(record.event.changes())
        return state

    def add(self, event: AnyEvent | None = None, attempt: Attempt | None = None, action: str = "Test") -> Row:
        """Put a record at the end, a second after the one before it."""
        at = START + timedelta(seconds=len(self.records))
        record: Record[AnyEvent] = Record(
            account=self.account,
            position=self._head.position + 1,
            id=timed_id(at),
            outcome="changed" if event else "refused",
            event=event,
            attempt=attempt,
            recorded_at=at,
            effective_at=at,
            actor=ACTOR,
            request_id=f"request-{self._head.position + 1}",
            action=action,
            command_id=f"command-{self._head.position + 1}",
            previous=self._head.hash,
        )
        row = seal(record)
        self._head = head_of(row)
        self.records.append(record)
        self.rows.append(row)
        return row

    def live(self, steps: Sequence[tuple[Callable[..., list[Any]], Any]]) -> None:
        """Carry out commands; what is refused leaves an attempt."""
        state = self.state()
        for decide, command in steps:
            try:
                events = decide(state, command, Moment(START, self._new_id))
            except IamError as refusal:
                self.add(attempt=Attempt(parameters={}, code=refusal.code, message=refusal.message))
                continue
            for event in events:
                self.add(event)
                state.apply(event.changes())

    def _new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids:017}"


@pytest.fixture
def ledger(world: World) -> Ledger:
    """An empty ledger."""
    return Ledger(world)


@pytest.fixture
def new_ledger(world: World) -> Callable[..., Ledger]:
    """Makes empty ledgers, of one account or another."""
    return lambda account=ACCOUNT: Ledger(world, account)


@pytest.fixture
async def projections(tmp_path: Path) -> AsyncIterator[Projections]:
    """An empty projections.db, open."""
    opened = Projections(tmp_path / "projections.db")
    yield opened
    await opened.close()
