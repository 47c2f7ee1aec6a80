"""The auditor finds every change to a ledger and says what is wrong, and where."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from eventstore.chain import BrokenChain, follow
from eventstore.record import EMPTY, Row, from_microseconds, head_of, leaf_hash, microseconds, timed_id

RowsOf = Callable[..., list[Row]]
ALICE = "111122223333"

replace = msgspec.structs.replace


def audit(rows: Sequence[Row]) -> None:
    head = EMPTY
    for row in rows:
        head = follow(head, row)


def forged(row: Row, **fields: Any) -> Row:
    """The row with other fields in its record, its hash made to fit."""
    stored = msgspec.json.encode(msgspec.json.decode(row.record) | fields)
    return replace(row, record=stored, hash=leaf_hash(stored))


def problem(rows: Sequence[Row]) -> tuple[int, str]:
    """Where the audit stops, and why."""
    with pytest.raises(BrokenChain) as broken:
        audit(rows)
    assert broken.value.account == rows[0].account
    assert str(broken.value).startswith(f"ledger {broken.value.account}, record {broken.value.position}: ")
    return broken.value.position, broken.value.problem


def test_a_whole_ledger_is_followed_to_its_end(rows_of: RowsOf) -> None:
    """Each head is the one before plus a row; a command may have several records."""
    head = EMPTY
    for row in rows_of(["a", "b", "b", "c"]):
        head = follow(head, row)
        assert head == head_of(row)


def test_following_may_begin_at_any_head_that_is_trusted(rows_of: RowsOf) -> None:
    """A checkpoint is enough: what lies before it need not be read."""
    rows = rows_of(5)
    assert follow(head_of(rows[2]), rows[3]) == head_of(rows[3])


def test_a_changed_byte_is_named(rows_of: RowsOf) -> None:
    """The hash is over the stored bytes."""
    rows = rows_of(3)
    rows[1] = replace(rows[1], record=rows[1].record.replace(b"alice", b"mallo"))
    assert problem(rows) == (2, "the stored bytes do not have the stored hash")


def test_a_changed_hash_is_named(rows_of: RowsOf) -> None:
    """So is another hash beside the same bytes."""
    rows = rows_of(3)
    rows[1] = replace(rows[1], hash=bytes(32))
    assert problem(rows) == (2, "the stored bytes do not have the stored hash")


def test_a_rewritten_record_breaks_the_one_after_it(rows_of: RowsOf) -> None:
    """Whoever changes a record and its hash would have to change every later record as well."""
    rows = rows_of(3)
    rows[1] = forged(rows[1], source_ip="203.0.113.9")
    assert problem(rows) == (3, "it does not continue the record before it")


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("position", 9, "position 2 is missing"),
        ("recorded_at", 2**60, "the time column differs from the record"),
        ("command_id", "another", "the command column differs from the record"),
        ("command_index", 1, "the command index column differs from the record"),
        ("account", "444455556666", "the account column differs from the record"),
    ],
)
def test_a_changed_column_is_named(rows_of: RowsOf, column: str, value: Any, expected: str) -> None:
    """Every column but the record is a copy, and is held against it."""
    rows = rows_of(3)
    rows[1] = replace(rows[1], **{column: value})
    with pytest.raises(BrokenChain) as broken:
        audit(rows)
    assert (broken.value.position, broken.value.problem) == (rows[1].position, expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"account": "444455556666"}, "the account column differs from the record"),
        ({"position": 3}, "the position column differs from the record"),
        ({"recorded_at": "2026-03-01T12:00:01.000001Z"}, "the time column differs from the record"),
        ({"recorded_at": "2026-03-01T12:00:01"}, "not a record: "),
        ({"effective_at": "2026-03-01T12:00:01"}, "not a record: "),
        ({"id": "7"}, "its id does not carry its time"),
        ({"command_id": "another"}, "the command column differs from the record"),
        ({"command_index": 1}, "the command index column differs from the record"),
        ({"outcome": "refused"}, "its outcome and its event disagree"),
        ({"outcome": "forgotten"}, "not a record: "),
        ({"previous": "0" * 64}, "it does not continue the record before it"),
    ],
)
def test_a_changed_field_is_named(rows_of: RowsOf, fields: dict[str, Any], expected: str) -> None:
    """Also where the hash was made to fit and no record comes after."""
    rows = rows_of(2)
    rows[1] = forged(rows[1], **fields)
    position, told = problem(rows)
    assert position == 2
    assert told.startswith(expected)


def test_bytes_that_are_no_record_are_named(rows_of: RowsOf) -> None:
    """Whatever lies there, the auditor says so, and does not fail itself."""
    deep = b'{"event":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for junk in (b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"account": ', b'{"account":"\xff"}', deep):
        [row] = rows_of(1)
        position, told = problem([replace(row, record=junk, hash=leaf_hash(junk))])
        assert position == 1
        assert told.startswith("not a record: ")


def test_a_removed_record_is_named(rows_of: RowsOf) -> None:
    """Any that another one follows. A missing end shows only against a head that was kept elsewhere."""
    for place in range(3):
        rows = rows_of(4)
        del rows[place]
        assert problem(rows) == (place + 2, f"position {place + 1} is missing")


def test_a_removed_record_is_named_even_when_the_gap_is_closed(rows_of: RowsOf) -> None:
    """Renumbering what follows does not mend the chain."""
    first, _, third = rows_of(3)
    moved = replace(forged(third, position=2), position=2)
    assert problem([first, moved]) == (2, "it does not continue the record before it")


def test_reordered_records_are_named(rows_of: RowsOf) -> None:
    """Neither as they are nor with their positions swapped."""
    first, second, third = rows_of(3)
    assert problem([first, third, second]) == (3, "position 2 is missing")
    swapped = [replace(forged(third, position=2), position=2), replace(forged(second, position=3), position=3)]
    assert problem([first, *swapped]) == (2, "it does not continue the record before it")


def test_an_inserted_record_is_named(rows_of: RowsOf) -> None:
    """A record that continues the one before it is not continued by the one after it."""
    first, second, third = rows_of(3)
    [inserted] = rows_of(["inserted"], after=second)
    late = [replace(forged(third, position=4), position=4)]
    assert problem([first, second, inserted, *late]) == (4, "it does not continue the record before it")


def test_a_record_of_another_ledger_is_named(rows_of: RowsOf) -> None:
    """A record cannot be moved between accounts."""
    [foreign] = rows_of(1, account="444455556666")
    assert problem([replace(foreign, account=ALICE)]) == (1, "the account column differs from the record")


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_a_time_that_is_not_later_is_named(rows_of: RowsOf, seconds: int) -> None:
    """Even where record, column and id agree on it."""
    rows = rows_of(2)
    at = from_microseconds(rows[0].recorded_at) - timedelta(seconds=seconds)
    rows[1] = replace(forged(rows[1], recorded_at=at, id=timed_id(at)), recorded_at=microseconds(at))
    assert problem(rows) == (2, "its time is not after the record before it")


def flipped_text(value: str) -> Iterator[str]:
    for changed in flipped_bytes(value.encode()):
        yield changed.decode(errors="surrogateescape")


def flipped_bytes(value: bytes) -> Iterator[bytes]:
    for place in range(len(value) * 8):
        changed = bytearray(value)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


def flipped_number(value: int) -> Iterator[int]:
    for changed in flipped_bytes(value.to_bytes(8, signed=True)):
        yield int.from_bytes(changed, signed=True)


FLIPS: dict[type, Callable[[Any], Iterator[Any]]] = {str: flipped_text, bytes: flipped_bytes, int: flipped_number}


def test_every_flipped_bit_is_found(rows_of: RowsOf) -> None:
    """No bit of any record or column can change unnoticed: not the first's, not the last's."""
    rows = rows_of(3)
    audit(rows)
    tried = 0
    for place, row in enumerate(rows):
        for column in Row.__struct_fields__:
            value = getattr(row, column)
            for changed in FLIPS[type(value)](value):
                tampered = [*rows]
                tampered[place] = replace(row, **{column: changed})
                with pytest.raises(BrokenChain):
                    audit(tampered)
                tried += 1
    assert tried > 3 * 8 * 400
