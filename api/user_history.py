"""What happened to whoever bore a name, change by change, with what each thing was before and after."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from api import answers
from api.cursors import cursor_of, read_cursor
from api.instants import Basis, parse_instant
from api.query_string import number, parameters
from api.service import Request, Service
from api.tables import Format, stream_table, table_format
from api.users import flat
from eventstore.record import Actor, Restored, Row, from_microseconds, microseconds
from iam.effects import effect
from iam.errors import NoSuchEntity, ValidationError
from iam.state import World
from projections.audit import EventQuery, find_events
from projections.holders import Mark, holders, profiles
from projections.instant import InstantState
from projections.records import read_record

CHANGES_PER_PAGE = 100
CHANGES_PER_PAGE_MAX = 1000
CHANGES_PER_READ = 100  # of a table, so that no table keeps a reading thread for long
ROWS_MAX = 999_999_999  # the largest `limit` of a table

COLUMNS: Final = (
    "position",
    "event_id",
    "recorded_at",
    "effective_at",
    "user_id",
    "user_name",
    "action",
    "type",
    "before",
    "after",
    "actor_id",
    "actor_arn",
    "access_key_id",
    "source",
    "source_ip",
    "user_agent",
    "restored_from",
)


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one user: the record of it, and those things that it touched, as `iam.effects` shows them."""

    position: int
    event_id: str
    recorded_at: datetime
    effective_at: datetime
    user_id: str
    user_name: str  # as it was called then; a new name belongs to the change that gave it
    action: str
    type: str
    before: dict[str, Any]
    after: dict[str, Any]
    by: Actor
    source_ip: str
    user_agent: str
    restored_from: Restored | None


class Moment(msgspec.Struct, frozen=True):
    """Where on the ledger something began or ended, and when."""

    position: int
    at: datetime


class Name(msgspec.Struct, frozen=True, rename={"begin": "from", "end": "to"}):
    """What a user was called from one record up to another; None while it is called so."""

    user_name: str
    begin: Moment
    end: Moment | None


class Bearer(msgspec.Struct, frozen=True):
    """A user that bore the name, with all names that it bore, oldest first."""

    user_id: str
    names: Sequence[Name]
    created_at: datetime
    deleted_at: datetime | None


class Page(msgspec.Struct, frozen=True):
    """Changes, the users that they are of, and the position beyond which more may be; None when there is no more."""

    changes: Sequence[UserChange]
    users: Sequence[Bearer]
    next: int | None


async def history(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/history`: all changes of all users that ever bore the name, a page at a time or as a table.

    What a page costs follows what is on it; so it tells of the users that its changes are of, not of all others.
    """
    asked = parameters(http, "from", "to", "order", "limit", "cursor")
    format = table_format(http)
    limit = number(asked, "limit", *((ROWS_MAX, ROWS_MAX) if format else (CHANGES_PER_PAGE, CHANGES_PER_PAGE_MAX)))
    descending = _is_descending(asked)
    account, name = request.caller.account, named["name"]
    question = ("history", name, asked.get("from"), asked.get("to"), descending)
    beyond = read_cursor(asked.get("cursor"), question, int)
    since, until = (_bound(asked, parameter) for parameter in ("from", "to"))
    basis = await service.resolve(account, None)
    if isinstance(until, datetime):
        until = await service.log.position_at(account, microseconds(until))
    query = EventQuery(
        user=name,
        outcome="changed",
        since=since,
        until=basis.position if until is None else min(until, basis.position),
        descending=descending,
    )
    await service.caught_up(account, basis.position)
    if not await service.projections.read(lambda connection: holders(connection, account, name, basis.position)):
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    if format is not None:
        rows = _rows(service, account, query, basis, beyond, limit, format)
        return await stream_table(http, request.request_id, format, COLUMNS, rows, basis)
    page = await _page(service, account, query, basis, beyond, limit)
    told = {
        "users": page.users,
        "changes": page.changes,
        "cursor": cursor_of(question, page.next),
        "basis": basis,
    }
    return answers.success(told, request.request_id)


def _is_descending(asked: Mapping[str, str]) -> bool:
    order = asked.get("order", "asc")
    if order not in ("asc", "desc"):
        raise ValidationError(f"order: {order} is not asc or desc.")
    return order == "desc"


def _bound(asked: Mapping[str, str], name: str) -> datetime | int | None:
    if name not in asked:
        return None
    instant = parse_instant(asked[name], name)
    return instant.at if instant.position is None else instant.position


async def _rows(
    service: Service, account: str, query: EventQuery, basis: Basis, beyond: int | None, limit: int, format: Format
) -> AsyncIterator[Any]:
    """All changes, up to `limit` of them, read a page at a time."""
    while limit:
        page = await _page(service, account, query, basis, beyond, min(limit, CHANGES_PER_READ))
        for change in page.changes:
            yield flat(msgspec.structs.asdict(change), COLUMNS) if format == "text/csv" else change
        if (beyond := page.next) is None:
            return
        limit -= len(page.changes)


async def _page(
    service: Service, account: str, query: EventQuery, basis: Basis, beyond: int | None, limit: int
) -> Page:
    found = await find_events(service.log, service.projections, account, query, beyond, limit)
    return await service.projections.read(
        lambda connection: Page(
            changes := [_change(connection, service.world, row) for row in found.rows],
            [
                _bearer(connection, account, user_id, basis.position)
                for user_id in dict.fromkeys(change.user_id for change in changes)
            ],
            found.next,
        )
    )
