"""Which attempts are recorded and which are only counted, as arithmetic: no log, no clock."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import attempts as module
from eventstore.attempts import DISTINCT_MAX, PRINCIPALS_MAX, SUMMARIES_KEPT_MAX, WINDOW, Attempts
from eventstore.record import GENESIS, Actor, Attempt, Outcome, Record, timed_id

ACCOUNT = "111122223333"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALICE = Actor(id="AIDAALICE", arn="arn:aws:iam::111122223333:user/alice")


def tried(
    name: object = "bob",
    *,
    account: str = ACCOUNT,
    actor: Actor = ALICE,
    action: str = "DeleteUser",
    outcome: Outcome = "refused",
    code: str | None = "NoSuchEntity",
    digest: str = "",
    at: datetime = NOON,
    **envelope: Any,
) -> Record[Any]:
    """An attempt as it would be recorded."""
    return Record(
        account=account,
        position=2,
        id=timed_id(at),
        outcome=outcome,
        attempt=Attempt(parameters={"user_name": name}, code=code, message=f"There is no {name}."),
        recorded_at=at,
        effective_at=at,
        actor=actor,
        action=action,
        command_id=timed_id(at),
        request_digest=digest,
        previous=GENESIS,
        **envelope,
    )


def note(attempts: Attempts[Any], *records: Record[Any], now: datetime = NOON) -> list[bool]:
    """Which of them are to be recorded. All are kept."""
    recorded = [attempts.note(record, now) is record for record in records]
    attempts.commit()
    return recorded


def told(summaries: Sequence[Record[Any]]) -> list[Attempt]:
    return [summary.attempt for summary in summaries if summary.attempt is not None]


def test_the_first_is_recorded_and_identical_ones_are_counted() -> None:
    """Each repeat is told which record stands for it."""
    attempts: Attempts[Any] = Attempts()
    first = tried()
    assert attempts.note(first, NOON) is first
    assert attempts.note(tried(), NOON) is first
    assert attempts.note(tried(), NOON) is first


@pytest.mark.parametrize(
    ("other", "recorded"),
    [
        ({}, False),
        ({"actor": Actor(id="AIDAALICE", arn="arn:renamed", access_key_id="AKIAOTHER")}, False),
        ({"request_id": "r"}, False),
        ({"at": NOON + 59 * SECOND}, False),
        ({"name": "carol"}, True),
        ({"source_ip": "203.0.113.9"}, True),
        ({"user_agent": "curl"}, True),
        ({"account": "444455556666"}, True),
        ({"actor": Actor(id="AIDABOB", arn=ALICE.arn)}, True),
        ({"action": "GetRidOfUser"}, True),
        ({"code": "DeleteConflict"}, True),
        ({"outcome": "unchanged", "code": None}, True),
    ],
)
def test_identical_is_the_same_request_by_the_same_principal_with_the_same_result(
    other: dict[str, Any], recorded: bool
) -> None:
    """When, and under which key and request id, makes no difference; all that an auditor asks for does."""
    attempts: Attempts[Any] = Attempts()
    assert note(attempts, tried(), tried(**other)) == [True, recorded]


def test_a_digest_stands_for_the_request() -> None:
    """Parameters may be abridged in a record; the digest covers them as they came."""
    attempts: Attempts[Any] = Attempts()
    assert note(attempts, tried(digest="a"), tried(digest="b"), tried("carol", digest="a")) == [True, True, False]


def test_a_window_lasts_a_minute_from_the_first_attempt() -> None:
    """It is over when the minute is, and the next attempt is recorded again."""
    attempts: Attempts[Any] = Attempts()
    assert attempts.seconds_left(NOON) is None
    note(attempts, tried(), tried())
    assert attempts.seconds_left(NOON + 20 * SECOND) == 40
    assert attempts.end(NOON + 59 * SECOND) == []
    assert attempts.seconds_left(NOON + 2 * WINDOW) == 0
    assert len(attempts.end(NOON + WINDOW)) == 1
    assert not attempts
    assert note(attempts, tried(), now=NOON + WINDOW) == [True]


def test_a_window_without_repeats_ends_without_a_word() -> None:
    """What has a record of its own needs no summary."""
    attempts: Attempts[Any] = Attempts()
    note(attempts, tried("bob"), tried("carol"))
    assert attempts.end(NOON + WINDOW) == []


def test_a_summary_says_what_was_tried_how_often_and_from_where() -> None:
    """What was identical stands in it once; the envelope is that of the last one that was counted."""
    attempts: Attempts[Any] = Attempts()
    moved = Actor(id=ALICE.id, arn=ALICE.arn, access_key_id="AKIAOTHER")
    same = {"digest": "d", "source_ip": "192.0.2.1", "user_agent": "x"}
    note(
        attempts,
        tried(**same),
        tried(**same, at=NOON + SECOND),
        tried(**same, at=NOON + 2 * SECOND),
        tried(**same, at=NOON + 3 * SECOND, actor=moved, request_id="r"),
    )
    [summary] = attempts.end()
    assert summary.attempt == Attempt(
        type="AttemptsRepeated",
        parameters={"user_name": "bob"},
        code="NoSuchEntity",
        message="There is no bob.",
        repeated=3,
        since=NOON + SECOND,
        until=NOON + 3 * SECOND,
    )
    assert (summary.account, summary.action, summary.outcome) == (ACCOUNT, "DeleteUser", "refused")
    assert (summary.actor, summary.source_ip) == (moved, "192.0.2.1")
    assert (summary.user_agent, summary.request_id) == ("x", "r")
    assert summary.command_id.startswith("attempts-")
    assert summary.request_digest == ""


def test_beyond_sixty_only_counts_are_kept() -> None:
    """One for each action, outcome and code, whose first has a record; the names that were tried are not in it."""
    attempts: Attempts[Any] = Attempts()
    assert note(attempts, *(tried(number) for number in range(DISTINCT_MAX))) == [True] * DISTINCT_MAX
    assert note(attempts, *(tried(number) for number in range(1000))) == (
        [False] * DISTINCT_MAX + [True] + [False] * (1000 - DISTINCT_MAX - 1)
    )
    assert note(attempts, tried("x", code="DeleteConflict"), tried("y", code="DeleteConflict")) == [True, False]
    summaries = told(attempts.end())
    assert [attempt.repeated for attempt in summaries] == [1] * DISTINCT_MAX + [939, 1]
    assert [attempt.parameters for attempt in summaries[-2:]] == [{}, {}]
    assert [(attempt.code, attempt.message) for attempt in summaries[-2:]] == [
        ("NoSuchEntity", None),
        ("DeleteConflict", None),
    ]


@pytest.mark.parametrize(
    ("addresses", "told_address"),
    [(["a"], "a"), (["a", "a", "a"], "a"), (["a", "b"], ""), (["a", "b", "a"], ""), (["", "a"], ""), (["a", ""], "")],
)
@pytest.mark.parametrize("field", ["source_ip", "user_agent", "request_id"])
def test_what_different_attempts_came_from_is_told_where_it_is_the_same(
    field: str, addresses: list[str], told_address: str
) -> None:
    """Each of address, user agent and request id for itself; nobody is told of one that only some came from."""
    attempts: Attempts[Any] = Attempts()
    note(attempts, *(tried(number) for number in range(DISTINCT_MAX)), tried("recorded", **{field: "first"}))
    common: dict[str, Any] = {"source_ip": "i", "user_agent": "u", "request_id": "r"}
    counted = [tried(address, **{**common, field: text}) for address, text in enumerate(addresses, DISTINCT_MAX)]
    assert note(attempts, *counted) == [False] * len(addresses)
    [summary] = attempts.end()
    assert {name: getattr(summary, name) for name in common} == {**common, field: told_address}
    assert told([summary])[0].repeated == len(addresses)


def test_one_principal_does_not_use_up_the_share_of_another() -> None:
    """Each has sixty of its own."""
    attempts: Attempts[Any] = Attempts()
    note(attempts, *(tried(number) for number in range(100)))
    assert note(attempts, *(tried(number, account="444455556666") for number in range(3))) == [True] * 3


def test_what_is_rolled_back_did_not_happen() -> None:
    """The record was not written after all: the next one is the first, and counts are what they were."""
    attempts: Attempts[Any] = Attempts()
    attempts.note(tried("lost"), NOON)
    attempts.note(tried("lost"), NOON)
    attempts.rollback()
    assert not attempts
    note(attempts, tried(), tried())
    attempts.note(tried(), NOON)
    attempts.note(tried("lost"), NOON)
    attempts.rollback()
    attempts.rollback()
    assert note(attempts, tried("lost")) == [True]
    assert [attempt.repeated for attempt in told(attempts.end())] == [1]


def test_what_is_no_json_is_an_error_and_leaves_nothing() -> None:
    """The encoder's error is the caller's."""
    attempts: Attempts[Any] = Attempts()
    with pytest.raises(TypeError):
        attempts.note(tried(object()), NOON)
    assert not attempts


def test_too_many_principals_end_the_oldest_windows_early() -> None:
    """Memory is bounded, and what they counted is not lost."""
    attempts: Attempts[Any] = Attempts()
    for number in range(PRINCIPALS_MAX + 5):
        note(attempts, *[tried(account=f"{number:012}")] * 2)
    assert attempts.seconds_left(NOON) == 0
    assert [summary.account for summary in attempts.end(NOON)] == [f"{number:012}" for number in range(5)]
    assert attempts.seconds_left(NOON) == WINDOW.total_seconds()


def test_windows_end_when_the_clock_is_set_back() -> None:
    """A window that began in the future would otherwise last until then."""
    attempts: Attempts[Any] = Attempts()
    note(attempts, tried(), tried())
    assert len(attempts.end(NOON - SECOND)) == 1


def test_summaries_that_could_not_be_written_come_again() -> None:
    """A minute later, unchanged and with the same command id, beside what was counted since."""
    attempts: Attempts[Any] = Attempts()
    note(attempts, tried(), tried())
    [summary] = attempts.end(NOON + WINDOW)
    attempts.keep(summary, NOON + WINDOW)
    note(attempts, tried(), tried(), tried(), now=NOON + WINDOW + SECOND)
    assert attempts.end(NOON + WINDOW + 59 * SECOND) == []
    assert attempts.end(NOON + 2 * WINDOW) == [summary]
    assert [attempt.repeated for attempt in told(attempts.end())] == [2]


def test_summaries_that_can_never_be_written_are_bounded() -> None:
    """The oldest are forgotten."""
    attempts: Attempts[Any] = Attempts()
    summaries = [tried(number) for number in range(SUMMARIES_KEPT_MAX + 3)]
    for summary in summaries:
        attempts.keep(summary, NOON)
    assert attempts.end() == summaries[3:]


kinds = st.sampled_from([("refused", "NoSuchEntity"), ("refused", "DeleteConflict"), ("unchanged", None)])
batches = st.lists(
    st.tuples(
        st.integers(0, 70),  # seconds that pass before it
        st.booleans(),  # whether it is written
        st.lists(st.tuples(st.sampled_from([ACCOUNT, "444455556666"]), st.integers(0, 9), kinds), max_size=12),
    ),
    max_size=12,
)


@given(batches)
def test_whatever_comes_records_are_few_and_nothing_is_lost(
    batches: list[tuple[int, bool, list[tuple[str, int, tuple[Outcome, str | None]]]]],
) -> None:
    """A principal makes no more records and summaries a minute than it may, and recorded and counted are all."""
    distinct_max, all_kinds = 3, 3
    attempts: Attempts[Any] = Attempts()
    made: Counter[str] = Counter()
    recorded: Counter[str] = Counter()
    summaries: list[Record[Any]] = []
    now = NOON
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DISTINCT_MAX", distinct_max)
        for seconds, written, batch in batches:
            now += seconds * SECOND
            summaries += attempts.end(now)
            new: Counter[str] = Counter()
            for account, name, (outcome, code) in batch:
                attempt = tried(name, account=account, outcome=outcome, code=code, at=now)
                first = attempts.note(attempt, now)
                new[account] += first is attempt
                assert (first.account, first.action, first.outcome) == (account, "DeleteUser", outcome)
                assert told([first])[0].code == code
            if written:
                attempts.commit()
                made.update(account for account, _, _ in batch)
                recorded += new
            else:
                attempts.rollback()
    summaries += attempts.end()
    windows = 1 + (now - NOON) // WINDOW
    for account in made:
        own = [summary for summary in summaries if summary.account == account]
        assert recorded[account] <= (distinct_max + all_kinds) * windows
        assert len(own) <= (distinct_max + all_kinds) * windows
        assert recorded[account] + sum(attempt.repeated for attempt in told(own)) == made[account]
