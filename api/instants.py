"""Points on a ledger as people write them: an RFC 3339 time, or `@position`."""

import re
from datetime import UTC, datetime

import msgspec

from eventstore.log import Log
from eventstore.record import from_microseconds, microseconds
from iam.errors import ValidationError

_POSITION = re.compile(r"@([0-9]{1,18})", re.ASCII)


class Basis(msgspec.Struct, frozen=True):
    """What an answer is computed from: the account up to this record, which was its last at this instant."""

    position: int
    instant: datetime


def parse_time(text: str, name: str) -> datetime:
    """An RFC 3339 time with its offset, in its usual or its basic form. Raises ValidationError naming the parameter."""
    try:
        at = datetime.fromisoformat(text.replace(" ", "+").upper())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValidationError(f"{name}: {text} is not a time with an offset, such as 2026-11-03T14:03:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValidationError(f"{name}: {text} is outside the calendar.") from None


class Instant(msgspec.Struct, frozen=True):
    """An instant as it was asked for: a position, or a time."""

    text: str
    name: str  # of the parameter
    position: int | None = None
    at: datetime | None = None


def parse_instant(text: str, name: str = "at") -> Instant:
    """An instant. Raises ValidationError, naming the parameter, for what is none."""
    if (numbered := _POSITION.fullmatch(text)) is not None:
        return Instant(text, name, position=int(numbered[1]))
    return Instant(text, name, at=parse_time(text, name))


async def resolve(log: Log, account: str, instant: Instant | None, now: datetime) -> Basis:
    """The record that was the account's last at the instant; None is the present.

    Raises ValidationError for an instant above the head or in the future.
    """
    if instant is not None and instant.position is not None:
        rows = await log.get(account, [instant.position])
        if instant.position and not rows:
            head = await log.head(account)
            raise ValidationError(f"{instant.name}: {instant.text} is above the head of the ledger, @{head.position}.")
        return Basis(instant.position, from_microseconds(rows[0].recorded_at if rows else 0))
    if instant is not None and instant.at is not None and instant.at <= now:
        return Basis(await log.position_at(account, microseconds(instant.at)), instant.at)
    head = await log.head(account)
    present = max(now, from_microseconds(head.recorded_at))
    if instant is None or instant.at is None:
        return Basis(head.position, present)
    if instant.at > present:
        raise ValidationError(f"{instant.name}: {instant.text} is in the future.")
    return Basis(await log.position_at(account, microseconds(instant.at)), instant.at)
