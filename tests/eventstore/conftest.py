"""What tests of the log share: rows that are whole, chained, and neutral about what they record; a writer at work."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from tally import Service

from eventstore import writer
from eventstore.record import EMPTY, Actor, Head, Record, Row, head_of, seal, timed_id

ACCOUNT = "111122223333"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACTOR = Actor(id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/alice")


class RowsOf(Protocol):
    """How tests ask for rows: one a second, chained from `after`. A command named twice in a row has two records."""

    def __call__(
        self, commands: int | Sequence[str], *, account: str = ACCOUNT, after: Head | Row = EMPTY
    ) -> list[Row]: ...


def _rows_of(commands: int | Sequence[str], *, account: str = ACCOUNT, after: Head | Row = EMPTY) -> list[Row]:
    head = head_of(after) if isinstance(after, Row) else after
    rows: list[Row] = []
    if isinstance(commands, int):
        commands = [f"command-{head.position + place}" for place in range(1, commands + 1)]
    for command in commands:
        at = START + timedelta(seconds=head.position)
        index = rows[-1].command_index + 1 if rows and rows[-1].command_id == command else 0
        row = seal(
            Record(
                account=account,
                position=head.position + 1,
                id=timed_id(at),
                outcome="changed",
                event={"type": "Counted", "by": head.position + 1},
                recorded_at=at,
                effective_at=at,
                actor=ACTOR,
                action="Count",
                command_id=command,
                command_index=index,
                previous=head.hash,
            )
        )
        rows.append(row)
        head = head_of(row)
    return rows


@pytest.fixture(scope="session")
def rows_of() -> RowsOf:
    """Rows that follow from one another; their first follows `after`."""
    return _rows_of


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where a test's log file will be."""
    return tmp_path / "ledger.db"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A writer at work; behind the test, what is seen is compared with what is written."""
    service = Service()
    yield service
    await service.stop()


@pytest.fixture(params=["remembered", "forgotten"])
def memory_of_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the writer knows an id from memory, or the log's unique index is the judge."""
    if request.param == "forgotten":
        monkeypatch.setattr(writer, "COMMANDS_REMEMBERED", 0)
    return str(request.param)
