"""The history in projections.db against the fold, which is its independent auditor."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iam.events.open_id_connect_providers import (
    OpenIDConnectProviderCreated,
    OpenIDConnectProviderDeleted,
    OpenIDConnectProviderUntagged,
)
from iam.events.users import UserCreated, UserPolicyAttached, UserPolicyPut
from iam.relations import ALL, Tag
from iam.state import Account, State
from projections import tables
from projections.instant import InstantState
from projections.intervals import current_changes, node
from projections.store import Projections
from projections.tables import Checkpoint, Tables

START = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)

Contents = dict[tuple[str, str], dict[str, Any]]


def contents(state: Account) -> Contents:
    """All that an account in memory holds."""
    return {(relation.name, owner): dict(entries) for relation, owner, entries in state.owners()}


def ask_all(state: State, known: Contents) -> Contents:
    """All that a state answers about the owners of another one."""
    found = {(name, owner): dict(state.members(ALL[name], owner)) for name, owner in known}
    return {key: entries for key, entries in found.items() if entries}


def project(new_ledger: Callable[..., Any], steps: Any, sizes: list[int]) -> tuple[Any, sqlite3.Connection]:
    """A ledger of these steps, written to a projection in batches of these sizes."""
    ledger = new_ledger()
    ledger.live(steps)
    remaining, batches = list(ledger.records), []
    while remaining:
        size = sizes[len(remaining) % len(sizes)]
        batches.append(remaining[:size])
        del remaining[:size]
    return ledger, written(ledger, batches)


def written(ledger: Any, batches: list[list[Any]]) -> sqlite3.Connection:
    """A projection of a ledger, written in these batches of its records."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("node", 2, node)
    tables.create(connection)
    target = Tables(connection)
    for part in filter(None, batches):
        target.take(part, {ledger.account: Checkpoint(part[-1].position, "")})
    return connection


def test_an_account_as_of_any_record_is_what_the_fold_says(steps: Any, new_ledger: Any) -> None:
    """Whatever the history and however it was cut into batches, every position answers like its prefix folded."""

    @given(steps, st.lists(st.integers(1, 9), min_size=1, max_size=4))
    def holds(history: Any, sizes: list[int]) -> None:
        ledger, connection = project(new_ledger, history, sizes)
        ever: Contents = {}
        for position in range(len(ledger.records) + 1):
            ever |= contents(ledger.state(position))
        for position in range(len(ledger.records) + 1):
            instant = InstantState(connection, ledger.account, ledger.world, position)
            folded = ledger.state(position)

            assert ask_all(instant, ever) == contents(folded)
            for name, owner in ever:
                relation = ALL[name]
                assert instant.count(relation, owner) == folded.count(relation, owner)
                assert list(instant.scan(relation, owner)) == list(folded.scan(relation, owner))
        connection.close()

    holds()


def test_the_open_entries_bring_an_empty_account_to_the_present(steps: Any, new_ledger: Any) -> None:
    """Loading an account from the projections is the same as folding its ledger from zero."""

    @given(steps)
    def holds(history: Any) -> None:
        ledger, connection = project(new_ledger, history, [5])
        loaded = Account(ledger.account, ledger.world)
        loaded.apply(current_changes(connection, ledger.account))

        assert contents(loaded) == contents(ledger.state())
        assert loaded.bytes == ledger.state().bytes
        connection.close()

    holds()


def test_what_is_deleted_and_made_again_in_one_batch_is_history_once(new_ledger: Any) -> None:
    """Providers are known by their ARN, which the next of the same name has too."""
    idp = {"open_id_connect_provider_arn": "arn:aws:iam::111122223333:oidc-provider/idp"}
    created = OpenIDConnectProviderCreated(**idp, url="idp", created_at=START, tags=(Tag("a", "1"), Tag("b", "2")))
    events = [
        created,
        OpenIDConnectProviderUntagged(**idp, tag_keys=("a",)),
        OpenIDConnectProviderDeleted(**idp),
        created,
    ]
    ledger = new_ledger()
    for event in events:
        ledger.add(event)
    for cut in range(len(events)):
        connection = written(ledger, [ledger.records[:cut], ledger.records[cut:]])
        for position in range(len(events) + 1):
            instant = InstantState(connection, ledger.account, ledger.world, position)
            assert ask_all(instant, contents(ledger.state(1))) == contents(ledger.state(position))
        connection.close()


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_what_held_at_a_position_is_filed_at_one_of_the_round_numbers_around_it(
    start: int, length: int, at: int
) -> None:
    """The interval tree: a node lies within its period, and every position of the period leads to it."""
    end = start + length
    position = start + at % length
    filed = node(start, end)
    around = {(position & ~(2 * power - 1)) | power for power in (1 << bit for bit in range(22))}

    assert start <= filed < end
    assert filed in around


async def test_a_document_is_stored_once_however_many_carry_it(ledger: Any, projections: Projections) -> None:
    """Documents are kept by digest."""
    for number in range(3):
        ledger.add(UserPolicyPut(user_id=f"AIDA{number}", user_name="x", policy_name="p", policy_document="{}"))
    await projections.write(ledger.records, {ledger.account: Checkpoint(3, "")})

    [(count,)] = await projections.read(lambda c: c.execute("SELECT count(*) FROM documents").fetchall())
    assert count == 1


async def test_the_view_of_user_policies_reads_like_a_sentence(ledger: Any, projections: Projections) -> None:
    """People open projections.db with sqlite3: who carries what, since when."""
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    start = ledger.add(UserCreated(user_id="AIDA1", user_name="alice", path="/", created_at=START))
    ledger.add(UserPolicyAttached(user_id="AIDA1", user_name="alice", policy_arn=arn, policy_name="ReadOnlyAccess"))
    ledger.add(UserPolicyPut(user_id="AIDA1", user_name="alice", policy_name="own", policy_document="{}"))
    await projections.write(ledger.records, {ledger.account: Checkpoint(3, "")})

    columns = "user_name, kind, policy_name, policy_arn, document, valid_from, since"
    rows = await projections.read(
        lambda c: c.execute(f"SELECT {columns} FROM user_policies ORDER BY valid_from").fetchall()
    )
    assert start.position == 1
    assert rows == [
        ("alice", "attached", "ReadOnlyAccess", arn, None, 2, "2026-11-03T14:03:01.000000Z"),
        ("alice", "inline", "own", None, "{}", 3, "2026-11-03T14:03:02.000000Z"),
    ]
