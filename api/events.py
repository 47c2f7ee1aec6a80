"""The native API's audit history: the account's records, one by one or by what they speak of."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from api import answers
from api.instants import parse_time
from api.query_string import number, parameters
from api.service import Request, Service
from api.tables import Format, stream_table, table_format
from eventstore.record import Row, microseconds, open_envelope
from iam.errors import NoSuchEntity, ValidationError
from projections.audit import EventQuery, find_events
from projections.rows import COLUMNS, row_of

EVENTS_PER_PAGE = 100
EVENTS_PER_PAGE_MAX = 1000
ROWS_MAX = 999_999_999  # the largest `limit` of a table

_FILTERS = ("user", "policy", "actor", "request_id", "action", "type", "outcome", "source_ip")


async def events(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events`: the account's records, oldest first, a page at a time or all of them as a table."""
    asked = parameters(http, *_FILTERS, "from", "to", "limit", "cursor")
    until = parse_time(asked["to"], "to") if "to" in asked else None
    since = parse_time(asked["from"], "from") if "from" in asked else None
    beyond = _beyond(asked.get("cursor"))
    account = request.caller.account
    _, head = await service.accounts.state(account)
    await service.caught_up(account, head.position)
    last = head.position if until is None else await service.log.position_at(account, microseconds(until))
    query = EventQuery(
        **{name: asked[name] for name in _FILTERS if name in asked},  # type: ignore[arg-type]
        since=since,
        until=min(last, head.position),  # what came meanwhile may not be in the projections
    )
    if (format := table_format(http)) is not None:
        found = _all_events(service, account, query, beyond, number(asked, "limit", ROWS_MAX, ROWS_MAX))
        return await stream_table(http, request.request_id, format, COLUMNS, (_as(format, row) async for row in found))
    limit = number(asked, "limit", EVENTS_PER_PAGE, EVENTS_PER_PAGE_MAX)
    page = await find_events(service.log, service.projections, account, query, beyond, limit)
    told = {"events": [msgspec.Raw(row.record) for row in page.rows], "cursor": _cursor(page.next)}
    return answers.success(told, request.request_id)


async def _all_events(
    service: Service, account: str, query: EventQuery, beyond: int | None, limit: int
) -> AsyncIterator[Row]:
    """The records that meet the query, up to `limit` of them, read a page at a time."""
    while limit:
        page = await find_events(
            service.log, service.projections, account, query, beyond, min(limit, EVENTS_PER_PAGE_MAX)
        )
        for row in page.rows:
            yield row
        if (beyond := page.next) is None:
            return
        limit -= len(page.rows)


async def event(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events/{id or position}`: one record as it is stored."""
    parameters(http)
    which = named["event"]
    account = request.caller.account
    row = await service.find_record(account, which)
    if row is None:
        raise NoSuchEntity(f"There is no event {which} in account {account}.")
    return answers.success(msgspec.Raw(row.record), request.request_id)


def _as(format: Format, row: Row) -> Any:
    """A record as the row of a table: in JSON it is the record as it is stored."""
    if format == "text/csv":
        return dict(zip(COLUMNS, row_of(open_envelope(row)), strict=True))
    return msgspec.Raw(row.record)


def _cursor(beyond: int | None) -> str | None:
    return None if beyond is None else urlsafe_b64encode(f"@{beyond}".encode()).decode()


def _beyond(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        sign, digits = (text := urlsafe_b64decode(cursor).decode("ascii"))[:1], text[1:]
        if sign == "@" and digits.isdigit() and len(digits) < 19:
            return int(digits)
    except ValueError:
        pass
    raise ValidationError(f"cursor: {cursor} is not one that this service gave.")
