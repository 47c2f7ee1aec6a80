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
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValidationError(f"{name}: {text} is not a time with an offset, such as 2026-11-03T14:03:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValidationError(f"{name}: {text} is outside the calendar.") from None


async def resolve(log: Log, account: str, instant: str | None, now: datetime) -> Basis:
    """The record that was the account's last at the instant; None is the present.

    Raises ValidationError for what is no instant, above the head, or in the future.
    """
    head = await log.head(account)
    present = max(now, from_microseconds(head.recorded_at))
    if instant is None:
        return Basis(await log.position_at(account, microseconds(present)), present)
    if (numbered := _POSITION.fullmatch(instant)) is not None:
        position = int(numbered[1])
        if position > head.position:
            raise ValidationError(f"at: {instant} is above the head of the ledger, @{head.position}.")
        rows = await log.get(account, [position])
        return Basis(position, from_microseconds(rows[0].recorded_at) if rows else from_microseconds(0))
    at = parse_time(instant, "at")
    if at > present:
        raise ValidationError(f"at: {instant} is in the future.")
    return Basis(await log.position_at(account, microseconds(at)), at)
