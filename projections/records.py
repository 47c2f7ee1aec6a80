"""Records with their events: where the log's bytes meet the domain's facts."""

from collections.abc import Sequence
from typing import Any

import msgspec

from eventstore.log import Log, LogError
from eventstore.record import Record, Row
from iam.events import AnyEvent


class _Fact(msgspec.Struct, gc=False):
    """Of a record, what the fold needs."""

    event: AnyEvent | None = None


_read = msgspec.json.Decoder(Record[AnyEvent]).decode
_read_fact = msgspec.json.Decoder(_Fact).decode


class UnknownEvent(Exception):
    """A record holds an event that only a newer program knows."""


async def read_rows(log: Log, account: str, after: int, limit: int) -> Sequence[Row]:
    """Rows behind a position that is not the last, without a gap. Raises LogError where records are missing."""
    rows = await log.read(account, after, limit)
    if not rows or [row.position for row in rows] != list(range(after + 1, after + 1 + len(rows))):
        raise LogError(f"ledger {account}: records are missing behind position {after}")
    return rows


def read_record(record: bytes) -> Record[AnyEvent]:
    """Decode a stored record with its event. Raises UnknownEvent, or msgspec.DecodeError for what is no record."""
    try:
        return _read(record)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown(record, error) from error


def read_event(record: bytes) -> AnyEvent | None:
    """The event of a stored record alone, which takes a third of the time. Raises as `read_record`."""
    try:
        return _read_fact(record).event
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise _unknown(record, error) from error


def _unknown(stored: bytes, error: Exception) -> UnknownEvent:
    try:
        record = msgspec.json.decode(stored, type=Record[dict[str, Any]])
    except UnicodeDecodeError as damage:
        raise msgspec.DecodeError(f"it is no text: {damage}") from damage
    except RecursionError as damage:
        raise msgspec.DecodeError(f"it is nested too deeply: {damage}") from damage
    kind = (record.event or {}).get("type")
    return UnknownEvent(f"ledger {record.account}, record {record.position}: event {kind}: {error}")
