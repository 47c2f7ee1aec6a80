"""What the log holds: one event, or one attempt, in its envelope.

A record is stored as the JSON of `Record` and never encoded again: the hash covers the stored bytes. Field
names are the storage format; a new field needs a default, an event that changes its meaning a new tag.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

E = TypeVar("E")

Outcome = Literal["changed", "unchanged", "refused", "denied"]
Source = Literal["api", "import", "restore", "service"]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

GENESIS = "0" * 64  # `previous` of a ledger's first record
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Actor(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who asked: identity is the unique id, the ARN is how it was called then."""

    id: str
    arn: str
    access_key_id: str | None = None
    source: Source = "api"


class Attempt(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A write call that changed nothing: already so (no code), refused, or denied.

    `AttemptsRepeated` stands for `repeated` further ones that have no record of their own, the first of them at
    `since`, the last at `until`. They were identical; where parameters and message are empty, they differed in these.
    """

    type: Literal["Attempted", "AttemptsRepeated"] = "Attempted"
    parameters: Mapping[str, Any]
    code: str | None = None
    message: str | None = None
    repeated: int = 0
    since: Instant | None = None
    until: Instant | None = None


class Restored(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The past that a restore put back: the ledger up to this position, which is what it held at that instant."""

    position: int
    instant: Instant


class Record(msgspec.Struct, Generic[E], frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One place in one ledger. `changed` carries the event, every other outcome the attempt."""

    account: str
    position: int
    id: str
    outcome: Outcome
    event: E | None = None
    attempt: Attempt | None = None
    recorded_at: Instant
    effective_at: Instant
    actor: Actor
    source_ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    action: str
    command_id: str
    command_index: int = 0
    request_digest: str = ""
    restored_from: Restored | None = None
    previous: str


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record as the log stores it. `record` is the truth, the rest are copies for indexes and the hash."""

    account: str
    position: int
    recorded_at: int  # microseconds since 1970
    command_id: str
    command_index: int
    record: bytes
    hash: bytes


class Point(msgspec.Struct, frozen=True, gc=False):
    """A place in a ledger, and when its record was recorded (microseconds since 1970); 0 is before the first."""

    position: int = 0
    recorded_at: int = 0


class Head(msgspec.Struct, frozen=True, gc=False):
    """The end of a ledger; position 0 is a ledger that nothing was ever written to."""

    position: int = 0
    recorded_at: int = 0
    hash: str = GENESIS


EMPTY = Head()

_NO_DIGIT = re.compile("[^0-9a-fA-F]")
_chance = Random()  # tells ids of one microsecond apart; nothing secret hangs on it
_encode = msgspec.json.Encoder().encode
_read_any = msgspec.json.Decoder(Record[dict[str, Any]]).decode


def leaf_hash(record: bytes) -> bytes:
    """SHA-256 over 0x00 and the stored bytes: RFC 6962's leaf hash, so that chain and Merkle tree share it."""
    return sha256(b"\x00" + record).digest()


def seal(record: Record[Any]) -> Row:
    """Encode a record once and for ever."""
    stored = _encode(record)
    return Row(
        record.account,
        record.position,
        microseconds(record.recorded_at),
        record.command_id,
        record.command_index,
        stored,
        leaf_hash(stored),
    )


def open_envelope(row: Row) -> Record[dict[str, Any]]:
    """Decode with the event as a plain dict, so that even an event this program does not know can be shown and checked.

    Raises msgspec.DecodeError when the stored bytes are no record.
    """
    try:
        return _read_any(row.record)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def head_of(row: Row) -> Head:
    """The ledger's head once this row is its last."""
    return Head(row.position, row.recorded_at, row.hash.hex())


def microseconds(at: datetime) -> int:
    """Whole microseconds since 1970, the unit of every stored time."""
    return (at - EPOCH) // MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The instant that `microseconds` counted."""
    return EPOCH + timedelta(microseconds=value)


def timed_id(at: datetime, chance: Random = _chance) -> str:
    """A UUIDv7 that carries a time to the microsecond, so that what bears it sorts and is found by its time.

    RFC 9562 method 3: 48 bits of milliseconds, then 12 bits that hold the fraction of the millisecond.
    """
    milliseconds, rest = divmod(microseconds(at), 1000)
    fraction = -(-rest * 4096 // 1000)
    bits = chance.getrandbits(62)
    return "%08x-%04x-7%03x-%04x-%012x" % (  # noqa: UP031  # one is made for each request: half the time of an f-string
        milliseconds >> 16,
        milliseconds & 0xFFFF,
        fraction,
        0b10 << 14 | bits >> 48,
        bits & 0xFFFF_FFFF_FFFF,
    )


def id_time(text: str) -> int | None:
    """The time, in microseconds since 1970, that a timed id carries; None when it is none."""
    digits = text.replace("-", "")
    if len(digits) != 32 or digits[12] != "7" or _NO_DIGIT.search(digits):
        return None
    return int(digits[:12], 16) * 1000 + int(digits[13:16], 16) * 1000 // 4096
