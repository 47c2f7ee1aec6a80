"""The stored form of a record, which can never change, and ids that carry their time."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.record import (
    EMPTY,
    GENESIS,
    MICROSECOND,
    Actor,
    Attempt,
    Record,
    Restored,
    Row,
    from_microseconds,
    head_of,
    id_time,
    leaf_hash,
    microseconds,
    open_envelope,
    seal,
    timed_id,
)


class Counted(msgspec.Struct, frozen=True, tag="Counted"):
    """Something was counted."""

    by: int


class Reset(msgspec.Struct, frozen=True, tag="Reset"):
    """The count began again."""


AT = datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)
FIXED: Record[Counted | Reset] = Record(
    account="111122223333",
    position=2,
    id="019ca945-0a7b-7750-8123-456789abcdef",
    outcome="changed",
    event=Counted(by=3),
    recorded_at=AT,
    effective_at=datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC),
    actor=Actor(
        id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/zoë", access_key_id="AKIAEXAMPLE", source="import"
    ),
    source_ip="203.0.113.7",
    user_agent='aws-cli/2 "quoted"',
    request_id="8a1f2c3d-0000-4000-8000-000000000001",
    action="Count",
    command_id="0c2f7e0e-0000-4000-8000-000000000002",
    command_index=1,
    request_digest="5e884898da28047151d0e56f8dc62927",
    previous="ab" * 32,
)
SUMMARY: Record[Counted | Reset] = Record(
    account="111122223333",
    position=3,
    id="019ca945-0a7b-7750-8123-456789abcdef",
    outcome="refused",
    attempt=Attempt(
        type="AttemptsRepeated",
        parameters={"By": 1001},
        code="TooMuch",
        message="There is a limit.",
        repeated=9999,
        since=datetime(2026, 3, 1, 11, 59, 0, 1, tzinfo=UTC),
        until=datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC),
    ),
    recorded_at=AT,
    effective_at=AT,
    actor=Actor(id="AIDAEXAMPLE", arn="arn:aws:iam::111122223333:user/zoë"),
    source_ip="203.0.113.7",
    action="Count",
    command_id="attempts-019ca945-0a7b-7750-8123-456789abcdef",
    previous="ab" * 32,
)
RESTORED: Record[Counted | Reset] = Record(
    account="111122223333",
    position=4,
    id="019ca945-0a7b-7750-8123-456789abcdef",
    outcome="changed",
    event=Reset(),
    recorded_at=AT,
    effective_at=AT,
    actor=Actor(id="111122223333", arn="arn:aws:iam::111122223333:root", source="restore"),
    action="Restore",
    command_id="0c2f7e0e-0000-4000-8000-000000000003",
    restored_from=Restored(position=1, instant=datetime(2026, 3, 1, 11, 0, tzinfo=UTC)),
    previous="ab" * 32,
)
KINDS = {"record": FIXED, "attempts_repeated": SUMMARY, "restored": RESTORED}


def golden(name: str) -> dict[str, str]:
    """What is stored of a record, and its hash."""
    stored: dict[str, str] = json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text())
    return stored


GOLDEN = golden("record")
STORED = GOLDEN["record"].encode()

instants = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))


@pytest.mark.parametrize("name", KINDS)
def test_a_record_is_stored_as_it_always_was(name: str) -> None:
    """The golden bytes are never edited: when this fails, the code is wrong and not the file."""
    row = seal(KINDS[name])
    assert row.record == golden(name)["record"].encode()
    assert row.hash.hex() == golden(name)["hash"]


@pytest.mark.parametrize("name", KINDS)
def test_what_was_once_stored_is_read_for_ever(name: str) -> None:
    """The golden bytes mean what they meant, and encode to themselves again."""
    stored = golden(name)["record"].encode()
    record = msgspec.json.decode(stored, type=Record[Counted | Reset])
    assert record == KINDS[name]
    assert msgspec.json.encode(record) == stored
    assert seal(open_envelope(seal(KINDS[name]))).record == stored
    assert id_time(record.id) == microseconds(record.recorded_at)


def test_every_golden_record_is_tested() -> None:
    """A file that no test reads would guard nothing."""
    assert {path.stem for path in (Path(__file__).parent / "golden").glob("*.json")} == {*KINDS}


def test_the_hash_is_the_leaf_hash_of_rfc_6962() -> None:
    """SHA-256 over a zero byte and the bytes; here that of the empty leaf, which is well known."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_the_columns_are_copies_of_the_record() -> None:
    """A row repeats what the indexes need, and nothing else."""
    row = seal(FIXED)
    assert row == Row(FIXED.account, 2, microseconds(AT), FIXED.command_id, 1, STORED, bytes.fromhex(GOLDEN["hash"]))
    assert head_of(row).hash == GOLDEN["hash"]
    assert (EMPTY.position, EMPTY.hash) == (0, GENESIS)


