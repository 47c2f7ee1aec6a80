"""Stored records with their events: what cannot be read is told from what only a newer program reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from eventstore.record import GENESIS, Actor, Record, seal, timed_id
from iam.events.users import UserCreated
from projections.records import UnknownEvent, read_event, read_record

AT = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
EVENT = UserCreated(user_id="AIDA1", user_name="alice", path="/", created_at=AT)
RECORD: Record[Any] = Record(
    account="111122223333",
    position=7,
    id=timed_id(AT),
    outcome="changed",
    event=EVENT,
    recorded_at=AT,
    effective_at=AT,
    actor=Actor(id="111122223333", arn="arn:aws:iam::111122223333:root"),
    action="CreateUser",
    command_id="a",
    previous=GENESIS,
)
STORED = seal(RECORD).record
DEEP = b"[" * 100_000 + b"]" * 100_000

WAYS = pytest.mark.parametrize("way", [read_record, read_event])


def test_a_record_is_read_with_its_event() -> None:
    """Whole, or the event alone."""
    assert seal(read_record(STORED)).record == STORED
    assert read_event(STORED) == EVENT


@WAYS
@pytest.mark.parametrize("kind", [b"UserFlewAway", b"UserDeleted"])
def test_an_event_that_this_program_cannot_read_is_named(way: Callable[[bytes], object], kind: bytes) -> None:
    """Its type is not known, or is known by other members."""
    with pytest.raises(UnknownEvent, match=f"ledger 111122223333, record 7: event {kind.decode()}: "):
        way(STORED.replace(b"UserCreated", kind).replace(b"user_id", b"who"))


@pytest.mark.parametrize("part", [b'"alice"', b'"/"', b'"CreateUser"', b'"111122223333"'])
@pytest.mark.parametrize("junk", [b'"\xff"', DEEP, b""], ids=["no text", "deep", "nothing"])
def test_bytes_that_are_no_record_are_refused(part: bytes, junk: bytes) -> None:
    """By one exception, whatever is wrong with them and wherever."""
    with pytest.raises(msgspec.DecodeError):
        read_record(STORED.replace(part, junk))


@pytest.mark.parametrize("junk", [b'"\xff"', DEEP], ids=["no text", "deep"])
def test_an_event_that_is_no_event_is_refused(junk: bytes) -> None:
    """Also where nothing else of the record is looked at."""
    with pytest.raises(msgspec.DecodeError):
        read_event(STORED.replace(b'"/"', junk))
