"""The periods of who carried a policy, against the fold of the ledger."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iam import relations as r
from iam.events.users import UserCreated, UserPolicyAttached, UserPolicyDetached
from projections import periods, tables
from projections.intervals import node
from projections.periods import Period, Place, find_periods
from projections.tables import Checkpoint, Tables

RELATIONS = (r.POLICY_USERS, r.BOUNDARY_USERS)
START = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A place for projections, empty."""
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.create_function("node", 2, node)
    tables.create(opened)
    yield opened
    opened.close()


def folded(ledger: Any, arn: str, position: int) -> list[Period]:
    """The periods that the fold of the records up to a position tells of."""
    open_: dict[tuple[str, str], int] = {}
    found: list[Period] = []
    for record in ledger.records[:position]:
        held = {
            (relation.name, member)
            for relation in RELATIONS
            for member in ledger.state(record.position).members(relation, arn)
        }
        for key in open_.keys() - held:
            found.append(Period(open_.pop(key), *key, record.position))
        for key in held - open_.keys():
            open_[key] = record.position
    found += [Period(begun, *key, None) for key, begun in open_.items()]
    return sorted(found, key=lambda period: period.place)


def paged(connection: sqlite3.Connection, ledger: Any, arn: str, position: int, limit: int, down: bool) -> list[Period]:
    """All periods, a page at a time. Every page goes on, and none has more than the limit."""
    found: list[Period] = []
    beyond: Place | None = None
    while True:
        page = find_periods(connection, ledger.account, RELATIONS, arn, position, beyond, limit, descending=down)
        assert len(page.rows) <= limit
        found += page.rows
        if page.next is None:
            return found
        assert beyond is None or (page.next < beyond if down else page.next > beyond)
        beyond = page.next


def project(connection: sqlite3.Connection, ledger: Any) -> None:
    """Write the ledger to the projections."""
    Tables(connection).take(ledger.records, {ledger.account: Checkpoint(len(ledger.records), "")})


@pytest.mark.parametrize("window", [1, 3, 2_000])
def test_periods_are_what_the_fold_says(
    steps: Any, new_ledger: Any, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As known at every position, in either order, however they are cut into pages and windows."""
    monkeypatch.setattr(periods, "ENTRIES_PER_WINDOW", window)

    @settings(max_examples=30)
    @given(steps, st.integers(1, 5), st.booleans())
    def holds(history: Any, limit: int, down: bool) -> None:
        ledger = new_ledger()
        ledger.live(history)
        opened = sqlite3.connect(":memory:", isolation_level=None)
        opened.create_function("node", 2, node)
        tables.create(opened)
        project(opened, ledger)
        for arn in {arn for record in ledger.records if (arn := getattr(record.event, "policy_arn", None))}:
            for position in (len(ledger.records) // 2, len(ledger.records)):
                expected = folded(ledger, arn, position)
                assert paged(opened, ledger, arn, position, limit, down) == (expected[::-1] if down else expected)
        opened.close()

    holds()


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("window", [1, 4, 2_000])
def test_many_who_held_at_one_time_do_not_stop_the_pages(
    ledger: Any, connection: sqlite3.Connection, window: int, down: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their periods lie under one node, more of them than a window has."""
    monkeypatch.setattr(periods, "ENTRIES_PER_WINDOW", window)
    users = [f"AIDA{number:02}" for number in range(20)]
    for user in users:
        ledger.add(UserCreated(user_id=user, user_name=user, path="/", created_at=START))
    for user in users:
        ledger.add(UserPolicyAttached(user_id=user, user_name=user, policy_arn=ARN, policy_name="ReadOnlyAccess"))
    for user in users:
        ledger.add(UserPolicyDetached(user_id=user, user_name=user, policy_arn=ARN))
    project(connection, ledger)

    expected = folded(ledger, ARN, 60)

    assert len(expected) == 20
    assert paged(connection, ledger, ARN, 60, 3, down) == (expected[::-1] if down else expected)


def test_a_page_reads_a_window_of_a_long_history(ledger: Any, connection: sqlite3.Connection) -> None:
    """What lies before or behind it is not looked at."""
    ledger.add(UserCreated(user_id="AIDA1", user_name="a", path="/", created_at=START))
    for _ in range(4_000):
        ledger.add(UserPolicyAttached(user_id="AIDA1", user_name="a", policy_arn=ARN, policy_name="ReadOnlyAccess"))
        ledger.add(UserPolicyDetached(user_id="AIDA1", user_name="a", policy_arn=ARN))
    project(connection, ledger)
    head = len(ledger.records)

    for down in (False, True):
        page = find_periods(connection, ledger.account, RELATIONS, ARN, head, None, 10_000, descending=down)
        assert 1_000 < len(page.rows) <= periods.ENTRIES_PER_WINDOW + 1
        assert page.next is not None
        assert len(paged(connection, ledger, ARN, head, 500, down)) == 4_000


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("beyond", [(-5, "", ""), (0, "x", "y"), (10**30, "", ""), (3, "", "\0")])
def test_a_place_that_never_was_is_only_a_place(
    ledger: Any, connection: sqlite3.Connection, beyond: Place, down: bool
) -> None:
    """There is nothing behind it, or what comes there."""
    ledger.add(UserCreated(user_id="AIDA1", user_name="a", path="/", created_at=START))
    ledger.add(UserPolicyAttached(user_id="AIDA1", user_name="a", policy_arn=ARN, policy_name="ReadOnlyAccess"))
    project(connection, ledger)

    page = find_periods(connection, ledger.account, RELATIONS, ARN, 2, beyond, 10, descending=down)

    held = Period(2, r.POLICY_USERS.name, "AIDA1", None)
    assert list(page.rows) == ([held] if (beyond[0] > 2) == down else [])
    assert page.next is None
