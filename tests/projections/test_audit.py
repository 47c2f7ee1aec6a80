"""Audit questions: by user, policy, actor, action and time, a page at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eventstore.memory import MemoryLog
from eventstore.record import Attempt
from iam.events import UserCreated, UserPolicyAttached, UserUpdated
from projections import audit
from projections.audit import EventQuery, find_events
from projections.store import Checkpoint, Projections

START = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
async def log(ledger: Any, projections: Projections) -> MemoryLog:
    """alice comes, is given a policy, and goes by another name; a new alice comes; an attempt on either fails."""
    ledger.add(UserCreated(user_id="AIDA1", user_name="alice", path="/", created_at=START), action="CreateUser")
    attached = UserPolicyAttached(user_id="AIDA1", user_name="alice", policy_arn=ARN, policy_name="ReadOnlyAccess")
    ledger.add(attached, action="AttachUserPolicy")
    renamed = UserUpdated(
        user_id="AIDA1", user_name="bob", path="/", previous_user_name="alice", previous_path="/", created_at=START
    )
    ledger.add(renamed, action="UpdateUser")
    ledger.add(UserCreated(user_id="AIDA2", user_name="Alice", path="/", created_at=START), action="CreateUser")
    refused = Attempt(parameters={"user_name": "ALICE", "policy_arn": "x"}, code="NoSuchEntity", message="")
    ledger.add(attempt=refused, action="DetachUserPolicy")
    log = MemoryLog()
    await log.append(ledger.rows)
    await projections.write(ledger.records, {ledger.account: Checkpoint(5, ledger.rows[-1].hash.hex())})
    return log


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        (EventQuery(), [1, 2, 3, 4, 5]),
        (EventQuery(user="alice"), [1, 2, 3, 4, 5]),
        (EventQuery(user="BOB"), [1, 2, 3]),
        (EventQuery(user="AIDA2"), [4]),
        (EventQuery(user="nobody"), []),
        (EventQuery(policy=ARN), [2]),
        (EventQuery(user="alice", policy=ARN), [2]),
        (EventQuery(user="AIDA2", policy=ARN), []),
        (EventQuery(actor="111122223333", action="CreateUser"), [1, 4]),
        (EventQuery(request_id="request-3"), [3]),
        (EventQuery(type="UserCreated"), [1, 4]),
        (EventQuery(outcome="refused"), [5]),
        (EventQuery(since=START + timedelta(seconds=1), until=START + timedelta(seconds=3)), [2, 3, 4]),
        (EventQuery(since=START + timedelta(seconds=1, microseconds=1)), [3, 4, 5]),
        (EventQuery(until=START - timedelta(seconds=1)), []),
        (EventQuery(user="alice", since=START + timedelta(seconds=3)), [4, 5]),
    ],
)
async def test_all_conditions_hold_together(
    query: EventQuery, positions: list[int], log: MemoryLog, ledger: Any, projections: Projections
) -> None:
    """A name means everybody who ever bore it; times are inclusive."""
    page = await find_events(log, projections, ledger.account, query, after=0, limit=100)

    assert [row.position for row in page.rows] == positions
    assert page.next_after is None


async def test_pages_follow_one_another_without_gap_or_repeat(
    log: MemoryLog, ledger: Any, projections: Projections
) -> None:
    """The position behind which to go on leads through everything."""
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await find_events(log, projections, ledger.account, EventQuery(user="alice"), after, limit=2)
        seen += [row.position for row in page.rows]
        after = page.next_after

    assert seen == [1, 2, 3, 4, 5]


async def test_a_page_examines_a_bounded_number_of_records(
    log: MemoryLog, ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may come back short, with the place to go on from."""
    monkeypatch.setattr(audit, "EXAMINED_PER_PAGE", 2)
    monkeypatch.setattr(audit, "ROWS_PER_READ", 1)
    page = await find_events(log, projections, ledger.account, EventQuery(outcome="refused"), after=0, limit=10)

    assert (list(page.rows), page.next_after) == ([], 2)
