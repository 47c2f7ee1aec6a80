"""Records with their events: where the log's bytes meet the domain's facts."""

import msgspec

from eventstore.record import Record, Row, open_envelope
from iam.events import AnyEvent

_read = msgspec.json.Decoder(Record[AnyEvent]).decode


class UnknownEvent(Exception):
    """A record holds an event that only a newer program knows."""


def read_record(row: Row) -> Record[AnyEvent]:
    """Decode a stored record with its event. Raises UnknownEvent."""
    try:
        return _read(row.record)
    except msgspec.ValidationError as error:
        kind = (open_envelope(row).event or {}).get("type")
        raise UnknownEvent(f"ledger {row.account}, record {row.position}: event {kind}: {error}") from error
