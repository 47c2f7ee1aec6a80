"""Who bore a name, and what users were called, as known at any position."""

from typing import Any

import pytest

from iam.events.users import UserCreated, UserDeleted, UserUpdated
from projections.holders import Holder, Mark, Name, holder, holders_of
from projections.store import Projections
from projections.tables import Checkpoint

FIRST, SECOND = "AIDA1", "AIDA2"


@pytest.fixture
async def lives(ledger: Any, projections: Projections) -> Any:
    """Alice moves, and becomes Bob; another Alice comes and goes. Seconds are those of the positions."""
    ledger.add()  # something else
    born = ledger.records[0].recorded_at
    renamed = {"user_id": FIRST, "created_at": born}
    ledger.add(UserCreated(user_id=FIRST, user_name="Alice", path="/", created_at=born))
    ledger.add(UserUpdated(user_name="Alice", path="/x/", previous_user_name="Alice", previous_path="/", **renamed))
    ledger.add(UserUpdated(user_name="Bob", path="/x/", previous_user_name="Alice", previous_path="/x/", **renamed))
    ledger.add(UserCreated(user_id=SECOND, user_name="alice", path="/", created_at=born))
    ledger.add(UserDeleted(user_id=SECOND, user_name="alice"))
    await projections.write(ledger.records, {ledger.account: Checkpoint(6, "")})
    return ledger


def mark(lives: Any, position: int) -> Mark:
    return Mark(position, lives.records[position - 1].effective_at)


async def told(projections: Projections, lives: Any, user_id: str, position: int) -> Holder:
    return await projections.read(lambda connection: holder(connection, lives.account, user_id, position))


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("Alice", {2: FIRST, 5: SECOND}),
        ("ALICE", {2: FIRST, 5: SECOND}),
        ("bob", {4: FIRST}),
        (FIRST, {2: FIRST}),
        (SECOND, {5: SECOND}),
        ("carol", {}),
        ("", {}),
    ],
)
async def test_a_name_was_held_by_all_its_holders(
    projections: Projections, lives: Any, name: str, since: dict[int, str]
) -> None:
    """In any case of letters, and for good; an id likewise."""
    for position in range(7):
        held = await projections.read(lambda connection, at=position: holders_of(connection, lives.account, name, at))
        assert held == {user_id for begun, user_id in since.items() if begun <= position}


async def test_a_user_is_told_as_known_at_the_position(projections: Projections, lives: Any) -> None:
    """What ended later still holds; another path is no other name."""
    born = lives.records[0].recorded_at
    as_alice = Name("Alice", mark(lives, 2), None)
    for position in (2, 3):
        assert await told(projections, lives, FIRST, position) == Holder(FIRST, [as_alice], born, None)
    both = [Name("Alice", mark(lives, 2), mark(lives, 4)), Name("Bob", mark(lives, 4), None)]
    for position in (4, 6):
        assert await told(projections, lives, FIRST, position) == Holder(FIRST, both, born, None)


async def test_a_deleted_user_has_the_time_of_its_deletion(projections: Projections, lives: Any) -> None:
    """From that record on."""
    born, end = lives.records[0].recorded_at, mark(lives, 6)
    before = Holder(SECOND, [Name("alice", mark(lives, 5), None)], born, None)
    after = Holder(SECOND, [Name("alice", mark(lives, 5), end)], born, end.at)

    assert await told(projections, lives, SECOND, 5) == before
    assert await told(projections, lives, SECOND, 6) == after
    with pytest.raises(KeyError):
        await told(projections, lives, SECOND, 4)
