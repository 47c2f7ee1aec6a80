"""Audit questions: by user, policy, actor, action and time, a page at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from eventstore.memory import MemoryLog
from eventstore.record import Attempt, seal, timed_id
from iam.events.groups import GroupCreated, GroupUpdated, UserAddedToGroup
from iam.events.instance_profiles import InstanceProfileCreated, RoleAddedToInstanceProfile
from iam.events.roles import ServiceLinkedRoleDeleted
from iam.events.users import UserCreated, UserPolicyAttached, UserUpdated
from projections import audit
from projections.audit import EventQuery, find_events
from projections.store import Projections
from projections.tables import Checkpoint

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
        (EventQuery(since=2, until=3), [2, 3]),
        (EventQuery(user="bob", until=2), [1, 2]),
        (EventQuery(source_ip="192.0.2.1"), []),
        (EventQuery(user="alice", outcome="changed", action="CreateUser"), [1, 4]),
        (EventQuery(user="alice", policy=ARN, outcome="refused"), []),
        (EventQuery(request_id="request-3", actor="111122223333"), [3]),
        (EventQuery(request_id="request-3", user="carol"), []),
    ],
)
async def test_all_conditions_hold_together(
    query: EventQuery, positions: list[int], log: MemoryLog, ledger: Any, projections: Projections
) -> None:
    """A name means everybody who ever bore it; times are inclusive."""
    page = await find_events(log, projections, ledger.account, query, None, limit=100)

    assert [row.position for row in page.rows] == positions
    assert page.next is None
    latest_first = msgspec.structs.replace(query, descending=True)
    page = await find_events(log, projections, ledger.account, latest_first, None, limit=100)
    assert [row.position for row in page.rows] == positions[::-1]
    assert page.next is None


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=2), timedelta(minutes=3), -timedelta(hours=1)])
async def test_a_request_is_found_by_its_id_whenever_its_record_came(
    ledger: Any, projections: Projections, late: timedelta
) -> None:
    """Also after a long wait, and where the clock was set back between the request and its record."""
    for number in range(4):
        ledger.add(UserCreated(user_id=f"AIDA{number}", user_name=f"user-{number}", path="/", created_at=START))
    request_id = timed_id(ledger.records[2].recorded_at - late)
    ledger.records[2] = msgspec.structs.replace(ledger.records[2], request_id=request_id)
    log = MemoryLog()
    await log.append([seal(record) for record in ledger.records])
    await projections.write(ledger.records, {ledger.account: Checkpoint(4, "")})

    page = await find_events(log, projections, ledger.account, EventQuery(request_id=request_id), None, limit=100)
    assert [row.position for row in page.rows] == [3]
    other = EventQuery(request_id=timed_id(START + timedelta(seconds=2)))
    assert (await find_events(log, projections, ledger.account, other, None, limit=100)).rows == []


async def test_pages_follow_one_another_without_gap_or_repeat(
    log: MemoryLog, ledger: Any, projections: Projections
) -> None:
    """The position behind which to go on leads through everything."""
    seen: list[int] = []
    beyond, more = None, True
    while more:
        page = await find_events(log, projections, ledger.account, EventQuery(user="alice"), beyond, limit=2)
        seen += [row.position for row in page.rows]
        beyond, more = page.next, page.next is not None

    assert seen == [1, 2, 3, 4, 5]


async def test_a_page_examines_a_bounded_number_of_records(
    log: MemoryLog, ledger: Any, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may come back short, with the place to go on from."""
    monkeypatch.setattr(audit, "EXAMINED_PER_PAGE", 2)
    page = await find_events(log, projections, ledger.account, EventQuery(outcome="refused"), None, limit=10)

    assert (list(page.rows), page.next) == ([], 2)


async def test_an_attempt_to_rename_is_found_by_both_names(ledger: Any, projections: Projections) -> None:
    """Who was to be renamed, and what to, in any spelling; the row names the former. A name may be both."""
    for name, new_name in (("bob", "Alice"), ("alice", "ALICE")):
        attempt = Attempt(parameters={"user_name": name, "new_user_name": new_name}, code="EntityAlreadyExists")
        ledger.add(attempt=attempt, action="UpdateUser")
    log = MemoryLog()
    await log.append(ledger.rows)
    await projections.write(ledger.records, {ledger.account: Checkpoint(2, "")})

    for user, positions in (("bob", [1]), ("alice", [1, 2])):
        page = await find_events(log, projections, ledger.account, EventQuery(user=user), None, limit=100)
        assert [row.position for row in page.rows] == positions
    users = await projections.read(lambda connection: connection.execute("SELECT user FROM events").fetchall())
    assert sorted(users) == [("alice",), ("bob",)]


async def test_groups_roles_and_instance_profiles_are_found_by_name_and_id(
    ledger: Any, projections: Projections
) -> None:
    """By any name that they ever bore; a record of two things is found by both, one of several policies by each."""
    group = {"group_id": "AGPA1", "path": "/", "created_at": START}
    profile = {"instance_profile_id": "AIPA1", "instance_profile_name": "web"}
    ledger.add(GroupCreated(group_name="devs", **group))
    ledger.add(GroupUpdated(group_name="Staff", previous_group_name="devs", previous_path="/", **group))
    ledger.add(UserAddedToGroup(group_id="AGPA1", group_name="Staff", user_id="AIDA1", user_name="alice"))
    ledger.add(InstanceProfileCreated(**profile, path="/", created_at=START))
    ledger.add(RoleAddedToInstanceProfile(**profile, role_id="AROA1", role_name="ci"))
    ledger.add(attempt=Attempt(parameters={"role_name": "CI", "instance_profile_name": "Web"}, code="NoSuchEntity"))
    ledger.add(
        ServiceLinkedRoleDeleted(role_id="AROA2", role_name="x", deletion_task_id="task", policy_arns=(ARN, f"{ARN}2"))
    )
    ledger.add(attempt=Attempt(parameters={"group_name": "STAFF", "new_group_name": "Devs"}, code="NoSuchEntity"))
    log = MemoryLog()
    await log.append(ledger.rows)
    await projections.write(ledger.records, {ledger.account: Checkpoint(8, "")})

    for query, positions in (
        (EventQuery(group="DEVS"), [1, 2, 3, 8]),
        (EventQuery(group="staff"), [1, 2, 3, 8]),
        (EventQuery(group="AGPA1", user="AIDA1"), [3]),
        (EventQuery(user="AIDA1"), [3]),
        (EventQuery(role="AROA1"), [5]),
        (EventQuery(role="ci"), [6]),  # whose creation is not in this ledger
        (EventQuery(instance_profile="web"), [4, 5, 6]),
        (EventQuery(policy=ARN), [7]),
        (EventQuery(policy=f"{ARN}2", role="AROA2"), [7]),
        (EventQuery(user="devs"), []),
    ):
        page = await find_events(log, projections, ledger.account, query, None, limit=100)
        assert [row.position for row in page.rows] == positions, query
    told = await projections.read(
        lambda connection: connection.execute(
            "SELECT position, group_id, group_name, role_id, role_name FROM events ORDER BY position"
        ).fetchall()
    )
    assert told[2] == (3, "AGPA1", "Staff", None, None)
    assert told[4:6] == [(5, None, None, "AROA1", "ci"), (6, None, None, "ci", "CI")]