def test_an_event_that_is_not_known_can_still_be_opened() -> None:
    """The envelope is read without the event, and keeps the event's bytes."""
    stored = STORED.replace(b'"Counted"', b'"Invented"')
    record = open_envelope(Row(FIXED.account, 2, 0, "", 0, stored, b""))
    assert msgspec.json.encode(record.event) == b'{"type":"Invented","by":3}'
    with pytest.raises(msgspec.ValidationError, match="Invented"):
        msgspec.json.decode(stored, type=Record[Counted | Reset])


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """A program that is older than the record reads what it knows."""
    stored = STORED[:-1] + b',"mood":"serene"}'
    assert msgspec.json.decode(stored, type=Record[Counted | Reset]) == FIXED


def test_what_is_empty_is_not_stored() -> None:
    """An attempt has no event, and fields that say nothing take no room."""
    record: Record[Counted] = Record(
        account="111122223333",
        position=1,
        id=timed_id(AT),
        outcome="unchanged",
        attempt=Attempt(parameters={"By": "0"}),
        recorded_at=AT,
        effective_at=AT,
        actor=Actor(id="111122223333", arn="arn:aws:iam::111122223333:root"),
        action="Count",
        command_id="c",
        previous=GENESIS,
    )
    stored = json.loads(seal(record).record)
    assert stored["attempt"] == {"parameters": {"By": "0"}}
    assert {"event", "source_ip", "user_agent", "request_id", "command_index", "request_digest"}.isdisjoint(stored)
    assert "restored_from" not in stored


@pytest.mark.parametrize("field", ["recorded_at", "effective_at"])
def test_a_stored_time_has_a_zone(field: str) -> None:
    """A time that could be anywhere is no record."""
    stored = json.loads(STORED)
    stored[field] = stored[field].removesuffix("Z")
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        open_envelope(Row("", 2, 0, "", 0, json.dumps(stored).encode(), b""))


@given(instants)
def test_microseconds_count_an_instant_exactly(at: datetime) -> None:
    """No time is rounded, in whichever zone it is told."""
    assert from_microseconds(microseconds(at)) == at
    assert microseconds(at.astimezone(timezone(timedelta(hours=5, minutes=45)))) == microseconds(at)


@given(instants)
def test_an_event_id_carries_its_time_to_the_microsecond(at: datetime) -> None:
    """It is a UUIDv7 in every other respect."""
    event_id = timed_id(at)
    assert id_time(event_id) == microseconds(at)
    assert id_time(event_id.upper()) == microseconds(at)
    uuid = UUID(event_id)
    assert str(uuid) == event_id
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")


@given(instants, instants)
def test_event_ids_sort_by_their_time(one: datetime, another: datetime) -> None:
    """As text, however close together they are."""
    for earlier, later in ([min(one, another), max(one, another)], [one - MICROSECOND, one]):
        if earlier < later and earlier.year >= 1970:
            assert timed_id(earlier) < timed_id(later)


def test_every_microsecond_of_a_millisecond_has_its_own_ids() -> None:
    """A thousand of them fit into twelve bits, in order and read back exactly."""
    ids = [timed_id(AT + place * MICROSECOND) for place in range(1000)]
    assert ids == sorted(ids)
    assert [id_time(event_id) for event_id in ids] == [microseconds(AT) + place for place in range(1000)]


def test_two_ids_of_one_instant_differ() -> None:
    """The rest of an id is chance."""
    assert len({timed_id(AT) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "2", "0c2f7e0e-0000-4000-8000-000000000002", "019ca94f7a7b775d8123456789abcdeg", "019ca94f-7a7b-775d"]
)
def test_what_is_no_event_id_has_no_time(text: str) -> None:
    """A position, another kind of UUID or anything else a caller may send."""
    assert id_time(text) is None


@given(st.text(max_size=40))
def test_no_text_upsets_the_reading_of_ids(text: str) -> None:
    """Callers send anything."""
    assert id_time(text) is None or len(text) >= 32
