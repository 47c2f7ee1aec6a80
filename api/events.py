"""The native API's audit history: the account's records, one by one or by what they speak of."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import msgspec
from aiohttp import web

from api import answers
from api.instants import parse_time
from api.query_string import number, parameters
from api.service import Request, Service
from iam.errors import NoSuchEntity, ValidationError
from projections.audit import EventQuery, find_events

EVENTS_PER_PAGE = 100
EVENTS_PER_PAGE_MAX = 1000

_FILTERS = ("user", "policy", "actor", "request_id", "action", "type", "outcome", "source_ip")


async def events(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events`: the account's records, oldest first, a page at a time."""
    asked = parameters(http, *_FILTERS, "from", "to", "limit", "cursor")
    query = EventQuery(
        **{name: asked[name] for name in _FILTERS if name in asked},
        since=parse_time(asked["from"], "from") if "from" in asked else None,
        until=parse_time(asked["to"], "to") if "to" in asked else None,
    )
    limit = number(asked, "limit", EVENTS_PER_PAGE, EVENTS_PER_PAGE_MAX)
    account = request.caller.account
    _, head = await service.accounts.state(account)
    await service.caught_up(account, head.position)
    page = await find_events(service.log, service.projections, account, query, _after(asked.get("cursor")), limit)
    told = {"events": [msgspec.Raw(row.record) for row in page.rows], "cursor": _cursor(page.next_after)}
    return answers.success(told, request.request_id)


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


def _cursor(after: int | None) -> str | None:
    return None if after is None else urlsafe_b64encode(f"@{after}".encode()).decode()


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        sign, digits = (text := urlsafe_b64decode(cursor).decode("ascii"))[:1], text[1:]
        if sign == "@" and digits.isdigit() and len(digits) < 19:
            return int(digits)
    except ValueError:
        pass
    raise ValidationError(f"cursor: {cursor} is not one that this service gave.")
