"""Records as rows of a table, and rows as lines of CSV."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.record import GENESIS, Actor, Attempt, Record, open_envelope, seal
from projections.rows import COLUMNS, csv_line, row_of

AT = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
ARN = "arn:aws:iam::111122223333:policy/team/ops"
FORMULAS = "=+-@\t\r"

RECORD: Record[Any] = Record(
    account="111122223333",
    position=7,
    id="01a201ee-f440-791f-a59f-90b6777e7913",
    outcome="changed",
    event={"type": "UserPolicyDetached", "user_id": "AIDAX", "user_name": "alice", "policy_arn": ARN},
    recorded_at=AT.replace(microsecond=70),
    effective_at=AT,
    actor=Actor(id="AIDAEVE", arn="arn:aws:iam::111122223333:user/eve", access_key_id="AKIAEVE"),
    source_ip="203.0.113.7",
    user_agent="aws-cli/2",
    request_id="01a201ee-f440-7000-a59f-90b6777e7913",
    action="DetachUserPolicy",
    command_id="command",
    previous=GENESIS,
)


def row(**changes: Any) -> dict[str, Any]:
    """The row of a record that was stored and read again, without what is empty."""
    stored = open_envelope(seal(msgspec.structs.replace(RECORD, **changes)))
    return {name: value for name, value in zip(COLUMNS, row_of(stored), strict=True) if value is not None}


def test_a_row_says_what_happened_to_whom_by_whom() -> None:
    """Each column by its name; times have microseconds always, so that they sort as text."""
    assert row() == {
        "account": "111122223333",
        "position": 7,
        "recorded_at": "2026-11-03T14:03:00.000070Z",
        "effective_at": "2026-11-03T14:03:00.000000Z",
        "outcome": "changed",
        "action": "DetachUserPolicy",
        "type": "UserPolicyDetached",
        "user_name": "alice",
        "user_id": "AIDAX",
        "policy_name": "ops",
        "policy_arn": ARN,
        "actor_id": "AIDAEVE",
        "actor_arn": "arn:aws:iam::111122223333:user/eve",
        "access_key_id": "AKIAEVE",
        "source": "api",
        "source_ip": "203.0.113.7",
        "user_agent": "aws-cli/2",
        "request_id": "01a201ee-f440-7000-a59f-90b6777e7913",
        "event_id": "01a201ee-f440-791f-a59f-90b6777e7913",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {
                "outcome": "refused",
                "event": None,
                "attempt": Attempt(
                    type="AttemptsRepeated",
                    parameters={"user_name": "bob", "policy_name": "p"},
                    code="NoSuchEntity",
                    message="gone",
                    repeated=3,
                ),
            },
            {
                "type": "AttemptsRepeated",
                "user_name": "bob",
                "policy_name": "p",
                "code": "NoSuchEntity",
                "message": "gone",
                "repeated": 3,
            },
        ),
        (
            {"outcome": "unchanged", "event": None, "attempt": Attempt(parameters={"policy_arn": "nonsense"})},
            {"type": "Attempted", "policy_arn": "nonsense", "policy_name": "nonsense"},
        ),
        (
            {"event": {"type": "UserPermissionsBoundaryPut", "user_name": "bob", "permissions_boundary": ARN}},
            {"type": "UserPermissionsBoundaryPut", "user_name": "bob", "policy_arn": ARN, "policy_name": "ops"},
        ),
        ({"event": {"type": "OfANewerProgram", "user_name": 5}}, {"type": "OfANewerProgram", "user_name": "5"}),
    ],
)
def test_every_kind_of_record_has_a_row(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Attempts are listed under the names they gave, and events that only a newer program knows as far as they go."""
    about = ("type", "user_name", "user_id", "policy_name", "policy_arn", "code", "message", "repeated")

    assert {name: value for name, value in row(**changes).items() if name in about} == expected


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (("a", 1, None, "b c"), "a,1,,b c\r\n"),
        (('say "hi"', "a,b"), '"say ""hi""","a,b"\r\n'),
        (("two\nlines",), '"two\nlines"\r\n'),
        (("=1+1", "+1", "-1", "@x", "\tx"), "'=1+1,'+1,'-1,'@x,'\tx\r\n"),
        (("\rx", '=HYPERLINK("x")'), '"\'\rx","\'=HYPERLINK(""x"")"\r\n'),
        (("a=b", -1, ""), "a=b,-1,\r\n"),
    ],
)
def test_a_line_is_quoted_where_it_must_be(values: tuple[str | int | None, ...], line: str) -> None:
    """A text that looks like a formula gets an apostrophe in front; numbers are what they are."""
    assert csv_line(values) == line


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=2))
def test_what_a_reader_gets_is_what_was_written(values: list[str]) -> None:
    """Whatever the texts hold: the csv module of Python reads them back."""
    [read] = csv.reader(io.StringIO(csv_line(values), newline=""), strict=True)

    assert read == [f"'{value}" if value[:1] and value[0] in FORMULAS else value for value in values]
