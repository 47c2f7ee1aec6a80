"""Points on a ledger as people write them: an RFC 3339 time, or `@position`."""

import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from eventstore.log import Log
from eventstore.record import Point, from_microseconds, microseconds
from iam.errors import ValidationError
from projections.points import last_point, point_at, position_at

_POSITION = re.compile(r"@([0-9]{1,18})", re.ASCII)


class Basis(msgspec.Struct, frozen=True):
    """What an answer is computed from: the account up to this record, which was its last at this instant."""

    position: int
    instant: datetime


class Instant(msgspec.Struct, frozen=True):
    """An instant as it was asked for: a position, or a time."""

    text: str
    name: str  # of the parameter
    position: int | None = None
    at: datetime | None = None


def parse_instant(text: str, name: str = "at") -> Instant:
    """An instant: a position, or an RFC 3339 time with its offset, in its usual or its basic form.

    Raises ValidationError, naming the parameter, for what is none.
    """
    if (numbered := _POSITION.fullmatch(text)) is not None:
        return Instant(text, name, position=int(numbered[1]))
    try:
        at = datetime.fromisoformat(text.replace(" ", "+").upper())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValidationError(
            f"{name}: {text} is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."
        )
    try:
        return Instant(text, name, at=at.astimezone(UTC))
    except OverflowError:
        raise ValidationError(f"{name}: {text} is outside the calendar.") from None


def parse_bound(asked: Mapping[str, str], name: str) -> datetime | int | None:
    """The time or the position that a parameter names, if it is given. It may lie ahead: it bounds what is to come."""
    if name not in asked:
        return None
    instant = parse_instant(asked[name], name)
    return instant.at if instant.position is None else instant.position


def basis_of(asked: Instant | None, now: datetime, head: Point, found: Point | None) -> Basis:
    """What an answer at the instant is computed from. `found` is the record there, or the last one before it.

    Raises ValidationError for an instant above the head or in the future.
    """
    present = max(now, from_microseconds(head.recorded_at))
    if asked is None:
        return Basis(head.position, present)
    if asked.at is None:
        if found is None:
            raise ValidationError(f"{asked.name}: {asked.text} is above the head of the ledger, @{head.position}.")
        return Basis(found.position, from_microseconds(found.recorded_at))
    if asked.at > present:
        raise ValidationError(f"{asked.name}: {asked.text} is in the future.")
    return Basis(found.position if found is not None else 0, asked.at)


async def resolve(log: Log, account: str, asked: Instant | None, now: datetime) -> Basis:
    """The record that was the account's last at the instant; None is the present. Raises as `basis_of`."""
    head = await log.head(account)
    found: Point | None = Point()
    if asked is not None and asked.at is not None:
        found = Point(await log.position_at(account, microseconds(asked.at)))
    elif asked is not None and asked.position:
        rows = await log.get(account, [asked.position])
        found = Point(rows[0].position, rows[0].recorded_at) if rows else None
    return basis_of(asked, now, Point(head.position, head.recorded_at), found)


def resolve_projected(connection: sqlite3.Connection, account: str, asked: Instant | None, now: datetime) -> Basis:
    """The same, as far as the projections know the ledger."""
    found: Point | None = Point()
    if asked is not None and asked.at is not None:
        found = Point(position_at(connection, account, microseconds(asked.at)))
        if asked.at <= now:
            return basis_of(asked, now, found, found)  # the head does not matter to what lies before it
    elif asked is not None and asked.position is not None:
        found = point_at(connection, account, asked.position)
        if found is not None:
            return basis_of(asked, now, found, found)
    return basis_of(asked, now, last_point(connection, account), found)
